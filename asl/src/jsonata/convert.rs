//! Values on their way out. Owns how numbers become JSON.

use serde_json::{Map, Number, Value as Json};

use super::failure::{Failure, Outcome};
use super::value::Value;
use crate::budget::{FIELD_BYTES, StateBudget};
use crate::{limits, quote};

/// The result of an evaluation as JSON; `None` for undefined. As AWS has it:
/// no function may be in it, and what is not finite is a text.
pub(super) fn to_json(value: &Value<'_>, state: &StateBudget) -> Outcome<Option<Json>> {
    if value.is_undefined() {
        return Ok(None);
    }
    let mut output = Output { bytes_left: limits::JSONATA_OUTPUT_BYTES_MAX, purpose: Purpose::Result(state) };
    output.convert(value, 0).map(Some)
}

/// The value as JavaScript's `JSON.stringify` has it, as far as a cause can quote it.
pub(super) fn quoted(value: &Value<'_>) -> Option<String> {
    to_lenient_json(value, quote::BYTES_MAX).map(|json| quote::json(&json))
}

/// The value as JavaScript's `JSON.stringify` has it: functions are left out,
/// what is not finite is null. Of a large one, no more than that many bytes.
pub(super) fn to_lenient_json(value: &Value<'_>, bytes_max: usize) -> Option<Json> {
    if value.is_undefined() || value.is_function() {
        return None;
    }
    let mut output = Output { bytes_left: bytes_max, purpose: Purpose::Message };
    output.convert(value, 0).ok()
}

/// Counts what has been converted, so that a small expression cannot ask for a
/// huge answer by sharing the same value many times.
struct Output<'b> {
    bytes_left: usize,
    purpose: Purpose<'b>,
}

#[derive(Clone, Copy)]
enum Purpose<'b> {
    /// The state the result is for pays for it.
    Result(&'b StateBudget),
    /// A message shows no more of it than there is room for.
    Message,
}

