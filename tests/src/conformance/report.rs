//! What came out: the table by feature, the list of differences, the last line.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::case::{Case, Kind};
use super::unify::Difference;

/// How a case went. `None` = the case has no such expectation.
#[derive(Debug, Clone, Default)]
pub struct Verdict {
    /// Status, output, error and cause.
    pub outcome: Option<Result<(), Vec<String>>>,
    /// The whole history, and the log events where they are recorded.
    pub history: Option<Result<(), Vec<String>>>,
    /// Every answer of the API, whole.
    pub api: Option<Result<(), Vec<String>>>,
    /// Why the recording is set aside.
    pub quarantine: Option<String>,
}

impl Verdict {
    /// A case that could not be run differs in everything.
    pub fn not_run(case: &Case, reason: &str) -> Self {
        let differs = || Some(Err(vec![reason.to_owned()]));
        match case.kind {
            Kind::Api => Self { api: differs(), ..Self::default() },
            Kind::Exec | Kind::MockExec => {
                let history = case.body["expected"].get("history").and_then(|_| differs());
                Self { outcome: differs(), history, ..Self::default() }
            }
        }
    }

    /// A case whose recording is not to be trusted.
    pub fn quarantined(reason: &str) -> Self {
        Self { quarantine: Some(reason.to_owned()), ..Self::default() }
    }

    /// The three parts by name, those that are there.
    fn parts(&self) -> impl Iterator<Item = (&'static str, &Result<(), Vec<String>>)> {
        [("outcome", &self.outcome), ("history", &self.history), ("api", &self.api)]
            .into_iter()
            .filter_map(|(name, part)| part.as_ref().map(|part| (name, part)))
    }
}

/// Turns a comparison into a part of a verdict.
pub(super) fn part(difference: Result<(), Difference>) -> Result<(), Vec<String>> {
    difference.map_err(|difference| vec![difference.0])
}

/// How many are equal, of how many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Equal.
    pub equal: usize,
    /// Compared.
    pub of: usize,
}

impl Counts {
    fn add(&mut self, part: Option<&Result<(), Vec<String>>>) {
        if let Some(part) = part {
            self.of += 1;
            self.equal += usize::from(part.is_ok());
        }
    }

    fn cell(self) -> String {
        if self.of == 0 { "-".to_owned() } else { format!("{}/{}", self.equal, self.of) }
    }
}

/// A line of the table.
#[derive(Debug, Clone, Copy, Default)]
struct Line {
    cases: usize,
    outcome: Counts,
    history: Counts,
    api: Counts,
}

impl Line {
    fn add(&mut self, verdict: &Verdict) {
        self.cases += 1;
        self.outcome.add(verdict.outcome.as_ref());
        self.history.add(verdict.history.as_ref());
        self.api.add(verdict.api.as_ref());
    }
}

/// All verdicts of a run, in the order of the cases.
#[derive(Debug, Clone)]
pub struct Report {
    verdicts: Vec<(Case, Verdict)>,
}

impl Report {
    pub(super) fn new(verdicts: Vec<(Case, Verdict)>) -> Self {
        Self { verdicts }
    }

    /// Outcomes, histories, and answers of the API that are equal.
    pub fn counts(&self) -> (Counts, Counts, Counts) {
        let total = self.total();
        (total.outcome, total.history, total.api)
    }

    fn total(&self) -> Line {
        let mut total = Line::default();
        self.verdicts.iter().for_each(|(_, verdict)| total.add(verdict));
        total
    }

    /// For people: with `verbose` every difference in full and every case.
    pub fn text(&self, verbose: bool) -> String {
        let mut text = self.differences(verbose);
        text.push_str(&self.table());
        let (outcome, history, api) = self.counts();
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "outcome {}/{} history {}/{} api {}/{}",
            outcome.equal, outcome.of, history.equal, history.of, api.equal, api.of
        );
        text
    }

    fn differences(&self, verbose: bool) -> String {
        let mut text = String::new();
        let cut = |line: &str| match line.char_indices().nth(600) {
            Some((end, _)) if !verbose => format!("{}…", line.get(..end).unwrap_or(line)),
            _ => line.to_owned(),
        };
        for (case, verdict) in &self.verdicts {
            let before = text.len();
            for (part, differences) in verdict.parts() {
                let differences = differences.as_ref().err().map(Vec::as_slice).unwrap_or_default();
                for difference in differences.iter().take(if verbose { usize::MAX } else { 3 }) {
                    let _ = writeln!(text, "    {part}: {}", cut(difference));
                }
            }
            let head = if let Some(reason) = &verdict.quarantine {
                format!("SET ASIDE {} [{}]: {reason}\n", case.id, case.feature)
            } else if text.len() > before {
                format!("DIFFERS {} [{}]\n", case.id, case.feature)
            } else if verbose {
                format!("EQUAL {} [{}]\n", case.id, case.feature)
            } else {
                String::new()
            };
            text.insert_str(before, &head);
        }
        text
    }

    fn table(&self) -> String {
        let mut lines: BTreeMap<&str, Line> = BTreeMap::new();
        for (case, verdict) in &self.verdicts {
            lines.entry(&case.feature).or_default().add(verdict);
        }
        let mut text =
            format!("{:<26} {:>5} {:>9} {:>9} {:>9}\n", "feature", "cases", "outcome", "history", "api");
        for (feature, line) in lines {
            let Line { cases, outcome, history, api } = line;
            let _ = writeln!(
                text,
                "{feature:<26} {cases:>5} {:>9} {:>9} {:>9}",
                outcome.cell(),
                history.cell(),
                api.cell()
            );
        }
        text
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let of = |counts: Counts| json!({ "equal": counts.equal, "of": counts.of });
        let (outcome, history, api) = self.counts();
        let cases: Vec<Value> =
            self.verdicts.iter().map(|(case, verdict)| case_json(case, verdict)).collect();
        json!({ "outcome": of(outcome), "history": of(history), "api": of(api), "cases": cases })
    }
}

fn case_json(case: &Case, verdict: &Verdict) -> Value {
    let mut line = json!({ "id": case.id, "feature": case.feature, "kind": case.kind.name() });
    for (name, part) in verdict.parts() {
        line[name] = json!({ "equal": part.is_ok(), "differences": part.as_ref().err().map(Vec::as_slice).unwrap_or_default() });
    }
    if let Some(reason) = &verdict.quarantine {
        line["set_aside"] = json!(reason);
    }
    line
}
