//! Parallel and Map: their branches and iterations, one after the other, each
//! to its end.

use std::rc::Rc;

use engine::machine::Fact;
use serde_json::{Value, json};

use super::expression::Sight;
use super::state::{Trouble, Visit, in_jsonata, in_jsonpath, there};
use super::{Begin, Data, End, Failure, Line, Open, Walk, What};
use crate::simulation::script;
use crate::simulation::seen::SeenLine;

/// Iterations an inline Map runs at a time. Quotas: 40.
const CONCURRENCY_MAX: u64 = 40;

impl<'a> Walk<'a> {
    /// Runs the branches of a Parallel and answers the array of their outputs.
    pub(super) fn parallel(&mut self, visit: &Visit<'_>) -> Result<Value, Trouble> {
        let branches = visit.state["Branches"].as_array().map(Vec::as_slice).unwrap_or_default();
        if visit.goes_on {
            let before = self.opens.pop().unwrap_or_default();
            let children = (0..).zip(branches).zip(before.children);
            let children =
                children.map(|((index, branch), child)| self.go_on(index, child, branch, self.now));
            let children = children.collect();
            return self.join(children, &What::ParallelSucceeded);
        }
        let effective = self.effective(visit)?;
        let input = self.arguments(visit, &effective)?;
        self.emit(What::ParallelStarted(Rc::clone(&input)));
        let children = (0..).zip(branches).map(|(index, branch)| {
            let child = self.child(index, self.now, Rc::clone(&input), self.begin.item.clone(), false);
            child.started(What::ChildStarted(None), branch)
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
        let processor = &visit.state["ItemProcessor"];
        let mut places = Places { now: self.now, taken: Vec::new(), failed: None };
        let mut children = Vec::new();
        if visit.goes_on {
            let before = self.opens.pop().unwrap_or_default();
            for (index, child) in (0..).zip(before.children) {
                let was_over = matches!(child.end, End::Succeeded(..));
                let line = self.go_on(index, child, processor, self.now);
                if !was_over {
                    places.take(&line.end);
                }
                children.push(line);
            }
        } else {
            self.emit(What::MapStarted { length: items.len() as u64, limit });
            places.now = self.now;
        }
        for (index, (item, default)) in (0..).zip(&items).skip(children.len()) {
            if !places.next(limit) {
                break;
            }
            let input = match self.iteration_input(visit, &effective, item, default) {
                Ok(input) => input,
                Err(_) if places.failed == Some(places.now) && self.drops_next() => break,
                Err(trouble) => {
                    self.now = places.now;
                    self.settle();
                    self.opens.push(Open { children, cut: Some(self.now), is_past: false });
                    return Err(trouble);
                }
            };
            let child = self.child(index, places.now, Rc::clone(&input), Some(Rc::new(item.clone())), true);
            let line = child.started(What::ChildStarted(Some(input)), processor);
            places.take(&line.end);
            children.push(line);
        }
        self.join(children, &What::MapSucceeded)
    }

    /// A branch or iteration after a redrive: one that ended well is kept, others go on.
    fn go_on(&self, index: u32, child: Line, region: &Value, now: i64) -> Line {
        if matches!(child.end, End::Succeeded(..)) {
            return child;
        }
        Self::resumed(self.setting, self.seen_child(index), child, now).run(region)
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
    fn child(&self, index: u32, now: i64, input: Data, item: Option<Data>, is_iteration: bool) -> Self {
        let key = script::branch(self.begin.key, self.opens.len(), index);
        let variables = self.variables.clone();
        let begin = Begin { key, input, variables, item, is_iteration: Some(is_iteration) };
        Self::new(self.setting, self.seen_child(index), begin, now)
    }

    /// What was seen of a child of the branches or iterations that are open.
    fn seen_child(&self, index: u32) -> Option<&'a SeenLine> {
        let line = self.seen?.opens.get(self.opens.len())?.get(&index)?;
        self.setting.seen.lines.get(*line)
    }

    /// Starts it and runs it to its end.
    fn started(mut self, what: What, region: &Value) -> Line {
        self.emit(what);
        self.run(region)
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
            self.opens.push(Open { children, cut: Some(self.now), is_past: false });
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
        self.opens.push(Open { children, cut: None, is_past: false });
        if never {
            return Err(Trouble::Never);
        }
        // After a redrive it may be written already.
        if self.opened() == Some(false) {
            self.emit(done.clone());
        }
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

/// The places of the iterations of a Map that run at a time.
struct Places {
    now: i64,
    /// When the ones that are taken will be free again.
    taken: Vec<i64>,
    /// When the first iteration fails.
    failed: Option<i64>,
}

impl Places {
    /// An iteration takes a place, until its end.
    fn take(&mut self, end: &End) {
        match end {
            End::Succeeded(at, _) => self.taken.push(*at),
            End::Never => self.taken.push(i64::MAX),
            End::Failed(at, _) => {
                self.taken.push(i64::MAX);
                self.failed = Some(self.failed.map_or(*at, |failed| failed.min(*at)));
            }
        }
    }

    /// Waits for a place. `false`: there is none, or the Map has failed by then.
    fn next(&mut self, limit: u64) -> bool {
        if self.taken.len() as u64 >= limit {
            let Some(first) = (0..self.taken.len()).min_by_key(|place| self.taken[*place]) else {
                return false;
            };
            self.now = self.now.max(self.taken.swap_remove(first));
        }
        self.now != i64::MAX && self.failed.is_none_or(|failed| failed >= self.now)
    }
}
