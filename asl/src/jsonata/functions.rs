//! The functions an expression has beyond the evaluator's own: AWS's additions,
//! those whose answer comes from the host, and the guards.

use std::cell::{Cell, RefCell};

use jsonata_core::evaluator::{Evaluator, EvaluatorError, HostFnResult};
use jsonata_core::value::JValue;
use md5::Md5;
use serde_json::Value;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};

use super::analysis::Facts;
use super::random::{JavaRandom, Stream};
use super::wording::MEMORY;
use super::{convert, guard};
use crate::limits;
use crate::template::Host;

/// All texts one evaluation may make, in bytes. Ours: enough for a hundred of
/// the longest, and far from what a machine has.
const TEXT_BYTES_TOTAL_MAX: usize = 256 * 1024 * 1024;
/// The largest number `$formatInteger` writes in Roman numerals. Ours: one `M`
/// per thousand, and the evaluator is slow at it.
const ROMAN_MAX: f64 = 4_000_000.0;
/// A picture string, in characters. Ours: the evaluator makes room for every
/// digit a picture asks for, and fails on some that ask for very many.
const PICTURE_CHARS_MAX: usize = 1_000;
/// Digits of a year in a picture. Ours: a power of ten the evaluator can hold.
const YEAR_DIGITS_MAX: usize = 18;

/// Gives the evaluator the functions the expression uses.
pub(super) fn register(
    evaluator: &mut Evaluator,
    facts: &Facts,
    guarded: bool,
    host: &dyn Host,
) -> Result<(), EvaluatorError> {
    if facts.uses("eval") {
        evaluator.register_fn_override("eval", |_: &[JValue]| {
            Err(EvaluatorError::TypeError("T1006: Attempted to invoke a non-function".to_owned()))
        })?;
    }
    register_time(evaluator, facts, host)?;
    register_randomness(evaluator, facts, host)?;
    if facts.uses("partition") {
        evaluator.register_fn("partition", partition)?;
    }
    if facts.uses("range") {
        evaluator.register_fn("range", range)?;
    }
    if facts.uses("hash") {
        evaluator.register_fn("hash", hash)?;
    }
    if facts.uses("parse") {
        evaluator.register_fn("parse", parse)?;
    }
    if guarded { register_guards(evaluator) } else { Ok(()) }
}

fn register_time(evaluator: &mut Evaluator, facts: &Facts, host: &dyn Host) -> Result<(), EvaluatorError> {
    if !facts.uses("now") && !facts.uses("millis") {
        return Ok(());
    }
    // JSONata takes the time once per evaluation.
    let now = host.now_millis();
    #[expect(clippy::cast_precision_loss, reason = "JSONata's numbers are f64; exact for 285,000 years")]
    let millis = move |_: &[JValue]| Ok(JValue::from_f64(now as f64));
    evaluator.register_fn_override("millis", millis)?;
    evaluator.register_fn_override(guard::MILLIS, millis)?;
    evaluator.register_fn_override("now", move |_: &[JValue]| match jiff::Timestamp::from_millisecond(now) {
        Ok(time) => Ok(JValue::string(format!("{time:.3}"))),
        Err(_) => Ok(JValue::Undefined),
    })
}

fn register_randomness(
    evaluator: &mut Evaluator,
    facts: &Facts,
    host: &dyn Host,
) -> Result<(), EvaluatorError> {
    if facts.uses("random") || facts.uses("shuffle") {
        let stream = std::rc::Rc::new(RefCell::new(Stream::new(host.random())));
        let shuffled = std::rc::Rc::clone(&stream);
        evaluator.register_fn_override("random", move |args: &[JValue]| match args {
            [] | [JValue::Undefined] => Ok(JValue::from_f64(stream.borrow_mut().next_double())),
            [JValue::Number(seed)] => {
                #[expect(clippy::cast_possible_truncation, reason = "a seed is a Java long")]
                let seed = *seed as i64;
                Ok(JValue::from_f64(JavaRandom::new(seed).next_double()))
            }
            [_] => Err(signature(1, "random")),
            _ => Err(signature(2, "random")),
        })?;
        evaluator.register_fn_override("shuffle", move |args: &[JValue]| match args {
            [JValue::Undefined] => Ok(JValue::Undefined),
            [JValue::Array(items)] => Ok(shuffle(items.to_vec(), &mut shuffled.borrow_mut())),
            [value] => Ok(JValue::array(vec![value.clone()])),
            _ => Err(signature(1, "shuffle")),
        })?;
    }
    if facts.uses("uuid") {
        let base = host.uuid();
        let count = Cell::new(0_u64);
        evaluator.register_fn("uuid", move |_: &[JValue]| {
            let index = count.replace(count.get() + 1);
            Ok(JValue::string(if index == 0 { base.clone() } else { next_uuid(&base, index) }))
        })?;
    }
    Ok(())
}

