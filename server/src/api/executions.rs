//! Executions: started, stopped, described, listed, and their histories.

use engine::log_events::without_execution_data;
use engine::registry::{StateMachineStatus, StateMachineType};
use engine::{
    ExecutionDescription, ExecutionFilter, ExecutionSummary, StartExecution, Status, SyncExecution,
};
use serde_json::{Value, json};

use super::error::{Answer, ApiError};
use super::pages::Page;
use super::parameters::{Fields, Parameters, seconds};
use super::{Api, json_errors};

/// Memory that an Express execution is charged for at least, in MB. Pricing page: 64 MB chunks.
const BILLED_MEMORY_MB: u64 = 64;
/// What the duration of an Express execution is rounded up to, in milliseconds. Pricing page: 100.
const BILLED_MILLIS: i64 = 100;

pub(super) fn start(api: &Api, parameters: &Parameters<'_>) -> Answer {
    let (arn, request) = start_request(api, parameters)?;
    let started = api.engine.start_execution(request).map_err(|error| ApiError::of(error, arn))?;
    Ok(json!({ "executionArn": started.execution_arn, "startDate": seconds(started.start_millis) }))
}

pub(super) fn start_sync(api: &Api, parameters: &Parameters<'_>) -> Answer {
    let (arn, request) = start_request(api, parameters)?;
    let trace_header = request.trace_header.clone();
    let ended = api.engine.start_sync_execution(request).map_err(|error| ApiError::of(error, arn))?;
    let with_data = with_data(parameters);
    let status = match ended.status {
        // Model, `SyncExecutionStatus`: there is no other way to end.
        Status::Aborted | Status::Running => Status::Failed,
        status => status,
    };
    Ok(Fields::default()
        .with("executionArn", ended.execution_arn.as_str())
        .with("stateMachineArn", ended.state_machine_arn.as_str())
        .with("name", ended.name.as_str())
        .with("startDate", seconds(ended.start_millis))
        .with("stopDate", seconds(ended.stop_millis))
        .with("status", status.as_str())
        .maybe("error", ended.error.as_deref())
        .maybe("cause", ended.cause.as_deref())
        .maybe("input", with_data.then(|| ended.input.clone()))
        .with("inputDetails", json!({ "included": with_data }))
        .maybe("output", ended.output.clone().filter(|_| with_data))
        .maybe("outputDetails", ended.output.as_ref().map(|_| json!({ "included": with_data })))
        .maybe("traceHeader", trace_header)
        .with("billingDetails", billing(&ended))
        .into())
}

pub(super) fn stop(api: &Api, parameters: &Parameters<'_>) -> Answer {
    let arn = api.place.execution(parameters.required("executionArn"))?;
    let (error, cause) = (parameters.owned("error"), parameters.owned("cause"));
    let stopped = api.engine.stop_execution(arn, error, cause).map_err(|error| ApiError::of(error, arn))?;
    Ok(json!({ "stopDate": seconds(stopped) }))
}

pub(super) fn describe(api: &Api, parameters: &Parameters<'_>) -> Answer {
    let arn = api.place.execution(parameters.required("executionArn"))?;
    let described = api.engine.describe_execution(arn).map_err(|error| ApiError::of(error, arn))?;
    let with_data = with_data(parameters);
    let (redrive_status, reason) = redrive_status(api, &described);
    let machine = engine::arn::state_machine_name(&described.state_machine_arn);
    // Recorded on AWS: an execution that timed out has neither error nor cause.
    let failed = described.status != Status::TimedOut;
    Ok(Fields::default()
        .with("executionArn", described.execution_arn.as_str())
        .with("stateMachineArn", described.state_machine_arn.as_str())
        .with("name", described.name.as_str())
        .with("status", described.status.as_str())
        .with("startDate", seconds(described.start_millis))
        .maybe("stopDate", described.stop_millis.map(seconds))
        .maybe("input", with_data.then(|| described.input.clone()))
        .with("inputDetails", json!({ "included": with_data }))
        .maybe("output", described.output.clone().filter(|_| with_data))
        .maybe("outputDetails", described.output.as_ref().map(|_| json!({ "included": with_data })))
        .maybe("traceHeader", described.trace_header.clone())
        .maybe("error", described.error.clone().filter(|_| with_data && failed))
        .maybe("cause", described.cause.clone().filter(|_| with_data && failed))
        .maybe(
            "stateMachineVersionArn",
            described.version.map(|version| api.place.qualified_arn(machine, version)),
        )
        .maybe(
            "stateMachineAliasArn",
            described.alias.as_ref().map(|alias| api.place.qualified_arn(machine, alias)),
        )
        .with("redriveCount", 0)
        .with("redriveStatus", redrive_status)
        .maybe("redriveStatusReason", reason)
        .into())
}

