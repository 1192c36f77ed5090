//! Versions and aliases.

use engine::registry::{Alias, CreateAlias, Route, UpdateAlias};
use serde_json::{Value, json};

use super::Api;
use super::arns::StateMachineArn;
use super::error::{Answer, ApiError};
use super::pages::Page;
use super::parameters::{Fields, Parameters, seconds};

pub(super) fn publish(api: &Api, parameters: Parameters<'_>) -> Answer {
    let target = api.place.state_machine(parameters.required("stateMachineArn"))?;
    if target.qualifier.is_some() {
        return Err(ApiError::no_state_machine(target.arn));
    }
    let (revision_id, description) = (parameters.text("revisionId"), parameters.text("description"));
    let version = api.engine.publish_version(target.name, revision_id, description);
    let version = version.map_err(|error| ApiError::of(error, target.arn))?;
    Ok(json!({
        "creationDate": seconds(version.created_millis),
        "stateMachineVersionArn": api.place.qualified_arn(target.name, version.number),
    }))
}

pub(super) fn list(api: &Api, parameters: Parameters<'_>) -> Answer {
    let target = api.place.state_machine(parameters.required("stateMachineArn"))?;
    let page = Page::of(parameters, &["ListStateMachineVersions", target.arn])?;
    let mut versions = match target.qualifier {
        None => api.engine.versions(target.name, page.after_number()?, page.one_more()),
        Some(_) => Vec::new(),
    };
    let next = page.cut(&mut versions, |version| version.number.to_string());
    let versions: Vec<Value> = versions
        .into_iter()
        .map(|version| {
            json!({
                "stateMachineVersionArn": api.place.qualified_arn(target.name, version.number),
                "creationDate": seconds(version.created_millis),
            })
        })
        .collect();
    Ok(Fields::default().with("stateMachineVersions", versions).maybe("nextToken", next).into())
}

pub(super) fn delete(api: &Api, parameters: Parameters<'_>) -> Answer {
    let target = api.place.state_machine(parameters.required("stateMachineVersionArn"))?;
    let version = target.version().ok_or_else(|| not_a_version(target.arn))?;
    api.engine.delete_version(target.name, version).map_err(|error| ApiError::of(error, target.arn))?;
    Ok(json!({}))
}

pub(super) fn create_alias(api: &Api, parameters: Parameters<'_>) -> Answer {
    let name = parameters.required("name");
    let (state_machine, routes) = routes(api, parameters)?;
    let request = CreateAlias {
        state_machine: state_machine.name.to_owned(),
        name: name.to_owned(),
        description: parameters.owned("description"),
        routes,
    };
    let created = api.engine.create_alias(request).map_err(|error| ApiError::of(error, state_machine.arn))?;
    Ok(json!({
        "stateMachineAliasArn": api.place.qualified_arn(state_machine.name, name),
        "creationDate": seconds(created.created_millis),
    }))
}

pub(super) fn update_alias(api: &Api, parameters: Parameters<'_>) -> Answer {
    let (target, alias) = alias_of(api, parameters)?;
    let description = parameters.owned("description");
    let routes = if parameters.list("routingConfiguration").is_some() {
        let (state_machine, routes) = routes(api, parameters)?;
        if state_machine.name != target.name {
            return Err(other_machine(&[state_machine.arn]));
        }
        Some(routes)
    } else {
        None
    };
    if description.is_none() && routes.is_none() {
        return Err(ApiError::validation(
            "Either the description or the routing configuration must be specified",
        ));
    }
    let updated = api.engine.update_alias(target.name, alias, UpdateAlias { description, routes });
    let updated = updated.map_err(|error| alias_error(error, &target))?;
    Ok(json!({ "updateDate": seconds(updated.updated_millis) }))
}

pub(super) fn delete_alias(api: &Api, parameters: Parameters<'_>) -> Answer {
    let (target, alias) = alias_of(api, parameters)?;
    api.engine.delete_alias(target.name, alias).map_err(|error| ApiError::of(error, target.arn))?;
    Ok(json!({}))
}

pub(super) fn describe_alias(api: &Api, parameters: Parameters<'_>) -> Answer {
    let (target, alias) = alias_of(api, parameters)?;
    let found = api.engine.alias(target.name, alias).map_err(|error| alias_error(error, &target))?;
    let Alias { name, description, routes, created_millis, updated_millis } = &*found;
    let routes: Vec<Value> = routes
        .iter()
        .map(|route| {
            let arn = api.place.qualified_arn(target.name, route.version);
            json!({ "stateMachineVersionArn": arn, "weight": route.weight })
        })
        .collect();
    Ok(Fields::default()
        .with("stateMachineAliasArn", target.arn)
        .with("name", name.as_str())
        .maybe("description", description.as_deref())
        .with("routingConfiguration", routes)
        .with("creationDate", seconds(*created_millis))
        .with("updateDate", seconds(*updated_millis))
        .into())
}

