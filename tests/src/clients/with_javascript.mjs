// What every client does, with AWS's SDK for JavaScript: see clients/mod.rs.
// Prints what it saw as JSON. The argument: the folder with node_modules.
import { createRequire } from "node:module";

const sdk = createRequire(`${process.argv[2]}/`)("@aws-sdk/client-sfn");
// The SDK puts `sync-` before the host unless it is told not to.
const client = new sdk.SFNClient({ disableHostPrefix: true });
const call = (name, input) => client.send(new sdk[`${name}Command`](input));

const roleArn = "arn:aws:iam::123456789012:role/orders";
const double = JSON.stringify({
  QueryLanguage: "JSONata",
  StartAt: "Double",
  States: { Double: { Type: "Pass", Output: { twice: "{% $states.input.n * 2 %}" }, End: true } },
});
const machine = async (name, definition, type = "STANDARD") =>
  (await call("CreateStateMachine", { name, definition, roleArn, type })).stateMachineArn;
const wait = async (executionArn) => {
  for (;;) {
    const described = await call("DescribeExecution", { executionArn });
    if (described.status !== "RUNNING") return described;
  }
};

const seen = {};
const stateMachineArn = await machine("double", double);
let { executionArn } = await call("StartExecution", { stateMachineArn, name: "first", input: '{"n": 21}' });
let ended = await wait(executionArn);
seen.started = [ended.status, JSON.parse(ended.output)];
seen.history = [];
const pages = sdk.paginateGetExecutionHistory({ client, pageSize: 2 }, { executionArn });
for await (const page of pages) seen.history.push(...page.events.map((event) => event.type));

const { activityArn } = await call("CreateActivity", { name: "work" });
const works = await machine(
  "works",
  JSON.stringify({ StartAt: "Work", States: { Work: { Type: "Task", Resource: activityArn, End: true } } }),
);
({ executionArn } = await call("StartExecution", { stateMachineArn: works, input: '"in"' }));
let task = await call("GetActivityTask", { activityArn, workerName: "w" });
await call("SendTaskFailure", { taskToken: task.taskToken, error: "Work.Broken", cause: "no luck" });
ended = await wait(executionArn);
seen.failed = [ended.status, ended.error, ended.cause, ended.redriveStatus];
await call("RedriveExecution", { executionArn });
task = await call("GetActivityTask", { activityArn, workerName: "w" });
await call("SendTaskSuccess", { taskToken: task.taskToken, output: '"out"' });
ended = await wait(executionArn);
seen.redriven = [ended.status, ended.output, ended.redriveCount];

const { stateMachineVersionArn } = await call("PublishStateMachineVersion", { stateMachineArn });
const { stateMachineAliasArn } = await call("CreateStateMachineAlias", {
  name: "live",
  routingConfiguration: [{ stateMachineVersionArn, weight: 100 }],
});
({ executionArn } = await call("StartExecution", { stateMachineArn: stateMachineAliasArn, input: '{"n": 1}' }));
seen.alias = (await wait(executionArn)).stateMachineVersionArn.split(":").pop();

const definition = JSON.stringify({ Type: "Pass", Result: 7, Next: "Then" });
const tested = await call("TestState", { definition, roleArn, input: "{}" });
seen.tested = [tested.status, tested.output, tested.nextState];

const express = await machine("express", double, "EXPRESS");
ended = await call("StartSyncExecution", { stateMachineArn: express, input: '{"n": 4}' });
seen.sync = [ended.status, JSON.parse(ended.output)];

try {
  await call("DescribeExecution", { executionArn: `${executionArn}-not` });
} catch (error) {
  const name = error instanceof sdk.ExecutionDoesNotExist ? error.name : `not typed: ${error.name}`;
  seen.error = [name, error.$metadata.httpStatusCode];
}
console.log(JSON.stringify(seen));
