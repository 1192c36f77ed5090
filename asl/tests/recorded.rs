//! The crate against files that are not part of the repository: definitions
//! somebody judged, and answers recorded from the real service. Without the
//! files a test says on stderr that it was skipped.
#![expect(clippy::expect_used, reason = "the whole file is a test")]
#![expect(clippy::print_stderr, reason = "a test that skips or counts has to say so")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use asl::{
    Code, ExecutionType, Host, QueryLanguage, Scope, State, StateKind, StateMachine, States, Template,
    validate, validate_for, variable_references,
};
use indexmap::IndexMap;
use serde_json::{Value, json};

/// A file of the folder `shared` beside the repository.
fn shared(path: &str) -> Option<Value> {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared").join(path);
    let text = std::fs::read_to_string(&file);
    match text {
        Ok(text) => {
            let text = text.replace("{{account}}", "123456789012").replace("{{region}}", "us-east-1");
            Some(serde_json::from_str(&text).expect("the fixture is JSON"))
        }
        Err(error) => {
            eprintln!("SKIPPED: {} cannot be read ({error}); nothing was tested", file.display());
            None
        }
    }
}

/// What AWS accepts and only then fails, so that we may not refuse it.
const ACCEPTED_BY_AWS: &[(&str, Code)] = &[
    ("jsonata_bad_root_func", Code::UnknownFunction),
    ("undefined_var", Code::UndefinedVariable),
    ("token_without_token", Code::MissingTaskToken),
];

fn codes(definition: &Value) -> BTreeSet<Code> {
    validate(&definition.to_string()).errors().map(|item| item.code).collect()
}

#[test]
fn the_corpus_is_judged_as_it_says() {
    let Some(corpus) = shared("aws/asl-validator-corpus.json") else { return };
    let cases = |kind: &str| corpus.get(kind).and_then(Value::as_object).cloned().expect("an object");
    let (mut accepted, mut refused, mut warned) = (0, 0, 0);
    for (name, definition) in cases("good") {
        let text = definition.to_string();
        assert!(StateMachine::parse(&text).is_ok(), "{name}: {}", validate(&text));
        accepted += 1;
    }
    for (name, definition) in cases("bad") {
        let codes = codes(&definition);
        if let Some((_, expected)) = ACCEPTED_BY_AWS.iter().find(|(known, _)| *known == name) {
            let diagnostics = validate(&definition.to_string());
            assert!(codes.is_empty() && diagnostics.warnings().any(|item| item.code == *expected), "{name}");
            warned += 1;
        } else {
            assert!(!codes.is_empty(), "{name} was accepted");
            refused += 1;
        }
    }
    eprintln!("corpus: {accepted} good accepted, {refused} bad refused, {warned} warned of");
    assert!(accepted >= 25 && refused >= 55, "{accepted} accepted, {refused} refused");
}

/// The bad definitions of the corpus are nearly all in JSONPath. Most of their
/// faults have nothing to do with it: said in JSONata they have to be found.
#[test]
fn faults_of_the_corpus_are_found_in_jsonata_too() {
    let Some(corpus) = shared("aws/asl-validator-corpus.json") else { return };
    let bad = corpus.get("bad").and_then(Value::as_object).expect("an object");
    let mut found = 0;
    for (name, definition) in bad {
        let mut definition = definition.clone();
        let object = definition.as_object_mut().expect("an object");
        if object.contains_key("QueryLanguage") {
            continue;
        }
        object.insert("QueryLanguage".to_owned(), json!("JSONata"));
        // Valid in JSONata: `Output` and `Arguments`.
        if ["jsonpath_with_arguments", "jsonpath_with_output"].contains(&name.as_str()) {
            continue;
        }
        assert!(!codes(&definition).is_empty(), "{name} was accepted");
        found += 1;
    }
    eprintln!("corpus: {found} faults found in JSONata");
}

/// Every recorded case, with the name of its file.
fn recorded_cases() -> Option<Vec<Value>> {
    let index = shared("conformance/sfn/index.json")?;
    let features = index.get("by_feature").and_then(Value::as_object).expect("the features");
    let mut cases = Vec::new();
    for feature in features.values() {
        let file = feature.get("file").and_then(Value::as_str).expect("a name");
        let content = shared(&format!("conformance/sfn/{file}"))?;
        cases.extend(content.get("cases").and_then(Value::as_array).expect("an array").iter().cloned());
    }
    Some(cases)
}

fn text_of(definition: &Value) -> String {
    definition.as_str().map_or_else(|| definition.to_string(), str::to_owned)
}

fn machine_type(of: &Value) -> ExecutionType {
    if of.get("type").is_some_and(|name| name == "EXPRESS") {
        ExecutionType::Express
    } else {
        ExecutionType::Standard
    }
}

