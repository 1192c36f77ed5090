#[path = "support/delivery.rs"]
mod delivery;

use delivery::*;
use stepwright::prelude::*;

fn flow(w: &mut Flow, drop: Expr<FileDrop>) -> Expr<ParsedFile> {
    parse(drop).retry(DeliverError::UNAVAILABLE, backoff(1, 2.0)).run(w)
}

fn main() {}
