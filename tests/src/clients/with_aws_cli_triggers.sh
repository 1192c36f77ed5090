#!/bin/bash
# Queues, events, schedules and pipes with AWS's command line: see clients/triggers.rs. Prints what it saw as JSON.
# $AWS: the program; $PYTHON: an interpreter for the little there is to compute.
set -euo pipefail

value() { "$AWS" "$@" --output text; }
role=arn:aws:iam::123456789012:role/orders
pass='{"StartAt":"A","States":{"A":{"Type":"Pass","End":true}}}'
machine=$(value stepfunctions create-state-machine --name orders --definition "$pass" --role-arn "$role" --query stateMachineArn)

queue=$(value sqs create-queue --queue-name work --query QueueUrl)
value sqs send-message --queue-url "$queue" --message-body hello --query MD5OfMessageBody > digest
body=$(value sqs receive-message --queue-url "$queue" --visibility-timeout 0 --query 'Messages[0].Body')

"$AWS" events put-rule --name orders --event-pattern '{"source":["shop"]}' > rule
"$AWS" events put-targets --rule orders --targets "Id=run,Arn=$machine,RoleArn=$role" > targets
failed=$(value events put-events --entries '[{"Source":"shop","DetailType":"Order","Detail":"{\"n\":1}"}]' --query FailedEntryCount)

"$AWS" scheduler create-schedule --name s --schedule-expression 'cron(0 0 1 1 ? 2199)' \
  --flexible-time-window Mode=OFF --target "{\"Arn\":\"$machine\",\"RoleArn\":\"$role\"}" > schedule
schedules=$(value scheduler list-schedules --query 'Schedules[].Name')

"$AWS" pipes create-pipe --name p --role-arn "$role" --source arn:aws:sqs:us-east-1:123456789012:work --target "$machine" > pipe
# The event and the message that is in the queue.
while [ "$(value stepfunctions list-executions --state-machine-arn "$machine" --status-filter SUCCEEDED --query 'length(executions)')" != 2 ]; do :; done
error=$(value sqs get-queue-url --queue-name none 2>&1 || true)
"$PYTHON" - "$body" "$failed" "$schedules" "$(cat digest)" "$error" <<'PYTHON'
import json, sys
body, failed, schedules, digest, error = sys.argv[1:]
print(json.dumps([body, failed, schedules, digest, "NonExistentQueue" in error or "QueueDoesNotExist" in error]))
PYTHON
