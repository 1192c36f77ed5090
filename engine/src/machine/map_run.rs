//! The distributed Map in the machine: what its fields say when a Map Run
//! starts, and what its end means to the state.
//!
//! A Map Run is not part of an execution. The machine evaluates the fields,
//! records them with `MapRunStarted`, hands a [`MapRunPlan`] to the shell and
//! waits. The shell reads the items, runs a child execution for each and
//! reports one outcome. After a crash the machine hands out the same plan
//! again; which children there are already is for the shell to know.

use std::sync::Arc;

use asl::{Distributed, ExecutionType, Map, State, StateKind, StateMachine};
use indexmap::IndexMap;
use serde_json::{Value, json};

use super::context::{Replayable, Surroundings, item_context};
use super::execution::{Execution, Phase};
use super::flow::{Flow, NumberField};
use super::payload::Payload;
use super::random;
use super::record::{Fact, FrameId, Started, Text};
use super::retry::{Failure, errors};
use super::run::{Run, Step, Trouble, in_state_named};
use crate::arn::map_run_arn;
use crate::items::{Batcher, Item};

/// What the fields of a distributed Map say, evaluated once.
#[derive(Debug, Clone, PartialEq)]
pub struct MapRun {
    /// ARN of the Map Run.
    pub arn: Text,
    /// `Label`, or what stands for it in ARNs.
    pub label: Text,
    /// `MaxConcurrency`; 0 = as many as AWS allows.
    pub max_concurrency: u64,
    /// `ToleratedFailureCount`.
    pub tolerated_failure_count: Option<u64>,
    /// `ToleratedFailurePercentage`, as the bits of the number.
    pub tolerated_failure_percentage_bits: Option<u64>,
    /// The item reader's arguments.
    pub reader_arguments: Option<Payload>,
    /// `MaxItems` of the item reader; 0 = all.
    pub max_items: u64,
    /// `MaxItemsPerBatch`; 0 = not said.
    pub items_per_batch: u64,
    /// `MaxInputBytesPerBatch`; 0 = not said.
    pub bytes_per_batch: u64,
    /// `BatchInput`.
    pub batch_input: Option<Payload>,
    /// The result writer's arguments.
    pub writer_arguments: Option<Payload>,
}

impl MapRun {
    /// `ToleratedFailurePercentage`, 0 to 100.
    pub fn tolerated_failure_percentage(&self) -> Option<f64> {
        self.tolerated_failure_percentage_bits.map(f64::from_bits)
    }
}

/// All that is needed to run a Map Run.
#[derive(Debug, Clone, PartialEq)]
pub struct MapRunPlan {
    /// The id of the `MapRunStarted` event, or of the last `MapRunRedriven`.
    pub event_id: u64,
    /// How often the Map Run was redriven, this time included; 0 = it starts.
    pub redrive_count: u32,
    /// The evaluated fields.
    pub run: MapRun,
    /// The execution whose Map Run it is.
    pub parent: Box<Started>,
    /// The Map state.
    pub state: Arc<State>,
    /// The items, unless an item reader reads them.
    pub items: Payload,
    state_name: Text,
    entered_id: u64,
    input: Payload,
    context: Value,
    variables: Arc<IndexMap<String, Value>>,
}

/// How a Map Run ended.
#[derive(Debug, Clone, PartialEq)]
pub enum MapRunOutcome {
    /// With these results: the result of the state.
    Succeeded(Payload),
    /// With a failure of the state.
    Failed(Failure),
}

/// How far a distributed Map has come.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct MapRunPhase {
    /// The items, unless an item reader reads them.
    pub(super) items: Payload,
    pub(super) run: Option<Box<MapRun>>,
    /// The results of a Map Run that succeeded.
    pub(super) output: Option<Payload>,
    /// The event that says that all ended well is written.
    pub(super) announced: bool,
    /// What a Map Run that failed has failed with.
    pub(super) failure: Option<Failure>,
    /// How often it was redriven.
    pub(super) redrives: u32,
    /// The execution was redriven, and the Map Run is to be.
    pub(super) redrive_is_due: bool,
}

