//! What each type of state does, its retries and its catchers.

use std::rc::Rc;

use serde_json::{Map, Value, json};

use super::expression::Sight;
use super::{ANY, Data, Failure, Nature, Out, Walk, What};
use crate::simulation::script::START_MILLIS;

/// A stay in a state.
pub(super) struct Visit<'v> {
    pub(super) name: &'v str,
    pub(super) state: &'v Value,
    pub(super) is_jsonata: bool,
    pub(super) input: &'v Data,
    pub(super) retry_count: u32,
    /// A redrive goes on with its branches or iterations.
    pub(super) goes_on: bool,
}

/// What a state hands on, and to whom.
pub(super) struct Left {
    next: Option<String>,
    output: Data,
    assigned: Vec<(String, Value)>,
}

/// Why an attempt of a state did not work.
pub(super) enum Trouble {
    Never,
    /// It failed; `announced` = the end of its branches is written.
    Failed {
        failure: Failure,
        announced: bool,
    },
    /// A field in JSONata has no value.
    Field(String),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Failed { failure, announced: false }
    }
}

/// An `Option` of JSONPath: where a path leads nowhere, nothing helps.
pub(super) fn there<T>(found: Option<T>) -> Result<T, Trouble> {
    found.ok_or_else(|| Failure::runtime().into())
}

