//! Functions that look for texts and patterns in a text. A pattern is a regular
//! expression or any function with the protocol of one: it answers with an
//! object that knows where it matched and what comes `next`.

use std::ops::Range;
use std::rc::Rc;

use super::super::budget::Budget;
use super::super::evaluate::Evaluator;
use super::super::failure::{Failure, Outcome};
use super::super::function::Function;
use super::super::object::Object;
use super::super::regex::{Finder, Regex};
use super::super::value::{Items, Text, Value};
use super::string::part;
use super::{argument, numeric, text, wrong_type};
use crate::limits;

/// `next` of a match of a regular expression.
#[derive(Debug)]
pub(in super::super) struct NextMatch<'a> {
    regex: &'a Regex,
    text: Text<'a>,
    from: Place,
}

/// A match, in bytes of the text.
struct Found<'a> {
    start: usize,
    end: usize,
    matched: Text<'a>,
    groups: Vec<Value<'a>>,
}

/// Where to look for the next match.
enum Matcher<'a> {
    Regex { finder: Box<Finder>, from: usize, is_first: bool },
    Function { function: Value<'a>, is_first: bool },
    Done,
}

impl<'a> Matcher<'a> {
    fn new(evaluator: &mut Evaluator<'a>, pattern: &Value<'a>) -> Outcome<Self> {
        match pattern {
            Value::Function(function) => Ok(match &**function {
                Function::Regex(regex, _) => {
                    let finder = Box::new(Finder::new(regex, &mut evaluator.budget)?);
                    Self::Regex { finder, from: 0, is_first: true }
                }
                _ => Self::Function { function: pattern.clone(), is_first: true },
            }),
            Value::Builtin(_) => Ok(Self::Function { function: pattern.clone(), is_first: true }),
            _ => Err(wrong_type("pattern")),
        }
    }

    fn next(&mut self, evaluator: &mut Evaluator<'a>, text: &Text<'a>) -> Outcome<Option<Found<'a>>> {
        match std::mem::replace(self, Self::Done) {
            Self::Done => Ok(None),
            Self::Regex { mut finder, from, is_first } => {
                let found = search(evaluator, &mut finder, text, from, is_first)?;
                if let Some(found) = &found {
                    *self = Self::Regex { finder, from: found.end, is_first: false };
                }
                Ok(found)
            }
            Self::Function { function, is_first } => {
                let arguments = if is_first { vec![Value::Text(text.clone())] } else { Vec::new() };
                let answer = evaluator.apply(&function, arguments, &Value::Null)?;
                let Some(found) = found_by_function(evaluator, &answer, text)? else { return Ok(None) };
                *self = Self::Function { function: answer.field("next"), is_first: false };
                Ok(Some(found))
            }
        }
    }
}

fn search<'a>(
    evaluator: &mut Evaluator<'a>,
    finder: &mut Finder,
    text: &Text<'a>,
    from: usize,
    is_first: bool,
) -> Outcome<Option<Found<'a>>> {
    let budget = &mut evaluator.budget;
    let found =
        if is_first { finder.find_at(text, from, budget)? } else { finder.find_after(text, from, budget)? };
    let Some(found) = found else { return Ok(None) };
    evaluator.budget.places(found.groups.len() + 2)?;
    let mut copied = |range: Range<usize>| {
        evaluator.budget.text(range.len())?;
        Ok(part(text, range))
    };
    let matched = copied(found.start..found.end)?;
    let groups = found.groups.into_iter().map(|group| match group {
        Some(group) => copied(group).map(Value::Text),
        None => Ok(Value::Undefined),
    });
    let groups: Outcome<Vec<Value<'a>>> = groups.collect();
    Ok(Some(Found { start: found.start, end: found.end, matched, groups: groups? }))
}

/// The match a function of the expression's own has answered with.
fn found_by_function<'a>(
    evaluator: &mut Evaluator<'a>,
    answer: &Value<'a>,
    text: &str,
) -> Outcome<Option<Found<'a>>> {
    if answer.is_undefined() {
        return Ok(None);
    }
    let (start, end, groups) = (answer.field("start"), answer.field("end"), answer.field("groups"));
    let is_match = start.as_f64().is_some()
        || end.as_f64().is_some()
        || groups.is_array()
        || answer.field("next").is_function();
    if !is_match {
        return Err(Failure::about_function(
            "T1010",
            "The matcher function argument passed to function ".to_owned(),
            " does not return the correct object structure",
        ));
    }
    // Twice up to any place of the text.
    walk(&mut evaluator.budget, 2 * text.len())?;
    let place = |value: &Value<'_>| value.as_f64().map_or(text.len(), |at| byte_of_unit(text, at));
    let matched = match answer.field("match") {
        Value::Text(matched) => matched,
        _ => Text::Borrowed(""),
    };
    let groups = groups.items().unwrap_or(Items::Made(&[])).to_vec();
    Ok(Some(Found { start: place(&start), end: place(&end), matched, groups }))
}

