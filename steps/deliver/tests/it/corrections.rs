//! What must hold of corrections through every channel alike.

use std::io::BufRead;

use database::{Connection, Value};
use proptest::prelude::*;
use stepwright_step_deliver::{
    Batch, Booking, ControlTotals, Correction, DeliverError, DeliveryChannel, DeliveryKey, Ledger, Receipt,
    StageRequest, Verified, VerifyError, deliver_through,
};
use tempfile::TempDir;

use crate::file::Folder;
use crate::https::Endpoint;
use crate::place::{FLIGHTS, Place};

const OTHER: &str = "carrier,month,flights,delay\nUA,1,4,-1.50\n9E,1,2,0.10\nDL,1,9,0\n";
const THIRD: &str = "carrier,month,flights,delay\nUA,1,5,0\n";
/// A market that has nothing left.
const NOTHING: &str = "carrier,month,flights,delay\n";

/// Where corrections are delivered to.
pub(crate) trait Target {
    fn place(&self) -> &Place;
    fn channel(&self) -> &'static str;
    async fn deliver(&self, batch: &Batch) -> Result<Receipt, DeliverError>;
    async fn verify(&self, receipt: &Receipt) -> Result<Verified, VerifyError>;

    /// A delivery, or a correction with its reason, of what was the last one when somebody looked.
    async fn staged(&self, execution: &str, figures: &str, why: Option<(&str, Option<&str>)>) -> Batch {
        let request = StageRequest {
            channel: self.channel().into(),
            correction: why.map(|(reason, _)| Correction { reason: reason.into() }),
            replaces: why.and_then(|(_, compared)| compared).map(str::to_owned),
            ..self.place().request("2013", execution, figures)
        };
        self.place().stage_as_it_is(request).await
    }

    async fn correct(&self, execution: &str, figures: &str, compared: &Receipt) -> Batch {
        self.staged(execution, figures, Some(("late", Some(&compared.delivery_id)))).await
    }
}

impl Target for Place {
    fn place(&self) -> &Place {
        self
    }
    fn channel(&self) -> &'static str {
        "coreview-database"
    }
    async fn deliver(&self, batch: &Batch) -> Result<Receipt, DeliverError> {
        self.deliver(batch).await
    }
    async fn verify(&self, receipt: &Receipt) -> Result<Verified, VerifyError> {
        self.verify(receipt).await
    }
}

impl Target for Folder {
    fn place(&self) -> &Place {
        &self.place
    }
    fn channel(&self) -> &'static str {
        "file-drop"
    }
    async fn deliver(&self, batch: &Batch) -> Result<Receipt, DeliverError> {
        self.deliver(batch).await
    }
    async fn verify(&self, receipt: &Receipt) -> Result<Verified, VerifyError> {
        self.verify(receipt).await
    }
}

impl Target for Endpoint {
    fn place(&self) -> &Place {
        &self.place
    }
    fn channel(&self) -> &'static str {
        "https"
    }
    async fn deliver(&self, batch: &Batch) -> Result<Receipt, DeliverError> {
        self.deliver(batch).await
    }
    async fn verify(&self, receipt: &Receipt) -> Result<Verified, VerifyError> {
        self.verify(receipt).await
    }
}

/// The conflict of a correction that was compared with another delivery than the last one.
fn assert_stale(outcome: Result<Receipt, DeliverError>, active: &Receipt) {
    let Err(DeliverError::Conflict { detail, active: named }) = outcome else { panic!("{outcome:?}") };
    let words = format!("was corrected meanwhile by delivery {} ", active.delivery_id);
    assert!(detail.contains(&words) && detail.contains("look at it and start again"), "{detail}");
    assert_eq!(named.map(|named| named.delivery_id), Some(active.delivery_id.clone()));
}

fn assert_superseded(outcome: Result<Verified, VerifyError>, by: &Receipt) {
    let Err(VerifyError::Superseded { detail }) = outcome else { panic!("{outcome:?}") };
    assert!(detail.contains(&format!("was replaced by delivery {}", by.delivery_id)), "{detail}");
}

