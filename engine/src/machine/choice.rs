//! The rules of a Choice in JSONPath: `And`, `Or`, `Not` and 39 operators.
//!
//! A variable of another type than the operator's makes a rule false; one
//! that is not there is an error, except for `IsPresent`. Recorded on AWS.

use std::borrow::Cow;
use std::cmp::Ordering;

use asl::jsonpath::Path;
use asl::{Comparand, Condition, Is, Operand, QueryError, Relation, Scope, Test};
use serde_json::{Number, Value};

use super::retry::errors;

/// Whether a condition holds. `field` is where it is, e.g. `Choices[0]/Condition`.
pub(super) fn holds(condition: &Condition, field: &str, scope: &Scope<'_>) -> Result<bool, QueryError> {
    match condition {
        Condition::Expression(expression) => expression.evaluate(field, scope),
        Condition::And(parts) => {
            for part in parts {
                if !holds(part, field, scope)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        Condition::Or(parts) => {
            for part in parts {
                if holds(part, field, scope)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        Condition::Not(part) => Ok(!holds(part, field, scope)?),
        Condition::Test { variable, test, .. } => passes(variable, test, field, scope),
    }
}

fn passes(variable: &Path, test: &Test, field: &str, scope: &Scope<'_>) -> Result<bool, QueryError> {
    if let Test::Is { what: Is::Present, expected } = test {
        return Ok(variable.select(scope).is_ok() == *expected);
    }
    let value = value_at(variable, field, scope)?;
    // A text may be as long as a payload, and there may be as many rules as a definition has room for.
    let size = value.as_str().map_or(0, str::len);
    scope.budget.looks_through(size).map_err(|error| QueryError {
        error: errors::RUNTIME,
        cause: error.to_string(),
        field: field.to_owned(),
    })?;
    Ok(match test {
        Test::Compare { comparand, relation, to: Operand::Literal(literal) } => {
            relates(*comparand, *relation, &value, literal)
        }
        Test::Compare { comparand, relation, to: Operand::Path(path) } => {
            relates(*comparand, *relation, &value, &*value_at(path, field, scope)?)
        }
        Test::Matches(pattern) => value.as_str().is_some_and(|text| matches(pattern, text)),
        Test::Is { what, expected } => is(*what, &value) == *expected,
    })
}

fn value_at<'v>(path: &Path, field: &str, scope: &'v Scope<'_>) -> Result<Cow<'v, Value>, QueryError> {
    path.select(scope).map_err(|_| QueryError {
        error: errors::RUNTIME,
        cause: format!(
            "Invalid path '{}': The choice state's condition path references an invalid value.",
            path.source()
        ),
        field: field.to_owned(),
    })
}

fn is(what: Is, value: &Value) -> bool {
    match what {
        Is::Null => value.is_null(),
        Is::Present => true,
        Is::Numeric => value.is_number(),
        Is::String => value.is_string(),
        Is::Boolean => value.is_boolean(),
        Is::Timestamp => millis(value).is_some(),
    }
}

fn relates(comparand: Comparand, relation: Relation, left: &Value, right: &Value) -> bool {
    let ordering = match (comparand, left, right) {
        // Java compares strings by their UTF-16 units.
        (Comparand::String, Value::String(left), Value::String(right)) => {
            Some(left.encode_utf16().cmp(right.encode_utf16()))
        }
        (Comparand::Numeric, Value::Number(left), Value::Number(right)) => compare_numbers(left, right),
        (Comparand::Boolean, Value::Bool(left), Value::Bool(right)) => Some(left.cmp(right)),
        (Comparand::Timestamp, left, right) => {
            millis(left).zip(millis(right)).map(|(left, right)| left.cmp(&right))
        }
        _ => None,
    };
    ordering.is_some_and(|ordering| match relation {
        Relation::Equals => ordering == Ordering::Equal,
        Relation::LessThan => ordering == Ordering::Less,
        Relation::LessThanEquals => ordering != Ordering::Greater,
        Relation::GreaterThan => ordering == Ordering::Greater,
        Relation::GreaterThanEquals => ordering != Ordering::Less,
    })
}

/// Whole numbers compare as such, beyond what a double holds; others as doubles.
fn compare_numbers(left: &Number, right: &Number) -> Option<Ordering> {
    match (left.as_i128(), right.as_i128()) {
        (Some(left), Some(right)) => Some(left.cmp(&right)),
        _ => left.as_f64()?.partial_cmp(&right.as_f64()?),
    }
}

fn millis(value: &Value) -> Option<i64> {
    asl::timestamp::parse_millis(value.as_str()?)
}

/// `StringMatches`: `*` stands for any text, also none; `\*` and `\\` for the
/// star and the backslash. What lies between two stars is taken where it is
/// found first, so a pattern is matched in one pass over the text.
fn matches(pattern: &str, text: &str) -> bool {
    let literals = literals(pattern);
    let Some((first, others)) = literals.split_first() else { return text.is_empty() };
    let Some(mut rest) = text.strip_prefix(first.as_str()) else { return false };
    let Some((last, between)) = others.split_last() else { return rest.is_empty() };
    for literal in between {
        match rest.split_once(literal.as_str()) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last.as_str())
}

/// What a pattern has before, between and after its stars.
fn literals(pattern: &str) -> Vec<String> {
    let mut literals = vec![String::new()];
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        let literal = match character {
            '*' => {
                literals.push(String::new());
                continue;
            }
            '\\' => characters.next().unwrap_or('\\'),
            other => other,
        };
        if let Some(last) = literals.last_mut() {
            last.push(literal);
        }
    }
    literals
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_text() {
        for (pattern, text, expected) in [
            ("log-*.txt", "log-2016.txt", true),
            ("log-*.txt", "log-.txt", true),
            ("log-*.txt", "log-2016.txt.gz", false),
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("foo\\*", "foo*", true),
            ("foo\\*", "fool", false),
            ("a\\\\*", "a\\b", true),
            ("*é*", "caféx", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn a_hostile_pattern_ends() {
        assert!(!matches(&format!("*{}b", "a".repeat(130_000)), &"a".repeat(260_000)));
        assert!(!matches(&"a*".repeat(2_000), &"a".repeat(1_999)));
    }

    #[test]
    fn numbers_beyond_doubles_compare() {
        let number = |text: &str| serde_json::from_str::<Number>(text).unwrap();
        let compare = |left, right| compare_numbers(&number(left), &number(right));
        assert_eq!(compare("9007199254740993", "9007199254740992"), Some(Ordering::Greater));
        assert_eq!(compare("1", "1.0"), Some(Ordering::Equal));
        assert_eq!(compare("18446744073709551615", "-1"), Some(Ordering::Greater));
    }
}
