//! A spec's tables compiled: every name found, every kind known, nothing left
//! that could go wrong but numbers and missing data.

use rust_decimal::Decimal;

use super::{Gaps, LookUpMethod, Missing, ROWS, Side, Table, Total, Uses, WindowOver};
use crate::condition::Test;
use crate::expression::Formula;
use crate::measure::Measures;
use crate::spec::check::{Finding, ITEMS_MAX, well_formed};
use crate::spec::{FeedSpec, PeriodUnit, Rounding, RowScope};
use crate::value::{Kind, Layout};

mod steps;

use steps::Planner;

/// What is to be done, in order.
#[derive(Debug)]
pub struct Plan {
    rows: Layout,
    /// Reference data with the columns that are used.
    pub references: Vec<(String, Layout)>,
    /// The tables.
    pub tables: Vec<PlannedTable>,
    /// Totals that must agree: the whole and its parts, by the reconciliation's name.
    pub reconciliations: Vec<Balance>,
    /// Warnings about rows of tables.
    pub warnings: Vec<Warning>,
}

/// A compiled warning about rows of a table.
#[derive(Debug)]
pub struct Warning {
    /// Its code.
    pub code: String,
    /// Why, for people.
    pub reason: String,
    /// The rows it looks at.
    pub source: Source,
    /// Which of them; all without a condition.
    pub test: Option<Test>,
}

/// A compiled reconciliation.
#[derive(Debug)]
pub struct Balance {
    /// Its name.
    pub name: String,
    /// The whole.
    pub total: Totalling,
    /// Its parts.
    pub parts: Vec<Totalling>,
    /// The largest difference that is tolerated.
    pub tolerance: Decimal,
}

/// A compiled total.
#[derive(Debug)]
pub struct Totalling {
    /// What is added up.
    pub source: Source,
    /// The column; rows are counted without one.
    pub column: Option<usize>,
    /// Which rows.
    pub test: Option<Test>,
}

/// Where rows come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The feed's rows of this scope.
    Rows(RowScope),
    /// Reference data, by position.
    Reference(usize),
    /// An earlier table, by position.
    Table(usize),
}

/// A compiled table.
#[derive(Debug)]
pub struct PlannedTable {
    /// Its name.
    pub name: String,
    /// What it starts as.
    pub source: Source,
    /// Its steps.
    pub steps: Vec<PlannedStep>,
    /// Its columns after all steps.
    pub layout: Layout,
}

/// A compiled step. Numbers are positions in the row before the step; new
/// columns come last unless something else is said.
#[derive(Debug)]
pub enum PlannedStep {
    /// Only rows that pass.
    Where(Test),
    /// A value for an existing position, or for a new one at the end.
    Derive(Formula, usize),
    /// These values, in this order.
    Select(Vec<usize>),
    /// Columns to rows.
    Unpivot(Unpivoting),
    /// Groups.
    Group(Grouping),
    /// An order.
    Sort(Sorting),
    /// Measures over periods.
    Window(Box<Windowing>),
    /// Columns of another table.
    Join(Box<Join>),
    /// Another currency.
    Exchange(Box<Exchanging>),
    /// A matrix.
    LookUp(Box<LookingUp>),
    /// Outliers.
    Outliers(Box<Outlying>),
    /// Entries taken back.
    Clawback(Reversal),
    /// Rows of another source, with the position of each column in it.
    Append(Source, Vec<Option<usize>>),
    /// The period that is asked for, at the end.
    Period,
}

/// Columns to rows.
#[derive(Debug)]
pub struct Unpivoting {
    /// Each column's name and position.
    pub columns: Vec<(String, usize)>,
    /// The positions that stay, before name and value.
    pub keep: Vec<usize>,
}

/// Groups.
#[derive(Debug)]
pub struct Grouping {
    /// Positions of the group columns.
    pub by: Vec<usize>,
    /// What is measured.
    pub measures: Measures,
}

/// An order: positions, and whether the largest come first.
#[derive(Debug)]
pub struct Sorting(pub Vec<(usize, bool)>);

