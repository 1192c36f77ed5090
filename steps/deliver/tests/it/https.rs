//! To a real HTTP server, which hangs up, is busy, is slow, or holds something else.

use std::time::Duration;

use database::Value;
use serde_json::json;
use stepwright::{Read, Use};
use stepwright_step_deliver::{
    Batch, Correction, DeliverError, DeliverHttps, DeliveryChannel, HttpsEndpoint, HttpsPatience, Receipt,
    StageRequest, Staging, Verified, VerifyError, VerifyHttps, deliver_through,
};
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::http_receiver::{Fault, HttpReceiver, SECRET};
use crate::place::{FLIGHTS, Place};

const OTHER: &str = "carrier,month,flights,delay\nUA,1,4,-1.50\n9E,1,2,0.10\nDL,1,9,0\n";

pub(crate) struct Endpoint {
    pub(crate) place: Place,
    receiver: HttpReceiver,
    _database: TempDir,
}

impl Endpoint {
    pub(crate) fn new() -> Self {
        let database = TempDir::new().unwrap();
        let place = Place::new(format!("sqlite://{}/coreview.db", database.path().display()));
        Self::of(place, database)
    }

    fn request(&self, execution: &str, figures: &str) -> StageRequest {
        StageRequest { channel: "https".into(), ..self.place.request("2013", execution, figures) }
    }

    async fn stage(&self, execution: &str, figures: &str) -> Batch {
        self.place.stage_request(self.request(execution, figures)).await
    }

    async fn correct(&self, execution: &str, figures: &str, reason: &str) -> Batch {
        let correction = Some(Correction { reason: reason.into() });
        self.place.stage_request(StageRequest { correction, ..self.request(execution, figures) }).await
    }

    pub(crate) async fn deliver(&self, batch: &Batch) -> Result<Receipt, DeliverError> {
        self.deliver_to(&self.receiver.url(), batch).await
    }

    async fn deliver_to(&self, url: &str, batch: &Batch) -> Result<Receipt, DeliverError> {
        let staging: Read<Staging> = Read::at(&self.place.location).unwrap();
        DeliverHttps::handle(batch.clone(), staging, Use::of(&*self.place.url), Use::of(url)).await
    }

    async fn deliver_impatiently(&self, url: &str, batch: &Batch) -> Result<Receipt, DeliverError> {
        let moment = Duration::from_millis(300);
        let patience =
            HttpsPatience { connect: moment, send: moment, answer: moment, ..HttpsPatience::default() };
        let mut endpoint = HttpsEndpoint::open(url, patience)?;
        deliver_through(&mut endpoint, batch, || Ok(self.place.rows(batch))).await
    }

    pub(crate) async fn verify(&self, receipt: &Receipt) -> Result<Verified, VerifyError> {
        VerifyHttps::handle(receipt.clone(), Use::of(self.receiver.url())).await
    }

    /// Planned in another database.
    pub(crate) fn of(place: Place, database: TempDir) -> Self {
        Self { place, receiver: HttpReceiver::start(), _database: database }
    }

    /// It was booked once, whatever happened.
    async fn assert_once(&self, batch: &Batch, receipt: &Receipt) {
        assert_eq!(self.receiver.bookings().len(), 1);
        assert_eq!(self.receiver.figures("flights", "2013", "").len(), 3);
        assert_eq!(self.deliver(batch).await.unwrap(), again(receipt));
        self.verify(receipt).await.unwrap();
        assert_eq!(self.receiver.bookings().len(), 1);
    }
}

fn again(receipt: &Receipt) -> Receipt {
    Receipt { already_delivered: true, ..receipt.clone() }
}

#[tokio::test]
async fn a_batch_arrives() {
    let endpoint = Endpoint::new();
    let batch = endpoint.stage("arn:1", FLIGHTS).await;
    let receipt = endpoint.deliver(&batch).await.unwrap();
    assert!(!receipt.already_delivered);
    assert_eq!((receipt.rows, receipt.changed_rows, receipt.version), (3, 3, 1));
    assert_eq!((&*receipt.coreview_id, &*receipt.channel), ("CV-1", "https"));
    assert_eq!(receipt.delivery_id, batch.delivery_id);
    assert_eq!(receipt.totals, batch.totals);
    let seen = [("GET", 404), ("PUT", 201), ("GET", 200)].map(|(method, status)| (method.to_owned(), status));
    assert_eq!(endpoint.receiver.seen(), seen);
    let restarted = endpoint.stage("arn:2", FLIGHTS).await;
    assert_eq!(endpoint.deliver(&restarted).await.unwrap(), again(&receipt));
    endpoint.assert_once(&batch, &receipt).await;
    let noted = endpoint.place.query("SELECT channel, receipt FROM delivery_receipt").await;
    let text = serde_json::to_string(&receipt).unwrap();
    assert_eq!(noted, [[Value::from("https"), Value::from(text)]]);
}

