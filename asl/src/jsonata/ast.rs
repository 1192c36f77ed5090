//! The tree an expression is evaluated from. Shared by all threads; evaluation
//! only reads it.

use super::regex::Regex;
use super::signature::Signature;

/// A name of a variable, as its place in [`Program::symbols`].
pub(super) type Sym = usize;
/// A use of `%`, as its place in [`Program::parents`].
pub(super) type Slot = usize;

#[derive(Debug)]
pub(super) struct Program {
    pub(super) root: Node,
    /// The names of variables, without their `$`.
    pub(super) symbols: Vec<String>,
    /// The variable each `%` reads: the step it means binds it.
    pub(super) parents: Vec<Sym>,
    /// `$states`, if it is used.
    pub(super) states: Option<Sym>,
}

#[derive(Debug)]
pub(super) struct Node {
    pub(super) kind: Kind,
    /// A single result stays an array.
    pub(super) keep_array: bool,
    pub(super) extra: Option<Box<Extra>>,
}

/// What may follow anything that is not a path.
#[derive(Debug, Default)]
pub(super) struct Extra {
    pub(super) predicates: Vec<Node>,
    pub(super) group: Option<Vec<(Node, Node)>>,
}

#[derive(Debug)]
pub(super) enum Kind {
    Null,
    Bool(bool),
    Whole(i64),
    Number(f64),
    Text(String),
    Regex(Box<Regex>),
    /// A field of the context. Only as a step.
    Name(String),
    Wildcard,
    Descendant,
    Parent(Slot),
    /// `$`
    Context,
    Variable(Sym),
    Path(Box<Path>),
    /// `[…]`; in a path its result stays one item.
    Array {
        items: Vec<Node>,
        is_step: bool,
    },
    Object(Vec<(Node, Node)>),
    Negate(Box<Node>),
    Binary(Operator, Box<(Node, Node)>),
    Bind(Sym, Box<Node>),
    Condition(Box<(Node, Node, Option<Node>)>),
    Block(Box<Block>),
    Lambda(Box<Lambda>),
    Call(Box<Call>),
    Partial(Box<Call>),
    Transform(Box<Transform>),
    /// Only as a step.
    Sort(Vec<Term>),
    /// `?`, an argument to come.
    Placeholder,
    /// Deeper than any evaluation can reach.
    TooDeep,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Concatenate,
    And,
    Or,
    In,
    Range,
    /// `~>`
    Apply,
}

impl Operator {
    pub(super) fn of(sign: &str) -> Option<Self> {
        Some(match sign {
            "+" => Self::Add,
            "-" => Self::Subtract,
            "*" => Self::Multiply,
            "/" => Self::Divide,
            "%" => Self::Remainder,
            "=" => Self::Equal,
            "!=" => Self::NotEqual,
            "<" => Self::Less,
            "<=" => Self::LessOrEqual,
            ">" => Self::Greater,
            ">=" => Self::GreaterOrEqual,
            "&" => Self::Concatenate,
            "and" => Self::And,
            "or" => Self::Or,
            "in" => Self::In,
            ".." => Self::Range,
            "~>" => Self::Apply,
            _ => return None,
        })
    }

    pub(super) const fn sign(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Concatenate => "&",
            Self::And => "and",
            Self::Or => "or",
            Self::In => "in",
            Self::Range => "..",
            Self::Apply => "~>",
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Path {
    pub(super) steps: Vec<Step>,
    pub(super) keep_singleton: bool,
    pub(super) group: Option<Vec<(Node, Node)>>,
    /// Its items are handed on with what it bound: a `%` behind it needs that.
    pub(super) hands_on_tuples: bool,
}

#[derive(Debug)]
pub(super) struct Step {
    pub(super) node: Node,
    pub(super) stages: Vec<Stage>,
    /// `@$name`
    pub(super) focus: Option<Sym>,
    /// `#$name`
    pub(super) index: Option<Sym>,
    /// A `%` further on means the value this step starts from.
    pub(super) ancestor: Option<Slot>,
    /// From this step on the path carries what it binds.
    pub(super) binds: bool,
    /// Uses of `%` in it that steps before it have to answer.
    pub(super) seeking: Vec<Slot>,
}

#[derive(Debug)]
pub(super) enum Stage {
    Filter(Node),
    Index(Sym),
}

#[derive(Debug)]
pub(super) struct Block {
    pub(super) items: Vec<Node>,
    /// Variables are bound in it, so that it needs a frame of its own.
    pub(super) binds: bool,
    /// An item is an array written as `[…]`: as the first step of a path the
    /// block is evaluated once, on the whole of the context.
    pub(super) has_array: bool,
}

#[derive(Debug)]
pub(super) struct Lambda {
    pub(super) parameters: Vec<Sym>,
    pub(super) signature: Option<Signature>,
    pub(super) body: Node,
}

#[derive(Debug)]
pub(super) struct Call {
    pub(super) procedure: Node,
    pub(super) arguments: Vec<Node>,
    /// The last thing its function does: the caller goes on with it.
    pub(super) is_tail: bool,
    /// The name the function is called by, for messages.
    pub(super) name: Option<String>,
}

#[derive(Debug)]
pub(super) struct Transform {
    pub(super) pattern: Node,
    pub(super) update: Node,
    pub(super) delete: Option<Node>,
}

#[derive(Debug)]
pub(super) struct Term {
    pub(super) expression: Node,
    pub(super) descends: bool,
}

impl Node {
    pub(super) const fn new(kind: Kind) -> Self {
        Self { kind, keep_array: false, extra: None }
    }

    pub(super) fn predicates(&self) -> &[Self] {
        self.extra.as_ref().map_or(&[], |extra| &extra.predicates)
    }

    pub(super) fn extra_mut(&mut self) -> &mut Extra {
        self.extra.get_or_insert_with(Box::default)
    }

    /// As the first step of a path: evaluated once, on the whole of the context.
    pub(super) fn takes_whole_context(&self) -> bool {
        match &self.kind {
            Kind::Array { is_step, .. } => *is_step,
            Kind::Block(block) => block.has_array,
            _ => false,
        }
    }
}

impl Path {
    /// Nothing but its steps.
    pub(super) fn is_plain(&self) -> bool {
        !self.keep_singleton && self.group.is_none()
    }
}

impl Step {
    /// Nothing but its node.
    pub(super) fn is_plain(&self) -> bool {
        !self.binds && self.stages.is_empty() && self.node.extra.is_none() && !self.node.keep_array
    }

    pub(super) const fn new(node: Node) -> Self {
        Self {
            node,
            stages: Vec::new(),
            focus: None,
            index: None,
            ancestor: None,
            binds: false,
            seeking: Vec::new(),
        }
    }

    /// What filters a node filters the step it becomes.
    pub(super) fn predicates_become_stages(&mut self) {
        if let Some(extra) = &mut self.node.extra {
            let predicates = std::mem::take(&mut extra.predicates);
            self.stages = predicates.into_iter().map(Stage::Filter).collect();
            if extra.group.is_none() {
                self.node.extra = None;
            }
        }
    }
}
