//! The report of a month of the sample customer, and of what goes wrong.

use std::io::{Read as _, Write as _};
use std::path::Path;

use feed::rejects::Reject;
use feed::{Correction, Figures, MarketFigures, PinnedRevision, ReceiptRef, Stats, Warned};
use rust_decimal::Decimal;
use stepwright::objects::Store;

use super::content::change;
use super::*;
use crate::page::grouped;

fn sample(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../workflows/samples/coreview-commission");
    std::fs::read_to_string(path.join(name)).unwrap()
}

/// The figures of a market and month of the sample, with their totals.
fn figures(market: &str, month: &str) -> (String, BTreeMap<String, String>) {
    let all = sample("expected/commissions.csv");
    let mut lines = all.lines();
    let header = lines.next().unwrap();
    let rows: Vec<&str> = lines
        .filter(|line| line.starts_with(&format!("{market},")) && line.contains(&format!(",{month},")))
        .filter(|line| line.split(',').nth(3) == Some(month))
        .collect();
    let mut totals: BTreeMap<String, Decimal> = BTreeMap::new();
    for row in &rows {
        let fields: Vec<&str> = row.split(',').collect();
        for (name, at) in [("clawback", 14), ("commission", 13), ("payable", 15)] {
            let total: Decimal = fields[at].parse().unwrap();
            *totals.entry(format!("{name}[currency={}]", fields[2])).or_default() += total;
        }
    }
    let totals = totals.into_iter().map(|(name, total)| (name, total.to_string())).collect();
    (format!("{header}\n{}\n", rows.join("\n")), totals)
}

struct Case {
    directory: tempfile::TempDir,
    request: RunReportRequest,
}

fn put(directory: &Path, bucket: &str, key: &str, content: &str, rows: Option<u64>) -> ObjectRef {
    let location = format!("file://{}", directory.join(bucket).display());
    let mut writer = Store::open(bucket, &location).unwrap().create(key).unwrap();
    writer.write_all(content.as_bytes()).unwrap();
    writer.finish(rows).unwrap()
}

fn stats(rows: u64, rejected: &[(&str, u64)]) -> Stats {
    let by_code: BTreeMap<String, u64> =
        rejected.iter().map(|(code, count)| ((*code).to_owned(), *count)).collect();
    let rejected = by_code.values().sum();
    Stats {
        files: 1,
        rows_in: rows + rejected,
        accepted: rows,
        rejected,
        rejected_by_code: by_code,
        ..Stats::default()
    }
}

impl Case {
    fn new() -> Self {
        Self::of(sample("commissions.toml").as_str(), |market| figures(market, "2024-07"))
    }

    fn of(spec: &str, figures: impl Fn(&str) -> (String, BTreeMap<String, String>)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let put = |bucket, key: &str, content: &str, rows| put(directory.path(), bucket, key, content, rows);
        let parsed = |name: &str, stats: Stats, rejects: &[Reject]| {
            let mut lines = Vec::new();
            for reject in rejects {
                reject.write(&mut lines).unwrap();
            }
            let rejects = String::from_utf8(lines).unwrap();
            Parsed {
                feed: "commissions".into(),
                rows: put("staging", &format!("{name}/rows"), "", Some(stats.accepted)),
                rejects: put("staging", &format!("{name}/rejects"), &rejects, Some(stats.rejected)),
                stats,
                warnings: BTreeMap::new(),
            }
        };
        let mut totals: BTreeMap<String, Decimal> = BTreeMap::new();
        let mut markets = vec![];
        let mut receipts = vec![];
        for (market, number) in [("north", 17), ("south", 18), ("west", 19)] {
            let (csv, of_market) = figures(market);
            let rows = csv.lines().count() as u64 - 1;
            for (name, total) in &of_market {
                *totals.entry(name.clone()).or_default() += total.parse::<Decimal>().unwrap();
            }
            let figures = Figures {
                feed: "commissions".into(),
                channel: "coreview-database".into(),
                period: "2024-07".into(),
                figures: put("staging", &format!("{market}/figures.csv"), &csv, Some(rows)),
                key_columns: vec!["agent".into()],
                rows,
                totals: of_market,
                entries: None,
                warnings: BTreeMap::new(),
            };
            let parsed = parsed(market, stats(310, &[]), &[]);
            markets.push(MarketFigures { market: market.into(), parsed, figures });
            receipts.push(ReceiptRef {
                market: market.into(),
                channel: "coreview-database".into(),
                delivery_id: format!("{number:064x}"),
                coreview_id: format!("CV-{number:08}"),
                rows,
                batch_sha256: format!("{:064x}", number * 31),
                already_delivered: market == "west",
            });
        }
        let mut file = parsed(
            "file",
            stats(190, &[("NOT_DECIMAL", 1), ("UNKNOWN_MARKET", 1)]),
            &[reject("S2407-901;signed;Agent Laurel;south;17.07.2024;EUR;approx. 20.000;no")],
        );
        let first = "contracts.csv, line 8: a look <b>here</b>".to_owned();
        file.warnings.insert("WORTH_A_LOOK".into(), Warned { rows: 3, first });
        let scaled = |(name, total): (&String, &Decimal)| {
            (name.clone(), (total * Decimal::new(9, 1)).round_dp(2).to_string())
        };
        let request = RunReportRequest {
            spec: put("drops", "commissions.toml", spec, None),
            execution_arn: "arn:aws:states:eu-west-1:123456789012:execution:coreview-commission:july".into(),
            run_id: "commissions-2024-07-3".into(),
            period: "2024-07".into(),
            input_sha256: "5e".repeat(32),
            references: BTreeMap::from([("rates".to_owned(), put("staging", "rates", "", Some(1037)))]),
            revisions: vec![PinnedRevision { name: "rates".into(), scope: String::new(), number: 4 }],
            markets,
            intake: vec![file],
            previous: totals.iter().map(scaled).collect(),
            totals: totals.into_iter().map(|(name, total)| (name, total.to_string())).collect(),
            previous_period: Some("2024-06".into()),
            approval: None,
            approved_by: None,
            correction: None,
            receipts,
            notices: vec![],
            stale: vec![],
        };
        Self { directory, request }
    }

