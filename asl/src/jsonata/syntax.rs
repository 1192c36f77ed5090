//! The tree of an expression as it is written: what the parser makes of the
//! tokens, before paths and functions are put together.

use super::lexer::Pattern;
use super::signature::Signature;
use crate::limits;

#[derive(Debug)]
pub(super) struct Syntax {
    pub(super) kind: SyntaxKind,
    /// Where the token that made it ends, in characters.
    pub(super) position: usize,
    /// `[]` follows: a single result stays an array.
    pub(super) keep_array: bool,
    /// Levels of the tree below and including this one.
    depth: usize,
}

#[derive(Debug)]
pub(super) enum SyntaxKind {
    Null,
    Bool(bool),
    Whole(i64),
    Number(f64),
    Text(String),
    Regex(Box<Pattern>),
    Name(String),
    Variable(String),
    Wildcard,
    Descendant,
    Parent,
    /// `?` among the arguments of a call.
    Placeholder,
    Negate(Box<Syntax>),
    Array(Vec<Syntax>),
    Object(Pairs),
    Block(Vec<Syntax>),
    /// `a.b.c`: the first part, and each dot's position with what follows it.
    Dots(Box<Syntax>, Vec<(usize, Syntax)>),
    /// `a[b][c]`
    Filters(Box<Syntax>, Vec<(usize, Syntax)>),
    Group(Box<Syntax>, Pairs),
    Sort(Box<Syntax>, Vec<(Syntax, bool)>),
    Focus(Box<Syntax>, String),
    Index(Box<Syntax>, String),
    Binary(&'static str, Box<Syntax>, Box<Syntax>),
    Bind(String, Box<Syntax>),
    Condition(Box<Syntax>, Box<Syntax>, Option<Box<Syntax>>),
    Call(Box<Syntax>, Vec<Syntax>),
    /// A call with a `?` among its arguments.
    Partial(Box<Syntax>, Vec<Syntax>),
    Lambda(Box<Definition>),
    Transform(Box<Syntax>, Box<Syntax>, Option<Box<Syntax>>),
    /// Deeper than any evaluation can reach.
    TooDeep,
}

/// A function as it is written. (Kept apart: most parts of a tree are small.)
#[derive(Debug)]
pub(super) struct Definition {
    pub(super) parameters: Vec<String>,
    pub(super) signature: Option<Signature>,
    pub(super) body: Syntax,
}

pub(super) type Pairs = Vec<(Syntax, Syntax)>;

impl Syntax {
    pub(super) fn new(kind: SyntaxKind, position: usize) -> Self {
        let depth = 1 + depth_below(&kind);
        let mut tree = Self { kind, position, keep_array: false, depth };
        if depth > limits::JSONATA_TREE_DEPTH_MAX {
            tree.cut_below(limits::JSONATA_TREE_DEPTH_KEPT);
        }
        tree
    }

    /// Lets go of what is more levels down.
    fn cut_below(&mut self, levels: usize) {
        if self.depth <= levels {
            return;
        }
        if levels == 0 {
            self.kind = SyntaxKind::TooDeep;
            self.depth = 1;
            return;
        }
        for child in children(&mut self.kind) {
            child.cut_below(levels - 1);
        }
        self.depth = 1 + depth_below(&self.kind);
    }
}

/// The parts of a tree, one level down.
fn children(kind: &mut SyntaxKind) -> Vec<&mut Syntax> {
    match kind {
        SyntaxKind::Negate(inner)
        | SyntaxKind::Bind(_, inner)
        | SyntaxKind::Focus(inner, _)
        | SyntaxKind::Index(inner, _) => vec![inner],
        SyntaxKind::Lambda(definition) => vec![&mut definition.body],
        SyntaxKind::Array(items) | SyntaxKind::Block(items) => items.iter_mut().collect(),
        SyntaxKind::Object(fields) => fields.iter_mut().flat_map(|(key, value)| [key, value]).collect(),
        SyntaxKind::Dots(first, rest) | SyntaxKind::Filters(first, rest) => {
            std::iter::once(&mut **first).chain(rest.iter_mut().map(|(_, item)| item)).collect()
        }
        SyntaxKind::Group(inner, fields) => std::iter::once(&mut **inner)
            .chain(fields.iter_mut().flat_map(|(key, value)| [key, value]))
            .collect(),
        SyntaxKind::Sort(inner, terms) => {
            std::iter::once(&mut **inner).chain(terms.iter_mut().map(|(term, _)| term)).collect()
        }
        SyntaxKind::Binary(_, left, right) => vec![left, right],
        SyntaxKind::Condition(one, two, three) | SyntaxKind::Transform(one, two, three) => {
            let mut parts: Vec<&mut Syntax> = vec![one, two];
            parts.extend(three.as_deref_mut());
            parts
        }
        SyntaxKind::Call(inner, items) | SyntaxKind::Partial(inner, items) => {
            std::iter::once(&mut **inner).chain(items).collect()
        }
        _ => Vec::new(),
    }
}

fn depth_below(kind: &SyntaxKind) -> usize {
    let all = |items: &[Syntax]| items.iter().map(|item| item.depth).max().unwrap_or(0);
    let pairs = |pairs: &[(Syntax, Syntax)]| {
        pairs.iter().map(|(key, value)| key.depth.max(value.depth)).max().unwrap_or(0)
    };
    let placed = |items: &[(usize, Syntax)]| items.iter().map(|(_, item)| item.depth).max().unwrap_or(0);
    match kind {
        SyntaxKind::Negate(inner)
        | SyntaxKind::Bind(_, inner)
        | SyntaxKind::Focus(inner, _)
        | SyntaxKind::Index(inner, _) => inner.depth,
        SyntaxKind::Lambda(definition) => definition.body.depth,
        SyntaxKind::Array(items) | SyntaxKind::Block(items) => all(items),
        SyntaxKind::Object(fields) => pairs(fields),
        SyntaxKind::Dots(first, rest) | SyntaxKind::Filters(first, rest) => first.depth.max(placed(rest)),
        SyntaxKind::Group(inner, fields) => inner.depth.max(pairs(fields)),
        SyntaxKind::Sort(inner, terms) => {
            terms.iter().map(|(term, _)| term.depth).max().unwrap_or(0).max(inner.depth)
        }
        SyntaxKind::Binary(_, left, right) => left.depth.max(right.depth),
        SyntaxKind::Condition(one, two, three) | SyntaxKind::Transform(one, two, three) => {
            one.depth.max(two.depth).max(three.as_ref().map_or(0, |three| three.depth))
        }
        SyntaxKind::Call(inner, items) | SyntaxKind::Partial(inner, items) => inner.depth.max(all(items)),
        _ => 0,
    }
}
