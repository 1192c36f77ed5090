//! The rows of each market, from the database into objects, one row at a time.

use std::collections::BTreeMap;

use database::{Database, Record, Value as Cell};
use feed::rows::{ROWS_FORMAT, RowWriter, RowsColumn, RowsHeader, RowsOutcome};
use feed::spec::Outcome;
use feed::{Parsed, Stats};
use stepwright::objects::{ObjectRef, ObjectWriter};

use super::{MarketRows, OpenError, Scope};
use crate::customer::name_of;
use crate::layout::{Adapter, Layouts};
use crate::tables::{ingest, unsigned};

/// Most markets of a run: with their counts and references more would not fit a
/// state's payload (AWS quota: 256 KiB).
const MARKETS_MAX: usize = 60;

/// What there is of each market, before a row is read.
pub(super) struct Markets<'a> {
    scope: Scope<'a>,
    columns: Vec<RowsColumn>,
    /// Everything stored that can change rows, hashed.
    state: String,
    by_name: BTreeMap<String, Market>,
    /// By layout.
    adapters: BTreeMap<String, Adapter>,
    has_period: bool,
}

#[derive(Debug, Default)]
struct Market {
    stats: Stats,
    outcomes: Vec<RowsOutcome>,
}

impl<'a> Markets<'a> {
    pub(super) async fn count(
        database: &mut impl Database,
        scope: Scope<'a>,
        layouts: &Layouts,
    ) -> Result<Self, OpenError> {
        let columns = columns_of(scope)?;
        let parameters = parameters(scope);
        let mut markets = Self {
            scope,
            columns,
            state: state_of(database, &scope.spec.feed).await?,
            by_name: BTreeMap::new(),
            adapters: BTreeMap::new(),
            has_period: false,
        };
        for record in database.query(ingest::COUNT_ROWS, &parameters).await? {
            markets.take_count(database, &record, layouts).await?;
        }
        for record in database.query(ingest::COUNT_SOURCES, &parameters).await? {
            if let Some(market) = record.text(0).and_then(|market| markets.by_name.get_mut(market)) {
                market.stats.files = unsigned(record.integer(1));
            }
        }
        // What was delivered and has no rows any more is taken back by figures without rows.
        for delivered in &scope.pinned.markets {
            markets.by_name.entry(delivered.clone()).or_default();
        }
        if markets.by_name.len() > MARKETS_MAX {
            let detail = format!(
                "{} has rows of {} markets; an execution can carry {MARKETS_MAX}: choose a coarser `store.market` in the spec",
                scope.period.name(),
                markets.by_name.len()
            );
            return Err(OpenError::TooManyMarkets { detail });
        }
        Ok(markets)
    }

    async fn take_count(
        &mut self,
        database: &mut impl Database,
        record: &Record,
        layouts: &Layouts,
    ) -> Result<(), OpenError> {
        let text = |column| record.text(column).unwrap_or_default();
        self.has_period |= text(5) == self.scope.period.name();
        let rows = unsigned(record.integer(4));
        let market = self.by_name.entry(text(0).to_owned()).or_default();
        let code = text(2).to_owned();
        let (outcome, count, by_code) = if text(1) == "accepted" {
            (Outcome::Accept, &mut market.stats.accepted, &mut market.stats.accepted_by_code)
        } else {
            (Outcome::Cancel, &mut market.stats.cancelled, &mut market.stats.cancelled_by_code)
        };
        *count += rows;
        *by_code.entry(code.clone()).or_default() += rows;
        market.stats.rows_in += rows;
        let outcome = RowsOutcome { code, outcome };
        if !market.outcomes.contains(&outcome) {
            market.outcomes.push(outcome);
        }
        if !self.adapters.contains_key(text(3)) {
            let adapter = self.adapter(layouts.get(text(3)));
            let adapter = match adapter {
                Ok(adapter) => adapter,
                Err(problem) => return Err(self.outdated(database, text(6), &problem).await?),
            };
            self.adapters.insert(text(3).to_owned(), adapter);
        }
        Ok(())
    }

    fn adapter(&self, stored: Option<&Vec<RowsColumn>>) -> Result<Adapter, String> {
        let Some(stored) = stored else { return Err("nobody knows their columns".to_owned()) };
        let columns = &self.scope.spec.columns;
        let may_be_empty = |name: &str| columns.iter().any(|column| column.name == name && !column.required);
        Adapter::between(stored, &self.columns, may_be_empty)
    }

    async fn outdated(
        &self,
        database: &mut impl Database,
        source: &str,
        problem: &str,
    ) -> Result<OpenError, OpenError> {
        let parameters = [Cell::from(&*self.scope.spec.feed), Cell::from(source)];
        let files = database.query(ingest::FILES_OF, &parameters).await?;
        let files: Vec<&str> = files.iter().filter_map(|record| record.text(0)).map(name_of).collect();
        Ok(OpenError::Outdated {
            detail: format!(
                "rows of {} were read by another spec than there is now: {problem}; load the file again",
                files.join(", ")
            ),
        })
    }

    /// What has to be uploaded before there is something to calculate.
    pub(super) fn missing(&self, scope: Scope<'_>) -> Option<String> {
        let patterns: Vec<String> =
            scope.customer.contracts.files.iter().map(|pattern| format!("`{pattern}`")).collect();
        (!self.has_period && !scope.pinned.is_corrected).then(|| {
            let period = scope.period.name();
            format!("no contracts for {period}: upload a file called {}", patterns.join(" or "))
        })
    }

