#[path = "support/delivery.rs"]
mod delivery;

use delivery::*;
use stepwright::prelude::*;

fn flow(w: &mut Flow, drop: Expr<FileDrop>) -> Expr<bool> {
    let file = parse(drop).run(w);
    file.business_date.gt("2024-01-01")
}

fn main() {}
