//! Definitions without a project, as a process: the forms files come in, exit codes, forms of output.

use serde_json::{Value, json};

use crate::{Bench, Done};

const MACHINE: &str = r#"{"StartAt": "Ask", "States": {
    "Ask": {"Type": "Task", "Resource": "arn:aws:states:::http:invoke", "Next": "Done",
        "Parameters": {"ApiEndpoint": "https://example.com", "Method": "GET"},
        "Catch": [{"ErrorEquals": ["Http.Busy"], "Next": "Done"}]},
    "Done": {"Type": "Succeed"}}}"#;
const STATE: &str = r#"{"Type": "Pass", "Result": {"a": 1}, "End": true}"#;
const BROKEN: &str = r#"{"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "B"}}}"#;

fn bench() -> Bench {
    let bench = Bench::new();
    let described = json!({ "stateMachineArn": "arn", "definition": MACHINE }).to_string();
    for (name, text) in [
        ("machine.json", MACHINE),
        ("state.json", STATE),
        ("broken.json", BROKEN),
        ("described.json", &described),
        ("machine.yaml", "StartAt: A\nStates:\n  A:\n    Type: Succeed\n"),
    ] {
        std::fs::write(bench.path(name), text).expect("written");
    }
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    std::fs::write(bench.path("deep.json"), deep).expect("written");
    bench
}

#[track_caller]
fn says(done: &Done, code: i32, words: &[&str]) {
    assert_eq!(done.code, Some(code), "{}{}", done.out, done.err);
    for word in words {
        assert!(done.out.contains(word) || done.err.contains(word), "{word}: {}{}", done.out, done.err);
    }
}

#[test]
fn a_file_of_another_form_is_recognised() {
    let bench = bench();
    for (line, code, words) in [
        ("validate file://machine.json", 0, ["✓ machine.json is valid", ""]),
        ("validate described.json", 2, ["describe-state-machine", "jq -r .definition described.json"]),
        ("validate machine.yaml", 2, ["written in YAML", "yq -o json . machine.yaml"]),
        ("validate state.json", 2, ["holds a single state", "stepwright test-state state.json"]),
        ("test-state described.json", 2, ["describe-state-machine", "jq -r"]),
        ("validate described.json machine.yaml machine.json", 2, ["jq -r", "yq -o json"]),
        ("validate --type EXPRESS -o JSON machine.json", 0, ["\"OK\"", ""]),
    ] {
        says(&bench.run(line), code, &words);
    }
}

#[test]
fn what_was_tested_and_what_was_refused_have_different_exit_codes() {
    let bench = bench();
    for (line, code, words) in [
        ("test-state state.json", 0, ["✓ the state succeeds", "{\"a\":1}"]),
        ("test-state state.json --state Mine", 0, ["✓ Mine succeeds", ""]),
        ("test-state --definition file://state.json", 0, ["{\"a\":1}", ""]),
        (
            "test-state machine.json --state-name Ask --mock-error Http.Busy",
            0,
            ["error is caught → Done", "Catch[0]"],
        ),
        ("test-state machine.json --state Ask --mock-error Other", 1, ["✗ Ask fails", "Other"]),
        ("test-state machine.json", 2, ["holds a whole state machine", "Ask, Done"]),
        ("test-state machine.json --state Ask", 2, ["--mock-result JSON", ""]),
        ("test-state machine.json --state Asks", 3, ["Did you mean `Ask`?", ""]),
        ("test-state gone.json", 3, ["gone.json", ""]),
        ("test-state state.json --input @deep.json", 2, ["nested more than 127 levels deep", ""]),
        ("test-state state.json --input deep.json", 2, ["--input @deep.json", ""]),
        ("test-state broken.json --state A", 5, ["Missing 'Next' target: B", "help:"]),
        ("test-state broken.json --state A -o json", 5, ["\"diagnostics\"", "MISSING_TRANSITION_TARGET"]),
        (
            "test-state machine.json --state Ask --mock-result {} --context {\"State\":1}",
            5,
            ["State must be", "--context"],
        ),
    ] {
        says(&bench.run(line), code, &words);
    }
}

