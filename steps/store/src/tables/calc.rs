//! `calc_*`: runs, their figures and what was delivered of them.

use std::collections::BTreeMap;

use database::{Database, DatabaseError, Record, Value};

use crate::control::RunRef;

/// Columns of `calc_row`.
pub(crate) const ROW_COLUMNS: [&str; 5] = ["run_id", "market", "figures_sha256", "entity_key", "figures"];

/// Columns of `calc_total`.
pub(crate) const TOTAL_COLUMNS: [&str; 5] = ["run_id", "market", "figures_sha256", "name", "amount"];

/// `$1` id, `$2` feed, `$3` period, `$4` input's hash, `$5` spec's hash,
/// `$6` revisions, `$7` version, `$8` execution, `$9` time, `$10` loads the input has seen.
/// What came since and left the same input is seen as well.
const OPEN: &str = "
    INSERT INTO calc_run (id, feed, period, input_sha256, spec_sha256, reference_revisions, code_version,
        execution_arn, opened_at, loads, state)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'open')
    ON CONFLICT (id) DO UPDATE SET loads = excluded.loads WHERE calc_run.loads < excluded.loads";

/// The run `$1` to be written to: others wait here until this transaction ends.
const TAKE: &str = "
    UPDATE calc_run SET state = state WHERE id = $1
    RETURNING feed, period, state, totals, correction";

/// `$1` id, `$2` totals, `$3` correction.
const NOTE_TOTALS: &str = "UPDATE calc_run SET totals = $2, correction = $3 WHERE id = $1";

/// The period before. `$1` feed, `$2` period.
const DELIVERED_BEFORE: &str = "
    SELECT period, totals FROM calc_run
    WHERE feed = $1 AND period < $2 AND state = 'delivered' ORDER BY period DESC LIMIT 1";

/// What stands for a period. `$1` feed, `$2` period.
const DELIVERED_FOR: &str = "
    SELECT id, totals, reference_revisions FROM calc_run
    WHERE feed = $1 AND period = $2 AND state = 'delivered'";

/// `$1` run.
const FIGURES_OF: &str = "SELECT market, figures_sha256 FROM calc_market WHERE run_id = $1 ORDER BY market";

/// Every market that was ever delivered for a period; a delivery of a feed without
/// markets has none. `$1` feed, `$2` period.
const MARKETS_DELIVERED: &str = "
    SELECT DISTINCT market FROM delivery_receipt
    WHERE feed = $1 AND period = $2 AND market <> '' ORDER BY market";

/// `$1` run, `$2` market, `$3` hash.
const HAS_FIGURES: &str = "
    SELECT 1 FROM calc_total WHERE run_id = $1 AND market = $2 AND figures_sha256 = $3
    UNION ALL
    SELECT 1 FROM calc_row WHERE run_id = $1 AND market = $2 AND figures_sha256 = $3 LIMIT 1";

/// `$1` run, `$2` market, `$3` key, `$4` hash, `$5` rows, `$6` time.
const NOTE_MARKET: &str = "
    INSERT INTO calc_market (run_id, market, figures_key, figures_sha256, row_count, noted_at)
    VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (run_id, market) DO UPDATE
    SET figures_key = excluded.figures_key, figures_sha256 = excluded.figures_sha256,
        row_count = excluded.row_count, noted_at = excluded.noted_at
    WHERE calc_market.figures_sha256 <> excluded.figures_sha256";

/// `$1` run, `$2` market, `$3` channel, `$4` rows, `$5` execution, `$6` time.
const PLAN: &str = "
    INSERT INTO calc_delivery (run_id, market, channel, state, row_count, execution_arn, noted_at)
    VALUES ($1, $2, $3, 'planned', $4, $5, $6)
    ON CONFLICT (run_id, market, channel) DO UPDATE SET dropped_at = NULL
    WHERE calc_delivery.dropped_at IS NOT NULL";

/// `$1` run, `$2` market, `$3` channel, `$4` time.
const DROP: &str = "
    UPDATE calc_delivery SET dropped_at = $4
    WHERE run_id = $1 AND market = $2 AND channel = $3 AND state = 'planned' AND dropped_at IS NULL";

/// `$1` run.
const DELIVERIES: &str = "
    SELECT market, channel, delivery_id, dropped_at FROM calc_delivery WHERE run_id = $1
    ORDER BY market, channel";