impl Walk<'_> {
    /// Enters a state, tries it as often as its retriers say, and leaves it.
    pub(super) fn visit(
        &mut self,
        name: &str,
        state: &Value,
        input: &Data,
        entered: bool,
    ) -> Result<(Option<String>, Data), Out> {
        let kind = state["Type"].as_str().unwrap_or_default().to_owned();
        let language = state.get("QueryLanguage").or_else(|| self.setting.definition.get("QueryLanguage"));
        let is_jsonata = language.is_some_and(|language| language == "JSONata");
        // A redrive enters only a Fail state again.
        if !entered || kind == "Fail" {
            self.emit(What::Entered { kind: kind.clone(), name: name.to_owned(), input: Rc::clone(input) });
        }
        let goes_on = entered && self.opened().is_some();
        let mut visit = Visit { name, state, is_jsonata, input, retry_count: 0, goes_on };
        let mut attempts = vec![0_u64; state["Retry"].as_array().map_or(0, Vec::len)];
        loop {
            // Of a state that goes on, the branches do the next thing.
            if !visit.goes_on {
                self.settle();
            }
            let left = match self.attempt(&visit, &kind) {
                Ok(left) => left,
                Err(Trouble::Never) => return Err(Out::Never),
                Err(trouble) => {
                    let done = self.opened() == Some(true);
                    let (failure, announced) = self.failed(&visit, trouble, done);
                    if self.retried(state, &failure, &mut attempts) {
                        visit.retry_count += 1;
                        visit.goes_on = false;
                        continue;
                    }
                    self.caught(&visit, &kind, &failure, announced)?
                }
            };
            let Left { next, output, assigned } = left;
            self.variables.extend(assigned.iter().cloned());
            let (name, output) = (name.to_owned(), Rc::clone(&output));
            self.emit(What::Exited { kind, name, output: Rc::clone(&output), assigned, next: next.clone() });
            return Ok((next, output));
        }
    }

    /// Whether the state opened branches or iterations since it was tried
    /// last, and if so whether it is written that they ended well.
    pub(super) fn opened(&self) -> Option<bool> {
        let mut ended = false;
        for (_, what) in self.events.iter().rev() {
            match what {
                What::MapSucceeded | What::ParallelSucceeded => ended = true,
                What::MapStarted { .. } | What::ParallelStarted(_) => return Some(ended),
                What::Entered { .. } => return None,
                _ => {}
            }
        }
        None
    }

    /// Writes down what there is an event for.
    fn failed(&mut self, visit: &Visit<'_>, trouble: Trouble, done: bool) -> (Failure, bool) {
        match trouble {
            Trouble::Failed { failure, announced } => (failure, announced || done),
            Trouble::Field(location) => {
                self.emit(What::EvaluationFailed { state: visit.name.to_owned(), location });
                (Failure::new(Nature::Evaluation, "States.QueryEvaluationError", ANY), done)
            }
            Trouble::Never => (Failure::runtime(), done),
        }
    }

    /// The first retrier that is for the failure takes it while it has attempts left.
    fn retried(&mut self, state: &Value, failure: &Failure, attempts: &mut [u64]) -> bool {
        let retriers = state["Retry"].as_array().map(Vec::as_slice).unwrap_or_default();
        let Some(index) = retriers.iter().position(|retrier| failure.matches(&retrier["ErrorEquals"])) else {
            return false;
        };
        let retrier = &retriers[index];
        if attempts[index] >= retrier["MaxAttempts"].as_u64().unwrap_or(3) {
            return false;
        }
        self.settle();
        let due = self.now + self.delay(retrier, attempts[index]);
        attempts[index] += 1;
        self.emit(What::RetryArmed { retrier: index, due });
        self.reach(due);
        self.emit(What::RetryStarted);
        true
    }

    /// How long a retrier waits, in milliseconds.
    fn delay(&self, retrier: &Value, attempt: u64) -> i64 {
        let mut seconds = retrier["IntervalSeconds"].as_f64().unwrap_or(1.0);
        for _ in 0..attempt {
            seconds *= retrier["BackoffRate"].as_f64().unwrap_or(2.0);
        }
        let seconds = seconds.min(retrier["MaxDelaySeconds"].as_f64().unwrap_or(f64::MAX));
        #[expect(clippy::cast_possible_truncation, reason = "a few seconds")]
        let longest = (seconds * 1000.0).round() as i64;
        if retrier["JitterStrategy"] != "FULL" {
            return longest;
        }
        // A random part of it: the one that was taken, if it is one.
        let taken = self.next_seen().and_then(|record| match &record.fact {
            engine::machine::Fact::RetryArmed { timer, .. } => Some(timer.due_millis - record.at_millis),
            _ => None,
        });
        taken.filter(|taken| (0..=longest).contains(taken)).unwrap_or(longest)
    }

    /// The first catcher that is for the failure takes it, or it goes up.
    fn caught(
        &mut self,
        visit: &Visit<'_>,
        kind: &str,
        failure: &Failure,
        announced: bool,
    ) -> Result<Left, Out> {
        let catchers = visit.state["Catch"].as_array().map(Vec::as_slice).unwrap_or_default();
        let index = catchers.iter().position(|catcher| failure.matches(&catcher["ErrorEquals"]));
        if !announced && failure.nature != Nature::Runtime {
            match kind {
                "Map" => self.emit(What::MapFailed),
                "Parallel" => self.emit(What::ParallelFailed),
                _ => {}
            }
        }
        let Some(index) = index else { return Err(Out::Failed(failure.clone())) };
        match self.by_catcher(visit, index, &catchers[index], failure) {
            Ok(left) => Ok(left),
            Err(trouble) => Err(Out::Failed(self.failed(visit, trouble, true).0)),
        }
    }

    fn by_catcher(
        &self,
        visit: &Visit<'_>,
        index: usize,
        catcher: &Value,
        failure: &Failure,
    ) -> Result<Left, Trouble> {
        let is_timeout = matches!(failure.nature, Nature::TimedOut | Nature::HeartbeatMissed);
        let cause = failure.cause.as_deref().or(is_timeout.then_some(""));
        let error = json!({"Error": failure.error, "Cause": cause});
        let next = catcher["Next"].as_str().map(str::to_owned);
        if visit.is_jsonata {
            let sight = Sight { error: Some(&error), ..self.sight(visit, visit.input) };
            let assigned = in_jsonata(&sight, catcher, "Assign", &format!("Catch[{index}]/Assign"))?;
            let output = in_jsonata(&sight, catcher, "Output", &format!("Catch[{index}]/Output"))?;
            return Ok(Left {
                next,
                output: Rc::new(output.unwrap_or(error)),
                assigned: variables(assigned),
            });
        }
        let assigned = in_jsonpath(&self.sight(visit, &error), catcher, "Assign")?;
        let output = combined(catcher, visit.input, &error);
        Ok(Left { next, output: Rc::new(output), assigned: variables(assigned) })
    }

    /// One attempt.
    fn attempt(&mut self, visit: &Visit<'_>, kind: &str) -> Result<Left, Trouble> {
        match kind {
            "Choice" => self.choose(visit),
            "Fail" => Err(self.raised(visit)?.into()),
            "Wait" => {
                self.wait(visit)?;
                self.leave(visit, None)
            }
            "Pass" if !visit.is_jsonata => {
                let effective = self.effective(visit)?;
                let result = match visit.state.get("Result") {
                    Some(result) => Rc::new(result.clone()),
                    None => self.arguments(visit, &effective)?,
                };
                self.leave(visit, Some(result))
            }
            "Task" => {
                let result = self.task(visit)?;
                self.leave(visit, Some(result))
            }
            "Parallel" | "Map" => {
                let result = if kind == "Map" { self.map(visit)? } else { self.parallel(visit)? };
                self.leave(visit, Some(Rc::new(result)))
            }
            _ => self.leave(visit, None),
        }
    }

    /// What the fields of a state see.
    pub(super) fn sight<'s>(&'s self, visit: &'s Visit<'_>, input: &'s Value) -> Sight<'s> {
        let can_retry = matches!(visit.state["Type"].as_str(), Some("Task" | "Parallel" | "Map"));
        let resource = visit.state["Resource"].as_str().unwrap_or_default();
        Sight {
            input,
            result: None,
            error: None,
            variables: &self.variables,
            item: self.begin.item.as_deref(),
            state: visit.name,
            redrives: self.setting.redrives,
            retry_count: can_retry.then_some(visit.retry_count),
            has_token: resource.ends_with(".waitForTaskToken") || resource.contains(":activity:"),
        }
    }

    /// After `InputPath`.
    pub(super) fn effective(&self, visit: &Visit<'_>) -> Result<Data, Trouble> {
        match visit.state.get("InputPath") {
            Some(path) => self.selected(visit, path, visit.input),
            None => Ok(Rc::clone(visit.input)),
        }
    }

    fn selected(&self, visit: &Visit<'_>, path: &Value, from: &Data) -> Result<Data, Trouble> {
        match path.as_str() {
            Some("$") => Ok(Rc::clone(from)),
            Some(path) => there(self.sight(visit, from).path(path)).map(Rc::new),
            None => Ok(Rc::new(json!({}))),
        }
    }

    /// After `Parameters` or `Arguments`.
    pub(super) fn arguments(&self, visit: &Visit<'_>, effective: &Data) -> Result<Data, Trouble> {
        let sight = self.sight(visit, effective);
        let arguments = if visit.is_jsonata {
            in_jsonata(&sight, visit.state, "Arguments", "Arguments")?
        } else {
            in_jsonpath(&sight, visit.state, "Parameters")?
        };
        Ok(arguments.map_or_else(|| Rc::clone(effective), Rc::new))
    }

    /// A whole number of a field; in JSONPath it may end in `Path`.
    pub(super) fn number(
        &self,
        visit: &Visit<'_>,
        field: &str,
        effective: &Data,
    ) -> Result<Option<u64>, Trouble> {
        let sight = self.sight(visit, effective);
        if let Some(path) = visit.state[format!("{field}Path")].as_str() {
            return there(sight.path(path).and_then(|found| found.as_u64())).map(Some);
        }
        if !visit.is_jsonata {
            return Ok(visit.state[field].as_u64());
        }
        match in_jsonata(&sight, visit.state, field, field)? {
            Some(found) => found.as_u64().map(Some).ok_or_else(|| Trouble::Field(field.to_owned())),
            None => Ok(None),
        }
    }

    /// What a state hands on when it did what it had to do.
    fn leave(&self, visit: &Visit<'_>, result: Option<Data>) -> Result<Left, Trouble> {
        let next = visit.state["Next"].as_str().map(str::to_owned);
        if visit.is_jsonata {
            return self.leave_in_jsonata(visit, visit.state, "", next, result);
        }
        let Some(result) = result else {
            return self.leave_without_result(visit, visit.state, next);
        };
        let selected = match in_jsonpath(&self.sight(visit, &result), visit.state, "ResultSelector")? {
            Some(selected) => Rc::new(selected),
            None => result,
        };
        let assigned = in_jsonpath(&self.sight(visit, &selected), visit.state, "Assign")?;
        let combined = Rc::new(combined(visit.state, visit.input, &selected));
        let output = match visit.state.get("OutputPath") {
            Some(path) => self.selected(visit, path, &combined)?,
            None => combined,
        };
        Ok(Left { next, output, assigned: variables(assigned) })
    }

    /// `fields`: the state, or the rule of a Choice.
    fn leave_without_result(
        &self,
        visit: &Visit<'_>,
        fields: &Value,
        next: Option<String>,
    ) -> Result<Left, Trouble> {
        let effective = self.effective(visit)?;
        let assigned = in_jsonpath(&self.sight(visit, &effective), fields, "Assign")?;
        let output = match visit.state.get("OutputPath") {
            Some(path) => self.selected(visit, path, &effective)?,
            None => effective,
        };
        Ok(Left { next, output, assigned: variables(assigned) })
    }

    fn leave_in_jsonata(
        &self,
        visit: &Visit<'_>,
        fields: &Value,
        prefix: &str,
        next: Option<String>,
        result: Option<Data>,
    ) -> Result<Left, Trouble> {
        let sight = Sight { result: result.as_deref(), ..self.sight(visit, visit.input) };
        let assigned = in_jsonata(&sight, fields, "Assign", &format!("{prefix}Assign"))?;
        let output = in_jsonata(&sight, fields, "Output", &format!("{prefix}Output"))?.map(Rc::new);
        let output = output.or(result).unwrap_or_else(|| Rc::clone(visit.input));
        Ok(Left { next, output, assigned: variables(assigned) })
    }

    fn choose(&self, visit: &Visit<'_>) -> Result<Left, Trouble> {
        let effective = self.effective(visit)?;
        let rules = visit.state["Choices"].as_array().map(Vec::as_slice).unwrap_or_default();
        for (index, rule) in rules.iter().enumerate() {
            let sight = self.sight(visit, &effective);
            let holds = if visit.is_jsonata {
                let field = format!("Choices[{index}]/Condition");
                let value = sight.template(&rule["Condition"], &field).map_err(Trouble::Field)?;
                value.as_bool().ok_or(Trouble::Field(field))?
            } else {
                there(holds(rule, &sight))?
            };
            if holds {
                let next = rule["Next"].as_str().map(str::to_owned);
                return if visit.is_jsonata {
                    self.leave_in_jsonata(visit, rule, &format!("Choices[{index}]/"), next, None)
                } else {
                    self.leave_without_result(visit, rule, next)
                };
            }
        }
        let Some(default) = visit.state["Default"].as_str() else { return Err(Failure::runtime().into()) };
        let left = self.leave(visit, None)?;
        Ok(Left { next: Some(default.to_owned()), ..left })
    }

    fn raised(&self, visit: &Visit<'_>) -> Result<Failure, Trouble> {
        let sight = self.sight(visit, visit.input);
        let text = |field: &str| -> Result<Option<String>, Trouble> {
            if let Some(query) = visit.state[format!("{field}Path")].as_str() {
                let found = sight.query(query).and_then(|found| found.as_str().map(str::to_owned));
                return there(found).map(Some);
            }
            if !visit.is_jsonata {
                return Ok(visit.state[field].as_str().map(str::to_owned));
            }
            match in_jsonata(&sight, visit.state, field, field)? {
                Some(Value::String(text)) => Ok(Some(text)),
                Some(_) => Err(Trouble::Field(field.to_owned())),
                None => Ok(None),
            }
        };
        Ok(Failure { error: text("Error")?, cause: text("Cause")?, nature: Nature::Raised })
    }

    fn wait(&mut self, visit: &Visit<'_>) -> Result<(), Trouble> {
        let effective = self.effective(visit)?;
        let due = if let Some(seconds) = self.number(visit, "Seconds", &effective)? {
            self.now + millis(seconds)
        } else {
            let sight = self.sight(visit, &effective);
            let text = if let Some(path) = visit.state["TimestampPath"].as_str() {
                there(sight.path(path))?
            } else if visit.is_jsonata {
                let timestamp = in_jsonata(&sight, visit.state, "Timestamp", "Timestamp")?;
                timestamp.unwrap_or_default()
            } else {
                visit.state["Timestamp"].clone()
            };
            timestamp(text.as_str().unwrap_or_default())
        };
        if due > self.now {
            self.emit(What::WaitArmed { due });
            self.reach(due);
        }
        Ok(())
    }
}

