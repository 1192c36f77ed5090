//! Definitions of state machines.

use asl::{StateMachine, validate};
use serde_json::{Map, Value, json};

use super::mutate::edited;
use super::{Choices, Target};

/// Machines with every field, their values right and wrong.
pub(super) struct Generated;

/// The same, their text edited.
pub(super) struct Mutated;

/// Depth and size.
pub(super) struct Hostile;

/// A definition can be executed exactly when nothing is wrong with it; every
/// finding says what and where.
pub(super) fn check(input: &str) -> Result<(), String> {
    let findings = validate(input);
    if let Some(silent) = findings.iter().find(|finding| finding.message.is_empty()) {
        return Err(format!("a finding without words: {silent:?}"));
    }
    match (StateMachine::parse(input), findings.has_errors()) {
        (Ok(_), true) => Err(format!("wrong, and accepted: {findings:?}")),
        (Err(findings), false) => Err(format!("right, and refused: {findings:?}")),
        (Err(findings), true) if findings.refusal(input).is_empty() => {
            Err("a refusal without words".to_owned())
        }
        _ => Ok(()),
    }
}

impl Target for Generated {
    fn name(&self) -> &'static str {
        "definition-generated"
    }

    fn share(&self) -> u64 {
        1_200
    }

    fn input(&self, choices: &mut Choices) -> String {
        machine(choices, 2).to_string()
    }

    fn check(&self, input: &str) -> Result<(), String> {
        check(input)
    }
}

impl Target for Mutated {
    fn name(&self) -> &'static str {
        "definition-mutated"
    }

    fn share(&self) -> u64 {
        1_200
    }

    fn input(&self, choices: &mut Choices) -> String {
        const WORDS: [&str; 22] = [
            "{",
            "}",
            "[",
            "]",
            "\"",
            ",",
            ":",
            "null",
            "true",
            "-1",
            "1e999",
            "\"Next\": \"A\",",
            "\"End\": true,",
            "\"Type\": \"Pass\"",
            "{% $states.input %}",
            "{%",
            "%}",
            ".$",
            "\\u0000",
            "\\ud800",
            "é",
            " ",
        ];
        if choices.once_in(20) {
            return choices.noise(80);
        }
        let mut text = machine(choices, 1).to_string();
        for _ in 0..=choices.below(3) {
            text = edited(choices, &text, &["{\"StartAt\": \"A\"}", "{}"], &WORDS);
        }
        text
    }

    fn check(&self, input: &str) -> Result<(), String> {
        check(input)
    }
}

fn machine(choices: &mut Choices, depth: usize) -> Value {
    let mut machine = Map::new();
    if choices.once_in(2) {
        machine.insert(
            "QueryLanguage".to_owned(),
            choices.pick(&["JSONata", "JSONata", "JSONPath", "XPath"]).into(),
        );
    }
    machine.insert("StartAt".to_owned(), choices.pick(&["A", "A", "A", "B", "Z"]).into());
    let names = &["A", "B", "C", "D"][..=choices.below(4)];
    let states: Map<String, Value> =
        names.iter().map(|name| ((*name).to_owned(), state(choices, depth))).collect();
    machine.insert("States".to_owned(), states.into());
    if choices.once_in(6) {
        machine.insert(
            choices.pick(&["Comment", "TimeoutSeconds", "Version", "Unknown"]).to_owned(),
            value(choices),
        );
    }
    machine.into()
}

/// Fields of all kinds of states, right or not.
const FIELDS: [&str; 44] = [
    "Comment",
    "QueryLanguage",
    "InputPath",
    "Parameters",
    "ResultSelector",
    "ResultPath",
    "OutputPath",
    "Arguments",
    "Output",
    "Assign",
    "Items",
    "ItemsPath",
    "ItemSelector",
    "ItemReader",
    "ItemBatcher",
    "ResultWriter",
    "MaxConcurrency",
    "MaxConcurrencyPath",
    "ToleratedFailurePercentage",
    "ToleratedFailureCount",
    "Label",
    "TimeoutSeconds",
    "TimeoutSecondsPath",
    "HeartbeatSeconds",
    "Retry",
    "Catch",
    "Credentials",
    "Result",
    "Seconds",
    "Timestamp",
    "SecondsPath",
    "Error",
    "ErrorPath",
    "Cause",
    "CausePath",
    "Condition",
    "Choices",
    "Default",
    "Next",
    "End",
    "Branches",
    "Iterator",
    "Unknown",
    "",
];

