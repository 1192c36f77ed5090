//! The tables, a module for each group, and what they have in common.
//!
//! Every statement is for PostgreSQL and SQLite alike. Parameters that stand
//! where PostgreSQL cannot infer their type are cast, which changes nothing on
//! SQLite.

use database::{Database, DatabaseError};

pub(crate) mod calc;
pub(crate) mod entry;
pub(crate) mod ingest;
pub(crate) mod question;
pub(crate) mod reference;
pub(crate) mod stale;

/// Rows that are handed to the database at once: enough to make the round trips
/// cheap, few enough to be nothing in memory.
pub(crate) const ROWS_PER_CHUNK: usize = 2_000;

/// Ends a transaction: commits what succeeded, rolls back what did not.
pub(crate) async fn end<D: Database, T, E: From<DatabaseError>>(
    database: &mut D,
    outcome: Result<T, E>,
) -> Result<T, E> {
    match outcome {
        Ok(value) => match database.commit().await {
            Ok(()) => Ok(value),
            Err(error) => {
                database.rollback().await;
                Err(error.into())
            }
        },
        Err(error) => {
            database.rollback().await;
            Err(error)
        }
    }
}

/// A count for the database.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A count from the database.
pub(crate) fn unsigned(number: Option<i64>) -> u64 {
    number.and_then(|number| u64::try_from(number).ok()).unwrap_or_default()
}

/// Text from outside for a column of text. PostgreSQL keeps no NUL: it is shown.
pub(crate) fn insertable(text: &str) -> String {
    text.replace('\0', "\u{2400}")
}
