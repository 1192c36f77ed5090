//! Map Runs in virtual time: their children are executions of the same simulation.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use asl::ExecutionType;

use super::Simulation;
use crate::arn::child_arn;
use crate::items::{ChildResult, Place, Results};
use crate::machine::{Execution, HistoryEvent, Input, MapRunPlan, Redrive, Status, draw, uuid};
use crate::map_run::{ChildInputs, Limits, Tally, results_outcome};

/// A child execution of a simulated Map Run.
#[derive(Debug, Clone)]
pub struct SimulatedChild {
    /// ARN of the Map Run.
    pub map_run_arn: String,
    /// ARN of the execution.
    pub execution_arn: String,
    /// Its number in the Map Run, from 0.
    pub number: u64,
    /// How it ended.
    pub status: Status,
    /// Its history.
    pub history: Vec<HistoryEvent>,
}

/// A Map Run under way.
pub(super) struct SimulatedMapRun {
    plan: Arc<MapRunPlan>,
    /// Which execution waits for it.
    parent: usize,
    tally: Tally,
    inputs: Option<ChildInputs>,
    /// Children that run: number → execution.
    running: BTreeMap<u64, usize>,
    results: BTreeMap<u64, ChildResult>,
    /// All children: number → execution, and how many items it has.
    children: BTreeMap<u64, (usize, u64)>,
    /// Children that wait to be redriven.
    pending: VecDeque<u64>,
    /// Where the last item is that was taken.
    place: Option<Place>,
    is_aborting: bool,
}

impl Simulation {
    pub(super) fn start_map_run(&mut self, parent: usize, plan: MapRunPlan) {
        let plan = Arc::new(plan);
        if plan.redrive_count > 0
            && let Some(ended) = self.ended_map_runs.remove(&*plan.run.arn)
        {
            return self.redrive_map_run(parent, plan, ended);
        }
        let mut tally = Tally::new(Limits::of(&plan.run), None);
        let inputs = match ChildInputs::open(&plan, &self.objects, 0, None, None) {
            Ok(inputs) => Some(inputs),
            Err(failure) => {
                tally.fail(failure);
                None
            }
        };
        let arn = plan.run.arn.to_string();
        let run = SimulatedMapRun {
            plan,
            parent,
            tally,
            inputs,
            running: BTreeMap::new(),
            results: BTreeMap::new(),
            children: BTreeMap::new(),
            pending: VecDeque::new(),
            place: None,
            is_aborting: false,
        };
        self.map_runs.insert(arn.clone(), run);
        self.to_pump.push_back(arn);
    }

    /// Goes on with a Map Run that was over: what failed waits to be redriven.
    fn redrive_map_run(&mut self, parent: usize, plan: Arc<MapRunPlan>, ended: SimulatedMapRun) {
        let was_exhausted = ended.tally.is_exhausted();
        let mut run = SimulatedMapRun {
            tally: Tally::new(Limits::of(&plan.run), None),
            pending: VecDeque::new(),
            is_aborting: false,
            parent,
            plan,
            ..ended
        };
        let is_express = run.plan.execution_type() == ExecutionType::Express;
        for (number, (index, items)) in &run.children {
            let Some(child) = self.executions.get(*index) else { continue };
            let mut status = child.status();
            if child.can_be_redriven() || is_express && status.is_unsuccessful() {
                status = Status::PendingRedrive;
                run.pending.push_back(*number);
            }
            run.tally.recall(*number, *items, status);
        }
        if was_exhausted {
            run.tally.exhaust();
        } else {
            let (position, place) = (run.tally.position(), run.place.as_ref());
            match ChildInputs::open(&run.plan, &self.objects, position, None, place) {
                Ok(inputs) => run.inputs = Some(inputs),
                Err(failure) => run.tally.fail(failure),
            }
        }
        let arn = run.plan.run.arn.to_string();
        self.map_runs.insert(arn.clone(), run);
        self.to_pump.push_back(arn);
    }

    /// Redrives the next child of a Map Run that waits for it; answers whether there was one.
    fn redrive_child(&mut self, arn: &str) -> bool {
        let Some(run) = self.map_runs.get_mut(arn) else { return false };
        if !run.tally.wants_child() {
            return false;
        }
        let Some(number) = run.pending.pop_front() else { return false };
        let Some((index, items)) = run.children.get(&number).copied() else { return false };
        run.tally.redrive(number, items);
        run.running.insert(number, index);
        let input = match run.plan.execution_type() {
            ExecutionType::Express => Input::Restart,
            ExecutionType::Standard => Input::Redrive(Redrive::default()),
        };
        self.take(index, input);
        true
    }

