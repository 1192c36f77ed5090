//! Reads Choice states: the rules of both languages, and the comparisons of JSONPath.

use serde_json::Value;

use super::super::advice;
use super::super::flow::{Edge, StateFlow};
use super::super::model::{
    Choice, ChoiceRule, Comparand, Condition, Is, Operand, QueryLanguage, Relation, Test,
};
use super::super::source::NodeKind;
use super::expression::Place;
use super::fields::{Fields, not_supported, of_quoted_number};
use super::{At, Reader};

/// What the name of an operator says.
#[derive(Clone, Copy)]
enum Operator {
    Compare { comparand: Comparand, relation: Relation, is_path: bool },
    Matches,
    Is(Is),
}

macro_rules! comparisons {
    ($($comparand:ident: [$($name:literal $relation:ident),+],)+) => {
        &[$($((
            $name,
            Operator::Compare { comparand: Comparand::$comparand, relation: Relation::$relation, is_path: false },
        ), (
            concat!($name, "Path"),
            Operator::Compare { comparand: Comparand::$comparand, relation: Relation::$relation, is_path: true },
        ),)+)+]
    };
}

/// The operators that compare. Developer guide, "Choice workflow state".
const COMPARISONS: &[(&str, Operator)] = comparisons! {
    String: [
        "StringEquals" Equals,
        "StringLessThan" LessThan,
        "StringGreaterThan" GreaterThan,
        "StringLessThanEquals" LessThanEquals,
        "StringGreaterThanEquals" GreaterThanEquals
    ],
    Numeric: [
        "NumericEquals" Equals,
        "NumericLessThan" LessThan,
        "NumericGreaterThan" GreaterThan,
        "NumericLessThanEquals" LessThanEquals,
        "NumericGreaterThanEquals" GreaterThanEquals
    ],
    Boolean: ["BooleanEquals" Equals],
    Timestamp: [
        "TimestampEquals" Equals,
        "TimestampLessThan" LessThan,
        "TimestampGreaterThan" GreaterThan,
        "TimestampLessThanEquals" LessThanEquals,
        "TimestampGreaterThanEquals" GreaterThanEquals
    ],
};

/// The operators that do not compare with a value of a type.
const TESTS: &[(&str, Operator)] = &[
    ("StringMatches", Operator::Matches),
    ("IsNull", Operator::Is(Is::Null)),
    ("IsPresent", Operator::Is(Is::Present)),
    ("IsNumeric", Operator::Is(Is::Numeric)),
    ("IsString", Operator::Is(Is::String)),
    ("IsBoolean", Operator::Is(Is::Boolean)),
    ("IsTimestamp", Operator::Is(Is::Timestamp)),
];

const COMBINATIONS: [&str; 3] = ["And", "Or", "Not"];
/// Fields of a rule that are no operator, in JSONPath.
const RULE: [&str; 4] = ["Assign", "Comment", "Next", "Variable"];

fn operator(key: &str) -> Option<&'static (&'static str, Operator)> {
    COMPARISONS.iter().chain(TESTS).find(|(name, _)| *name == key)
}

/// The way a Choice goes when no rule matches.
pub(super) fn default_way(fields: &Fields<'_>, flow: &mut StateFlow, assigns: Vec<String>) {
    if let Some(at) = fields.at("Default")
        && let Some(target) = at.node.as_text()
    {
        flow.edges.push(Edge::new(target, &at.location, at.node.span.clone(), assigns));
    }
}

