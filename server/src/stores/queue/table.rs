//! Queues and messages in the database. Everything here happens within a transaction of
//! whoever calls: a message that is moved, sent or deleted together with something else is
//! so in one step, or not at all.

use asl::limits::QUEUE_DEDUPLICATION_SECONDS;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde_json::{Map, Value};

use super::attributes::{Attributes, Settings};
use super::{in_flight, refusal};
use crate::stores::database::Done;
use crate::stores::place::Place;

/// Messages that have expired and are removed with one send or receive. Ours: keeps a transaction short.
const EXPIRED_MAX: i64 = 1_000;
/// Sequence numbers begin here: AWS's have 20 digits.
const SEQUENCE_BASE: u128 = 18_849_500_000_000_000_000;

/// A queue.
#[derive(Debug, Clone)]
pub(crate) struct Queue {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(super) attributes: Attributes,
    pub(crate) settings: Settings,
    pub(super) created_millis: i64,
    pub(super) modified_millis: i64,
}

/// A message that is to be sent.
#[derive(Debug, Clone, Default)]
pub(crate) struct NewMessage {
    pub(crate) body: String,
    pub(crate) attributes: Map<String, Value>,
    pub(crate) system_attributes: Map<String, Value>,
    pub(crate) group_id: Option<String>,
    pub(crate) deduplication_id: Option<String>,
    pub(crate) delay_millis: Option<i64>,
}

/// A message that was sent.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(super) message_id: String,
    pub(super) sequence: Option<String>,
    /// When it can be received; `None` = it was sent before.
    pub(super) visible_millis: Option<i64>,
}

/// A message that was received.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) id: i64,
    pub(crate) message_id: String,
    pub(crate) body: String,
    pub(crate) attributes: Map<String, Value>,
    pub(super) system_attributes: Map<String, Value>,
    pub(super) group_id: Option<String>,
    pub(super) deduplication_id: Option<String>,
    pub(super) sequence: Option<String>,
    pub(super) source_arn: Option<String>,
    pub(super) sent_millis: i64,
    pub(super) receive_count: i64,
    pub(super) first_receive_millis: i64,
    pub(crate) receipt: String,
}

/// How to receive.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Receive {
    pub(crate) messages_max: usize,
    pub(crate) visibility_millis: i64,
    pub(crate) now_millis: i64,
}

fn queue_of(row: &Row<'_>) -> rusqlite::Result<Queue> {
    let attributes: String = row.get(2)?;
    let attributes: Attributes = serde_json::from_str(&attributes).unwrap_or_default();
    Ok(Queue {
        id: row.get(0)?,
        name: row.get(1)?,
        settings: Settings::of(&attributes),
        attributes,
        created_millis: row.get(3)?,
        modified_millis: row.get(4)?,
    })
}

const QUEUE: &str = "SELECT id, name, attributes, created_millis, modified_millis FROM queues";

/// A queue by its name.
pub(crate) fn queue(connection: &Connection, name: &str) -> Done<Queue> {
    find(connection, name)?.ok_or_else(|| refusal::no_queue().into())
}

/// A queue by its name, if there is one.
pub(crate) fn find(connection: &Connection, name: &str) -> Done<Option<Queue>> {
    let mut statement = connection.prepare_cached(&format!("{QUEUE} WHERE name = ?1"))?;
    Ok(statement.query_row([name], queue_of).optional()?)
}

/// All queues, by name.
pub(crate) fn queues(connection: &Connection) -> Done<Vec<Queue>> {
    let mut statement = connection.prepare_cached(&format!("{QUEUE} ORDER BY name"))?;
    let queues = statement.query_map([], queue_of)?.collect::<rusqlite::Result<_>>()?;
    Ok(queues)
}

/// Sends a message. In a FIFO queue one that was sent before is not sent again.
pub(crate) fn send(connection: &Connection, queue: &Queue, message: &NewMessage, now: i64) -> Done<Sent> {
    remove_expired(connection, now)?;
    let Settings { is_fifo, delay_millis, retention_millis, .. } = queue.settings;
    let mut sequence = None;
    let message_id = crate::random::uuid();
    if is_fifo {
        let deduplicated = deduplicate(connection, queue, message, &message_id, now)?;
        match deduplicated {
            Ok(number) => sequence = Some(number),
            Err(sent) => return Ok(sent),
        }
    }
    let delay = message.delay_millis.filter(|_| !is_fifo).unwrap_or(delay_millis);
    let json = |map: &Map<String, Value>| (!map.is_empty()).then(|| Value::Object(map.clone()).to_string());
    let insert = "INSERT INTO messages (queue_id, message_id, body, attributes, system_attributes, group_id, \
                  deduplication_id, sequence, sent_millis, visible_millis, expires_millis) \
                  VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
    connection.prepare_cached(insert)?.execute(params![
        queue.id,
        message_id,
        message.body,
        json(&message.attributes),
        json(&message.system_attributes),
        message.group_id,
        message.deduplication_id,
        sequence,
        now,
        now + delay,
        now + retention_millis,
    ])?;
    Ok(Sent { message_id, sequence: sequence.map(sequence_text), visible_millis: Some(now + delay) })
}

