//! Functions of texts. Places and lengths count characters, as JSONata does.

use super::super::encoding::{self, Url};
use super::super::evaluate::Evaluator;
use super::super::failure::{Failure, Outcome};
use super::super::raised::Raised;
use super::super::text as texts;
use super::super::value::{Items, Text, Value};
use super::{argument, numeric, text, wrong_type};

pub(super) fn string<'a>(evaluator: &mut Evaluator<'a>, arguments: &[Value<'a>]) -> Outcome<Value<'a>> {
    match argument(arguments, 0) {
        Value::Undefined => Ok(Value::Undefined),
        Value::Text(text) => Ok(Value::Text(text.clone())),
        value => {
            let pretty = matches!(argument(arguments, 1), Value::Bool(true));
            texts::of_value(value, pretty, &mut evaluator.budget).map(Value::text)
        }
    }
}

/// A part of a text; of a borrowed one, it borrows too.
pub(super) fn part<'a>(text: &Text<'a>, range: std::ops::Range<usize>) -> Text<'a> {
    match text {
        Text::Borrowed(text) => Text::Borrowed(text.get(range).unwrap_or_default()),
        Text::Shared(_) => Text::from(text.get(range).unwrap_or_default().to_owned()),
    }
}

/// The byte at which the character of that number begins.
fn byte_of(text: &str, character: usize) -> usize {
    if text.is_ascii() {
        return character.min(text.len());
    }
    text.char_indices().nth(character).map_or(text.len(), |(byte, _)| byte)
}

fn characters(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.chars().count() }
}

pub(super) fn substring<'a>(evaluator: &mut Evaluator<'a>, arguments: &[Value<'a>]) -> Outcome<Value<'a>> {
    if let Some(items) = argument(arguments, 0).items() {
        return substring_of_items(evaluator, items, arguments);
    }
    let Some(whole) = text(arguments, 0)? else { return Ok(Value::Undefined) };
    evaluator.budget.spend(whole.len() / 256)?;
    let (from, to) = places(characters(whole), arguments)?;
    let range = if from < to { byte_of(whole, from)..byte_of(whole, to) } else { 0..0 };
    evaluator.budget.text(range.len())?;
    Ok(Value::Text(part(whole, range)))
}

/// Called in parts, the function takes an array for the characters of a text.
/// *Recorded.*
fn substring_of_items<'a>(
    evaluator: &mut Evaluator<'a>,
    items: Items<'_, 'a>,
    arguments: &[Value<'a>],
) -> Outcome<Value<'a>> {
    let (from, to) = places(items.len(), arguments)?;
    let mut joined = String::new();
    for item in items.iter().take(to).skip(from) {
        texts::push_as_javascript(&mut joined, &item, &mut evaluator.budget, 0)?;
    }
    evaluator.budget.made(&joined)?;
    Ok(Value::text(joined))
}

/// From where to where `$substring` goes, of that many characters.
fn places(count: usize, arguments: &[Value<'_>]) -> Outcome<(usize, usize)> {
    #[expect(clippy::cast_precision_loss, reason = "no text has 2^53 characters")]
    let length = count as f64;
    let mut start = numeric(arguments, 1)?.unwrap_or(0.0);
    if length + start < 0.0 {
        start = 0.0;
    }
    let end = match numeric(arguments, 2)? {
        Some(count) if count <= 0.0 => return Ok((0, 0)),
        Some(count) if start >= 0.0 => start + count,
        Some(count) => length + start + count,
        None => length,
    };
    // JavaScript's slice: fractions are cut off, negative places count from the end.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and the length")]
    let place = |at: f64| {
        let at = at.trunc();
        (if at < 0.0 { (length + at).max(0.0) } else { at.min(length) }) as usize
    };
    Ok((place(start), place(end)))
}

pub(super) fn substring_before<'a>(
    evaluator: &mut Evaluator<'a>,
    arguments: &[Value<'a>],
) -> Outcome<Value<'a>> {
    around(evaluator, arguments, |found, _| 0..found.start)
}

pub(super) fn substring_after<'a>(
    evaluator: &mut Evaluator<'a>,
    arguments: &[Value<'a>],
) -> Outcome<Value<'a>> {
    around(evaluator, arguments, |found, length| found.end..length)
}

/// The part before or after the first place where another text is found; the
/// whole text if it is not.
fn around<'a>(
    evaluator: &mut Evaluator<'a>,
    arguments: &[Value<'a>],
    range: impl Fn(std::ops::Range<usize>, usize) -> std::ops::Range<usize>,
) -> Outcome<Value<'a>> {
    let Some(whole) = text(arguments, 0)? else { return Ok(Value::Undefined) };
    // JavaScript looks for the word where there is no text to look for.
    let wanted = text(arguments, 1)?.map_or("undefined", |wanted| &**wanted);
    evaluator.budget.spend(whole.len() / 32)?;
    Ok(Value::Text(match whole.find(wanted) {
        Some(at) => part(whole, range(at..at + wanted.len(), whole.len())),
        None => whole.clone(),
    }))
}

/// A function of one text.
fn map<'a>(
    evaluator: &mut Evaluator<'a>,
    arguments: &[Value<'a>],
    function: impl Fn(&str) -> Result<String, Raised>,
) -> Outcome<Value<'a>> {
    let Some(text) = text(arguments, 0)? else { return Ok(Value::Undefined) };
    evaluator.budget.spend(text.len() / 16)?;
    let made = function(text)?;
    evaluator.budget.made(&made)?;
    Ok(Value::text(made))
}

