//! What runs in the lab: state machines of every kind that a crash could
//! hurt, and what their executions have to come to, computed here.

use serde_json::{Value, json};

use super::draw::Draws;
use super::step::worked;

/// The activity that the driver works for.
pub const ACTIVITY: &str = "labour";
/// Of a Wait state and of a retrier: at least this long, in milliseconds of the world.
pub const PAUSE_MILLIS: i64 = 1000;
/// Rows of a delivery.
const ROWS: i64 = 20;

/// A state machine of the workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Tasks in a row, with retries and a pause.
    Orders,
    /// An inline Map, then branches in parallel.
    Fanout,
    /// A distributed Map whose children are Standard executions.
    Swarm,
    /// A callback with a task token.
    Approval,
    /// A task for a worker of an activity.
    Labour,
    /// A failure that is caught.
    Caught,
    /// Fails in the middle; a redrive lets it go on.
    Doomed,
    /// Waits for ever, until somebody stops it.
    Stoppable,
    /// Waits for ever, until its time is over.
    Deadline,
    /// Stages, delivers and verifies figures in CoreView.
    Delivery,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 10] = [
        Self::Orders,
        Self::Fanout,
        Self::Swarm,
        Self::Approval,
        Self::Labour,
        Self::Caught,
        Self::Doomed,
        Self::Stoppable,
        Self::Deadline,
        Self::Delivery,
    ];

    /// The name of the state machine.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Orders => "orders",
            Self::Fanout => "fanout",
            Self::Swarm => "swarm",
            Self::Approval => "approval",
            Self::Labour => "labour",
            Self::Caught => "caught",
            Self::Doomed => "doomed",
            Self::Stoppable => "stoppable",
            Self::Deadline => "deadline",
            Self::Delivery => "delivery",
        }
    }

    /// The kind of an execution, by its ARN; that of the parent for a child.
    pub fn of_arn(arn: &str) -> Option<Self> {
        let machine = arn.split(':').nth(6)?.split('/').next()?;
        Self::ALL.into_iter().find(|kind| kind.name() == machine)
    }

    /// The definition.
    pub fn definition(self) -> Value {
        match self {
            Self::Orders => orders(),
            Self::Fanout => fanout(),
            Self::Swarm => swarm(),
            Self::Approval => {
                machine("Ask", &json!({ "Ask": callback(&json!({ "Output": "{% $states.result %}" })) }))
            }
            Self::Labour => labour(),
            Self::Caught => caught(),
            Self::Doomed => doomed(),
            Self::Stoppable => machine("Hang", &json!({ "Hang": callback(&json!({})) })),
            Self::Deadline => {
                let mut machine = machine("Hang", &json!({ "Hang": callback(&json!({})) }));
                set(&mut machine, "TimeoutSeconds", 3);
                machine
            }
            Self::Delivery => delivery("{% $states.input %}"),
        }
    }
}

/// How an execution has to end.
#[derive(Debug, Clone, PartialEq)]
pub enum Expected {
    /// `SUCCEEDED` with this output.
    Output(Value),
    /// `SUCCEEDED` with one of the answers that the driver gave to its token.
    Answer,
    /// `SUCCEEDED`, this batch being in CoreView.
    Delivered(Batch),
    /// `FAILED` with this error; `SUCCEEDED` with the output once redriven.
    Failed {
        /// The error.
        error: &'static str,
        /// What it comes to after a redrive.
        redriven: Value,
    },
    /// `ABORTED`.
    Aborted,
    /// `TIMED_OUT`.
    TimedOut,
}

/// A batch that has to be in CoreView once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Its business period, one of its own.
    pub period: String,
    /// How many rows it has.
    pub rows: i64,
    /// The sum of its figures.
    pub total: i64,
}

/// An execution to start.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    /// What to start.
    pub kind: Kind,
    /// The name of the execution.
    pub name: String,
    /// Its input.
    pub input: Value,
    /// How it has to end.
    pub expected: Expected,
}

impl Order {
    /// An execution of a kind. `figures` puts the figures of a batch into the
    /// bucket and answers the reference to them.
    pub fn draw(
        kind: Kind,
        name: String,
        draws: &mut Draws,
        figures: impl FnOnce(&str, &str) -> Value,
    ) -> Self {
        let number = i64::try_from(draws.between(2, 9)).unwrap_or(2);
        let mut input = json!({ "n": number, "fails": draws.below(3) });
        let expected = match kind {
            Kind::Orders => Expected::Output(worked(worked(number)).into()),
            Kind::Fanout => Expected::Output(json!({ "sum": sum_to(number), "parts": [worked(10), 5, 7] })),
            Kind::Swarm => Expected::Output(sum_to(number).into()),
            Kind::Approval => Expected::Answer,
            Kind::Labour => Expected::Output(worked(number).into()),
            Kind::Caught => Expected::Output("caught".into()),
            Kind::Doomed => {
                Expected::Failed { error: "Work.Broken", redriven: worked(worked(worked(number))).into() }
            }
            Kind::Stoppable => Expected::Aborted,
            Kind::Deadline => Expected::TimedOut,
            Kind::Delivery => {
                let (batch, request) = delivery_request(&name, draws, figures);
                input = request;
                Expected::Delivered(batch)
            }
        };
        Self { kind, name, input, expected }
    }
}

