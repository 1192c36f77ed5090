//! What Task states ask of the services they call, for somebody who knows those.
//!
//! The models of AWS's services are large and not the language's: `asl` hands out what a
//! definition gives, and takes back remarks about it.

use indexmap::IndexMap;

use crate::diagnostic::Code;

/// Somebody who knows services.
pub trait Integrations {
    /// What is wrong with a call. Its arguments are missing where the state gives none.
    fn check(&self, resource: &str, arguments: Option<&Given>) -> Vec<Remark>;
}

/// What a definition says about a value that a service gets.
#[derive(Debug, Clone, PartialEq)]
pub enum Given {
    /// Computed when the state runs: anything.
    Computed,
    /// A text, a number, a boolean or null.
    Plain,
    /// Some values.
    Array(Vec<Given>),
    /// Fields by name; that of a key that ends in `.$` is without it.
    Object(IndexMap<String, Given>),
}

/// What a remark is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    /// The `Resource` of the state.
    Itself,
    /// The value at this place in the arguments: positions of fields and items, from outside in.
    Value(Vec<usize>),
    /// The name of the field at this place.
    Name(Vec<usize>),
}

/// Something about a call that its author will want to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// Which kind.
    pub code: Code,
    /// What is wrong.
    pub message: String,
    /// What to do next.
    pub advice: Option<String>,
    /// Where.
    pub about: About,
}
