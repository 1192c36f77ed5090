#[path = "support/delivery.rs"]
mod delivery;

use delivery::*;
use stepwright::prelude::*;

#[deny(unused_must_use)]
fn flow(_: &mut Flow, drop: Expr<FileDrop>) -> Expr<u64> {
    parse(drop);
    lit(0)
}

fn main() {}
