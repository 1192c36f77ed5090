//! Values of a workflow: [`Expr<T>`] and what can be said about one.
//!
//! A workflow function runs once, at build time; the data does not exist yet.
//! An `Expr<T>` stands for a `T` that will. It is a pointer to a node of the
//! expression tree, hence `Copy`, and dereferences to `T`'s fields, so that
//! `file.rows` reads like the field access it becomes.
//!
//! Refused here: branching on a value in Rust (`if` wants a `bool` and gets an
//! `Expr<bool>`), `<` on anything but numbers, arithmetic on 64-bit integers.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use crate::ir::{Arithmetic, Comparison, Logic, Node, NodeRef};
use crate::literal;
use crate::operand::{IntoExpr, Operand, TextPart};
use crate::shape::{Boolean, List, Number, Optional, SafeNumber, Shape, Text};
use crate::slot;

/// A value of type `T` that will exist when the workflow runs.
///
/// Numbers are JSON numbers, which the query language holds as IEEE doubles:
/// a 64-bit integer is exact up to 2^53. Comparing `u64` and `i64` is allowed
/// because counts, sizes and row numbers stay below; an identifier or an amount
/// of money that may not be belongs in a `String`. Arithmetic is for integers
/// of at most 32 bits and `f64`.
pub struct Expr<T> {
    node: NodeRef,
    shape: PhantomData<fn() -> T>,
}

impl<T> Clone for Expr<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Expr<T> {}

impl<T> fmt::Debug for Expr<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expr").field(self.node).finish()
    }
}

/// Leaks a node: a workflow is described once per process, then emitted.
pub(crate) fn node(node: Node) -> NodeRef {
    Box::leak(Box::new(node))
}

impl<T> Expr<T> {
    /// A value of type `T` from its node; for generated code, which knows the type.
    #[doc(hidden)]
    pub const fn from_node(node: NodeRef) -> Self {
        Self { node, shape: PhantomData }
    }

    /// The value's node.
    #[doc(hidden)]
    pub const fn node(self) -> NodeRef {
        self.node
    }

    pub(crate) fn new(content: Node) -> Self {
        Self::from_node(node(content))
    }
}

impl<T: Shape> Deref for Expr<T> {
    type Target = T::Fields;

    fn deref(&self) -> &T::Fields {
        // Fields are made on demand: a type that contains itself has no end.
        Box::leak(Box::new(T::fields(self.node)))
    }
}

/// A constant.
///
/// # Panics
/// If the value does not serialise to JSON or holds an integer beyond 2^53.
///
/// ```
/// use stepwright::prelude::*;
/// let limit: Expr<u32> = lit(40);
/// ```
#[track_caller]
pub fn lit<T: Shape>(value: T) -> Expr<T> {
    Expr::from_node(literal::of(value))
}

/// An optional value that is there.
pub fn some<T: Shape>(value: impl IntoExpr<T>) -> Expr<Option<T>> {
    Expr::from_node(value.into_expr().node())
}

/// An optional value that is not there.
pub fn none<T: Shape>() -> Expr<Option<T>> {
    Expr::new(Node::Literal(serde_json::Value::Null))
}

/// A list of values known by number.
pub fn list<T: Shape, const N: usize>(items: [Expr<T>; N]) -> Expr<Vec<T>> {
    Expr::new(Node::Array(items.iter().map(|item| item.node()).collect()))
}

impl<T: Shape> Expr<T> {
    /// Whether both are the same value, deeply.
    pub fn equals(self, other: impl Operand<T>) -> Expr<bool> {
        self.compare(Comparison::Equal, other)
    }

    /// Whether they differ.
    pub fn not_equals(self, other: impl Operand<T>) -> Expr<bool> {
        self.compare(Comparison::NotEqual, other)
    }

    /// `self > other`, for numbers.
    pub fn gt(self, other: impl Operand<T>) -> Expr<bool>
    where
        T: Number,
    {
        self.compare(Comparison::Greater, other)
    }

    /// `self >= other`, for numbers.
    pub fn ge(self, other: impl Operand<T>) -> Expr<bool>
    where
        T: Number,
    {
        self.compare(Comparison::GreaterOrEqual, other)
    }

    /// `self < other`, for numbers.
    pub fn lt(self, other: impl Operand<T>) -> Expr<bool>
    where
        T: Number,
    {
        self.compare(Comparison::Less, other)
    }

    /// `self <= other`, for numbers.
    pub fn le(self, other: impl Operand<T>) -> Expr<bool>
    where
        T: Number,
    {
        self.compare(Comparison::LessOrEqual, other)
    }

    fn compare(self, comparison: Comparison, other: impl Operand<T>) -> Expr<bool> {
        Expr::new(Node::Compare(comparison, self.node, other.operand()))
    }

    /// Both hold.
    pub fn and(self, other: Expr<bool>) -> Expr<bool>
    where
        T: Boolean,
    {
        Expr::new(Node::Logic(Logic::And, self.node, other.node))
    }

    /// At least one holds.
    pub fn or(self, other: Expr<bool>) -> Expr<bool>
    where
        T: Boolean,
    {
        Expr::new(Node::Logic(Logic::Or, self.node, other.node))
    }

    /// It does not hold.
    #[expect(clippy::should_implement_trait, reason = "the operator's bound would have no text of its own")]
    pub fn not(self) -> Expr<bool>
    where
        T: Boolean,
    {
        Expr::new(Node::Not(self.node))
    }

