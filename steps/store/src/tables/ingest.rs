//! `ingest_*`: files, rows and rejects.
//!
//! A load brings its rows into a temporary table first; what they change is then
//! a handful of statements over all of them.

use std::collections::BTreeSet;

use database::{Database, DatabaseError, Record, Value, in_dialect};

use super::unsigned;

/// The temporary table of a load.
pub(crate) const INCOMING: &str = "ingest_incoming";

/// Its columns.
pub(crate) const INCOMING_COLUMNS: [&str; 8] =
    ["number", "row_key", "market", "day", "period", "outcome", "code", "row_values"];

const MAKE_INCOMING: &str = "
    CREATE TEMPORARY TABLE ingest_incoming (
        number     bigint NOT NULL,
        row_key    KEY_TEXT NOT NULL,
        market     text NOT NULL,
        day        text NOT NULL,
        period     text NOT NULL,
        outcome    text NOT NULL,
        code       text NOT NULL,
        row_values text NOT NULL
    )";

/// Columns of `ingest_reject`.
pub(crate) const REJECT_COLUMNS: [&str; 10] = [
    "feed",
    "load_number",
    "number",
    "file_name",
    "line",
    "byte_offset",
    "column_name",
    "code",
    "reason",
    "raw",
];

/// The number of this load of the feed, `$1`. Others wait here until it ends.
const COUNT_LOAD: &str = "
    INSERT INTO ingest_feed (feed, loads) VALUES ($1, 1)
    ON CONFLICT (feed) DO UPDATE SET loads = ingest_feed.loads + 1
    RETURNING loads";

/// `$1` feed, `$2` source.
const FIND_SOURCE: &str = "
    SELECT rows_sha256, execution_arn, loaded, file_key, load_number FROM ingest_file
    WHERE feed = $1 AND source = $2 AND position = 0";

/// Other sources, by the names of their files. `$1` feed, `$2` source.
const OTHER_SOURCES: &str = "
    SELECT DISTINCT source, file_key FROM ingest_file WHERE feed = $1 AND source <> $2 ORDER BY source, file_key";

/// `$1` feed, `$2` period, `$3` the last load the run has seen.
const REJECTED_SINCE: &str = "
    SELECT file.file_key, reject.code, COUNT(*)
    FROM ingest_reject AS reject
    JOIN ingest_file AS file ON file.feed = reject.feed AND file.load_number = reject.load_number
        AND file.position = 0
    WHERE reject.feed = $1 AND reject.load_number <= $3 AND reject.load_number > COALESCE(
        (SELECT MAX(loads) FROM calc_run WHERE feed = $1 AND period < $2 AND state = 'delivered'), 0)
    GROUP BY file.file_key, reject.code
    ORDER BY file.file_key, reject.code";

const COUNT_REPEATED: &str = "SELECT COUNT(*) - COUNT(DISTINCT row_key) FROM ingest_incoming";

/// Of rows with one key, the last one stays.
const DROP_REPEATED: &str = "
    DELETE FROM ingest_incoming WHERE EXISTS (
        SELECT 1 FROM ingest_incoming AS later
        WHERE later.row_key = ingest_incoming.row_key AND later.number > ingest_incoming.number)";

/// What an incoming row would change. `$1` feed, `$2` layout, `$3` load.
const KEEP_CHANGED: &str = "
    INSERT INTO ingest_row_history (feed, row_key, market, day, period, outcome, code, layout, row_values,
        source, load_number, ended_by)
    SELECT kept.feed, kept.row_key, kept.market, kept.day, kept.period, kept.outcome, kept.code, kept.layout,
        kept.row_values, kept.source, kept.load_number, CAST($3 AS bigint)
    FROM ingest_incoming AS incoming
    JOIN ingest_row AS kept ON kept.feed = $1 AND kept.row_key = incoming.row_key
    WHERE kept.row_values <> incoming.row_values OR kept.outcome <> incoming.outcome
        OR kept.code <> incoming.code OR kept.market <> incoming.market OR kept.day <> incoming.day
        OR kept.period <> incoming.period OR kept.layout <> $2";

