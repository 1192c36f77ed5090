//! The sample customer: a year of commissions, from its files to figures that a
//! program of plain loops finds as well.
//!
//! Its files are in the repository; here they are made again and compared. With
//! `STEPWRIGHT_BLESS=1` they are written instead.

use std::collections::BTreeSet;
use std::io::Cursor;
use std::{env, fs};

use feed::rows::{RowReader, RowWriter, RowsColumn, RowsHeader};
use feed::spec::Outcome;
use feed::{Kind, Value};
use zip::ZipArchive;

use super::*;
use oracle::Line;
use records::{Contract, Day, MARKETS, Records, YEAR};

mod corrections;
mod files;
mod oracle;
#[path = "../../../feed/tests/committed/random.rs"]
mod random;
mod records;

fn folder() -> PathBuf {
    samples().join("coreview-commission")
}

/// What an archive holds; its own bytes depend on who packs it.
fn unpacked(content: &[u8]) -> Option<BTreeMap<String, Vec<u8>>> {
    let mut archive = ZipArchive::new(Cursor::new(content)).ok()?;
    let mut entries = BTreeMap::new();
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).ok()?;
        let mut content = vec![];
        entry.read_to_end(&mut content).ok()?;
        entries.insert(entry.name().ok()?.into_owned(), content);
    }
    Some(entries)
}

fn check(path: &Path, content: &[u8]) {
    let found = fs::read(path).unwrap_or_default();
    let is_archive = content.starts_with(b"PK");
    let same = if is_archive { unpacked(&found) == unpacked(content) } else { found == content };
    if !same && env::var_os("STEPWRIGHT_BLESS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        return fs::write(path, content).unwrap();
    }
    assert!(
        same,
        "{} is not what the code makes; look at the difference and run this test with STEPWRIGHT_BLESS=1",
        path.display()
    );
}

/// The table of the whole year, month by month.
fn expected(lines: &[Line]) -> String {
    let lines: String = lines.iter().map(|line| line.text.as_str()).collect();
    format!("{}{lines}", oracle::HEADER)
}

