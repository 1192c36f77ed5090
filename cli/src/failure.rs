//! A failed execution, explained: which state, what error, why, where in the source, what next.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::{
    arguments::Time,
    definition::retry_plan,
    terminal::{Ink, Paint},
    text::{duration, moment, safe},
    view::{View, Visit},
};

/// What is known about a failure.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Failure {
    /// `FAILED`, `ABORTED` or `TIMED_OUT`.
    pub(crate) status: String,
    /// The execution's name.
    pub(crate) execution: String,
    /// The workflow.
    pub(crate) workflow: String,
    /// The state that failed.
    pub(crate) state: Option<String>,
    /// AWS's `error`.
    pub(crate) error: String,
    /// AWS's `cause`, as it is.
    pub(crate) cause: String,
    /// Attempts of the state.
    pub(crate) attempts: u32,
    /// How long the execution ran.
    pub(crate) took_millis: i64,
    /// `file:line` of the state.
    pub(crate) source: Option<String>,
    /// The function it called.
    pub(crate) function: Option<String>,
    /// The function's log file.
    pub(crate) log: Option<String>,
    /// The log's last lines.
    pub(crate) log_tail: Vec<String>,
}

impl Failure {
    /// Collects what the history says.
    pub(crate) fn of(view: &View, execution: &str, workflow: &str) -> Self {
        let culprit = view.culprit();
        let end = view.end.clone();
        Self {
            status: end.as_ref().map_or("RUNNING", |end| end.status).to_owned(),
            execution: execution.to_owned(),
            workflow: workflow.to_owned(),
            state: culprit.map(|visit| visit.name.clone()),
            error: end.as_ref().and_then(|end| end.error.clone()).unwrap_or_default(),
            cause: end.as_ref().and_then(|end| end.cause.clone()).unwrap_or_default(),
            attempts: culprit.map_or(0, |visit| visit.attempts),
            took_millis: end.as_ref().map_or(0, |end| end.at_millis) - view.start_millis,
            source: None,
            function: culprit.and_then(|visit| visit.function.clone()),
            log: None,
            log_tail: Vec::new(),
        }
    }

    /// For people.
    pub(crate) fn to_text(&self, paint: Paint) -> String {
        let what = match self.status.as_str() {
            "ABORTED" => "was stopped",
            "TIMED_OUT" => "ran into its timeout",
            _ => "failed",
        };
        let place = self.state.as_deref().map(|state| format!(" in {}", safe(state))).unwrap_or_default();
        let headline =
            format!("✗ {} {what}{place} after {}", safe(&self.workflow), duration(self.took_millis));
        let mut lines = vec![paint.ink(Ink::Bad, &headline), String::new()];
        let mut row = |name: &str, value: &str| {
            for (at, text) in value.lines().enumerate() {
                let label = if at == 0 { name } else { "" };
                lines.push(format!("  {}  {text}", paint.ink(Ink::Faint, &format!("{label:<9}"))));
            }
        };
        row("error", &paint.ink(Ink::Strong, &safe(&self.error)));
        row("cause", &safe(&readable(&self.cause)));
        if self.attempts > 1 {
            row("attempts", &format!("{}, the last one failed", self.attempts));
        }
        if let Some(source) = &self.source {
            row("source", &safe(source));
        }
        row("execution", &safe(&self.execution));
        if let Some(log) = &self.log {
            row("log", &safe(log));
        }
        for line in &self.log_tail {
            row("", &paint.ink(Ink::Faint, &format!("│ {}", safe(line))));
        }
        row("next", &self.next());
        lines.join("\n")
    }

    /// What to do: the classes an operator tells apart.
    fn next(&self) -> String {
        let show = format!(
            "stepwright show {} --io '{}'",
            safe(&self.execution),
            safe(self.state.as_deref().unwrap_or("STATE"))
        );
        let advice = match self.error.as_str() {
            "Sandbox.Timedout" | "States.Timeout" => {
                "the step ran longer than its limit: see its log; raise the limit in the workflow if the work is that large"
            }
            "Runtime.ExitError"
            | "Step.Panicked"
            | "Runtime.InvalidEntrypoint"
            | "Runtime.InvalidResponse" => {
                "the step has a defect: its log says where; nothing was half delivered, so after the fix run the same command again"
            }
            "Contract.InputMismatch" => {
                "workflow and step disagree about the input: build both from one version"
            }
            "States.DataLimitExceeded" | "Function.ResponseSizeTooLarge" => {
                "a state may hand over 256 KiB: hand over a reference (ObjectRef) instead of rows"
            }
            error if error.starts_with("Lambda.") => {
                "the outcome of the last attempt is not known; run the same command again: what was delivered is not delivered twice"
            }
            _ => {
                "correct what the cause names, then run the same command again: what was delivered is not delivered twice"
            }
        };
        let redrive = format!("stepwright redrive {} --reason '…' --wait", safe(&self.execution));
        format!(
            "{advice}\n{show}   shows what went in\n{redrive}   goes on from there, with the input of the start: a file that was corrected since needs a new run"
        )
    }