/// Makes incoming rows take the place of those with their keys, touching only
/// what changes. `$1` feed, `$2` layout, `$3` source, `$4` load.
const KEEP_KNOWN: &str = "
    UPDATE ingest_row SET market = incoming.market, day = incoming.day, period = incoming.period,
        outcome = incoming.outcome, code = incoming.code, layout = $2, row_values = incoming.row_values,
        source = $3, load_number = $4
    FROM ingest_incoming AS incoming
    WHERE ingest_row.feed = $1 AND ingest_row.row_key = incoming.row_key
        AND (ingest_row.row_values <> incoming.row_values OR ingest_row.outcome <> incoming.outcome
            OR ingest_row.code <> incoming.code OR ingest_row.market <> incoming.market
            OR ingest_row.day <> incoming.day OR ingest_row.period <> incoming.period
            OR ingest_row.layout <> $2)";

/// Rows that another source had, and that are the same here: the load that last
/// changed them stays the one it was. `$1` feed, `$2` source.
const TAKE_OVER: &str = "
    UPDATE ingest_row SET source = $2
    FROM ingest_incoming AS incoming
    WHERE ingest_row.feed = $1 AND ingest_row.row_key = incoming.row_key AND ingest_row.source <> $2";

/// Adds the incoming rows that are not there. The parameters of [`KEEP_KNOWN`].
const KEEP_NEW: &str = "
    INSERT INTO ingest_row (feed, row_key, market, day, period, outcome, code, layout, row_values, source,
        load_number)
    SELECT CAST($1 AS text), incoming.row_key, incoming.market, incoming.day, incoming.period,
        incoming.outcome, incoming.code, CAST($2 AS text), incoming.row_values, CAST($3 AS text),
        CAST($4 AS bigint)
    FROM ingest_incoming AS incoming
    WHERE NOT EXISTS (SELECT 1 FROM ingest_row AS kept WHERE kept.feed = $1 AND kept.row_key = incoming.row_key)";

/// Rows that the source had when it was loaded before, and has no more.
/// `$1` feed, `$2` source, `$3` load.
const KEEP_VANISHED: &str = "
    INSERT INTO ingest_row_history (feed, row_key, market, day, period, outcome, code, layout, row_values,
        source, load_number, ended_by)
    SELECT kept.feed, kept.row_key, kept.market, kept.day, kept.period, kept.outcome, kept.code, kept.layout,
        kept.row_values, kept.source, kept.load_number, CAST($3 AS bigint)
    FROM ingest_row AS kept
    WHERE kept.feed = $1 AND kept.source = $2 AND kept.outcome <> 'withdrawn'
        AND NOT EXISTS (SELECT 1 FROM ingest_incoming AS incoming WHERE incoming.row_key = kept.row_key)";

/// The parameters of [`KEEP_VANISHED`].
const WITHDRAW_VANISHED: &str = "
    UPDATE ingest_row SET outcome = 'withdrawn', load_number = $3
    WHERE feed = $1 AND source = $2 AND outcome <> 'withdrawn'
        AND NOT EXISTS (SELECT 1 FROM ingest_incoming AS incoming WHERE incoming.row_key = ingest_row.row_key)";

/// The periods a load changed: where its rows are, and where they were.
/// `$1` feed, `$2` load.
const TOUCHED: &str = "
    SELECT kept.period FROM ingest_incoming AS incoming
    JOIN ingest_row AS kept ON kept.feed = $1 AND kept.row_key = incoming.row_key
    WHERE kept.load_number = $2
    UNION
    SELECT was.period FROM ingest_row_history AS was WHERE was.feed = $1 AND was.ended_by = $2";

/// `$1` feed, `$2` period, `$3` load.
const NOTE_PERIOD: &str = "
    INSERT INTO ingest_period (feed, period, load_number) VALUES ($1, $2, $3)
    ON CONFLICT (feed, period) DO UPDATE SET load_number = excluded.load_number";

