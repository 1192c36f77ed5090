//! What a redrive of an execution would do: what runs again, what is kept, or why it is refused.

use engine::machine::{Rerun, RerunState};
use engine::{EngineError, ExecutionDescription, Reader, RedriveStatus};
use serde_json::{Value, json};

use crate::{
    arguments::Time,
    data::{from_engine, from_journal},
    list::status_ink,
    problem::Problem,
    terminal::{Ink, Paint},
    text::{self, safe},
    view::{Standing, View},
};

/// Redrives and what comes of another one, read from a journal.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) described: ExecutionDescription,
    /// Whether it can be redriven now.
    pub(crate) status: RedriveStatus,
    /// When it was redriven, each time, and why.
    pub(crate) redrives: Vec<(i64, Option<String>)>,
    /// States that did not succeed.
    reruns: Vec<RerunState>,
    /// The outermost states that succeeded, in their order.
    kept: Vec<String>,
    error: Option<String>,
}

impl Plan {
    /// Reads it; the execution is known to be there.
    pub(crate) fn read(
        reader: &Reader,
        described: ExecutionDescription,
        view: &View,
        now_millis: i64,
    ) -> Result<Self, Problem> {
        let execution = match reader.execution(&described.execution_arn) {
            // What cannot be folded cannot be redriven, and is shown all the same.
            Err(EngineError::InvalidDefinition { .. } | EngineError::Replay { .. }) => None,
            read => read.map_err(from_engine)?,
        };
        let status = reader.redrive_status(&described, now_millis).map_err(from_journal)?;
        let mut kept: Vec<String> = Vec::new();
        let outermost = view.visits.iter().enumerate().filter(|(at, _)| view.is_outermost(*at));
        for (_, visit) in outermost.filter(|(_, visit)| visit.standing == Standing::Succeeded) {
            if !kept.contains(&visit.name) {
                kept.push(visit.name.clone());
            }
        }
        let redrives = execution.as_ref().map(|execution| {
            let reason =
                |taken: &engine::machine::TakenRedrive| taken.redrive.reason.as_deref().map(str::to_owned);
            execution.redrives().iter().map(|taken| (taken.at_millis, reason(taken))).collect()
        });
        Ok(Self {
            status,
            redrives: redrives.unwrap_or_default(),
            reruns: execution.map(|execution| execution.reruns()).unwrap_or_default(),
            kept,
            error: described.error.clone(),
            described,
        })
    }

    /// Whether it can be redriven from here.
    pub(crate) fn is_redrivable(&self) -> bool {
        self.status == RedriveStatus::Redrivable
    }

    /// Why not, in AWS's words.
    pub(crate) fn refusal(&self) -> Option<String> {
        match self.status {
            RedriveStatus::Redrivable => None,
            RedriveStatus::RedrivableByMapRun => Some(
                "it is a child of a Map Run: redrive the execution that the Map Run belongs to".to_owned(),
            ),
            RedriveStatus::NotRedrivable(reason) => Some(reason.to_string()),
        }
    }

    /// The execution in a line, and below it what a redrive does.
    pub(crate) fn to_text(&self, time: Time, now_millis: i64, paint: Paint) -> String {
        let status = self.described.status.as_str();
        let ended = self.described.stop_millis.map(|millis| text::moment(millis, time, now_millis));
        let mut line = format!("{}  {}", safe(&self.described.name), paint.ink(status_ink(status), status));
        for part in [ended, self.error.as_deref().map(safe)].into_iter().flatten() {
            line.push_str("  ");
            line.push_str(&part);
        }
        let mut lines = vec![line];
        match self.refusal() {
            Some(reason) => lines.push(row("refused", &paint.ink(Ink::Warn, &reason), paint)),
            None => lines.extend(self.work(paint)),
        }
        lines.join("\n")
    }

    /// What runs again, and what is kept.
    pub(crate) fn work(&self, paint: Paint) -> Vec<String> {
        let mut lines = Vec::new();
        for (at, rerun) in self.reruns.iter().enumerate() {
            let label = if at == 0 { "runs again" } else { "" };
            lines.push(row(label, &safe(&shown(rerun)), paint));
        }
        if !self.kept.is_empty() {
            lines.push(row("kept", &safe(&self.kept.join(", ")), paint));
        }
        lines
    }

    /// The redrives so far, one in a line.
    pub(crate) fn history(&self, time: Time, now_millis: i64, paint: Paint) -> Vec<String> {
        let redrives = self.redrives.iter().enumerate();
        redrives
            .map(|(at, (millis, reason))| {
                let reason = reason.as_deref().map(safe).unwrap_or_default();
                let moment = text::moment(*millis, time, now_millis);
                row(&format!("redrive {}", at + 1), format!("{moment}  {reason}").trim_end(), paint)
            })
            .collect()
    }

    /// The members of a JSON document that say the same.
    pub(crate) fn to_json(&self) -> Vec<(&'static str, Value)> {
        let redrives: Vec<Value> = self
            .redrives
            .iter()
            .map(|(millis, reason)| json!({ "redriveDate": text::iso(*millis), "reason": reason }))
            .collect();
        let reruns = self.reruns.iter().filter(|_| self.is_redrivable()).map(|rerun| {
            let (again, kept) = match &rerun.rerun {
                Rerun::Partly { kept, again, first_time } => (json!(again + first_time), json!(kept)),
                _ => (Value::Null, Value::Null),
            };
            json!({
                "state": rerun.path.last().map(|(name, _)| name),
                "path": path(rerun),
                "type": rerun.kind.as_str(),
                "how": how(&rerun.rerun),
                "again": again,
                "kept": kept,
            })
        });
        vec![
            ("redriveCount", json!(self.described.redrive_count)),
            ("redriveDate", json!(self.described.redrive_millis.map(text::iso))),
            ("redriveStatus", json!(self.status.as_str())),
            ("redriveStatusReason", json!(self.status.reason().map(|reason| reason.to_string()))),
            ("redrives", Value::Array(redrives)),
            ("runsAgain", reruns.collect()),
            ("kept", json!(self.kept)),
        ]
    }
}

fn row(label: &str, value: &str, paint: Paint) -> String {
    format!("  {}  {value}", paint.ink(Ink::Faint, &format!("{label:<10}")))
}

/// `P[2] › M[1] › I`
fn path(rerun: &RerunState) -> String {
    let parts = rerun.path.iter().map(|(name, index)| match index {
        Some(index) => format!("{name}[{index}]"),
        None => name.clone(),
    });
    parts.collect::<Vec<_>>().join(" › ")
}

const fn how(rerun: &Rerun) -> &'static str {
    match rerun {
        Rerun::Again => "AGAIN",
        Rerun::AllOver => "ALL_OVER",
        Rerun::Partly { .. } => "PARTLY",
        Rerun::MapRun(_) => "MAP_RUN",
    }
}

fn shown(rerun: &RerunState) -> String {
    let place = format!("{} ({})", path(rerun), rerun.kind.as_str());
    match &rerun.rerun {
        Rerun::Again => place,
        Rerun::AllOver => format!("{place}, from its beginning: its data was too large"),
        Rerun::Partly { kept, again, first_time } => {
            let mut parts = vec![format!("{again} again"), format!("{kept} kept")];
            if *first_time > 0 {
                parts.push(format!("{first_time} for the first time"));
            }
            format!("{place}: {}", parts.join(", "))
        }
        Rerun::MapRun(_) => format!("{place}: the children of its Map Run that did not succeed"),
    }
}
