//! Months that are settled late, again, or with other data than before: what was
//! paid for a contract that was cancelled in time is taken back, once, whatever the
//! matrices and targets say by then.

use super::random::Random;
use super::*;

/// The customer and the plain loops side by side.
struct Both {
    customer: Customer,
    records: Records,
    book: oracle::Book,
    /// The warnings of the last month, with the number of rows.
    warnings: BTreeMap<String, u64>,
}

impl Both {
    fn new(back: u32) -> Self {
        let mut customer = Customer::new();
        customer.back = back;
        let mut both = Self {
            customer,
            records: Records::new(),
            book: oracle::Book::default(),
            warnings: BTreeMap::new(),
        };
        both.tell();
        both
    }

    /// Hands what the records say by now to the customer.
    fn tell(&mut self) {
        let outcome = |wanted: Outcome| {
            let outcomes = &self.customer.header.outcomes;
            outcomes.iter().position(|outcome| outcome.outcome == wanted).unwrap()
        };
        let (accepted, cancelled) = (outcome(Outcome::Accept), outcome(Outcome::Cancel));
        let mut rows = Told::new();
        for contract in &self.records.contracts {
            if !self.records.untold.contains(&contract.id) {
                rows.insert(contract.id.clone(), (accepted, self.row(contract, None)));
            }
            for day in &contract.cancelled {
                let entry = format!("{} cancelled {}-{:02}", contract.id, day.0, day.1);
                rows.insert(entry, (cancelled, self.row(contract, Some(*day))));
            }
        }
        self.customer.rows = rows;
    }

    fn row(&self, contract: &Contract, cancelled: Option<Day>) -> Vec<Value> {
        let text = |text: &str| Value::Text(text.to_owned());
        let signed = cancelled.is_none();
        let of_signed = |value: Value| if signed { value } else { Value::Null };
        let value = |column: &RowsColumn| match column.name.as_str() {
            "contract" => text(&contract.id),
            "kind" => text(if signed { "signed" } else { "cancelled" }),
            "agent" => text(contract.agent),
            "market" => text(MARKETS[contract.market].name),
            "date" => Value::Date(files::iso(cancelled.unwrap_or(contract.day)).parse().unwrap()),
            "currency" => of_signed(text(contract.currency)),
            "volume" => of_signed(Value::Decimal(rust_decimal::Decimal::new(contract.cents, 2))),
            "financed" => of_signed(Value::Boolean(contract.financed)),
            "entry" => text("not looked at"),
            other => panic!("{other}"),
        };
        self.customer.header.columns.iter().map(value).collect()
    }

    fn contract(&mut self, id: &str) -> &mut Contract {
        self.records.contracts.iter_mut().find(|contract| contract.id == id).unwrap()
    }

    /// Reference data that is uploaded again.
    fn upload(&mut self, name: &str, spec: &str, file: &str, content: &[u8]) {
        let buckets = &self.customer.buckets;
        let spec = buckets.put(spec, &fs::read(folder().join(spec)).unwrap());
        let request = ParseRequest { spec, files: vec![buckets.put(file, content)] };
        let parsed = step_parse::run(&request, &buckets.drops, &buckets.staging).unwrap();
        self.customer.references.insert(name.to_owned(), parsed.rows);
    }

    fn upload_matrices(&mut self) {
        let content = files::matrices(&self.records);
        self.upload("cells", "matrix.toml", &format!("commission_matrices_{YEAR}.xlsx"), &content);
    }

    fn upload_targets(&mut self) {
        let content = files::targets(&self.records);
        self.upload("targets", "targets.toml", &format!("agent_volume_targets_{YEAR}.xlsx"), &content);
    }

    /// Settles a month on both sides; they agree on every line.
    fn settle(&mut self, month: u32) -> Vec<Line> {
        self.tell();
        let lines = self.book.settle(&self.records, month, self.customer.back);
        self.warnings.clear();
        let mut found = String::new();
        for market in &MARKETS {
            let (figures, csv) = self.customer.settle(market.name, month);
            found.push_str(csv.split_once('\n').unwrap().1);
            for (code, warned) in figures.warnings {
                *self.warnings.entry(code).or_default() += warned.rows;
            }
        }
        let expected: String = lines.iter().map(|line| line.text.as_str()).collect();
        let different = found.lines().zip(expected.lines()).find(|(found, expected)| found != expected);
        assert!(found == expected, "{YEAR}-{month:02}: {different:?}");
        lines
    }

