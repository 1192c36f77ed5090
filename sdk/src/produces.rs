//! What the closures of a workflow may end with.

use crate::expr::{Expr, node};
use crate::ir::{Node, NodeRef};
use crate::shape::Shape;

/// A branch that must produce a `T`: ends with an `Expr<T>`, with
/// `TExpr { .. }`, or with a state after which nothing comes.
#[diagnostic::on_unimplemented(
    message = "this branch must produce `{T}`",
    label = "found `{Self}`",
    note = "every branch produces the same type (a constant is `lit(..)`), or ends with `w.fail(..)`"
)]
pub trait Produces<T: Shape> {
    /// The value, or `None` when the branch diverges.
    #[doc(hidden)]
    fn produce(self) -> Option<NodeRef>;
}

/// What `w.fail(..)` and `w.succeed(..)` return: the workflow does not go on
/// from here, so a branch that ends with it may stand for any type.
#[derive(Debug, Clone, Copy)]
pub struct Diverged(pub(crate) ());

/// For the end of a workflow function.
impl<T: Shape> From<Diverged> for Expr<T> {
    fn from(_: Diverged) -> Self {
        Expr::new(Node::Literal(serde_json::Value::Null))
    }
}

#[diagnostic::do_not_recommend]
impl<T: Shape> Produces<T> for Expr<T> {
    fn produce(self) -> Option<NodeRef> {
        Some(self.node())
    }
}

#[diagnostic::do_not_recommend]
impl<T: Shape> Produces<T> for Diverged {
    fn produce(self) -> Option<NodeRef> {
        None
    }
}

#[diagnostic::do_not_recommend]
impl Produces<()> for () {
    fn produce(self) -> Option<NodeRef> {
        Some(crate::literal::of(()))
    }
}

macro_rules! tuples {
    ($(($($type:ident $value:ident),+))*) => {$(
        #[diagnostic::do_not_recommend]
        impl<$($type: Shape),+> Produces<($($type,)+)> for ($(Expr<$type>,)+) {
            fn produce(self) -> Option<NodeRef> {
                let ($($value,)+) = self;
                Some(node(Node::Array(vec![$($value.node()),+])))
            }
        }
    )*};
}

tuples! { (A a, B b) (A a, B b, C c) (A a, B b, C c, D d) (A a, B b, C c, D d, E e) (A a, B b, C c, D d, E e, F f) }
