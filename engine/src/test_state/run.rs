//! Running one state, and writing down how JSON flows through it.

use asl::{
    Choice, Fail, Items, Map, Parallel, Pass, QueryError, QueryLanguage, State, StateKind, Task, Transition,
    Wait,
};
use serde_json::{Value, json};

use super::TestHost;
use super::prepare::{Prepared, Work};
use super::shapes::{
    ErrorDetails, InspectionData, InspectionLevel, StateConfiguration, TestStateInput, TestStateOutput,
    TestStatus,
};
use crate::items::{Batcher, Pushed, ReadError, rows_of};
use crate::machine::{
    Failure, Flow, Integration, Nature, NumberField, Outcome, Payload, Replayable, SOURCE_OF_STATE_DATA,
    Surroundings, TaskKey, TaskRequest, VARIABLES_TOO_LARGE, delay_millis, errors, item_context,
};
use crate::task::TaskOutcome;

/// A test in progress.
pub(super) struct Test<'t> {
    prepared: &'t Prepared,
    configuration: &'t StateConfiguration,
    level: InspectionLevel,
    host: &'t dyn TestHost,
    random: Replayable,
    data: InspectionData,
}

/// What a state that did what it had to do leads to.
struct Done {
    outcome: Outcome,
    next: Option<String>,
}

impl<'t> Test<'t> {
    pub(super) fn new(prepared: &'t Prepared, request: &'t TestStateInput, host: &'t dyn TestHost) -> Self {
        Self {
            prepared,
            configuration: &request.state_configuration,
            level: request.inspection_level,
            host,
            random: Replayable::new(host.now_millis(), host.seed()),
            data: InspectionData {
                input: Some(prepared.input.text().to_owned()),
                ..InspectionData::default()
            },
        }
    }

    pub(super) fn run(mut self) -> TestStateOutput {
        match self.execute() {
            Ok(done) => self.ended(TestStatus::Succeeded, None, Some(done)),
            Err(failure) => self.failed(&failure),
        }
    }

