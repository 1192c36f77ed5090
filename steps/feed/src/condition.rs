//! Conditions on a row: data in a spec, compiled against the row's layout.
//!
//! ```toml
//! when = { column = "amount", op = ">=", value = 500 }
//! when = { all = [{ column = "state", op = "in", values = ["new", "open"] }, { not = { column = "end", op = "is-null" } }] }
//! ```
//!
//! Conditions are true or false, never unknown: a comparison with null does not
//! hold, and `not` of it does. Only `is-null` and `is-not-null` look at null.

use std::cmp::Ordering;
use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::literal::Literal;
use crate::spec::suggest;
use crate::value::{Kind, Layout, Value};

/// A condition as written in a spec.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "ConditionForm")]
#[schemars(with = "ConditionForm")]
pub enum Condition {
    /// All of them hold; true when there are none.
    All(Vec<Condition>),
    /// At least one holds.
    Any(Vec<Condition>),
    /// It does not hold.
    Not(Box<Condition>),
    /// A column compared with something.
    Compare {
        /// The column's name.
        column: String,
        /// How it is compared.
        op: Op,
        /// With what.
        with: Operand,
    },
}

/// What a column is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operand {
    /// Nothing: `is-null`, `is-not-null`.
    Nothing,
    /// A constant.
    Value(Literal),
    /// Several constants: `in`, `not-in`.
    Values(Vec<Literal>),
    /// Another column of the same row.
    Column(String),
}

/// How a column is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Op {
    /// Equal.
    #[serde(rename = "=")]
    Equal,
    /// Not equal; does not hold for null.
    #[serde(rename = "!=")]
    NotEqual,
    /// Less.
    #[serde(rename = "<")]
    Less,
    /// Less or equal.
    #[serde(rename = "<=")]
    LessOrEqual,
    /// Greater.
    #[serde(rename = ">")]
    Greater,
    /// Greater or equal.
    #[serde(rename = ">=")]
    GreaterOrEqual,
    /// Equal to one of `values`.
    In,
    /// Equal to none of `values`; does not hold for null.
    NotIn,
    /// There is no value.
    IsNull,
    /// There is a value.
    IsNotNull,
    /// The text starts with `value`.
    StartsWith,
    /// The text ends with `value`.
    EndsWith,
    /// The text contains `value`.
    Contains,
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::In => "in",
            Self::NotIn => "not-in",
            Self::IsNull => "is-null",
            Self::IsNotNull => "is-not-null",
            Self::StartsWith => "starts-with",
            Self::EndsWith => "ends-with",
            Self::Contains => "contains",
        })
    }
}

/// A condition: exactly one of `all`, `any`, `not`, or a comparison of `column`
/// by `op` with `value`, `values` or the column `other`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Condition")]
struct ConditionForm {
    /// All of these hold.
    all: Option<Vec<Condition>>,
    /// At least one of these holds.
    any: Option<Vec<Condition>>,
    /// This does not hold.
    not: Option<Box<Condition>>,
    /// A column or derived column.
    column: Option<String>,
    /// How it is compared.
    op: Option<Op>,
    /// A constant.
    value: Option<Literal>,
    /// Constants, for `in` and `not-in`.
    values: Option<Vec<Literal>>,
    /// Another column of the same row.
    other: Option<String>,
}

impl TryFrom<ConditionForm> for Condition {
    type Error = String;

    fn try_from(form: ConditionForm) -> Result<Self, String> {
        let groups = usize::from(form.all.is_some())
            + usize::from(form.any.is_some())
            + usize::from(form.not.is_some());
        let comparison = form.column.is_some()
            || form.op.is_some()
            || form.value.is_some()
            || form.values.is_some()
            || form.other.is_some();
        if groups + usize::from(comparison) != 1 {
            return Err("a condition is exactly one of `all`, `any`, `not` or `column` with `op`".into());
        }
        match (form.all, form.any, form.not) {
            (Some(all), ..) => return Ok(Self::All(all)),
            (_, Some(any), _) => return Ok(Self::Any(any)),
            (.., Some(not)) => return Ok(Self::Not(not)),
            _ => {}
        }
        let (Some(column), Some(op)) = (form.column, form.op) else {
            return Err("a comparison needs `column` and `op`".into());
        };
        let with = operand(op, form.value, form.values, form.other)?;
        Ok(Self::Compare { column, op, with })
    }
}

fn operand(
    op: Op,
    value: Option<Literal>,
    values: Option<Vec<Literal>>,
    other: Option<String>,
) -> Result<Operand, String> {
    match (op, value, values, other) {
        (Op::IsNull | Op::IsNotNull, None, None, None) => Ok(Operand::Nothing),
        (Op::IsNull | Op::IsNotNull, ..) => Err(format!("`{op}` takes neither `value` nor `other`")),
        (Op::In | Op::NotIn, None, Some(values), None) => Ok(Operand::Values(values)),
        (Op::In | Op::NotIn, ..) => Err(format!("`{op}` needs `values`, a list")),
        (_, Some(value), None, None) => Ok(Operand::Value(value)),
        (_, None, None, Some(other)) => Ok(Operand::Column(other)),
        (_, None, None, None) => Err(format!("`{op}` needs `value`, or `other` for another column")),
        _ => Err(format!("`{op}` takes either `value` or `other`")),
    }
}

