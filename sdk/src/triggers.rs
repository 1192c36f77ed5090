//! What starts executions of a workflow by itself: the clock, objects that
//! arrive in a bucket, messages of a queue.
//!
//! They are part of the workflow's declaration, so that `stepwright dev` makes
//! them locally and a deployment makes them on AWS, and that what they start an
//! execution with is of the workflow's input type.
//!
//! A schedule's input is written into the schedule: constants and the time it was
//! due. An event of S3 and the messages of a queue come as AWS sends them (a pipe
//! starts an execution with an array, parts of an event may be missing), and the
//! definition's first state makes the workflow's input of them.

use serde_json::{Map, Value};

use crate::expr::{Expr, lit, node, none};
use crate::flow::here;
use crate::generated::field;
use crate::ir::{Location, Node, NodeRef, ResourceInfo, Trigger};
use crate::objects::{Arrival, ArrivalExpr};
use crate::operand::IntoExpr;
use crate::resource::Bucket;
use crate::shape::Shape;
use crate::workflow::WorkflowBuilder;

/// User guide, "Adding context attributes in `EventBridge` Scheduler".
const SCHEDULED_TIME: &str = "<aws.scheduler.scheduled-time>";
/// S3: bytes of a key.
const KEY_BYTES_MAX: usize = 1_024;
/// SQS gives ten messages at a time, and that is what a pipe takes without waiting for more.
const BATCH_DEFAULT: u32 = 10;
/// `EventBridge` Pipes: messages of a batch from a standard queue.
const BATCH_MAX: u32 = 10_000;
/// `EventBridge` Pipes: the longest a pipe collects messages, in seconds.
const WINDOW_SECONDS_MAX: u32 = 300;
/// Digits of an AWS account's number.
const ACCOUNT_DIGITS: usize = 12;

/// What starts executions.
impl<I: Shape> WorkflowBuilder<I> {
    /// Starts an execution whenever the expression says so: `cron(0 5 2 * ? *)`,
    /// `rate(1 hour)` or `at(2026-04-01T05:00:00)`, as `EventBridge` Scheduler has
    /// them. In UTC unless a time zone is given.
    ///
    /// ```
    /// # use schemars::JsonSchema;
    /// # use serde::{Deserialize, Serialize};
    /// # use stepwright::prelude::*;
    /// # #[derive(Debug, Serialize, Deserialize, JsonSchema, Shape)]
    /// # pub struct Month { pub scheduled_at: String, pub full: bool }
    /// # fn monthly(_: &mut Flow, month: Expr<Month>) -> Expr<String> { month.scheduled_at }
    /// stepwright::workflow("monthly", monthly)
    ///     .every("cron(0 5 2 * ? *)")
    ///     .in_timezone("Europe/Berlin")
    ///     .with(|scheduled_at| MonthExpr { scheduled_at, full: lit(true) })
    ///     .build();
    /// ```
    ///
    /// # Panics
    /// If the expression is not of one of these forms.
    #[track_caller]
    pub fn every(self, expression: &str) -> Every<I> {
        assert!(
            is_schedule(expression),
            "`{expression}` is no schedule: write `cron(minutes hours day-of-month month day-of-week year)` with `?` \
             for one of the days, `rate(1 hour)`, or `at(2026-04-01T05:00:00)`"
        );
        Every { workflow: self, expression: expression.to_owned(), timezone: None, at: here() }
    }

