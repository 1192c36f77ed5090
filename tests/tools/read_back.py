"""Prints what is deployed at the endpoint of the environment, as JSON.

State machines with their definitions, functions with what they are configured
with, and the names of buckets: what a test compares with what was generated.
"""

import json

import boto3


def state_machines() -> dict:
    client = boto3.client("stepfunctions")
    found = {}
    for page in client.get_paginator("list_state_machines").paginate():
        for machine in page["stateMachines"]:
            described = client.describe_state_machine(stateMachineArn=machine["stateMachineArn"])
            found[machine["name"]] = {key: described[key] for key in ("definition", "roleArn", "type")}
    return found


def functions() -> dict:
    client = boto3.client("lambda")
    found = {}
    for page in client.get_paginator("list_functions").paginate():
        for function in page["Functions"]:
            found[function["FunctionName"]] = {
                key: function.get(key)
                for key in ("Runtime", "Handler", "MemorySize", "Timeout", "CodeSha256", "Role", "Environment")
            }
    return found


def buckets() -> list:
    return [bucket["Name"] for bucket in boto3.client("s3").list_buckets()["Buckets"]]


def main() -> None:
    print(json.dumps({"stateMachines": state_machines(), "functions": functions(), "buckets": buckets()}))


if __name__ == "__main__":
    main()
