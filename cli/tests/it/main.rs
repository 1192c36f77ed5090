//! The command as a process: streams, exit codes, resuming. The application is a script that
//! prints a manifest; its workflows use no steps, so nothing is built.

#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

mod asl;
mod dev;
mod docs;
mod journal;
mod redrive;

use std::{
    io::{BufRead as _, BufReader},
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
};

use serde_json::{Value, json};

struct Bench {
    dir: tempfile::TempDir,
}

fn workflow(name: &str, definition: &Value) -> Value {
    let text = definition.to_string();
    let sha256 = infra::sha256_hex(text.as_bytes());
    json!({
        "name": name, "comment": null, "definition": text, "definitionSha256": sha256,
        "inputSchema": {}, "sourceMap": { "Refuse": "src/flow.rs:7" }, "intake": null, "functions": [],
    })
}

fn machine(state: &str, body: &Value) -> Value {
    json!({ "QueryLanguage": "JSONata", "StartAt": state, "States": { state: body } })
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("temp dir");
        let manifest = json!({
            "schemaVersion": 1,
            "app": "orders",
            "workflows": [
                workflow("double", &machine("Double", &json!({
                    "Type": "Pass", "Output": { "twice": "{% $states.input.n * 2 %}" }, "End": true,
                }))),
                workflow("refuse", &machine("Refuse", &json!({
                    "Type": "Fail", "Error": "Order.Refused", "Cause": "{\"errorMessage\":\"no stock\"}",
                }))),
                workflow("call", &machine("Call", &json!({
                    "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "End": true,
                    "Arguments": { "FunctionName": "orders-none", "Payload": {} },
                }))),
                workflow("rest", &machine("Rest", &json!({ "Type": "Wait", "Seconds": 3600, "End": true }))),
            ],
            "functions": [], "buckets": [], "secrets": [],
        });
        std::fs::write(dir.path().join("manifest.json"), manifest.to_string()).expect("manifest");
        std::fs::write(dir.path().join("input.json"), "{ \"n\": 21 }").expect("input");
        let script = "#!/bin/sh\n\
            here=$(dirname \"$0\")\n\
            case $1 in\n\
              manifest) cat \"$here/manifest.json\" ;;\n\
              synth) mkdir -p \"$3/asl\" && echo '{}' > \"$3/asl/double.json\" ;;\n\
            esac\n";
        let app = dir.path().join("app");
        std::fs::write(&app, script).expect("app");
        std::fs::set_permissions(&app, std::fs::Permissions::from_mode(0o755)).expect("executable");
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stepwright"));
        command
            .args(line.split_whitespace())
            .current_dir(self.dir.path())
            .env_remove("STEPWRIGHT_SECRET_COREVIEW")
            .env_remove("STEPWRIGHT_DATA")
            .env("STEPWRIGHT_APP", self.path("app"))
            .env("NO_COLOR", "1")
            .stdin(Stdio::null());
        command
    }

    fn run(&self, line: &str) -> Done {
        Done::of(&self.command(line).output().expect("stepwright runs"))
    }

    /// Starts a run that waits for an hour, and reads stderr until it says so.
    fn waiting(&self) -> Child {
        let mut child = self
            .command("run rest --input input.json")
            .stderr(Stdio::piped())
            .spawn()
            .expect("stepwright runs");
        let stderr = child.stderr.take().expect("stderr");
        let mut lines = BufReader::new(stderr).lines();
        let waits = lines.find(|line| line.as_ref().is_ok_and(|line| line.contains("Rest …")));
        assert!(waits.is_some(), "the state is entered");
        // Its other words are read on, so that it never writes into a closed pipe.
        std::thread::spawn(move || lines.for_each(drop));
        child
    }
}

struct Done {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Done {
    fn of(output: &Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout.clone()).expect("text"),
            err: String::from_utf8(output.stderr.clone()).expect("text"),
        }
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}\n{}", self.out, self.err))
    }
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("/bin/sh").args(["-c", &format!("kill -{name} {}", child.id())]).status();
    assert!(sent.expect("kill runs").success());
}

