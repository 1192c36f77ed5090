//! The functions of cases as real processes: one bootstrap that answers as a case describes,
//! over the Runtime API, and everything else as without them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::mpsc::channel;
use std::time::Duration;

use engine::{Completion, TaskHost as _, TaskOutcome, TaskRequest};
use serde_json::Value;
use server::{Function, RuntimeHost, RuntimeOptions};
use tempfile::TempDir;

/// Of the bootstrap: what it is told to answer.
const REPLAY: &str = "STEPWRIGHT_REPLAY";

/// A host with the functions of a case.
pub(super) struct Processes {
    host: RuntimeHost,
    /// Of their logs; deleted when the case is over.
    _folder: TempDir,
}

impl Processes {
    pub(super) fn start(functions: &BTreeMap<String, Value>) -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|error| format!("no folder for logs: {error}"))?;
        let functions = functions.iter().map(|(name, stub)| function(name, stub.clone())).collect();
        let options = RuntimeOptions {
            functions,
            environment: BTreeMap::new(),
            log_dir: folder.path().join("logs"),
            region: engine::arn::DEFAULT_REGION.to_owned(),
            account_id: engine::arn::DEFAULT_ACCOUNT.to_owned(),
        };
        let host = RuntimeHost::start(options).map_err(|error| error.to_string())?;
        Ok(Self { host, _folder: folder })
    }

    /// What the function of a task answers.
    pub(super) fn invoke(&self, task: &TaskRequest) -> TaskOutcome {
        let (sender, receiver) = channel();
        self.host.invoke(task.clone(), Completion::new(move |outcome| drop(sender.send(outcome))));
        receiver.recv().unwrap_or_else(|_| TaskOutcome::unknown("the host gave no answer"))
    }
}

fn function(name: &str, mut stub: Value) -> Function {
    // Time is virtual: the answer is late, not the process.
    if let Some(stub) = stub.as_object_mut() {
        stub.shift_remove("sleep_seconds");
    }
    Function {
        name: name.to_owned(),
        bootstrap: bootstrap().to_owned(),
        handler: "replay".to_owned(),
        memory_mib: 128,
        timeout: Duration::from_secs(30),
        environment: BTreeMap::from([(REPLAY.to_owned(), stub.to_string())]),
        concurrency_max: 2,
        reserved_concurrency: None,
    }
}

/// The bootstrap that answers as it is told, built once a process.
pub fn bootstrap() -> &'static Path {
    static BUILT: OnceLock<std::path::PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let arguments = ["-p", "stepwright-step-misbehave", "--bin", "replay-bootstrap"];
        crate::processes::binary("replay-bootstrap", &arguments)
    })
}
