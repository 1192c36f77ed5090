//! The step `open_run`: what a period is calculated from, taken out and pinned.
//!
//! The rows of the period and of the months before it that the spec looks back
//! at, an object for each market; of every reference the rows of all revisions in
//! force, as one object. All of it is one picture of the database. The run's id
//! is made of all that, of the spec and of the calculation's code: the same input is
//! the same run, whoever opens it how often.
//!
//! A period that was delivered keeps the revisions it was delivered with, unless the
//! request says otherwise. Markets that were delivered for the period and have no rows
//! any more are markets of the run: with none, so that a correction takes back what
//! they had.
//!
//! Where something is missing, no run is opened: `missing` says what a person
//! has to upload.

use std::collections::BTreeMap;

use database::{CoreViewUrl, Database, Purpose, Value as Cell, migrations};
use feed::spec::PeriodUnit;
use feed::{Correction, Drops, FeedSpec, Parsed, PinnedRevision, Staging};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stepwright::objects::ObjectRef;
use stepwright::{Read, Shape, StepError, Use, Write, step};

use crate::customer::{self, Customer};
use crate::failure::{of_objects, of_the_configuration, of_the_database};
use crate::hash::framed_sha256;
use crate::period::Period;
use crate::tables::{calc, ingest};
use crate::{clock, layout};

mod delivered;
mod markets;
mod pinned;
mod references;

use markets::Markets;
use pinned::Pinned;

/// What the figures depend on besides their input: the sources of the calculation (`build.rs`).
const CODE_VERSION: &str = env!("CALCULATION_SHA256");

/// Files and codes of rejected rows that are named in a notice.
const REJECTED_SHOWN_MAX: usize = 20;

/// What is to be calculated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Shape)]
pub struct OpenRequest {
    /// The customer's `customer.toml`.
    pub configuration: ObjectRef,
    /// The period, such as `2024-03`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<String>,
    /// Without a period: when the schedule fired (RFC 3339). Meant is the last
    /// period that had ended by then, in UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduled_at: Option<String>,
    /// Present when what was delivered for the period is to be replaced: then it may be
    /// that nothing is left of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correction: Option<Correction>,
    /// Whether a period that was delivered is calculated with the reference data in force
    /// now, and not with what it was delivered with.
    #[serde(default)]
    pub current_references: bool,
    /// Whether it is an error when something is missing: somebody said that it is there now.
    #[serde(default)]
    pub complete: bool,
    /// The execution that asks.
    pub execution_arn: String,
}

/// A run, and its input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Shape)]
pub struct Run {
    /// Made of all the figures depend on; empty while something is missing.
    pub id: String,
    /// The feed's name.
    pub feed: String,
    /// The period.
    pub period: String,
    /// The spec of contracts, as it is now.
    pub spec: ObjectRef,
    /// The rows of each market, by name; none while something is missing.
    #[schemars(length(max = 60))]
    pub markets: Vec<MarketRows>,
    /// The reference data, by name.
    pub references: BTreeMap<String, ObjectRef>,
    /// The revisions these are made of.
    pub revisions: Vec<PinnedRevision>,
    /// Where these are not what the period was delivered with, or not what is in force now.
    pub notices: Vec<String>,
    /// What a person has to upload before the period can be calculated.
    pub missing: Vec<String>,
    /// The same as one question; empty when nothing is missing.
    pub question: String,
    /// SHA-256 of the input; empty while something is missing.
    pub input_sha256: String,
}

/// The rows of a market, for `reconcile` and `calculate`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Shape)]
pub struct MarketRows {
    /// The market; `all` for a feed without markets.
    pub market: String,
    /// The rows as if they had just been parsed.
    pub parsed: Parsed,
}

/// Why no run was opened.
#[derive(Debug, Clone, PartialEq, Eq, StepError)]
#[error_name = "OpenRun"]
pub enum OpenError {
    /// `customer.toml` or the spec have mistakes, or do not fit each other.
    #[message("{detail}")]
    Configuration {
        /// Each mistake with file, line and column.
        detail: String,
    },
    /// The request names no period, or one that cannot be.
    #[message("{detail}")]
    BadPeriod {
        /// What was given, and what is expected.
        detail: String,
    },
    /// What a person said to have uploaded is not there.
    #[message("{detail}")]
    Missing {
        /// What has to be uploaded.
        detail: String,
    },
    /// What is stored was read by an older spec and lacks something.
    #[message("{detail}")]
    Outdated {
        /// Which files have to be loaded again.
        detail: String,
    },
    /// There are more markets than an execution can carry.
    #[message("{detail}")]
    TooManyMarkets {
        /// How many, and how many are possible.
        detail: String,
    },
    /// The stored rows are not what the steps write.
    #[message("{detail}")]
    Damaged {
        /// What happened and what to do.
        detail: String,
    },
    /// The objects cannot be read or written.
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

of_objects!(OpenError);
of_the_configuration!(OpenError);
of_the_database!(OpenError);

impl OpenError {
    #[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
    fn write(error: std::io::Error) -> Self {
        Self::StorageFailed { detail: format!("cannot write the rows: {error}; the step is tried again") }
    }
}

/// What everything that is taken out has to do with.
#[derive(Clone, Copy)]
struct Scope<'a> {
    customer: &'a Customer,
    spec: &'a FeedSpec,
    spec_object: &'a ObjectRef,
    first: &'a str,
    period: Period,
    staging: &'a Write<Staging>,
    /// What was delivered for the period before.
    pinned: &'a Pinned,
}

