//! The commissions of the records a second time: plain loops over the records,
//! whole numbers of cents, nothing of the product.

use std::collections::BTreeMap;

use super::records::{ACHIEVEMENTS, Contract, Day, MARKETS, PENETRATIONS, Records, YEAR, days_of};

pub(super) const HEADER: &str = "market,agent,currency,month,adjusts,adjusts_month,contracts,financed,penetration,volume,target,rate,status,commission,clawback,payable\n";

/// A line of the commissions table, and what is paid by it in cents.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Line {
    pub(super) month: u32,
    pub(super) market: &'static str,
    pub(super) agent: &'static str,
    /// The contract that is adjusted, and its month.
    pub(super) adjusts: Option<(String, u32)>,
    pub(super) status: &'static str,
    pub(super) payable: i64,
    pub(super) text: String,
}

/// What an agent did in a month.
struct AgentMonth<'r> {
    contracts: Vec<&'r Contract>,
    volumes: Vec<i64>,
    financed: i64,
    financed_volume: i64,
}

/// An amount that was delivered.
struct Entry {
    contract: String,
    market: usize,
    agent: &'static str,
    signed: Day,
    adjusts: bool,
    cents: i64,
}

/// A contract of a month, in a market, of an agent.
type Payment<'b> = (&'b str, u32, usize, &'static str);

/// What is left of a payment.
struct Left {
    cents: i64,
    /// Its day, and the day that take-backs know.
    paid: Option<Day>,
    known: Day,
}

/// What was delivered for each month, as it stands.
#[derive(Default)]
pub(super) struct Book {
    delivered: BTreeMap<u32, Vec<Entry>>,
}

/// The commissions of the year, in the order of the table.
pub(super) fn lines(records: &Records) -> Vec<Line> {
    let mut book = Book::default();
    (1..=12).flat_map(|month| book.settle(records, month, 12)).collect()
}

impl Book {
    /// Settles a month, for the first time or again, from what is known by now of
    /// it and of so many months before.
    pub(super) fn settle(&mut self, records: &Records, month: u32, back: u32) -> Vec<Line> {
        self.delivered.remove(&month);
        let mut lines = vec![];
        let mut entries = vec![];
        for (index, market) in MARKETS.iter().enumerate() {
            for agent in market.agents {
                let before = month.saturating_sub(back).max(1)..month;
                let past: Vec<i64> = before
                    .filter_map(|month| agent_month(records, index, agent, month))
                    .map(|done| done.financed_volume)
                    .collect();
                let Some(done) = agent_month(records, index, agent, month) else { continue };
                let target = target(records, agent, month, &past);
                let (rate, status) = rate_of(records, index, &done, target);
                line_of_month(&mut lines, index, agent, month, &done, target, (rate, status));
                for (contract, volume) in done.contracts.iter().zip(&done.volumes) {
                    let (contract, signed) = (contract.id.clone(), contract.day);
                    let cents = half_even(volume * rate, 10_000);
                    entries.push(Entry { contract, market: index, agent, signed, adjusts: false, cents });
                }
            }
        }
        self.delivered.insert(month, entries);
        let mut back = self.taken_back(records, month, back, &mut lines);
        self.delivered.entry(month).or_default().append(&mut back);
        lines.sort();
        lines
    }

    /// Of what was cancelled in time nothing is left.
    fn taken_back(&self, records: &Records, month: u32, back: u32, lines: &mut Vec<Line>) -> Vec<Entry> {
        let mut left: BTreeMap<Payment<'_>, Left> = BTreeMap::new();
        for (of, entries) in &self.delivered {
            if of + back + 6 < month || *of > month + back {
                continue;
            }
            for entry in entries {
                let key = (entry.contract.as_str(), entry.signed.1, entry.market, entry.agent);
                let left = left.entry(key).or_insert(Left { cents: 0, paid: None, known: entry.signed });
                left.cents += entry.cents;
                left.known = entry.signed;
                if !entry.adjusts {
                    left.paid = Some(entry.signed);
                }
            }
        }
        let mut entries = vec![];
        for ((id, _, market, agent), Left { cents, paid, known }) in left {
            let signed = paid.unwrap_or(known);
            let contract = records.contracts.iter().find(|it| it.id == id && it.market == market);
            let told = contract.into_iter().flat_map(|contract| &contract.cancelled);
            let in_window = |day: &&Day| day.0 == YEAR && day.1 <= month && day.1 + back >= month;
            let Some(on) = told.filter(in_window).min() else { continue };
            if cents == 0 || *on < signed || *on > last_day(signed) {
                continue;
            }
            lines.push(line_taken_back(market, agent, month, (id, signed.1), -cents));
            entries.push(Entry {
                contract: id.to_owned(),
                market,
                agent,
                signed,
                adjusts: true,
                cents: -cents,
            });
        }
        entries
    }

    /// What was delivered for a contract in all.
    pub(super) fn left_of(&self, id: &str) -> i64 {
        let entries = self.delivered.values().flatten();
        entries.filter(|entry| entry.contract == id).map(|entry| entry.cents).sum()
    }
}

fn agent_month<'r>(records: &'r Records, market: usize, agent: &str, month: u32) -> Option<AgentMonth<'r>> {
    let mut done = AgentMonth { contracts: vec![], volumes: vec![], financed: 0, financed_volume: 0 };
    for contract in &records.contracts {
        if contract.agent == agent && contract.day.1 == month && !records.untold.contains(&contract.id) {
            let volume = exchanged(records, contract, MARKETS[market].currency);
            done.contracts.push(contract);
            done.volumes.push(volume);
            if contract.financed {
                done.financed += 1;
                done.financed_volume += volume;
            }
        }
    }
    (!done.contracts.is_empty()).then_some(done)
}

