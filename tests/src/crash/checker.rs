//! The independent checker: what a journal, the logs of what really happened
//! and CoreView hold, against what was promised.
//!
//! It knows AWS's words for events and what the workload has to come to. It
//! knows nothing of the engine: it is given what was read from outside, with
//! connections of their own, while no engine runs. Every rule is one function;
//! `tests` shows each of them red on evidence that was tampered with.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

use super::workload::{Batch, Expected, PAUSE_MILLIS};

/// What kind of promise is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Damage {
    /// Something that was acknowledged is not there, or did not come to its end.
    Lost,
    /// Something happened more than once.
    Doubled,
    /// A history is not one that AWS could give, or does not end as its definition says.
    Wrong,
}

/// A broken promise.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// Which kind.
    pub damage: Damage,
    /// What exactly, and of which execution or delivery.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.damage {
            Damage::Lost => "LOST",
            Damage::Doubled => "DOUBLED",
            Damage::Wrong => "WRONG",
        };
        write!(formatter, "{word} {}", self.what)
    }
}

/// An execution whose start was acknowledged.
#[derive(Debug, Clone, PartialEq)]
pub struct Accepted {
    /// Its ARN.
    pub arn: String,
    /// How it has to end.
    pub expected: Expected,
    /// Whether a stop, or a redrive, was acknowledged.
    pub changed: Changed,
}

/// What was done to an execution after its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Changed {
    /// `StopExecution` was acknowledged.
    pub stopped: bool,
    /// `RedriveExecution` was sent; it may have been taken without an answer.
    pub redrive_sent: bool,
    /// `RedriveExecution` was acknowledged.
    pub redriven: bool,
}

/// An execution as the journal has it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Found {
    /// `RUNNING`, `SUCCEEDED`, …
    pub status: String,
    /// The output of a success.
    pub output: Option<Value>,
    /// The error of a failure.
    pub error: Option<String>,
    /// The history, as `GetExecutionHistory` has it.
    pub events: Vec<Value>,
}

/// An answer that the driver gave to a task token.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenAnswer {
    /// The execution that the token is of.
    pub execution: String,
    /// The token.
    pub token: String,
    /// What was answered.
    pub output: Value,
    /// Whether `SendTaskSuccess` was acknowledged.
    pub acknowledged: bool,
}

/// What CoreView holds of a business period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Booked {
    /// Rows of the ledger.
    pub deliveries: i64,
    /// Rows of figures.
    pub rows: i64,
    /// How many entities they are of.
    pub entities: i64,
    /// The sum of the figures.
    pub total: i64,
}

/// Everything that can be seen from outside.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// Executions whose start was acknowledged.
    pub accepted: Vec<Accepted>,
    /// What the journal holds, by ARN.
    pub found: BTreeMap<String, Found>,
    /// Calls of tasks that reached the task host: ARN and id of the event.
    pub invocations: Vec<(String, u64)>,
    /// Runs of the step, by key, as its own processes noted them.
    pub effects: Vec<String>,
    /// Answers to task tokens.
    pub answers: Vec<TokenAnswer>,
    /// Executions of which was said that they have ended.
    pub announced: BTreeSet<String>,
    /// What CoreView holds, by period; `None` = nobody looked.
    pub booked: Option<BTreeMap<String, Booked>>,
}

/// When the evidence was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Between two lives of the engine: executions may be under way.
    Underway,
    /// After everything had its time to end.
    Ended,
}

/// Every broken promise, sorted.
pub fn check(evidence: &Evidence, phase: Phase) -> Vec<Violation> {
    let mut report = Report::default();
    for accepted in &evidence.accepted {
        match evidence.found.get(&accepted.arn) {
            Some(found) => comes_to_its_end(accepted, found, evidence, phase, &mut report),
            None => report.lost(format!(
                "{}: its start was acknowledged, the journal has no such execution",
                accepted.arn
            )),
        }
    }
    for (arn, found) in &evidence.found {
        is_well_formed(arn, found, &mut report);
        attempts_follow_failures(arn, found, &mut report);
        timers_are_not_early(arn, found, &mut report);
        if phase == Phase::Ended && found.status == "RUNNING" {
            report.lost(format!("{arn}: it did not come to its end"));
        }
    }
    for arn in &evidence.announced {
        let has_ended =
            |found: &Found| found.events.iter().any(|event| terminal_status(kind(event)).is_some());
        if !evidence.found.get(arn).is_some_and(has_ended) {
            report.lost(format!("{arn}: its end was announced, the journal does not have it"));
        }
    }
    attempts_start_once(evidence, &mut report);
    answers_are_kept(evidence, &mut report);
    deliveries_are_booked_once(evidence, phase, &mut report);
    report.0.into_iter().collect()
}