fn sum_to(number: i64) -> i64 {
    (1..=number).map(worked).sum()
}

/// A batch of figures in the bucket, and the request to deliver it.
fn delivery_request(
    name: &str,
    draws: &mut Draws,
    figures: impl FnOnce(&str, &str) -> Value,
) -> (Batch, Value) {
    let amounts: Vec<i64> = (0..ROWS).map(|_| i64::try_from(draws.below(10_000)).unwrap_or(0)).collect();
    let total: i64 = amounts.iter().sum();
    let mut csv = "agent,commission\n".to_owned();
    for (agent, amount) in amounts.iter().enumerate() {
        csv.push_str(&format!("A{agent:03},{amount}\n"));
    }
    let request = json!({
        "workflow": "crash-lab", "channel": "coreview-database", "feed": "lab", "period": name,
        "figures": figures(&format!("figures/{name}.csv"), &csv),
        "key_columns": ["agent"], "rows": ROWS, "totals": { "commission": total.to_string() }
    });
    (Batch { period: name.to_owned(), rows: ROWS, total }, request)
}

fn machine(start: &str, states: &Value) -> Value {
    json!({ "QueryLanguage": "JSONata", "StartAt": start, "States": states })
}

fn set(object: &mut Value, key: &str, value: impl Into<Value>) {
    if let Some(object) = object.as_object_mut() {
        object.insert(key.to_owned(), value.into());
    }
}

/// One state with more fields.
fn with(mut state: Value, more: &Value) -> Value {
    for (key, value) in more.as_object().into_iter().flatten() {
        set(&mut state, key, value.clone());
    }
    state
}

/// What a process that was killed, or a database, may make of an attempt.
fn transient() -> Value {
    json!({
        "ErrorEquals": [
            "Lambda.ServiceException", "Lambda.AWSLambdaException", "Lambda.SdkClientException",
            "Lambda.TooManyRequestsException", "Lambda.Unknown", "Runtime.ExitError",
            "Sandbox.Timedout", "States.Timeout", "Resource.Unavailable",
            "Stage.Unavailable", "Stage.Throttled", "Deliver.Unavailable", "Deliver.Throttled",
            "Deliver.Unknown", "Verify.Unavailable", "Verify.Throttled"
        ],
        "IntervalSeconds": 1, "BackoffRate": 1, "MaxAttempts": 10_000
    })
}

/// A state that runs the step `work`.
fn work(value: &str, fails: &str, item: &str, more: &Value) -> Value {
    let key = format!(
        "{{% $states.context.Execution.Id & ' ' & $string($states.context.Execution.RedriveCount) & ' ' & \
         $states.context.State.Name & ' ' & {item} & ' ' & $string($states.context.State.RetryCount) %}}"
    );
    let state = json!({
        "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke",
        "Arguments": { "FunctionName": "work", "Payload": {
            "key": key, "value": format!("{{% {value} %}}"), "fails": format!("{{% {fails} %}}"),
            "attempt": "{% $states.context.State.RetryCount %}", "broken": false
        } },
        "Output": "{% $states.result.Payload.value %}",
        "Retry": [
            { "ErrorEquals": ["Work.Again"], "IntervalSeconds": 1, "BackoffRate": 1, "MaxAttempts": 5 },
            transient()
        ]
    });
    with(state, more)
}

/// A state that waits for whoever gets its token.
fn callback(more: &Value) -> Value {
    let state = json!({
        "Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
        "Arguments": {
            "QueueUrl": "https://sqs.us-east-1.amazonaws.com/123456789012/questions",
            "MessageBody": { "token": "{% $states.context.Task.Token %}" }
        },
        "Retry": [transient()], "End": true
    });
    with(state, more)
}

fn orders() -> Value {
    let keep = json!({
        "Output": "{% {'n': $states.result.Payload.value, 'fails': $states.input.fails} %}", "Next": "Pause"
    });
    machine(
        "Begin",
        &json!({
            "Begin": { "Type": "Pass", "Next": "First" },
            "First": work("$states.input.n", "$states.input.fails", "''", &keep),
            "Pause": { "Type": "Wait", "Seconds": PAUSE_MILLIS / 1000, "Next": "Which" },
            "Which": { "Type": "Choice", "Default": "Second", "Choices": [
                { "Condition": "{% $states.input.n < 0 %}", "Next": "Begin" }
            ] },
            "Second": work("$states.input.n", "0", "''", &json!({ "End": true }))
        }),
    )
}

