//! Distributed Maps: their fields, and what is said of wrong ones.

use serde_json::{Value, json};

use super::{findings, machine};
use crate::document::{
    ExecutionType, InputType, ManifestType, NumberOrExpression, OutputType, PercentageOrExpression,
    StateKind, Transformation,
};
use crate::{Distributed, StateMachine, validate_for};

const GET: &str = "arn:aws:states:::s3:getObject";

fn processor(execution_type: &str) -> Value {
    json!({"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": execution_type}, "StartAt": "P",
           "States": {"P": {"Type": "Pass", "End": true}}})
}

/// A distributed Map with these fields, in JSONata.
fn map(extra: Value) -> Value {
    let mut state = json!({"Type": "Map", "ItemProcessor": processor("STANDARD"), "End": true});
    let (Value::Object(fields), Value::Object(extra)) = (&mut state, extra) else { panic!("objects") };
    fields.extend(extra);
    state
}

fn read(extra: Value) -> (crate::Map, Distributed) {
    let text = machine(&map(extra));
    let machine = StateMachine::parse(&text).unwrap_or_else(|diagnostics| panic!("{diagnostics}\n{text}"));
    let StateKind::Map(map) = &machine.states["A"].kind else { panic!("a Map") };
    (map.clone(), map.distributed.as_deref().expect("distributed").clone())
}

#[test]
fn every_field_is_read() {
    let (map, distributed) = read(json!({
        "Label": "Rows", "MaxConcurrency": 10, "ToleratedFailurePercentage": 2.5, "ToleratedFailureCount": "{% 3 %}",
        "ItemReader": {"Resource": GET, "Arguments": {"Bucket": "b", "Key": "{% $states.input.k %}"},
            "ReaderConfig": {"InputType": "CSV", "CSVHeaderLocation": "GIVEN", "CSVHeaders": ["a", "b"],
                             "CSVDelimiter": "PIPE", "MaxItems": "{% 5 %}"}},
        "ItemBatcher": {"MaxItemsPerBatch": 7, "MaxInputBytesPerBatch": 262_144, "BatchInput": {"x": "{% 1 %}"}},
        "ResultWriter": {"Resource": "arn:aws:states:::s3:putObject", "Arguments": {"Bucket": "b", "Prefix": "p"},
                         "WriterConfig": {"OutputType": "JSONL", "Transformation": "FLATTEN"}},
    }));
    assert_eq!(map.tolerated_failure_percentage, Some(PercentageOrExpression::Number(2.5)));
    assert!(matches!(map.tolerated_failure_count, Some(NumberOrExpression::Expression(_))));
    assert_eq!(distributed.execution_type, ExecutionType::Standard);
    assert_eq!(distributed.label.as_deref(), Some("Rows"));
    let reader = distributed.item_reader.expect("a reader");
    assert_eq!((reader.input_type, reader.csv_delimiter), (Some(InputType::Csv), '|'));
    assert_eq!(reader.csv_headers, Some(vec!["a".to_owned(), "b".to_owned()]));
    assert!(matches!(reader.max_items, Some(NumberOrExpression::Expression(_))));
    let batcher = distributed.item_batcher.expect("a batcher");
    assert_eq!(batcher.max_items_per_batch, Some(NumberOrExpression::Number(7)));
    let writer = distributed.result_writer.expect("a writer");
    assert_eq!((writer.output_type, writer.transformation), (OutputType::JsonLines, Transformation::Flatten));
}

