#[path = "support/delivery.rs"]
mod delivery;

use delivery::*;
use stepwright::prelude::*;

fn flow(w: &mut Flow, drop: Expr<FileDrop>) -> Expr<bool> {
    let file = parse(drop).run(w);
    file.row_count.equals("none")
}

fn main() {}
