//! The step `reconcile`: checks that nothing got lost between file and rows.
//!
//! Believes no numbers: it reads the stored rows and rejects again (their hashes
//! are checked on the way), counts them, and compares with what the parser said.
//! in = accepted + cancelled + rejected, or nothing goes on. Then the feed's
//! reject policy decides, and the control measures are taken over all rows at
//! once, for `calculate` to compare its groups with.
//!
//! Writes nothing.
#![warn(missing_docs)]

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::BufReader;

use feed::calculation::ROWS;
use feed::measure::{Budget, MeasureError, Measures, Tally};
use feed::number::{ArithmeticError, Sum};
use feed::rejects::RejectReader;
use feed::rows::{RowReader, RowsError};
use feed::spec::{Measure, Outcome, RejectPolicy};
use feed::{Drops, FeedSpec, Layout, Parsed, Reconciled, Staging, Stats, Value};
use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stepwright::objects::{ObjectError, ObjectRef};
use stepwright::{Read, Shape, StepError, step};

#[cfg(test)]
mod tests;

/// Rejected rows that an error message shows.
const SHOWN_MAX: usize = 3;

/// Size of the window in which objects are read.
const BUFFER_BYTES: usize = 128 * 1024;

/// What is to be checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Shape)]
pub struct ReconcileRequest {
    /// The feed's spec: TOML or JSON.
    pub spec: ObjectRef,
    /// What the parser left behind.
    pub parsed: Parsed,
}

/// Why the rows must not be used. None of these goes away by trying again.
#[derive(Debug, Clone, PartialEq, Eq, StepError)]
#[error_name = "Reconcile"]
pub enum ReconcileError {
    /// The feed's spec has mistakes, or is not the one the rows were parsed with.
    #[message("{detail}")]
    Spec {
        /// Each mistake with file, line and column.
        detail: String,
    },
    /// Rows are missing, or there are too many.
    #[message("{detail}")]
    Mismatch {
        /// Both numbers, and what to do.
        detail: String,
    },
    /// More rows were rejected than the feed's policy allows.
    #[message("{detail}")]
    TooManyRejects {
        /// How many, why, where the first ones are, and what to do.
        detail: String,
    },
    /// A control sum needs more digits than can be kept exactly.
    #[message("{detail}")]
    Overflow {
        /// Which measure.
        detail: String,
    },
    /// The stored rows or rejects cannot be read.
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
}

/// Checks that incoming rows = accepted + cancelled + rejected, by counting what is stored.
#[step(memory = 512, timeout = 900)]
pub async fn reconcile(
    request: ReconcileRequest,
    drops: Read<Drops>,
    staging: Read<Staging>,
) -> Result<Reconciled, ReconcileError> {
    run(&request, &drops, |object| staging.get(object))
}

