//! Nodes as JSONata: the one place that knows its precedences and its traps.
//!
//! JSONata unwraps arrays of one element, drops missing values, flattens arrays
//! inside array constructors, and compares a missing value as unequal *and* not
//! unequal. Nothing of that shows through here: an expression yields what the
//! same computation on the deserialised Rust values yields (a property test
//! holds that).

use serde_json::Value;
use stepwright::ir::{Arithmetic, Comparison, Context, Logic, Member, Node, NodeRef, Slot};

use crate::shape::{self, Kind, Shape};

/// Integers a double holds exactly: JSONata calculates with doubles.
pub(crate) const INTEGER_MAX: u64 = 1 << 53;

/// AWS stops an evaluation at 100 levels; an expression nests a level or two
/// deeper than its tree because of the paths at its leaves.
const DEPTH_MAX: u32 = 90;

/// How tightly an expression binds (the parser's binding powers).
mod level {
    pub(super) const TERNARY: u8 = 20;
    pub(super) const OR: u8 = 25;
    pub(super) const AND: u8 = 30;
    pub(super) const COMPARE: u8 = 40;
    pub(super) const ADD: u8 = 50;
    pub(super) const MULTIPLY: u8 = 60;
    pub(super) const ATOM: u8 = 100;
}

/// Where a slot's value is found.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    /// In a path such as `$parse` or `$states.input.item`.
    Path(String),
    /// Nowhere: it is this node, computed where it is needed.
    Node(NodeRef),
}

/// Tells the printer where values are.
pub(crate) trait Places {
    /// The place of a slot's value.
    fn slot(&mut self, slot: Slot) -> Result<Place, Problem>;
    /// The place of the index of the iteration whose item is `slot`.
    fn index(&mut self, slot: Slot) -> Result<String, Problem>;
    /// The path of the workflow's input.
    fn input(&self) -> String {
        "$states.context.Execution.Input".to_owned()
    }
    /// What values look like.
    fn shapes(&self) -> &dyn Shapes;
}

/// What values look like that an expression starts from.
pub(crate) trait Shapes {
    /// The execution input.
    fn input(&self) -> Shape;
    /// A slot's value.
    fn slot(&self, slot: Slot) -> Shape;
}

/// Why a value cannot be expressed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// An integer a double cannot hold.
    #[error(
        "the number {0} is beyond 2^53, where JSONata loses digits: carry it as text (a string or a decimal type)"
    )]
    Imprecise(String),
    /// Nested deeper than AWS evaluates.
    #[error("the expression nests {0} levels deep, AWS evaluates at most 100: let a step compute part of it")]
    TooDeep(u32),
    /// The value of a state that does not run before this one, or of another workflow.
    #[error(
        "it uses a value (slot {0}) that no state before it in the same workflow produces: build every value from what this workflow's steps returned"
    )]
    OutOfScope(u32),
}

/// A piece of JSONata.
#[derive(Debug, Clone)]
struct Code {
    text: String,
    level: u8,
    depth: u32,
    /// A path: cheap to write twice, and a field may follow.
    path: bool,
}

impl Code {
    fn atom(text: impl Into<String>) -> Code {
        Code { text: text.into(), level: level::ATOM, depth: 1, path: false }
    }

    fn path(text: impl Into<String>) -> Code {
        Code { path: true, ..Code::atom(text) }
    }

    fn new(text: String, level: u8, depth: u32) -> Code {
        Code { text, level, depth: depth + 1, path: false }
    }

    /// The text as an operand that has to bind at least as tightly as `level`.
    fn at(&self, level: u8) -> String {
        if self.level >= level { self.text.clone() } else { format!("({})", self.text) }
    }
}

/// A part of a text.
#[derive(Debug)]
enum Part {
    /// A constant.
    Text(String),
    /// A value, and whether it is known to be a text.
    Value(NodeRef, bool),
}

/// A name a lambda binds.
struct Local {
    slot: Slot,
    name: String,
    shape: Shape,
}

/// Prints nodes; see the module.
pub(crate) struct Printer<'a> {
    places: &'a mut dyn Places,
    locals: Vec<Local>,
}

