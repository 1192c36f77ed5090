//! Bugs that are planted, to see that the simulation finds them: wrong
//! versions of what lies between the machine and its world.

use std::sync::Arc;

use engine::machine::{Fact, Record};
use serde_json::Value;

/// A bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// Timers fire before they are due.
    TimerEarly,
    /// A recovery does not arm the timers again.
    TimersForgotten,
    /// A recovery forgets what was written last.
    RecordForgotten,
    /// A recovery forgets how often a state was retried.
    RetryCounterLost,
    /// Effects are released before what causes them is durable.
    EffectBeforeCommit,
    /// What somebody said is confirmed before it is durable.
    AnswerBeforeCommit,
    /// A task with an unknown outcome is silently run again.
    RunAgain,
    /// A job that was submitted is not looked after once more after a recovery.
    JobForgotten,
    /// An answer that comes late counts for the attempt that runs now.
    LateAnswerCounts,
    /// More iterations of a Map run at a time than may.
    ConcurrencyIgnored,
    /// Retriers have one attempt too many.
    OneAttemptMore,
    /// The first catcher is passed over.
    CatcherSkipped,
    /// A redrive starts all over, and runs again what succeeded.
    RedriveStartsOver,
}

impl Bug {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::TimerEarly,
        Self::TimersForgotten,
        Self::RecordForgotten,
        Self::RetryCounterLost,
        Self::EffectBeforeCommit,
        Self::AnswerBeforeCommit,
        Self::RunAgain,
        Self::JobForgotten,
        Self::LateAnswerCounts,
        Self::ConcurrencyIgnored,
        Self::OneAttemptMore,
        Self::CatcherSkipped,
        Self::RedriveStartsOver,
    ];

    /// The definition the machine runs.
    pub(super) fn definition(bug: Option<Self>, definition: &Value) -> Value {
        let mut definition = definition.clone();
        if matches!(bug, Some(Self::ConcurrencyIgnored | Self::OneAttemptMore | Self::CatcherSkipped)) {
            Self::alter(bug, &mut definition);
        }
        definition
    }

    fn alter(bug: Option<Self>, value: &mut Value) {
        match value {
            Value::Object(fields) => {
                match bug {
                    Some(Self::ConcurrencyIgnored) => {
                        fields.remove("MaxConcurrency");
                    }
                    Some(Self::OneAttemptMore) => {
                        if let Some(most) = fields.get("MaxAttempts").and_then(Value::as_u64) {
                            fields.insert("MaxAttempts".to_owned(), (most + 1).into());
                        }
                    }
                    _ => {
                        if let Some(catchers) = fields.get_mut("Catch").and_then(Value::as_array_mut)
                            && let Some(first) = catchers.first_mut()
                        {
                            first["ErrorEquals"] = serde_json::json!(["E.Nobody"]);
                        }
                    }
                }
                fields.values_mut().for_each(|value| Self::alter(bug, value));
            }
            Value::Array(items) => items.iter_mut().for_each(|item| Self::alter(bug, item)),
            _ => {}
        }
    }

    /// What a recovery reads.
    pub(super) fn recovered(bug: Option<Self>, durable: &mut Vec<Arc<[Record]>>) -> Vec<Record> {
        if bug == Some(Self::RecordForgotten) && durable.len() > 1 {
            durable.pop();
        }
        let mut records: Vec<Record> = durable.iter().flat_map(|records| records.iter().cloned()).collect();
        if bug == Some(Self::RetryCounterLost) {
            for record in &mut records {
                if let Fact::RetryArmed { retrier, .. } = &mut record.fact {
                    *retrier = u32::MAX;
                }
            }
        }
        records
    }
}
