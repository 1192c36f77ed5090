"""Invokes the functions of `stepwright dev --functions` as Lambda's, and by a state machine."""

import base64
import json
import time

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

functions = boto3.client("lambda", config=Config(retries={"max_attempts": 0}))
states = boto3.client("stepfunctions")
seen = {}


def refused(function, **arguments):
    try:
        functions.invoke(FunctionName=function, **arguments)
    except ClientError as error:
        reason = error.response.get("Reason")
        return [error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"], reason]
    return "was not refused"


answer = functions.invoke(FunctionName="echo", Payload=json.dumps({"n": 1}), LogType="Tail")
log = base64.b64decode(answer["LogResult"]).decode()
seen["answered"] = [answer["StatusCode"], json.load(answer["Payload"]), answer["ExecutedVersion"]]
seen["log"] = ["START RequestId: " in log, "said by echo\n" in log, "\tMemory Size: 256 MB\t" in log]
failed = functions.invoke(FunctionName="arn:aws:lambda:us-east-1:123456789012:function:broken", Qualifier="PROD")
seen["failed"] = [failed["StatusCode"], failed["FunctionError"], json.load(failed["Payload"])["errorType"]]
seen["event"] = functions.invoke(FunctionName="echo", InvocationType="Event")["StatusCode"]
seen["dry"] = functions.invoke(FunctionName="echo", InvocationType="DryRun")["StatusCode"]
seen["missing"] = refused("nothing")
seen["throttled"] = refused("off")
seen["too_large"] = refused("echo", Payload=b'"' + b"x" * 6_291_456 + b'"')

definition = {
    "StartAt": "Direct",
    "States": {
        "Direct": {
            "Type": "Task",
            "Resource": "arn:aws:lambda:us-east-1:123456789012:function:echo",
            "Next": "Optimised",
        },
        "Optimised": {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke",
            "Parameters": {"FunctionName": "broken", "Payload.$": "$"},
            "Catch": [{"ErrorEquals": ["Replay.Broken"], "ResultPath": "$.caught", "Next": "Done"}],
            "End": True,
        },
        "Done": {"Type": "Pass", "OutputPath": "$.n", "End": True},
    },
}
machine = states.create_state_machine(
    name="calls", definition=json.dumps(definition), roleArn="arn:aws:iam::123456789012:role/r"
)["stateMachineArn"]
execution = states.start_execution(stateMachineArn=machine, name="calls-1", input='{"n": 2}')["executionArn"]
for _ in range(600):
    described = states.describe_execution(executionArn=execution)
    if described["status"] != "RUNNING":
        break
    time.sleep(0.05)
seen["execution"] = [described["status"], described.get("output")]
types = [event["type"] for event in states.get_execution_history(executionArn=execution)["events"]]
seen["events"] = [kind for kind in types if kind.startswith(("Lambda", "Task")) and "State" not in kind]
print(json.dumps(seen))
