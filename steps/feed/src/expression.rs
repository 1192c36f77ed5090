//! Derived columns: expressions over a row's columns, as data in a spec.
//!
//! A text is a column, a number is itself, a table is one operation:
//!
//! ```toml
//! value = { multiply = ["volume", { if = { column = "financed", op = "=", value = true }, then = 0.02, else = 0.01 }] }
//! ```
//!
//! A null operand makes the result null, except in `coalesce` and the branch
//! that `if` does not take. Arithmetic is exact to the limits of [`crate::number`].

use std::borrow::Cow;
use std::fmt;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use rust_decimal::Decimal;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};

use crate::condition::{Condition, Test, field};
use crate::literal::Number;
use crate::number::{self, ArithmeticError, RoundingMode, TEXT_BYTES_MAX};
use crate::unit::Conversion;
use crate::value::{Kind, Layout, Value};

/// An expression as written in a spec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expression {
    /// A column, by name.
    Column(String),
    /// A constant number.
    Number(Decimal),
    /// One operation on other expressions.
    Operation(Box<Operation>),
}

/// An operation of an expression; exactly one of the operations is given.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Operation {
    /// Sum of two or more numbers.
    pub add: Option<Vec<Expression>>,
    /// The first number less the second.
    pub subtract: Option<[Expression; 2]>,
    /// Product of two or more numbers, kept to 18 decimal places.
    pub multiply: Option<Vec<Expression>>,
    /// The first number divided by the second, kept to 18 decimal places.
    pub divide: Option<[Expression; 2]>,
    /// A number whose unit is converted; needs `unit`.
    pub convert: Option<Expression>,
    /// The conversion of `convert`.
    pub unit: Option<Conversion>,
    /// A number that is rounded; needs `places`.
    pub round: Option<Expression>,
    /// Decimal places of `round`.
    pub places: Option<u32>,
    /// Rounding mode of `round`; half-even when absent.
    pub mode: Option<RoundingMode>,
    /// The first of several that is not null.
    pub coalesce: Option<Vec<Expression>>,
    /// A condition that chooses between `then` and `else`.
    pub r#if: Option<Condition>,
    /// The value when `if` holds.
    pub then: Option<Expression>,
    /// The value when `if` does not hold; null when absent.
    pub r#else: Option<Expression>,
    /// Several conditions; the first that holds gives the value, else `else`.
    pub case: Option<Vec<Branch>>,
    /// A date so many months later (fewer with a minus): the same day, or the
    /// month's last one; needs `months`.
    pub add_months: Option<Expression>,
    /// How many months `add_months` adds.
    pub months: Option<i32>,
    /// Whole days from the first date to the second.
    pub days_between: Option<[Expression; 2]>,
    /// The size of a number, without its sign.
    pub abs: Option<Expression>,
    /// A constant text.
    pub text: Option<String>,
    /// Texts joined together.
    pub concat: Option<Vec<Expression>>,
    /// A text in lower case.
    pub lower: Option<Expression>,
    /// A text in upper case.
    pub upper: Option<Expression>,
    /// Part of a date or timestamp (UTC); needs `of`.
    pub part: Option<Part>,
    /// The date or timestamp of `part`.
    pub of: Option<Expression>,
}

/// One branch of a `case`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Branch {
    /// When it applies.
    pub when: Condition,
    /// The value then.
    pub then: Expression,
}

/// A part of a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// The year, an integer.
    Year,
    /// The quarter, 1 to 4.
    Quarter,
    /// The month, 1 to 12.
    Month,
    /// The day of the month.
    Day,
    /// Year and month as text: 2024-01.
    YearMonth,
    /// The calendar date itself.
    Date,
}

impl<'de> Deserialize<'de> for Expression {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ExpressionVisitor)
    }
}

struct ExpressionVisitor;