fn state(choices: &mut Choices, depth: usize) -> Value {
    let kind =
        choices.pick(&["Pass", "Task", "Choice", "Wait", "Succeed", "Fail", "Parallel", "Map", "Pause"]);
    let mut state = Map::new();
    state.insert("Type".to_owned(), kind.into());
    if kind != "Choice" && kind != "Succeed" && kind != "Fail" {
        if choices.once_in(2) {
            state.insert("End".to_owned(), true.into());
        } else {
            state.insert("Next".to_owned(), choices.pick(&["A", "B", "C", "Z"]).into());
        }
    }
    own_fields(choices, depth, kind, &mut state);
    for _ in 0..choices.below(4) {
        let field = choices.pick(&FIELDS);
        state.insert(field.to_owned(), content(choices, field));
    }
    state.into()
}

/// The fields that a kind of state needs.
fn own_fields(choices: &mut Choices, depth: usize, kind: &str, state: &mut Map<String, Value>) {
    match kind {
        "Task" => {
            let resource = choices.pick(&[
                "arn:aws:states:::lambda:invoke",
                "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
                "arn:aws:lambda:eu-west-1:123456789012:function:f",
                "arn:aws:states:::aws-sdk:s3:getObject",
                "arn",
                "",
            ]);
            state.insert("Resource".to_owned(), resource.into());
        }
        "Choice" => {
            let rules: Vec<Value> = (0..=choices.below(2)).map(|_| rule(choices, 2)).collect();
            state.insert("Choices".to_owned(), rules.into());
            state.insert("Default".to_owned(), choices.pick(&["A", "B", "Z"]).into());
        }
        "Wait" => {
            state.insert(
                choices.pick(&["Seconds", "Timestamp", "SecondsPath", "TimestampPath"]).to_owned(),
                value(choices),
            );
        }
        "Parallel" if depth > 0 => {
            let branches: Vec<Value> = (0..=choices.below(2)).map(|_| machine(choices, depth - 1)).collect();
            state.insert("Branches".to_owned(), branches.into());
        }
        "Map" if depth > 0 => {
            let mut processor = machine(choices, depth - 1);
            let mode = choices.pick(&["INLINE", "DISTRIBUTED", "OTHER"]);
            processor["ProcessorConfig"] =
                json!({"Mode": mode, "ExecutionType": choices.pick(&["STANDARD", "EXPRESS"])});
            state.insert("ItemProcessor".to_owned(), processor);
        }
        _ => {}
    }
}

/// What a field holds.
fn content(choices: &mut Choices, field: &str) -> Value {
    match field {
        "Retry" => {
            json!([{"ErrorEquals": [choices.pick(&["States.ALL", "States.Timeout", "E", ""])], "IntervalSeconds": value(choices), "BackoffRate": value(choices)}])
        }
        "Catch" => json!([{"ErrorEquals": ["States.ALL"], "Next": "A", "ResultPath": value(choices)}]),
        "ItemReader" => {
            json!({"Resource": "arn:aws:states:::s3:getObject", "ReaderConfig": {"InputType": choices.pick(&["CSV", "JSON", "X"]), "MaxItems": value(choices)}, "Arguments": value(choices)})
        }
        "ItemBatcher" => json!({"MaxItemsPerBatch": value(choices), "BatchInput": value(choices)}),
        _ => value(choices),
    }
}

