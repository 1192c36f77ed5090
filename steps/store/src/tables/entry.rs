//! `calc_entry`: the rows that figures were made of, kept with their run. They
//! count once the run is what stands for its period, and no longer than that.

use std::collections::BTreeMap;
use std::io::{BufReader, Read};

use database::{Database, DatabaseError, Value};
use feed::rows::{RowReader, RowsColumn, RowsError};
use stepwright::objects::ObjectRef;

use super::{ROWS_PER_CHUNK, signed};
use crate::layout;

/// Columns of `calc_entry`.
const COLUMNS: [&str; 5] = ["run_id", "market", "entries_sha256", "number", "row_values"];

/// `$1` run, `$2` market, `$3` hash.
const HAS: &str = "
    SELECT 1 FROM calc_entry WHERE run_id = $1 AND market = $2 AND entries_sha256 = $3 AND number = 1";

/// What was delivered is not noted anew. `$1` run, `$2` market, `$3` key,
/// `$4` hash, `$5` layout, `$6` rows, `$7` time.
const NOTE: &str = "
    INSERT INTO calc_market_entry (run_id, market, entries_key, entries_sha256, layout, row_count, noted_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT (run_id, market) DO UPDATE
    SET entries_key = excluded.entries_key, entries_sha256 = excluded.entries_sha256,
        layout = excluded.layout, row_count = excluded.row_count, noted_at = excluded.noted_at
    WHERE calc_market_entry.entries_sha256 <> excluded.entries_sha256
        AND NOT EXISTS (
            SELECT 1 FROM calc_run AS run WHERE run.id = excluded.run_id AND run.state = 'delivered')";

/// What was delivered for other periods, and the layout of what is kept of it;
/// none where nothing is. `$1` feed, `$2` and `$3` first and last period, `$4` the
/// period itself.
const DELIVERED: &str = "
    SELECT run.id, run.period, delivery.market, delivery.delivery_id, kept.layout, kept.entries_sha256
    FROM calc_run AS run
    JOIN calc_delivery AS delivery ON delivery.run_id = run.id AND delivery.state = 'delivered'
    LEFT JOIN calc_market_entry AS kept ON kept.run_id = run.id AND kept.market = delivery.market
    WHERE run.feed = $1 AND run.state = 'delivered' AND run.period >= $2 AND run.period <= $3
        AND run.period <> $4 AND (delivery.row_count > 0 OR kept.layout IS NOT NULL)
    ORDER BY run.period, delivery.market, delivery.channel";

/// Rows in the order of [`DELIVERED`]. `$1` run, `$2` market, `$3` hash.
const READ: &str = "
    SELECT row_values FROM calc_entry
    WHERE run_id = $1 AND market = $2 AND entries_sha256 = $3 ORDER BY number";

/// What was delivered of a market for a period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Delivered {
    pub(crate) run: String,
    pub(crate) period: String,
    pub(crate) market: String,
    /// By each channel.
    pub(crate) deliveries: Vec<String>,
    /// Layout and hash of the rows that are kept.
    pub(crate) kept: Option<(String, String)>,
}

/// Notes the entries of a run's market.
pub(crate) async fn note<E: From<DatabaseError> + From<RowsError>>(
    database: &mut impl Database,
    (run, market): (&str, &str),
    object: &ObjectRef,
    rows: impl Read + Send,
    now: &str,
) -> Result<(), E> {
    let mut reader = RowReader::new(BufReader::new(rows))?;
    let columns: Vec<RowsColumn> = reader.header().columns.clone();
    let owner = [Value::from(run), Value::from(market), Value::from(&*object.sha256)];
    let is_there = !database.query(HAS, &owner).await?.is_empty();
    let mut number = 0;
    let (mut chunk, mut values) = (vec![], vec![]);
    while reader.read(&mut values)?.is_some() {
        number += 1;
        if is_there {
            continue;
        }
        let mut cells = owner.to_vec();
        cells.extend([Value::from(signed(number)), Value::from(reader.stored_values())]);
        chunk.push(cells);
        if chunk.len() == ROWS_PER_CHUNK {
            database.insert_many("calc_entry", &COLUMNS, &chunk).await?;
            chunk.clear();
        }
    }
    if !chunk.is_empty() {
        database.insert_many("calc_entry", &COLUMNS, &chunk).await?;
    }
    if object.rows.is_some_and(|rows| rows != number) {
        let problem = format!("it is the last one of {} rows", object.rows.unwrap_or_default());
        return Err(RowsError::Row { row: number, problem }.into());
    }
    let layout = layout::note(database, &columns).await?;
    let [run, market, sha256] = owner;
    let parameters = [
        run,
        market,
        Value::from(&*object.key),
        sha256,
        Value::from(layout),
        Value::from(signed(number)),
        Value::from(now),
    ];
    database.execute(NOTE, &parameters).await?;
    Ok(())
}

/// What was delivered for the periods from `first` to `last`, but for `period`,
/// by period and market.
pub(crate) async fn delivered(
    database: &mut impl Database,
    feed: &str,
    [first, last, period]: [&str; 3],
) -> Result<Vec<Delivered>, DatabaseError> {
    let parameters = [feed.into(), first.into(), last.into(), period.into()];
    let mut found: BTreeMap<(String, String), Delivered> = BTreeMap::new();
    for record in database.query(DELIVERED, &parameters).await? {
        let text = |column| record.text(column).unwrap_or_default().to_owned();
        let delivered = found.entry((text(1), text(2))).or_insert_with(|| Delivered {
            run: text(0),
            period: text(1),
            market: text(2),
            deliveries: vec![],
            kept: record.text(4).map(str::to_owned).zip(record.text(5).map(str::to_owned)),
        });
        delivered.deliveries.push(text(3));
    }
    Ok(found.into_values().collect())
}

/// The values of each row that is kept, in its layout.
pub(crate) async fn each<E: From<DatabaseError> + Send>(
    database: &mut impl Database,
    of: &Delivered,
    mut row: impl FnMut(&str) -> Result<(), E> + Send,
) -> Result<(), E> {
    let Some((_, sha256)) = &of.kept else { return Ok(()) };
    let parameters = [Value::from(&*of.run), Value::from(&*of.market), Value::from(&**sha256)];
    database.each(READ, &parameters, |record| row(record.text(0).unwrap_or_default())).await
}
