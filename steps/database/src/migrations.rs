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
];

const TABLE: &str = "stepwright_migration";

/// Brings the tables up to date.
pub async fn apply(database: &mut impl Database) -> Result<(), DatabaseError> {
    if pending(database).await?.is_empty() {
        return Ok(());
    }
    database.begin(Purpose::Write).await?;
    match apply_in_transaction(database).await {
        Ok(()) => database.commit().await.map_err(|error| match error.kind {
            // Nothing is delivered yet, and what is applied is not applied again.
            ErrorKind::Unknown => DatabaseError { kind: ErrorKind::Unavailable, ..error },
            _ => error,
        }),
        Err(error) => {
            database.rollback().await;
            Err(error)
        }
    }
}

async fn apply_in_transaction(database: &mut impl Database) -> Result<(), DatabaseError> {
    database.lock_schema().await?;
    database
        .define(
            "CREATE TABLE IF NOT EXISTS stepwright_migration \
             (number bigint PRIMARY KEY NOT NULL, name text NOT NULL)",
        )
        .await?;
    let key_text = match database.dialect() {
        // The database's own collation sorts as people do, and differently after an upgrade.
        Dialect::Postgres => "text COLLATE \"C\"",
        Dialect::Sqlite => "text",
    };
    // Again, now that nobody else can: another delivery may have been first.
    for (number, name, statements) in pending(database).await? {
        database.define(&statements.replace("KEY_TEXT", key_text)).await?;
        database
            .execute(
                "INSERT INTO stepwright_migration (number, name) VALUES ($1, $2)",
                &[Value::from(number), Value::from(name)],
            )
            .await?;
    }
    Ok(())
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
