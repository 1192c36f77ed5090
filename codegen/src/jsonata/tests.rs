//! The law of this module: an expression evaluates to what the same computation
//! in Rust gives. Random computations over random values are printed, evaluated
//! by `asl::jsonata`, and compared with [`Interpreter`], which is the computation
//! in Rust over what serde wrote.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use proptest::prelude::*;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Number, json};

use super::*;

// ---- the values

/// Every form of field a step's result may have.
#[derive(Debug, Clone, Serialize, JsonSchema)]
struct World {
    number: i32,
    ratio: f64,
    flag: bool,
    text: String,
    #[serde(rename = "odd-name")]
    odd: String,
    #[serde(rename = "in")]
    keyword: String,
    #[serde(rename = "tick`ed")]
    ticked: String,
    /// Null when there is none.
    null_number: Option<i32>,
    /// Missing when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    absent_number: Option<i32>,
    null_text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    absent_text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    absent_list: Option<Vec<i32>>,
    numbers: Vec<i32>,
    texts: Vec<String>,
    rows: Vec<Row>,
    grid: Vec<Vec<i32>>,
    row: Row,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
struct Row {
    id: i32,
    name: String,
    tags: Vec<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        Just("a".to_owned()),
        Just("{% $x %}".to_owned()),
        Just("quote \" back \\ slash \n line \u{1} %} `".to_owned()),
        "[a-z ]{0,5}",
        "\\PC{0,4}",
    ]
}

fn row() -> impl Strategy<Value = Row> {
    (-9..9, text(), prop::collection::vec(-3..3, 0..3), prop::option::of(text()))
        .prop_map(|(id, name, tags, note)| Row { id, name, tags, note })
}

fn world() -> impl Strategy<Value = World> {
    let scalars = (-99..99, -40..40, any::<bool>(), text(), text(), text(), text());
    let options = (
        prop::option::of(-9..9),
        prop::option::of(-9..9),
        prop::option::of(text()),
        prop::option::of(text()),
        prop::option::of(prop::collection::vec(-3..3, 0..3)),
    );
    let lists = (
        prop::collection::vec(-9..9, 0..4),
        prop::collection::vec(text(), 0..3),
        prop::collection::vec(row(), 0..4),
        prop::collection::vec(prop::collection::vec(-3..3, 0..3), 0..3),
        row(),
    );
    (scalars, options, lists).prop_map(|(scalars, options, lists)| {
        let (number, quarters, flag, text, odd, keyword, ticked) = scalars;
        let (null_number, absent_number, null_text, absent_text, absent_list) = options;
        let (numbers, texts, rows, grid, row) = lists;
        let ratio = f64::from(quarters) / 4.0;
        World {
            number,
            ratio,
            flag,
            text,
            odd,
            keyword,
            ticked,
            null_number,
            absent_number,
            null_text,
            absent_text,
            absent_list,
            numbers,
            texts,
            rows,
            grid,
            row,
        }
    })
}

// ---- the computations

const WORLD: Slot = Slot(0);

fn node(node: Node) -> NodeRef {
    Box::leak(Box::new(node))
}

fn field(of: NodeRef, name: &'static str, optional: bool) -> NodeRef {
    node(Node::Field { of, name, optional })
}

/// Builds typed computations from a tape of choices, so that a failure shrinks to a small one:
/// an exhausted tape always takes the first, simplest way.
struct Builder<'t> {
    tape: std::slice::Iter<'t, u8>,
    slots: u32,
    /// The elements a condition may speak of.
    rows: Vec<Slot>,
    integers: Vec<Slot>,
}

