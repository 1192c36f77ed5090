#[path = "support/delivery.rs"]
mod delivery;

use delivery::*;
use stepwright::prelude::*;

fn flow(w: &mut Flow, drop: Expr<FileDrop>) -> Expr<u64> {
    let file = parse(drop).run(w);
    file.rowcount
}

fn main() {}
