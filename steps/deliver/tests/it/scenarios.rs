//! What must hold on every database. Each scenario starts on an empty one.

use database::{Patience, Value};
use stepwright_step_deliver::{
    DeliverError, DeliveryChannel, DeliveryKey, Ledger, Receipt, VerifyError, deliver_through,
};

pub(crate) use crate::corrections::{
    a_correction_before_the_read_back_is_no_tampering, a_stale_correction, an_empty_correction,
    two_corrections_at_once,
};
pub(crate) use crate::markets::{
    a_database_with_deliveries_gets_markets, every_receipt_is_noted, markets_do_not_touch_each_other,
};
use crate::place::{FLIGHTS, Place};

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// A batch arrives with ledger, receipt and figures that agree.
pub(crate) async fn a_batch_arrives(place: &Place) {
    let batch = place.stage("arn:1", FLIGHTS).await;
    assert_eq!(
        place.query("SELECT state, attempts FROM delivery_outbox").await,
        [[text("staged"), Value::Integer(0)]]
    );
    let receipt = place.deliver(&batch).await.unwrap();
    assert!(!receipt.already_delivered);
    assert_eq!((receipt.rows, receipt.changed_rows, receipt.version), (3, 3, 1));
    assert_eq!(receipt.totals["flights"], "12");
    assert_eq!(receipt.execution_arn, "arn:1");
    assert_eq!(receipt.delivery_id, batch.delivery_id);
    let figures = place.query("SELECT entity_key, figures FROM coreview_figure ORDER BY entity_key").await;
    assert_eq!(
        figures,
        [
            [text(r#"{"carrier":"9E","month":"1"}"#), text(r#"{"delay":"0.10","flights":"2"}"#)],
            [text(r#"{"carrier":"AA","month":"2"}"#), text(r#"{"delay":"","flights":"7"}"#)],
            [text(r#"{"carrier":"UA","month":"1"}"#), text(r#"{"delay":"-1.50","flights":"3"}"#)],
        ]
    );
    let stored = place.query("SELECT receipt, attempt FROM coreview_ledger").await;
    assert_eq!(stored, [[text(&serde_json::to_string(&receipt).unwrap()), Value::Integer(1)]]);
    assert_eq!(place.query("SELECT state FROM delivery_outbox").await, [[text("delivered")]]);
    let verified = place.verify(&receipt).await.unwrap();
    assert_eq!(verified.delivery_id, receipt.delivery_id);
    assert_eq!(verified.batch_sha256, batch.batch_sha256);
}

/// Neither a retry nor a new execution changes anything.
pub(crate) async fn a_replay_changes_nothing(place: &Place) {
    let batch = place.stage("arn:1", FLIGHTS).await;
    let first = place.deliver(&batch).await.unwrap();
    let before = place.contents().await;
    let again = Receipt { already_delivered: true, ..first.clone() };
    assert_eq!(place.deliver(&batch).await.unwrap(), again);
    let restarted = place.stage("arn:2", FLIGHTS).await;
    assert_eq!(restarted.delivery_id, batch.delivery_id);
    assert_eq!(place.deliver(&restarted).await.unwrap(), again);
    assert_eq!(place.contents().await, before);
    place.verify(&again).await.unwrap();
}

/// Deliveries of one batch at once, on a database without tables.
pub(crate) async fn one_of_many_applies(place: &Place) {
    // Staged elsewhere: not even the tables are there.
    let dir = tempfile::tempdir().unwrap();
    let elsewhere = place.via(format!("sqlite://{}/x.db", dir.path().display()));
    let batch = elsewhere.stage("arn:1", FLIGHTS).await;
    let mut deliveries = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let (place, batch) = (place.via(&*place.url), batch.clone());
        deliveries.spawn(async move { place.deliver(&batch).await.unwrap() });
    }
    let receipts = deliveries.join_all().await;
    assert_eq!(receipts.iter().filter(|receipt| !receipt.already_delivered).count(), 1);
    assert_eq!(place.count("coreview_ledger").await, 1);
    assert_eq!(place.count("coreview_figure").await, 3);
    assert_eq!(place.count("coreview_staging").await, 3);
}

/// Another batch for the period is refused; as a correction it changes what differs.
pub(crate) async fn a_period_is_corrected_with_a_reason(place: &Place) {
    let original = place.deliver(&place.stage("arn:1", FLIGHTS).await).await.unwrap();
    let before = place.contents().await;
    // UA changes, AA goes, DL comes, 9E stays.
    let other = "carrier,month,flights,delay\nUA,1,4,-1.50\n9E,1,2,0.10\nDL,1,9,0\n";
    let error = place.deliver(&place.stage("arn:2", other).await).await.unwrap_err();
    assert!(matches!(error, DeliverError::Conflict { .. }), "{error}");
    let words = error.to_string();
    assert!(
        words.contains("start again with a correction and its reason") && words.contains("arn:1"),
        "{words}"
    );
    assert_eq!(place.contents().await, before);

    let batch = place.stage_correction("arn:3", other, "late tickets").await;
    let corrected = place.deliver(&batch).await.unwrap();
    assert_eq!((corrected.version, corrected.rows, corrected.changed_rows), (2, 3, 3));
    let figures =
        place.query("SELECT entity_key, version, state FROM coreview_figure ORDER BY entity_key").await;
    let row = |carrier: &str, month: &str, version, state: &str| {
        [
            text(&format!(r#"{{"carrier":"{carrier}","month":"{month}"}}"#)),
            Value::Integer(version),
            text(state),
        ]
    };
    assert_eq!(
        figures,
        [
            row("9E", "1", 1, "booked"),
            row("AA", "2", 2, "withdrawn"),
            row("DL", "1", 2, "booked"),
            row("UA", "1", 2, "booked")
        ]
    );
    let audit = place
        .query(
            "SELECT figures_before, figures_after, reason, version FROM coreview_audit ORDER BY entity_key",
        )
        .await;
    let (aa, dl) = (r#"{"delay":"","flights":"7"}"#, r#"{"delay":"0","flights":"9"}"#);
    let (ua_before, ua_after) = (r#"{"delay":"-1.50","flights":"3"}"#, r#"{"delay":"-1.50","flights":"4"}"#);
    let two = Value::Integer(2);
    assert_eq!(
        audit,
        [
            [text(aa), Value::Null, text("late tickets"), two.clone()],
            [Value::Null, text(dl), text("late tickets"), two.clone()],
            [text(ua_before), text(ua_after), text("late tickets"), two],
        ]
    );
    place.verify(&corrected).await.unwrap();
    assert!(matches!(place.verify(&original).await, Err(VerifyError::Superseded { .. })));
    assert!(place.deliver(&batch).await.unwrap().already_delivered);
    // The same content needs no correction, whoever asks how.
    assert!(
        place
            .deliver(&place.stage_correction("arn:4", other, "again").await)
            .await
            .unwrap()
            .already_delivered
    );
    assert_eq!(place.count("coreview_ledger").await, 2);

    // Back to the original: not by repeating it, but by correcting the correction.
    let error = place.deliver(&place.stage("arn:5", FLIGHTS).await).await.unwrap_err();
    assert!(matches!(error, DeliverError::Conflict { .. }), "{error}");
    assert!(error.to_string().contains("was replaced by delivery"), "{error}");
    let back = place.stage_correction("arn:6", FLIGHTS, "the tickets were void").await;
    let back = place.deliver(&back).await.unwrap();
    assert_eq!((back.version, back.changed_rows), (3, 3));
    place.verify(&back).await.unwrap();
}

/// Of two different batches for a period at once, one is booked, whole.
pub(crate) async fn two_batches_for_a_period_do_not_mix(place: &Place) {
    let one = place.stage("arn:1", FLIGHTS).await;
    let other = place.stage("arn:2", "carrier,month,flights,delay\nUA,1,4,0\nZZ,1,1,0\n").await;
    let (first, second) = tokio::join!(place.deliver(&one), place.deliver(&other));
    let (receipt, error) = match (first, second) {
        (Ok(receipt), Err(error)) | (Err(error), Ok(receipt)) => (receipt, error),
        other => panic!("{other:?}"),
    };
    assert!(matches!(error, DeliverError::Conflict { .. }), "{error}");
    place.verify(&receipt).await.unwrap();
    assert_eq!(place.count("coreview_figure").await, i64::try_from(receipt.rows).unwrap());
    assert_eq!(place.count("coreview_staging").await, i64::try_from(receipt.rows).unwrap());
}

/// Whatever is changed behind our back is noticed by delivering and verifying.
pub(crate) async fn tampering_is_noticed(place: &Place) {
    let batch = place.stage("arn:1", FLIGHTS).await;
    let receipt = place.deliver(&batch).await.unwrap();
    let tampered = [
        (
            "UPDATE coreview_figure SET figures = '{\"delay\":\"0.11\",\"flights\":\"2\"}' WHERE entity_key LIKE '%9E%'",
            "its rows have sha256",
        ),
        (
            "UPDATE coreview_figure SET figures = '{\"delay\":\"0.10\",\"flights\":\"3\"}' WHERE entity_key LIKE '%9E%'",
            "its `flights` is 13 instead of 12",
        ),
        (
            "UPDATE coreview_figure SET figures = 'nonsense' WHERE entity_key LIKE '%9E%'",
            "figures nobody delivered",
        ),
        ("DELETE FROM coreview_figure WHERE entity_key LIKE '%9E%'", "it holds 2 rows instead of 3"),
    ];
    for (statement, words) in tampered {
        assert_eq!(place.execute(statement).await, 1);
        let error = place.deliver(&batch).await.unwrap_err();
        assert!(matches!(error, DeliverError::VerificationMismatch { .. }), "{error}");
        assert!(error.to_string().contains(words), "{error}");
        let error = place.verify(&receipt).await.unwrap_err();
        assert!(matches!(error, VerifyError::Mismatch { .. }), "{error}");
        assert!(error.to_string().contains(words), "{error}");
        place.execute("DELETE FROM coreview_figure").await;
        place
            .execute(
                "INSERT INTO coreview_figure (feed, period, entity_key, figures, delivery_id, version, state) \
                 SELECT 'flights', '2013', entity_key, figures, delivery_id, 1, 'booked' FROM coreview_staging",
            )
            .await;
        place.verify(&receipt).await.unwrap();
    }
    place.execute("UPDATE coreview_ledger SET row_count = 4").await;
    let error = place.verify(&receipt).await.unwrap_err();
    assert!(error.to_string().contains("coreview_ledger and the receipt disagree"), "{error}");
    place.execute("UPDATE coreview_ledger SET row_count = 3").await;
    let forged = Receipt { delivered_at: "2000-01-01T00:00:00Z".into(), ..receipt.clone() };
    let error = place.verify(&forged).await.unwrap_err();
    assert!(error.to_string().contains("another `delivered_at`"), "{error}");
    place.execute("DELETE FROM coreview_ledger").await;
    let error = place.verify(&receipt).await.unwrap_err();
    assert!(error.to_string().contains("has no such delivery"), "{error}");
}

/// Text that means something to somebody arrives as text.
pub(crate) async fn hostile_text_arrives_unchanged(place: &Place) {
    let hostile = [
        "'; DROP TABLE coreview_ledger; --",
        "\"quoted\"",
        "back\\slash \\u0000 \\x00",
        "NUL\0inside",
        "tab\tline\nfeed\r",
        "$1 ?1 :name @x %s",
        "=cmd|' /C calc'!A0",
        "日本語 🦀 e\u{301}",
        "\u{2028}\u{feff}\u{202e}",
        "NULL",
        "",
    ];
    let mut csv = csv::Writer::from_writer(Vec::new());
    csv.write_record(["carrier", "month", "flights", "it's \"a\" column; $2"]).unwrap();
    for (index, text) in hostile.iter().enumerate() {
        csv.write_record([*text, &index.to_string(), "1", *text]).unwrap();
    }
    let figures = String::from_utf8(csv.into_inner().unwrap()).unwrap();
    let mut request = place.request("2013'; --", "arn:1", &figures);
    request.feed = "flights \"x\" 日本".into();
    let batch = place.stage_request(request).await;
    let receipt = place.deliver(&batch).await.unwrap();
    place.verify(&receipt).await.unwrap();
    let mut found = Vec::new();
    for row in place.query("SELECT entity_key, figures FROM coreview_figure").await {
        let [Value::Text(entity), Value::Text(figures)] = &row[..] else { panic!("{row:?}") };
        let entity: serde_json::Value = serde_json::from_str(entity).unwrap();
        let figures: serde_json::Value = serde_json::from_str(figures).unwrap();
        assert_eq!(entity["carrier"], figures["it's \"a\" column; $2"]);
        found.push(entity["carrier"].as_str().unwrap().to_owned());
    }
    let mut expected = hostile.map(str::to_owned).to_vec();
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
}

/// More rows than fit into a statement or a page; and none at all.
pub(crate) async fn batches_of_any_size_arrive(place: &Place) {
    for (period, count) in [("none", 0), ("one page", 1000), ("many", 2501)] {
        let rows = (0..count).map(|row| format!("c{row},1,{row}\n"));
        let figures: String = std::iter::once("carrier,month,flights\n".to_owned()).chain(rows).collect();
        let batch = place.stage_request(place.request(period, period, &figures)).await;
        let receipt = place.deliver(&batch).await.unwrap();
        assert_eq!(receipt.changed_rows, count);
        place.verify(&receipt).await.unwrap();
    }
}

/// A batch that is not what its id says is not delivered.
pub(crate) async fn forged_batches_are_refused(place: &Place) {
    let batch = place.stage("arn:1", FLIGHTS).await;
    let mut forged = vec![batch.clone(); 4];
    forged[0].period = "2014".into();
    forged[1].batch_sha256 = "00".repeat(32);
    forged[2].rows = 4;
    forged[3].batch.bytes += 1;
    for forged in forged {
        let error = place.deliver(&forged).await.unwrap_err();
        let refused = matches!(error, DeliverError::Rejected { .. } | DeliverError::BatchUnreadable { .. });
        assert!(refused, "{error}");
        assert_eq!(place.count("coreview_ledger").await, 0);
        assert_eq!(place.count("coreview_staging").await, 0);
    }
}

/// A withdrawn delivery is gone, once, with its reason.
pub(crate) async fn a_delivery_is_withdrawn(place: &Place) {
    let batch = place.stage("arn:1", FLIGHTS).await;
    let receipt = place.deliver(&batch).await.unwrap();
    let mut ledger = Ledger::open(place.connection().await).await.unwrap();
    ledger.withdraw((&receipt).into(), "paid by hand").await.unwrap();
    let after = place.contents().await;
    ledger.withdraw((&receipt).into(), "again").await.unwrap();
    assert_eq!(place.contents().await, after);
    assert_eq!(place.query("SELECT DISTINCT state FROM coreview_figure").await, [[text("withdrawn")]]);
    assert_eq!(place.query("SELECT DISTINCT reason FROM coreview_audit").await, [[text("paid by hand")]]);
    assert!(matches!(place.verify(&receipt).await, Err(VerifyError::Superseded { .. })));
    let error = place.deliver(&batch).await.unwrap_err();
    assert!(error.to_string().contains("was withdrawn (paid by hand)"), "{error}");
    let again = place.stage_correction("arn:2", FLIGHTS, "the hand was wrong").await;
    let again = place.deliver(&again).await.unwrap();
    assert_eq!((again.version, again.changed_rows), (2, 3));
    place.verify(&again).await.unwrap();
    let nothing = DeliveryKey { delivery_id: "nothing", ..(&receipt).into() };
    assert!(matches!(ledger.withdraw(nothing, "x").await, Err(DeliverError::Rejected { .. })));
}

/// Delivers with little patience, for faults that would take long otherwise.
pub(crate) async fn deliver_impatiently(
    place: &Place,
    batch: &stepwright_step_deliver::Batch,
    patience: Patience,
) -> Result<Receipt, DeliverError> {
    let connection = database::Connection::open(&place.url, patience).await?;
    let mut ledger = Ledger::open(connection).await?;
    deliver_through(&mut ledger, batch, || Ok(place.rows(batch))).await
}

/// The tests of all scenarios on one database.
macro_rules! on {
    ($place:expr; $($scenario:ident)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
        async fn $scenario() {
            if let Some((place, _guard)) = $place {
                crate::scenarios::$scenario(&place).await;
            }
        }
    )*};
    ($place:expr) => {
        crate::scenarios::on! { $place;
            a_batch_arrives
            a_replay_changes_nothing
            one_of_many_applies
            a_period_is_corrected_with_a_reason
            two_batches_for_a_period_do_not_mix
            tampering_is_noticed
            hostile_text_arrives_unchanged
            batches_of_any_size_arrive
            forged_batches_are_refused
            a_delivery_is_withdrawn
            markets_do_not_touch_each_other
            a_database_with_deliveries_gets_markets
            every_receipt_is_noted
            a_correction_before_the_read_back_is_no_tampering
            a_stale_correction
            two_corrections_at_once
            an_empty_correction
        }
    };
}

pub(crate) use on;