    pub(super) fn stop_map_run(&mut self, arn: &str) {
        if let Some(run) = self.map_runs.get_mut(arn) {
            run.tally.stop();
            self.to_pump.push_back(arn.to_owned());
        }
    }

    /// An execution is at its end: if it is a child, its Map Run hears of it.
    pub(super) fn child_ended(&mut self, index: usize) {
        let Some((arn, number)) = self.child_of.get(&index).cloned() else { return };
        let Some(run) = self.map_runs.get_mut(&arn) else { return };
        let Some(execution) = self.executions.get(index) else { return };
        run.running.remove(&number);
        run.tally.end(number, execution.status());
        run.results.extend(result(execution).map(|result| (number, result)));
        self.to_pump.push_back(arn.clone());
        let history = self.child_records.get(&index).cloned().unwrap_or_default();
        self.children.push(SimulatedChild {
            map_run_arn: arn,
            execution_arn: execution
                .started()
                .map(|started| started.execution_arn.to_string())
                .unwrap_or_default(),
            number,
            status: execution.status(),
            history: history.iter().filter_map(HistoryEvent::of).collect(),
        });
    }

    /// Starts the children a Map Run may start, or ends it.
    pub(super) fn pump(&mut self, arn: &str) {
        while self.redrive_child(arn) {}
        while let Some(run) = self.map_runs.get_mut(arn) {
            let next = match &mut run.inputs {
                Some(inputs) if run.tally.wants_child() => inputs.next(self.now_millis),
                _ => break,
            };
            match next {
                Ok(Some(child)) => {
                    let number = run.tally.start(child.items);
                    run.place = child.place;
                    let plan = Arc::clone(&run.plan);
                    let index = self.executions.len();
                    run.running.insert(number, index);
                    run.children.insert(number, (index, child.items));
                    let drawn = |position| draw(plan.parent.seed, position);
                    let first = (plan.event_id << 32) | (number << 2);
                    let name = uuid(drawn(first), drawn(first + 1));
                    let started = plan.child(&child_arn(arn, &name), &name, child.input, drawn(first + 2));
                    self.executions.push(Execution::new(plan.definition()));
                    self.child_of.insert(index, (arn.to_owned(), number));
                    self.take(index, Input::Start(started));
                }
                Ok(None) => run.tally.exhaust(),
                Err(failure) => run.tally.fail(failure),
            }
        }
        self.wind_up(arn);
    }

    /// Aborts the children of a Map Run that fails, and reports the end of one that is done.
    fn wind_up(&mut self, arn: &str) {
        let Some(run) = self.map_runs.get_mut(arn) else { return };
        if run.tally.is_ending() && !run.is_aborting {
            run.is_aborting = true;
            let children: Vec<usize> = run.running.values().copied().collect();
            for child in children {
                self.take(child, Input::Stop { error: None, cause: None });
            }
        }
        if !self.map_runs.get(arn).is_some_and(|run| run.tally.is_done()) {
            return;
        }
        let Some(run) = self.map_runs.remove(arn) else { return };
        let ended = (!run.tally.is_stopped()).then(|| {
            let results = || -> Results<'_> { Box::new(run.results.values().cloned().map(Ok)) };
            let outcome = results_outcome(&run.plan, &*self.objects, run.tally.failure(), results);
            (run.parent, Input::MapRunEnded { event_id: run.plan.event_id, outcome })
        });
        self.ended_map_runs.insert(arn.to_owned(), run);
        if let Some((parent, input)) = ended {
            self.take(parent, input);
        }
    }
}

fn result(execution: &Execution) -> Option<ChildResult> {
    let started = execution.started()?;
    Some(ChildResult {
        execution_arn: started.execution_arn.to_string(),
        state_machine_arn: started.state_machine_arn.to_string(),
        name: started.name.to_string(),
        status: execution.status(),
        input: started.input.text().to_owned(),
        output: execution.output().cloned(),
        error: execution.error().map(str::to_owned),
        cause: execution.cause().map(str::to_owned),
        start_millis: execution.start_millis(),
        stop_millis: execution.stop_millis(),
        redrive_count: execution.redrive_count(),
    })
}
