//! `test-state`: one state of a definition, run on its own with mocks in the place of its work.
//!
//! Owns reading the request from the command line and how the answer looks. What is tested
//! and how is the engine's, and is what AWS's `TestState` does.

use std::{fmt::Write as _, path::Path};

use asl::{Diagnostics, ExecutionType};
use engine::test_state::{
    Alone, FieldValidationMode, InspectionData, InspectionLevel, Mock, MockError, ServiceModels,
    StateConfiguration, TestStateInput, TestStateOutput, TestStatus, test_state as answer, without_model,
};
use indexmap::IndexMap;
use serde_json::Value;

use crate::{
    arguments::{Format, Inspection, TestState, Validation},
    definition::{find_state, inner_names, state_names},
    problem::{Problem, exit},
    snippet::Source,
    terminal::{Ink, Paint, Terminal},
    text,
    validate::{
        self, Definition,
        form::{self, Wanted},
    },
};

/// The role in the context object when nobody names one: tests here need none.
const ROLE: &str = "arn:aws:iam::123456789012:role/test-state";

/// The name of a state without a machine. Recorded on AWS.
const STATE_NAME: &str = "StateName";

/// Tests the state.
pub(crate) fn test_state(arguments: &TestState, terminal: Terminal) -> Result<u8, Problem> {
    let definition = definition(arguments)?;
    form::check(&definition.name, &definition.text, Wanted::MachineOrState)?;
    let value: Value = serde_json::from_str(&definition.text).unwrap_or_default();
    let is_machine = value.get("States").is_some();
    if is_machine && arguments.state.is_none() {
        return Err(Problem::Usage {
            message: format!("{} holds a whole state machine", definition.name),
            hint: format!("say which state to test with --state: {}", state_names(&value).join(", ")),
        });
    }
    // A file that holds one state leaves nothing to choose.
    let state = arguments.state.as_deref().filter(|_| is_machine);
    let found = findings_of(&definition, state);
    if found.has_errors() {
        return refuse(&definition, &found, terminal);
    }
    let request = request(arguments, &definition, &value, state)?;
    check(&request, &value)?;
    let millis = crate::run::now_millis();
    let host = Alone { now_millis: millis, seed: millis.cast_unsigned(), ..Alone::default() };
    let level = request.inspection_level;
    let mut asked = request;
    if terminal.format == Format::Text && level == InspectionLevel::Info {
        // Which retrier and catcher take an error is told to people in any case.
        asked.inspection_level = InspectionLevel::Debug;
    }
    let answer = answer(&asked, &host).map_err(|error| refusal(error.code, &error.message))?;
    if terminal.format == Format::Text {
        warn(&definition, state, &found, &asked, terminal);
        if let Some(unchecked) = unchecked(&asked, &value) {
            terminal
                .remark(&format!("note: the mocked result is not checked: no model of {unchecked} is known"));
        }
        let name = arguments.state.as_deref();
        match &answer.output {
            Some(output) if terminal.quiet => terminal.data(&text::safe(output)),
            // Data is the output alone.
            None if terminal.quiet => terminal.note(&reason(&answer)),
            _ => terminal.data(&report(name, &answer, level, terminal.out)),
        }
    } else {
        let value = serde_json::to_value(&answer).unwrap_or_default();
        terminal.data(&crate::show::document(&value, terminal));
    }
    Ok(if answer.status == TestStatus::Failed { exit::FAILED } else { 0 })
}

/// The definition, from a file or, as the AWS CLI has it, from the command line.
fn definition(arguments: &TestState) -> Result<Definition, Problem> {
    match (&arguments.file, &arguments.definition) {
        (_, Some(text)) if !text.starts_with("file://") => Ok(Definition {
            name: "--definition".to_owned(),
            text: text.clone(),
            source_map: IndexMap::new(),
        }),
        (_, Some(file)) => validate::read(Path::new(file)),
        (Some(file), None) => match file.to_str().filter(|text| text.trim_start().starts_with('{')) {
            // No file is called like that: it is the definition itself.
            Some(text) if !file.exists() => Ok(Definition {
                name: "the definition".to_owned(),
                text: text.to_owned(),
                source_map: IndexMap::new(),
            }),
            _ => validate::read(file),
        },
        (None, None) => Err(Problem::Usage {
            message: "no definition is named".to_owned(),
            hint: "name the file it is in, or `-` for stdin".to_owned(),
        }),
    }
}

