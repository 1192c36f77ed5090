//! The sample customer as records: who sells where, what was signed and
//! cancelled, what is wanted and paid, what a currency costs.
//!
//! Invented from end to end, the same from the same seed. Most of it is
//! ordinary; what deserves a test stands in `special`.

use std::collections::{BTreeMap, BTreeSet};

use super::random::Random;

/// Year, month, day.
pub(super) type Day = (i32, u32, u32);

pub(super) const YEAR: i32 = 2024;

/// A market: its name, the currency it pays in, and its agents.
pub(super) struct Market {
    pub(super) name: &'static str,
    pub(super) currency: &'static str,
    pub(super) agents: &'static [&'static str],
    /// What other currencies its contracts are in, now and then.
    foreign: &'static [&'static str],
    /// The letter its contracts begin with.
    letter: char,
}

pub(super) const MARKETS: [Market; 3] = [
    Market {
        name: "north",
        currency: "SEK",
        agents: &["Agent Björk", "Agent Elm", "Agent Gran", "Agent Lind", "Agent Rönn"],
        foreign: &["NOK", "EUR"],
        letter: 'N',
    },
    Market {
        name: "south",
        currency: "EUR",
        agents: &["Agent Cypress", "Agent Laurel", "Agent Olive", "Agent Pine", "Agent Sorrel"],
        foreign: &["CHF", "USD"],
        letter: 'S',
    },
    // Its targets are not in the file but for the first month.
    Market {
        name: "west",
        currency: "EUR",
        agents: &["Agent Ash", "Agent Hazel", "Agent Oak", "Agent Willow"],
        foreign: &["USD"],
        letter: 'W',
    },
];

/// Penetrations in hundredths, falling, as the workbook has them.
pub(super) const PENETRATIONS: [i64; 4] = [65, 55, 45, 30];

/// Achievements in hundredths.
pub(super) const ACHIEVEMENTS: [i64; 5] = [50, 70, 90, 100, 115];

/// Commission rates in ten-thousandths by market, penetration and achievement.
pub(super) type Rates = [[[i64; 5]; 4]; 3];

const RATES: Rates = [
    [
        [124, 140, 152, 166, 178],
        [120, 136, 148, 160, 172],
        [116, 130, 142, 154, 166],
        [108, 122, 134, 146, 158],
    ],
    [
        [138, 150, 162, 178, 190],
        [132, 146, 156, 170, 182],
        [126, 138, 150, 163, 175],
        [118, 130, 142, 155, 166],
    ],
    // A real matrix is not always steady: 0.45 pays more than 0.55 at 0.70.
    [
        [110, 125, 140, 150, 160],
        [105, 115, 132, 145, 155],
        [100, 118, 128, 138, 148],
        [95, 108, 120, 130, 140],
    ],
];

/// A contract that was signed.
#[derive(Debug, Clone)]
pub(super) struct Contract {
    pub(super) id: String,
    /// Position of its market.
    pub(super) market: usize,
    pub(super) agent: &'static str,
    pub(super) day: Day,
    pub(super) currency: &'static str,
    pub(super) cents: i64,
    pub(super) financed: bool,
    /// The days on which its cancellation was told.
    pub(super) cancelled: Vec<Day>,
}

