//! Integers in pictures: `$formatInteger`, `$parseInteger`, and the fields of
//! dates, as `XPath`'s `fn:format-integer` defines them.

#[cfg(test)]
mod tests;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use super::number::{regular_distance, to_text};
use super::raised::Raised;
use crate::limits;

/// The zeros of the families of decimal digits. Unicode 14, general category `Nd`.
const ZEROS: [u32; 66] = [
    0x0030, 0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6, 0x0D66,
    0x0DE6, 0x0E50, 0x0ED0, 0x0F20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90, 0x1B50,
    0x1BB0, 0x1C40, 0x1C50, 0xA620, 0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0, 0xFF10, 0x104A0, 0x10D30,
    0x11066, 0x110F0, 0x11136, 0x111D0, 0x112F0, 0x11450, 0x114D0, 0x11650, 0x116C0, 0x11730, 0x118E0,
    0x11950, 0x11C50, 0x11D50, 0x11DA0, 0x16A60, 0x16AC0, 0x16B50, 0x1D7CE, 0x1D7D8, 0x1D7E2, 0x1D7EC,
    0x1D7F6, 0x1E140, 0x1E2F0, 0x1E950, 0x1FBF0,
];

/// Roman numerals, from the largest.
const ROMAN: [(f64, &str); 13] = [
    (1000.0, "M"),
    (900.0, "CM"),
    (500.0, "D"),
    (400.0, "CD"),
    (100.0, "C"),
    (90.0, "XC"),
    (50.0, "L"),
    (40.0, "XL"),
    (10.0, "X"),
    (9.0, "IX"),
    (5.0, "V"),
    (4.0, "IV"),
    (1.0, "I"),
];

/// How the integers of a picture look.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct IntegerFormat {
    form: Form,
    ordinal: bool,
}

#[derive(Debug, Clone, PartialEq)]
enum Form {
    /// `a`, `A`: a, b, …, z, aa
    Letters(Case),
    /// `i`, `I`
    Roman(Case),
    /// `w`, `W`, `Ww`
    Words(Case),
    Decimal(Decimal),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Case {
    Lower,
    Upper,
    Title,
}

/// `#,##0`
#[derive(Debug, Clone, PartialEq)]
struct Decimal {
    zero: char,
    mandatory: usize,
    optional: usize,
    separators: Separators,
}

#[derive(Debug, Clone, PartialEq)]
enum Separators {
    /// The same text again and again, at this distance.
    Regular(usize, String),
    /// By the number of digits to their right.
    At(BTreeMap<usize, String>),
}

/// `$formatInteger`: the integer below the number, in the picture.
///
/// D3130 and D3131 for pictures; the bound on memory for a Roman numeral of
/// millions of letters.
pub(super) fn format_integer(value: f64, picture: &str) -> Result<String, Raised> {
    IntegerFormat::parse(picture)?.format(value)
}

/// `$parseInteger`. Not a number for a text that is not in the picture.
pub(super) fn parse_integer(text: &str, picture: &str) -> Result<f64, Raised> {
    Ok(IntegerFormat::parse(picture)?.read(text))
}

impl IntegerFormat {
    /// Reads `primary;modifier`: the modifier `o` asks for ordinals.
    pub(super) fn parse(picture: &str) -> Result<Self, Raised> {
        match picture.rsplit_once(';') {
            Some((primary, modifier)) => Self::new(primary, modifier.starts_with('o')),
            None => Self::new(picture, false),
        }
    }

    pub(super) fn new(primary: &str, ordinal: bool) -> Result<Self, Raised> {
        let form = match primary {
            "a" => Form::Letters(Case::Lower),
            "A" => Form::Letters(Case::Upper),
            "i" => Form::Roman(Case::Lower),
            "I" => Form::Roman(Case::Upper),
            "w" => Form::Words(Case::Lower),
            "W" => Form::Words(Case::Upper),
            "Ww" => Form::Words(Case::Title),
            pattern => Form::Decimal(Decimal::parse(pattern)?),
        };
        Ok(Self { form, ordinal })
    }

    /// Digits a decimal pattern insists on, and those it has besides. `None` for other forms.
    pub(super) fn digits(&self) -> Option<(usize, usize)> {
        match &self.form {
            Form::Decimal(decimal) => Some((decimal.mandatory, decimal.optional)),
            _ => None,
        }
    }

    /// Makes a decimal pattern insist on as many digits.
    pub(super) fn at_least(&mut self, digits: usize) {
        if let Form::Decimal(decimal) = &mut self.form {
            decimal.mandatory = decimal.mandatory.max(digits);
        }
    }

    /// Makes a decimal pattern insist on no more digits.
    pub(super) fn at_most(&mut self, digits: usize) {
        if let Form::Decimal(decimal) = &mut self.form {
            decimal.mandatory = decimal.mandatory.min(digits);
        }
    }

