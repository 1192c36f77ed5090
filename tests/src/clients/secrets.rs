//! What must not be seen is not: data of executions, their tokens and the keys
//! of callers, in everything a server writes beside the journal itself.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};
use server::http::{Call, Credentials};

/// Each is in one of the members that the model calls sensitive, or is a key.
const CANARIES: [&str; 12] = [
    "canary-input",
    "canary-output",
    "canary-error",
    "canary-cause",
    "canary-definition",
    "canary-description",
    "canary-variable",
    "canary-heartbeat-output",
    "canary-stop-cause",
    "canary-test-input",
    "canary-refused-input",
    "canarysecretkey",
];

/// A server with keys and with everything logged.
struct Watched {
    process: Child,
    folder: tempfile::TempDir,
    socket: SocketAddr,
    keys: Credentials,
}

impl Watched {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let keys = Credentials {
            access_key_id: "AKIDCANARY".to_owned(),
            secret_access_key: "canarysecretkey".to_owned(),
            session_token: None,
        };
        let told = |name: &str| fs::File::create(folder.path().join(name)).expect("a file");
        let process = Command::new(crate::binaries().join("stepwright"))
            .args(["dev", "--no-app", "--listen", "127.0.0.1:0", "-o", "json", "--log", "debug", "--data"])
            .arg(folder.path().join("data"))
            .current_dir(folder.path())
            .env("STEPWRIGHT_CREDENTIALS", format!("{}:{}", keys.access_key_id, keys.secret_access_key))
            .stdout(told("stdout"))
            .stderr(told("stderr"))
            .stdin(Stdio::null())
            .spawn()
            .expect("it starts");
        let began = Instant::now();
        let announced: Value = loop {
            let line = fs::read_to_string(folder.path().join("stdout")).unwrap_or_default();
            if let Ok(announced) = serde_json::from_str(&line) {
                break announced;
            }
            assert!(began.elapsed() < Duration::from_mins(1), "nothing is announced");
            std::thread::yield_now();
        };
        let socket = announced["endpoint"].as_str().and_then(|url| url.strip_prefix("http://"));
        let socket = socket.expect("a URL").parse().expect("an address");
        Self { process, folder, socket, keys }
    }

    fn call(&self, operation: &str, parameters: &Value) -> (u16, Value) {
        self.call_with(&self.keys, operation, parameters)
    }

    fn call_with(&self, keys: &Credentials, operation: &str, parameters: &Value) -> (u16, Value) {
        let (target, body) = (format!("AWSStepFunctions.{operation}"), parameters.to_string());
        let call = Call {
            socket: self.socket,
            credentials: Some(keys.clone()),
            region: "us-east-1",
            service: "states",
            target: &target,
            body: body.as_bytes(),
            patience: Duration::from_mins(1),
        };
        let (status, body) = call.send(Timestamp::now().as_millisecond()).expect("an answer");
        (status, serde_json::from_slice(&body).expect("JSON"))
    }

    fn succeed(&self, operation: &str, parameters: &Value) -> Value {
        let (status, answer) = self.call(operation, parameters);
        assert_eq!(status, 200, "{operation}: {answer}");
        answer
    }

    fn wait(&self, execution: &Value) {
        let began = Instant::now();
        while self.succeed("DescribeExecution", &json!({ "executionArn": execution }))["status"] == "RUNNING"
        {
            assert!(began.elapsed() < Duration::from_mins(1), "{execution} goes on");
        }
    }

    /// Uses every way that data of executions go. Answers the task tokens there were.
    fn work(&self) -> Vec<String> {
        let activity = self.succeed("CreateActivity", &json!({ "name": "a" }))["activityArn"].clone();
        let definition = json!({
            "Comment": "canary-definition",
            "StartAt": "Set",
            "States": {
                "Set": { "Type": "Pass", "Assign": { "v": "canary-variable" }, "Next": "Work" },
                "Work": { "Type": "Task", "Resource": activity, "HeartbeatSeconds": 60, "Next": "Fail" },
                "Fail": { "Type": "Fail", "Error": "canary-error", "Cause": "canary-cause" },
            },
        });
        let group = json!({ "cloudWatchLogsLogGroup": { "logGroupArn": "arn:aws:logs:us-east-1:123456789012:log-group:g:*" } });
        let machine = self.succeed("CreateStateMachine", &json!({
            "name": "m", "definition": definition.to_string(), "roleArn": "arn:aws:iam::123456789012:role/r",
            "publish": true, "versionDescription": "canary-description",
            // Without the data of executions.
            "loggingConfiguration": { "level": "ALL", "includeExecutionData": false, "destinations": [group] },
        }))["stateMachineArn"].clone();
        let start = json!({ "stateMachineArn": machine, "input": "{\"a\":\"canary-input\"}" });
        let mut tokens = Vec::new();
        let mut task = || {
            let task =
                self.succeed("GetActivityTask", &json!({ "activityArn": activity, "workerName": "w" }));
            tokens.push(task["taskToken"].as_str().expect("a token").to_owned());
            task["taskToken"].clone()
        };
        let execution = self.succeed("StartExecution", &start)["executionArn"].clone();
        let token = task();
        self.succeed("SendTaskHeartbeat", &json!({ "taskToken": token }));
        self.succeed("SendTaskSuccess", &json!({ "taskToken": token, "output": "\"canary-output\"" }));
        self.wait(&execution);
        // A token that is good no more, an output that is no JSON.
        let again = json!({ "taskToken": token, "output": "\"canary-heartbeat-output\"" });
        assert_eq!(self.call("SendTaskSuccess", &again).0, 400);
        assert_eq!(
            self.call("SendTaskSuccess", &json!({ "taskToken": token, "output": "canary-output" })).0,
            400
        );
        let failed = self.succeed("StartExecution", &start)["executionArn"].clone();
        self.succeed(
            "SendTaskFailure",
            &json!({ "taskToken": task(), "error": "canary-error", "cause": "canary-cause" }),
        );
        self.wait(&failed);
        self.succeed("RedriveExecution", &json!({ "executionArn": failed }));
        self.succeed(
            "StopExecution",
            &json!({ "executionArn": failed, "error": "canary-error", "cause": "canary-stop-cause" }),
        );
        let refused = json!({ "stateMachineArn": machine, "input": "{canary-refused-input" });
        assert_eq!(self.call("StartExecution", &refused).0, 400);
        let state = json!({ "Type": "Fail", "Error": "canary-error", "Cause": "canary-cause" }).to_string();
        self.succeed("TestState", &json!({ "definition": state, "input": "{\"a\":\"canary-test-input\"}" }));
        let wrong =
            Credentials { secret_access_key: "canarysecretkey-wrong".to_owned(), ..self.keys.clone() };
        assert_eq!(self.call_with(&wrong, "ListStateMachines", &json!({})).0, 400);
        tokens
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // Nothing to do about a server that is gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it is there").permissions().mode() & 0o777
}