    /// Starts an execution for every object that arrives in the bucket `B` under a
    /// key that begins with `prefix`. The arrival names the bucket as the app does,
    /// and no SHA-256. Two executions may be started for one object, as AWS says of
    /// its events: give them nothing to do twice.
    ///
    /// ```
    /// # use schemars::JsonSchema;
    /// # use serde::{Deserialize, Serialize};
    /// # use stepwright::prelude::*;
    /// # stepwright::bucket!(pub Drops = "drops");
    /// # #[derive(Debug, Serialize, Deserialize, JsonSchema, Shape)]
    /// # pub struct Request { pub files: Vec<Arrival>, pub period: Option<String> }
    /// # fn take_in(_: &mut Flow, request: Expr<Request>) -> Expr<u64> { request.files.count() }
    /// stepwright::workflow("take-in", take_in)
    ///     .on_objects::<Drops>("incoming/")
    ///     .with(|object| RequestExpr { files: list([object]), period: none() })
    ///     .build();
    /// ```
    ///
    /// # Panics
    /// If the prefix is longer than a key.
    #[track_caller]
    pub fn on_objects<B: Bucket>(self, prefix: &str) -> OnObjects<I> {
        let (prefix, at) = (key_part("prefix", prefix), here());
        OnObjects { workflow: self, bucket: B::INFO, prefix, endings: Vec::new(), at }
    }

    /// Starts an execution for the messages that somebody sends to a queue of this
    /// name, up to ten together. The queue is called `<app>-<name>`, and the accounts
    /// that [`OnQueue::from_account`] names may send to it, over TLS.
    ///
    /// ```
    /// # use schemars::JsonSchema;
    /// # use serde::{Deserialize, Serialize};
    /// # use stepwright::prelude::*;
    /// # #[derive(Debug, Serialize, Deserialize, JsonSchema, Shape)]
    /// # pub struct Request { pub messages: Vec<String>, pub feed: String }
    /// # fn take_in(_: &mut Flow, request: Expr<Request>) -> Expr<u64> { request.messages.count() }
    /// stepwright::workflow("take-in", take_in)
    ///     .on_queue("contracts")
    ///     .from_account("123456789012")
    ///     .with(|messages| RequestExpr { messages, feed: lit("contracts".into()) })
    ///     .build();
    /// ```
    ///
    /// # Panics
    /// If the name is not 1 to 40 lower case letters, digits and inner `-`.
    #[track_caller]
    pub fn on_queue(self, name: &str) -> OnQueue<I> {
        assert!(
            crate::generated::is_resource_name(name),
            "a queue's name has 1 to 40 characters, lower case letters, digits and `-` between them, not `{name}`"
        );
        let queue =
            Queue { name: name.to_owned(), accounts: Vec::new(), batch: BATCH_DEFAULT, window_seconds: 0 };
        OnQueue { workflow: self, queue, at: here() }
    }

    fn triggered(mut self, trigger: Trigger) -> Self {
        self.workflow.triggers.push(trigger);
        self
    }
}

/// A schedule, before it is known what it starts an execution with.
#[derive(Debug)]
#[must_use = "a schedule is made by `.with(|scheduled_at| ..)`"]
pub struct Every<I> {
    workflow: WorkflowBuilder<I>,
    expression: String,
    timezone: Option<String>,
    at: Location,
}

impl<I: Shape> Every<I> {
    /// The time zone of the expression, by its IANA name such as `Europe/Berlin`: it
    /// keeps its hour when the clocks change.
    ///
    /// # Panics
    /// If it cannot be such a name.
    #[track_caller]
    pub fn in_timezone(self, name: &str) -> Self {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"/_+-".contains(&byte);
        assert!(
            (1..=50).contains(&name.len()) && name.bytes().all(allowed),
            "`{name}` is no time zone: write its IANA name, such as `Europe/Berlin`"
        );
        Self { timezone: Some(name.to_owned()), ..self }
    }

    /// What an execution is started with, of the time the schedule was due
    /// (`2026-04-02T03:00:00Z`) and of constants.
    ///
    /// # Panics
    /// If it is made of anything else, or computed: a schedule knows nothing more.
    #[track_caller]
    pub fn with<R: IntoExpr<I>>(self, input: impl FnOnce(Expr<String>) -> R) -> WorkflowBuilder<I> {
        let input = input(lit(SCHEDULED_TIME.to_owned())).into_expr();
        let Self { workflow, expression, timezone, at } = self;
        let Some(input) = constant(input.node()) else {
            panic!(
                "what `{expression}` starts an execution with is made of constants and the scheduled time only: \
                 compute the rest in the workflow"
            );
        };
        workflow.triggered(Trigger::Schedule { expression, timezone, input, location: at })
    }
}