#[test]
fn data_goes_to_stdout_and_all_else_to_stderr() {
    let bench = Bench::new();
    let done = bench.run("run double --input input.json");
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert!(done.out.contains("✓ double succeeded") && done.out.contains("\"twice\": 42"), "{}", done.out);
    assert!(done.err.contains("✓ Double"), "progress: {}", done.err);

    let done = bench.run("run double --input input.json -o json");
    assert_eq!((done.code, done.err.as_str()), (Some(0), ""));
    let result = done.json();
    assert_eq!(result["output"], json!({ "twice": 42 }));
    assert_eq!(result["status"], "SUCCEEDED");
    assert!(result["executionArn"].as_str().is_some_and(|arn| arn.contains(":execution:double:double-")));

    let done = bench.run("run double --input input.json -o jsonl --name third");
    let lines: Vec<Value> = done.out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.first().map(|line| &line["type"]), Some(&json!("ExecutionStarted")));
    assert_eq!(lines.last().map(|line| &line["name"]), Some(&json!("third")));

    let colored = bench.run("run double --input input.json --color always -v");
    assert!(colored.out.contains("\u{1b}[32m✓"), "{}", colored.out);

    let list = bench.run("list -o json --limit 3").json();
    assert_eq!(list.as_array().map(Vec::len), Some(3));
    assert_eq!(list[1]["name"], "third", "newest first");
    let done = bench.run("list -q");
    assert_eq!(done.out.lines().nth(1), Some("third"));
    let done = bench.run("show third");
    assert!(done.out.contains("SUCCEEDED") && done.out.contains("✓ Double"), "{}", done.out);
    let io = bench.run("show third --io Double -o json").json();
    assert_eq!((&io[0]["input"], &io[0]["output"]), (&json!({ "n": 21 }), &json!({ "twice": 42 })));
    let events = bench.run("show third --events -o jsonl");
    assert_eq!(events.out.lines().count(), 4, "{}", events.out);
    assert!(bench.run("show third --events").out.contains("PassStateEntered"));
}

#[test]
fn an_empty_list_is_no_failure() {
    let bench = Bench::new();
    let done = bench.run("list -o json");
    assert_eq!((done.code, done.out.as_str()), (Some(0), "[]\n"));
    let done = bench.run("list -o jsonl");
    assert_eq!((done.code, done.out.as_str()), (Some(0), ""));
    let done = bench.run("list");
    assert_eq!((done.code, done.out.as_str(), done.err.as_str()), (Some(0), "", "no executions\n"));
}

#[test]
fn a_failed_execution_is_explained_and_exits_with_1() {
    let bench = Bench::new();
    let done = bench.run("run refuse --input input.json");
    assert_eq!((done.code, done.out.as_str()), (Some(1), ""));
    for part in
        ["✗ refuse failed in Refuse", "Order.Refused", "no stock", "src/flow.rs:7", "stepwright show refuse-"]
    {
        assert!(done.err.contains(part), "{part}: {}", done.err);
    }
    let done = bench.run("run refuse --input input.json -o json");
    assert_eq!(done.code, Some(1));
    let result = done.json();
    assert_eq!((&result["status"], &result["error"]), (&json!("FAILED"), &json!("Order.Refused")));
    assert_eq!(result["failure"]["message"], "no stock");
    assert_eq!(bench.run("list --status failed -q").out.lines().count(), 2);
    let done = bench.run("list --status succeeded -o json");
    assert_eq!((done.code, done.out.as_str()), (Some(0), "[]\n"));
}

#[test]
fn exit_codes_tell_what_kind_of_problem_it_is() {
    let bench = Bench::new();
    std::fs::write(bench.path("broken.json"), "{").expect("written");
    for (line, code, says) in [
        ("show latest", 3, "data::not_found"),
        ("run duoble --input input.json", 3, "Did you mean `double`?"),
        ("run double --input gone.json", 3, "gone.json"),
        ("run double --input broken.json", 2, "is not JSON"),
        ("run double", 2, "exactly one: --input FILE"),
        ("run double --input input.json --spec input.json", 2, "takes no spec"),
        ("run double --input input.json --coreview mysql://x", 2, "sqlite:///"),
        ("run double --input input.json --export no/such/dir.csv", 3, "no/such"),
        ("run double --input input.json --name a/b", 2, "a/b"),
        ("synht", 2, "'synth'"),
        ("run double --input input.json --app no-such-app", 3, "no-such-app"),
    ] {
        let done = bench.run(line);
        assert_eq!(done.code, Some(code), "{line}: {}", done.err);
        assert!(done.err.contains(says), "{line}: {}", done.err);
        assert_eq!(done.out, "", "{line}");
    }
    let done = bench.run("run duoble --input input.json -o json");
    let error: Value = serde_json::from_str(&done.err).expect("JSON on stderr");
    assert_eq!(error["error"]["code"], "workflow::not_found");
    assert!(error["error"]["hint"].as_str().is_some_and(|hint| hint.contains("refuse")));
    let export = bench.run("run double --input input.json --export figures.csv");
    assert_eq!(export.code, Some(1), "{}", export.err);
    assert!(export.err.contains("names no figures"), "{}", export.err);
}

