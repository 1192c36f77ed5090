//! Moving messages out of a dead-letter queue, to where they came from or to another queue.
//!
//! A thread moves them, some in one transaction with the count, so that a move goes on after a
//! crash where it stood.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use asl::limits::{QUEUE_MOVES_LIST_MAX, QUEUE_MOVES_PER_SECOND_MAX};
use rusqlite::{Connection, OptionalExtension as _, Row};
use serde_json::{Map, Value, json};

use super::{refusal, table};
use crate::http::JsonError;
use crate::stores::bell::Bell;
use crate::stores::database::Done;
use crate::stores::place::Place;
use crate::stores::request::{Answered, Given};
use crate::stores::shared::Shared;

/// Messages in one transaction.
const STEP: i64 = 100;
/// How often something is moved at a rate.
const TICK: Duration = Duration::from_millis(100);
/// The pause after something failed.
const PAUSE: Duration = Duration::from_secs(1);

/// Moves messages; clones of the `Arc` are the same.
#[derive(Debug)]
pub(crate) struct Moves {
    shared: Arc<Shared>,
    bell: Bell,
}

/// A move that was asked for.
struct Moving {
    handle: String,
    source_id: i64,
    source_arn: String,
    destination_arn: Option<String>,
    per_second: Option<i64>,
    status: String,
    to_move: i64,
    done: i64,
    failure: Option<String>,
    started_millis: i64,
}

const MOVE: &str = "SELECT handle, source_id, source_arn, destination_arn, per_second, status, to_move, moved, \
     failure, started_millis FROM message_moves";

fn move_of(row: &Row<'_>) -> rusqlite::Result<Moving> {
    Ok(Moving {
        handle: row.get(0)?,
        source_id: row.get(1)?,
        source_arn: row.get(2)?,
        destination_arn: row.get(3)?,
        per_second: row.get(4)?,
        status: row.get(5)?,
        to_move: row.get(6)?,
        done: row.get(7)?,
        failure: row.get(8)?,
        started_millis: row.get(9)?,
    })
}

