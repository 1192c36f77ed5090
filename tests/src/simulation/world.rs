//! The machine under test and its world: a journal on a disk of which a part
//! is not synced yet, timers, task hosts, people with task tokens, and crashes
//! between any two of: decide, write, sync, release each effect, wait.

use std::collections::BTreeMap;
use std::sync::Arc;

use asl::StateMachine;
use engine::machine::{
    Effect, Execution, Fact, Input, Payload, Record, Redrive, Started, Status, TaskRequest, TimerId, advance,
};
use serde_json::Value;

use super::bugs::Bug;
use super::invariants::Ledger;
use super::reference::{Outage, Pattern, submission};
use super::script::{Ending, Plan, START_MILLIS, Script};
use super::seen::Seen;

/// Inputs an execution takes before the scenario gives up: far more than any needs.
const INPUTS_MAX: u64 = 200_000;

/// Why a step is not finished.
#[derive(Debug)]
enum Halt {
    Crash,
    /// Something that must hold does not.
    Law(String),
}

type Step = Result<(), Halt>;

/// Something that is going to happen.
#[derive(Debug, Clone)]
enum Happening {
    Timer(TimerId),
    Said { event_id: u64, say: Say },
    Stop,
    Redrive,
}

/// What is said about a task.
#[derive(Debug, Clone)]
enum Say {
    Accepted,
    Beat,
    Ended(Ending),
}

/// A task somebody works on.
#[derive(Debug, Clone)]
struct Flight {
    pattern: Pattern,
    plan: Plan,
    /// When it was called, in milliseconds since the epoch.
    from: i64,
    token: Option<String>,
    /// How many crashes there had been.
    after: usize,
}

/// What happened in a scenario, for the figures.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Figures {
    pub(super) events: u64,
    pub(super) crashes: u64,
    pub(super) undone: u64,
    pub(super) ignored: u64,
    pub(super) compared: u64,
}

/// The machine and everything around it.
pub(super) struct World<'a> {
    definition: Arc<StateMachine>,
    states: &'a BTreeMap<String, Value>,
    script: &'a Script,
    bug: Option<Bug>,
    started: Started,
    now: i64,
    /// What happens, by when it was to happen and in which order it was planned.
    queue: BTreeMap<(i64, u64), Happening>,
    planned: u64,
    live: Execution,
    ledger: Ledger,
    pub(super) seen: Seen,
    /// Of each scheduled task: its branch, and its number there.
    scheduled: BTreeMap<u64, (u64, u32)>,
    durable: Vec<Arc<[Record]>>,
    pending: Vec<Arc<[Record]>>,
    /// How much of what is durable was looked at for tasks that workers took.
    looked_at: usize,
    effects: Vec<Effect>,
    /// What nobody was answered yet.
    unanswered: Vec<((i64, u64), Happening)>,
    flights: BTreeMap<u64, Flight>,
    next: Option<Input>,
    recovering: bool,
    crashes: usize,
    points: u32,
    steps: u64,
    pub(super) outages: Vec<Outage>,
    /// When somebody stops the execution, in milliseconds since the epoch.
    pub(super) stops: Vec<i64>,
    /// When somebody redrives it, in milliseconds since the epoch.
    pub(super) redrives: Vec<i64>,
    pub(super) figures: Figures,
}

impl<'a> World<'a> {
    pub(super) fn new(
        definition: StateMachine,
        states: &'a BTreeMap<String, Value>,
        script: &'a Script,
        input: &Value,
        bug: Option<Bug>,
    ) -> Self {
        let definition = Arc::new(definition);
        let started = Started {
            execution_arn: "arn:aws:states:eu-central-1:123456789012:execution:simulated:run".into(),
            name: "run".into(),
            state_machine_arn: "arn:aws:states:eu-central-1:123456789012:stateMachine:simulated".into(),
            state_machine_name: "simulated".into(),
            role_arn: "arn:aws:iam::123456789012:role/simulated".into(),
            input: Payload::from_value(input.clone()),
            seed: script.seed,
            trace_header: None,
        };
        let mut world = Self {
            live: Execution::new(Arc::clone(&definition)),
            definition,
            states,
            script,
            bug,
            next: Some(Input::Start(Box::new(started.clone()))),
            started,
            now: START_MILLIS,
            queue: BTreeMap::new(),
            planned: 0,
            ledger: Ledger::default(),
            seen: Seen::default(),
            scheduled: BTreeMap::new(),
            durable: Vec::new(),
            pending: Vec::new(),
            looked_at: 0,
            effects: Vec::new(),
            unanswered: Vec::new(),
            flights: BTreeMap::new(),
            recovering: false,
            crashes: 0,
            points: 0,
            steps: 0,
            outages: Vec::new(),
            stops: script.stop_after.map(|after| START_MILLIS + after).into_iter().collect(),
            redrives: Vec::new(),
            figures: Figures::default(),
        };
        if let Some(at) = script.stop_after.map(|after| START_MILLIS + after) {
            world.plan(at, Happening::Stop);
        }
        world
    }