    /// Whether a decimal pattern has separators.
    pub(super) fn is_grouped(&self) -> bool {
        match &self.form {
            Form::Decimal(decimal) => match &decimal.separators {
                Separators::Regular(..) => true,
                Separators::At(separators) => !separators.is_empty(),
            },
            _ => false,
        }
    }

    /// The integer below the number.
    pub(super) fn format(&self, value: f64) -> Result<String, Raised> {
        let value = value.floor();
        let text = match &self.form {
            Form::Letters(case) => case.apply(letters(value.abs())?),
            Form::Roman(case) => case.apply(roman(value.abs())?),
            Form::Words(_) if !value.is_finite() => to_text(value.abs()),
            Form::Words(case) => case.apply(words::spell(value.abs(), self.ordinal)),
            Form::Decimal(decimal) => decimal.format(value.abs(), self.ordinal),
        };
        Ok(if value < 0.0 { format!("-{text}") } else { text })
    }

    /// Not a number for what is no integer of the form.
    pub(super) fn read(&self, text: &str) -> f64 {
        match &self.form {
            Form::Letters(_) => read_letters(text),
            Form::Roman(_) => read_roman(text),
            Form::Words(_) => words::read(text),
            Form::Decimal(decimal) => decimal.read(text, self.ordinal),
        }
    }

    /// A regular expression of the texts of this form. `width` limits the digits
    /// of a decimal pattern.
    pub(super) fn pattern(&self, width: Option<(usize, usize)>) -> String {
        match &self.form {
            Form::Letters(_) => "[a-zA-Z]+".to_owned(),
            Form::Roman(_) => "[mdclxviMDCLXVI]+".to_owned(),
            Form::Words(_) => words::pattern(),
            Form::Decimal(decimal) => {
                let ordinal = if self.ordinal { "(?:th|st|nd|rd)" } else { "" };
                format!("{}{ordinal}", decimal.pattern(width))
            }
        }
    }
}

impl Case {
    /// For a text in lower case.
    fn apply(self, text: String) -> String {
        match self {
            Self::Lower => text,
            Self::Upper => text.to_uppercase(),
            Self::Title => words::title(&text),
        }
    }
}

impl Decimal {
    fn parse(pattern: &str) -> Result<Self, Raised> {
        let mut zero = None;
        let (mut mandatory, mut optional) = (0, 0);
        let mut separators: BTreeMap<usize, String> = BTreeMap::new();
        for symbol in pattern.chars().rev() {
            if let Some((family, _)) = digit_of(symbol) {
                if *zero.get_or_insert(family) != family {
                    return Err(Raised::new(
                        "D3131",
                        "In a decimal digit pattern, all digits must be from the same decimal group",
                    ));
                }
                mandatory += 1;
            } else if symbol == '#' {
                optional += 1;
            } else {
                separators.entry(mandatory + optional).or_default().push(symbol);
            }
        }
        let Some(zero) = zero else {
            return Err(Raised::new(
                "D3130",
                format!(
                    "Formatting or parsing an integer as a sequence starting with {} is not supported by this implementation",
                    super::raised::quoted(pattern)
                ),
            ));
        };
        Ok(Self { zero, mandatory, optional, separators: Separators::of(separators) })
    }

    fn format(&self, value: f64, ordinal: bool) -> String {
        let digits = to_text(value);
        let missing = self.mandatory.saturating_sub(digits.len());
        let mut text = String::new();
        for (at, digit) in std::iter::repeat_n('0', missing).chain(digits.chars()).enumerate() {
            let left = missing + digits.len() - at;
            if at > 0
                && let Some(separator) = self.separators.at(left)
            {
                text.push_str(separator);
            }
            text.push(self.translated(digit));
        }
        if ordinal {
            text.push_str(ordinal_suffix(&digits));
        }
        text
    }

    fn translated(&self, digit: char) -> char {
        digit.to_digit(10).and_then(|digit| char::from_u32(u32::from(self.zero) + digit)).unwrap_or(digit)
    }

    fn read(&self, text: &str, ordinal: bool) -> f64 {
        let text =
            if ordinal { text.trim_end_matches(|symbol: char| symbol.is_ascii_alphabetic()) } else { text };
        let separators: BTreeSet<char> = self.separators.symbols().collect();
        let plain: String = text
            .chars()
            .filter(|symbol| !separators.contains(symbol))
            .map(|symbol| match digit_of(symbol) {
                Some((zero, digit)) if zero == self.zero => char::from_digit(digit, 10).unwrap_or(symbol),
                _ => symbol,
            })
            .collect();
        leading_integer(&plain)
    }

