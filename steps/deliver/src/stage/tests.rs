use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};

use proptest::prelude::*;
use stepwright::Write;
use tempfile::TempDir;

use super::{StageError, StageRequest, canonical_batch};
use crate::Staging;
use crate::batch::Batch;

struct Place {
    _dir: TempDir,
    staging: Write<Staging>,
}

fn place() -> Place {
    let dir = TempDir::new().unwrap();
    let staging = Write::at(&format!("file://{}", dir.path().display())).unwrap();
    Place { _dir: dir, staging }
}

impl Place {
    fn request(&self, figures: &str) -> StageRequest {
        let mut writer = self.staging.create("figures.csv").unwrap();
        writer.write_all(figures.as_bytes()).unwrap();
        StageRequest {
            workflow: "coreview-delivery".into(),
            channel: "coreview-database".into(),
            feed: "flights".into(),
            period: "2013".into(),
            market: None,
            figures: writer.finish(None).unwrap(),
            key_columns: vec!["carrier".into(), "month".into()],
            rows: 2,
            totals: BTreeMap::from([("flights".into(), "5".into())]),
            execution_arn: "arn:1".into(),
            correction: None,
            replaces: None,
        }
    }

    fn text(&self, batch: &Batch) -> String {
        let mut text = String::new();
        self.staging.get(&batch.batch).unwrap().read_to_string(&mut text).unwrap();
        text
    }
}

const FIGURES: &str = "carrier,month,flights,delay\nUA,1,3,\n9E,1,2,0.10\n";

#[test]
fn a_batch_is_sorted_json_lines() {
    let place = place();
    let batch = canonical_batch(place.request(FIGURES), &place.staging).unwrap();
    assert_eq!(
        place.text(&batch),
        "{\"entity\":{\"carrier\":\"9E\",\"month\":\"1\"},\"figures\":{\"delay\":\"0.10\",\"flights\":\"2\"}}\n\
         {\"entity\":{\"carrier\":\"UA\",\"month\":\"1\"},\"figures\":{\"delay\":\"\",\"flights\":\"3\"}}\n"
    );
    assert_eq!(batch.rows, 2);
    assert_eq!(batch.batch.rows, Some(2));
    assert_eq!(batch.totals, BTreeMap::from([("flights".into(), "5".into())]));
    assert_eq!(batch.batch_sha256, batch.batch.sha256);
    assert_eq!(batch.delivery_id, batch.identity());
}

#[test]
fn another_execution_stages_the_same_batch() {
    let place = place();
    let first = canonical_batch(place.request(FIGURES), &place.staging).unwrap();
    let request = StageRequest { execution_arn: "arn:2".into(), ..place.request(FIGURES) };
    let second = canonical_batch(request, &place.staging).unwrap();
    assert_eq!(second, Batch { execution_arn: "arn:2".into(), ..first });
}

#[test]
fn order_of_rows_and_columns_does_not_reach_the_batch() {
    let place = place();
    let batch = canonical_batch(place.request(FIGURES), &place.staging).unwrap();
    let other = "delay,flights,month,carrier\n0.10,2,1,9E\n,3,1,UA\n";
    let mut request = place.request(other);
    request.key_columns.reverse();
    let same = canonical_batch(request, &place.staging).unwrap();
    assert_eq!(same.batch_sha256, batch.batch_sha256);
    assert_eq!(same.delivery_id, batch.delivery_id);
}

