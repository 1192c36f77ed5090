//! Mutated files of every format: a typed error or correct rejects, in bounded
//! time and memory, with every row accounted for.

use std::io::Cursor;
use std::time::{Duration, Instant};
use std::{env, fs};

use flate2::Compression;
use flate2::write::GzEncoder;
use rust_xlsxwriter::{Formula, Workbook};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::formats::{of, parquet_file, with};
use super::*;

/// Mutants of each of the twelve samples, 10,080 in all; `STEPWRIGHT_MUTANTS` asks for another number.
const MUTANTS: u64 = 840;

/// What one file may take.
const TIME_MAX: Duration = Duration::from_secs(20);

/// What the process may take: the memory of the step's function is 1024 MB.
const MEMORY_KIB_MAX: u64 = 512 * 1024;

/// What people who mean harm write into cells, and machines that are broken.
const TOKENS: [&str; 20] = [
    "=cmd|' /C calc'!A0",
    "=HYPERLINK(\"http://localhost\",\"x\")",
    "'; DROP TABLE commission; --",
    "\" OR 1=1",
    "1e999",
    "-1e-999",
    "99999999999999999999999999999999999999999999",
    "0.00000000000000000000000000000000000001",
    "NaN",
    "Infinity",
    "\0",
    "\"",
    "\u{202e}",
    "<!DOCTYPE a [<!ENTITY b \"&c;&c;\"><!ENTITY c \"&d;&d;\">]>",
    "&b;",
    "<![CDATA[",
    "[[[[[[[[[[[[[[[[",
    "{\"a\":",
    "\r\n\r\n",
    ",,,,;;;;\t\t\t\t",
];

/// A generator of numbers (SplitMix64): the same seed, the same mutants.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound.max(1) as u64).unwrap()
    }

    fn mutate(&mut self, content: &mut Vec<u8>) {
        for _ in 0..=self.below(4) {
            let at = self.below(content.len());
            let length = self.below(40).min(content.len() - at);
            match self.below(7) {
                0 => content.truncate(at),
                1 if !content.is_empty() => content[at] ^= 1 << self.below(8),
                2 => drop(content.drain(at..at + length)),
                3 => {
                    let copied = content[at..at + length].to_vec();
                    let repeated = copied.repeat(1 + self.below(20));
                    content.splice(at..at, repeated);
                }
                4 => {
                    let token = TOKENS[self.below(TOKENS.len())];
                    content.splice(at..at, token.bytes());
                }
                5 => {
                    let bytes: Vec<u8> = (0..length).map(|_| self.next().to_le_bytes()[0]).collect();
                    content.splice(at..at + length, bytes);
                }
                _ => {
                    let byte = [0, b'"', b'\n', 0xff, b'<', b'{'][self.below(6)];
                    let filled = vec![byte; self.below(5000)];
                    content.splice(at..at, filled);
                }
            }
        }
    }
}

fn zipped(name: &str, content: &[u8]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer.start_file(name, SimpleFileOptions::default()).unwrap();
    writer.write_all(content).unwrap();
    writer.finish().unwrap().into_inner()
}

fn workbook() -> Vec<u8> {
    let mut workbook = Workbook::new();
    let sheet = workbook.add_worksheet();
    for (column, name) in (0..).zip(["id", "amount", "day"]) {
        sheet.write(0, column, name).unwrap();
    }
    for row in 1..20_u32 {
        sheet.write(row, 0, format!("id {row}")).unwrap();
        sheet.write(row, 1, Formula::new("=A1*2").set_result(row.to_string())).unwrap();
    }
    workbook.save_to_buffer().unwrap()
}

/// A spec and a file of each format.
fn samples() -> Vec<(&'static str, String, Vec<u8>)> {
    let rows = || (0..20).map(|row| (row, format!("2024-01-{:02}", row % 28 + 1)));
    let lines =
        |line: &dyn Fn(i32, &str) -> String| rows().map(|(row, day)| line(row, &day)).collect::<String>();
    let csv = format!("id,amount,day\n{}", lines(&|row, day| format!("\"id {row}\",{row}.50,{day}\n")));
    let jsonl = lines(&|row, day| format!("{{\"id\":\"id {row}\",\"amount\":{row}.5,\"day\":\"{day}\"}}\n"));
    let json = format!("{{\"items\":[{}]}}", jsonl.trim().replace('\n', ","));
    let xml =
        lines(&|row, day| format!("<row id=\"id {row}\"><amount>{row}.5</amount><day>{day}</day></row>\n"));
    let xml = format!("<?xml version=\"1.0\"?><rows>{xml}</rows>");
    let fixed = lines(&|row, day| format!("id{row:4}{row:8}{day}\n"));
    let cross = format!("id,2024-01-01,2024-02-01\n{}", lines(&|row, _| format!("id {row},{row},\n")));
    let mut gz = GzEncoder::new(Vec::new(), Compression::default());
    gz.write_all(csv.as_bytes()).unwrap();
    let gz = gz.finish().unwrap();
    let xml_paths = ["path = \"@id\"", "", ""];
    let spans = ["span = [1, 6]", "span = [7, 14]", "span = [15, 24]"];
    let cross_columns = ["", "from = \"cell\"", "from = \"column-label\""];
    vec![
        ("in.csv", spec(""), csv.clone().into_bytes()),
        ("latin.csv", spec("encoding = \"windows-1252\""), csv.clone().into_bytes()),
        ("in.csv.gz", spec(""), gz),
        ("in.zip", spec(""), zipped("in.csv", csv.as_bytes())),
        ("in.jsonl", of("jsonl", ""), jsonl.into_bytes()),
        ("in.json", of("json", "records = \"/items\""), json.into_bytes()),
        ("in.xml", with(&of("xml", "records = \"row\""), xml_paths), xml.into_bytes()),
        ("in.txt", with(&of("fixed", ""), spans), fixed.into_bytes()),
        (
            "blanks.txt",
            spec("delimiter = \"blanks\""),
            csv.replace("\"id ", "id").replace('"', "").replace(',', " ").into_bytes(),
        ),
        ("cross.csv", with(&spec("cross = {}"), cross_columns), cross.into_bytes()),
        ("in.xlsx", of("xlsx", ""), workbook()),
        ("in.parquet", of("parquet", ""), parquet_file(20)),
    ]
}

