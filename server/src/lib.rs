//! What speaks to the outside of the engine.
//!
//! [`runtime`] runs a workflow's steps as the same `bootstrap` processes that AWS
//! Lambda runs, over the same Runtime API. [`api`] answers the operations of the
//! Step Functions API, [`http`] speaks it to AWS's clients, [`metrics`] counts
//! what executions do, [`log_groups`] keeps what they log. [`integrations`] calls AWS's services and HTTP APIs for the
//! tasks of executions. [`stores`] are what starts executions and what they send to: queues, an
//! event bus, schedules, pipes. This crate knows HTTP and processes; it refuses to know
//! workflows, terminals and step types.
#![warn(missing_docs)]

pub mod api;
pub mod http;
pub mod integrations;
pub mod log_groups;
pub mod metrics;
mod process_limits;
mod random;
pub mod runtime;
pub mod stores;

pub use api::{Api, ApiError};
pub use integrations::{AwsSettings, Integrations, OwnEndpoint};
pub use log_groups::LogGroups;
pub use metrics::Metrics;
pub use process_limits::lift_process_limits;
pub use runtime::{
    FolderError, Function, FunctionFigures, InvokeRefusal, InvokeRequest, Invoked, KnownFunction, LoggedLine,
    RuntimeHost, RuntimeHostError, RuntimeOptions, functions_in, read_logs,
};
pub use stores::Stores;
