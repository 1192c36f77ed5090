//! On SQLite, and what only SQLite does.

use std::fs;
use std::time::Duration;

use database::{Database as _, Patience, Purpose};
use stepwright_step_deliver::DeliverError;
use tempfile::TempDir;

use crate::place::{FLIGHTS, Place};
use crate::scenarios::deliver_impatiently;

#[expect(clippy::unnecessary_wraps, reason = "PostgreSQL may be missing; the scenarios are the same")]
fn sqlite() -> Option<(Place, TempDir)> {
    let dir = TempDir::new().unwrap();
    let place = Place::new(format!("sqlite://{}/coreview.db", dir.path().display()));
    Some((place, dir))
}

crate::scenarios::on! { sqlite() }

#[tokio::test]
async fn a_locked_database_is_throttled() {
    let (place, _dir) = sqlite().unwrap();
    let batch = place.stage("arn:1", FLIGHTS).await;
    let mut holder = place.connection().await;
    holder.begin(Purpose::Write).await.unwrap();
    let patience = Patience { lock: Duration::from_millis(50), ..Patience::default() };
    let error = deliver_impatiently(&place, &batch, patience).await.unwrap_err();
    assert!(matches!(error, DeliverError::Throttled { .. }), "{error}");
    assert!(error.to_string().contains("coreview.db: cannot read: database is locked"), "{error}");
    holder.rollback().await;
    assert!(!place.deliver(&batch).await.unwrap().already_delivered);
}

#[tokio::test]
async fn a_new_database_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let (place, dir) = sqlite().unwrap();
    let batch = place.stage("arn:1", FLIGHTS).await;
    place.deliver(&batch).await.unwrap();
    let mode = fs::metadata(dir.path().join("coreview.db")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn a_database_that_cannot_be_is_named() {
    let (place, dir) = sqlite().unwrap();
    let batch = place.stage("arn:1", FLIGHTS).await;

    let missing = place.via(format!("sqlite://{}/no/such/coreview.db", dir.path().display()));
    let error = missing.deliver(&batch).await.unwrap_err();
    assert!(matches!(error, DeliverError::Unavailable { .. }), "{error}");
    assert!(
        error.to_string().contains("/no/such/coreview.db") && error.to_string().contains("directory exists"),
        "{error}"
    );

    fs::write(dir.path().join("notes.txt"), "these are notes, a lot of them. ".repeat(100)).unwrap();
    let notes = place.via(format!("sqlite://{}/notes.txt", dir.path().display()));
    let error = notes.deliver(&batch).await.unwrap_err();
    assert!(matches!(error, DeliverError::Rejected { .. }), "{error}");
    assert!(error.to_string().contains("not a SQLite database"), "{error}");
}

#[tokio::test]
async fn dropping_a_delivery_half_way_leaves_nothing() {
    let (place, _dir) = sqlite().unwrap();
    place.stage("arn:1", FLIGHTS).await;
    let mut connection = place.connection().await;
    connection.begin(Purpose::Write).await.unwrap();
    connection.execute("INSERT INTO coreview_staging VALUES ('d', 'k', 'f')", &[]).await.unwrap();
    drop(connection);
    assert_eq!(place.count("coreview_staging").await, 0);
}

/// Half a million rows must fit into a small Lambda function.
#[tokio::test]
async fn a_large_batch_needs_little_memory() {
    const ROWS: u64 = 540_000;
    if std::env::var_os("SLOW").is_none() {
        return;
    }
    let (place, _dir) = sqlite().unwrap();
    let request = place.large_request(ROWS);
    let batch = place.stage_request(request).await;
    let receipt = place.deliver(&batch).await.unwrap();
    assert_eq!(receipt.changed_rows, ROWS);
    place.verify(&receipt).await.unwrap();
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kib: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(kib < 200 * 1024, "{kib} KiB");
    eprintln!("peak memory: {kib} KiB");
}
