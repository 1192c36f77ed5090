#[path = "support/delivery.rs"]
mod delivery;

use delivery::*;
use stepwright::prelude::*;

pub fn flow(w: &mut Flow, figures: Expr<Calculated>) -> Expr<Outcome> {
    deliver(figures).wait_at_most(60).run(w)
}

fn main() {}