/// A condition compiled against a layout: nothing left to go wrong.
#[derive(Debug, Clone)]
pub struct Test(Node);

#[derive(Debug, Clone)]
enum Node {
    All(Vec<Test>),
    Any(Vec<Test>),
    Not(Box<Test>),
    Null(usize),
    NotNull(usize),
    Value(usize, Op, Value),
    Column(usize, Op, usize),
    In(usize, Vec<Value>),
    NotIn(usize, Vec<Value>),
    Text(usize, Op, String),
}

impl Condition {
    /// Compiles the condition for rows of this layout.
    ///
    /// # Errors
    /// Says which column is unknown or which comparison makes no sense.
    pub fn compile(&self, layout: &Layout) -> Result<Test, String> {
        let each =
            |parts: &[Self]| parts.iter().map(|part| part.compile(layout)).collect::<Result<Vec<_>, _>>();
        Ok(Test(match self {
            Self::All(parts) => Node::All(each(parts)?),
            Self::Any(parts) => Node::Any(each(parts)?),
            Self::Not(part) => Node::Not(Box::new(part.compile(layout)?)),
            Self::Compare { column, op, with } => comparison(layout, column, *op, with)?,
        }))
    }
}

fn comparison(layout: &Layout, column: &str, op: Op, with: &Operand) -> Result<Node, String> {
    let (index, kind) = field(layout, column)?;
    if matches!(op, Op::StartsWith | Op::EndsWith | Op::Contains) {
        return match (kind, with) {
            (Kind::Text, Operand::Value(Literal::Text(text))) => Ok(Node::Text(index, op, text.clone())),
            (Kind::Text, _) => Err(format!("`{op}` needs a `value` in quotes")),
            _ => Err(format!("`{op}` is for text, but column `{column}` is {kind}")),
        };
    }
    if kind == Kind::Boolean && !matches!(op, Op::Equal | Op::NotEqual | Op::IsNull | Op::IsNotNull) {
        return Err(format!("column `{column}` is boolean: compare it with `=` or `!=`"));
    }
    let values = |list: &[Literal]| list.iter().map(|value| value.value(kind)).collect::<Result<Vec<_>, _>>();
    match with {
        Operand::Nothing if op == Op::IsNull => Ok(Node::Null(index)),
        Operand::Nothing => Ok(Node::NotNull(index)),
        Operand::Value(value) => Ok(Node::Value(index, op, value.value(kind)?)),
        Operand::Values(list) if op == Op::In => Ok(Node::In(index, values(list)?)),
        Operand::Values(list) => Ok(Node::NotIn(index, values(list)?)),
        Operand::Column(other) => {
            let (other_index, other_kind) = field(layout, other)?;
            if kind != other_kind && !(kind.is_number() && other_kind.is_number()) {
                return Err(format!(
                    "column `{column}` is {kind}, column `{other}` is {other_kind}: they cannot be compared"
                ));
            }
            Ok(Node::Column(index, op, other_index))
        }
    }
}

/// Finds a field or says which there are.
pub(crate) fn field(layout: &Layout, name: &str) -> Result<(usize, Kind), String> {
    layout.find(name).ok_or_else(|| {
        let known: Vec<&str> = layout.names().collect();
        format!("there is no column `{name}`; {}", suggest::among(name, &known))
    })
}

impl Test {
    /// Whether the condition holds for a row of the layout it was compiled for.
    pub fn holds(&self, row: &[Value]) -> bool {
        let get = |index: &usize| row.get(*index).unwrap_or(&Value::Null);
        match &self.0 {
            Node::All(parts) => parts.iter().all(|part| part.holds(row)),
            Node::Any(parts) => parts.iter().any(|part| part.holds(row)),
            Node::Not(part) => !part.holds(row),
            Node::Null(index) => get(index).is_null(),
            Node::NotNull(index) => !get(index).is_null(),
            Node::Value(index, op, value) => ordered(*op, get(index).compare(value)),
            Node::Column(index, op, other) => ordered(*op, get(index).compare(get(other))),
            Node::In(index, values) => values.iter().any(|value| equal(get(index), value)),
            Node::NotIn(index, values) => {
                let found = get(index);
                !found.is_null() && !values.iter().any(|value| equal(found, value))
            }
            Node::Text(index, op, wanted) => match (get(index), op) {
                (Value::Text(text), Op::StartsWith) => text.starts_with(wanted.as_str()),
                (Value::Text(text), Op::EndsWith) => text.ends_with(wanted.as_str()),
                (Value::Text(text), _) => text.contains(wanted.as_str()),
                _ => false,
            },
        }
    }
}

fn equal(a: &Value, b: &Value) -> bool {
    a.compare(b) == Some(Ordering::Equal)
}

fn ordered(op: Op, order: Option<Ordering>) -> bool {
    let Some(order) = order else { return false };
    match op {
        Op::NotEqual => order.is_ne(),
        Op::Less => order.is_lt(),
        Op::LessOrEqual => order.is_le(),
        Op::Greater => order.is_gt(),
        Op::GreaterOrEqual => order.is_ge(),
        _ => order.is_eq(),
    }
}