/// Takes out what a period is calculated from, and opens the run of that input.
#[step(memory = 512, timeout = 900)]
pub async fn open_run(
    request: OpenRequest,
    drops: Read<Drops>,
    staging: Write<Staging>,
    coreview: Use<CoreViewUrl>,
) -> Result<Run, OpenError> {
    let customer = customer::read(&drops, &request.configuration)?;
    let spec_object = customer::find_spec(&drops, &request.configuration, &customer.contracts.spec)?;
    let spec = customer::read_spec(&drops, &spec_object)?;
    let Some(store) = &spec.store else {
        let detail = format!(
            "{} has no section `[store]`, which says which day puts a row into a period; add it",
            customer::name_of(&spec_object.key)
        );
        return Err(OpenError::Configuration { detail });
    };
    let period = period_of(&request, spec.delivery.period_unit.unwrap_or(PeriodUnit::Month))?;
    let first = period.months_back(store.months_back).name();
    let mut database = database::warm(coreview.value()).await?;
    migrations::apply(&mut database).await?;
    let pinned = Pinned::of(&mut database, &request, &spec.feed, &period.name()).await?;
    let scope = Scope {
        customer: &customer,
        spec: &spec,
        spec_object: &spec_object,
        first: &first,
        period,
        staging: &staging,
        pinned: &pinned,
    };
    database.begin(Purpose::Read).await?;
    let taken_out = take_out(&mut database, scope).await;
    database.rollback().await;
    let (mut run, loads) = taken_out?;
    if request.complete && !run.missing.is_empty() {
        let detail = format!(
            "{} of {} cannot be calculated: {}; then redrive the execution",
            run.feed, run.period, run.question
        );
        return Err(OpenError::Missing { detail });
    }
    if run.missing.is_empty() {
        run.input_sha256 = input_of(&run);
        run.id = feed::fingerprint(["run/1", CODE_VERSION, &run.feed, &run.period, &run.input_sha256]);
        note(&mut database, &run, loads, &request.execution_arn).await?;
    }
    Ok(run)
}

fn period_of(request: &OpenRequest, unit: PeriodUnit) -> Result<Period, OpenError> {
    let found = match (&request.period, &request.scheduled_at) {
        (Some(name), _) => Period::parse(name, unit),
        (None, Some(time)) => Period::before(time, unit),
        (None, None) => Err("neither `period` nor `scheduled_at` was given".to_owned()),
    };
    found.map_err(|problem| OpenError::BadPeriod { detail: format!("{problem}; start again with a period") })
}

/// The run, and how many loads of the feed its input has seen.
async fn take_out(database: &mut impl Database, scope: Scope<'_>) -> Result<(Run, i64), OpenError> {
    let loads = ingest::loads_of(database, &scope.spec.feed).await?;
    let layouts = layout::all(database, |detail| OpenError::Damaged { detail }).await?;
    let references = references::take_out(database, scope, &layouts).await?;
    let mut missing = references.missing;
    let markets = Markets::count(database, scope, &layouts).await?;
    missing.extend(markets.missing(scope));
    let mut rows = vec![];
    if missing.is_empty() {
        rows = markets.take_out(database).await?;
    }
    let mut notices = scope.pinned.notices(database, scope.spec, &references.revisions).await?;
    let rejected = ingest::rejected_since(database, &scope.spec.feed, &scope.period.name(), loads).await?;
    notices.extend(told_of(&rejected));
    let run = Run {
        id: String::new(),
        feed: scope.spec.feed.clone(),
        period: scope.period.name(),
        spec: scope.spec_object.clone(),
        markets: rows,
        references: references.objects,
        revisions: references.revisions,
        notices,
        question: missing.join("; "),
        missing,
        input_sha256: String::new(),
    };
    Ok((run, loads))
}

/// What a person has to know of rejected rows: they are in nobody's figures.
fn told_of(rejected: &[ingest::Rejected]) -> Option<String> {
    if rejected.is_empty() {
        return None;
    }
    let rows: u64 = rejected.iter().map(|of| of.rows).sum();
    let named = rejected
        .iter()
        .take(REJECTED_SHOWN_MAX)
        .map(|of| format!("{} {} in {}", of.rows, of.code, customer::name_of(&of.file_key)));
    let mut named: Vec<String> = named.collect();
    if rejected.len() > REJECTED_SHOWN_MAX {
        named.push("…".to_owned());
    }
    let (were, are) = if rows == 1 { ("row was", "it is") } else { ("rows were", "they are") };
    Some(format!(
        "{rows} {were} rejected as files and messages were taken in, and {are} in no month: {}. The view \
         ingest_rejected shows each with its reason",
        named.join(", ")
    ))
}

/// Everything the figures are calculated from.
fn input_of(run: &Run) -> String {
    let mut parts = vec!["input/1", &run.spec.sha256];
    for market in &run.markets {
        parts.extend(["market", &market.market, &market.parsed.rows.sha256]);
    }
    for (name, object) in &run.references {
        parts.extend(["reference", name, &object.sha256]);
    }
    framed_sha256(parts)
}

async fn note(
    database: &mut impl Database,
    run: &Run,
    loads: i64,
    execution_arn: &str,
) -> Result<(), OpenError> {
    let parameters = [
        Cell::from(&*run.id),
        Cell::from(&*run.feed),
        Cell::from(&*run.period),
        Cell::from(&*run.input_sha256),
        Cell::from(&*run.spec.sha256),
        Cell::from(serde_json::to_string(&run.revisions).unwrap_or_default()),
        Cell::from(CODE_VERSION),
        Cell::from(execution_arn),
        Cell::from(clock::now()),
        Cell::from(loads),
    ];
    calc::open(database, &parameters).await?;
    Ok(())
}