impl Reader<'_> {
    pub(super) fn choice_kind(&mut self, fields: &Fields<'_>, flow: &mut StateFlow) -> Option<Choice> {
        if !self.require(fields, &["Choices"]) {
            return None;
        }
        let at = fields.at("Choices")?;
        let mut rules = Vec::new();
        for (index, item) in self.filled_array(&at)?.iter().enumerate() {
            rules.push(self.choice_rule(&at.item(index, item), flow));
        }
        let default = self.optional_text(fields, "Default");
        let rules = rules.into_iter().collect::<Option<Vec<_>>>()?;
        Some(Choice { rules, default })
    }

    fn choice_rule(&mut self, at: &At<'_>, flow: &mut StateFlow) -> Option<ChoiceRule> {
        let fields = self.object(at)?;
        let comment = self.optional_text(&fields, "Comment");
        let condition = match flow.language {
            QueryLanguage::Jsonata => self.jsonata_condition(&fields, flow),
            QueryLanguage::JsonPath => self.jsonpath_condition(&fields, true, flow),
        };
        let (assign, names) = self.assign(&fields, Place::Before, flow);
        let output = self.optional_output(&fields, Place::Before, flow);
        let next = self.target(&fields, flow, names);
        Some(ChoiceRule { comment, condition: condition?, next: next?, assign, output })
    }

    /// The `Next` of a rule or a catcher; whether it is there has been checked.
    pub(super) fn target(
        &mut self,
        fields: &Fields<'_>,
        flow: &mut StateFlow,
        assigns: Vec<String>,
    ) -> Option<String> {
        let at = fields.at("Next")?;
        let next = self.text(&at)?;
        flow.edges.push(Edge::new(&next, &at.location, at.node.span.clone(), assigns));
        Some(next)
    }

    fn jsonata_condition(&mut self, fields: &Fields<'_>, flow: &mut StateFlow) -> Option<Condition> {
        let mut foreign = false;
        for key in fields.keys() {
            let is_known = matches!(key, "Assign" | "Comment" | "Condition" | "Next" | "Output");
            if is_known {
                continue;
            }
            let is_jsonpath = key == "Variable" || COMBINATIONS.contains(&key) || operator(key).is_some();
            self.schema_at_key(not_supported(key, QueryLanguage::Jsonata, is_jsonpath), fields, key);
            self.unknown_keys.insert(fields.key_span(key).start);
            if is_jsonpath {
                self.foreign(advice::in_language("Variable", QueryLanguage::Jsonata, std::iter::empty()));
                if foreign {
                    self.is_consequence(true);
                }
                foreign = true;
            } else {
                let names = ["Assign", "Comment", "Condition", "Next", "Output"];
                let advice = self.guesses.names(key, names, "fields of a rule");
                self.advise(advice);
            }
        }
        if !self.require(fields, &["Condition", "Next"]) && foreign && fields.has("Next") {
            // A rule of the other language has another field in its place.
            self.is_consequence(true);
        }
        let at = fields.at("Condition")?;
        self.condition(&at, flow).map(Condition::Expression)
    }

    /// A comparison or a combination of some; only that of the rule itself has
    /// `Next` and `Assign`.
    fn jsonpath_condition(
        &mut self,
        fields: &Fields<'_>,
        is_rule: bool,
        flow: &mut StateFlow,
    ) -> Option<Condition> {
        let (mut operators, mut other) = (Vec::new(), false);
        for key in fields.keys() {
            if COMBINATIONS.contains(&key) || operator(key).is_some() {
                operators.push(key);
            } else if !RULE.contains(&key) || !is_rule && matches!(key, "Assign" | "Next") {
                other = true;
            }
        }
        if other {
            self.foreign_fields_of_rule(fields, is_rule);
        }
        let combination = operators.iter().copied().find(|key| COMBINATIONS.contains(key));
        let required: &[&str] = match (combination.is_some(), is_rule) {
            (true, true) => &["Next"],
            (true, false) => &[],
            (false, true) => &["Variable", "Next"],
            (false, false) => &["Variable"],
        };
        let is_foreign = fields.has("Condition");
        let is_complete = self.require(fields, required);
        if !is_complete && is_foreign && fields.has("Next") {
            self.is_consequence(true);
        }
        let [key] = operators.as_slice() else {
            let message = if operators.is_empty() {
                "A choice rule needs a comparison operator".to_owned()
            } else {
                format!("Only one of these fields is allowed: [{}]", operators.join(", "))
            };
            self.schema(message, &fields.at);
            self.advise(Some(if operators.len() > 1 {
                "to ask for several, write \"And\": [{\"Variable\": …}, {\"Variable\": …}]"
            } else {
                "say how it is compared: \"StringEquals\": \"open\", \"NumericGreaterThan\": 3, \"IsPresent\": true, …"
            }));
            // What was meant as the operator is reported as unknown.
            self.is_consequence(operators.is_empty() && other);
            return None;
        };
        match combination {
            Some(key) if fields.has("Variable") => {
                let message = format!("Only one of these fields is allowed: [Variable, {key}]");
                self.schema(message, &fields.at);
                None
            }
            Some(key) => self.combination(key, fields, flow),
            None => {
                let test = self.comparison(key, fields, flow);
                if is_complete { test } else { None }
            }
        }
    }

    fn foreign_fields_of_rule(&mut self, fields: &Fields<'_>, is_rule: bool) {
        let foreign = fields.keys().filter(|key| {
            let is_operator = COMBINATIONS.contains(key) || operator(key).is_some();
            !is_operator && (!RULE.contains(key) || !is_rule && matches!(*key, "Assign" | "Next"))
        });
        for key in foreign.collect::<Vec<_>>() {
            let is_jsonata = matches!(key, "Condition" | "Output");
            self.schema_at_key(not_supported(key, QueryLanguage::JsonPath, is_jsonata), fields, key);
            self.unknown_keys.insert(fields.key_span(key).start);
            if is_jsonata {
                self.foreign(advice::in_language(key, QueryLanguage::JsonPath, std::iter::empty()));
                continue;
            }
            let advice = if RULE.contains(&key) {
                Some(format!("only the rule itself has `{key}`, not the conditions in it"))
            } else {
                let operators = COMPARISONS.iter().chain(TESTS).map(|(name, _)| *name);
                let similar = self.guesses.similar(key, operators.chain(COMBINATIONS).chain(RULE));
                similar.map(|name| format!("did you mean `{name}`?"))
            };
            self.advise(advice);
        }
    }

    fn combination(&mut self, key: &str, fields: &Fields<'_>, flow: &mut StateFlow) -> Option<Condition> {
        let at = fields.at(key)?;
        if key == "Not" {
            let inner = self.object(&at)?;
            return self.nested(&inner, flow).map(|inner| Condition::Not(Box::new(inner)));
        }
        let mut parts = Vec::new();
        for (index, item) in self.filled_array(&at)?.iter().enumerate() {
            let inner = self.object(&at.item(index, item));
            parts.push(inner.and_then(|inner| self.nested(&inner, flow)));
        }
        let parts = parts.into_iter().collect::<Option<Vec<_>>>()?;
        Some(if key == "And" { Condition::And(parts) } else { Condition::Or(parts) })
    }

    fn nested(&mut self, fields: &Fields<'_>, flow: &mut StateFlow) -> Option<Condition> {
        self.optional_text(fields, "Comment");
        self.jsonpath_condition(fields, false, flow)
    }

    fn comparison(&mut self, key: &str, fields: &Fields<'_>, flow: &mut StateFlow) -> Option<Condition> {
        let (name, operator) = operator(key)?;
        let variable = fields.at("Variable").and_then(|at| self.reference_path(&at, flow));
        let at = fields.at(key)?;
        let test = match operator {
            Operator::Matches => self.text(&at).map(Test::Matches),
            Operator::Is(what) => self.boolean(&at).map(|expected| Test::Is { what: *what, expected }),
            Operator::Compare { comparand, relation, is_path } => {
                let to = if *is_path {
                    self.reference_path(&at, flow).map(Operand::Path)
                } else {
                    self.literal(name, *comparand, &at, flow).map(Operand::Literal)
                };
                to.map(|to| Test::Compare { comparand: *comparand, relation: *relation, to })
            }
        };
        Some(Condition::Test { variable: variable?, operator: name, test: test? })
    }

    fn literal(&mut self, name: &str, comparand: Comparand, at: &At<'_>, flow: &StateFlow) -> Option<Value> {
        let is_right = match comparand {
            Comparand::String | Comparand::Timestamp => self.text(at).is_some(),
            Comparand::Boolean => self.boolean(at).is_some(),
            Comparand::Numeric => {
                let is_number = matches!(at.node.kind, NodeKind::Number(_));
                if !is_number {
                    self.expected("Number", at);
                    self.advise(of_quoted_number(at));
                }
                is_number
            }
        };
        match (comparand, at.node.as_text()) {
            (Comparand::Timestamp, Some(text)) => self.timestamp_text(text, at),
            (Comparand::String, _) => self.warn_of_missing_path(name, at, flow),
            _ => {}
        }
        is_right.then(|| at.node.to_value())
    }
}
