//! `test-state`: one state of a definition, run on its own with mocks in the place of its work.
//!
//! Owns reading the request from the command line and how the answer looks. What is tested
//! and how is the engine's, and is what AWS's `TestState` does.

use std::fmt::Write as _;

use asl::{State, StateMachine};
use engine::test_state::{
    Alone, FieldValidationMode, InspectionData, InspectionLevel, Mock, MockError, StateConfiguration,
    TestStateInput, TestStateOutput, TestStatus, test_state as answer,
};
use serde_json::Value;

use crate::{
    arguments::{Format, Inspection, TestState, Validation},
    definition::{find_state, state_names},
    problem::{Problem, exit},
    terminal::{Ink, Paint, Terminal},
    text,
    validate::{self, Definition},
};

/// The role in the context object when nobody names one: tests here need none.
const ROLE: &str = "arn:aws:iam::123456789012:role/test-state";

/// Tests the state.
pub(crate) fn test_state(arguments: &TestState, terminal: Terminal) -> Result<u8, Problem> {
    let definition = validate::read(&arguments.file)?;
    let refused = match &arguments.state {
        Some(_) => StateMachine::parse(&definition.text).err(),
        None => one_state(&definition)?,
    };
    if let Some(found) = refused {
        match terminal.format {
            Format::Text => terminal.note(&validate::report(&definition, &found, true, terminal.err)),
            _ => refusal("InvalidDefinition", &found.refusal(&definition.text)).report(terminal),
        }
        return Ok(exit::FAILED);
    }
    let request = request(arguments, &definition)?;
    check(&request)?;
    let millis = crate::run::now_millis();
    let host = Alone { now_millis: millis, seed: millis.cast_unsigned(), ..Alone::default() };
    let answer = answer(&request, &host).map_err(|error| refusal(error.code, &error.message))?;
    if terminal.format == Format::Text {
        terminal.data(&report(arguments.state.as_deref(), &answer, terminal.out));
    } else {
        let value = serde_json::to_value(&answer).unwrap_or_default();
        terminal.data(&crate::show::document(&value, terminal));
    }
    Ok(if answer.status == TestStatus::Failed { exit::FAILED } else { 0 })
}

/// What is wrong with the definition of a single state. A machine is no state: which one is meant?
fn one_state(definition: &Definition) -> Result<Option<asl::Diagnostics>, Problem> {
    let value: Option<Value> = serde_json::from_str(&definition.text).ok();
    if let Some(machine) = value.filter(|value| value.get("States").is_some()) {
        return Err(Problem::Usage {
            message: format!("{} holds a whole state machine", definition.name),
            hint: format!("say which state to test with --state: {}", state_names(&machine).join(", ")),
        });
    }
    Ok(State::parse(&definition.text, "StateName").err())
}

fn request(arguments: &TestState, definition: &Definition) -> Result<TestStateInput, Problem> {
    let json =
        |flag: &str, given: &Option<String>| given.as_deref().map(|given| json(flag, given)).transpose();
    let result = json("--mock-result", &arguments.mock_result)?;
    let error_output = arguments.mock_error.clone().map(|error| {
        let cause = arguments.mock_cause.clone();
        MockError { error: Some(error), cause }
    });
    let mocked = result.is_some() || error_output.is_some();
    let field_validation_mode = match arguments.validation {
        Validation::Strict => FieldValidationMode::Strict,
        Validation::Present => FieldValidationMode::Present,
        Validation::None => FieldValidationMode::None,
    };
    let mock = mocked.then_some(Mock { result, error_output, field_validation_mode });
    Ok(TestStateInput {
        definition: definition.text.clone(),
        role_arn: Some(arguments.role_arn.clone().unwrap_or_else(|| ROLE.to_owned())),
        input: json("--input", &arguments.input)?,
        inspection_level: match arguments.inspection_level {
            Inspection::Info => InspectionLevel::Info,
            Inspection::Debug => InspectionLevel::Debug,
            Inspection::Trace => InspectionLevel::Trace,
        },
        reveal_secrets: false,
        variables: json("--variables", &arguments.variables)?,
        state_name: arguments.state.clone(),
        mock,
        context: json("--context", &arguments.context)?,
        state_configuration: StateConfiguration {
            retrier_retry_count: arguments.retry_count,
            error_caused_by_state: arguments.error_from.clone(),
            map_iteration_failure_count: arguments.failed_iterations,
            map_item_reader_data: json("--reader-data", &arguments.reader_data)?,
        },
    })
}