fn peak_memory_kib() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[test]
fn mutated_files_are_read_or_refused() {
    let asked = env::var("STEPWRIGHT_MUTANTS").ok().and_then(|count| count.parse().ok());
    let mutants: u64 = asked.unwrap_or(MUTANTS);
    let (mut read, mut refused) = (0, 0);
    for (index, (name, spec, content)) in samples().into_iter().enumerate() {
        // `try_parse` checks that every row is accounted for.
        let whole = try_parse(&spec, &[(name, &content)]).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(whole.parsed.stats.accepted > 15, "{name}: {:?}", whole.rejects.first());
        for seed in 0..mutants {
            let mut chance = Chance(seed * 1000 + index as u64);
            let mut mutant = content.clone();
            chance.mutate(&mut mutant);
            // Also what is inside of an archive that is whole.
            if name == "in.zip" && seed % 2 == 0 {
                let mut inner = samples().swap_remove(0).2;
                chance.mutate(&mut inner);
                mutant = zipped("in.csv", &inner);
            }
            let begun = Instant::now();
            match try_parse(&spec, &[(name, &mutant)]) {
                Ok(output) => {
                    read += 1;
                    assert!(output.rejects.iter().all(|reject| reject.line > 0 && !reject.code.is_empty()));
                }
                Err(error) => {
                    refused += 1;
                    let is_typed =
                        !matches!(error, ParseError::StorageFailed { .. } | ParseError::Spec { .. });
                    assert!(is_typed, "{name}, seed {seed}: {error:?}");
                    assert!(
                        error.to_string().contains(name.trim_end_matches(".gz")),
                        "{name}, seed {seed}: {error}"
                    );
                }
            }
            assert!(begun.elapsed() < TIME_MAX, "{name}, seed {seed} took {:?}", begun.elapsed());
        }
    }
    let peak = peak_memory_kib();
    println!("{read} read, {refused} refused, peak {peak:?} KiB");
    assert!(read > 0 && refused > 0);
    assert!(peak.is_none_or(|peak| peak < MEMORY_KIB_MAX), "{peak:?} KiB");
}

#[test]
fn an_entity_bomb_expands_to_nothing() {
    let entity = |level: u32| format!("<!ENTITY e{level} \"{}\">", format!("&e{};", level - 1).repeat(10));
    let entities = (1..30).map(entity).collect::<Vec<_>>().concat();
    let text = format!(
        "<!DOCTYPE rows [<!ENTITY e0 \"ha\">{entities}]><rows><row id=\"&e29;\"/><row id=\"b\"><amount>&e29;</amount></row></rows>"
    );
    let spec = with(&of("xml", "records = \"row\""), ["path = \"@id\"", "", ""]);
    let output = try_parse(&spec, &[("in.xml", text.as_bytes())]).unwrap();
    assert_eq!(output.codes(), "1 ENTITY\n1 ENTITY\n");
}

#[test]
fn what_looks_like_code_stays_text() {
    let text = "id,amount,day\n\"'; DROP TABLE commission; --\",1,\n=1+1,=1+1,\n@SUM(A1),2,\n";
    let output = parse_text(&spec(""), text);
    assert_eq!(output.rows, "OK: '; DROP TABLE commission; --|1|\nOK: @SUM(A1)|2|\n");
    assert_eq!(output.codes(), "3 NOT_DECIMAL\n");
}

#[test]
fn memory_does_not_grow_with_the_rows() {
    let directory = tempfile::tempdir().unwrap();
    let location = |name: &str| format!("file://{}", directory.path().join(name).display());
    let store = Store::open("drops", &location("drops")).unwrap();
    let mut spec_file = store.create("spec.toml").unwrap();
    spec_file.write_all(spec("").as_bytes()).unwrap();
    let mut gz = GzEncoder::new(store.create("in.csv.gz").unwrap(), Compression::fast());
    writeln!(gz, "id,amount,day").unwrap();
    // One row in fifty is rejected.
    for row in 0..540_000 {
        let amount = if row % 50 == 0 { "x".to_owned() } else { format!("{}.{:02}", row % 1000, row % 100) };
        writeln!(gz, "{row}-WHITE HANGING HEART,{amount},2011-{:02}-{:02}", row % 12 + 1, row % 28 + 1)
            .unwrap();
    }
    let request = ParseRequest {
        spec: spec_file.finish(None).unwrap(),
        files: vec![gz.finish().unwrap().finish(None).unwrap()],
    };
    let staging = Write::at(&location("staging")).unwrap();
    let begun = Instant::now();
    let parsed = run(&request, &Read::at(&location("drops")).unwrap(), &staging).unwrap();
    let peak = peak_memory_kib();
    println!("540,000 rows in {:?}, peak {peak:?} KiB", begun.elapsed());
    let stats = parsed.stats;
    assert_eq!((stats.rows_in, stats.accepted, stats.rejected), (540_000, 529_200, 10_800));
    assert!(peak.is_none_or(|peak| peak < 256 * 1024), "{peak:?} KiB");
}
