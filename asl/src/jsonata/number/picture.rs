//! `$formatNumber`: pictures of numbers, as `XPath`'s `fn:format-number` defines them.
//!
//! A picture has one sub-picture, or two (the second is for negative numbers).
//! Active characters stand for digits, separators and the exponent; what is
//! before the first and after the last of them is copied. The digits go through
//! the same steps whatever they are, so that "not a number" is padded, too.

use std::collections::BTreeSet;

use crate::jsonata::raised::Raised;

use super::{round, to_text};

/// Digits after the decimal point that JavaScript prints. `ECMAScript`, `Number.prototype.toFixed`.
const FRACTION_DIGITS_MAX: usize = 100;
/// Digits before the decimal point that a picture with an exponent can ask for:
/// no number has more.
const SCALE_MAX: usize = 300;

/// The characters a picture is written with. Each can be replaced by an option.
#[derive(Debug)]
struct Symbols {
    decimal_separator: String,
    grouping_separator: String,
    exponent_separator: String,
    minus_sign: String,
    percent: String,
    per_mille: String,
    digit: String,
    pattern_separator: String,
    /// The first of ten consecutive characters.
    zero: char,
}

impl Symbols {
    fn new<'a>(options: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut symbols = Self {
            decimal_separator: ".".to_owned(),
            grouping_separator: ",".to_owned(),
            exponent_separator: "e".to_owned(),
            minus_sign: "-".to_owned(),
            percent: "%".to_owned(),
            per_mille: "\u{2030}".to_owned(),
            digit: "#".to_owned(),
            pattern_separator: ";".to_owned(),
            zero: '0',
        };
        for (name, text) in options {
            let symbol = match name {
                "decimal-separator" => &mut symbols.decimal_separator,
                "grouping-separator" => &mut symbols.grouping_separator,
                "exponent-separator" => &mut symbols.exponent_separator,
                "minus-sign" => &mut symbols.minus_sign,
                "percent" => &mut symbols.percent,
                "per-mille" => &mut symbols.per_mille,
                "digit" => &mut symbols.digit,
                "pattern-separator" => &mut symbols.pattern_separator,
                "zero-digit" => {
                    symbols.zero = text.chars().next().unwrap_or(symbols.zero);
                    continue;
                }
                _ => continue,
            };
            text.clone_into(symbol);
        }
        symbols
    }

    /// The member of the digit family for a digit.
    fn member(&self, digit: u32) -> char {
        char::from_u32(u32::from(self.zero) + digit).unwrap_or('\u{FFFD}')
    }

    fn is_member(&self, symbol: char) -> bool {
        (u32::from(self.zero)..u32::from(self.zero) + 10).contains(&u32::from(symbol))
    }

    fn is_active(&self, symbol: char) -> bool {
        let symbols =
            [&self.decimal_separator, &self.grouping_separator, &self.exponent_separator, &self.digit];
        self.is_member(symbol) || symbols.iter().any(|text| is_just(text, symbol))
    }

    /// Digits of a number in the family of the picture.
    fn translate(&self, text: &str) -> String {
        text.chars().map(|symbol| symbol.to_digit(10).map_or(symbol, |digit| self.member(digit))).collect()
    }
}

fn is_just(text: &str, symbol: char) -> bool {
    text.strip_prefix(symbol) == Some("")
}

/// A sub-picture, taken apart.
#[derive(Debug)]
struct Parts<'p> {
    prefix: &'p str,
    suffix: &'p str,
    whole: &'p str,
    active: &'p str,
    mantissa: &'p str,
    exponent: Option<&'p str>,
    integer: &'p str,
    fraction: &'p str,
}

/// What a sub-picture asks for.
#[derive(Debug)]
struct Layout {
    /// Positions of separators, counted in digits from the decimal point to the left.
    integer_groups: BTreeSet<usize>,
    /// The distance of separators, where they are at regular ones.
    regular_group: Option<usize>,
    integer_digits_min: usize,
    /// The digits before the decimal point of a mantissa.
    scale: usize,
    /// Positions of separators, counted in digits from the decimal point to the right.
    fraction_groups: BTreeSet<usize>,
    fraction_digits_min: usize,
    fraction_digits_max: usize,
    exponent_digits_min: usize,
}

