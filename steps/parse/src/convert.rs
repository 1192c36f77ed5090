//! Text to typed values, strictly: what is not clearly the value that the spec
//! describes has a code, never a guess.

use std::borrow::Cow;
use std::fmt::Write as _;

use feed::number::ArithmeticError;
use feed::rejects::RejectCode;
use feed::spec::{Canonical, Column};
use feed::{FeedSpec, Kind, Value};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use regex::Regex;
use rust_decimal::Decimal;
use sha2::{Digest, Sha256};

use crate::cell::Cell;
use crate::json::canonical;

/// Most characters of a value that a reason quotes.
const QUOTED_CHARS_MAX: usize = 60;

/// Why a value was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: RejectCode,
    pub(crate) reason: String,
}

/// Converts the values of one column.
#[derive(Debug)]
pub(crate) struct Converter<'s> {
    column: &'s Column,
    nulls: &'s [String],
    trim: bool,
    true_values: Vec<String>,
    false_values: Vec<String>,
    pattern: Option<Regex>,
}

impl<'s> Converter<'s> {
    pub(crate) fn new(column: &'s Column, spec: &'s FeedSpec) -> Result<Self, String> {
        let lower = |values: &Option<Vec<String>>, default: &str| match values {
            Some(values) => values.iter().map(|value| value.to_lowercase()).collect(),
            None => vec![default.to_owned()],
        };
        Ok(Self {
            column,
            nulls: column.nulls.as_deref().unwrap_or(&spec.source.nulls),
            trim: spec.source.trim,
            true_values: lower(&column.true_values, "true"),
            false_values: lower(&column.false_values, "false"),
            pattern: column.regex()?,
        })
    }

