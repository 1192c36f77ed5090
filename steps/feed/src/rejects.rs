//! Rejected rows: kept with their raw text, so that somebody can repair them.
//!
//! One JSON object a line: `{"file","line","byte","column","code","reason","raw"}`.

use std::io::{self, BufRead, Write};

use serde::{Deserialize, Serialize};

/// Raw text kept of one rejected row, in bytes. A longer row is cut and says so.
pub const RAW_BYTES_MAX: usize = 64 * 1024;

/// Why a row was rejected by the parser. Triage rules have codes of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RejectCode {
    /// The row has fewer fields than the header.
    TooFewFields,
    /// The row has more fields than the header.
    TooManyFields,
    /// A quote is never closed.
    UnclosedQuote,
    /// A required value is missing.
    Required,
    /// Not a whole number in 64 bits.
    NotInteger,
    /// Not a decimal number.
    NotDecimal,
    /// More digits than can be kept exactly.
    TooManyDigits,
    /// Not a date in the expected format.
    NotDate,
    /// Not a timestamp in the expected format.
    NotTimestamp,
    /// Not one of the texts for true and false.
    NotBoolean,
    /// The cell holds an error such as `#DIV/0!`.
    CellError,
    /// The cell's formula has no stored result.
    FormulaWithoutValue,
    /// A line of JSON Lines, or an item of a list, is not a JSON object.
    NotObject,
    /// A list or an object stands where one value is expected.
    NotScalar,
    /// The record lacks the field.
    Missing,
    /// The record has the field more than once.
    Ambiguous,
    /// The text holds a character or an escape that stands for none.
    NotText,
    /// The value refers to an entity, and entities are never expanded.
    Entity,
    /// A range of bytes begins or ends inside of a character.
    SplitCharacter,
    /// The cell stands in a column without a label.
    NoLabel,
    /// A derived value needs more digits than can be kept exactly.
    DeriveOverflow,
    /// A derived value divides by zero.
    DeriveDivisionByZero,
}

impl RejectCode {
    /// All of them.
    pub const ALL: [Self; 22] = [
        Self::TooFewFields,
        Self::TooManyFields,
        Self::UnclosedQuote,
        Self::Required,
        Self::NotInteger,
        Self::NotDecimal,
        Self::TooManyDigits,
        Self::NotDate,
        Self::NotTimestamp,
        Self::NotBoolean,
        Self::CellError,
        Self::FormulaWithoutValue,
        Self::NotObject,
        Self::NotScalar,
        Self::Missing,
        Self::Ambiguous,
        Self::NotText,
        Self::Entity,
        Self::SplitCharacter,
        Self::NoLabel,
        Self::DeriveOverflow,
        Self::DeriveDivisionByZero,
    ];

    /// The stable name used in files, reports and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::TooFewFields => "TOO_FEW_FIELDS",
            Self::TooManyFields => "TOO_MANY_FIELDS",
            Self::UnclosedQuote => "UNCLOSED_QUOTE",
            Self::Required => "REQUIRED",
            Self::NotInteger => "NOT_INTEGER",
            Self::NotDecimal => "NOT_DECIMAL",
            Self::TooManyDigits => "TOO_MANY_DIGITS",
            Self::NotDate => "NOT_DATE",
            Self::NotTimestamp => "NOT_TIMESTAMP",
            Self::NotBoolean => "NOT_BOOLEAN",
            Self::CellError => "CELL_ERROR",
            Self::FormulaWithoutValue => "FORMULA_WITHOUT_VALUE",
            Self::NotObject => "NOT_OBJECT",
            Self::NotScalar => "NOT_SCALAR",
            Self::Missing => "MISSING",
            Self::Ambiguous => "AMBIGUOUS",
            Self::NotText => "NOT_TEXT",
            Self::Entity => "ENTITY",
            Self::SplitCharacter => "SPLIT_CHARACTER",
            Self::NoLabel => "NO_LABEL",
            Self::DeriveOverflow => "DERIVE_OVERFLOW",
            Self::DeriveDivisionByZero => "DERIVE_DIVISION_BY_ZERO",
        }
    }
}

/// A rejected row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reject {
    /// The source file; for an archive `archive.zip/entry.csv`, for a workbook
    /// `book.xlsx/Sheet`.
    pub file: String,
    /// Line where the row starts (workbook: sheet row), counted from 1.
    pub line: u64,
    /// Byte where the row starts, counted from 0 in the inflated text as UTF-8;
    /// none in a workbook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub byte: Option<u64>,
    /// The source column it is about, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// A [`RejectCode`] or a triage rule's code.
    pub code: String,
    /// What is wrong, for people.
    pub reason: String,
    /// The row as it stood in the file.
    pub raw: String,
    /// Whether `raw` was cut at [`RAW_BYTES_MAX`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub raw_cut: bool,
}

impl Reject {
    /// Writes the reject as one line.
    pub fn write(&self, mut to: impl Write) -> io::Result<()> {
        let mut line = serde_json::to_vec(self)?;
        line.push(b'\n');
        to.write_all(&line)
    }
}

/// Reads rejects one by one.
#[derive(Debug)]
pub struct RejectReader<R> {
    from: R,
    line: String,
}

impl<R: BufRead> RejectReader<R> {
    /// Reads from the start of a rejects object.
    pub fn new(from: R) -> Self {
        Self { from, line: String::new() }
    }
}

impl<R: BufRead> Iterator for RejectReader<R> {
    type Item = io::Result<Reject>;

    fn next(&mut self) -> Option<Self::Item> {
        self.line.clear();
        match self.from.read_line(&mut self.line) {
            Ok(0) => None,
            Ok(_) => Some(serde_json::from_str(&self.line).map_err(io::Error::from)),
            Err(error) => Some(Err(error)),
        }
    }
}