/// `$1` run, `$2` market, `$3` channel, `$4` delivery, `$5` CoreView's number,
/// `$6` batch's hash, `$7` rows, `$8` execution, `$9` time.
const NOTE_RECEIPT: &str = "
    UPDATE calc_delivery SET state = 'delivered', delivery_id = $4, coreview_id = $5, batch_sha256 = $6,
        row_count = $7, execution_arn = $8, noted_at = $9, dropped_at = NULL
    WHERE run_id = $1 AND market = $2 AND channel = $3";

/// Counts a close of the run's period: others that close it wait here. `$1` run.
const COUNT_CLOSE: &str = "
    INSERT INTO calc_period (feed, period, closes)
    SELECT run.feed, run.period, 1 FROM calc_run AS run WHERE run.id = $1
    ON CONFLICT (feed, period) DO UPDATE SET closes = calc_period.closes + 1";

/// `$1` feed, `$2` period, `$3` the run that takes its place.
const SUPERSEDE: &str = "
    UPDATE calc_run SET state = 'superseded'
    WHERE feed = $1 AND period = $2 AND id <> $3 AND state = 'delivered'";

/// `$1` run, `$2` time.
const CLOSE: &str = "UPDATE calc_run SET state = 'delivered', delivered_at = $2 WHERE id = $1";

/// The last delivery that is known, whatever became of it: for the channel to say, which refuses a
/// correction that was compared with another. `$1` channel, `$2` feed, `$3` period, `$4` market.
const LAST_DELIVERY: &str = "
    SELECT delivery_id FROM delivery_receipt
    WHERE channel = $1 AND feed = $2 AND period = $3 AND market = $4 ORDER BY version DESC LIMIT 1";

/// What took the place of a delivery in CoreView's own ledger, which is here too. `$1` delivery.
const ENDED: &str = "
    SELECT COALESCE(ended_by, '') FROM coreview_ledger WHERE delivery_id = $1 AND state <> 'active'";

/// Totals by name, as decimal texts.
pub(crate) type Totals = BTreeMap<String, String>;

/// A run while a transaction has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) feed: String,
    pub(crate) period: String,
    pub(crate) state: String,
}

/// A delivery of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Planned {
    pub(crate) market: String,
    pub(crate) channel: String,
    /// Of its receipt; none while it is only planned.
    pub(crate) delivery_id: Option<String>,
    /// Whether it was planned once, and is not to be made any more.
    pub(crate) is_dropped: bool,
}

/// The run that stands for a period, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) run: String,
    pub(crate) totals: Option<String>,
    pub(crate) revisions: String,
}

pub(crate) async fn open(database: &mut impl Database, parameters: &[Value]) -> Result<u64, DatabaseError> {
    database.execute(OPEN, parameters).await
}

pub(crate) async fn take(database: &mut impl Database, run: &str) -> Result<Option<Taken>, DatabaseError> {
    let records = database.query(TAKE, &[run.into()]).await?;
    Ok(records.first().map(|record| Taken {
        feed: text(record, 0),
        period: text(record, 1),
        state: text(record, 2),
    }))
}

pub(crate) async fn note_totals(
    database: &mut impl Database,
    run: &str,
    totals: &Totals,
    correction: Option<&str>,
) -> Result<(), DatabaseError> {
    let totals = serde_json::to_string(totals).unwrap_or_default();
    let parameters = [Value::from(run), Value::from(totals), Value::from(correction)];
    database.execute(NOTE_TOTALS, &parameters).await?;
    Ok(())
}

/// The last period before that was delivered, and its totals as they are stored.
pub(crate) async fn delivered_before(
    database: &mut impl Database,
    feed: &str,
    period: &str,
) -> Result<Option<(String, Option<String>)>, DatabaseError> {
    let records = database.query(DELIVERED_BEFORE, &[feed.into(), period.into()]).await?;
    Ok(records.first().map(|record| (text(record, 0), record.text(1).map(str::to_owned))))
}

/// What stands for a period.
pub(crate) async fn delivered_for(
    database: &mut impl Database,
    feed: &str,
    period: &str,
) -> Result<Option<Standing>, DatabaseError> {
    let records = database.query(DELIVERED_FOR, &[feed.into(), period.into()]).await?;
    Ok(records.first().map(|record| Standing {
        run: text(record, 0),
        totals: record.text(1).map(str::to_owned),
        revisions: text(record, 2),
    }))
}

