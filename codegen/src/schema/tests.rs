use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stepwright::ir::{ErrorInfo, Location};

use super::*;

#[derive(Serialize, Deserialize, JsonSchema)]
struct Batch {
    rows: Vec<Row>,
    #[serde(default)]
    retries: u32,
    parent: Option<Box<Node>>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Row {
    /// Counted from one.
    line: u64,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Node {
    children: Vec<Node>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Row", description = "The same, told otherwise.")]
struct RowInOtherWords {
    line: u64,
}

fn info<T: JsonSchema>() -> TypeInfo {
    TypeInfo { name: "T", schema: schemars::SchemaGenerator::subschema_for::<T> }
}

fn step<I: JsonSchema, O: JsonSchema>(errors: &'static [ErrorInfo]) -> StepInfo {
    StepInfo {
        name: "step",
        doc: "",
        package: "package",
        location: Location { file: "step.rs", line: 1 },
        memory_mib: 128,
        timeout_seconds: 3,
        input: info::<I>(),
        output: info::<O>(),
        waits: false,
        errors,
        grants: Vec::new,
    }
}

#[test]
fn a_schema_is_one_document_with_sorted_definitions() {
    let document = document(&info::<Batch>(), Side::Input);
    insta::assert_json_snapshot!(document);
}

#[test]
fn what_is_written_and_what_is_accepted_differ() {
    let required = |side| document(&info::<Batch>(), side)["required"].clone();
    assert_eq!(required(Side::Input), serde_json::json!(["rows"]));
    assert_eq!(required(Side::Output), serde_json::json!(["rows", "retries", "parent"]));
}

#[test]
fn a_recursive_type_keeps_its_definition() {
    let document = document(&info::<Node>(), Side::Input);
    assert_eq!(document["$ref"], "#/$defs/Node");
    assert!(document["$defs"]["Node"].is_object());
}

#[test]
fn a_contract_does_not_hang_on_words_or_order() {
    const AB: &[ErrorInfo] = &[ErrorInfo { name: "E.A", doc: "a" }, ErrorInfo { name: "E.B", doc: "b" }];
    const BA: &[ErrorInfo] = &[ErrorInfo { name: "E.B", doc: "" }, ErrorInfo { name: "E.A", doc: "" }];
    let contract_of = |step: StepInfo| super::contract(&step);
    assert_eq!(contract_of(step::<Row, ()>(AB)), contract_of(step::<RowInOtherWords, ()>(BA)));
    assert_ne!(contract_of(step::<Row, ()>(AB)), contract_of(step::<Row, ()>(&AB[..1])));
    assert_ne!(contract_of(step::<Row, ()>(AB)), contract_of(step::<(), Row>(AB)));
    assert_ne!(contract_of(step::<Row, ()>(AB)), contract_of(step::<Batch, ()>(AB)));
    let contract = contract_of(step::<Row, ()>(AB));
    assert!(contract.starts_with("c-") && contract.len() == 14, "{contract}");
}