fn fanout() -> Value {
    let item = "$string($states.context.Map.Item.Index)";
    let fails = "$states.context.Map.Item.Index % 3 = 0 ? 1 : 0";
    let each = work("$states.input", fails, item, &json!({ "End": true }));
    let branch = |start: &str, states: Value| json!({ "StartAt": start, "States": states });
    machine(
        "Each",
        &json!({
            "Each": {
                "Type": "Map", "Items": "{% [1..$states.input.n] %}", "MaxConcurrency": 3,
                "ItemProcessor": branch("One", json!({ "One": each })),
                "Output": "{% $sum($states.result) %}", "Next": "Split"
            },
            "Split": {
                "Type": "Parallel", "Branches": [
                    branch("Left", json!({ "Left": work("10", "0", "''", &json!({ "End": true })) })),
                    branch("Pause", json!({
                        "Pause": { "Type": "Wait", "Seconds": PAUSE_MILLIS / 1000, "Next": "Middle" },
                        "Middle": { "Type": "Pass", "Output": 5, "End": true }
                    })),
                    branch("Right", json!({ "Right": { "Type": "Pass", "Output": 7, "End": true } }))
                ],
                "Output": "{% {'sum': $states.input, 'parts': $states.result} %}", "End": true
            }
        }),
    )
}

fn swarm() -> Value {
    let each = work("$states.input", "0", "''", &json!({ "End": true }));
    machine(
        "Each",
        &json!({ "Each": {
            "Type": "Map", "Label": "Each", "Items": "{% [1..$states.input.n] %}", "MaxConcurrency": 3,
            "ItemProcessor": {
                "ProcessorConfig": { "Mode": "DISTRIBUTED", "ExecutionType": "STANDARD" },
                "StartAt": "One", "States": { "One": each }
            },
            "Output": "{% $sum($states.result) %}", "End": true
        } }),
    )
}

fn labour() -> Value {
    machine(
        "Labour",
        &json!({ "Labour": {
            "Type": "Task", "Resource": format!("arn:aws:states:us-east-1:123456789012:activity:{ACTIVITY}"),
            "Arguments": "{% $states.input %}", "TimeoutSeconds": 40,
            "Output": "{% $states.result.value %}", "Retry": [transient()], "End": true
        } }),
    )
}

fn caught() -> Value {
    let catch = json!({
        "Retry": [transient()], "Next": "Fine",
        "Catch": [{ "ErrorEquals": ["Work.Again"], "Next": "Recovered" }]
    });
    machine(
        "Try",
        &json!({
            "Try": work("$states.input.n", "1000000", "''", &catch),
            "Fine": { "Type": "Pass", "Output": "not caught", "End": true },
            "Recovered": { "Type": "Pass", "Output": "caught", "End": true }
        }),
    )
}

fn doomed() -> Value {
    let next = |next: &str| json!({ "Next": next, "Output": "{% {'n': $states.result.Payload.value} %}" });
    let mut broken = work("$states.input.n", "0", "''", &next("After"));
    if let Some(flag) = broken.pointer_mut("/Arguments/Payload/broken") {
        *flag = true.into();
    }
    machine(
        "Before",
        &json!({
            "Before": work("$states.input.n", "0", "''", &next("Broken")),
            "Broken": broken,
            "After": work("$states.input.n", "0", "''", &json!({ "End": true }))
        }),
    )
}

/// The delivery of a batch. `request` says what is staged, given the input.
pub fn delivery(request: &str) -> Value {
    let inner = request.trim_start_matches("{%").trim_end_matches("%}");
    let request = format!("{{% $merge([{inner}, {{'execution_arn': $states.context.Execution.Id}}]) %}}");
    let step = |function: &str, payload: &str, more: &Value| {
        let state = json!({
            "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke",
            "Arguments": { "FunctionName": function, "Payload": payload },
            "Output": "{% $states.result.Payload %}", "Retry": [transient()]
        });
        with(state, more)
    };
    machine(
        "Stage",
        &json!({
            "Stage": step("stage", &request, &json!({ "Next": "Deliver" })),
            "Deliver": step("deliver", "{% $states.input %}", &json!({ "Next": "Verify" })),
            "Verify": step("verify", "{% $states.input %}", &json!({
                "Output": "{% {'receipt': $states.input, 'verified': $states.result.Payload} %}", "End": true
            }))
        }),
    )
}

/// The planted bug "key = ARN": an execution takes itself for the business period.
pub fn delivery_keyed_by_execution() -> Value {
    delivery("{% $merge([$states.input, {'period': $states.context.Execution.Name}]) %}")
}