    fn run(&self) -> Result<RunReported, ReportError> {
        let location = |bucket: &str| format!("file://{}", self.directory.path().join(bucket).display());
        write(
            &self.request,
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

    fn page(&self) -> String {
        let html = self.text(&self.run().unwrap().html);
        assert_well_formed(&html);
        html
    }
}

fn reject(raw: &str) -> Reject {
    Reject {
        file: "contracts.csv".into(),
        line: 50,
        byte: Some(80),
        column: Some("volume".into()),
        code: "NOT_DECIMAL".into(),
        reason: "not a decimal number".into(),
        raw: raw.into(),
        raw_cut: false,
    }
}

/// Every element that begins ends, in its turn; ids are there once, and what
/// refers to one finds it.
pub(crate) fn assert_well_formed(html: &str) {
    let html = html.strip_prefix("<!doctype html>").expect("a doctype");
    let mut open: Vec<&str> = vec![];
    let (mut ids, mut labels) = (vec![], vec![]);
    for part in html.split('<').skip(1) {
        let (tag, text) = part.split_once('>').expect("a tag has an end");
        assert!(!text.contains('>') || open.contains(&"style"), "{text:?}");
        let name = tag.split_ascii_whitespace().next().unwrap();
        let attribute = |name: &str| Some(tag.split_once(&format!(" {name}=\""))?.1.split_once('"')?.0);
        ids.extend(attribute("id"));
        labels.extend(attribute("aria-labelledby"));
        match name.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name), "</{name}>"),
            None if name == "meta" => {}
            None => open.push(name),
        }
    }
    assert!(open.is_empty(), "{open:?}");
    assert_eq!(ids, labels, "each section is called by its heading");
    let mut once = ids.clone();
    once.dedup();
    assert_eq!(once, ids);
    assert_eq!(html.matches("<h1>").count(), 1);
    assert!(
        !html.contains("<script") && !html.contains("://") && !html.contains(" on"),
        "nothing runs or loads"
    );
}

#[test]
fn the_page_is_reviewed() {
    let case = Case::new();
    let page = case.page();
    if let Some(path) = std::env::var_os("STEPWRIGHT_SHOW_REPORT") {
        std::fs::write(path, &page).unwrap();
    }
    insta::assert_snapshot!(page.replace("><", ">\n<"));
    assert!(case.run().unwrap() == case.run().unwrap(), "the same place and bytes");
}

