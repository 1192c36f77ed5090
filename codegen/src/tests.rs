//! What is generated for the workflows of [`samples`].

#[expect(unreachable_pub, reason = "the derives make public types of them")]
mod samples;

use serde_json::json;
use stepwright::ir::{Block, End, Node, State, StateKind, Workflow};

use super::*;

fn options() -> Options {
    Options { app: "sample".to_owned() }
}

fn workflow(name: &str) -> Workflow {
    samples::all().into_iter().find(|workflow| workflow.name == name).expect("a sample of this name")
}

fn generated(name: &str) -> Generated {
    emit(&workflow(name), &options()).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn every_sample_becomes_a_definition_without_findings() {
    for workflow in samples::all() {
        let generated =
            emit(&workflow, &options()).unwrap_or_else(|error| panic!("{}: {error}", workflow.name));
        let findings = asl::validate(&generated.definition);
        assert!(findings.is_empty(), "{}: {findings}", workflow.name);
        insta::assert_snapshot!(workflow.name, generated.definition);
    }
}

#[test]
fn the_same_source_gives_the_same_bytes() {
    let first: BTreeMap<String, String> =
        samples::all().into_iter().map(|workflow| (workflow.name.clone(), all_of(&workflow))).collect();
    // Another order, another thread, other addresses.
    let second = std::thread::scope(|scope| {
        let other = scope.spawn(|| {
            let noise: Vec<_> = (0..1000).map(|number| vec![0_u8; number % 61]).collect();
            let mut workflows = samples::all();
            workflows.reverse();
            let emitted =
                workflows.iter().map(|workflow| (workflow.name.clone(), all_of(workflow))).collect();
            drop(noise);
            emitted
        });
        other.join().expect("it does not panic")
    });
    assert_eq!(first, second);
}

fn all_of(workflow: &Workflow) -> String {
    let generated = emit(workflow, &options()).expect("a sample can be emitted");
    format!("{generated:#?}")
        .lines()
        // The address of a function says nothing.
        .filter(|line| !line.contains("0x"))
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn only_what_the_author_wrote_becomes_a_pass() {
    for workflow in samples::all() {
        let mut written = 0;
        functions::visit(&workflow.body, &mut |state| {
            written += usize::from(matches!(state.kind, StateKind::Pass { .. }));
        });
        // A trigger is what the author wrote, too.
        written += usize::from(intake::is_needed(&workflow));
        let definition = emit(&workflow, &options()).expect("a sample can be emitted").definition;
        assert_eq!(definition.matches("\"Type\": \"Pass\"").count(), written, "{definition}");
    }
}

#[test]
fn the_source_map_names_the_place_of_every_state() {
    let source_map = generated("nested-maps").source_map;
    let names: Vec<_> = source_map.keys().map(String::as_str).collect();
    assert_eq!(names, ["Each part", "Each file", "Store line", "Note down"]);
    for place in source_map.values() {
        let (file, line) = place.rsplit_once(':').expect("file:line");
        assert!(file.ends_with("tests/samples.rs"), "{file}");
        assert!(line.parse::<u32>().is_ok_and(|line| line > 200), "{line}");
    }
}

#[test]
fn functions_carry_what_a_deployment_needs() {
    let functions = generated("linear").functions;
    let names: Vec<_> = functions.iter().map(|function| function.name.as_str()).collect();
    assert_eq!(names, ["sample-parse", "sample-calculate", "sample-deliver"]);
    let parse = &functions[0];
    assert_eq!((parse.step.memory_mib, parse.step.timeout_seconds), (512, 120));
    assert_eq!(parse.errors, ["ParseError.Malformed", "ParseError.Vanished"]);
    assert_eq!(parse.contract, contract(&parse.step));
    let grants: Vec<_> = parse.grants.iter().map(|grant| (grant.resource.name, grant.access)).collect();
    assert_eq!(grants, [("drops", ir::Access::Read), ("staging", ir::Access::Write)]);
    assert_eq!(parse.input_schema["properties"]["key"]["type"], "string");
    assert_eq!(parse.output_schema["properties"]["row-count"]["type"], "integer");
}

// ---- lints

fn lints(name: &str) -> Vec<String> {
    let lints = generated(name).lints;
    lints.iter().map(|lint| format!("{}: {}", lint.code.as_str(), lint.message)).collect()
}

#[test]
fn an_error_nobody_handles_is_found() {
    insta::assert_json_snapshot!(lints("parallel-in-map"), @"[]");
    insta::assert_json_snapshot!(lints("careless"), @r#"
    [
      "sensitive-field: field `access_token` of `Login` looks like a secret, and what travels between states is kept in the execution history. Give the step a secret handle (`Use<…>`) instead",
      "unbounded-map: Each file collects `parts` of every iteration, and neither the number of items nor the size of that part has a limit; AWS allows 256 KiB. Return a reference to stored data, or limit the list with `#[schemars(length(max = …))]`",
      "unhandled-error: Parse: error `ParseError.Malformed` is neither retried nor caught; it fails the execution. Retry it, catch it, or accept it with `.lets_fail(…)`",
      "useless-redrive: Deliver catches States.ALL and reaches the Fail state `Gave up`; redrive cannot recover it. Let the state fail by itself, or catch only the errors no second try can help"
    ]
    "#);
}

#[test]
fn a_wait_has_an_end_and_somebody_handles_it() {
    insta::assert_json_snapshot!(lints("asking"), @"[]");
    insta::assert_json_snapshot!(lints("impatient"), @r#"
    [
      "endless-wait: Ask waits for an answer, and nothing says how long; where none comes, the execution hangs until it is a year old. Say it with `.wait_at_most(seconds)`",
      "unhandled-error: Again: error `States.Timeout` is neither retried nor caught; it fails the execution. Retry it, catch it, or accept it with `.lets_fail(…)`"
    ]
    "#);
}

#[test]
fn a_step_that_waits_has_a_contract_of_its_own() {
    let step = generated("asking").functions[0].step;
    assert!(step.waits);
    assert_ne!(contract(&step), contract(&ir::StepInfo { waits: false, ..step }));
}

#[test]
fn what_a_workflow_calls_beside_functions_is_told() {
    let Generated { puts_events, answers, functions, .. } = generated("telling");
    assert_eq!((puts_events, functions.len()), (true, 0));
    assert_eq!(answers, ["sample-ask", "sample-ask-for-a-name"]);
    assert!(!generated("asking").puts_events);
}

#[test]
fn a_lint_says_where() {
    let lints = generated("careless").lints;
    let unhandled = lints.iter().find(|lint| lint.code == LintCode::UnhandledError).expect("one");
    assert!(unhandled.location.contains("samples.rs:"), "{unhandled}");
    assert_eq!(unhandled.state.as_deref(), Some("Parse"));
    assert_eq!(unhandled.code.level(), LintLevel::Deny);
}

// ---- what is refused

fn refused(workflow: &Workflow, app: &str) -> String {
    emit(workflow, &Options { app: app.to_owned() }).expect_err("it is refused").to_string()
}

#[test]
fn what_types_cannot_rule_out_is_refused_in_words() {
    let mut named = workflow("linear");
    named.name = "no good".to_owned();
    assert!(refused(&named, "sample").contains("`no good` cannot name a state machine"));
    assert!(refused(&workflow("linear"), &"a".repeat(60)).contains("cannot name a Lambda function"));

    let mut foreign = workflow("only-a-value");
    foreign.body.end = End::Value(Box::leak(Box::new(Node::Slot(ir::Slot(99)))));
    insta::assert_snapshot!(refused(&foreign, "sample").split_once(": ").expect("a place").1, @"state `Done`: it uses a value (slot 99) that no state before it in the same workflow produces: build every value from what this workflow's steps returned");

    let mut endless = workflow("only-a-value");
    endless.body = Block { states: Vec::new(), end: End::Diverges };
    assert!(refused(&endless, "sample").contains("neither states nor a value"));

    let mut unreachable = workflow("waiting");
    let fail = State {
        name: "Fail".to_owned(),
        comment: None,
        location: unreachable.location,
        kind: StateKind::Fail { error: text("E"), cause: text("C") },
    };
    unreachable.body.states.insert(1, fail);
    assert!(refused(&unreachable, "sample").contains("nothing goes on after `Fail`"));
}

fn text(text: &str) -> ir::NodeRef {
    Box::leak(Box::new(Node::Literal(json!(text))))
}

#[test]
fn the_validator_has_the_last_word() {
    let mut workflow = workflow("waiting");
    let Some(State { kind: StateKind::Wait(wait), .. }) = workflow.body.states.first_mut() else {
        panic!("the sample starts with a wait");
    };
    *wait = ir::Wait::Seconds(text("soon"));
    let message = refused(&workflow, "sample");
    assert!(message.contains("not valid ASL") && message.contains("samples.rs:"), "{message}");
}
