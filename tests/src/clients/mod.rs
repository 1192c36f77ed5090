//! AWS's own clients against `stepwright dev`. Each script does the same:
//! creates, starts, waits, reads the history, fails, redrives, publishes,
//! starts by an alias, tests a state, runs synchronously, and meets an error
//! of the service. What it saw is compared here.

mod objects;
mod rust;

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

/// A running `stepwright dev`; it ends with this value.
pub(crate) struct Served {
    pub(crate) process: Child,
    pub(crate) announced: Value,
    pub(crate) folder: TempDir,
}

impl Served {
    /// Starts one without a project, on a free port.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut process = Command::new(crate::binaries().join("stepwright"))
            .args(["dev", "--no-app", "--listen", "127.0.0.1:0", "-o", "json", "--data"])
            .arg(folder.path().join("data"))
            .args(arguments)
            .current_dir(folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut line = String::new();
        BufReader::new(process.stdout.take().expect("stdout")).read_line(&mut line).expect("a line");
        let announced = serde_json::from_str(&line).expect("JSON");
        Self { process, announced, folder }
    }

    /// A command with the environment that was announced, and nothing else of AWS's.
    pub(crate) fn client(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        crate::deploy::isolate(&mut command, self.folder.path());
        for (name, value) in self.announced["environment"].as_object().expect("variables") {
            command.env(name, value.as_str().expect("a text"));
        }
        command
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // Nothing to do about a server that is gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Runs a client and compares what it saw.
fn check(command: &mut Command) {
    let output = command.output().expect("the client starts");
    assert!(output.status.success(), "{}", crate::told(&output));
    let seen: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(seen, expected());
}

fn expected() -> Value {
    json!({
        "started": ["SUCCEEDED", { "twice": 42 }],
        "history": ["ExecutionStarted", "PassStateEntered", "PassStateExited", "ExecutionSucceeded"],
        "failed": ["FAILED", "Work.Broken", "no luck", "REDRIVABLE"],
        "redriven": ["SUCCEEDED", "\"out\"", 1],
        "alias": "1",
        "tested": ["SUCCEEDED", "7", "Then"],
        "sync": ["SUCCEEDED", { "twice": 8 }],
        "error": ["ExecutionDoesNotExist", 400],
    })
}

/// A tool of `.tools`, or `None` and a word about it. With
/// `STEPWRIGHT_REQUIRE_TOOLS=1` its absence is a failure.
fn tool(path: &str) -> Option<PathBuf> {
    let tool = crate::project_root().join(".tools").join(path);
    if tool.exists() {
        return Some(tool);
    }
    let message = format!("{} is missing; `cargo xtask tools` installs it", tool.display());
    assert!(std::env::var_os("STEPWRIGHT_REQUIRE_TOOLS").is_none_or(|value| value != "1"), "{message}");
    eprintln!("LEFT OUT: {message}; this test checked nothing");
    None
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/clients").join(name)
}

#[test]
fn boto3() {
    let Some(python) = tool("python/bin/python") else { return };
    let served = Served::start(&[]);
    check(served.client(python).arg(script("with_boto3.py")));
}

#[test]
fn boto3_signs_and_strangers_do_not() {
    let Some(python) = tool("python/bin/python") else { return };
    let served = Served::start(&["--credentials", "generate"]);
    check(served.client(&python).arg(script("with_boto3.py")));
    let mut stranger = served.client(&python);
    let output = stranger.arg(script("with_boto3.py")).env("AWS_SECRET_ACCESS_KEY", "guessed").output();
    let output = output.expect("the client starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("InvalidSignatureException"), "{said}");
}

#[test]
fn aws_command_line() {
    let (Some(aws), Some(python)) = (tool("python/bin/aws"), tool("python/bin/python")) else { return };
    let served = Served::start(&[]);
    check(served.client("bash").arg(script("with_aws_cli.sh")).env("AWS", aws).env("PYTHON", python));
}

#[test]
fn sdk_for_javascript() {
    let Some(folder) = tool("node/node_modules/@aws-sdk/client-sfn") else { return };
    let modules = folder.ancestors().nth(3).expect("the folder of node_modules").to_path_buf();
    let served = Served::start(&[]);
    check(served.client("node").arg(script("with_javascript.mjs")).arg(modules));
}