#[test]
fn an_interrupted_run_is_resumed_by_the_same_command() {
    let bench = Bench::new();
    let mut first = bench.waiting();
    // Meanwhile others read, but nobody else writes.
    let listed = bench.run("list --status running -o json").json();
    assert_eq!(listed.as_array().map(Vec::len), Some(1));
    assert!(bench.run("show latest").out.contains("⟳ Rest"));
    let locked = bench.run("run double --input input.json");
    assert_eq!(locked.code, Some(5), "{}", locked.err);
    assert!(locked.err.contains("journal::locked"), "{}", locked.err);

    signal(&first, "INT");
    assert_eq!(first.wait().expect("waited").code(), Some(130));

    let mut second = bench.waiting();
    signal(&second, "KILL");
    second.wait().expect("waited");
    let name = bench.run("list -q").out;
    assert_eq!(name.lines().count(), 1, "resumed, not started again: {name}");

    let other = bench.run("run double --input input.json");
    assert_eq!(other.code, Some(0), "{}", other.err);
    assert!(other.err.contains(&format!("also going on with 1 execution: {}", name.trim())), "{}", other.err);
}

#[test]
fn open_executions_do_not_go_on_with_another_coreview() {
    let bench = Bench::new();
    let elsewhere = "run double --input input.json --coreview postgres://clerk:canary@db.internal/coreview";
    assert_eq!(bench.run(elsewhere).code, Some(0), "nothing is open");
    assert_eq!(bench.run("run double --input input.json").code, Some(0), "nor here");
    let mut waiting = bench.waiting();
    signal(&waiting, "KILL");
    waiting.wait().expect("waited");

    let refused = bench.run(elsewhere);
    assert_eq!((refused.code, refused.out.as_str()), (Some(5), ""), "{}", refused.err);
    for part in ["coreview.db in the data folder", "postgres://db.internal/coreview", "  rest-", "--data DIR"]
    {
        assert!(refused.err.contains(part), "{part}: {}", refused.err);
    }
    assert!(!refused.err.contains("canary"), "{}", refused.err);
    let folder = std::fs::read_to_string(bench.path(".stepwright/coreview.place")).expect("the note");
    assert_eq!(folder, "coreview.db in the data folder\n");
    assert_eq!(bench.run("run double --input input.json").code, Some(0));
    assert_eq!(bench.run(&format!("{elsewhere} --data other")).code, Some(0));
}

#[test]
fn a_damaged_journal_is_refused_and_left_alone() {
    let bench = Bench::new();
    assert_eq!(bench.run("run double --input input.json").code, Some(0));
    let journal = bench.path(".stepwright/journal.db");
    for beside in ["journal.db-wal", "journal.db-shm"] {
        let _ = std::fs::remove_file(bench.path(".stepwright").join(beside));
    }
    let rubbish = vec![b'x'; 8192];
    std::fs::write(&journal, &rubbish).expect("damaged");
    let done = bench.run("run double --input input.json");
    assert_eq!(done.code, Some(5), "{}", done.err);
    assert!(done.err.contains("journal::unusable"), "{}", done.err);
    assert_eq!(std::fs::read(&journal).expect("journal"), rubbish);
    assert_eq!(bench.run("list").code, Some(5));
}

#[test]
fn synth_writes_and_checks() {
    let bench = Bench::new();
    let done = bench.run("synth --check");
    assert_eq!(done.code, Some(1));
    assert!(done.out.contains("missing"), "{}", done.out);
    let done = bench.run("synth double");
    assert_eq!((done.code, done.out.as_str()), (Some(0), "stepwright.out/asl/double.json\n"));
    assert_eq!(bench.run("synth --check").code, Some(0));
    assert_eq!(bench.run("synth duoble").code, Some(3));
    assert_eq!(bench.run("synth -o json").json()["files"], json!(["asl/double.json"]));
}

