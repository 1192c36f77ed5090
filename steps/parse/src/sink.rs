//! Where rows end up: exactly one place each.
//!
//! A row is converted, its derived columns are calculated, and the triage
//! decides. Every row is counted once as incoming and once as what became of it.

use std::io::Write;

use feed::condition::Test;
use feed::expression::Formula;
use feed::rejects::{RAW_BYTES_MAX, Reject};
use feed::rows::{ACCEPTED_CODE, RowWriter, RowsHeader, RowsOutcome};
use feed::spec::{Origin, Outcome, RejectPolicy};
use feed::{FeedSpec, Layout, Parsed, Stats, Value};
use stepwright::objects::ObjectWriter;

use crate::cell::Cell;
use crate::convert::{Converter, arithmetic_code};
use crate::error::{ParseError, SourceFile};
use crate::warn::Warnings;

/// Where a row stands in its file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) line: u64,
    pub(crate) byte: Option<u64>,
}

/// A triage rule, compiled.
struct Rule {
    test: Test,
    outcome: Outcome,
    code: String,
    reason: String,
    /// Its place among the outcomes of the rows object.
    index: usize,
}

pub(crate) struct Sink<'s> {
    spec: &'s FeedSpec,
    converters: Vec<Converter<'s>>,
    formulas: Vec<Formula>,
    rules: Vec<Rule>,
    warnings: Warnings<'s>,
    /// The file whose rows come, and its sheet.
    file: String,
    sheet: String,
    rows: RowWriter<ObjectWriter>,
    rejects: ObjectWriter,
    stats: Stats,
    row: Vec<Value>,
    /// Rows by outcome index.
    counts: Vec<u64>,
    outcomes: Vec<RowsOutcome>,
}

impl<'s> Sink<'s> {
    pub(crate) fn new(
        spec: &'s FeedSpec,
        rows: ObjectWriter,
        rejects: ObjectWriter,
    ) -> Result<Self, ParseError> {
        let uncompiled = |detail: String| ParseError::Spec { detail };
        let layout = spec.layout().map_err(uncompiled)?;
        let mut before = Layout::default();
        for (name, kind) in layout.fields().iter().take(spec.columns.len()) {
            before.push(name, *kind);
        }
        let mut formulas = Vec::with_capacity(spec.derive.len());
        for derived in &spec.derive {
            let formula = derived.value.compile(&before).map_err(uncompiled)?;
            before.push(&derived.name, formula.kind());
            formulas.push(formula);
        }
        let mut outcomes = vec![RowsOutcome { code: ACCEPTED_CODE.to_owned(), outcome: Outcome::Accept }];
        let mut rules = Vec::with_capacity(spec.triage.len());
        for rule in &spec.triage {
            let index = outcomes.len();
            if rule.outcome != Outcome::Reject {
                outcomes.push(RowsOutcome { code: rule.code.clone(), outcome: rule.outcome });
            }
            rules.push(Rule {
                test: rule.when.compile(&layout).map_err(uncompiled)?,
                outcome: rule.outcome,
                code: rule.code.clone(),
                reason: rule.reason.clone().unwrap_or_else(|| "a triage rule of the spec applies".to_owned()),
                index,
            });
        }
        let converters: Result<Vec<_>, _> =
            spec.columns.iter().map(|column| Converter::new(column, spec)).collect();
        let warnings = Warnings::new(spec, &layout).map_err(uncompiled)?;
        let header = RowsHeader::new(&spec.feed, &layout, outcomes.clone());
        Ok(Self {
            spec,
            converters: converters.map_err(uncompiled)?,
            formulas,
            rules,
            warnings,
            file: String::new(),
            sheet: String::new(),
            rows: RowWriter::new(rows, &header).map_err(ParseError::write)?,
            rejects,
            stats: Stats::default(),
            row: Vec::with_capacity(layout.fields().len()),
            counts: vec![0; outcomes.len()],
            outcomes,
        })
    }

    /// Notes that another file's rows follow.
    pub(crate) fn begin_file(&mut self, source: &SourceFile) {
        self.stats.files += 1;
        source.name().clone_into(&mut self.file);
        source.sheet().clone_into(&mut self.sheet);
    }

