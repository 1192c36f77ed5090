//! Activities.

use engine::registry::CreateActivity;
use serde_json::{Value, json};

use super::error::{Answer, ApiError};
use super::pages::Page;
use super::parameters::{Fields, Parameters, seconds};
use super::{Api, state_machines, tags};

pub(super) fn create(api: &Api, parameters: &Parameters<'_>) -> Answer {
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

pub(super) fn delete(api: &Api, parameters: &Parameters<'_>) -> Answer {
    let arn = parameters.required("activityArn");
    let name = api.place.activity(arn)?;
    api.engine.delete_activity(name).map_err(|error| ApiError::of(error, arn))?;
    Ok(json!({}))
}

pub(super) fn describe(api: &Api, parameters: &Parameters<'_>) -> Answer {
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

pub(super) fn list(api: &Api, parameters: &Parameters<'_>) -> Answer {
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