/// Measures over periods.
#[derive(Debug)]
pub struct Windowing {
    /// Positions of the partition's columns.
    pub by: Vec<usize>,
    /// Position of the period.
    pub period: usize,
    /// Its unit; none for integers.
    pub unit: Option<PeriodUnit>,
    /// Which periods.
    pub over: WindowOver,
    /// How many.
    pub periods: u32,
    /// Whether empty periods count.
    pub gaps: Gaps,
    /// Whether the row's own period is one of them.
    pub current: bool,
    /// What is measured.
    pub measures: Measures,
}

/// Keys that must be equal: position in the other table, position in this row.
pub type Keys = Vec<(usize, usize)>;

/// Columns of another table.
#[derive(Debug)]
pub struct Join {
    /// The other table.
    pub source: Source,
    /// Its name, for messages.
    pub table: String,
    /// Equal columns.
    pub on: Keys,
    /// The other table's column of which the largest wins; the bound in this row,
    /// and whether the bound itself is in.
    pub latest: Option<(usize, Option<(usize, bool)>)>,
    /// The other table's column that is at least this.
    pub at_least: Option<(usize, Formula)>,
    /// Positions in the other table of what is taken.
    pub take: Vec<usize>,
    /// Without a match.
    pub missing: Missing,
    /// How often a row may match.
    pub uses: Uses,
}

/// Another currency.
#[derive(Debug)]
pub struct Exchanging {
    /// The new column, for messages.
    pub name: String,
    /// The amount.
    pub amount: Formula,
    /// Its currency.
    pub from: Formula,
    /// The currency that is wanted.
    pub to: Formula,
    /// The day.
    pub on: Formula,
    /// The table of rates.
    pub rates: Source,
    /// Positions of day, currency and rate in it.
    pub columns: [usize; 3],
    /// The base currency.
    pub base: String,
    /// Days after which a rate is stale.
    pub stale_after_days: Option<u32>,
    /// Without a rate.
    pub missing: Missing,
    /// Rounding of the result.
    pub round: Rounding,
}

/// A matrix.
#[derive(Debug)]
pub struct LookingUp {
    /// The table with the cells.
    pub source: Source,
    /// Its name, for messages.
    pub table: String,
    /// What chooses the matrix.
    pub on: Keys,
    /// Position of the cell's value.
    pub value: usize,
    /// How cells are found.
    pub method: LookUpMethod,
    /// First axis.
    pub y: Axis,
    /// Second axis.
    pub x: Axis,
    /// The value without a cell.
    pub otherwise: Decimal,
    /// Whether a status column is added.
    pub status: bool,
}

/// One axis.
#[derive(Debug)]
pub struct Axis {
    /// Position of its values in the table of cells.
    pub from: usize,
    /// The argument.
    pub value: Formula,
    /// What it is divided by.
    pub by: Option<Formula>,
    /// Status below the first value.
    pub below: String,
    /// Status without an argument.
    pub missing: String,
    /// Status of a division by zero.
    pub zero: String,
}

/// Outliers.
#[derive(Debug)]
pub struct Outlying {
    /// Position of the number.
    pub column: usize,
    /// Positions of the group columns.
    pub by: Vec<usize>,
    /// Times the range between the quartiles.
    pub iqr: Option<Decimal>,
    /// Which side of it.
    pub side: Side,
    /// Fixed bound below.
    pub lower: Option<Decimal>,
    /// Fixed bound above.
    pub upper: Option<Decimal>,
    /// Whether the bounds become columns: below, above.
    pub named: (bool, bool),
}

/// Entries taken back.
#[derive(Debug)]
pub struct Reversal {
    /// Positions of what identifies an entry.
    pub id: Vec<usize>,
    /// Position of its day.
    pub day: usize,
    /// Position of the day of cancellation.
    pub cancelled: usize,
    /// Until how many months after.
    pub within_months: u32,
    /// Positions of the amounts.
    pub amounts: Vec<usize>,
}

/// Mistakes of a plan in one text.
pub type PlanProblem = String;

