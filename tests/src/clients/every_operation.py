"""Every operation of the service model against the endpoint: what is answered has the modelled
shape, what breaks a modelled constraint is refused in AWS's words, and what is no request of the
protocol is refused as AWS's front end does. The model says what is called and checked; see mod.rs.

Arguments: the service model. Prints what it saw as JSON: `operations` and `refusals` are numbers,
`wrong` lists every difference.
"""
import http.client
import json
import os
import re
import sys
import time
from urllib.parse import urlsplit

import boto3
from botocore.config import Config

MODEL = json.load(open(sys.argv[1]))
SHAPES = MODEL["shapes"]
ENDPOINT = urlsplit(os.environ["AWS_ENDPOINT_URL_SFN"])
ROLE = "arn:aws:iam::123456789012:role/orders"
JSON = "application/x-amz-json-1.0"
connection = http.client.HTTPConnection(ENDPOINT.hostname, ENDPOINT.port, timeout=120)
wrong = []
called = {}


def post(body, target=None, content_type=JSON):
    headers = {}
    if content_type:
        headers["Content-Type"] = content_type
    if target:
        headers["X-Amz-Target"] = target
    connection.request("POST", "/", body, headers)
    response = connection.getresponse()
    return response.status, response.read(), response.headers


def call(operation, **parameters):
    """Calls an operation that has to succeed, and checks its answer."""
    status, body, _ = post(json.dumps(parameters), f"AWSStepFunctions.{operation}")
    answer = json.loads(body)
    if status != 200:
        wrong.append(f"{operation}: {status} {answer}")
        return {}
    called[operation] = parameters
    check(MODEL["operations"][operation]["output"]["shape"], answer, operation)
    return answer


def check(name, value, path):
    """Checks a value of an answer against its shape."""
    shape = SHAPES[name]
    kind = shape["type"]
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    fits = {
        "structure": lambda: isinstance(value, dict),
        "list": lambda: isinstance(value, list),
        "map": lambda: isinstance(value, dict),
        "string": lambda: isinstance(value, str),
        "boolean": lambda: isinstance(value, bool),
        "integer": lambda: isinstance(value, int) and not isinstance(value, bool),
        "long": lambda: isinstance(value, int) and not isinstance(value, bool),
        "float": lambda: is_number,
        # Seconds since the epoch, this year, with milliseconds.
        "timestamp": lambda: is_number and 1.7e9 < value < 4e9 and round(value, 3) == value,
    }[kind]
    if not fits():
        wrong.append(f"{path} is no {kind} ({name}): {value!r:.80}")
        return
    if kind == "structure":
        for member in set(shape.get("required", [])) - set(value):
            wrong.append(f"{path}.{member} is missing")
        for member, part in value.items():
            if member not in shape["members"]:
                wrong.append(f"{path}.{member} is not in the model")
            elif (member, part) != ("taskToken", None):
                check(shape["members"][member]["shape"], part, f"{path}.{member}")
    elif kind == "list":
        for index, part in enumerate(value):
            check(shape["member"]["shape"], part, f"{path}[{index}]")
    elif kind == "map":
        for key, part in value.items():
            check(shape["key"]["shape"], key, f"{path}.{key}")
            check(shape["value"]["shape"], part, f"{path}.{key}")
    elif kind == "string":
        if "enum" in shape and value not in shape["enum"]:
            wrong.append(f"{path} is none of {name}: {value}")
        if not shape.get("min", 0) <= len(value) <= shape.get("max", 10**9):
            wrong.append(f"{path} has {len(value)} characters ({name})")
    elif kind in ("integer", "long", "float"):
        if not shape.get("min", -(10**18)) <= value <= shape.get("max", 10**18):
            wrong.append(f"{path} is {value} ({name})")


def machine(name, definition, **more):
    definition = json.dumps(definition)
    created = call("CreateStateMachine", name=name, definition=definition, roleArn=ROLE, **more)
    return created.get("stateMachineArn")


def wait(arn, status=None):
    while True:
        described = call("DescribeExecution", executionArn=arn)
        if described["status"] != "RUNNING":
            break
    if status and described["status"] != status:
        wrong.append(f"{arn} is {described['status']}, not {status}")
    return described


def equal(what, found, expected):
    if found != expected:
        wrong.append(f"{what}: {found!r}, not {expected!r}")


def history(arn, **more):
    events, request = [], {"executionArn": arn, **more}
    while True:
        page = call("GetExecutionHistory", **request)
        events += page["events"]
        if "nextToken" not in page:
            return events
        request["nextToken"] = page["nextToken"]