#[test]
fn version_and_completions() {
    let bench = Bench::new();
    let done = bench.run("--version");
    assert_eq!((done.code, done.out), (Some(0), format!("stepwright {}\n", env!("CARGO_PKG_VERSION"))));
    let done = bench.run("--version --verbose");
    assert!(done.out.contains("rustc") && done.out.contains("target"), "{}", done.out);
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(bench.run(&format!("completions {shell}")).out.contains("stepwright"), "{shell}");
    }
    let done = bench.run("");
    assert_eq!((done.code, done.out.as_str()), (Some(2), ""));
}

#[test]
fn a_stdout_that_takes_nothing_is_an_error() {
    let bench = Bench::new();
    assert_eq!(bench.run("run double --input input.json").code, Some(0));
    let into = |line: &str, place: Stdio| {
        Done::of(&bench.command(line).stdout(place).output().expect("stepwright runs"))
    };
    for line in ["list -o json", "show latest", "run double --input input.json", "--help", "completions bash"]
    {
        let full = std::fs::File::options().write(true).open("/dev/full").expect("/dev/full");
        let done = into(line, full.into());
        assert_eq!(done.code, Some(1), "{line}: {}", done.err);
        assert!(done.err.contains("output::not_written"), "{line}: {}", done.err);
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let done = into(line, writer.into());
        assert_eq!(done.code, Some(0), "a reader that has gone: {line}: {}", done.err);
        assert!(!done.err.contains("output::not_written"), "{line}: {}", done.err);
    }
}

#[test]
fn usage_errors_take_the_form_asked_for() {
    let bench = Bench::new();
    for line in
        ["synht -o json", "-o=jsonl run", "list --limit many --output=json", "show -qojson", "-o json"]
    {
        let done = bench.run(line);
        assert_eq!((done.code, done.out.as_str()), (Some(2), ""), "{line}: {}", done.err);
        let document: Value = serde_json::from_str(&done.err).expect("JSON on stderr");
        let error = &document["error"];
        assert_eq!((&error["code"], &error["requestId"]), (&json!("usage"), &Value::Null), "{line}");
        for field in ["message", "hint"] {
            assert!(error[field].as_str().is_some_and(|text| !text.is_empty()), "{line}: {document}");
        }
    }
    assert!(bench.run("synht").err.starts_with("error: unrecognized subcommand"));
    for line in ["--help -o json", "run --help", "-V -o json"] {
        let done = bench.run(line);
        assert_eq!((done.code, done.err.as_str()), (Some(0), ""), "{line}");
        assert!(done.out.contains("stepwright"), "{line}: {}", done.out);
    }
}

#[test]
fn a_place_of_coreview_that_is_not_understood_is_refused_and_not_shown() {
    let bench = Bench::new();
    for (place, says) in [
        ("host=127.0.0.1 port=1 password=CANARY", "not the URL of a database"),
        ("postgres:u:CANARY@h", "not the URL of a database"),
        ("u:CANARY@host/db", "not the URL of a database"),
        ("mysql://u:x/CANARY@h/d", "not the URL of a database"),
        ("http:u:CANARY@h", "not the URL of a database"),
        ("postgres://u:x/CANARY@h/d", "%2F"),
        ("sqlite://relative/x.db", "absolute path"),
    ] {
        let mut command = bench.command("run double --input input.json --coreview");
        let done = Done::of(&command.arg(place).output().expect("stepwright runs"));
        assert_eq!((done.code, done.out.as_str()), (Some(2), ""), "{place}: {}", done.err);
        assert!(done.err.contains(says) && done.err.contains("sqlite:///absolute/path.db"), "{}", done.err);
        assert!(!done.err.contains("CANARY"), "{}", done.err);
    }
    assert!(!bench.path(".stepwright").exists(), "nothing was begun");
}

