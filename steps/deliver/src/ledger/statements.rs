//! Every statement of the channel, for PostgreSQL and SQLite alike.
//!
//! Parameters that stand where PostgreSQL cannot infer their type are cast,
//! which changes nothing on SQLite.

/// Waits for whoever delivers for the period, from its second delivery on: the first one's
/// row is there from then on, and stays. Of two first ones [`ENTER`] admits one.
///
/// The first three parameters of every statement about a period are `$1` feed,
/// `$2` period and `$3` market.
pub(super) const TAKE: &str = "
    UPDATE coreview_ledger SET state = state
    WHERE feed = $1 AND period = $2 AND market = $3 AND version = 1";

/// The last delivery of a period, whatever became of it.
pub(super) const LATEST: &str = "
    SELECT delivery_id, version FROM coreview_ledger
    WHERE feed = $1 AND period = $2 AND market = $3 ORDER BY version DESC LIMIT 1";

/// Makes room for a correction. `$4` the correction's delivery id, `$5` its hash:
/// the same content again is no correction.
pub(super) const SUPERSEDE: &str = "
    UPDATE coreview_ledger SET state = 'superseded', ended_by = $4
    WHERE feed = $1 AND period = $2 AND market = $3 AND state = 'active' AND delivery_id <> $4
        AND batch_sha256 <> $5";

/// Claims the delivery id and the period; changes no row when either is taken.
pub(super) const ENTER: &str = "
    INSERT INTO coreview_ledger (delivery_id, channel, workflow, feed, period, version, batch_sha256,
        row_count, totals, execution_arn, attempt, delivered_at, receipt, correction, market, state)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, 'active')
    ON CONFLICT DO NOTHING";

/// `$1` receipt, `$2` delivery id.
pub(super) const KEEP_RECEIPT: &str = "UPDATE coreview_ledger SET receipt = $1 WHERE delivery_id = $2";

/// `$1` delivery id.
pub(super) const FIND: &str = "
    SELECT delivery_id, receipt, state, ended_by, batch_sha256, row_count, totals, execution_arn
    FROM coreview_ledger WHERE delivery_id = $1";

/// The active delivery of a period.
pub(super) const FIND_ACTIVE: &str = "
    SELECT delivery_id, receipt, state, ended_by, batch_sha256, row_count, totals, execution_arn
    FROM coreview_ledger WHERE feed = $1 AND period = $2 AND market = $3 AND state = 'active'";

/// Inserts this many rows of delivery id, entity key and figures.
pub(super) fn receive(rows: usize) -> String {
    let row = |at: usize| format!("(${}, ${}, ${})", 3 * at + 1, 3 * at + 2, 3 * at + 3);
    let rows: Vec<String> = (0..rows).map(row).collect();
    format!("INSERT INTO coreview_staging (delivery_id, entity_key, figures) VALUES {}", rows.join(", "))
}

/// Makes staged rows figures, touching only those that change.
/// `$4` version, `$5` delivery id.
pub(super) const BOOK: &str = "
    INSERT INTO coreview_figure (feed, period, market, entity_key, figures, delivery_id, version, state)
    SELECT CAST($1 AS text), CAST($2 AS text), CAST($3 AS text), staged.entity_key, staged.figures,
        staged.delivery_id, CAST($4 AS bigint), 'booked'
    FROM coreview_staging AS staged WHERE staged.delivery_id = $5
    ON CONFLICT (feed, period, market, entity_key) DO UPDATE
    SET figures = excluded.figures, delivery_id = excluded.delivery_id, version = excluded.version,
        state = excluded.state
    WHERE coreview_figure.figures <> excluded.figures OR coreview_figure.state <> excluded.state";

