//! Reads patterns, and says why a text is none.

use std::net::IpAddr;

use asl::limits::EVENT_PATTERN_BYTES_MAX;
use serde_json::{Map, Value};

use super::text::{TextTest, Wildcard};
use super::{Comparison, Fields, Network, Test, Wanted};

type Read<T> = Result<T, String>;

/// The key of alternatives.
const OR: &str = "$or";
/// Numbers that can be compared. User guide, "Numeric matching": from -5.0e9 to 5.0e9.
const NUMBER_MAX: f64 = 5.0e9;
/// Keys of tests: an object with one of them below `$or` is no alternative.
const TESTS: [&str; 8] =
    ["exists", "equals-ignore-case", "prefix", "suffix", "anything-but", "numeric", "cidr", "wildcard"];

pub(super) fn pattern(text: &str) -> Read<Fields> {
    if text.len() > EVENT_PATTERN_BYTES_MAX {
        return Err(format!("Event pattern is longer than {EVENT_PATTERN_BYTES_MAX} characters"));
    }
    let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    match value {
        Value::Object(object) if object.is_empty() => Err("Empty objects are not allowed".to_owned()),
        Value::Object(object) => fields(&object),
        _ => Err("Filter is not an object".to_owned()),
    }
}

fn fields(object: &Map<String, Value>) -> Read<Fields> {
    let mut read = Fields::default();
    for (name, value) in object {
        match value {
            Value::Array(items) if name == OR && is_or(items) => {
                for item in items {
                    let alternative = item.as_object().map(fields).transpose()?;
                    read.alternatives.extend(alternative);
                }
            }
            Value::Object(below) if below.is_empty() => {
                return Err("Empty objects are not allowed".to_owned());
            }
            Value::Object(below) => read.fields.push((name.clone(), Wanted::Fields(fields(below)?))),
            Value::Array(items) if items.is_empty() => {
                return Err("Empty arrays are not allowed".to_owned());
            }
            Value::Array(items) => {
                let tests = items.iter().map(test).collect::<Read<_>>()?;
                read.fields.push((name.clone(), Wanted::OneOf(tests)));
            }
            _ => return Err(format!("\"{name}\" must be an object or an array")),
        }
    }
    Ok(read)
}

/// Two objects or more that are no tests; anything else is a field of this name.
fn is_or(items: &[Value]) -> bool {
    let is_alternative = |item: &Value| {
        let object = item.as_object().filter(|object| !object.is_empty());
        object.is_some_and(|object| object.keys().all(|key| !TESTS.contains(&key.as_str())))
    };
    items.len() > 1 && items.iter().all(is_alternative)
}

fn test(item: &Value) -> Read<Test> {
    match item {
        Value::Object(object) => {
            let mut keys = object.iter();
            match (keys.next(), keys.next()) {
                (Some((kind, value)), None) => of_kind(kind, value),
                (None, _) => Err("Empty objects are not allowed".to_owned()),
                _ => Err("Only one key allowed in match expression".to_owned()),
            }
        }
        Value::Array(_) => Err("Match value must be String, number, true, false, or null".to_owned()),
        scalar => Ok(Test::Equals(scalar.clone())),
    }
}

fn of_kind(kind: &str, value: &Value) -> Read<Test> {
    match kind {
        "prefix" | "suffix" | "equals-ignore-case" | "wildcard" => text_test(kind, value).map(Test::Text),
        "anything-but" => anything_but(value),
        "numeric" => numeric(value).map(Test::Numeric),
        "cidr" => {
            let text = value.as_str().ok_or("prefix match pattern must be a string")?;
            network(text).map(Test::Network)
        }
        "exists" => match value {
            Value::Bool(is_wanted) => Ok(Test::Exists(*is_wanted)),
            _ => Err("exists match pattern must be either true or false.".to_owned()),
        },
        _ => Err(format!("Unrecognized match type {kind}")),
    }
}

fn text_test(kind: &str, value: &Value) -> Read<TextTest> {
    let wrong = || format!("{kind} match pattern must be a string");
    match (kind, value) {
        ("prefix" | "suffix", Value::Object(object)) => {
            let mut keys = object.iter();
            match (keys.next(), keys.next()) {
                (Some((key, Value::String(text))), None) if key == "equals-ignore-case" => {
                    let text = text.to_lowercase();
                    Ok(if kind == "prefix" {
                        TextTest::PrefixIgnoringCase(text)
                    } else {
                        TextTest::SuffixIgnoringCase(text)
                    })
                }
                (Some((key, _)), None) if key != "equals-ignore-case" => {
                    Err(format!("Unsupported anything-but pattern: {key}").replace("anything-but", kind))
                }
                _ => Err(wrong()),
            }
        }
        ("prefix", Value::String(text)) => Ok(TextTest::Prefix(text.clone())),
        ("suffix", Value::String(text)) => Ok(TextTest::Suffix(text.clone())),
        ("equals-ignore-case", Value::String(text)) => Ok(TextTest::EqualsIgnoringCase(text.to_lowercase())),
        ("wildcard", Value::String(text)) => Wildcard::parse(text).map(TextTest::Wildcard),
        _ => Err(wrong()),
    }
}

