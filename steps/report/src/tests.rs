//! The report of runs with hostile content.

use std::io::Read as _;

use feed::rejects::Reject;
use stepwright::objects::Store;

use super::*;

const SPEC: &str = r#"
feed = "sample"
description = "Everything <by> agent & co"
[source]
format = "csv"
[rejects]
policy = "keep-going"
[[columns]]
name = "agent"
type = "text"
[[columns]]
name = "amount"
type = "decimal"
[[triage]]
code = "SMALL"
outcome = "reject"
reason = "too small"
when = { column = "amount", op = "<", value = 1 }
[[measures]]
name = "volume"
kind = "sum"
column = "amount"
[[measures]]
name = "last"
kind = "max"
column = "agent"
[figures]
group_by = ["agent"]
control = ["volume"]
[delivery]
period = "2024-06"
"#;

struct Case {
    directory: tempfile::TempDir,
    request: ReportRequest,
}

impl Case {
    fn new(figures: &str, rejects: &[Reject]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let put = |bucket: &str, key: &str, content: &[u8], rows| {
            let location = format!("file://{}", directory.path().join(bucket).display());
            let mut writer = Store::open(bucket, &location).unwrap().create(key).unwrap();
            writer.write_all(content).unwrap();
            writer.finish(rows).unwrap()
        };
        let mut lines = Vec::new();
        for reject in rejects {
            reject.write(&mut lines).unwrap();
        }
        let rows = figures.lines().count() as u64 - 1;
        let totals = BTreeMap::from([("volume".to_owned(), "7".to_owned())]);
        let rejected = rejects.len() as u64;
        let stats = Stats {
            files: 1,
            rows_in: 2 + rejected,
            accepted: 2,
            rejected,
            accepted_by_code: BTreeMap::from([("OK".to_owned(), 2)]),
            rejected_by_code: BTreeMap::from([("SMALL".to_owned(), rejected)]),
            ..Stats::default()
        };
        let request = ReportRequest {
            spec: put("drops", "spec.toml", SPEC.as_bytes(), None),
            execution_arn: "arn:aws:states:us-east-1:123456789012:execution:sample:two".into(),
            parsed: Parsed {
                feed: "sample".into(),
                rows: put("staging", "rows", b"", Some(2)),
                rejects: put("staging", "rejects", &lines, Some(rejected)),
                stats,
                warnings: BTreeMap::new(),
            },
            figures: Figures {
                feed: "sample".into(),
                channel: "coreview-database".into(),
                period: "2024-06".into(),
                figures: put("staging", "figures", figures.as_bytes(), Some(rows)),
                key_columns: vec!["agent".into()],
                rows,
                totals,
                entries: None,
                warnings: BTreeMap::new(),
            },
            delivered: Delivered {
                delivery_id: "d-1".into(),
                coreview_id: "CV-1".into(),
                delivered_at: "2024-07-01T06:00:00Z".into(),
                rows,
                totals: BTreeMap::from([("volume".to_owned(), "7.00".to_owned())]),
                batch_sha256: "ab".repeat(32),
                already_delivered: true,
                execution_arn: "arn:aws:states:us-east-1:123456789012:execution:sample:one".into(),
            },
            confirmed: Confirmed {
                rows,
                batch_sha256: "ab".repeat(32),
                verified_at: "2024-07-01T06:00:01Z".into(),
            },
        };
        Self { directory, request }
    }

    fn run(&self) -> Result<Summary, ReportError> {
        let location = |bucket: &str| format!("file://{}", self.directory.path().join(bucket).display());
        run(
            self.request.clone(),
            &Read::at(&location("drops")).unwrap(),
            &Write::at(&location("staging")).unwrap(),
        )
    }

    fn text(&self, object: &ObjectRef) -> String {
        let location = format!("file://{}", self.directory.path().join("staging").display());
        let mut text = String::new();
        Store::open("staging", &location).unwrap().get(object).unwrap().read_to_string(&mut text).unwrap();
        text
    }
}

