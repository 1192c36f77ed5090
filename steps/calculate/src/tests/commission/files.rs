//! The records as a customer sends them: workbooks, a zip of rates, a file of
//! contracts for each month, and for one market and month messages instead.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Cursor, Write as _};

use rust_xlsxwriter::{DocProperties, ExcelDateTime, Format, Formula, Workbook};
use zip::write::SimpleFileOptions;
use zip::{DateTime, ZipWriter};

use super::records::{ACHIEVEMENTS, Contract, Day, MARKETS, PENETRATIONS, Records, YEAR};

/// The market and month whose contracts come as messages.
const MESSAGES: (usize, u32) = (0, 5);

/// The files by name.
pub(super) fn files(records: &Records) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::from([
        (format!("commission_matrices_{YEAR}.xlsx"), matrices(records)),
        (format!("agent_volume_targets_{YEAR}.xlsx"), targets(records)),
        (format!("reference_rates_{YEAR}.zip"), rates(records)),
        (format!("messages-{YEAR}-{:02}.jsonl", MESSAGES.1), messages(records).into_bytes()),
    ]);
    for month in 1..=12 {
        files.insert(format!("contracts-{YEAR}-{month:02}.csv"), contracts(records, month).into_bytes());
    }
    files
}

fn workbook() -> Workbook {
    let mut workbook = Workbook::new();
    let made = ExcelDateTime::from_ymd(2023, 12, 1).unwrap();
    workbook.set_properties(&DocProperties::new().set_creation_datetime(&made));
    workbook
}

/// One sheet a market: a title, rates with the penetrations left of them
/// (falling) and the achievements below, and a label under those.
pub(super) fn matrices(records: &Records) -> Vec<u8> {
    let mut workbook = workbook();
    let bold = Format::new().set_bold();
    let percent = Format::new().set_num_format("0.00%");
    for (market, rates) in MARKETS.iter().zip(records.matrices) {
        let sheet = workbook.add_worksheet().set_name(market.name).unwrap();
        let title = format!("Commission by penetration and achievement, market {}, {YEAR}", market.name);
        sheet.write_with_format(1, 1, title, &bold).unwrap();
        let mut row = 3;
        for (penetration, rates) in PENETRATIONS.iter().zip(rates) {
            sheet.write(row, 1, hundredths(*penetration)).unwrap();
            for (column, rate) in (2..).zip(rates) {
                // One of them is calculated, and has its result stored.
                if rate == 150 {
                    let formula = Formula::new("=0.01+0.005").set_result("0.015");
                    sheet.write_with_format(row, column, formula, &percent).unwrap();
                } else {
                    let rate = f64::from(i32::try_from(rate).unwrap()) / 10_000.0;
                    sheet.write_with_format(row, column, rate, &percent).unwrap();
                }
            }
            row += 1;
        }
        for (column, achievement) in (2..).zip(ACHIEVEMENTS) {
            sheet.write(row, column, hundredths(achievement)).unwrap();
        }
        sheet.write_with_format(row + 1, 3, "achievement: financed volume / target", &bold).unwrap();
    }
    workbook.save_to_buffer().unwrap()
}

fn hundredths(number: i64) -> f64 {
    f64::from(i32::try_from(number).unwrap()) / 100.0
}

/// An agent a row, a month a column; no value is no target.
pub(super) fn targets(records: &Records) -> Vec<u8> {
    let mut workbook = workbook();
    let bold = Format::new().set_bold();
    let sheet = workbook.add_worksheet().set_name("Targets").unwrap();
    for (column, month) in (2..).zip(1..=12) {
        sheet.write_with_format(0, column, format!("{YEAR}-{month:02}"), &bold).unwrap();
    }
    let agents = MARKETS.iter().flat_map(|market| market.agents);
    for (row, agent) in (1..).zip(agents) {
        sheet.write(row, 1, *agent).unwrap();
        for (column, month) in (2..).zip(1..=12) {
            if let Some(target) = records.targets.get(&(*agent, month)) {
                sheet.write(row, column, i32::try_from(*target).unwrap()).unwrap();
            }
        }
    }
    workbook.save_to_buffer().unwrap()
}

/// A day a row, newest first, a currency a column.
fn rates(records: &Records) -> Vec<u8> {
    let mut text = String::from("Date,CHF,NOK,SEK,USD,\n");
    for (day, rates) in records.rates.iter().rev() {
        let _ = write!(text, "{}", iso(*day));
        for (_, rate) in rates {
            match rate {
                Some(rate) => {
                    let _ = write!(text, ",{}.{:04}", rate / 10_000, rate % 10_000);
                }
                None => text.push_str(",N/A"),
            }
        }
        text.push_str(",\n");
    }
    let mut zip = ZipWriter::new(Cursor::new(vec![]));
    let options = SimpleFileOptions::default().last_modified_time(DateTime::default());
    zip.start_file("rates.csv", options).unwrap();
    zip.write_all(text.as_bytes()).unwrap();
    zip.finish().unwrap().into_inner()
}

