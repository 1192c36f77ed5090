//! Takes messages and starts executions.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use engine::{EngineError, StartExecution};
use rusqlite::{Connection, OptionalExtension as _};
use serde_json::Value;

use super::Pipes;
use super::api::list;
use super::pipe::{Pipe, event_of};
use crate::http::JsonError;
use crate::stores::bell::Bell;
use crate::stores::database::Done;
use crate::stores::queue::{self, Receive, Received};
use crate::stores::request::Given;

/// Messages of one receive. SQS: 10; a batch of more is made of several.
const RECEIVE_MAX: usize = 10;
/// Without a message, how often it is looked whether one has become visible again.
const LOOK: Duration = Duration::from_millis(500);
/// The pause after something failed.
const PAUSE: Duration = Duration::from_secs(1);
/// Bytes of messages in one input: it has to hold them with what surrounds them.
const INPUT_BYTES_MAX: usize = asl::limits::PAYLOAD_BYTES_MAX;

/// Messages that were taken, and the execution that they start.
struct Batch {
    execution_name: String,
    input: String,
    /// Row ids and receipts.
    messages: Vec<(i64, String)>,
}

/// What came of a look into the queue.
enum Step {
    /// Something was done: there may be more.
    Worked,
    /// Nothing was there.
    Idle,
}

impl Pipes {
    /// Runs every pipe that is to run, each on a thread, until it is over.
    pub(crate) fn run(self: &Arc<Self>) {
        let mut running: BTreeMap<String, (Value, Arc<Bell>, JoinHandle<()>)> = BTreeMap::new();
        loop {
            let heard = self.bell.rings();
            let wanted = self.wanted();
            // A pipe that changed is ended and begun anew.
            let gone: Vec<String> = running
                .iter()
                .filter(|(name, (document, ..))| wanted.get(*name).is_none_or(|(_, new)| new != document))
                .map(|(name, _)| name.clone())
                .collect();
            for (_, bell, thread) in gone.iter().filter_map(|name| running.remove(name)) {
                bell.end();
                let _ = thread.join();
            }
            for (name, (pipe, document)) in wanted {
                if running.contains_key(&name) {
                    continue;
                }
                let (pipes, bell) = (Arc::clone(self), Arc::<Bell>::default());
                let its = Arc::clone(&bell);
                let thread =
                    std::thread::Builder::new().name("pipe".to_owned()).stack_size(super::super::STACK_BYTES);
                match thread.spawn(move || pipes.run_pipe(&pipe, &its)) {
                    Ok(thread) => drop(running.insert(name, (document, bell, thread))),
                    Err(error) => tracing::error!(pipe = name, %error, "a pipe does not start"),
                }
            }
            for (_, bell, _) in running.values() {
                bell.ring();
            }
            if !self.bell.wait(heard, None) {
                for (_, bell, _) in running.values() {
                    bell.end();
                }
                for (_, _, thread) in running.into_values() {
                    let _ = thread.join();
                }
                return;
            }
        }
    }

    /// The pipes that are to run, with what they are made of.
    fn wanted(&self) -> BTreeMap<String, (Pipe, Value)> {
        let kept = match self.shared.database.read(list) {
            Ok(kept) => kept,
            Err(failure) => {
                tracing::error!(?failure, "pipes cannot be read");
                return BTreeMap::new();
            }
        };
        let mut wanted = BTreeMap::new();
        for kept in kept {
            let document = Value::Object(kept.document);
            match Pipe::of(&kept.name, Given::of(&document), &self.shared.place) {
                Ok(pipe) if pipe.is_running => drop(wanted.insert(kept.name, (pipe, document))),
                Ok(_) => {}
                Err(error) => tracing::error!(pipe = kept.name, ?error, "a pipe is left out"),
            }
        }
        wanted
    }