#[tokio::test]
async fn corrections_withdrawals_and_markets() {
    let endpoint = Endpoint::new();
    let original = endpoint.deliver(&endpoint.stage("arn:1", FLIGHTS).await).await.unwrap();
    let request = StageRequest { market: Some("north".into()), ..endpoint.request("arn:n", FLIGHTS) };
    let north = endpoint.deliver(&endpoint.place.stage_request(request).await).await.unwrap();
    assert_eq!((north.already_delivered, north.version, north.market.as_deref()), (false, 1, Some("north")));
    let error = endpoint.deliver(&endpoint.stage("arn:2", OTHER).await).await.unwrap_err();
    assert!(matches!(error, DeliverError::Conflict { .. }), "{error}");
    assert!(error.to_string().contains("409 (the period has other figures)"), "{error}");
    assert!(error.to_string().contains("start again with a correction and its reason"), "{error}");

    let batch = endpoint.correct("arn:3", OTHER, "late tickets").await;
    let corrected = endpoint.deliver(&batch).await.unwrap();
    assert_eq!((corrected.version, corrected.rows, corrected.changed_rows), (2, 3, 3));
    assert_eq!(corrected.correction.as_deref(), Some("late tickets"));
    endpoint.verify(&corrected).await.unwrap();
    assert!(matches!(endpoint.verify(&original).await, Err(VerifyError::Superseded { .. })));
    assert_eq!(endpoint.deliver(&batch).await.unwrap(), again(&corrected));

    let mut channel = HttpsEndpoint::open(&endpoint.receiver.url(), HttpsPatience::default()).unwrap();
    let error = channel.withdraw((&original).into(), "x").await.unwrap_err();
    assert!(matches!(error, DeliverError::Conflict { .. }), "{error}");
    for reason in ["paid by hand", "again"] {
        channel.withdraw((&corrected).into(), reason).await.unwrap();
    }
    assert!(endpoint.receiver.figures("flights", "2013", "").is_empty());
    assert_eq!(endpoint.receiver.figures("flights", "2013", "north").len(), 3);
    assert!(matches!(endpoint.verify(&corrected).await, Err(VerifyError::Superseded { .. })));
    let error = endpoint.deliver(&batch).await.unwrap_err();
    assert!(error.to_string().contains("was withdrawn (paid by hand)"), "{error}");
    endpoint.verify(&north).await.unwrap();
}

/// The answer is lost after or before the batch was booked, or the body is cut.
#[tokio::test]
async fn a_lost_answer_is_unknown_and_the_next_attempt_looks_first() {
    for (fault, booked) in [
        (Fault::HangUpAfter, true),
        (Fault::Nonsense, true),
        (Fault::HangUpBefore, false),
        (Fault::Cut, false),
    ] {
        let endpoint = Endpoint::new();
        let batch = endpoint.stage("arn:1", FLIGHTS).await;
        endpoint.receiver.fail("PUT", fault.clone());
        let error = endpoint.deliver(&batch).await.unwrap_err();
        assert!(matches!(error, DeliverError::Unknown { .. }), "{fault:?}: {error}");
        assert!(error.to_string().contains("next attempt looks whether the batch arrived"), "{error}");
        assert_eq!(endpoint.receiver.bookings().len(), usize::from(booked), "{fault:?}");
        let receipt = endpoint.deliver(&batch).await.unwrap();
        assert_eq!(receipt.already_delivered, booked, "{fault:?}");
        endpoint.assert_once(&batch, &receipt).await;
    }
}