    /// Writes an object for each market.
    pub(super) async fn take_out(self, database: &mut impl Database) -> Result<Vec<MarketRows>, OpenError> {
        let parameters = parameters(self.scope);
        let empty = self.scope.staging.create("none/rejects.jsonl")?.finish(Some(0))?;
        let mut objects = Objects { markets: &self, empty, current: None, done: vec![] };
        database.each(ingest::READ_ROWS, &parameters, |record| objects.row(&record)).await?;
        objects.finish()?;
        for market in self.by_name.keys() {
            if !objects.done.iter().any(|done| done.market == *market) {
                objects.begin(market)?;
                objects.finish()?;
            }
        }
        objects.done.sort_by(|one, other| one.market.cmp(&other.market));
        Ok(objects.done)
    }

    /// The same stored rows, the same place and bytes.
    fn key_of(&self, market: &str) -> String {
        let parts = [
            "open_run/1",
            super::CODE_VERSION,
            &self.scope.spec_object.sha256,
            self.scope.first,
            &self.scope.period.name(),
            market,
            &self.state,
        ];
        format!("{}/{}/rows.jsonl", self.scope.spec.feed, feed::fingerprint(parts))
    }
}

/// The objects as far as they are written; rows come market by market.
struct Objects<'m> {
    markets: &'m Markets<'m>,
    /// No row was rejected here: that happened when it was parsed.
    empty: ObjectRef,
    current: Option<(String, RowWriter<ObjectWriter>)>,
    done: Vec<MarketRows>,
}

impl Objects<'_> {
    fn row(&mut self, record: &Record) -> Result<(), OpenError> {
        let text = |column| record.text(column).unwrap_or_default();
        let damaged = |problem: &str| OpenError::Damaged {
            detail: format!("a row of market `{}` in ingest_row {problem}; find out who changed it", text(0)),
        };
        if self.current.as_ref().is_none_or(|(market, _)| market != text(0)) {
            self.finish()?;
            self.begin(text(0))?;
        }
        let adapter = self.markets.adapters.get(text(3));
        let (Some((market, writer)), Some(adapter)) = (&mut self.current, adapter) else {
            return Err(damaged("has a layout that was not counted"));
        };
        let wanted = if text(1) == "accepted" { Outcome::Accept } else { Outcome::Cancel };
        let outcomes = self.markets.by_name.get(market).map(|market| market.outcomes.as_slice());
        let outcome = outcomes
            .unwrap_or_default()
            .iter()
            .position(|known| known.outcome == wanted && known.code == text(2))
            .ok_or_else(|| damaged("has an outcome that was not counted"))?;
        let values = adapter.adapt(text(4)).map_err(|error| damaged(&format!("cannot be read ({error})")))?;
        writer.write_stored(outcome, &values).map_err(OpenError::write)
    }

    fn begin(&mut self, market: &str) -> Result<(), OpenError> {
        let markets = self.markets;
        let header = RowsHeader {
            format: ROWS_FORMAT.to_owned(),
            feed: markets.scope.spec.feed.clone(),
            columns: markets.columns.clone(),
            outcomes: markets.by_name.get(market).map(|market| market.outcomes.clone()).unwrap_or_default(),
        };
        let object = markets.scope.staging.create(&markets.key_of(market))?;
        let writer = RowWriter::new(object, &header).map_err(OpenError::write)?;
        self.current = Some((market.to_owned(), writer));
        Ok(())
    }

    fn finish(&mut self) -> Result<(), OpenError> {
        let Some((market, writer)) = self.current.take() else { return Ok(()) };
        let stats = self.markets.by_name.get(&market).map(|market| market.stats.clone()).unwrap_or_default();
        let rows = writer.into_inner().finish(Some(stats.rows_in))?;
        let parsed = Parsed {
            feed: self.markets.scope.spec.feed.clone(),
            rows,
            rejects: self.empty.clone(),
            stats,
            warnings: BTreeMap::new(),
        };
        self.done.push(MarketRows { market, parsed });
        Ok(())
    }
}

fn parameters(scope: Scope<'_>) -> [Cell; 3] {
    [Cell::from(&*scope.spec.feed), Cell::from(scope.first), Cell::from(scope.period.name())]
}

fn columns_of(scope: Scope<'_>) -> Result<Vec<RowsColumn>, OpenError> {
    let layout = scope.spec.layout().map_err(|detail| OpenError::Configuration { detail })?;
    let column = |(name, kind): &(String, feed::Kind)| RowsColumn { name: name.clone(), kind: *kind };
    Ok(layout.fields().iter().map(column).collect())
}

/// What was loaded of a feed, in a hash: another load may have changed rows.
async fn state_of(database: &mut impl Database, feed: &str) -> Result<String, OpenError> {
    let mut parts = vec![];
    database
        .each(ingest::STATE_OF, &[feed.into()], |record| {
            let load = record.integer(2).unwrap_or_default().to_string();
            parts.extend([record.text(0).unwrap_or_default().to_owned(), load]);
            parts.push(record.text(1).unwrap_or_default().to_owned());
            Ok::<_, OpenError>(())
        })
        .await?;
    Ok(feed::fingerprint(parts))
}
