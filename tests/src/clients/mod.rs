//! AWS's own clients against `stepwright dev`. Each script does the same:
//! creates, starts, waits, reads the history, works for an activity with
//! heartbeats, fails, redrives, stops, publishes, starts by an alias, divides
//! it between versions, tests and validates definitions, runs synchronously,
//! runs a distributed Map, tags, and meets an error of the service. What it
//! saw is compared here. Beside them, every operation of the service model.

mod objects;
mod rust;
mod secrets;
mod triggers;

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
        "stopped": ["ABORTED", "Stopped"],
        "alias": "1",
        "routes": [["1", 30], ["2", 70]],
        "mapped": ["SUCCEEDED", 2],
        "tags": [["team", "a"]],
        "validated": "FAIL",
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

/// A folder with functions: one gives back what it gets, one fails, one is switched off and packed.
fn functions(folder: &Path) -> PathBuf {
    use std::io::Write as _;
    let functions = folder.join("functions");
    let bootstrap = crate::conformance::replay_bootstrap();
    let write = |path: &str, text: &Value| {
        std::fs::write(functions.join(path), text.to_string()).expect("written");
    };
    for name in ["echo", "broken"] {
        std::fs::create_dir_all(functions.join(name)).expect("a folder");
        std::fs::copy(bootstrap, functions.join(name).join("bootstrap")).expect("copied");
    }
    let told = |told: Value| json!({ "Variables": { "STEPWRIGHT_REPLAY": told.to_string() } });
    let echo = told(json!({ "print": "said by echo" }));
    write("echo/function.json", &json!({ "MemorySize": 256, "Timeout": 20, "Environment": echo }));
    let broken = told(json!({ "raise": { "errorType": "Replay.Broken", "errorMessage": "no luck" } }));
    write("broken.json", &json!({ "Timeout": 20, "Environment": broken }));
    let mut zip = zip::ZipWriter::new(std::fs::File::create(functions.join("off.zip")).expect("a file"));
    let options = zip::write::SimpleFileOptions::default().unix_permissions(0o755);
    zip.start_file("bootstrap", options).expect("an entry");
    zip.write_all(&std::fs::read(bootstrap).expect("read")).expect("packed");
    zip.finish().expect("packed");
    write("off.json", &json!({ "ReservedConcurrentExecutions": 0 }));
    functions
}

#[test]
fn boto3_invokes_functions() {
    let Some(python) = tool("python/bin/python") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let folder = functions(folder.path());
    let served = Served::start(&["--functions", folder.to_str().expect("text")]);
    let output =
        served.client(python).arg(script("invoke_with_boto3.py")).output().expect("the client starts");
    assert!(output.status.success(), "{}", crate::told(&output));
    let seen: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let expected = json!({
        "answered": [200, { "n": 1 }, "$LATEST"],
        "log": [true, true, true],
        "failed": [200, "Unhandled", "Replay.Broken"],
        "event": 202,
        "dry": 204,
        "missing": ["ResourceNotFoundException", 404, null],
        "throttled": ["TooManyRequestsException", 429, "ReservedFunctionConcurrentInvocationLimitExceeded"],
        "too_large": ["RequestTooLargeException", 413, null],
        "execution": ["SUCCEEDED", "2"],
        "events": [
            "LambdaFunctionScheduled", "LambdaFunctionStarted", "LambdaFunctionSucceeded",
            "TaskScheduled", "TaskStarted", "TaskFailed",
        ],
    });
    assert_eq!(seen, expected);

    let data = served.folder.path().join("data");
    let shown = Command::new(crate::binaries().join("stepwright"))
        .args(["show", "calls-1", "--logs", "-o", "json", "--data"])
        .arg(data)
        .output()
        .expect("it runs");
    let shown: Value = serde_json::from_slice(&shown.stdout).expect("JSON");
    let said: Vec<&str> = shown["lines"]
        .as_array()
        .expect("lines")
        .iter()
        .filter_map(|line| line["text"].as_str()?.split(' ').next())
        .collect();
    assert_eq!(said, ["START", "said", "END", "REPORT", "START", "END", "REPORT"], "{shown:#}");
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

/// What `every_operation.py` has seen.
#[test]
fn every_operation_of_the_model() {
    let Some(python) = tool("python/bin/python") else { return };
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/aws/sfn-service-2.stripped.json");
    if !model.exists() {
        println!("SKIPPED: ../shared/aws is not there, no operation was compared with the service model");
        return;
    }
    let served = Served::start(&[]);
    let output = served.client(python).arg(script("every_operation.py")).arg(model).output();
    let output = output.expect("the client starts");
    assert!(output.status.success(), "{}", crate::told(&output));
    let seen: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let wrong = seen["wrong"].as_array().expect("a list");
    assert!(wrong.is_empty(), "{} differences: {wrong:#?}", wrong.len());
    assert_eq!((&seen["operations"], &seen["missing"]), (&json!(37), &json!([])), "all of them were called");
    assert!(seen["refusals"].as_u64() >= Some(350), "{} requests were refused", seen["refusals"]);
}

/// Every operation has a command of AWS's command line, and every command an answer.
#[test]
fn every_command_of_the_aws_command_line() {
    let Some(python) = tool("python/bin/python") else { return };
    let served = Served::start(&[]);
    let output = served.client(python).arg(script("every_command.py")).output().expect("the client starts");
    assert!(output.status.success(), "{}", crate::told(&output));
    let seen: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(seen, json!({ "commands": 37, "unanswered": [] }));
}