    /// Runs until nothing happens any more.
    pub(super) fn run(&mut self) -> Result<(), String> {
        loop {
            match self.turn() {
                Ok(true) => {}
                Ok(false) => break,
                Err(Halt::Crash) => self.crash().map_err(|halt| match halt {
                    Halt::Law(law) => law,
                    Halt::Crash => "a crash of a crash".to_owned(),
                })?,
                Err(Halt::Law(law)) => return Err(law),
            }
            if self.steps > INPUTS_MAX {
                return Err("it never ends".to_owned());
            }
        }
        self.figures.events = self.live.event_count();
        let replayed = Execution::replay(Arc::clone(&self.definition), self.records().iter());
        match replayed {
            Ok(replayed) if replayed == self.live => Ok(()),
            Ok(_) => Err("the journal, replayed, is another execution".to_owned()),
            Err(error) => Err(format!("the journal cannot be replayed: {error}")),
        }
    }

    /// Every record that is durable.
    pub(super) fn records(&self) -> Vec<Record> {
        self.durable.iter().flat_map(|records| records.iter().cloned()).collect()
    }

    /// When somebody stops the execution after so many redrives, in milliseconds since the epoch.
    pub(super) fn stop_in(&self, round: usize) -> Option<i64> {
        let redriven = round.checked_sub(1).and_then(|redrive| self.redrives.get(redrive)).copied();
        self.stops.iter().copied().filter(|stop| redriven.is_none_or(|redriven| *stop > redriven)).min()
    }

    /// One thing that happens. `false`: nothing is left to happen.
    fn turn(&mut self) -> Result<bool, Halt> {
        if let Some(input) = self.next.take() {
            self.take(input)?;
            return Ok(true);
        }
        let due = self.queue.first_key_value().map(|((at, _), _)| *at);
        // After a crash nobody is let in before the recovery is durable.
        let waits = !self.recovering
            && due.is_some_and(|due| due <= self.now)
            && self.script.commits > 0
            && self.steps % u64::from(self.script.commits + 1) != 0;
        if !self.pending.is_empty() && !waits {
            self.commit()?;
            return Ok(true);
        }
        if self.pending.is_empty() && self.plan_redrive() {
            return Ok(true);
        }
        let Some(due) = due else {
            if self.live.status() != Status::Running {
                return Ok(false);
            }
            // It waits for something that never comes.
            self.stops.push(self.now + 1000);
            self.plan(self.now + 1000, Happening::Stop);
            return Ok(true);
        };
        if due > self.now {
            self.point()?;
            self.now = due;
        }
        if let Some((key, happening)) = self.queue.pop_first() {
            self.happen(key, happening)?;
        }
        Ok(true)
    }

    fn plan(&mut self, at: i64, happening: Happening) {
        self.planned += 1;
        self.queue.insert((at, self.planned), happening);
    }

    /// Somebody decides to redrive an execution that ended without success.
    fn plan_redrive(&mut self) -> bool {
        let count = self.redrives.len();
        let ended = self.live.status().is_unsuccessful() && self.live.redrive_count() as usize == count;
        let Some(after) = self.script.redrives.get(count).filter(|_| ended) else { return false };
        self.redrives.push(self.now + after);
        self.plan(self.now + after, Happening::Redrive);
        true
    }

