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
await call("SendTaskHeartbeat", { taskToken: task.taskToken });
await call("SendTaskFailure", { taskToken: task.taskToken, error: "Work.Broken", cause: "no luck" });
ended = await wait(executionArn);
seen.failed = [ended.status, ended.error, ended.cause, ended.redriveStatus];
await call("RedriveExecution", { executionArn });
task = await call("GetActivityTask", { activityArn, workerName: "w" });
await call("SendTaskSuccess", { taskToken: task.taskToken, output: '"out"' });
ended = await wait(executionArn);
seen.redriven = [ended.status, ended.output, ended.redriveCount];

({ executionArn } = await call("StartExecution", { stateMachineArn: works }));
await call("StopExecution", { executionArn, error: "Stopped", cause: "enough" });
ended = await wait(executionArn);
seen.stopped = [ended.status, ended.error];

const { stateMachineVersionArn } = await call("PublishStateMachineVersion", { stateMachineArn });
const { stateMachineAliasArn } = await call("CreateStateMachineAlias", {
  name: "live",
  routingConfiguration: [{ stateMachineVersionArn, weight: 100 }],
});
({ executionArn } = await call("StartExecution", { stateMachineArn: stateMachineAliasArn, input: '{"n": 1}' }));
seen.alias = (await wait(executionArn)).stateMachineVersionArn.split(":").pop();

const second = await call("UpdateStateMachine", {
  stateMachineArn,
  definition: JSON.stringify({ ...JSON.parse(double), Comment: "second" }),
  publish: true,
});
await call("UpdateStateMachineAlias", {
  stateMachineAliasArn,
  routingConfiguration: [
    { stateMachineVersionArn, weight: 30 },
    { stateMachineVersionArn: second.stateMachineVersionArn, weight: 70 },
  ],
});
const { routingConfiguration } = await call("DescribeStateMachineAlias", { stateMachineAliasArn });
seen.routes = routingConfiguration.map((route) => [route.stateMachineVersionArn.split(":").pop(), route.weight]);

const ItemProcessor = {
  ProcessorConfig: { Mode: "DISTRIBUTED", ExecutionType: "STANDARD" },
  StartAt: "P",
  States: { P: { Type: "Pass", End: true } },
};
const mapped = JSON.stringify({ StartAt: "M", States: { M: { Type: "Map", ItemProcessor, End: true } } });
({ executionArn } = await call("StartExecution", {
  stateMachineArn: await machine("mapped", mapped),
  input: "[1, 2]",
}));
await wait(executionArn);
const [{ mapRunArn }] = (await call("ListMapRuns", { executionArn })).mapRuns;
const run = await call("DescribeMapRun", { mapRunArn });
seen.mapped = [run.status, run.itemCounts.succeeded];

const tags = [
  { key: "team", value: "a" },
  { key: "x", value: "" },
];
await call("TagResource", { resourceArn: stateMachineArn, tags });
await call("UntagResource", { resourceArn: stateMachineArn, tagKeys: ["x"] });
const tagged = await call("ListTagsForResource", { resourceArn: stateMachineArn });
seen.tags = tagged.tags.map((tag) => [tag.key, tag.value]);
seen.validated = (await call("ValidateStateMachineDefinition", { definition: "{}" })).result;

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
