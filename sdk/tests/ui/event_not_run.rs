#[path = "support/delivery.rs"]
mod delivery;

use delivery::*;
use stepwright::prelude::*;

#[deny(unused_must_use)]
fn flow(w: &mut Flow, drop: Expr<FileDrop>) -> Expr<u64> {
    w.put_event("Announce", "planning", "File arrived", drop);
    lit(0)
}

fn main() {}
