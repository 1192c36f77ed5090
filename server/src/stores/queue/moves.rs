//! Moving messages out of a dead-letter queue, to where they came from or to another queue.
//!
//! A thread moves them, some in one transaction with the count, so that a move goes on after a
//! crash where it stood.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, Row};
use serde_json::{Map, Value, json};

use super::{refusal, table};
use crate::http::JsonError;
use crate::stores::bell::Bell;
use crate::stores::database::Done;
use crate::stores::request::{Answered, Given};
use crate::stores::shared::Shared;

/// Messages in one transaction.
const STEP: i64 = 100;
/// The largest rate. API reference, `StartMessageMoveTask`: 500 messages a second.
const PER_SECOND_MAX: i64 = 500;

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
        loop {
            let heard = self.bell.rings();
            let under_way = self.shared.database.read(|connection| {
                let query = format!("{MOVE} WHERE status = 'RUNNING' ORDER BY started_millis");
                let mut statement = connection.prepare_cached(&query)?;
                let moves = statement.query_map([], move_of)?.collect::<rusqlite::Result<Vec<_>>>()?;
                Ok(moves)
            });
            let under_way = under_way.unwrap_or_default();
            // At a rate, one step is what may be moved in a tenth of a second.
            let pause = if under_way.is_empty() { None } else { Some(Duration::from_millis(1)) };
            let is_slow = under_way.iter().any(|one| one.per_second.is_some());
            for one in under_way {
                self.step(one);
            }
            let pause = if is_slow { Some(Duration::from_millis(100)) } else { pause };
            if !self.bell.wait(heard, pause) {
                return;
            }
        }
    }

    pub(crate) fn end(&self) {
        self.bell.end();
    }

    /// Some messages of one move.
    fn step(&self, one: Moving) {
        let limit = one.per_second.map_or(STEP, |rate| (rate / 10).max(1)).min(STEP);
        let (now, place) = (self.shared.now(), self.shared.place.clone());
        let told = self.shared.database.write(move |connection| {
            let next = "SELECT id, source_arn FROM messages WHERE queue_id = ?1 AND visible_millis <= ?2 \
                        ORDER BY id LIMIT ?3";
            let mut statement = connection.prepare_cached(next)?;
            let messages = statement.query_map((one.source_id, now, limit), |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, Option<String>>(1)?))
            })?;
            let messages = messages.collect::<rusqlite::Result<Vec<_>>>()?;
            let mut queues = Vec::new();
            for (id, source) in &messages {
                let arn = one.destination_arn.as_ref().or(source.as_ref());
                let name = arn.and_then(|arn| place.queue_name(arn)).unwrap_or_default();
                let Some(queue) = table::find(connection, name)? else {
                    let problem = "AWS.SimpleQueueService.NonExistentQueue";
                    return end(connection, &one.handle, "FAILED", Some(problem)).map(|()| queues);
                };
                table::move_message(connection, *id, &queue, None, now)?;
                queues.push(queue.id);
            }
            let count = "UPDATE message_moves SET moved = moved + ?2 WHERE handle = ?1";
            connection.execute(count, (&one.handle, i64::try_from(messages.len()).unwrap_or_default()))?;
            if messages.len() < usize::try_from(limit).unwrap_or_default() {
                end(connection, &one.handle, "COMPLETED", None)?;
            }
            Ok(queues)
        });
        match told {
            Ok(queues) => queues.into_iter().for_each(|queue| self.shared.arrivals.tell(queue)),
            Err(failure) => tracing::error!(?failure, "messages could not be moved"),
        }
    }

    pub(super) fn start(&self, given: Given<'_>) -> Answered {
        let source_arn = given.required("SourceArn").to_owned();
        let destination_arn = given.text("DestinationArn").map(str::to_owned);
        let per_second = given.number("MaxNumberOfMessagesPerSecond");
        if per_second.is_some_and(|rate| !(1..=PER_SECOND_MAX).contains(&rate)) {
            let reason = format!("Must be between 1 and {PER_SECOND_MAX}, if provided.");
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
        let limit = given.number("MaxResults").unwrap_or(1).clamp(1, 10);
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
