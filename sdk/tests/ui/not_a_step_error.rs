#[path = "support/delivery.rs"]
mod delivery;

use delivery::*;
use stepwright::prelude::*;

#[step]
pub async fn archive(drop: FileDrop) -> Result<(), std::io::Error> {
    let _ = drop;
    Ok(())
}

fn main() {}
