//! `reference_*`: revisions of reference data.

use database::{Database, DatabaseError, Record, Value};

use feed::PinnedRevision;

use super::{signed, unsigned};

/// Columns of `reference_row`.
pub(crate) const ROW_COLUMNS: [&str; 7] =
    ["name", "scope", "number", "position", "outcome", "code", "row_values"];

/// The latest number of a name and scope, `$1` and `$2`. Others wait here until
/// this transaction ends.
const COUNT: &str = "
    INSERT INTO reference_scope (name, scope, latest) VALUES ($1, $2, 0)
    ON CONFLICT (name, scope) DO UPDATE SET latest = reference_scope.latest
    RETURNING latest";

/// `$1` name, `$2` scope, `$3` number.
const COUNT_ON: &str = "UPDATE reference_scope SET latest = $3 WHERE name = $1 AND scope = $2";

/// `$1` name, `$2` scope.
const FIND_ACTIVE: &str = "
    SELECT number, sha256, row_count, execution_arn, warnings FROM reference_revision
    WHERE name = $1 AND scope = $2 AND state = 'active'";

/// `$1` name, `$2` scope.
const REPLACE: &str = "
    UPDATE reference_revision SET state = 'replaced' WHERE name = $1 AND scope = $2 AND state = 'active'";

/// `$1` name, `$2` scope, `$3` number, `$4` hash, `$5` feed, `$6` layout, `$7` rows,
/// `$8` file, `$9` its hash, `$10` spec's hash, `$11` warnings, `$12` execution, `$13` time.
const ENTER: &str = "
    INSERT INTO reference_revision (name, scope, number, sha256, feed, layout, row_count, file_key,
        file_sha256, spec_sha256, warnings, execution_arn, kept_at, state)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 'active')";

/// `$1` name.
const ACTIVE_OF: &str = "
    SELECT scope, number, sha256, feed, layout, file_key FROM reference_revision
    WHERE name = $1 AND state = 'active' ORDER BY scope";

/// `$1` name, `$2` scope, `$3` number.
const FIND: &str = "
    SELECT scope, number, sha256, feed, layout, file_key FROM reference_revision
    WHERE name = $1 AND scope = $2 AND number = $3";

/// The accepted rows of a revision. `$1` name, `$2` scope, `$3` number.
pub(crate) const READ_ROWS: &str = "
    SELECT row_values FROM reference_row
    WHERE name = $1 AND scope = $2 AND number = $3 AND outcome = 'accepted' ORDER BY position";

/// A revision a run is calculated with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Active {
    pub(crate) scope: String,
    pub(crate) number: i64,
    pub(crate) sha256: String,
    pub(crate) feed: String,
    pub(crate) layout: String,
    pub(crate) file_key: String,
}

/// What is in force for a scope while a transaction has it.
pub(crate) struct InForce {
    pub(crate) number: i64,
    pub(crate) sha256: String,
    pub(crate) rows: u64,
    pub(crate) execution_arn: String,
    /// As JSON.
    pub(crate) warnings: String,
}

pub(crate) async fn count(
    database: &mut impl Database,
    name: &str,
    scope: &str,
) -> Result<i64, DatabaseError> {
    let records = database.query(COUNT, &[name.into(), scope.into()]).await?;
    Ok(records.first().and_then(|record| record.integer(0)).unwrap_or_default())
}

pub(crate) async fn find_active(
    database: &mut impl Database,
    name: &str,
    scope: &str,
) -> Result<Option<InForce>, DatabaseError> {
    let records = database.query(FIND_ACTIVE, &[name.into(), scope.into()]).await?;
    Ok(records.first().map(|record| InForce {
        number: record.integer(0).unwrap_or_default(),
        sha256: text(record, 1),
        rows: unsigned(record.integer(2)),
        execution_arn: text(record, 3),
        warnings: text(record, 4),
    }))
}

/// Puts a revision in force in place of the one before.
pub(crate) async fn enter(
    database: &mut impl Database,
    name: &str,
    scope: &str,
    number: i64,
    rest: Vec<Value>,
) -> Result<(), DatabaseError> {
    let scoped = [Value::from(name), Value::from(scope)];
    database.execute(REPLACE, &scoped).await?;
    let mut parameters = scoped.to_vec();
    parameters.push(Value::from(number));
    database.execute(COUNT_ON, &parameters).await?;
    parameters.extend(rest);
    database.execute(ENTER, &parameters).await?;
    Ok(())
}

/// All revisions of a name that are in force, by scope.
pub(crate) async fn active_of(
    database: &mut impl Database,
    name: &str,
) -> Result<Vec<Active>, DatabaseError> {
    let records = database.query(ACTIVE_OF, &[name.into()]).await?;
    Ok(records.iter().map(active).collect())
}

/// A revision, whether it is in force or was.
pub(crate) async fn find(
    database: &mut impl Database,
    revision: &PinnedRevision,
) -> Result<Option<Active>, DatabaseError> {
    let PinnedRevision { name, scope, number } = revision;
    let records =
        database.query(FIND, &[(&**name).into(), (&**scope).into(), signed(*number).into()]).await?;
    Ok(records.first().map(active))
}

fn active(record: &Record) -> Active {
    Active {
        scope: text(record, 0),
        number: record.integer(1).unwrap_or_default(),
        sha256: text(record, 2),
        feed: text(record, 3),
        layout: text(record, 4),
        file_key: text(record, 5),
    }
}

fn text(record: &Record, column: usize) -> String {
    record.text(column).unwrap_or_default().to_owned()
}