pub(super) fn iso(day: Day) -> String {
    format!("{:04}-{:02}-{:02}", day.0, day.1, day.2)
}

/// What happened in a month, by day: a contract was signed or cancelled.
fn events(records: &Records, month: u32) -> Vec<(Day, bool, &Contract)> {
    let mut events = vec![];
    for contract in &records.contracts {
        if contract.day.1 == month {
            events.push((contract.day, false, contract));
        }
        let told = contract.cancelled.iter().filter(|day| (day.0, day.1) == (YEAR, month));
        events.extend(told.map(|day| (*day, true, contract)));
    }
    events.sort_by_key(|(day, cancelled, contract)| (*day, *cancelled, contract.id.clone()));
    events
}

fn contracts(records: &Records, month: u32) -> String {
    let mut text = String::from("contract;kind;agent;market;date;currency;volume;financed\r\n");
    let as_message = |contract: &Contract| (contract.market, month) == MESSAGES;
    let events = events(records, month);
    let written = events.iter().filter(|(_, _, contract)| !as_message(contract));
    for (index, (day, cancelled, contract)) in (1..).zip(written) {
        let line = line(*day, *cancelled, contract);
        text.push_str(&line);
        text.push_str(&mistakes(month, index, &line));
    }
    text
}

fn line(day: Day, cancelled: bool, contract: &Contract) -> String {
    let Contract { id, agent, currency, cents, financed, .. } = contract;
    let market = MARKETS[contract.market].name;
    let date = format!("{:02}.{:02}.{}", day.2, day.1, day.0);
    if cancelled {
        return format!("{id};cancelled;{agent};{market};{date};;;\r\n");
    }
    let financed = if *financed { "yes" } else { "no" };
    format!("{id};signed;{agent};{market};{date};{currency};{};{financed}\r\n", amount(*cents))
}

/// 2499050 cents as 24.990,50.
fn amount(cents: i64) -> String {
    let (units, cents) = (cents / 100, cents % 100);
    let mut text = format!(",{cents:02}");
    let mut rest = units;
    while rest >= 1000 {
        text = format!(".{:03}{text}", rest % 1000);
        rest /= 1000;
    }
    format!("{rest}{text}")
}

/// What real files contain, after some line of some month. None of it is in the
/// records: it must not change a figure.
fn mistakes(month: u32, line: u32, before: &str) -> String {
    let day = format!("{month:02}.{YEAR}");
    match (month, line) {
        (1, 30) => format!("S2401-901;signed;Agent Pine;south;32.{day};EUR;21.480,00;yes\r\n"),
        (2, 41) => format!("N2402-901;signed;;north;12.{day};SEK;241.600,00;no\r\n"),
        (3, 17) => format!("W2403-901;signed;Agent Oak;west;05.{day};XTS;19.950,00;yes\r\n"),
        (4, 66) => format!("S2404-901;signed;Agent Olive;south;20.{day};EUR;-18.700,00;yes\r\n"),
        // The same line twice.
        (5, 12) | (8, 80) | (11, 9) => before.to_owned(),
        (6, 23) => format!("W2406-901;signed;Agent Ash; branch 2;west;09.{day};EUR;22.150,00;no\r\n"),
        (7, 50) => format!("S2407-901;signed;Agent Laurel;south;17.{day};EUR;approx. 20.000;no\r\n"),
        // Nobody has the contract that is cancelled.
        (8, 33) => format!("N2399-001;cancelled;Agent Lind;north;14.{day};;;\r\n"),
        (9, 70) => format!("E2409-001;signed;Agent Thorn;east;16.{day};EUR;25.000,00;yes\r\n"),
        (10, 5) => format!("S2410-901;signed;Agent Olive;south;02.{day};EUR;18.450,00;perhaps\r\n"),
        (12, 60) => "N2412-9\r\n".to_owned(),
        _ => String::new(),
    }
}

/// The market's contracts of that month as bodies of messages, one a line.
fn messages(records: &Records) -> String {
    let (market, month) = MESSAGES;
    let mut text = String::new();
    let events = events(records, month);
    let written = events.iter().filter(|(_, _, contract)| contract.market == market);
    for (index, (day, cancelled, contract)) in (1..).zip(written) {
        let Contract { id, agent, currency, cents, financed, .. } = contract;
        let (on, market) = (iso(*day), MARKETS[market].name);
        let body = if *cancelled {
            format!(
                r#"{{"type":"contract.cancelled","on":"{on}","contract":{{"id":"{id}","agent":"{agent}","market":"{market}"}}}}"#
            )
        } else {
            let volume = format!("{}.{:02}", cents / 100, cents % 100);
            format!(
                r#"{{"type":"contract.signed","on":"{on}","contract":{{"id":"{id}","agent":"{agent}","market":"{market}","currency":"{currency}","volume":{volume},"financed":{financed}}}}}"#
            )
        };
        text.push_str(&body);
        text.push('\n');
        if index == 14 {
            text.push_str("ping\n");
        }
        if index == 40 {
            // A queue brings some messages twice.
            text.push_str(&body);
            text.push('\n');
        }
    }
    text
}
