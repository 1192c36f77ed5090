//! `cargo xtask feed`: a large feed of invoice lines as the sample spec
//! `invoice-commissions` reads them. The same lines from the same seed; one line
//! is in memory, and the last few thousand that can still be cancelled.
//!
//! With `--customer` also what belongs to it: exchange rates, a commission
//! matrix, the specs and `customer.toml`.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use flate2::Compression;
use flate2::write::GzEncoder;

#[path = "../../steps/feed/tests/committed/random.rs"]
#[expect(clippy::expect_used, reason = "a number below a length is an index")]
mod random;

use random::Random;

#[derive(Args)]
pub(crate) struct Feed {
    /// How many lines, without the header.
    #[arg(long, default_value_t = 540_000)]
    pub(crate) lines: u64,
    /// Other seeds give other lines.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// The file: gzip when its name ends in `.gz`.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// Also writes a customer's folder: reference data, specs and `customer.toml`.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) customer: Option<PathBuf>,
}

/// The days of the feed: two years.
const YEARS: [(u32, [u32; 12]); 2] = [
    (2023, [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]),
    (2024, [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]),
];

/// Countries, each as often as it stands here; two of them pay in crowns.
const COUNTRIES: [&str; 16] = [
    "France",
    "France",
    "France",
    "Germany",
    "Germany",
    "Germany",
    "Ireland",
    "Ireland",
    "Netherlands",
    "Norway",
    "Norway",
    "Portugal",
    "Spain",
    "Spain",
    "Sweden",
    "Sweden",
];

/// Lines that a cancellation may be of.
const CANCELLABLE: usize = 30_000;

/// After how many lines the progress moves.
const PROGRESS_LINES: u64 = 100_000;

pub(crate) fn write(root: &Path, feed: &Feed) -> Result<(), String> {
    let failed = |path: &Path, error: &io::Error| format!("{} cannot be written: {error}", path.display());
    let file = File::create(&feed.out).map_err(|error| failed(&feed.out, &error))?;
    let is_gzip = feed.out.extension().is_some_and(|end| end.eq_ignore_ascii_case("gz"));
    let to = BufWriter::new(file);
    let written = if is_gzip {
        let mut gzip = GzEncoder::new(to, Compression::fast());
        lines(feed, &mut gzip).and_then(|()| gzip.finish()?.flush())
    } else {
        let mut to = to;
        lines(feed, &mut to).and_then(|()| to.flush())
    };
    written.map_err(|error| failed(&feed.out, &error))?;
    if let Some(folder) = &feed.customer {
        customer(root, folder, feed).map_err(|error| failed(folder, &error))?;
    }
    Ok(())
}

/// A line that somebody bought.
struct Bought {
    customer: u64,
    country: &'static str,
    item: u64,
    quantity: u64,
    pence: u64,
}

fn lines(feed: &Feed, to: &mut impl Write) -> io::Result<()> {
    let mut random = Random(feed.seed);
    let days = days();
    let mut bought: Vec<Bought> = Vec::with_capacity(CANCELLABLE);
    let mut invoice = Invoice::default();
    let mut text = String::new();
    writeln!(to, "invoice,item,quantity,at,price,customer,country")?;
    for line in 0..feed.lines {
        if invoice.lines_left == 0 {
            invoice.next(&mut random);
        }
        invoice.lines_left -= 1;
        // Time goes evenly from the first second of the two years to the last.
        let second = u128::from(line) * (days.len() as u128 * 86_400) / u128::from(feed.lines);
        let (day, second) = (usize::try_from(second / 86_400).unwrap_or(usize::MAX), second % 86_400);
        let date = days.get(day).map_or("", String::as_str);
        let at = format!("{date}T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60);
        text.clear();
        if line > 100 && random.below(50) == 0 {
            cancelled(&mut random, &bought, line, &at, &mut text);
        } else {
            let new = invoice.line(&mut random, &at, &mut text);
            let place = usize::try_from(random.below(CANCELLABLE as u64)).unwrap_or_default();
            match bought.get_mut(place) {
                Some(old) => *old = new,
                None => bought.push(new),
            }
        }
        to.write_all(text.as_bytes())?;
        if (line + 1) % PROGRESS_LINES == 0 {
            eprintln!("feed: {} of {} lines", line + 1, feed.lines);
        }
    }
    Ok(())
}

/// What the lines of an invoice share.
#[derive(Default)]
struct Invoice {
    number: u64,
    lines_left: u64,
    customer: u64,
}

impl Invoice {
    fn next(&mut self, random: &mut Random) {
        self.number += 1;
        self.lines_left = 1 + random.below(20) + random.below(20);
        self.customer = 10_000 + random.below(5_000);
    }

    /// A line, and now and then one that has something wrong.
    fn line(&self, random: &mut Random, at: &str, text: &mut String) -> Bought {
        let item = 20_000 + random.below(4_000);
        let quantity = 1 + random.below(12) * random.below(4);
        let pence = 35 + random.below(60) * random.below(60);
        let country = country(self.customer);
        let (invoice, customer) = (500_000 + self.number, self.customer);
        let price = format!("{}.{:02}", pence / 100, pence % 100);
        // Writing into a String cannot fail.
        let _ = match random.below(5_000) {
            0..3 => writeln!(text, "A{invoice},B,1,{at},-{price},,{country}"),
            3..25 => writeln!(text, "{invoice},{item},{quantity},{at},0.00,,{country}"),
            25..30 => writeln!(text, "{invoice},{item},0,{at},{price},{customer},{country}"),
            30..33 => writeln!(text, "{invoice},{item},{quantity},{at},{price}?,{customer},{country}"),
            33..36 => writeln!(text, "{invoice},{item},{quantity},31/02/2024,{price},{customer},{country}"),
            36..38 => writeln!(text, "{invoice},{item},{quantity}"),
            38..40 => writeln!(text, "{invoice},{item},{quantity},{at},{price},{customer},"),
            40..43 => {
                writeln!(text, "{invoice},\"{item}\",{quantity},{at},{price},{customer},\"{country}\"")
            }
            // Bought by nobody in particular.
            43..300 => writeln!(text, "{invoice},{item},{quantity},{at},{price},,{country}"),
            _ => writeln!(text, "{invoice},{item},{quantity},{at},{price},{customer},{country}"),
        };
        Bought { customer, country, item, quantity, pence }
    }
}

fn country(customer: u64) -> &'static str {
    let at = usize::try_from(customer % COUNTRIES.len() as u64).unwrap_or_default();
    COUNTRIES.get(at).copied().unwrap_or_default()
}

