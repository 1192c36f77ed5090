//! Types that may travel between states, and what may be said about them.
//!
//! A [`Shape`] is a type whose JSON form the derive has understood: its fields
//! under their serde names, and which of them may be missing. Scalars, lists,
//! maps and options of shapes are shapes.
//!
//! The smaller traits name the groups the operators of [`Expr`](crate::Expr)
//! are for. They are bounds of the methods, not of impl blocks: only so can a
//! wrong use be answered in words.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::ir::{NodeRef, TypeInfo};

/// A type that may travel between states.
///
/// Derive it together with what it needs:
///
/// ```
/// use schemars::JsonSchema;
/// use serde::{Deserialize, Serialize};
/// use stepwright::prelude::*;
///
/// /// What a file contains.
/// #[derive(Debug, Serialize, Deserialize, JsonSchema, Shape)]
/// pub struct Parsed {
///     /// The period of the figures, such as `2024-03`.
///     pub period: String,
///     /// How many rows were accepted.
///     pub rows: u64,
/// }
/// ```
///
/// The derive makes `ParsedExpr`, which is both what `Expr<Parsed>`
/// dereferences to and the way to build one: `ParsedExpr { period, rows }`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot travel between workflow states",
    label = "has no shape the workflow can see",
    note = "add `#[derive(Serialize, Deserialize, JsonSchema, Shape)]`"
)]
pub trait Shape: Serialize + DeserializeOwned + JsonSchema + 'static {
    /// What `Expr<Self>` dereferences to.
    type Fields: 'static;
    /// The Rust name without its path.
    const NAME: &'static str;
    /// The fields of the value at a node.
    #[doc(hidden)]
    fn fields(node: NodeRef) -> Self::Fields;
}

impl TypeInfo {
    /// What the workflow needs to know of a type.
    pub const fn of<T: Shape>() -> Self {
        Self { name: T::NAME, schema: schemars::SchemaGenerator::subschema_for::<T> }
    }
}

/// What a value without fields dereferences to. It has no methods and
/// implements nothing, so that no operator is found on it by accident.
#[expect(missing_debug_implementations, reason = "a trait here would be found through Deref")]
pub struct Scalar(());

impl Scalar {
    pub(crate) fn new() -> Self {
        Self(())
    }
}

/// A number: may be compared with `<` and `>`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a number, so it cannot be compared with `<`/`>`",
    label = "not a number",
    note = "only integers and `f64` are ordered in a workflow; `.equals(..)` works on every type",
    note = "an optional number is compared after `.unwrap_or(..)`"
)]
pub trait Number: Shape {}

/// A number it is safe to calculate with: results stay exact.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a number a workflow can calculate with",
    label = "arithmetic is for integers of at most 32 bits and `f64`",
    note = "workflow numbers are exact up to 2^53 only; calculate with 64-bit integers and money in a step"
)]
pub trait SafeNumber: Number {}

/// A condition.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a condition",
    label = "only `bool` can be combined with `and`, `or`, `not`"
)]
pub trait Boolean: Shape {}

/// A text.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a text",
    label = "only `String` can be continued with `.concat(..)`",
    note = "start with a text: `lit(String::new()).concat(..)`"
)]
pub trait Text: Shape {}

/// A value that may be missing.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an `Option`: it is always there",
    label = "not optional"
)]
pub trait Optional: Shape {
    /// The value when it is there.
    type Inner: Shape;
}

/// A list.
#[diagnostic::on_unimplemented(message = "`{Self}` is not a list", label = "not a `Vec<..>`")]
pub trait List: Shape {
    /// An element.
    type Item: Shape;
}

macro_rules! scalars {
    ($($type:ty as $name:literal: $($group:ident)*;)*) => {$(
        impl Shape for $type {
            type Fields = Scalar;
            const NAME: &'static str = $name;
            fn fields(_: NodeRef) -> Scalar {
                Scalar::new()
            }
        }
        $(impl $group for $type {})*
    )*};
}

scalars! {
    () as "()":;
    bool as "bool": Boolean;
    String as "String": Text;
    u8 as "u8": Number SafeNumber;
    u16 as "u16": Number SafeNumber;
    u32 as "u32": Number SafeNumber;
    u64 as "u64": Number;
    i8 as "i8": Number SafeNumber;
    i16 as "i16": Number SafeNumber;
    i32 as "i32": Number SafeNumber;
    i64 as "i64": Number;
    f64 as "f64": Number SafeNumber;
    serde_json::Value as "Value":;
}

impl<T: Shape> Shape for Vec<T> {
    type Fields = Scalar;
    const NAME: &'static str = "Vec";
    fn fields(_: NodeRef) -> Scalar {
        Scalar::new()
    }
}

impl<T: Shape> List for Vec<T> {
    type Item = T;
}

impl<T: Shape> Shape for Option<T> {
    type Fields = Scalar;
    const NAME: &'static str = "Option";
    fn fields(_: NodeRef) -> Scalar {
        Scalar::new()
    }
}

impl<T: Shape> Optional for Option<T> {
    type Inner = T;
}

impl<T: Shape> Shape for BTreeMap<String, T> {
    type Fields = Scalar;
    const NAME: &'static str = "BTreeMap";
    fn fields(_: NodeRef) -> Scalar {
        Scalar::new()
    }
}

macro_rules! tuples {
    ($(($($type:ident),+))*) => {$(
        impl<$($type: Shape),+> Shape for ($($type,)+) {
            type Fields = Scalar;
            const NAME: &'static str = "tuple";
            fn fields(_: NodeRef) -> Scalar {
                Scalar::new()
            }
        }
    )*};
}

tuples! { (A, B) (A, B, C) (A, B, C, D) (A, B, C, D, E) (A, B, C, D, E, F) }
