//! Whether the records of an execution are a history that an engine writes,
//! and whether they stand where the execution's row says.

use std::collections::BTreeMap;
use std::sync::Arc;

use asl::StateMachine;

use crate::machine::{Execution, Fact, FrameId, Record, Status, Text};

/// Where the row of an execution says that it stands.
pub(super) struct Stood {
    pub(super) status: i64,
    pub(super) start_millis: i64,
    pub(super) stop_millis: Option<i64>,
    /// `None` also where an older journal did not note it.
    pub(super) events: Option<u64>,
    pub(super) error: Option<String>,
    pub(super) notes_errors: bool,
}

/// What is wrong with records on their own.
pub(super) fn problems_of(records: &[Record], stood: &Stood, last_millis: i64) -> Vec<String> {
    let mut checks = Checks::default();
    let mut problems: Vec<String> = records.iter().filter_map(|record| checks.next(record).err()).collect();
    match records.first() {
        Some(Record { fact: Fact::ExecutionStarted { .. }, at_millis, .. })
            if *at_millis == stood.start_millis => {}
        Some(Record { fact: Fact::ExecutionStarted { .. }, .. }) => {
            problems.push("its row has another start than its first record".to_owned());
        }
        _ => problems.push("its first record is not its start".to_owned()),
    }
    if records.iter().any(|record| record.at_millis > last_millis) {
        problems.push("it has a record that is later than the journal's time".to_owned());
    }
    if checks.ended == Some(Status::Succeeded) && !checks.entered.is_empty() {
        problems.push("it succeeded within a state that was not exited".to_owned());
    }
    problems
}

/// What is wrong with the execution that the records make.
pub(super) fn problems_of_fold(
    definition: Arc<StateMachine>,
    records: &[Record],
    stood: &Stood,
) -> Vec<String> {
    // An Express child that is redriven starts again.
    let start = records.iter().rposition(|record| matches!(record.fact, Fact::ExecutionStarted { .. }));
    let records = records.get(start.unwrap_or_default()..).unwrap_or_default();
    let execution = match Execution::replay(definition, records) {
        Ok(execution) => execution,
        Err(error) => return vec![error.to_string()],
    };
    let mut problems = Vec::new();
    if execution.status() as i64 != stood.status {
        problems.push(format!(
            "its row says {}, its records {}",
            Status::of_number(stood.status).map_or("a status that does not exist", |status| status.as_str()),
            execution.status().as_str()
        ));
    }
    if execution.stop_millis() != stood.stop_millis {
        problems.push("its row has another end than its records".to_owned());
    }
    if stood.events.is_some_and(|events| events != execution.event_count()) {
        problems.push("its row counts other events than its records".to_owned());
    }
    if stood.notes_errors && execution.error() != stood.error.as_deref() {
        problems.push("its row has another error than its records".to_owned());
    }
    problems
}

/// Goes through the records of an execution in their order.
#[derive(Default)]
struct Checks {
    last_id: u64,
    last_millis: i64,
    ended: Option<Status>,
    /// The state each frame is in.
    entered: BTreeMap<FrameId, Text>,
    /// A redrive goes on within states that were entered before.
    redriven: bool,
}

impl Checks {
    fn next(&mut self, record: &Record) -> Result<(), String> {
        let starts_again = matches!(record.fact, Fact::ExecutionStarted { .. }) && self.ended.is_some();
        if starts_again {
            *self = Self { last_millis: self.last_millis, ..Self::default() };
        }
        self.number(record)?;
        if record.at_millis < self.last_millis {
            return Err(format!("the time runs backwards at event {}", self.last_id));
        }
        self.last_millis = record.at_millis;
        self.fact(record)
    }

    /// The numbers of events have no gap, and each follows an earlier one.
    fn number(&mut self, record: &Record) -> Result<(), String> {
        if record.id == 0 {
            return Ok(());
        }
        let expected = self.last_id + 1;
        self.last_id = record.id;
        if record.id != expected {
            return Err(format!("event {expected} is missing: the next one is {}", record.id));
        }
        if record.previous >= record.id {
            return Err(format!("event {} follows event {}", record.id, record.previous));
        }
        Ok(())
    }

    /// Every state is exited as often as it is entered, at most, and nothing happens after the end.
    fn fact(&mut self, record: &Record) -> Result<(), String> {
        if self.ended.is_some() && !matches!(record.fact, Fact::ExecutionRedriven { .. }) {
            return Err(format!("something comes after its end, event {}", self.last_id));
        }
        match &record.fact {
            Fact::StateEntered { name, .. } => match self.entered.insert(record.frame, name.clone()) {
                Some(before) => Err(format!("'{name}' was entered before '{before}' was exited")),
                None => Ok(()),
            },
            Fact::StateExited { name, .. } => match self.entered.remove(&record.frame) {
                Some(entered) if entered == *name => Ok(()),
                None if self.redriven => Ok(()),
                _ => Err(format!("'{name}' was exited without having been entered")),
            },
            Fact::MapIterationFailed { child, .. }
            | Fact::MapIterationAborted { child, .. }
            | Fact::BranchFailed { child, .. }
            | Fact::BranchAborted { child } => {
                self.entered.remove(child);
                Ok(())
            }
            Fact::ExecutionRedriven { .. } => {
                (self.ended, self.redriven) = (None, true);
                self.entered.clear();
                Ok(())
            }
            Fact::ExecutionSucceeded { .. } => {
                self.ended = Some(Status::Succeeded);
                Ok(())
            }
            fact if fact.is_terminal() => {
                self.ended = Some(Status::Failed);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}