impl MapRunPhase {
    pub(super) fn new(items: &Payload) -> Self {
        Self {
            items: items.clone(),
            run: None,
            output: None,
            announced: false,
            failure: None,
            redrives: 0,
            redrive_is_due: false,
        }
    }
}

impl MapRunPlan {
    /// The fields only a distributed Map has.
    pub fn distributed(&self) -> Option<&Distributed> {
        match &self.state.kind {
            StateKind::Map(map) => map.distributed.as_deref(),
            _ => None,
        }
    }

    /// The name of the Map state.
    pub fn state_name(&self) -> &str {
        &self.state_name
    }

    /// The type of the child executions.
    pub fn execution_type(&self) -> ExecutionType {
        self.distributed().map_or(ExecutionType::Standard, |distributed| distributed.execution_type)
    }

    /// The state machine of the child executions.
    pub fn definition(&self) -> Arc<StateMachine> {
        processor_machine(&self.state)
    }

    /// A child execution. `seed`: where its random numbers come from.
    pub fn child(&self, execution_arn: &str, name: &str, input: Payload, seed: u64) -> Box<Started> {
        let label = &self.run.label;
        Box::new(Started {
            execution_arn: execution_arn.into(),
            name: name.into(),
            state_machine_arn: format!("{}/{label}", self.parent.state_machine_arn).into(),
            state_machine_name: format!("{}/{label}", self.parent.state_machine_name).into(),
            role_arn: self.parent.role_arn.clone(),
            input,
            seed,
            trace_header: self.parent.trace_header.clone(),
        })
    }

    /// The item batcher, if there is one.
    pub fn batcher(&self) -> Option<Batcher> {
        self.distributed()?.item_batcher.as_ref()?;
        let MapRun { items_per_batch, bytes_per_batch, batch_input, .. } = &self.run;
        Some(Batcher::new(*items_per_batch, *bytes_per_batch, batch_input.clone()))
    }

    /// What a child execution gets of an item: after `ItemSelector`. The same
    /// item gets the same, whenever it is asked for within a millisecond.
    pub fn select(&self, item: &Item, index: u64, now_millis: i64) -> Result<Payload, Failure> {
        let StateKind::Map(map) = &self.state.kind else { return Ok(Payload::from_value(item.input())) };
        let Some(selector) = &map.item_selector else { return Ok(Payload::from_value(item.input())) };
        let seed = random::draw(self.parent.seed ^ self.event_id, index);
        let host = Replayable::new(now_millis, seed);
        let mut context = self.context.clone();
        if let Value::Object(context) = &mut context {
            let item = item_context(index, item.key.as_deref(), &item.value, &item.source);
            context.insert("Map".to_owned(), json!({ "Item": item }));
        }
        let flow = Flow::new(&self.state, Surroundings::given(&context, &self.variables, &host));
        flow.evaluate(selector, map.item_selector_field, &self.input).map_err(|error| {
            let in_state = |cause: &str| in_state_named(&self.state_name, self.entered_id, cause);
            if error.error == errors::DATA_LIMIT_EXCEEDED {
                return Failure::of_limit(&error, &self.state_name, in_state);
            }
            Failure::of_query(error.error, in_state(&error.cause))
        })
    }
}

/// The processor of a distributed Map, as a state machine of its own.
fn processor_machine(state: &State) -> Arc<StateMachine> {
    let (start_at, states, timeout_seconds) = match &state.kind {
        StateKind::Map(map) => {
            let is_express = map
                .distributed
                .as_ref()
                .is_some_and(|distributed| distributed.execution_type == ExecutionType::Express);
            let timeout = is_express.then_some(asl::limits::EXPRESS_EXECUTION_SECONDS_MAX);
            (map.processor.start_at.clone(), map.processor.states.clone(), timeout)
        }
        _ => (String::new(), IndexMap::new(), None),
    };
    let query_language = state.query_language;
    Arc::new(StateMachine { comment: None, query_language, start_at, timeout_seconds, version: None, states })
}

