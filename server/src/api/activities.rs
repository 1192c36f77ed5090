//! Activities, and tasks that are completed by their token.

use engine::registry::CreateActivity;
use engine::{ActivityTask, EngineError};
use serde_json::{Value, json};

use super::error::{Answer, ApiError};
use super::pages::Page;
use super::parameters::{Fields, Parameters, seconds};
use super::{Api, json_errors, state_machines, tags};

pub(super) fn create(api: &Api, parameters: Parameters<'_>) -> Answer {
    let name = parameters.required("name");
    let arn = api.place.activity_arn(name);
    let request = CreateActivity {
        name: name.to_owned(),
        encryption: state_machines::encryption(parameters)?.unwrap_or_default(),
        tags: tags::read(parameters, "tags"),
    };
    let created = api.engine.create_activity(request).map_err(|error| ApiError::of(error, &arn))?;
    Ok(json!({ "activityArn": arn, "creationDate": seconds(created.created_millis) }))
}

pub(super) fn delete(api: &Api, parameters: Parameters<'_>) -> Answer {
    let arn = parameters.required("activityArn");
    let name = api.place.activity(arn)?;
    api.engine.delete_activity(name).map_err(|error| ApiError::of(error, arn))?;
    Ok(json!({}))
}

pub(super) fn describe(api: &Api, parameters: Parameters<'_>) -> Answer {
    let arn = parameters.required("activityArn");
    let name = api.place.activity(arn)?;
    let activity = api.engine.activity(name).ok_or_else(|| ApiError::no_activity(arn))?;
    Ok(json!({
        "activityArn": arn,
        "name": activity.name,
        "creationDate": seconds(activity.created_millis),
        "encryptionConfiguration": state_machines::encryption_answer(&activity.encryption),
    }))
}

pub(super) fn list(api: &Api, parameters: Parameters<'_>) -> Answer {
    let page = Page::of(parameters, &["ListActivities"])?;
    let mut activities = api.engine.activities(page.after.as_deref(), page.one_more());
    let next = page.cut(&mut activities, |activity| activity.name.clone());
    let activities: Vec<Value> = activities
        .iter()
        .map(|activity| {
            json!({
                "activityArn": api.place.activity_arn(&activity.name),
                "name": activity.name,
                "creationDate": seconds(activity.created_millis),
            })
        })
        .collect();
    Ok(Fields::default().with("activities", activities).maybe("nextToken", next).into())
}

/// Waits for a task. Model, `GetActivityTask`: without one the answer has a null token.
pub(super) fn get_task(api: &Api, parameters: Parameters<'_>) -> Answer {
    let (arn, worker) = poll(api, parameters)?;
    let task = api.engine.get_activity_task(arn, worker, api.activity_poll);
    task.map(task_answer).map_err(|error| ApiError::of(error, arn))
}

/// The ARN of an activity that is there, and the worker that asks for a task of it.
pub(super) fn poll<'a>(api: &Api, parameters: Parameters<'a>) -> Answer<(&'a str, Option<&'a str>)> {
    let arn = parameters.required("activityArn");
    let name = api.place.activity(arn)?;
    if api.engine.activity(name).is_none() {
        return Err(ApiError::no_activity(arn));
    }
    Ok((arn, parameters.text("workerName")))
}

pub(super) fn task_answer(task: Option<ActivityTask>) -> Value {
    match task {
        Some(task) => json!({ "taskToken": task.task_token, "input": task.input }),
        None => json!({ "taskToken": null }),
    }
}

pub(super) fn send_success(api: &Api, parameters: Parameters<'_>) -> Answer {
    let output = parameters.required("output");
    if let Some(problem) = json_errors::problem(output) {
        return Err(ApiError::of(EngineError::InvalidOutput { problem }, ""));
    }
    sent(api.engine.send_task_success(parameters.required("taskToken"), output))
}

pub(super) fn send_failure(api: &Api, parameters: Parameters<'_>) -> Answer {
    let (error, cause) = (parameters.text("error"), parameters.text("cause"));
    sent(api.engine.send_task_failure(parameters.required("taskToken"), error, cause))
}

pub(super) fn send_heartbeat(api: &Api, parameters: Parameters<'_>) -> Answer {
    sent(api.engine.send_task_heartbeat(parameters.required("taskToken")))
}

fn sent(sent: Result<(), EngineError>) -> Answer {
    sent.map(|()| json!({})).map_err(|error| ApiError::of(error, ""))
}