pub(super) fn list(api: &Api, parameters: &Parameters<'_>) -> Answer {
    let Some(arn) = parameters.text("stateMachineArn") else {
        return Err(match parameters.text("mapRunArn") {
            Some(_) => ApiError::no_resource(),
            None => {
                ApiError::validation("Must provide either a stateMachineArn or a mapRunArn, but not both.")
            }
        });
    };
    if parameters.text("mapRunArn").is_some() {
        return Err(ApiError::validation(
            "Must provide either a stateMachineArn or a mapRunArn, but not both.",
        ));
    }
    if parameters.text("redriveFilter").is_some() {
        return Err(ApiError::validation("redriveFilter is only supported when a mapRunArn is specified."));
    }
    let target = api.place.state_machine(arn)?;
    match api.engine.state_machine_type(target.name) {
        None => return Err(ApiError::no_state_machine(arn)),
        Some(StateMachineType::Express) => return Err(ApiError::type_not_supported()),
        Some(StateMachineType::Standard) => {}
    }
    let status = parameters.text("statusFilter");
    let page = Page::of(parameters, &["ListExecutions", arn, status.unwrap_or_default()])?;
    let mut executions =
        match status.map(|status| Status::ALL.into_iter().find(|known| known.as_str() == status)) {
            // A status that this engine has no execution in.
            Some(None) => Vec::new(),
            status => {
                let filter = ExecutionFilter {
                    state_machine: Some(target.name.to_owned()),
                    version: target.version(),
                    alias: target.alias().map(str::to_owned),
                    status: status.flatten(),
                    limit: u32::try_from(page.one_more()).ok(),
                    after: page.after.as_deref().map(after).transpose()?,
                    ..ExecutionFilter::default()
                };
                api.engine.list_executions(&filter).map_err(|error| ApiError::of(error, arn))?
            }
        };
    let next = page.cut(&mut executions, |last| format!("{} {}", last.start_millis, last.number));
    let executions: Vec<Value> =
        executions.iter().map(|execution| summary(api, target.name, execution)).collect();
    Ok(Fields::default().with("executions", executions).maybe("nextToken", next).into())
}

pub(super) fn history(api: &Api, parameters: &Parameters<'_>) -> Answer {
    let arn = api.place.execution(parameters.required("executionArn"))?;
    let reverse = parameters.flag("reverseOrder").unwrap_or_default();
    let page = Page::of(parameters, &["GetExecutionHistory", arn, if reverse { "reverse" } else { "" }])?;
    let from: usize = page.after_number()?.unwrap_or_default();
    let mut events = api
        .engine
        .execution_history(arn, reverse, from, Some(page.one_more()))
        .map_err(|error| ApiError::of(error, arn))?;
    let next = page.cut(&mut events, |_| (from + page.size).to_string());
    let with_data = parameters.flag("includeExecutionData").unwrap_or(true);
    let events: Vec<Value> = events
        .iter()
        .map(|event| {
            let mut event = serde_json::to_value(event).unwrap_or_default();
            if !with_data {
                without_execution_data(&mut event);
            }
            event
        })
        .collect();
    Ok(Fields::default().with("events", events).maybe("nextToken", next).into())
}