/// What is to be said of the machine, or of the single state.
fn findings_of(definition: &Definition, state: Option<&str>) -> Diagnostics {
    let models = ServiceModels::default();
    match state {
        Some(_) => asl::validate_with(&definition.text, ExecutionType::Standard, &models),
        None => asl::validate_state(&definition.text, STATE_NAME, &models),
    }
}

/// A definition with errors is shown as `validate` shows it; nothing is tested.
fn refuse(definition: &Definition, found: &Diagnostics, terminal: Terminal) -> Result<u8, Problem> {
    if terminal.format == Format::Text {
        terminal.note(&validate::report(definition, found, true, terminal.err));
        return Ok(exit::REFUSED);
    }
    Err(Problem::InvalidDefinition {
        message: format!("InvalidDefinition: {}", found.refusal(&definition.text)),
        diagnostics: validate::findings(definition, found),
    })
}

/// Warnings about the state that is tested.
fn warn(
    definition: &Definition,
    state: Option<&str>,
    found: &Diagnostics,
    request: &TestStateInput,
    terminal: Terminal,
) {
    // What the machine does not assign may have been given for the test.
    let given: Value =
        request.variables.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let is_given = |item: &asl::Diagnostic| {
        item.code == asl::Code::UndefinedVariable
            && given.as_object().is_some_and(|given| {
                given.keys().any(|name| item.message.contains(&format!("the variable ${name}:")))
            })
    };
    let source = Source::new(&definition.text);
    let of_state = format!("/States/{}", state.unwrap_or(STATE_NAME));
    let is_inside = |item: &&asl::Diagnostic| {
        item.location.rsplit_once(&of_state).is_some_and(|(_, rest)| rest.is_empty() || rest.starts_with('/'))
    };
    for item in found.causes().filter(is_inside).filter(|item| !terminal.quiet && !is_given(item)) {
        terminal.note(&format!("{}\n", validate::finding(definition, &source, item, terminal.err)));
    }
}

/// The integration whose answer nothing is known of, if its mocked result should have been checked.
fn unchecked<'v>(request: &TestStateInput, definition: &'v Value) -> Option<&'v str> {
    let mock = request.mock.as_ref().filter(|mock| mock.result.is_some())?;
    if mock.field_validation_mode == FieldValidationMode::None {
        return None;
    }
    let state = match &request.state_name {
        Some(name) => find_state(definition, name)?,
        None => definition,
    };
    without_model(state.get("Resource")?.as_str()?)
}

fn request(
    arguments: &TestState,
    definition: &Definition,
    value: &Value,
    state: Option<&str>,
) -> Result<TestStateInput, Problem> {
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
    let mock = match json("--mock", &arguments.mock)? {
        Some(mock) => Some(as_aws_has_it("--mock", &mock)?),
        None => mocked.then_some(Mock { result, error_output, field_validation_mode }),
    };
    let state_configuration = match json("--state-configuration", &arguments.state_configuration)? {
        Some(configuration) => as_aws_has_it("--state-configuration", &configuration)?,
        None => StateConfiguration {
            retrier_retry_count: arguments.retry_count,
            error_caused_by_state: arguments.error_from.clone(),
            map_iteration_failure_count: arguments.failed_iterations,
            map_item_reader_data: match &arguments.reader_data {
                // Rows of text are no JSON, and are checked by who reads them.
                Some(given) if reads_text(value, state) => Some(text_of(given)?),
                given => json("--reader-data", given)?,
            },
        },
    };
    Ok(TestStateInput {
        definition: definition.text.clone(),
        role_arn: Some(arguments.role_arn.clone().unwrap_or_else(|| ROLE.to_owned())),
        input: json("--input", &arguments.input)?,
        inspection_level: match arguments.inspection_level {
            Inspection::Info => InspectionLevel::Info,
            Inspection::Debug => InspectionLevel::Debug,
            Inspection::Trace => InspectionLevel::Trace,
        },
        reveal_secrets: arguments.reveal_secrets,
        variables: json("--variables", &arguments.variables)?,
        state_name: state.map(str::to_owned),
        mock,
        context: json("--context", &arguments.context)?,
        state_configuration,
    })
}