/// Broken promises, each once.
#[derive(Default)]
struct Report(BTreeSet<Violation>);

impl Report {
    fn add(&mut self, damage: Damage, what: String) {
        self.0.insert(Violation { damage, what });
    }

    fn lost(&mut self, what: String) {
        self.add(Damage::Lost, what);
    }

    fn doubled(&mut self, what: String) {
        self.add(Damage::Doubled, what);
    }

    fn wrong(&mut self, what: String) {
        self.add(Damage::Wrong, what);
    }
}

/// The status and the output are those that the definition says.
fn comes_to_its_end(
    accepted: &Accepted,
    found: &Found,
    evidence: &Evidence,
    phase: Phase,
    report: &mut Report,
) {
    let (arn, status) = (&accepted.arn, found.status.as_str());
    if status == "RUNNING" {
        // That it runs at the end is told for every execution of the journal.
        if accepted.changed.stopped && phase == Phase::Underway {
            report.lost(format!("{arn}: its stop was acknowledged, it runs"));
        }
        return;
    }
    let output_is = |wanted: &Value| status == "SUCCEEDED" && found.output.as_ref() == Some(wanted);
    let failed_with = |error: &str| status == "FAILED" && found.error.as_deref() == Some(error);
    let as_it_should = match &accepted.expected {
        Expected::Output(output) => output_is(output),
        Expected::Answer => {
            let mut answers = evidence.answers.iter().filter(|answer| answer.execution == *arn);
            status == "SUCCEEDED" && answers.any(|answer| Some(&answer.output) == found.output.as_ref())
        }
        Expected::Delivered(batch) => status == "SUCCEEDED" && receipt_is_of(batch, found),
        Expected::Failed { error, redriven } => match accepted.changed {
            Changed { redriven: true, .. } => {
                output_is(redriven)
                    || (failed_with(error) && !has_event(found, "ExecutionRedriven"))
                        && phase == Phase::Underway
                        && lost_redrive(arn, report)
            }
            Changed { redrive_sent: true, .. } => output_is(redriven) || failed_with(error),
            Changed { .. } => failed_with(error),
        },
        Expected::Aborted => status == "ABORTED",
        Expected::TimedOut => status == "TIMED_OUT",
    };
    if !as_it_should {
        let (output, error) = (&found.output, &found.error);
        report.wrong(format!(
            "{arn}: expected {:?}, found {status} output {output:?} error {error:?}",
            accepted.expected
        ));
    }
}

fn lost_redrive(arn: &str, report: &mut Report) -> bool {
    report.lost(format!("{arn}: its redrive was acknowledged, the journal has none"));
    true
}

/// The output of a delivery is the receipt of its batch.
fn receipt_is_of(batch: &Batch, found: &Found) -> bool {
    let is_receipt = |value: &Value| {
        value["period"] == batch.period.as_str()
            && value["totals"]["commission"] == batch.total.to_string().as_str()
    };
    found.output.as_ref().is_some_and(|output| any_within(output, &is_receipt))
}

/// Whether something holds of a value or of one within it.
fn any_within(value: &Value, holds: &dyn Fn(&Value) -> bool) -> bool {
    holds(value)
        || match value {
            Value::Array(items) => items.iter().any(|item| any_within(item, holds)),
            Value::Object(fields) => fields.values().any(|field| any_within(field, holds)),
            _ => false,
        }
}

