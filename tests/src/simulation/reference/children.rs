//! Parallel and Map: their branches and iterations, one after the other, each
//! to its end.

use std::rc::Rc;

use engine::machine::Fact;
use serde_json::{Value, json};

use super::expression::Sight;
use super::state::{Trouble, Visit, in_jsonata, in_jsonpath, there};
use super::{Data, End, Failure, Line, Open, Walk, What};
use crate::simulation::script;

/// Iterations an inline Map runs at a time. Quotas: 40.
const CONCURRENCY_MAX: u64 = 40;

impl Walk<'_> {
    /// Runs the branches of a Parallel and answers the array of their outputs.
    pub(super) fn parallel(&mut self, visit: &Visit<'_>) -> Result<Value, Trouble> {
        let effective = self.effective(visit)?;
        let input = self.arguments(visit, &effective)?;
        self.emit(What::ParallelStarted(Rc::clone(&input)));
        let branches = visit.state["Branches"].as_array().map(Vec::as_slice).unwrap_or_default();
        let children = (0..).zip(branches).map(|(index, branch)| {
            let child = self.child(index, self.now, self.item.clone(), false);
            child.started(What::ChildStarted(None), branch, Rc::clone(&input))
        });
        let children = children.collect();
        self.join(children, &What::ParallelSucceeded)
    }

    /// Runs the iterations of a Map and answers the array of their outputs.
    pub(super) fn map(&mut self, visit: &Visit<'_>) -> Result<Value, Trouble> {
        let effective = self.effective(visit)?;
        let items = self.items(visit, &effective)?;
        let limit = match self.number(visit, "MaxConcurrency", &effective)?.unwrap_or(0) {
            0 => CONCURRENCY_MAX,
            limit => limit.min(CONCURRENCY_MAX),
        };
        self.emit(What::MapStarted { length: items.len() as u64, limit });
        let mut children: Vec<Line> = Vec::new();
        // When the places were taken that are free again.
        let mut running: Vec<i64> = Vec::new();
        let (mut now, mut failed) = (self.now, None::<i64>);
        for (index, (item, default)) in (0..).zip(&items) {
            if running.len() as u64 >= limit {
                let Some(first) = (0..running.len()).min_by_key(|place| running[*place]) else { break };
                now = now.max(running.swap_remove(first));
            }
            if now == i64::MAX || failed.is_some_and(|failed| failed < now) {
                break;
            }
            let input = match self.iteration_input(visit, &effective, item, default) {
                Ok(input) => input,
                Err(_) if failed == Some(now) && self.drops_next() => break,
                Err(trouble) => {
                    self.now = now;
                    self.settle();
                    self.opens.push(Open { children, cut: Some(self.now) });
                    return Err(trouble);
                }
            };
            let child = self.child(index, now, Some(Rc::new(item.clone())), true);
            let processor = &visit.state["ItemProcessor"];
            let line = child.started(What::ChildStarted(Some(Rc::clone(&input))), processor, input);
            match &line.end {
                End::Succeeded(at, _) => running.push(*at),
                End::Never => running.push(i64::MAX),
                End::Failed(at, _) => {
                    running.push(i64::MAX);
                    failed = Some(failed.map_or(*at, |failed| failed.min(*at)));
                }
            }
            children.push(line);
        }
        self.join(children, &What::MapSucceeded)
    }

    /// The items, as the context object has them, with the inputs of their iterations.
    fn items(&self, visit: &Visit<'_>, effective: &Data) -> Result<Vec<(Value, Value)>, Trouble> {
        let sight = self.sight(visit, effective);
        let found = if visit.is_jsonata {
            let literal_object = visit.state["Items"].is_object();
            let found = in_jsonata(&sight, visit.state, "Items", "Items")?.unwrap_or_default();
            if !found.is_array() && !literal_object {
                return Err(Trouble::Field("Items".to_owned()));
            }
            found
        } else {
            there(visit.state["ItemsPath"].as_str().and_then(|path| sight.path(path)))?
        };
        let context =
            |index: usize, value: &Value| json!({"Index": index, "Value": value, "Source": "STATE_DATA"});
        match found {
            Value::Array(items) => {
                let items = items.into_iter().enumerate();
                Ok(items.map(|(index, value)| (context(index, &value), value)).collect())
            }
            Value::Object(items) => {
                let items = items.into_iter().enumerate().map(|(index, (key, value))| {
                    let mut item = context(index, &value);
                    item["Key"] = key.as_str().into();
                    (item, json!({"Key": key, "Value": value}))
                });
                Ok(items.collect())
            }
            _ => Err(Failure::runtime().into()),
        }
    }

    fn iteration_input(
        &self,
        visit: &Visit<'_>,
        effective: &Data,
        item: &Value,
        default: &Value,
    ) -> Result<Data, Trouble> {
        let sight = Sight { item: Some(item), ..self.sight(visit, effective) };
        let selected = if visit.is_jsonata {
            in_jsonata(&sight, visit.state, "ItemSelector", "ItemSelector")?
        } else {
            in_jsonpath(&sight, visit.state, "ItemSelector")?
        };
        Ok(Rc::new(selected.unwrap_or_else(|| default.clone())))
    }

    /// Whether it was seen that a failed child, and nothing else, was what the state failed of.
    fn drops_next(&self) -> bool {
        self.next_seen().is_some_and(|record| matches!(record.fact, Fact::ChildrenDropped { .. }))
    }

    /// A child that is about to start.
    fn child(&self, index: u32, now: i64, item: Option<Data>, is_iteration: bool) -> Self {
        let opening = self.opens.len();
        let seen = self.seen.and_then(|line| line.opens.get(opening)?.get(&index));
        Self {
            setting: self.setting,
            seen: seen.and_then(|line| self.setting.seen.lines.get(*line)),
            key: script::branch(self.key, opening, index),
            now,
            events: Vec::new(),
            opens: Vec::new(),
            schedules: 0,
            variables: self.variables.clone(),
            item,
            is_iteration: Some(is_iteration),
        }
    }

    /// Starts it and runs it to its end.
    fn started(mut self, what: What, region: &Value, input: Data) -> Line {
        self.emit(what);
        self.region(region, input)
    }

    /// All ended well, or one failed first.
    fn join(&mut self, children: Vec<Line>, done: &What) -> Result<Value, Trouble> {
        let failures = children.iter().filter_map(|line| match &line.end {
            End::Failed(at, _) => Some(*at),
            _ => None,
        });
        if let Some(first) = failures.min() {
            let failure = self.first_failure(&children, first);
            self.now = first;
            self.emit(What::ChildrenDropped);
            self.opens.push(Open { children, cut: Some(self.now) });
            return Err(failure.into());
        }
        let mut outputs = Vec::new();
        let mut never = false;
        for line in &children {
            match &line.end {
                End::Succeeded(at, output) => {
                    self.now = self.now.max(*at);
                    outputs.push((**output).clone());
                }
                _ => never = true,
            }
        }
        self.opens.push(Open { children, cut: None });
        if never {
            return Err(Trouble::Never);
        }
        self.emit(done.clone());
        Ok(outputs.into())
    }

    /// Of those that fail in one millisecond, the one that was seen to be the first.
    fn first_failure(&self, children: &[Line], first: i64) -> Failure {
        let seen = self.seen.and_then(|line| *line.failed.get(self.opens.len())?);
        let at_first = |line: &&Line| matches!(&line.end, End::Failed(at, _) if *at == first);
        let of_seen = seen.and_then(|index| children.get(index as usize)).filter(at_first);
        match of_seen.or_else(|| children.iter().find(at_first)).map(|line| &line.end) {
            Some(End::Failed(_, failure)) => failure.clone(),
            _ => Failure::runtime(),
        }
    }
}