/// A part of the request in AWS's own form.
fn as_aws_has_it<T: serde::de::DeserializeOwned>(flag: &str, text: &str) -> Result<T, Problem> {
    serde_json::from_str(text).map_err(|error| Problem::Usage {
        message: format!("what {flag} says is not what AWS's CLI takes: {error}"),
        hint: "its members are those of TestState in the API reference".to_owned(),
    })
}

/// Whether the item reader of the state reads a text that is no JSON.
fn reads_text(definition: &Value, state: Option<&str>) -> bool {
    let state = state.map_or(Some(definition), |name| find_state(definition, name));
    let kind = state.and_then(|state| state.pointer("/ItemReader/ReaderConfig/InputType"));
    matches!(kind.and_then(Value::as_str), Some("CSV" | "JSONL"))
}

/// What was given, or with `@` (or `file://`, as the AWS CLI has it) the text of the file.
fn text_of(given: &str) -> Result<String, Problem> {
    match given.strip_prefix('@').or_else(|| given.strip_prefix("file://")) {
        Some(path) => std::fs::read_to_string(path)
            .map_err(|source| Problem::file("the file cannot be read:", path, source)),
        None => Ok(given.to_owned()),
    }
}

/// JSON text, or with `@` (or `file://`, as the AWS CLI has it) the file that holds it.
fn json(flag: &str, given: &str) -> Result<String, Problem> {
    let text = text_of(given)?;
    match serde_json::from_str::<Value>(&text) {
        Ok(_) => Ok(text),
        // The reader of JSON gives up at this depth, and so does every state.
        Err(error) if error.to_string().starts_with("recursion limit") => Err(Problem::Usage {
            message: format!("what {flag} says is nested more than 127 levels deep"),
            hint: "no state hands on what is nested deeper".to_owned(),
        }),
        Err(error) => {
            let name = if Path::new(given).is_file() { given } else { "FILE" };
            Err(Problem::Usage {
                message: format!("what {flag} says is not JSON: {error}"),
                hint: format!(
                    "quote it for the shell, {flag} '{{\"a\": 1}}', or name a file, {flag} @{name}"
                ),
            })
        }
    }
}

