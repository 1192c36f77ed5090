//! An execution as people see it: states and attempts, folded from its history.
//!
//! Works on the JSON of `GetExecutionHistory`, so it serves any source of histories.
//! Pure: no clock, no I/O.

use std::collections::BTreeMap;

use serde_json::Value;

/// Where a visit of a state stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Entered, not exited.
    Running,
    /// Exited.
    Succeeded,
    /// It ended the execution, or its branch, with an error.
    Failed,
    /// Given up because something else failed or stopped.
    Aborted,
}

impl Standing {
    /// The word for it in data, one of AWS's statuses.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::Aborted => "ABORTED",
        }
    }
}

/// One visit of a state.
#[derive(Debug, Clone)]
pub(crate) struct Visit {
    /// Name of the state.
    pub(crate) name: String,
    /// `Task`, `Map`, `Pass`, …
    pub(crate) kind: String,
    /// When it was entered.
    pub(crate) entered_millis: i64,
    /// When it ended.
    pub(crate) ended_millis: Option<i64>,
    /// Where it stands.
    pub(crate) standing: Standing,
    /// Attempts begun.
    pub(crate) attempts: u32,
    /// The last failure of an attempt.
    pub(crate) failure: Option<Failure>,
    /// Whether the last attempt failed and no other has begun: the state waits, or its catcher took the error.
    pub(crate) between_attempts: bool,
    /// The function a task calls.
    pub(crate) function: Option<String>,
    /// Input of the state, JSON text.
    pub(crate) input: Option<String>,
    /// Output of the state, JSON text.
    pub(crate) output: Option<String>,
    /// Items of a Map; those of a Map Run come by [`View::count_items`].
    pub(crate) items: Option<Items>,
    /// ARN of the Map Run of a distributed Map.
    pub(crate) map_run: Option<String>,
    /// Branches of a Parallel, iterations of a Map: what began in this visit.
    pub(crate) scopes: Vec<usize>,
    /// Of these, where those of the last attempt begin.
    attempt_from: usize,
    scope: usize,
}

/// How the items of a Map stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Items {
    /// All.
    pub(crate) total: u64,
    /// Done.
    pub(crate) succeeded: u64,
    /// Failed.
    pub(crate) failed: u64,
}

/// Which Map Runs are counted: it takes a look at every child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counted {
    /// Those that have ended since they were counted last.
    Ended,
    /// Also those that run.
    All,
}

impl Items {
    /// Of a Map Run.
    pub(crate) fn of(run: &engine::MapRunDescription) -> Self {
        let counts = &run.item_counts;
        let failed = counts.failed + counts.timed_out + counts.aborted;
        Self { total: counts.total, succeeded: counts.succeeded, failed }
    }
}

/// Why an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// AWS's `error`.
    pub(crate) error: String,
    /// AWS's `cause`.
    pub(crate) cause: String,
    /// When.
    pub(crate) at_millis: i64,
}

/// A run of states one after another: the machine itself, a branch or an iteration.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scope {
    /// The index of an iteration.
    pub(crate) index: Option<u64>,
    /// Its visits in order.
    pub(crate) visits: Vec<usize>,
    owner: Option<usize>,
}

/// Where an event happened.
#[derive(Debug, Clone, Copy)]
struct Place {
    scope: usize,
    visit: Option<usize>,
    /// The next state entered after this event begins a branch.
    opens_branches: bool,
}

/// The execution so far.
#[derive(Debug, Clone)]
pub(crate) struct View {
    /// All visits in order of entry.
    pub(crate) visits: Vec<Visit>,
    /// All scopes; 0 is the machine itself.
    pub(crate) scopes: Vec<Scope>,
    /// How the execution ended: AWS's status, error and cause.
    pub(crate) end: Option<End>,
    /// When it started.
    pub(crate) start_millis: i64,
    /// When it was redriven, each time.
    pub(crate) redrives: Vec<i64>,
    /// The id of the last event seen.
    pub(crate) last_event_id: u64,
    /// The time of the last event seen.
    pub(crate) last_millis: i64,
    places: BTreeMap<u64, Place>,
    /// Visits with a Map Run whose last counts were not asked for.
    uncounted: Vec<usize>,
}