/// Cents of the market's currency, rounded once.
fn exchanged(records: &Records, contract: &Contract, to: &str) -> i64 {
    if contract.currency == to {
        return contract.cents;
    }
    let rate = |currency: &str| {
        if currency == "EUR" {
            return 10_000;
        }
        let mut last = None;
        for (day, rates) in &records.rates {
            if *day <= contract.day {
                last = rates.iter().find(|(name, _)| *name == currency).and_then(|(_, rate)| *rate).or(last);
            }
        }
        last.unwrap()
    };
    half_even(contract.cents * rate(to), rate(contract.currency))
}

/// The target as cents and how many months it is the sum of: the achievement is
/// financed volume · months / cents.
fn target(records: &Records, agent: &'static str, month: u32, past: &[i64]) -> Option<(i64, i64)> {
    if let Some(told) = records.targets.get(&(agent, month)) {
        return Some((told * 100, 1));
    }
    let latest: Vec<i64> = past.iter().rev().take(3).copied().collect();
    let months = i64::try_from(latest.len()).unwrap();
    (months > 0).then(|| (latest.iter().sum(), months))
}

fn rate_of(
    records: &Records,
    market: usize,
    done: &AgentMonth<'_>,
    target: Option<(i64, i64)>,
) -> (i64, &'static str) {
    let contracts = i64::try_from(done.contracts.len()).unwrap();
    let Some((target, months)) = target else { return (0, "NO_TARGET") };
    if target == 0 {
        return (0, "ZERO_TARGET");
    }
    // Falling: the first that is reached is the largest.
    let row = PENETRATIONS.iter().position(|from| done.financed * 100 >= from * contracts);
    let Some(row) = row else { return (0, "BELOW_PENETRATION") };
    let reached = |from: &i64| done.financed_volume * months * 100 >= from * target;
    let column = ACHIEVEMENTS.iter().rposition(reached);
    let Some(column) = column else { return (0, "BELOW_TARGET") };
    (records.matrices[market][row][column], "OK")
}

fn line_of_month(
    lines: &mut Vec<Line>,
    market: usize,
    agent: &'static str,
    month: u32,
    done: &AgentMonth<'_>,
    target: Option<(i64, i64)>,
    (rate, status): (i64, &'static str),
) {
    let market = &MARKETS[market];
    let contracts = i64::try_from(done.contracts.len()).unwrap();
    let commission: i64 = done.volumes.iter().map(|volume| half_even(volume * rate, 10_000)).sum();
    let penetration = half_even(done.financed * 10_000, contracts);
    let target = target.map_or(String::new(), |(sum, months)| money(half_even(sum, months)));
    let text = format!(
        "{},{agent},{},{YEAR}-{month:02},,,{contracts},{},{}.{:04},{},{target},{}.{:04},{status},{},0.00,{}\n",
        market.name,
        market.currency,
        done.financed,
        penetration / 10_000,
        penetration % 10_000,
        money(done.volumes.iter().sum()),
        rate / 10_000,
        rate % 10_000,
        money(commission),
        money(commission),
    );
    lines.push(Line { month, market: market.name, agent, adjusts: None, status, payable: commission, text });
}

/// The last day on which a cancellation takes a contract back.
pub(super) fn last_day((year, month, day): Day) -> Day {
    match (month + 6, day) {
        (later, day) if later <= 12 => (year, later, day.min(days_of(later))),
        // What was signed this late can be cancelled in time next year only.
        (later, day) => (year + 1, later - 12, day),
    }
}

/// The line that takes a contract's commission back; or gives it.
fn line_taken_back(
    market: usize,
    agent: &'static str,
    month: u32,
    (id, signed): (&str, u32),
    cents: i64,
) -> Line {
    let market = &MARKETS[market];
    let (currency, amount) = (market.currency, money(cents));
    let text = format!(
        "{},{agent},{currency},{YEAR}-{month:02},{id},{YEAR}-{signed:02},0,0,,0.00,,,ADJUSTMENT,0.00,{amount},{amount}\n",
        market.name
    );
    Line {
        month,
        market: market.name,
        agent,
        adjusts: Some((id.to_owned(), signed)),
        status: "ADJUSTMENT",
        payable: cents,
        text,
    }
}

/// A fraction to the nearest whole number, a tie to the even one.
fn half_even(above: i64, below: i64) -> i64 {
    let (whole, rest) = (above / below, above % below);
    match (rest * 2).cmp(&below) {
        std::cmp::Ordering::Greater => whole + 1,
        std::cmp::Ordering::Equal => whole + whole % 2,
        std::cmp::Ordering::Less => whole,
    }
}

fn money(cents: i64) -> String {
    let sign = if cents < 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", cents.abs() / 100, cents.abs() % 100)
}

/// What is paid in a month, by currency, in cents.
pub(super) fn payable(lines: &[Line], month: u32) -> BTreeMap<&'static str, i64> {
    let mut totals = BTreeMap::new();
    for line in lines.iter().filter(|line| line.month == month) {
        let market = MARKETS.iter().find(|market| market.name == line.market).unwrap();
        *totals.entry(market.currency).or_default() += line.payable;
    }
    totals
}
