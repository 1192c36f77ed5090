//! What the planning database keeps of a feed.

use schemars::JsonSchema;
use serde::Deserialize;

/// Most months before a period that its figures may look back at: ten years.
pub const MONTHS_BACK_MAX: u32 = 120;

/// What a file of rows without a key takes the place of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Replace {
    /// The file of the same name that was loaded before. Without this word, a file of the same
    /// name with other bytes is refused: its rows would count twice.
    File,
}

/// How the rows of a feed are kept between runs, and which of them a run takes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Store {
    /// The columns that tell a row from others: a row that is loaded later takes
    /// the place of one with equal values. Without any, every row of every file
    /// is another one.
    #[serde(default)]
    pub key: Vec<String>,
    /// Without a key: what a file with other bytes takes the place of.
    pub replace: Option<Replace>,
    /// The date or timestamp that puts a row into a business period.
    pub day: String,
    /// The column by which rows are calculated apart; all together when absent.
    pub market: Option<String>,
    /// How many months before its period a run looks back at, at most 120.
    #[serde(default)]
    pub months_back: u32,
}
