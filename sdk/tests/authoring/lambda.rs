//! Calling steps with JSON, as Lambda does.

use serde_json::json;
use stepwright::lambda::{Resources, StepFailure, call};
use stepwright::steps;

use crate::steps::{Deliver, ParseFile, Size, TidyUp};

fn resources() -> Resources {
    Resources::new()
        .bucket("drops", "file:///nonexistent/drops")
        .bucket("staging", "file:///nonexistent/staging")
        .secret("core-view", "sqlite::memory:")
}

#[expect(clippy::expect_used, reason = "a helper of tests")]
fn call_step(name: &str, payload: serde_json::Value) -> Result<serde_json::Value, StepFailure> {
    let steps =
        steps![crate::steps::parse_file, crate::steps::deliver, crate::steps::size, crate::steps::tidy_up];
    let step = steps.iter().find(|step| step.name == name).expect("a step of this name");
    call(step, payload, &resources())
}

fn object(bytes: u64) -> serde_json::Value {
    json!({ "bucket": "drops", "key": "a.csv", "sha256": "0".repeat(64), "bytes": bytes })
}

#[test]
fn a_result_is_returned_as_json() {
    let payload = json!({ "spec": object(1), "files": [object(2), object(3)] });
    assert_eq!(call_step("parse-file", payload), Ok(json!({ "period": "2024-03", "rows": 2 })));
    assert_eq!(call_step("tidy-up", json!({ "anything": true })), Ok(json!(null)));
    assert_eq!(
        call_step("deliver", json!({ "period": "2024-03", "rows": 7 })),
        Ok(json!({ "outcome": "complete", "id": "receipt-7" }))
    );
}

#[test]
fn a_declared_error_has_its_name() {
    let failure = call_step("deliver", json!({ "period": "2024-03", "rows": 1 })).expect_err("it fails");
    assert_eq!(failure.error_type, "Deliver.Unavailable");
    assert_eq!(failure.message, "no answer from coreview after 30 s");
}

#[test]
fn a_payload_that_does_not_fit_names_the_field() {
    let payload = json!({ "spec": object(1), "files": [object(2), { "bucket": "drops", "key": 3 }] });
    let failure = call_step("parse-file", payload).expect_err("it does not fit");
    assert_eq!(failure.error_type, "Contract.InputMismatch");
    assert_eq!(
        failure.message,
        "`files[1].key` in the payload does not fit `Request`, the input of `parse-file`: \
         invalid type: integer `3`, expected a string"
    );
}

#[test]
fn a_panic_names_its_message_and_place() {
    let failure = call_step("deliver", json!({ "period": "2024-03", "rows": 2 })).expect_err("it panics");
    assert_eq!(failure.error_type, "Step.Panicked");
    assert!(
        failure.message.starts_with("step `deliver` panicked: rows of 2024-03 are cursed, at "),
        "{failure}"
    );
    assert!(failure.message.contains("steps.rs:"), "{failure}");
}

#[test]
fn a_missing_resource_names_the_variable() {
    let steps = steps![crate::steps::deliver];
    let none = Resources::new();
    let failure = call(&steps[0], json!({ "period": "2024-03", "rows": 7 }), &none).expect_err("no secret");
    assert_eq!(failure.error_type, "Resource.Unavailable");
    assert!(failure.message.contains("STEPWRIGHT_SECRET_CORE_VIEW"), "{failure}");
    assert!(!format!("{:?}", resources()).contains("sqlite"), "a secret must not be printed");
}

#[test]
fn a_step_is_also_a_function() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let file = serde_json::from_value(object(5)).expect("a reference");
    assert_eq!(runtime.block_on(Size::handle(file)).expect("it succeeds"), 5);
    assert_eq!(format!("{:?}", (ParseFile, Deliver, TidyUp)), "(ParseFile, Deliver, TidyUp)");
}
