//! What a spec says about source files and their columns, and what it warns of.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::condition::Condition;
use crate::unit::Conversion;
use crate::value::Kind;

/// The source files of a feed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Format of the files. Whether a file is inside gz or zip is found out by
    /// looking at its first bytes.
    pub format: Format,
    /// CSV: the character between fields, `blanks` for any run of blanks and
    /// tabs, or `sniff` (the default) to find it among `,` `;` tab `|`.
    #[serde(default)]
    pub delimiter: Delimiter,
    /// CSV: the quote character; an empty text turns quoting off.
    #[serde(default = "default_quote")]
    pub quote: String,
    /// Character encoding; `auto` is UTF-8, or UTF-16 with a byte order mark, or
    /// what an XML declaration says.
    #[serde(default)]
    pub encoding: Encoding,
    /// CSV, XLSX: whether a header names the columns; otherwise every column has
    /// a `position`.
    #[serde(default = "default_true")]
    pub header: bool,
    /// Lines (XLSX: rows) above the header that are not data.
    #[serde(default)]
    pub skip_rows: u32,
    /// Records below the header that are not data, such as a line of units.
    #[serde(default)]
    pub skip_after_header: u32,
    /// Texts that mean "no value"; an empty cell always does.
    #[serde(default)]
    pub nulls: Vec<String>,
    /// Whether blanks around a value are removed.
    #[serde(default = "default_true")]
    pub trim: bool,
    /// What happens to a row with too few or too many fields.
    #[serde(default)]
    pub ragged: Ragged,
    /// Whether a line that is quoted as a whole is read as the line inside the quotes.
    #[serde(default)]
    pub unwrap_quoted_lines: bool,
    /// Zip: which entries are read, with `*` for any text; all when absent.
    pub entries: Option<String>,
    /// XLSX: the sheet's name, with `*` for any text: all that match are read,
    /// in the workbook's order. The first sheet when absent.
    pub sheet: Option<String>,
    /// JSON: a JSON pointer (`/data/items`) to the list of records; the whole
    /// document when absent. XML: the records' element, as `entry`,
    /// `list/entry`, or from the root as `/list/entry`.
    pub records: Option<String>,
    /// CSV, XLSX: the table is a cross table, in which every cell is a record.
    pub cross: Option<Cross>,
    /// Fixed width: what a column's `span` counts.
    #[serde(default)]
    pub width: Width,
}

fn default_quote() -> String {
    "\"".to_owned()
}

fn default_true() -> bool {
    true
}

/// Format of source files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Separated text.
    Csv,
    /// An Excel workbook.
    Xlsx,
    /// A JSON document.
    Json,
    /// One JSON object a line.
    Jsonl,
    /// An XML document.
    Xml,
    /// Text whose columns have fixed places.
    Fixed,
    /// A Parquet file.
    Parquet,
}

impl Format {
    /// The word used for it in a spec.
    pub fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Xlsx => "xlsx",
            Self::Json => "json",
            Self::Jsonl => "jsonl",
            Self::Xml => "xml",
            Self::Fixed => "fixed",
            Self::Parquet => "parquet",
        }
    }
}

/// A cross table: labels of rows at the left, labels of columns above or below,
/// and a record for each cell. Rows with a single cell before the first and
/// after the last row of the table are titles and notes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cross {
    /// Where the labels of the columns are.
    #[serde(default)]
    pub axis: Axis,
    /// How many columns at the left are labels of rows. Those that the header
    /// names can be read as columns of that name.
    #[serde(default = "one")]
    pub labels: u32,
    /// Whether cells without a value make no record.
    #[serde(default)]
    pub skip_nulls: bool,
}

fn one() -> u32 {
    1
}

/// Where a cross table has the labels of its columns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Axis {
    /// In its first row.
    #[default]
    First,
    /// In its last row.
    Last,
}

/// What the places of a fixed-width column count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Width {
    /// Bytes of a line as it stands in the file.
    #[default]
    Bytes,
    /// Characters of a line.
    Characters,
}

/// Where a column's value comes from when not from a field of the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// The file's name; for an archive with the entry's: `all.zip/a.csv`.
    File,
    /// XLSX: the sheet's name.
    Sheet,
    /// The line (XLSX, Parquet: the row) where the record starts.
    Line,
    /// Cross table: the first label of the cell's row.
    RowLabel,
    /// Cross table: the label of the cell's column.
    ColumnLabel,
    /// Cross table: the cell.
    Cell,
}

/// What is read of a JSON value of any kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Canonical {
    /// Its canonical text: keys in the order of their code points, no blanks,
    /// nothing escaped that need not be, numbers as they are written.
    Json,
    /// The SHA-256 of its canonical text, in hexadecimal.
    Sha256,
}

/// The character between fields.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum Delimiter {
    /// Found out from the first lines.
    #[default]
    #[serde(rename = "sniff")]
    Sniff,
    /// A comma.
    #[serde(rename = ",")]
    Comma,
    /// A semicolon.
    #[serde(rename = ";")]
    Semicolon,
    /// A tab.
    #[serde(rename = "\t", alias = "tab")]
    Tab,
    /// A vertical bar.
    #[serde(rename = "|")]
    Bar,
    /// Any run of blanks and tabs. A record is a line.
    #[serde(rename = "blanks")]
    Blanks,
}

