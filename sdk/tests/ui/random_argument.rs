#[path = "support/delivery.rs"]
mod delivery;

use delivery::*;
use stepwright::prelude::*;

#[step]
pub async fn archive(drop: FileDrop, to: String) -> Result<(), ParseError> {
    let _ = (drop, to);
    Ok(())
}

fn main() {}