#[test]
fn data_tokens_and_keys_stay_where_they_belong() {
    let mut watched = Watched::start();
    let tokens = watched.work();
    assert!(tokens.len() >= 2);
    let data = watched.folder.path().join("data");
    let metrics = metrics(&watched);
    assert!(metrics.contains("ExecutionsFailed"), "{metrics}");
    // Everybody on this machine could read what has other modes.
    let all = files(&data);
    let is_open = |path: &&std::path::PathBuf| mode(path) != 0o600;
    let open: Vec<_> = all.iter().filter(is_open).map(|path| (path, mode(path))).collect();
    assert!(open.is_empty(), "{open:?}");
    let folders = all.iter().filter_map(|path| path.parent()).filter(|folder| mode(folder) != 0o700);
    assert_eq!(folders.collect::<Vec<_>>(), Vec::<&Path>::new());
    for name in ["endpoint.json", "logs/groups/g.jsonl"] {
        assert!(data.join(name).exists(), "{name} is missing: {all:?}");
    }
    // Lets it write what waits to be written.
    let pid = nix::unistd::Pid::from_raw(watched.process.id().try_into().expect("a pid"));
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).expect("it runs");
    assert!(watched.process.wait().expect("it ends").success());
    let log = fs::read_to_string(watched.folder.path().join("stderr")).expect("a log");
    assert!(log.lines().any(|line| line.contains("execution_arn")), "{log:.2000}");
    let logged = fs::read_to_string(data.join("logs/groups/g.jsonl")).expect("a log group");
    assert!(logged.lines().count() > 10, "{logged}");
    let secrets = || CANARIES.into_iter().map(str::to_owned).chain(tokens.clone());
    for (place, text) in [("the log", &log), ("the log group", &logged), ("the metrics", &metrics)] {
        let seen: Vec<String> =
            secrets().filter(|secret| may_not_show(place, secret) && text.contains(secret)).collect();
        assert!(seen.is_empty(), "{place} shows {seen:?}");
    }
}

/// AWS documents which fields `includeExecutionData` takes out of log groups: errors and causes stay.
fn may_not_show(place: &str, secret: &str) -> bool {
    place != "the log group" || !(secret.contains("error") || secret.contains("cause"))
}

fn metrics(watched: &Watched) -> String {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(watched.socket).expect("it listens");
    // The pair of keys, as Prometheus sends a name and a password.
    let pair = "QUtJRENBTkFSWTpjYW5hcnlzZWNyZXRrZXk=";
    let request = format!(
        "GET /metrics HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {pair}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    answer
}