/// `$formatNumber`: the number in the picture, with the characters of the options
/// (`decimal-separator`, `zero-digit`, …; others are ignored).
///
/// D3080 to D3093 for a picture against the rules.
pub(in crate::jsonata) fn format_number<'a>(
    value: f64,
    picture: &str,
    options: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<String, Raised> {
    let symbols = Symbols::new(options);
    let pictures: Vec<&str> = if symbols.pattern_separator.is_empty() {
        vec![picture]
    } else {
        picture.split(symbols.pattern_separator.as_str()).collect()
    };
    let (first, second) = match pictures.as_slice() {
        [first] => (*first, None),
        [first, second] => (*first, Some(*second)),
        _ => return Err(refusal("D3080")),
    };
    let first = Parts::of(first, &symbols).checked(&symbols)?;
    let second = second.map(|second| Parts::of(second, &symbols).checked(&symbols)).transpose()?;
    // What is not a number is not positive either.
    if value >= 0.0 {
        return first.format(value, first.prefix, &symbols);
    }
    match second {
        Some(second) => second.format(value, second.prefix, &symbols),
        None => first.format(value, &format!("{}{}", symbols.minus_sign, first.prefix), &symbols),
    }
}

impl<'p> Parts<'p> {
    fn of(picture: &'p str, symbols: &Symbols) -> Self {
        // An exponent separator is one between other active characters only.
        let bounds =
            |symbol: char| symbols.is_active(symbol) && !is_just(&symbols.exponent_separator, symbol);
        let start = picture.find(bounds).unwrap_or(picture.len());
        let (prefix, rest) = picture.split_at(start);
        let end = rest.char_indices().rev().find(|(_, symbol)| bounds(*symbol));
        let (active, suffix) = rest.split_at(end.map_or(0, |(at, symbol)| at + symbol.len_utf8()));
        let (mantissa, exponent) = match split(active, &symbols.exponent_separator) {
            Some((mantissa, exponent)) => (mantissa, Some(exponent)),
            None => (active, None),
        };
        let (integer, fraction) = split(mantissa, &symbols.decimal_separator).unwrap_or((mantissa, ""));
        Self { prefix, suffix, whole: picture, active, mantissa, exponent, integer, fraction }
    }

    /// The rules of a sub-picture, in the order of their codes.
    fn checked(self, symbols: &Symbols) -> Result<Self, Raised> {
        let digit = |symbol: char| is_just(&symbols.digit, symbol);
        let member = |symbol: char| symbols.is_member(symbol);
        let times = |text: &str| if text.is_empty() { 0 } else { self.whole.matches(text).count() };
        let grouping = symbols.grouping_separator.as_str();
        let adjacent = |left: &str, right: &str| {
            !left.is_empty() && !right.is_empty() && self.whole.contains(&format!("{left}{right}"))
        };
        let (percents, per_milles) = (times(&symbols.percent), times(&symbols.per_mille));
        let decimal = symbols.decimal_separator.as_str();
        let broken = [
            ("D3081", times(decimal) > 1),
            ("D3082", percents > 1),
            ("D3083", per_milles > 1),
            ("D3084", percents > 0 && per_milles > 0),
            ("D3085", !self.mantissa.contains(|symbol| member(symbol) || digit(symbol))),
            ("D3086", self.active.contains(|symbol| !symbols.is_active(symbol))),
            ("D3087", adjacent(grouping, decimal) || adjacent(decimal, grouping)),
            (
                "D3088",
                !grouping.is_empty() && !self.mantissa.contains(decimal) && self.integer.ends_with(grouping),
            ),
            ("D3089", adjacent(grouping, grouping)),
            ("D3090", is_followed(self.integer, member, digit)),
            ("D3091", is_followed(self.fraction, digit, member)),
            ("D3092", self.exponent.is_some() && percents + per_milles > 0),
            (
                "D3093",
                self.exponent.is_some_and(|exponent| exponent.is_empty() || !exponent.chars().all(member)),
            ),
        ];
        match broken.into_iter().find(|(_, broken)| *broken) {
            Some((code, _)) => Err(refusal(code)),
            None => Ok(self),
        }
    }

