"""What every client does, with boto3: see clients/mod.rs. Prints what it saw as JSON."""
import json

import boto3
from botocore.exceptions import ClientError

ROLE = "arn:aws:iam::123456789012:role/orders"
DOUBLE = {
    "QueryLanguage": "JSONata",
    "StartAt": "Double",
    "States": {
        "Double": {"Type": "Pass", "Output": {"twice": "{% $states.input.n * 2 %}"}, "End": True}
    },
}

sfn = boto3.client("stepfunctions")


def machine(name, definition, kind="STANDARD"):
    created = sfn.create_state_machine(
        name=name, definition=json.dumps(definition), roleArn=ROLE, type=kind
    )
    return created["stateMachineArn"]


def wait(arn):
    while True:
        described = sfn.describe_execution(executionArn=arn)
        if described["status"] != "RUNNING":
            return described


seen = {}
double = machine("double", DOUBLE)
arn = sfn.start_execution(stateMachineArn=double, name="first", input='{"n": 21}')["executionArn"]
ended = wait(arn)
seen["started"] = [ended["status"], json.loads(ended["output"])]
pages = sfn.get_paginator("get_execution_history").paginate(
    executionArn=arn, PaginationConfig={"PageSize": 2}
)
seen["history"] = [event["type"] for page in pages for event in page["events"]]

activity = sfn.create_activity(name="work")["activityArn"]
works = machine(
    "works",
    {"StartAt": "Work", "States": {"Work": {"Type": "Task", "Resource": activity, "End": True}}},
)
arn = sfn.start_execution(stateMachineArn=works, input='"in"')["executionArn"]
task = sfn.get_activity_task(activityArn=activity, workerName="w")
sfn.send_task_heartbeat(taskToken=task["taskToken"])
sfn.send_task_failure(taskToken=task["taskToken"], error="Work.Broken", cause="no luck")
ended = wait(arn)
seen["failed"] = [ended["status"], ended["error"], ended["cause"], ended["redriveStatus"]]
sfn.redrive_execution(executionArn=arn)
task = sfn.get_activity_task(activityArn=activity, workerName="w")
sfn.send_task_success(taskToken=task["taskToken"], output='"out"')
ended = wait(arn)
seen["redriven"] = [ended["status"], ended["output"], ended["redriveCount"]]

arn = sfn.start_execution(stateMachineArn=works)["executionArn"]
sfn.stop_execution(executionArn=arn, error="Stopped", cause="enough")
ended = wait(arn)
seen["stopped"] = [ended["status"], ended["error"]]

version = sfn.publish_state_machine_version(stateMachineArn=double)["stateMachineVersionArn"]
alias = sfn.create_state_machine_alias(
    name="live", routingConfiguration=[{"stateMachineVersionArn": version, "weight": 100}]
)["stateMachineAliasArn"]
arn = sfn.start_execution(stateMachineArn=alias, input='{"n": 1}')["executionArn"]
seen["alias"] = wait(arn)["stateMachineVersionArn"].rsplit(":", 1)[1]

second = sfn.update_state_machine(
    stateMachineArn=double, definition=json.dumps({**DOUBLE, "Comment": "second"}), publish=True
)["stateMachineVersionArn"]
routes = [{"stateMachineVersionArn": version, "weight": 30}, {"stateMachineVersionArn": second, "weight": 70}]
sfn.update_state_machine_alias(stateMachineAliasArn=alias, routingConfiguration=routes)
routes = sfn.describe_state_machine_alias(stateMachineAliasArn=alias)["routingConfiguration"]
seen["routes"] = [[route["stateMachineVersionArn"].rsplit(":", 1)[1], route["weight"]] for route in routes]

child = {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}, "StartAt": "P",
         "States": {"P": {"Type": "Pass", "End": True}}}
mapped = machine("mapped", {"StartAt": "M", "States": {"M": {"Type": "Map", "ItemProcessor": child, "End": True}}})
arn = sfn.start_execution(stateMachineArn=mapped, input="[1, 2]")["executionArn"]
wait(arn)
run = sfn.list_map_runs(executionArn=arn)["mapRuns"][0]["mapRunArn"]
run = sfn.describe_map_run(mapRunArn=run)
seen["mapped"] = [run["status"], run["itemCounts"]["succeeded"]]

sfn.tag_resource(resourceArn=double, tags=[{"key": "team", "value": "a"}, {"key": "x", "value": ""}])
sfn.untag_resource(resourceArn=double, tagKeys=["x"])
tags = sfn.list_tags_for_resource(resourceArn=double)["tags"]
seen["tags"] = [[tag["key"], tag["value"]] for tag in tags]
seen["validated"] = sfn.validate_state_machine_definition(definition="{}")["result"]

tested = sfn.test_state(
    definition=json.dumps({"Type": "Pass", "Result": 7, "Next": "Then"}), roleArn=ROLE, input="{}"
)
seen["tested"] = [tested["status"], tested["output"], tested["nextState"]]

express = machine("express", DOUBLE, "EXPRESS")
ended = sfn.start_sync_execution(stateMachineArn=express, input='{"n": 4}')
seen["sync"] = [ended["status"], json.loads(ended["output"])]

try:
    sfn.describe_execution(executionArn=arn + "-not")
except sfn.exceptions.ExecutionDoesNotExist as error:
    seen["error"] = [error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]]
except ClientError as error:
    seen["error"] = ["not typed", str(error)]
print(json.dumps(seen))