/// Ids without gaps, causes before effects, one beginning, one end, one exit per entry.
fn is_well_formed(arn: &str, found: &Found, report: &mut Report) {
    let events = &found.events;
    let mut last_time = f64::MIN;
    for (event, wanted) in events.iter().zip(1..) {
        if id(event) != wanted {
            report.wrong(format!("{arn}: event {} where {wanted} should be", id(event)));
            return;
        }
        if previous(event) >= wanted {
            report.wrong(format!("{arn}: event {wanted} follows event {}, which is later", previous(event)));
        }
        if time(event) < last_time {
            report.wrong(format!("{arn}: event {wanted} is earlier than the one before it"));
        }
        last_time = time(event);
    }
    let begun = events.iter().filter(|event| kind(event) == "ExecutionStarted").count();
    if begun != 1 || events.first().is_none_or(|event| kind(event) != "ExecutionStarted") {
        report.wrong(format!("{arn}: {begun} times ExecutionStarted, which is the first event, once"));
    }
    ends_once(arn, found, report);
    exits_match_entries(arn, found, report);
}

/// One terminal event, the last, which the status says; more only with a redrive between.
fn ends_once(arn: &str, found: &Found, report: &mut Report) {
    let mut ended: Option<&str> = None;
    for event in &found.events {
        let name = kind(event);
        match ended {
            Some(_) if name == "ExecutionRedriven" => ended = None,
            Some(end) => report.wrong(format!("{arn}: {name} (event {}) after {end}", id(event))),
            None if terminal_status(name).is_some() => ended = Some(name),
            None => {}
        }
    }
    let status = ended.and_then(terminal_status).unwrap_or("RUNNING");
    if status != found.status {
        report.wrong(format!("{arn}: the status is {}, the history says {status}", found.status));
    }
}

fn terminal_status(event_type: &str) -> Option<&'static str> {
    match event_type {
        "ExecutionSucceeded" => Some("SUCCEEDED"),
        "ExecutionFailed" => Some("FAILED"),
        "ExecutionAborted" => Some("ABORTED"),
        "ExecutionTimedOut" => Some("TIMED_OUT"),
        _ => None,
    }
}

/// Every exit is of an entry of its own, and in a success no entry is without.
fn exits_match_entries(arn: &str, found: &Found, report: &mut Report) {
    let mut exited = BTreeSet::new();
    for exit in found.events.iter().filter(|event| kind(event).ends_with("StateExited")) {
        let name = state_name(exit);
        match cause(found, exit, |event| kind(event).ends_with("StateEntered") && state_name(event) == name) {
            Some(entry) if exited.insert(id(entry)) => {}
            Some(entry) => report.doubled(format!(
                "{arn}: state {name} left twice (event {}), entered once (event {})",
                id(exit),
                id(entry)
            )),
            None => report.wrong(format!("{arn}: state {name} left (event {}), never entered", id(exit))),
        }
    }
    if found.status != "SUCCEEDED" {
        return;
    }
    for entry in found.events.iter().filter(|event| kind(event).ends_with("StateEntered")) {
        if !exited.contains(&id(entry)) {
            let (name, id) = (state_name(entry), id(entry));
            report.wrong(format!("{arn}: it succeeded, and state {name} (event {id}) was never left"));
        }
    }
}

/// A task is scheduled by the entry into its state; again only after a failure or by a redrive.
fn attempts_follow_failures(arn: &str, found: &Found, report: &mut Report) {
    for attempt in found.events.iter().filter(|event| is_attempt(event)) {
        let led = kind_of_id(found, previous(attempt));
        let by_entry = led == "TaskStateEntered";
        let by_failure = ["Failed", "TimedOut"].iter().any(|end| led.ends_with(end));
        if !by_entry && !by_failure && led != "ExecutionRedriven" {
            report.doubled(format!(
                "{arn}: the attempt of event {} follows {led}, which is no reason for another",
                id(attempt)
            ));
        }
    }
    // Two attempts that follow the same event: one of them is one too many.
    let mut reasons = BTreeSet::new();
    for attempt in found.events.iter().filter(|event| is_attempt(event)) {
        let reason = previous(attempt);
        if kind_of_id(found, reason) != "ExecutionRedriven" && !reasons.insert(reason) {
            report.doubled(format!("{arn}: two attempts follow event {reason}"));
        }
    }
    succeeded_states_are_not_redriven(arn, found, report);
}

