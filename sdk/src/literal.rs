//! Constants in expressions, and the numbers that cannot be one.

use serde::Serialize;
use serde_json::Value;

use crate::expr::node;
use crate::ir::{Node, NodeRef};

/// Largest integer a double holds exactly together with its neighbours: the
/// query language has no other numbers.
pub(crate) const SAFE_INTEGER_MAX: u64 = 1 << 53;

#[track_caller]
pub(crate) fn of<T: Serialize>(value: T) -> NodeRef {
    let value = match serde_json::to_value(value) {
        Ok(value) => value,
        Err(error) => panic!("this constant has no JSON form: {error}"),
    };
    if let Some(number) = unsafe_integer(&value) {
        panic!(
            "the constant {number} is beyond 2^53, where a workflow's numbers are no longer exact; carry it as text"
        );
    }
    node(Node::Literal(value))
}

fn unsafe_integer(value: &Value) -> Option<String> {
    match value {
        Value::Number(number) => {
            let magnitude =
                number.as_u64().or_else(|| number.as_i64().map(i64::unsigned_abs)).unwrap_or_default();
            (magnitude > SAFE_INTEGER_MAX).then(|| number.to_string())
        }
        Value::Array(items) => items.iter().find_map(unsafe_integer),
        Value::Object(members) => members.values().find_map(unsafe_integer),
        _ => None,
    }
}
