//! Values across the border of the evaluator. Owns how numbers travel.

use indexmap::IndexMap;
use jsonata_core::value::JValue;
use serde_json::{Map, Number, Value};

use super::EvaluationError;
use crate::limits;

/// A JSON value as the evaluator has it. Numbers become `f64`, as in JavaScript.
pub(super) fn from_json(value: &Value) -> JValue {
    match value {
        Value::Null => JValue::Null,
        Value::Bool(flag) => JValue::Bool(*flag),
        Value::Number(number) => JValue::from_f64(number.as_f64().unwrap_or(f64::NAN)),
        Value::String(text) => JValue::string(text.as_str()),
        Value::Array(items) => JValue::array(items.iter().map(from_json).collect()),
        Value::Object(fields) => JValue::object(
            fields.iter().map(|(key, value)| (key.clone(), from_json(value))).collect::<IndexMap<_, _>>(),
        ),
    }
}

/// The result of an evaluation as JSON; `None` for undefined.
pub(super) fn to_json(value: &JValue) -> Result<Option<Value>, EvaluationError> {
    if value.is_undefined() {
        return Ok(None);
    }
    Output { bytes_left: limits::JSONATA_OUTPUT_BYTES_MAX }.convert(value, 0).map(Some)
}

/// Counts what has been converted, so that a small expression cannot ask for a
/// huge answer by sharing the same value many times.
struct Output {
    bytes_left: usize,
}

impl Output {
    fn spend(&mut self, bytes: usize) -> Result<(), EvaluationError> {
        match self.bytes_left.checked_sub(bytes) {
            Some(left) => {
                self.bytes_left = left;
                Ok(())
            }
            None => Err(EvaluationError::memory()),
        }
    }

    fn convert(&mut self, value: &JValue, depth: usize) -> Result<Value, EvaluationError> {
        if depth > limits::JSONATA_RESULT_DEPTH_MAX {
            return Err(EvaluationError::memory());
        }
        self.spend(2)?;
        match value {
            JValue::Null | JValue::Undefined => Ok(Value::Null),
            JValue::Bool(flag) => Ok(Value::Bool(*flag)),
            JValue::Number(number) => Ok(number_to_json(*number)),
            JValue::String(text) => {
                self.spend(text.len())?;
                Ok(Value::String(text.to_string()))
            }
            JValue::Array(items) => {
                let converted: Result<Vec<Value>, EvaluationError> =
                    items.iter().map(|item| self.convert(item, depth + 1)).collect();
                converted.map(Value::Array)
            }
            JValue::Object(fields) => {
                let mut object = Map::new();
                for (key, value) in fields.iter().filter(|(_, value)| !value.is_undefined()) {
                    self.spend(key.len() + 3)?;
                    object.insert(key.clone(), self.convert(value, depth + 1)?);
                }
                Ok(Value::Object(object))
            }
            JValue::Lambda(_) | JValue::Builtin { .. } | JValue::Regex { .. } => {
                Err(EvaluationError::unsupported_result())
            }
        }
    }
}

/// A number as JSON prints it: whole numbers without a fraction, with the
/// shortest digits that mean the same `f64`. JSON has no infinity: AWS answers
/// the text `Infinity`.
fn number_to_json(number: f64) -> Value {
    if !number.is_finite() {
        return Value::String(if number.is_nan() {
            "NaN".to_owned()
        } else if number > 0.0 {
            "Infinity".to_owned()
        } else {
            "-Infinity".to_owned()
        });
    }
    if number == 0.0 {
        return Value::from(0); // also for -0.0, as JSON.stringify
    }
    if number.fract() == 0.0 && number.abs() < 1e21 {
        let digits = format!("{number:.0}");
        // Rust prints the exact value; JavaScript the shortest digits. Both
        // agree below 2^53, where every integer is exact.
        let digits = if number.abs() < 9_007_199_254_740_992.0 { digits } else { format!("{number}") };
        if let Ok(whole) = digits.parse::<i64>() {
            return Value::from(whole);
        }
        if let Ok(whole) = digits.parse::<u64>() {
            return Value::from(whole);
        }
    }
    Number::from_f64(number).map_or(Value::Null, Value::Number)
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
        let there_and_back = to_json(&from_json(&value)).expect("converts");
        assert_eq!(there_and_back, Some(value));
    }

    #[test]
    fn shared_values_cannot_explode() {
        let big = JValue::string("x".repeat(100_000));
        let many = JValue::array(vec![big; 10_000]);
        assert_eq!(to_json(&many), Err(EvaluationError::memory()));
    }

    #[test]
    fn deep_values_are_refused() {
        let mut value = JValue::Null;
        for _ in 0..10_000 {
            value = JValue::array(vec![value]);
        }
        assert_eq!(to_json(&value), Err(EvaluationError::memory()));
    }
}