/// JSON text, or with `@` (or `file://`, as the AWS CLI has it) the file that holds it.
fn json(flag: &str, given: &str) -> Result<String, Problem> {
    let file = given.strip_prefix('@').or_else(|| given.strip_prefix("file://"));
    let text = match file {
        Some(path) => std::fs::read_to_string(path)
            .map_err(|source| Problem::file("the JSON cannot be read:", path, source))?,
        None => given.to_owned(),
    };
    match serde_json::from_str::<serde::de::IgnoredAny>(&text) {
        Ok(_) => Ok(text),
        Err(error) => Err(Problem::Usage {
            message: format!("what {flag} says is not JSON: {error}"),
            hint: format!("quote it for the shell, {flag} '{{\"a\": 1}}', or name a file, {flag} @FILE"),
        }),
    }
}

/// What the engine would refuse in AWS's words, and what to do instead.
fn check(request: &TestStateInput) -> Result<(), Problem> {
    let Ok(definition) = serde_json::from_str::<Value>(&request.definition) else { return Ok(()) };
    let named = request.state_name.as_ref();
    let state = named.map_or(Some(&definition), |name| find_state(&definition, name));
    let Some(state) = state else {
        let state = named.cloned().unwrap_or_default();
        let known = state_names(&definition);
        let similar = text::similar(&state, known.iter().map(String::as_str)).map(str::to_owned);
        return Err(Problem::NoSuchState { state, similar, known });
    };
    let kind = state.get("Type").and_then(Value::as_str).unwrap_or_default();
    let works = matches!(kind, "Task" | "Parallel" | "Map");
    let (message, hint) = match (works, request.mock.is_some()) {
        (true, false) => (
            format!("a {kind} state is tested with a mock of its work"),
            "give what it answers with --mock-result JSON, or how it fails with --mock-error NAME".to_owned(),
        ),
        (false, true) => (
            format!("a {kind} state does no work that a mock could stand in for"),
            "leave out --mock-result and --mock-error; what the state gets is --input".to_owned(),
        ),
        _ => return Ok(()),
    };
    Err(Problem::Usage { message, hint })
}

fn refusal(code: &str, message: &str) -> Problem {
    Problem::TestRefused { detail: format!("{code}: {message}") }
}

/// The answer for people.
fn report(state: Option<&str>, answer: &TestStateOutput, paint: Paint) -> String {
    let (sign, ink, what) = match answer.status {
        TestStatus::Succeeded => ("✓", Ink::Good, "succeeds"),
        TestStatus::CaughtError => ("✓", Ink::Warn, "fails, and the error is caught"),
        TestStatus::Retriable => ("↻", Ink::Warn, "fails, and is retried"),
        TestStatus::Failed => ("✗", Ink::Bad, "fails"),
    };
    let mut out = format!("{} {} {what}", paint.ink(ink, sign), text::safe(state.unwrap_or("the state")));
    if let Some(next) = &answer.next_state {
        let _ = write!(out, " → {}", text::safe(next));
    }
    let mut row = |name: &str, value: &str| {
        for (at, line) in value.lines().enumerate() {
            let label = if at == 0 { name } else { "" };
            let _ =
                write!(out, "\n  {}  {}", paint.ink(Ink::Faint, &format!("{label:<16}")), text::safe(line));
        }
    };
    if let Some(data) = &answer.inspection_data {
        for (name, value) in stages(data) {
            row(name, &value);
        }
    }
    if let Some(error) = &answer.error {
        row("error", error);
    }
    if let Some(cause) = &answer.cause {
        row("cause", cause);
    }
    if let Some(output) = &answer.output {
        row("output", &pretty(output));
    }
    out
}

