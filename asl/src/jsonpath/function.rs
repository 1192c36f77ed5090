//! The functions a path can end in: `.length()`, `.sum()`, `.keys()` and so on.

use std::borrow::Cow;

use serde_json::{Number, Value};

use super::error::{Failure, Kind};
use super::evaluate::{Budget, Demand, answer};
use super::token::{Argument, Compiled, Token};
use crate::java;

/// Calls a function on the value the path has come to.
pub(super) fn call(
    name: &str,
    arguments: &[Argument],
    value: &Value,
    root: &Value,
    budget: &Budget,
) -> Result<Value, Failure> {
    let call = Call { arguments, value, root, budget };
    match name {
        "length" | "size" => call.length(),
        "keys" => Ok(match value {
            Value::Object(fields) => {
                budget.steps(fields.len())?;
                Value::Array(fields.keys().cloned().map(Value::String).collect())
            }
            _ => Value::Null,
        }),
        "avg" | "stddev" | "sum" | "min" | "max" => aggregate(name, &call.numbers()?),
        "concat" => call.concat(),
        "append" => call.append(),
        "first" => call.nth(0),
        "last" => call.nth(-1),
        "index" => {
            let position = call.argument_values()?.iter().find_map(Value::as_f64);
            let position = position.ok_or_else(|| other("The index of a sequence is missing"))?;
            #[expect(clippy::cast_possible_truncation, reason = "Java's intValue truncates, too")]
            call.nth(position as i64)
        }
        _ => Err(Failure::invalid(format!("Function with name: {name} does not exist."))),
    }
}

/// How many bytes of memory one byte of JSON text takes at most: `[0,0]`.
const JSON_TEXT_WEIGHT: usize = size_of::<Value>() / 2;

struct Call<'c> {
    arguments: &'c [Argument],
    value: &'c Value,
    root: &'c Value,
    budget: &'c Budget,
}

impl<'c> Call<'c> {
    fn argument(&self, argument: &'c Argument) -> Result<Cow<'c, Value>, Failure> {
        match argument {
            Argument::Path(path) => answer(path, self.root, self.root, Demand::Some, self.budget),
            Argument::Json(text) => {
                self.budget.bytes(text.len().saturating_mul(JSON_TEXT_WEIGHT))?;
                serde_json::from_str(text)
                    .map(Cow::Owned)
                    .map_err(|_| other(format!("The argument is not JSON: {text}")))
            }
        }
    }

    /// The values of the arguments, lists taken apart.
    fn argument_values(&self) -> Result<Vec<Value>, Failure> {
        let mut values = Vec::new();
        for argument in self.arguments {
            self.budget.step()?;
            let value = self.argument(argument)?;
            if let Cow::Borrowed(value) = value {
                self.budget.copy(value)?;
            }
            match value.into_owned() {
                Value::Array(items) => values.extend(items),
                single => values.push(single),
            }
        }
        Ok(values)
    }

    /// The numbers among the items of the value, and among the arguments.
    fn numbers(&self) -> Result<Vec<f64>, Failure> {
        let mut numbers = Vec::new();
        if let Value::Array(items) = self.value {
            self.budget.steps(items.len())?;
            numbers.extend(items.iter().filter_map(Value::as_f64));
        }
        numbers.extend(self.argument_values()?.iter().filter_map(Value::as_f64));
        Ok(numbers)
    }

    /// The items of a list, the fields of an object; null for everything else.
    fn length(&self) -> Result<Value, Failure> {
        if let Some(Argument::Path(path)) = self.arguments.first() {
            let found = answer(path, self.root, self.root, Demand::Some, self.budget)?;
            let found = if path.is_function() || path.tokens().is_empty() {
                found
            } else {
                // The items of what the path finds are counted, not its results.
                let below = Compiled::new('$', vec![Token::Wildcard]);
                let sources = match (path.is_definite(), found.as_ref()) {
                    (false, Value::Array(results)) => results.iter().collect(),
                    (_, single) => vec![single],
                };
                let mut items = Vec::new();
                for source in sources {
                    if let Value::Array(found) =
                        answer(&below, source, self.root, Demand::Some, self.budget)?.into_owned()
                    {
                        items.extend(found);
                    }
                }
                Cow::Owned(Value::Array(items))
            };
            if let Value::Array(items) = found.as_ref() {
                return Ok(items.len().into());
            }
        }
        Ok(match self.value {
            Value::Array(items) => items.len().into(),
            Value::Object(fields) => fields.len().into(),
            _ => Value::Null,
        })
    }

    fn concat(&self) -> Result<Value, Failure> {
        let mut text = String::new();
        if let Value::Array(items) = self.value {
            for item in items.iter().filter_map(Value::as_str) {
                self.budget.bytes(item.len())?;
                text.push_str(item);
            }
        }
        for value in self.argument_values()? {
            if !value.is_null() {
                self.budget.copy(&value)?;
                text.push_str(&java::text(&value));
            }
        }
        Ok(Value::String(text))
    }

    fn append(&self) -> Result<Value, Failure> {
        self.budget.copy(self.value)?;
        let mut result = self.value.clone();
        if let Value::Array(items) = &mut result {
            for argument in self.arguments {
                let value = self.argument(argument)?;
                self.budget.copy(&value)?;
                items.push(value.into_owned());
            }
        }
        Ok(result)
    }

    fn nth(&self, position: i64) -> Result<Value, Failure> {
        let Value::Array(items) = self.value else { return Err(no_numbers()) };
        let count = i64::try_from(items.len()).unwrap_or(i64::MAX);
        let index = if position >= 0 { position } else { count + position };
        // From the end, the first item cannot be reached: so it is in Jayway.
        if position < 0 && index <= 0 {
            return Err(other(format!("Target index:{position} larger than object count:{count}")));
        }
        let item = usize::try_from(index).ok().and_then(|index| items.get(index));
        let item = item.ok_or_else(|| other(format!("Index {position} out of bounds for length {count}")))?;
        self.budget.copy(item)?;
        Ok(item.clone())
    }
}

fn aggregate(name: &str, numbers: &[f64]) -> Result<Value, Failure> {
    if numbers.is_empty() {
        return Err(no_numbers());
    }
    #[expect(clippy::cast_precision_loss, reason = "there are fewer numbers than an f64 counts exactly")]
    let count = numbers.len() as f64;
    let sum: f64 = numbers.iter().sum();
    let result = match name {
        "sum" => sum,
        "avg" => sum / count,
        "min" => numbers.iter().copied().fold(f64::MAX, f64::min),
        // Java's smallest positive double is where the search starts.
        "max" => numbers.iter().copied().fold(f64::from_bits(1), f64::max),
        _ => {
            let squares: f64 = numbers.iter().map(|number| number * number).sum();
            (squares / count - sum * sum / count / count).sqrt()
        }
    };
    Number::from_f64(result)
        .map(Value::Number)
        .ok_or_else(|| other(format!("The result of {name} is not a number")))
}

fn no_numbers() -> Failure {
    other("Aggregation function attempted to calculate value using empty array")
}

fn other(message: impl Into<String>) -> Failure {
    Failure::new(Kind::Other, message)
}