    /// One pipe, until it is over.
    fn run_pipe(&self, pipe: &Pipe, bell: &Bell) {
        loop {
            let heard = bell.rings();
            if bell.is_over() {
                return;
            }
            let pause = match self.step(pipe) {
                Ok(Step::Worked) => continue,
                Ok(Step::Idle) => LOOK,
                Err(error) => {
                    tracing::warn!(pipe = pipe.name, ?error, "a pipe could not go on; it tries again");
                    PAUSE
                }
            };
            if !bell.wait(heard, Some(pause)) {
                return;
            }
        }
    }

    /// Finishes what was taken before, or takes messages and starts their execution.
    fn step(&self, pipe: &Pipe) -> Result<Step, JsonError> {
        let name = pipe.name.clone();
        if let Some(batch) = self.shared.database.read(|connection| batch(connection, &name))? {
            self.start(pipe, &batch)?;
            return Ok(Step::Worked);
        }
        let (pipe_taken, place, now) = (pipe.clone(), self.shared.place.clone(), self.shared.now());
        let is_ready = self.shared.database.read(|connection| self.is_ready(connection, pipe, now))?;
        if !is_ready {
            return Ok(Step::Idle);
        }
        let (taken, dead) =
            self.shared.database.write(move |connection| take(connection, &pipe_taken, &place, now))?;
        if let Some(dead) = dead {
            self.shared.arrivals.tell(dead);
        }
        match taken {
            Taken::Nothing => Ok(Step::Idle),
            Taken::Filtered => Ok(Step::Worked),
            Taken::Batch(batch) => self.start(pipe, &batch).map(|()| Step::Worked),
        }
    }