impl Builder<'_> {
    fn pick(&mut self, ways: u8, depth: u8) -> u8 {
        let choice = self.tape.next().copied().unwrap_or(0);
        // The ways that need no further ones come first.
        if depth == 0 { choice % ways.min(3) } else { choice % ways }
    }

    fn world(&mut self) -> NodeRef {
        if self.pick(2, 1) == 0 { node(Node::Slot(WORLD)) } else { node(Node::Input) }
    }

    fn row(&mut self, depth: u8) -> NodeRef {
        let world = self.world();
        match (self.pick(2, depth), self.rows.last()) {
            (0, Some(slot)) => node(Node::Slot(*slot)),
            _ => field(world, "row", false),
        }
    }

    fn number(&mut self, depth: u8) -> NodeRef {
        let world = self.world();
        let deeper = depth.saturating_sub(1);
        match self.pick(13, depth) {
            0 => node(Node::Literal(json!(3))),
            1 => field(world, "number", false),
            2 => match self.integers.last() {
                Some(slot) => node(Node::Slot(*slot)),
                None => field(world, "ratio", false),
            },
            3 => field(self.row(depth), "id", false),
            4 => node(Node::Arithmetic(Arithmetic::Add, self.number(deeper), self.number(deeper))),
            5 => node(Node::Arithmetic(Arithmetic::Subtract, self.number(deeper), self.number(deeper))),
            6 => node(Node::Arithmetic(Arithmetic::Multiply, self.number(deeper), self.number(deeper))),
            7 => node(Node::Count(self.list(deeper))),
            8 => node(Node::Sum(self.numbers(deeper))),
            9 => node(Node::UnwrapOr(self.maybe_number(deeper), self.number(deeper))),
            10 => node(Node::Literal(json!(-2.5))),
            11 => node(Node::Literal(json!(-7))),
            _ => {
                let pair = node(Node::Array(vec![self.number(deeper), self.text(deeper)]));
                node(Node::Element { of: pair, index: 0 })
            }
        }
    }

    fn maybe_number(&mut self, depth: u8) -> NodeRef {
        let world = self.world();
        let deeper = depth.saturating_sub(1);
        match self.pick(5, depth) {
            0 => field(world, "absent_number", true),
            1 => field(world, "null_number", true),
            2 => node(Node::Literal(Value::Null)),
            3 => self.number(deeper),
            _ => {
                let members = vec![Member { name: "n", value: self.maybe_number(deeper), optional: true }];
                field(node(Node::Object(members)), "n", true)
            }
        }
    }

    fn text(&mut self, depth: u8) -> NodeRef {
        let world = self.world();
        let deeper = depth.saturating_sub(1);
        match self.pick(9, depth) {
            0 => node(Node::Literal(json!("a"))),
            1 => field(world, "text", false),
            2 => field(world, "odd-name", false),
            3 => field(world, "in", false),
            4 => field(world, "tick`ed", false),
            5 => field(self.row(depth), "name", false),
            6 => node(Node::Literal(json!("{% \"\\ \n %} \u{1f980}"))),
            7 => node(Node::UnwrapOr(self.maybe_text(deeper), self.text(deeper))),
            _ => {
                let parts = (0..self.pick(4, deeper)).map(|_| match self.pick(3, deeper) {
                    0 => self.text(deeper),
                    1 => field(node(Node::Input), "number", false),
                    _ => node(Node::Count(self.list(deeper))),
                });
                let parts = parts.collect();
                node(Node::Concat(parts))
            }
        }
    }

    fn maybe_text(&mut self, depth: u8) -> NodeRef {
        let world = self.world();
        match self.pick(5, depth) {
            0 => field(world, "absent_text", true),
            1 => field(world, "null_text", true),
            2 => node(Node::Literal(Value::Null)),
            3 => field(self.row(depth), "note", true),
            _ => self.text(depth.saturating_sub(1)),
        }
    }

    fn boolean(&mut self, depth: u8) -> NodeRef {
        let deeper = depth.saturating_sub(1);
        let ordering = [
            Comparison::Less,
            Comparison::LessOrEqual,
            Comparison::Greater,
            Comparison::GreaterOrEqual,
            Comparison::Equal,
            Comparison::NotEqual,
        ];
        match self.pick(13, depth) {
            0 => node(Node::Literal(json!(true))),
            1 => field(self.world(), "flag", false),
            2 => node(Node::IsSome(self.maybe_text(0))),
            3 => node(Node::IsSome(self.maybe_number(deeper))),
            4 => node(Node::Not(self.boolean(deeper))),
            5 => node(Node::Logic(Logic::And, self.boolean(deeper), self.boolean(deeper))),
            6 => node(Node::Logic(Logic::Or, self.boolean(deeper), self.boolean(deeper))),
            7 => {
                let comparison = ordering[usize::from(self.pick(6, 1))];
                node(Node::Compare(comparison, self.number(deeper), self.number(deeper)))
            }
            8 => {
                let comparison = ordering[usize::from(self.pick(2, 1)) + 4];
                node(Node::Compare(comparison, self.maybe_text(deeper), self.maybe_text(deeper)))
            }
            9 => {
                let comparison = ordering[usize::from(self.pick(2, 1)) + 4];
                node(Node::Compare(comparison, self.maybe_number(deeper), self.number(deeper)))
            }
            10 => {
                let comparison = ordering[usize::from(self.pick(2, 1)) + 4];
                node(Node::Compare(comparison, self.list(deeper), self.list(deeper)))
            }
            11 => node(Node::Contains(self.numbers(deeper), self.number(deeper))),
            _ => node(Node::Contains(self.grid(deeper), self.numbers(deeper))),
        }
    }

    fn fresh(&mut self) -> Slot {
        self.slots += 1;
        Slot(self.slots)
    }

    fn numbers(&mut self, depth: u8) -> NodeRef {
        let world = self.world();
        let deeper = depth.saturating_sub(1);
        match self.pick(7, depth) {
            0 => field(world, "numbers", false),
            1 => field(self.row(depth), "tags", false),
            2 => node(Node::Literal(json!([1]))),
            3 => node(Node::Pluck(self.table(deeper), "id")),
            4 => {
                let item = self.fresh();
                let of = self.numbers(deeper);
                self.integers.push(item);
                let condition = self.boolean(deeper);
                self.integers.pop();
                node(Node::Filter { of, item, condition })
            }
            5 => node(Node::UnwrapOr(field(world, "absent_list", true), self.numbers(deeper))),
            _ => {
                let elements = (0..self.pick(3, deeper)).map(|_| self.number(deeper));
                let elements = elements.collect();
                node(Node::Array(elements))
            }
        }
    }

    fn grid(&mut self, depth: u8) -> NodeRef {
        let world = self.world();
        let deeper = depth.saturating_sub(1);
        match self.pick(5, depth) {
            0 => field(world, "grid", false),
            1 => node(Node::Literal(json!([[1]]))),
            2 => node(Node::Pluck(self.table(deeper), "tags")),
            3 => {
                let item = self.fresh();
                let (of, element) = (self.grid(deeper), node(Node::Slot(item)));
                let condition =
                    node(Node::Compare(Comparison::Less, node(Node::Count(element)), self.number(deeper)));
                node(Node::Filter { of, item, condition })
            }
            _ => {
                let elements = (0..self.pick(3, deeper)).map(|_| self.numbers(deeper));
                let elements = elements.collect();
                node(Node::Array(elements))
            }
        }
    }

    fn table(&mut self, depth: u8) -> NodeRef {
        let world = self.world();
        if self.pick(2, depth) == 0 {
            return field(world, "rows", false);
        }
        let item = self.fresh();
        let of = self.table(depth.saturating_sub(1));
        self.rows.push(item);
        let condition = self.boolean(depth.saturating_sub(1));
        self.rows.pop();
        node(Node::Filter { of, item, condition })
    }

    fn list(&mut self, depth: u8) -> NodeRef {
        match self.pick(6, depth) {
            0 => self.numbers(depth),
            1 => field(self.world(), "texts", false),
            2 => self.table(depth),
            3 => self.grid(depth),
            4 => node(Node::Pluck(self.table(depth), "name")),
            _ => node(Node::Pluck(self.table(depth), "note")),
        }
    }

    fn object(&mut self, depth: u8) -> NodeRef {
        let deeper = depth.saturating_sub(1);
        let members = vec![
            Member { name: "number", value: self.number(deeper), optional: false },
            Member { name: "odd-name", value: self.maybe_text(deeper), optional: true },
            Member { name: "quote\"", value: self.maybe_number(deeper), optional: false },
            Member { name: "list", value: self.list(deeper), optional: false },
        ];
        node(Node::Object(members))
    }

    fn any(&mut self, depth: u8) -> NodeRef {
        match self.pick(8, 1) {
            0 => self.number(depth),
            1 => self.text(depth),
            2 => self.boolean(depth),
            3 => self.maybe_text(depth),
            4 => self.list(depth),
            5 => self.object(depth),
            6 => node(Node::Array(vec![self.object(depth), self.list(depth), self.maybe_number(depth)])),
            _ => self.maybe_number(depth),
        }
    }
}