/// A value, several, or texts of a form: one or several.
fn anything_but(value: &Value) -> Read<Test> {
    match value {
        Value::String(_) | Value::Number(_) => Ok(Test::AnythingBut(vec![value.clone()], Vec::new())),
        Value::Array(items) if items.is_empty() => Err("Empty arrays are not allowed".to_owned()),
        Value::Array(items) => {
            let kinds = (items.iter().all(Value::is_string), items.iter().all(Value::is_number));
            if items.iter().any(|item| !item.is_string() && !item.is_number()) {
                return Err("Inside anything but list, start|null|boolean is not supported.".to_owned());
            }
            if kinds == (false, false) {
                return Err("Inside anything but list, either all values are number or string, mixed type is not supported".to_owned());
            }
            Ok(Test::AnythingBut(items.clone(), Vec::new()))
        }
        Value::Object(object) => {
            let mut keys = object.iter();
            let (Some((kind, value)), None) = (keys.next(), keys.next()) else {
                return Err("Only one key allowed in match expression".to_owned());
            };
            if !["prefix", "suffix", "equals-ignore-case", "wildcard"].contains(&kind.as_str()) {
                return Err(format!("Unsupported anything-but pattern: {kind}"));
            }
            let tests = match value {
                Value::Array(values) if values.is_empty() => {
                    return Err("Empty arrays are not allowed".to_owned());
                }
                Value::Array(values) => {
                    values.iter().map(|value| text_test(kind, value)).collect::<Read<_>>()?
                }
                value => vec![text_test(kind, value)?],
            };
            Ok(Test::AnythingBut(Vec::new(), tests))
        }
        _ => Err("Value of anything-but must be an array or single string/number value.".to_owned()),
    }
}

/// One or two comparisons: the second is an upper bound of what the first bounds from below.
fn numeric(value: &Value) -> Read<Vec<(Comparison, f64)>> {
    use Comparison::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual};
    let items = value.as_array().ok_or("Value of numeric must be an array.")?;
    let mut comparisons = Vec::new();
    for pair in items.chunks(2) {
        let [operator, number] = pair else {
            return Err("Value of numeric must be an array of operators and numbers.".to_owned());
        };
        let operator =
            operator.as_str().ok_or("Invalid member in numeric match: operator must be a string")?;
        let how = match operator {
            "=" => Equal,
            "<" => Less,
            "<=" => LessOrEqual,
            ">" => Greater,
            ">=" => GreaterOrEqual,
            _ => return Err(format!("Unrecognized numeric range operator: {operator}")),
        };
        let number = number.as_f64().ok_or_else(|| format!("Value of {operator} must be numeric"))?;
        if number.abs() > NUMBER_MAX {
            return Err(format!("Value must be between -5.0E9 and 5.0E9, inclusive: {number}"));
        }
        comparisons.push((how, number));
    }
    match comparisons.as_slice() {
        [] => Err("Invalid member in numeric match: empty array".to_owned()),
        [_] => Ok(comparisons),
        [(Greater | GreaterOrEqual, bottom), (Less | LessOrEqual, top)] if bottom < top => Ok(comparisons),
        [(Greater | GreaterOrEqual, _), (Less | LessOrEqual, _)] => {
            Err("Bottom must be less than top".to_owned())
        }
        _ => Err("Too many terms in numeric range expression".to_owned()),
    }
}

fn network(text: &str) -> Read<Network> {
    let malformed = |problem: &str| format!("Malformed CIDR, {problem}");
    let parse = |address: &str| address.parse::<IpAddr>().map_err(|_| malformed("invalid IP address"));
    let width = |address: IpAddr| if address.is_ipv4() { 32 } else { 128 };
    let Some((address, bits)) = text.split_once('/') else {
        // An address alone is a network of one.
        let address = parse(text)?;
        return Ok(Network { address, bits: width(address) });
    };
    let address = parse(address)?;
    let bits = bits.parse().map_err(|_| malformed("mask bits must be an integer"))?;
    if bits > width(address) {
        return Err(malformed("mask bits exceed the length of the address"));
    }
    Ok(Network { address, bits })
}