/// The step without its wrapper; `get` opens an object of the staging bucket.
///
/// # Errors
/// See [`ReconcileError`].
pub fn run(
    request: &ReconcileRequest,
    drops: &Read<Drops>,
    get: impl Fn(&ObjectRef) -> Result<std::fs::File, ObjectError>,
) -> Result<Reconciled, ReconcileError> {
    let spec_file = drops.get(&request.spec).map_err(storage)?;
    let name = request.spec.key.rsplit('/').next().unwrap_or(&request.spec.key);
    let spec = FeedSpec::read(name, spec_file)
        .map_err(|error| ReconcileError::Spec { detail: error.to_string() })?;
    let parsed = &request.parsed;
    let mut counted = Stats { files: parsed.stats.files, ..Stats::default() };
    let rows = BufReader::with_capacity(BUFFER_BYTES, get(&parsed.rows).map_err(storage)?);
    let control = count_rows(&spec, rows, &mut counted)?;
    let rejects = BufReader::with_capacity(BUFFER_BYTES, get(&parsed.rejects).map_err(storage)?);
    let first_rejects = count_rejects(rejects, &mut counted)?;
    counted.rows_in = counted.accepted + counted.cancelled + counted.rejected;
    compare(parsed, &counted)?;
    apply_policy(&spec, parsed, &counted, &first_rejects)?;
    Ok(Reconciled { feed: spec.feed.clone(), rows: parsed.rows.clone(), stats: counted, control })
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn storage(error: ObjectError) -> ReconcileError {
    ReconcileError::StorageFailed { detail: error.to_string() }
}

fn damaged(error: RowsError) -> ReconcileError {
    match error {
        RowsError::Io(error) => {
            ReconcileError::StorageFailed { detail: format!("the stored rows cannot be read: {error}") }
        }
        other => ReconcileError::Damaged { detail: other.to_string() },
    }
}

/// Counts the rows and takes the control measures over all of them.
fn count_rows(
    spec: &FeedSpec,
    rows: impl std::io::BufRead,
    counted: &mut Stats,
) -> Result<BTreeMap<String, String>, ReconcileError> {
    let unfit = |detail: String| ReconcileError::Spec { detail };
    let mut reader = RowReader::new(rows).map_err(damaged)?;
    let layout = spec.layout().map_err(unfit)?;
    if reader.header().feed != spec.feed || reader.header().layout() != layout {
        return Err(unfit(format!(
            "the stored rows are of feed `{}` with other columns than the spec of `{}` has; run the parse step with this spec",
            reader.header().feed,
            spec.feed
        )));
    }
    let Controlled { names, measures, scope } = Controlled::of(spec, &layout)?;
    let overflow = |error: &MeasureError| ReconcileError::Overflow { detail: error.to_string() };
    let mut budget = Budget::default();
    // Without control measures of the rows there is nothing to keep apart.
    let by = spec.figures.control_by.as_ref().filter(|_| !names.is_empty());
    let by = by.and_then(|by| layout.find(by)).map(|(index, _)| index);
    // What totals are kept apart by, each with the tallies of its rows.
    let mut parts: BTreeMap<Option<Value>, Vec<Tally>> = BTreeMap::new();
    if by.is_none() {
        parts.insert(None, measures.tallies(&mut budget).map_err(|error| overflow(&error))?);
    }
    let mut row = Vec::new();
    while let Some(index) = reader.read(&mut row).map_err(damaged)? {
        let Some(decided) = reader.outcome(index) else { continue };
        let by_code = match decided.outcome {
            Outcome::Accept => {
                counted.accepted += 1;
                &mut counted.accepted_by_code
            }
            Outcome::Cancel => {
                counted.cancelled += 1;
                &mut counted.cancelled_by_code
            }
            Outcome::Reject => {
                return Err(ReconcileError::Damaged {
                    detail: format!("a row with the reject code `{}` is stored among the rows", decided.code),
                });
            }
        };
        match by_code.get_mut(&decided.code) {
            Some(count) => *count += 1,
            None => drop(by_code.insert(decided.code.clone(), 1)),
        }
        let outcome = decided.outcome;
        if scope.includes(outcome, &row) {
            let part = by.and_then(|by| row.get(by)).cloned();
            let tallies = match parts.entry(part) {
                Entry::Occupied(tallies) => tallies.into_mut(),
                Entry::Vacant(none) => {
                    none.insert(measures.tallies(&mut budget).map_err(|error| overflow(&error))?)
                }
            };
            measures.add(tallies, outcome, &row, &mut budget).map_err(|error| overflow(&error))?;
        }
    }
    totals(spec, names, &measures, &parts)
}

/// What is added up beside the counting.
struct Controlled<'s> {
    names: &'s [String],
    measures: Measures,
    /// Says which rows make part of the figures.
    scope: Measures,
}

impl<'s> Controlled<'s> {
    fn of(spec: &'s FeedSpec, layout: &Layout) -> Result<Self, ReconcileError> {
        let unfit = |detail: String| ReconcileError::Spec { detail };
        // The control measures of a calculated table are taken where it is calculated.
        let of_rows = spec.figures.source() == ROWS;
        let names: &[String] = if of_rows { &spec.figures.control } else { &[] };
        let is_control = |measure: &&Measure| names.contains(&measure.name);
        let control: Vec<Measure> = spec.measures.iter().filter(is_control).cloned().collect();
        let condition = spec.figures.r#where.as_ref().filter(|_| of_rows);
        let seen: &[Measure] = if of_rows { &spec.measures } else { &[] };
        let compile = |measures| Measures::of(measures, condition, spec.figures.rounding, layout);
        Ok(Self { names, measures: compile(&control).map_err(unfit)?, scope: compile(seen).map_err(unfit)? })
    }
}

