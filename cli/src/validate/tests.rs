//! What an engineer sees who has made one of the usual mistakes.

use super::*;

const PLAIN: Paint = Paint { colored: false };

fn shown(text: &str) -> String {
    let definition =
        Definition { name: "flow.asl.json".to_owned(), text: text.to_owned(), source_map: IndexMap::new() };
    let found = asl::validate_with(text, ExecutionType::Standard, &ServiceModels::default());
    report(&definition, &found, found.has_errors(), PLAIN)
}

/// Definitions of the kind people write by hand, one file a family of mistakes.
#[test]
fn every_family_of_mistakes_is_explained() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/validate/mistakes");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).expect("the folder").map(|entry| entry.expect("a file").path()).collect();
    files.sort();
    for file in &files {
        let name = file.file_stem().and_then(|name| name.to_str()).expect("a name");
        let definition = Definition { name: format!("{name}.json"), ..read(file).expect("text") };
        let found = asl::validate_with(&definition.text, ExecutionType::Standard, &ServiceModels::default());
        insta::assert_snapshot!(name, report(&definition, &found, found.has_errors(), PLAIN));
    }
    assert!(files.len() >= 13, "{} files", files.len());
}

#[test]
fn what_is_more_than_a_hundred_is_counted() {
    let states: Vec<String> = (0..150)
        .map(|at| format!(r#""s{at}": {{"Type": "Pass", "Fooo": 1, "Next": "s{}"}}"#, at + 1))
        .chain([r#""s150": {"Type": "Succeed"}"#.to_owned()])
        .collect();
    let shown = shown(&format!(r#"{{"StartAt": "s0", "States": {{{}}}}}"#, states.join(",\n")));
    assert_eq!(shown.matches("error: Field 'Fooo'").count(), SHOWN_MAX);
    assert!(shown.contains("… 50 more findings not shown: mend these first"), "{shown}");
    assert!(shown.ends_with("150 errors"), "{shown}");
}

macro_rules! mistake {
    ($name:ident, $text:literal) => {
        #[test]
        fn $name() {
            insta::assert_snapshot!(stringify!($name), shown($text));
        }
    };
}

mistake!(
    a_state_name_is_misspelt,
    r#"{
  "StartAt": "Fetch",
  "States": {
    "Fetch": {"Type": "Pass", "Next": "Repot"},
    "Report": {"Type": "Succeed"}
  }
}"#
);
mistake!(
    a_field_is_misspelt,
    r#"{
  "StartAt": "Work",
  "States": {
    "Work": {
      "Type": "Task",
      "Resource": "arn:aws:states:::lambda:invoke",
      "Parameter": {"FunctionName": "f"},
      "TimeOutSeconds": 30,
      "End": true
    }
  }
}"#
);
mistake!(
    a_comma_too_many,
    r#"{
  "StartAt": "A",
  "States": {
    "A": {"Type": "Pass", "End": true},
  }
}"#
);
mistake!(
    neither_next_nor_end,
    r#"{
  "StartAt": "A",
  "States": {
    "A": {"Type": "Pass"}
  }
}"#
);
mistake!(
    jsonpath_fields_in_jsonata,
    r#"{
  "QueryLanguage": "JSONata",
  "StartAt": "A",
  "States": {
    "A": {
      "Type": "Pass",
      "InputPath": "$.order",
      "ResultPath": "$.result",
      "End": true
    }
  }
}"#
);
mistake!(
    a_name_without_states_input,
    r#"{
  "QueryLanguage": "JSONata",
  "StartAt": "A",
  "States": {
    "A": {
      "Type": "Pass",
      "Output": {"total": "{% $sum(items.price) %}", "text": "{% $uppercas('x') %}"},
      "End": true
    }
  }
}"#
);
mistake!(
    a_variable_is_misspelt,
    r#"{
  "QueryLanguage": "JSONata",
  "StartAt": "A",
  "States": {
    "A": {"Type": "Pass", "Assign": {"orderId": "{% $states.input.id %}"}, "Next": "B"},
    "B": {"Type": "Pass", "Output": "{% $ordreId %}", "End": true}
  }
}"#
);
mistake!(
    an_expression_does_not_parse,
    r#"{
  "QueryLanguage": "JSONata",
  "StartAt": "A",
  "States": {
    "A": {"Type": "Pass", "Output": "{% $states.input.items[0 %}", "End": true}
  }
}"#
);
mistake!(
    a_path_without_its_dollar,
    r#"{
  "StartAt": "A",
  "States": {
    "A": {
      "Type": "Pass",
      "Parameters": {"id.$": "order.id", "name": "$.order.name"},
      "ResultPath": "$.items[*]",
      "End": true
    }
  }
}"#
);
mistake!(
    an_operator_is_misspelt,
    r#"{
  "StartAt": "A",
  "States": {
    "A": {
      "Type": "Choice",
      "Choices": [
        {"Variable": "$.count", "NumericGreaterThen": 3, "Next": "B"},
        {"Variable": "$.kind", "StringEquals": "x", "IsPresent": true, "Next": "B"}
      ],
      "Default": "B"
    },
    "B": {"Type": "Succeed"}
  }
}"#
);
mistake!(
    states_all_is_not_the_last,
    r#"{
  "StartAt": "A",
  "States": {
    "A": {
      "Type": "Task",
      "Resource": "arn:aws:lambda:eu-central-1:123456789012:function:f",
      "Retry": [
        {"ErrorEquals": ["States.ALL"], "MaxAttempts": -1},
        {"ErrorEquals": ["States.Timeout"]}
      ],
      "End": true
    }
  }
}"#
);
mistake!(
    nobody_gets_there_and_nothing_ends,
    r#"{
  "StartAt": "A",
  "States": {
    "A": {"Type": "Wait", "Seconds": 5, "Next": "B"},
    "B": {"Type": "Pass", "Next": "A"}
  }
}"#
);
mistake!(
    a_callback_that_keeps_its_token,
    r#"{
  "StartAt": "A",
  "States": {
    "A": {
      "Type": "Task",
      "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
      "Parameters": {"QueueUrl": "https://queue", "MessageBody.$": "$"},
      "End": true
    },
    "B": {"Type": "Succeed"}
  }
}"#
);
mistake!(
    everything_on_one_line,
    r#"{"QueryLanguage":"JSONata","StartAt":"Receive","States":{"Receive":{"Type":"Pass","Next":"Check"},"Check":{"Type":"Choice","Choices":[{"Condition":"{% $states.input.total > 100 %}","Next":"Aprove"}],"Default":"Approve"},"Approve":{"Type":"Succeed"}}}"#
);
mistake!(nothing_is_wrong, r#"{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}"#);

#[test]
fn generated_states_name_their_source() {
    let text = r#"{"StartAt": "A", "States": {"A": {"Type": "Map", "Iterator": {"StartAt": "A/B", "States": {"A/B": {"Type": "Pass"}}}, "End": true}}}"#;
    let source_map = [("A", "src/flow.rs:7"), ("A/B", "src/flow.rs:9")];
    let source_map = source_map.map(|(name, source)| (name.to_owned(), source.to_owned())).into();
    let definition = Definition { name: "orders".to_owned(), text: text.to_owned(), source_map };
    let found = asl::validate(text);
    let report = report(&definition, &found, true, PLAIN);
    assert!(report.contains("  from:  src/flow.rs:9\n"), "{report}");
    assert_eq!(generated_from(&definition, "/States/A/Next"), Some("src/flow.rs:7"));
    assert_eq!(generated_from(&definition, "/States/AB/Next"), None);
}

#[test]
fn findings_for_programs_have_lines_and_columns() {
    let definition = Definition {
        name: "f".to_owned(),
        text: "{\n \"StartAt\": \"A\",\n \"States\": {}}".to_owned(),
        source_map: IndexMap::new(),
    };
    let found = asl::validate(&definition.text);
    let document = document(&definition, &found, true);
    assert_eq!(document["result"], "FAIL");
    let first = &document["diagnostics"][0];
    assert_eq!((&first["line"], &first["column"], &first["endColumn"]), (&json!(3), &json!(12), &json!(14)));
    assert_eq!(first["message"], "Value cannot be empty");
    assert_eq!(first["location"], "/States");
}

#[test]
fn what_steers_a_terminal_is_not_printed() {
    let report = shown("{\"StartAt\": \"\u{1b}[31m\", \"States\": {\"A\u{1b}\": 1}}");
    assert!(!report.contains('\u{1b}'), "{report}");
}
