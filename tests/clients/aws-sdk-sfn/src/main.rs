//! What every client does, with AWS's SDK for Rust: see `tests/src/clients/mod.rs`.
//! Prints what it saw as JSON.

use std::env;
use std::error::Error;

use aws_sdk_sfn::Client;
use aws_sdk_sfn::config::interceptors::BeforeTransmitInterceptorContextMut;
use aws_sdk_sfn::config::{ConfigBag, Credentials, Intercept, Region, RuntimeComponents};
use aws_sdk_sfn::error::{BoxError, BuildError};
use aws_sdk_sfn::operation::describe_execution::DescribeExecutionOutput;
use aws_sdk_sfn::types::{ExecutionStatus, RoutingConfigurationListItem, StateMachineType, Tag};
use serde_json::{Value, json};

const ROLE: &str = "arn:aws:iam::123456789012:role/orders";

/// The SDK puts `sync-` before the host and knows no setting against it.
#[derive(Debug)]
struct WithoutPrefix;

impl Intercept for WithoutPrefix {
    fn name(&self) -> &'static str {
        "WithoutPrefix"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request_mut();
        if let Some(rest) = request.uri().strip_prefix("http://sync-") {
            let uri = format!("http://{rest}");
            request.set_uri(uri)?;
        }
        Ok(())
    }
}

fn client() -> Result<Client, Box<dyn Error>> {
    let variable = |name: &str| env::var(name).map_err(|_| format!("{name} is not set"));
    let keys = Credentials::new(
        variable("AWS_ACCESS_KEY_ID")?,
        variable("AWS_SECRET_ACCESS_KEY")?,
        None,
        None,
        "environment",
    );
    let config = aws_sdk_sfn::Config::builder()
        .endpoint_url(variable("AWS_ENDPOINT_URL_SFN")?)
        .region(Region::new(variable("AWS_REGION")?))
        .credentials_provider(keys)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .interceptor(WithoutPrefix);
    Ok(Client::from_conf(config.build()))
}