    fn layout(&self, symbols: &Symbols) -> Layout {
        let digits = |text: &str| {
            text.chars()
                .filter(|symbol| symbols.is_member(*symbol) || is_just(&symbols.digit, *symbol))
                .count()
        };
        let members = |text: &str| text.chars().filter(|symbol| symbols.is_member(*symbol)).count();
        let before = |text: &'p str| positions(text, &symbols.grouping_separator, digits);
        let in_integer = digits(self.integer);
        let integer_groups: Vec<usize> =
            before(self.integer).into_iter().map(|position| in_integer - position).collect();
        let mut layout = Layout {
            regular_group: regular_distance(&integer_groups),
            integer_groups: integer_groups.into_iter().collect(),
            integer_digits_min: members(self.integer),
            scale: members(self.integer),
            fraction_groups: before(self.fraction).into_iter().collect(),
            fraction_digits_min: members(self.fraction),
            fraction_digits_max: digits(self.fraction),
            exponent_digits_min: self.exponent.map_or(0, members),
        };
        // A picture that asks for no digit at all still shows one.
        if layout.integer_digits_min == 0 && layout.fraction_digits_max == 0 {
            if self.exponent.is_some() {
                layout.fraction_digits_min = 1;
                layout.fraction_digits_max = 1;
            } else {
                layout.integer_digits_min = 1;
            }
        }
        let optional = self.integer.contains(|symbol| is_just(&symbols.digit, symbol));
        if self.exponent.is_some() && layout.integer_digits_min == 0 && optional {
            layout.integer_digits_min = 1;
        }
        if layout.integer_digits_min == 0 && layout.fraction_digits_min == 0 {
            layout.fraction_digits_min = 1;
        }
        layout
    }

    fn format(&self, value: f64, prefix: &str, symbols: &Symbols) -> Result<String, Raised> {
        let layout = self.layout(symbols);
        if layout.fraction_digits_max > FRACTION_DIGITS_MAX {
            return Err(Raised::new("", "toFixed() digits argument must be between 0 and 100"));
        }
        let has = |text: &str| !text.is_empty() && self.whole.contains(text);
        let adjusted = if has(&symbols.percent) {
            value * 100.0
        } else if has(&symbols.per_mille) {
            value * 1000.0
        } else {
            value
        };
        let (mantissa, exponent) = match self.exponent {
            Some(_) => scaled(adjusted, layout.scale.min(SCALE_MAX)),
            None => (adjusted, 0),
        };
        let mut text = layout.digits(mantissa, symbols);
        let shows_fraction = self.mantissa.contains(symbols.decimal_separator.as_str());
        if !shows_fraction || text.ends_with(&symbols.decimal_separator) {
            let end = text.len() - symbols.decimal_separator.len();
            text.truncate(end);
        }
        let exponent = self.exponent.map(|_| layout.exponent(exponent, symbols)).unwrap_or_default();
        Ok(format!("{prefix}{text}{exponent}{}", self.suffix))
    }
}

impl Layout {
    /// The number rounded, padded and grouped, always with a decimal separator.
    fn digits(&self, value: f64, symbols: &Symbols) -> String {
        #[expect(clippy::cast_precision_loss, reason = "at most 100")]
        let rounded = round(value, Some(self.fraction_digits_max as f64)).abs();
        let rounded = if value.is_finite() { rounded } else { value.abs() };
        let text = fixed(rounded, self.fraction_digits_max);
        let (integer, fraction) = text.split_once('.').unwrap_or((&text, ""));
        let integer = symbols.translate(integer.trim_start_matches('0'));
        let fraction = symbols.translate(fraction.trim_end_matches('0'));

        let missing = self.integer_digits_min.saturating_sub(integer.chars().count());
        let integer: Vec<char> = std::iter::repeat_n(symbols.zero, missing).chain(integer.chars()).collect();
        let missing = self.fraction_digits_min.saturating_sub(fraction.chars().count());
        let fraction = fraction.chars().chain(std::iter::repeat_n(symbols.zero, missing));

        let mut text = String::new();
        for (at, digit) in integer.iter().enumerate() {
            let left = integer.len() - at;
            let separated = match self.regular_group {
                Some(distance) => left.is_multiple_of(distance),
                None => self.integer_groups.contains(&left),
            };
            if separated && at > 0 {
                text.push_str(&symbols.grouping_separator);
            }
            text.push(*digit);
        }
        text.push_str(&symbols.decimal_separator);
        for (at, digit) in fraction.enumerate() {
            if at > 0 && self.fraction_groups.contains(&at) {
                text.push_str(&symbols.grouping_separator);
            }
            text.push(digit);
        }
        text
    }