#[tokio::test]
async fn a_slow_answer_is_unknown_and_the_batch_is_found() {
    let endpoint = Endpoint::new();
    let batch = endpoint.stage("arn:1", FLIGHTS).await;
    endpoint.receiver.fail("PUT", Fault::Slow);
    let error = endpoint.deliver_impatiently(&endpoint.receiver.url(), &batch).await.unwrap_err();
    assert!(matches!(error, DeliverError::Unknown { .. }), "{error}");
    let receipt = endpoint.deliver(&batch).await.unwrap();
    assert!(receipt.already_delivered);
    endpoint.receiver.release();
    endpoint.assert_once(&batch, &receipt).await;
}

/// However slow an endpoint is within its own limits, the step ends by itself.
#[tokio::test]
async fn requests_together_have_an_end() {
    let endpoint = Endpoint::new();
    let batch = endpoint.stage("arn:1", FLIGHTS).await;
    let deliver = async |milliseconds: u64| {
        let patience =
            HttpsPatience { together: Duration::from_millis(milliseconds), ..HttpsPatience::default() };
        let mut channel = HttpsEndpoint::open(&endpoint.receiver.url(), patience).unwrap();
        deliver_through(&mut channel, &batch, || Ok(endpoint.place.rows(&batch))).await
    };
    for (method, milliseconds) in [("GET", 300), ("PUT", 300), ("GET", 0)] {
        endpoint.receiver.fail(method, Fault::Slow);
        let error = deliver(milliseconds).await.unwrap_err();
        assert!(matches!(error, DeliverError::Unknown { .. }), "{method}: {error}");
        assert!(error.to_string().contains("looks whether the batch arrived"), "{error}");
    }
    endpoint.receiver.release();
    let receipt = endpoint.deliver(&batch).await.unwrap();
    assert!(receipt.already_delivered);
    endpoint.assert_once(&batch, &receipt).await;
}

/// A burst is waited out as it asks to, in the step when it is short.
#[tokio::test]
async fn bursts_of_busy_are_waited_out() {
    let endpoint = Endpoint::new();
    let batch = endpoint.stage("arn:1", FLIGHTS).await;
    endpoint.receiver.fail("GET", Fault::Answer(429, Some("0")));
    endpoint.receiver.fail("PUT", Fault::Answer(429, Some("0")));
    endpoint.receiver.fail("PUT", Fault::Answer(503, Some("0")));
    let receipt = endpoint.deliver(&batch).await.unwrap();
    assert!(!receipt.already_delivered);
    let statuses: Vec<u16> = endpoint.receiver.seen().iter().map(|(_, status)| *status).collect();
    assert_eq!(statuses, [429, 404, 429, 404, 503, 404, 201, 200]);
    endpoint.assert_once(&batch, &receipt).await;
}

#[tokio::test]
async fn longer_waits_are_left_to_the_workflow() {
    let endpoint = Endpoint::new();
    let batch = endpoint.stage("arn:1", FLIGHTS).await;
    for (status, retry_after, words) in [
        (429, Some("3600"), "answered 429 (busy\\u{7}); it asks to wait 3600 s"),
        (429, None, "answered 429 (busy\\u{7}); the delivery is tried again"),
        (503, Some("Fri, 22 Nov 2999 08:00:00 GMT"), "answered 503 (busy\\u{7}); it asks to wait"),
        (503, None, "answered 503"),
    ] {
        endpoint.receiver.fail("PUT", Fault::Answer(status, retry_after));
        let error = endpoint.deliver(&batch).await.unwrap_err();
        let named = match status {
            429 => matches!(error, DeliverError::Throttled { .. }),
            _ => matches!(error, DeliverError::Unavailable { .. }),
        };
        assert!(named && error.to_string().contains(words), "{error}");
    }
    // More bursts than a step waits for.
    for _ in 0..4 {
        endpoint.receiver.fail("PUT", Fault::Answer(429, Some("0")));
    }
    let error = endpoint.deliver(&batch).await.unwrap_err();
    assert!(matches!(error, DeliverError::Throttled { .. }), "{error}");
    assert!(endpoint.receiver.bookings().is_empty());
    let receipt = endpoint.deliver(&batch).await.unwrap();
    endpoint.assert_once(&batch, &receipt).await;
}