/// The processor of the distributed Map of this name, wherever it is in a
/// definition. Names of states are unique in a definition.
pub(crate) fn processor_of(definition: &StateMachine, map_state: &str) -> Option<Arc<StateMachine>> {
    let mut levels = vec![&definition.states];
    while let Some(states) = levels.pop() {
        if let Some(state) = states.get(map_state) {
            return Some(processor_machine(state));
        }
        for state in states.values() {
            match &state.kind {
                StateKind::Map(map) => levels.push(&map.processor.states),
                StateKind::Parallel(parallel) => {
                    levels.extend(parallel.branches.iter().map(|branch| &branch.states));
                }
                _ => {}
            }
        }
    }
    None
}

impl Run<'_> {
    /// Starts the Map Run of a distributed Map.
    pub(super) fn open_distributed(&mut self, id: FrameId, map: &Map, distributed: &Distributed) -> Step {
        let items = match self.items_given(id, map, distributed) {
            Ok(items) => items,
            Err(trouble) => return self.trouble(id, trouble),
        };
        let length = u32::try_from(items.item_count()).unwrap_or(u32::MAX);
        self.push(id, Fact::MapStateStarted { items, length, limit: 0 })?;
        self.wake(id);
        Ok(())
    }

    /// The items in the state's data. Recorded on AWS: with an item reader `ItemsPath` means nothing, and there are 0.
    fn items_given(&self, id: FrameId, map: &Map, distributed: &Distributed) -> Result<Payload, Trouble> {
        if distributed.item_reader.is_some() {
            return Ok(Payload::from_value(Value::Array(Vec::new())));
        }
        let (frame, visit) = self.visit(id)?;
        let flow = self.flow(frame, visit);
        Ok(flow.items(&map.items, &flow.effective_input(&visit.input)?)?)
    }

    /// Looks after a Map Run: starts it, or leaves the state when it has ended well.
    pub(super) fn tend_map_run(&mut self, id: FrameId) -> Step {
        let (frame, visit) = self.visit(id)?;
        let Phase::MapRun(phase) = &frame.phase else { return Ok(()) };
        if phase.run.is_none() {
            let state = Arc::clone(&visit.state);
            return match &state.kind {
                StateKind::Map(map) => self.start_map_run(id, map),
                _ => Ok(()),
            };
        }
        if phase.redrive_is_due {
            return self.redrive_map_run(id);
        }
        if phase.output.is_none() {
            return Ok(());
        }
        if !phase.announced {
            self.push(id, Fact::MapStateSucceeded)?;
        }
        self.complete(id)
    }

    /// Recorded on AWS: what is wrong with the fields is found after `MapStateStarted`.
    fn start_map_run(&mut self, id: FrameId, map: &Map) -> Step {
        match self.map_run(id, map) {
            Ok(run) => self.push(id, Fact::MapRunStarted { run: Box::new(run) }),
            Err(trouble) => self.trouble(id, trouble),
        }
    }

    fn map_run(&self, id: FrameId, map: &Map) -> Result<MapRun, Trouble> {
        let (frame, visit) = self.visit(id)?;
        let flow = self.flow(frame, visit);
        let effective = flow.effective_input(&visit.input)?;
        let number = |field: Option<&asl::NumberOrExpression>, name: &str| {
            field.map(|field| flow.number(field, name, NumberField::Count, &effective)).transpose()
        };
        let distributed = map.distributed.as_deref();
        let (reader, batcher, writer) = (
            distributed.and_then(|distributed| distributed.item_reader.as_ref()),
            distributed.and_then(|distributed| distributed.item_batcher.as_ref()),
            distributed.and_then(|distributed| distributed.result_writer.as_ref()),
        );
        let evaluated = |template: Option<&asl::Template>, field: &str| {
            template.map(|template| flow.evaluate(template, field, &effective)).transpose()
        };
        let arguments = match visit.state.query_language {
            asl::QueryLanguage::JsonPath => "Parameters",
            asl::QueryLanguage::Jsonata => "Arguments",
        };
        let label = match distributed.and_then(|distributed| distributed.label.as_deref()) {
            Some(label) => label.to_owned(),
            None => asl::Host::uuid(&self.host),
        };
        let uuid = asl::Host::uuid(&self.host);
        let parent = self.execution.started().map(|started| &*started.state_machine_arn).unwrap_or_default();
        Ok(MapRun {
            arn: map_run_arn(parent, &label, &uuid).into(),
            label: label.into(),
            max_concurrency: number(map.max_concurrency.as_ref(), "MaxConcurrency")?.unwrap_or_default(),
            tolerated_failure_count: number(map.tolerated_failure_count.as_ref(), "ToleratedFailureCount")?,
            tolerated_failure_percentage_bits: flow
                .tolerated_failure_percentage(map, &effective)?
                .map(f64::to_bits),
            reader_arguments: evaluated(
                reader.and_then(|reader| reader.arguments.as_ref()),
                &format!("ItemReader/{arguments}"),
            )?,
            max_items: number(
                reader.and_then(|reader| reader.max_items.as_ref()),
                "ItemReader/ReaderConfig/MaxItems",
            )?
            .unwrap_or_default(),
            items_per_batch: number(
                batcher.and_then(|batcher| batcher.max_items_per_batch.as_ref()),
                "ItemBatcher/MaxItemsPerBatch",
            )?
            .unwrap_or_default(),
            bytes_per_batch: number(
                batcher.and_then(|batcher| batcher.max_input_bytes_per_batch.as_ref()),
                "ItemBatcher/MaxInputBytesPerBatch",
            )?
            .unwrap_or_default(),
            batch_input: evaluated(
                batcher.and_then(|batcher| batcher.batch_input.as_ref()),
                "ItemBatcher/BatchInput",
            )?,
            writer_arguments: evaluated(
                writer.and_then(|writer| writer.arguments.as_ref()),
                &format!("ResultWriter/{arguments}"),
            )?,
        })
    }

    /// The shell says how a Map Run ended.
    pub(super) fn map_run_ended(&mut self, event_id: u64, outcome: MapRunOutcome) -> Step {
        let Some(id) = self.execution.map_runs.get(&event_id).map(|(id, _)| *id) else { return Ok(()) };
        let fact = match outcome {
            MapRunOutcome::Succeeded(output) => Fact::MapRunSucceeded { output },
            MapRunOutcome::Failed(failure) => Fact::MapRunFailed { failure },
        };
        self.push(id, fact)?;
        self.wake(id);
        Ok(())
    }
}

/// The plan of a Map Run that has started and not ended.
pub(super) fn plan(execution: &Execution, id: FrameId, event_id: u64) -> Option<MapRunPlan> {
    let frame = execution.frames.get(&id)?;
    let visit = frame.visit.as_ref()?;
    let Phase::MapRun(phase) = &frame.phase else { return None };
    let MapRunPhase { items, run: Some(run), redrives, .. } = &**phase else { return None };
    let host = Replayable::new(execution.last_millis(), 0);
    let around = Surroundings::of(execution, frame, visit, &host);
    let context = around.context_object();
    let flow = Flow::new(&visit.state, around);
    // It was evaluated before the plan was recorded; nothing it reads has changed since.
    let input = flow.effective_input(&visit.input).unwrap_or_else(|_| visit.input.clone());
    Some(MapRunPlan {
        event_id,
        redrive_count: *redrives,
        run: MapRun::clone(run),
        parent: Box::new(execution.started()?.clone()),
        state: Arc::clone(&visit.state),
        items: items.clone(),
        state_name: visit.name.clone(),
        entered_id: visit.entered_id,
        input,
        context,
        variables: Arc::clone(&frame.variables),
    })
}