impl<'a> Printer<'a> {
    pub(crate) fn new(places: &'a mut dyn Places) -> Printer<'a> {
        Printer { places, locals: Vec::new() }
    }

    /// The node as the value of an ASL field: JSON with `{% … %}` where something is computed.
    /// A missing value becomes null, because AWS refuses a field that evaluates to nothing.
    pub(crate) fn template(&mut self, node: NodeRef) -> Result<Value, Problem> {
        match self.simplified(node)? {
            Node::Literal(value) => literal_template(value),
            Node::Concat(parts) => {
                let mut parts = self.joined(parts)?;
                match (parts.pop(), parts.is_empty()) {
                    (None, _) => Ok(Value::from("")),
                    (Some(Part::Text(text)), true) => literal_template(&Value::String(text)),
                    _ => self.expression(node),
                }
            }
            Node::Object(members) if self.is_template(members)? => {
                let mut object = serde_json::Map::new();
                for member in members.iter().filter(|member| !is_left_out(member)) {
                    object.insert(member.name.to_owned(), self.template(member.value)?);
                }
                Ok(Value::Object(object))
            }
            Node::Array(elements) => elements
                .iter()
                .map(|element| self.template(element))
                .collect::<Result<_, _>>()
                .map(Value::Array),
            node => self.expression(node),
        }
    }

    /// The node as an `Output`. AWS takes any JSON there, but the validators people check
    /// definitions with take objects and expressions only.
    pub(crate) fn output(&mut self, node: NodeRef) -> Result<Value, Problem> {
        match self.template(node)? {
            object @ Value::Object(_) => Ok(object),
            Value::String(text) if text.starts_with("{%") => Ok(Value::String(text)),
            _ => self.expression(node),
        }
    }

    fn expression(&mut self, node: NodeRef) -> Result<Value, Problem> {
        let code = self.present(node)?;
        checked(&code)?;
        Ok(delimited(&code.text))
    }

    /// The node that is meant: slots that stand for a node are followed, and so are fields
    /// of objects and elements of arrays that are under construction themselves.
    fn simplified(&mut self, node: NodeRef) -> Result<NodeRef, Problem> {
        let meant = match node {
            Node::Slot(slot) => match self.place(*slot)? {
                Place::Node(node) => node,
                Place::Path(_) => return Ok(node),
            },
            Node::Field { of, name, .. } => match self.simplified(of)? {
                Node::Object(members) => match members.iter().find(|member| member.name == *name) {
                    Some(member) => member.value,
                    None => return Ok(node),
                },
                _ => return Ok(node),
            },
            Node::Element { of, index } => match self.simplified(of)? {
                Node::Array(elements) => match elements.get(*index) {
                    Some(element) => element,
                    None => return Ok(node),
                },
                _ => return Ok(node),
            },
            _ => return Ok(node),
        };
        self.simplified(meant)
    }

    /// The node as `{% … %}`, also where it is a constant: for fields that take expressions only.
    pub(crate) fn condition(&mut self, node: NodeRef) -> Result<Value, Problem> {
        let code = self.print(node)?;
        checked(&code)?;
        Ok(delimited(&code.text))
    }

    /// The node as JSON text, for services that take a document in a text.
    pub(crate) fn json_text(&mut self, node: NodeRef) -> Result<Value, Problem> {
        let code = self.present(node)?;
        let shape = self.shape(node);
        let plain = Code::new(format!("$string({})", code.text), level::ATOM, code.depth);
        // `$string` of a text is the text itself; inside of an array it has its quotes.
        let quoted = format!("$substring($string([{0}]), 1, $length($string([{0}])) - 2)", code.text);
        let quoted = Code::new(quoted, level::ATOM, code.depth + 2);
        let text = match shape.kind {
            Kind::Text if !shape.nullable => quoted,
            Kind::Text | Kind::Unknown => {
                let text = format!("$type({}) = \"string\" ? {} : {}", code.text, quoted.text, plain.text);
                Code::new(text, level::TERNARY, quoted.depth)
            }
            _ => plain,
        };
        checked(&text)?;
        Ok(delimited(&text.text))
    }

    /// The node whose condition holds first, or what is otherwise. Conditions are JSONata.
    pub(crate) fn alternatives(
        &mut self,
        alternatives: &[(String, NodeRef)],
        otherwise: &str,
    ) -> Result<Value, Problem> {
        let mut all = Code::atom(otherwise);
        for (condition, node) in alternatives.iter().rev() {
            let node = self.present(node)?;
            let text = format!("{condition} ? {} : {}", node.at(level::TERNARY + 1), all.text);
            all = Code::new(text, level::TERNARY, all.depth.max(node.depth));
        }
        checked(&all)?;
        Ok(delimited(&all.text))
    }

    /// An object is written as JSON unless only the evaluation can tell whether a member is left out.
    fn is_template(&mut self, members: &[Member]) -> Result<bool, Problem> {
        for member in members.iter().filter(|member| !is_left_out(member)) {
            if member.optional && self.may_be_none(member.value)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether the value may be missing or null.
    fn may_be_none(&mut self, node: NodeRef) -> Result<bool, Problem> {
        Ok(self.may_be_missing(node)? || self.shape(node).nullable)
    }

    fn print(&mut self, node: NodeRef) -> Result<Code, Problem> {
        match self.simplified(node)? {
            Node::Input => Ok(Code::path(self.places.input())),
            // Only the state that makes the input of it has it: it is the first.
            Node::Event => Ok(Code::path("$states.input")),
            Node::Slot(slot) => match self.place(*slot)? {
                Place::Path(path) => Ok(Code::path(path)),
                Place::Node(node) => self.print(node),
            },
            Node::ItemIndex(slot) => self.places.index(*slot).map(Code::path),
            Node::Context(field) => Ok(Code::path(context(*field))),
            Node::Field { of, name, .. } => self.field(of, name),
            Node::Element { of, index } => {
                let of = self.print(of)?;
                let array = if of.path { of.text } else { format!("({})", of.text) };
                Ok(Code {
                    text: format!("{array}[{index}]"),
                    level: level::ATOM,
                    depth: of.depth + 1,
                    path: of.path,
                })
            }
            Node::Literal(value) => literal(value),
            Node::Object(members) => self.object(members),
            Node::Array(elements) => self.array(elements),
            Node::Not(of) => self.call("$not", &[of]),
            Node::Logic(Logic::And, left, right) => self.infix("and", level::AND, left, right),
            Node::Logic(Logic::Or, left, right) => self.infix("or", level::OR, left, right),
            Node::Compare(comparison, left, right) => self.compare(*comparison, left, right),
            Node::Arithmetic(operator, left, right) => match operator {
                Arithmetic::Add => self.infix("+", level::ADD, left, right),
                Arithmetic::Subtract => self.infix("-", level::ADD, left, right),
                Arithmetic::Multiply => self.infix("*", level::MULTIPLY, left, right),
            },
            Node::Concat(parts) => self.concat(parts),
            Node::IsSome(of) => {
                let of = self.print(of)?;
                Ok(with_path(&of, |path| (format!("$exists({path}) and {path} != null"), level::AND)))
            }
            Node::UnwrapOr(of, other) => {
                let (of, other) = (self.print(of)?, self.present(other)?);
                let depth = other.depth;
                let other = other.at(level::TERNARY + 1);
                let code = with_path(&of, |path| {
                    (format!("$exists({path}) and {path} != null ? {path} : {other}"), level::TERNARY)
                });
                Ok(Code { depth: code.depth.max(depth) + 1, ..code })
            }
            Node::Count(of) => self.call("$count", &[of]),
            Node::Sum(of) => self.call("$sum", &[of]),
            Node::Pluck(of, name) => self.pluck(of, name),
            Node::Filter { of, item, condition } => self.filter(of, *item, condition),
            Node::Contains(of, value) => self.contains(of, value),
        }
    }

    fn place(&mut self, slot: Slot) -> Result<Place, Problem> {
        match self.locals.iter().rev().find(|local| local.slot == slot) {
            Some(local) => Ok(Place::Path(format!("${}", local.name))),
            None => self.places.slot(slot),
        }
    }

    /// The node, with null in place of a missing value.
    fn present(&mut self, node: NodeRef) -> Result<Code, Problem> {
        let code = self.print(node)?;
        if !self.may_be_missing(node)? {
            return Ok(code);
        }
        Ok(with_path(&code, |path| (format!("$exists({path}) ? {path} : null"), level::TERNARY)))
    }

    fn infix(&mut self, operator: &str, level: u8, left: NodeRef, right: NodeRef) -> Result<Code, Problem> {
        let (left, right) = (self.print(left)?, self.print(right)?);
        Ok(infix(operator, level, &left, &right))
    }

    fn call(&mut self, function: &str, arguments: &[NodeRef]) -> Result<Code, Problem> {
        let arguments = arguments.iter().map(|node| self.print(node)).collect::<Result<Vec<_>, _>>()?;
        let depth = arguments.iter().map(|code| code.depth).max().unwrap_or(0);
        let arguments: Vec<_> = arguments.into_iter().map(|code| code.text).collect();
        Ok(Code::new(format!("{function}({})", arguments.join(", ")), level::ATOM, depth))
    }

    fn field(&mut self, of: NodeRef, name: &str) -> Result<Code, Problem> {
        let of = self.print(of)?;
        if name.is_empty() || name.contains('`') {
            let text = format!("$lookup({}, {})", of.text, text_literal(name));
            return Ok(Code::new(text, level::ATOM, of.depth));
        }
        let object = if of.path { of.text } else { format!("({})", of.text) };
        Ok(Code {
            text: format!("{object}.{}", quoted(name)),
            level: level::ATOM,
            depth: of.depth + 1,
            path: of.path,
        })
    }

    fn object(&mut self, members: &[Member]) -> Result<Code, Problem> {
        let mut depth = 0;
        let mut texts = Vec::new();
        for member in members.iter().filter(|member| !is_left_out(member)) {
            let value = if member.optional && self.may_be_none(member.value)? {
                // Without an alternative the conditional is worth nothing, and the constructor leaves that out.
                with_path(&self.print(member.value)?, |path| {
                    (format!("{path} != null ? {path}"), level::TERNARY)
                })
            } else {
                self.present(member.value)?
            };
            depth = depth.max(value.depth);
            texts.push(format!("{}: {}", text_literal(member.name), value.text));
        }
        Ok(Code::new(format!("{{{}}}", texts.join(", ")), level::ATOM, depth))
    }

    fn array(&mut self, elements: &[NodeRef]) -> Result<Code, Problem> {
        let elements = elements.iter().map(|element| self.element(element)).collect::<Result<Vec<_>, _>>()?;
        let depth = elements.iter().map(|code| code.depth).max().unwrap_or(0);
        let texts: Vec<_> = elements.into_iter().map(|code| code.text).collect();
        Ok(Code::new(format!("[{}]", texts.join(", ")), level::ATOM, depth))
    }

    /// An element of an array constructor, which flattens arrays unless they are constructors themselves.
    fn element(&mut self, node: NodeRef) -> Result<Code, Problem> {
        let code = self.present(node)?;
        if code.text.starts_with('[') {
            return Ok(code);
        }
        let shape = self.shape(node);
        match shape.is_array() {
            Some(false) => Ok(code),
            Some(true) if !shape.nullable => {
                Ok(Code::new(format!("[{}]", code.text), level::ATOM, code.depth))
            }
            _ => {
                let wrapped = with_path(&code, |path| {
                    (format!("$type({path}) = \"array\" ? [[{path}]] : [{path}]"), level::TERNARY)
                });
                Ok(Code::new(format!("({})", wrapped.text), level::ATOM, wrapped.depth))
            }
        }
    }

    fn compare(&mut self, comparison: Comparison, left: NodeRef, right: NodeRef) -> Result<Code, Problem> {
        let operator = match comparison {
            Comparison::Equal => "=",
            Comparison::NotEqual => "!=",
            Comparison::Less => "<",
            Comparison::LessOrEqual => "<=",
            Comparison::Greater => ">",
            Comparison::GreaterOrEqual => ">=",
        };
        if !matches!(comparison, Comparison::Equal | Comparison::NotEqual) {
            return self.infix(operator, level::COMPARE, left, right);
        }
        // A missing operand makes both `=` and `!=` false.
        let missing = (self.may_be_missing(left)?, self.may_be_missing(right)?);
        if missing == (false, false) {
            return self.infix(operator, level::COMPARE, left, right);
        }
        let other_is_null = match missing {
            (true, false) => self.shape(right).nullable,
            (false, true) => self.shape(left).nullable,
            _ => true,
        };
        if other_is_null {
            let (left, right) = (self.present(left)?, self.present(right)?);
            return Ok(infix(operator, level::COMPARE, &left, &right));
        }
        let equal = self.infix("=", level::COMPARE, left, right)?;
        Ok(match comparison {
            Comparison::NotEqual => Code::new(format!("$not({})", equal.text), level::ATOM, equal.depth),
            _ => equal,
        })
    }

    fn concat(&mut self, parts: &[NodeRef]) -> Result<Code, Problem> {
        let parts = self.joined(parts)?;
        let mut codes = Vec::new();
        // `&` makes a text of what is none, so a single number needs it, too.
        if parts.is_empty() || matches!(parts.as_slice(), [Part::Value(_, false)]) {
            codes.push(Code::atom("\"\""));
        }
        for part in parts {
            codes.push(match part {
                Part::Text(text) => Code::atom(text_literal(&text)),
                Part::Value(node, _) => self.print(node)?,
            });
        }
        let joined = codes.into_iter().reduce(|left, right| infix("&", level::ADD, &left, &right));
        Ok(joined.unwrap_or_else(|| Code::atom("\"\"")))
    }

    /// The parts of a text, those that are constant put together.
    fn joined(&mut self, parts: &[NodeRef]) -> Result<Vec<Part>, Problem> {
        let mut joined: Vec<Part> = Vec::new();
        for part in parts {
            let inner = match self.simplified(part)? {
                Node::Concat(inner) => self.joined(inner)?,
                Node::Literal(Value::String(text)) => vec![Part::Text(text.clone())],
                node => {
                    let is_text = matches!(self.shape(node).kind, Kind::Text);
                    vec![Part::Value(node, is_text)]
                }
            };
            for part in inner {
                match (joined.last_mut(), part) {
                    (_, Part::Text(text)) if text.is_empty() => {}
                    (Some(Part::Text(last)), Part::Text(text)) => last.push_str(&text),
                    (_, part) => joined.push(part),
                }
            }
        }
        Ok(joined)
    }

    fn pluck(&mut self, of: NodeRef, name: &str) -> Result<Code, Problem> {
        let element = self.shape(of).element();
        let is_plain_name = !name.is_empty() && !name.contains('`');
        let is_plain = is_plain_name
            && !element.nullable
            && element
                .member(name)
                .is_some_and(|field| field.required && field.shape.is_array() == Some(false));
        let array = match self.simplified(of)? {
            // The outer brackets serve the pluck, too.
            Node::Filter { of, item, condition } if is_plain => self.filter_call(of, *item, condition)?,
            of => self.print(of)?,
        };
        if is_plain && (array.path || array.text.starts_with('$')) {
            return Ok(Code::new(format!("[{}.{}]", array.text, quoted(name)), level::ATOM, array.depth));
        }
        // An element without the field counts as one with null, and a field that is an array stays one.
        let item = self.local_name();
        let field = if is_plain_name {
            format!("${item}.{}", quoted(name))
        } else {
            format!("$lookup(${item}, {})", text_literal(name))
        };
        let text =
            format!("[$map({}, function(${item}) {{ $exists({field}) ? {field} : null }})[]]", array.text);
        Ok(Code::new(text, level::ATOM, array.depth + 4))
    }

    fn filter(&mut self, of: NodeRef, item: Slot, condition: NodeRef) -> Result<Code, Problem> {
        // A single hit comes back bare. If it is an array itself, only `[]` keeps the two apart.
        let keep = if self.shape(of).element().is_array() == Some(false) { "" } else { "[]" };
        let call = self.filter_call(of, item, condition)?;
        Ok(Code::new(format!("[{}{keep}]", call.text), level::ATOM, call.depth))
    }

    fn filter_call(&mut self, of: NodeRef, item: Slot, condition: NodeRef) -> Result<Code, Problem> {
        let array = self.print(of)?;
        let shape = self.shape(of).element();
        let name = self.local_name();
        self.locals.push(Local { slot: item, name: name.clone(), shape });
        let condition = self.print(condition);
        self.locals.pop();
        let condition = condition?;
        let text = format!("$filter({}, function(${name}) {{ {} }})", array.text, condition.text);
        Ok(Code::new(text, level::ATOM, array.depth.max(condition.depth) + 1))
    }

    fn contains(&mut self, of: NodeRef, value: NodeRef) -> Result<Code, Problem> {
        let array = self.print(of)?;
        let wanted = self.present(value)?;
        if self.shape(value).is_scalar() {
            return Ok(infix("in", level::COMPARE, &wanted, &array));
        }
        // `in` compares objects and arrays by identity.
        let name = self.local_name();
        let text = format!(
            "$exists($filter({}, function(${name}) {{ ${name} = {} }}))",
            array.text,
            wanted.at(level::COMPARE + 1)
        );
        Ok(Code::new(text, level::ATOM, array.depth.max(wanted.depth) + 3))
    }

    /// A name for a lambda's parameter, distinct from those around it.
    fn local_name(&self) -> String {
        match self.locals.len() {
            0 => "item".to_owned(),
            enclosing => format!("item{}", enclosing + 1),
        }
    }

    /// Whether the node may evaluate to nothing at all.
    fn may_be_missing(&mut self, node: NodeRef) -> Result<bool, Problem> {
        Ok(match self.simplified(node)? {
            Node::Field { of, optional, .. } => *optional || self.may_be_missing(of)?,
            Node::Element { of, .. } => self.may_be_missing(of)?,
            _ => false,
        })
    }

    fn shape(&self, node: NodeRef) -> Shape {
        match node {
            Node::Slot(slot) => match self.locals.iter().rev().find(|local| local.slot == *slot) {
                Some(local) => local.shape.clone(),
                None => self.places.shapes().slot(*slot),
            },
            _ => shape_of(node, self.places.shapes(), &|node| self.shape(node)),
        }
    }
}

/// The shape of a node whose operands' shapes `operand` tells.
pub(crate) fn shape_of(node: NodeRef, shapes: &dyn Shapes, operand: &dyn Fn(NodeRef) -> Shape) -> Shape {
    match node {
        Node::Input => shapes.input(),
        Node::Slot(slot) => shapes.slot(*slot),
        Node::Field { of, name, optional } => {
            let mut shape = operand(of).member(name).map_or(Shape::UNKNOWN, |member| member.shape.clone());
            shape.nullable |= *optional;
            shape
        }
        Node::Element { of, index } => operand(of).element_at(*index),
        Node::Literal(value) => Shape::of_value(value),
        Node::Object(members) => {
            let members = members.iter().map(|member| {
                let shape = operand(member.value);
                (member.name.to_owned(), shape::Member { shape, required: !member.optional })
            });
            Shape { kind: Kind::Object(members.collect()), nullable: false }
        }
        Node::Array(elements) => Shape::tuple_of(elements.iter().map(|element| operand(element))),
        Node::Context(_) | Node::Concat(_) => Shape::TEXT,
        Node::Event => Shape::UNKNOWN,
        Node::ItemIndex(_)
        | Node::Not(_)
        | Node::Logic(..)
        | Node::Compare(..)
        | Node::Arithmetic(..)
        | Node::IsSome(_)
        | Node::Count(_)
        | Node::Contains(..)
        | Node::Sum(_) => Shape::SCALAR,
        Node::UnwrapOr(of, other) => {
            let other = operand(other);
            let nullable = other.nullable;
            Shape { nullable, ..shape::join([operand(of).not_null(), other]) }
        }
        Node::Pluck(of, name) => {
            let element = operand(of).element();
            let field = element.member(name);
            let mut shape = field.map_or(Shape::UNKNOWN, |field| field.shape.clone());
            shape.nullable |= field.is_none_or(|field| !field.required);
            Shape::array_of(shape)
        }
        Node::Filter { of, .. } => operand(of).not_null(),
    }
}

/// A constant as JSON.
fn literal_template(value: &Value) -> Result<Value, Problem> {
    match value {
        // A text that looks like an expression would be taken for one.
        Value::String(text) if text.trim_start().starts_with("{%") || text.trim_end().ends_with("%}") => {
            Ok(delimited(&literal(value)?.text))
        }
        Value::Array(elements) => {
            elements.iter().map(literal_template).collect::<Result<_, _>>().map(Value::Array)
        }
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| Ok((name.clone(), literal_template(value)?)));
            members.collect::<Result<_, _>>().map(Value::Object)
        }
        Value::Number(_) => literal(value).map(|_| value.clone()),
        Value::Null | Value::Bool(_) | Value::String(_) => Ok(value.clone()),
    }
}

/// Whether an optional member is known to have no value.
fn is_left_out(member: &Member) -> bool {
    member.optional && matches!(member.value, Node::Literal(Value::Null))
}

fn checked(code: &Code) -> Result<(), Problem> {
    if code.depth > DEPTH_MAX { Err(Problem::TooDeep(code.depth)) } else { Ok(()) }
}

fn delimited(expression: &str) -> Value {
    Value::String(format!("{{% {expression} %}}"))
}

fn infix(operator: &str, level: u8, left: &Code, right: &Code) -> Code {
    // Comparisons do not chain, the others associate to the left.
    let left_level = if level == level::COMPARE { level + 1 } else { level };
    let text = format!("{} {operator} {}", left.at(left_level), right.at(level + 1));
    Code::new(text, level, left.depth.max(right.depth))
}

/// Writes something that mentions its operand several times; what is no path is bound to a name first.
fn with_path(code: &Code, write: impl FnOnce(&str) -> (String, u8)) -> Code {
    if code.path {
        let (text, level) = write(&code.text);
        return Code::new(text, level, code.depth + 2);
    }
    let (text, _) = write("$value");
    Code::new(format!("($value := {}; {text})", code.text), level::ATOM, code.depth + 4)
}

fn context(field: Context) -> &'static str {
    match field {
        Context::ExecutionId => "$states.context.Execution.Id",
        Context::ExecutionName => "$states.context.Execution.Name",
        Context::ExecutionStartTime => "$states.context.Execution.StartTime",
        Context::StateMachineName => "$states.context.StateMachine.Name",
        Context::StateEnteredTime => "$states.context.State.EnteredTime",
    }
}