/// The hashes of a run's figures as they were noted last, by market.
pub(crate) async fn figures_of(
    database: &mut impl Database,
    run: &str,
) -> Result<BTreeMap<String, String>, DatabaseError> {
    let records = database.query(FIGURES_OF, &[run.into()]).await?;
    Ok(records.iter().map(|record| (text(record, 0), text(record, 1))).collect())
}

/// The markets for which something was ever delivered in a period.
pub(crate) async fn markets_delivered(
    database: &mut impl Database,
    feed: &str,
    period: &str,
) -> Result<Vec<String>, DatabaseError> {
    let records = database.query(MARKETS_DELIVERED, &[feed.into(), period.into()]).await?;
    Ok(records.iter().map(|record| text(record, 0)).collect())
}

/// Drops a delivery that was planned and is not to be made any more.
pub(crate) async fn drop_planned(
    database: &mut impl Database,
    run: &str,
    planned: &Planned,
    now: &str,
) -> Result<(), DatabaseError> {
    let parameters = [run.into(), (&*planned.market).into(), (&*planned.channel).into(), now.into()];
    database.execute(DROP, &parameters).await?;
    Ok(())
}

/// Counts a close of a run's period, before anything else of it.
pub(crate) async fn count_close(database: &mut impl Database, run: &str) -> Result<(), DatabaseError> {
    database.execute(COUNT_CLOSE, &[run.into()]).await?;
    Ok(())
}

pub(crate) async fn has_figures(
    database: &mut impl Database,
    run: &str,
    market: &str,
    sha256: &str,
) -> Result<bool, DatabaseError> {
    let records = database.query(HAS_FIGURES, &[run.into(), market.into(), sha256.into()]).await?;
    Ok(!records.is_empty())
}

pub(crate) async fn note_market(
    database: &mut impl Database,
    parameters: &[Value],
) -> Result<(), DatabaseError> {
    database.execute(NOTE_MARKET, parameters).await?;
    Ok(())
}

pub(crate) async fn plan(database: &mut impl Database, parameters: &[Value]) -> Result<(), DatabaseError> {
    database.execute(PLAN, parameters).await?;
    Ok(())
}

pub(crate) async fn last_delivery(
    database: &mut impl Database,
    channel: &str,
    run: &RunRef,
    market: &str,
) -> Result<Option<String>, DatabaseError> {
    let parameters = [channel, &*run.feed, &*run.period, market].map(Value::from);
    let records = database.query(LAST_DELIVERY, &parameters).await?;
    Ok(records.first().map(|record| text(record, 0)))
}

/// What has ended a delivery; `None` while it stands or where the ledger is elsewhere.
pub(crate) async fn ended(
    database: &mut impl Database,
    delivery_id: &str,
) -> Result<Option<String>, DatabaseError> {
    let records = database.query(ENDED, &[delivery_id.into()]).await?;
    Ok(records.first().map(|record| text(record, 0)))
}

pub(crate) async fn deliveries(
    database: &mut impl Database,
    run: &str,
) -> Result<Vec<Planned>, DatabaseError> {
    let records = database.query(DELIVERIES, &[run.into()]).await?;
    let planned = |record: &Record| Planned {
        market: text(record, 0),
        channel: text(record, 1),
        delivery_id: record.text(2).map(str::to_owned),
        is_dropped: record.text(3).is_some(),
    };
    Ok(records.iter().map(planned).collect())
}

pub(crate) async fn note_receipt(
    database: &mut impl Database,
    parameters: &[Value],
) -> Result<(), DatabaseError> {
    database.execute(NOTE_RECEIPT, parameters).await?;
    Ok(())
}

/// Makes a run what stands for its period.
pub(crate) async fn close(
    database: &mut impl Database,
    run: &str,
    taken: &Taken,
    now: &str,
) -> Result<(), DatabaseError> {
    let period = [Value::from(&*taken.feed), Value::from(&*taken.period), Value::from(run)];
    database.execute(SUPERSEDE, &period).await?;
    database.execute(CLOSE, &[run.into(), now.into()]).await?;
    Ok(())
}

fn text(record: &Record, column: usize) -> String {
    record.text(column).unwrap_or_default().to_owned()
}
