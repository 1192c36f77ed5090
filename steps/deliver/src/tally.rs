//! Control totals: exact sums of columns, computed the same way when a batch is
//! staged and when it is read back.
//!
//! A total's name says what it sums: `commission` is the sum of a column,
//! `commission[currency=EUR]` the sum over the rows with that value in another
//! column. A column that is really called so comes first.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use crate::batch::Entry;

/// Sums under way.
#[derive(Debug, Clone)]
pub(crate) struct Tally {
    totals: Vec<Total>,
    rows: u64,
}

#[derive(Debug, Clone)]
struct Total {
    name: String,
    /// What the name means unless there is a column of that name.
    part: Option<Part>,
    sum: Decimal,
}

/// `column[by=value]`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    column: String,
    by: String,
    value: String,
}

/// Why a row cannot be summed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TallyError {
    #[error("column `{column}` has `{value}`, which is not a decimal number of at most 28 digits")]
    NotANumber { column: String, value: String },
    #[error("the control total `{total}` needs more than 28 digits")]
    TooLarge { total: String },
}

impl Tally {
    /// Starts the totals of these names at zero.
    pub(crate) fn of<'a>(names: impl IntoIterator<Item = &'a String>) -> Self {
        let total =
            |name: &'a String| Total { name: name.clone(), part: Part::parse(name), sum: Decimal::ZERO };
        Self { totals: names.into_iter().map(total).collect(), rows: 0 }
    }

    /// The first total that sums nothing, given the columns there are.
    pub(crate) fn without_column(&self, has_column: impl Fn(&str) -> bool) -> Option<&str> {
        let names_a_column = |total: &&Total| {
            has_column(&total.name)
                || total.part.as_ref().is_some_and(|part| has_column(&part.column) && has_column(&part.by))
        };
        self.totals.iter().find(|total| !names_a_column(total)).map(|total| total.name.as_str())
    }

    /// The first part, such as `[currency=SEK]`, a row belongs to without
    /// belonging to a total of the same column: it would be paid unchecked.
    pub(crate) fn uncovered(&self, entry: &Entry) -> Option<String> {
        self.totals.iter().filter_map(|total| total.part.as_ref()).find_map(|part| {
            let actual = value_of(entry, &part.by)?;
            let covers =
                |other: &Part| other.column == part.column && other.by == part.by && other.value == actual;
            let covered = self.totals.iter().filter_map(|total| total.part.as_ref()).any(covers);
            (!covered).then(|| format!("{}[{}={actual}]", part.column, part.by))
        })
    }

    pub(crate) fn add(&mut self, entry: &Entry) -> Result<(), TallyError> {
        self.rows += 1;
        for total in &mut self.totals {
            let column = match (&total.part, value_of(entry, &total.name)) {
                (_, Some(_)) => &total.name,
                (Some(part), None) if value_of(entry, &part.by) == Some(&part.value) => &part.column,
                _ => continue,
            };
            let text = value_of(entry, column).unwrap_or_default();
            // An empty cell is a measure without a value, such as the mean of nothing.
            if text.is_empty() {
                continue;
            }
            let value = Decimal::from_str_exact(text).map_err(|_error| TallyError::NotANumber {
                column: column.clone(),
                value: text.chars().take(100).collect(),
            })?;
            let sum = total.sum.checked_add(value);
            // Where the digits do not suffice the type rounds instead of failing.
            let is_exact = |sum: &Decimal| sum.scale() == total.sum.scale().max(value.scale());
            total.sum =
                sum.filter(is_exact).ok_or_else(|| TallyError::TooLarge { total: total.name.clone() })?;
        }
        Ok(())
    }

    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// The totals as texts, with as many decimals as the most precise value had.
    pub(crate) fn totals(&self) -> BTreeMap<String, String> {
        self.totals.iter().map(|total| (total.name.clone(), total.sum.to_string())).collect()
    }
}

impl Part {
    fn parse(name: &str) -> Option<Self> {
        let (column, rest) = name.strip_suffix(']')?.split_once('[')?;
        let (by, value) = rest.split_once('=')?;
        Some(Self { column: column.to_owned(), by: by.to_owned(), value: value.to_owned() })
    }
}

fn value_of<'a>(entry: &'a Entry, column: &str) -> Option<&'a str> {
    entry.figures.get(column).or_else(|| entry.entity.get(column)).map(String::as_str)
}

/// The first name whose numbers differ, `1.50` being the same as `1.5`.
pub(crate) fn first_difference(
    expected: &BTreeMap<String, String>,
    found: &BTreeMap<String, String>,
) -> Option<String> {
    let names = expected.keys().chain(found.keys());
    let number = |text: Option<&String>| text.and_then(|text| Decimal::from_str_exact(text).ok());
    names
        .into_iter()
        .find(|name| {
            let (expected, found) = (number(expected.get(*name)), number(found.get(*name)));
            expected.is_none() || expected != found
        })
        .cloned()
}

#[cfg(test)]
mod tests;