    fn state(&self) -> &'t State {
        &self.prepared.state
    }

    fn in_jsonpath(&self) -> bool {
        self.state().query_language == QueryLanguage::JsonPath
    }

    fn flow<'f>(&'f self, context: &'f Value) -> Flow<'f> {
        Flow::new(self.state(), Surroundings::given(context, &self.prepared.variables, &self.random))
    }

    fn execute(&mut self) -> Result<Done, Failure> {
        match &self.state().kind {
            StateKind::Pass(pass) => self.pass(pass),
            StateKind::Task(task) => self.task(task),
            StateKind::Choice(choice) => self.choice(choice),
            StateKind::Wait(wait) => self.wait(wait),
            StateKind::Succeed => {
                self.effective_input()?;
                self.without_result()
            }
            StateKind::Fail(fail) => Err(self.fail(fail)?),
            StateKind::Parallel(parallel) => self.parallel(parallel),
            StateKind::Map(map) => self.map(map),
        }
    }

    /// After `InputPath`.
    fn effective_input(&mut self) -> Result<Payload, Failure> {
        let effective = self.flow(&self.prepared.context).effective_input(&self.prepared.input);
        let effective = effective.map_err(|error| self.failure(error))?;
        if self.in_jsonpath() {
            self.data.after_input_path = Some(effective.text().to_owned());
        }
        Ok(effective)
    }

    fn pass(&mut self, pass: &Pass) -> Result<Done, Failure> {
        if !self.in_jsonpath() {
            return self.without_result();
        }
        // Recorded on AWS: with a Result, input and parameters are not told of.
        let result = if let Some(result) = &pass.result {
            let result = Payload::from_value(result.clone());
            self.data.result = Some(result.text().to_owned());
            result
        } else {
            let effective = self.effective_input()?;
            let flow = self.flow(&self.prepared.context);
            let result = flow.pass_result(pass, &effective).map_err(|error| self.failure(error))?;
            let result = self.bounded(result)?;
            self.data.after_parameters = Some(result.text().to_owned());
            result
        };
        self.with_result(&result)
    }

    fn task(&mut self, task: &Task) -> Result<Done, Failure> {
        let effective = self.effective_input()?;
        let flow = self.flow(&self.prepared.context);
        let arguments =
            flow.arguments(task.arguments.as_ref(), &effective).map_err(|error| self.failure(error))?;
        let arguments = self.bounded(arguments)?;
        let text = Some(arguments.text().to_owned());
        if self.in_jsonpath() {
            self.data.after_parameters = text;
        } else {
            self.data.after_arguments = text;
        }
        let timeout_seconds = self.timeouts(task, &effective)?;
        let result = match &self.prepared.work {
            Some(Work::Result(result)) => result.clone(),
            Some(Work::Failure(failure)) => return Err(failure.clone()),
            None => self.call(task, &arguments, timeout_seconds)?,
        };
        self.data.result = Some(result.text().to_owned());
        self.with_result(&result)
    }

    /// `TimeoutSeconds`; what else a Task evaluates has to be evaluated, too.
    fn timeouts(&self, task: &Task, effective: &Payload) -> Result<Option<u64>, Failure> {
        let flow = self.flow(&self.prepared.context);
        let seconds = |field: Option<&asl::NumberOrExpression>, name: &str| {
            field.map(|field| flow.number(field, name, NumberField::Timeout, effective)).transpose()
        };
        let timeout_seconds =
            seconds(task.timeout_seconds.as_ref(), "TimeoutSeconds").map_err(|error| self.failure(error))?;
        seconds(task.heartbeat_seconds.as_ref(), "HeartbeatSeconds").map_err(|error| self.failure(error))?;
        if let Some(template) = &task.credentials {
            flow.evaluate(template, "Credentials", effective).map_err(|error| self.failure(error))?;
        }
        Ok(timeout_seconds)
    }

    /// Calls the resource.
    fn call(
        &self,
        task: &Task,
        arguments: &Payload,
        timeout_seconds: Option<u64>,
    ) -> Result<Payload, Failure> {
        let execution_arn = self.prepared.context.pointer("/Execution/Id").and_then(Value::as_str);
        let execution_arn = execution_arn.unwrap_or_default();
        let request = TaskRequest {
            key: TaskKey { execution_arn: execution_arn.into(), event_id: 0 },
            execution_arn: execution_arn.to_owned(),
            state_name: self.state_name().to_owned(),
            attempt: self.configuration.retrier_retry_count,
            resource: task.resource.clone(),
            arguments: arguments.value().clone(),
            timeout_seconds,
            token: None,
            trace_header: None,
        };
        match self.host.run(request) {
            TaskOutcome::Succeeded(text) if text.len() > asl::limits::PAYLOAD_BYTES_MAX => {
                Err(Failure::result_too_large(Integration::of(&task.resource).name_in_causes(&task.resource)))
            }
            TaskOutcome::Succeeded(text) => Payload::parse(&text).map_err(|error| {
                let cause = format!("The result of the task is not JSON: {error}.");
                Failure::new(Nature::Raised, errors::TASK_FAILED, cause)
            }),
            TaskOutcome::Failed { error, cause } => {
                let nature = match error.as_str() {
                    errors::RUNTIME => Nature::Runtime,
                    errors::TIMEOUT => Nature::TimedOut,
                    _ => Nature::Raised,
                };
                Err(Failure::new(nature, &error, cause))
            }
        }
    }

    /// A field that cannot be evaluated. A test's cause does not name the state.
    fn failure(&self, error: QueryError) -> Failure {
        if error.error == errors::DATA_LIMIT_EXCEEDED {
            return Failure::of_limit(&error, self.state_name(), str::to_owned);
        }
        Failure::of_query(error.error, error.cause)
    }

    /// A payload of what the state hands on, if it is within AWS's limit.
    fn bounded(&self, payload: Payload) -> Result<Payload, Failure> {
        if payload.is_larger_than(asl::limits::PAYLOAD_BYTES_MAX) {
            return Err(Failure::output_too_large(self.state_name()));
        }
        Ok(payload)
    }

    fn state_name(&self) -> &str {
        self.prepared.context.pointer("/State/Name").and_then(Value::as_str).unwrap_or_default()
    }

    fn choice(&mut self, choice: &Choice) -> Result<Done, Failure> {
        self.effective_input()?;
        let chosen = self.flow(&self.prepared.context).choice(choice, &self.prepared.input);
        match chosen.map_err(|error| self.failure(error))? {
            Some(chosen) => {
                self.check_sizes(&chosen.outcome)?;
                Ok(Done { outcome: chosen.outcome, next: Some(chosen.next.to_string()) })
            }
            None => Err(Failure::runtime(
                "Failed to transition out of the state. The state does not point to a next state.",
            )),
        }
    }

    /// A Wait is over at once.
    fn wait(&mut self, wait: &Wait) -> Result<Done, Failure> {
        let effective = self.effective_input()?;
        let flow = self.flow(&self.prepared.context);
        match wait {
            Wait::Seconds(seconds) => {
                flow.number(seconds, "Seconds", NumberField::Wait, &effective)
                    .map_err(|error| self.failure(error))?;
            }
            Wait::Timestamp(timestamp) => {
                flow.timestamp(timestamp, &effective).map_err(|error| self.failure(error))?;
            }
        }
        self.without_result()
    }

    fn fail(&mut self, fail: &Fail) -> Result<Failure, Failure> {
        let effective = self.effective_input()?;
        let flow = self.flow(&self.prepared.context);
        let text = |text: Option<&asl::TextOrExpression>, name: &str| {
            text.map(|text| flow.text(text, name, &effective)).transpose()
        };
        let error = text(fail.error.as_ref(), "Error").map_err(|error| self.failure(error))?;
        let cause = text(fail.cause.as_ref(), "Cause").map_err(|error| self.failure(error))?;
        Ok(Failure { error: error.map(Into::into), cause: cause.map(Into::into), nature: Nature::Raised })
    }

    /// Recorded on AWS: of the way to the branches nothing is told.
    fn parallel(&mut self, parallel: &Parallel) -> Result<Done, Failure> {
        let flow = self.flow(&self.prepared.context);
        let effective = flow.effective_input(&self.prepared.input).map_err(|error| self.failure(error))?;
        let arguments =
            flow.arguments(parallel.arguments.as_ref(), &effective).map_err(|error| self.failure(error))?;
        if !self.in_jsonpath() && parallel.arguments.is_some() {
            self.data.after_arguments = Some(arguments.text().to_owned());
        }
        self.mocked_result()
    }

    fn map(&mut self, map: &Map) -> Result<Done, Failure> {
        let effective = self.effective_input()?;
        let items = self.items(map, &effective)?;
        let inputs = match &items {
            Some(items) => self.iteration_inputs(map, &effective, items)?,
            None => Vec::new(),
        };
        self.batches(map, &effective, &inputs)?;
        let flow = self.flow(&self.prepared.context);
        let number = |field: Option<&asl::NumberOrExpression>, name: &str| {
            let number = field.map(|field| flow.number(field, name, NumberField::Count, &effective));
            number.transpose().map_err(|error| self.failure(error))
        };
        let max_concurrency = number(map.max_concurrency.as_ref(), "MaxConcurrency")?.unwrap_or_default();
        let count = number(map.tolerated_failure_count.as_ref(), "ToleratedFailureCount")?;
        let percentage =
            flow.tolerated_failure_percentage(map, &effective).map_err(|error| self.failure(error))?;
        self.data.max_concurrency = Some(max_concurrency);
        self.data.tolerated_failure_count = count;
        self.data.tolerated_failure_percentage = percentage;
        let failed = self.configuration.map_iteration_failure_count.unwrap_or_default();
        let is_mocked_result = matches!(self.prepared.work, Some(Work::Result(_)));
        if is_mocked_result && exceeds(failed, inputs.len(), count, percentage) {
            return Err(Failure::new(
                Nature::Raised,
                errors::EXCEED_TOLERATED_FAILURE_THRESHOLD,
                "The specified tolerated failure threshold was exceeded",
            ));
        }
        self.mocked_result()
    }

    /// The items of a Map; `None` where an item reader would read them and nobody says what it read.
    fn items(&mut self, map: &Map, effective: &Payload) -> Result<Option<Payload>, Failure> {
        let reader = map.distributed.as_ref().and_then(|mode| mode.item_reader.as_ref());
        let flow = self.flow(&self.prepared.context);
        let Some(reader) = reader else {
            let items = flow.items(&map.items, effective).map_err(|error| self.failure(error))?;
            // Recorded on AWS: an inline Map takes arrays only here, and of `$$` one `$` is left.
            if let (Items::Path(path), false, None) = (&map.items, items.value().is_array(), &map.distributed)
            {
                let path = path.source();
                let path = path.strip_prefix('$').filter(|rest| rest.starts_with('$')).unwrap_or(path);
                return Err(Failure::runtime(format!("Reference path \"{path}\" must point to array.")));
            }
            if self.in_jsonpath() {
                self.data.after_items_path = Some(items.text().to_owned());
            }
            return Ok(Some(items));
        };
        if let Some(arguments) = &reader.arguments {
            flow.arguments(Some(arguments), effective).map_err(|error| self.failure(error))?;
        }
        let Some(read) = &self.configuration.map_item_reader_data else { return Ok(None) };
        // API reference: the data is given "as found in its original source".
        if let Some(rows) = rows_of(reader, read) {
            let failed = |error: ReadError| {
                Failure::new(Nature::Raised, errors::ITEM_READER_FAILED, error.to_string())
            };
            return Ok(Some(Payload::from_value(Value::Array(rows.map_err(failed)?))));
        }
        let Ok(read) = serde_json::from_str::<Value>(read) else { return Ok(None) };
        let Some(pointer) = &reader.items_pointer else { return Ok(Some(Payload::from_value(read))) };
        let Some(items) = read.pointer(pointer) else {
            let cause = format!(
                "The ItemsPointer '{pointer}' does not lead to anything in the data of the ItemReader."
            );
            return Err(Failure::new(Nature::Raised, errors::ITEM_READER_FAILED, cause));
        };
        let items = Payload::from_value(items.clone());
        self.data.after_items_pointer = Some(items.text().to_owned());
        Ok(Some(items))
    }

    /// The inputs of the iterations, after `ItemSelector`.
    fn iteration_inputs(
        &mut self,
        map: &Map,
        effective: &Payload,
        items: &Payload,
    ) -> Result<Vec<Payload>, Failure> {
        let pairs: Vec<(Option<&String>, &Value)> = match items.value() {
            Value::Array(items) => items.iter().map(|item| (None, item)).collect(),
            Value::Object(fields) => fields.iter().map(|(key, item)| (Some(key), item)).collect(),
            _ => Vec::new(),
        };
        let Some(selector) = &map.item_selector else {
            let input = |(key, item): (Option<&String>, &Value)| match key {
                Some(key) => json!({ "Key": key, "Value": item }),
                None => item.clone(),
            };
            return Ok(pairs.into_iter().map(|pair| Payload::from_value(input(pair))).collect());
        };
        let (mut inputs, mut bytes) = (Vec::new(), 0);
        let mut context = self.prepared.context.clone();
        for (index, (key, item)) in (0..).zip(pairs) {
            if let Value::Object(parts) = &mut context {
                let item = item_context(index, key.map(String::as_str), item, SOURCE_OF_STATE_DATA);
                parts.insert("Map".to_owned(), json!({ "Item": item }));
            }
            let flow = self.flow(&context);
            let input = flow.evaluate(selector, map.item_selector_field, effective);
            let input = self.bounded(input.map_err(|error| self.failure(error))?)?;
            bytes += input.len();
            if bytes > asl::limits::TEST_STATE_ITEMS_BYTES_MAX {
                return Err(Failure::output_too_large(self.state_name()));
            }
            // The text alone: there may be many.
            inputs.push(Payload::from_journal(input.text()));
        }
        self.data.after_item_selector = Some(Payload::array(inputs.iter()).text().to_owned());
        Ok(inputs)
    }

    /// The inputs of the iterations after `ItemBatcher`.
    fn batches(&mut self, map: &Map, effective: &Payload, inputs: &[Payload]) -> Result<(), Failure> {
        let Some(fields) = map.distributed.as_ref().and_then(|mode| mode.item_batcher.as_ref()) else {
            return Ok(());
        };
        let flow = self.flow(&self.prepared.context);
        let number = |field: Option<&asl::NumberOrExpression>, name: &str| {
            let number = field.map(|field| flow.number(field, name, NumberField::Count, effective));
            number.transpose().map(Option::unwrap_or_default).map_err(|error| self.failure(error))
        };
        let items_max = number(fields.max_items_per_batch.as_ref(), "ItemBatcher/MaxItemsPerBatch")?;
        let bytes_max =
            number(fields.max_input_bytes_per_batch.as_ref(), "ItemBatcher/MaxInputBytesPerBatch")?;
        let batch_input = fields.batch_input.as_ref();
        let batch_input = batch_input
            .map(|template| flow.evaluate(template, "ItemBatcher/BatchInput", effective))
            .transpose();
        let rules = Batcher::new(items_max, bytes_max, batch_input.map_err(|error| self.failure(error))?);
        let mut batches = Vec::new();
        let mut filling = rules.begin();
        for (index, input) in inputs.iter().enumerate() {
            let mut pushed = rules.push(&mut filling, input);
            if pushed == Pushed::Full {
                batches.push(std::mem::replace(&mut filling, rules.begin()).finish().input);
                pushed = rules.push(&mut filling, input);
            }
            if let Pushed::TooLarge(bytes) = pushed {
                return Err(Failure::item_too_large(
                    index as u64,
                    SOURCE_OF_STATE_DATA,
                    bytes,
                    rules.bytes_max(),
                ));
            }
        }
        if filling.items() > 0 {
            batches.push(filling.finish().input);
        }
        self.data.after_item_batcher = Some(Payload::array(batches.iter()).text().to_owned());
        Ok(())
    }

    /// What a Parallel or Map hands on.
    fn mocked_result(&mut self) -> Result<Done, Failure> {
        match &self.prepared.work {
            Some(Work::Result(result)) => self.with_result(&result.clone()),
            Some(Work::Failure(failure)) => Err(failure.clone()),
            // Such a request is refused.
            None => Err(Failure::runtime("A Parallel or Map is tested with a mock only.")),
        }
    }

    fn with_result(&mut self, result: &Payload) -> Result<Done, Failure> {
        let outcome = self.flow(&self.prepared.context).with_result(&self.prepared.input, result);
        let outcome = outcome.map_err(|error| self.failure(error))?;
        self.data.after_result_selector = outcome.selected.as_ref().map(|payload| payload.text().to_owned());
        self.data.after_result_path = outcome.combined.as_ref().map(|payload| payload.text().to_owned());
        self.done(outcome)
    }

    fn without_result(&mut self) -> Result<Done, Failure> {
        let outcome = self.flow(&self.prepared.context).without_result(&self.prepared.input);
        self.done(outcome.map_err(|error| self.failure(error))?)
    }

    fn done(&self, outcome: Outcome) -> Result<Done, Failure> {
        self.check_sizes(&outcome)?;
        let next = match &self.state().transition {
            Some(Transition::Next(name)) => Some(name.clone()),
            Some(Transition::End) | None => None,
        };
        Ok(Done { outcome, next })
    }

    /// Refuses what an execution would refuse to hand on: output and variables beyond AWS's limits.
    fn check_sizes(&self, outcome: &Outcome) -> Result<(), Failure> {
        let mut assigned = 0;
        for (_, payload) in &outcome.assigned {
            if payload.is_larger_than(asl::limits::VARIABLE_BYTES_MAX) {
                return Err(Failure::output_too_large(self.state_name()));
            }
            assigned += payload.len();
        }
        let is_new = |name: &str| outcome.assigned.iter().any(|(assigned, _)| **assigned == *name);
        let kept = self.prepared.variables.iter().filter(|(name, _)| !is_new(name));
        let kept: usize = kept.map(|(_, value)| value.to_string().len()).sum();
        if assigned > asl::limits::ASSIGN_BYTES_MAX || assigned + kept > asl::limits::VARIABLES_BYTES_MAX {
            return Err(Failure::new(Nature::Limit, errors::DATA_LIMIT_EXCEEDED, VARIABLES_TOO_LARGE));
        }
        if outcome.output.is_larger_than(asl::limits::PAYLOAD_BYTES_MAX) {
            return Err(Failure::output_too_large(self.state_name()));
        }
        Ok(())
    }

    /// The first retrier that is for the failure takes it while it has
    /// attempts left; otherwise the first catcher that is for it.
    fn failed(mut self, failure: &Failure) -> TestStateOutput {
        let state = self.state();
        let mut details = ErrorDetails::default();
        let retrier = state.retry.iter().position(|retrier| failure.matches(&retrier.error_equals));
        if let Some((index, retrier)) = retrier.and_then(|index| Some((index, state.retry.get(index)?))) {
            details.retry_index = Some(index);
            let attempt = self.configuration.retrier_retry_count;
            if u64::from(attempt) < retrier.max_attempts {
                let seconds = delay_millis(retrier, attempt, || 1.0) / 1_000;
                details.retry_backoff_interval_seconds = Some(seconds);
                self.data.error_details = Some(details);
                return self.ended(TestStatus::Retriable, Some(failure), None);
            }
        }
        let mut catchers = state.catch.iter().enumerate();
        let catcher = catchers.find(|(_, catcher)| failure.matches(&catcher.error_equals));
        if let Some((index, catcher)) = catcher {
            details.catch_index = Some(index);
            self.data.error_details = Some(details);
            let flow = self.flow(&self.prepared.context);
            return match flow.by_catcher(&self.prepared.input, index, catcher, failure) {
                Ok(outcome) => match self.check_sizes(&outcome) {
                    Ok(()) => {
                        let done = Done { outcome, next: Some(catcher.next.clone()) };
                        self.ended(TestStatus::CaughtError, Some(failure), Some(done))
                    }
                    Err(too_large) => self.ended(TestStatus::Failed, Some(&too_large), None),
                },
                Err(error) => {
                    let failure = self.failure(error);
                    self.ended(TestStatus::Failed, Some(&failure), None)
                }
            };
        }
        self.data.error_details = (details != ErrorDetails::default()).then_some(details);
        self.ended(TestStatus::Failed, Some(failure), None)
    }

    fn ended(mut self, status: TestStatus, failure: Option<&Failure>, done: Option<Done>) -> TestStateOutput {
        let text = |text: Option<&crate::machine::Text>| text.map(ToString::to_string);
        let mut variables = self.prepared.variables.clone();
        for (name, value) in done.iter().flat_map(|done| &done.outcome.assigned) {
            variables.insert(name.to_string(), value.value().clone());
        }
        if !variables.is_empty() {
            self.data.variables = serde_json::to_string(&variables).ok();
        }
        TestStateOutput {
            output: done.as_ref().map(|done| done.outcome.output.text().to_owned()),
            error: text(failure.and_then(|failure| failure.error.as_ref())),
            cause: text(failure.and_then(|failure| failure.cause.as_ref())),
            inspection_data: (self.level != InspectionLevel::Info).then_some(self.data),
            next_state: done.and_then(|done| done.next),
            status,
        }
    }
}

/// Whether more iterations failed than a Map tolerates. Recorded on AWS: a Map
/// that says nothing about it is not failed here.
fn exceeds(failed: u64, items: usize, count: Option<u64>, percentage: Option<f64>) -> bool {
    #[expect(clippy::cast_precision_loss, reason = "there are fewer items than an f64 counts exactly")]
    let share = failed as f64 * 100.0 / (items.max(1) as f64);
    count.is_some_and(|count| failed > count) || percentage.is_some_and(|percentage| share > percentage)
}
