//! Messages that a pipe took together, and the execution that they start.

use std::collections::BTreeSet;

use asl::limits::QUEUE_VISIBILITY_SECONDS_MAX;
use rusqlite::{Connection, OptionalExtension as _};
use serde_json::Value;

use super::pipe::{Pipe, event_of};
use crate::stores::database::Done;
use crate::stores::place::Place;
use crate::stores::queue::{self, Receive, Received};

/// Messages of one receive. SQS: 10; a batch of more is made of several.
const RECEIVE_MAX: usize = 10;
/// Bytes of messages in one input: it has to hold them with what surrounds them.
const INPUT_BYTES_MAX: usize = asl::limits::PAYLOAD_BYTES_MAX;
/// How long noted messages are invisible: as long as messages can be, and anew with every attempt.
const NOTED_MILLIS: i64 = QUEUE_VISIBILITY_SECONDS_MAX * 1_000;

/// Messages that were taken, and the execution that they start.
#[derive(Debug, Clone)]
pub(super) struct Batch {
    pub(super) execution_name: String,
    pub(super) input: String,
    /// Row ids and receipts.
    messages: Vec<(i64, String)>,
    taken_millis: i64,
}

/// What was taken.
pub(super) enum Taken {
    Nothing,
    /// Only messages that the pipe is not for, which are gone now.
    Filtered,
    Batch(Batch),
}

impl Batch {
    /// What was taken before and may not have been started.
    pub(super) fn noted(connection: &Connection, pipe: &str) -> Done<Option<Self>> {
        let find = "SELECT execution_name, input, messages, taken_millis FROM pipe_batches WHERE pipe = ?1";
        let found = connection.prepare_cached(find)?.query_row([pipe], |row| {
            let messages: String = row.get(2)?;
            Ok(Self {
                execution_name: row.get(0)?,
                input: row.get(1)?,
                messages: serde_json::from_str(&messages).unwrap_or_default(),
                taken_millis: row.get(3)?,
            })
        });
        Ok(found.optional()?)
    }

    /// The pipes of which something is noted.
    pub(super) fn all_noted(connection: &Connection) -> Done<BTreeSet<String>> {
        let mut find = connection.prepare_cached("SELECT pipe FROM pipe_batches")?;
        let found = find.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        Ok(found)
    }

    /// Takes messages: those that the pipe is not for are deleted, the others noted with the
    /// execution that they will start. Also answers the queue that got dead letters.
    pub(super) fn take(
        connection: &Connection,
        pipe: &Pipe,
        place: &Place,
        now: i64,
    ) -> Done<(Taken, Option<i64>)> {
        let queue = queue::queue(connection, place.queue_name(&pipe.source).unwrap_or_default())?;
        let (mut chosen, mut events, mut bytes) = (Vec::<Received>::new(), Vec::<Value>::new(), 0);
        let (mut is_any, mut dead) = (false, None);
        while chosen.len() < pipe.batch_size && bytes < INPUT_BYTES_MAX / 2 {
            let how = Receive {
                messages_max: (pipe.batch_size - chosen.len()).min(RECEIVE_MAX),
                visibility_millis: NOTED_MILLIS,
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
                let put_back = "UPDATE messages SET visible_millis = ?2, receive_count = receive_count - 1 WHERE id = ?1";
                connection.prepare_cached(put_back)?.execute((back.id, now))?;
            }
        }
        let ids: Vec<&str> = chosen.iter().map(|received| received.message_id.as_str()).collect();
        let batch = Self {
            execution_name: execution_name(&pipe.arn, &ids),
            input: pipe.input(&events, now),
            messages: chosen.iter().map(|received| (received.id, received.receipt.clone())).collect(),
            taken_millis: now,
        };
        batch.note(connection, &pipe.name)?;
        Ok((Taken::Batch(batch), dead))
    }

    pub(super) fn note(&self, connection: &Connection, pipe: &str) -> Done {
        let note = "INSERT INTO pipe_batches VALUES (?1, ?2, ?3, ?4, ?5)";
        let messages = serde_json::to_string(&self.messages).unwrap_or_default();
        let values = (pipe, &self.execution_name, &self.input, messages, self.taken_millis);
        connection.execute(note, values)?;
        Ok(())
    }

    /// Keeps the messages nobody else's for another while.
    pub(super) fn hold(&self, connection: &Connection, now: i64) -> Done {
        let hold = "UPDATE messages SET visible_millis = ?3 WHERE id = ?1 AND receipt = ?2";
        let mut hold = connection.prepare_cached(hold)?;
        for (id, receipt) in &self.messages {
            hold.execute((id, receipt, now + NOTED_MILLIS))?;
        }
        Ok(())
    }

    /// Deletes the messages of a queue: they have started their execution.
    pub(super) fn delete(&self, connection: &Connection, pipe: &str, source: &str) -> Done {
        self.forget(connection, pipe)?;
        let Some(queue) = queue::find(connection, source)? else { return Ok(()) };
        for (id, receipt) in &self.messages {
            queue::delete(connection, queue.id, *id, receipt)?;
        }
        Ok(())
    }

    /// Lets the messages come back to their queue when its visibility timeout is over; answers the queue.
    pub(super) fn give_back(
        &self,
        connection: &Connection,
        pipe: &str,
        source: &str,
        now: i64,
    ) -> Done<Option<i64>> {
        self.forget(connection, pipe)?;
        let Some(queue) = queue::find(connection, source)? else { return Ok(None) };
        let visible_millis = (self.taken_millis + queue.settings.visibility_millis.max(1_000)).max(now);
        let back = "UPDATE messages SET visible_millis = ?3 WHERE id = ?1 AND receipt = ?2";
        let mut back = connection.prepare_cached(back)?;
        for (id, receipt) in &self.messages {
            back.execute((id, receipt, visible_millis))?;
        }
        Ok(Some(queue.id))
    }

    fn forget(&self, connection: &Connection, pipe: &str) -> Done {
        let forget = "DELETE FROM pipe_batches WHERE pipe = ?1 AND execution_name = ?2";
        connection.execute(forget, (pipe, &self.execution_name))?;
        Ok(())
    }
}

/// The name of the execution that some messages start: always the same, and readable where it is one.
fn execution_name(pipe_arn: &str, message_ids: &[&str]) -> String {
    let digest = sigv4::digest(format!("{pipe_arn}\n{}", message_ids.join("\n")).as_bytes());
    let digits = digest.get(..32).unwrap_or_default();
    format!("{}_{digits}", message_ids.first().copied().unwrap_or_default())
}
