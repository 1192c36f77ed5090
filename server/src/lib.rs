//! What speaks to the outside of the engine.
//!
//! Today that is one thing: [`runtime`], which runs a workflow's steps as the same
//! `bootstrap` processes that AWS Lambda runs, over the same Runtime API. This crate
//! knows HTTP and processes; it refuses to know workflows, terminals and step types.
#![warn(missing_docs)]

pub mod runtime;

pub use runtime::{Function, FunctionFigures, RuntimeHost, RuntimeHostError, RuntimeOptions};
