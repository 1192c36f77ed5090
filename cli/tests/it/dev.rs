//! `dev` as a process: what it announces, who it answers, and how the other
//! verbs find it.

#![expect(clippy::indexing_slicing, reason = "only JSON is indexed")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, ChildStdout, Stdio};

use serde_json::{Value, json};

use super::Bench;

/// A running server; it is killed with this value unless it was ended.
struct Server {
    process: Child,
    stdout: BufReader<ChildStdout>,
    announced: Value,
}

impl Server {
    fn start(bench: &Bench, line: &str) -> Self {
        Self::of(&mut bench.command(&format!("dev --listen 127.0.0.1:0 -o json {line}")))
    }

    fn of(command: &mut std::process::Command) -> Self {
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let stdout = BufReader::new(process.stdout.take().expect("stdout"));
        let mut server = Self { process, stdout, announced: Value::Null };
        server.announced = server.told();
        server
    }

    /// The next line of its data.
    fn told(&mut self) -> Value {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("a line");
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("no JSON: {line}"))
    }

    fn endpoint(&self) -> &str {
        self.announced["endpoint"].as_str().and_then(|url| url.strip_prefix("http://")).expect("a URL")
    }

    fn call(&self, operation: &str, parameters: &Value) -> Value {
        self.post(&format!("AWSStepFunctions.{operation}"), parameters).1
    }

    fn post(&self, target: &str, parameters: &Value) -> (u16, Value) {
        let body = parameters.to_string();
        let head = format!(
            "X-Amz-Target: {target}\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: {}",
            body.len()
        );
        let (status, body) = self.ask("POST /", &head, &body);
        (status, serde_json::from_str(&body).expect("JSON"))
    }

    fn ask(&self, what: &str, head: &str, body: &str) -> (u16, String) {
        let host = self.endpoint();
        let mut stream = TcpStream::connect(host).expect("it listens");
        write!(stream, "{what} HTTP/1.1\r\nHost: {host}\r\n{head}\r\nConnection: close\r\n\r\n{body}")
            .expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a body");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        (status.expect("a status"), body.to_owned())
    }

    fn is_ready(&self) -> bool {
        self.ask("GET /readyz", "Accept: */*", "").0 == 200
    }

    /// Ends it as a service manager does; answers what it logged.
    fn end(mut self) -> String {
        let pid = self.process.id().to_string();
        let killed = std::process::Command::new("kill").args(["-TERM", &pid]).status().expect("kill");
        assert!(killed.success());
        assert_eq!(self.process.wait().expect("it ends").code(), Some(0));
        let mut log = String::new();
        self.process.stderr.take().expect("stderr").read_to_string(&mut log).expect("text");
        log
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nothing to do about a server that has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

const ROLE: &str = "arn:aws:iam::123456789012:role/r";

#[test]
fn the_workflows_of_the_project_are_state_machines() {
    let bench = Bench::new();
    let server = Server::start(&bench, "");
    let names: Vec<&str> = server.announced["stateMachines"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|machine| machine["name"].as_str().expect("a name"))
        .collect();
    assert_eq!(names, ["double", "refuse", "call", "rest"]);
    assert_eq!(server.announced["environment"]["AWS_ENDPOINT_URL_SFN"], server.announced["endpoint"]);
    let arn = &server.announced["stateMachines"][0]["stateMachineArn"];
    let started = server.call("StartExecution", &json!({ "stateMachineArn": arn, "input": "{\"n\":4}" }));
    let described = loop {
        let described = server.call("DescribeExecution", &json!({ "executionArn": started["executionArn"] }));
        if described["status"] != "RUNNING" {
            break described;
        }
    };
    assert_eq!(described["output"], "{\"twice\":8}");
    server.end();
}

#[test]
fn a_change_is_built_and_served_while_executions_keep_their_definitions() {
    let bench = Bench::new();
    let mut server = Server::start(&bench, "--watch");
    let machine =
        |server: &Server, at: usize| server.announced["stateMachines"][at]["stateMachineArn"].clone();
    let (double, rest) = (machine(&server, 0), machine(&server, 3));
    let long = server.call("StartExecution", &json!({ "stateMachineArn": rest }))["executionArn"].clone();
    let manifest = std::fs::read_to_string(bench.path("manifest.json")).expect("the manifest");
    let rebuild = |manifest: &str| {
        std::fs::write(bench.path("manifest.json"), manifest).expect("a manifest");
        let script = std::fs::read_to_string(bench.path("app")).expect("the app");
        // In the place of the old one, which may be running.
        std::fs::write(bench.path("new"), format!("{script}# built again\n")).expect("an app");
        std::fs::set_permissions(bench.path("new"), std::fs::Permissions::from_mode(0o755)).expect("a mode");
        std::fs::rename(bench.path("new"), bench.path("app")).expect("an app");
    };

    // What cannot be read leaves everything as it was.
    rebuild("{}");
    let mut said =
        BufReader::new(server.process.stderr.take().expect("stderr")).lines().map_while(Result::ok);
    assert!(said.by_ref().any(|line| line.contains("project::manifest")), "it says why");
    assert_eq!(server.call("DescribeExecution", &json!({ "executionArn": long }))["status"], "RUNNING");

    let changed = serde_json::from_str::<Value>(&manifest).map(|mut manifest| {
        for (at, before, after) in [(0, "* 2", "* 3"), (3, "3600", "7200")] {
            let workflow = &mut manifest["workflows"][at];
            let definition = workflow["definition"].as_str().expect("text").replace(before, after);
            workflow["definitionSha256"] = json!(infra::sha256_hex(definition.as_bytes()));
            workflow["definition"] = json!(definition);
        }
        manifest.to_string()
    });
    rebuild(&changed.expect("JSON"));
    let told = server.told();
    let changed: Vec<bool> = (0..4).map(|at| told["stateMachines"][at]["changed"] == json!(true)).collect();
    assert_eq!(changed, [true, false, false, true]);

    let of = |arn: &Value| server.call("DescribeStateMachineForExecution", &json!({ "executionArn": arn }));
    assert!(of(&long)["definition"].as_str().is_some_and(|text| text.contains("3600")), "it keeps its own");
    let next = server.call("StartExecution", &json!({ "stateMachineArn": rest }))["executionArn"].clone();
    assert!(of(&next)["definition"].as_str().is_some_and(|text| text.contains("7200")));
    let sync = json!({ "stateMachineArn": double, "input": "{\"n\":4}" });
    let started = server.call("StartExecution", &sync)["executionArn"].clone();
    let output = loop {
        let described = server.call("DescribeExecution", &json!({ "executionArn": started }));
        if described["status"] != "RUNNING" {
            break described["output"].clone();
        }
    };
    assert_eq!(output, "{\"twice\":12}");
}

#[test]
fn without_a_project_it_serves_the_engine_alone() {
    let bench = Bench::new();
    let server = Server::start(&bench, "--no-app");
    assert_eq!(server.announced["stateMachines"], json!([]));
    assert_eq!(server.call("ListStateMachines", &json!({})), json!({ "stateMachines": [] }));
    server.end();
}

#[test]
fn other_verbs_ask_the_engine_that_holds_the_journal() {
    let bench = Bench::new();
    let server = Server::start(&bench, "");
    let note = bench.path(".stepwright/endpoint.json");
    assert_eq!(std::fs::metadata(&note).expect("the note").permissions().mode() & 0o777, 0o600);
    let machine = |at: usize| &server.announced["stateMachines"][at]["stateMachineArn"];
    server.call("StartExecution", &json!({ "stateMachineArn": machine(3), "name": "long" }));
    server.call("StartExecution", &json!({ "stateMachineArn": machine(1), "name": "bad" }));

    assert_eq!(bench.run("list -q --status running").out.trim(), "long");
    let stopped = bench.run("stop long --reason enough --yes");
    assert_eq!(stopped.code, Some(0), "{}", stopped.err);
    let described = server.call(
        "DescribeExecution",
        &json!({ "executionArn": "arn:aws:states:us-east-1:123456789012:execution:rest:long" }),
    );
    assert_eq!((&described["status"], &described["cause"]), (&json!("ABORTED"), &json!("enough")));

    let redriven = bench.run("redrive bad --reason again --yes --wait -o json");
    assert_eq!(redriven.code, Some(1), "it fails again: {}", redriven.err);
    let document = redriven.json();
    assert_eq!((&document[0]["outcome"], &document[0]["redriveCount"]), (&json!("REDRIVEN"), &json!(1)));
    assert_eq!(bench.run("show bad -o json").json()["redrives"][0]["reason"], "again");
    server.end();
    assert!(!note.exists(), "the note is removed");
}

#[test]
fn with_keys_the_other_verbs_sign() {
    let bench = Bench::new();
    let server = Server::start(&bench, "--credentials generate");
    let refused = server.call("ListStateMachines", &json!({}));
    assert_eq!(refused["__type"], "com.amazon.coral.service#MissingAuthenticationTokenException");
    let secret = server.announced["environment"]["AWS_SECRET_ACCESS_KEY"].as_str().expect("a key").to_owned();
    assert_eq!(secret.len(), 40);
    let log = server.end();
    assert!(!log.contains(&secret), "{log}");
}

#[test]
fn other_machines_need_keys() {
    let bench = Bench::new();
    let open = bench.run("dev --no-app --listen 0.0.0.0:0");
    assert_eq!(open.code, Some(5), "{}", open.err);
    assert!(open.err.contains("credentials"), "{}", open.err);
    assert_eq!(bench.run("dev --no-app --listen nowhere").code, Some(2));
    let halved = bench.run("dev --no-app --credentials secretwithoutid");
    assert_eq!(halved.code, Some(2));
    assert!(!halved.err.contains("secretwithoutid"), "{}", halved.err);
}

#[test]
fn the_log_names_executions_and_states_and_nothing_that_is_secret() {
    const CANARY: &str = "canary-7f3a";
    let bench = Bench::new();
    let server = Server::start(&bench, "--no-app --log debug");
    let definition = json!({ "StartAt": "Break", "States": { "Break": {
        "Type": "Fail", "Error": format!("E.{CANARY}"), "Cause": CANARY,
    } } });
    let created = server.call(
        "CreateStateMachine",
        &json!({ "name": "m", "roleArn": ROLE, "definition": definition.to_string() }),
    );
    let input = json!({ "password": CANARY }).to_string();
    let machine = &created["stateMachineArn"];
    let started =
        server.call("StartExecution", &json!({ "stateMachineArn": machine, "input": input, "name": "x" }));
    let tested =
        json!({ "definition": definition["States"]["Break"].to_string(), "roleArn": ROLE, "input": input });
    server.call("TestState", &tested);
    server.call("SendTaskSuccess", &json!({ "taskToken": CANARY, "output": input }));
    let arn = started["executionArn"].as_str().expect("an ARN").to_owned();
    while server.call("DescribeExecution", &json!({ "executionArn": arn }))["status"] == "RUNNING" {}
    let log = server.end();
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
        .collect();
    let failed =
        lines.iter().find(|line| line["message"] == "ExecutionFailed").expect("a line about the end");
    assert_eq!((&failed["execution_arn"], &failed["state"]), (&json!(arn), &json!("Break")));
    assert!(!log.contains(CANARY), "{log}");
}

#[test]
fn queues_that_were_lost_are_not_begun_anew() {
    let bench = Bench::new();
    let server = Server::start(&bench, "--no-app");
    let (_, made) = server.post("AmazonSQS.CreateQueue", &json!({ "QueueName": "work" }));
    let message = json!({ "QueueUrl": made["QueueUrl"], "MessageBody": "kept" });
    assert_eq!(server.post("AmazonSQS.SendMessage", &message).0, 200);
    server.end();
    let of_stores = || {
        let entries = std::fs::read_dir(bench.path(".stepwright")).expect("a folder");
        let names = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
        let mut names: Vec<String> = names.filter(|name| name.starts_with("stores")).collect();
        names.sort();
        names
    };
    // The file alone holds everything.
    assert_eq!(of_stores(), ["stores.db", "stores.lock"]);
    let done = bench.run("backup copy.db");
    assert!(done.code == Some(0) && done.out.contains("copy.stores.db"), "{}{}", done.out, done.err);
    let database = bench.path(".stepwright/stores.db");
    let whole = std::fs::read(&database).expect("read");
    let half = whole.len() / 2;
    for damaged in
        [Vec::new(), whole[..whole.len() - 100].to_vec(), [&whole[..half], &vec![0xa5; half]].concat()]
    {
        std::fs::write(&database, &damaged).expect("written");
        let done = bench.run("dev --listen 127.0.0.1:0 --no-app");
        assert_eq!(done.code, Some(5), "{}", done.err);
        assert!(done.err.contains("stores::unusable"), "{}", done.err);
        assert_eq!(bench.run("doctor").code, Some(5));
        assert_eq!(std::fs::read(&database).expect("read"), damaged);
    }
    std::fs::copy(bench.path("copy.stores.db"), &database).expect("restored");
    assert_eq!(bench.run("doctor").code, Some(0));
    let server = Server::start(&bench, "--no-app");
    let receive = json!({ "QueueUrl": made["QueueUrl"] });
    assert_eq!(server.post("AmazonSQS.ReceiveMessage", &receive).1["Messages"][0]["Body"], "kept");
    server.end();
}

#[test]
fn where_files_may_not_grow_queues_are_not_ready_and_nothing_else_ends() {
    let bench = Bench::new();
    let plain = bench.command("dev --listen 127.0.0.1:0 -o json --no-app");
    let mut limited = std::process::Command::new("bash");
    // Blocks of 1,024 bytes.
    limited
        .arg("-c")
        .arg("ulimit -f 700; exec \"$0\" \"$@\"")
        .arg(plain.get_program())
        .args(plain.get_args());
    for (name, value) in plain.get_envs() {
        value.map(|value| limited.env(name, value));
    }
    plain.get_current_dir().map(|folder| limited.current_dir(folder));
    let server = Server::of(&mut limited);
    let (_, made) = server.post("AmazonSQS.CreateQueue", &json!({ "QueueName": "work" }));
    let message = json!({ "QueueUrl": made["QueueUrl"], "MessageBody": "x".repeat(100_000) });
    assert!(server.is_ready());
    let sent = (0..20).take_while(|_| server.post("AmazonSQS.SendMessage", &message).0 == 200).count();
    assert!((1..20).contains(&sent), "{sent}");
    for _ in 0..5 {
        assert_eq!(server.post("AmazonSQS.SendMessage", &message).0, 500);
    }
    assert_eq!(server.ask("GET /healthz", "Accept: */*", "").0, 200);
    let counts = json!({ "QueueUrl": made["QueueUrl"], "AttributeNames": ["All"] });
    let (_, counts) = server.post("AmazonSQS.GetQueueAttributes", &counts);
    assert_eq!(counts["Attributes"]["ApproximateNumberOfMessages"], sent.to_string());
    // What needs little room may still find it, which says nothing of what needs more: it is not
    // over before as much as anybody may bring can be written, which is never here.
    let small = json!({ "QueueUrl": made["QueueUrl"], "MessageBody": "x" });
    for _ in 0..20 {
        assert!(matches!(server.post("AmazonSQS.SendMessage", &small).0, 200 | 500));
        assert!(!server.is_ready());
    }
    let log = server.end();
    let (failed, over) = (log.matches("ulimit -f").count(), log.matches("can be written again").count());
    assert_eq!((failed, over), (1, 0), "it is said once: {log}");
}

/// What a workflow declares is there when the server is, is told, and starts executions; a mistake
/// in it is told by the trigger's name, and nothing is served.
#[test]
fn what_a_workflow_declares_starts_it() {
    let bench = Bench::new();
    let declare = |expression: &str| {
        let definition =
            r#"{"QueryLanguage":"JSONata","StartAt":"Echo","States":{"Echo":{"Type":"Pass","End":true}}}"#;
        let text = std::fs::read_to_string(bench.path("manifest.json")).expect("the manifest");
        let mut manifest: Value = serde_json::from_str(&text).expect("JSON");
        manifest["buckets"] = json!(["drops"]);
        manifest["workflows"] = json!([{
            "name": "echo", "comment": null, "definition": definition,
            "definitionSha256": infra::sha256_hex(definition.as_bytes()),
            "inputSchema": {}, "sourceMap": {}, "intake": null, "functions": [],
            "triggers": [
                { "kind": "schedule", "name": "echo-schedule-1", "expression": expression,
                  "timezone": "Europe/Berlin", "input": { "at": "<aws.scheduler.scheduled-time>" } },
                { "kind": "objects", "name": "echo-objects-1", "bucket": "drops", "prefix": "in/" },
                { "kind": "queue", "name": "echo-work", "queue": "bench-work", "accounts": ["123456789012"],
                  "batch": 1, "windowSeconds": 0 },
            ],
        }]);
        std::fs::write(bench.path("manifest.json"), manifest.to_string()).expect("a manifest");
    };

    declare("cron(0 5 31 2 ? *) ?");
    let refused = bench.command("dev --listen 127.0.0.1:0").output().expect("it ends");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("echo-schedule-1, ScheduleExpression"), "{said}");

    declare("cron(0 5 2 * ? *)");
    let server = Server::start(&bench, "");
    let told: Vec<&str> = server.announced["triggers"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(|trigger| trigger["starts"] == "echo")
        .filter_map(|trigger| trigger["by"].as_str())
        .collect();
    assert_eq!(
        told,
        ["cron(0 5 2 * ? *) in Europe/Berlin", "objects in drops/in/", "messages of bench-work"]
    );
    // Paths of S3 and of the scheduler are told apart by the service that a request is signed for.
    let signed = "Authorization: AWS4-HMAC-SHA256 Credential=local/20260131/us-east-1/scheduler/aws4_request, \
                  SignedHeaders=host, Signature=0";
    let (status, schedule) = server.ask("GET /schedules/echo-schedule-1", signed, "");
    assert_eq!(status, 200, "{schedule}");
    assert!(schedule.contains("<aws.scheduler.scheduled-time>"), "{schedule}");

    for key in ["in/a.txt", "out/b.txt"] {
        let (status, said) = server.ask(&format!("PUT /drops/{key}"), "Content-Length: 5", "hello");
        assert_eq!(status, 200, "{said}");
    }
    let queue = format!("http://{}/123456789012/bench-work", server.endpoint());
    let sent =
        server.post("AmazonSQS.SendMessage", &json!({ "QueueUrl": queue, "MessageBody": "{\"n\": 1}" }));
    assert_eq!(sent.0, 200, "{}", sent.1);

    let machine = &server.announced["stateMachines"][0]["stateMachineArn"];
    let ended = json!({ "stateMachineArn": machine, "statusFilter": "SUCCEEDED" });
    let executions = loop {
        let executions = server.call("ListExecutions", &ended)["executions"].clone();
        if executions.as_array().is_some_and(|executions| executions.len() == 2) {
            break executions;
        }
    };
    let inputs = executions.as_array().expect("a list").iter().map(|execution| {
        let arn = json!({ "executionArn": execution["executionArn"] });
        let described = server.call("DescribeExecution", &arn);
        serde_json::from_str::<Value>(described["input"].as_str().expect("text")).expect("JSON")
    });
    let (messages, events): (Vec<Value>, Vec<Value>) = inputs.partition(Value::is_array);
    assert_eq!(messages[0][0]["body"], "{\"n\": 1}", "as it was sent: {messages:?}");
    assert_eq!(events[0]["detail-type"], "Object Created");
    assert_eq!(events[0]["detail"]["object"]["key"], "in/a.txt");
    server.end();
}