// ---- the same computation in Rust

struct Interpreter<'w> {
    world: &'w Value,
    locals: BTreeMap<Slot, Value>,
}

impl Interpreter<'_> {
    /// `None` is an `Option::None` that serde left out.
    fn eval(&mut self, node: NodeRef) -> Option<Value> {
        Some(match node {
            Node::Input | Node::Event => self.world.clone(),
            Node::Slot(slot) if *slot == WORLD => self.world.clone(),
            Node::Slot(slot) => self.locals[slot].clone(),
            Node::Field { of, name, .. } => return self.eval(of)?.get(name).cloned(),
            Node::Element { of, index } => self.eval(of)?[*index].clone(),
            Node::Literal(value) => value.clone(),
            Node::Object(members) => {
                let mut object = serde_json::Map::new();
                for member in members {
                    let value = self.value(member.value);
                    if !(member.optional && value.is_null()) {
                        object.insert(member.name.to_owned(), value);
                    }
                }
                Value::Object(object)
            }
            Node::Array(elements) => elements.iter().map(|element| self.value(element)).collect(),
            Node::Not(of) => json!(!self.boolean(of)),
            Node::Logic(Logic::And, left, right) => json!(self.boolean(left) && self.boolean(right)),
            Node::Logic(Logic::Or, left, right) => json!(self.boolean(left) || self.boolean(right)),
            Node::Compare(comparison, left, right) => {
                let (left, right) = (normal(&self.value(left)), normal(&self.value(right)));
                json!(match comparison {
                    Comparison::Equal => left == right,
                    Comparison::NotEqual => left != right,
                    Comparison::Less => left.as_f64() < right.as_f64(),
                    Comparison::LessOrEqual => left.as_f64() <= right.as_f64(),
                    Comparison::Greater => left.as_f64() > right.as_f64(),
                    Comparison::GreaterOrEqual => left.as_f64() >= right.as_f64(),
                })
            }
            Node::Arithmetic(operator, left, right) => {
                let (left, right) = (self.number(left), self.number(right));
                json!(match operator {
                    Arithmetic::Add => left + right,
                    Arithmetic::Subtract => left - right,
                    Arithmetic::Multiply => left * right,
                })
            }
            Node::Concat(parts) => {
                let texts = parts.iter().map(|part| match self.value(part) {
                    Value::String(text) => text,
                    other => other.to_string(),
                });
                json!(texts.collect::<String>())
            }
            Node::IsSome(of) => json!(!self.value(of).is_null()),
            Node::UnwrapOr(of, other) => match self.value(of) {
                Value::Null => self.value(other),
                value => value,
            },
            Node::Count(of) => json!(self.list(of).len()),
            Node::Sum(of) => {
                json!(self.list(of).iter().filter_map(Value::as_f64).fold(0.0, |sum, number| sum + number))
            }
            Node::Pluck(of, name) => self
                .list(of)
                .iter()
                .map(|element| element.get(name).cloned().unwrap_or(Value::Null))
                .collect(),
            Node::Filter { of, item, condition } => {
                let mut kept = Vec::new();
                for element in self.list(of) {
                    self.locals.insert(*item, element.clone());
                    if self.boolean(condition) {
                        kept.push(element);
                    }
                }
                Value::Array(kept)
            }
            Node::Contains(of, value) => {
                let value = normal(&self.value(value));
                json!(self.list(of).iter().any(|element| normal(element) == value))
            }
            Node::ItemIndex(_) | Node::Context(_) => unreachable!("the builder makes none"),
        })
    }

    fn value(&mut self, node: NodeRef) -> Value {
        self.eval(node).unwrap_or(Value::Null)
    }

    fn boolean(&mut self, node: NodeRef) -> bool {
        self.value(node).as_bool().expect("a boolean")
    }

    fn number(&mut self, node: NodeRef) -> f64 {
        self.value(node).as_f64().expect("a number")
    }

    fn list(&mut self, node: NodeRef) -> Vec<Value> {
        self.value(node).as_array().expect("a list").clone()
    }
}

