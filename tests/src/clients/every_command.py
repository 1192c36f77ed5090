"""Every command of `aws stepfunctions`, in one process: each is answered by the service, with a
result or with an error of the service. Prints their number, and those that were not, as JSON.
"""
import contextlib
import io
import json
import re

import awscli.clidriver

ARN = "arn:aws:states:us-east-1:123456789012:{}"
VALUES = {
    "definition": '{"StartAt": "P", "States": {"P": {"Type": "Pass", "End": true}}}',
    "execution-arn": ARN.format("execution:m:e"), "map-run-arn": ARN.format("mapRun:m/l:1"),
    "name": "n", "resource-arn": ARN.format("stateMachine:m"), "role-arn": "arn:aws:iam::123456789012:role/r",
    "routing-configuration": "stateMachineVersionArn=" + ARN.format("stateMachine:m:1") + ",weight=100",
    "state-machine-alias-arn": ARN.format("stateMachine:m:a"), "state-machine-arn": ARN.format("stateMachine:m"),
    "state-machine-version-arn": ARN.format("stateMachine:m:1"), "tag-keys": "k", "tags": "key=k,value=v",
    "task-output": "1", "task-token": "t", "activity-arn": ARN.format("activity:none"),
}
# One of these belongs to the call, and the model does not say so.
MORE = {"list-executions": ["state-machine-arn"], "update-map-run": ["max-concurrency"]}
VALUES["max-concurrency"] = "1"

driver = awscli.clidriver.create_clidriver()
# The command line has no other way to list its commands.
commands = driver._get_command_table()["stepfunctions"]._get_command_table()
# Running one adds `help`.
commands = sorted(commands.items())
unanswered = []
for name, command in commands:
    needed = [argument for argument, model in command.arg_table.items() if model.required]
    arguments = ["stepfunctions", name]
    for argument in needed + MORE.get(name, []):
        arguments += [f"--{argument}", VALUES[argument]]
    said = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
        status = driver.main(arguments)
    # The code of an error of the service is in brackets.
    refused = re.search(r"An error occurred \((\w+)\) when calling", said.getvalue())
    if status != 0 and (not refused or refused[1] in ("UnknownOperationException", "InternalFailure")):
        unanswered.append([name, status, said.getvalue()[-300:]])
print(json.dumps({"commands": len(commands), "unanswered": unanswered}))
