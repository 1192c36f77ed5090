//! Tags.

use engine::registry::TaggedResource;
use serde_json::{Value, json};

use super::Api;
use super::arns;
use super::error::{Answer, ApiError};
use super::parameters::Parameters;

pub(super) fn add(api: &Api, parameters: Parameters<'_>) -> Answer {
    let arn = parameters.required("resourceArn");
    let resource = resource(api, arn)?;
    api.engine.tag(&resource, read(parameters, "tags")).map_err(|error| ApiError::of(error, arn))?;
    Ok(json!({}))
}

pub(super) fn remove(api: &Api, parameters: Parameters<'_>) -> Answer {
    let arn = parameters.required("resourceArn");
    let resource = resource(api, arn)?;
    let keys = parameters.list("tagKeys").unwrap_or_default();
    let keys = keys.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    api.engine.untag(&resource, keys).map_err(|error| ApiError::of(error, arn))?;
    Ok(json!({}))
}

pub(super) fn list(api: &Api, parameters: Parameters<'_>) -> Answer {
    let arn = parameters.required("resourceArn");
    let tags = api.engine.tags(&resource(api, arn)?).map_err(|error| ApiError::of(error, arn))?;
    let tags: Vec<Value> =
        tags.into_iter().map(|(key, value)| json!({ "key": key, "value": value })).collect();
    Ok(json!({ "tags": tags }))
}

/// The tags of a request. One without a key is none; one without a value has an empty one.
pub(super) fn read(parameters: Parameters<'_>, name: &str) -> Vec<(String, String)> {
    let tags = parameters.structures(name);
    tags.filter_map(|tag| Some((tag.owned("key")?, tag.owned("value").unwrap_or_default()))).collect()
}

fn resource(api: &Api, arn: &str) -> Answer<TaggedResource> {
    arns::resource(arn, &["stateMachine", "activity"])?;
    if let Ok(name) = api.place.activity(arn) {
        return Ok(TaggedResource::Activity(name.to_owned()));
    }
    let target = api.place.state_machine(arn)?;
    // Recorded on AWS: versions have no tags, and are not found.
    let name = if target.qualifier.is_some() { arn } else { target.name };
    Ok(TaggedResource::StateMachine(name.to_owned()))
}