    /// The exponent with its separator and sign.
    fn exponent(&self, exponent: i32, symbols: &Symbols) -> String {
        let digits = format!(
            "{:0width$}",
            exponent.unsigned_abs(),
            width = self.exponent_digits_min.min(usize::from(u16::MAX))
        );
        let sign = if exponent < 0 { symbols.minus_sign.as_str() } else { "" };
        format!("{}{sign}{}", symbols.exponent_separator, symbols.translate(&digits))
    }
}

fn split<'p>(text: &'p str, separator: &str) -> Option<(&'p str, &'p str)> {
    if separator.is_empty() { None } else { text.split_once(separator) }
}

/// How many digits are before each separator.
fn positions(text: &str, separator: &str, digits: impl Fn(&str) -> usize) -> Vec<usize> {
    if separator.is_empty() {
        return Vec::new();
    }
    let mut parts: Vec<&str> = text.split(separator).collect();
    // Behind the last separator is none.
    parts.pop();
    let count = |sum: &mut usize, part| {
        *sum += digits(part);
        Some(*sum)
    };
    parts.into_iter().scan(0, count).collect()
}

/// Whether a character of the first kind has one of the second kind somewhere after it.
fn is_followed(text: &str, first: impl Fn(char) -> bool, second: impl Fn(char) -> bool) -> bool {
    text.find(first).and_then(|at| text.get(at..)).is_some_and(|rest| rest.contains(second))
}

/// The distance of separators that are at its multiples, without a gap.
/// Positions come from the left, so the first is the largest.
pub(in crate::jsonata) fn regular_distance(positions: &[usize]) -> Option<usize> {
    let distance = *positions.last()?;
    let regular = positions.iter().rev().zip(1..).all(|(position, index)| *position == distance * index);
    (regular && distance > 0).then_some(distance)
}

/// The mantissa with that many digits before the decimal point, and its exponent.
fn scaled(value: f64, scale: usize) -> (f64, i32) {
    if value == 0.0 || !value.is_finite() {
        return (value, 0);
    }
    let text = format!("{value:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let scale = i32::try_from(scale).unwrap_or_default() - 1;
    let exponent = exponent.parse::<i32>().unwrap_or_default() - scale;
    (format!("{digits}e{scale}").parse().unwrap_or(value), exponent)
}

/// `Number.prototype.toFixed` of a number that is not negative.
fn fixed(value: f64, digits: usize) -> String {
    if value < 1e21 { format!("{value:.digits$}") } else { to_text(value) }
}

fn refusal(code: &'static str) -> Raised {
    let message = match code {
        "D3080" => "The picture string must only contain a maximum of two sub-pictures",
        "D3081" => {
            "The sub-picture must not contain more than one instance of the 'decimal-separator' character"
        }
        "D3082" => "The sub-picture must not contain more than one instance of the 'percent' character",
        "D3083" => "The sub-picture must not contain more than one instance of the 'per-mille' character",
        "D3084" => "The sub-picture must not contain both a 'percent' and a 'per-mille' character",
        "D3085" => {
            "The mantissa part of a sub-picture must contain at least one character that is either an 'optional digit character' or a member of the 'decimal digit family'"
        }
        "D3086" => {
            "The sub-picture must not contain a passive character that is preceded by an active character and that is followed by another active character"
        }
        "D3087" => {
            "The sub-picture must not contain a 'grouping-separator' character that appears adjacent to a 'decimal-separator' character"
        }
        "D3088" => "The sub-picture must not contain a 'grouping-separator' at the end of the integer part",
        "D3089" => {
            "The sub-picture must not contain two adjacent instances of the 'grouping-separator' character"
        }
        "D3090" => {
            "The integer part of the sub-picture must not contain a member of the 'decimal digit family' that is followed by an instance of the 'optional digit character'"
        }
        "D3091" => {
            "The fractional part of the sub-picture must not contain an instance of the 'optional digit character' that is followed by a member of the 'decimal digit family'"
        }
        "D3092" => {
            "A sub-picture that contains a 'percent' or 'per-mille' character must not contain a character treated as an 'exponent-separator'"
        }
        _ => {
            "The exponent part of the sub-picture must comprise only of one or more characters that are members of the 'decimal digit family'"
        }
    };
    Raised::new(code, message)
}