#[test]
fn the_answer_is_that_of_the_api_or_the_output_alone() {
    let bench = bench();
    let done = bench.run("test-state state.json -o json --inspection-level INFO");
    assert_eq!(done.json(), json!({ "output": "{\"a\":1}", "status": "SUCCEEDED" }));
    let done = bench.run("test-state state.json -q");
    assert_eq!((done.out.as_str(), done.err.as_str()), ("{\"a\":1}\n", ""));
    let mocked = "test-state machine.json --state Ask --mock-result {}";
    says(
        &bench.run(mocked),
        0,
        &["note: the mocked result is not checked: no model of http:invoke is known"],
    );
    let unchecked = bench.run(&format!("{mocked} --validation NONE"));
    assert_eq!((unchecked.code, unchecked.err.as_str()), (Some(0), ""));
    let refused: Value =
        serde_json::from_str(&bench.run("test-state broken.json --state A -o json").err).expect("JSON");
    let first = &refused["error"]["diagnostics"][0];
    assert_eq!((&first["code"], &first["line"]), (&json!("MISSING_TRANSITION_TARGET"), &json!(1)));
}

#[test]
fn a_test_takes_what_awss_cli_takes_and_refuses_what_means_nothing() {
    let bench = bench();
    let map = json!({
        "Type": "Map", "End": true,
        "ItemReader": { "Resource": "arn:aws:states:::s3:getObject",
            "ReaderConfig": { "InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW" },
            "Parameters": { "Bucket": "b", "Key": "k" } },
        "ItemSelector": { "row.$": "$$.Map.Item.Value" },
        "ItemProcessor": { "ProcessorConfig": { "Mode": "DISTRIBUTED", "ExecutionType": "STANDARD" },
            "StartAt": "Inner", "States": { "Inner": { "Type": "Pass", "End": true } } },
    });
    let reads = json!({
        "QueryLanguage": "JSONata", "StartAt": "A",
        "States": { "A": { "Type": "Pass", "Output": "{% $v %}", "End": true } },
    });
    for (name, text) in [
        ("map.json", map.to_string()),
        ("reads.json", reads.to_string()),
        ("rows.csv", "id\n7\n".to_owned()),
        ("latin.json", String::new()),
    ] {
        std::fs::write(bench.path(name), text).expect("written");
    }
    std::fs::write(bench.path("latin.json"), [b'"', 0xE4, b'"']).expect("written");
    let ask = "test-state machine.json --state Ask";
    for (line, code, words) in [
        (
            "test-state map.json --mock-result [] --reader-data @rows.csv --inspection-level DEBUG",
            0,
            ["[{\"row\":{\"id\":\"7\"}}]", "succeeds"],
        ),
        ("test-state map.json --mock-error E --error-from Inner", 1, ["fails", "E"]),
        ("test-state map.json --mock-error E --error-from inner", 3, ["Did you mean `Inner`?", ""]),
        (&format!("{ask} --mock {{\"errorOutput\":{{\"error\":\"Http.Busy\"}}}}"), 0, ["caught", "Catch[0]"]),
        (&format!("{ask} --mock [1]"), 2, ["--mock", "TestState"]),
        (
            &format!("{ask} --mock-error E --state-configuration {{\"retrierRetryCount\":1}}"),
            1,
            ["fails", "E"],
        ),
        (&format!("{ask} --mock-error E --reveal-secrets"), 1, ["fails", "E"]),
        (&format!("{ask} --mock-error E --retry-count -1"), 2, ["'-1'", "--retry-count"]),
        ("test-state {\"Type\":\"Pass\",\"End\":true}", 0, ["succeeds", "{}"]),
        ("test-state reads.json --state A --variables {\"states\":3}", 2, ["`states`", "reserved"]),
        ("test-state reads.json --state A --variables {\"1bad\":3}", 2, ["`1bad`", "letter"]),
        ("test-state reads.json --state a", 3, ["Did you mean `A`?", ""]),
        ("validate .", 2, ["cannot be read", ""]),
        ("validate latin.json", 2, ["UTF-8", ""]),
    ] {
        says(&bench.run(line), code, &words);
    }
    let given = bench.run("test-state reads.json --state A --variables {\"v\":3}");
    assert_eq!((given.code, given.err.as_str()), (Some(0), ""), "it was given");
    let failed = bench.run(&format!("{ask} --mock-error Other -q"));
    assert_eq!((failed.code, failed.out.as_str()), (Some(1), ""), "there is no output");
    assert!(failed.err.contains("Other"), "{}", failed.err);
}