fn literal(value: &Value) -> Result<Code, Problem> {
    let code = match value {
        Value::Null => Code::atom("null"),
        Value::Bool(value) => Code::atom(value.to_string()),
        Value::Number(number) => {
            let magnitude = number.as_u64().or_else(|| number.as_i64().map(i64::unsigned_abs));
            if magnitude.is_some_and(|magnitude| magnitude > INTEGER_MAX) {
                return Err(Problem::Imprecise(number.to_string()));
            }
            Code::atom(number.to_string())
        }
        Value::String(text) => Code::atom(text_literal(text)),
        Value::Array(elements) => {
            let elements = elements.iter().map(literal).collect::<Result<Vec<_>, _>>()?;
            let depth = elements.iter().map(|code| code.depth).max().unwrap_or(0);
            let texts: Vec<_> = elements.into_iter().map(|code| code.text).collect();
            Code::new(format!("[{}]", texts.join(", ")), level::ATOM, depth)
        }
        Value::Object(members) => {
            let mut depth = 0;
            let mut texts = Vec::new();
            for (name, value) in members {
                let value = literal(value)?;
                depth = depth.max(value.depth);
                texts.push(format!("{}: {}", text_literal(name), value.text));
            }
            Code::new(format!("{{{}}}", texts.join(", ")), level::ATOM, depth)
        }
    };
    Ok(code)
}

/// A text in JSONata's (that is JSON's) quotes; `%}` is broken up, because it ends an expression.
pub(crate) fn text_literal(text: &str) -> String {
    Value::String(text.to_owned()).to_string().replace("%}", "%\\u007d")
}

/// A field name in a path, in backquotes where it is no plain name.
fn quoted(name: &str) -> String {
    const KEYWORDS: [&str; 7] = ["and", "or", "in", "true", "false", "null", "function"];
    let mut characters = name.chars();
    let is_name = characters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && characters.all(|other| other.is_ascii_alphanumeric() || other == '_');
    if is_name && !KEYWORDS.contains(&name) { name.to_owned() } else { format!("`{name}`") }
}

#[cfg(test)]
mod tests;