impl Moves {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, bell: Bell::default() }
    }

    /// Moves until it is over.
    pub(crate) fn run(&self) {
        let mut rates: BTreeMap<String, Rate> = BTreeMap::new();
        loop {
            let heard = self.bell.rings();
            let pause = match self.under_way() {
                Ok(under_way) => {
                    rates.retain(|handle, _| under_way.iter().any(|one| one.handle == *handle));
                    self.step_all(under_way, &mut rates)
                }
                Err(failure) => {
                    tracing::error!(?failure, "moves of messages cannot be read; they are tried again");
                    Some(PAUSE)
                }
            };
            if !self.bell.wait(heard, pause) {
                return;
            }
        }
    }

    fn under_way(&self) -> Done<Vec<Moving>> {
        self.shared.database.read(|connection| {
            let query = format!("{MOVE} WHERE status = 'RUNNING' ORDER BY started_millis");
            let mut statement = connection.prepare_cached(&query)?;
            let moves = statement.query_map([], move_of)?.collect::<rusqlite::Result<Vec<_>>>()?;
            Ok(moves)
        })
    }

    /// Some messages of each; how long to wait then.
    fn step_all(&self, under_way: Vec<Moving>, rates: &mut BTreeMap<String, Rate>) -> Option<Duration> {
        let mut pause = None;
        for one in under_way {
            let (limit, its) = match one.per_second {
                Some(per_second) => {
                    let rate = rates.entry(one.handle.clone()).or_insert_with(|| Rate::begin(Instant::now()));
                    (rate.take(per_second, Instant::now()), TICK)
                }
                None => (STEP, Duration::from_millis(1)),
            };
            let its = if limit == 0 || self.step(one, limit) { its } else { PAUSE };
            pause = Some(pause.map_or(its, |pause: Duration| pause.min(its)));
        }
        pause
    }

    pub(crate) fn end(&self) {
        self.bell.end();
    }

    /// Some messages of one move; `false` = it failed, and is tried again.
    fn step(&self, one: Moving, limit: i64) -> bool {
        let (now, place) = (self.shared.now(), self.shared.place.clone());
        let told =
            self.shared.database.write(move |connection| move_some(connection, &one, limit, &place, now));
        match told {
            Ok(queues) => {
                for (queue, messages) in queues {
                    self.shared.arrivals.tell_of(queue, messages);
                }
                true
            }
            Err(failure) => {
                tracing::error!(?failure, "messages could not be moved; they are tried again");
                false
            }
        }
    }

    pub(super) fn start(&self, given: Given<'_>) -> Answered {
        let source_arn = given.required("SourceArn").to_owned();
        let destination_arn = given.text("DestinationArn").map(str::to_owned);
        let per_second = given.number("MaxNumberOfMessagesPerSecond");
        if per_second.is_some_and(|rate| !(1..=QUEUE_MOVES_PER_SECOND_MAX).contains(&rate)) {
            let reason = format!("Must be between 1 and {QUEUE_MOVES_PER_SECOND_MAX}, if provided.");
            return Err(refusal::value(
                per_second.unwrap_or_default(),
                "MaxNumberOfMessagesPerSecond",
                &reason,
            ));
        }
        let place = self.shared.place.clone();
        let (handle, now) = (crate::random::uuid(), self.shared.now());
        let answer = json!({ "TaskHandle": handle });
        self.shared.database.write(move |connection| {
            for arn in std::iter::once(&source_arn).chain(&destination_arn) {
                let name = place.queue_name(arn);
                if name.map(|name| table::find(connection, name)).transpose()?.flatten().is_none() {
                    return Err(no_resource().into());
                }
            }
            let source = table::queue(connection, place.queue_name(&source_arn).unwrap_or_default())?;
            check_source(connection, &source, &source_arn)?;
            if let Some(arn) = &destination_arn {
                let destination = table::queue(connection, place.queue_name(arn).unwrap_or_default())?;
                check_destination(&source, &destination, arn)?;
            }
            let count = "SELECT count(*) FROM messages WHERE queue_id = ?1";
            let to_move: i64 = connection.query_row(count, [source.id], |row| row.get(0))?;
            let insert = "INSERT INTO message_moves (handle, source_id, source_arn, destination_arn, per_second, \
                          status, to_move, started_millis) VALUES (?1, ?2, ?3, ?4, ?5, 'RUNNING', ?6, ?7)";
            connection.execute(
                insert,
                (&handle, source.id, &source_arn, &destination_arn, per_second, to_move, now),
            )?;
            Ok(())
        })?;
        self.bell.ring();
        Ok(answer)
    }

    pub(super) fn cancel(&self, given: Given<'_>) -> Answered {
        let handle = given.required("TaskHandle").to_owned();
        self.shared
            .database
            .write(move |connection| {
                let query = format!("{MOVE} WHERE handle = ?1 AND status = 'RUNNING'");
                let found = connection.query_row(&query, [&handle], move_of).optional()?;
                let Some(one) = found else { return Err(no_resource().into()) };
                end(connection, &handle, "CANCELLED", None)?;
                Ok(json!({ "ApproximateNumberOfMessagesMoved": one.done }))
            })
            .map_err(JsonError::from)
    }

    pub(super) fn list(&self, given: Given<'_>) -> Answered {
        let arn = given.required("SourceArn");
        let limit = given.number("MaxResults").unwrap_or(1).clamp(1, QUEUE_MOVES_LIST_MAX);
        let place = &self.shared.place;
        let moves = self.shared.database.read(|connection| {
            table::find(connection, place.queue_name(arn).unwrap_or_default())?.ok_or_else(no_resource)?;
            let query = format!("{MOVE} WHERE source_arn = ?1 ORDER BY started_millis DESC LIMIT ?2");
            let mut statement = connection.prepare_cached(&query)?;
            let moves = statement.query_map((arn, limit), move_of)?.collect::<rusqlite::Result<Vec<_>>>()?;
            Ok(moves)
        })?;
        Ok(json!({ "Results": moves.iter().map(shown).collect::<Vec<_>>() }))
    }
}

/// How many messages may be moved at a rate.
struct Rate {
    at: Instant,
    /// What is left of the last look, in thousandths of a message.
    thousandths: i64,
}

impl Rate {
    fn begin(now: Instant) -> Self {
        Self { at: now, thousandths: 0 }
    }

    /// What may be moved since it was looked last. After a pause not more than a second's.
    fn take(&mut self, per_second: i64, now: Instant) -> i64 {
        let millis = now.saturating_duration_since(self.at).as_millis();
        // Less than a millisecond is left for the next look.
        self.at += Duration::from_millis(u64::try_from(millis).unwrap_or_default());
        let millis = i64::try_from(millis).unwrap_or(i64::MAX).min(1_000);
        self.thousandths = (self.thousandths + per_second * millis).min(per_second * 1_000);
        let messages = (self.thousandths / 1_000).min(STEP);
        self.thousandths -= messages * 1_000;
        messages
    }
}