fn reject(raw: &str) -> Reject {
    Reject {
        file: "in.csv".into(),
        line: 7,
        byte: Some(80),
        column: None,
        code: "SMALL".into(),
        reason: "too small".into(),
        raw: raw.into(),
        raw_cut: false,
    }
}

#[test]
fn nothing_from_outside_becomes_markup() {
    let hostile = "<script>alert('x')</script>\"&\u{1b}[31m";
    let case = Case::new(
        &format!("agent,volume,last\n\"{}\",7,b\n", hostile.replace('"', "\"\"")),
        &[reject(hostile)],
    );
    let html = case.text(&case.run().unwrap().html);
    assert!(!html.contains("<script") && !html.contains('\u{1b}'), "{html}");
    assert_eq!(
        html.matches("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&quot;&amp;\u{fffd}[31m").count(),
        2
    );
    assert!(html.contains("Everything &lt;by&gt; agent &amp; co"));
    assert!(html.contains("had been delivered before"));
    assert!(!html.contains("://"), "nothing is loaded");
}

#[test]
fn figures_stay_and_formulas_are_disarmed() {
    let plain = "agent,volume,last\n(null),-5,b\n\"a,b\",12.50,\"say \"\"x\"\"\"\n";
    let case = Case::new(plain, &[]);
    assert_eq!(case.text(&case.run().unwrap().export), plain);

    let hostile = "agent,volume,last\n=1+1,-5,@x\n+a,1,-2\n\"\tq\",1,=\n";
    let case = Case::new(hostile, &[]);
    assert_eq!(
        case.text(&case.run().unwrap().export),
        "agent,volume,last\n'=1+1,-5,'@x\n'+a,1,'-2\n'\tq,1,'=\n"
    );
}

#[test]
fn the_page_is_reviewed() {
    let case = Case::new("agent,volume,last\na,3,b\nb,4,c\n", &[reject("x;0.5")]);
    let summary = case.run().unwrap();
    insta::assert_snapshot!(case.text(&summary.html).replace("><", ">\n<"));
    let json: serde_json::Value = serde_json::from_str(&case.text(&summary.json)).unwrap();
    assert_eq!(json["delivered"]["coreview_id"], "CV-1");
    assert_eq!(json["first_rejects"][0]["raw"], "x;0.5");
    assert!(json["checks"].as_array().unwrap().iter().all(|check| check["holds"] == true));
    assert_eq!(summary.stats.rejected, 1);
}

#[test]
fn a_check_that_does_not_hold_is_shown() {
    let mut case = Case::new("agent,volume,last\na,7,b\n", &[]);
    case.request.confirmed.rows = 5;
    case.request.delivered.totals.clear();
    let html = case.text(&case.run().unwrap().html);
    assert_eq!(html.matches("✗").count(), 2, "{html}");
}

#[test]
fn long_tables_are_cut_and_say_so() {
    let rows: String = (0..500).map(|row| format!("agent {row:03},1,x\n")).collect::<Vec<_>>().concat();
    let rejects = vec![reject(&"long ".repeat(1000)); 80];
    let case = Case::new(&format!("agent,volume,last\n{rows}"), &rejects);
    let summary = case.run().unwrap();
    let html = case.text(&summary.html);
    assert!(html.contains("The first 200 of 500 rows") && html.contains("The first 50 of 80 rejected rows"));
    assert!(html.len() < 200_000, "{}", html.len());
    assert_eq!(case.text(&summary.export).lines().count(), 501);
}

#[test]
fn damage_is_named() {
    let mut case = Case::new("agent,volume,last\na,7,b\n", &[]);
    case.request.parsed.rejects = case.request.figures.figures.clone();
    assert!(matches!(case.run().unwrap_err(), ReportError::Damaged { .. }));
    case.request.spec.sha256 = "00".repeat(32);
    assert!(matches!(case.run().unwrap_err(), ReportError::StorageFailed { .. }));
}