/// Before [`BOOK`]: what it will change. Its parameters, `$6` reason, `$7` time.
pub(super) const AUDIT_CHANGED: &str = "
    INSERT INTO coreview_audit (delivery_id, feed, period, market, entity_key, version, figures_before,
        figures_after, reason, changed_at)
    SELECT staged.delivery_id, CAST($1 AS text), CAST($2 AS text), CAST($3 AS text), staged.entity_key,
        CAST($4 AS bigint), booked.figures, staged.figures, CAST($6 AS text), CAST($7 AS text)
    FROM coreview_staging AS staged
    LEFT JOIN coreview_figure AS booked ON booked.feed = $1 AND booked.period = $2 AND booked.market = $3
        AND booked.entity_key = staged.entity_key AND booked.state = 'booked'
    WHERE staged.delivery_id = $5 AND (booked.entity_key IS NULL OR booked.figures <> staged.figures)";

/// As [`AUDIT_CHANGED`], for booked rows the batch no longer has.
pub(super) const AUDIT_VANISHED: &str = "
    INSERT INTO coreview_audit (delivery_id, feed, period, market, entity_key, version, figures_before,
        figures_after, reason, changed_at)
    SELECT CAST($5 AS text), booked.feed, booked.period, booked.market, booked.entity_key,
        CAST($4 AS bigint), booked.figures, NULL, CAST($6 AS text), CAST($7 AS text)
    FROM coreview_figure AS booked
    WHERE booked.feed = $1 AND booked.period = $2 AND booked.market = $3 AND booked.state = 'booked'
        AND NOT EXISTS (
        SELECT 1 FROM coreview_staging AS staged
        WHERE staged.delivery_id = $5 AND staged.entity_key = booked.entity_key)";

/// Withdraws the rows of [`AUDIT_VANISHED`]; the parameters of [`BOOK`].
pub(super) const WITHDRAW_VANISHED: &str = "
    UPDATE coreview_figure SET state = 'withdrawn', delivery_id = $5, version = $4
    WHERE feed = $1 AND period = $2 AND market = $3 AND state = 'booked' AND NOT EXISTS (
        SELECT 1 FROM coreview_staging AS staged
        WHERE staged.delivery_id = $5 AND staged.entity_key = coreview_figure.entity_key)";

/// `$4` the entity key to continue after.
pub(super) const READ_PAGE: &str = "
    SELECT entity_key, figures FROM coreview_figure
    WHERE feed = $1 AND period = $2 AND market = $3 AND state = 'booked' AND entity_key > $4
    ORDER BY entity_key LIMIT 1000";

/// `$1` delivery id, `$2` reason.
pub(super) const END: &str = "
    UPDATE coreview_ledger SET state = 'withdrawn', ended_by = $2 WHERE delivery_id = $1 AND state = 'active'";

/// Before [`WITHDRAW_BOOKED`]. `$1` delivery id, `$2` reason, `$3` time.
pub(super) const AUDIT_WITHDRAWN: &str = "
    INSERT INTO coreview_audit (delivery_id, feed, period, market, entity_key, version, figures_before,
        figures_after, reason, changed_at)
    SELECT ledger.delivery_id, booked.feed, booked.period, booked.market, booked.entity_key,
        ledger.version, booked.figures, NULL, CAST($2 AS text), CAST($3 AS text)
    FROM coreview_ledger AS ledger
    JOIN coreview_figure AS booked ON booked.feed = ledger.feed AND booked.period = ledger.period
        AND booked.market = ledger.market
    WHERE ledger.delivery_id = $1 AND booked.state = 'booked'";

/// `$1` delivery id.
pub(super) const WITHDRAW_BOOKED: &str = "
    UPDATE coreview_figure SET state = 'withdrawn'
    WHERE state = 'booked' AND EXISTS (
        SELECT 1 FROM coreview_ledger AS ledger
        WHERE ledger.delivery_id = $1 AND ledger.feed = coreview_figure.feed
            AND ledger.period = coreview_figure.period AND ledger.market = coreview_figure.market)";

/// The planted fault. `$1` feed, `$2` period, `$3` key, `$4` figures, `$5` delivery id.
#[cfg(feature = "planted-faults")]
pub(super) const INSERT_PLAINLY: &str = "
    INSERT INTO coreview_figure (feed, period, entity_key, figures, delivery_id, version, state)
    VALUES ($1, $2, $3, $4, $5, 1, 'booked')";