/// A redrive enters no state that was left before. (No state of the workload is entered twice otherwise.)
fn succeeded_states_are_not_redriven(arn: &str, found: &Found, report: &mut Report) {
    let mut left: BTreeSet<&str> = BTreeSet::new();
    let mut redriven = false;
    for event in &found.events {
        match kind(event) {
            "ExecutionRedriven" => redriven = true,
            name if name.ends_with("StateExited") && !redriven => {
                left.insert(state_name(event));
            }
            name if name.ends_with("StateEntered") && redriven && left.contains(state_name(event)) => {
                report.doubled(format!(
                    "{arn}: the redrive repeats state {}, which had succeeded",
                    state_name(event)
                ));
            }
            _ => {}
        }
    }
}

/// Waits and retries take at least their time.
fn timers_are_not_early(arn: &str, found: &Found, report: &mut Report) {
    let seconds = |millis: i64| std::time::Duration::from_millis(millis.unsigned_abs()).as_secs_f64();
    // Times are numbers of seconds with three places.
    let enough = seconds(PAUSE_MILLIS) - 0.000_5;
    for event in &found.events {
        let since = match kind(event) {
            "WaitStateExited" => cause(found, event, |cause| kind(cause) == "WaitStateEntered"),
            _ if is_attempt(event) => {
                let led = found.events.iter().find(|cause| id(cause) == previous(event));
                led.filter(|cause| ["Failed", "TimedOut"].iter().any(|end| kind(cause).ends_with(end)))
            }
            _ => None,
        };
        if let Some(since) = since
            && time(event) - time(since) < enough
            && !is_redriven_between(found, since, event)
        {
            report.wrong(format!(
                "{arn}: {} (event {}) came {:.3} s after event {}, which is too early",
                kind(event),
                id(event),
                time(event) - time(since),
                id(since)
            ));
        }
    }
}

/// Whether somebody let the execution go on between two of its events, which waits for no interval.
fn is_redriven_between(found: &Found, since: &Value, event: &Value) -> bool {
    let between = id(since)..id(event);
    found.events.iter().any(|event| kind(event) == "ExecutionRedriven" && between.contains(&id(event)))
}

/// What ran is in the journal, and ran once.
fn attempts_start_once(evidence: &Evidence, report: &mut Report) {
    let mut seen = BTreeSet::new();
    for (arn, event) in &evidence.invocations {
        if !seen.insert((arn, event)) {
            report.doubled(format!("{arn}: the attempt of event {event} was started twice"));
        }
        let scheduled = evidence.found.get(arn).map(|found| kind_of_id(found, *event));
        if !scheduled.is_some_and(|kind| kind.ends_with("Scheduled")) {
            report.doubled(format!(
                "{arn}: an attempt (event {event}) ran that the journal does not know: it will run again"
            ));
        }
    }
    let scheduled: BTreeSet<String> = evidence
        .found
        .values()
        .flat_map(|found| found.events.iter().filter(|event| is_attempt(event)))
        .filter_map(key_of_attempt)
        .collect();
    let mut seen = BTreeSet::new();
    for key in &evidence.effects {
        if !seen.insert(key) {
            report.doubled(format!("the step ran twice for `{key}`"));
        }
        if !scheduled.contains(key) {
            report.doubled(format!(
                "the step ran for `{key}`, which the journal does not know: it will run again"
            ));
        }
    }
}

/// The key that an attempt hands to the step, if it is one of the step `work`.
fn key_of_attempt(event: &Value) -> Option<String> {
    let parameters = event.pointer("/taskScheduledEventDetails/parameters")?.as_str()?;
    let parameters: Value = serde_json::from_str(parameters).ok()?;
    parameters.pointer("/Payload/key")?.as_str().map(str::to_owned)
}