async fn machine(
    sfn: &Client,
    name: &str,
    definition: &Value,
    kind: StateMachineType,
) -> Result<String, Box<dyn Error>> {
    let create = sfn.create_state_machine().name(name).definition(definition.to_string());
    Ok(create.role_arn(ROLE).r#type(kind).send().await?.state_machine_arn)
}

async fn start(sfn: &Client, machine: &str, input: &str) -> Result<String, Box<dyn Error>> {
    Ok(sfn.start_execution().state_machine_arn(machine).input(input).send().await?.execution_arn)
}

async fn wait(sfn: &Client, arn: &str) -> Result<DescribeExecutionOutput, Box<dyn Error>> {
    loop {
        let described = sfn.describe_execution().execution_arn(arn).send().await?;
        if *described.status() != ExecutionStatus::Running {
            return Ok(described);
        }
    }
}

async fn task(sfn: &Client, activity: &str) -> Result<String, Box<dyn Error>> {
    let task = sfn.get_activity_task().activity_arn(activity).worker_name("w").send().await?;
    Ok(task.task_token.ok_or("no task")?)
}

fn route(version: &str, weight: i32) -> Result<RoutingConfigurationListItem, BuildError> {
    RoutingConfigurationListItem::builder().state_machine_version_arn(version).weight(weight).build()
}

/// Divides an alias between a version and a second one; answers what it is then.
async fn divide(
    sfn: &Client,
    machine: &str,
    mut definition: Value,
    alias: &str,
    first: &str,
) -> Result<Value, Box<dyn Error>> {
    definition["Comment"] = json!("second");
    let update = sfn.update_state_machine().state_machine_arn(machine).definition(definition.to_string());
    let second = update.publish(true).send().await?.state_machine_version_arn.ok_or("no version")?;
    let update = sfn.update_state_machine_alias().state_machine_alias_arn(alias);
    let update = update.routing_configuration(route(first, 30)?).routing_configuration(route(&second, 70)?);
    update.send().await?;
    let described = sfn.describe_state_machine_alias().state_machine_alias_arn(alias).send().await?;
    let routes = described.routing_configuration().iter();
    Ok(routes
        .map(|route| json!([route.state_machine_version_arn().rsplit(':').next(), route.weight()]))
        .collect())
}

/// Runs a distributed Map.
async fn mapped(sfn: &Client) -> Result<Value, Box<dyn Error>> {
    let child = json!({
        "ProcessorConfig": { "Mode": "DISTRIBUTED", "ExecutionType": "STANDARD" }, "StartAt": "P",
        "States": { "P": { "Type": "Pass", "End": true } },
    });
    let map = json!({
        "StartAt": "M", "States": { "M": { "Type": "Map", "ItemProcessor": child, "End": true } },
    });
    let map = machine(sfn, "mapped", &map, StateMachineType::Standard).await?;
    let arn = start(sfn, &map, "[1, 2]").await?;
    wait(sfn, &arn).await?;
    let runs = sfn.list_map_runs().execution_arn(arn).send().await?;
    let run = runs.map_runs().first().ok_or("no Map Run")?;
    let run = sfn.describe_map_run().map_run_arn(run.map_run_arn()).send().await?;
    Ok(json!([run.status().as_str(), run.item_counts().map(|counts| counts.succeeded())]))
}

/// Tags, untags, and lists what is left.
async fn tagged(sfn: &Client, arn: &str) -> Result<Value, Box<dyn Error>> {
    let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build();
    sfn.tag_resource().resource_arn(arn).tags(tag("team", "a")).tags(tag("x", "")).send().await?;
    sfn.untag_resource().resource_arn(arn).tag_keys("x").send().await?;
    let tags = sfn.list_tags_for_resource().resource_arn(arn).send().await?;
    Ok(tags.tags().iter().map(|tag| json!([tag.key(), tag.value()])).collect())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let sfn = client()?;
    let double = json!({
        "QueryLanguage": "JSONata", "StartAt": "Double", "States": {
            "Double": { "Type": "Pass", "Output": { "twice": "{% $states.input.n * 2 %}" }, "End": true },
        },
    });
    let doubling = machine(&sfn, "double", &double, StateMachineType::Standard).await?;
    let arn = start(&sfn, &doubling, "{\"n\": 21}").await?;
    let started = wait(&sfn, &arn).await?;
    let mut history = Vec::new();
    let mut pages = sfn.get_execution_history().execution_arn(&arn).into_paginator().page_size(2).send();
    while let Some(page) = pages.next().await {
        history.extend(page?.events().iter().map(|event| event.r#type().as_str().to_owned()));
    }

    let activity = sfn.create_activity().name("work").send().await?.activity_arn;
    let work = json!({
        "StartAt": "Work", "States": { "Work": { "Type": "Task", "Resource": activity, "End": true } },
    });
    let works = machine(&sfn, "works", &work, StateMachineType::Standard).await?;
    let arn = start(&sfn, &works, "\"in\"").await?;
    let token = task(&sfn, &activity).await?;
    sfn.send_task_heartbeat().task_token(&token).send().await?;
    sfn.send_task_failure().task_token(token).error("Work.Broken").cause("no luck").send().await?;
    let failed = wait(&sfn, &arn).await?;
    sfn.redrive_execution().execution_arn(&arn).send().await?;
    let token = task(&sfn, &activity).await?;
    sfn.send_task_success().task_token(token).output("\"out\"").send().await?;
    let redriven = wait(&sfn, &arn).await?;

    let arn = start(&sfn, &works, "{}").await?;
    sfn.stop_execution().execution_arn(&arn).error("Stopped").cause("enough").send().await?;
    let stopped = wait(&sfn, &arn).await?;

    let version = sfn.publish_state_machine_version().state_machine_arn(&doubling).send().await?;
    let first = version.state_machine_version_arn;
    let route = route(&first, 100)?;
    let alias = sfn.create_state_machine_alias().name("live").routing_configuration(route);
    let alias = alias.send().await?.state_machine_alias_arn;
    let arn = start(&sfn, &alias, "{\"n\": 1}").await?;
    let by_alias = wait(&sfn, &arn).await?;

    let routes = divide(&sfn, &doubling, double.clone(), &alias, &first).await?;
    let run = mapped(&sfn).await?;
    let tags = tagged(&sfn, &doubling).await?;
    let validated = sfn.validate_state_machine_definition().definition("{}").send().await?;

    let state = json!({ "Type": "Pass", "Result": 7, "Next": "Then" }).to_string();
    let tested = sfn.test_state().definition(state).role_arn(ROLE).input("{}").send().await?;
    let express = machine(&sfn, "express", &double, StateMachineType::Express).await?;
    let sync = sfn.start_sync_execution().state_machine_arn(express).input("{\"n\": 4}").send().await?;

    let refused = sfn.describe_execution().execution_arn(format!("{arn}-not")).send().await;
    let error = refused.err().ok_or("an execution that is not there was described")?;
    let status = error.raw_response().map(|response| response.status().as_u16());
    let is_typed = error.as_service_error().is_some_and(|error| error.is_execution_does_not_exist());

    let parsed = |text: Option<&str>| serde_json::from_str::<Value>(text.unwrap_or_default());
    let seen = json!({
        "started": [started.status().as_str(), parsed(started.output())?],
        "history": history,
        "failed": [
            failed.status().as_str(), failed.error(), failed.cause(),
            failed.redrive_status().map(|status| status.as_str()),
        ],
        "redriven": [redriven.status().as_str(), redriven.output(), redriven.redrive_count()],
        "stopped": [stopped.status().as_str(), stopped.error()],
        "routes": routes,
        "mapped": run,
        "tags": tags,
        "validated": validated.result().as_str(),
        "alias": by_alias.state_machine_version_arn().and_then(|arn| arn.rsplit(':').next()),
        "tested": [tested.status().map(|status| status.as_str()), tested.output(), tested.next_state()],
        "sync": [sync.status().as_str(), parsed(sync.output())?],
        "error": [if is_typed { "ExecutionDoesNotExist" } else { "not typed" }, status],
    });
    println!("{seen}");
    Ok(())
}
