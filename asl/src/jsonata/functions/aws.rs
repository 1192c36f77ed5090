//! The functions AWS adds, and those of JSONata whose answer comes from the
//! host. Developer guide, "Transforming data with JSONata".

use serde_json::Value as Json;
use sha2::{Digest as _, Sha256};

use super::super::evaluate::Evaluator;
use super::super::failure::{Failure, Outcome};
use super::super::object::Object;
use super::super::value::{Text, Value};
use super::{argument, mismatch, numeric};
use crate::budget::FIELD_BYTES;
use crate::{digest, java, limits};

/// What an array takes beside its items, in places for items.
const PIECE_PLACES: usize = 6;

/// `$partition(array, size)`: pieces of that many items.
pub(super) fn partition<'a>(evaluator: &mut Evaluator<'a>, arguments: &[Value<'a>]) -> Outcome<Value<'a>> {
    let (array, size) = (argument(arguments, 0), argument(arguments, 1).as_f64());
    let (Some(items), Some(size)) = (array.items(), size) else { return Ok(Value::Undefined) };
    if size < 0.0 {
        return Err(mismatch(2));
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked: not negative")]
    let size = size as usize;
    if size == 0 || items.len() == 0 {
        return Ok(Value::Undefined);
    }
    evaluator.budget.spend(items.len())?;
    evaluator.budget.items(items.len())?;
    evaluator.budget.places(items.len() + items.len().div_ceil(size).saturating_mul(PIECE_PLACES))?;
    let list = items.to_vec();
    Ok(Value::array(list.chunks(size).map(|piece| Value::array(piece.to_vec())).collect()))
}

/// `$range(first, last, step)`: the numbers, truncated, with the last one if it
/// is hit. One number is returned as itself, none as undefined. *Recorded on AWS.*
pub(super) fn range<'a>(evaluator: &mut Evaluator<'a>, arguments: &[Value<'a>]) -> Outcome<Value<'a>> {
    let mut numbers = [0.0_f64; 3];
    for (index, number) in numbers.iter_mut().enumerate() {
        match argument(arguments, index) {
            Value::Undefined => return Ok(Value::Undefined),
            value => *number = value.as_f64().ok_or_else(|| mismatch(index + 1))?.trunc(),
        }
    }
    let [first, last, step] = numbers;
    if step == 0.0 {
        return Err(mismatch(3));
    }
    let count = ((last - first) / step).floor() + 1.0;
    if count.is_nan() || count < 1.0 {
        return Ok(Value::Undefined);
    }
    #[expect(clippy::cast_precision_loss, reason = "the limit is small")]
    if count > limits::JSONATA_RANGE_FUNCTION_ITEMS_MAX as f64 {
        return Err(Failure::memory());
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1 and the limit")]
    let count = count as u32;
    evaluator.budget.spend(count as usize)?;
    evaluator.budget.items(count as usize)?;
    let items = (0..count).map(|index| Value::number(f64::from(index).mul_add(step, first)));
    Ok(Value::sequence(items.collect()))
}

/// `$hash(text, algorithm)`, in lower-case hexadecimal digits.
pub(super) fn hash<'a>(evaluator: &mut Evaluator<'a>, arguments: &[Value<'a>]) -> Outcome<Value<'a>> {
    let text = match argument(arguments, 0) {
        Value::Text(text) => text,
        Value::Undefined => return Ok(Value::Undefined),
        _ => return Err(mismatch(1)),
    };
    evaluator.budget.spend(text.len() / 16)?;
    let algorithm = argument(arguments, 1).as_str();
    match algorithm.and_then(|algorithm| digest::hash(algorithm, text.as_bytes())) {
        Some(digits) => Ok(Value::text(digits)),
        None => Err(mismatch(2)),
    }
}

/// `$parse(text)`: the JSON value written in the text.
pub(super) fn parse<'a>(evaluator: &mut Evaluator<'a>, arguments: &[Value<'a>]) -> Outcome<Value<'a>> {
    let text = match argument(arguments, 0) {
        Value::Text(text) if arguments.get(1).is_none_or(Value::is_undefined) => text,
        Value::Undefined => return Ok(Value::Undefined),
        _ => return Err(mismatch(1)),
    };
    evaluator.budget.spend(text.len() / 4)?;
    let _room = evaluator.budget.reserve(document_bytes(text))?;
    match serde_json::from_str::<Json>(text) {
        Ok(json) => owned(evaluator, json),
        // JavaScript reads infinity, of which the language says this.
        Err(error) if error.to_string().starts_with("number out of range") => {
            Err(Failure::raised("D1001", "Number out of range: null"))
        }
        Err(error) => Err(Failure::raised("D3137", format!("Unable to parse the text as JSON: {error}"))),
    }
}

/// What the document that is written in a text takes in memory at most, in bytes, while it is read.
fn document_bytes(text: &str) -> usize {
    // Arrays and objects double when they are full.
    const VALUE_BYTES: usize = 2 * size_of::<Json>();
    // The first field of an object makes place for three, and for a table.
    const FIELDS_BYTES: usize = 3 * (size_of::<Json>() + FIELD_BYTES);
    let bytes = text.bytes().map(|byte| match byte {
        b',' | b'[' => VALUE_BYTES,
        b'{' => FIELDS_BYTES + VALUE_BYTES,
        b':' => FIELD_BYTES,
        _ => 0,
    });
    text.len() + VALUE_BYTES + bytes.sum::<usize>()
}

/// A JSON value that nobody else holds.
fn owned<'a>(evaluator: &mut Evaluator<'a>, json: Json) -> Outcome<Value<'a>> {
    Ok(match json {
        Json::Null => Value::Null,
        Json::Bool(flag) => Value::Bool(flag),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => Value::Int(whole),
            None => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::text(text),
        Json::Array(items) => {
            evaluator.budget.items(items.len())?;
            let items: Outcome<Vec<Value<'a>>> =
                items.into_iter().map(|item| owned(evaluator, item)).collect();
            Value::array(items?)
        }
        Json::Object(fields) => {
            evaluator.budget.places(fields.len() * 2)?;
            let mut object = Object::with_capacity(fields.len());
            for (key, field) in fields {
                object.insert(Text::from(key), owned(evaluator, field)?);
            }
            Value::object(object.sorted())
        }
    })
}

/// `$random()` continues the host's draw; `$random(seed)` is Java's generator.
pub(super) fn random<'a>(evaluator: &mut Evaluator<'a>, arguments: &[Value<'a>]) -> Outcome<Value<'a>> {
    Ok(Value::number(match numeric(arguments, 0)? {
        None => evaluator.random_number(),
        Some(seed) => {
            #[expect(clippy::cast_possible_truncation, reason = "a seed is a Java long")]
            let seed = seed as i64;
            java::Random::new(seed).next_double()
        }
    }))
}

/// `$uuid()`. The host draws one per evaluation; further ones follow from it.
#[expect(clippy::unnecessary_wraps, reason = "the functions of the table have one form")]
pub(super) fn uuid<'a>(evaluator: &mut Evaluator<'a>, _: &[Value<'a>]) -> Outcome<Value<'a>> {
    let (base, index) = evaluator.next_uuid();
    Ok(Value::text(if index == 0 { base } else { uuid_after(&base, index) }))
}

fn uuid_after(base: &str, index: u64) -> String {
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