pub(super) fn list_aliases(api: &Api, parameters: Parameters<'_>) -> Answer {
    let target = api.place.state_machine(parameters.required("stateMachineArn"))?;
    let page = Page::of(parameters, &["ListStateMachineAliases", target.arn])?;
    if target.alias().is_some() {
        return Err(ApiError::no_state_machine(target.arn));
    }
    let found = api.engine.aliases(target.name, target.version(), page.after.as_deref(), page.one_more());
    let mut aliases = found.map_err(|error| ApiError::of(error, target.arn))?;
    let next = page.cut(&mut aliases, |alias| alias.name.clone());
    let aliases: Vec<Value> = aliases
        .into_iter()
        .map(|alias| {
            json!({
                "stateMachineAliasArn": api.place.qualified_arn(target.name, &alias.name),
                "creationDate": seconds(alias.created_millis),
            })
        })
        .collect();
    Ok(Fields::default().with("stateMachineAliases", aliases).maybe("nextToken", next).into())
}

fn alias_of<'a>(api: &Api, parameters: Parameters<'a>) -> Answer<(StateMachineArn<'a>, &'a str)> {
    let target = api.place.state_machine(parameters.required("stateMachineAliasArn"))?;
    match target.alias() {
        Some(alias) => Ok((target, alias)),
        None => Err(ApiError::validation(format!(
            "A state machine alias ARN is expected. Received: [{}]",
            target.arn
        ))),
    }
}

/// An alias that is not there is a resource that is not there. Recorded on AWS.
fn alias_error(error: engine::EngineError, target: &StateMachineArn<'_>) -> ApiError {
    match error {
        engine::EngineError::StateMachineDoesNotExist { .. } => ApiError::no_resource(),
        other => ApiError::of(other, target.arn),
    }
}

/// Reads where an alias leads: to one or two versions of one state machine, with a sum of 100.
fn routes<'a>(api: &Api, parameters: Parameters<'a>) -> Answer<(StateMachineArn<'a>, Vec<Route>)> {
    let given: Vec<(&str, u32)> = parameters
        .structures("routingConfiguration")
        .map(|route| {
            let weight = route.number("weight").and_then(|weight| u32::try_from(weight).ok());
            (route.required("stateMachineVersionArn"), weight.unwrap_or_default())
        })
        .collect();
    let arns: Vec<&str> = given.iter().map(|(arn, _)| *arn).collect();
    let mut machine: Option<StateMachineArn<'a>> = None;
    let mut routes = Vec::new();
    for (arn, weight) in &given {
        let target = api.place.state_machine(arn)?;
        let version = target.version().ok_or_else(|| not_versions(&arns))?;
        if machine.is_some_and(|machine| machine.name != target.name) {
            return Err(other_machine(&arns));
        }
        if routes.iter().any(|route: &Route| route.version == version) {
            return Err(ApiError::validation(format!(
                "Routing configuration must contain distinct state machine version ARNs. Received: [{}]",
                arns.join(", ")
            )));
        }
        machine = Some(target);
        routes.push(Route { version, weight: *weight });
    }
    let machine = machine.ok_or_else(|| not_versions(&arns))?;
    let weights: Vec<String> = routes.iter().map(|route| route.weight.to_string()).collect();
    if routes.iter().map(|route| route.weight).sum::<u32>() != 100 {
        return Err(ApiError::validation(format!(
            "Sum of routing configuration weights must equal 100. Received: [{}]",
            weights.join(", ")
        )));
    }
    Ok((machine, routes))
}

fn not_versions(arns: &[&str]) -> ApiError {
    let arns = arns.join(", ");
    ApiError::validation(format!(
        "Routing configuration must contain state machine version ARNs. Received: [{arns}]"
    ))
}

fn other_machine(arns: &[&str]) -> ApiError {
    let arns = arns.join(", ");
    ApiError::validation(format!(
        "Routing configuration must contain versions of the same state machine. Received: [{arns}]"
    ))
}

fn not_a_version(arn: &str) -> ApiError {
    ApiError::validation(format!("A state machine version ARN is expected. Received: [{arn}]"))
}
