//! The environment of a function's process, as Lambda makes it.
//!
//! Developer guide, "Using Lambda environment variables", reserved ones. `AWS_EXECUTION_ENV` is
//! not among them: functions with a bootstrap of their own (`provided.*`) do not have it.

use std::ffi::OsString;
use std::net::SocketAddr;

use super::strays::Mark;
use super::{Function, Shared};

/// Environment a bootstrap gets from us as it is, if we have it: where temporary files go, how talkative it is.
const INHERITED: [&str; 5] = ["TMPDIR", "RUST_LOG", "RUST_BACKTRACE", "SSL_CERT_FILE", "SSL_CERT_DIR"];

/// Names that a function's configuration cannot set.
pub(super) const RESERVED: [&str; 19] = [
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_DEFAULT_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_REGION",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "LAMBDA_RUNTIME_DIR",
    "LAMBDA_TASK_ROOT",
    "TZ",
];

/// Everything a process is started with. What is reserved comes last: nothing else can be it.
pub(super) fn of(shared: &Shared, function: &Function, process: &Identity) -> Vec<(String, OsString)> {
    let inherited = INHERITED.iter().filter_map(|name| Some(((*name).to_owned(), std::env::var_os(name)?)));
    let unreserved = [("PATH", "/usr/local/bin:/usr/bin:/bin:/opt/bin"), ("LANG", "en_US.UTF-8")];
    let unreserved = unreserved.iter().map(|(name, value)| ((*name).to_owned(), OsString::from(value)));
    let given = shared.environment.iter().chain(&function.environment);
    let given = given.map(|(name, value)| (name.clone(), OsString::from(value)));
    let reserved = reserved(shared, function, process);
    let reserved = reserved.into_iter().map(|(name, value)| (name.to_owned(), value));
    inherited.chain(unreserved).chain(given).chain(reserved).collect()
}

fn reserved(shared: &Shared, function: &Function, process: &Identity) -> Vec<(&'static str, OsString)> {
    let mut variables: Vec<(&'static str, OsString)> = vec![
        // Developer guide: `:UTC`.
        ("TZ", ":UTC".into()),
        ("_HANDLER", function.handler.clone().into()),
        // A host and a port and nothing else: clients put `http://` before it, or take it apart.
        ("AWS_LAMBDA_RUNTIME_API", process.address.to_string().into()),
        ("AWS_LAMBDA_FUNCTION_NAME", function.name.clone().into()),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".into()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", function.memory_mib.to_string().into()),
        ("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{}", function.name).into()),
        ("AWS_LAMBDA_LOG_STREAM_NAME", log_stream(&process.mark).into()),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".into()),
        ("AWS_REGION", shared.region.clone().into()),
        ("AWS_DEFAULT_REGION", shared.region.clone().into()),
        ("LAMBDA_RUNTIME_DIR", "/var/runtime".into()),
    ];
    if let Some(root) = function.task_root() {
        variables.push(("LAMBDA_TASK_ROOT", root.as_os_str().to_owned()));
    }
    variables
}

/// What tells a process from all others.
#[derive(Debug)]
pub(super) struct Identity {
    /// Where its Runtime API is.
    pub(super) address: SocketAddr,
    /// In its environment, and so in that of all it starts.
    pub(super) mark: Mark,
}

/// `2026/11/22/[$LATEST]` and 32 digits: one stream a process.
fn log_stream(mark: &Mark) -> String {
    let now = jiff::Timestamp::now();
    format!("{}/[$LATEST]{}", now.strftime("%Y/%m/%d"), mark.as_str())
}