/// `1` and `1.0` are the same number.
fn normal(value: &Value) -> Value {
    match value {
        Value::Number(number) => {
            // `-0.0` and `0` are, too.
            let number = number.as_f64().expect("a finite number") + 0.0;
            Number::from_f64(number).map_or(Value::Null, Value::Number)
        }
        Value::Array(elements) => elements.iter().map(normal).collect(),
        Value::Object(members) => {
            let mut sorted: Vec<_> =
                members.iter().map(|(name, value)| (name.clone(), normal(value))).collect();
            sorted.sort_by(|left, right| left.0.cmp(&right.0));
            Value::Object(sorted.into_iter().collect())
        }
        other => other.clone(),
    }
}

// ---- printing and evaluating

struct Fixed {
    /// Nothing is known of the world when this is off.
    world: Shape,
}

impl Places for Fixed {
    fn slot(&mut self, slot: Slot) -> Result<Place, Problem> {
        assert_eq!(slot, WORLD, "only lambdas bind other slots");
        Ok(Place::Path("$world".to_owned()))
    }

    fn index(&mut self, slot: Slot) -> Result<String, Problem> {
        Err(Problem::OutOfScope(slot.0))
    }

    fn shapes(&self) -> &dyn Shapes {
        self
    }
}

impl Shapes for Fixed {
    fn input(&self) -> Shape {
        self.world.clone()
    }

