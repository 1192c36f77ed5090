//! The step `control`: the figures of a run, noted and compared with the period
//! before.
//!
//! Totals are added up over the markets, each by its name: totals of different
//! currencies have different names and are never added. Whether a person has to
//! look is decided by `control` in `customer.toml`; always where rows of the period
//! were delivered with another one. What is to be delivered is every market by every
//! channel.
//!
//! Figures that stand for the period already are only looked at again: nothing that
//! was noted of a delivered run changes.

use std::collections::BTreeMap;
use std::fs::File;

use database::{CoreViewUrl, Database, Purpose, Value as Cell, migrations};
use feed::{Correction, Drops, FeedSpec, Figures, MarketFigures, Staging};
use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stepwright::objects::ObjectRef;
use stepwright::{Read, Shape, StepError, Use, step};

use crate::clock;
use crate::customer::{self, Customer, Jump};
use crate::failure::{of_objects, of_rows, of_the_configuration, of_the_database};
use crate::figures::Owner;
use crate::tables::calc::{self, Standing, Totals};
use crate::tables::{end, entry, signed, stale};

mod comparison;

use comparison::{Amounts, Comparison, amounts};

/// A run, as `open_run` named it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Shape)]
pub struct RunRef {
    /// Its id.
    pub id: String,
    /// The period.
    pub period: String,
    /// The feed's name.
    pub feed: String,
}

/// What is to be controlled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Shape)]
pub struct ControlRequest {
    /// The run.
    pub run: RunRef,
    /// The customer's `customer.toml`.
    pub configuration: ObjectRef,
    /// The feed's spec, as the run has it.
    pub spec: ObjectRef,
    /// What was noticed when the input was pinned, for who has to look.
    #[serde(default)]
    pub notices: Vec<String>,
    /// The figures of its markets.
    pub figures: Vec<MarketFigures>,
    /// Present when what was delivered for the period is to be replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correction: Option<Correction>,
    /// The execution that asks.
    pub execution_arn: String,
}

/// What was found, and what is to be delivered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Shape)]
pub struct Controlled {
    /// Why a person has to look before anything is delivered; nothing when
    /// nobody has to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<String>,
    /// Every market by every channel.
    pub deliveries: Vec<Planned>,
    /// Totals over all markets, as decimal texts.
    pub totals: BTreeMap<String, String>,
    /// The same of the last period before that was delivered; empty without one.
    pub previous: BTreeMap<String, String>,
    /// That period.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_period: Option<String>,
}

/// A delivery to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Shape)]
pub struct Planned {
    /// The market.
    pub market: String,
    /// The channel.
    pub channel: String,
    /// The feed's name.
    pub feed: String,
    /// The period.
    pub period: String,
    /// The figures, as CSV.
    pub figures: ObjectRef,
    /// The columns that identify a row of figures.
    pub key_columns: Vec<String>,
    /// Rows of figures.
    pub rows: u64,
    /// Control totals of the figures.
    pub totals: BTreeMap<String, String>,
    /// With a correction: the last delivery of market, period and channel that is known now, which
    /// is what the figures are compared with. Absent when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<String>,
}

