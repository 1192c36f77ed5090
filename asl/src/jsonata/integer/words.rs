//! Numbers in English words: "three thousand, seven hundred and thirty-first".

/// Words below twenty, by number.
const UNITS: [&str; 20] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
/// Multiples of ten from twenty on.
const TENS: [&str; 8] = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
/// Larger numbers repeat the largest: "one thousand trillion".
const SCALES: [(f64, &str); 4] = [(1e12, "trillion"), (1e9, "billion"), (1e6, "million"), (1e3, "thousand")];
/// Ordinals that are not the word and "th".
const IRREGULAR: [(&str, &str); 7] = [
    ("one", "first"),
    ("two", "second"),
    ("three", "third"),
    ("five", "fifth"),
    ("eight", "eighth"),
    ("nine", "ninth"),
    ("twelve", "twelfth"),
];

/// The words of an integer that is finite and not negative, in lower case.
pub(super) fn spell(value: f64, ordinal: bool) -> String {
    let mut text = String::new();
    push(&mut text, value);
    if ordinal {
        let last = text.rfind([' ', '-']).map_or(0, |at| at + 1);
        let word = ordinal_of(text.get(last..).unwrap_or_default());
        text.truncate(last);
        text.push_str(&word);
    }
    text
}

fn push(text: &mut String, value: f64) {
    if let Some((scale, name)) = SCALES.iter().find(|(scale, _)| value >= *scale) {
        let head = (value / scale).floor();
        push(text, head);
        text.push(' ');
        text.push_str(name);
        let rest = value - head * scale;
        if rest > 0.0 {
            text.push_str(if rest < 100.0 { " and " } else { ", " });
            push(text, rest);
        }
        return;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 1,000")]
    push_small(text, value as usize);
}

fn push_small(text: &mut String, value: usize) {
    let word = |words: &[&'static str], index: usize| words.get(index).copied().unwrap_or_default();
    if value >= 100 {
        text.push_str(word(&UNITS, value / 100));
        text.push_str(" hundred");
        if !value.is_multiple_of(100) {
            text.push_str(" and ");
            push_small(text, value % 100);
        }
    } else if value >= 20 {
        text.push_str(word(&TENS, value / 10 - 2));
        if !value.is_multiple_of(10) {
            text.push('-');
            text.push_str(word(&UNITS, value % 10));
        }
    } else {
        text.push_str(word(&UNITS, value));
    }
}

fn ordinal_of(word: &str) -> String {
    if let Some((_, ordinal)) = IRREGULAR.iter().find(|(cardinal, _)| *cardinal == word) {
        return (*ordinal).to_owned();
    }
    match word.strip_suffix('y') {
        Some(stem) => format!("{stem}ieth"),
        None => format!("{word}th"),
    }
}

/// The words with capitals, but for "and".
pub(super) fn title(text: &str) -> String {
    let mut title = String::with_capacity(text.len());
    for word in text.split_inclusive([' ', '-']) {
        let mut letters = word.chars();
        if word.trim_end() != "and"
            && let Some(first) = letters.next()
        {
            title.extend(first.to_uppercase());
        }
        title.push_str(letters.as_str());
    }
    title
}

/// The number the words mean. Not a number, where one of them is no number word.
///
/// Words multiply ("nineteen hundred") or add, as in speech.
pub(super) fn read(text: &str) -> f64 {
    let text = text.to_lowercase();
    let words = text.split([' ', '-', ',']).filter(|word| !word.is_empty() && *word != "and");
    // Each entry is a part that has its scale, but for the last.
    let mut done = 0.0;
    let mut current = 0.0;
    for word in words {
        let Some(value) = value_of(word) else { return f64::NAN };
        if value >= 100.0 {
            current *= value;
            continue;
        }
        if current >= 1000.0 {
            done += current;
            current = 0.0;
        }
        current += value;
    }
    done + current
}

fn value_of(word: &str) -> Option<f64> {
    if let Some((_, value)) = numbers().find(|(name, _)| *name == word) {
        return Some(value);
    }
    numbers().find(|(name, _)| ordinal_of(name) == word).map(|(_, value)| value)
}

fn numbers() -> impl Iterator<Item = (&'static str, f64)> {
    let units = UNITS.into_iter().zip(0_u32..).map(|(name, value)| (name, f64::from(value)));
    let tens = TENS.into_iter().zip(2_u32..).map(|(name, value)| (name, f64::from(10 * value)));
    let scales = SCALES.into_iter().map(|(value, name)| (name, value));
    units.chain(tens).chain([("hundred", 100.0)]).chain(scales)
}

/// A regular expression of the words that numbers are written with.
pub(super) fn pattern() -> String {
    let mut words: Vec<String> =
        numbers().flat_map(|(name, _)| [ordinal_of(name), name.to_owned()]).collect();
    // The first alternative that matches is taken: the longer ones first.
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    format!("(?:{}|and|[-, ])+", words.join("|"))
}
