//! The tables, as numbered migrations. Applied by whoever comes first, once,
//! even when several start at the same time.
//!
//! A user who may not create tables is enough once they are there.

use crate::{Database, DatabaseError, Dialect, ErrorKind, Purpose, Value};

/// In order; a migration that was released is never edited.
const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "outbox", include_str!("../migrations/0001_outbox.sql")),
    (2, "coreview", include_str!("../migrations/0002_coreview.sql")),
    (3, "market", include_str!("../migrations/0003_market.sql")),
    (4, "ingest", include_str!("../migrations/0004_ingest.sql")),
    (5, "reference", include_str!("../migrations/0005_reference.sql")),
    (6, "calc", include_str!("../migrations/0006_calc.sql")),
    (7, "question", include_str!("../migrations/0007_question.sql")),
    (8, "settled", include_str!("../migrations/0008_settled.sql")),
    (9, "entry", include_str!("../migrations/0009_entry.sql")),
];

const TABLE: &str = "stepwright_migration";

/// What [`apply`] found and did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// The migrations that were applied now, such as `0004_ingest`.
    pub applied: Vec<String>,
    /// How many had been applied before.
    pub already: u64,
}

/// Brings the tables up to date.
pub async fn apply(database: &mut impl Database) -> Result<Applied, DatabaseError> {
    let pending = pending(database).await?;
    if pending.is_empty() {
        return Ok(Applied { applied: vec![], already: MIGRATIONS.len() as u64 });
    }
    database.begin(Purpose::Write).await?;
    match apply_in_transaction(database).await {
        Ok(applied) => match database.commit().await {
            Ok(()) => Ok(applied),
            // Nothing else was done yet, and what is applied is not applied again.
            Err(error) if error.kind == ErrorKind::Unknown => {
                Err(DatabaseError { kind: ErrorKind::Unavailable, ..error })
            }
            Err(error) => Err(error),
        },
        Err(error) => {
            database.rollback().await;
            Err(explained(error))
        }
    }
}

/// A user who may only use the tables meets a version that needs others.
fn explained(error: DatabaseError) -> DatabaseError {
    if error.kind != ErrorKind::Forbidden {
        return error;
    }
    let advice = "its tables are older than this version: run the step `migrate` as the user who owns them";
    DatabaseError { advice, ..error }
}

async fn apply_in_transaction(database: &mut impl Database) -> Result<Applied, DatabaseError> {
    database.lock_schema().await?;
    database
        .define(
            "CREATE TABLE IF NOT EXISTS stepwright_migration \
             (number bigint PRIMARY KEY NOT NULL, name text NOT NULL)",
        )
        .await?;
    let dialect = database.dialect();
    let mut applied = vec![];
    // Again, now that nobody else can: another step may have been first.
    for (number, name, statements) in pending(database).await? {
        database.define(&in_dialect(statements, dialect)).await?;
        database
            .execute(
                "INSERT INTO stepwright_migration (number, name) VALUES ($1, $2)",
                &[Value::from(number), Value::from(name)],
            )
            .await?;
        applied.push(format!("{number:04}_{name}"));
    }
    let already = (MIGRATIONS.len() - applied.len()) as u64;
    Ok(Applied { applied, already })
}

/// Definitions of tables for a database: placeholders are what the two call
/// differently. `KEY_TEXT` is text that compares by its bytes, `EXACT` a number
/// with all its decimals.
pub fn in_dialect(statements: &str, dialect: Dialect) -> String {
    let (key_text, exact) = match dialect {
        // The database's own collation sorts as people do, and differently after an upgrade.
        Dialect::Postgres => ("text COLLATE \"C\"", "numeric"),
        // Its numbers are binary; a text keeps every digit.
        Dialect::Sqlite => ("text", "text"),
    };
    statements.replace("KEY_TEXT", key_text).replace("EXACT", exact)
}

async fn pending(
    database: &mut impl Database,
) -> Result<Vec<(i64, &'static str, &'static str)>, DatabaseError> {
    if !database.has_table(TABLE).await? {
        return Ok(MIGRATIONS.to_vec());
    }
    let applied = database.query("SELECT number FROM stepwright_migration", &[]).await?;
    let is_applied = |number: i64| applied.iter().any(|record| record.integer(0) == Some(number));
    Ok(MIGRATIONS.iter().copied().filter(|(number, ..)| !is_applied(*number)).collect())
}
