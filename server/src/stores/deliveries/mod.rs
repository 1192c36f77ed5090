//! Brings events to their targets: executions and queues.
//!
//! A delivery is in the database from the moment its event was accepted until it is at its
//! target or given up. An execution has a name made of the event, the rule and the target: to
//! bring the event again, after a crash, meets Step Functions' own rule that a name is
//! used once. A message is put into its queue by the transaction that removes the delivery.
//! So each arrives exactly once. Express executions have no such rule: they start at least
//! once, as on AWS.
//!
//! What cannot be brought now is tried again, at growing intervals, as long as the target's
//! retry policy says; after that it goes to the dead-letter queue of the target. Without
//! one, the log says what was given up. Where nothing is known of an attempt, or what became of it could
//! not be written, the delivery rests for a growing time in memory: nothing turns in circles.

mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use engine::{Engine, EngineError, StartExecution};
use serde_json::{Map, json};

pub(crate) use table::{Delivery, NewDelivery, Target, insert};

use self::table::Loaded;
use super::bell::Bell;
use super::database::{Done, Failure};
use super::queue::{self, NewMessage};
use super::shared::Shared;

/// Threads that bring deliveries: each waits for a commit of the engine most of the time.
pub(crate) const WORKERS: usize = 16;
/// Deliveries that are looked up at a time.
const LOOKED_UP: usize = 256;
/// The first pause before another attempt; each further one is twice as long. Ours.
const FIRST_PAUSE_MILLIS: i64 = 500;
/// The longest pause. Ours.
const PAUSE_MILLIS_MAX: i64 = 600_000;
/// The longest rest of what could not be read or written here. Ours.
const REST_MILLIS_MAX: i64 = 60_000;
/// Characters of an error message in a dead-letter queue.
const MESSAGE_CHARS_MAX: usize = 1_024;

/// Brings deliveries.
pub(crate) struct Deliveries {
    shared: Arc<Shared>,
    engine: Engine,
    pub(crate) bell: Arc<Bell>,
    hands: Mutex<Hands>,
}

/// What this program knows of deliveries and the database does not.
#[derive(Default)]
struct Hands {
    /// Those that a thread has.
    taken: BTreeSet<i64>,
    /// Those that are left alone for a while: until when, and how often so far.
    resting: BTreeMap<i64, (i64, u32)>,
}

/// What came of an attempt.
enum Outcome {
    /// It is at the target, and its row is to be removed.
    Arrived,
    /// It is at the target, and its row is removed.
    Removed,
    /// It may arrive later.
    Later(Problem),
    /// It never will.
    Never(Problem),
    /// The engine goes away: nothing is known, and nothing is changed.
    Unknown(Problem),
}

/// Why an attempt failed.
#[derive(Debug)]
struct Problem {
    code: &'static str,
    message: String,
}

impl Deliveries {
    pub(crate) fn new(shared: Arc<Shared>, engine: Engine) -> Self {
        Self { shared, engine, bell: Arc::default(), hands: Mutex::default() }
    }

    /// What hands deliveries to the workers: a channel, and what looks up until it is over.
    pub(crate) fn channel() -> (SyncSender<i64>, Receiver<i64>) {
        sync_channel(LOOKED_UP)
    }

    /// Looks up what is due, and hands it out.
    pub(crate) fn hand_out(&self, due: &SyncSender<i64>) {
        loop {
            let heard = self.bell.rings();
            let pause = match self.due() {
                Ok((ids, pause)) => {
                    for id in ids {
                        if due.send(id).is_err() {
                            return;
                        }
                    }
                    pause
                }
                Err(failure) => {
                    tracing::error!(?failure, "deliveries cannot be looked up");
                    Some(Duration::from_secs(1))
                }
            };
            if !self.bell.wait(heard, pause) {
                return;
            }
        }
    }

    /// Deliveries that are due and that no thread has, now taken; and how long until there are others.
    fn due(&self) -> Done<(Vec<i64>, Option<Duration>)> {
        let now = self.shared.now();
        let mut hands = self.hands();
        let wanted = LOOKED_UP + hands.taken.len() + hands.resting.len();
        let found = self.shared.database.read(|connection| table::first(connection, wanted))?;
        let (mut next, mut due) = (None, Vec::new());
        // As many as were wanted: behind them are others, which are due now as the last of these is.
        let mut is_more_due = found.len() >= wanted;
        for (id, due_millis) in found {
            let rests_until = hands.resting.get(&id).map_or(due_millis, |(until, _)| *until);
            let from = due_millis.max(rests_until);
            if from > now {
                next = Some(next.map_or(from, |next: i64| next.min(from)));
            } else if hands.taken.insert(id) {
                due.push(id);
            }
            if due_millis > now {
                // They come in their order: nothing behind this one is due sooner.
                is_more_due = false;
                break;
            }
        }
        if is_more_due {
            next = Some(now);
        }
        let next = next.filter(|next| *next < i64::MAX);
        Ok((due, next.map(|next| Duration::from_millis((next - now).max(0).unsigned_abs()))))
    }