#[test]
fn readers_of_every_kind_are_accepted() {
    let reader = |resource: &str, config: Value| {
        let (_, distributed) = read(
            json!({"ItemReader": {"Resource": resource, "Arguments": {"Bucket": "b"}, "ReaderConfig": config}}),
        );
        distributed.item_reader.expect("a reader")
    };
    assert_eq!(reader(GET, json!({"InputType": "PARQUET"})).input_type, Some(InputType::Parquet));
    let pointer = reader(GET, json!({"InputType": "JSON", "ItemsPointer": "/a/b"}));
    assert_eq!(pointer.items_pointer.as_deref(), Some("/a/b"));
    let manifest = reader(GET, json!({"InputType": "CSV", "ManifestType": "ATHENA_DATA"}));
    assert_eq!(manifest.manifest_type, Some(ManifestType::AthenaData));
    let list = "arn:aws:states:::s3:listObjectsV2";
    assert!(
        reader(list, json!({"InputType": "JSON", "Transformation": "LOAD_AND_FLATTEN"})).load_and_flatten
    );
    let (_, plain) = read(json!({"ItemReader": {"Resource": list, "Arguments": {"Bucket": "b"}}}));
    assert_eq!(plain.item_reader.expect("a reader").input_type, None);
    let (_, formatted) = read(json!({"ResultWriter": {"WriterConfig": {"Transformation": "COMPACT"}}}));
    assert_eq!(formatted.result_writer.expect("a writer").resource, None);
}

/// One line per rule: what the Map has, where the finding is, and what it says.
#[test]
fn every_rule_has_its_finding() {
    let reader =
        |config: Value| json!({"ItemReader": {"Resource": GET, "Arguments": {}, "ReaderConfig": config}});
    let batcher = |batcher: Value| json!({"ItemBatcher": batcher});
    let writer = |writer: Value| json!({"ResultWriter": writer});
    let unknown = |arn: &str| {
        format!(
            "The resource provided {arn} is not recognized. The value is not a valid resource ARN, or the \
             resource is not available in this region."
        )
    };
    for (extra, location, message) in [
        (json!({"ToleratedFailurePercentage": 101}), "/ToleratedFailurePercentage", "Maximum value is 100".to_owned()),
        (json!({"ToleratedFailurePercentage": -1}), "/ToleratedFailurePercentage", "Minimum value is 0".to_owned()),
        (json!({"MaxConcurrency": -1}), "/MaxConcurrency", "Minimum value is 0".to_owned()),
        (json!({"MaxConcurrency": 1.5}), "/MaxConcurrency", "Expected value of type Integer".to_owned()),
        (
            json!({"Items": "$.x"}),
            "/Items",
            "Expected a JSONata expression, a text that starts with {% and ends with %}".to_owned(),
        ),
        (json!({"ItemReader": {"Resource": GET}}), "/ItemReader", "These fields are required: [ReaderConfig]".to_owned()),
        (
            json!({"ItemReader": {"Resource": "arn:aws:states:::s3:putObject", "ReaderConfig": {"InputType": "JSON"}}}),
            "/ItemReader/Resource",
            unknown("arn:aws:states:::s3:putObject"),
        ),
        (
            json!({"ItemReader": {"Resource": GET, "Parameters": {}, "ReaderConfig": {"InputType": "JSON"}}}),
            "/ItemReader",
            "The QueryLanguage is set to 'JSONata', but field 'Parameters' is only supported for the 'JSONPath' QueryLanguage".to_owned(),
        ),
        (reader(json!({})), "/ItemReader/ReaderConfig", "These fields are required: [InputType]".to_owned()),
        (
            reader(json!({"InputType": "XML"})),
            "/ItemReader/ReaderConfig/InputType",
            "The field 'InputType' should have one of these values: [CSV, JSON, JSONL, PARQUET, MANIFEST]".to_owned(),
        ),
        (
            reader(json!({"InputType": "CSV"})),
            "/ItemReader/ReaderConfig",
            "These fields are required: [CSVHeaderLocation]".to_owned(),
        ),
        (
            reader(json!({"InputType": "CSV", "CSVHeaderLocation": "GIVEN"})),
            "/ItemReader/ReaderConfig",
            "These fields are required: [CSVHeaders]".to_owned(),
        ),
        (
            reader(json!({"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW", "CSVDelimiter": ";"})),
            "/ItemReader/ReaderConfig/CSVDelimiter",
            "The field 'CSVDelimiter' should have one of these values: [COMMA, PIPE, SEMICOLON, SPACE, TAB]".to_owned(),
        ),
        (
            reader(json!({"InputType": "JSON", "ItemsPointer": "a"})),
            "/ItemReader/ReaderConfig/ItemsPointer",
            "Value must be a valid JSON Pointer, which starts with '/'".to_owned(),
        ),
        (
            reader(json!({"InputType": "JSON", "MaxItems": 100_000_001})),
            "/ItemReader/ReaderConfig/MaxItems",
            "Maximum value is 100000000".to_owned(),
        ),
        (
            batcher(json!({})),
            "/ItemBatcher",
            "One of these fields is required: [MaxItemsPerBatch, MaxInputBytesPerBatch]".to_owned(),
        ),
        (
            batcher(json!({"MaxInputBytesPerBatch": 262_145})),
            "/ItemBatcher/MaxInputBytesPerBatch",
            "Maximum value is 262144".to_owned(),
        ),
        (writer(json!({})), "/ResultWriter", "Value cannot be empty".to_owned()),
        (
            writer(json!({"Resource": "arn:aws:states:::s3:putObject"})),
            "/ResultWriter",
            "These fields are required: [Arguments]".to_owned(),
        ),
        (
            writer(json!({"WriterConfig": {"OutputType": "CSV"}})),
            "/ResultWriter/WriterConfig/OutputType",
            "The field 'OutputType' should have one of these values: [JSON, JSONL]".to_owned(),
        ),
    ] {
        let expected = format!("ERROR SCHEMA_VALIDATION_FAILED /States/A{location}: {message}");
        assert_eq!(findings(&machine(&map(extra.clone()))), [expected], "{extra}");
    }
}

