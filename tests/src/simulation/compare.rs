//! Whether what was seen is what the reference interpreter tells: branch by
//! branch, event by event, with their times.

use engine::machine::{Fact, HistoryEvent, Payload, Record, StateType, Status};
use serde_json::Value;

use super::reference::{ANY, Data, End, Failure, Line, Outage, What};
use super::script::START_MILLIS;
use super::seen::{Seen, SeenLine};

/// When a branch was taken away.
#[derive(Debug, Clone, Copy)]
struct Cut {
    at: i64,
    /// Whether there are events that say so; `None` = it depends on which of two was first.
    announced: Option<bool>,
}

/// When what ends an execution from outside was to happen, in milliseconds since the epoch.
#[derive(Debug, Clone, Copy)]
pub(super) struct FromOutside {
    pub(super) stop: Option<i64>,
    pub(super) timeout_seconds: Option<u64>,
    pub(super) start_millis: i64,
}

/// Compares the whole execution.
pub(super) fn compare(
    told: &Line,
    seen: &Seen,
    outages: &[Outage],
    outside: FromOutside,
) -> Result<(), String> {
    let Some((at, end)) = &seen.end else { return Err("the execution does not end".to_owned()) };
    let reached = |nominal: i64| {
        let mut reached = nominal;
        for outage in outages {
            let undone = reached == outage.lost_from && *at != reached;
            if undone || (outage.lost_from < reached && reached < outage.back) {
                reached = outage.back;
            }
        }
        reached
    };
    let timeout = outside.timeout_seconds.map(|seconds| {
        reached(outside.start_millis + i64::try_from(seconds).unwrap_or(i64::MAX / 1000) * 1000)
    });
    let stop = outside.stop.map(reached);
    let own = match &told.end {
        End::Succeeded(at, _) | End::Failed(at, _) => Some(*at),
        End::Never => None,
    };
    let expected = match seen.status() {
        Status::Aborted => stop,
        Status::TimedOut => timeout,
        _ => own,
    };
    let cut = matches!(seen.status(), Status::Aborted | Status::TimedOut)
        .then_some(Cut { at: *at, announced: Some(false) });
    let Some(root) = seen.lines.first() else { return Err("nothing was recorded".to_owned()) };
    compare_line(told, root, seen, cut, "")?;
    let first = [timeout, stop, own].into_iter().flatten().min();
    if expected != Some(*at) || first != expected {
        return Err(format!(
            "the execution ends at {} with {:?}, and should end by itself at {:?} with {:?}, by its timeout at {:?}, by a stop at {:?}",
            shown(*at),
            end.fact,
            own.map(shown),
            told.end,
            timeout.map(shown),
            stop.map(shown)
        ));
    }
    match (&told.end, &end.fact) {
        (End::Succeeded(_, output), Fact::ExecutionSucceeded { output: seen }) if !is_value(output, seen) => {
            Err(format!("the output is {seen:?}, and should be {output}"))
        }
        (End::Failed(_, failure), Fact::ExecutionFailed { error, cause })
            if !is_text(failure.error.as_deref(), error.as_deref())
                || !is_text(failure.cause.as_deref(), cause.as_deref()) =>
        {
            Err(format!("it fails with {error:?} because of {cause:?}, and should with {failure:?}"))
        }
        (End::Failed(..), Fact::ExecutionSucceeded { .. })
        | (End::Succeeded(..), Fact::ExecutionFailed { .. }) => {
            Err(format!("it ends with {:?}, and should with {:?}", end.fact, told.end))
        }
        _ => Ok(()),
    }
}

/// A time as people read it here: milliseconds after the start.
pub(super) fn shown(at: i64) -> String {
    format!("+{}", at - START_MILLIS)
}

