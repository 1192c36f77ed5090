"""Queues, events, schedules and pipes with boto3: see clients/triggers.rs. Prints what it saw as JSON."""
import datetime
import json
import time

import boto3
from botocore.exceptions import ClientError

ROLE = "arn:aws:iam::123456789012:role/orders"
PASS = json.dumps({"StartAt": "A", "States": {"A": {"Type": "Pass", "End": True}}})
SEND = json.dumps({
    "StartAt": "Send",
    "States": {
        "Send": {
            "Type": "Task",
            "Resource": "arn:aws:states:::sqs:sendMessage",
            "Parameters": {"QueueUrl.$": "$.queue", "MessageBody.$": "$.text"},
            "End": True,
        }
    },
})

sfn, sqs, events = boto3.client("stepfunctions"), boto3.client("sqs"), boto3.client("events")
scheduler, pipes = boto3.client("scheduler"), boto3.client("pipes")
seen = {}


def machine(name, definition):
    made = sfn.create_state_machine(name=name, definition=definition, roleArn=ROLE)
    return made["stateMachineArn"]


def refused(call, **parameters):
    try:
        call(**parameters)
    except ClientError as error:
        return [error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]]


def inputs(arn, count):
    """The inputs of the executions of a state machine, when there are so many and all have ended."""
    for _ in range(600):
        found = sfn.list_executions(stateMachineArn=arn)["executions"]
        if len(found) >= count and all(one["status"] != "RUNNING" for one in found):
            described = [sfn.describe_execution(executionArn=one["executionArn"]) for one in found]
            return [json.loads(one["input"]) for one in described]
        time.sleep(0.05)
    raise SystemExit(f"{arn} has not {count} executions")


# Queues.
dead = sqs.create_queue(QueueName="dead")["QueueUrl"]
dead_arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
policy = json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": 1})
work = sqs.create_queue(
    QueueName="work", Attributes={"RedrivePolicy": policy, "VisibilityTimeout": "0"}, tags={"team": "data"}
)["QueueUrl"]
# boto3 verifies the digests of what it sends and receives.
sqs.send_message(
    QueueUrl=work,
    MessageBody="poison",
    MessageAttributes={"A": {"DataType": "String", "StringValue": "ä"}, "B": {"DataType": "Binary", "BinaryValue": b"\0\1"}},
)
first = sqs.receive_message(QueueUrl=work, AttributeNames=["All"], MessageAttributeNames=["All"])["Messages"][0]
seen["received"] = [first["Body"], first["Attributes"]["ApproximateReceiveCount"], sorted(first["MessageAttributes"])]
seen["redriven"] = [
    "Messages" in sqs.receive_message(QueueUrl=work),
    sqs.receive_message(QueueUrl=dead, WaitTimeSeconds=5)["Messages"][0]["Body"],
]
batch = sqs.send_message_batch(
    QueueUrl=work, Entries=[{"Id": str(n), "MessageBody": f"m{n}", "DelaySeconds": 900} for n in range(3)]
)
seen["batch"] = [len(batch["Successful"]), len(batch.get("Failed", []))]
seen["tags"] = sqs.list_queue_tags(QueueUrl=work)["Tags"]
fifo = sqs.create_queue(
    QueueName="order.fifo", Attributes={"FifoQueue": "true", "ContentBasedDeduplication": "true"}
)["QueueUrl"]
sent = [sqs.send_message(QueueUrl=fifo, MessageBody=body, MessageGroupId="g") for body in ["1", "1", "2"]]
seen["fifo"] = [
    sent[0]["MessageId"] == sent[1]["MessageId"],
    [one["Body"] for one in sqs.receive_message(QueueUrl=fifo, MaxNumberOfMessages=10)["Messages"]],
]
seen["queue errors"] = [
    refused(sqs.get_queue_url, QueueName="none"),
    refused(sqs.delete_message, QueueUrl=work, ReceiptHandle="x"),
    refused(sqs.send_message_batch, QueueUrl=work, Entries=[{"Id": str(n), "MessageBody": "x"} for n in range(11)]),
]
try:
    sqs.get_queue_url(QueueName="none")
except sqs.exceptions.QueueDoesNotExist as error:
    seen["exception"] = type(error).__name__

# Events.
orders = machine("orders", PASS)
events.put_rule(Name="orders", EventPattern=json.dumps({"source": ["shop"], "detail": {"n": [{"numeric": [">", 1]}]}}))
events.put_targets(
    Rule="orders",
    Targets=[{
        "Id": "run",
        "Arn": orders,
        "RoleArn": ROLE,
        "InputTransformer": {"InputPathsMap": {"n": "$.detail.n"}, "InputTemplate": '{"order": <n>}'},
    }],
)
put = events.put_events(
    Entries=[{"Source": "shop", "DetailType": "Order", "Detail": json.dumps({"n": n})} for n in range(4)]
)
seen["events"] = [put["FailedEntryCount"], sorted(one["order"] for one in inputs(orders, 2))]
seen["rules"] = [rule["Name"] for rule in events.list_rules()["Rules"]]
seen["event errors"] = [
    refused(events.put_rule, Name="x", EventPattern='{"a": 1}'),
    refused(events.describe_rule, Name="none"),
]

# Schedules.
scheduled = machine("scheduled", PASS)
at = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=2)).strftime("%Y-%m-%dT%H:%M:%S")
scheduler.create_schedule(
    Name="once",
    ScheduleExpression=f"at({at})",
    FlexibleTimeWindow={"Mode": "OFF"},
    Target={"Arn": scheduled, "RoleArn": ROLE, "Input": '{"by": "schedule"}'},
)
seen["schedule"] = [scheduler.get_schedule(Name="once")["State"], inputs(scheduled, 1)]
seen["schedules"] = [one["Name"] for one in scheduler.list_schedules()["Schedules"]]
seen["schedule errors"] = [
    refused(scheduler.get_schedule, Name="none"),
    refused(
        scheduler.create_schedule,
        Name="x",
        ScheduleExpression="soon",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": scheduled, "RoleArn": ROLE},
    ),
]

# A pipe, and a task that sends to a queue of this endpoint.
results = sqs.create_queue(QueueName="results")["QueueUrl"]
piped = machine("piped", PASS)
made = pipes.create_pipe(
    Name="p",
    RoleArn=ROLE,
    Source="arn:aws:sqs:us-east-1:123456789012:results",
    Target=piped,
    TargetParameters={
        "InputTemplate": '{"text": "<$.body>"}',
        "StepFunctionStateMachineParameters": {"InvocationType": "FIRE_AND_FORGET"},
    },
)
send = machine("send", SEND)
sfn.start_execution(stateMachineArn=send, input=json.dumps({"queue": results, "text": "from a task"}))
seen["pipe"] = [made["CurrentState"], inputs(piped, 1)]
seen["pipes"] = [one["Name"] for one in pipes.list_pipes()["Pipes"]]
seen["pipe errors"] = [refused(pipes.describe_pipe, Name="none")]
print(json.dumps(seen))
