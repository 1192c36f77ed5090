#[path = "support/delivery.rs"]
mod delivery;

use delivery::*;
use stepwright::prelude::*;

fn flow(w: &mut Flow, drop: Expr<FileDrop>) -> Expr<u64> {
    let file = parse(drop).run(w);
    w.choose(
        "Empty file?",
        file.row_count.equals(0),
        |_| file.row_count,
        |_| file.business_date,
    )
}

fn main() {}
