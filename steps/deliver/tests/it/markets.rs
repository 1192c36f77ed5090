//! Several markets for one period, and what is noted of every delivery.

use database::{Connection, Database as _, Dialect, Purpose, Value};
use stepwright_step_deliver::{
    Batch, Correction, DeliverError, DeliveryChannel, Ledger, Receipt, StageRequest, VerifyError,
};

use crate::place::{FLIGHTS, Place};

const OTHER: &str = "carrier,month,flights,delay\nUA,1,9,0\nDL,1,1,0\n";

async fn stage(place: &Place, market: Option<&str>, figures: &str, reason: Option<&str>) -> Batch {
    let request = place.request("2013", &format!("arn:{market:?}:{}", reason.is_some()), figures);
    let correction = reason.map(|reason| Correction { reason: reason.to_owned() });
    place.stage_request(StageRequest { market: market.map(str::to_owned), correction, ..request }).await
}

/// Deliveries, corrections and withdrawals of one market leave the others alone.
pub(crate) async fn markets_do_not_touch_each_other(place: &Place) {
    let mut receipts = Vec::new();
    for market in [None, Some("north"), Some("south")] {
        let batch = stage(place, market, FLIGHTS, None).await;
        let receipt = place.deliver(&batch).await.unwrap();
        assert!(!receipt.already_delivered);
        assert_eq!((receipt.version, receipt.market.as_deref()), (1, market));
        receipts.push(receipt);
    }
    assert_eq!(place.count("coreview_figure").await, 9);

    let error = place.deliver(&stage(place, Some("north"), OTHER, None).await).await.unwrap_err();
    assert!(matches!(error, DeliverError::Conflict { .. }), "{error}");
    assert!(error.to_string().contains("flights 2013 (market north)"), "{error}");
    let corrected = place.deliver(&stage(place, Some("north"), OTHER, Some("late")).await).await.unwrap();
    assert_eq!((corrected.version, corrected.rows, corrected.changed_rows), (2, 2, 4));
    place.verify(&corrected).await.unwrap();
    let mut ledger = Ledger::open(place.connection().await).await.unwrap();
    ledger.withdraw((&receipts[2]).into(), "closed").await.unwrap();

    let current = |receipt: Receipt| async move {
        match place.verify(&receipt).await {
            Ok(verified) => verified.delivery_id == receipt.delivery_id,
            Err(VerifyError::Superseded { .. }) => false,
            Err(error) => panic!("{error}"),
        }
    };
    assert!(current(receipts[0].clone()).await);
    assert!(!current(receipts[1].clone()).await);
    assert!(!current(receipts[2].clone()).await);
    assert!(current(corrected).await);
    let standing = place
        .query("SELECT market, state, COUNT(*) FROM coreview_figure GROUP BY market, state ORDER BY 1, 2")
        .await;
    let row = |market: &str, state: &str, count| {
        vec![Value::from(market), Value::from(state), Value::Integer(count)]
    };
    assert_eq!(
        standing,
        [
            row("", "booked", 3),
            row("north", "booked", 2),
            row("north", "withdrawn", 2),
            row("south", "withdrawn", 3)
        ]
    );
    let audited = place.query("SELECT DISTINCT market FROM coreview_audit ORDER BY 1").await;
    assert_eq!(audited, [[Value::from("north")], [Value::from("south")]]);
}

