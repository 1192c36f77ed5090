#[path = "support/delivery.rs"]
mod delivery;

use delivery::*;
use stepwright::prelude::*;

fn flow(w: &mut Flow, outcome: Expr<Outcome>) -> Expr<u64> {
    w.cases("How did it end?", outcome, OutcomeCases {
        complete: |_, complete| complete.rows,
        nothing: |_| lit(0),
    })
}

fn main() {}
