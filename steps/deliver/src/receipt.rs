//! What a delivery leaves behind: the receipt, and what reading it back shows.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stepwright::Shape;

use crate::tally::first_difference;

/// The target's acknowledgement of a batch, as the target keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Shape)]
pub struct Receipt {
    /// Identifies the delivery whatever execution asked for it.
    pub delivery_id: String,
    /// The number under which CoreView booked it.
    pub coreview_id: String,
    /// How it was delivered.
    pub channel: String,
    /// The workflow that delivered it.
    pub workflow: String,
    /// The feed the figures were computed from.
    pub feed: String,
    /// The business period of the figures.
    pub period: String,
    /// The market the figures are of, where a period has figures of several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub market: Option<String>,
    /// 1 for the first delivery of period and market, one more for each that replaced it.
    pub version: u64,
    /// SHA-256 of the canonical rows.
    pub batch_sha256: String,
    /// How many entities the period has.
    pub rows: u64,
    /// How many of them this delivery added, changed or withdrew.
    pub changed_rows: u64,
    /// Control totals: decimal texts by name.
    pub totals: BTreeMap<String, String>,
    /// The execution that delivered it: another one than asks when it was there before.
    pub execution_arn: String,
    /// When it was booked (RFC 3339, UTC).
    pub delivered_at: String,
    /// Whether it had been booked before this step ran.
    pub already_delivered: bool,
    /// Why an earlier delivery of the period was replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correction: Option<String>,
}

/// What the target says it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlTotals {
    /// How many entities.
    pub rows: u64,
    /// Sums of their figures, by name.
    pub totals: BTreeMap<String, String>,
    /// SHA-256 of the rows in canonical form.
    pub sha256: String,
}

impl ControlTotals {
    /// How this differs from a receipt, in words; `None` when it does not.
    pub(crate) fn difference(&self, receipt: &Receipt) -> Option<String> {
        if self.rows != receipt.rows {
            return Some(format!("it holds {} rows instead of {}", self.rows, receipt.rows));
        }
        if let Some(name) = first_difference(&receipt.totals, &self.totals) {
            let text = |totals: &BTreeMap<String, String>| {
                totals.get(&name).map_or_else(|| "nothing".to_owned(), Clone::clone)
            };
            return Some(format!(
                "its `{name}` is {} instead of {}",
                text(&self.totals),
                text(&receipt.totals)
            ));
        }
        (self.sha256 != receipt.batch_sha256)
            .then(|| format!("its rows have sha256 {} instead of {}", self.sha256, receipt.batch_sha256))
    }
}

/// A delivery as the target knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Booking {
    /// What was acknowledged, with `already_delivered` set.
    pub receipt: Receipt,
    /// Whether it still holds.
    pub standing: Standing,
}

/// What became of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Its figures are the period's figures.
    Active,
    /// A correction took its place.
    Superseded {
        /// The correction's delivery id.
        by: String,
    },
    /// It was taken back.
    Withdrawn {
        /// Why.
        reason: String,
    },
    /// The receiver has refused it after it had arrived.
    Refused {
        /// In which words.
        detail: String,
        /// Because of which rows.
        rows: Vec<RowError>,
    },
}

/// What a receiver has against a row.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowError {
    /// The row's line in the batch, from 1, where the receiver says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// The row's key columns, where the receiver says them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub entity: BTreeMap<String, String>,
    /// The receiver's code for what is wrong.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub code: String,
    /// What is wrong, in words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

/// Rows named in a message. The rest is counted.
const ROWS_NAMED_MAX: usize = 20;

/// Characters of somebody else's words in a message.
const WORDS_CHARS_MAX: usize = 300;

/// Row errors in words, for a message: the first ones, and how many there are.
pub(crate) fn name_rows(rows: &[RowError]) -> String {
    let named: Vec<String> = rows.iter().take(ROWS_NAMED_MAX).map(RowError::to_string).collect();
    let rest = rows.len().saturating_sub(ROWS_NAMED_MAX);
    let more = if rest == 0 { String::new() } else { format!("; and {rest} more") };
    format!("{} refused: {}{more}", counted(rows.len()), named.join("; "))
}

fn counted(rows: usize) -> String {
    if rows == 1 { "1 row is".to_owned() } else { format!("{rows} rows are") }
}

/// Somebody else's words, fit for a message of ours.
pub(crate) fn quoted(words: &str) -> String {
    let mut shown: String = words.chars().take(WORDS_CHARS_MAX).flat_map(char::escape_debug).collect();
    if words.chars().nth(WORDS_CHARS_MAX).is_some() {
        shown.push('…');
    }
    shown
}

impl fmt::Display for RowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key: Vec<String> =
            self.entity.iter().map(|(column, value)| format!("{column}={value}")).collect();
        let line = self.line.map(|line| format!("line {line}"));
        let place: Vec<String> = line.into_iter().chain(key).collect();
        let place = if place.is_empty() { "a row".to_owned() } else { quoted(&place.join(", ")) };
        let words = [&*self.code, &*self.detail].map(quoted);
        let words: Vec<&str> = words.iter().map(String::as_str).filter(|words| !words.is_empty()).collect();
        if words.is_empty() { f.write_str(&place) } else { write!(f, "{place}: {}", words.join(" ")) }
    }
}