/// Objects that start executions, before it is known with what.
#[derive(Debug)]
#[must_use = "objects start nothing before `.with(|object| ..)`"]
pub struct OnObjects<I> {
    workflow: WorkflowBuilder<I>,
    bucket: ResourceInfo,
    prefix: String,
    endings: Vec<String>,
    at: Location,
}

impl<I: Shape> OnObjects<I> {
    /// Only objects whose keys end with this, or with another ending that is given: what lies
    /// beside them starts nothing. An ending that begins with `/` is a whole name.
    ///
    /// # Panics
    /// If the ending is empty, or longer than a key.
    #[track_caller]
    pub fn ending(mut self, ending: &str) -> Self {
        assert!(!ending.is_empty(), "every key ends with an empty text: leave `.ending(..)` out");
        self.endings.push(key_part("ending", ending));
        self
    }

    /// What an execution is started with, of the object that arrived.
    ///
    /// # Panics
    /// If keys that this is for are also for another `on_objects` of the workflow: the
    /// definition tells by its prefix which of them an object is for.
    #[track_caller]
    pub fn with<R: IntoExpr<I>>(self, input: impl FnOnce(Expr<Arrival>) -> R) -> WorkflowBuilder<I> {
        let Self { workflow, bucket, prefix, endings, at } = self;
        for trigger in &workflow.workflow.triggers {
            if let Trigger::Objects { prefix: other, .. } = trigger {
                assert!(
                    !other.starts_with(&prefix) && !prefix.starts_with(other.as_str()),
                    "keys that begin with {prefix:?} and with {other:?} are partly the same: give the objects \
                     that start `{}` prefixes of which none begins with another",
                    workflow.workflow.name
                );
            }
        }
        let input = input(arrival(bucket.name)).into_expr().node();
        workflow.triggered(Trigger::Objects { bucket, prefix, endings, input, location: at })
    }
}

/// A part of a key, as it was written.
#[track_caller]
fn key_part(what: &str, text: &str) -> String {
    assert!(
        text.len() <= KEY_BYTES_MAX && !text.contains(char::is_control),
        "a {what} of keys has at most {KEY_BYTES_MAX} bytes and no control characters, not {text:?}"
    );
    text.to_owned()
}

/// The object of an event. S3 user guide, "`EventBridge` event message structure".
fn arrival(bucket: &'static str) -> Expr<Arrival> {
    let detail = field::<Value>(node(Node::Event), "detail", false);
    let object = field::<Value>(detail.node(), "object", false).node();
    ArrivalExpr {
        // As the app calls it; the event has the name in AWS.
        bucket: lit(bucket.to_owned()),
        key: field(object, "key", false),
        version_id: field(object, "version-id", true),
        sha256: none(),
        bytes: field(object, "size", true),
    }
    .into_expr()
}

/// Messages that start executions, before it is known with what.
#[derive(Debug)]
#[must_use = "messages start nothing before `.with(|messages| ..)`"]
pub struct OnQueue<I> {
    workflow: WorkflowBuilder<I>,
    queue: Queue,
    at: Location,
}

#[derive(Debug)]
struct Queue {
    name: String,
    accounts: Vec<String>,
    batch: u32,
    window_seconds: u32,
}

impl<I: Shape> OnQueue<I> {
    /// Lets an AWS account send, by its number of twelve digits. Without any, only
    /// principals of the own account may.
    ///
    /// # Panics
    /// If it is no such number.
    #[track_caller]
    pub fn from_account(mut self, account: &str) -> Self {
        assert!(
            account.len() == ACCOUNT_DIGITS && account.bytes().all(|byte| byte.is_ascii_digit()),
            "`{account}` is no AWS account: its number has {ACCOUNT_DIGITS} digits"
        );
        self.queue.accounts.push(account.to_owned());
        self
    }

