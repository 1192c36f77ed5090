#[path = "support/delivery.rs"]
mod delivery;

use delivery::*;
use stepwright::prelude::*;

fn flow(w: &mut Flow, drop: Expr<FileDrop>) -> Expr<ParsedFile> {
    parse(drop).catch(ParseError::MALFORMED, |_, why| why.cause).run(w)
}

fn main() {}
