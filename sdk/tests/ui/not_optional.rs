#[path = "support/delivery.rs"]
mod delivery;

use delivery::*;
use stepwright::prelude::*;

fn flow(_: &mut Flow, file: Expr<ParsedFile>) -> Expr<bool> {
    file.row_count.is_some()
}

fn main() {}