/// The stages that there are, in the order in which JSON flows through them.
fn stages(data: &InspectionData) -> Vec<(&'static str, String)> {
    let number = |number: Option<u64>| number.map(|number| number.to_string());
    let mut stages: Vec<(&'static str, Option<String>)> = [
        ("input", &data.input),
        ("after InputPath", &data.after_input_path),
        ("after Parameters", &data.after_parameters),
        ("after Arguments", &data.after_arguments),
        ("ItemsPointer", &data.after_items_pointer),
        ("after ItemsPath", &data.after_items_path),
        ("ItemSelector", &data.after_item_selector),
        ("ItemBatcher", &data.after_item_batcher),
        ("result", &data.result),
        ("ResultSelector", &data.after_result_selector),
        ("after ResultPath", &data.after_result_path),
        ("variables", &data.variables),
    ]
    .into_iter()
    .map(|(name, text)| (name, text.as_deref().map(pretty)))
    .collect();
    stages.push(("MaxConcurrency", number(data.max_concurrency)));
    stages.push(("tolerated count", number(data.tolerated_failure_count)));
    stages.push(("tolerated share", data.tolerated_failure_percentage.map(|share| format!("{share} %"))));
    if let Some(details) = &data.error_details {
        let retry = details.retry_index.map(|index| match details.retry_backoff_interval_seconds {
            Some(seconds) => format!("Retry[{index}], after {seconds} s"),
            None => format!("Retry[{index}], which has no attempts left"),
        });
        stages.push(("retrier", retry));
        stages.push(("catcher", details.catch_index.map(|index| format!("Catch[{index}]"))));
    }
    stages.into_iter().filter_map(|(name, text)| Some((name, text?))).collect()
}

/// JSON on lines of its own where it is long.
fn pretty(text: &str) -> String {
    match serde_json::from_str::<Value>(text) {
        Ok(value) if text.len() > 72 => serde_json::to_string_pretty(&value).unwrap_or_default(),
        Ok(value) => value.to_string(),
        Err(_) => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Paint = Paint { colored: false };

    #[test]
    fn a_caught_error_reads_from_top_to_bottom() {
        let request = TestStateInput {
            definition: r#"{"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage", "End": true,
                "Parameters": {"QueueUrl": "q", "MessageBody.$": "$.text"},
                "Retry": [{"ErrorEquals": ["Sqs.Busy"], "MaxAttempts": 1}],
                "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Apologise", "ResultPath": "$.error"}]}"#
                .to_owned(),
            input: Some(r#"{"text": "hello"}"#.to_owned()),
            inspection_level: InspectionLevel::Debug,
            mock: Some(Mock {
                error_output: Some(MockError {
                    error: Some("Sqs.Busy".to_owned()),
                    cause: Some("Too many requests.".to_owned()),
                }),
                ..Mock::default()
            }),
            state_configuration: StateConfiguration {
                retrier_retry_count: 1,
                ..StateConfiguration::default()
            },
            ..TestStateInput::default()
        };
        let answer = answer(&request, &Alone::default()).expect("an answer");
        insta::assert_snapshot!("caught", report(Some("Send"), &answer, PLAIN));
    }

    #[test]
    fn what_cannot_be_tested_is_refused_with_the_way_out() {
        let request = |definition: &str, mock: Option<Mock>| TestStateInput {
            definition: definition.to_owned(),
            mock,
            ..TestStateInput::default()
        };
        let problem = |request: &TestStateInput| check(request).expect_err("refused").to_string();
        assert!(problem(&request(r#"{"Type": "Task"}"#, None)).contains("is tested with a mock"));
        assert!(problem(&request(r#"{"Type": "Pass"}"#, Some(Mock::default()))).contains("does no work"));
        let machine = r#"{"States": {"Charge": {"Type": "Pass"}, "Each": {"ItemProcessor": {"States": {"Ship": {}}}}}}"#;
        let unknown = TestStateInput { state_name: Some("Chrage".to_owned()), ..request(machine, None) };
        let Err(Problem::NoSuchState { similar, known, .. }) = check(&unknown) else { panic!("refused") };
        assert_eq!(
            (similar.as_deref(), known),
            (Some("Charge"), vec!["Charge".into(), "Each".into(), "Ship".into()])
        );
        assert!(json("--input", "{").is_err_and(|problem| problem.to_string().contains("--input")));
        assert!(json("--input", "@/no/such/file").is_err_and(|problem| problem.exit() == exit::NOT_FOUND));
    }
}
