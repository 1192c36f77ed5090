//! Executions: started, stopped, described, listed, and their histories.

use asl::limits::HISTORY_PAGE_BYTES_MAX;
use engine::log_events::without_execution_data;
use engine::registry::StateMachineType;
use engine::{
    ExecutionFilter, ExecutionSummary, RedriveExecution, StartExecution, Started, Status, SyncExecution,
};
use serde_json::{Value, json};

use super::arns::{self, resource};
use super::error::{Answer, ApiError};
use super::pages::Page;
use super::parameters::{Fields, Parameters, seconds};
use super::{Api, json_errors};

/// Memory that an Express execution is charged for at least, in MB. Pricing page: 64 MB chunks.
const BILLED_MEMORY_MB: u64 = 64;
/// What the duration of an Express execution is rounded up to, in milliseconds. Pricing page: 100.
const BILLED_MILLIS: i64 = 100;

pub(super) fn start(api: &Api, parameters: Parameters<'_>) -> Answer {
    let (arn, request) = start_request(api, parameters)?;
    let started = api.engine.start_execution(request).map_err(|error| ApiError::of(error, arn))?;
    Ok(started_answer(&started))
}

pub(super) fn started_answer(started: &Started) -> Value {
    json!({ "executionArn": started.execution_arn, "startDate": seconds(started.start_millis) })
}

pub(super) fn start_sync(api: &Api, parameters: Parameters<'_>) -> Answer {
    let (arn, request) = start_request(api, parameters)?;
    let ended = api.engine.start_sync_execution(&request).map_err(|error| ApiError::of(error, arn))?;
    Ok(sync_answer(&ended, &SyncRequest::of(parameters)))
}

/// What of a request for a synchronous execution its answer depends on.
pub(super) struct SyncRequest {
    with_data: bool,
    trace_header: Option<String>,
}

impl SyncRequest {
    pub(super) fn of(parameters: Parameters<'_>) -> Self {
        Self { with_data: with_data(parameters), trace_header: parameters.owned("traceHeader") }
    }
}

pub(super) fn sync_answer(ended: &SyncExecution, request: &SyncRequest) -> Value {
    let with_data = request.with_data;
    let status = match ended.status {
        // Model, `SyncExecutionStatus`: there is no other way to end.
        Status::Aborted | Status::Running | Status::PendingRedrive => Status::Failed,
        status => status,
    };
    Fields::default()
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
        .maybe("traceHeader", request.trace_header.as_deref())
        .with("billingDetails", billing(ended))
        .into()
}

pub(super) fn stop(api: &Api, parameters: Parameters<'_>) -> Answer {
    let arn = arns::execution(parameters.required("executionArn"))?;
    let (error, cause) = (parameters.owned("error"), parameters.owned("cause"));
    let stopped = api.engine.stop_execution(arn, error, cause).map_err(|error| ApiError::of(error, arn))?;
    Ok(json!({ "stopDate": seconds(stopped) }))
}

pub(super) fn redrive(api: &Api, parameters: Parameters<'_>) -> Answer {
    let arn = arns::execution(parameters.required("executionArn"))?;
    let client_token = parameters.owned("clientToken");
    let request = RedriveExecution { execution_arn: arn.to_owned(), client_token, reason: None };
    let redriven = api.engine.redrive_execution(&request).map_err(|error| ApiError::of(error, arn))?;
    Ok(json!({ "redriveDate": seconds(redriven.redrive_millis) }))
}

pub(super) fn describe(api: &Api, parameters: Parameters<'_>) -> Answer {
    let arn = arns::execution(parameters.required("executionArn"))?;
    let described = api.engine.describe_for_redrive(arn);
    let (described, redrive) = described.map_err(|error| ApiError::of(error, arn))?;
    let with_data = with_data(parameters);
    let machine = machine_name(&described.state_machine_arn);
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
        .maybe("mapRunArn", described.map_run_arn.clone())
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
        .with("redriveCount", described.redrive_count)
        .maybe("redriveDate", described.redrive_millis.map(seconds))
        .with("redriveStatus", redrive.as_str())
        .maybe("redriveStatusReason", redrive.reason().map(|reason| reason.to_string()))
        .into())
}

