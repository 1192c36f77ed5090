#[path = "support/delivery.rs"]
mod delivery;

use delivery::*;
use stepwright::prelude::*;

fn flow(w: &mut Flow, drop: Expr<FileDrop>) -> Expr<u64> {
    let file = parse(drop).run(w);
    if file.row_count.gt(1) { file.row_count } else { lit(0) }
}

fn main() {}