impl Plan {
    /// Compiles what a spec says about tables.
    ///
    /// # Errors
    /// The mistakes; a spec that was parsed has none.
    pub fn of(spec: &FeedSpec) -> Result<Self, PlanProblem> {
        let rows = spec.layout()?;
        Self::find(spec, &rows).map_err(|findings| {
            let lines: Vec<String> =
                findings.iter().map(|finding| format!("{}: {}", finding.field, finding.message)).collect();
            lines.join("\n")
        })
    }

    /// As [`Plan::of`], with the fields of the mistakes. What builds on a broken
    /// table is not looked at.
    pub(crate) fn find(spec: &FeedSpec, rows: &Layout) -> Result<Self, Vec<Finding>> {
        let mut plan = Self {
            rows: rows.clone(),
            references: vec![],
            tables: vec![],
            reconciliations: vec![],
            warnings: vec![],
        };
        if spec.tables.len() > ITEMS_MAX || spec.references.len() > ITEMS_MAX {
            return Err(vec![Finding::new("tables", format!("a feed has at most {ITEMS_MAX} tables"))]);
        }
        let mut findings = vec![];
        for (index, reference) in spec.references.iter().enumerate() {
            let at = format!("references[{index}]");
            findings.extend(plan.new_name(&at, &reference.name));
            let mut layout = Layout::default();
            for (index, column) in reference.columns.iter().enumerate() {
                if layout.find(&column.name).is_some() {
                    let field = format!("{at}.columns[{index}].name");
                    findings
                        .push(Finding::new(field, format!("there is already a column `{}`", column.name)));
                }
                layout.push(&column.name, column.kind);
            }
            plan.references.push((reference.name.clone(), layout));
        }
        for (index, table) in spec.tables.iter().enumerate() {
            let at = format!("tables[{index}]");
            findings.extend(plan.new_name(&at, &table.name));
            match plan.table(&at, table) {
                Ok(planned) => plan.tables.push(planned),
                Err(found) => {
                    findings.extend(found);
                    return Err(findings);
                }
            }
        }
        findings.extend(plan.reconcile(spec));
        findings.extend(plan.warn(spec));
        if findings.is_empty() { Ok(plan) } else { Err(findings) }
    }