/// A database of before there were markets goes on as if nothing had happened.
pub(crate) async fn a_database_with_deliveries_gets_markets(place: &Place) {
    let mut old = place.connection().await;
    let key_text = match old.dialect() {
        Dialect::Postgres => "text COLLATE \"C\"",
        Dialect::Sqlite => "text",
    };
    old.begin(Purpose::Write).await.unwrap();
    for statements in [
        include_str!("../../../database/migrations/0001_outbox.sql"),
        &include_str!("../../../database/migrations/0002_coreview.sql").replace("KEY_TEXT", key_text),
        "CREATE TABLE stepwright_migration (number bigint PRIMARY KEY NOT NULL, name text NOT NULL)",
        "INSERT INTO stepwright_migration VALUES (1, 'outbox'), (2, 'coreview')",
    ] {
        old.define(statements).await.unwrap();
    }
    let dir = tempfile::tempdir().unwrap();
    let elsewhere = place.via(format!("sqlite://{}/x.db", dir.path().display()));
    let batch = elsewhere.stage("arn:1", FLIGHTS).await;
    let receipt = elsewhere.deliver(&batch).await.unwrap();
    book_as_before(&mut old, &batch, &receipt, &elsewhere).await;
    old.commit().await.unwrap();
    drop(old);

    let again = place.deliver(&batch).await.unwrap();
    assert_eq!(again, Receipt { already_delivered: true, ..receipt.clone() });
    place.verify(&again).await.unwrap();
    let noted = place.query("SELECT delivery_id, market, receipt FROM delivery_receipt").await;
    let text = serde_json::to_string(&receipt).unwrap();
    assert!(!text.contains("market"), "{text}");
    assert_eq!(noted, [[Value::from(&*batch.delivery_id), Value::from(""), Value::from(&*text)]]);
    let error = place.deliver(&place.stage("arn:2", OTHER).await).await.unwrap_err();
    assert!(matches!(error, DeliverError::Conflict { .. }), "{error}");
    let north = place.deliver(&stage(place, Some("north"), OTHER, None).await).await.unwrap();
    place.verify(&north).await.unwrap();
    place.verify(&again).await.unwrap();
}

/// What the steps of before wrote, with the columns of before.
async fn book_as_before(old: &mut Connection, batch: &Batch, receipt: &Receipt, from: &Place) {
    let totals = serde_json::to_string(&receipt.totals).unwrap();
    let text = serde_json::to_string(receipt).unwrap();
    let ledger = [&*batch.delivery_id, &*batch.batch_sha256, &*totals, &*receipt.delivered_at, &*text];
    old.execute(
        "INSERT INTO coreview_ledger (delivery_id, channel, workflow, feed, period, version, batch_sha256, \
         row_count, totals, execution_arn, attempt, delivered_at, receipt, state) VALUES ($1, \
         'coreview-database', 'coreview-delivery', 'flights', '2013', 1, $2, 3, $3, 'arn:1', 1, $4, $5, 'active')",
        &ledger.map(Value::from),
    )
    .await
    .unwrap();
    for row in from.query("SELECT entity_key, figures FROM coreview_figure").await {
        let mut parameters = row;
        parameters.push(Value::from(&*batch.delivery_id));
        old.execute(
            "INSERT INTO coreview_figure (entity_key, figures, delivery_id, feed, period, version, state) \
             VALUES ($1, $2, $3, 'flights', '2013', 1, 'booked')",
            &parameters,
        )
        .await
        .unwrap();
    }
}

/// The receipts of all deliveries are in one table, as they were given first.
pub(crate) async fn every_receipt_is_noted(place: &Place) {
    let batch = stage(place, Some("north"), FLIGHTS, None).await;
    let receipt = place.deliver(&batch).await.unwrap();
    place.deliver(&batch).await.unwrap();
    let noted = place
        .query("SELECT delivery_id, channel, market, version, row_count, receipt FROM delivery_receipt")
        .await;
    let text = serde_json::to_string(&receipt).unwrap();
    let expected = vec![
        Value::from(&*receipt.delivery_id),
        Value::from("coreview-database"),
        Value::from("north"),
        Value::Integer(1),
        Value::Integer(3),
        Value::from(text),
    ];
    assert_eq!(noted, [expected]);
    let outbox = place.query("SELECT market, state, attempts FROM delivery_outbox").await;
    assert_eq!(outbox, [[Value::from("north"), Value::from("delivered"), Value::Integer(1)]]);
}