/// Seconds in milliseconds.
pub(super) fn millis(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX / 1000) * 1000
}

/// A time of the form the generator writes: within the first hour of the day a scenario starts.
fn timestamp(text: &str) -> i64 {
    let number =
        |range: std::ops::Range<usize>| text.get(range).and_then(|digits| digits.parse::<i64>().ok());
    START_MILLIS + (number(14..16).unwrap_or(0) * 60 + number(17..19).unwrap_or(0)) * 1000
}

/// A field in JSONata, if the state has it.
pub(super) fn in_jsonata(
    sight: &Sight<'_>,
    fields: &Value,
    field: &str,
    location: &str,
) -> Result<Option<Value>, Trouble> {
    let template = fields.get(field);
    template.map(|template| sight.template(template, location)).transpose().map_err(Trouble::Field)
}

/// A payload template in JSONPath, if the state has it.
pub(super) fn in_jsonpath(sight: &Sight<'_>, fields: &Value, field: &str) -> Result<Option<Value>, Trouble> {
    fields.get(field).map(|template| there(sight.payload(template))).transpose()
}

fn variables(assigned: Option<Value>) -> Vec<(String, Value)> {
    match assigned {
        Some(Value::Object(fields)) => fields.into_iter().collect(),
        _ => Vec::new(),
    }
}

