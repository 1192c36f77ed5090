//! What was stored against what was said.

use std::cell::RefCell;
use std::fs::File;
use std::io::Write as _;

use feed::rejects::Reject;
use feed::rows::{RowWriter, RowsHeader, RowsOutcome};
use feed::{Kind, Layout, Value};
use stepwright::objects::Store;

use super::*;

const SPEC: &str = r#"
feed = "sample"
[source]
format = "csv"
[rejects]
policy = "threshold"
percent = 25
[[columns]]
name = "amount"
type = "decimal"
[[triage]]
code = "GONE"
outcome = "cancel"
when = { column = "amount", op = "=", value = 0 }
[[measures]]
name = "rows"
kind = "count"
[[measures]]
name = "volume"
kind = "sum"
column = "amount"
round = { places = 0 }
[[measures]]
name = "gone"
kind = "count"
rows = "cancelled"
[figures]
control = ["rows", "volume", "gone"]
[delivery]
period = "2024"
"#;

/// Stored rows and rejects, and what the parser says about them.
struct Case {
    directory: tempfile::TempDir,
    request: ReconcileRequest,
}

impl Case {
    /// Accepted amounts, cancelled rows and rejected rows.
    fn new(spec: &str, accepted: &[&str], cancelled: u64, rejected: u64) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = |name: &str| {
            Store::open(name, &format!("file://{}", directory.path().join(name).display())).unwrap()
        };
        let mut spec_object = store("drops").create("spec.toml").unwrap();
        spec_object.write_all(spec.as_bytes()).unwrap();

        let mut layout = Layout::default();
        layout.push("amount", Kind::Decimal);
        let outcomes = [("OK", Outcome::Accept), ("GONE", Outcome::Cancel)]
            .map(|(code, outcome)| RowsOutcome { code: code.into(), outcome });
        let header = RowsHeader::new("sample", &layout, outcomes.to_vec());
        let mut rows = RowWriter::new(store("staging").create("rows").unwrap(), &header).unwrap();
        for amount in accepted {
            rows.write(0, &[Value::Decimal(amount.parse().unwrap())]).unwrap();
        }
        for _ in 0..cancelled {
            rows.write(1, &[Value::Null]).unwrap();
        }
        let mut rejects = store("staging").create("rejects").unwrap();
        for line in 0..rejected {
            let reject = Reject {
                file: "in.csv".into(),
                line: line + 2,
                byte: None,
                column: None,
                code: "NOT_DECIMAL".into(),
                reason: "\"x\" is not a decimal number".into(),
                raw: "x".into(),
                raw_cut: false,
            };
            reject.write(&mut rejects).unwrap();
        }
        let count = |code: &str, count: u64| match count {
            0 => BTreeMap::new(),
            count => BTreeMap::from([(code.to_owned(), count)]),
        };
        let accepted = accepted.len() as u64;
        let parsed = Parsed {
            feed: "sample".into(),
            rows: rows.into_inner().finish(Some(accepted + cancelled)).unwrap(),
            rejects: rejects.finish(Some(rejected)).unwrap(),
            stats: Stats {
                files: 1,
                rows_in: accepted + cancelled + rejected,
                accepted,
                cancelled,
                rejected,
                accepted_by_code: count("OK", accepted),
                cancelled_by_code: count("GONE", cancelled),
                rejected_by_code: count("NOT_DECIMAL", rejected),
            },
            warnings: BTreeMap::new(),
        };
        let request = ReconcileRequest { spec: spec_object.finish(None).unwrap(), parsed };
        Self { directory, request }
    }

    fn location(&self, name: &str) -> String {
        format!("file://{}", self.directory.path().join(name).display())
    }

    fn run(&self) -> Result<Reconciled, ReconcileError> {
        let staging = Store::open("staging", &self.location("staging")).unwrap();
        run(&self.request, &Read::at(&self.location("drops")).unwrap(), |object| staging.get(object))
    }
}