fn compare_line(
    told: &Line,
    seen: &SeenLine,
    all: &Seen,
    cut: Option<Cut>,
    path: &str,
) -> Result<(), String> {
    let wrong = |position: usize, what: &str| {
        let expected = told.events.get(position).map(|(at, what)| format!("{} {what:?}", shown(*at)));
        let found = seen.events.get(position);
        let found = found.map(|record| format!("{} {:?}", shown(record.at_millis), record.fact));
        Err(format!(
            "branch [{path}], event {position}: {what}\n  told: {}\n  seen: {}",
            expected.as_deref().unwrap_or("nothing"),
            found.as_deref().unwrap_or("nothing")
        ))
    };
    let is_same = |position: &usize| match (told.events.get(*position), seen.events.get(*position)) {
        (Some((at, what)), Some(record)) => *at == record.at_millis && is_seen(what, record),
        _ => false,
    };
    let matched = (0..seen.events.len()).take_while(is_same).count();
    let inside = inside(&told.events[..matched]);
    let rest = &seen.events[matched..];
    if let Some(cut) = cut {
        let late = seen.events.iter().position(|record| record.at_millis > cut.at);
        if let Some(late) = late {
            return wrong(late, &format!("it was taken away at {}", shown(cut.at)));
        }
        if told.events[matched..].iter().any(|(at, _)| *at < cut.at) {
            return wrong(matched, "something else, before it was taken away");
        }
    } else if matched < told.events.len() || !rest.is_empty() {
        return wrong(matched, "something else");
    }
    let is_over = matched == told.events.len() && told.end != End::Never;
    let expects_end = cut.filter(|_| !is_over).and_then(|cut| cut.announced);
    match (seen.aborted_millis, cut) {
        (Some(at), Some(cut)) if at == cut.at && !is_over && expects_end != Some(false) => {
            if !rest.is_empty() || inside.and_then(aborted) != seen.aborted_in {
                return wrong(matched, "the end of a branch that was taken away");
            }
        }
        (None, _) if rest.is_empty() && expects_end != Some(true) => {}
        _ => return wrong(matched, &format!("its end, aborted at {:?}", seen.aborted_millis.map(shown))),
    }
    compare_children(told, seen, all, cut, path)
}

fn compare_children(
    told: &Line,
    seen: &SeenLine,
    all: &Seen,
    cut: Option<Cut>,
    path: &str,
) -> Result<(), String> {
    for (number, seen_children) in seen.opens.iter().enumerate() {
        let Some(open) = told.opens.get(number) else {
            return Err(format!("branch [{path}]: branches that should not be"));
        };
        if open.is_past {
            continue;
        }
        let own = open.cut.map(|at| Cut { at, announced: Some(true) });
        let cut = match (own, cut) {
            (Some(own), Some(outer)) if own.at == outer.at && outer.announced != Some(true) => {
                Some(Cut { at: own.at, announced: None })
            }
            (Some(own), Some(outer)) => Some(if own.at <= outer.at { own } else { outer }),
            (own, outer) => own.or(outer),
        };
        if let Some(index) = seen_children.keys().find(|index| **index as usize >= open.children.len()) {
            return Err(format!("branch [{path}/{number}.{index}]: it should not run"));
        }
        let nothing = SeenLine::default();
        for (index, child) in (0..).zip(&open.children) {
            let line = seen_children.get(&index).and_then(|line| all.lines.get(*line));
            let path = format!("{path}/{number}.{index}");
            match line {
                Some(line) => compare_line(child, line, all, cut, &path)?,
                // Not started at all: only if it was to start when it was taken away.
                None if cut.is_some_and(|cut| child.events.iter().all(|(at, _)| *at >= cut.at)) => {}
                None => compare_line(child, &nothing, all, cut, &path)?,
            }
        }
    }
    Ok(())
}

/// The type of the state a branch is in after these events.
fn inside(events: &[(i64, What)]) -> Option<&str> {
    let inside = events.iter().rev().find_map(|(_, what)| match what {
        What::Entered { kind, .. } => Some(Some(kind.as_str())),
        What::Exited { .. } => Some(None),
        _ => None,
    });
    inside.flatten()
}

/// The types of states whose end has an event when they are taken away.
fn aborted(kind: &str) -> Option<StateType> {
    match kind {
        "Task" => Some(StateType::Task),
        "Wait" => Some(StateType::Wait),
        "Parallel" => Some(StateType::Parallel),
        "Map" => Some(StateType::Map),
        _ => None,
    }
}

/// Whether a value is the one that is told, which may hold texts that are not predicted.
fn is_like(told: &Value, seen: &Value) -> bool {
    match (told, seen) {
        (Value::String(told), Value::String(seen)) => told.contains(ANY) || told == seen,
        (Value::Array(told), Value::Array(seen)) => {
            told.len() == seen.len() && told.iter().zip(seen).all(|(told, seen)| is_like(told, seen))
        }
        (Value::Object(told), Value::Object(seen)) => {
            let is_there =
                |(key, told): (&String, &Value)| seen.get(key).is_some_and(|seen| is_like(told, seen));
            told.len() == seen.len() && told.iter().all(is_there)
        }
        _ => told == seen,
    }
}