    /// Collects up to `messages` for one execution (10 unless said otherwise), and
    /// waits up to `seconds` for them. An execution's input has at most 256 KiB.
    ///
    /// # Panics
    /// If it is not 1 to 10,000 messages in 0 to 300 seconds, or more than ten
    /// without a second to wait for them (AWS's limits).
    #[track_caller]
    pub fn together(mut self, messages: u32, seconds: u32) -> Self {
        assert!(
            (1..=BATCH_MAX).contains(&messages) && seconds <= WINDOW_SECONDS_MAX,
            "a pipe collects 1 to {BATCH_MAX} messages within {WINDOW_SECONDS_MAX} seconds, not {messages} within \
             {seconds}"
        );
        assert!(
            messages <= BATCH_DEFAULT || seconds > 0,
            "more than {BATCH_DEFAULT} messages do not come at once: let the pipe wait a second or more for {messages}"
        );
        (self.queue.batch, self.queue.window_seconds) = (messages, seconds);
        self
    }

    /// What an execution is started with, of the messages' texts, at least one.
    ///
    /// # Panics
    /// If the workflow has another queue: what a pipe sends does not tell them apart
    /// in the workflow's own words. Or if its input is a list itself.
    #[track_caller]
    pub fn with<R: IntoExpr<I>>(self, input: impl FnOnce(Expr<Vec<String>>) -> R) -> WorkflowBuilder<I> {
        let Self { workflow, queue, at } = self;
        let is_queue = |trigger: &Trigger| matches!(trigger, Trigger::Queue { .. });
        assert!(
            !workflow.workflow.triggers.iter().any(is_queue),
            "`{}` takes messages of one queue already: let both senders use it, or give `{}` a workflow of its own",
            workflow.workflow.name,
            queue.name
        );
        assert!(
            I::NAME != <Vec<String>>::NAME,
            "what a pipe sends is a list, and so is the input of `{}`: make the input a struct with the list in it",
            workflow.workflow.name
        );
        let messages = Expr::from_node(node(Node::Pluck(node(Node::Event), "body")));
        let input = input(messages).into_expr().node();
        let Queue { name, accounts, batch, window_seconds } = queue;
        workflow.triggered(Trigger::Queue { name, accounts, batch, window_seconds, input, location: at })
    }
}

/// `cron(…)` of six fields, `rate(…)` of a number and a unit, `at(…)` of a time: whether it has
/// the form. Whether it is one is AWS's word, and the engine's.
fn is_schedule(expression: &str) -> bool {
    let Some((kind, rest)) = expression.split_once('(') else { return false };
    let Some(inside) = rest.strip_suffix(')') else { return false };
    let fields: Vec<&str> = inside.split_whitespace().collect();
    match (kind, fields.as_slice()) {
        ("cron", [_, _, day, _, weekday, _]) => (*day == "?") != (*weekday == "?"),
        ("rate", [number, unit]) => {
            let units = ["minute", "minutes", "hour", "hours", "day", "days"];
            number.parse::<u32>().is_ok_and(|number| number > 0) && units.contains(unit)
        }
        ("at", [moment]) => moment.len() == "2026-04-01T05:00:00".len() && moment.contains('T'),
        _ => false,
    }
}

/// The value of a node that is made of constants.
fn constant(node: NodeRef) -> Option<Value> {
    match node {
        Node::Literal(value) => Some(value.clone()),
        Node::Array(elements) => {
            elements.iter().map(|element| constant(element)).collect::<Option<_>>().map(Value::Array)
        }
        Node::Object(members) => {
            let mut object = Map::new();
            for member in members {
                let value = constant(member.value)?;
                if !(member.optional && value.is_null()) {
                    object.insert(member.name.to_owned(), value);
                }
            }
            Some(Value::Object(object))
        }
        Node::Concat(parts) => {
            let text = |part: &NodeRef| match constant(part)? {
                Value::String(text) => Some(text),
                Value::Number(number) => Some(number.to_string()),
                _ => None,
            };
            parts.iter().map(text).collect::<Option<String>>().map(Value::String)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