pub(super) fn lowercase<'a>(evaluator: &mut Evaluator<'a>, arguments: &[Value<'a>]) -> Outcome<Value<'a>> {
    map(evaluator, arguments, |text| Ok(text.to_lowercase()))
}

pub(super) fn uppercase<'a>(evaluator: &mut Evaluator<'a>, arguments: &[Value<'a>]) -> Outcome<Value<'a>> {
    map(evaluator, arguments, |text| Ok(text.to_uppercase()))
}

pub(super) fn base64_encode<'a>(
    evaluator: &mut Evaluator<'a>,
    arguments: &[Value<'a>],
) -> Outcome<Value<'a>> {
    map(evaluator, arguments, |text| Ok(encoding::base64_encode(text)))
}

pub(super) fn base64_decode<'a>(
    evaluator: &mut Evaluator<'a>,
    arguments: &[Value<'a>],
) -> Outcome<Value<'a>> {
    map(evaluator, arguments, |text| Ok(encoding::base64_decode(text)))
}

pub(super) fn encode_url<'a>(evaluator: &mut Evaluator<'a>, arguments: &[Value<'a>]) -> Outcome<Value<'a>> {
    map(evaluator, arguments, |text| Ok(encoding::url_encode(text, Url::Whole)))
}

pub(super) fn encode_url_component<'a>(
    evaluator: &mut Evaluator<'a>,
    arguments: &[Value<'a>],
) -> Outcome<Value<'a>> {
    map(evaluator, arguments, |text| Ok(encoding::url_encode(text, Url::Component)))
}

pub(super) fn decode_url<'a>(evaluator: &mut Evaluator<'a>, arguments: &[Value<'a>]) -> Outcome<Value<'a>> {
    map(evaluator, arguments, |text| encoding::url_decode(text, Url::Whole))
}

pub(super) fn decode_url_component<'a>(
    evaluator: &mut Evaluator<'a>,
    arguments: &[Value<'a>],
) -> Outcome<Value<'a>> {
    map(evaluator, arguments, |text| encoding::url_decode(text, Url::Component))
}

pub(super) fn length<'a>(evaluator: &mut Evaluator<'a>, arguments: &[Value<'a>]) -> Outcome<Value<'a>> {
    let Some(text) = text(arguments, 0)? else { return Ok(Value::Undefined) };
    evaluator.budget.spend(text.len() / 256)?;
    Ok(Value::count(characters(text)))
}

pub(super) fn trim<'a>(evaluator: &mut Evaluator<'a>, arguments: &[Value<'a>]) -> Outcome<Value<'a>> {
    map(evaluator, arguments, |text| {
        let words = text.split([' ', '\t', '\n', '\r']).filter(|word| !word.is_empty());
        Ok(words.collect::<Vec<_>>().join(" "))
    })
}

pub(super) fn pad<'a>(evaluator: &mut Evaluator<'a>, arguments: &[Value<'a>]) -> Outcome<Value<'a>> {
    let Some(whole) = text(arguments, 0)? else { return Ok(Value::Undefined) };
    let Some(width) = numeric(arguments, 1)? else { return Ok(Value::Text(whole.clone())) };
    let filler = text(arguments, 2)?.map_or("", |filler| &**filler);
    let filler = if filler.is_empty() { " " } else { filler };
    #[expect(clippy::cast_precision_loss, reason = "no text has 2^53 characters")]
    let missing = width.abs() - characters(whole) as f64;
    if missing.is_nan() || missing <= 0.0 {
        return Ok(Value::Text(whole.clone()));
    }
    #[expect(clippy::cast_precision_loss, reason = "the limit is small")]
    if missing > evaluator.budget.string_units() as f64 {
        return Err(Failure::memory());
    }
    if missing.fract() != 0.0 {
        return Err(Failure::raised("", "Invalid array length"));
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole, positive and small")]
    let missing = missing as usize;
    evaluator.budget.spend(missing / 8)?;
    evaluator.budget.text(whole.len() + missing)?;
    let padding = filler.chars().cycle().take(missing);
    let made: String = if width > 0.0 {
        whole.chars().chain(padding).collect()
    } else {
        padding.chain(whole.chars()).collect()
    };
    evaluator.budget.made(&made)?;
    Ok(Value::text(made))
}

pub(super) fn join<'a>(evaluator: &mut Evaluator<'a>, arguments: &[Value<'a>]) -> Outcome<Value<'a>> {
    let array = argument(arguments, 0);
    if array.is_undefined() {
        return Ok(Value::Undefined);
    }
    let separator = text(arguments, 1)?.map_or("", |separator| &**separator);
    let mut joined = String::new();
    for (index, item) in array.items().unwrap_or(Items::Made(&[])).iter().enumerate() {
        let Some(item) = item.as_str() else { return Err(wrong_type("string")) };
        if index > 0 {
            joined.push_str(separator);
        }
        evaluator.budget.spend(1)?;
        evaluator.budget.text(item.len() + separator.len())?;
        joined.push_str(item);
        evaluator.budget.grows_to(joined.len())?;
    }
    evaluator.budget.made(&joined)?;
    Ok(Value::text(joined))
}