/// After `ResultPath`, which is one name, or `null`.
fn combined(fields: &Value, raw: &Value, result: &Value) -> Value {
    match fields.get("ResultPath") {
        None => result.clone(),
        Some(Value::Null) => raw.clone(),
        Some(path) => {
            let name = path.as_str().and_then(|path| path.strip_prefix("$.")).unwrap_or_default();
            let mut combined = raw.as_object().cloned().unwrap_or_else(Map::new);
            combined.insert(name.to_owned(), result.clone());
            combined.into()
        }
    }
}

/// Whether a rule of a Choice in JSONPath holds; `None` = its path leads nowhere.
fn holds(rule: &Value, sight: &Sight<'_>) -> Option<bool> {
    if let Some(parts) = rule["And"].as_array() {
        for part in parts {
            if !holds(part, sight)? {
                return Some(false);
            }
        }
        return Some(true);
    }
    if let Some(parts) = rule["Or"].as_array() {
        for part in parts {
            if holds(part, sight)? {
                return Some(true);
            }
        }
        return Some(false);
    }
    if rule["Not"].is_object() {
        return holds(&rule["Not"], sight).map(|holds| !holds);
    }
    let found = sight.path(rule["Variable"].as_str()?);
    if let Some(expected) = rule["IsPresent"].as_bool() {
        return Some(found.is_some() == expected);
    }
    let found = found?;
    if let Some(bound) = rule["NumericLessThan"].as_i64() {
        return Some(found.as_i64().is_some_and(|found| found < bound));
    }
    if let Some(path) = rule["NumericEqualsPath"].as_str() {
        return Some(found.is_number() && found == sight.path(path)?);
    }
    if let Some(expected) = rule["BooleanEquals"].as_bool() {
        return Some(found == expected);
    }
    if rule["StringMatches"].is_string() {
        return Some(found.as_str().is_some_and(|found| found.starts_with('a')));
    }
    Some(found == rule["StringEquals"])
}