fn sequence_text(sequence: i64) -> String {
    (SEQUENCE_BASE + u128::from(sequence.unsigned_abs())).to_string()
}

/// The sequence number of a new message, or the message that was sent with its id before.
fn deduplicate(
    connection: &Connection,
    queue: &Queue,
    message: &NewMessage,
    message_id: &str,
    now: i64,
) -> Done<Result<i64, Sent>> {
    let scope =
        if queue.settings.within_group { message.group_id.as_deref().unwrap_or_default() } else { "" };
    let id = message.deduplication_id.as_deref().unwrap_or_default();
    connection
        .prepare_cached("DELETE FROM deduplications WHERE queue_id = ?1 AND until_millis <= ?2")?
        .execute((queue.id, now))?;
    let known = "SELECT message_id, sequence FROM deduplications \
                 WHERE queue_id = ?1 AND scope = ?2 AND deduplication_id = ?3";
    let known = connection.prepare_cached(known)?.query_row((queue.id, scope, id), |row| {
        Ok(Sent { message_id: row.get(0)?, sequence: Some(sequence_text(row.get(1)?)), visible_millis: None })
    });
    if let Some(sent) = known.optional()? {
        return Ok(Err(sent));
    }
    let next = "UPDATE queues SET last_sequence = last_sequence + 1 WHERE id = ?1 RETURNING last_sequence";
    let sequence: i64 = connection.prepare_cached(next)?.query_row([queue.id], |row| row.get(0))?;
    connection.prepare_cached("INSERT INTO deduplications VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?.execute(
        params![queue.id, scope, id, message_id, sequence, now + QUEUE_DEDUPLICATION_SECONDS * 1_000,],
    )?;
    Ok(Ok(sequence))
}

/// Which messages of a group may not be received: those behind one that is invisible. One that was
/// received holds back its whole group, one that is delayed only what came after it.
const VISIBLE: &str = "queue_id = ?1 AND visible_millis <= ?2 AND expires_millis > ?2";
const FIRST_OF_GROUP: &str = "NOT EXISTS (SELECT 1 FROM messages f WHERE f.queue_id = m.queue_id \
     AND f.group_id = m.group_id AND f.visible_millis > ?2 AND (f.id < m.id OR f.receive_count > 0))";

fn candidates(queue: &Queue) -> String {
    if queue.settings.is_fifo {
        format!("SELECT id FROM messages m WHERE {VISIBLE} AND {FIRST_OF_GROUP} ORDER BY id LIMIT ?3")
    } else {
        format!("SELECT id FROM messages m WHERE {VISIBLE} ORDER BY visible_millis, id LIMIT ?3")
    }
}

/// Whether a receive would find anything.
pub(super) fn has_visible(connection: &Connection, queue: &Queue, now: i64) -> Done<bool> {
    let mut statement = connection.prepare_cached(&candidates(queue))?;
    Ok(statement.exists((queue.id, now, 1))?)
}

/// When the next message that is invisible now becomes visible.
pub(super) fn next_visible_millis(connection: &Connection, queue: &Queue, now: i64) -> Done<Option<i64>> {
    let next = "SELECT min(visible_millis) FROM messages WHERE queue_id = ?1 AND visible_millis > ?2";
    Ok(connection.prepare_cached(next)?.query_row((queue.id, now), |row| row.get(0))?)
}

/// Receives messages: makes them invisible for a time and counts it. What was received
/// too often goes to the dead-letter queue; its id is answered if anything went there.
pub(crate) fn receive(
    connection: &Connection,
    queue: &Queue,
    place: &Place,
    how: Receive,
) -> Done<(Vec<Received>, Option<i64>)> {
    let Receive { messages_max, visibility_millis, now_millis } = how;
    remove_expired(connection, now_millis)?;
    in_flight::check(connection, queue.id, now_millis)?;
    let dead = dead_letter_queue(connection, queue, place)?;
    let mut received = Vec::new();
    let mut went = None;
    while received.len() < messages_max {
        let missing = i64::try_from(messages_max - received.len()).unwrap_or(1);
        let mut statement = connection.prepare_cached(&candidates(queue))?;
        let ids = statement.query_map((queue.id, now_millis, missing), |row| row.get::<_, i64>(0))?;
        let ids: Vec<i64> = ids.collect::<rusqlite::Result<_>>()?;
        if ids.is_empty() {
            break;
        }
        for id in ids {
            let count = "SELECT receive_count FROM messages WHERE id = ?1";
            let count: i64 = connection.prepare_cached(count)?.query_row([id], |row| row.get(0))?;
            match &dead {
                Some((dead, receives_max)) if count >= *receives_max => {
                    let source = place.queue_arn(&queue.name);
                    move_message(connection, id, dead, Some(&source), now_millis)?;
                    went = Some(dead.id);
                }
                _ => received.push(take(connection, id, now_millis, now_millis + visibility_millis)?),
            }
        }
        if visibility_millis <= 0 {
            // They are visible at once: they would be found again and again.
            break;
        }
    }
    in_flight::add(connection, queue.id, i64::try_from(received.len()).unwrap_or(i64::MAX))?;
    Ok((received, went))
}