    /// Takes a row; `cell` gives the cell of a column of the spec, counted from 0.
    pub(crate) fn row<'c>(
        &mut self,
        place: Place,
        cell: &dyn Fn(usize) -> Cell<'c>,
        raw: impl FnOnce() -> String,
    ) -> Result<(), ParseError> {
        self.row.clear();
        for index in 0..self.converters.len() {
            let Some(converter) = self.converters.get(index) else { break };
            let line;
            let cell = match converter.column().from {
                Some(Origin::File) => Cell::Text(&self.file),
                Some(Origin::Sheet) => Cell::Text(&self.sheet),
                Some(Origin::Line) => {
                    line = place.line.to_string();
                    Cell::Plain(&line)
                }
                Some(Origin::RowLabel | Origin::ColumnLabel | Origin::Cell) | None => cell(index),
            };
            match converter.convert(cell) {
                Ok(value) => self.row.push(value),
                Err(refusal) => {
                    let column = Some(converter.column().source_name().to_owned());
                    return self.reject(place, column, refusal.code.name(), refusal.reason, &raw());
                }
            }
        }
        for (formula, derived) in self.formulas.iter().zip(&self.spec.derive) {
            match formula.evaluate(&self.row) {
                Ok(value) => self.row.push(value),
                Err(error) => {
                    let reason = format!("`{}` cannot be calculated: {error}", derived.name);
                    let column = Some(derived.name.clone());
                    return self.reject(place, column, arithmetic_code(error).name(), reason, &raw());
                }
            }
        }
        let outcome = match self.rules.iter().find(|rule| rule.test.holds(&self.row)) {
            None => 0,
            Some(rule) if rule.outcome == Outcome::Reject => {
                let (code, reason) = (rule.code.clone(), rule.reason.clone());
                return self.reject(place, None, &code, reason, &raw());
            }
            Some(rule) => rule.index,
        };
        self.stats.rows_in += 1;
        if let Some(count) = self.counts.get_mut(outcome) {
            *count += 1;
        }
        self.warnings.row(&self.file, place, &self.row);
        self.rows.write(outcome, &self.row).map_err(ParseError::write)
    }

    /// Keeps a row aside.
    pub(crate) fn reject(
        &mut self,
        place: Place,
        column: Option<String>,
        code: &str,
        reason: String,
        raw: &str,
    ) -> Result<(), ParseError> {
        self.stats.rows_in += 1;
        self.stats.rejected += 1;
        *self.stats.rejected_by_code.entry(code.to_owned()).or_default() += 1;
        if self.spec.rejects.policy == RejectPolicy::FailFast {
            let shown: String = raw.chars().take(200).collect();
            return Err(ParseError::TooManyRejects {
                detail: format!(
                    "{}, line {}: {reason} ({code}). The row is {shown:?}. The spec's policy is `fail-fast`: correct the \
                     row, or choose another `rejects.policy`",
                    self.file, place.line
                ),
            });
        }
        let mut kept = raw.to_owned();
        let raw_cut = kept.len() > RAW_BYTES_MAX;
        if raw_cut {
            kept.truncate(kept.floor_char_boundary(RAW_BYTES_MAX));
        }
        let reject = Reject {
            file: self.file.clone(),
            line: place.line,
            byte: place.byte,
            column,
            code: code.to_owned(),
            reason,
            raw: kept,
            raw_cut,
        };
        reject.write(&mut self.rejects).map_err(ParseError::write)
    }

    /// Makes rows and rejects visible.
    pub(crate) fn finish(self) -> Result<Parsed, ParseError> {
        let mut stats = self.stats;
        for (outcome, count) in self.outcomes.into_iter().zip(self.counts).filter(|(_, count)| *count > 0) {
            let by_code = if outcome.outcome == Outcome::Cancel {
                stats.cancelled += count;
                &mut stats.cancelled_by_code
            } else {
                stats.accepted += count;
                &mut stats.accepted_by_code
            };
            *by_code.entry(outcome.code).or_default() += count;
        }
        let mut rejects = self.rejects;
        rejects.flush().map_err(ParseError::write)?;
        let rejects = rejects.finish(Some(stats.rejected)).map_err(ParseError::storage)?;
        let stored = stats.accepted + stats.cancelled;
        let rows = self.rows.into_inner().finish(Some(stored)).map_err(ParseError::storage)?;
        Ok(Parsed { feed: self.spec.feed.clone(), rows, rejects, stats, warnings: self.warnings.finish() })
    }
}