fn rule(choices: &mut Choices, depth: usize) -> Value {
    if choices.once_in(3) {
        return json!({"Condition": value(choices), "Next": "A"});
    }
    let mut rule = match choices.below(4) {
        0 if depth > 0 => {
            json!({choices.pick(&["And", "Or"]): [rule(choices, depth - 1), rule(choices, depth - 1)]})
        }
        1 if depth > 0 => json!({"Not": rule(choices, depth - 1)}),
        _ => {
            let relation = choices.pick(&[
                "StringEquals",
                "NumericLessThanPath",
                "IsPresent",
                "TimestampGreaterThan",
                "StringMatches",
                "BooleanEquals",
                "Odd",
            ]);
            json!({"Variable": choices.pick(&["$.a", "$a.b", "$$.x", "a"]), relation: value(choices)})
        }
    };
    if depth == 2 || choices.once_in(5) {
        rule["Next"] = "B".into();
    }
    rule
}

fn value(choices: &mut Choices) -> Value {
    match choices.below(14) {
        0 => json!(choices.below(100)),
        1 => json!(-1),
        2 => json!(2.5),
        3 => json!(99_999_999_999_u64),
        4 => Value::Null,
        5 => json!(true),
        6 => choices
            .pick(&[
                "$.a",
                "$.a[*]",
                "$",
                "$$.Execution.Id",
                "$x.y",
                "$.[",
                "States.UUID()",
                "States.Format('{}', $.a)",
                "States.X(",
            ])
            .into(),
        7 => choices
            .pick(&[
                "{% $states.input.a %}",
                "{% 1 + %}",
                "{% $x %}",
                "{% a %}",
                "{%%}",
                "{% $states.errorOutput %}",
            ])
            .into(),
        8 => choices.noise(12).into(),
        9 => json!({"a": 1, "b.$": "$.c", "d": "{% $states.input %}"}),
        10 => json!({"a.$": choices.pick(&["$.b", "x", "States.Array()", ""])}),
        11 => json!([1, {"x.$": "$.y"}, "{% $now() %}"]),
        12 => json!([]),
        _ => json!({}),
    }
}

impl Target for Hostile {
    fn name(&self) -> &'static str {
        "definition-hostile"
    }

    fn share(&self) -> u64 {
        100
    }

    fn input(&self, choices: &mut Choices) -> String {
        let many = [3, 30, 100, 400, 2_000, 5_000][choices.below(6)];
        let pass = r#"{"Type":"Pass","End":true}"#;
        let nested = |open: &str, middle: &str, close: &str| {
            format!("{}{middle}{}", open.repeat(many), close.repeat(many))
        };
        let machine = |state: &str| format!(r#"{{"StartAt":"A","States":{{"A":{state}}}}}"#);
        match choices.below(9) {
            0 => nested("[", "1", "]"),
            1 => nested("{\"a\":", "1", "}"),
            2 => machine(&format!(r#"{{"Type":"Pass","End":true,"Result":{}}}"#, nested("[", "1", "]"))),
            3 => {
                let states: Vec<String> = (0..many)
                    .map(|index| format!(r#""S{index}":{{"Type":"Pass","Next":"S{}"}}"#, index + 1))
                    .collect();
                format!(r#"{{"StartAt":"S0","States":{{{},"S{many}":{pass}}}}}"#, states.join(","))
            }
            4 => nested(
                r#"{"StartAt":"A","States":{"A":{"Type":"Parallel","End":true,"Branches":["#,
                &machine(pass),
                "]}}}",
            ),
            5 => nested(
                r#"{"StartAt":"A","States":{"A":{"Type":"Map","End":true,"ItemProcessor":"#,
                &machine(pass),
                "}}}",
            ),
            6 => machine(&format!(
                r#"{{"Type":"Choice","Choices":[{{"Next":"A","Not":{}}}]}}"#,
                nested(r#"{"Not":"#, r#"{"Variable":"$.a","IsNull":true}"#, "}")
            )),
            7 => machine(&format!(
                r#"{{"Type":"Pass","End":true,"QueryLanguage":"JSONata","Output":"{{% {} %}}"}}"#,
                nested("(", "1", ")")
            )),
            _ => machine(&format!(
                r#"{{"Type":"Pass","End":true,"Parameters":{{"a.$":"{}"}}}}"#,
                nested("$.a[?(@.b == ", "1", ")]")
            )),
        }
    }

    fn check(&self, input: &str) -> Result<(), String> {
        check(input)
    }
}