fn is_value(told: &Data, seen: &Payload) -> bool {
    is_like(told, seen.value())
}

fn is_text(told: Option<&str>, seen: Option<&str>) -> bool {
    told == seen || (told.is_some_and(|told| told.contains(ANY)) && seen.is_some())
}

fn is_failure(told: &Failure, seen: &engine::machine::Failure) -> bool {
    is_text(told.error.as_deref(), seen.error.as_deref())
        && is_text(told.cause.as_deref(), seen.cause.as_deref())
}

/// Whether a record says what is told.
fn is_seen(told: &What, record: &Record) -> bool {
    match (told, &record.fact) {
        (What::ChildStarted(Some(told)), Fact::MapIterationStarted { input, .. }) => is_value(told, input),
        (What::ChildStarted(None), Fact::BranchStarted { .. })
        | (What::ChildSucceeded, Fact::MapIterationSucceeded { .. } | Fact::BranchSucceeded { .. })
        | (What::TaskAborted, Fact::StateAborted { kind: StateType::Task })
        | (What::Started, Fact::TaskStarted { .. })
        | (What::Taken, Fact::ActivityStarted { .. })
        | (What::TimedOut, Fact::TaskTimedOut { .. })
        | (What::RetryStarted, Fact::RetryStarted)
        | (What::MapSucceeded, Fact::MapStateSucceeded)
        | (What::ParallelSucceeded, Fact::ParallelStateSucceeded)
        | (What::MapFailed, Fact::MapStateFailed)
        | (What::ParallelFailed, Fact::ParallelStateFailed)
        | (What::Submitted, Fact::TaskSubmitted { .. })
        | (What::ChildrenDropped, Fact::ChildrenDropped { .. }) => true,
        (
            What::ChildFailed(told),
            Fact::MapIterationFailed { failure, .. } | Fact::BranchFailed { failure, .. },
        )
        | (What::TaskFailed(told), Fact::TaskFailed { failure, .. })
        | (What::SubmitFailed(told), Fact::TaskSubmitFailed { failure, .. })
        | (What::ScheduleFailed(told), Fact::TaskScheduleFailed { failure, .. }) => is_failure(told, failure),
        (What::Entered { kind, name, input }, Fact::StateEntered { kind: seen, name: of, input: given }) => {
            seen.entered().strip_suffix("StateEntered") == Some(kind)
                && **of == *name
                && is_value(input, given)
        }
        (
            What::Exited { kind, name, output, assigned, next },
            Fact::StateExited { kind: seen, name: of, output: given, assigned: set, next: to },
        ) => {
            next.as_deref() == to.as_deref()
                && seen.exited().strip_suffix("StateExited") == Some(kind)
                && **of == *name
                && is_value(output, given)
                && assigned.len() == set.len()
                && assigned.iter().all(|(name, value)| {
                    set.iter().any(|(of, given)| **of == *name && is_like(value, given.value()))
                })
        }
        (
            What::EvaluationFailed { state, location },
            Fact::EvaluationFailed { state: of, location: at, error, .. },
        ) => **of == *state && at.as_deref() == Some(location) && &**error == "States.QueryEvaluationError",
        (What::Scheduled { resource, arguments, timeout, heartbeat }, Fact::TaskScheduled { task, .. }) => {
            *task.resource == **resource
                && is_value(arguments, &task.arguments)
                && (task.timeout_seconds, task.heartbeat_seconds) == (*timeout, *heartbeat)
                && word(record).ends_with("Scheduled")
        }
        (What::Succeeded(told), Fact::TaskSucceeded { output, .. }) => is_value(told, output),
        (What::Beat { due }, Fact::HeartbeatReceived { heartbeat }) => heartbeat.due_millis == *due,
        (What::WaitArmed { due }, Fact::WaitArmed { timer }) => timer.due_millis == *due,
        (What::RetryArmed { retrier, due }, Fact::RetryArmed { retrier: seen, timer }) => {
            *retrier == *seen as usize && timer.due_millis == *due
        }
        (
            What::MapStarted { length, limit },
            Fact::MapStateStarted { length: seen, limit: at_a_time, .. },
        ) => (*length, *limit) == (u64::from(*seen), u64::from(*at_a_time)),
        (What::ParallelStarted(told), Fact::ParallelStateStarted { input }) => is_value(told, input),
        _ => false,
    }
}

/// AWS's word for an event.
fn word(record: &Record) -> &'static str {
    HistoryEvent::of(record).map_or("", |event| event.event_type())
}