impl Output<'_> {
    const fn is_lenient(&self) -> bool {
        matches!(self.purpose, Purpose::Message)
    }

    /// Whether the message is full: what comes now would be cut off.
    const fn is_full(&self) -> bool {
        self.is_lenient() && self.bytes_left == 0
    }

    /// Counts text, and what there is in memory beside it.
    fn spend(&mut self, bytes: usize, beside: usize) -> Outcome<()> {
        let left = self.bytes_left.checked_sub(bytes);
        self.bytes_left = left.unwrap_or(0);
        if let Purpose::Result(state) = self.purpose {
            left.ok_or_else(Failure::memory)?;
            state.makes(bytes + beside)?;
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Outcome<Json> {
        let end = text.floor_char_boundary(self.bytes_left);
        let text = if self.is_lenient() { text.get(..end).unwrap_or_default() } else { text };
        self.spend(text.len(), 0)?;
        Ok(Json::String(text.to_owned()))
    }

    fn convert(&mut self, value: &Value<'_>, depth: usize) -> Outcome<Json> {
        if depth > limits::JSONATA_RESULT_DEPTH_MAX {
            return Err(Failure::memory());
        }
        self.spend(2, size_of::<Json>())?;
        match value {
            Value::Null | Value::Undefined | Value::Tuple(_) | Value::TailCall(_) => Ok(Json::Null),
            Value::Bool(flag) => Ok(Json::Bool(*flag)),
            Value::Int(number) => Ok(Json::from(*number)),
            Value::Float(number) if self.is_lenient() && !number.is_finite() => Ok(Json::Null),
            Value::Float(number) => Ok(number_to_json(*number)),
            Value::Text(text) => self.text(text),
            Value::JsonArray(items) => self.copy_items(items, depth),
            Value::Array(array) => {
                let mut items = Vec::new();
                for item in &array.items {
                    if self.is_full() {
                        break;
                    }
                    items.push(self.convert(item, depth + 1)?);
                }
                Ok(Json::Array(items))
            }
            Value::JsonObject(fields) => self.copy_fields(fields, depth),
            Value::Object(object) => {
                let mut fields = Map::new();
                for (key, value) in object.iter() {
                    if self.is_full() {
                        break;
                    }
                    if value.is_undefined() || (self.is_lenient() && value.is_function()) {
                        continue;
                    }
                    self.spend(key.len() + 3, FIELD_BYTES)?;
                    fields.insert((**key).to_owned(), self.convert(value, depth + 1)?);
                }
                Ok(Json::Object(fields))
            }
            Value::Builtin(_) | Value::Function(_) if self.is_lenient() => Ok(Json::Null),
            Value::Builtin(_) | Value::Function(_) => Err(Failure::unsupported_result()),
        }
    }

    /// A value of the caller's goes out as it came in.
    fn copy(&mut self, value: &Json, depth: usize) -> Outcome<Json> {
        if depth > limits::JSONATA_RESULT_DEPTH_MAX {
            return Err(Failure::memory());
        }
        self.spend(2, size_of::<Json>())?;
        match value {
            Json::String(text) => self.text(text),
            Json::Array(items) => self.copy_items(items, depth),
            Json::Object(fields) => self.copy_fields(fields, depth),
            _ => Ok(value.clone()),
        }
    }

    fn copy_items(&mut self, items: &[Json], depth: usize) -> Outcome<Json> {
        let mut copies = Vec::new();
        for item in items {
            if self.is_full() {
                break;
            }
            copies.push(self.copy(item, depth + 1)?);
        }
        Ok(Json::Array(copies))
    }

    fn copy_fields(&mut self, fields: &Map<String, Json>, depth: usize) -> Outcome<Json> {
        let mut copy = Map::new();
        for (key, value) in fields {
            if self.is_full() {
                break;
            }
            self.spend(key.len() + 3, FIELD_BYTES)?;
            copy.insert(key.clone(), self.copy(value, depth + 1)?);
        }
        Ok(Json::Object(copy))
    }
}

/// A number as JSON prints it: whole numbers without a fraction, with the
/// shortest digits that mean the same `f64`. JSON has no infinity: AWS answers
/// the text `Infinity`.
fn number_to_json(number: f64) -> Json {
    if !number.is_finite() {
        return Json::String(super::number::to_text(number));
    }
    if number == 0.0 {
        return Json::from(0); // also for -0.0, as JSON.stringify
    }
    if number.fract() == 0.0 && number.abs() < 1e21 {
        let digits = super::number::to_text(number);
        if let Ok(whole) = digits.parse::<i64>() {
            return Json::from(whole);
        }
        if let Ok(whole) = digits.parse::<u64>() {
            return Json::from(whole);
        }
    }
    Number::from_f64(number).map_or(Json::Null, Json::Number)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_come_out_as_json_prints_them() {
        for (number, text) in [
            (179.0, "179"),
            (-0.0, "0"),
            (0.5, "0.5"),
            (-3.0, "-3"),
            (9_007_199_254_740_991.0, "9007199254740991"),
            (9_223_372_036_854_775_808.0, "9223372036854776000"),
            (1e300, "1e+300"),
        ] {
            assert_eq!(number_to_json(number).to_string(), text);
        }
        assert_eq!(number_to_json(f64::INFINITY), json!("Infinity"));
        assert_eq!(number_to_json(f64::NEG_INFINITY), json!("-Infinity"));
    }

    #[test]
    fn values_survive_the_round_trip() {
        let value = json!({"b": [1, 2.5, "x", null, true, {"a": []}], "a": {}});
        assert_eq!(
            to_json(&Value::from_json(&value), &StateBudget::new()).expect("converts"),
            Some(value.clone())
        );
    }

    #[test]
    fn shared_values_cannot_explode() {
        let big = Value::text("x".repeat(100_000));
        let state = StateBudget::new();
        let error = to_json(&Value::array(vec![big.clone(); 10_000]), &state).expect_err("too much");
        assert_eq!(crate::jsonata::EvaluationError::from(error).kind, crate::jsonata::FailureKind::Bound);
        // Ten results that are allowed on their own are too much for one state.
        let large = Value::array(vec![big; 100]);
        let made = (0..10).take_while(|_| to_json(&large, &state).is_ok()).count();
        assert!((1..10).contains(&made), "{made}");
        let error = crate::jsonata::EvaluationError::from(to_json(&large, &state).expect_err("too much"));
        assert_eq!(error.kind, crate::jsonata::FailureKind::TooLarge);
    }

    #[test]
    fn a_message_shows_no_more_than_fits() {
        let shown = quoted(&Value::array(vec![Value::text("x".repeat(100_000)); 1_000])).expect("an array");
        assert_eq!(shown.chars().count(), limits::CAUSE_CHARS_MAX);
        let many = Value::array((0..1_000_000).map(Value::Int).collect());
        let shown = quoted(&many).expect("an array");
        assert_eq!(shown.chars().count(), limits::CAUSE_CHARS_MAX);
        assert!(shown.starts_with("[0,1,2,"));
    }

    #[test]
    fn deep_values_are_refused_and_given_back() {
        let mut value = Value::Null;
        for _ in 0..200_000 {
            value = Value::array(vec![value]);
        }
        assert!(to_json(&value, &StateBudget::new()).is_err());
    }
}
