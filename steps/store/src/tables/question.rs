//! `ops_question`: what people were asked, and what they said.

use database::{Database, DatabaseError, Value};

use super::unsigned;

/// `$1` id, `$2` execution, `$3` kind, `$4` period, `$5` question, `$6` token, `$7` time.
const ASK: &str = "
    INSERT INTO ops_question (id, execution_arn, kind, period, question, task_token, asked_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT (id) DO NOTHING";

/// The question asked last is the one that was answered: an older token is no
/// good. `$1` execution, `$2` kind, `$3` by whom, `$4` yes or no, `$5` note, `$6` time.
const ANSWER: &str = "
    UPDATE ops_question SET answered_by = $3, approved = $4, note = $5, answered_at = $6
    WHERE answered_at IS NULL AND id = (
        SELECT latest.id FROM ops_question AS latest
        WHERE latest.execution_arn = $1 AND latest.kind = $2
        ORDER BY latest.asked_at DESC, latest.id LIMIT 1)";

/// `$1` execution, `$2` kind.
const COUNT: &str = "SELECT COUNT(*) FROM ops_question WHERE execution_arn = $1 AND kind = $2";

pub(crate) async fn ask(database: &mut impl Database, parameters: &[Value]) -> Result<(), DatabaseError> {
    database.execute(ASK, parameters).await?;
    Ok(())
}

/// Whether an answer was noted now; not when it had been.
pub(crate) async fn answer(
    database: &mut impl Database,
    parameters: &[Value],
) -> Result<bool, DatabaseError> {
    Ok(database.execute(ANSWER, parameters).await? > 0)
}

/// How often an execution asked something of a kind.
pub(crate) async fn count(
    database: &mut impl Database,
    execution_arn: &str,
    kind: &str,
) -> Result<u64, DatabaseError> {
    let records = database.query(COUNT, &[execution_arn.into(), kind.into()]).await?;
    Ok(unsigned(records.first().and_then(|record| record.integer(0))))
}