/// The dead-letter queue of a queue, if it is there, and how often messages are received before.
fn dead_letter_queue(connection: &Connection, queue: &Queue, place: &Place) -> Done<Option<(Queue, i64)>> {
    let Some(redrive) = &queue.settings.redrive else { return Ok(None) };
    let Some(name) = place.queue_name(&redrive.arn) else { return Ok(None) };
    Ok(find(connection, name)?.map(|dead| (dead, redrive.receives_max)))
}

fn take(connection: &Connection, id: i64, now: i64, visible_millis: i64) -> Done<Received> {
    let receipt = crate::random::uuid();
    let update = "UPDATE messages SET visible_millis = ?2, receive_count = receive_count + 1, receipt = ?3, \
         first_receive_millis = coalesce(first_receive_millis, ?4) WHERE id = ?1 \
         RETURNING message_id, body, attributes, system_attributes, group_id, deduplication_id, sequence, \
         source_arn, sent_millis, receive_count, first_receive_millis";
    let map =
        |text: Option<String>| text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    let received =
        connection.prepare_cached(update)?.query_row(params![id, visible_millis, receipt, now], |row| {
            Ok(Received {
                id,
                message_id: row.get(0)?,
                body: row.get(1)?,
                attributes: map(row.get(2)?),
                system_attributes: map(row.get(3)?),
                group_id: row.get(4)?,
                deduplication_id: row.get(5)?,
                sequence: row.get::<_, Option<i64>>(6)?.map(sequence_text),
                source_arn: row.get(7)?,
                sent_millis: row.get(8)?,
                receive_count: row.get(9)?,
                first_receive_millis: row.get(10)?,
                receipt: receipt.clone(),
            })
        })?;
    Ok(received)
}

/// Moves a message into another queue, at its end. What it was received is forgotten. In a FIFO
/// dead-letter queue its id becomes its deduplication id.
///
/// On the way to a dead-letter queue, `source_arn`, it expires in a standard queue when it would
/// have, and begins anew in a FIFO queue. Moved back, it is a new message: another id, sent now
/// (developer guide, "Configure a dead-letter queue redrive").
pub(super) fn move_message(
    connection: &Connection,
    id: i64,
    target: &Queue,
    source_arn: Option<&str>,
    now: i64,
) -> Done {
    let sequence: Option<i64> = if target.settings.is_fifo {
        let next =
            "UPDATE queues SET last_sequence = last_sequence + 1 WHERE id = ?1 RETURNING last_sequence";
        Some(connection.prepare_cached(next)?.query_row([target.id], |row| row.get(0))?)
    } else {
        None
    };
    let new_id = source_arn.is_none().then(crate::random::uuid);
    let copy = "INSERT INTO messages (queue_id, message_id, body, attributes, system_attributes, group_id, \
         deduplication_id, sequence, source_arn, sent_millis, visible_millis, expires_millis) \
         SELECT ?2, coalesce(?7, message_id), body, attributes, system_attributes, group_id, \
         CASE WHEN ?3 IS NOT NULL AND ?7 IS NULL THEN message_id ELSE deduplication_id END, \
         ?3, ?4, CASE WHEN ?7 IS NULL THEN sent_millis ELSE ?5 END, ?5, \
         CASE WHEN ?3 IS NULL AND ?7 IS NULL THEN sent_millis ELSE ?5 END + ?6 FROM messages WHERE id = ?1";
    connection.prepare_cached(copy)?.execute(params![
        id,
        target.id,
        sequence,
        source_arn,
        now,
        target.settings.retention_millis,
        new_id
    ])?;
    connection.prepare_cached("DELETE FROM messages WHERE id = ?1")?.execute([id])?;
    Ok(())
}

/// Deletes a message that was received with this receipt, if that receipt is its last.
pub(crate) fn delete(connection: &Connection, queue: i64, id: i64, receipt: &str) -> Done<bool> {
    let delete = "DELETE FROM messages WHERE id = ?1 AND queue_id = ?2 AND receipt = ?3";
    let is_deleted = connection.prepare_cached(delete)?.execute((id, queue, receipt))? > 0;
    if is_deleted {
        in_flight::add(connection, queue, -1)?;
    }
    Ok(is_deleted)
}

/// Removes messages whose time is over, some at a time.
fn remove_expired(connection: &Connection, now: i64) -> Done {
    let delete = "DELETE FROM messages WHERE id IN \
                  (SELECT id FROM messages WHERE expires_millis <= ?1 ORDER BY expires_millis LIMIT ?2)";
    connection.prepare_cached(delete)?.execute((now, EXPIRED_MAX))?;
    Ok(())
}