    fn hands(&self) -> MutexGuard<'_, Hands> {
        self.hands.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Brings what is handed out, until nothing will be.
    pub(crate) fn work(&self, due: &Mutex<Receiver<i64>>) {
        loop {
            let next = due.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(id) = next else { return };
            if !self.bell.is_over() {
                self.take_up(id);
            }
        }
    }

    fn take_up(&self, id: i64) {
        match self.shared.database.read(|connection| table::load(connection, id)) {
            Ok(Loaded::Delivery(delivery)) => self.bring(*delivery),
            Ok(Loaded::Gone) => self.release(id),
            Ok(Loaded::Unreadable(error)) => {
                tracing::error!(delivery = id, %error, "a delivery cannot be read: it is set aside, and stays in the database");
                self.rest(id, Some(i64::MAX));
            }
            Err(failure) => {
                tracing::error!(delivery = id, ?failure, "a delivery cannot be read");
                self.rest(id, None);
            }
        }
    }

    fn bring(&self, delivery: Delivery) {
        let id = delivery.id;
        match self.attempt(&delivery) {
            Outcome::Arrived => self.change(id, move |connection| table::remove(connection, id)),
            Outcome::Removed => self.release(id),
            Outcome::Unknown(problem) => {
                let (source, message) = (delivery.source_arn, problem.message);
                tracing::warn!(source, message, "nothing is known of a delivery: it is brought again");
                self.rest(id, None);
            }
            Outcome::Later(problem) => self.postpone(delivery, problem),
            Outcome::Never(problem) => self.give_up(delivery, problem, None),
        }
    }

    fn attempt(&self, delivery: &Delivery) -> Outcome {
        match super::place::service_of(&delivery.target.arn) {
            Some("states") => self.start(delivery),
            Some("sqs") => self.send(delivery),
            _ => Outcome::Never(Problem {
                code: "UNSUPPORTED_TARGET",
                message: format!("{} is no state machine and no queue", delivery.target.arn),
            }),
        }
    }

    fn start(&self, delivery: &Delivery) -> Outcome {
        let request = StartExecution {
            state_machine: delivery.target.arn.clone(),
            name: Some(execution_name(&delivery.event_id, &delivery.source_arn, &delivery.target_id)),
            input: delivery.input.clone(),
            trace_header: None,
        };
        match self.engine.start_execution(request) {
            Ok(_) => Outcome::Arrived,
            Err(error) => of_engine(&error),
        }
    }

    fn send(&self, delivery: &Delivery) -> Outcome {
        let Delivery { id, target, input, .. } = delivery.clone();
        // A FIFO queue knows what came to it, whatever it knows of bodies: an event by each rule and target.
        let name = execution_name(&delivery.event_id, &delivery.source_arn, &delivery.target_id);
        let (place, now) = (self.shared.place.clone(), self.shared.now());
        let sent = self.shared.database.write(move |connection| {
            let queue = queue::queue(connection, place.queue_name(&target.arn).unwrap_or_default())?;
            let message = NewMessage {
                body: input,
                group_id: target.group_id,
                deduplication_id: queue.settings.is_fifo.then_some(name),
                ..NewMessage::default()
            };
            queue::send(connection, &queue, &message, now)?;
            table::remove(connection, id)?;
            Ok(queue.id)
        });
        match sent {
            Ok(queue) => {
                self.shared.arrivals.tell(queue);
                Outcome::Removed
            }
            Err(Failure::Refused(error)) if error.http_status < 500 => {
                Outcome::Never(Problem { code: "NO_RESOURCE", message: error.message })
            }
            Err(failure) => {
                Outcome::Later(Problem { code: "INTERNAL_ERROR", message: format!("{failure:?}") })
            }
        }
    }

    /// Tries again later, unless the retry policy says that it was tried enough.
    fn postpone(&self, mut delivery: Delivery, problem: Problem) {
        let now = self.shared.now();
        let pause = pause_after(u32::try_from(delivery.attempts).unwrap_or(u32::MAX)).min(PAUSE_MILLIS_MAX);
        // Those that failed together do not come back together.
        let due_millis = now + pause + pause * (delivery.id % 8) / 32;
        let until = delivery.created_millis + delivery.target.age_seconds_max * 1_000;
        delivery.attempts += 1;
        if delivery.attempts > delivery.target.retries_max {
            return self.give_up(delivery, problem, Some("MaximumRetryAttempts"));
        }
        if due_millis > until {
            return self.give_up(delivery, problem, Some("MaximumEventAgeInSeconds"));
        }
        tracing::warn!(
            source = delivery.source_arn,
            target = delivery.target.arn,
            code = problem.code,
            message = problem.message,
            attempts = delivery.attempts,
            "an event could not be delivered yet"
        );
        let (id, attempts) = (delivery.id, delivery.attempts);
        self.change(id, move |connection| table::postpone(connection, id, due_millis, attempts));
    }

