//! What the API showed of executions, and whether it is still so after the
//! power came back: what is shown has to be what is on disk.

use std::collections::BTreeMap;

use serde_json::Value;
use server::Api;

use crate::crash::checker::{Damage, Violation};

/// The last answer to each question, by the question. Earlier answers need no look of their own:
/// a history is the beginning of every later one, and an end stays.
#[derive(Debug, Default)]
pub(super) struct Shown(BTreeMap<String, (Value, Value)>);

impl Shown {
    /// Takes note of a line of the worker, if it shows executions.
    pub(super) fn note(&mut self, line: &Value) {
        let (Some(asked), Some(answer)) = (line.get("asked"), line.get("answer")) else { return };
        let shows = ["DescribeExecution", "GetExecutionHistory", "ListExecutions"];
        if asked["operation"].as_str().is_some_and(|operation| shows.contains(&operation)) {
            self.0.insert(asked.to_string(), (asked.clone(), answer.clone()));
        }
    }

    /// How many answers are held.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Asks everything again; what was shown before and is not so is lost.
    pub(super) fn untrue(&self, api: &Api) -> Vec<Violation> {
        let again = self.0.values().filter_map(|(asked, before)| {
            let operation = asked["operation"].as_str().unwrap_or_default();
            let problem = match api.call(operation, asked["parameters"].clone()) {
                Ok(now) => difference(operation, before, &now)?,
                Err(error) => format!("now it is refused: {} {}", error.code, error.message),
            };
            let what =
                format!("{operation} {} had shown more than is on disk: {problem}", asked["parameters"]);
            Some(Violation { damage: Damage::Lost, what })
        });
        again.collect()
    }
}

/// What an answer before has that the one now has not; `None` = nothing.
fn difference(operation: &str, before: &Value, now: &Value) -> Option<String> {
    match operation {
        "GetExecutionHistory" => {
            let (before, now) = (list(before, "events"), list(now, "events"));
            let same = before.iter().zip(now).take_while(|(before, now)| before == now).count();
            let missing = before.get(same)?;
            Some(format!("event {missing} of {}; there are {} now", before.len(), now.len()))
        }
        "ListExecutions" => {
            let now = list(now, "executions");
            let is = |arn: &Value| now.iter().find(|entry| entry["executionArn"] == *arn);
            list(before, "executions").iter().find_map(|entry| match is(&entry["executionArn"]) {
                Some(now) => changed(entry, now),
                None => Some(format!("{} is not listed", entry["executionArn"])),
            })
        }
        _ => changed(before, now),
    }
}

/// What is no longer so of an execution. One that ran may have ended, and when one can be redriven
/// is a matter of the time; everything else stays.
fn changed(before: &Value, now: &Value) -> Option<String> {
    let ran = before["status"] == "RUNNING";
    let stays = |key: &str| match key {
        "redriveStatus" | "redriveStatusReason" => false,
        "status" => !ran,
        _ => true,
    };
    let mut fields = before.as_object()?.iter();
    let (key, value) = fields.find(|(key, value)| stays(key) && now.get(key.as_str()) != Some(value))?;
    Some(format!("{key} was {value} and is {}", now[key.as_str()]))
}

fn list<'a>(answer: &'a Value, key: &str) -> &'a [Value] {
    answer[key].as_array().map(Vec::as_slice).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::difference;

    #[test]
    fn a_history_may_grow_and_not_change() {
        let events =
            |ids: &[u64]| json!({ "events": ids.iter().map(|id| json!({ "id": id })).collect::<Vec<_>>() });
        let differs = |before: &[u64], now: &[u64]| {
            difference("GetExecutionHistory", &events(before), &events(now)).is_some()
        };
        assert!(!differs(&[1, 2], &[1, 2]) && !differs(&[1, 2], &[1, 2, 3]) && !differs(&[], &[1]));
        assert!(differs(&[1, 2], &[1]) && differs(&[1, 2], &[1, 3]) && differs(&[1], &[]));
    }

    #[test]
    fn an_end_stays_and_a_run_may_end() {
        let described =
            |status: &str, output: &str| json!({ "status": status, "output": output, "name": "n" });
        let differs = |before: &Value, now: &Value| difference("DescribeExecution", before, now).is_some();
        let (running, ended) = (json!({ "status": "RUNNING", "name": "n" }), described("SUCCEEDED", "1"));
        assert!(!differs(&running, &ended) && !differs(&ended, &ended));
        assert!(differs(&ended, &running) && differs(&ended, &described("SUCCEEDED", "2")));
        assert!(differs(&running, &json!({ "status": "RUNNING", "name": "other" })));
    }

    #[test]
    fn what_was_listed_is_listed() {
        let entry = |arn: &str, status: &str| json!({ "executionArn": arn, "status": status });
        let lists = |entries: &[serde_json::Value]| json!({ "executions": entries });
        let before = lists(&[entry("a", "RUNNING"), entry("b", "FAILED")]);
        let now = lists(&[entry("c", "RUNNING"), entry("b", "FAILED"), entry("a", "SUCCEEDED")]);
        assert_eq!(difference("ListExecutions", &before, &now), None);
        for lost in [lists(&[entry("b", "FAILED")]), lists(&[entry("a", "RUNNING"), entry("b", "RUNNING")])] {
            assert!(difference("ListExecutions", &before, &lost).is_some());
        }
    }
}