/// What to start, and the ARN it was asked for with.
fn start_request<'a>(api: &Api, parameters: &Parameters<'a>) -> Answer<(&'a str, StartExecution)> {
    let target = api.place.state_machine(parameters.required("stateMachineArn"))?;
    let input = parameters.text("input").unwrap_or("{}");
    if let Some(problem) = json_errors::problem_of_input(input) {
        let message = format!("Invalid State Machine Execution Input: '{problem}'");
        return Err(ApiError::new("InvalidExecutionInput", message));
    }
    let request = StartExecution {
        state_machine: match target.qualifier {
            Some(_) => target.arn.to_owned(),
            None => target.name.to_owned(),
        },
        name: parameters.owned("name"),
        input: input.to_owned(),
        trace_header: parameters.owned("traceHeader"),
    };
    Ok((target.arn, request))
}

fn with_data(parameters: &Parameters<'_>) -> bool {
    parameters.text("includedData") != Some("METADATA_ONLY")
}

fn billing(ended: &SyncExecution) -> Value {
    let millis = (ended.stop_millis - ended.start_millis).max(1);
    let chunks = (millis + BILLED_MILLIS - 1) / BILLED_MILLIS;
    json!({
        "billedMemoryUsedInMB": BILLED_MEMORY_MB,
        "billedDurationInMilliseconds": chunks * BILLED_MILLIS,
    })
}

fn summary(api: &Api, machine: &str, execution: &ExecutionSummary) -> Value {
    let alias = execution.alias.as_ref().map(|alias| api.place.qualified_arn(machine, alias));
    Fields::default()
        .with("executionArn", execution.execution_arn.as_str())
        .with("stateMachineArn", execution.state_machine_arn.as_str())
        .with("name", execution.name.as_str())
        .with("status", execution.status.as_str())
        .with("startDate", seconds(execution.start_millis))
        .maybe("stopDate", execution.stop_millis.map(seconds))
        .maybe(
            "stateMachineVersionArn",
            execution.version.map(|version| api.place.qualified_arn(machine, version)),
        )
        .maybe("stateMachineAliasArn", alias)
        .with("redriveCount", 0)
        .into()
}

/// Reads the position of a list's token.
fn after(position: &str) -> Answer<(i64, i64)> {
    let numbers = position.split_once(' ').map(|(start, number)| (start.parse(), number.parse()));
    match numbers {
        Some((Ok(start), Ok(number))) => Ok((start, number)),
        _ => Err(ApiError::invalid_token()),
    }
}

/// `redriveStatus` and its reason. Developer guide, "Redriving executions".
fn redrive_status(api: &Api, described: &ExecutionDescription) -> (&'static str, Option<&'static str>) {
    let not = |reason| ("NOT_REDRIVABLE", Some(reason));
    let closed = match described.status {
        Status::Running => return not("Execution is RUNNING and cannot be redriven"),
        Status::Succeeded => return not("Execution is SUCCEEDED and cannot be redriven"),
        Status::Failed | Status::Aborted | Status::TimedOut => described.stop_millis.unwrap_or_default(),
    };
    let machine = engine::arn::state_machine_name(&described.state_machine_arn);
    let status = api.engine.state_machine(machine, None).map(|details| details.status);
    if status.is_err() || status.is_ok_and(|status| status == StateMachineStatus::Deleting) {
        return not("State machine is in DELETING status");
    }
    let seconds_since = |millis: i64| (api.engine.now_millis() - millis).max(0).cast_unsigned() / 1000;
    if described.events >= asl::limits::REDRIVE_HISTORY_EVENTS_MAX as u64 {
        return not("Execution history event limit exceeded");
    }
    if seconds_since(described.start_millis) > asl::limits::STANDARD_EXECUTION_SECONDS_MAX {
        return not("Execution has exceeded the max execution time");
    }
    if seconds_since(closed) > asl::limits::REDRIVE_WINDOW_SECONDS {
        return not("Execution redrivable period exceeded");
    }
    ("REDRIVABLE", None)
}