#[test]
fn the_json_says_the_same() {
    let mut case = Case::new();
    let unpaid = Warned { rows: 2, first: "(N2399-001): nothing was paid".to_owned() };
    case.request.markets[0].figures.warnings.insert("CANCELLED_UNPAID".into(), unpaid);
    let reported = case.run().unwrap();
    let json: serde_json::Value = serde_json::from_str(&case.text(&reported.json)).unwrap();
    let payable = &json["comparison"]["SEK"][2];
    assert_eq!([&payable["measure"], &payable["change_percent"]], ["payable", "11.1"]);
    assert_eq!(json["warnings"]["CANCELLED_UNPAID"]["rows"], 2);
    assert_eq!(json["statuses"]["ADJUSTMENT"]["west"], 2);
    assert_eq!(json["rejected"][1]["code"], "UNKNOWN_MARKET");
    assert_eq!(json["rejected"][1]["reason"], "there is no such market");
    assert_eq!(json["receipts"][2]["already_delivered"], true);
    assert!(json["checks"].as_array().unwrap().iter().all(|check| check["holds"] == true));
    let export = case.text(&reported.export);
    let lines: Vec<&str> = export.lines().collect();
    assert_eq!(lines.iter().filter(|line| line.starts_with("market,agent")).count(), 1, "one header");
    assert_eq!(Some(lines.len() as u64 - 1), reported.export.rows);
}

#[test]
fn what_does_not_add_up_is_shown_first() {
    let mut case = Case::new();
    case.request.totals.insert("payable[currency=EUR]".into(), "1.00".into());
    case.request.receipts.remove(0);
    case.request.receipts[0].rows += 1;
    let page = case.page();
    assert!(page.contains("3 of the checks below do not hold"), "{page}");
    assert_eq!(page.matches("✗ differs").count(), 3);
    assert!(page.find("do not hold").unwrap() < page.find("<h2 id=\"s2\">").unwrap());
}

#[test]
fn what_a_person_decided_is_told() {
    let mut case = Case::new();
    case.request.approval = Some("payable of EUR rises by 61 %".into());
    case.request.correction = Some(Correction { reason: "wrong targets".into() });
    case.request.previous = BTreeMap::from([("payable[currency=CHF]".to_owned(), "12.50".to_owned())]);
    case.request.previous_period = None;
    let page = case.page();
    assert!(page.contains("A person had to look: payable of EUR rises by 61 %. Approved by: nobody yet."));
    assert!(page.contains("replaces what was delivered before: wrong targets."));
    // A currency that was there before has come down to nothing.
    assert!(page.contains("<h3>CHF</h3>") && page.contains("−100.0"), "{page}");
}

#[test]
fn changes_are_exact() {
    let told = |now, before| change(now, before);
    let some = |difference: &str, percent: &str| (Some(difference.to_owned()), Some(percent.to_owned()));
    assert_eq!(told("110.00", "100"), some("10.00", "10.0"));
    assert_eq!(told("-5", "10"), some("-15", "-150.0"));
    assert_eq!(told("-5", "-10"), some("5", "50.0"));
    assert_eq!(told("5", "0"), (Some("5".to_owned()), None));
    assert_eq!(told("many", "0"), (None, None));
}

#[test]
fn numbers_are_read_in_groups() {
    let cases = ["0", "999", "1000", "-1234567.891", "12.5", "n/a", ""];
    let shown = cases.map(|number| grouped(number).replace('\u{202f}', "_"));
    assert_eq!(shown, ["0", "999", "1_000", "−1_234_567.891", "12.5", "n/a", ""]);
}

#[test]
fn nothing_from_outside_becomes_markup_or_a_formula() {
    let hostile = "<script>alert('x')</script>\"&";
    let header = sample("expected/commissions.csv").lines().next().unwrap().to_owned();
    let cell = hostile.replace('"', "\"\"");
    let csv = format!(
        "{header}\n\"{cell}\",=cmd(),EUR,2024-07,+a,,1,1,1.0000,5.00,,0.0100,@status,-0.05,0.00,-0.05\n"
    );
    let mut case = Case::of(&sample("commissions.toml"), |_| (csv.clone(), BTreeMap::new()));
    case.request.run_id = hostile.into();
    case.request.approval = Some(hostile.into());
    case.request.markets[0].market = hostile.into();
    case.request.receipts[1].coreview_id = hostile.into();
    case.request.totals.insert(format!("{hostile}[{hostile}={hostile}]"), hostile.into());
    let page = case.page();
    assert!(page.matches("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&quot;&amp;").count() > 8);
    // Text of a calculated table is text from outside as well; numbers keep their sign.
    let export = case.text(&case.run().unwrap().export);
    assert!(export.contains(",'=cmd(),EUR,2024-07,'+a,,"), "{export}");
    assert!(export.contains(",'@status,-0.05,0.00,-0.05\n"), "{export}");
}

#[test]
fn markets_with_other_columns_are_refused() {
    let mut case = Case::new();
    let other = put(case.directory.path(), "staging", "other", "agent,payable\na,1\n", Some(1));
    case.request.markets[1].figures.figures = other;
    let error = case.run().unwrap_err();
    assert!(error.to_string().contains("the markets' figures have different columns"), "{error}");
}