    /// Names of everything that rows can be taken from.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let references = self.references.iter().map(|(name, _)| name.as_str());
        let tables = self.tables.iter().map(|table| table.name.as_str());
        std::iter::once(ROWS).chain(references).chain(tables)
    }

    /// A source by name.
    pub fn source(&self, name: &str, rows: RowScope) -> Option<Source> {
        if name == ROWS {
            return Some(Source::Rows(rows));
        }
        let reference = self.references.iter().position(|(known, _)| known == name).map(Source::Reference);
        reference.or_else(|| self.tables.iter().position(|table| table.name == name).map(Source::Table))
    }

    /// The columns of a source, by name.
    pub fn layout(&self, name: &str) -> Option<&Layout> {
        self.layout_of(self.source(name, RowScope::Accepted)?)
    }

    /// The columns of a source.
    pub fn layout_of(&self, source: Source) -> Option<&Layout> {
        match source {
            Source::Rows(_) => Some(&self.rows),
            Source::Reference(index) => self.references.get(index).map(|(_, layout)| layout),
            Source::Table(index) => self.tables.get(index).map(|table| &table.layout),
        }
    }

    fn new_name(&self, at: &str, name: &str) -> Option<Finding> {
        let field = format!("{at}.name");
        if self.names().any(|known| known == name) {
            return Some(Finding::new(field, format!("there is already a table `{name}`")));
        }
        well_formed(&field, name)
    }

    /// A source that must exist, with its columns.
    fn known(&self, field: &str, name: &str, rows: RowScope) -> Result<(Source, &Layout), Finding> {
        let source = self.source(name, rows);
        source.and_then(|source| Some((source, self.layout_of(source)?))).ok_or_else(|| {
            let known: Vec<&str> = self.names().collect();
            Finding::unknown(field, "earlier table", name, &known)
        })
    }

    fn table(&self, at: &str, table: &Table) -> Result<PlannedTable, Vec<Finding>> {
        let (source, layout) =
            self.known(&format!("{at}.from"), &table.from, table.rows).map_err(|finding| vec![finding])?;
        let mut layout = layout.clone();
        if table.rows != RowScope::Accepted && table.from != ROWS {
            return Err(vec![Finding::new(format!("{at}.rows"), "`rows` belongs to `from = \"rows\"`")]);
        }
        if table.steps.len() > ITEMS_MAX {
            return Err(vec![Finding::new(at, format!("a table has at most {ITEMS_MAX} steps"))]);
        }
        let mut steps = vec![];
        for (index, step) in table.steps.iter().enumerate() {
            let at = format!("{at}.steps[{index}]");
            steps.push(Planner { plan: self, at, layout: &mut layout }.step(step)?);
        }
        Ok(PlannedTable { name: table.name.clone(), source, steps, layout })
    }

    fn reconcile(&mut self, spec: &FeedSpec) -> Vec<Finding> {
        let mut findings = vec![];
        for (index, balance) in spec.reconciliations.iter().enumerate() {
            let at = format!("reconciliations[{index}]");
            findings.extend(well_formed(&format!("{at}.name"), &balance.name));
            let total = self.total(&format!("{at}.total"), &balance.total);
            let parts: Result<Vec<_>, _> = balance
                .parts
                .iter()
                .enumerate()
                .map(|(part, total)| self.total(&format!("{at}.parts[{part}]"), total))
                .collect();
            match total.and_then(|total| Ok((total, parts?))) {
                Ok((total, parts)) => {
                    let tolerance = balance.tolerance.map_or(Decimal::ZERO, |number| number.0);
                    let name = balance.name.clone();
                    self.reconciliations.push(Balance { name, total, parts, tolerance });
                }
                Err(finding) => findings.push(finding),
            }
        }
        findings
    }

    fn warn(&mut self, spec: &FeedSpec) -> Vec<Finding> {
        let mut findings = vec![];
        for (index, warning) in spec.warnings.iter().enumerate() {
            let Some(table) = &warning.table else { continue };
            let at = format!("warnings[{index}]");
            let compiled = self.known(&format!("{at}.table"), table, RowScope::Accepted).and_then(|found| {
                let (source, layout) = found;
                let test = warning.when.as_ref().map(|when| when.compile(layout)).transpose();
                Ok((source, test.map_err(|message| Finding::new(format!("{at}.when"), message))?))
            });
            match compiled {
                Ok((source, test)) => self.warnings.push(Warning {
                    code: warning.code.clone(),
                    reason: warning
                        .reason
                        .clone()
                        .unwrap_or_else(|| "a warning of the spec applies".to_owned()),
                    source,
                    test,
                }),
                Err(finding) => findings.push(finding),
            }
        }
        findings
    }

    fn total(&self, at: &str, total: &Total) -> Result<Totalling, Finding> {
        let (source, layout) = self.known(&format!("{at}.table"), &total.table, total.rows)?;
        let column = match &total.sum {
            Some(name) => Some(numbers(layout, &format!("{at}.sum"), name)?),
            None => None,
        };
        let test = total.r#where.as_ref().map(|test| test.compile(layout)).transpose();
        let test = test.map_err(|message| Finding::new(format!("{at}.where"), message))?;
        Ok(Totalling { source, column, test })
    }
}

/// The position of a column that must exist.
fn position(layout: &Layout, field: &str, name: &str) -> Result<(usize, Kind), Finding> {
    layout.find(name).ok_or_else(|| {
        let known: Vec<&str> = layout.names().collect();
        Finding::unknown(field, "column", name, &known)
    })
}

/// The position of a column of numbers.
fn numbers(layout: &Layout, field: &str, name: &str) -> Result<usize, Finding> {
    match position(layout, field, name)? {
        (index, kind) if kind.is_number() => Ok(index),
        (_, kind) => Err(Finding::new(field, format!("column `{name}` is {kind}, a number is needed"))),
    }
}

/// Whether values of two kinds can be equal.
fn alike(a: Kind, b: Kind) -> bool {
    a == b || (a.is_number() && b.is_number())
}
