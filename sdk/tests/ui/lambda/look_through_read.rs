#[path = "../support/delivery.rs"]
mod delivery;

use delivery::*;
use stepwright::prelude::*;

#[step]
pub async fn archive(drop: FileDrop, from: Read<Drops>) -> Result<(), ParseError> {
    let _ = from.look(&drop.key);
    Ok(())
}

fn main() {}