    fn happen(&mut self, key: (i64, u64), happening: Happening) -> Step {
        let input = match &happening {
            Happening::Timer(timer) => Some(Input::TimerFired(*timer)),
            Happening::Stop => Some(Input::Stop { error: None, cause: None }),
            Happening::Redrive if self.bug == Some(Bug::RedriveStartsOver) => Some(Input::Restart),
            Happening::Redrive => Some(Input::Redrive(Redrive::default())),
            Happening::Said { event_id, say } => self.said(key.0, *event_id, say),
        };
        let is_asked = match &happening {
            Happening::Stop | Happening::Redrive => true,
            Happening::Said { event_id, say: Say::Ended(_) } => {
                self.flights.get(event_id).is_some_and(|flight| flight.token.is_some())
            }
            _ => false,
        };
        if is_asked {
            self.unanswered.push((key, happening));
        }
        match input {
            Some(input) => self.take(input),
            None => Ok(()),
        }
    }

    /// What somebody says, as the machine is told it.
    fn said(&self, at: i64, event_id: u64, say: &Say) -> Option<Input> {
        let flight = self.flights.get(&event_id)?;
        let stale = (self.bug == Some(Bug::LateAnswerCounts)).then(|| self.any_running()).flatten();
        let event_id = stale.unwrap_or(event_id);
        let by_token = || self.live.task_of_token(flight.token.as_deref()?);
        let error = "E.Refused".to_owned();
        let cause = "not now".to_owned();
        Some(match (say, flight.pattern) {
            // What nobody answered is not said again.
            (Say::Beat, _) if at < self.now => return None,
            (Say::Beat, Pattern::Call | Pattern::Job) => Input::TaskHeartbeat { event_id },
            (Say::Beat, _) => Input::TaskHeartbeat { event_id: by_token()? },
            (Say::Accepted, Pattern::Activity) if flight.plan.refused => {
                Input::TaskNotScheduled { event_id, error, cause }
            }
            (Say::Accepted, Pattern::Activity) => {
                Input::ActivityStarted { event_id, worker: Some("somebody".to_owned()) }
            }
            (Say::Accepted, _) if flight.plan.refused => Input::TaskFailed { event_id, error, cause },
            (Say::Accepted, Pattern::Callback) => {
                Input::TaskSucceeded { event_id, output: submission().to_string() }
            }
            (Say::Accepted, _) => Input::TaskSubmitted { event_id, output: submission().to_string() },
            (Say::Ended(Ending::Error(error, cause)), Pattern::Call | Pattern::Job) => {
                Input::TaskFailed { event_id, error: (*error).to_owned(), cause: (*cause).to_owned() }
            }
            (Say::Ended(ending), Pattern::Call | Pattern::Job) => {
                Input::TaskSucceeded { event_id, output: ending.text() }
            }
            (Say::Ended(Ending::Error(error, cause)), _) => Input::TokenFailed {
                event_id: by_token()?,
                error: Some((*error).to_owned()),
                cause: Some((*cause).to_owned()),
            },
            (Say::Ended(ending), _) => Input::TokenSucceeded { event_id: by_token()?, output: ending.text() },
        })
    }

    /// The task that was called last, if it still runs.
    fn any_running(&self) -> Option<u64> {
        self.flights.keys().next_back().copied()
    }

    /// The machine decides; what it decides is written.
    fn take(&mut self, input: Input) -> Step {
        self.steps += 1;
        let was_over =
            self.live.status() != Status::Running && !matches!(input, Input::Redrive(_) | Input::Restart);
        let is_recovery = input == Input::Recovered;
        if is_recovery && self.bug == Some(Bug::RunAgain) {
            return self.run_again();
        }
        let before = (self.steps % 16 == 0).then(|| self.live.clone());
        let transition = advance(&mut self.live, input, self.now)
            .map_err(|error| Halt::Law(format!("the machine is lost: {error}")))?;
        if was_over && (!transition.records.is_empty() || !transition.effects.is_empty()) {
            return Err(Halt::Law(format!("something after the end: {:?}", transition.records)));
        }
        if transition.records.is_empty() && !is_recovery {
            self.figures.ignored += 1;
        }
        self.watch(&transition.records)?;
        self.ledger.agrees(&self.live).map_err(Halt::Law)?;
        if let Some(before) = before {
            self.same_when_replayed(before, &transition.records)?;
        }
        if self.bug == Some(Bug::EffectBeforeCommit) {
            for effect in transition.effects.clone() {
                self.release(effect)?;
            }
        }
        self.point()?;
        self.pending.push(transition.records.into());
        if self.bug == Some(Bug::AnswerBeforeCommit) {
            self.unanswered.clear();
        }
        if self.bug != Some(Bug::EffectBeforeCommit) {
            self.effects.extend(transition.effects);
        }
        self.point()
    }