#[test]
fn what_is_wrong_is_named_with_its_line() {
    let place = place();
    let cases = [
        ("carrier,month,flights\n9E,1,2,9\n", "Stage.Malformed", "line: 2"),
        ("carrier,flights\n9E,1\n", "Stage.Malformed", "line 1: there is no key column `month`"),
        ("carrier,month,month\n9E,1,1\n", "Stage.Malformed", "line 1: two columns have the same name"),
        (
            "carrier,month,f\n9E,1,1\n",
            "Stage.Malformed",
            "line 1: there is no column for the control total `flights`",
        ),
        ("carrier,month,flights\n9E,1,2\nUA,1,x\n", "Stage.Malformed", "line 3: column `flights` has `x`"),
        (
            "carrier,month,flights\n9E,1,2\n\nUA,1,3\n9E,1,2\n",
            "Stage.Malformed",
            "line 5: the same carrier, month as line 2",
        ),
        ("carrier,month,flights\n9E,1,2\n", "Stage.TotalsMismatch", "1 rows instead of the announced 2"),
        (
            "carrier,month,flights\n9E,1,2\nUA,1,2\n",
            "Stage.TotalsMismatch",
            "`flights` sums up to 4 instead of the announced 5",
        ),
        ("", "Stage.Malformed", "line 1"),
    ];
    for (figures, name, words) in cases {
        let error = canonical_batch(place.request(figures), &place.staging).unwrap_err();
        assert_eq!(stepwright::StepError::name(&error), name, "{error}");
        assert!(error.to_string().contains(words), "{error}");
        assert!(error.to_string().contains("figures `figures.csv` of flights 2013"), "{error}");
    }
}

#[test]
fn undecodable_figures_are_malformed() {
    let place = place();
    let mut request = place.request(FIGURES);
    let mut writer = place.staging.create("latin.csv").unwrap();
    writer.write_all(b"carrier,month,flights\nJos\xe9,1,5\n").unwrap();
    request.figures = writer.finish(None).unwrap();
    let error = canonical_batch(request, &place.staging).unwrap_err();
    assert!(matches!(error, StageError::Malformed { .. }), "{error}");
    assert!(error.to_string().contains("line 2, field: 0"), "{error}");
}

#[test]
fn requests_without_identity_are_refused() {
    let place = place();
    let refused = |change: &dyn Fn(&mut StageRequest)| {
        let mut request = place.request(FIGURES);
        change(&mut request);
        let error = canonical_batch(request, &place.staging).unwrap_err();
        assert!(matches!(error, StageError::BadRequest { .. }), "{error}");
    };
    refused(&|request| request.key_columns.clear());
    refused(&|request| request.key_columns = vec!["month".into(), "month".into()]);
    refused(&|request| request.period = " ".into());
    refused(&|request| request.market = Some(String::new()));
    refused(&|request| request.market = Some("nor\nth".into()));
    refused(&|request| request.channel = "fax".into());
    refused(&|request| request.feed = "a\0b".into());
    refused(&|request| request.workflow = "x".repeat(201));
    refused(&|request| request.correction = Some(crate::Correction { reason: String::new() }));
}

#[test]
fn changed_figures_are_not_staged() {
    let place = place();
    let mut request = place.request(FIGURES);
    request.figures.bytes += 1;
    let error = canonical_batch(request, &place.staging).unwrap_err();
    assert!(matches!(error, StageError::StorageFailed { .. }), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Shuffled rows, the same batch; one changed cell, another one.
    #[test]
    fn the_batch_depends_on_content_only(
        rows in prop::collection::btree_map(("\\PC{0,4}", "[0-9]{1,2}"), "[^\r\n]{0,6}", 1..12),
        rotate in 0_usize..12,
    ) {
        let place = place();
        let staged = |rows: &[(&(String, String), &String)]| {
            let mut csv = csv::Writer::from_writer(Vec::new());
            csv.write_record(["carrier", "month", "note"]).unwrap();
            for ((carrier, month), note) in rows {
                csv.write_record([carrier, month, *note]).unwrap();
            }
            let text = String::from_utf8(csv.into_inner().unwrap()).unwrap();
            let request = StageRequest { rows: rows.len() as u64, totals: BTreeMap::new(), ..place.request(&text) };
            canonical_batch(request, &place.staging).unwrap()
        };
        let mut ordered: Vec<_> = rows.iter().collect();
        let first = staged(&ordered);
        let middle = rotate % ordered.len();
        ordered.rotate_left(middle);
        prop_assert_eq!(&staged(&ordered).delivery_id, &first.delivery_id);
        let changed = format!("{}!", ordered[0].1);
        ordered[0].1 = &changed;
        prop_assert_ne!(&staged(&ordered).delivery_id, &first.delivery_id);
    }
}
