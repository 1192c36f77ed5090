//! What the code written by the macros calls. Not for use by hand.

use crate::call::Step;
use crate::errors::StepError as _;
use crate::expr::{Expr, node};
use crate::ir::{Block, Grant, Location, Member, Node, NodeRef, StepInfo, TypeInfo};
use crate::shape::{Scalar, Shape};
use serde_json::Value;

/// A field of an object.
pub fn field<T: Shape>(of: NodeRef, name: &'static str, optional: bool) -> Expr<T> {
    Expr::from_node(field_node(of, name, optional))
}

pub(crate) fn field_node(of: NodeRef, name: &'static str, optional: bool) -> NodeRef {
    // A field of an object that is built here is the expression it was built from.
    if let Node::Object(members) = of {
        let member = members.iter().find(|member| member.name == name);
        return member.map_or_else(|| node(Node::Literal(Value::Null)), |member| member.value);
    }
    node(Node::Field { of, name, optional })
}

/// A member of an object under construction.
pub fn member<T: Shape>(name: &'static str, value: Expr<T>, optional: bool) -> Member {
    Member { name, value: value.node(), optional }
}

/// An object. Optional members that are `none()` are left out here already.
pub fn object<T: Shape>(members: Vec<Member>) -> Expr<T> {
    let there = |member: &Member| !(member.optional && matches!(member.value, Node::Literal(Value::Null)));
    Expr::new(Node::Object(members.into_iter().filter(there).collect()))
}

/// What a value without fields dereferences to.
pub fn scalar() -> Scalar {
    Scalar::new()
}

/// What `#[step]` reads off the function and its attribute.
#[derive(Debug, Clone, Copy)]
pub struct Written {
    /// The function's name, with `-` for `_`.
    pub name: &'static str,
    /// The first paragraph of its doc comment.
    pub doc: &'static str,
    /// Its cargo package.
    pub package: &'static str,
    /// Its place.
    pub location: Location,
    /// The setting `memory`.
    pub memory_mib: u32,
    /// The setting `timeout`.
    pub timeout_seconds: u32,
    /// It takes a [`Callback`](crate::Callback).
    pub waits: bool,
    /// The grants of its handles.
    pub grants: fn() -> Vec<Grant>,
}

/// What is known of a step. Generic, so that a type that will not do is reported
/// once: where `Step` wants it.
pub const fn step_info<S: Step>(written: Written) -> StepInfo {
    StepInfo {
        name: written.name,
        doc: written.doc,
        package: written.package,
        location: written.location,
        memory_mib: written.memory_mib,
        timeout_seconds: written.timeout_seconds,
        input: TypeInfo::of::<S::Input>(),
        output: TypeInfo::of::<S::Output>(),
        waits: written.waits,
        errors: S::Error::ERRORS,
        grants: written.grants,
    }
}

/// A case of an enum: the text that tells it, and what happens then.
#[derive(Debug)]
pub struct CaseBlock {
    /// The tag's value.
    pub tag: &'static str,
    /// What happens.
    pub body: Block,
}

/// S3 bucket names made of a resource's, an account's and a region's leave it this much.
const RESOURCE_NAME_BYTES_MAX: usize = 40;

/// The text is a resource name: lower case, digits and inner `-`, at most 40.
pub const fn is_resource_name(name: &str) -> bool {
    let mut rest = name.as_bytes();
    if rest.len() > RESOURCE_NAME_BYTES_MAX || matches!(rest, [] | [b'-', ..] | [.., b'-']) {
        return false;
    }
    while let [first, tail @ ..] = rest {
        if !matches!(first, b'a'..=b'z' | b'0'..=b'9' | b'-') {
            return false;
        }
        rest = tail;
    }
    true
}

/// The name's variable would be the one that says where another secret is.
pub const fn ends_in_arn(name: &str) -> bool {
    matches!(name.as_bytes(), [.., b'-', b'a', b'r', b'n'])
}
