//! The calls of an execution that are under way: what is called, since when.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::machine::{Fact, Integration, Record, errors};

use super::OfResource;

/// What is called, as AWS's metrics tell it apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Activity,
    LambdaFunction,
    ServiceIntegration,
}

/// Calls by the id of their last event: the next one refers to it.
#[derive(Debug, Default)]
pub(super) struct Calls {
    by_event: BTreeMap<u64, Call>,
}

#[derive(Debug, Clone)]
struct Call {
    kind: Kind,
    resource: Arc<str>,
    scheduled_millis: i64,
    started_millis: Option<i64>,
}

/// What a record says of a call.
pub(super) struct Change {
    pub(super) kind: Kind,
    pub(super) resource: Arc<str>,
    what: What,
}

enum What {
    Scheduled,
    Started { scheduled_millis: i64, now_millis: i64 },
    Ended { how: How, scheduled_millis: i64, started_millis: Option<i64>, now_millis: i64 },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    Succeeded,
    Failed,
    TimedOut,
    HeartbeatTimedOut,
}

impl Calls {
    /// Follows a record; `None` = it says nothing of a call that is known.
    pub(super) fn take(&mut self, record: &Record) -> Option<Change> {
        let how = match &record.fact {
            Fact::TaskScheduled { task, .. } => return Some(self.scheduled(record, &task.resource)),
            Fact::TaskStarted { .. } | Fact::ActivityStarted { .. } => return self.started(record),
            Fact::TaskSubmitted { .. } => {
                let call = self.by_event.remove(&record.previous)?;
                self.by_event.insert(record.id, call);
                return None;
            }
            Fact::TaskSucceeded { .. } => How::Succeeded,
            Fact::TaskFailed { .. } | Fact::TaskSubmitFailed { .. } | Fact::TaskScheduleFailed { .. } => {
                How::Failed
            }
            Fact::TaskTimedOut { failure, .. } => match failure.error.as_deref() {
                Some(errors::HEARTBEAT_TIMEOUT) => How::HeartbeatTimedOut,
                _ => How::TimedOut,
            },
            _ => return None,
        };
        let Call { kind, resource, scheduled_millis, started_millis } =
            self.by_event.remove(&record.previous)?;
        let now_millis = record.at_millis;
        Some(Change {
            kind,
            resource,
            what: What::Ended { how, scheduled_millis, started_millis, now_millis },
        })
    }

    fn scheduled(&mut self, record: &Record, resource: &Arc<str>) -> Change {
        let kind = match Integration::of(resource) {
            Integration::Activity => Kind::Activity,
            Integration::Function => Kind::LambdaFunction,
            Integration::Service { .. } => Kind::ServiceIntegration,
        };
        let resource = Arc::clone(resource);
        let call = Call {
            kind,
            resource: Arc::clone(&resource),
            scheduled_millis: record.at_millis,
            started_millis: None,
        };
        self.by_event.insert(record.id, call);
        Change { kind, resource, what: What::Scheduled }
    }

    fn started(&mut self, record: &Record) -> Option<Change> {
        let mut call = self.by_event.remove(&record.previous)?;
        call.started_millis = Some(record.at_millis);
        let what = What::Started { scheduled_millis: call.scheduled_millis, now_millis: record.at_millis };
        let (kind, resource) = (call.kind, Arc::clone(&call.resource));
        self.by_event.insert(record.id, call);
        Some(Change { kind, resource, what })
    }
}

impl Change {
    /// Whether the call ended, and not well.
    pub(super) fn is_failure(&self) -> bool {
        matches!(self.what, What::Ended { how, .. } if how != How::Succeeded)
    }

    /// Adds it to the figures of what is called.
    pub(super) fn count(self, of: &mut OfResource) {
        match self.what {
            What::Scheduled => of.scheduled += 1,
            What::Started { scheduled_millis, now_millis } => {
                of.started += 1;
                of.schedule_time.add(scheduled_millis, now_millis);
            }
            What::Ended { how, scheduled_millis, started_millis, now_millis } => {
                match how {
                    How::Succeeded => of.succeeded += 1,
                    How::Failed => of.failed += 1,
                    How::TimedOut => of.timed_out += 1,
                    How::HeartbeatTimedOut => of.heartbeat_timed_out += 1,
                }
                of.time.add(scheduled_millis, now_millis);
                if let Some(started_millis) = started_millis {
                    of.run_time.add(started_millis, now_millis);
                }
            }
        }
    }
}