/// `$1` feed, `$2` source, `$3` position, `$4` key, `$5` file's hash, `$6` its
/// bytes, `$7` spec's hash, `$8` rows' hash, `$9` load, `$10` to `$13` rows in,
/// accepted, cancelled and rejected, `$14` what was changed, `$15` execution, `$16` time.
const NOTE_FILE: &str = "
    INSERT INTO ingest_file (feed, source, position, file_key, file_sha256, file_bytes, spec_sha256,
        rows_sha256, load_number, rows_in, rows_accepted, rows_cancelled, rows_rejected, loaded,
        execution_arn, loaded_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
    ON CONFLICT (feed, source, position) DO UPDATE
    SET file_key = excluded.file_key, file_sha256 = excluded.file_sha256, file_bytes = excluded.file_bytes,
        spec_sha256 = excluded.spec_sha256, rows_sha256 = excluded.rows_sha256,
        load_number = excluded.load_number, rows_in = excluded.rows_in,
        rows_accepted = excluded.rows_accepted, rows_cancelled = excluded.rows_cancelled,
        rows_rejected = excluded.rows_rejected, loaded = excluded.loaded,
        execution_arn = excluded.execution_arn, loaded_at = excluded.loaded_at";

/// The sources of a feed, as far as they decide which rows there are. `$1` feed.
pub(crate) const STATE_OF: &str = "
    SELECT source, rows_sha256, load_number FROM ingest_file
    WHERE feed = $1 AND position = 0 ORDER BY load_number";

/// How many rows there are of each market, outcome and layout.
/// `$1` feed, `$2` first period, `$3` last period.
pub(crate) const COUNT_ROWS: &str = "
    SELECT market, outcome, code, layout, COUNT(*), MAX(period), MIN(source) FROM ingest_row
    WHERE feed = $1 AND period >= $2 AND period <= $3 AND outcome <> 'withdrawn'
    GROUP BY market, outcome, code, layout ORDER BY market, outcome, code, layout";

/// How many sources the rows of each market come from. The parameters of [`COUNT_ROWS`].
pub(crate) const COUNT_SOURCES: &str = "
    SELECT market, COUNT(*) FROM (
        SELECT DISTINCT market, source FROM ingest_row
        WHERE feed = $1 AND period >= $2 AND period <= $3 AND outcome <> 'withdrawn') AS sources
    GROUP BY market";

/// The rows, by market, in an order that does not depend on when they were loaded.
/// The parameters of [`COUNT_ROWS`].
pub(crate) const READ_ROWS: &str = "
    SELECT market, outcome, code, layout, row_values FROM ingest_row
    WHERE feed = $1 AND period >= $2 AND period <= $3 AND outcome <> 'withdrawn'
    ORDER BY market, period, row_key";

/// The files a source was made of. `$1` feed, `$2` source.
pub(crate) const FILES_OF: &str =
    "SELECT file_key FROM ingest_file WHERE feed = $1 AND source = $2 ORDER BY position";

/// An earlier load of the same files.
pub(crate) struct Before {
    pub(crate) rows_sha256: String,
    pub(crate) execution_arn: String,
    /// What it changed, as JSON.
    pub(crate) loaded: String,
    /// The first file's.
    pub(crate) file_key: String,
    pub(crate) load_number: i64,
}

pub(crate) async fn count_load(database: &mut impl Database, feed: &str) -> Result<i64, DatabaseError> {
    let records = database.query(COUNT_LOAD, &[feed.into()]).await?;
    Ok(records.first().and_then(|record| record.integer(0)).unwrap_or_default())
}

pub(crate) async fn find_source(
    database: &mut impl Database,
    feed: &str,
    source: &str,
) -> Result<Option<Before>, DatabaseError> {
    let records = database.query(FIND_SOURCE, &[feed.into(), source.into()]).await?;
    Ok(records.first().map(|record| {
        let text = |column| record.text(column).unwrap_or_default().to_owned();
        Before {
            rows_sha256: text(0),
            execution_arn: text(1),
            loaded: text(2),
            file_key: text(3),
            load_number: record.integer(4).unwrap_or_default(),
        }
    }))
}

/// Source and file of everything that was loaded of a feed but this source.
pub(crate) async fn other_sources(
    database: &mut impl Database,
    feed: &str,
    source: &str,
) -> Result<Vec<(String, String)>, DatabaseError> {
    let records = database.query(OTHER_SOURCES, &[feed.into(), source.into()]).await?;
    let pair = |record: &Record| Some((record.text(0)?.to_owned(), record.text(1)?.to_owned()));
    Ok(records.iter().filter_map(pair).collect())
}

/// How many loads of a feed there were.
pub(crate) async fn loads_of(database: &mut impl Database, feed: &str) -> Result<i64, DatabaseError> {
    let records = database.query("SELECT loads FROM ingest_feed WHERE feed = $1", &[feed.into()]).await?;
    Ok(records.first().and_then(|record| record.integer(0)).unwrap_or_default())
}

/// Rejected rows of one file for one reason.
pub(crate) struct Rejected {
    pub(crate) file_key: String,
    pub(crate) code: String,
    pub(crate) rows: u64,
}

/// What was rejected while rows were taken in that no run of an earlier period has seen: by file
/// and code. Where a rejected row belongs nobody can know, so the next run tells of it.
pub(crate) async fn rejected_since(
    database: &mut impl Database,
    feed: &str,
    period: &str,
    loads: i64,
) -> Result<Vec<Rejected>, DatabaseError> {
    let records = database.query(REJECTED_SINCE, &[feed.into(), period.into(), loads.into()]).await?;
    let text = |record: &Record, column| record.text(column).unwrap_or_default().to_owned();
    let rejected = |record: &Record| Rejected {
        file_key: text(record, 0),
        code: text(record, 1),
        rows: unsigned(record.integer(2)),
    };
    Ok(records.iter().map(rejected).collect())
}

/// The periods a load changed, while its rows are incoming.
pub(crate) async fn touched(
    database: &mut impl Database,
    feed: &str,
    load: i64,
) -> Result<BTreeSet<String>, DatabaseError> {
    let records = database.query(TOUCHED, &[feed.into(), load.into()]).await?;
    Ok(records.iter().filter_map(|record| record.text(0).map(str::to_owned)).collect())
}

pub(crate) async fn note_period(
    database: &mut impl Database,
    feed: &str,
    period: &str,
    load: i64,
) -> Result<(), DatabaseError> {
    database.execute(NOTE_PERIOD, &[feed.into(), period.into(), load.into()]).await?;
    Ok(())
}

pub(crate) async fn make_incoming(database: &mut impl Database) -> Result<(), DatabaseError> {
    let statement = in_dialect(MAKE_INCOMING, database.dialect());
    database.define(&statement).await
}

/// Before anything looks rows up by their key.
pub(crate) async fn index_incoming(database: &mut impl Database) -> Result<(), DatabaseError> {
    database.define("CREATE INDEX ingest_incoming_key ON ingest_incoming (row_key, number)").await
}

/// Drops rows that a later one with the same key replaces; how many.
pub(crate) async fn drop_repeated(database: &mut impl Database) -> Result<u64, DatabaseError> {
    let records = database.query(COUNT_REPEATED, &[]).await?;
    match unsigned(records.first().and_then(|record| record.integer(0))) {
        0 => Ok(0),
        _ => database.execute(DROP_REPEATED, &[]).await,
    }
}

/// Puts incoming rows in the place of those with their keys; how many change.
pub(crate) async fn keep_known(
    database: &mut impl Database,
    feed: &str,
    layout: &str,
    source: &str,
    load: i64,
) -> Result<u64, DatabaseError> {
    let history = [Value::from(feed), Value::from(layout), Value::from(load)];
    let changed = database.execute(KEEP_CHANGED, &history).await?;
    let parameters = [Value::from(feed), Value::from(layout), Value::from(source), Value::from(load)];
    database.execute(KEEP_KNOWN, &parameters).await?;
    database.execute(TAKE_OVER, &[feed.into(), source.into()]).await?;
    Ok(changed)
}

/// Adds incoming rows that are not there; how many.
pub(crate) async fn keep_new(
    database: &mut impl Database,
    feed: &str,
    layout: &str,
    source: &str,
    load: i64,
) -> Result<u64, DatabaseError> {
    let parameters = [Value::from(feed), Value::from(layout), Value::from(source), Value::from(load)];
    database.execute(KEEP_NEW, &parameters).await
}

/// Withdraws what the source had before and has no more; how many rows.
pub(crate) async fn withdraw_vanished(
    database: &mut impl Database,
    feed: &str,
    source: &str,
    load: i64,
) -> Result<u64, DatabaseError> {
    let parameters = [Value::from(feed), Value::from(source), Value::from(load)];
    database.execute(KEEP_VANISHED, &parameters).await?;
    database.execute(WITHDRAW_VANISHED, &parameters).await
}

pub(crate) async fn drop_incoming(database: &mut impl Database) -> Result<(), DatabaseError> {
    database.define("DROP TABLE ingest_incoming").await
}

pub(crate) async fn note_file(
    database: &mut impl Database,
    parameters: &[Value],
) -> Result<(), DatabaseError> {
    database.execute(NOTE_FILE, parameters).await?;
    Ok(())
}