/// The end of an execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct End {
    /// `SUCCEEDED`, `FAILED`, `ABORTED` or `TIMED_OUT`.
    pub(crate) status: &'static str,
    /// AWS's `error`.
    pub(crate) error: Option<String>,
    /// AWS's `cause`.
    pub(crate) cause: Option<String>,
    /// When.
    pub(crate) at_millis: i64,
}

/// What an event changed, for progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// A state was entered.
    Entered(usize),
    /// A state was exited.
    Exited(usize),
    /// An attempt failed.
    AttemptFailed(usize),
    /// An attempt began.
    AttemptBegun(usize),
    /// An item of a Map ended.
    Item(usize),
    /// The execution ended.
    Ended,
    /// The execution goes on after its end.
    Redriven,
}

impl Visit {
    /// Whether the last attempt failed and another one is to come.
    pub(crate) fn is_waiting_to_retry(&self) -> bool {
        self.standing == Standing::Running && self.between_attempts && self.failure.is_some()
    }
}

impl Default for View {
    fn default() -> Self {
        Self {
            visits: Vec::new(),
            scopes: vec![Scope::default()],
            end: None,
            start_millis: 0,
            redrives: Vec::new(),
            last_event_id: 0,
            last_millis: 0,
            places: BTreeMap::new(),
            uncounted: Vec::new(),
        }
    }
}