/// The byte of a place counted in UTF-16 units.
fn byte_of_unit(text: &str, unit: f64) -> usize {
    let mut units = 0.0;
    for (byte, character) in text.char_indices() {
        if units >= unit {
            return byte;
        }
        units += if character.len_utf16() == 2 { 2.0 } else { 1.0 };
    }
    text.len()
}

/// A walk over that many bytes of a text.
fn walk(budget: &mut Budget, bytes: usize) -> Outcome<()> {
    /// About as many are looked at in the time of a step.
    const BYTES_PER_STEP: usize = 64;
    budget.spend(bytes / BYTES_PER_STEP)
}

/// A place in a text, in both ways to count.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    byte: usize,
    unit: usize,
}

impl Place {
    /// The place at a byte of the same text. Matches come in order, so that the walk is short.
    fn moved(self, text: &str, byte: usize, budget: &mut Budget) -> Outcome<Self> {
        let from = if byte < self.byte { Self::default() } else { self };
        let between = text.get(from.byte..byte).unwrap_or_default();
        walk(budget, between.len())?;
        Ok(Self { byte, unit: from.unit + units(between) })
    }
}

fn units(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.encode_utf16().count() }
}

/// `/…/(text, from)`
pub(in super::super) fn call_regex<'a>(
    evaluator: &mut Evaluator<'a>,
    regex: &'a Regex,
    arguments: &[Value<'a>],
) -> Outcome<Value<'a>> {
    let Some(text) = text(arguments, 0)? else { return Ok(Value::Undefined) };
    let budget = &mut evaluator.budget;
    let from = match argument(arguments, 1).as_f64() {
        Some(from) if from > 0.0 => {
            walk(budget, text.len())?;
            Place::default().moved(text, byte_of_unit(text, from), budget)?
        }
        _ => Place::default(),
    };
    let mut finder = Finder::new(regex, budget)?;
    let found = search(evaluator, &mut finder, text, from.byte, true)?;
    found.map_or(Ok(Value::Undefined), |found| as_object(evaluator, regex, (text, from), found))
}

/// `next()` of a match.
pub(in super::super) fn call_next<'a>(
    evaluator: &mut Evaluator<'a>,
    next: &NextMatch<'a>,
) -> Outcome<Value<'a>> {
    let mut finder = Finder::new(next.regex, &mut evaluator.budget)?;
    let found = search(evaluator, &mut finder, &next.text, next.from.byte, false)?;
    let from = (&next.text, next.from);
    found.map_or(Ok(Value::Undefined), |found| as_object(evaluator, next.regex, from, found))
}

/// A match as functions of the expression see it.
fn as_object<'a>(
    evaluator: &mut Evaluator<'a>,
    regex: &'a Regex,
    (text, from): (&Text<'a>, Place),
    found: Found<'a>,
) -> Outcome<Value<'a>> {
    let start = from.moved(text, found.start, &mut evaluator.budget)?;
    let end = start.moved(text, found.end, &mut evaluator.budget)?;
    let next = NextMatch { regex, text: text.clone(), from: end };
    let mut object = Object::with_capacity(5);
    object.insert(Text::Borrowed("match"), Value::Text(found.matched));
    object.insert(Text::Borrowed("start"), Value::count(start.unit));
    object.insert(Text::Borrowed("end"), Value::count(end.unit));
    object.insert(Text::Borrowed("groups"), Value::array(found.groups));
    object.insert(Text::Borrowed("next"), Value::Function(Rc::new(Function::next(next))));
    Ok(Value::object(object))
}