/// Every recorded execution, and every machine made or checked without an
/// error, began with a definition AWS accepted.
#[test]
fn what_aws_accepted_is_accepted() {
    let Some(cases) = recorded_cases() else { return };
    let mut accepted = 0;
    let mut accept = |id: &Value, text: &str, machine_type| {
        if let Err(diagnostics) = StateMachine::parse_for(text, machine_type) {
            panic!("{id}: {diagnostics}\n{text}");
        }
        accepted += 1;
    };
    for case in &cases {
        if case["expected"]["status"].is_string()
            && let Some(definition) = case.get("definition")
        {
            accept(&case["id"], &text_of(definition), machine_type(case));
        }
        for step in case["steps"].as_array().into_iter().flatten() {
            let makes =
                ["create_state_machine", "update_state_machine"].map(Some).contains(&step["op"].as_str());
            if let Some(definition) = step["params"]["definition"].as_str()
                && makes
                && step.get("expect_error").is_none()
            {
                accept(&case["id"], definition, machine_type(&step["params"]));
            }
        }
    }
    eprintln!("recorded: {accepted} definitions accepted");
    assert!(accepted >= 750, "{accepted} accepted");
}

/// What `TestState` takes: one state, or with `stateName` one of a machine.
#[test]
fn single_states_aws_accepted_are_accepted() {
    let Some(cases) = recorded_cases() else { return };
    let mut accepted = 0;
    for case in &cases {
        for step in case["steps"].as_array().into_iter().flatten() {
            let parameters = &step["params"];
            let refused = step["expect_error"]["code"] == "InvalidDefinition";
            if step["op"] != "test_state" || refused || !parameters["stateName"].is_null() {
                continue;
            }
            let text = text_of(&parameters["definition"]);
            if let Err(diagnostics) = State::parse(&text, "StateName") {
                panic!("{}: {diagnostics}\n{text}", case["id"]);
            }
            accepted += 1;
        }
    }
    eprintln!("recorded: {accepted} single states accepted");
    assert!(accepted >= 60, "{accepted} accepted");
}

/// Every definition AWS refused is refused with the same message.
#[test]
fn what_aws_refused_is_refused_in_its_words() {
    let Some(cases) = recorded_cases() else { return };
    let mut compared = 0;
    for case in &cases {
        for step in case["steps"].as_array().into_iter().flatten() {
            let (error, parameters) = (&step["expect_error"], &step["params"]);
            if error["code"] != "InvalidDefinition" {
                continue;
            }
            let recorded = error["message"].as_str().expect("a text");
            // Says what `TestState` cannot do, whatever the definition.
            if recorded.starts_with("TestState API does not support") {
                continue;
            }
            let text = text_of(&parameters["definition"]);
            let diagnostics = if step["op"] == "test_state" && parameters["stateName"].is_null() {
                State::parse(&text, "StateName").expect_err("AWS refuses it")
            } else {
                StateMachine::parse_for(&text, machine_type(parameters)).expect_err("AWS refuses it")
            };
            assert_eq!(diagnostics.refusal(&text), recorded, "{}", case["id"]);
            compared += 1;
        }
    }
    eprintln!("recorded refusals: {compared} compared");
    assert!(compared >= 60, "{compared} compared");
}

/// The answers of `ValidateStateMachineDefinition`.
#[test]
fn diagnostics_are_those_recorded() {
    let Some(cases) = recorded_cases() else { return };
    let mut compared = 0;
    for case in &cases {
        for step in case["steps"].as_array().into_iter().flatten() {
            if step["op"] != "validate_state_machine_definition" {
                continue;
            }
            let text = text_of(&step["params"]["definition"]);
            // Warnings are answered only when they are asked for.
            let ours: Vec<Value> = validate_for(&text, machine_type(&step["params"]))
                .errors()
                .map(|item| {
                    json!({
                        "severity": item.severity, "code": item.code, "message": item.message,
                        "location": item.location,
                    })
                })
                .collect();
            assert_eq!(json!(ours), step["expect"][0]["response"]["diagnostics"], "{}", case["id"]);
            compared += 1;
        }
    }
    eprintln!("recorded answers of ValidateStateMachineDefinition: {compared} compared");
    assert!(compared >= 7, "{compared} compared");
}

/// `variableReferences` of `DescribeStateMachine`; their order is not AWS's promise.
#[test]
fn variable_references_are_those_recorded() {
    let Some(cases) = recorded_cases() else { return };
    let mut compared = 0;
    for case in cases.iter().filter(|case| case["feature"] == "api-variable-references") {
        let steps = case["steps"].as_array().expect("steps");
        let of = |op: &str| steps.iter().find(|step| step["op"] == op).expect("the step");
        let text = text_of(&of("create_state_machine")["params"]["definition"]);
        let machine = StateMachine::parse(&text).expect("AWS accepts it");
        let ours = variable_references(&machine);
        let recorded = &of("describe_state_machine")["expect"][0]["response"]["variableReferences"];
        let recorded: BTreeMap<String, BTreeSet<String>> =
            serde_json::from_value(recorded.clone()).unwrap_or_default();
        let ours: BTreeMap<String, BTreeSet<String>> =
            ours.into_iter().map(|(name, variables)| (name, variables.into_iter().collect())).collect();
        assert_eq!(ours, recorded, "{}", case["id"]);
        compared += 1;
    }
    eprintln!("recorded variable references: {compared} compared");
    assert!(compared >= 12, "{compared} compared");
}

