//! What starts executions of a workflow on AWS.
//!
//! Each trigger has a role that may start this one machine, assumed by this one
//! trigger; what cannot be started goes to one queue of the workflow.

use crate::assembly::SynthesisError;
use crate::cloudformation::{Deletion, LogicalId, Resource, Text};
use crate::iam::{Condition, PolicyDocument, Statement, when};
use crate::manifest::{Trigger, Workflow};
use crate::resources::{
    ObjectPattern, Pipe, PipeSettings, Queue, QueuePolicy, Role, Rule, Schedule, Start, Tag,
};
use crate::triggers::{UTC, undelivered, visibility_seconds};

use super::{Builder, bucket_id, suppressions};

const SEND: &[&str] = &["sqs:SendMessage"];

/// A trigger's service, and its ARN.
struct Caller {
    service: &'static str,
    arn: Text,
}

impl Builder<'_> {
    /// Whether events of a bucket start executions.
    pub(super) fn tells_of_objects(&self, name: &str) -> bool {
        let triggers = self.manifest.workflows.iter().flat_map(|workflow| &workflow.triggers);
        let mut triggers = triggers;
        triggers.any(|trigger| matches!(trigger, Trigger::Objects { bucket, .. } if bucket == name))
    }

    /// The triggers of a workflow, after its machine.
    pub(super) fn triggers(
        &mut self,
        workflow: &Workflow,
        machine: &LogicalId,
    ) -> Result<(), SynthesisError> {
        if workflow.triggers.is_empty() {
            return Ok(());
        }
        let tags = self.tags(Some(("stepwright:workflow", workflow.name.as_str())));
        let dead_letters = self.undelivered(workflow, tags.clone())?;
        for trigger in &workflow.triggers {
            let name = trigger.name();
            let path = format!("{}/Triggers/{name}", workflow.name);
            let role = self.trigger_role(&path, trigger, machine, &dead_letters, tags.clone())?;
            let start = Start {
                machine: Text::Ref(machine.clone()),
                role: Text::Attribute(role, "Arn"),
                undelivered: Text::Attribute(dead_letters.clone(), "Arn"),
            };
            let resource = match trigger {
                Trigger::Schedule { expression, timezone, input, .. } => {
                    let description = format!("Starts {}", workflow.name);
                    let when = (expression.as_str(), timezone.as_deref().unwrap_or(UTC));
                    let schedule = Schedule::new(name, description, when, input.to_string(), start);
                    let key =
                        "times and constants are no secrets; they are encrypted with the key of the service";
                    Resource::new(path, Deletion::Delete, &schedule)?
                        .suppress(suppressions(&[("CKV_AWS_297", key)]))
                }
                Trigger::Objects { bucket, prefix, endings, .. } => {
                    let description = format!("Objects that arrive in {bucket} start {}", workflow.name);
                    let pattern = ObjectPattern::new(Text::Ref(bucket_id(bucket)), prefix, endings);
                    Resource::new(path, Deletion::Delete, &Rule::new(name, description, pattern, start))?
                }
                Trigger::Queue { queue, batch, window_seconds, .. } => {
                    let pipe = Pipe::new(PipeSettings {
                        name,
                        description: format!("Messages of {queue} start {}", workflow.name),
                        role: start.role,
                        source: Text::Attribute(queue_id(queue), "Arn"),
                        batch: *batch,
                        window_seconds: *window_seconds,
                        machine: start.machine,
                        tags: tags.clone(),
                    });
                    Resource::new(path, Deletion::Delete, &pipe)?
                }
            };
            self.template.add(LogicalId::new(name, "Trigger"), resource)?;
        }
        Ok(())
    }

    /// The queue of what could not be started. It goes with its stack, for its name is fixed.
    fn undelivered(&mut self, workflow: &Workflow, tags: Vec<Tag>) -> Result<LogicalId, SynthesisError> {
        let name = undelivered(workflow);
        let id = LogicalId::new(&workflow.name, "Undelivered");
        let path = format!("{}/Undelivered", workflow.name);
        let last = "what comes here has been tried for a day; nothing is behind it";
        let queue = Resource::new(&path, Deletion::Delete, &Queue::new(&name, tags))?
            .suppress(suppressions(&[("AwsSolutions-SQS3", last)]));
        self.template.add(id.clone(), queue)?;
        let mut statements = Vec::new();
        if workflow.triggers.iter().any(|trigger| matches!(trigger, Trigger::Objects { .. })) {
            // Scheduler sends with its role, and the queue itself redrives; a rule sends as the service.
            let rules = arn("events", &format!("rule/{}-objects-*", workflow.name));
            let queue = vec![Text::Attribute(id.clone(), "Arn")];
            let from = when("ArnLike", "aws:SourceArn", rules);
            statements.push(Statement::allow_service("FromRules", EVENTS, SEND, queue, from));
        }
        self.queue_policy(&path, LogicalId::new(&workflow.name, "UndeliveredPolicy"), &id, statements)?;
        self.output(
            format!("{id}Url"),
            format!("What could not start {}: look here", workflow.name),
            Text::Ref(id.clone()),
        );
        for trigger in &workflow.triggers {
            if let Trigger::Queue { queue, accounts, window_seconds, .. } = trigger {
                self.queue(workflow, queue, accounts, *window_seconds, &id)?;
            }
        }
        Ok(id)
    }

    /// A queue whose messages start executions. It goes with its stack: one that stayed would
    /// block the next deployment, because senders know its name.
    fn queue(
        &mut self,
        workflow: &Workflow,
        name: &str,
        accounts: &[String],
        window_seconds: u32,
        dead_letters: &LogicalId,
    ) -> Result<(), SynthesisError> {
        let id = queue_id(name);
        let path = format!("{}/Queues/{name}", workflow.name);
        let tags = self.tags(Some(("stepwright:workflow", workflow.name.as_str())));
        let queue = Queue::new(name, tags)
            .read_by(visibility_seconds(window_seconds), Text::Attribute(dead_letters.clone(), "Arn"));
        self.template.add(id.clone(), Resource::new(&path, Deletion::Delete, &queue)?)?;
        let mut statements = Vec::new();
        if !accounts.is_empty() {
            let account =
                |account: &String| Text::sub(format!("arn:${{AWS::Partition}}:iam::{account}:root"));
            let senders = accounts.iter().map(account).collect();
            let queue = vec![Text::Attribute(id.clone(), "Arn")];
            statements.push(Statement::allow_accounts("Senders", senders, SEND, queue));
        }
        self.queue_policy(&path, LogicalId::new(name, "QueuePolicy"), &id, statements)?;
        self.output(format!("{id}Url"), format!("Messages here start {}", workflow.name), Text::Ref(id));
        Ok(())
    }

    /// Refuses plain HTTP, and allows what the statements do.
    fn queue_policy(
        &mut self,
        path: &str,
        policy: LogicalId,
        queue: &LogicalId,
        mut statements: Vec<Statement>,
    ) -> Result<(), SynthesisError> {
        let insecure = when("Bool", "aws:SecureTransport", Text::literal("false"));
        let arn = vec![Text::Attribute(queue.clone(), "Arn")];
        statements.push(Statement::deny_everybody("TlsOnly", &["sqs:*"], arn, insecure));
        let properties = QueuePolicy {
            queues: [Text::Ref(queue.clone())],
            policy_document: PolicyDocument::new(statements),
        };
        let resource = Resource::new(format!("{path}/Policy"), Deletion::Delete, &properties)?;
        Ok(self.template.add(policy, resource)?)
    }

    /// The role of a trigger: it starts this machine, and sends what it cannot start where that belongs.
    fn trigger_role(
        &mut self,
        path: &str,
        trigger: &Trigger,
        machine: &LogicalId,
        dead_letters: &LogicalId,
        tags: Vec<Tag>,
    ) -> Result<LogicalId, SynthesisError> {
        let start = Statement::allow("Start", &["states:StartExecution"], vec![Text::Ref(machine.clone())]);
        let mut statements = vec![start];
        match trigger {
            Trigger::Schedule { .. } => {
                let queue = vec![Text::Attribute(dead_letters.clone(), "Arn")];
                statements.push(Statement::allow("Undelivered", SEND, queue));
            }
            Trigger::Queue { queue, .. } => {
                let take = ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"];
                statements.push(Statement::allow(
                    "Take",
                    &take,
                    vec![Text::Attribute(queue_id(queue), "Arn")],
                ));
            }
            Trigger::Objects { .. } => {}
        }
        let Caller { service, arn } = caller(trigger);
        let mut source: Condition = when("StringEquals", "aws:SourceAccount", Text::sub("${AWS::AccountId}"));
        source.extend(when("ArnLike", "aws:SourceArn", arn));
        let trust = PolicyDocument::new(vec![Statement::trust(service, source)]);
        let description = format!("What {} may do", trigger.name());
        let role = Role::new(description, trust, PolicyDocument::new(statements), tags);
        let id = LogicalId::new(trigger.name(), "TriggerRole");
        let resource = Resource::new(format!("{path}/Role"), Deletion::Delete, &role)?;
        self.template.add(id.clone(), resource)?;
        Ok(id)
    }
}

const EVENTS: &str = "events.amazonaws.com";

fn caller(trigger: &Trigger) -> Caller {
    let service = match trigger {
        Trigger::Schedule { .. } => "scheduler.amazonaws.com",
        Trigger::Objects { .. } => EVENTS,
        Trigger::Queue { .. } => "pipes.amazonaws.com",
    };
    Caller { service, arn: arn_of(trigger) }
}

/// What a service says it acts for. Scheduler names the group of a schedule, not the schedule
/// (Scheduler user guide, "Confused deputy prevention").
fn arn_of(trigger: &Trigger) -> Text {
    let name = trigger.name();
    match trigger {
        Trigger::Schedule { .. } => arn("scheduler", "schedule-group/default"),
        Trigger::Objects { .. } => arn("events", &format!("rule/{name}")),
        Trigger::Queue { .. } => arn("pipes", &format!("pipe/{name}")),
    }
}

/// An ARN of this account and region.
fn arn(service: &str, resource: &str) -> Text {
    Text::sub(format!("arn:${{AWS::Partition}}:{service}:${{AWS::Region}}:${{AWS::AccountId}}:{resource}"))
}

fn queue_id(name: &str) -> LogicalId {
    LogicalId::new(name, "Queue")
}