impl<'de> Visitor<'de> for ExpressionVisitor {
    type Value = Expression;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a column's name, a number, or a table with one operation such as { add = [..] }")
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Expression, E> {
        Ok(Expression::Number(number.into()))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Expression, E> {
        let number = Number::deserialize(de::value::F64Deserializer::<E>::new(number))?;
        Ok(Expression::Number(number.0))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Expression, E> {
        Ok(Expression::Column(text.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Expression, A::Error> {
        let operation = Operation::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Expression::Operation(Box::new(operation)))
    }
}

impl JsonSchema for Expression {
    fn schema_name() -> Cow<'static, str> {
        "Expression".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let operation = generator.subschema_for::<Operation>();
        schemars::json_schema!({
            "description": "A column's name, a number, or one operation.",
            "anyOf": [{ "type": "string" }, { "type": "number" }, operation]
        })
    }
}

/// An expression compiled against a layout.
#[derive(Debug, Clone)]
pub struct Formula {
    node: Node,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Node {
    Field(usize),
    Constant(Value),
    Add(Vec<Formula>),
    Subtract(Box<[Formula; 2]>),
    Multiply(Vec<Formula>),
    Divide(Box<[Formula; 2]>),
    Convert(Box<Formula>, Conversion),
    Round(Box<Formula>, u32, RoundingMode),
    Coalesce(Vec<Formula>),
    Case(Vec<(Test, Formula)>, Option<Box<Formula>>),
    AddMonths(Box<Formula>, i32),
    DaysBetween(Box<[Formula; 2]>),
    Abs(Box<Formula>),
    Concat(Vec<Formula>),
    Lower(Box<Formula>),
    Upper(Box<Formula>),
    Part(Part, Box<Formula>),
}

impl Expression {
    /// Compiles the expression for rows of this layout.
    ///
    /// # Errors
    /// Says which column is unknown or which operand is of the wrong kind.
    pub fn compile(&self, layout: &Layout) -> Result<Formula, String> {
        match self {
            Self::Column(name) => {
                let (index, kind) = field(layout, name)?;
                Ok(Formula { node: Node::Field(index), kind })
            }
            Self::Number(number) => {
                Ok(Formula { node: Node::Constant(Value::Decimal(*number)), kind: Kind::Decimal })
            }
            Self::Operation(operation) => operation.compile(layout),
        }
    }
}

impl Operation {
    fn compile(&self, layout: &Layout) -> Result<Formula, String> {
        self.check_form()?;
        let numbers = |parts: &[Expression]| {
            parts.iter().map(|part| numeric(part, layout)).collect::<Result<Vec<_>, _>>()
        };
        let decimal = |node| Ok(Formula { node, kind: Kind::Decimal });
        if let Some(parts) = &self.add {
            return decimal(Node::Add(numbers(parts)?));
        }
        if let Some([a, b]) = &self.subtract {
            return decimal(Node::Subtract(Box::new([numeric(a, layout)?, numeric(b, layout)?])));
        }
        if let Some(parts) = &self.multiply {
            return decimal(Node::Multiply(numbers(parts)?));
        }
        if let Some([a, b]) = &self.divide {
            return decimal(Node::Divide(Box::new([numeric(a, layout)?, numeric(b, layout)?])));
        }
        if let (Some(value), Some(unit)) = (&self.convert, self.unit) {
            return decimal(Node::Convert(Box::new(numeric(value, layout)?), unit));
        }
        if let (Some(value), Some(places)) = (&self.round, self.places) {
            let mode = self.mode.unwrap_or_default();
            return decimal(Node::Round(Box::new(numeric(value, layout)?), places, mode));
        }
        self.compile_other(layout)
    }

    fn compile_other(&self, layout: &Layout) -> Result<Formula, String> {
        let text = |node| Ok(Formula { node, kind: Kind::Text });
        if let Some(constant) = &self.text {
            return text(Node::Constant(Value::Text(constant.clone())));
        }
        if let Some(parts) = &self.concat {
            return text(Node::Concat(
                parts.iter().map(|part| part.compile(layout)).collect::<Result<Vec<_>, _>>()?,
            ));
        }
        if let Some(part) = &self.lower {
            return text(Node::Lower(Box::new(textual(part, layout)?)));
        }
        if let Some(part) = &self.upper {
            return text(Node::Upper(Box::new(textual(part, layout)?)));
        }
        if let (Some(part), Some(of)) = (self.part, &self.of) {
            let of = timely("part", of, layout)?;
            let kind = match part {
                Part::YearMonth => Kind::Text,
                Part::Date => Kind::Date,
                _ => Kind::Integer,
            };
            return Ok(Formula { node: Node::Part(part, Box::new(of)), kind });
        }
        if let Some(parts) = &self.coalesce {
            let parts = parts.iter().map(|part| part.compile(layout)).collect::<Result<Vec<_>, _>>()?;
            let kind = common_kind("coalesce", &parts)?;
            return Ok(Formula { node: Node::Coalesce(parts), kind });
        }
        if let Some(part) = &self.abs {
            let part = numeric(part, layout)?;
            return Ok(Formula { node: Node::Abs(Box::new(part)), kind: Kind::Decimal });
        }
        if let (Some(of), Some(months)) = (&self.add_months, self.months) {
            let node = Node::AddMonths(Box::new(timely("add_months", of, layout)?), months);
            return Ok(Formula { node, kind: Kind::Date });
        }
        if let Some([from, to]) = &self.days_between {
            let days = [timely("days_between", from, layout)?, timely("days_between", to, layout)?];
            return Ok(Formula { node: Node::DaysBetween(Box::new(days)), kind: Kind::Integer });
        }
        self.compile_choice(layout)
    }

    /// `if` and `case`.
    fn compile_choice(&self, layout: &Layout) -> Result<Formula, String> {
        let mut branches = vec![];
        if let (Some(condition), Some(then)) = (&self.r#if, &self.then) {
            branches.push((condition.compile(layout)?, then.compile(layout)?));
        }
        for Branch { when, then } in self.case.iter().flatten() {
            branches.push((when.compile(layout)?, then.compile(layout)?));
        }
        let otherwise = self.r#else.as_ref().map(|value| value.compile(layout)).transpose()?;
        let operation = if self.case.is_some() { "case" } else { "if" };
        let mut values: Vec<Formula> = branches.iter().map(|(_, then)| then.clone()).collect();
        values.extend(otherwise.clone());
        let kind = common_kind(operation, &values)?;
        Ok(Formula { node: Node::Case(branches, otherwise.map(Box::new)), kind })
    }

    /// Exactly one operation, with what belongs to it and nothing else.
    fn check_form(&self) -> Result<(), String> {
        let operations = [
            ("add", self.add.is_some()),
            ("subtract", self.subtract.is_some()),
            ("multiply", self.multiply.is_some()),
            ("divide", self.divide.is_some()),
            ("convert", self.convert.is_some()),
            ("round", self.round.is_some()),
            ("coalesce", self.coalesce.is_some()),
            ("if", self.r#if.is_some()),
            ("case", self.case.is_some()),
            ("add_months", self.add_months.is_some()),
            ("days_between", self.days_between.is_some()),
            ("abs", self.abs.is_some()),
            ("text", self.text.is_some()),
            ("concat", self.concat.is_some()),
            ("lower", self.lower.is_some()),
            ("upper", self.upper.is_some()),
            ("part", self.part.is_some()),
        ];
        let given: Vec<&str> = operations.iter().filter(|(_, given)| *given).map(|(name, _)| *name).collect();
        let [operation] = given.as_slice() else {
            let names: Vec<&str> = operations.iter().map(|(name, _)| *name).collect();
            return Err(format!("exactly one operation is needed, one of: {}", names.join(", ")));
        };
        let companions = [
            ("unit", "convert", self.unit.is_some(), true),
            ("places", "round", self.places.is_some(), true),
            ("mode", "round", self.mode.is_some(), false),
            ("then", "if", self.then.is_some(), true),
            ("months", "add_months", self.months.is_some(), true),
            ("of", "part", self.of.is_some(), true),
        ];
        for (name, owner, given, needed) in companions {
            if given && owner != *operation {
                return Err(format!("`{name}` belongs to `{owner}`, not to `{operation}`"));
            }
            if !given && needed && owner == *operation {
                return Err(format!("`{operation}` needs `{name}`"));
            }
        }
        if self.r#else.is_some() && !matches!(*operation, "if" | "case") {
            return Err(format!("`else` belongs to `if` and `case`, not to `{operation}`"));
        }
        if self.places.is_some_and(|places| places > number::PLACES_MAX) {
            return Err(format!("`places` is at most {}", number::PLACES_MAX));
        }
        Ok(())
    }
}

fn numeric(part: &Expression, layout: &Layout) -> Result<Formula, String> {
    let formula = part.compile(layout)?;
    if formula.kind.is_number() {
        return Ok(formula);
    }
    Err(match part {
        Expression::Column(name) => format!("column `{name}` is {}, a number is needed", formula.kind),
        _ => format!("a number is needed, found {}", formula.kind),
    })
}

fn timely(operation: &str, part: &Expression, layout: &Layout) -> Result<Formula, String> {
    let formula = part.compile(layout)?;
    if formula.kind.is_time() {
        Ok(formula)
    } else {
        Err(format!("`{operation}` needs a date or timestamp, found {}", formula.kind))
    }
}

fn textual(part: &Expression, layout: &Layout) -> Result<Formula, String> {
    let formula = part.compile(layout)?;
    if formula.kind == Kind::Text {
        Ok(formula)
    } else {
        Err(format!("text is needed, found {}", formula.kind))
    }
}

fn common_kind(operation: &str, parts: &[Formula]) -> Result<Kind, String> {
    let mut kinds = parts.iter().map(|part| part.kind);
    let first = kinds.next().ok_or_else(|| format!("`{operation}` needs at least one value"))?;
    kinds.try_fold(first, |common, kind| match (common, kind) {
        (a, b) if a == b => Ok(a),
        (a, b) if a.is_number() && b.is_number() => Ok(Kind::Decimal),
        (a, b) => Err(format!("`{operation}` mixes {a} and {b}")),
    })
}

impl Formula {
    /// What kind of value it gives.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The value for a row of the layout it was compiled for.
    ///
    /// # Errors
    /// When a number cannot be kept exactly, or on division by zero.
    pub fn evaluate(&self, row: &[Value]) -> Result<Value, ArithmeticError> {
        let value = self.node.evaluate(row)?;
        // An integer column in a place where numbers mix takes the common kind.
        Ok(match (self.kind, value) {
            (Kind::Decimal, Value::Integer(number)) => Value::Decimal(number.into()),
            (_, value) => value,
        })
    }

    fn number(&self, row: &[Value]) -> Result<Option<Decimal>, ArithmeticError> {
        Ok(self.evaluate(row)?.number())
    }
}

impl Node {
    fn evaluate(&self, row: &[Value]) -> Result<Value, ArithmeticError> {
        let number = |value: Option<Decimal>| value.map_or(Value::Null, Value::Decimal);
        Ok(match self {
            Self::Field(index) => row.get(*index).cloned().unwrap_or_default(),
            Self::Constant(value) => value.clone(),
            Self::Add(parts) => number(fold(parts, row, number::add)?),
            Self::Multiply(parts) => number(fold(parts, row, number::multiply)?),
            Self::Subtract(parts) => number(fold(parts.as_slice(), row, number::subtract)?),
            Self::Divide(parts) => number(fold(parts.as_slice(), row, number::divide)?),
            Self::Convert(part, unit) => number(part.number(row)?.map(|x| unit.apply(x)).transpose()?),
            Self::Round(part, places, mode) => {
                number(part.number(row)?.map(|x| number::round(x, *places, *mode)).transpose()?)
            }
            Self::Coalesce(parts) => {
                for part in parts {
                    let value = part.evaluate(row)?;
                    if !value.is_null() {
                        return Ok(value);
                    }
                }
                Value::Null
            }
            Self::Case(branches, otherwise) => {
                let chosen = branches.iter().find(|(test, _)| test.holds(row)).map(|(_, then)| then);
                match chosen.or(otherwise.as_deref()) {
                    Some(formula) => formula.evaluate(row)?,
                    None => Value::Null,
                }
            }
            Self::Abs(part) => number(part.number(row)?.map(|x| x.abs())),
            Self::AddMonths(of, months) => match day(&of.evaluate(row)?) {
                Some(date) => Value::Date(later(date, *months)?),
                None => Value::Null,
            },
            Self::DaysBetween(days) => {
                let [from, to] = days.as_ref();
                match day(&from.evaluate(row)?).zip(day(&to.evaluate(row)?)) {
                    Some((from, to)) => Value::Integer(i64::from((to - from).get_days())),
                    None => Value::Null,
                }
            }
            Self::Concat(parts) => concat(parts, row)?,
            Self::Lower(part) => text(part.evaluate(row)?, str::to_lowercase),
            Self::Upper(part) => text(part.evaluate(row)?, str::to_uppercase),
            Self::Part(part, of) => day(&of.evaluate(row)?).map_or(Value::Null, |date| part.of(date)),
        })
    }
}

/// The calendar date of a date or timestamp (UTC).
pub fn day(value: &Value) -> Option<Date> {
    match value {
        Value::Date(date) => Some(*date),
        Value::Timestamp(time) => Some(time.to_zoned(TimeZone::UTC).date()),
        _ => None,
    }
}

/// The same day so many months later, or that month's last day.
pub fn later(date: Date, months: i32) -> Result<Date, ArithmeticError> {
    let span = jiff::Span::new().try_months(months).map_err(|_| ArithmeticError::Overflow)?;
    date.checked_add(span).map_err(|_| ArithmeticError::Overflow)
}

fn fold(
    parts: &[Formula],
    row: &[Value],
    combine: fn(Decimal, Decimal) -> Result<Decimal, ArithmeticError>,
) -> Result<Option<Decimal>, ArithmeticError> {
    let mut result = None;
    for part in parts {
        let Some(next) = part.number(row)? else { return Ok(None) };
        result = Some(match result {
            None => next,
            Some(before) => combine(before, next)?,
        });
    }
    Ok(result)
}

fn concat(parts: &[Formula], row: &[Value]) -> Result<Value, ArithmeticError> {
    let mut joined = String::new();
    for part in parts {
        let value = part.evaluate(row)?;
        if value.is_null() {
            return Ok(Value::Null);
        }
        joined.push_str(&value.to_string());
        if joined.len() > TEXT_BYTES_MAX {
            return Err(ArithmeticError::TextTooLong);
        }
    }
    Ok(Value::Text(joined))
}

fn text(value: Value, change: fn(&str) -> String) -> Value {
    match value {
        Value::Text(text) => Value::Text(change(&text)),
        _ => Value::Null,
    }
}

impl Part {
    fn of(self, date: Date) -> Value {
        let month = i64::from(date.month());
        match self {
            Self::Year => Value::Integer(i64::from(date.year())),
            Self::Quarter => Value::Integer((month - 1) / 3 + 1),
            Self::Month => Value::Integer(month),
            Self::Day => Value::Integer(i64::from(date.day())),
            Self::YearMonth => Value::Text(format!("{:04}-{month:02}", date.year())),
            Self::Date => Value::Date(date),
        }
    }
}
