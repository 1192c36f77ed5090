"""An object that is put starts an execution that reads it: see clients/triggers.rs. Prints what it saw as JSON."""
import json
import time

import boto3

ROLE = "arn:aws:iam::123456789012:role/delivery"
READ = json.dumps({
    "StartAt": "Read",
    "States": {
        "Read": {
            "Type": "Task",
            "Resource": "arn:aws:states:::aws-sdk:s3:getObject",
            "Parameters": {"Bucket.$": "$.bucket.name", "Key.$": "$.object.key"},
            "ResultSelector": {"text.$": "$.Body", "type.$": "$.ContentType"},
            "End": True,
        }
    },
})

s3, sfn = boto3.client("s3"), boto3.client("stepfunctions")
machine = sfn.create_state_machine(name="delivery", definition=READ, roleArn=ROLE)["stateMachineArn"]
s3.create_bucket(Bucket="drops")
# As scripts for AWS do; it is so here anyway.
s3.put_bucket_notification_configuration(
    Bucket="drops", NotificationConfiguration={"EventBridgeConfiguration": {}}
)
configuration = s3.get_bucket_notification_configuration(Bucket="drops")
s3.put_object(Bucket="drops", Key="out/ä.txt", Body=b"not this one")
s3.put_object(Bucket="drops", Key="in/ä.txt", Body=b"figures", ContentType="text/plain")
for _ in range(600):
    found = sfn.list_executions(stateMachineArn=machine)["executions"]
    if found and all(one["status"] != "RUNNING" for one in found):
        break
    time.sleep(0.05)
described = [sfn.describe_execution(executionArn=one["executionArn"]) for one in found]
print(json.dumps({
    "notification": configuration.get("EventBridgeConfiguration"),
    "executions": [[one["status"], json.loads(one.get("output", "null"))] for one in described],
}))
