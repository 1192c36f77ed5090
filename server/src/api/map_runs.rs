//! Map Runs.

use engine::{MapRunCounts, MapRunDescription, UpdateMapRun};
use serde_json::{Value, json};

use super::Api;
use super::arns::{self, resource};
use super::error::{Answer, ApiError};
use super::pages::Page;
use super::parameters::{Fields, Parameters, seconds};

pub(super) fn list(api: &Api, parameters: Parameters<'_>) -> Answer {
    let arn = arns::execution(parameters.required("executionArn"))?;
    let page = Page::of(parameters, &["ListMapRuns", arn])?;
    let from: usize = page.after_number()?.unwrap_or_default();
    let runs = api.engine.map_runs_page(arn, from, page.one_more());
    let mut runs: Vec<MapRunDescription> = runs.map_err(|error| ApiError::of(error, arn))?;
    let next = page.cut(&mut runs, |_| (from + page.size).to_string());
    let runs: Vec<Value> = runs
        .into_iter()
        .map(|run| {
            Fields::default()
                .with("executionArn", run.execution_arn)
                .with("mapRunArn", run.map_run_arn)
                .with("stateMachineArn", run.state_machine_arn)
                .with("startDate", seconds(run.start_millis))
                .maybe("stopDate", run.stop_millis.map(seconds))
                .into()
        })
        .collect();
    Ok(Fields::default().with("mapRuns", runs).maybe("nextToken", next).into())
}

pub(super) fn describe(api: &Api, parameters: Parameters<'_>) -> Answer {
    let arn = map_run_arn(parameters)?;
    let run = api.engine.describe_map_run(arn).map_err(|error| ApiError::of(error, arn))?;
    Ok(Fields::default()
        .with("mapRunArn", run.map_run_arn.as_str())
        .with("executionArn", run.execution_arn.as_str())
        .with("status", run.status.as_str())
        .with("startDate", seconds(run.start_millis))
        .maybe("stopDate", run.stop_millis.map(seconds))
        .with("maxConcurrency", run.max_concurrency)
        .with("toleratedFailurePercentage", run.tolerated_failure_percentage)
        .with("toleratedFailureCount", run.tolerated_failure_count)
        .with("itemCounts", counts(&run.item_counts))
        .with("executionCounts", counts(&run.execution_counts))
        .with("redriveCount", run.redrive_count)
        .maybe("redriveDate", run.redrive_millis.map(seconds))
        .into())
}

pub(super) fn update(api: &Api, parameters: Parameters<'_>) -> Answer {
    let arn = map_run_arn(parameters)?;
    let update = UpdateMapRun {
        max_concurrency: parameters.number("maxConcurrency"),
        tolerated_failure_percentage: parameters.fraction("toleratedFailurePercentage"),
        tolerated_failure_count: parameters.number("toleratedFailureCount"),
    };
    if update == UpdateMapRun::default() {
        return Err(ApiError::validation(
            "At least one of maxConcurrency, toleratedFailurePercentage, or toleratedFailureCount must be specified",
        ));
    }
    api.engine.update_map_run(arn, update).map_err(|error| ApiError::of(error, arn))?;
    Ok(json!({}))
}

fn map_run_arn(parameters: Parameters<'_>) -> Answer<&str> {
    let arn = parameters.required("mapRunArn");
    resource(arn, &["mapRun"]).map(|_| arn)
}

fn counts(counts: &MapRunCounts) -> Value {
    let MapRunCounts {
        pending,
        running,
        succeeded,
        failed,
        timed_out,
        aborted,
        total,
        results_written,
        failures_not_redrivable,
        pending_redrive,
    } = counts;
    let mut answer = json!({
        "pending": pending,
        "running": running,
        "succeeded": succeeded,
        "failed": failed,
        "timedOut": timed_out,
        "aborted": aborted,
        "total": total,
        "resultsWritten": results_written,
    });
    // Optional in the model; what was recorded on AWS, before there were redrives, does without them.
    if (*failures_not_redrivable, *pending_redrive) != (0, 0)
        && let Some(answer) = answer.as_object_mut()
    {
        answer.insert("failuresNotRedrivable".to_owned(), (*failures_not_redrivable).into());
        answer.insert("pendingRedrive".to_owned(), (*pending_redrive).into());
    }
    answer
}
