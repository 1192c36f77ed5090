//! Values on their way out. Owns how numbers become JSON.

use serde_json::{Map, Number, Value as Json};

use super::failure::{Failure, Outcome};
use super::value::Value;
use crate::limits;

/// The result of an evaluation as JSON; `None` for undefined. As AWS has it:
/// no function may be in it, and what is not finite is a text.
pub(super) fn to_json(value: &Value<'_>) -> Outcome<Option<Json>> {
    if value.is_undefined() {
        return Ok(None);
    }
    let mut output = Output { bytes_left: limits::JSONATA_OUTPUT_BYTES_MAX, is_lenient: false };
    output.convert(value, 0).map(Some)
}

/// The value as JavaScript's `JSON.stringify` has it: functions are left out,
/// what is not finite is null. For messages, which show values that way.
pub(super) fn to_lenient_json(value: &Value<'_>) -> Option<Json> {
    if value.is_undefined() || value.is_function() {
        return None;
    }
    let mut output = Output { bytes_left: limits::JSONATA_OUTPUT_BYTES_MAX, is_lenient: true };
    output.convert(value, 0).ok()
}

/// Counts what has been converted, so that a small expression cannot ask for a
/// huge answer by sharing the same value many times.
struct Output {
    bytes_left: usize,
    is_lenient: bool,
}

impl Output {
    fn spend(&mut self, bytes: usize) -> Outcome<()> {
        match self.bytes_left.checked_sub(bytes) {
            Some(left) => {
                self.bytes_left = left;
                Ok(())
            }
            None => Err(Failure::memory()),
        }
    }

    fn convert(&mut self, value: &Value<'_>, depth: usize) -> Outcome<Json> {
        if depth > limits::JSONATA_RESULT_DEPTH_MAX {
            return Err(Failure::memory());
        }
        self.spend(2)?;
        match value {
            Value::Null | Value::Undefined | Value::Tuple(_) | Value::TailCall(_) => Ok(Json::Null),
            Value::Bool(flag) => Ok(Json::Bool(*flag)),
            Value::Int(number) => Ok(Json::from(*number)),
            Value::Float(number) if self.is_lenient && !number.is_finite() => Ok(Json::Null),
            Value::Float(number) => Ok(number_to_json(*number)),
            Value::Text(text) => {
                self.spend(text.len())?;
                Ok(Json::String((**text).to_owned()))
            }
            Value::JsonArray(items) => {
                items.iter().map(|item| self.copy(item, depth + 1)).collect::<Outcome<_>>().map(Json::Array)
            }
            Value::Array(array) => {
                let items = array.items.iter();
                items.map(|item| self.convert(item, depth + 1)).collect::<Outcome<_>>().map(Json::Array)
            }
            Value::JsonObject(fields) => self.copy_fields(fields, depth),
            Value::Object(object) => {
                let mut fields = Map::with_capacity(object.len());
                for (key, value) in object.iter() {
                    if value.is_undefined() || (self.is_lenient && value.is_function()) {
                        continue;
                    }
                    self.spend(key.len() + 3)?;
                    fields.insert((**key).to_owned(), self.convert(value, depth + 1)?);
                }
                Ok(Json::Object(fields))
            }
            Value::Builtin(_) | Value::Function(_) if self.is_lenient => Ok(Json::Null),
            Value::Builtin(_) | Value::Function(_) => Err(Failure::unsupported_result()),
        }
    }

    /// A value of the caller's goes out as it came in.
    fn copy(&mut self, value: &Json, depth: usize) -> Outcome<Json> {
        if depth > limits::JSONATA_RESULT_DEPTH_MAX {
            return Err(Failure::memory());
        }
        self.spend(2)?;
        match value {
            Json::String(text) => self.spend(text.len())?,
            Json::Array(items) => {
                let items = items.iter();
                return items.map(|item| self.copy(item, depth + 1)).collect::<Outcome<_>>().map(Json::Array);
            }
            Json::Object(fields) => return self.copy_fields(fields, depth),
            _ => {}
        }
        Ok(value.clone())
    }

    fn copy_fields(&mut self, fields: &Map<String, Json>, depth: usize) -> Outcome<Json> {
        let mut copy = Map::with_capacity(fields.len());
        for (key, value) in fields {
            self.spend(key.len() + 3)?;
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
        assert_eq!(to_json(&Value::from_json(&value)).expect("converts"), Some(value.clone()));
    }

    #[test]
    fn shared_values_cannot_explode() {
        let big = Value::text("x".repeat(100_000));
        let error = to_json(&Value::array(vec![big; 10_000])).expect_err("too much");
        assert_eq!(crate::jsonata::EvaluationError::from(error).kind, crate::jsonata::FailureKind::Bound);
    }

    #[test]
    fn deep_values_are_refused_and_given_back() {
        let mut value = Value::Null;
        for _ in 0..200_000 {
            value = Value::array(vec![value]);
        }
        assert!(to_json(&value).is_err());
    }
}