    /// What a month takes back of a contract, in cents.
    fn adjusted(lines: &[Line], id: &str) -> Option<i64> {
        let of = lines.iter().find(|line| line.adjusts.as_ref().is_some_and(|(contract, _)| contract == id));
        of.map(|line| line.payable)
    }
}

/// A contract of January that is paid something; who looks at it says when it is cancelled.
const CONTRACT: &str = "S2401-006";

fn cancel(both: &mut Both, id: &str, day: Day) {
    both.contract(id).cancelled = vec![day];
}

fn dearer(both: &mut Both) {
    for rate in both.records.matrices.iter_mut().flatten().flatten() {
        *rate += 25;
    }
    both.upload_matrices();
}

#[test]
fn what_was_paid_is_taken_back_not_what_a_new_revision_says() {
    let mut both = Both::new(12);
    both.contract(CONTRACT).cancelled.clear();
    both.settle(1);
    let paid = both.book.left_of(CONTRACT);
    assert!(paid > 0, "choose a contract that is paid");
    dearer(&mut both);
    // And no target any more: January would pay nothing today.
    both.records.targets.retain(|(_, month), _| *month != 1);
    both.upload_targets();
    cancel(&mut both, CONTRACT, (YEAR, 3, 4));
    both.settle(2);
    let lines = both.settle(3);
    assert_eq!(Both::adjusted(&lines, CONTRACT), Some(-paid));
    // Once only: neither again in March, nor in April.
    assert_eq!(Both::adjusted(&both.settle(3), CONTRACT), Some(-paid));
    assert_eq!(Both::adjusted(&both.settle(4), CONTRACT), None);
    assert_eq!(both.book.left_of(CONTRACT), 0);
}

#[test]
fn a_window_that_is_too_short_for_the_contract_cuts_nothing() {
    // March sees neither January's contracts nor what a target of January was derived from.
    let mut both = Both::new(1);
    both.contract(CONTRACT).cancelled.clear();
    both.settle(1);
    let paid = both.book.left_of(CONTRACT);
    cancel(&mut both, CONTRACT, (YEAR, 5, 4));
    for month in 2..=4 {
        both.settle(month);
    }
    assert_eq!(Both::adjusted(&both.settle(5), CONTRACT), Some(-paid));
}

#[test]
fn a_corrected_month_changes_what_is_taken_back() {
    let mut both = Both::new(12);
    cancel(&mut both, CONTRACT, (YEAR, 3, 4));
    for month in 1..=3 {
        both.settle(month);
    }
    dearer(&mut both);
    both.settle(1);
    let difference = both.book.left_of(CONTRACT);
    assert!(difference > 0, "January paid more than March took back");
    // The next month that is settled takes the rest back, and March has nothing left to do.
    assert_eq!(Both::adjusted(&both.settle(4), CONTRACT), Some(-difference));
    both.settle(3);
    both.settle(4);
    assert_eq!(both.book.left_of(CONTRACT), 0);
    // January without the contract: what was taken back is given back.
    both.records.untold.insert(CONTRACT.to_owned());
    both.settle(1);
    let taken = both.book.left_of(CONTRACT);
    assert!(taken < 0);
    assert_eq!(Both::adjusted(&both.settle(5), CONTRACT), Some(-taken));
    assert_eq!(both.book.left_of(CONTRACT), 0);
}