/// Some or all of what somebody bought goes back; a few never bought it.
fn cancelled(random: &mut Random, bought: &[Bought], line: u64, at: &str, text: &mut String) {
    let Bought { mut customer, country, item, quantity, pence } = *random.one_of(bought);
    if random.below(20) == 0 {
        customer = 99_999;
    }
    let quantity = 1 + random.below(quantity);
    let _ = writeln!(
        text,
        "C{},{item},-{quantity},{at},{}.{:02},{customer},{country}",
        900_000 + line,
        pence / 100,
        pence % 100
    );
}

/// All days, as they are written.
fn days() -> Vec<String> {
    let mut days = vec![];
    for (year, months) in YEARS {
        for (month, length) in (1..).zip(months) {
            days.extend((1..=length).map(|day: u32| format!("{year}-{month:02}-{day:02}")));
        }
    }
    days
}

/// The matrix of a market: penetration, achievement, rate.
const CELLS: &str = "market,penetration_from,achievement_from,rate
north,0.2,0.6,0.012
north,0.2,0.9,0.015
north,0.2,1,0.0185
north,0.5,0.6,0.016
north,0.5,0.9,0.0195
north,0.5,1,0.0222
south,0.25,0.5,0.011
south,0.25,0.8,0.0125
south,0.25,1,0.015
south,0.6,0.5,0.0135
south,0.6,0.8,0.0165
south,0.6,1,0.0195
";

const CELLS_SPEC: &str = r#"feed = "commission-matrix"
description = "Rates by market, penetration and achievement"

[source]
format = "csv"
delimiter = ","

[rejects]
policy = "fail-fast"

[[columns]]
name = "market"
type = "text"
required = true

[[columns]]
name = "penetration_from"
type = "decimal"
required = true

[[columns]]
name = "achievement_from"
type = "decimal"
required = true

[[columns]]
name = "rate"
type = "decimal"
required = true
"#;

const CUSTOMER: &str = r#"# A customer with a large feed of invoice lines, made by `cargo xtask feed`.
[[references]]
name = "cells"
spec = "cells.toml"
files = ["cells*.csv"]

[[references]]
name = "rates"
spec = "rates.toml"
files = ["rates*.csv"]

[contracts]
spec = "invoice-commissions.toml"
files = ["*.csv.gz", "invoices*.csv"]

[control]
measure = "payable"
jump_percent = 100

[delivery]
channels = ["coreview-database"]
"#;

fn customer(root: &Path, folder: &Path, feed: &Feed) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let specs = root.join("workflows/samples/specs");
    fs::copy(specs.join("invoice-commissions.toml"), folder.join("invoice-commissions.toml"))?;
    fs::copy(specs.join("reference-rates.toml"), folder.join("rates.toml"))?;
    fs::write(folder.join("cells.toml"), CELLS_SPEC)?;
    fs::write(folder.join("cells.csv"), CELLS)?;
    fs::write(folder.join("rates.csv"), rates(feed.seed))?;
    fs::write(folder.join("customer.toml"), CUSTOMER)
}

/// Units of two currencies for one euro, newest first; none on weekends.
fn rates(seed: u64) -> String {
    let mut random = Random(seed ^ 0xEC_B0);
    let (mut pounds, mut crowns) = (8_600_u64, 113_000_u64);
    let mut step = |rate: &mut u64| *rate = *rate - *rate / 400 + random.below(*rate / 200);
    let mut rows = vec!["2022-12-30,0.8600,11.3000\n".to_owned()];
    for (index, day) in days().into_iter().enumerate() {
        step(&mut pounds);
        step(&mut crowns);
        // The first day of the two years is a Sunday.
        if !matches!(index % 7, 0 | 6) {
            rows.push(format!(
                "{day},{}.{:04},{}.{:04}\n",
                pounds / 10_000,
                pounds % 10_000,
                crowns / 10_000,
                crowns % 10_000
            ));
        }
    }
    rows.push("Date,GBP,SEK\n".to_owned());
    rows.into_iter().rev().collect()
}
