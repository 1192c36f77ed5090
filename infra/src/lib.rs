//! What an application is deployed with: `CloudFormation`, IAM and the CDK cloud
//! assembly, from its manifest.
//!
//! ```text
//! workflows ─ codegen ─▶ Manifest ─ stack ─▶ Template ─ review ─ assembly ─▶ files
//!                        (data)     (typed resources, IAM from grants)
//! ```
//!
//! Values in, values out: only [`emit`] reads and writes files, and the same
//! manifest, settings and binaries give the same bytes. No network, no clock,
//! no AWS client; accounts and regions are placeholders CDK fills in.
#![warn(missing_docs)]
#![warn(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod app;
mod archive;
pub mod assembly;
pub mod cloudformation;
mod command;
pub mod documents;
pub mod emit;
pub mod environment;
mod hash;
pub mod iam;
pub mod manifest;
pub mod resources;
pub mod review;
#[cfg(test)]
mod sample;
pub mod stack;
pub mod triggers;

pub use app::{App, app};
pub use assembly::{File, SynthesisError, assemble};
/// A workflow as the authoring functions recorded it.
pub use codegen::ir::Workflow;
pub use documents::documents;
pub use environment::{Architecture, Environment};
pub use hash::sha256_hex;
pub use manifest::Manifest;