#[test]
fn the_files_are_those_of_the_generator() {
    let records = Records::new();
    let files = files::files(&records);
    for (name, content) in &files {
        check(&folder().join("input").join(name), content);
    }
    check(&folder().join("expected/commissions.csv"), expected(&oracle::lines(&records)).as_bytes());
    let names: BTreeSet<String> = fs::read_dir(folder().join("input"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(names, files.into_keys().collect(), "and there are no others");
}

/// Rows by entry, each with its outcome, as they were told last.
type Told = BTreeMap<String, (usize, Vec<Value>)>;

/// A customer whose contracts are kept until their month is calculated.
struct Customer {
    buckets: Buckets,
    spec: ObjectRef,
    references: BTreeMap<String, ObjectRef>,
    header: RowsHeader,
    rows: Told,
    /// How many months before a month its rows are looked at.
    back: u32,
    /// The entries that were delivered, by month and market.
    delivered: BTreeMap<(u32, &'static str), ObjectRef>,
    /// What became of each file.
    told: Vec<String>,
}

impl Customer {
    fn new() -> Self {
        let buckets = Buckets::new();
        let spec = |name: &str| buckets.put(name, &fs::read(folder().join(name)).unwrap());
        let file = |name: &str| buckets.put(name, &fs::read(folder().join("input").join(name)).unwrap());
        let mut told = vec![];
        let mut parse = |spec: &ObjectRef, file: ObjectRef| {
            let name = file.key.clone();
            let request = ParseRequest { spec: spec.clone(), files: vec![file] };
            let parsed = step_parse::run(&request, &buckets.drops, &buckets.staging).unwrap();
            let request = ReconcileRequest { spec: spec.clone(), parsed: parsed.clone() };
            step_reconcile::run(&request, &buckets.drops, |object| buckets.staging.get(object)).unwrap();
            let stats = &parsed.stats;
            let (rejected, warnings) = (&stats.rejected_by_code, &parsed.warnings);
            let warned: BTreeMap<_, _> = warnings.iter().map(|(code, warned)| (code, warned.rows)).collect();
            told.push(format!(
                "{name}: {} in, {} accepted, {} cancelled, rejected {rejected:?}, warnings {warned:?}",
                stats.rows_in, stats.accepted, stats.cancelled
            ));
            parsed
        };
        let references = [
            ("cells", "matrix.toml", format!("commission_matrices_{YEAR}.xlsx")),
            ("targets", "targets.toml", format!("agent_volume_targets_{YEAR}.xlsx")),
            ("rates", "rates.toml", format!("reference_rates_{YEAR}.zip")),
        ]
        .map(|(name, of, from)| (name.to_owned(), parse(&spec(of), file(&from)).rows));
        let commissions = spec("commissions.toml");
        let mut rows: Vec<ObjectRef> = (1..=12)
            .map(|month| parse(&commissions, file(&format!("contracts-{YEAR}-{month:02}.csv"))).rows)
            .collect();
        rows.push(parse(&spec("messages.toml"), file(&format!("messages-{YEAR}-05.jsonl"))).rows);

        let mut entries = BTreeMap::new();
        let mut header: Option<RowsHeader> = None;
        for object in &rows {
            let mut reader = RowReader::new(BufReader::new(buckets.staging.get(object).unwrap())).unwrap();
            let found = reader.header().clone();
            assert_eq!(&found, header.get_or_insert_with(|| found.clone()), "one feed, whatever brought it");
            let at = |name: &str| found.layout().find(name).unwrap().0;
            let (contract, entry) = (at("contract"), at("entry"));
            let mut row = vec![];
            while let Some(outcome) = reader.read(&mut row).unwrap() {
                entries.insert(format!("{} {}", row[contract], row[entry]), (outcome, row.clone()));
            }
        }
        Self {
            spec: commissions,
            references: BTreeMap::from(references),
            header: header.unwrap(),
            rows: entries,
            back: 12,
            delivered: BTreeMap::new(),
            told,
            buckets,
        }
    }

    /// The rows of a market that a month looks at.
    fn rows_of(&self, market: &str, month: u32) -> Parsed {
        let layout = self.header.layout();
        let at = |name: &str| layout.find(name).unwrap().0;
        let (market_at, date_at) = (at("market"), at("date"));
        let object = self.buckets.staging.create(&format!("{market}-{month}.jsonl")).unwrap();
        let mut writer = RowWriter::new(object, &self.header).unwrap();
        let mut stats = feed::Stats { files: 1, ..feed::Stats::default() };
        for (outcome, row) in self.rows.values() {
            let Value::Date(date) = &row[date_at] else { panic!("{row:?}") };
            let of = u32::from(date.month().cast_unsigned());
            let is_there = i32::from(date.year()) == YEAR && of <= month && of + self.back >= month;
            if row[market_at].to_string() != market || !is_there {
                continue;
            }
            writer.write(*outcome, row).unwrap();
            let outcome = &self.header.outcomes[*outcome];
            let (count, by_code) = match outcome.outcome {
                Outcome::Cancel => (&mut stats.cancelled, &mut stats.cancelled_by_code),
                _ => (&mut stats.accepted, &mut stats.accepted_by_code),
            };
            *count += 1;
            *by_code.entry(outcome.code.clone()).or_default() += 1;
            stats.rows_in += 1;
        }
        let rows = writer.into_inner().finish(Some(stats.rows_in)).unwrap();
        let none = self.buckets.staging.create("none.jsonl").unwrap().finish(Some(0)).unwrap();
        Parsed { feed: "commissions".into(), rows, rejects: none, stats, warnings: BTreeMap::new() }
    }

    /// What was delivered for other months, as the planning database hands it over.
    fn paid(&self, month: u32) -> ObjectRef {
        let object = self.buckets.staging.create(&format!("paid-{month}.jsonl")).unwrap();
        let spec = FeedSpec::read("spec.toml", self.buckets.drops.get(&self.spec).unwrap()).unwrap();
        let wanted = spec.delivered().unwrap();
        assert_eq!(wanted.columns[0].name, "delivery");
        let columns: Vec<RowsColumn> = wanted
            .columns
            .iter()
            .map(|column| RowsColumn { name: column.name.clone(), kind: column.kind })
            .collect();
        assert_eq!(columns[0].kind, Kind::Text);
        let (mut writer, mut rows) = (None, 0);
        let mut empty = Some(object);
        for ((of, market), entries) in &self.delivered {
            if of + self.back + spec.clawback_months() < month || *of > month + self.back || *of == month {
                continue;
            }
            let mut reader =
                RowReader::new(BufReader::new(self.buckets.staging.get(entries).unwrap())).unwrap();
            let mut row = vec![];
            while let Some(outcome) = reader.read(&mut row).unwrap() {
                let header = || RowsHeader { columns: columns.clone(), ..reader.header().clone() };
                let writer =
                    writer.get_or_insert_with(|| RowWriter::new(empty.take().unwrap(), &header()).unwrap());
                row.insert(0, Value::Text(format!("{market} {of}")));
                writer.write(outcome, &row).unwrap();
                rows += 1;
            }
        }
        let writer = writer.unwrap_or_else(|| {
            let header = RowsHeader { columns, ..self.header.clone() };
            RowWriter::new(empty.take().unwrap(), &header).unwrap()
        });
        writer.into_inner().finish(Some(rows)).unwrap()
    }

    /// The figures of a month, which are then delivered.
    fn settle(&mut self, market: &'static str, month: u32) -> (Figures, String) {
        let request = ReconcileRequest { spec: self.spec.clone(), parsed: self.rows_of(market, month) };
        let get = |object: &ObjectRef| self.buckets.staging.get(object);
        let reconciled = step_reconcile::run(&request, &self.buckets.drops, get).unwrap();
        let mut references = self.references.clone();
        references.insert("paid".into(), self.paid(month));
        let request = CalculateRequest {
            spec: self.spec.clone(),
            rows: reconciled.rows,
            control: reconciled.control,
            references,
            period: Some(format!("{YEAR}-{month:02}")),
        };
        let figures = run(&request, &self.buckets.drops, &self.buckets.staging);
        let figures = figures.unwrap_or_else(|error| panic!("{error}"));
        self.delivered.insert((month, market), figures.entries.clone().unwrap());
        let csv = self.buckets.text(&figures.figures);
        (figures, csv)
    }
}

#[test]
fn a_year_of_commissions_is_what_plain_loops_find() {
    let mut customer = Customer::new();
    let lines = oracle::lines(&Records::new());
    let mut table = oracle::HEADER.to_owned();
    for month in 1..=12 {
        let mut paid: BTreeMap<String, rust_decimal::Decimal> = BTreeMap::new();
        for market in &MARKETS {
            let (figures, csv) = customer.settle(market.name, month);
            assert_eq!(figures.period, format!("{YEAR}-{month:02}"));
            let (header, rows) = csv.split_once('\n').unwrap();
            assert_eq!(format!("{header}\n"), oracle::HEADER);
            table.push_str(rows);
            // Totals never mix currencies: five measures of the market's one.
            assert_eq!(figures.totals.len(), 5);
            let name = format!("payable[currency={}]", market.currency);
            *paid.entry(name.clone()).or_default() +=
                figures.totals[&name].parse::<rust_decimal::Decimal>().unwrap();
        }
        for (currency, cents) in oracle::payable(&lines, month) {
            assert_eq!(paid[&format!("payable[currency={currency}]")], rust_decimal::Decimal::new(cents, 2));
        }
    }
    let expected = expected(&lines);
    let different = table.lines().zip(expected.lines()).find(|(found, expected)| found != expected);
    assert!(table == expected, "{different:?}");
    assert_eq!(table, fs::read_to_string(folder().join("expected/commissions.csv")).unwrap());
}

#[test]
fn every_status_and_every_mistake_is_in_the_sample() {
    let lines = oracle::lines(&Records::new());
    let mut statuses: BTreeMap<&str, u32> = BTreeMap::new();
    for line in &lines {
        *statuses.entry(line.status).or_default() += 1;
    }
    insta::assert_snapshot!(format!("{}\n\n{statuses:#?}", Customer::new().told.join("\n")));
    let adjusted: BTreeSet<_> = lines.iter().filter_map(|line| line.adjusts.as_ref()).collect();
    assert_eq!(adjusted.len(), statuses["ADJUSTMENT"] as usize, "a contract is taken back once");
}

/// Nobody has to approve a month of the sample: see `jump_percent` of customer.toml.
#[test]
fn no_month_jumps() {
    let lines = oracle::lines(&Records::new());
    let mut jumps = vec![];
    for month in 2..=12 {
        let (before, now) = (oracle::payable(&lines, month - 1), oracle::payable(&lines, month));
        for (currency, paid) in now {
            let change = (paid - before[currency]) * 100 / before[currency];
            if change.abs() >= 40 {
                jumps.push(format!("{YEAR}-{month:02} {currency} {paid}: {change} %"));
            }
        }
    }
    assert!(jumps.is_empty(), "{jumps:?}");
}