/// Moves the next messages, unless the move has ended meanwhile. Answers the queues they went to.
fn move_some(
    connection: &Connection,
    one: &Moving,
    limit: i64,
    place: &Place,
    now: i64,
) -> Done<BTreeMap<i64, usize>> {
    let mut queues = BTreeMap::new();
    let is_running = "SELECT 1 FROM message_moves WHERE handle = ?1 AND status = 'RUNNING'";
    if !connection.prepare_cached(is_running)?.exists([&one.handle])? {
        return Ok(queues);
    }
    let next = "SELECT id, source_arn FROM messages WHERE queue_id = ?1 AND visible_millis <= ?2 \
                AND expires_millis > ?2 ORDER BY id LIMIT ?3";
    let mut statement = connection.prepare_cached(next)?;
    let messages = statement.query_map((one.source_id, now, limit), |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, Option<String>>(1)?))
    })?;
    let messages = messages.collect::<rusqlite::Result<Vec<_>>>()?;
    let (mut moved, mut problem) = (0_i64, None);
    for (id, source) in &messages {
        let Some(arn) = one.destination_arn.as_ref().or(source.as_ref()) else {
            problem = Some("CouldNotDetermineMessageSource");
            break;
        };
        let Some(queue) = place.queue_name(arn).map_or(Ok(None), |name| table::find(connection, name))?
        else {
            problem = Some("AWS.SimpleQueueService.NonExistentQueue");
            break;
        };
        table::move_message(connection, *id, &queue, None, now)?;
        *queues.entry(queue.id).or_default() += 1;
        moved += 1;
    }
    let count = "UPDATE message_moves SET moved = moved + ?2 WHERE handle = ?1";
    connection.execute(count, (&one.handle, moved))?;
    if problem.is_some() {
        end(connection, &one.handle, "FAILED", problem)?;
    } else if moved < limit {
        end(connection, &one.handle, "COMPLETED", None)?;
    }
    Ok(queues)
}

/// Messages are moved out of dead-letter queues only, one move at a time.
fn check_source(connection: &Connection, source: &table::Queue, arn: &str) -> Done {
    let redrives =
        |queue: &table::Queue| queue.settings.redrive.as_ref().is_some_and(|redrive| redrive.arn == arn);
    if !table::queues(connection)?.iter().any(redrives) {
        let message = "Source queue must be configured as a Dead Letter Queue.";
        return Err(JsonError::new("InvalidParameterValue", message).into());
    }
    let running = "SELECT 1 FROM message_moves WHERE source_id = ?1 AND status = 'RUNNING'";
    if connection.prepare_cached(running)?.exists([source.id])? {
        let message = "There is already a task running. Only one active task is allowed for a source queue arn at \
                       a given time.";
        return Err(JsonError::new("UnsupportedOperation", message).into());
    }
    Ok(())
}

fn end(connection: &Connection, handle: &str, status: &str, failure: Option<&str>) -> Done {
    let update = "UPDATE message_moves SET status = ?2, failure = ?3 WHERE handle = ?1";
    connection.execute(update, (handle, status, failure))?;
    Ok(())
}

/// To itself a queue would move for ever, and a FIFO queue has what another has not.
fn check_destination(source: &table::Queue, destination: &table::Queue, arn: &str) -> Result<(), JsonError> {
    if source.id == destination.id {
        return Err(refusal::value(arn, "DestinationArn", "Must not be the source queue."));
    }
    if source.settings.is_fifo != destination.settings.is_fifo {
        return Err(refusal::value(arn, "DestinationArn", "Must be of the type of the source queue."));
    }
    Ok(())
}

fn no_resource() -> JsonError {
    JsonError {
        http_status: 404,
        ..JsonError::new(
            "ResourceNotFoundException",
            "The resource that you specified for the SourceArn parameter doesn't exist.",
        )
    }
}

fn shown(one: &Moving) -> Value {
    let mut shown = Map::new();
    let mut put = |name: &str, value: Value| {
        if !value.is_null() {
            shown.insert(name.to_owned(), value);
        }
    };
    // Only a move that runs can be cancelled.
    put("TaskHandle", if one.status == "RUNNING" { json!(one.handle) } else { Value::Null });
    put("Status", json!(one.status));
    put("SourceArn", json!(one.source_arn));
    put("DestinationArn", json!(one.destination_arn));
    put("MaxNumberOfMessagesPerSecond", json!(one.per_second));
    put("ApproximateNumberOfMessagesMoved", json!(one.done));
    put("ApproximateNumberOfMessagesToMove", json!(one.to_move));
    put("FailureReason", json!(one.failure));
    put("StartedTimestamp", json!(one.started_millis));
    Value::Object(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_a_rate_not_more_is_moved_and_not_less() {
        for per_second in [1, 2, 3, 7, 9, 10, 19, 99, 500] {
            let begin = Instant::now();
            let mut rate = Rate::begin(begin);
            // Looks come when they come.
            let looks = (1..=10_000_u64).filter(|at| at % 97 == 0 || at % 100 == 0);
            let moved: i64 =
                looks.map(|at| rate.take(per_second, begin + Duration::from_micros(at * 1_000))).sum();
            assert_eq!(moved, per_second * 10, "{per_second} a second");
        }
        let begin = Instant::now();
        let mut rate = Rate::begin(begin);
        assert_eq!(rate.take(5, begin + Duration::from_hours(1)), 5, "not what was missed in a pause");
    }
}
