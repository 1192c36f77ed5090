#!/bin/bash
# What every client does, with AWS's command line: see clients/mod.rs. Prints what it saw as JSON.
# $AWS: the program; $PYTHON: an interpreter for the little there is to compute.
set -euo pipefail

sfn() { "$AWS" stepfunctions "$@"; }
value() { sfn "$@" --output text; }
role=arn:aws:iam::123456789012:role/orders
double='{"QueryLanguage":"JSONata","StartAt":"Double","States":{"Double":{"Type":"Pass","Output":{"twice":"{% $states.input.n * 2 %}"},"End":true}}}'

# wait ARN: until the execution has ended
wait_for() {
  while [ "$(value describe-execution --execution-arn "$1" --query status)" = RUNNING ]; do :; done
}
machine() { # NAME DEFINITION TYPE
  value create-state-machine --name "$1" --definition "$2" --type "$3" --role-arn "$role" --query stateMachineArn
}

machine=$(machine double "$double" STANDARD)
arn=$(value start-execution --state-machine-arn "$machine" --name first --input '{"n": 21}' --query executionArn)
wait_for "$arn"
started=$(sfn describe-execution --execution-arn "$arn")
history=$(sfn get-execution-history --execution-arn "$arn" --page-size 2)

activity=$(value create-activity --name work --query activityArn)
works=$(machine works "{\"StartAt\":\"Work\",\"States\":{\"Work\":{\"Type\":\"Task\",\"Resource\":\"$activity\",\"End\":true}}}" STANDARD)
arn=$(value start-execution --state-machine-arn "$works" --input '"in"' --query executionArn)
token=$(value get-activity-task --activity-arn "$activity" --worker-name w --query taskToken)
sfn send-task-heartbeat --task-token "$token"
sfn send-task-failure --task-token "$token" --error Work.Broken --cause 'no luck'
wait_for "$arn"
failed=$(sfn describe-execution --execution-arn "$arn")
sfn redrive-execution --execution-arn "$arn" > /dev/null
token=$(value get-activity-task --activity-arn "$activity" --worker-name w --query taskToken)
sfn send-task-success --task-token "$token" --task-output '"out"'
wait_for "$arn"
redriven=$(sfn describe-execution --execution-arn "$arn")

arn=$(value start-execution --state-machine-arn "$works" --query executionArn)
sfn stop-execution --execution-arn "$arn" --error Stopped --cause enough > /dev/null
wait_for "$arn"
stopped=$(sfn describe-execution --execution-arn "$arn")

version=$(value publish-state-machine-version --state-machine-arn "$machine" --query stateMachineVersionArn)
alias=$(value create-state-machine-alias --name live --routing-configuration "stateMachineVersionArn=$version,weight=100" --query stateMachineAliasArn)
arn=$(value start-execution --state-machine-arn "$alias" --input '{"n": 1}' --query executionArn)
wait_for "$arn"
by_alias=$(sfn describe-execution --execution-arn "$arn")

second=$(value update-state-machine --state-machine-arn "$machine" --definition "${double/\{/\{\"Comment\":\"second\",}" --publish --query stateMachineVersionArn)
sfn update-state-machine-alias --state-machine-alias-arn "$alias" --routing-configuration "stateMachineVersionArn=$version,weight=30" "stateMachineVersionArn=$second,weight=70" > /dev/null
routes=$(sfn describe-state-machine-alias --state-machine-alias-arn "$alias")

child='{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"},"StartAt":"P","States":{"P":{"Type":"Pass","End":true}}}'
mapped=$(machine mapped "{\"StartAt\":\"M\",\"States\":{\"M\":{\"Type\":\"Map\",\"ItemProcessor\":$child,\"End\":true}}}" STANDARD)
arn_of_map=$(value start-execution --state-machine-arn "$mapped" --input '[1, 2]' --query executionArn)
wait_for "$arn_of_map"
run=$(value list-map-runs --execution-arn "$arn_of_map" --query 'mapRuns[0].mapRunArn')
run=$(sfn describe-map-run --map-run-arn "$run")

sfn tag-resource --resource-arn "$machine" --tags key=team,value=a key=x,value=
sfn untag-resource --resource-arn "$machine" --tag-keys x
tags=$(sfn list-tags-for-resource --resource-arn "$machine")
validated=$(sfn validate-state-machine-definition --definition '{}')

tested=$(sfn test-state --definition '{"Type":"Pass","Result":7,"Next":"Then"}' --role-arn "$role" --input '{}')
express=$(machine express "$double" EXPRESS)
sync=$(sfn start-sync-execution --state-machine-arn "$express" --input '{"n": 4}')
error=$(sfn describe-execution --execution-arn "$arn-not" 2>&1 >/dev/null || true)

"$PYTHON" - "$started" "$history" "$failed" "$redriven" "$by_alias" "$tested" "$sync" "$stopped" "$routes" "$run" "$tags" "$validated" "$error" <<'PYTHON'
import json, re, sys
*documents, error = sys.argv[1:]
started, history, failed, redriven, by_alias, tested, sync, stopped, routes, run, tags, validated = map(json.loads, documents)
code = re.search(r"\((\w+)\)", error)
print(json.dumps({
    "started": [started["status"], json.loads(started["output"])],
    "history": [event["type"] for event in history["events"]],
    "failed": [failed["status"], failed["error"], failed["cause"], failed["redriveStatus"]],
    "redriven": [redriven["status"], redriven["output"], redriven["redriveCount"]],
    "stopped": [stopped["status"], stopped["error"]],
    "routes": [
        [route["stateMachineVersionArn"].rsplit(":", 1)[1], route["weight"]]
        for route in routes["routingConfiguration"]
    ],
    "mapped": [run["status"], run["itemCounts"]["succeeded"]],
    "tags": [[tag["key"], tag["value"]] for tag in tags["tags"]],
    "validated": validated["result"],
    "alias": by_alias["stateMachineVersionArn"].rsplit(":", 1)[1],
    "tested": [tested["status"], tested["output"], tested["nextState"]],
    "sync": [sync["status"], json.loads(sync["output"])],
    "error": [code and code.group(1), 400],
}))
PYTHON