    pub(crate) fn column(&self) -> &'s Column {
        self.column
    }

    /// The value of a cell.
    pub(crate) fn convert(&self, cell: Cell<'_>) -> Result<Value, Refusal> {
        let value = match cell {
            Cell::Text(text) => self.text(text, false)?,
            Cell::Plain(text) => self.text(text, true)?,
            Cell::Json(raw) => self.json(raw)?,
            Cell::Missing if self.column.present => {
                return Err(self.refuse(RejectCode::Missing, "the record has no such field"));
            }
            Cell::Missing => Value::Null,
            Cell::Ambiguous => {
                return Err(self.refuse(RejectCode::Ambiguous, "the record has this field more than once"));
            }
            Cell::Structure => {
                return Err(self.refuse(RejectCode::NotScalar, "elements stand where one value is expected"));
            }
            Cell::Entity(name) => {
                let name: String = name.chars().take(QUOTED_CHARS_MAX).collect();
                let reason = format!("the value refers to the entity {name:?}; entities are never expanded");
                return Err(self.refuse(RejectCode::Entity, &reason));
            }
            Cell::Split => {
                let reason = "the column's span begins or ends inside of a character";
                return Err(self.refuse(RejectCode::SplitCharacter, reason));
            }
            Cell::Error(error) => {
                return Err(self.refuse(RejectCode::CellError, &format!("the cell shows the error {error}")));
            }
            Cell::FormulaWithoutValue => {
                let reason = "the cell's formula has no stored result; open the workbook, calculate, save";
                return Err(self.refuse(RejectCode::FormulaWithoutValue, reason));
            }
        };
        if value.is_null() && self.column.required {
            return Err(self.refuse(RejectCode::Required, "a value is required"));
        }
        let (Some(conversion), Some(number)) = (self.column.convert, value.number()) else {
            return Ok(value);
        };
        conversion.apply(number).map(Value::Decimal).map_err(|error| {
            self.refuse(arithmetic_code(error), &format!("{number} cannot be converted: {error}"))
        })
    }

    fn refuse(&self, code: RejectCode, problem: &str) -> Refusal {
        Refusal { code, reason: format!("column `{}`: {problem}", self.column.source_name()) }
    }

    /// A JSON value as it stands in the file.
    fn json(&self, raw: &str) -> Result<Value, Refusal> {
        let not_text = |error: serde_json::Error| {
            let problem = error.to_string();
            let problem = problem.split(" at line ").next().unwrap_or_default();
            self.refuse(RejectCode::NotText, &format!("the value cannot be read: {problem}"))
        };
        if let Some(form) = self.column.canonical {
            let text = canonical(raw).map_err(not_text)?;
            return Ok(Value::Text(match form {
                Canonical::Json => text,
                Canonical::Sha256 => sha256(text.as_bytes()),
            }));
        }
        let raw = raw.trim();
        match raw.as_bytes().first() {
            Some(b'"') => self.text(&serde_json::from_str::<String>(raw).map_err(not_text)?, false),
            Some(b'{' | b'[') => Err(self.not(RejectCode::NotScalar, raw, "one value")),
            Some(b'n') => Ok(Value::Null),
            // A date may be written as a number: then the column's formats apply.
            Some(b'0'..=b'9') if self.column.kind.is_time() => self.text(raw, false),
            _ => self.text(raw, true),
        }
    }

    /// What the column's pattern finds.
    fn matched<'t>(&self, text: &'t str) -> &'t str {
        let Some(pattern) = &self.pattern else { return text };
        let found = pattern.captures(text).and_then(|found| found.get(1).or_else(|| found.get(0)));
        found.map_or("", |found| found.as_str())
    }

    /// `plain` is a canonical form, to which the column's formats do not apply.
    fn text(&self, text: &str, plain: bool) -> Result<Value, Refusal> {
        let trimmed = text.trim();
        let text = if self.trim || self.column.kind != Kind::Text { trimmed } else { text };
        let text = self.matched(text);
        if text.is_empty() || (!plain && self.nulls.iter().any(|null| null == text.trim())) {
            return Ok(Value::Null);
        }
        let bare = if plain { Cow::Borrowed(text) } else { self.strip(text) };
        let bare = bare.as_ref();
        match self.column.kind {
            Kind::Text => Ok(Value::Text(bare.to_owned())),
            Kind::Integer => self.integer(bare, text, plain),
            Kind::Decimal => self.decimal(bare, text, plain).map(Value::Decimal),
            Kind::Date => self.date(bare, text, plain).map(Value::Date),
            Kind::Timestamp => self.timestamp(bare, text, plain).map(Value::Timestamp),
            Kind::Boolean if plain && matches!(bare, "true" | "false") => Ok(Value::Boolean(bare == "true")),
            Kind::Boolean => self.boolean(bare, text),
        }
    }

    /// Removes prefix and suffix. A number's sign may stand before the prefix: -$5.
    fn strip<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut bare = text;
        let mut sign = "";
        if let Some(prefix) = &self.column.prefix {
            let signed = self.column.kind.is_number().then(|| text.split_at_checked(1)).flatten();
            if let Some(rest) = text.strip_prefix(prefix.as_str()) {
                bare = rest.trim_start();
            } else if let Some((before @ ("-" | "+"), rest)) = signed
                && let Some(rest) = rest.strip_prefix(prefix.as_str())
            {
                sign = before;
                bare = rest.trim_start();
            }
        }
        if let Some(suffix) = &self.column.suffix
            && let Some(rest) = bare.strip_suffix(suffix.as_str())
        {
            bare = rest.trim_end();
        }
        if sign.is_empty() { Cow::Borrowed(bare) } else { Cow::Owned(format!("{sign}{bare}")) }
    }

    fn integer(&self, bare: &str, shown: &str, plain: bool) -> Result<Value, Refusal> {
        // Nearly every integer of a feed is plain digits.
        if let Ok(number) = bare.parse::<i64>() {
            return Ok(Value::Integer(number));
        }
        let separator = if plain { None } else { self.column.thousands };
        let refuse = || self.not(RejectCode::NotInteger, shown, "a whole number");
        let digits = without_thousands(bare, separator, None).ok_or_else(refuse)?;
        digits.parse().map(Value::Integer).map_err(|_| refuse())
    }

    fn decimal(&self, bare: &str, shown: &str, plain: bool) -> Result<Decimal, Refusal> {
        let (separator, point) = match (plain, self.column.decimal_point) {
            (true, _) => (None, None),
            (false, point) => (self.column.thousands, point),
        };
        let refuse = || self.not(RejectCode::NotDecimal, shown, "a decimal number");
        let text = without_thousands(bare, separator, point).ok_or_else(refuse)?;
        let too_long = || self.not(RejectCode::TooManyDigits, shown, "a number of at most 28 digits");
        let number = if text.contains(['e', 'E']) {
            Decimal::from_scientific(&text).map_err(|_| too_long())?
        } else {
            Decimal::from_str_exact(&text).map_err(|_| too_long())?
        };
        // Minus zero is zero.
        Ok(if number.is_zero() { number.abs() } else { number })
    }

    fn date(&self, bare: &str, shown: &str, plain: bool) -> Result<Date, Refusal> {
        if self.column.formats.is_empty() || plain {
            let parsed = if bare.len() == "2024-01-31".len() { bare.parse().ok() } else { None };
            return parsed.ok_or_else(|| self.not(RejectCode::NotDate, shown, "a date such as 2024-01-31"));
        }
        let parsed = self.column.formats.iter().find_map(|format| Date::strptime(format, bare).ok());
        parsed.ok_or_else(|| self.not_in_format(RejectCode::NotDate, shown, "date"))
    }

    fn timestamp(&self, bare: &str, shown: &str, plain: bool) -> Result<Timestamp, Refusal> {
        let utc = |time: DateTime| time.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp());
        if self.column.formats.is_empty() || plain {
            let parsed = bare.parse().ok().or_else(|| bare.parse::<DateTime>().ok().and_then(utc));
            return parsed.ok_or_else(|| {
                self.not(RejectCode::NotTimestamp, shown, "a timestamp such as 2024-01-31T10:00:00Z")
            });
        }
        let parsed = self.column.formats.iter().find_map(|format| {
            let exact = Timestamp::strptime(format, bare).ok();
            exact.or_else(|| DateTime::strptime(format, bare).ok().and_then(utc))
        });
        parsed.ok_or_else(|| self.not_in_format(RejectCode::NotTimestamp, shown, "timestamp"))
    }

    fn boolean(&self, bare: &str, shown: &str) -> Result<Value, Refusal> {
        let lower = bare.to_lowercase();
        if self.true_values.contains(&lower) {
            Ok(Value::Boolean(true))
        } else if self.false_values.contains(&lower) {
            Ok(Value::Boolean(false))
        } else {
            let known = [self.true_values.as_slice(), self.false_values.as_slice()].concat().join(", ");
            Err(self.not(RejectCode::NotBoolean, shown, &format!("one of {known}")))
        }
    }

    fn not(&self, code: RejectCode, shown: &str, wanted: &str) -> Refusal {
        let quoted: String = shown.chars().take(QUOTED_CHARS_MAX).collect();
        let cut = if quoted.len() < shown.len() { "…" } else { "" };
        self.refuse(code, &format!("{quoted:?}{cut} is not {wanted}"))
    }

    fn not_in_format(&self, code: RejectCode, shown: &str, what: &str) -> Refusal {
        self.not(code, shown, &format!("a {what} in the format {}", self.column.formats.join(" or ")))
    }
}