/// What the engine would refuse in AWS's words, and what to do instead.
fn check(request: &TestStateInput, definition: &Value) -> Result<(), Problem> {
    let named = request.state_name.as_ref();
    let state = named.map_or(Some(definition), |name| find_state(definition, name));
    let Some(state) = state else {
        let state = named.cloned().unwrap_or_default();
        let known = state_names(definition);
        let similar = text::similar(&state, known.iter().map(String::as_str)).map(str::to_owned);
        return Err(Problem::NoSuchState { state, similar, known });
    };
    if let Some(from) = &request.state_configuration.error_caused_by_state {
        let known = inner_names(state);
        if !known.contains(from) {
            let similar = text::similar(from, known.iter().map(String::as_str)).map(str::to_owned);
            return Err(Problem::NoSuchState { state: from.clone(), similar, known });
        }
    }
    check_variables(request)?;
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

/// Variables that no state could have assigned.
fn check_variables(request: &TestStateInput) -> Result<(), Problem> {
    let given: Value =
        request.variables.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let is_name = |name: &str| {
        let starts_well = name.chars().next().is_some_and(char::is_alphabetic);
        starts_well && name != "states" && name.chars().all(|c| c.is_alphanumeric() || c == '_')
    };
    match given.as_object().into_iter().flatten().map(|(name, _)| name).find(|name| !is_name(name)) {
        None => Ok(()),
        Some(name) => Err(Problem::Usage {
            message: format!("--variables: no variable can be called `{name}`"),
            hint:
                "a name begins with a letter, then come letters, digits and underscores; `states` is reserved"
                    .to_owned(),
        }),
    }
}

fn refusal(code: &str, message: &str) -> Problem {
    let hint = if message.starts_with("Mock result schema") {
        "the mock has to look as the service's answer does; it is checked less strictly with --validation present \
         or none"
    } else if message.contains("Mocked result must be") {
        "that is what the work of such a state answers: change --mock-result"
    } else if message.contains("Context object") {
        "leave out --context, or correct it: by default it is that of an execution that began just now"
    } else {
        "AWS's TestState refuses this in the same words"
    };
    Problem::TestRefused { detail: format!("{code}: {message}"), hint }
}

/// Why there is no output.
fn reason(answer: &TestStateOutput) -> String {
    let parts =
        [&answer.error, &answer.cause].map(|part| part.as_deref().map(text::safe).unwrap_or_default());
    parts.join(": ")
}

/// The answer for people.
fn report(state: Option<&str>, answer: &TestStateOutput, level: InspectionLevel, paint: Paint) -> String {
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
                write!(out, "\n  {}  {}", paint.ink(Ink::Faint, &format!("{label:<20}")), text::safe(line));
        }
    };
    if let Some(data) = &answer.inspection_data {
        let stages = if level == InspectionLevel::Info { handlers(data) } else { stages(data) };
        for (name, value) in stages {
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
        ("after ItemsPointer", &data.after_items_pointer),
        ("after ItemsPath", &data.after_items_path),
        ("after ItemSelector", &data.after_item_selector),
        ("after ItemBatcher", &data.after_item_batcher),
        ("result", &data.result),
        ("after ResultSelector", &data.after_result_selector),
        ("after ResultPath", &data.after_result_path),
        ("variables", &data.variables),
    ]
    .into_iter()
    .map(|(name, text)| (name, text.as_deref().map(pretty)))
    .collect();
    stages.push(("MaxConcurrency", number(data.max_concurrency)));
    stages.push(("tolerated count", number(data.tolerated_failure_count)));
    stages.push(("tolerated share", data.tolerated_failure_percentage.map(|share| format!("{share} %"))));
    let mut stages: Vec<(&'static str, String)> =
        stages.into_iter().filter_map(|(name, text)| Some((name, text?))).collect();
    stages.extend(handlers(data));
    stages
}

/// The retrier and the catcher an error meets.
fn handlers(data: &InspectionData) -> Vec<(&'static str, String)> {
    let Some(details) = &data.error_details else { return Vec::new() };
    let retry = details.retry_index.map(|index| match details.retry_backoff_interval_seconds {
        Some(seconds) => format!("Retry[{index}], after {seconds} s"),
        None => format!("Retry[{index}], which has no attempts left"),
    });
    let catch = details.catch_index.map(|index| format!("Catch[{index}]"));
    [("retrier", retry), ("catcher", catch)]
        .into_iter()
        .filter_map(|(name, text)| Some((name, text?)))
        .collect()
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
        insta::assert_snapshot!("caught", report(Some("Send"), &answer, InspectionLevel::Debug, PLAIN));
    }

    #[test]
    fn what_cannot_be_tested_is_refused_with_the_way_out() {
        let request = |definition: &str, mock: Option<Mock>| TestStateInput {
            definition: definition.to_owned(),
            mock,
            ..TestStateInput::default()
        };
        let checked = |request: &TestStateInput| {
            check(request, &serde_json::from_str(&request.definition).expect("JSON"))
        };
        let problem = |request: &TestStateInput| checked(request).expect_err("refused").to_string();
        assert!(problem(&request(r#"{"Type": "Task"}"#, None)).contains("is tested with a mock"));
        assert!(problem(&request(r#"{"Type": "Pass"}"#, Some(Mock::default()))).contains("does no work"));
        let machine = r#"{"States": {"Charge": {"Type": "Pass"}, "Each": {"ItemProcessor": {"States": {"Ship": {}}}}}}"#;
        let unknown = TestStateInput { state_name: Some("Chrage".to_owned()), ..request(machine, None) };
        let Err(Problem::NoSuchState { similar, known, .. }) = checked(&unknown) else { panic!("refused") };
        assert_eq!(
            (similar.as_deref(), known),
            (Some("Charge"), vec!["Charge".into(), "Each".into(), "Ship".into()])
        );
        assert!(json("--input", "{").is_err_and(|problem| problem.to_string().contains("--input")));
        assert!(json("--input", "@/no/such/file").is_err_and(|problem| problem.exit() == exit::NOT_FOUND));
    }
}
