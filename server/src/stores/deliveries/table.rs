//! Deliveries in the database.

use rusqlite::{Connection, OptionalExtension as _, params};
use serde::{Deserialize, Serialize};

use crate::stores::database::Done;

/// Where something is brought, and for how long it is tried. Kept with the delivery: a rule
/// that is changed or deleted changes nothing for the events it was for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Target {
    pub(crate) arn: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) dead_letter_arn: Option<String>,
    pub(crate) retries_max: i64,
    pub(crate) age_seconds_max: i64,
    /// The message group in a FIFO queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) group_id: Option<String>,
}

/// What is to be brought.
#[derive(Debug, Clone)]
pub(crate) struct NewDelivery {
    pub(crate) event_id: String,
    pub(crate) source_arn: String,
    pub(crate) target_id: String,
    pub(crate) target: Target,
    pub(crate) input: String,
    /// When the event happened: from then on its age counts.
    pub(crate) created_millis: i64,
}

/// What is under way.
#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    pub(super) id: i64,
    pub(super) event_id: String,
    pub(super) source_arn: String,
    pub(super) target_id: String,
    pub(super) target: Target,
    pub(super) input: String,
    pub(super) created_millis: i64,
    pub(super) attempts: i64,
}

/// Notes what is to be brought; once for an event, a rule and a target.
pub(crate) fn insert(connection: &Connection, new: &NewDelivery, now: i64) -> Done {
    let insert = "INSERT OR IGNORE INTO deliveries (event_id, source_arn, target_id, target, input, created_millis, \
                  due_millis) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let target = serde_json::to_string(&new.target).unwrap_or_default();
    connection.prepare_cached(insert)?.execute(params![
        new.event_id,
        new.source_arn,
        new.target_id,
        target,
        new.input,
        new.created_millis,
        now
    ])?;
    Ok(())
}

/// The first by when they are due.
pub(super) fn first(connection: &Connection, count: usize) -> Done<Vec<(i64, i64)>> {
    let first = "SELECT id, due_millis FROM deliveries ORDER BY due_millis, id LIMIT ?1";
    let mut statement = connection.prepare_cached(first)?;
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    let found = statement.query_map([count], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

/// What a delivery turns out to be.
pub(super) enum Loaded {
    Delivery(Box<Delivery>),
    /// It was brought or given up.
    Gone,
    /// Another program wrote it: why it cannot be read.
    Unreadable(serde_json::Error),
}

pub(super) fn load(connection: &Connection, id: i64) -> Done<Loaded> {
    let load = "SELECT event_id, source_arn, target_id, target, input, created_millis, attempts \
                FROM deliveries WHERE id = ?1";
    let found = connection.prepare_cached(load)?.query_row([id], |row| {
        let target: String = row.get(3)?;
        let target = match serde_json::from_str(&target) {
            Ok(target) => target,
            Err(error) => return Ok(Loaded::Unreadable(error)),
        };
        Ok(Loaded::Delivery(Box::new(Delivery {
            id,
            event_id: row.get(0)?,
            source_arn: row.get(1)?,
            target_id: row.get(2)?,
            target,
            input: row.get(4)?,
            created_millis: row.get(5)?,
            attempts: row.get(6)?,
        })))
    });
    Ok(found.optional()?.unwrap_or(Loaded::Gone))
}

pub(super) fn remove(connection: &Connection, id: i64) -> Done {
    connection.prepare_cached("DELETE FROM deliveries WHERE id = ?1")?.execute([id])?;
    Ok(())
}

pub(super) fn postpone(connection: &Connection, id: i64, due_millis: i64, attempts: i64) -> Done {
    let update = "UPDATE deliveries SET due_millis = ?2, attempts = ?3 WHERE id = ?1";
    connection.prepare_cached(update)?.execute((id, due_millis, attempts))?;
    Ok(())
}