    /// `self + other`. The result is still a `T`: a sum outside `T`'s range is
    /// refused by the step that receives it (`Contract.InputMismatch`).
    #[must_use]
    #[expect(clippy::should_implement_trait, reason = "the operator's bound would have no text of its own")]
    pub fn add(self, other: impl Operand<T>) -> Expr<T>
    where
        T: SafeNumber,
    {
        self.calculate(Arithmetic::Add, other)
    }

    /// `self - other`; see [`Expr::add`] about the range.
    #[must_use]
    #[expect(clippy::should_implement_trait, reason = "the operator's bound would have no text of its own")]
    pub fn sub(self, other: impl Operand<T>) -> Expr<T>
    where
        T: SafeNumber,
    {
        self.calculate(Arithmetic::Subtract, other)
    }

    /// `self * other`; see [`Expr::add`] about the range.
    #[must_use]
    #[expect(clippy::should_implement_trait, reason = "the operator's bound would have no text of its own")]
    pub fn mul(self, other: impl Operand<T>) -> Expr<T>
    where
        T: SafeNumber,
    {
        self.calculate(Arithmetic::Multiply, other)
    }

    fn calculate(self, operation: Arithmetic, other: impl Operand<T>) -> Expr<T> {
        Expr::new(Node::Arithmetic(operation, self.node, other.operand()))
    }

    /// This text followed by another text, or by a number as JSON prints it.
    ///
    /// ```
    /// # use stepwright::prelude::*;
    /// # fn f(feed: Expr<String>, rows: Expr<u64>) -> Expr<String> {
    /// feed.concat(": ").concat(rows).concat(" rows")
    /// # }
    /// ```
    pub fn concat(self, next: impl TextPart) -> Expr<String>
    where
        T: Text,
    {
        let mut parts = match self.node {
            Node::Concat(parts) => parts.clone(),
            _ => vec![self.node],
        };
        parts.push(next.text_part());
        Expr::new(Node::Concat(parts))
    }

    /// Whether an optional value is there: neither missing nor null.
    pub fn is_some(self) -> Expr<bool>
    where
        T: Optional,
    {
        Expr::new(Node::IsSome(self.node))
    }

    /// Whether an optional value is missing or null.
    pub fn is_none(self) -> Expr<bool>
    where
        T: Optional,
    {
        self.is_some().not()
    }

    /// The value, or `default` when it is missing or null. To act on its
    /// presence, use [`Flow::choose_some`](crate::Flow::choose_some).
    pub fn unwrap_or(self, default: impl IntoExpr<T::Inner>) -> Expr<T::Inner>
    where
        T: Optional,
    {
        Expr::new(Node::UnwrapOr(self.node, default.into_expr().node()))
    }

    /// The number of elements. A payload's 256 KiB keep it far below 2^53.
    pub fn count(self) -> Expr<u64>
    where
        T: List,
    {
        Expr::new(Node::Count(self.node))
    }

    /// The sum of a list of numbers; 0 for an empty one.
    pub fn sum(self) -> Expr<T::Item>
    where
        T: List,
        T::Item: SafeNumber,
    {
        Expr::new(Node::Sum(self.node))
    }

    /// Whether a list contains a value.
    pub fn contains(self, value: impl Operand<T::Item>) -> Expr<bool>
    where
        T: List,
    {
        Expr::new(Node::Contains(self.node, value.operand()))
    }

    /// The elements for which the condition holds, in their order.
    ///
    /// ```
    /// # use stepwright::prelude::*;
    /// # fn f(w: &mut Flow, files: Expr<Vec<ObjectRef>>) -> Expr<Vec<ObjectRef>> {
    /// files.filter(|file| file.bytes.gt(0))
    /// # }
    /// ```
    #[must_use]
    pub fn filter(self, condition: impl FnOnce(Expr<T::Item>) -> Expr<bool>) -> Expr<T>
    where
        T: List,
    {
        let item = slot::fresh();
        let condition = condition(Expr::new(Node::Slot(item))).node;
        Expr::new(Node::Filter { of: self.node, item, condition })
    }

    /// One field of every element, in their order: `files.pluck(|file| file.key)`.
    ///
    /// # Panics
    /// If the closure returns anything but a field of its argument, or a field
    /// that some elements may lack (the list would come out shorter).
    #[track_caller]
    pub fn pluck<U: Shape>(self, field: impl FnOnce(Expr<T::Item>) -> Expr<U>) -> Expr<Vec<U>>
    where
        T: List,
    {
        let item = slot::fresh();
        let mut path = Vec::new();
        let mut at = field(Expr::new(Node::Slot(item))).node;
        loop {
            match at {
                Node::Field { of, name, optional: false } => {
                    path.push(*name);
                    at = of;
                }
                Node::Slot(found) if *found == item && !path.is_empty() => break,
                Node::Field { name, .. } => panic!(
                    "`pluck` on the optional field `{name}`: elements without it would be missing from the \
                     list; filter by `.is_some()` in a step, or make the field required"
                ),
                _ => panic!("`pluck` takes a field of the element, as in `files.pluck(|file| file.key)`"),
            }
        }
        let plucked = path.into_iter().rev().fold(self.node, |of, name| node(Node::Pluck(of, name)));
        Expr::from_node(plucked)
    }
}

impl<T: Shape> Expr<std::collections::BTreeMap<String, T>> {
    /// The value under a key, if it is there.
    pub fn get(self, key: &'static str) -> Expr<Option<T>> {
        Expr::new(Node::Field { of: self.node, name: key, optional: true })
    }
}