    fn slot(&self, _: Slot) -> Shape {
        self.world.clone()
    }
}

fn known() -> Fixed {
    let mut generator = schemars::generate::SchemaSettings::draft2020_12().for_serialize().into_generator();
    Fixed { world: Shape::of_schema(&generator.root_schema_for::<World>().to_value()) }
}

fn unknown() -> Fixed {
    Fixed { world: Shape::UNKNOWN }
}

struct Still;

impl asl::Host for Still {
    fn now_millis(&self) -> i64 {
        0
    }

    fn random(&self) -> f64 {
        0.5
    }

    fn uuid(&self) -> String {
        String::new()
    }
}

/// Evaluates a template as AWS does: every `{% … %}` on its own, and none may be worth nothing.
fn evaluate(template: &Value, world: &Value) -> Result<Value, String> {
    match template {
        Value::String(text) => match text.strip_prefix("{%").and_then(|text| text.strip_suffix("%}")) {
            Some(source) => {
                let expression = asl::Expression::parse(source).map_err(|error| error.to_string())?;
                let states = json!({ "context": { "Execution": { "Input": world } } });
                let variables = IndexMap::from([("world".to_owned(), world.clone())]);
                let scope = asl::Scope {
                    states: &states,
                    variables: &variables,
                    host: &Still,
                    budget: &asl::StateBudget::new(),
                };
                let value = expression.evaluate(&scope).map_err(|error| error.to_string())?;
                value.ok_or_else(|| "worth nothing".to_owned())
            }
            None => Ok(template.clone()),
        },
        Value::Array(elements) => elements.iter().map(|element| evaluate(element, world)).collect(),
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| Ok((name.clone(), evaluate(value, world)?)));
            members.collect::<Result<_, String>>().map(Value::Object)
        }
        other => Ok(other.clone()),
    }
}

fn build(tape: &[u8]) -> NodeRef {
    Builder { tape: tape.iter(), slots: 0, rows: Vec::new(), integers: Vec::new() }.any(3)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_expression_computes_what_rust_computes(
        world in world(),
        tape in prop::collection::vec(any::<u8>(), 0..120),
    ) {
        let world = serde_json::to_value(&world).expect("a world is JSON");
        let node = build(&tape);
        let expected = Interpreter { world: &world, locals: BTreeMap::new() }.value(node);
        for mut places in [known(), unknown()] {
            let template = Printer::new(&mut places).template(node);
            if let Err(Problem::TooDeep(_)) = template {
                continue;
            }
            let template = template.expect("it can be expressed");
            let value = evaluate(&template, &world).map_err(|error| TestCaseError::fail(format!("{error}\n{template:#}")))?;
            prop_assert_eq!(normal(&value), normal(&expected), "{:#}", template);
        }
    }
}

// ---- how it reads