    /// Whether messages are there: enough of them, or the first has waited for the batching window.
    fn is_ready(&self, connection: &Connection, pipe: &Pipe, now: i64) -> Done<bool> {
        let Some(name) = self.shared.place.queue_name(&pipe.source) else { return Ok(false) };
        let queue = queue::queue(connection, name)?;
        let look = "SELECT count(*), min(visible_millis) FROM (SELECT visible_millis FROM messages \
                    WHERE queue_id = ?1 AND visible_millis <= ?2 ORDER BY visible_millis LIMIT ?3)";
        let wanted = i64::try_from(pipe.batch_size).unwrap_or(i64::MAX);
        let mut look = connection.prepare_cached(look)?;
        let (count, first): (i64, Option<i64>) =
            look.query_row((queue.id, now, wanted), |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(count >= wanted || first.is_some_and(|first| now - first >= pipe.window_millis))
    }

    /// Starts the execution of a batch, and deletes its messages when the start was acknowledged.
    fn start(&self, pipe: &Pipe, batch: &Batch) -> Result<(), JsonError> {
        let request = StartExecution {
            state_machine: pipe.target.clone(),
            name: Some(batch.execution_name.clone()),
            input: batch.input.clone(),
            trace_header: None,
        };
        let started = if pipe.is_synchronous {
            let ended = self.engine.start_sync_execution(&request);
            ended.map(|ended| ended.status == engine::Status::Succeeded)
        } else {
            self.engine.start_execution(request).map(|_| true)
        };
        let is_done = match started {
            Ok(is_done) => is_done,
            Err(EngineError::ExecutionAlreadyExists { .. }) => true,
            // What was taken stays noted, and is started by the next engine.
            Err(error @ (EngineError::Stopped { .. } | EngineError::Journal(_))) => {
                return Err(JsonError::new("Stopped", error.to_string()));
            }
            // The messages stay noted too: they are nobody else's while it is tried again.
            Err(error @ (EngineError::Throttled | EngineError::ExecutionLimitExceeded)) => {
                return Err(JsonError::new("Throttled", error.to_string()));
            }
            Err(error) => {
                tracing::error!(pipe = pipe.name, %error, "the messages of a pipe start no execution: they come back");
                false
            }
        };
        let (name, messages) = (pipe.name.clone(), batch.messages.clone());
        let source = self.shared.place.queue_name(&pipe.source).unwrap_or_default().to_owned();
        self.shared.database.write(move |connection| {
            connection.execute("DELETE FROM pipe_batches WHERE pipe = ?1", [&name])?;
            if is_done && let Ok(queue) = queue::queue(connection, &source) {
                for (id, receipt) in &messages {
                    queue::delete(connection, queue.id, *id, receipt)?;
                }
            }
            Ok(())
        })?;
        Ok(())
    }
}

/// What was taken.
enum Taken {
    Nothing,
    /// Only messages that the pipe is not for, which are gone now.
    Filtered,
    Batch(Batch),
}

/// Takes messages: those that the pipe is not for are deleted, the others noted with the
/// execution that they will start.
fn take(
    connection: &Connection,
    pipe: &Pipe,
    place: &crate::stores::place::Place,
    now: i64,
) -> Done<(Taken, Option<i64>)> {
    let queue = queue::queue(connection, place.queue_name(&pipe.source).unwrap_or_default())?;
    let (mut chosen, mut events, mut bytes) = (Vec::<Received>::new(), Vec::new(), 0);
    let (mut is_any, mut dead) = (false, None);
    while chosen.len() < pipe.batch_size && bytes < INPUT_BYTES_MAX / 2 {
        let how = Receive {
            messages_max: (pipe.batch_size - chosen.len()).min(RECEIVE_MAX),
            visibility_millis: queue.settings.visibility_millis.max(1_000),
            now_millis: now,
        };
        let (received, went) = queue::receive(connection, &queue, place, how)?;
        dead = dead.or(went);
        if received.is_empty() {
            break;
        }
        is_any = true;
        for received in received {
            let event = event_of(&queue, &received, place);
            if pipe.is_for(&event) {
                bytes += event.to_string().len();
                chosen.push(received);
                events.push(event);
            } else {
                queue::delete(connection, queue.id, received.id, &received.receipt)?;
            }
        }
    }
    if chosen.is_empty() {
        return Ok((if is_any { Taken::Filtered } else { Taken::Nothing }, dead));
    }
    // Too much for one input: what is behind comes back at once.
    while events.len() > 1 && pipe.input(&events, now).len() > INPUT_BYTES_MAX {
        events.pop();
        if let Some(back) = chosen.pop() {
            let put_back =
                "UPDATE messages SET visible_millis = ?2, receive_count = receive_count - 1 WHERE id = ?1";
            connection.prepare_cached(put_back)?.execute((back.id, now))?;
        }
    }
    let ids: Vec<&str> = chosen.iter().map(|received| received.message_id.as_str()).collect();
    let batch = Batch {
        execution_name: execution_name(&pipe.arn, &ids),
        input: pipe.input(&events, now),
        messages: chosen.iter().map(|received| (received.id, received.receipt.clone())).collect(),
    };
    let note = "INSERT INTO pipe_batches VALUES (?1, ?2, ?3, ?4, ?5)";
    let messages = serde_json::to_string(&batch.messages).unwrap_or_default();
    connection.execute(note, (&pipe.name, &batch.execution_name, &batch.input, messages, now))?;
    Ok((Taken::Batch(batch), dead))
}

/// What was taken before and may not have been started.
fn batch(connection: &Connection, pipe: &str) -> Done<Option<Batch>> {
    let find = "SELECT execution_name, input, messages FROM pipe_batches WHERE pipe = ?1";
    let found = connection.prepare_cached(find)?.query_row([pipe], |row| {
        let messages: String = row.get(2)?;
        Ok(Batch {
            execution_name: row.get(0)?,
            input: row.get(1)?,
            messages: serde_json::from_str(&messages).unwrap_or_default(),
        })
    });
    Ok(found.optional()?)
}

/// The name of the execution that some messages start: always the same, and readable where it is one.
fn execution_name(pipe_arn: &str, message_ids: &[&str]) -> String {
    let digest = sigv4::digest(format!("{pipe_arn}\n{}", message_ids.join("\n")).as_bytes());
    let digits = digest.get(..32).unwrap_or_default();
    format!("{}_{digits}", message_ids.first().copied().unwrap_or_default())
}