impl View {
    /// The view of a whole history.
    pub(crate) fn of<'a>(history: impl IntoIterator<Item = &'a Value>) -> Self {
        let mut view = Self::default();
        for event in history {
            view.apply(event);
        }
        view
    }

    /// Takes one event in; events seen before are ignored.
    pub(crate) fn apply(&mut self, event: &Value) -> Option<Change> {
        let id = event.get("id").and_then(Value::as_u64).unwrap_or(0);
        if id <= self.last_event_id {
            return None;
        }
        let millis = millis(event);
        self.last_event_id = id;
        self.last_millis = millis;
        let previous = event.get("previousEventId").and_then(Value::as_u64).unwrap_or(0);
        let from = self.places.get(&previous).copied().unwrap_or(Place {
            scope: 0,
            visit: None,
            opens_branches: false,
        });
        let kind = event.get("type").and_then(Value::as_str).unwrap_or_default();
        let (place, change) = self.fold(kind, event, from, millis);
        self.places.insert(id, place);
        change
    }

    fn fold(&mut self, kind: &str, event: &Value, from: Place, millis: i64) -> (Place, Option<Change>) {
        if let Some(state_type) = kind.strip_suffix("StateEntered") {
            return self.entered(state_type, event, from, millis);
        }
        if kind.ends_with("StateExited") {
            return self.exited(event, from, millis);
        }
        match kind {
            "ExecutionStarted" => self.start_millis = millis,
            "ExecutionSucceeded" => return (from, Some(self.ended("SUCCEEDED", event, from, millis))),
            "ExecutionFailed" => return (from, Some(self.ended("FAILED", event, from, millis))),
            "ExecutionAborted" => return (from, Some(self.ended("ABORTED", event, from, millis))),
            "ExecutionTimedOut" => return (from, Some(self.ended("TIMED_OUT", event, from, millis))),
            "ExecutionRedriven" => return (from, Some(self.redriven(millis))),
            "TaskScheduled" | "LambdaFunctionScheduled" | "ActivityScheduled" => {
                return (from, self.attempt_begun(event, from));
            }
            "TaskFailed"
            | "TaskTimedOut"
            | "LambdaFunctionFailed"
            | "LambdaFunctionTimedOut"
            | "ActivityFailed"
            | "ActivityTimedOut"
            | "EvaluationFailed" => {
                return (from, self.attempt_failed(event, from, millis));
            }
            "MapStateStarted" => {
                let total = detail(event, "length").and_then(Value::as_u64).unwrap_or(0);
                self.attempt_starts(from);
                if let Some(visit) = self.visit_mut(from.visit) {
                    visit.items = Some(Items { total, ..Items::default() });
                }
            }
            "MapRunStarted" | "MapRunRedriven" => self.map_run_works(event, from),
            "ParallelStateStarted" => {
                self.attempt_starts(from);
                return (Place { opens_branches: true, ..from }, None);
            }
            "MapIterationStarted" => return (self.iteration_started(event, from), None),
            "MapIterationSucceeded" => return self.iteration_ended(from, Standing::Succeeded, millis),
            "MapIterationFailed" => return self.iteration_ended(from, Standing::Failed, millis),
            "MapIterationAborted" => return self.iteration_ended(from, Standing::Aborted, millis),
            "ParallelStateSucceeded" | "ParallelStateFailed" => return (self.owner_of_scope(from), None),
            "MapStateSucceeded" | "MapStateFailed" => return (self.owner_of(from, "Map"), None),
            _ => {}
        }
        (from, None)
    }

    fn entered(
        &mut self,
        state_type: &str,
        event: &Value,
        from: Place,
        millis: i64,
    ) -> (Place, Option<Change>) {
        let scope = if from.opens_branches { self.open_scope(from.visit, None) } else { from.scope };
        let at = self.visits.len();
        self.visits.push(Visit {
            name: text(detail(event, "name")),
            kind: state_type.to_owned(),
            entered_millis: millis,
            ended_millis: None,
            standing: Standing::Running,
            attempts: 0,
            failure: None,
            between_attempts: false,
            function: None,
            input: detail(event, "input").and_then(Value::as_str).map(str::to_owned),
            output: None,
            items: None,
            map_run: None,
            scopes: Vec::new(),
            attempt_from: 0,
            scope,
        });
        if let Some(scope) = self.scopes.get_mut(scope) {
            scope.visits.push(at);
        }
        (Place { scope, visit: Some(at), opens_branches: false }, Some(Change::Entered(at)))
    }

    fn exited(&mut self, event: &Value, from: Place, millis: i64) -> (Place, Option<Change>) {
        let name = text(detail(event, "name"));
        let place = self.climb(from, |visit| visit.name == name);
        // A failure that a catcher took ends the visit, not the execution.
        self.close_scopes(place.visit, Standing::Aborted, millis);
        let Some(visit) = self.visit_mut(place.visit) else { return (place, None) };
        visit.standing = Standing::Succeeded;
        visit.ended_millis = Some(millis);
        visit.output = detail(event, "output").and_then(Value::as_str).map(str::to_owned);
        (place, place.visit.map(Change::Exited))
    }

    fn attempt_begun(&mut self, event: &Value, from: Place) -> Option<Change> {
        let parameters =
            detail(event, "parameters").and_then(Value::as_str).map(serde_json::from_str::<Value>);
        let function = match parameters {
            Some(Ok(value)) => value.get("FunctionName").and_then(Value::as_str).map(str::to_owned),
            _ => detail(event, "resource").and_then(Value::as_str).map(str::to_owned),
        };
        let visit = self.visit_mut(from.visit)?;
        visit.attempts += 1;
        visit.between_attempts = false;
        visit.function = function.or(visit.function.take());
        from.visit.map(Change::AttemptBegun)
    }

    fn attempt_failed(&mut self, event: &Value, from: Place, millis: i64) -> Option<Change> {
        let failure = Failure {
            error: text(detail(event, "error")),
            cause: text(detail(event, "cause")),
            at_millis: millis,
        };
        let visit = self.visit_mut(from.visit)?;
        visit.failure = Some(failure);
        visit.between_attempts = true;
        from.visit.map(Change::AttemptFailed)
    }

    fn map_run_works(&mut self, event: &Value, from: Place) {
        let arn = detail(event, "mapRunArn").and_then(Value::as_str).map(str::to_owned);
        let Some(visit) = self.visit_mut(from.visit) else { return };
        visit.map_run = arn;
        self.uncounted.extend(from.visit);
    }

    /// Counts the items of Map Runs: no event of the parent execution tells of them. `of`: of which.
    pub(crate) fn count_items(&mut self, of: Counted, mut ask: impl FnMut(&str) -> Option<Items>) {
        let visits = &mut self.visits;
        self.uncounted.retain(|at| {
            let Some(visit) = visits.get_mut(*at) else { return false };
            let has_ended = visit.ended_millis.is_some();
            if has_ended || of == Counted::All {
                visit.items = visit.map_run.as_deref().and_then(&mut ask).or(visit.items);
            }
            !has_ended
        });
    }

    fn iteration_started(&mut self, event: &Value, from: Place) -> Place {
        let index = detail(event, "index").and_then(Value::as_u64);
        let map = self.owner_of(from, "Map");
        let scope = self.open_scope(map.visit, index);
        Place { scope, visit: map.visit, opens_branches: false }
    }

    fn iteration_ended(&mut self, from: Place, standing: Standing, millis: i64) -> (Place, Option<Change>) {
        let map = self.owner_of_scope(from);
        self.close_scope(from.scope, standing, millis);
        if let Some(items) = self.visit_mut(map.visit).and_then(|visit| visit.items.as_mut()) {
            match standing {
                Standing::Succeeded => items.succeeded += 1,
                Standing::Failed => items.failed += 1,
                _ => {}
            }
        }
        (map, map.visit.map(Change::Item))
    }

    fn ended(&mut self, status: &'static str, event: &Value, from: Place, millis: i64) -> Change {
        let optional = |name| detail(event, name).and_then(Value::as_str).map(str::to_owned);
        let (error, cause) = (optional("error"), optional("cause"));
        // What ended it is what was last heard of; all else that is open was given up.
        let mut failed = if status == "FAILED" { from.visit } else { None };
        while let Some(at) = failed {
            let Some(visit) = self.visits.get_mut(at) else { break };
            if visit.standing == Standing::Running {
                visit.standing = Standing::Failed;
                visit.ended_millis = Some(millis);
                if visit.failure.is_none() {
                    visit.failure = Some(Failure {
                        error: error.clone().unwrap_or_default(),
                        cause: cause.clone().unwrap_or_default(),
                        at_millis: millis,
                    });
                }
            }
            failed = self.scopes.get(visit.scope).and_then(|scope| scope.owner);
        }
        for visit in self.visits.iter_mut().filter(|visit| visit.standing == Standing::Running) {
            visit.standing = Standing::Aborted;
            visit.ended_millis = Some(millis);
        }
        self.end = Some(End { status, error, cause, at_millis: millis });
        Change::Ended
    }

    /// The branches or iterations from here on are of another attempt.
    fn attempt_starts(&mut self, place: Place) {
        if let Some(visit) = self.visit_mut(place.visit) {
            visit.attempt_from = visit.scopes.len();
        }
    }

    /// What had not succeeded when the execution ended goes on. A Fail state
    /// does not: it is entered again.
    fn redriven(&mut self, millis: i64) -> Change {
        self.end = None;
        self.redrives.push(millis);
        let mut scopes = vec![0];
        while let Some(scope) = scopes.pop() {
            let visits = self.scopes.get(scope).map(|scope| scope.visits.clone()).unwrap_or_default();
            for at in visits {
                let Some(visit) = self.visit_mut(Some(at)) else { continue };
                if visit.standing == Standing::Succeeded || visit.kind == "Fail" {
                    continue;
                }
                visit.standing = Standing::Running;
                visit.ended_millis = None;
                visit.between_attempts = false;
                if let Some(items) = &mut visit.items {
                    items.failed = 0;
                }
                scopes.extend(visit.scopes.iter().skip(visit.attempt_from));
            }
        }
        Change::Redriven
    }

    /// The visit that failed the execution, innermost.
    pub(crate) fn culprit(&self) -> Option<&Visit> {
        self.visits
            .iter()
            .filter(|visit| visit.standing == Standing::Failed)
            .max_by_key(|visit| visit.failure.as_ref().map_or(i64::MIN, |failure| failure.at_millis))
    }

    /// Visits directly in the machine that run.
    pub(crate) fn running(&self) -> impl Iterator<Item = (usize, &Visit)> {
        self.visits
            .iter()
            .enumerate()
            .filter(|(_, visit)| visit.scope == 0 && visit.standing == Standing::Running)
    }

    /// Whether a visit is directly in the machine.
    pub(crate) fn is_outermost(&self, visit: usize) -> bool {
        self.visits.get(visit).is_some_and(|visit| visit.scope == 0)
    }

    fn visit_mut(&mut self, at: Option<usize>) -> Option<&mut Visit> {
        self.visits.get_mut(at?)
    }

    fn open_scope(&mut self, owner: Option<usize>, index: Option<u64>) -> usize {
        let at = self.scopes.len();
        self.scopes.push(Scope { index, visits: Vec::new(), owner });
        if let Some(visit) = self.visit_mut(owner) {
            visit.scopes.push(at);
        }
        at
    }

    fn close_scope(&mut self, scope: usize, standing: Standing, millis: i64) {
        let visits = self.scopes.get(scope).map(|scope| scope.visits.clone()).unwrap_or_default();
        for at in visits {
            self.close_scopes(Some(at), Standing::Aborted, millis);
            if let Some(visit) = self.visit_mut(Some(at)).filter(|visit| visit.standing == Standing::Running)
            {
                visit.standing = standing;
                visit.ended_millis = Some(millis);
            }
        }
    }

    fn close_scopes(&mut self, visit: Option<usize>, standing: Standing, millis: i64) {
        let scopes = self.visit_mut(visit).map(|visit| visit.scopes.clone()).unwrap_or_default();
        for scope in scopes {
            self.close_scope(scope, standing, millis);
        }
    }

    /// From a place inside a Map or Parallel to that state's own visit.
    fn owner_of(&self, from: Place, kind: &str) -> Place {
        self.climb(from, |visit| visit.kind == kind)
    }

    /// From the end of a branch or iteration to the state it belongs to. (A branch may end in a
    /// state of the same kind, so the nearest one of that kind can be the wrong one.)
    fn owner_of_scope(&self, from: Place) -> Place {
        let owner = self.scopes.get(from.scope).and_then(|scope| scope.owner);
        match owner.and_then(|at| self.visits.get(at)) {
            Some(visit) => Place { scope: visit.scope, visit: owner, opens_branches: false },
            None => from,
        }
    }

    fn climb(&self, from: Place, found: impl Fn(&Visit) -> bool) -> Place {
        let mut at = from.visit;
        while let Some(visit) = at.and_then(|at| self.visits.get(at)) {
            if found(visit) {
                return Place { scope: visit.scope, visit: at, opens_branches: false };
            }
            at = self.scopes.get(visit.scope).and_then(|scope| scope.owner);
        }
        from
    }
}

/// A field of an event's details, whatever the details are called.
pub(crate) fn detail<'a>(event: &'a Value, name: &str) -> Option<&'a Value> {
    event.as_object()?.iter().find(|(key, _)| key.ends_with("Details"))?.1.get(name)
}

/// The time of an event; AWS gives seconds with a fraction.
#[expect(clippy::cast_possible_truncation, reason = "milliseconds since the epoch fit")]
pub(crate) fn millis(event: &Value) -> i64 {
    event.get("timestamp").and_then(Value::as_f64).map_or(0, |seconds| (seconds * 1000.0).round() as i64)
}

fn text(value: Option<&Value>) -> String {
    value.and_then(Value::as_str).unwrap_or_default().to_owned()
}