/// Fisher and Yates, from the back.
fn shuffle(mut items: Vec<JValue>, stream: &mut Stream) -> JValue {
    for last in (1..items.len()).rev() {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of a length is a position"
        )]
        let other = (stream.next_double() * (last + 1) as f64) as usize;
        items.swap(last, other.min(last));
    }
    JValue::array(items)
}

/// The host draws one UUID per evaluation; further ones follow from it.
fn next_uuid(base: &str, index: u64) -> String {
    let digest = Sha256::new().chain_update(base).chain_update(index.to_be_bytes()).finalize();
    let mut bytes = [0_u8; 16];
    bytes.iter_mut().zip(digest.iter()).for_each(|(byte, random)| *byte = *random);
    let number = u128::from_be_bytes(bytes);
    let version = 0xF000_u128 << 64;
    let variant = 0xC000_u128 << 48;
    let number = (number & !version & !variant) | (0x4000_u128 << 64) | (0x8000_u128 << 48);
    let hex = format!("{number:032x}");
    let part = |range: std::ops::Range<usize>| hex.get(range).unwrap_or_default();
    format!("{}-{}-{}-{}-{}", part(0..8), part(8..12), part(12..16), part(16..20), part(20..32))
}

/// The error of a function that got the wrong kind of argument.
fn signature(argument: usize, function: &str) -> EvaluatorError {
    EvaluatorError::TypeError(format!(
        "T0410: Argument {argument} of function \"{function}\" does not match function signature"
    ))
}

fn memory() -> EvaluatorError {
    EvaluatorError::EvaluationError(MEMORY.to_owned())
}