pub(super) fn contains<'a>(evaluator: &mut Evaluator<'a>, arguments: &[Value<'a>]) -> Outcome<Value<'a>> {
    let Some(whole) = text(arguments, 0)? else { return Ok(Value::Undefined) };
    evaluator.budget.spend(whole.len() / 256)?;
    Ok(Value::Bool(match argument(arguments, 1) {
        Value::Text(wanted) => whole.contains(&**wanted),
        Value::Undefined => whole.contains("undefined"),
        pattern => Matcher::new(evaluator, pattern)?.next(evaluator, whole)?.is_some(),
    }))
}

/// A limit of matches: absent, or not negative.
fn limit(arguments: &[Value<'_>], index: usize, code: &'static str, message: &str) -> Outcome<Option<f64>> {
    let limit = numeric(arguments, index)?;
    match limit {
        Some(limit) if limit < 0.0 => Err(Failure::raised(code, message)),
        _ => Ok(limit),
    }
}

/// Whether the limit allows one more.
#[expect(clippy::cast_precision_loss, reason = "no text has 2^53 matches")]
fn allows(limit: Option<f64>, count: usize) -> bool {
    limit.is_none_or(|limit| (count as f64) < limit)
}

/// `$match`
pub(super) fn find<'a>(evaluator: &mut Evaluator<'a>, arguments: &[Value<'a>]) -> Outcome<Value<'a>> {
    let Some(whole) = text(arguments, 0)? else { return Ok(Value::Undefined) };
    let message = "Third argument of match function must evaluate to a positive number";
    let limit = limit(arguments, 2, "D3040", message)?;
    let mut results = Vec::new();
    if allows(limit, 0) {
        let mut matcher = Matcher::new(evaluator, argument(arguments, 1))?;
        let mut place = Place::default();
        let mut next = matcher.next(evaluator, whole)?;
        while let Some(found) = next.take().filter(|_| allows(limit, results.len())) {
            place = place.moved(whole, found.start, &mut evaluator.budget)?;
            let mut object = Object::with_capacity(3);
            object.insert(Text::Borrowed("match"), Value::Text(found.matched));
            object.insert(Text::Borrowed("index"), Value::count(place.unit));
            object.insert(Text::Borrowed("groups"), Value::array(found.groups));
            evaluator.budget.spend(limits::JSONATA_MATCH_STEPS)?;
            evaluator.budget.items(results.len())?;
            results.push(Value::object(object));
            next = matcher.next(evaluator, whole)?;
        }
    }
    Ok(Value::sequence(results))
}

pub(super) fn split<'a>(evaluator: &mut Evaluator<'a>, arguments: &[Value<'a>]) -> Outcome<Value<'a>> {
    let Some(whole) = text(arguments, 0)? else { return Ok(Value::Undefined) };
    let message = "Third argument of split function must evaluate to a positive number";
    let limit = limit(arguments, 2, "D3020", message)?;
    let mut parts: Vec<Value<'a>> = Vec::new();
    if !allows(limit, 0) {
        return Ok(Value::array(parts));
    }
    evaluator.budget.spend(whole.len() / 16)?;
    match argument(arguments, 1) {
        Value::Text(separator) if separator.is_empty() => {
            for character in whole.char_indices() {
                evaluator.budget.items(parts.len())?;
                split_off(&mut parts, whole, character, limit);
            }
            evaluator.budget.items(parts.len())?;
        }
        Value::Text(separator) => {
            // JavaScript counts whole parts only.
            let limit = limit.map(f64::trunc);
            let ends = whole.match_indices(&**separator).map(|(at, _)| at).chain([whole.len()]);
            let mut start = 0;
            for end in ends {
                if !allows(limit, parts.len()) {
                    break;
                }
                evaluator.budget.items(parts.len())?;
                parts.push(Value::Text(part(whole, start..end)));
                start = end + separator.len();
            }
        }
        Value::Undefined => parts.push(Value::Text(whole.clone())),
        pattern => {
            let mut matcher = Matcher::new(evaluator, pattern)?;
            let mut start = 0;
            let mut next = matcher.next(evaluator, whole)?;
            while let Some(found) = next.take().filter(|_| allows(limit, parts.len())) {
                evaluator.budget.items(parts.len())?;
                parts.push(Value::Text(part(whole, start..found.start.max(start))));
                start = found.end;
                next = matcher.next(evaluator, whole)?;
            }
            if allows(limit, parts.len()) {
                parts.push(Value::Text(part(whole, start..whole.len())));
            }
        }
    }
    evaluator.budget.spend(parts.len())?;
    evaluator.budget.items(parts.len())?;
    Ok(Value::array(parts))
}

/// Takes one character for a part. JavaScript splits between UTF-16 units: of a
/// character of two, each half becomes a part, which no Rust text can hold.
fn split_off<'a>(
    parts: &mut Vec<Value<'a>>,
    whole: &Text<'a>,
    (at, character): (usize, char),
    limit: Option<f64>,
) {
    let halves = character.len_utf16();
    for _ in 0..halves {
        if allows(limit.map(f64::trunc), parts.len()) {
            parts.push(Value::Text(match halves {
                1 => part(whole, at..at + character.len_utf8()),
                _ => Text::Borrowed("\u{fffd}"),
            }));
        }
    }
}

pub(super) fn replace<'a>(evaluator: &mut Evaluator<'a>, arguments: &[Value<'a>]) -> Outcome<Value<'a>> {
    let Some(whole) = text(arguments, 0)? else { return Ok(Value::Undefined) };
    let (pattern, replacement) = (argument(arguments, 1), argument(arguments, 2));
    if matches!(pattern, Value::Text(pattern) if pattern.is_empty()) {
        let message = "Second argument of replace function cannot be an empty string";
        return Err(Failure::raised("D3010", message));
    }
    let message = "Fourth argument of replace function must evaluate to a positive number";
    let limit = limit(arguments, 3, "D3011", message)?;
    evaluator.budget.spend(whole.len() / 64)?;
    let mut result = String::with_capacity(whole.len());
    let mut position = 0;
    let mut count = 0;
    if let Value::Text(pattern) = pattern {
        for (at, _) in whole.match_indices(&**pattern) {
            if !allows(limit, count) {
                break;
            }
            // A function is only called for matches of a pattern. Here JavaScript
            // puts the source text of its own wrapper; ours has none.
            let replacement = replacement.as_str().unwrap_or("function");
            push(evaluator, &mut result, whole.get(position..at).unwrap_or_default())?;
            push(evaluator, &mut result, replacement)?;
            position = at + pattern.len();
            count += 1;
        }
    } else if allows(limit, 0) {
        let mut matcher = Matcher::new(evaluator, pattern)?;
        let mut next = matcher.next(evaluator, whole)?;
        let mut place = Place::default();
        while let Some(found) = next.take().filter(|_| allows(limit, count)) {
            push(evaluator, &mut result, whole.get(position..found.start).unwrap_or_default())?;
            position = found.start + found.matched.len();
            if let Value::Text(template) = replacement {
                fill(evaluator, &mut result, template, &found)?;
            } else {
                place = place.moved(whole, found.start, &mut evaluator.budget)?;
                let end = place.moved(whole, found.end, &mut evaluator.budget)?;
                evaluator.budget.spend(limits::JSONATA_MATCH_STEPS)?;
                let object = match_object(&found, place, end);
                let answer = evaluator.apply(replacement, vec![object], &Value::Null)?;
                let Value::Text(answer) = answer else { return Err(not_a_string()) };
                push(evaluator, &mut result, &answer)?;
            }
            count += 1;
            next = matcher.next(evaluator, whole)?;
        }
    }
    if count == 0 {
        return Ok(Value::Text(whole.clone()));
    }
    push(evaluator, &mut result, whole.get(position..).unwrap_or_default())?;
    evaluator.budget.made(&result)?;
    Ok(Value::text(result))
}

fn not_a_string() -> Failure {
    Failure::raised("D3012", "Attempted to replace a matched string with a non-string value")
}

fn push(evaluator: &mut Evaluator<'_>, result: &mut String, part: &str) -> Outcome<()> {
    evaluator.budget.spend(1)?;
    evaluator.budget.text(part.len())?;
    result.push_str(part);
    evaluator.budget.grows_to(result.len())
}

/// A match as a function that replaces it sees it.
fn match_object<'a>(found: &Found<'a>, start: Place, end: Place) -> Value<'a> {
    let mut object = Object::with_capacity(4);
    object.insert(Text::Borrowed("match"), Value::Text(found.matched.clone()));
    object.insert(Text::Borrowed("start"), Value::count(start.unit));
    object.insert(Text::Borrowed("end"), Value::count(end.unit));
    object.insert(Text::Borrowed("groups"), Value::array(found.groups.clone()));
    Value::object(object)
}

/// Puts the match into the template and that to the result: `$0` is all of it,
/// `$1` its first group, `$$` a dollar. A number takes as many digits as there are groups.
fn fill(
    evaluator: &mut Evaluator<'_>,
    result: &mut String,
    template: &str,
    found: &Found<'_>,
) -> Outcome<()> {
    walk(&mut evaluator.budget, template.len())?;
    let mut rest = template;
    while let Some(at) = rest.find('$') {
        push(evaluator, result, rest.get(..at).unwrap_or_default())?;
        rest = rest.get(at + 1..).unwrap_or_default();
        let (text, length) = match rest.bytes().next() {
            Some(b'$') => ("$", 1),
            Some(b'0') => (&*found.matched, 1),
            _ => match group_number(rest, found.groups.len()) {
                Some((group, digits)) => {
                    let group = group.checked_sub(1).and_then(|at| found.groups.get(at));
                    (group.and_then(Value::as_str).unwrap_or_default(), digits)
                }
                None => ("$", 0),
            },
        };
        push(evaluator, result, text)?;
        rest = rest.get(length..).unwrap_or_default();
    }
    push(evaluator, result, rest)
}

/// The number of a group behind a dollar, and how many digits it has. One that is
/// larger than there are groups is one of a digit less.
fn group_number(text: &str, groups: usize) -> Option<(usize, usize)> {
    let most = groups.checked_ilog10().map_or(1, |digits| digits as usize + 1);
    let digits = text.bytes().take(most).take_while(u8::is_ascii_digit).count();
    let number = |digits: usize| text.get(..digits)?.parse::<usize>().ok().map(|number| (number, digits));
    match number(digits)? {
        (group, digits) if most > 1 && group > groups && digits == most => number(most - 1),
        found => Some(found),
    }
}