struct Still;

impl Host for Still {
    fn now_millis(&self) -> i64 {
        0
    }
    fn random(&self) -> f64 {
        0.5
    }
    fn uuid(&self) -> String {
        "00000000-0000-4000-8000-000000000000".to_owned()
    }
}

/// Machines of Pass states can be executed here: outputs and causes are AWS's.
#[test]
fn outputs_and_causes_are_those_recorded() {
    let mut compared = 0;
    for file in
        ["jsonata-evaluate", "jsonata-output", "states-variables", "map", "choice", "intrinsic-functions"]
    {
        let Some(cases) = shared(&format!("conformance/sfn/{file}.json")) else { return };
        for case in cases.get("cases").and_then(Value::as_array).into_iter().flatten() {
            let Some(definition) = case.get("definition") else { continue };
            let Ok(machine) = StateMachine::parse(&definition.to_string()) else { continue };
            let Some(answer) = run_passes(&machine.start_at, &machine.states, &case["input"]) else {
                continue;
            };
            let expected = &case["expected"];
            match answer {
                Ok(output) => {
                    let recorded = match &expected["output"] {
                        Value::String(text) => serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
                        other => other.clone(),
                    };
                    if recorded.to_string().contains("{{") || is_random(definition) {
                        continue;
                    }
                    assert_eq!(output, recorded, "{}", case["id"]);
                }
                Err(cause) => {
                    let recorded = expected["cause"].as_str().unwrap_or_default();
                    assert!(recorded.ends_with(&cause), "{}: {cause}\nrecorded: {recorded}", case["id"]);
                }
            }
            compared += 1;
        }
    }
    eprintln!("recorded executions of Pass states: {compared} compared");
    assert!(compared >= 20, "only {compared} compared");
}

fn is_random(definition: &Value) -> bool {
    let text = definition.to_string();
    text.contains("$uuid")
        || text.contains("$random")
        || text.contains("$now")
        || text.contains("$states.context")
}

/// The output or the cause; `None` if the machine has anything but Pass and
/// Succeed states, or an input that is not known.
fn run_passes(start: &str, states: &States, input: &Value) -> Option<Result<Value, String>> {
    let only_passes = states.values().all(|state| {
        state.query_language == QueryLanguage::Jsonata
            && matches!(state.kind, StateKind::Pass(_) | StateKind::Succeed)
    });
    if !only_passes || input.to_string().contains("{{") {
        return None;
    }
    let mut variables: IndexMap<String, Value> = IndexMap::new();
    let mut input = input.clone();
    let mut name = start.to_owned();
    loop {
        let state = states.get(&name)?;
        let seen = json!({"input": input, "context": {}});
        let scope =
            Scope { states: &seen, variables: &variables, host: &Still, budget: &asl::StateBudget::new() };
        let evaluate = |template: &Option<Template>, field: &str| {
            template.as_ref().map(|template| template.evaluate(field, &scope)).transpose()
        };
        let assigned = match evaluate(&state.assign, "Assign") {
            Ok(assigned) => assigned,
            Err(error) => return Some(Err(error.cause)),
        };
        let output = match evaluate(&state.output, "Output") {
            Ok(output) => output,
            Err(error) => return Some(Err(error.cause)),
        };
        if let Some(Value::Object(assigned)) = assigned {
            variables.extend(assigned);
        }
        input = output.unwrap_or(input);
        match &state.transition {
            Some(asl::Transition::Next(next)) => name.clone_from(next),
            _ => return Some(Ok(input)),
        }
    }
}

#[test]
fn recorded_causes_have_our_wording() {
    let Some(causes) = shared("conformance/aws-validated-query-causes.json") else { return };
    let mut compared = 0;
    for entry in causes.as_array().expect("an array") {
        let cause = entry["cause"].as_str().expect("a text");
        let Some((_, rest)) = cause.split_once("The JSONata expression '") else { continue };
        let (source, rest) = rest.split_once("' specified for the field '").expect("a field");
        let (field, _) = rest.split_once('\'').expect("the end of the field");
        let value = rest.rsplit_once("for value: ").and_then(|(_, value)| serde_json::from_str(value).ok());
        let variables: IndexMap<String, Value> =
            value.into_iter().map(|value: Value| ("ItemsVar".to_owned(), value)).collect();
        let states = json!({"input": {"FunctionInput": {"fst": 1}}, "context": {}});
        let scope =
            Scope { states: &states, variables: &variables, host: &Still, budget: &asl::StateBudget::new() };
        let template = Template::Expression(asl::Expression::parse(source).expect("parses"));
        let error = if field == "Items" {
            template.evaluate_array(field, &scope).map(Value::Array)
        } else {
            template.evaluate(field, &scope)
        };
        let ours = error.expect_err(source);
        assert!(cause.ends_with(&ours.cause), "{}\nrecorded: {cause}", ours.cause);
        assert_eq!(entry["error"], ours.error);
        compared += 1;
    }
    eprintln!("recorded causes: {compared} compared");
    assert!(compared >= 10);
}
