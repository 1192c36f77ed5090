//! The step `load`: the rows of contracts, kept until a period is calculated.
//!
//! A row is told from others by the spec's `store.key`; a row that is loaded later
//! takes the place of one with the same key, and the one before is kept in the
//! history. Everything happens in one transaction: whatever dies, all rows are
//! there or none. The same files again change nothing, unless their rows were
//! replaced since: then they are put back. The same files read by a changed spec
//! take the place of what they were: rows they no longer have are withdrawn.
//!
//! A period that was delivered is not changed silently: every load says which of
//! them its rows lie in now, or lay in before (table `ingest_period`, view
//! `calc_stale`).

use std::collections::BTreeSet;
use std::fs::File;
use std::io::BufReader;

use database::{Database, migrations};
use feed::rejects::RejectReader;
use feed::rows::{RowReader, RowsColumn};
use feed::spec::{Outcome, PeriodUnit, Replace};
use feed::{Drops, FeedSpec, Layout, Parsed, Reconciled, Staging, Value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stepwright::objects::ObjectRef;
use stepwright::{Read, Shape, StepError, Use, step};

use crate::customer::name_of;
use crate::failure::{of_objects, of_rows, of_the_configuration, of_the_database};
use crate::period::{Period, day_of};
use crate::tables::{ROWS_PER_CHUNK, end, ingest, insertable, signed, stale};
use crate::{clock, customer, layout};
use database::{CoreViewUrl, Value as Cell};

/// Most files of one load: what a state's payload holds.
const FILES_MAX: usize = 1_000;

/// PostgreSQL indexes values up to about 2,700 bytes.
const KEY_BYTES_MAX: usize = 1_000;

/// Longest name of a market.
const MARKET_BYTES_MAX: usize = 200;

/// Most periods one load may touch: more, and days are read wrong.
const PERIODS_MAX: usize = 5_000;

/// The market of a feed that has none.
pub(crate) const ALL_MARKETS: &str = "all";

/// Characters of a rejected row that the database keeps; the rejects object has
/// all of it.
const RAW_CHARS_MAX: usize = 2_000;

/// Size of the window in which objects are read.
const BUFFER_BYTES: usize = 128 * 1024;

/// What is to be loaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Shape)]
pub struct LoadRequest {
    /// The spec the files were parsed with; it has a section `store`.
    pub spec: ObjectRef,
    /// The files that were parsed together.
    pub files: Vec<ObjectRef>,
    /// What reconciliation confirmed.
    pub reconciled: Reconciled,
    /// What parsing left behind.
    pub parsed: Parsed,
    /// The execution that asks.
    pub execution_arn: String,
}

/// What loading changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Shape)]
pub struct Loaded {
    /// Rows that are new.
    pub rows: u64,
    /// Rows that took the place of one with the same key.
    pub replaced: u64,
    /// Rows that were there already.
    pub unchanged: u64,
    /// Rows that a later row of these files with the same key replaces.
    pub repeated: u64,
    /// Rows these files, or files of the same name, had when they were loaded
    /// before, and have no more.
    pub withdrawn: u64,
    /// The periods of the rows, in order.
    pub periods: Vec<String>,
    /// Whether these files had been loaded before, and nothing was changed.
    pub already_loaded: bool,
    /// The periods that had been delivered, and in which a row is others now: it
    /// came, went or changed.
    #[serde(default)]
    pub delivered_periods: Vec<String>,
    /// What to do about them, and what else a person should know.
    #[serde(default)]
    pub advice: Vec<String>,
    /// Rows of these files that were rejected, and are kept nowhere else.
    #[serde(default)]
    pub rejected: u64,
    /// They, with the reasons.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejects: Option<ObjectRef>,
}

/// Why nothing was loaded.
#[derive(Debug, Clone, PartialEq, Eq, StepError)]
#[error_name = "Load"]
pub enum LoadError {
    /// The spec has mistakes, no section `store`, or is not the rows' one.
    #[message("{detail}")]
    Configuration {
        /// What is wrong, and what to do.
        detail: String,
    },
    /// Parsed, reconciled and stored rows are not the same.
    #[message("{detail}")]
    Mismatch {
        /// What differs.
        detail: String,
    },
    /// A row has no key, no day or no market that can be used.
    #[message("{detail}")]
    BadRow {
        /// Which row, what is wrong and what to do.
        detail: String,
    },
    /// The stored rows or rejects are not what the parser writes.
    #[message("{detail}")]
    Damaged {
        /// What happened and what to do.
        detail: String,
    },
    /// The objects cannot be read.
    #[message("{detail}")]
    StorageFailed {
        /// What happened and what to do.
        detail: String,
    },
    /// The database is down or cannot be reached.
    #[message("{detail}")]
    Unavailable {
        /// What happened and what to do.
        detail: String,
    },
    /// The database is busy.
    #[message("{detail}")]
    Throttled {
        /// What happened and what to do.
        detail: String,
    },
    /// The database refuses the step.
    #[message("{detail}")]
    Rejected {
        /// What happened and what to do.
        detail: String,
    },
}

of_objects!(LoadError);
of_rows!(LoadError);
of_the_configuration!(LoadError);
of_the_database!(LoadError);

/// Loads accepted and cancelled rows, and the rejected ones beside them, into the
/// planning database: all or none, once.
#[step(memory = 512, timeout = 900)]
pub async fn load(
    request: LoadRequest,
    drops: Read<Drops>,
    staging: Read<Staging>,
    coreview: Use<CoreViewUrl>,
) -> Result<Loaded, LoadError> {
    check(&request)?;
    let spec = customer::read_spec(&drops, &request.spec)?;
    let mut database = database::warm(coreview.value()).await?;
    migrations::apply(&mut database).await?;
    // Before the transaction: an object that comes slowly keeps nobody waiting.
    let incoming = Incoming::open(&spec, &request, &staging)?;
    let rejects = BufReader::with_capacity(BUFFER_BYTES, staging.get(&request.parsed.rejects)?);
    database.begin(database::Purpose::Write).await?;
    let outcome = load_in_transaction(&mut database, &request, incoming, rejects).await;
    end(&mut database, outcome).await
}

fn check(request: &LoadRequest) -> Result<(), LoadError> {
    if request.files.is_empty() || request.files.len() > FILES_MAX {
        let detail = format!("{} files were given; 1 to {FILES_MAX} are possible", request.files.len());
        return Err(LoadError::Mismatch { detail });
    }
    if request.reconciled.rows != request.parsed.rows || request.reconciled.feed != request.parsed.feed {
        let detail = format!(
            "reconciled were the rows {} of {}, parsed {} of {}; give the step what belongs together",
            request.reconciled.rows.key,
            request.reconciled.feed,
            request.parsed.rows.key,
            request.parsed.feed
        );
        return Err(LoadError::Mismatch { detail });
    }
    Ok(())
}

/// The same files, whatever they are called, are the same source.
fn source_of(request: &LoadRequest) -> String {
    feed::fingerprint(request.files.iter().map(|file| &file.sha256))
}

async fn load_in_transaction(
    database: &mut impl Database,
    request: &LoadRequest,
    mut incoming: Incoming<'_>,
    rejects: BufReader<File>,
) -> Result<Loaded, LoadError> {
    let feed = &*request.parsed.feed;
    let source = source_of(request);
    let number = ingest::count_load(database, feed).await?;
    let before = ingest::find_source(database, feed, &source).await?;
    let same_rows = before.as_ref().filter(|before| before.rows_sha256 == request.parsed.rows.sha256);
    // Nobody has loaded anything since: nothing can be others.
    if let Some(before) = same_rows
        && (is_told_again(request, before) || before.load_number == number - 1)
    {
        return loaded_before(request, before);
    }
    let named_alike = incoming.named_alike(database, request, &source).await?;
    let layout = layout::note(database, &incoming.columns).await?;
    ingest::make_incoming(database).await?;
    let total = bring(database, &mut incoming).await?;
    let mut loaded = Loaded { periods: incoming.periods.iter().cloned().collect(), ..rejected_of(request) };
    // Rows of new files without a key of their own are all new.
    if incoming.has_key() || before.is_some() {
        ingest::index_incoming(database).await?;
        loaded.repeated = ingest::drop_repeated(database).await?;
        loaded.replaced = ingest::keep_known(database, feed, &layout, &source, number).await?;
    }
    loaded.rows = ingest::keep_new(database, feed, &layout, &source, number).await?;
    loaded.unchanged = total - loaded.repeated - loaded.replaced - loaded.rows;
    let before_and_alike = before.iter().map(|_| &source).chain(&named_alike);
    for source in before_and_alike {
        loaded.withdrawn += ingest::withdraw_vanished(database, feed, source, number).await?;
    }
    let nothing = loaded.rows + loaded.replaced + loaded.withdrawn == 0;
    if let Some(before) = same_rows.filter(|_| nothing) {
        ingest::drop_incoming(database).await?;
        return loaded_before(request, before);
    }
    note_periods(database, feed, number, &mut loaded).await?;
    if same_rows.is_some() && loaded.replaced > 0 {
        loaded.advice.push(format!(
            "{} rows that were changed by other files since are again as this file has them: load those files again if \
             that is not what is wanted",
            loaded.replaced
        ));
    }
    ingest::drop_incoming(database).await?;
    note_rejects(database, request, rejects, number).await?;
    note_files(database, request, &source, number, &loaded).await?;
    Ok(loaded)
}

/// Brings the rows into the temporary table; how many.
async fn bring(database: &mut impl Database, incoming: &mut Incoming<'_>) -> Result<u64, LoadError> {
    let mut total = 0;
    loop {
        let chunk = incoming.next_chunk()?;
        if chunk.is_empty() {
            return Ok(total);
        }
        total += chunk.len() as u64;
        database.insert_many(ingest::INCOMING, &ingest::INCOMING_COLUMNS, &chunk).await?;
    }
}

/// Notes which periods changed, and finds those among them that were delivered.
async fn note_periods(
    database: &mut impl Database,
    feed: &str,
    number: i64,
    loaded: &mut Loaded,
) -> Result<(), LoadError> {
    let touched = if loaded.replaced + loaded.unchanged + loaded.repeated + loaded.withdrawn == 0 {
        // Every row is new.
        loaded.periods.iter().cloned().collect()
    } else {
        ingest::touched(database, feed, number).await?
    };
    for period in &touched {
        ingest::note_period(database, feed, period, number).await?;
    }
    loaded.delivered_periods = stale::of_load(database, feed, number).await?;
    loaded.advice = stale::advice(&loaded.delivered_periods);
    Ok(())
}

/// Whether the step is repeated. Two files with the same bytes are not: what the
/// second one changes is nothing.
fn is_told_again(request: &LoadRequest, before: &ingest::Before) -> bool {
    let key = request.files.first().map(|file| &file.key);
    before.execution_arn == request.execution_arn && key == Some(&before.file_key)
}

/// What a load says that finds its rows loaded: to a repetition the same as the
/// first time, to others that nothing changed.
fn loaded_before(request: &LoadRequest, before: &ingest::Before) -> Result<Loaded, LoadError> {
    let loaded: Loaded = serde_json::from_str(&before.loaded).map_err(|error| LoadError::Rejected {
        detail: format!("ingest_file does not say what was loaded ({error}); find out who changed it"),
    })?;
    if is_told_again(request, before) {
        return Ok(loaded);
    }
    Ok(Loaded {
        unchanged: loaded.rows + loaded.replaced + loaded.unchanged,
        repeated: loaded.repeated,
        periods: loaded.periods,
        already_loaded: true,
        ..rejected_of(request)
    })
}

/// What is said of rejected rows, whether anything else is new or not.
fn rejected_of(request: &LoadRequest) -> Loaded {
    let rejected = request.reconciled.stats.rejected;
    let rejects = (rejected > 0).then(|| request.parsed.rejects.clone());
    Loaded { rejected, rejects, ..Loaded::default() }
}

/// The rows on their way into the database.
struct Incoming<'r> {
    reader: RowReader<BufReader<File>>,
    columns: Vec<RowsColumn>,
    key: Vec<usize>,
    /// Without a key: whether a file takes the place of one of the same name.
    replaces_files: bool,
    day: (usize, &'r str),
    market: Option<(usize, &'r str)>,
    unit: PeriodUnit,
    source: String,
    row: Vec<Value>,
    number: i64,
    periods: BTreeSet<String>,
}

impl<'r> Incoming<'r> {
    fn open(spec: &'r FeedSpec, request: &LoadRequest, staging: &Read<Staging>) -> Result<Self, LoadError> {
        let wrong = |detail: String| LoadError::Configuration { detail };
        let Some(store) = &spec.store else {
            return Err(wrong(format!(
                "the spec of `{}` has no section `[store]`, which says what tells its rows apart and which day puts \
                 them into a period; add it",
                spec.feed
            )));
        };
        let file = staging.get(&request.parsed.rows)?;
        let reader = RowReader::new(BufReader::with_capacity(BUFFER_BYTES, file))?;
        let layout = reader.header().layout();
        if reader.header().feed != spec.feed || layout != spec.layout().map_err(wrong)? {
            return Err(wrong(format!(
                "the stored rows are of feed `{}` with other columns than the spec of `{}` has; run the parse step with \
                 this spec",
                reader.header().feed,
                spec.feed
            )));
        }
        let place = |name: &str| place_of(&layout, name).map_err(wrong);
        let key = store.key.iter().map(|name| place(name)).collect::<Result<_, _>>()?;
        let market =
            store.market.as_deref().map(|name| Ok::<_, LoadError>((place(name)?, name))).transpose()?;
        Ok(Self {
            columns: reader.header().columns.clone(),
            key,
            replaces_files: store.replace == Some(Replace::File),
            day: (place(&store.day)?, &store.day),
            market,
            unit: spec.delivery.period_unit.unwrap_or(PeriodUnit::Month),
            source: source_of(request),
            row: vec![],
            number: 0,
            periods: BTreeSet::new(),
            reader,
        })
    }

    fn has_key(&self) -> bool {
        !self.key.is_empty()
    }

    /// Without a key, a file that is sent again with other bytes would count twice
    /// what it repeats. Returns the sources whose place it takes.
    async fn named_alike(
        &self,
        database: &mut impl Database,
        request: &LoadRequest,
        source: &str,
    ) -> Result<Vec<String>, LoadError> {
        if self.has_key() {
            return Ok(vec![]);
        }
        let is_ours = |key: &str| request.files.iter().any(|file| name_of(&file.key) == name_of(key));
        let others = ingest::other_sources(database, &request.parsed.feed, source).await?;
        let alike: Vec<(String, String)> = others.into_iter().filter(|(_, key)| is_ours(key)).collect();
        match alike.first() {
            Some((_, key)) if !self.replaces_files => Err(LoadError::Configuration {
                detail: format!(
                    "a file called `{}` was loaded with other bytes before, and nothing tells its rows from those: say                      in the spec what does (`store.key`), or that a file takes the place of one of the same name                      (`store.replace = \"file\"`), or give it another name",
                    name_of(key)
                ),
            }),
            _ => Ok(alike.into_iter().map(|(source, _)| source).collect()),
        }
    }

    /// The next rows for the database; none at the end.
    fn next_chunk(&mut self) -> Result<Vec<Vec<Cell>>, LoadError> {
        let mut chunk = Vec::with_capacity(ROWS_PER_CHUNK);
        while chunk.len() < ROWS_PER_CHUNK {
            let Some(outcome) = self.reader.read(&mut self.row)? else { break };
            self.number += 1;
            chunk.push(self.cells(outcome)?);
        }
        Ok(chunk)
    }

    /// A row as the temporary table has it.
    fn cells(&mut self, outcome: usize) -> Result<Vec<Cell>, LoadError> {
        let key = self.row_key()?;
        let market = self.market()?;
        let Some(day) = self.row.get(self.day.0).and_then(day_of) else {
            return Err(self.bad_row(&format!("`{}`, which puts it into a period, is empty", self.day.1)));
        };
        let period = Period::of(day, self.unit).name();
        if !self.periods.contains(&period) {
            self.periods.insert(period.clone());
            if self.periods.len() > PERIODS_MAX {
                let problem = format!(
                    "the rows lie in more than {PERIODS_MAX} periods; is `{}` read right",
                    self.day.1
                );
                return Err(self.bad_row(&problem));
            }
        }
        let decided = self.reader.outcome(outcome);
        let word = match decided.map(|decided| decided.outcome) {
            Some(Outcome::Accept) => "accepted",
            Some(Outcome::Cancel) => "cancelled",
            Some(Outcome::Reject) | None => {
                return Err(LoadError::Damaged {
                    detail: "a rejected row is stored among the rows; run the parse step again".to_owned(),
                });
            }
        };
        Ok(vec![
            Cell::from(self.number),
            Cell::from(key),
            Cell::from(market),
            Cell::from(day.to_string()),
            Cell::from(period),
            Cell::from(word),
            Cell::from(decided.map_or("", |decided| &*decided.code)),
            Cell::from(self.reader.stored_values()),
        ])
    }

    /// What tells the row from others: a JSON list.
    fn row_key(&self) -> Result<String, LoadError> {
        if self.key.is_empty() {
            // Padded, so that the order of keys is that of the file.
            return Ok(format!("[\"{}\",\"{:010}\"]", self.source, self.number));
        }
        let mut values = Vec::with_capacity(self.key.len());
        for place in &self.key {
            match self.row.get(*place) {
                None | Some(Value::Null) => {
                    let name = self.columns.get(*place).map_or("", |column| &column.name);
                    return Err(self.bad_row(&format!("`{name}`, a part of its key, is empty")));
                }
                Some(value) => values.push(value.to_string()),
            }
        }
        let key = serde_json::to_string(&values).unwrap_or_default();
        if key.len() > KEY_BYTES_MAX {
            return Err(self.bad_row(&format!("its key has more than {KEY_BYTES_MAX} bytes")));
        }
        Ok(key)
    }

    fn market(&self) -> Result<String, LoadError> {
        let Some((place, name)) = self.market else { return Ok(ALL_MARKETS.to_owned()) };
        match self.row.get(place) {
            Some(Value::Text(market)) if market.trim().is_empty() => {
                Err(self.bad_row(&format!("`{name}`, its market, is empty")))
            }
            Some(Value::Text(market))
                if market.len() > MARKET_BYTES_MAX || market.chars().any(char::is_control) =>
            {
                Err(self.bad_row(&format!(
                    "`{name}`, its market, has control characters or more than {MARKET_BYTES_MAX} bytes"
                )))
            }
            Some(Value::Text(market)) => Ok(market.clone()),
            _ => Err(self.bad_row(&format!("`{name}`, its market, is empty"))),
        }
    }

    fn bad_row(&self, problem: &str) -> LoadError {
        let values: Vec<String> = self.row.iter().map(ToString::to_string).collect();
        let shown: String = values.join(", ").chars().take(160).collect();
        LoadError::BadRow {
            detail: format!(
                "row {} of the accepted and cancelled ones ({shown}): {problem}; let the spec reject such rows, or correct \
                 the file",
                self.number
            ),
        }
    }
}

fn place_of(layout: &Layout, name: &str) -> Result<usize, String> {
    layout.find(name).map(|(place, _)| place).ok_or_else(|| format!("the rows have no column `{name}`"))
}

/// Puts the rejected rows beside the others, for whoever looks for a row.
async fn note_rejects(
    database: &mut impl Database,
    request: &LoadRequest,
    rejects: BufReader<File>,
    load: i64,
) -> Result<(), LoadError> {
    let mut chunk = vec![];
    for (reject, number) in RejectReader::new(rejects).zip(1_i64..) {
        let reject = reject.map_err(|error| LoadError::Damaged {
            detail: format!("stored reject {number} cannot be read: {error}; run the parse step again"),
        })?;
        let raw: String = reject.raw.chars().take(RAW_CHARS_MAX).collect();
        chunk.push(vec![
            Cell::from(&*request.parsed.feed),
            Cell::from(load),
            Cell::from(number),
            Cell::from(insertable(&reject.file)),
            Cell::from(signed(reject.line)),
            Cell::from(reject.byte.map(signed)),
            Cell::from(reject.column.as_deref().map(insertable)),
            Cell::from(insertable(&reject.code)),
            Cell::from(insertable(&reject.reason)),
            Cell::from(insertable(&raw)),
        ]);
        if chunk.len() == ROWS_PER_CHUNK {
            database.insert_many("ingest_reject", &ingest::REJECT_COLUMNS, &chunk).await?;
            chunk.clear();
        }
    }
    if !chunk.is_empty() {
        database.insert_many("ingest_reject", &ingest::REJECT_COLUMNS, &chunk).await?;
    }
    Ok(())
}

async fn note_files(
    database: &mut impl Database,
    request: &LoadRequest,
    source: &str,
    load: i64,
    loaded: &Loaded,
) -> Result<(), LoadError> {
    let stats = &request.reconciled.stats;
    let loaded = serde_json::to_string(loaded).unwrap_or_default();
    let now = clock::now();
    for (file, position) in request.files.iter().zip(0_i64..) {
        let parameters = [
            Cell::from(&*request.parsed.feed),
            Cell::from(source),
            Cell::from(position),
            Cell::from(&*file.key),
            Cell::from(&*file.sha256),
            Cell::from(signed(file.bytes)),
            Cell::from(&*request.spec.sha256),
            Cell::from(&*request.parsed.rows.sha256),
            Cell::from(load),
            Cell::from(signed(stats.rows_in)),
            Cell::from(signed(stats.accepted)),
            Cell::from(signed(stats.cancelled)),
            Cell::from(signed(stats.rejected)),
            Cell::from(&*loaded),
            Cell::from(&*request.execution_arn),
            Cell::from(&*now),
        ];
        ingest::note_file(database, &parameters).await?;
    }
    Ok(())
}