    /// For programs: AWS's fields, and ours beside them.
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "state": self.state,
            "message": readable(&self.cause),
            "attempts": self.attempts,
            "source": self.source,
            "function": self.function,
            "logTail": self.log_tail,
        })
    }
}

/// What is known of the failed attempt of a state that waits for the next one, and when that is.
pub(crate) fn last_attempt(visit: &Visit, definition: &Value, time: Time, now_millis: i64) -> Option<String> {
    let failure = visit.failure.as_ref()?;
    let next = retry_plan(definition, &visit.name, &failure.error, visit.attempts).map(|plan| {
        #[expect(clippy::cast_possible_truncation, reason = "AWS's limit of a delay is a year")]
        let delay = (plan.delay_seconds.min(31_622_400.0) * 1_000.0).ceil() as i64;
        let until = if plan.jitter { "until" } else { "at" };
        let next = match time {
            Time::Relative => format!("in {}", duration(failure.at_millis + delay - now_millis)),
            _ => format!("{until} {}", moment(failure.at_millis + delay, time, now_millis)),
        };
        format!("; attempt {} of {} {next}", visit.attempts + 1, plan.attempts_max)
    });
    Some(format!(
        "\n{} in {}, attempt {}{}\n{}",
        safe(&failure.error),
        safe(&visit.name),
        visit.attempts,
        next.unwrap_or_default(),
        safe(&readable(&failure.cause))
    ))
}

/// Lines of a step's log shown with a failure.
const LOG_TAIL_LINES: usize = 12;

/// What a step said during its last invocation, beyond the cause: structured lines in words,
/// Lambda's own lines left out.
pub(crate) fn last_words(log: &[String], cause: &str) -> Vec<String> {
    let begin = log.iter().rposition(|line| line.starts_with("START RequestId")).map_or(0, |at| at + 1);
    let cause = readable(cause);
    let is_lambdas = |line: &str| line.starts_with("END RequestId") || line.starts_with("REPORT RequestId");
    let lines: Vec<String> = log
        .iter()
        .skip(begin)
        .filter(|line| !is_lambdas(line))
        .filter_map(|line| in_words(line, &cause))
        .collect();
    lines.iter().skip(lines.len().saturating_sub(LOG_TAIL_LINES)).cloned().collect()
}

/// A structured log line in words; `None` if it only repeats the cause.
fn in_words(line: &str, cause: &str) -> Option<String> {
    let Ok(Value::Object(fields)) = serde_json::from_str::<Value>(line) else { return Some(line.to_owned()) };
    let word = |name: &str| fields.get(name).and_then(Value::as_str);
    let Some(message) = word("message") else { return Some(line.to_owned()) };
    if word("error_message") == Some(cause) {
        return None;
    }
    let mut text = format!("{} {message}", word("level").unwrap_or("INFO"));
    for (name, value) in &fields {
        if !matches!(name.as_str(), "timestamp" | "level" | "message" | "target" | "span" | "spans") {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let _ = write!(text, "  {name}={value}");
        }
    }
    Some(text)
}

/// A cause in words: of a Lambda error object its message, of others the text itself.
pub(crate) fn readable(cause: &str) -> String {
    let Ok(Value::Object(object)) = serde_json::from_str::<Value>(cause) else { return cause.to_owned() };
    match object.get("errorMessage").and_then(Value::as_str) {
        Some("") | None => cause.to_owned(),
        Some(message) => match object.get("cause").and_then(Value::as_str) {
            Some(inner) => format!("{message}\n{inner}"),
            None => message.to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_words_are_those_of_the_last_attempt_without_the_cause() {
        let log = [
            "an earlier attempt",
            "START RequestId: 1 Version: $LATEST",
            r#"{"timestamp":"t","level":"INFO","message":"read","rows":3,"target":"x","span":{"a":1}}"#,
            "plain words",
            r#"{"level":"ERROR","message":"the step failed","error_message":"no column"}"#,
            "END RequestId: 1",
            "REPORT RequestId: 1 Duration: 1.00 ms",
        ]
        .map(str::to_owned);
        let cause = r#"{"errorType":"E","errorMessage":"no column"}"#;
        assert_eq!(last_words(&log, cause), ["INFO read  rows=3", "plain words"]);
    }
}
