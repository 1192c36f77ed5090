//! Totals of one period beside those of another.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::{Decimal, RoundingStrategy};

use crate::tables::calc::Totals;

/// Totals that can be compared.
pub(super) type Amounts = BTreeMap<String, Decimal>;

/// Totals as numbers; the error is the first that is none.
pub(super) fn amounts(totals: &Totals) -> Result<Amounts, String> {
    let amount = |(name, text): (&String, &String)| match Decimal::from_str_exact(text) {
        Ok(amount) => Ok((name.clone(), amount)),
        Err(error) => Err(format!("its total `{name}` is `{text}` ({error})")),
    };
    totals.iter().map(amount).collect()
}

/// The totals of a measure: by currency or whatever else tells them apart
/// (`payable[currency=EUR]`), else the one of its own name.
fn compared_names<'t>(measure: &str, totals: impl IntoIterator<Item = &'t Amounts>) -> BTreeSet<&'t str> {
    let names = totals.into_iter().flat_map(Amounts::keys).map(String::as_str);
    let of_measure = |name: &&str| {
        let rest = name.strip_prefix(measure);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('['))
    };
    let names: BTreeSet<&str> = names.filter(of_measure).collect();
    let parts: BTreeSet<&str> = names.iter().copied().filter(|name| *name != measure).collect();
    // What is told apart is not compared as a whole: euros and kronor do not add up.
    if parts.is_empty() { names } else { parts }
}

/// A measure's totals before and now.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Comparison<'t> {
    lines: Vec<Line<'t>>,
}

#[derive(Debug, PartialEq, Eq)]
struct Line<'t> {
    name: &'t str,
    before: Decimal,
    now: Decimal,
}

impl<'t> Comparison<'t> {
    /// A total that is missing on one side is zero there.
    pub(super) fn of(measure: &str, before: &'t Amounts, now: &'t Amounts) -> Self {
        let amount = |totals: &Amounts, name: &str| totals.get(name).copied().unwrap_or_default();
        let line = |name: &'t str| Line { name, before: amount(before, name), now: amount(now, name) };
        Self { lines: compared_names(measure, [before, now]).into_iter().map(line).collect() }
    }

    /// The totals that differ by more than this many per cent, in words.
    pub(super) fn jumps(&self, percent: Decimal) -> Option<String> {
        words(self.lines.iter().filter(|line| line.jumps(percent)))
    }

    /// The totals that differ at all, in words.
    pub(super) fn changes(&self) -> Option<String> {
        words(self.lines.iter().filter(|line| line.now != line.before))
    }
}

fn words<'l>(lines: impl Iterator<Item = &'l Line<'l>>) -> Option<String> {
    let words: Vec<String> = lines.map(Line::words).collect();
    (!words.is_empty()).then(|| words.join(", "))
}

impl Line<'_> {
    fn jumps(&self, percent: Decimal) -> bool {
        // |now - before| · 100 > percent · |before|, without dividing. What is too
        // large to be multiplied has jumped.
        let difference = self.now.checked_sub(self.before).map(|difference| difference.abs());
        let left = difference.and_then(|difference| difference.checked_mul(Decimal::ONE_HUNDRED));
        let right = self.before.abs().checked_mul(percent);
        left.zip(right).is_none_or(|(left, right)| left > right)
    }

    fn words(&self) -> String {
        let Self { name, before, now } = self;
        let difference = now.checked_sub(*before).and_then(|it| it.checked_mul(Decimal::ONE_HUNDRED));
        match difference.and_then(|difference| difference.checked_div(before.abs())) {
            Some(percent) => {
                let percent =
                    percent.round_dp_with_strategy(1, RoundingStrategy::MidpointNearestEven).normalize();
                let sign = if percent.is_sign_negative() { "" } else { "+" };
                format!("{name} {before} → {now} ({sign}{percent} %)")
            }
            None => format!("{name} {before} → {now}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totals(totals: &[(&str, &str)]) -> Amounts {
        let totals = totals.iter().map(|(name, amount)| ((*name).to_owned(), (*amount).to_owned()));
        amounts(&totals.collect()).unwrap()
    }

    #[test]
    fn a_damaged_total_is_not_zero() {
        let damaged = Totals::from([("payable".to_owned(), "1,5".to_owned())]);
        assert!(amounts(&damaged).unwrap_err().starts_with("its total `payable` is `1,5`"));
    }

    #[test]
    fn currencies_are_compared_each_on_its_own() {
        let before =
            totals(&[("payable", "300"), ("payable[currency=EUR]", "100"), ("payable[currency=SEK]", "200")]);
        let now =
            totals(&[("payable", "300"), ("payable[currency=EUR]", "200"), ("payable[currency=NOK]", "100")]);
        let comparison = Comparison::of("payable", &before, &now);
        assert_eq!(
            comparison.jumps(Decimal::from(50)).unwrap(),
            "payable[currency=EUR] 100 → 200 (+100 %), payable[currency=NOK] 0 → 100, payable[currency=SEK] 200 → 0 (-100 %)"
        );
        assert_eq!(comparison.changes(), comparison.jumps(Decimal::from(50)));
    }

    #[test]
    fn a_jump_is_more_than_the_limit() {
        let jumps = |before: &str, now: &str| {
            let (before, now) = (totals(&[("p", before)]), totals(&[("p", now), ("payable", "7")]));
            Comparison::of("p", &before, &now).jumps(Decimal::from(40))
        };
        assert_eq!(jumps("100", "140"), None);
        assert_eq!(jumps("100", "140.01").unwrap(), "p 100 → 140.01 (+40 %)");
        assert_eq!(jumps("-100", "-150").unwrap(), "p -100 → -150 (-50 %)");
        assert_eq!(jumps("100", "60"), None);
        assert_eq!(jumps("0", "0.00"), None);
        assert_eq!(jumps("0", "0.01").unwrap(), "p 0 → 0.01");
        assert!(jumps("79228162514264337593543950335", "-79228162514264337593543950335").is_some());
    }
}
