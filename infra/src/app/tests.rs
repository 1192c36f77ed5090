use codegen::ir::{
    Access as Touches, Block, Catcher, End, ErrorInfo, Grant as Wants, Location, Node, ResourceInfo, Retrier,
    Slot, State, StateKind, StepInfo, Task, TypeInfo, Workflow,
};

use super::*;

const fn at(line: u32) -> Location {
    Location { file: "src/intake.rs", line }
}

fn step(name: &'static str, package: &'static str, line: u32) -> StepInfo {
    StepInfo {
        name,
        doc: "Does what it says.",
        package,
        location: at(line),
        memory_mib: 256,
        timeout_seconds: 60,
        input: TypeInfo::of::<String>(),
        output: TypeInfo::of::<String>(),
        waits: false,
        errors: &[ErrorInfo { name: "IntakeError.Malformed", doc: "" }],
        grants: || {
            let bucket = ResourceInfo { kind: ResourceKind::Bucket, name: "staging" };
            let secret = ResourceInfo { kind: ResourceKind::Secret, name: "ledger" };
            vec![
                Wants { resource: bucket, access: Touches::Write },
                Wants { resource: secret, access: Touches::Use },
            ]
        },
    }
}

/// A workflow that runs one step after the other.
fn workflow(name: &str, steps: &[StepInfo], lets_fail: &[&'static str]) -> Workflow {
    let mut value: ir::NodeRef = &Node::Input;
    let mut states = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        let result = Slot(u32::try_from(index).unwrap());
        let task = Task {
            step: *step,
            input: value,
            result,
            retriers: Vec::<Retrier>::new(),
            catchers: Vec::<Catcher>::new(),
            timeout_seconds: None,
            heartbeat_seconds: None,
            lets_fail: lets_fail.to_vec(),
        };
        let kind = StateKind::Task(task);
        states.push(State { name: step.name.to_owned(), comment: None, location: step.location, kind });
        value = Box::leak(Box::new(Node::Slot(result)));
    }
    Workflow {
        name: name.to_owned(),
        comment: None,
        input: TypeInfo::of::<String>(),
        output: TypeInfo::of::<String>(),
        timeout_seconds: None,
        intake: None,
        triggers: Vec::new(),
        body: Block { states, end: End::Value(value) },
        location: at(1),
    }
}

const MALFORMED: &[&str] = &["IntakeError.Malformed"];

#[test]
fn the_manifest_of_two_steps() {
    let steps = [step("parse", "orders-step-parse", 12), step("post", "orders-step-post", 14)];
    let built = app("orders").workflow(workflow("order-intake", &steps, MALFORMED)).build().unwrap();
    assert!(!built.is_denied(), "{:?}", built.lints);
    insta::assert_snapshot!("manifest", built.manifest.to_json().unwrap());
}

#[test]
fn a_step_of_two_workflows_is_one_function() {
    let steps = [step("parse", "orders-step-parse", 12)];
    let built = app("orders")
        .workflow(workflow("one", &steps, MALFORMED))
        .workflow(workflow("two", &steps, MALFORMED))
        .build()
        .unwrap();
    assert_eq!(built.manifest.functions.len(), 1);
    assert_eq!(built.manifest.workflows.len(), 2);
}

#[test]
fn two_steps_of_one_name_are_refused() {
    let error = app("orders")
        .workflow(workflow("one", &[step("parse", "orders-step-parse", 12)], MALFORMED))
        .workflow(workflow("two", &[step("parse", "orders-step-other", 40)], MALFORMED))
        .build()
        .unwrap_err();
    let message = error.to_string();
    assert!(
        message.contains("two steps are called `parse`, at src/intake.rs:12 and at src/intake.rs:40"),
        "{message}"
    );
}

#[test]
fn an_unhandled_error_denies_the_build() {
    let steps = [step("parse", "orders-step-parse", 12)];
    let built = app("orders").workflow(workflow("one", &steps, &[])).build().unwrap();
    assert!(built.is_denied(), "{:?}", built.lints);
}

#[test]
fn a_package_tells_its_binary() {
    assert_eq!(binary_of("stepwright-step-parse").as_deref(), Some("step-parse"));
    assert_eq!(binary_of("step-parse").as_deref(), Some("step-parse"));
    assert_eq!(binary_of("parser"), None);
    let odd = app("orders").workflow(workflow("one", &[step("parse", "parser", 12)], MALFORMED)).build();
    assert!(odd.unwrap_err().to_string().contains("package `parser`"));
}

#[test]
fn settings_are_checked_when_the_application_is_built() {
    let steps = [step("parse", "orders-step-parse", 12)];
    let told = |app: App| app.workflow(workflow("one", &steps, MALFORMED)).build().unwrap_err().to_string();
    assert!(told(app("orders").log_retention_days(8)).contains("8 days is not a retention"));
    assert!(told(app("orders").tag("aws:owner", "me")).contains("not a tag key"));
    assert!(told(app("Orders")).contains("`Orders` is not a name"));
}