#[test]
fn what_adds_up_goes_on() {
    let case = Case::new(SPEC, &["1.25", "2.50", "-0.75"], 2, 1);
    let reconciled = case.run().unwrap();
    assert_eq!(reconciled.stats, case.request.parsed.stats);
    let control: Vec<String> =
        reconciled.control.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(control, ["gone=2", "rows=3", "volume=3.00"]);
}

#[test]
fn a_lie_about_any_number_is_found() {
    let honest = Case::new(SPEC, &["1", "2", "3"], 1, 1);
    honest.run().unwrap();
    let lies: [fn(&mut Parsed); 8] = [
        |parsed| parsed.stats.rows_in += 1,
        |parsed| parsed.stats.accepted -= 1,
        |parsed| parsed.stats.cancelled = 0,
        |parsed| parsed.stats.rejected = 0,
        |parsed| parsed.rows.rows = Some(5),
        |parsed| parsed.rejects.rows = None,
        |parsed| *parsed.stats.accepted_by_code.get_mut("OK").unwrap() = 2,
        |parsed| parsed.stats.rejected_by_code.extend([("REQUIRED".to_owned(), 1)]),
    ];
    for (number, lie) in lies.iter().enumerate() {
        let mut case = Case::new(SPEC, &["1", "2", "3"], 1, 1);
        lie(&mut case.request.parsed);
        let error = case.run().unwrap_err();
        assert!(matches!(error, ReconcileError::Mismatch { .. }), "lie {number}: {error}");
    }
}

#[test]
fn a_changed_object_is_found_by_its_hash() {
    let case = Case::new(SPEC, &["1", "2"], 0, 0);
    let path = case.directory.path().join("staging/rows");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("\"2\"", "\"3\"")).unwrap();
    let error = case.run().unwrap_err();
    assert!(matches!(error, ReconcileError::StorageFailed { .. }), "{error}");
    assert!(error.to_string().contains("has changed"), "{error}");
}

#[test]
fn damaged_rows_are_named() {
    let case = Case::new(SPEC, &["1", "2"], 0, 0);
    let damaged = RefCell::new(Vec::from(*b"{\"format\":\"other\"}\n"));
    let open = |object: &ObjectRef| {
        let path = case.directory.path().join("damaged");
        std::fs::write(&path, &*damaged.borrow()).unwrap();
        Ok(File::open(if object.key == "rows" {
            path
        } else {
            case.directory.path().join("staging/rejects")
        })
        .unwrap())
    };
    let drops = Read::at(&case.location("drops")).unwrap();
    let error = run(&case.request, &drops, open).unwrap_err();
    assert!(matches!(error, ReconcileError::Damaged { .. }), "{error}");
}

#[test]
fn the_policy_decides_on_the_exact_share() {
    // One of four is 25 %, which is allowed; two of seven is more.
    Case::new(SPEC, &["1", "2", "3"], 0, 1).run().unwrap();
    let error = Case::new(SPEC, &["1", "2", "3", "4", "5"], 0, 2).run().unwrap_err();
    assert!(matches!(error, ReconcileError::TooManyRejects { .. }));
    let text = error.to_string();
    for part in ["2 of 7 rows", "25 %", "2 × NOT_DECIMAL", "in.csv, line 2", "rejects (bucket staging)"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let keep = SPEC.replace("policy = \"threshold\"\npercent = 25", "policy = \"keep-going\"");
    Case::new(&keep, &[], 0, 2).run().unwrap();
    // No rows at all are not too many.
    Case::new(SPEC, &[], 0, 0).run().unwrap();
}

#[test]
fn rows_of_another_spec_are_refused() {
    let other = SPEC.replace("type = \"decimal\"", "type = \"integer\"");
    let error = Case::new(&other, &["1"], 0, 0).run().unwrap_err();
    assert!(matches!(error, ReconcileError::Spec { .. }), "{error}");
}