#[test]
fn what_was_not_paid_is_not_taken_back() {
    let mut both = Both::new(12);
    cancel(&mut both, CONTRACT, (YEAR, 2, 20));
    // January is not settled.
    assert_eq!(Both::adjusted(&both.settle(2), CONTRACT), None);
    assert!(both.warnings["CANCELLED_UNPAID"] >= 1, "{:?}", both.warnings);
    // It is, late: it pays, and the next month takes it back. So would February.
    both.settle(1);
    let paid = both.book.left_of(CONTRACT);
    assert!(paid > 0);
    assert_eq!(Both::adjusted(&both.settle(3), CONTRACT), Some(-paid));
    assert_eq!(Both::adjusted(&both.settle(2), CONTRACT), None, "taken back in March");
    assert_eq!(both.book.left_of(CONTRACT), 0);
    assert!(!both.warnings.contains_key("CANCELLED_UNPAID"), "{:?}", both.warnings);
}

#[test]
fn contract_and_cancellation_of_one_month_come_to_nothing() {
    let mut both = Both::new(12);
    cancel(&mut both, CONTRACT, (YEAR, 1, 31));
    let lines = both.settle(1);
    assert!(Both::adjusted(&lines, CONTRACT).is_some_and(|cents| cents < 0));
    assert_eq!(both.book.left_of(CONTRACT), 0);
}

#[test]
fn what_was_paid_in_two_months_is_taken_back_of_both() {
    let mut both = Both::new(12);
    both.contract(CONTRACT).cancelled.clear();
    both.settle(1);
    both.contract(CONTRACT).day = (YEAR, 2, 3);
    both.settle(2);
    let paid = both.book.left_of(CONTRACT);
    cancel(&mut both, CONTRACT, (YEAR, 3, 4));
    let lines = both.settle(3);
    let adjusted = |line: &&Line| line.adjusts.as_ref().is_some_and(|(id, _)| id == CONTRACT);
    assert_eq!(lines.iter().filter(adjusted).map(|line| line.payable).sum::<i64>(), -paid);
    assert_eq!(lines.iter().filter(adjusted).count(), 2);
}

/// Something happens to the records: contracts come late, change, are cancelled
/// or told again; matrices and targets are uploaded again.
fn happens(random: &mut Random, both: &mut Both) {
    let count = both.records.contracts.len() as u64;
    let index = usize::try_from(random.below(count)).unwrap();
    let contract = &mut both.records.contracts[index];
    match random.below(8) {
        0 => drop(both.records.untold.insert(contract.id.clone())),
        1 => both.records.untold.clear(),
        2 | 3 => {
            let days = i64::try_from(random.below(200)).unwrap();
            contract.cancelled = vec![records::days_later(contract.day, days)];
        }
        4 => contract.cents += 123_456,
        5 => contract.financed = !contract.financed,
        6 => {
            let mut below = |count| usize::try_from(random.below(count)).unwrap();
            both.records.matrices[below(3)][below(4)][below(5)] += 7;
            both.upload_matrices();
        }
        _ => {
            let agent = contract.agent;
            let month = 1 + u32::try_from(random.below(12)).unwrap();
            if both.records.targets.remove(&(agent, month)).is_none() {
                both.records.targets.insert((agent, month), 150_000);
            }
            both.upload_targets();
        }
    }
}

/// Whatever happens between two months, in whatever order they are settled: both
/// sides agree on every line, and of what was cancelled in time nothing is left
/// once a month that looks at its cancellation is settled.
#[test]
fn any_order_of_settling_ends_where_plain_loops_do() {
    for (seed, back) in [(1, 12), (2, 3), (3, 0)] {
        let mut random = Random(0xBAD_5EED + seed);
        let mut both = Both::new(back);
        for _ in 0..14 {
            for _ in 0..random.below(12) {
                happens(&mut random, &mut both);
            }
            both.settle(1 + u32::try_from(random.below(12)).unwrap());
        }
        both.settle(12);
        let mut looked_at = 0;
        for contract in &both.records.contracts {
            let in_window = |day: &&Day| day.0 == YEAR && day.1 + back >= 12;
            let on = contract.cancelled.iter().filter(in_window).min();
            let on = on.filter(|on| **on <= oracle::last_day(contract.day));
            if on.is_some() {
                assert_eq!(both.book.left_of(&contract.id), 0, "{} ({seed})", contract.id);
                looked_at += 1;
            }
        }
        assert!(looked_at > 0, "{seed}");
    }
}