LOGGING = {
    "level": "ALL",
    "includeExecutionData": True,
    "destinations": [
        {"cloudWatchLogsLogGroup": {"logGroupArn": "arn:aws:logs:us-east-1:123456789012:log-group:/aws/orders:*"}}
    ],
}
KEY = {"type": "CUSTOMER_MANAGED_KMS_KEY", "kmsKeyId": "alias/orders", "kmsDataKeyReusePeriodSeconds": 60}


def tasks():
    """Activities and the operations of their tasks; an execution that fails and is redriven."""
    activity = call("CreateActivity", name="work", tags=[{"key": "team", "value": "a"}], encryptionConfiguration=KEY)
    activity = activity["activityArn"]
    equal("encryption of an activity", call("DescribeActivity", activityArn=activity)["encryptionConfiguration"], KEY)
    call("ListActivities", maxResults=10)
    works = machine(
        "works", {"StartAt": "Work", "States": {"Work": {"Type": "Task", "Resource": activity, "End": True}}}
    )
    execution = call("StartExecution", stateMachineArn=works, input='"in"', traceHeader="Root=1-2-3")["executionArn"]
    task = call("GetActivityTask", activityArn=activity, workerName="w")
    call("SendTaskHeartbeat", taskToken=task["taskToken"])
    call("SendTaskFailure", taskToken=task["taskToken"], error="Broken", cause="no luck")
    equal("redrive status", wait(execution, "FAILED")["redriveStatus"], "REDRIVABLE")
    call("RedriveExecution", executionArn=execution, clientToken="once")
    task = call("GetActivityTask", activityArn=activity)
    call("SendTaskSuccess", taskToken=task["taskToken"], output='"out"')
    equal("redrives", wait(execution, "SUCCEEDED")["redriveCount"], 1)
    history(execution)
    stopped = call("StartExecution", stateMachineArn=works)["executionArn"]
    call("StopExecution", executionArn=stopped, error="Stopped", cause="enough")
    wait(stopped, "ABORTED")
    executions = call("ListExecutions", stateMachineArn=works, statusFilter="ABORTED", maxResults=1)["executions"]
    equal("aborted executions", [one["executionArn"] for one in executions], [stopped])
    return activity


def machines():
    """State machines with their configurations, versions and aliases."""
    variables = {
        "StartAt": "A",
        "States": {
            "A": {"Type": "Pass", "Assign": {"v": 1}, "Next": "B"},
            "B": {"Type": "Pass", "Parameters": {"w.$": "$v"}, "End": True},
        },
    }
    arn = machine(
        "versioned", variables, publish=True, versionDescription="first", tags=[{"key": "k", "value": "v"}],
        loggingConfiguration=LOGGING, tracingConfiguration={"enabled": True}, encryptionConfiguration=KEY,
    )
    described = call("DescribeStateMachine", stateMachineArn=arn, includedData="ALL_DATA")
    for member, value in [
        ("loggingConfiguration", LOGGING), ("tracingConfiguration", {"enabled": True}),
        ("encryptionConfiguration", KEY), ("variableReferences", {"B": ["v"]}), ("status", "ACTIVE"),
    ]:
        equal(member, described.get(member), value)
    # API reference, `DescribeStateMachineOutput`.
    hidden = call("DescribeStateMachine", stateMachineArn=arn, includedData="METADATA_ONLY")
    equal("a definition that is not wanted", hidden.get("definition"), "{}")
    variables["Comment"] = "second"
    call(
        "UpdateStateMachine", stateMachineArn=arn, definition=json.dumps(variables), publish=True,
        versionDescription="second", tracingConfiguration={"enabled": False},
        encryptionConfiguration={"type": "AWS_OWNED_KEY"},
    )
    equal("versions", len(call("ListStateMachineVersions", stateMachineArn=arn)["stateMachineVersions"]), 2)
    call("PublishStateMachineVersion", stateMachineArn=arn, description="the same again")
    routes = [{"stateMachineVersionArn": f"{arn}:{number}", "weight": 50} for number in (1, 2)]
    alias = call("CreateStateMachineAlias", name="live", description="half and half", routingConfiguration=routes)
    alias = alias["stateMachineAliasArn"]
    equal("routes", call("DescribeStateMachineAlias", stateMachineAliasArn=alias)["routingConfiguration"], routes)
    call("ListStateMachineAliases", stateMachineArn=arn)
    seen = set()
    for _ in range(64):
        execution = call("StartExecution", stateMachineArn=alias)["executionArn"]
        seen.add(wait(execution, "SUCCEEDED")["stateMachineVersionArn"].rsplit(":", 1)[1])
        if len(seen) == 2:
            break
    equal("versions behind an alias", seen, {"1", "2"})
    call("DescribeStateMachineForExecution", executionArn=execution, includedData="ALL_DATA")
    data = call("DescribeExecution", executionArn=execution, includedData="METADATA_ONLY")
    equal("data that is not wanted", ("input" in data, data["inputDetails"]), (False, {"included": False}))
    plain = history(execution, includeExecutionData=False, reverseOrder=True)
    equal("events without data", any("input" in json.dumps(event) for event in plain), False)
    call("UpdateStateMachineAlias", stateMachineAliasArn=alias, routingConfiguration=[{**routes[1], "weight": 100}])
    call("ListStateMachines", maxResults=1000)
    call("TagResource", resourceArn=arn, tags=[{"key": "cost", "value": ""}])
    call("UntagResource", resourceArn=arn, tagKeys=["k"])
    equal("tags", call("ListTagsForResource", resourceArn=arn)["tags"], [{"key": "cost", "value": ""}])
    return arn, alias


