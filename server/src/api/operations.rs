//! The table of operations: what each takes, and who answers it.

use super::error::Answer;
use super::parameters::Parameters;
use super::shapes::{
    ALIAS_NAME, ARN, CAUSE, CLIENT_TOKEN, DATA, DEFINITION, DESCRIPTION, ENCRYPTION, ERROR, EXECUTION_STATUS,
    EXECUTIONS_PAGE_TOKEN, FAILURE_COUNT, FAILURE_PERCENTAGE, FLAG, INCLUDED_DATA, INSPECTION_LEVEL, LOGGING,
    LONG_ARN, MAX_CONCURRENCY, MAX_DIAGNOSTICS, MOCK, Member, NAME, PAGE_SIZE, PAGE_TOKEN, REDRIVE_FILTER,
    REVISION_ID, ROUTES, SEVERITY, STATE_CONFIGURATION, STATE_NAME, TAG_KEYS, TAGS, TASK_TOKEN, TRACE_HEADER,
    TRACING, TYPE, optional, required,
};
use super::{Api, activities, definitions, executions, map_runs, state_machines, tags, test_state, versions};

/// An operation of the API.
pub(super) struct Operation {
    pub(super) name: &'static str,
    pub(super) members: &'static [Member],
    pub(super) run: fn(&Api, Parameters<'_>) -> Answer,
}

macro_rules! operations {
    ($($name:literal ($($member:expr),* $(,)?) => $run:path;)+) => {
        &[$(Operation { name: $name, members: &[$($member),*], run: $run }),+]
    };
}

/// Every operation that is answered.
pub(super) static ALL: &[Operation] = operations! {
    "CreateActivity" (
        required("name", &NAME), optional("tags", &TAGS), optional("encryptionConfiguration", &ENCRYPTION),
    ) => activities::create;
    "CreateStateMachine" (
        required("name", &NAME), required("definition", &DEFINITION), required("roleArn", &ARN),
        optional("type", &TYPE), optional("loggingConfiguration", &LOGGING), optional("tags", &TAGS),
        optional("tracingConfiguration", &TRACING), optional("publish", &FLAG),
        optional("versionDescription", &DESCRIPTION), optional("encryptionConfiguration", &ENCRYPTION),
    ) => state_machines::create;
    "CreateStateMachineAlias" (
        optional("description", &DESCRIPTION), required("name", &ALIAS_NAME),
        required("routingConfiguration", &ROUTES),
    ) => versions::create_alias;
    "DeleteActivity" (required("activityArn", &ARN)) => activities::delete;
    "DeleteStateMachine" (required("stateMachineArn", &ARN)) => state_machines::delete;
    "DeleteStateMachineAlias" (required("stateMachineAliasArn", &ARN)) => versions::delete_alias;
    "DeleteStateMachineVersion" (required("stateMachineVersionArn", &LONG_ARN)) => versions::delete;
    "DescribeActivity" (required("activityArn", &ARN)) => activities::describe;
    "DescribeExecution" (
        required("executionArn", &ARN), optional("includedData", &INCLUDED_DATA),
    ) => executions::describe;
    "DescribeMapRun" (required("mapRunArn", &LONG_ARN)) => map_runs::describe;
    "DescribeStateMachine" (
        required("stateMachineArn", &ARN), optional("includedData", &INCLUDED_DATA),
    ) => state_machines::describe;
    "DescribeStateMachineAlias" (required("stateMachineAliasArn", &ARN)) => versions::describe_alias;
    "DescribeStateMachineForExecution" (
        required("executionArn", &ARN), optional("includedData", &INCLUDED_DATA),
    ) => state_machines::describe_for_execution;
    "GetActivityTask" (required("activityArn", &ARN), optional("workerName", &NAME)) => activities::get_task;
    "GetExecutionHistory" (
        required("executionArn", &ARN), optional("maxResults", &PAGE_SIZE), optional("reverseOrder", &FLAG),
        optional("nextToken", &PAGE_TOKEN), optional("includeExecutionData", &FLAG),
    ) => executions::history;
    "ListActivities" (optional("maxResults", &PAGE_SIZE), optional("nextToken", &PAGE_TOKEN)) => activities::list;
    "ListExecutions" (
        optional("stateMachineArn", &ARN), optional("statusFilter", &EXECUTION_STATUS),
        optional("maxResults", &PAGE_SIZE), optional("nextToken", &EXECUTIONS_PAGE_TOKEN),
        optional("mapRunArn", &LONG_ARN), optional("redriveFilter", &REDRIVE_FILTER),
    ) => executions::list;
    "ListMapRuns" (
        required("executionArn", &ARN), optional("maxResults", &PAGE_SIZE), optional("nextToken", &PAGE_TOKEN),
    ) => map_runs::list;
    "ListStateMachineAliases" (
        required("stateMachineArn", &ARN), optional("nextToken", &PAGE_TOKEN), optional("maxResults", &PAGE_SIZE),
    ) => versions::list_aliases;
    "ListStateMachineVersions" (
        required("stateMachineArn", &ARN), optional("nextToken", &PAGE_TOKEN), optional("maxResults", &PAGE_SIZE),
    ) => versions::list;
    "ListStateMachines" (
        optional("maxResults", &PAGE_SIZE), optional("nextToken", &PAGE_TOKEN),
    ) => state_machines::list;
    "ListTagsForResource" (required("resourceArn", &ARN)) => tags::list;
    "PublishStateMachineVersion" (
        required("stateMachineArn", &ARN), optional("revisionId", &REVISION_ID),
        optional("description", &DESCRIPTION),
    ) => versions::publish;
    "RedriveExecution" (
        required("executionArn", &ARN), optional("clientToken", &CLIENT_TOKEN),
    ) => executions::redrive;
    "SendTaskFailure" (
        required("taskToken", &TASK_TOKEN), optional("error", &ERROR), optional("cause", &CAUSE),
    ) => activities::send_failure;
    "SendTaskHeartbeat" (required("taskToken", &TASK_TOKEN)) => activities::send_heartbeat;
    "SendTaskSuccess" (required("taskToken", &TASK_TOKEN), required("output", &DATA)) => activities::send_success;
    "StartExecution" (
        required("stateMachineArn", &ARN), optional("name", &NAME), optional("input", &DATA),
        optional("traceHeader", &TRACE_HEADER),
    ) => executions::start;
    "StartSyncExecution" (
        required("stateMachineArn", &ARN), optional("name", &NAME), optional("input", &DATA),
        optional("traceHeader", &TRACE_HEADER), optional("includedData", &INCLUDED_DATA),
    ) => executions::start_sync;
    "StopExecution" (
        required("executionArn", &ARN), optional("error", &ERROR), optional("cause", &CAUSE),
    ) => executions::stop;
    "TagResource" (required("resourceArn", &ARN), required("tags", &TAGS)) => tags::add;
    "TestState" (
        required("definition", &DEFINITION), optional("roleArn", &ARN), optional("input", &DATA),
        optional("inspectionLevel", &INSPECTION_LEVEL), optional("revealSecrets", &FLAG),
        optional("variables", &DATA), optional("stateName", &STATE_NAME), optional("mock", &MOCK),
        optional("context", &DATA), optional("stateConfiguration", &STATE_CONFIGURATION),
    ) => test_state::test;
    "UntagResource" (required("resourceArn", &ARN), required("tagKeys", &TAG_KEYS)) => tags::remove;
    "UpdateMapRun" (
        required("mapRunArn", &LONG_ARN), optional("maxConcurrency", &MAX_CONCURRENCY),
        optional("toleratedFailurePercentage", &FAILURE_PERCENTAGE),
        optional("toleratedFailureCount", &FAILURE_COUNT),
    ) => map_runs::update;
    "UpdateStateMachine" (
        required("stateMachineArn", &ARN), optional("definition", &DEFINITION), optional("roleArn", &ARN),
        optional("loggingConfiguration", &LOGGING), optional("tracingConfiguration", &TRACING),
        optional("publish", &FLAG), optional("versionDescription", &DESCRIPTION),
        optional("encryptionConfiguration", &ENCRYPTION),
    ) => state_machines::update;
    "UpdateStateMachineAlias" (
        required("stateMachineAliasArn", &ARN), optional("description", &DESCRIPTION),
        optional("routingConfiguration", &ROUTES),
    ) => versions::update_alias;
    "ValidateStateMachineDefinition" (
        required("definition", &DEFINITION), optional("type", &TYPE), optional("severity", &SEVERITY),
        optional("maxResults", &MAX_DIAGNOSTICS),
    ) => definitions::validate;
};
