#[path = "support/delivery.rs"]
mod delivery;

use delivery::*;
use stepwright::prelude::*;

fn flow(w: &mut Flow, drop: Expr<FileDrop>) -> Expr<Outcome> {
    let file = parse(drop).run(w);
    deliver(file).run(w)
}

fn main() {}
