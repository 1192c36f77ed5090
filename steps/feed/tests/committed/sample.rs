//! Makes the input of the sample workflow: the same bytes from the same seed.
//!
//! Invented from end to end. Most rows are ordinary; a few of every kind that
//! goes wrong in real life are put at fixed places, so that a first run shows
//! accepted, cancelled and rejected rows.

use std::fmt::Write as _;

use crate::random::Random;

const HEADER: &str = "contract;agent;market;date;currency;amount;financed;status\r\n";

/// A market with its agents.
type Market = (&'static str, [&'static str; 3]);

/// An office: its file, the letter of its contracts, its markets with their agents.
const OFFICES: [(&str, char, [Market; 2]); 2] = [
    (
        "contracts-north.csv",
        'N',
        [
            ("FI", ["Agent Aspen", "Agent Birch", "Agent Cedar"]),
            ("SE", ["Agent Elder", "Agent Fir", "Agent Hazel"]),
        ],
    ),
    (
        "contracts-south.csv",
        'S',
        [
            ("ES", ["Agent Laurel", "Agent Maple", "Agent Oak"]),
            ("IT", ["Agent Pine", "Agent Rowan", "Agent Willow"]),
        ],
    ),
];

const ROWS_PER_OFFICE: u64 = 180;

/// The files of the sample: name and content.
pub(crate) fn files() -> Vec<(&'static str, String)> {
    OFFICES
        .iter()
        .enumerate()
        .map(|(office, (file, letter, markets))| {
            let mut random = Random(0x5EED_0000 + office as u64);
            let mut text = HEADER.to_owned();
            for row in 1..=ROWS_PER_OFFICE {
                text.push_str(&line(&mut random, *letter, markets, row));
            }
            (*file, text)
        })
        .collect()
}

fn line(random: &mut Random, letter: char, markets: &[Market], row: u64) -> String {
    let (market, agents) = random.one_of(markets);
    let agent = random.one_of(agents);
    let day = random.below(30) + 1;
    let cents = random.below(3_200_000) + 800_000;
    let financed = if random.below(100) < 57 { "yes" } else { "no" };
    let withdrawn = if random.below(100) < 6 { "withdrawn" } else { "" };
    let contract = format!("{letter}-{row:05}");
    let date = format!("{day:02}.06.2024");
    let amount = amount(cents);
    match row {
        // What real files contain, in the places where one looks first.
        23 => format!("{contract};{agent};{market};31.06.2024;EUR;{amount};{financed};\r\n"),
        58 => format!("{contract};;{market};{date};EUR;{amount};{financed};\r\n"),
        77 => format!("{contract};{agent};{market};{date};USD;{amount};{financed};\r\n"),
        101 => format!("{contract};{agent};{market};{date};EUR;approx. 20.000;{financed};\r\n"),
        119 => format!("{contract};{agent};{market};{date};EUR;-{amount};{financed};\r\n"),
        142 => format!("{contract};\"{agent}; branch 2\";{market};{date};EUR;{amount};{financed};;\r\n"),
        163 => format!("{contract};{agent};{market};{date};EUR;n/a;{financed};\r\n"),
        _ => format!("{contract};{agent};{market};{date};EUR;{amount};{financed};{withdrawn}\r\n"),
    }
}

/// 2499050 cents as 24.990,50.
fn amount(cents: u64) -> String {
    let mut text = String::new();
    let _ = write!(text, "{}.{:03},{:02}", cents / 100_000, cents / 100 % 1000, cents % 100);
    text
}