#[derive(Clone)]
pub(super) struct Records {
    pub(super) contracts: Vec<Contract>,
    /// Those that were not told yet, though their cancellation may be.
    pub(super) untold: BTreeSet<String>,
    /// What is paid.
    pub(super) matrices: Rates,
    /// Whole units of the market's currency, by agent and month.
    pub(super) targets: BTreeMap<(&'static str, u32), i64>,
    /// Ten-thousandths of a currency for one euro, by day of publication.
    pub(super) rates: BTreeMap<Day, Vec<(&'static str, Option<i64>)>>,
}

impl Records {
    pub(super) fn new() -> Self {
        let mut random = Random(0xC0DE_2024);
        let mut contracts = vec![];
        for month in 1..=12 {
            for (market, who) in MARKETS.iter().enumerate() {
                for agent in who.agents {
                    month_of(&mut random, &mut contracts, month, market, agent);
                }
            }
        }
        number(&mut contracts);
        special(&mut contracts);
        Self {
            targets: targets(&mut random),
            rates: rates(&mut random),
            contracts,
            untold: BTreeSet::new(),
            matrices: RATES,
        }
    }
}

/// What an agent signs in a month.
fn month_of(
    random: &mut Random,
    contracts: &mut Vec<Contract>,
    month: u32,
    market: usize,
    agent: &'static str,
) {
    // One begins in summer, one rests in spring.
    if agent == "Agent Sorrel" && month < 7 || agent == "Agent Willow" && (4..=5).contains(&month) {
        return;
    }
    let who = &MARKETS[market];
    // In that quarter hardly anybody finances with this one; in that month nobody does.
    let financing = match (agent, month) {
        ("Agent Pine", 7..=8) => 22,
        ("Agent Oak", 9) => 0,
        _ => 62,
    };
    for _ in 0..10 + random.below(5) {
        let day = (YEAR, month, 1 + u32::try_from(random.below(u64::from(days_of(month)))).unwrap());
        let currency = if random.below(12) == 0 { *random.one_of(who.foreign) } else { who.currency };
        let euros = 1_400_000 + i64::try_from(random.below(1_600_000)).unwrap();
        let cents = if ["SEK", "NOK"].contains(&currency) { euros * 11 + 35 } else { euros };
        let financed = random.below(100) < financing;
        let mut cancelled = vec![];
        if random.below(100) < 5 {
            cancelled.push(days_later(day, 3 + i64::try_from(random.below(260)).unwrap()));
        }
        let contract =
            Contract { id: String::new(), market, agent, day, currency, cents, financed, cancelled };
        contracts.push(contract);
    }
}

/// Contracts in the order of their days get the numbers of their market and month.
fn number(contracts: &mut [Contract]) {
    contracts.sort_by_key(|contract| (contract.market, contract.day));
    let mut counts: BTreeMap<(usize, u32), u32> = BTreeMap::new();
    for contract in contracts {
        let month = contract.day.1;
        let count = counts.entry((contract.market, month)).or_default();
        *count += 1;
        contract.id = format!("{}24{month:02}-{count:03}", MARKETS[contract.market].letter);
    }
}

/// Cancellations at the edges of what is taken back.
fn special(contracts: &mut [Contract]) {
    let mut done = BTreeSet::new();
    let mut cancel = |market: usize, day: Day, on: &[Day]| {
        let agents = ["Agent Elm", "Agent Olive", "Agent Hazel"];
        let month = (day.0, day.1);
        let found = contracts.iter_mut().find(|contract| {
            contract.market == market
                && (contract.day.0, contract.day.1) == month
                && contract.agent == agents[market]
                && !done.contains(&contract.id)
        });
        let contract = found.expect("every one of them signs every month");
        done.insert(contract.id.clone());
        contract.day = day;
        contract.cancelled = on.to_vec();
    };
    // On the last day that counts, and on the first that does not.
    cancel(0, (YEAR, 2, 10), &[(YEAR, 8, 10)]);
    cancel(0, (YEAR, 2, 10), &[(YEAR, 8, 11)]);
    // Six months after the 31st is the 30th.
    cancel(1, (YEAR, 3, 31), &[(YEAR, 9, 30)]);
    cancel(1, (YEAR, 3, 31), &[(YEAR, 10, 1)]);
    // On the day it was signed; and twice, of which the first counts.
    cancel(1, (YEAR, 5, 14), &[(YEAR, 5, 14)]);
    cancel(2, (YEAR, 6, 3), &[(YEAR, 8, 20), (YEAR, 10, 2)]);
    // Signed in the month whose contracts of this market come as messages.
    cancel(0, (YEAR, 5, 6), &[(YEAR, 5, 28)]);
    cancel(0, (YEAR, 5, 7), &[(YEAR, 7, 9)]);
    contracts.sort_by_key(|contract| (contract.market, contract.day));
}

fn targets(random: &mut Random) -> BTreeMap<(&'static str, u32), i64> {
    let mut targets = BTreeMap::new();
    for market in MARKETS.iter().take(2) {
        for agent in market.agents {
            for month in 1..=12 {
                let thousands = 138 + i64::try_from(random.below(44)).unwrap();
                let factor = if market.currency == "SEK" { 11_000 } else { 1_000 };
                targets.insert((*agent, month), thousands * factor);
            }
        }
    }
    // The market without targets has those it began the year with.
    for agent in MARKETS[2].agents {
        targets.insert((*agent, 1), 150_000);
    }
    // Begins in summer with a target of nothing, and has one missing afterwards.
    for month in 1..7 {
        targets.remove(&("Agent Sorrel", month));
    }
    targets.insert(("Agent Sorrel", 7), 0);
    targets.remove(&("Agent Sorrel", 9));
    targets.remove(&("Agent Gran", 1));
    // Far too much is wanted once.
    targets.insert(("Agent Cypress", 4), 420_000);
    targets
}

/// Days without rates though they are no weekend.
const HOLIDAYS: [(u32, u32); 6] = [(1, 1), (3, 29), (4, 1), (5, 1), (12, 25), (12, 26)];

fn rates(random: &mut Random) -> BTreeMap<Day, Vec<(&'static str, Option<i64>)>> {
    let mut now = [("CHF", 9_420), ("NOK", 114_150), ("SEK", 111_300), ("USD", 10_840)];
    let mut rates = BTreeMap::new();
    let mut day = (YEAR - 1, 12, 22);
    while day <= (YEAR, 12, 31) {
        if weekday(day) < 5 && !HOLIDAYS.contains(&(day.1, day.2)) {
            for (_, rate) in &mut now {
                let step = *rate / 300;
                *rate += i64::try_from(random.below(u64::try_from(2 * step + 1).unwrap())).unwrap() - step;
            }
            let published = |(currency, rate): (&'static str, i64)| {
                // One currency paused for a few days.
                let paused = currency == "NOK" && day.1 == 6 && (10..=12).contains(&day.2);
                (currency, (!paused).then_some(rate))
            };
            rates.insert(day, now.into_iter().map(published).collect());
        }
        day = days_later(day, 1);
    }
    rates
}

/// Days of a month of that year.
pub(super) fn days_of(month: u32) -> u32 {
    [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month as usize - 1]
}

/// So many days later; counts, and knows what it needs: the years 2023 to 2025.
pub(super) fn days_later(day: Day, days: i64) -> Day {
    let (mut year, mut month, mut date) = day;
    for _ in 0..days {
        date += 1;
        let last = if month == 2 && year != YEAR { 28 } else { days_of(month) };
        if date > last {
            (month, date) = (month + 1, 1);
        }
        if month > 12 {
            (year, month) = (year + 1, 1);
        }
    }
    (year, month, date)
}

/// 0 is Monday. The year began with one.
fn weekday(day: Day) -> i64 {
    let first = (YEAR - 1, 12, 18);
    (0_i64..800).find(|days| days_later(first, *days) == day).expect("a day after the first one") % 7
}