/// The SHA-256 of bytes, in hexadecimal.
fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The reject code of a calculation that has no result.
pub(crate) fn arithmetic_code(error: ArithmeticError) -> RejectCode {
    match error {
        ArithmeticError::Overflow | ArithmeticError::TextTooLong => RejectCode::DeriveOverflow,
        ArithmeticError::DivisionByZero => RejectCode::DeriveDivisionByZero,
    }
}

/// A number's text in the form Rust reads: no separators, a point, no empty
/// sides. None when it is not a number. Groups must have three digits: "12,34"
/// with `,` for thousands is more likely a decimal comma than 1234.
fn without_thousands(text: &str, separator: Option<char>, point: Option<char>) -> Option<String> {
    let point = point.unwrap_or('.');
    let (sign, unsigned) = match text.as_bytes().first()? {
        b'-' => ("-", text.get(1..)?),
        b'+' => ("", text.get(1..)?),
        _ => ("", text),
    };
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (whole, fraction) = match mantissa.split_once(point) {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let whole = match separator {
        Some(separator) if whole.contains(separator) => {
            let mut groups = whole.split(separator);
            let first = groups.next()?;
            let rest: Vec<&str> = groups.collect();
            let fits = (1..=3).contains(&first.len()) && rest.iter().all(|group| group.len() == 3);
            if !fits {
                return None;
            }
            [first, &rest.concat()].concat()
        }
        _ => whole.to_owned(),
    };
    if !digits(&whole)
        || !fraction.is_none_or(digits)
        || (whole.is_empty() && fraction.is_none_or(str::is_empty))
    {
        return None;
    }
    let mut number = format!("{sign}{}", if whole.is_empty() { "0" } else { &whole });
    if let Some(fraction) = fraction.filter(|fraction| !fraction.is_empty()) {
        number.push('.');
        number.push_str(fraction);
    }
    if let Some(exponent) = exponent {
        let unsigned = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        if unsigned.is_empty() || unsigned.len() > 3 || !digits(unsigned) {
            return None;
        }
        number.push('e');
        number.push_str(exponent);
    }
    Some(number)
}