async fn a_stale_correction_is_refused(target: &impl Target) {
    let original = target.deliver(&target.staged("arn:1", FLIGHTS, None).await).await.unwrap();
    let approved_late = target.correct("arn:a", OTHER, &original).await;
    let corrected = target.deliver(&target.correct("arn:b", THIRD, &original).await).await.unwrap();
    assert_eq!(corrected.version, 2);
    assert_stale(target.deliver(&approved_late).await, &corrected);
    let nobody_looked = target.staged("arn:c", OTHER, Some(("late", None))).await;
    assert_stale(target.deliver(&nobody_looked).await, &corrected);
    let unknown = target.staged("arn:d", OTHER, Some(("late", Some(&"0".repeat(64))))).await;
    assert_stale(target.deliver(&unknown).await, &corrected);
    target.verify(&corrected).await.unwrap();
    assert_superseded(target.verify(&original).await, &corrected);

    // Back and forth for the same reason is a delivery each time.
    let again = target.deliver(&target.correct("arn:e", OTHER, &corrected).await).await.unwrap();
    let back = target.deliver(&target.correct("arn:f", THIRD, &again).await).await.unwrap();
    assert_eq!((again.version, back.version), (3, 4));
    target.verify(&back).await.unwrap();
    // The same content is there already, whoever looked when; nobody has to hunt for its delivery.
    let same = target.correct("arn:g", THIRD, &corrected).await;
    assert_eq!(target.deliver(&same).await.unwrap(), Receipt { already_delivered: true, ..back });
    let open = target.place().query("SELECT delivery_id FROM delivery_outbox WHERE state = 'staged'").await;
    assert_eq!(open.len(), 3, "only those that were refused: {open:?}");
}

async fn of_two_corrections_at_once_one_wins(target: &impl Target) {
    let mut last = target.deliver(&target.staged("arn:1", FLIGHTS, None).await).await.unwrap();
    for round in 0..4 {
        let figures = |flights: u32| format!("carrier,month,flights,delay\nUA,1,{flights},0\n");
        let one = target.correct(&format!("arn:{round}:1"), &figures(10 * round), &last).await;
        let two = target.correct(&format!("arn:{round}:2"), &figures(10 * round + 1), &last).await;
        let (first, second) = tokio::join!(target.deliver(&one), target.deliver(&two));
        let (winner, loser) = if first.is_ok() { (first, second) } else { (second, first) };
        let winner = winner.unwrap();
        assert_stale(loser, &winner);
        assert_eq!(winner.version, u64::from(round) + 2);
        target.verify(&winner).await.unwrap();
        assert_superseded(target.verify(&last).await, &winner);
        last = winner;
    }
}

pub(crate) async fn an_empty_correction_withdraws_every_row(target: &impl Target) {
    let original = target.deliver(&target.staged("arn:1", FLIGHTS, None).await).await.unwrap();
    let batch = target.correct("arn:2", NOTHING, &original).await;
    let emptied = target.deliver(&batch).await.unwrap();
    assert_eq!((emptied.version, emptied.rows, emptied.already_delivered), (2, 0, false));
    assert_eq!(emptied.totals["flights"], "0");
    target.verify(&emptied).await.unwrap();
    assert_superseded(target.verify(&original).await, &emptied);
    let again = Receipt { already_delivered: true, ..emptied.clone() };
    assert_eq!(target.deliver(&batch).await.unwrap(), again);
    let restarted = target.correct("arn:3", NOTHING, &emptied).await;
    assert_eq!(target.deliver(&restarted).await.unwrap(), again);
    let back = target.deliver(&target.correct("arn:4", FLIGHTS, &emptied).await).await.unwrap();
    assert_eq!((back.version, back.rows, back.changed_rows), (3, 3, 3));
    target.verify(&back).await.unwrap();
}

/// Of several planners who look and correct in any order.
#[derive(Debug, Clone)]
enum Step {
    Look(usize),
    Correct(usize, usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0..3_usize).prop_map(Step::Look),
        (0..3_usize, 0..4_usize).prop_map(|(who, what)| Step::Correct(who, what)),
    ];
    prop::collection::vec(step, 1..12)
}

