//! Corrections of what somebody else has corrected meanwhile.

use database::{Database as _, Value};
use stepwright_step_store::CloseError;
use tempfile::TempDir;

use crate::place::{Place, ROWS, receipt};

/// A receipt as the channels note them.
async fn note(place: &Place, delivery_id: &str, version: i64) {
    let statement = "INSERT INTO delivery_receipt (delivery_id, channel, workflow, feed, period, market, \
        version, batch_sha256, row_count, totals, execution_arn, delivered_at, receipt) VALUES ($1, \
        'coreview-database', 'coreview-commission', 'agent-contracts', '2024-03', 'north', $2, '00', 1, '{}', \
        'arn:d', '2024-04-01', '{}')";
    let parameters = [Value::from(delivery_id), Value::from(version)];
    place.connection().await.execute(statement, &parameters).await.unwrap();
}

#[tokio::test]
async fn a_correction_carries_what_it_was_compared_with() {
    let dir = TempDir::new().unwrap();
    let place = Place::new(format!("sqlite://{}/planning.db", dir.path().display()));
    place.keep_all().await;
    place.load("contracts.csv", ROWS, "arn:1").await;
    let run = place.open("2024-03").await;
    let figures = || vec![place.figures(&run, "north", &[("Aspen", "100.00")])];
    let replaces = async |correction: Option<&str>| {
        place.control_as(&run, figures(), correction).await.unwrap().deliveries[0].replaces.clone()
    };
    assert_eq!(replaces(Some("late")).await, None);
    for version in [2, 1, 3] {
        note(&place, &format!("d-{version}"), version).await;
    }
    assert_eq!(replaces(Some("late")).await.as_deref(), Some("d-3"));
    assert_eq!(replaces(None).await, None);
}

#[tokio::test]
async fn a_run_does_not_close_on_a_delivery_that_was_replaced() {
    let dir = TempDir::new().unwrap();
    let place = Place::new(format!("sqlite://{}/planning.db", dir.path().display()));
    place.keep_all().await;
    place.load("contracts.csv", ROWS, "arn:1").await;
    let run = place.open("2024-03").await;
    let figures = vec![place.figures(&run, "north", &[("Aspen", "100.00")])];
    let planned = place.control_as(&run, figures, None).await.unwrap().deliveries;
    let receipt = receipt(&planned[0]);
    let statement = "INSERT INTO coreview_ledger (delivery_id, channel, workflow, feed, period, version, \
        batch_sha256, row_count, totals, execution_arn, attempt, delivered_at, receipt, state, ended_by, market) \
        VALUES ($1, 'coreview-database', 'coreview-commission', 'agent-contracts', '2024-03', 1, '00', 1, '{}', \
        'arn:d', 1, '2024-04-01', '{}', 'superseded', 'd-2', 'north')";
    let parameters = [Value::from(&*receipt.delivery_id)];
    place.connection().await.execute(statement, &parameters).await.unwrap();
    let error = place.close(&run.id, vec![receipt]).await.unwrap_err();
    assert!(matches!(error, CloseError::Superseded { .. }), "{error}");
    assert!(error.to_string().contains("replaced or withdrawn meanwhile (d-2)"), "{error}");
    assert_eq!(place.texts("SELECT state FROM calc_run").await, ["open"]);
}