pub(super) fn list(api: &Api, parameters: Parameters<'_>) -> Answer {
    let (arn, filter) = match (parameters.text("stateMachineArn"), parameters.text("mapRunArn")) {
        (Some(arn), None) => (arn, of_state_machine(api, parameters, arn)?),
        (None, Some(arn)) => (arn, of_map_run(api, arn)?),
        _ => {
            let message = "Must provide either a stateMachineArn or a mapRunArn, but not both.";
            return Err(ApiError::validation(message));
        }
    };
    let (status, redriven) = (parameters.text("statusFilter"), parameters.text("redriveFilter"));
    let scope = ["ListExecutions", arn, status.unwrap_or_default(), redriven.unwrap_or_default()];
    let page = Page::of(parameters, &scope)?;
    let status = status.map(|status| Status::ALL.into_iter().find(|known| known.as_str() == status));
    let filter = ExecutionFilter {
        status: status.flatten(),
        redriven: redriven.map(|redriven| redriven == "REDRIVEN"),
        limit: u32::try_from(page.one_more()).ok(),
        after: page.after.as_deref().map(after).transpose()?,
        ..filter
    };
    let mut executions = api.engine.list_executions(&filter).map_err(|error| ApiError::of(error, arn))?;
    let next = page.cut(&mut executions, |last| format!("{} {}", last.start_millis, last.number));
    let executions: Vec<Value> = executions.iter().map(|execution| summary(api, execution)).collect();
    Ok(Fields::default().with("executions", executions).maybe("nextToken", next).into())
}

/// The executions of a Standard state machine, of a version or of an alias.
fn of_state_machine(api: &Api, parameters: Parameters<'_>, arn: &str) -> Answer<ExecutionFilter> {
    if parameters.text("redriveFilter").is_some() {
        return Err(ApiError::validation("redriveFilter is only supported when a mapRunArn is specified."));
    }
    let target = api.place.state_machine(arn)?;
    match api.engine.state_machine_type(target.name) {
        None => Err(ApiError::no_state_machine(arn)),
        Some(StateMachineType::Express) => Err(ApiError::type_not_supported()),
        Some(StateMachineType::Standard) => Ok(ExecutionFilter {
            state_machine: Some(target.name.to_owned()),
            version: target.version(),
            alias: target.alias().map(str::to_owned),
            ..ExecutionFilter::default()
        }),
    }
}

/// The child executions of a Map Run.
fn of_map_run(api: &Api, arn: &str) -> Answer<ExecutionFilter> {
    resource(arn, &["mapRun"])?;
    api.engine.describe_map_run(arn).map_err(|error| ApiError::of(error, arn))?;
    Ok(ExecutionFilter { map_run: Some(arn.to_owned()), ..ExecutionFilter::default() })
}

pub(super) fn history(api: &Api, parameters: Parameters<'_>) -> Answer {
    let arn = arns::execution(parameters.required("executionArn"))?;
    let reverse = parameters.flag("reverseOrder").unwrap_or_default();
    let page = Page::of(parameters, &["GetExecutionHistory", arn, if reverse { "reverse" } else { "" }])?;
    let from: usize = page.after_number()?.unwrap_or_default();
    let (events, mut more) = api
        .engine
        .history_page(arn, reverse, from, page.size, HISTORY_PAGE_BYTES_MAX)
        .map_err(|error| ApiError::of(error, arn))?;
    let with_data = parameters.flag("includeExecutionData").unwrap_or(true);
    let (mut answered, mut bytes) = (Vec::new(), 0);
    for event in &events {
        let mut event = serde_json::to_value(event).unwrap_or_default();
        if !with_data {
            without_execution_data(&mut event);
        }
        bytes += event.to_string().len();
        // API reference, `maxResults`: there may be fewer. One there is always.
        if bytes > HISTORY_PAGE_BYTES_MAX && !answered.is_empty() {
            more = true;
            break;
        }
        answered.push(event);
    }
    let next = more.then(|| page.token(&(from + answered.len()).to_string()));
    Ok(Fields::default().with("events", answered).maybe("nextToken", next).into())
}

/// What to start, and the ARN it was asked for with.
pub(super) fn start_request<'a>(api: &Api, parameters: Parameters<'a>) -> Answer<(&'a str, StartExecution)> {
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

fn with_data(parameters: Parameters<'_>) -> bool {
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

fn summary(api: &Api, execution: &ExecutionSummary) -> Value {
    let machine = machine_name(&execution.state_machine_arn);
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
        .maybe("mapRunArn", execution.map_run_arn.as_deref())
        .maybe("itemCount", execution.item_count)
        .with("redriveCount", execution.redrive_count)
        .maybe("redriveDate", execution.redrive_millis.map(seconds))
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

/// The name in the ARN of an execution's state machine; of a child without the label.
fn machine_name(state_machine_arn: &str) -> &str {
    let name = engine::arn::state_machine_name(state_machine_arn);
    name.split_once('/').map_or(name, |(name, _)| name)
}