impl Delimiter {
    /// The byte, where it is known.
    pub fn byte(self) -> Option<u8> {
        match self {
            Self::Sniff | Self::Blanks => None,
            Self::Comma => Some(b','),
            Self::Semicolon => Some(b';'),
            Self::Tab => Some(b'\t'),
            Self::Bar => Some(b'|'),
        }
    }
}

/// Character encoding of source files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Encoding {
    /// By byte order mark; UTF-8 without one.
    #[default]
    Auto,
    /// UTF-8.
    #[serde(rename = "utf-8")]
    Utf8,
    /// UTF-16, little endian.
    #[serde(rename = "utf-16le")]
    Utf16Le,
    /// UTF-16, big endian.
    #[serde(rename = "utf-16be")]
    Utf16Be,
    /// Windows-1252; its five undefined bytes are errors.
    #[serde(rename = "windows-1252")]
    Windows1252,
    /// ISO-8859-1 (Latin-1); its control characters from 0x80 to 0x9F are errors.
    #[serde(rename = "iso-8859-1")]
    Iso88591,
    /// ISO-8859-15 (Latin-9); its control characters from 0x80 to 0x9F are errors.
    #[serde(rename = "iso-8859-15")]
    Iso885915,
}

/// What happens to a row with too few or too many fields.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Ragged {
    /// It is rejected.
    #[default]
    Reject,
    /// Missing fields are null, surplus fields are ignored.
    Allow,
}

/// A column that is read.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// Its name in this spec: letters, digits and `_`.
    pub name: String,
    /// Its name in the source's header, when that differs.
    pub header: Option<String>,
    /// Its place in a source without header, counted from 1.
    pub position: Option<u32>,
    /// JSON: a JSON pointer into the record, `/payload/id`; the member with the
    /// column's name when absent. XML: below the record's element, `name`,
    /// `address/city`, `@code`, `address/@zip`, or `.` for its own text.
    pub path: Option<String>,
    /// Fixed width: the first and the last place, counted from 1.
    pub span: Option<[u32; 2]>,
    /// What it is when it is not a field of the record.
    pub from: Option<Origin>,
    /// A regular expression: the value is what its first group, or all of it,
    /// finds first; nothing when it is not found.
    pub pattern: Option<String>,
    /// JSON: reads a value of any kind, as text.
    pub canonical: Option<Canonical>,
    /// JSON: whether a record is rejected that lacks the field altogether.
    #[serde(default)]
    pub present: bool,
    /// What kind of value it holds.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// Whether a row without a value is rejected.
    #[serde(default)]
    pub required: bool,
    /// Texts that mean "no value", instead of the source's `nulls`.
    pub nulls: Option<Vec<String>>,
    /// Numbers: the character between groups of three digits.
    pub thousands: Option<char>,
    /// Numbers: the decimal point; `.` when absent.
    pub decimal_point: Option<char>,
    /// Text that may stand before the value and is removed, such as `$`.
    pub prefix: Option<String>,
    /// Text that may stand after the value and is removed, such as `km`.
    pub suffix: Option<String>,
    /// Dates and timestamps: accepted formats (`%d.%m.%Y`); ISO 8601 when absent.
    #[serde(default)]
    pub formats: Vec<String>,
    /// Booleans: texts that mean true, in any case; `true` when absent.
    pub true_values: Option<Vec<String>>,
    /// Booleans: texts that mean false, in any case; `false` when absent.
    pub false_values: Option<Vec<String>>,
    /// Numbers: a unit conversion; makes the column decimal.
    pub convert: Option<Conversion>,
}

impl Column {
    /// What kind of value rows hold for it.
    pub fn row_kind(&self) -> Kind {
        if self.convert.is_some() { Kind::Decimal } else { self.kind }
    }

    /// The `pattern`, compiled. Its work is linear in the length of a value.
    ///
    /// # Errors
    /// When it is not a regular expression; [`crate::FeedSpec::parse`] has checked that.
    pub fn regex(&self) -> Result<Option<regex::Regex>, String> {
        let pattern = self.pattern.as_deref();
        pattern
            .map(|pattern| regex::RegexBuilder::new(pattern).size_limit(1 << 20).build())
            .transpose()
            .map_err(|error| error.to_string())
    }

    /// Its name in the source.
    pub fn source_name(&self) -> &str {
        self.header.as_deref().unwrap_or(&self.name)
    }
}

/// Something about rows that deserves a look: counted, shown with the first
/// row it is about, and no row is kept aside for it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Warning {
    /// Its code: capital letters, digits and `_`.
    pub code: String,
    /// Why, for people.
    pub reason: Option<String>,
    /// The calculated table whose rows are warned of, of a period that is
    /// calculated; the feed's rows as they are read when absent.
    pub table: Option<String>,
    /// The rows that are warned of; of a table all of them when absent. Either
    /// this or `steady`, which looks at the feed's rows.
    pub when: Option<Condition>,
    /// Values that should rise steadily, or stay.
    pub steady: Option<Steady>,
}

/// Values that should not fall as others rise: each row is compared with the
/// one before it in the order of `along`, among the rows that are alike in `within`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Steady {
    /// The column that should not fall.
    pub column: String,
    /// The column that orders the rows.
    pub along: String,
    /// The columns in which compared rows are alike.
    #[serde(default)]
    pub within: Vec<String>,
}