#[test]
fn a_pipe_is_no_input() {
    let bench = Bench::new();
    let made = Command::new("mkfifo").arg(bench.path("pipe")).status().expect("mkfifo runs");
    assert!(made.success());
    for place in ["pipe", "/dev/null"] {
        let done = bench.run(&format!("run double --input {place}"));
        assert_eq!(done.code, Some(2), "{}", done.err);
        assert!(done.err.contains(&format!("{place} is not a regular file")), "{}", done.err);
    }
}

#[test]
fn a_failure_while_the_engine_recovered_is_told_before_a_new_start() {
    let mut told = 0;
    // Aborted wherever the journal allows; at some of the points the task's outcome is unknown.
    for at in 1..12 {
        let bench = Bench::new();
        let mut first = bench.command("run call --input input.json");
        first.env("STEPWRIGHT_TEST_CRASH_AT", at.to_string()).output().expect("stepwright runs");
        let was_open = bench.run("list --status running -q").out;
        let again = bench.run("run call --input input.json");
        assert_eq!(again.code, Some(1), "{}", again.err);
        let names = bench.run("list -q").out;
        let Some(open) = was_open.lines().next() else { continue };
        let is_told = again.err.contains(&format!("`stepwright show {open}`. A new execution is started"));
        assert_eq!(is_told, names.lines().count() == 2, "crash at {at}: {}", again.err);
        told += usize::from(is_told);
    }
    assert!(told > 0, "no point left a task without outcome");
}

#[test]
fn definitions_are_checked_from_files_stdin_and_the_project() {
    let bench = Bench::new();
    let fine = r#"{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}"#;
    let warned = r#"{"StartAt": "A", "States": {"A": {"Type": "Pass", "InputPath": "$gone", "End": true}}}"#;
    std::fs::write(bench.path("fine.json"), fine).expect("written");
    std::fs::write(bench.path("warned.json"), warned).expect("written");
    std::fs::write(bench.path("wrong.json"), "{\n  \"StartAt\": \"A\"\n}").expect("written");

    let done = bench.run("validate fine.json");
    assert_eq!((done.code, done.out.as_str(), done.err.as_str()), (Some(0), "✓ fine.json is valid\n", ""));
    let done = bench.run("validate");
    assert_eq!(done.code, Some(0), "the workflows of the project: {}", done.err);
    assert!(done.out.contains("✓ double is valid"), "{}", done.out);

    let done = bench.run("validate fine.json wrong.json -q");
    let line = "wrong.json:1:1: ERROR SCHEMA_VALIDATION_FAILED: These fields are required: [States]\n";
    assert_eq!((done.code, done.out.as_str()), (Some(1), line));
    let done = bench.run("validate wrong.json -o json");
    assert_eq!(done.code, Some(1));
    assert_eq!(done.json()[0]["diagnostics"][0]["code"], "SCHEMA_VALIDATION_FAILED");
    assert_eq!(bench.run("validate warned.json").code, Some(0));
    assert_eq!(bench.run("validate warned.json --deny-warnings").code, Some(1));
    assert_eq!(bench.run("validate nowhere.json").code, Some(3));

    let input = std::fs::File::open(bench.path("wrong.json")).expect("opened");
    let output = bench.command("validate -").stdin(input).output().expect("stepwright runs");
    let done = Done::of(&output);
    assert_eq!(done.code, Some(1));
    assert!(done.out.contains("--> stdin:1:1"), "{}", done.out);
}

#[test]
fn what_is_kept_is_said_once_and_holds() {
    let bench = Bench::new();
    let done = bench.run("run refuse --input input.json --retention never");
    assert_eq!(done.code, Some(1), "{}", done.err);
    let kept = bench.run("gc -o json").json();
    assert_eq!((&kept["endedBefore"], &kept["executions"]), (&Value::Null, &json!(0)), "never is noted");
    let asked = bench.run("gc --older-than 0s --dry-run -o json").json();
    assert_eq!(asked["executions"], 1, "by hand it goes all the same");
    let listed = bench.run("list -o json").json();
    assert_eq!(listed[0]["error"], "Order.Refused");
    let changed = bench.run("gc --retention 30d -o json").json();
    assert_eq!((changed["endedBefore"].is_string(), &changed["executions"]), (true, &json!(0)));
    assert!(bench.run("gc --dry-run -o json").json()["endedBefore"].is_string(), "30d is noted now");
    assert_eq!(bench.run("gc --retention soon").code, Some(2));
}