    fn same_when_replayed(&mut self, mut before: Execution, records: &[Record]) -> Step {
        self.figures.compared += 1;
        for record in records {
            before
                .apply(record)
                .map_err(|error| Halt::Law(format!("a record that cannot be replayed: {error}")))?;
        }
        if before == self.live {
            return Ok(());
        }
        Err(Halt::Law("its records do not lead to the state the machine is in".to_owned()))
    }

    fn watch(&mut self, records: &[Record]) -> Step {
        for record in records {
            self.ledger.take(record, self.states).map_err(Halt::Law)?;
            if let Fact::TaskScheduled { .. } = &record.fact {
                let line = self.seen.line_of(record.frame);
                let place = (line.key, line.schedules);
                self.scheduled.insert(record.id, place);
            }
            self.seen.take(record);
        }
        Ok(())
    }

    /// What is written is synced; then its effects are released.
    fn commit(&mut self) -> Step {
        self.durable.append(&mut self.pending);
        self.unanswered.clear();
        self.recovering = false;
        self.put_to_work();
        self.point()?;
        for effect in std::mem::take(&mut self.effects) {
            self.release(effect)?;
            self.point()?;
        }
        Ok(())
    }

    /// Workers work on what they have taken, as soon as that is durable.
    fn put_to_work(&mut self) {
        let new = self.durable.get(self.looked_at..).unwrap_or_default();
        let new = new.iter().flat_map(|records| records.iter());
        let taken = new.filter(|record| matches!(record.fact, Fact::ActivityStarted { .. }));
        let taken: Vec<(u64, i64)> = taken.map(|record| (record.previous, record.at_millis)).collect();
        self.looked_at = self.durable.len();
        for (event_id, at) in taken {
            self.work(event_id, at);
        }
    }

    fn release(&mut self, effect: Effect) -> Step {
        match effect {
            Effect::Invoke(request) => return self.invoke(&request),
            Effect::Resume { task, .. } => {
                let event_id = task.key.event_id;
                let flight = self.flights.get(&event_id).cloned();
                if let Some(Flight { plan: Plan { ending: Some((after, ending)), .. }, from, .. }) = flight
                    && self.bug != Some(Bug::JobForgotten)
                {
                    self.plan(from + after, Happening::Said { event_id, say: Say::Ended(ending) });
                }
            }
            Effect::SetTimer { timer, at_millis } => {
                if self.bug == Some(Bug::TimersForgotten) && self.crashes > 0 {
                    return Ok(());
                }
                let early = if self.bug == Some(Bug::TimerEarly) { 700 } else { 0 };
                self.plan(at_millis - early, Happening::Timer(timer));
            }
            Effect::CancelTimer(timer) if !self.script.is_late => {
                self.queue.retain(|_, due| !matches!(due, Happening::Timer(other) if *other == timer));
            }
            Effect::CancelTask(key) if !self.script.is_late => {
                let of_task = |due: &Happening| matches!(due, Happening::Said { event_id, .. } if *event_id == key.event_id);
                self.queue.retain(|_, due| !of_task(due));
            }
            Effect::CancelTimer(_) | Effect::CancelTask(_) | Effect::Finished => {}
            Effect::StartMapRun(_) | Effect::StopMapRun { .. } => {
                return Err(Halt::Law("a Map Run that nobody asked for".to_owned()));
            }
        }
        Ok(())
    }

    /// A task is called; of an activity: it is offered.
    fn invoke(&mut self, request: &TaskRequest) -> Step {
        let event_id = request.key.event_id;
        let pattern = Pattern::of(&request.resource);
        let (branch, number) = *self
            .scheduled
            .get(&event_id)
            .ok_or_else(|| Halt::Law(format!("a task that is not scheduled: {}", request.key)))?;
        let plan = self.script.plan(branch, number);
        let flight = Flight {
            pattern,
            plan: plan.clone(),
            from: self.now,
            token: request.token.clone(),
            after: self.crashes,
        };
        if let Some(before) = self.flights.insert(event_id, flight)
            && (pattern != Pattern::Activity || before.after == self.crashes)
        {
            return Err(Halt::Law(format!("an attempt that starts twice: {}", request.key)));
        }
        if pattern != Pattern::Call {
            self.plan(self.now + plan.accepted_after, Happening::Said { event_id, say: Say::Accepted });
        }
        if pattern != Pattern::Activity {
            self.work(event_id, self.now);
        }
        Ok(())
    }