def map_runs(activity):
    """A distributed Map whose children wait for a worker, so that its run can be changed."""
    each = {"StartAt": "Work", "States": {"Work": {"Type": "Task", "Resource": activity, "End": True}}}
    each["ProcessorConfig"] = {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
    states = {"Map": {"Type": "Map", "Label": "each", "MaxConcurrency": 1, "ItemProcessor": each, "End": True}}
    arn = machine("mapped", {"StartAt": "Map", "States": states})
    execution = call("StartExecution", stateMachineArn=arn, input="[1, 2]")["executionArn"]
    task = call("GetActivityTask", activityArn=activity)
    run = call("ListMapRuns", executionArn=execution)["mapRuns"][0]["mapRunArn"]
    equal("a Map Run", call("DescribeMapRun", mapRunArn=run)["status"], "RUNNING")
    call("UpdateMapRun", mapRunArn=run, maxConcurrency=2, toleratedFailureCount=1, toleratedFailurePercentage=12.5)
    call("SendTaskSuccess", taskToken=task["taskToken"], output="1")
    task = call("GetActivityTask", activityArn=activity)
    call("SendTaskSuccess", taskToken=task["taskToken"], output="2")
    wait(execution, "SUCCEEDED")
    described = call("DescribeMapRun", mapRunArn=run)
    equal("what became of the items", described["itemCounts"]["succeeded"], 2)
    equal("what was changed", described["maxConcurrency"], 2)
    children = call("ListExecutions", mapRunArn=run, redriveFilter="NOT_REDRIVEN")["executions"]
    equal("children", len(children), 2)
    child = call("DescribeStateMachineForExecution", executionArn=children[0]["executionArn"])
    equal("the label of a child", child.get("label"), "each")


def rest():
    """What runs without being kept."""
    double = {
        "QueryLanguage": "JSONata", "StartAt": "A",
        "States": {"A": {"Type": "Pass", "Output": "{% $states.input.n * 2 %}", "End": True}},
    }
    express = machine("express", double, type="EXPRESS")
    call("StartExecution", stateMachineArn=express, input='{"n": 1}')
    ended = call("StartSyncExecution", stateMachineArn=express, input='{"n": 4}', name="n", includedData="ALL_DATA")
    equal("a synchronous execution", (ended["status"], ended["output"]), ("SUCCEEDED", "8"))
    ended = call("StartSyncExecution", stateMachineArn=express, input='{"n": "x"}', includedData="METADATA_ONLY")
    equal("one that fails", (ended["status"], "input" in ended), ("FAILED", False))
    state = json.dumps({"Type": "Pass", "Result": 7, "Next": "Then"})
    for level in ("INFO", "DEBUG", "TRACE"):
        tested = call("TestState", definition=state, roleArn=ROLE, input="{}", inspectionLevel=level)
        equal("a tested state", (tested["status"], tested["nextState"]), ("SUCCEEDED", "Then"))
    task = {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": {"FunctionName": "f"},
            "Retry": [{"ErrorEquals": ["E"]}], "End": True}
    mock = {"errorOutput": {"error": "E", "cause": "c"}}
    tested = call("TestState", definition=json.dumps(task), mock=mock, inspectionLevel="DEBUG")
    equal("a mocked state", (tested["status"], tested["error"]), ("RETRIABLE", "E"))
    equal("a good definition", call("ValidateStateMachineDefinition", definition=json.dumps(double))["result"], "OK")
    bad = call("ValidateStateMachineDefinition", definition="{}", severity="WARNING", maxResults=1, type="EXPRESS")
    equal("a bad definition", (bad["result"], len(bad["diagnostics"])), ("FAIL", 1))


def deletions(activity, arn, alias):
    call("DeleteStateMachineAlias", stateMachineAliasArn=alias)
    call("DeleteStateMachineVersion", stateMachineVersionArn=f"{arn}:1")
    call("DeleteStateMachine", stateMachineArn=arn)
    call("DeleteActivity", activityArn=activity)


def finding(shape, value, path, constraint):
    echo = "" if shape.get("sensitive") else f" '{value}'"
    return f"Value{echo} at '{path}' failed to satisfy constraint: {constraint}"


def violations(name, path):
    """Values that break a constraint of a shape, each with what AWS says, as (value, words)."""
    shape = SHAPES[name]
    kind = shape["type"]
    length = "Member must have length {} than or equal to {}"
    if kind == "string":
        for bound, side, size in [("min", "greater", shape.get("min", 0) - 1), ("max", "less", shape.get("max", 0) + 1)]:
            if bound in shape and size >= 0:
                value = "a" * size
                found = [finding(shape, value, path, length.format(side, shape[bound]))]
                if "pattern" in shape and not value:
                    found.append(finding(shape, value, path, "Member must satisfy regular expression pattern: " + shape["pattern"]))
                yield value, found
        if "pattern" in shape:
            yield "a\u00e9 b", [finding(shape, "a\u00e9 b", path, "Member must satisfy regular expression pattern: " + shape["pattern"])]
        if "enum" in shape:
            yield "NONE_SUCH", [finding(shape, "NONE_SUCH", path, f"Member must satisfy enum value set: [{', '.join(shape['enum'])}]")]
    elif kind in ("integer", "long", "float"):
        for bound, side, step in [("min", "greater", -1), ("max", "less", 1)]:
            if bound in shape:
                value = shape[bound] + step
                yield value, [finding({}, value, path, f"Member must have value {side} than or equal to {shape[bound]}")]
    elif kind == "list":
        if shape.get("min"):
            yield [], [finding({}, "[]", path, length.format("greater", shape["min"]))]
        for value, words in violations(shape["member"]["shape"], f"{path}.1.member"):
            yield [value], words
    elif kind == "structure":
        required = shape.get("required", [])
        for member in required:
            # The others are there and right, as far as a sample can tell.
            value = {other: sample(shape["members"][other]["shape"]) for other in required if other != member}
            yield value, [f"Value null at '{path}.{member}' failed to satisfy constraint: Member must not be null"]
        for member, target in shape["members"].items():
            for value, words in violations(target["shape"], f"{path}.{member}"):
                whole = {other: sample(shape["members"][other]["shape"]) for other in required}
                yield {**whole, member: value}, words


def sample(name):
    shape = SHAPES[name]
    if "enum" in shape:
        return shape["enum"][0]
    return {"string": "a", "integer": shape.get("min", 1), "long": 1, "boolean": True, "structure": {}}.get(shape["type"])


def misfits(name):
    """Values of a wrong type."""
    values = {"string": "text", "number": 3, "flag": True, "list": [], "structure": {}}
    fit = {"string": "string", "integer": "number", "long": "number", "float": "number", "boolean": "flag",
           "list": "list", "structure": "structure"}[SHAPES[name]["type"]]
    return [value for kind, value in values.items() if kind != fit]


def refusals():
    """Breaks every constraint of every member of every operation's request, one at a time."""
    count = 0
    for operation, description in sorted(MODEL["operations"].items()):
        shape = SHAPES[description["input"]["shape"]]
        base = {name: sample(shape["members"][name]["shape"]) for name in shape.get("required", [])}
        base = {**base, **{name: value for name, value in called.get(operation, {}).items() if name in base}}

        def refused(parameters, code, words=None):
            status, body, _ = post(json.dumps(parameters), f"AWSStepFunctions.{operation}")
            answer = json.loads(body)
            found = (status, answer.get("__type", "").rsplit("#", 1)[-1])
            if found != (400, code):
                wrong.append(f"{operation} {json.dumps(parameters)[:200]}: {found}, not {code}")
            elif words is not None:
                many = "s" if len(words) > 1 else ""
                expected = f"{len(words)} validation error{many} detected: {'; '.join(words)}"
                if answer.get("message") != expected:
                    wrong.append(f"{operation}: {answer.get('message')!r:.300}, not {expected!r:.300}")
            elif not answer.get("message"):
                wrong.append(f"{operation} {json.dumps(parameters)[:200]}: nothing is said")

        for name in base:
            less = {other: value for other, value in base.items() if other != name}
            null = [f"Value null at '{name}' failed to satisfy constraint: Member must not be null"]
            refused(less, "ValidationException", null)
            refused({**less, name: None}, "ValidationException", null)
            count += 2
        for name, target in shape["members"].items():
            for value, words in violations(target["shape"], name):
                refused({**base, name: value}, "ValidationException", words)
                count += 1
            for value in misfits(target["shape"]):
                refused({**base, name: value}, "SerializationException")
                count += 1
    return count


def protocol():
    """What is no request of the protocol."""
    target = "AWSStepFunctions.ListStateMachines"
    service = "com.amazon.coral.service#"

    def answered(what, expected, body, *more):
        status, text, headers = post(body, *more)
        kind = json.loads(text).get("__type", "") if headers["Content-Type"] == JSON else text.decode()
        equal(what, (status, kind.strip()), expected)
        if not re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", headers["x-amzn-RequestId"] or ""):
            wrong.append(f"{what}: the request has no id")

    unknown = (400, service + "UnknownOperationException")
    for name in ("AWSStepFunctions.Fly", "AWSStepFunctions.", "AWSStepFunctions", "Other.ListStateMachines", "."):
        answered(f"target {name}", unknown, "{}", name)
    answered("no target", unknown, "{}")
    for kind in ("application/json", "application/x-amz-cbor-1.1", "text/plain", None):
        answered(f"content type {kind}", (404, "<UnknownOperationException/>"), "{}", target, kind)
    unreadable = (400, service + "SerializationException")
    for what, body in [
        ("half", "{"), ("a list", "[]"), ("a number", "1"), ("null", "null"), ("two", "{}{}"), ("a comment", "{}//"),
        ("single quotes", "{'a': 1}"), ("NaN", '{"maxResults": NaN}'), ("a huge number", '{"maxResults": 1e999}'),
        ("a bad escape", '{"nextToken": "\\x"}'), ("half a pair", '{"nextToken": "\\ud800"}'),
        ("no UTF-8", b'{"nextToken": "\xff\xfe"}'), ("UTF-16", "{}".encode("utf-16")),
        ("a control character", '{"nextToken": "\x01"}'), ("depth", '{"a":' + "[" * 50_000 + "]" * 50_000 + "}"),
        ("open depth", "[" * 200_000), ("a fraction", '{"maxResults": 1.5}'),
    ]:
        answered(what, unreadable, body, target)
    fine = (200, "")
    for what, body in [
        ("nothing", ""), ("white space around", " \r\n\t{} "), ("unknown members", '{"a": {"b": [null]}}'),
        ("the last of two counts", '{"maxResults": 2000, "maxResults": 1}'), ("null is nothing", '{"maxResults": null}'),
        ("a whole number", '{"maxResults": 1.0}'), ("members of other letters", '{"MaxResults": 2000}'),
    ]:
        answered(what, fine, body, target)
    long = "1" * 400
    status, body, _ = post(f'{{"maxResults": {long}}}', target)
    equal("a number of 400 digits", status, 400)
    status, body, _ = post("{" + " " * 1_049_600 + "}", target)
    equal("a large request", (status, json.loads(body)["__type"]), (413, service + "RequestEntityTooLargeException"))


def by_boto3():
    """boto3 reads what was answered: times are times, and every operation has a method and a command."""
    sfn = boto3.client("stepfunctions", config=Config(retries={"max_attempts": 0}))
    listed = sfn.list_state_machines(maxResults=1)["stateMachines"][0]
    equal("a time", abs(listed["creationDate"].timestamp() - time.time()) < 600, True)
    methods = {sfn.meta.method_to_api_mapping[name] for name in sfn.meta.method_to_api_mapping}
    equal("operations that boto3 does not have", set(MODEL["operations"]) - methods, set())


activity = tasks()
arn, alias = machines()
map_runs(activity)
rest()
by_boto3()
protocol()
connection.close()
count = refusals()
deletions(activity, arn, alias)
print(json.dumps({"operations": len(called), "missing": sorted(set(MODEL["operations"]) - set(called)), "refusals": count, "wrong": wrong}))