/// Only who has looked at the last delivery replaces it, and what is there is what was delivered last.
async fn corrections_follow_who_looked(target: &impl Target, steps: &[Step]) {
    let figures = [FLIGHTS, OTHER, THIRD, NOTHING];
    let mut compared: [Option<String>; 3] = [None, None, None];
    let mut last: Option<(usize, Receipt)> = None;
    for (number, step) in steps.iter().enumerate() {
        let latest = last.as_ref().map(|(_, receipt)| receipt.delivery_id.clone());
        match *step {
            Step::Look(who) => compared[who] = latest,
            Step::Correct(who, what) => {
                let arn = format!("arn:{number}");
                let why = Some((&*arn, compared[who].as_deref()));
                let batch = target.staged(&arn, figures[what], why).await;
                let outcome = target.deliver(&batch).await;
                match &last {
                    Some((there, receipt)) if *there == what => {
                        let again = Receipt { already_delivered: true, ..receipt.clone() };
                        assert_eq!(outcome.unwrap(), again);
                    }
                    Some((_, receipt)) if compared[who] != latest => assert_stale(outcome, receipt),
                    None if compared[who] != latest => panic!("nobody can have looked at anything"),
                    _ => {
                        let receipt = outcome.unwrap();
                        assert!(!receipt.already_delivered);
                        last = Some((what, receipt));
                    }
                }
            }
        }
    }
    if let Some((_, receipt)) = last {
        target.verify(&receipt).await.unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, ..ProptestConfig::default() })]

    #[test]
    fn every_channel_keeps_the_same_rule(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let dir = TempDir::new().unwrap();
            let place = Place::new(format!("sqlite://{}/coreview.db", dir.path().display()));
            corrections_follow_who_looked(&place, &steps).await;
            corrections_follow_who_looked(&Folder::new(), &steps).await;
            corrections_follow_who_looked(&Endpoint::new(), &steps).await;
        });
    }
}

/// A ledger whose period is corrected by somebody else just before it is read back.
struct CorrectedMeanwhile<'a> {
    ledger: Ledger<Connection>,
    place: &'a Place,
    correction: Option<Batch>,
}

impl DeliveryChannel for CorrectedMeanwhile<'_> {
    async fn find(&mut self, delivery: DeliveryKey<'_>) -> Result<Option<Booking>, DeliverError> {
        self.ledger.find(delivery).await
    }
    async fn apply(
        &mut self,
        batch: &Batch,
        rows: impl BufRead + Send + 'static,
    ) -> Result<Receipt, DeliverError> {
        self.ledger.apply(batch, rows).await
    }
    async fn read_back(&mut self, receipt: &Receipt) -> Result<ControlTotals, DeliverError> {
        if let Some(correction) = self.correction.take() {
            self.place.deliver(&correction).await.unwrap();
        }
        self.ledger.read_back(receipt).await
    }
    async fn withdraw(&mut self, delivery: DeliveryKey<'_>, reason: &str) -> Result<(), DeliverError> {
        self.ledger.withdraw(delivery, reason).await
    }
    fn place(&self) -> String {
        self.ledger.place()
    }
}

/// A correction that comes before the figures are read back is no tampering.
pub(crate) async fn a_correction_before_the_read_back_is_no_tampering(place: &Place) {
    let batch = place.stage("arn:1", FLIGHTS).await;
    let correction = place.staged("arn:2", OTHER, Some(("late", Some(&batch.delivery_id)))).await;
    let ledger = Ledger::open(place.connection().await).await.unwrap();
    let mut channel = CorrectedMeanwhile { ledger, place, correction: Some(correction.clone()) };
    let receipt = deliver_through(&mut channel, &batch, || Ok(place.rows(&batch))).await.unwrap();
    assert_eq!(receipt.delivery_id, batch.delivery_id);
    let active = place.deliver(&correction).await.unwrap();
    assert_superseded(place.verify(&receipt).await, &active);
    let states = place.query("SELECT state, version FROM coreview_ledger ORDER BY version").await;
    let row = |state: &str, version| [Value::from(state), Value::Integer(version)];
    assert_eq!(states, [row("superseded", 1), row("active", 2)]);
}

/// The laws of this file for one target.
macro_rules! laws {
    ($($law:ident as $on_databases:ident, $in_a_folder:ident, $by_https:ident;)*) => {$(
        pub(crate) async fn $on_databases(place: &Place) {
            $law(place).await;
        }
        #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
        async fn $in_a_folder() {
            $law(&Folder::new()).await;
        }
        #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
        async fn $by_https() {
            $law(&Endpoint::new()).await;
        }
    )*};
}

laws! {
    a_stale_correction_is_refused as
        a_stale_correction, a_stale_correction_in_a_folder, a_stale_correction_by_https;
    of_two_corrections_at_once_one_wins as
        two_corrections_at_once, two_corrections_at_once_in_a_folder, two_corrections_at_once_by_https;
    an_empty_correction_withdraws_every_row as
        an_empty_correction, an_empty_correction_in_a_folder, an_empty_correction_by_https;
}
