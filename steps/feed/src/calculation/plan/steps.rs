//! One step compiled: what it needs is found among the columns so far, what it
//! adds comes after them.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::{
    Axis, Exchanging, Grouping, Join, Keys, LookingUp, Outlying, Plan, PlannedStep, Reversal, Sorting,
    Source, Unpivoting, Windowing, alike, numbers, position,
};
use crate::calculation::{
    AxisSpec, Clawback, Exchange, Group, JoinSpec, LookUp, Outliers, Step, Unpivot, Window, WindowOver,
};
use crate::expression::{Expression, Formula};
use crate::measure::Measures;
use crate::spec::check::measures::{Context, check};
use crate::spec::check::{Finding, rounding_places, well_formed};
use crate::spec::{OrderBy, Rounding, RowScope};
use crate::value::{Kind, Layout};

/// Compiles one step and keeps the columns up to date.
pub(super) struct Planner<'p> {
    pub(super) plan: &'p Plan,
    /// The step's field.
    pub(super) at: String,
    pub(super) layout: &'p mut Layout,
}

type Planned<T> = Result<T, Vec<Finding>>;

impl From<Finding> for Vec<Finding> {
    fn from(finding: Finding) -> Self {
        vec![finding]
    }
}

impl Planner<'_> {
    fn field(&self, field: &str) -> String {
        format!("{}.{field}", self.at)
    }

    fn wrong<T>(&self, field: &str, message: impl Into<String>) -> Planned<T> {
        Err(vec![Finding::new(self.field(field), message)])
    }

    /// Adds a column.
    fn add(&mut self, field: &str, name: &str, kind: Kind) -> Planned<()> {
        if let Some(finding) = well_formed(&self.field(field), name) {
            return Err(finding.into());
        }
        if self.layout.find(name).is_some() {
            return self.wrong(field, format!("there is already a column `{name}`"));
        }
        self.layout.push(name, kind);
        Ok(())
    }

    fn column(&self, field: &str, name: &str) -> Planned<(usize, Kind)> {
        Ok(position(self.layout, &self.field(field), name)?)
    }

    fn columns(&self, field: &str, names: &[String]) -> Planned<Vec<usize>> {
        let each = names.iter().enumerate();
        each.map(|(index, name)| Ok(self.column(&format!("{field}[{index}]"), name)?.0)).collect()
    }

    fn number(&self, field: &str, name: &str) -> Planned<usize> {
        Ok(numbers(self.layout, &self.field(field), name)?)
    }

    /// An expression of one of some kinds.
    fn formula(
        &self,
        field: &str,
        value: &Expression,
        fits: fn(Kind) -> bool,
        what: &str,
    ) -> Planned<Formula> {
        match value.compile(self.layout) {
            Ok(formula) if fits(formula.kind()) => Ok(formula),
            Ok(formula) => self.wrong(field, format!("{what} is needed, found {}", formula.kind())),
            Err(message) => self.wrong(field, message),
        }
    }

    /// Columns of another table that equal columns of this row.
    fn keys(&self, field: &str, on: &BTreeMap<String, String>, other: &Layout) -> Planned<Keys> {
        on.iter()
            .map(|(theirs, ours)| {
                let at = format!("{field}.{theirs}");
                let (their_index, their_kind) = position(other, &self.field(&at), theirs)?;
                let (our_index, our_kind) = self.column(&at, ours)?;
                if !alike(their_kind, our_kind) {
                    let message = format!("`{theirs}` is {their_kind}, `{ours}` is {our_kind}: never equal");
                    return self.wrong(&at, message);
                }
                Ok((their_index, our_index))
            })
            .collect()
    }

    pub(super) fn step(&mut self, step: &Step) -> Planned<PlannedStep> {
        self.one_of(step)?;
        if let Some(condition) = &step.r#where {
            return match condition.compile(self.layout) {
                Ok(test) => Ok(PlannedStep::Where(test)),
                Err(message) => self.wrong("where", message),
            };
        }
        if let Some(derived) = &step.derive {
            return self.derive(&derived.name, &derived.value);
        }
        if let Some(names) = &step.select {
            return self.select(names);
        }
        if let Some(unpivot) = &step.unpivot {
            return self.unpivot(unpivot);
        }
        if let Some(group) = &step.group {
            return self.group(group);
        }
        if let Some(order) = &step.sort {
            return self.sort(order);
        }
        if let Some(window) = &step.window {
            return self.window(window);
        }
        self.other_step(step)
    }

    /// The steps that look at other tables or at many rows.
    fn other_step(&mut self, step: &Step) -> Planned<PlannedStep> {
        if let Some(join) = &step.join {
            return self.join(join);
        }
        if let Some(exchange) = &step.exchange {
            return self.exchange(exchange);
        }
        if let Some(look_up) = &step.look_up {
            return self.look_up(look_up);
        }
        if let Some(outliers) = &step.outliers {
            return self.outliers(outliers);
        }
        if let Some(clawback) = &step.clawback {
            return self.clawback(clawback);
        }
        if let Some(name) = &step.period {
            self.add("period", name, Kind::Text)?;
            return Ok(PlannedStep::Period);
        }
        self.append(step.append.as_deref().unwrap_or_default())
    }

    fn one_of(&self, step: &Step) -> Planned<()> {
        let steps = [
            ("where", step.r#where.is_some()),
            ("derive", step.derive.is_some()),
            ("select", step.select.is_some()),
            ("unpivot", step.unpivot.is_some()),
            ("group", step.group.is_some()),
            ("sort", step.sort.is_some()),
            ("window", step.window.is_some()),
            ("join", step.join.is_some()),
            ("exchange", step.exchange.is_some()),
            ("look_up", step.look_up.is_some()),
            ("outliers", step.outliers.is_some()),
            ("clawback", step.clawback.is_some()),
            ("append", step.append.is_some()),
            ("period", step.period.is_some()),
        ];
        if steps.iter().filter(|(_, given)| *given).count() == 1 {
            return Ok(());
        }
        let names: Vec<&str> = steps.iter().map(|(name, _)| *name).collect();
        let message = format!("a step is exactly one of: {}", names.join(", "));
        Err(vec![Finding::new(&self.at, message)])
    }

    fn derive(&mut self, name: &str, value: &Expression) -> Planned<PlannedStep> {
        let formula = self.formula("derive.value", value, |_| true, "")?;
        let Some((index, _)) = self.layout.find(name) else {
            let index = self.layout.fields().len();
            self.add("derive.name", name, formula.kind())?;
            return Ok(PlannedStep::Derive(formula, index));
        };
        let mut layout = Layout::default();
        for (at, (field, kind)) in self.layout.fields().iter().enumerate() {
            layout.push(field, if at == index { formula.kind() } else { *kind });
        }
        *self.layout = layout;
        Ok(PlannedStep::Derive(formula, index))
    }

    /// Makes a layout of these columns, each once.
    fn narrowed(&self, field: &str, names: &[String]) -> Planned<Layout> {
        let mut layout = Layout::default();
        for (index, name) in names.iter().enumerate() {
            let at = format!("{field}[{index}]");
            let (_, kind) = self.column(&at, name)?;
            if layout.find(name).is_some() {
                return self.wrong(&at, format!("`{name}` is there twice"));
            }
            layout.push(name, kind);
        }
        Ok(layout)
    }

    fn select(&mut self, names: &[String]) -> Planned<PlannedStep> {
        let places = self.columns("select", names)?;
        *self.layout = self.narrowed("select", names)?;
        Ok(PlannedStep::Select(places))
    }

    fn unpivot(&mut self, unpivot: &Unpivot) -> Planned<PlannedStep> {
        let from = self.narrowed("unpivot.columns", &unpivot.columns)?;
        let Some((_, kind)) = from.fields().first().cloned() else {
            return self.wrong("unpivot.columns", "at least one column is needed");
        };
        if let Some((name, other)) = from.fields().iter().find(|(_, other)| *other != kind) {
            return self.wrong("unpivot.columns", format!("`{name}` is {other}, the first column is {kind}"));
        }
        let mut columns = vec![];
        let mut keep = vec![];
        let mut layout = Layout::default();
        for (index, (name, kind)) in self.layout.fields().iter().enumerate() {
            if from.find(name).is_some() {
                columns.push((name.clone(), index));
            } else {
                keep.push(index);
                layout.push(name, *kind);
            }
        }
        *self.layout = layout;
        self.add("unpivot.name", &unpivot.name, Kind::Text)?;
        self.add("unpivot.value", &unpivot.value, kind)?;
        Ok(PlannedStep::Unpivot(Unpivoting { columns, keep }))
    }

    /// Checks and compiles the measures of a step.
    fn measures(
        &self,
        field: &str,
        measures: &[crate::spec::Measure],
        beside: &[String],
        rounding: Option<Rounding>,
    ) -> Planned<Measures> {
        if let Some(rounding) = rounding
            && let Some(finding) = rounding_places(&self.field("group.rounding"), rounding)
        {
            return Err(finding.into());
        }
        let at = self.field(field);
        let layout = &*self.layout;
        let findings =
            check(&Context { at: &at, measures, group_by: beside, rounding, layout, of_rows: false });
        if !findings.is_empty() {
            return Err(findings);
        }
        Measures::of(measures, None, rounding, layout).or_else(|message| self.wrong(field, message))
    }

    fn group(&mut self, group: &Group) -> Planned<PlannedStep> {
        let by = self.columns("group.by", &group.by)?;
        let mut layout = self.narrowed("group.by", &group.by)?;
        let measures = self.measures("group.measures", &group.measures, &group.by, group.rounding)?;
        for (name, kind) in measures.fields() {
            layout.push(name, kind);
        }
        *self.layout = layout;
        Ok(PlannedStep::Group(Grouping { by, measures }))
    }

    fn sort(&mut self, order: &[OrderBy]) -> Planned<PlannedStep> {
        let each = order.iter().enumerate();
        let keys: Planned<Vec<_>> = each
            .map(|(index, order)| {
                Ok((self.column(&format!("sort[{index}].by"), &order.by)?.0, order.descending))
            })
            .collect();
        Ok(PlannedStep::Sort(Sorting(keys?)))
    }

    fn window(&mut self, window: &Window) -> Planned<PlannedStep> {
        let by = self.columns("window.by", &window.by)?;
        let (period, kind) = self.column("window.period", &window.period)?;
        match (kind, window.unit) {
            (Kind::Integer, None) if window.over == WindowOver::YearToDate => {
                return self.wrong("window.over", "`year-to-date` needs a date, or text with a `unit`");
            }
            (Kind::Integer, None) | (Kind::Text | Kind::Date | Kind::Timestamp, Some(_)) => {}
            (Kind::Integer, Some(_)) => {
                return self.wrong("window.unit", "an integer's period is the number itself");
            }
            (Kind::Text | Kind::Date | Kind::Timestamp, None) => {
                return self.wrong("window", "`unit` is needed: year, month or day");
            }
            (Kind::Decimal | Kind::Boolean, _) => {
                return self.wrong("window.period", format!("`{}` is {kind}: not a period", window.period));
            }
        }
        match (window.over, window.periods) {
            (WindowOver::Last, None | Some(0)) => {
                return self.wrong("window", "`last` needs `periods`, at least 1");
            }
            (WindowOver::Last, Some(_)) | (_, None) => {}
            (_, Some(_)) => return self.wrong("window.periods", "`periods` belongs to `over = \"last\"`"),
        }
        if window.over == WindowOver::Previous && window.current {
            return self.wrong("window.current", "the previous period is not the current one");
        }
        let beside: Vec<String> = self.layout.names().map(str::to_owned).collect();
        let measures = self.measures("window.measures", &window.measures, &beside, None)?;
        for (name, kind) in measures.fields() {
            self.layout.push(name, kind);
        }
        Ok(PlannedStep::Window(Box::new(Windowing {
            by,
            period,
            unit: window.unit,
            over: window.over,
            periods: window.periods.unwrap_or(1),
            gaps: window.gaps,
            current: window.current,
            measures,
        })))
    }

    /// Another table, by the field that names it.
    fn other(&self, field: &str, name: &str) -> Planned<(Source, Layout)> {
        let (source, layout) = self.plan.known(&self.field(field), name, RowScope::Accepted)?;
        Ok((source, layout.clone()))
    }

    fn join(&mut self, join: &JoinSpec) -> Planned<PlannedStep> {
        let (source, other) = self.other("join.table", &join.table)?;
        let on = self.keys("join.on", &join.on, &other)?;
        let latest = match &join.latest {
            None => None,
            Some(latest) => {
                let (index, kind) = position(&other, &self.field("join.latest.column"), &latest.column)?;
                let bound = match (&latest.before, &latest.until) {
                    (Some(_), Some(_)) => return self.wrong("join.latest", "either `before` or `until`"),
                    (Some(before), None) => Some((self.column("join.latest.before", before)?, false)),
                    (None, Some(until)) => Some((self.column("join.latest.until", until)?, true)),
                    (None, None) => None,
                };
                if let Some(((_, ours), _)) = bound
                    && !alike(kind, ours)
                {
                    return self
                        .wrong("join.latest", format!("`{}` is {kind}, the bound {ours}", latest.column));
                }
                Some((index, bound.map(|((index, _), included)| (index, included))))
            }
        };
        let at_least = match &join.at_least {
            None => None,
            Some(least) => {
                let column = numbers(&other, &self.field("join.at_least.column"), &least.column)?;
                let value = self.formula("join.at_least.value", &least.value, Kind::is_number, "a number")?;
                Some((column, value))
            }
        };
        let mut take = vec![];
        for (name, theirs) in &join.take {
            let at = format!("join.take.{name}");
            let (index, kind) = position(&other, &self.field(&at), theirs)?;
            self.add(&at, name, kind)?;
            take.push(index);
        }
        let table = join.table.clone();
        let (missing, uses) = (join.missing, join.uses);
        Ok(PlannedStep::Join(Box::new(Join { source, table, on, latest, at_least, take, missing, uses })))
    }

    fn exchange(&mut self, exchange: &Exchange) -> Planned<PlannedStep> {
        let (rates, layout) = self.other("exchange.rates.table", &exchange.rates.table)?;
        let of_kind = |field: &str, name: &str, fits: fn(Kind) -> bool, what: &str| {
            let at = self.field(field);
            match position(&layout, &at, name)? {
                (index, kind) if fits(kind) => Ok(index),
                (_, kind) => Err(Finding::new(at, format!("column `{name}` is {kind}, {what} is needed"))),
            }
        };
        let text: fn(Kind) -> bool = |kind| kind == Kind::Text;
        let columns = [
            of_kind("exchange.rates.day", &exchange.rates.day, |kind| kind == Kind::Date, "a date")?,
            of_kind("exchange.rates.currency", &exchange.rates.currency, text, "text")?,
            of_kind("exchange.rates.rate", &exchange.rates.rate, Kind::is_number, "a number")?,
        ];
        if let Some(finding) = rounding_places(&self.field("exchange.round"), exchange.round) {
            return Err(finding.into());
        }
        let planned = Exchanging {
            name: exchange.name.clone(),
            amount: self.formula("exchange.amount", &exchange.amount, Kind::is_number, "a number")?,
            from: self.formula("exchange.from", &exchange.from, text, "text")?,
            to: self.formula("exchange.to", &exchange.to, text, "text")?,
            on: self.formula("exchange.on", &exchange.on, Kind::is_time, "a date or timestamp")?,
            rates,
            columns,
            base: exchange.rates.base.clone(),
            stale_after_days: exchange.stale_after_days,
            missing: exchange.missing,
            round: exchange.round,
        };
        self.add("exchange.name", &exchange.name, Kind::Decimal)?;
        Ok(PlannedStep::Exchange(Box::new(planned)))
    }

    fn axis(&self, field: &str, axis: &AxisSpec, cells: &Layout) -> Planned<Axis> {
        let by = axis.by.as_ref();
        Ok(Axis {
            from: numbers(cells, &self.field(&format!("{field}.from")), &axis.from)?,
            value: self.formula(&format!("{field}.value"), &axis.value, Kind::is_number, "a number")?,
            by: by
                .map(|by| self.formula(&format!("{field}.by"), by, Kind::is_number, "a number"))
                .transpose()?,
            below: axis.below.clone(),
            missing: axis.missing.clone(),
            zero: axis.zero.clone().unwrap_or_else(|| axis.missing.clone()),
        })
    }

    fn look_up(&mut self, look_up: &LookUp) -> Planned<PlannedStep> {
        let (source, cells) = self.other("look_up.table", &look_up.table)?;
        let planned = LookingUp {
            source,
            table: look_up.table.clone(),
            on: self.keys("look_up.on", &look_up.on, &cells)?,
            value: numbers(&cells, &self.field("look_up.value"), &look_up.value)?,
            method: look_up.method,
            y: self.axis("look_up.y", &look_up.y, &cells)?,
            x: self.axis("look_up.x", &look_up.x, &cells)?,
            otherwise: look_up.otherwise.map_or(Decimal::ZERO, |number| number.0),
            status: look_up.status.is_some(),
        };
        self.add("look_up.name", &look_up.name, Kind::Decimal)?;
        if let Some(status) = &look_up.status {
            self.add("look_up.status", status, Kind::Text)?;
        }
        Ok(PlannedStep::LookUp(Box::new(planned)))
    }

    fn outliers(&mut self, outliers: &Outliers) -> Planned<PlannedStep> {
        let column = self.number("outliers.column", &outliers.column)?;
        let by = self.columns("outliers.by", &outliers.by)?;
        if outliers.iqr.is_none() && outliers.lower.is_none() && outliers.upper.is_none() {
            return self.wrong("outliers", "at least one of `iqr`, `lower` and `upper` is needed");
        }
        self.add("outliers.name", &outliers.name, Kind::Boolean)?;
        if let Some(name) = &outliers.lower_name {
            self.add("outliers.lower_name", name, Kind::Decimal)?;
        }
        if let Some(name) = &outliers.upper_name {
            self.add("outliers.upper_name", name, Kind::Decimal)?;
        }
        Ok(PlannedStep::Outliers(Box::new(Outlying {
            column,
            by,
            iqr: outliers.iqr.map(|number| number.0),
            side: outliers.side,
            lower: outliers.lower.map(|number| number.0),
            upper: outliers.upper.map(|number| number.0),
            named: (outliers.lower_name.is_some(), outliers.upper_name.is_some()),
        })))
    }

    fn clawback(&mut self, clawback: &Clawback) -> Planned<PlannedStep> {
        let id = self.columns("clawback.id", &clawback.id)?;
        if id.is_empty() {
            return self.wrong("clawback.id", "at least one column is needed");
        }
        let day = |field: &str, name: &str| match self.column(field, name)? {
            (index, Kind::Date) => Ok(index),
            (_, kind) => self.wrong(field, format!("column `{name}` is {kind}, a date is needed")),
        };
        let (own, cancelled) =
            (day("clawback.day", &clawback.day)?, day("clawback.cancelled", &clawback.cancelled)?);
        let each = clawback.amounts.iter().enumerate();
        let amounts: Planned<Vec<usize>> =
            each.map(|(index, name)| self.number(&format!("clawback.amounts[{index}]"), name)).collect();
        let amounts = amounts?;
        if i32::try_from(clawback.within_months).is_err() {
            return self.wrong("clawback.within_months", "so many months there are not");
        }
        self.add("clawback.name", &clawback.name, Kind::Boolean)?;
        let within_months = clawback.within_months;
        Ok(PlannedStep::Clawback(Reversal { id, day: own, cancelled, within_months, amounts }))
    }

    fn append(&mut self, name: &str) -> Planned<PlannedStep> {
        let (source, other) = self.other("append", name)?;
        let places: Planned<Vec<Option<usize>>> = self
            .layout
            .fields()
            .iter()
            .map(|(column, kind)| match other.find(column) {
                Some((_, theirs)) if theirs != *kind => {
                    self.wrong("append", format!("column `{column}` is {kind} here and {theirs} in `{name}`"))
                }
                found => Ok(found.map(|(index, _)| index)),
            })
            .collect();
        Ok(PlannedStep::Append(source, places?))
    }
}