fn printed(node: NodeRef) -> String {
    match Printer::new(&mut known()).template(node).expect("it can be expressed") {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

fn world_field(name: &'static str) -> NodeRef {
    field(node(Node::Slot(WORLD)), name, false)
}

fn number(value: i32) -> NodeRef {
    node(Node::Literal(json!(value)))
}

#[test]
fn parentheses_stand_where_they_are_needed() {
    let (a, b, c) = (world_field("number"), number(2), number(3));
    let arithmetic = |operator, left, right| node(Node::Arithmetic(operator, left, right));
    let add = |left, right| arithmetic(Arithmetic::Add, left, right);
    let subtract = |left, right| arithmetic(Arithmetic::Subtract, left, right);
    let multiply = |left, right| arithmetic(Arithmetic::Multiply, left, right);
    assert_eq!(printed(add(a, multiply(b, c))), "{% $world.number + 2 * 3 %}");
    assert_eq!(printed(multiply(add(a, b), c)), "{% ($world.number + 2) * 3 %}");
    assert_eq!(printed(subtract(a, subtract(b, c))), "{% $world.number - (2 - 3) %}");
    assert_eq!(printed(subtract(subtract(a, b), c)), "{% $world.number - 2 - 3 %}");

    let flag = world_field("flag");
    let or = node(Node::Logic(Logic::Or, flag, flag));
    assert_eq!(
        printed(node(Node::Logic(Logic::And, or, flag))),
        "{% ($world.flag or $world.flag) and $world.flag %}"
    );
    let equal = node(Node::Compare(Comparison::Equal, a, b));
    assert_eq!(
        printed(node(Node::Compare(Comparison::Equal, equal, flag))),
        "{% ($world.number = 2) = $world.flag %}"
    );
}

#[test]
fn options_are_asked_for_presence_and_null() {
    let absent = field(node(Node::Slot(WORLD)), "absent_number", true);
    insta::assert_snapshot!(printed(node(Node::IsSome(absent))), @"{% $exists($world.absent_number) and $world.absent_number != null %}");
    insta::assert_snapshot!(printed(node(Node::UnwrapOr(absent, number(0)))), @"{% $exists($world.absent_number) and $world.absent_number != null ? $world.absent_number : 0 %}");
    insta::assert_snapshot!(printed(absent), @"{% $exists($world.absent_number) ? $world.absent_number : null %}");
    insta::assert_snapshot!(printed(node(Node::Compare(Comparison::NotEqual, absent, number(1)))), @"{% $not($world.absent_number = 1) %}");
}

#[test]
fn lists_stay_lists() {
    let rows = world_field("rows");
    insta::assert_snapshot!(printed(node(Node::Pluck(rows, "name"))), @"{% [$world.rows.name] %}");
    insta::assert_snapshot!(printed(node(Node::Pluck(rows, "tags"))), @"{% [$map($world.rows, function($item) { $exists($item.tags) ? $item.tags : null })[]] %}");
    let item = Slot(7);
    let condition =
        node(Node::Compare(Comparison::Greater, field(node(Node::Slot(item)), "id", false), number(1)));
    insta::assert_snapshot!(printed(node(Node::Filter { of: rows, item, condition })), @"{% [$filter($world.rows, function($item) { $item.id > 1 })] %}");
    insta::assert_snapshot!(printed(node(Node::Contains(world_field("texts"), node(Node::Literal(json!("a")))))), @r#"{% "a" in $world.texts %}"#);
}

#[test]
fn objects_are_templates_unless_a_member_may_be_left_out() {
    let absent = field(node(Node::Slot(WORLD)), "absent_text", true);
    let object = |value, optional| {
        node(Node::Object(vec![
            Member { name: "n", value: world_field("number"), optional: false },
            Member { name: "odd \"name", value, optional },
        ]))
    };
    insta::assert_snapshot!(printed(object(world_field("odd-name"), true)), @r#"{"n":"{% $world.number %}","odd \"name":"{% $world.`odd-name` %}"}"#);
    insta::assert_snapshot!(printed(object(absent, true)), @r#"{% {"n": $world.number, "odd \"name": $world.absent_text != null ? $world.absent_text} %}"#);
    insta::assert_snapshot!(printed(object(node(Node::Literal(Value::Null)), true)), @r#"{"n":"{% $world.number %}"}"#);
}

#[test]
fn a_text_that_looks_like_an_expression_stays_a_text() {
    let text = node(Node::Literal(json!("{% $now() %}")));
    insta::assert_snapshot!(printed(text), @r#"{% "{% $now() %\u007d" %}"#);
}

#[test]
fn numbers_a_double_cannot_hold_are_refused() {
    for value in [json!(9_007_199_254_740_993_u64), json!(-9_007_199_254_740_993_i64), json!([[u64::MAX]])] {
        let problem = Printer::new(&mut known()).template(node(Node::Literal(value)));
        assert!(matches!(problem, Err(Problem::Imprecise(_))), "{problem:?}");
    }
    let largest = node(Node::Literal(json!(INTEGER_MAX)));
    assert_eq!(printed(largest), "9007199254740992");
}

#[test]
fn what_aws_would_not_evaluate_is_refused() {
    let deep = (0..120)
        .fold(world_field("number"), |sum, _| node(Node::Arithmetic(Arithmetic::Add, sum, number(1))));
    let problem = Printer::new(&mut known()).template(deep);
    assert!(matches!(problem, Err(Problem::TooDeep(_))), "{problem:?}");
}
