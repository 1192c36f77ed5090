//! How many messages of a queue are in flight: received, not deleted, and still invisible.
//!
//! To count them is work for each of them, at every receive. Instead it is known how many they are
//! at most: each receive adds, each delete takes off, and those that become visible again by
//! themselves are not looked for before the limit is reached. This is kept with the connection that
//! writes, within its transactions, and counted anew by the next process.

use asl::limits::QUEUE_IN_FLIGHT_MAX;
use rusqlite::{Connection, OptionalExtension as _};

use crate::http::JsonError;
use crate::stores::database::Done;

/// The table of the connection that writes.
pub(crate) const TABLE: &str = "CREATE TEMP TABLE in_flight (
    queue_id INTEGER PRIMARY KEY,
    most INTEGER NOT NULL,
    -- They were counted, and too many: before this time none becomes visible by itself.
    full_until_millis INTEGER NOT NULL DEFAULT 0
) STRICT";

/// Refuses to receive while too many are in flight.
pub(super) fn check(connection: &Connection, queue: i64, now: i64) -> Done {
    let known = "SELECT most, full_until_millis FROM temp.in_flight WHERE queue_id = ?1";
    let known = connection.prepare_cached(known)?.query_row([queue], |row| Ok((row.get(0)?, row.get(1)?)));
    let known: Option<(i64, i64)> = known.optional()?;
    let is_full = match known {
        Some((most, _)) if most < QUEUE_IN_FLIGHT_MAX => false,
        Some((_, full_until_millis)) if now < full_until_millis => true,
        _ => count(connection, queue, now)? >= QUEUE_IN_FLIGHT_MAX,
    };
    if is_full {
        return Err(JsonError::new("OverLimit", "Too many messages in flight.").into());
    }
    Ok(())
}

fn count(connection: &Connection, queue: i64, now: i64) -> Done<i64> {
    let count = "SELECT count(*), coalesce(min(visible_millis), 0) FROM messages \
                 WHERE queue_id = ?1 AND visible_millis > ?2 AND receive_count > 0";
    let (most, first): (i64, i64) =
        connection.prepare_cached(count)?.query_row((queue, now), |row| Ok((row.get(0)?, row.get(1)?)))?;
    let put = "INSERT INTO temp.in_flight VALUES (?1, ?2, ?3) ON CONFLICT (queue_id) \
               DO UPDATE SET most = excluded.most, full_until_millis = excluded.full_until_millis";
    connection.prepare_cached(put)?.execute((queue, most, first))?;
    Ok(most)
}

/// So many more are, or fewer. Of a queue that was not looked at yet it does not matter.
pub(super) fn add(connection: &Connection, queue: i64, messages: i64) -> Done {
    let add = "UPDATE temp.in_flight SET most = max(most + ?2, 0) WHERE queue_id = ?1";
    connection.prepare_cached(add)?.execute((queue, messages))?;
    Ok(())
}

/// It is to be counted anew: the queue was emptied, or is gone.
pub(super) fn forget(connection: &Connection, queue: i64) -> Done {
    connection.prepare_cached("DELETE FROM temp.in_flight WHERE queue_id = ?1")?.execute([queue])?;
    Ok(())
}