#[test]
fn labels_are_short_plain_and_used_once() {
    let label = |label: &str| findings(&machine(&map(json!({"Label": label}))));
    let refused = |text: &str, message: &str| {
        assert_eq!(label(text), [format!("ERROR INVALID_LABEL_NAME /States/A/Label: {message}")]);
    };
    assert_eq!(label(&"x".repeat(40)), [""; 0]);
    refused("", "Label cannot be empty");
    refused(&"x".repeat(41), "Label cannot exceed 40 characters");
    refused("a b", "Label contains invalid character: ' '");
    refused("a\\", "Label contains invalid character: '\\\\'");
    refused("a\u{1}", "Label contains invalid character: '\\x01'");
    let twice = json!({"QueryLanguage": "JSONata", "StartAt": "A", "States": {
        "A": {"Type": "Map", "Label": "L", "ItemProcessor": processor("STANDARD"), "Next": "B"},
        "B": {"Type": "Map", "Label": "L", "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}, "StartAt": "Q",
            "States": {"Q": {"Type": "Succeed"}}}, "End": true}}});
    assert_eq!(
        findings(&twice.to_string()),
        ["ERROR DUPLICATE_LABEL_NAME /States/B/Label: Duplicate Map Label: L"]
    );
}

#[test]
fn express_machines_cannot_wait_for_others() {
    let task = |resource: &str| json!({"Type": "Task", "Resource": resource, "Arguments": {"t": "{% $states.context %}"}, "End": true});
    let express = |state: &Value| -> Vec<String> {
        validate_for(&machine(state), ExecutionType::Express)
            .errors()
            .map(|item| item.message.clone())
            .collect()
    };
    let waits = task("arn:aws:states:::sqs:sendMessage.waitForTaskToken");
    assert_eq!(
        express(&waits),
        ["Express state machine does not support '.waitForTaskToken' service integration "]
    );
    assert_eq!(findings(&machine(&waits)), [""; 0]);
    let sync = "Express state machine does not support '.sync' service integration";
    assert_eq!(express(&task("arn:aws:states:::states:startExecution.sync:2")), [sync]);
    let activity = task("arn:aws:states:us-east-1:123456789012:activity:a");
    assert_eq!(express(&activity), ["Express state machine does not support activities"]);
    assert_eq!(
        express(&map(json!({}))),
        ["Express state machine does not support the 'DISTRIBUTED' mode of Map"]
    );
    // What counts inside of a distributed Map is the type of its children.
    let inside = |execution_type: &str| {
        json!({"Type": "Map", "End": true, "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": execution_type}, "StartAt": "P",
            "States": {"P": task("arn:aws:states:::states:startExecution.sync:2")}}})
    };
    assert_eq!(findings(&machine(&inside("STANDARD"))), [""; 0]);
    let found = findings(&machine(&inside("EXPRESS")));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].ends_with(sync), "{found:?}");
}
