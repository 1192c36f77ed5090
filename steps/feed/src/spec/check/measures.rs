//! Measures, of the figures as of a table's steps: fields that belong to their
//! kind, columns that exist and fit, rounding where there must be one.

use rust_decimal::Decimal;

use super::{Finding, ITEMS_MAX, rounding_places, well_formed};
use crate::spec::{Measure, MeasureKind, Rounding, RowScope};
use crate::value::Layout;

/// Measures and what surrounds them.
pub(crate) struct Context<'s> {
    /// The field with the list.
    pub(crate) at: &'s str,
    pub(crate) measures: &'s [Measure],
    /// Columns that stand beside the measures.
    pub(crate) group_by: &'s [String],
    /// The rounding of measures that do not say it themselves.
    pub(crate) rounding: Option<Rounding>,
    /// The rows that are measured.
    pub(crate) layout: &'s Layout,
    /// Whether they are the feed's rows, some of which are cancelled.
    pub(crate) of_rows: bool,
}

/// Everything that is wrong with the measures.
pub(crate) fn check(context: &Context<'_>) -> Vec<Finding> {
    let mut findings = vec![];
    if context.measures.len() > ITEMS_MAX {
        findings.push(Finding::new(context.at, format!("there are at most {ITEMS_MAX} measures")));
    }
    for (index, measure) in context.measures.iter().enumerate() {
        let at = format!("{}[{index}]", context.at);
        let earlier = context.measures.iter().take(index);
        One { context, at, measure, findings: &mut findings }.check(earlier);
    }
    findings
}

struct One<'c, 's> {
    context: &'c Context<'s>,
    at: String,
    measure: &'c Measure,
    findings: &'c mut Vec<Finding>,
}

impl One<'_, '_> {
    fn find(&mut self, field: &str, message: impl Into<String>) {
        let field = if field.is_empty() { self.at.clone() } else { format!("{}.{field}", self.at) };
        self.findings.push(Finding::new(field, message));
    }

    fn check<'m>(mut self, mut earlier: impl Iterator<Item = &'m Measure>) {
        let name = &self.measure.name;
        self.findings.extend(well_formed(&format!("{}.name", self.at), name));
        if self.context.group_by.contains(name) {
            self.find("name", format!("`{name}` is a group column; the output would have it twice"));
        }
        if earlier.any(|other| other.name == *name) {
            self.find("name", format!("there is already a measure `{name}`"));
        }
        self.form();
        self.percent();
        self.column();
        self.parts();
        if let Some(condition) = &self.measure.r#where
            && let Err(message) = condition.compile(self.context.layout)
        {
            self.find("where", message);
        }
        self.rounding();
    }

    /// The fields that belong to the measure's kind are there, and no others.
    fn form(&mut self) {
        use MeasureKind::{Count, CountIf, CountNull, Distinct, Percentile, Ratio, Sum, SumIf};
        let measure = self.measure;
        let kind = measure.kind;
        let name = kind.name();
        let no_column = matches!(kind, Count | CountIf | Ratio);
        let wheres = (!matches!(kind, Count | Sum | Ratio), matches!(kind, CountIf | SumIf));
        let converts = !no_column && kind != Distinct && kind != CountNull;
        let fields = [
            ("column", measure.column.is_some(), !no_column, !no_column),
            ("numerator", measure.numerator.is_some(), kind == Ratio, kind == Ratio),
            ("denominator", measure.denominator.is_some(), kind == Ratio, kind == Ratio),
            ("percent", measure.percent.is_some(), kind == Percentile, kind == Percentile),
            ("method", measure.method.is_some(), kind == Percentile, false),
            ("where", measure.r#where.is_some(), wheres.0, wheres.1),
            ("convert", measure.convert.is_some(), converts, false),
            ("rows", measure.rows != RowScope::Accepted, kind != Ratio, false),
        ];
        for (field, given, allowed, needed) in fields {
            if given && !allowed {
                let hint = match (field, kind) {
                    ("where", Count) => "; use `count_if`",
                    ("where", Sum) => "; use `sum_if`",
                    ("where" | "rows", Ratio) => "; give it to the measures that are divided",
                    _ => "",
                };
                self.find(field, format!("`{name}` takes no `{field}`{hint}"));
            }
            if needed && !given {
                self.find("", format!("`{name}` needs `{field}`"));
            }
        }
        if measure.rows != RowScope::Accepted && !self.context.of_rows {
            self.find(
                "rows",
                "only the feed's rows are accepted or cancelled; say it where the table says `from`",
            );
        }
    }

    fn percent(&mut self) {
        if let Some(percent) = self.measure.percent
            && (percent.0 <= Decimal::ZERO || percent.0 > Decimal::ONE_HUNDRED)
        {
            self.find("percent", "a per cent above 0 and up to 100 is needed");
        }
    }

    fn column(&mut self) {
        use MeasureKind::{CountNull, Distinct, First, Last, Max, Min};
        let (measure, layout) = (self.measure, self.context.layout);
        let Some(column) = &measure.column else { return };
        let Some((_, kind)) = layout.find(column) else {
            let known: Vec<&str> = layout.names().collect();
            let field = format!("{}.column", self.at);
            self.findings.push(Finding::unknown(field, "column", column, &known));
            return;
        };
        let of_any_kind = matches!(measure.kind, CountNull | Distinct | First | Last | Max | Min);
        if !kind.is_number() && (!of_any_kind || measure.convert.is_some()) {
            let name = measure.kind.name();
            self.find("column", format!("`{name}` needs numbers, but column `{column}` is {kind}"));
        }
    }

    /// What a ratio is made of.
    fn parts(&mut self) {
        let measures = self.context.measures;
        let parts = [("numerator", &self.measure.numerator), ("denominator", &self.measure.denominator)];
        for (field, name) in parts {
            let Some(name) = name else { continue };
            match measures.iter().find(|measure| measure.name == *name) {
                None => {
                    let known: Vec<&str> = measures.iter().map(|measure| measure.name.as_str()).collect();
                    let field = format!("{}.{field}", self.at);
                    self.findings.push(Finding::unknown(field, "measure", name, &known));
                }
                Some(part) if !part.kind.is_count() && !part.kind.is_additive() => self.find(
                    field,
                    format!("a ratio is made of counts and sums; `{name}` is `{}`", part.kind.name()),
                ),
                Some(_) => {}
            }
        }
    }

    fn rounding(&mut self) {
        let measure = self.measure;
        let name = measure.kind.name();
        if measure.kind.is_count() && measure.round.is_some() {
            self.find("round", format!("`{name}` is never rounded"));
        }
        if let Some(rounding) = measure.round {
            self.findings.extend(rounding_places(&format!("{}.round", self.at), rounding));
        }
        if measure.kind.is_quotient() && measure.rounding(self.context.rounding, false).is_none() {
            let for_all = if self.context.at == "measures" { "figures.rounding" } else { "rounding" };
            self.find("", format!("`{name}` needs `round = {{ places = 2 }}`, or `{for_all}` for all"));
        }
    }
}
