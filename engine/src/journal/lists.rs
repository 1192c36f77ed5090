//! Lists of executions: the questions of the API, the console and the command
//! line. Each is answered by walking an index in the order of the list; a test
//! reads the plans.

use rusqlite::types::Value as SqlValue;

use super::reader::{ExecutionSummary, Reader, SUMMARY};
use super::schema::JournalError;
use crate::arn::state_machine_name;
use crate::machine::Status;

/// Which executions to list; newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExecutionFilter {
    /// Only of this state machine, by name or ARN.
    pub state_machine: Option<String>,
    /// Only the children of this Map Run, by ARN. Without it, children are not listed.
    pub map_run: Option<String>,
    /// Only those started with this version.
    pub version: Option<u32>,
    /// Only those started with this alias.
    pub alias: Option<String>,
    /// Only in this status.
    pub status: Option<Status>,
    /// Only those that ended with this error.
    pub error: Option<String>,
    /// Only those whose name begins with this text.
    pub name_begins: Option<String>,
    /// Only those that were redriven, or only those that were not.
    pub redriven: Option<bool>,
    /// Only those that started at or after this time, in milliseconds since the epoch.
    pub started_from_millis: Option<i64>,
    /// Only those that started before this time, in milliseconds since the epoch.
    pub started_before_millis: Option<i64>,
    /// At most this many; `None` = 1,000, which is also AWS's page.
    pub limit: Option<u32>,
    /// Leave out this many first.
    pub offset: u32,
    /// Only what comes after this one in the list: its start and its number.
    pub after: Option<(i64, i64)>,
}

#[cfg(test)]
mod tests;

/// The conditions of a query and the values they are about.
#[derive(Default)]
struct Conditions {
    texts: Vec<&'static str>,
    values: Vec<SqlValue>,
}

impl Conditions {
    fn add<const N: usize>(&mut self, text: &'static str, values: [SqlValue; N]) {
        self.texts.push(text);
        self.values.extend(values);
    }
}

impl ExecutionFilter {
    /// The query and its values.
    pub(super) fn query(&self) -> (String, Vec<SqlValue>) {
        let mut conditions = Conditions::default();
        self.belonging(&mut conditions);
        self.standing(&mut conditions);
        self.time(&mut conditions);
        let Conditions { texts, mut values } = conditions;
        values.push(i64::from(self.limit.unwrap_or(1000)).into());
        values.push(i64::from(self.offset).into());
        let query = format!(
            "SELECT {SUMMARY} WHERE {} ORDER BY e.start_millis DESC, e.id DESC LIMIT ? OFFSET ?",
            texts.join(" AND ")
        );
        (query, values)
    }

    /// Whose they are, and what they are called.
    fn belonging(&self, conditions: &mut Conditions) {
        if let Some(machine) = &self.state_machine {
            let name = state_machine_name(machine).to_owned();
            let of_machine = if self.error.is_some() {
                // An error is rarer than a state machine: its index is walked.
                "+e.machine_id = (SELECT max(id) FROM state_machines WHERE name = ?)"
            } else {
                "e.machine_id = (SELECT max(id) FROM state_machines WHERE name = ?)"
            };
            conditions.add(of_machine, [name.into()]);
        }
        match &self.map_run {
            Some(map_run) => {
                let by_arn = "e.map_run_id = (SELECT id FROM map_runs WHERE arn = ?)";
                conditions.add(by_arn, [map_run.clone().into()]);
            }
            None => conditions.add("e.map_run_id IS NULL", []),
        }
        if let Some(version) = self.version {
            conditions.add("e.version = ?", [i64::from(version).into()]);
        }
        if let Some(alias) = &self.alias {
            conditions.add("e.alias = ?", [alias.clone().into()]);
        }
        if let Some(name) = &self.name_begins {
            // Names are found through their state machines: there are few of those.
            if self.state_machine.is_none() {
                conditions.add("e.machine_id IN (SELECT id FROM state_machines)", []);
            }
            let end = format!("{name}{}", char::MAX);
            conditions.add("e.name >= ? AND e.name < ?", [name.clone().into(), end.into()]);
        }
    }

    /// Where they stand.
    fn standing(&self, conditions: &mut Conditions) {
        match self.status {
            Some(Status::PendingRedrive) => conditions.add("e.pending_redrive = 1", []),
            Some(status) => {
                // Only children of Map Runs wait to be redriven: other lists keep to their index.
                if self.map_run.is_some() {
                    conditions.add("e.pending_redrive IS NULL", []);
                }
                let is_rare = self.error.is_some() || self.name_begins.is_some();
                let condition = if is_rare { "+e.status = ?" } else { "e.status = ?" };
                conditions.add(condition, [(status as i64).into()]);
            }
            None => {}
        }
        if let Some(error) = &self.error {
            conditions.add("e.error = ?", [error.clone().into()]);
        }
        match self.redriven {
            Some(true) => conditions.add("e.redrive_count > 0", []),
            Some(false) => conditions.add("e.redrive_count = 0", []),
            None => {}
        }
    }

    /// When they started.
    fn time(&self, conditions: &mut Conditions) {
        if let Some((start_millis, number)) = self.after {
            let after = [start_millis.into(), number.into()];
            conditions.add("(e.start_millis, e.id) < (?, ?)", after);
        }
        if let Some(millis) = self.started_from_millis {
            conditions.add("e.start_millis >= ?", [millis.into()]);
        }
        if let Some(millis) = self.started_before_millis {
            conditions.add("e.start_millis < ?", [millis.into()]);
        }
    }
}

impl Reader {
    /// Executions, newest first.
    pub fn list_executions(&self, filter: &ExecutionFilter) -> Result<Vec<ExecutionSummary>, JournalError> {
        let (query, values) = filter.query();
        self.rows(&query, rusqlite::params_from_iter(values), |row| {
            self.summary(row).map(|(_, summary)| summary)
        })
    }
}