/// Why the figures were not noted.
#[derive(Debug, Clone, PartialEq, Eq, StepError)]
#[error_name = "Control"]
pub enum ControlError {
    /// `customer.toml` has mistakes, or names a measure there is no total of.
    #[message("{detail}")]
    Configuration {
        /// Each mistake with file, line and column.
        detail: String,
    },
    /// The figures are not those of the run.
    #[message("{detail}")]
    Mismatch {
        /// What differs.
        detail: String,
    },
    /// A total needs more digits than can be kept exactly.
    #[message("{detail}")]
    Overflow {
        /// Which one.
        detail: String,
    },
    /// The figures are not what calculation writes, or stored totals are no numbers.
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

of_objects!(ControlError);
of_rows!(ControlError);
of_the_configuration!(ControlError);
of_the_database!(ControlError);

/// Notes the figures of a run and compares their totals with the period before.
#[step(memory = 512, timeout = 300)]
pub async fn control(
    request: ControlRequest,
    drops: Read<Drops>,
    staging: Read<Staging>,
    coreview: Use<CoreViewUrl>,
) -> Result<Controlled, ControlError> {
    let customer = customer::read(&drops, &request.configuration)?;
    let spec = customer::read_spec(&drops, &request.spec)?;
    check(&request, &customer, &spec)?;
    let totals = total(&request)?;
    // Before the transaction: an object that comes slowly keeps nobody waiting.
    let mut files = vec![];
    for of_market in &request.figures {
        let Figures { figures, entries, .. } = &of_market.figures;
        let entries = entries.as_ref().map(|entries| staging.get(entries)).transpose()?;
        files.push(Files { figures: staging.get(figures)?, entries });
    }
    let mut database = database::warm(coreview.value()).await?;
    migrations::apply(&mut database).await?;
    database.begin(Purpose::Write).await?;
    let outcome = control_in_transaction(&mut database, &request, &customer, files, totals).await;
    end(&mut database, outcome).await
}

fn check(request: &ControlRequest, customer: &Customer, spec: &FeedSpec) -> Result<(), ControlError> {
    let known = &spec.figures.control;
    if let Some(control) = customer.control.as_ref().filter(|control| !known.contains(&control.measure)) {
        let known: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
        let detail = format!(
            "{}: control.measure: there is no total of `{}` ({}); name one of `figures.control` in {}",
            customer::name_of(&request.configuration.key),
            control.measure,
            known.join(", "),
            customer::name_of(&request.spec.key)
        );
        return Err(ControlError::Configuration { detail });
    }
    let RunRef { id, period, feed } = &request.run;
    for (index, MarketFigures { market, figures, .. }) in request.figures.iter().enumerate() {
        if figures.feed != *feed || figures.period != *period {
            let detail = format!(
                "run {id} is of {feed} {period}, but the figures of market `{market}` are of {} {}; calculate the run's own rows",
                figures.feed, figures.period
            );
            return Err(ControlError::Mismatch { detail });
        }
        if request.figures.iter().take(index).any(|other| other.market == *market) {
            let detail = format!("run {id}: the figures of market `{market}` are there twice");
            return Err(ControlError::Mismatch { detail });
        }
    }
    Ok(())
}

/// Totals over all markets.
fn total(request: &ControlRequest) -> Result<Totals, ControlError> {
    let mut sums: BTreeMap<&str, Decimal> = BTreeMap::new();
    for MarketFigures { market, figures, .. } in &request.figures {
        for (name, amount) in &figures.totals {
            let amount = Decimal::from_str_exact(amount).map_err(|error| ControlError::Damaged {
                detail: format!("the total `{name}` of market `{market}` is `{amount}` ({error}); run the calculate step again"),
            })?;
            let sum = sums.entry(name).or_default();
            let added = sum.checked_add(amount);
            // Where the digits do not suffice the type rounds instead of failing.
            let exact = added.filter(|added| added.scale() == sum.scale().max(amount.scale()));
            *sum = exact.ok_or_else(|| ControlError::Overflow {
                detail: format!("the total `{name}` over all markets needs more than 28 digits"),
            })?;
        }
    }
    Ok(sums.into_iter().map(|(name, sum)| (name.to_owned(), sum.to_string())).collect())
}

async fn control_in_transaction(
    database: &mut impl Database,
    request: &ControlRequest,
    customer: &Customer,
    files: Vec<Files>,
    totals: Totals,
) -> Result<Controlled, ControlError> {
    let RunRef { id, feed, period } = &request.run;
    let Some(run) = calc::take(database, id).await?.filter(|run| run.feed == *feed && run.period == *period)
    else {
        let detail = format!("there is no run {id} of {feed} {period} (table calc_run); open it again");
        return Err(ControlError::Mismatch { detail });
    };
    let standing = calc::delivered_for(database, feed, period).await?;
    let already = is_delivered(database, request, standing.as_ref()).await?;
    if run.state != "delivered" {
        for (of_market, file) in request.figures.iter().zip(files) {
            note_figures(database, id, of_market, file).await?;
        }
        let reason = request.correction.as_ref().map(|correction| &*correction.reason);
        calc::note_totals(database, id, &totals, reason).await?;
    } else if !already {
        let detail = format!(
            "run {id} of {feed} {period} was delivered with other figures than these, from the same input by the same \
             code; find out which of them are right before anything is paid"
        );
        return Err(ControlError::Mismatch { detail });
    }
    let (previous_period, previous) = calc::delivered_before(database, feed, period).await?.unzip();
    let previous = match &previous_period {
        Some(before) => stored_totals(feed, before, previous.flatten().as_deref())?,
        None => Totals::new(),
    };
    let compared = Compared {
        now: totals_of(period, &totals)?,
        previous: match previous_period.as_deref() {
            Some(before) => Some((before, totals_of(before, &previous)?)),
            None => None,
        },
        corrected: corrected(request, standing.as_ref())?,
    };
    // What was delivered already is only looked at again.
    let approval = if already { None } else { approval(database, request, customer, &compared).await? };
    let deliveries = plan(database, request, customer).await?;
    Ok(Controlled { approval, deliveries, totals, previous, previous_period })
}

/// Whether these are the figures that stand for the period, whatever run they came from.
async fn is_delivered(
    database: &mut impl Database,
    request: &ControlRequest,
    standing: Option<&Standing>,
) -> Result<bool, ControlError> {
    let Some(standing) = standing else { return Ok(false) };
    let delivered = calc::figures_of(database, &standing.run).await?;
    let of_market = |it: &MarketFigures| (it.market.clone(), it.figures.figures.sha256.clone());
    Ok(delivered == request.figures.iter().map(of_market).collect())
}

/// Totals as they were stored with a run.
fn stored_totals(feed: &str, period: &str, stored: Option<&str>) -> Result<Totals, ControlError> {
    stored.map_or_else(|| Ok(Totals::new()), serde_json::from_str).map_err(|error| ControlError::Damaged {
        detail: format!(
            "the totals of what was delivered of {feed} for {period} (table calc_run) cannot be read: {error}; find out \
             who changed them"
        ),
    })
}

fn totals_of(period: &str, totals: &Totals) -> Result<Amounts, ControlError> {
    amounts(totals).map_err(|problem| ControlError::Damaged {
        detail: format!("{period}: {problem} (table calc_run); find out who changed it"),
    })
}

/// The totals that stand for the period, where they are to be replaced.
fn corrected(request: &ControlRequest, standing: Option<&Standing>) -> Result<Option<Amounts>, ControlError> {
    let RunRef { feed, period, .. } = &request.run;
    let Some(standing) = standing.filter(|_| request.correction.is_some()) else { return Ok(None) };
    let totals = stored_totals(feed, period, standing.totals.as_deref())?;
    Ok(Some(totals_of(period, &totals)?))
}

/// The objects of a market, opened.
struct Files {
    figures: File,
    entries: Option<File>,
}

async fn note_figures(
    database: &mut impl Database,
    run: &str,
    of_market: &MarketFigures,
    files: Files,
) -> Result<(), ControlError> {
    let MarketFigures { market, figures, .. } = of_market;
    let sha256 = &figures.figures.sha256;
    if !calc::has_figures(database, run, market, sha256).await? {
        let owner = Owner { run, market, figures };
        owner.insert_rows(database, files.figures).await?;
        owner.insert_totals(database).await?;
    }
    let parameters = [
        Cell::from(run),
        Cell::from(&**market),
        Cell::from(&*figures.figures.key),
        Cell::from(&**sha256),
        Cell::from(signed(figures.rows)),
        Cell::from(clock::now()),
    ];
    calc::note_market(database, &parameters).await?;
    if let (Some(entries), Some(rows)) = (&figures.entries, files.entries) {
        entry::note::<ControlError>(database, (run, market), entries, rows, &clock::now()).await?;
    }
    Ok(())
}

/// Totals of the run beside those it has to do with.
struct Compared<'p> {
    now: Amounts,
    /// Of the last period before that was delivered.
    previous: Option<(&'p str, Amounts)>,
    /// Of what it corrects.
    corrected: Option<Amounts>,
}

/// Why a person has to look.
async fn approval(
    database: &mut impl Database,
    request: &ControlRequest,
    customer: &Customer,
    compared: &Compared<'_>,
) -> Result<Option<String>, ControlError> {
    let RunRef { feed, period, .. } = &request.run;
    let mut reasons: Vec<String> = stale::moved_into(database, feed, period).await?.into_iter().collect();
    if let Some(control) = &customer.control {
        reasons.extend(jumps(request, control, compared, !reasons.is_empty()));
    }
    if reasons.is_empty() {
        return Ok(None);
    }
    reasons.extend(request.notices.iter().cloned());
    Ok(Some(format!(
        "{}. Look at the figures; approve them, or refuse and correct the input",
        reasons.join(". ")
    )))
}

/// Totals that differ from the period before, or from what is corrected, by more than is usual.
fn jumps(request: &ControlRequest, control: &Jump, compared: &Compared<'_>, asked: bool) -> Vec<String> {
    let percent = control.jump_percent.0;
    let period = &request.run.period;
    let mut reasons = vec![];
    if let Some((before, previous)) = &compared.previous {
        let comparison = Comparison::of(&control.measure, previous, &compared.now);
        if let Some(jumps) = comparison.jumps(percent) {
            reasons.push(format!("{period} differs from {before} by more than {percent} %: {jumps}"));
        }
    }
    if let (Some(delivered), Some(correction)) = (&compared.corrected, &request.correction) {
        let comparison = Comparison::of(&control.measure, delivered, &compared.now);
        if asked || comparison.jumps(percent).is_some() || !reasons.is_empty() {
            let changes = comparison.changes().unwrap_or_else(|| "nothing of it changes".to_owned());
            reasons.push(format!(
                "it corrects what was delivered for {period} ({}): {changes}",
                correction.reason
            ));
        }
    }
    reasons
}

/// Every market by every channel, noted. What was planned before and is not now, is
/// dropped: channels are the customer's to change.
async fn plan(
    database: &mut impl Database,
    request: &ControlRequest,
    customer: &Customer,
) -> Result<Vec<Planned>, ControlError> {
    let mut deliveries = vec![];
    for MarketFigures { market, figures, .. } in &request.figures {
        for channel in &customer.delivery.channels {
            let parameters = [
                Cell::from(&*request.run.id),
                Cell::from(&**market),
                Cell::from(channel.name()),
                Cell::from(signed(figures.rows)),
                Cell::from(&*request.execution_arn),
                Cell::from(clock::now()),
            ];
            calc::plan(database, &parameters).await?;
            let replaces = match request.correction {
                Some(_) => calc::last_delivery(database, channel.name(), &request.run, market).await?,
                None => None,
            };
            deliveries.push(Planned {
                market: market.clone(),
                channel: channel.name().to_owned(),
                feed: figures.feed.clone(),
                period: figures.period.clone(),
                figures: figures.figures.clone(),
                key_columns: figures.key_columns.clone(),
                rows: figures.rows,
                totals: figures.totals.clone(),
                replaces,
            });
        }
    }
    let now = clock::now();
    for planned in calc::deliveries(database, &request.run.id).await? {
        let is_it = |it: &&Planned| it.market == planned.market && it.channel == planned.channel;
        if deliveries.iter().find(is_it).is_none() {
            calc::drop_planned(database, &request.run.id, &planned, &now).await?;
        }
    }
    Ok(deliveries)
}
