//! Every statement of the notes, for PostgreSQL and SQLite alike.

/// `$1` delivery id, `$2` channel, `$3` workflow, `$4` feed, `$5` period, `$6` key,
/// `$7` hash, `$8` rows, `$9` totals, `$10` execution, `$11` time, `$12` market.
pub(super) const NOTE_STAGED: &str = "
    INSERT INTO delivery_outbox (delivery_id, channel, workflow, feed, period, batch_key, batch_sha256,
        row_count, totals, execution_arn, staged_at, attempts, state, market)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0, 'staged', $12)
    ON CONFLICT (delivery_id) DO NOTHING";

/// As [`NOTE_STAGED`]; answers with the number of the attempt.
pub(super) const NOTE_ATTEMPT: &str = "
    INSERT INTO delivery_outbox (delivery_id, channel, workflow, feed, period, batch_key, batch_sha256,
        row_count, totals, execution_arn, staged_at, attempts, state, market)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 1, 'staged', $12)
    ON CONFLICT (delivery_id) DO UPDATE SET attempts = delivery_outbox.attempts + 1
    RETURNING attempts";

/// `$1` delivery id.
pub(super) const NOTE_DELIVERED: &str =
    "UPDATE delivery_outbox SET state = 'delivered' WHERE delivery_id = $1";

/// The columns in their order. What the target says now replaces what it said.
pub(super) const NOTE_RECEIPT: &str = "
    INSERT INTO delivery_receipt (delivery_id, channel, workflow, feed, period, market, version, batch_sha256,
        row_count, totals, execution_arn, delivered_at, correction, receipt)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
    ON CONFLICT (delivery_id) DO UPDATE
    SET version = excluded.version, delivered_at = excluded.delivered_at, receipt = excluded.receipt";
