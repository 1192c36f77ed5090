//! On SQLite, and what only SQLite does.

use stepwright::Use;
use stepwright_step_store::{Migrate, MigrateRequest, Migrated};
use tempfile::TempDir;

use crate::place::Place;

#[expect(clippy::unnecessary_wraps, reason = "PostgreSQL may be missing; the scenarios are the same")]
fn sqlite() -> Option<(Place, TempDir)> {
    let dir = TempDir::new().unwrap();
    let place = Place::new(format!("sqlite://{}/planning.db", dir.path().display()));
    Some((place, dir))
}

crate::scenarios::on! { sqlite() }

#[tokio::test]
async fn migrating_says_what_it_did() {
    let (place, _dir) = sqlite().unwrap();
    let migrate = || Migrate::handle(MigrateRequest { roles: true }, Use::of(&*place.url));
    let first: Migrated = migrate().await.unwrap();
    assert!(first.applied.contains(&"0004_ingest".to_owned()), "{first:?}");
    assert!(first.target.contains("planning.db") && first.roles.is_empty(), "{first:?}");
    let again = migrate().await.unwrap();
    assert_eq!((again.applied.len(), again.already), (0, first.applied.len() as u64));
}