/// `$partition(array, size)`: pieces of that many items.
fn partition(args: &[JValue]) -> HostFnResult {
    let (JValue::Array(items), JValue::Number(size)) = (argument(args, 0), argument(args, 1)) else {
        return Ok(JValue::Undefined);
    };
    if *size < 0.0 {
        return Err(signature(2, "partition"));
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked: not negative")]
    let size = *size as usize;
    if size == 0 || items.is_empty() {
        return Ok(JValue::Undefined);
    }
    Ok(JValue::array(items.chunks(size).map(|piece| JValue::array(piece.to_vec())).collect()))
}

/// `$range(first, last, step)`: the numbers, truncated, with the last one if it
/// is hit. One number is returned as itself, none as undefined.
fn range(args: &[JValue]) -> HostFnResult {
    let mut numbers = [0.0_f64; 3];
    for (index, number) in numbers.iter_mut().enumerate() {
        match argument(args, index) {
            JValue::Number(value) => *number = value.trunc(),
            JValue::Undefined => return Ok(JValue::Undefined),
            _ => return Err(signature(index + 1, "range")),
        }
    }
    let [first, last, step] = numbers;
    if step == 0.0 {
        return Err(signature(3, "range"));
    }
    let count = ((last - first) / step).floor() + 1.0;
    if count < 1.0 {
        return Ok(JValue::Undefined);
    }
    #[expect(clippy::cast_precision_loss, reason = "the limit is small")]
    if count > limits::JSONATA_RANGE_FUNCTION_ITEMS_MAX as f64 {
        return Err(memory());
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1 and the limit")]
    let count = count as u32;
    let mut items: Vec<JValue> =
        (0..count).map(|index| JValue::from_f64(f64::from(index).mul_add(step, first))).collect();
    if let (1, Some(only)) = (count, items.pop()) {
        return Ok(only);
    } else if count > 1 {
        items.push(JValue::from_f64(f64::from(count - 1).mul_add(step, first)));
    }
    Ok(JValue::array(items))
}

/// `$hash(text, algorithm)`, in lower-case hexadecimal digits.
fn hash(args: &[JValue]) -> HostFnResult {
    let text = match argument(args, 0) {
        JValue::String(text) => text,
        JValue::Undefined => return Ok(JValue::Undefined),
        _ => return Err(signature(1, "hash")),
    };
    let JValue::String(algorithm) = argument(args, 1) else { return Err(signature(2, "hash")) };
    let bytes = text.as_bytes();
    let digest = match &**algorithm {
        "MD5" => hex(&Md5::digest(bytes)),
        "SHA-1" => hex(&Sha1::digest(bytes)),
        "SHA-256" => hex(&Sha256::digest(bytes)),
        "SHA-384" => hex(&Sha384::digest(bytes)),
        "SHA-512" => hex(&Sha512::digest(bytes)),
        _ => return Err(signature(2, "hash")),
    };
    Ok(JValue::string(digest))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// `$parse(text)`: the JSON value written in the text.
fn parse(args: &[JValue]) -> HostFnResult {
    match args {
        [JValue::Undefined] => Ok(JValue::Undefined),
        [JValue::String(text)] => match serde_json::from_str::<Value>(text) {
            Ok(value) => Ok(convert::from_json(&value)),
            Err(error) => Err(EvaluatorError::EvaluationError(format!(
                "D3137: Unable to parse the text as JSON: {error}"
            ))),
        },
        _ => Err(signature(1, "parse")),
    }
}

fn argument(args: &[JValue], index: usize) -> &JValue {
    args.get(index).unwrap_or(&JValue::Undefined)
}

fn register_guards(evaluator: &mut Evaluator) -> Result<(), EvaluatorError> {
    let total = Cell::new(0_usize);
    evaluator.register_fn(guard::TEXT, move |args: &[JValue]| {
        let value = argument(args, 0);
        if let JValue::String(text) = value {
            total.set(total.get().saturating_add(text.len()));
            if total.get() > TEXT_BYTES_TOTAL_MAX || is_too_long(text) {
                return Err(memory());
            }
        }
        Ok(value.clone())
    })?;
    evaluator.register_fn(guard::FITS, |args: &[JValue]| {
        let value = argument(args, 0);
        let mut left = limits::JSONATA_STRING_UNITS_MAX;
        if fits(value, &mut left) { Ok(value.clone()) } else { Err(memory()) }
    })?;
    evaluator.register_fn(guard::WIDTH, |args: &[JValue]| match argument(args, 0) {
        #[expect(clippy::cast_precision_loss, reason = "the limit is small")]
        JValue::Number(width) if width.abs() > limits::JSONATA_STRING_UNITS_MAX as f64 => Err(memory()),
        value => Ok(value.clone()),
    })?;
    evaluator.register_fn(guard::PICTURE, |args: &[JValue]| match argument(args, 0) {
        JValue::String(picture) if picture.chars().nth(PICTURE_CHARS_MAX).is_some() => {
            Err(EvaluatorError::EvaluationError(format!(
                "The picture string is longer than {PICTURE_CHARS_MAX} characters"
            )))
        }
        JValue::String(picture) if asks_for_too_much(picture) => Err(memory()),
        value => Ok(value.clone()),
    })?;
    evaluator.register_fn(guard::ROMAN, |args: &[JValue]| match (argument(args, 0), argument(args, 1)) {
        (JValue::Number(number), JValue::String(picture))
            if picture.starts_with(['i', 'I']) && number.abs() > ROMAN_MAX =>
        {
            Err(memory())
        }
        (value, _) => Ok(value.clone()),
    })?;
    evaluator.register_fn(guard::REPLACED, |args: &[JValue]| match (argument(args, 0), argument(args, 1)) {
        (JValue::String(text), JValue::String(replacement))
            if (text.len() + 1).saturating_mul(replacement.len()) > TEXT_BYTES_TOTAL_MAX =>
        {
            Err(memory())
        }
        (value, _) => Ok(value.clone()),
    })
}

/// Whether a marker of a date picture, as `[Y0001]` or `[H,2-4]`, is wider than
/// a picture may be, or a year has more digits than the evaluator can count.
fn asks_for_too_much(picture: &str) -> bool {
    let picture = picture.replace("[[", "");
    let mut markers = picture.split('[').skip(1).map(|rest| rest.split(']').next().unwrap_or(rest));
    markers.any(|marker| {
        let marker: String = marker.split_whitespace().collect();
        let (form, width) = marker.rsplit_once(',').unwrap_or((&marker, ""));
        let is_year = marker.starts_with('Y');
        let widest = if is_year { YEAR_DIGITS_MAX } else { PICTURE_CHARS_MAX };
        // Not a number, or none that fits: the evaluator ignores it.
        let is_wide = |part: &str| part.parse::<usize>().is_ok_and(|width| width > widest);
        (is_year && form.len() > 1 + YEAR_DIGITS_MAX) || width.split('-').any(is_wide)
    })
}

fn is_too_long(text: &str) -> bool {
    text.len() > limits::JSONATA_STRING_UNITS_MAX
        && text.encode_utf16().count() > limits::JSONATA_STRING_UNITS_MAX
}

/// Whether the value, printed, has no more bytes than are left.
fn fits(value: &JValue, left: &mut usize) -> bool {
    let mut spend = |bytes: usize| match left.checked_sub(bytes) {
        Some(rest) => {
            *left = rest;
            true
        }
        None => false,
    };
    match value {
        JValue::String(text) => spend(if is_too_long(text) { usize::MAX } else { text.len() / 4 + 1 }),
        JValue::Array(items) => spend(1) && items.iter().all(|item| fits(item, left)),
        JValue::Object(fields) => {
            spend(1)
                && fields.iter().all(|(key, value)| match left.checked_sub(key.len()) {
                    Some(rest) => {
                        *left = rest;
                        fits(value, left)
                    }
                    None => false,
                })
        }
        _ => spend(1),
    }
}