/// The totals of the control measures, by their names.
fn totals(
    spec: &FeedSpec,
    control_names: &[String],
    measures: &Measures,
    parts: &BTreeMap<Option<Value>, Vec<Tally>>,
) -> Result<BTreeMap<String, String>, ReconcileError> {
    // Two parts can have one name: a text that is also what stands for none.
    let mut sums: BTreeMap<String, Sum> = BTreeMap::new();
    let overflow = |name: &str, error: ArithmeticError| ReconcileError::Overflow {
        detail: format!("control measure `{name}`: {error}"),
    };
    for (part, tallies) in parts {
        for name in control_names {
            let sum = measures.exact(name, tallies).unwrap_or_default();
            let total = sums.entry(spec.figures.total_name(name, part.as_ref())).or_default();
            total.merge(sum).map_err(|error| overflow(name, error))?;
        }
    }
    let text = |(name, sum): (String, Sum)| match sum.value() {
        Ok(value) => Ok((name, value.to_string())),
        Err(error) => Err(overflow(&name, error)),
    };
    sums.into_iter().map(text).collect()
}

/// Counts the rejects; returns the first few in words.
fn count_rejects(rejects: impl std::io::BufRead, counted: &mut Stats) -> Result<Vec<String>, ReconcileError> {
    let mut shown = Vec::new();
    for (index, reject) in RejectReader::new(rejects).enumerate() {
        let reject = reject.map_err(|error| ReconcileError::Damaged {
            detail: format!("stored reject {} cannot be read: {error}; run the parse step again", index + 1),
        })?;
        if shown.len() < SHOWN_MAX {
            let raw: String = reject.raw.chars().take(120).collect();
            shown.push(format!(
                "{}, line {}: {} ({}): {raw:?}",
                reject.file, reject.line, reject.reason, reject.code
            ));
        }
        counted.rejected += 1;
        *counted.rejected_by_code.entry(reject.code).or_default() += 1;
    }
    Ok(shown)
}

/// The parser's numbers against what is stored.
fn compare(parsed: &Parsed, counted: &Stats) -> Result<(), ReconcileError> {
    let stats = &parsed.stats;
    let pairs = [
        ("rows came in", stats.rows_in, counted.rows_in),
        ("rows were accepted", stats.accepted, counted.accepted),
        ("rows were cancelled", stats.cancelled, counted.cancelled),
        ("rows were rejected", stats.rejected, counted.rejected),
        (
            "rows are in the rows object",
            parsed.rows.rows.unwrap_or_default(),
            counted.accepted + counted.cancelled,
        ),
        ("rows are in the rejects object", parsed.rejects.rows.unwrap_or_default(), counted.rejected),
    ];
    let wrong = pairs.iter().find(|(_, said, found)| said != found);
    let problem = match wrong {
        Some((what, said, found)) => format!("the parser said {said} {what}, but {found} are stored"),
        None if stats != counted => "the parser's counts by code are not those of the stored rows".to_owned(),
        None => return Ok(()),
    };
    Err(ReconcileError::Mismatch {
        detail: format!("{problem} (rows in {}); run the parse step again", parsed.rows.key),
    })
}

fn apply_policy(
    spec: &FeedSpec,
    parsed: &Parsed,
    counted: &Stats,
    first: &[String],
) -> Result<(), ReconcileError> {
    let allowed = match (spec.rejects.policy, spec.rejects.percent) {
        (RejectPolicy::KeepGoing, _) => return Ok(()),
        (RejectPolicy::FailFast, _) => Decimal::ZERO,
        (RejectPolicy::Threshold, percent) => percent.map_or(Decimal::ZERO, |percent| percent.0),
    };
    // rejected / in > allowed / 100, without dividing.
    if Decimal::from(counted.rejected) * Decimal::ONE_HUNDRED <= allowed * Decimal::from(counted.rows_in) {
        return Ok(());
    }
    let codes: Vec<String> =
        counted.rejected_by_code.iter().map(|(code, count)| format!("{count} × {code}")).collect();
    Err(ReconcileError::TooManyRejects {
        detail: format!(
            "{} of {} rows were rejected, the spec allows {allowed} %: {}. The first: {}. All of them with their raw \
             text are in {} (bucket {}); correct the source, or `rejects` in the spec",
            counted.rejected,
            counted.rows_in,
            codes.join(", "),
            first.join(" | "),
            parsed.rejects.key,
            parsed.rejects.bucket,
        ),
    })
}