    fn pattern(&self, width: Option<(usize, usize)>) -> String {
        let nine = char::from_u32(u32::from(self.zero) + 9).unwrap_or(self.zero);
        let mut symbols = format!("{}-{nine}", self.zero);
        for symbol in self.separators.symbols() {
            symbols.push_str(&regex::escape(&symbol.to_string()));
        }
        match width {
            Some((least, most)) => format!("[{symbols}]{{{least},{most}}}"),
            None => format!("[{symbols}]+"),
        }
    }
}

impl Separators {
    /// At regular distances, the same text goes on to the left. The texts come
    /// backwards, as the pattern was read.
    fn of(mut positions: BTreeMap<usize, String>) -> Self {
        for text in positions.values_mut() {
            *text = text.chars().rev().collect();
        }
        // Behind the last digit is nothing to separate.
        positions.remove(&0);
        let from_left: Vec<usize> = positions.keys().rev().copied().collect();
        let mut texts = positions.values();
        let first = texts.next().cloned();
        match (regular_distance(&from_left), first) {
            (Some(distance), Some(text)) if texts.all(|other| *other == text) => {
                Self::Regular(distance, text)
            }
            _ => Self::At(positions),
        }
    }

    fn at(&self, position: usize) -> Option<&str> {
        match self {
            Self::Regular(distance, text) => position.is_multiple_of(*distance).then_some(text),
            Self::At(positions) => positions.get(&position).map(String::as_str),
        }
    }

    fn symbols(&self) -> impl Iterator<Item = char> {
        let (one, many) = match self {
            Self::Regular(_, text) => (Some(text), None),
            Self::At(positions) => (None, Some(positions.values())),
        };
        one.into_iter().chain(many.into_iter().flatten()).flat_map(|text| text.chars())
    }
}

/// The zero of its family, and the value.
fn digit_of(symbol: char) -> Option<(char, u32)> {
    let index = ZEROS.partition_point(|zero| *zero <= u32::from(symbol)).checked_sub(1)?;
    let zero = *ZEROS.get(index)?;
    let digit = u32::from(symbol) - zero;
    if digit < 10 { Some((char::from_u32(zero)?, digit)) } else { None }
}

fn ordinal_suffix(digits: &str) -> &'static str {
    let mut last = digits.bytes().rev();
    match (last.next(), last.next()) {
        (_, Some(b'1')) => "th",
        (Some(b'1'), _) => "st",
        (Some(b'2'), _) => "nd",
        (Some(b'3'), _) => "rd",
        _ => "th",
    }
}

/// The integer a text starts with, as JavaScript's `parseInt` reads it.
fn leading_integer(text: &str) -> f64 {
    let text = text.trim_start();
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let behind = unsigned.trim_start_matches(|digit: char| digit.is_ascii_digit());
    let value = unsigned.strip_suffix(behind).unwrap_or_default().parse().unwrap_or(f64::NAN);
    if text.starts_with('-') { -value } else { value }
}

/// In lower case. Nothing for zero, and for what is not a number.
fn letters(value: f64) -> Result<String, Raised> {
    if value.is_infinite() {
        return Err(Raised::memory());
    }
    let mut letters = Vec::new();
    let mut rest = value;
    while rest > 0.0 {
        let letter = (rest - 1.0) % 26.0;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 25")]
        letters.push(char::from(b'a' + letter as u8));
        rest = ((rest - 1.0) / 26.0).floor();
    }
    Ok(letters.iter().rev().collect())
}

fn read_letters(text: &str) -> f64 {
    text.chars().fold(0.0, |sum: f64, symbol| match symbol.to_ascii_lowercase() {
        letter @ 'a'..='z' => sum * 26.0 + f64::from(u32::from(letter) - u32::from('a') + 1),
        _ => f64::NAN,
    })
}

/// In lower case. Nothing for zero, and for what is not a number.
fn roman(value: f64) -> Result<String, Raised> {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    if value / 1000.0 > limits::JSONATA_STRING_UNITS_MAX as f64 {
        return Err(Raised::memory());
    }
    let mut numeral = String::new();
    let mut rest = value;
    for (worth, letters) in ROMAN {
        while rest >= worth {
            numeral.push_str(letters);
            rest -= worth;
        }
    }
    Ok(numeral.to_lowercase())
}

/// A smaller letter before a larger one is taken off.
fn read_roman(text: &str) -> f64 {
    let worth = |symbol: char| {
        let symbol = symbol.to_ascii_uppercase();
        let mut utf8 = [0; 4];
        let symbol = symbol.encode_utf8(&mut utf8);
        ROMAN.iter().find(|(_, letters)| **letters == *symbol).map_or(f64::NAN, |(worth, _)| *worth)
    };
    let mut largest = 1.0;
    text.chars().rev().map(worth).fold(0.0, |sum: f64, worth| {
        if worth < largest {
            return sum - worth;
        }
        largest = worth;
        sum + worth
    })
}