    /// What happens to a task once somebody works on it.
    fn work(&mut self, event_id: u64, from: i64) {
        let Some(flight) = self.flights.get(&event_id) else { return };
        let plan = flight.plan.clone();
        let beats = if flight.pattern == Pattern::Job { Vec::new() } else { plan.beats };
        for after in beats {
            self.plan(from + after, Happening::Said { event_id, say: Say::Beat });
        }
        for (after, ending) in plan.ending.into_iter().chain(plan.again) {
            self.plan(from + after, Happening::Said { event_id, say: Say::Ended(ending) });
        }
    }

    /// A moment at which the process may die.
    fn point(&mut self) -> Step {
        let plan = self.script.crashes.get(self.crashes);
        self.points += 1;
        if plan.is_some_and(|plan| self.points > plan.points) { Err(Halt::Crash) } else { Ok(()) }
    }

    /// The process dies and comes back.
    fn crash(&mut self) -> Step {
        let Some(plan) = self.script.crashes.get(self.crashes).copied() else { return Ok(()) };
        self.crashes += 1;
        self.points = 0;
        self.figures.crashes += 1;
        let surviving = self.pending.len() * plan.surviving as usize / 4;
        self.figures.undone += (self.pending.len() - surviving) as u64;
        self.durable.extend(self.pending.drain(..surviving));
        self.pending.clear();
        self.effects.clear();
        let back = self.now + plan.down;
        self.outages.push(Outage { lost_from: self.now, back });
        self.now = back;
        self.forget();
        self.put_to_work();
        let records = Bug::recovered(self.bug, &mut self.durable);
        self.live = Execution::replay(Arc::clone(&self.definition), &records)
            .map_err(|error| Halt::Law(format!("the journal cannot be replayed: {error}")))?;
        (self.ledger, self.seen) = (Ledger::default(), Seen::default());
        self.scheduled.clear();
        self.watch(&records)?;
        self.ledger.agrees(&self.live).map_err(Halt::Law)?;
        if self.live.redrive_count() as usize >= self.redrives.len() {
            // `clientToken`: what took place is not done again.
            self.queue.retain(|_, happening| !matches!(happening, Happening::Redrive));
        }
        self.recovering = true;
        self.next = match self.live.status() {
            // Whoever started it was not answered, and starts it again.
            _ if self.live.started().is_none() => Some(Input::Start(Box::new(self.started.clone()))),
            Status::Running => Some(Input::Recovered),
            _ => None,
        };
        Ok(())
    }

    /// What a process takes with it: its timers, and the calls it waited for.
    fn forget(&mut self) {
        let (flights, is_late) = (&self.flights, self.script.is_late);
        self.queue.retain(|_, happening| match happening {
            Happening::Timer(_) => false,
            Happening::Stop | Happening::Redrive => true,
            Happening::Said { event_id, say } => match flights.get(event_id) {
                Some(Flight { pattern: Pattern::Call, .. }) => is_late,
                Some(Flight { pattern: Pattern::Job, .. }) | None => false,
                Some(Flight { pattern: Pattern::Callback, .. }) => is_late || !matches!(say, Say::Accepted),
                Some(Flight { pattern: Pattern::Activity, .. }) => !matches!(say, Say::Accepted),
            },
        });
        for (key, happening) in self.unanswered.drain(..) {
            self.queue.insert(key, happening);
        }
    }

    /// What [`Bug::RunAgain`] does instead of a recovery.
    fn run_again(&mut self) -> Step {
        let timers: Vec<(TimerId, i64)> = self.live.timers().collect();
        for (timer, at) in timers {
            self.plan(at, Happening::Timer(timer));
        }
        let again: Vec<u64> = self.flights.keys().copied().collect();
        for event_id in again.into_iter().filter(|event_id| self.scheduled.contains_key(event_id)) {
            self.work(event_id, self.now);
        }
        Ok(())
    }
}