    /// Puts it into the dead-letter queue of the target, or says that it is gone.
    fn give_up(&self, delivery: Delivery, problem: Problem, exhausted: Option<&'static str>) {
        tracing::error!(
            source = delivery.source_arn,
            target = delivery.target.arn,
            event = delivery.event_id,
            code = problem.code,
            message = problem.message,
            dead_letter_queue = delivery.target.dead_letter_arn,
            "an event was not delivered"
        );
        let (place, now, id) = (self.shared.place.clone(), self.shared.now(), delivery.id);
        let told = Arc::new(OnceLock::new());
        let arrived = Arc::clone(&told);
        self.change(id, move |connection| {
            table::remove(connection, id)?;
            let Some(arn) = &delivery.target.dead_letter_arn else { return Ok(()) };
            let name = place.queue_name(arn).unwrap_or_default();
            match queue::queue(connection, name) {
                Ok(queue) => {
                    queue::send(connection, &queue, &dead_letter(&delivery, &problem, exhausted), now)?;
                    let _ = arrived.set(queue.id);
                    Ok(())
                }
                Err(Failure::Refused(_)) => {
                    tracing::error!(
                        dead_letter_queue = arn,
                        "there is no such dead-letter queue: the event is lost"
                    );
                    Ok(())
                }
                Err(failure) => Err(failure),
            }
        });
        // Who polls finds it: it is committed.
        if let Some(queue) = told.get() {
            self.shared.arrivals.tell(*queue);
        }
    }

    /// Changes a delivery, and lets it go when that is on the disk.
    fn change(&self, id: i64, change: impl FnOnce(&rusqlite::Connection) -> Done + Send + 'static) {
        match self.shared.database.write(change) {
            Ok(()) => self.release(id),
            Err(failure) => {
                tracing::error!(?failure, "what became of a delivery was not noted: it is brought again");
                self.rest(id, None);
            }
        }
    }

    fn release(&self, id: i64) {
        let mut hands = self.hands();
        hands.taken.remove(&id);
        hands.resting.remove(&id);
        drop(hands);
        self.bell.ring();
    }

    /// Lets a delivery go that is not to be taken up before a time: one that grows, unless it is given.
    fn rest(&self, id: i64, until: Option<i64>) {
        let now = self.shared.now();
        let mut hands = self.hands();
        let times = hands.resting.get(&id).map_or(0, |(_, times)| *times);
        let until = until.unwrap_or_else(|| now + pause_after(times).min(REST_MILLIS_MAX));
        hands.resting.insert(id, (until, times.saturating_add(1)));
        hands.taken.remove(&id);
        drop(hands);
        self.bell.ring();
    }

    pub(crate) fn end(&self) {
        self.bell.end();
    }
}

/// The pause after so many attempts, in milliseconds: each is twice as long as the one before.
fn pause_after(attempts: u32) -> i64 {
    FIRST_PAUSE_MILLIS << attempts.min(30)
}

/// What an error of the engine means for a delivery.
fn of_engine(error: &EngineError) -> Outcome {
    let message = error.to_string();
    match error {
        // The name is made of the event: it was this event that started it.
        EngineError::ExecutionAlreadyExists { .. } => Outcome::Arrived,
        EngineError::Throttled | EngineError::ExecutionLimitExceeded => {
            Outcome::Later(Problem { code: "THROTTLING", message })
        }
        EngineError::Stopped { .. } | EngineError::Journal(_) => {
            Outcome::Unknown(Problem { code: "INTERNAL_ERROR", message })
        }
        EngineError::System { .. } => Outcome::Later(Problem { code: "INTERNAL_ERROR", message }),
        EngineError::StateMachineDoesNotExist { .. } | EngineError::Registry(_) => {
            Outcome::Never(Problem { code: "NO_RESOURCE", message })
        }
        _ => Outcome::Never(Problem { code: "INVALID_PARAMETER", message }),
    }
}

/// The message that a dead-letter queue gets. User guide, "Using dead-letter queues".
fn dead_letter(delivery: &Delivery, problem: &Problem, exhausted: Option<&str>) -> NewMessage {
    let mut attributes = Map::new();
    let mut put = |name: &str, value: &str| {
        let value: String = value.chars().take(MESSAGE_CHARS_MAX).collect();
        attributes.insert(name.to_owned(), json!({ "DataType": "String", "StringValue": value }));
    };
    put("RULE_ARN", &delivery.source_arn);
    put("TARGET_ARN", &delivery.target.arn);
    put("ERROR_CODE", problem.code);
    put("ERROR_MESSAGE", &problem.message);
    put("RETRY_ATTEMPTS", &(delivery.attempts - i64::from(exhausted.is_some())).max(0).to_string());
    if let Some(condition) = exhausted {
        put("EXHAUSTED_RETRY_CONDITION", condition);
    }
    NewMessage { body: delivery.input.clone(), attributes, ..NewMessage::default() }
}

/// The name of the execution that an event starts as a target of a rule: always the same.
pub(crate) fn execution_name(event_id: &str, source_arn: &str, target_id: &str) -> String {
    let digest = sigv4::digest(format!("{event_id}\n{source_arn}\n{target_id}").as_bytes());
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let digits = digest.get(..32).unwrap_or_default();
    if event_id.len() <= 40 && !event_id.is_empty() && event_id.bytes().all(is_plain) {
        format!("{event_id}_{digits}")
    } else {
        digits.to_owned()
    }
}

#[cfg(test)]
mod tests;