/// An answer that was acknowledged is the task's result, and only one was.
fn answers_are_kept(evidence: &Evidence, report: &mut Report) {
    let mut by_token: BTreeMap<&str, Vec<&TokenAnswer>> = BTreeMap::new();
    for answer in evidence.answers.iter().filter(|answer| answer.acknowledged) {
        by_token.entry(&answer.token).or_default().push(answer);
    }
    for answers in by_token.values() {
        let Some(answer) = answers.first() else { continue };
        let arn = &answer.execution;
        if answers.len() > 1 {
            report.doubled(format!("{arn}: {} answers to one token were acknowledged", answers.len()));
        }
        let results: Vec<Value> = evidence
            .found
            .get(arn)
            .into_iter()
            .flat_map(|found| &found.events)
            .filter_map(|event| event.pointer("/taskSucceededEventDetails/output")?.as_str())
            .filter_map(|text| serde_json::from_str(text).ok())
            .collect();
        if !results.contains(&answer.output) {
            report.lost(format!(
                "{arn}: the answer {} was acknowledged, the history has {results:?}",
                answer.output
            ));
        }
    }
}

/// Every batch is in CoreView once and whole, or (under way) not at all.
fn deliveries_are_booked_once(evidence: &Evidence, phase: Phase, report: &mut Report) {
    let Some(booked) = &evidence.booked else { return };
    let mut wanted = BTreeMap::new();
    for accepted in &evidence.accepted {
        if let Expected::Delivered(batch) = &accepted.expected {
            let ended = evidence.found.get(&accepted.arn).is_some_and(|found| found.status == "SUCCEEDED");
            let must = phase == Phase::Ended || ended;
            let entry = wanted.entry(batch.period.as_str()).or_insert((batch, false));
            entry.1 |= must;
        }
    }
    for (period, (batch, must)) in &wanted {
        let is = booked.get(*period).copied().unwrap_or_default();
        if is.rows == 0 && is.deliveries == 0 {
            if *must {
                report.lost(format!("period {period}: delivered, and CoreView has nothing of it"));
            }
        } else if is.deliveries > 1 || is.rows != is.entities || is.rows > batch.rows {
            report.doubled(format!("period {period}: {is:?} instead of one delivery of {batch:?}"));
        } else if (is.deliveries, is.rows, is.total) != (1, batch.rows, batch.total) {
            report.lost(format!("period {period}: {is:?} instead of one delivery of {batch:?}"));
        }
    }
    for (period, is) in booked {
        if !wanted.contains_key(period.as_str()) {
            report.doubled(format!("period {period}, which nobody asked for: {is:?}"));
        }
    }
}

fn id(event: &Value) -> u64 {
    event.get("id").and_then(Value::as_u64).unwrap_or_default()
}

fn previous(event: &Value) -> u64 {
    event.get("previousEventId").and_then(Value::as_u64).unwrap_or_default()
}

/// Seconds since the epoch.
fn time(event: &Value) -> f64 {
    event.get("timestamp").and_then(Value::as_f64).unwrap_or_default()
}

fn kind(event: &Value) -> &str {
    event.get("type").and_then(Value::as_str).unwrap_or_default()
}

fn state_name(event: &Value) -> &str {
    let details = ["stateEnteredEventDetails", "stateExitedEventDetails"];
    let name = details.iter().find_map(|details| event.get(*details)?.get("name")?.as_str());
    name.unwrap_or_default()
}

fn has_event(found: &Found, name: &str) -> bool {
    found.events.iter().any(|event| kind(event) == name)
}

/// Whether an event starts an attempt of a task.
fn is_attempt(event: &Value) -> bool {
    matches!(kind(event), "TaskScheduled" | "ActivityScheduled" | "LambdaFunctionScheduled")
}

/// The type of the event with an id; empty when there is none.
fn kind_of_id(found: &Found, wanted: u64) -> &str {
    found.events.iter().find(|event| id(event) == wanted).map_or("", kind)
}

/// The nearest event that led to one and for which something holds.
fn cause<'a>(found: &'a Found, event: &Value, holds: impl Fn(&Value) -> bool) -> Option<&'a Value> {
    let mut at = previous(event);
    loop {
        let position = usize::try_from(at.checked_sub(1)?).ok()?;
        let event = found.events.get(position)?;
        if holds(event) {
            return Some(event);
        }
        // A cause is earlier: this ends.
        at = previous(event).min(at - 1);
    }
}
