//! What may stand where a value is wanted: constants, other values, objects
//! under construction. One trait per place, because each place explains a
//! mismatch in its own words.

use crate::expr::Expr;
use crate::ir::NodeRef;
use crate::literal;
use crate::shape::Shape;

/// Where a value of type `T` is wanted: a step's argument, a default.
///
/// Implemented by `Expr<T>`, by `TExpr { .. }` and by constants.
#[diagnostic::on_unimplemented(
    message = "expected a workflow value of type `{T}`, found `{Self}`",
    label = "not a workflow value of type `{T}`",
    note = "build the value with `{T}Expr {{ .. }}` or change the step's signature"
)]
pub trait IntoExpr<T> {
    /// The value.
    fn into_expr(self) -> Expr<T>;
}

/// The other side of a comparison or calculation with an `Expr<T>`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be compared or combined with a `{T}` expression",
    label = "not a `{T}`"
)]
pub trait Operand<T: Shape> {
    /// The value's node.
    #[doc(hidden)]
    fn operand(self) -> NodeRef;
}

/// What may be part of a text: texts and integers.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot become part of a text",
    label = "not a text or an integer",
    note = "floats and structures have no one form as text; make the text in a step"
)]
pub trait TextPart {
    /// The part's node.
    #[doc(hidden)]
    fn text_part(self) -> NodeRef;
}

#[diagnostic::do_not_recommend]
impl<T: Shape> IntoExpr<T> for Expr<T> {
    fn into_expr(self) -> Expr<T> {
        self
    }
}

#[diagnostic::do_not_recommend]
impl<T: Shape> Operand<T> for Expr<T> {
    fn operand(self) -> NodeRef {
        self.node()
    }
}

macro_rules! constants {
    ($($constant:ty => $type:ty;)*) => {$(
        #[diagnostic::do_not_recommend]
        impl IntoExpr<$type> for $constant {
            #[track_caller]
            fn into_expr(self) -> Expr<$type> {
                Expr::from_node(literal::of(self))
            }
        }

        #[diagnostic::do_not_recommend]
        impl Operand<$type> for $constant {
            #[track_caller]
            fn operand(self) -> NodeRef {
                literal::of(self)
            }
        }
    )*};
}

constants! {
    bool => bool;
    &str => String;
    String => String;
    u8 => u8;
    u16 => u16;
    u32 => u32;
    u64 => u64;
    i8 => i8;
    i16 => i16;
    i32 => i32;
    i64 => i64;
    f64 => f64;
}

#[diagnostic::do_not_recommend]
impl IntoExpr<()> for () {
    fn into_expr(self) -> Expr<()> {
        Expr::from_node(literal::of(()))
    }
}

impl TextPart for &str {
    fn text_part(self) -> NodeRef {
        literal::of(self)
    }
}

impl TextPart for String {
    fn text_part(self) -> NodeRef {
        literal::of(self)
    }
}

macro_rules! text_parts {
    ($($type:ty)*) => {$(
        impl TextPart for Expr<$type> {
            fn text_part(self) -> NodeRef {
                self.node()
            }
        }
    )*};
}

text_parts! { String u8 u16 u32 u64 i8 i16 i32 i64 }