#[tokio::test]
async fn refusals_say_what_to_do() {
    let endpoint = Endpoint::new();
    let batch = endpoint.stage("arn:1", FLIGHTS).await;
    let rows = json!({ "detail": "unfit", "rows": [
        { "line": 3, "entity": { "carrier": "UA" }, "code": "UNKNOWN_AGENT", "detail": "who?" }
    ] });
    endpoint.receiver.fail("PUT", Fault::RefuseRows(rows));
    let error = endpoint.deliver(&batch).await.unwrap_err();
    let words = "answered 422 (unfit); 1 row is refused: line 3, carrier=UA: UNKNOWN_AGENT who?; correct";
    assert!(error.to_string().contains(words), "{error}");
    let DeliverError::Rejected { rows, .. } = error else { panic!("{error}") };
    assert_eq!(rows[0].entity["carrier"], "UA");
    for (status, words) in [
        (401, "check key id and secret in the secret `coreview-https`"),
        (302, "it redirects, which is not followed"),
        (404, "correct what it refuses"),
    ] {
        endpoint.receiver.fail("PUT", Fault::Answer(status, None));
        let error = endpoint.deliver(&batch).await.unwrap_err();
        assert!(matches!(error, DeliverError::Rejected { .. }), "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
    for status in [500, 502, 504, 408] {
        endpoint.receiver.fail("PUT", Fault::Answer(status, None));
        let error = endpoint.deliver(&batch).await.unwrap_err();
        assert!(matches!(error, DeliverError::Unknown { .. }), "{status}: {error}");
        endpoint.receiver.fail("GET", Fault::Answer(status, None));
        let error = endpoint.deliver(&batch).await.unwrap_err();
        assert!(matches!(error, DeliverError::Unavailable { .. }), "{status}: {error}");
    }
    assert!(endpoint.receiver.bookings().is_empty());
    let receipt = endpoint.deliver(&batch).await.unwrap();
    endpoint.assert_once(&batch, &receipt).await;
}

/// What the endpoint holds is asked for, and compared.
#[tokio::test]
async fn another_content_read_back_is_noticed() {
    let endpoint = Endpoint::new();
    let batch = endpoint.stage("arn:1", FLIGHTS).await;
    let receipt = endpoint.deliver(&batch).await.unwrap();
    let key = r#"{"carrier":"9E","month":"1"}"#;
    let changes: [(serde_json::Value, &str); 3] = [
        (json!({ "delay": "0.11", "flights": "2" }), "its rows have sha256"),
        (json!({ "delay": "0.10", "flights": "3" }), "its `flights` is 13.000000 instead of 12"),
        (json!(null), "it holds 2 rows instead of 3"),
    ];
    for (figures, words) in changes {
        endpoint.receiver.tamper(|rows| {
            if figures.is_null() {
                rows.remove(key);
            } else {
                rows.insert(key.into(), figures.clone());
            }
        });
        let error = endpoint.deliver(&batch).await.unwrap_err();
        assert!(matches!(error, DeliverError::VerificationMismatch { .. }), "{error}");
        assert!(error.to_string().contains(words), "{error}");
        let error = endpoint.verify(&receipt).await.unwrap_err();
        assert!(matches!(error, VerifyError::Mismatch { .. }), "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
    endpoint.receiver.tamper(|rows| {
        rows.insert(key.into(), json!({ "delay": "0.10", "flights": "2" }));
    });
    endpoint.assert_once(&batch, &receipt).await;
    let forged = Receipt { delivered_at: "2000-01-01T00:00:00Z".into(), ..receipt };
    let error = endpoint.verify(&forged).await.unwrap_err();
    assert!(error.to_string().contains("another `delivered_at`"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_several_deliveries_at_once_one_books() {
    let endpoint = Endpoint::new();
    let same = endpoint.stage("arn:1", FLIGHTS).await;
    let other = endpoint.stage("arn:2", OTHER).await;
    let (a, b, c, d) = tokio::join!(
        endpoint.deliver(&same),
        endpoint.deliver(&other),
        endpoint.deliver(&same),
        endpoint.deliver(&other)
    );
    let (fine, failed): (Vec<_>, Vec<_>) = [a, b, c, d].into_iter().partition(Result::is_ok);
    let receipts: Vec<Receipt> = fine.into_iter().flatten().collect();
    assert_eq!(receipts.len(), 2);
    assert_eq!(receipts[0].delivery_id, receipts[1].delivery_id);
    assert_eq!(receipts.iter().filter(|receipt| !receipt.already_delivered).count(), 1);
    assert!(failed.iter().all(|error| matches!(error, Err(DeliverError::Conflict { .. }))), "{failed:?}");
    assert_eq!(endpoint.receiver.bookings().len(), 1);
    endpoint.verify(&receipts[0]).await.unwrap();
}

#[tokio::test]
async fn rows_that_are_not_the_batch_never_arrive() {
    let endpoint = Endpoint::new();
    let batch = endpoint.stage("arn:1", FLIGHTS).await;
    let mut forged = vec![batch.clone(); 4];
    forged[0].period = "2014".into();
    forged[1].batch_sha256 = "00".repeat(32);
    forged[2].rows = 2;
    forged[3].batch.bytes += 1;
    for forged in forged {
        let error = endpoint.deliver(&forged).await.unwrap_err();
        let refused = matches!(error, DeliverError::Rejected { .. } | DeliverError::BatchUnreadable { .. });
        assert!(refused, "{error}");
        assert!(endpoint.receiver.bookings().is_empty());
    }
    // Another object than was staged.
    let mut channel = HttpsEndpoint::open(&endpoint.receiver.url(), HttpsPatience::default()).unwrap();
    let sorted_wrongly: &[u8] =
        b"{\"entity\":{\"a\":\"2\"},\"figures\":{}}\n{\"entity\":{\"a\":\"1\"},\"figures\":{}}\n";
    let error = deliver_through(&mut channel, &batch, || Ok(sorted_wrongly)).await.unwrap_err();
    assert!(matches!(error, DeliverError::Rejected { .. }), "{error}");
    assert!(error.to_string().contains("line 2 of the batch is not canonical"), "{error}");
    let longer = StageRequest {
        correction: Some(Correction { reason: "x".repeat(5000) }),
        ..endpoint.request("arn:1", FLIGHTS)
    };
    let error = endpoint.deliver(&endpoint.place.stage_request(longer).await).await.unwrap_err();
    assert!(error.to_string().contains("shorten the reason"), "{error}");
    assert!(endpoint.receiver.bookings().is_empty());
}

#[tokio::test]
async fn an_endpoint_that_is_not_there_is_unavailable() {
    let endpoint = Endpoint::new();
    let batch = endpoint.stage("arn:1", FLIGHTS).await;
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let url = format!("http://id:{}@127.0.0.1:{port}", SECRET.replace('/', "%2F").replace('@', "%40"));
    let error = endpoint.deliver_impatiently(&url, &batch).await.unwrap_err();
    assert!(matches!(error, DeliverError::Unavailable { .. }), "{error}");
    assert!(error.to_string().contains(&format!("no answer from http://127.0.0.1:{port}: ")), "{error}");
    drop(silent);
    let error = endpoint.deliver_to(&url, &batch).await.unwrap_err();
    assert!(matches!(error, DeliverError::Unavailable { .. }), "{error}");
    assert!(!error.to_string().contains("canary"), "{error}");
}

#[tokio::test]
async fn a_secret_that_is_none_is_refused_without_quoting_it() {
    let endpoint = Endpoint::new();
    let batch = endpoint.stage("arn:1", FLIGHTS).await;
    for (url, words) in [
        ("ftp://id:canary@host", "starts neither with"),
        ("https://host/path", "has no key before the host"),
        ("https://canary@host", "has no secret after the key id"),
        ("https://id:@host", "an empty secret"),
        ("https://i d:canary@host", "is not a URL"),
        ("https://i%0Ad:canary@host", "a key id of other characters"),
        ("https://id:can%zzary@host", "has a `%` that encodes nothing"),
        ("https://id:canary@host/?a=b", "has a query"),
        ("http://id:canary@coreview.example/", "is plain HTTP to another machine"),
        ("http://id:canary@127.0.0.1.example/", "is plain HTTP to another machine"),
    ] {
        let error = endpoint.deliver_to(url, &batch).await.unwrap_err();
        assert!(matches!(error, DeliverError::Rejected { .. }), "{error}");
        assert!(error.to_string().contains(words), "{error}");
        assert!(!error.to_string().contains("canary"), "{error}");
    }
    let url = endpoint.receiver.url().replace("canary", "kanary");
    let error = endpoint.deliver_to(&url, &batch).await.unwrap_err();
    assert!(error.to_string().contains("401 (another secret); check key id and secret"), "{error}");
}
