//! What filters mean.

use std::borrow::Cow;

use serde_json::Value;

use super::node::{Json, Node};
use super::{Expression, Filter, Operand, Operator};
use crate::jsonpath::error::{Failure, Kind};
use crate::jsonpath::evaluate::{Budget, Demand, answer};
use crate::jsonpath::parse;
use crate::jsonpath::token::Compiled;

/// What a filter is applied to.
#[derive(Clone, Copy)]
pub(in crate::jsonpath) struct Subject<'v> {
    pub(in crate::jsonpath) item: &'v Value,
    pub(in crate::jsonpath) root: &'v Value,
}

impl Filter {
    /// Whether the item passes. What cannot be compared does not pass.
    pub(in crate::jsonpath) fn accepts(
        &self,
        subject: Subject<'_>,
        budget: &Budget,
    ) -> Result<bool, Failure> {
        budget.step()?;
        let candidate = budget.open_filter();
        let holds = self.0.holds(subject, budget);
        budget.close_filter(&candidate);
        match holds {
            Err(failure) if failure.kind.is_invalid_path() => Ok(false),
            other => other,
        }
    }
}

impl Expression {
    fn holds(&self, subject: Subject<'_>, budget: &Budget) -> Result<bool, Failure> {
        budget.step()?;
        match self {
            Self::And(filters) => {
                for filter in filters {
                    if !filter.holds(subject, budget)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Self::Or(filters) => {
                for filter in filters {
                    if filter.holds(subject, budget)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Self::Not(filter) => Ok(!filter.holds(subject, budget)?),
            Self::Exists { path, expected } => Ok(exists(path, subject, budget)? == *expected),
            Self::Relation { left, operator, right } => {
                let left = left.evaluate(subject, budget)?;
                let right = right.evaluate(subject, budget)?;
                relation(&left, *operator, &right, budget)
            }
        }
    }
}

/// A check of existence evaluates even a path from the root at the item.
fn exists(path: &Compiled, subject: Subject<'_>, budget: &Budget) -> Result<bool, Failure> {
    match answer(path, subject.item, subject.root, Demand::Every, budget) {
        Ok(_) => Ok(true),
        Err(failure) if failure.kind.is_not_found() => Ok(false),
        Err(failure) => Err(failure),
    }
}

impl Operand {
    fn evaluate<'a>(&'a self, subject: Subject<'a>, budget: &Budget) -> Result<Node<'a>, Failure> {
        Ok(match self {
            Self::Path(path) => evaluate_path(path, subject, budget)?,
            Self::Text(text) => Node::Text(Cow::Borrowed(text)),
            Self::Number(number) => Node::Number(Cow::Borrowed(number)),
            Self::Boolean(flag) => Node::Boolean(*flag),
            Self::Null => Node::Null,
            Self::Json(text, value) => Node::Json(Json::Literal {
                text: Cow::Borrowed(text),
                value: value.as_ref().map(Cow::Borrowed),
            }),
            Self::Pattern(pattern) => Node::Pattern(pattern),
        })
    }
}

fn evaluate_path<'a>(path: &'a Compiled, subject: Subject<'a>, budget: &Budget) -> Result<Node<'a>, Failure> {
    let document = if path.root() == '$' { subject.root } else { subject.item };
    match answer(path, document, subject.root, Demand::Some, budget) {
        Ok(value) => {
            budget.copied(&value)?;
            Ok(Node::of(value))
        }
        Err(failure) if failure.kind.is_not_found() => Ok(Node::Undefined),
        Err(failure) => Err(failure),
    }
}

fn relation(left: &Node<'_>, operator: Operator, right: &Node<'_>, budget: &Budget) -> Result<bool, Failure> {
    use std::cmp::Ordering::{Greater, Less};
    budget.steps(left.effort().saturating_add(right.effort()))?;
    Ok(match operator {
        Operator::Equal => left.equal(right),
        Operator::NotEqual => !left.equal(right),
        Operator::SameTypeEqual => left.same_kind(right) && left.equal(right),
        Operator::SameTypeNotEqual => !(left.same_kind(right) && left.equal(right)),
        Operator::Less => left.order(right) == Some(Less),
        Operator::LessOrEqual => left.order(right).is_some_and(|order| order != Greater),
        Operator::Greater => left.order(right) == Some(Greater),
        Operator::GreaterOrEqual => left.order(right).is_some_and(|order| order != Less),
        Operator::Matches => matches(left, right, budget)?,
        Operator::In => is_in(left, right, budget)?,
        Operator::NotIn => !is_in(left, right, budget)?,
        Operator::Contains => match (left, right) {
            (Node::Text(text), Node::Text(part)) => text.contains(part.as_ref()),
            (Node::Json(json), _) => match list(json, budget)? {
                Some(items) => holds_equal(&items, right),
                None => false,
            },
            _ => false,
        },
        Operator::All => {
            let required = required_list(right, budget)?;
            match (required, left) {
                (Some(required), Node::Json(json)) => match list(json, budget)? {
                    Some(items) => {
                        budget.steps(items.len().saturating_mul(required.len()))?;
                        required.iter().all(|node| holds_equal(&items, node))
                    }
                    None => false,
                },
                _ => false,
            }
        }
        Operator::Size => size(left, right),
        Operator::Empty => empty(left, right)?,
        Operator::SubsetOf | Operator::AnyOf | Operator::NoneOf => {
            compare_lists(left, operator, right, budget)?
        }
        Operator::Unwritable => return Err(Failure::invalid("Expected class node")),
    })
}

fn compare_lists(
    left: &Node<'_>,
    operator: Operator,
    right: &Node<'_>,
    budget: &Budget,
) -> Result<bool, Failure> {
    let (Some(right), Some(left)) = (required_list(right, budget)?, required_list(left, budget)?) else {
        return Ok(false);
    };
    budget.steps(left.len().saturating_mul(right.len()))?;
    let found = |node: &Node<'_>| right.iter().any(|other| node.equals(other));
    Ok(match operator {
        Operator::SubsetOf => left.iter().all(found),
        Operator::AnyOf => left.iter().any(found),
        _ => !left.iter().any(found),
    })
}

fn is_in(left: &Node<'_>, right: &Node<'_>, budget: &Budget) -> Result<bool, Failure> {
    Ok(required_list(right, budget)?.is_some_and(|items| holds_equal(&items, left)))
}

fn holds_equal(items: &[Node<'_>], wanted: &Node<'_>) -> bool {
    items.iter().any(|item| wanted.equals(item))
}

/// The items of a list; `None` when it is an object.
fn required_list<'a>(node: &'a Node<'_>, budget: &Budget) -> Result<Option<Vec<Node<'a>>>, Failure> {
    match node {
        Node::Json(json) => list(json, budget),
        _ => Err(Failure::invalid("Expected value list node")),
    }
}

fn list<'a>(json: &'a Json<'_>, budget: &Budget) -> Result<Option<Vec<Node<'a>>>, Failure> {
    let value =
        json.value().ok_or_else(|| Failure::new(Kind::Other, "The literal of the filter is not JSON"))?;
    let Value::Array(items) = value else { return Ok(None) };
    budget.steps(items.len())?;
    items.iter().map(|item| item_node(item, budget)).collect::<Result<_, _>>().map(Some)
}

/// Steps that reading one character of a path or of JSON takes,
const STEPS_A_CHARACTER: usize = 2;
/// and compiling a regular expression in such a path.
const STEPS_A_PATTERN: usize = 20_000;

/// An item of a list. A string in it that reads like a path or like JSON is
/// taken for one; arrays and objects cannot be compared there.
fn item_node<'v>(item: &'v Value, budget: &Budget) -> Result<Node<'v>, Failure> {
    match item {
        Value::Array(_) | Value::Object(_) => {
            Err(Failure::new(Kind::Other, "Could not determine value type"))
        }
        Value::String(text) => {
            let trimmed = text.trim();
            if trimmed.starts_with(['$', '@', '[', '{']) {
                budget.steps(trimmed.len().saturating_mul(STEPS_A_CHARACTER))?;
            }
            if trimmed.starts_with(['$', '@']) {
                budget.steps(trimmed.matches("=~").count().saturating_mul(STEPS_A_PATTERN))?;
                if parse::compile(trimmed, 0).is_ok() {
                    // A path inside a list is never evaluated, and so is equal to nothing.
                    return Ok(Node::Undefined);
                }
            }
            let bracketed = trimmed.len() > 1
                && (trimmed.starts_with('[') && trimmed.ends_with(']')
                    || trimmed.starts_with('{') && trimmed.ends_with('}'));
            match bracketed.then(|| super::node::lenient_json(trimmed)).flatten() {
                Some(value) => Ok(Node::Json(Json::Literal {
                    text: Cow::Borrowed(trimmed),
                    value: Some(Cow::Owned(value)),
                })),
                None => Ok(Node::Text(Cow::Borrowed(text))),
            }
        }
        other => Ok(Node::of(Cow::Borrowed(other))),
    }
}

fn matches(left: &Node<'_>, right: &Node<'_>, budget: &Budget) -> Result<bool, Failure> {
    let (pattern, subject) = match (left, right) {
        (Node::Pattern(_), Node::Pattern(_)) => return Ok(false),
        (Node::Pattern(pattern), subject) | (subject, Node::Pattern(pattern)) => (*pattern, subject),
        _ => return Ok(false),
    };
    let matches = |node: &Node<'_>| {
        let text = node.subject();
        let (matches, steps) = pattern.matches(&text);
        budget.steps(steps)?;
        matches.map_err(|_| Budget::exceeded())
    };
    if let Node::Json(json) = subject
        && let Some(items) = list(json, budget)?
    {
        for item in &items {
            if matches(item)? {
                return Ok(true);
            }
        }
        return Ok(false);
    }
    matches(subject)
}

fn size(left: &Node<'_>, right: &Node<'_>) -> bool {
    let Node::Number(expected) = right else { return false };
    let actual = match left {
        Node::Text(text) => text.encode_utf16().count(),
        Node::Json(json) => match json.value() {
            Some(Value::Array(items)) => items.len(),
            _ => return false,
        },
        _ => return false,
    };
    expected.to_usize() == Some(actual)
}

fn empty(left: &Node<'_>, right: &Node<'_>) -> Result<bool, Failure> {
    let Node::Boolean(expected) = right else { return Ok(false) };
    match left {
        Node::Text(text) => Ok(text.is_empty() == *expected),
        Node::Json(json) => match json.value() {
            Some(Value::Array(items)) => Ok(items.is_empty() == *expected),
            Some(Value::Object(_)) => Err(Failure::new(
                Kind::Other,
                "class net.minidev.json.JSONObject cannot be cast to class java.util.Collection \
                 (net.minidev.json.JSONObject is in unnamed module of loader 'app'; \
                 java.util.Collection is in module java.base of loader 'bootstrap')",
            )),
            _ => Ok(*expected),
        },
        _ => Ok(false),
    }
}
