//! One call of a function, from whoever called to the answer.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use engine::{Completion, TaskKey, TaskOutcome};
use serde_json::Value;
use tokio::sync::{Notify, oneshot};

use super::Shared;
use super::answer::{self, Answer, CallIdentity, Form};
use super::identifier::{Identifier, executed_version};
use super::logs::{FunctionLog, Origin};

/// What the answer of Lambda's API shows of a log. API reference, `Invoke`, `LogResult`: the last 4 KB.
const TAIL_BYTES: usize = 4096;

/// One call of a function.
#[derive(Debug)]
pub(super) struct Invocation {
    /// Its number in the pool, which gives it.
    pub(super) number: u64,
    /// The task it is of.
    pub(super) key: Option<TaskKey>,
    /// The execution it is of, if it is of no task that waits.
    pub(super) execution_arn: Option<String>,
    pub(super) request_id: String,
    pub(super) trace_id: String,
    /// The version or alias that was asked for.
    pub(super) qualifier: Option<String>,
    /// JSON text, of a caller of the API.
    pub(super) client_context: Option<String>,
    /// JSON text.
    pub(super) payload: String,
    pub(super) reply: Reply,
    /// Told when nobody waits for the answer any more.
    pub(super) cancelled: Arc<Notify>,
}

/// Who gets the answer.
#[derive(Debug)]
pub(super) enum Reply {
    /// A task of an execution.
    Task { done: Completion, form: Form },
    /// A caller of Lambda's API.
    Caller(oneshot::Sender<Result<Invoked, Refused>>),
}

/// Why a pool takes no invocation, or gives up one that waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// The function's reserved concurrency is used up.
    Throttled,
    /// There is no such function any more.
    Gone,
    /// The host ends.
    Ended,
}

/// What a call of Lambda's API came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invoked {
    /// The id of the request.
    pub request_id: String,
    /// JSON text: what the function returned, or its error object.
    pub payload: String,
    /// Whether it is an error object.
    pub is_error: bool,
    /// `$LATEST`, or the version that was asked for.
    pub executed_version: String,
    /// The last 4 KB of what was logged.
    pub log_tail: String,
}

impl Invocation {
    /// A call of the latest version.
    pub(super) fn new(key: Option<TaskKey>, trace_id: String, payload: String, reply: Reply) -> Self {
        Self {
            number: 0,
            key,
            execution_arn: None,
            request_id: crate::random::uuid(),
            trace_id,
            qualifier: None,
            client_context: None,
            payload,
            reply,
            cancelled: Arc::new(Notify::new()),
        }
    }

    fn executed_version(&self) -> &str {
        executed_version(self.qualifier.as_deref())
    }

    /// Tells whoever waits that it does not take place.
    pub(super) fn refuse(self, shared: &Shared, function: &str, why: Refused) {
        let (done, why) = match (self.reply, why) {
            (Reply::Caller(caller), why) => {
                // A caller that went away needs no answer.
                return drop(caller.send(Err(why)));
            }
            (Reply::Task { done, .. }, why) => (done, why),
        };
        match why {
            Refused::Throttled => done.finish(answer::throttled(&self.request_id)),
            Refused::Gone => {
                let identifier = Identifier { name: function, qualifier: self.qualifier.as_deref() };
                let (region, account) = (&shared.region, &shared.account_id);
                done.finish(answer::function_not_found(region, account, identifier, &self.request_id));
            }
            // To an engine that still listens, an unknown outcome.
            Refused::Ended => drop(done),
        }
    }

    /// Hands the answer over.
    pub(super) fn finish(self, answer: Answer, logged: &InvocationLog) {
        let version = self.executed_version().to_owned();
        match self.reply {
            Reply::Task { done, form } => {
                let outcome = outcome(answer, form, &self.request_id, &self.trace_id, &version);
                done.finish(outcome);
            }
            Reply::Caller(caller) => {
                let (payload, is_error) = match answer {
                    Answer::Payload(payload) => (payload, false),
                    Answer::FunctionError { document, .. } => (document, true),
                };
                // A caller that went away needs no answer.
                let _ = caller.send(Ok(Invoked {
                    request_id: self.request_id,
                    payload,
                    is_error,
                    executed_version: version,
                    log_tail: logged.tail.clone(),
                }));
            }
        }
    }
}

fn outcome(answer: Answer, form: Form, request_id: &str, trace_id: &str, version: &str) -> TaskOutcome {
    if form == Form::Direct {
        return answer.into_outcome(form, &CallIdentity { request_id, trace_id, version, date: "" });
    }
    let date = crate::http::service::http_date(jiff::Timestamp::now());
    answer.into_outcome(form, &CallIdentity { request_id, trace_id, version, date: &date })
}

/// What is written while an invocation runs: Lambda's own lines around the function's.
#[derive(Debug, Default)]
pub(super) struct InvocationLog {
    request_id: String,
    execution_arn: Option<String>,
    version: String,
    /// Lines that can wait for more.
    pending: Vec<String>,
    wants_tail: bool,
    tail: String,
}

impl InvocationLog {
    pub(super) fn of(invocation: &Invocation) -> Self {
        Self {
            request_id: invocation.request_id.clone(),
            execution_arn: match &invocation.key {
                Some(key) => Some(key.execution_arn.to_string()),
                None => invocation.execution_arn.clone(),
            },
            version: invocation.executed_version().to_owned(),
            wants_tail: matches!(invocation.reply, Reply::Caller(_)),
            ..Self::default()
        }
    }

    /// The invocation's.
    pub(super) fn request_id(&self) -> &str {
        &self.request_id
    }

    /// The first line. It waits for what comes next: a quiet function costs one write.
    pub(super) fn start(&mut self) {
        self.say(format!("START RequestId: {} Version: {}", self.request_id, self.version));
    }

    /// Lines that need not be in the file at once.
    pub(super) fn say(&mut self, line: String) {
        if self.wants_tail {
            self.tail.push_str(&line);
            self.tail.push('\n');
            let excess = self.tail.len().saturating_sub(TAIL_BYTES);
            let from = (excess..=self.tail.len()).find(|at| self.tail.is_char_boundary(*at));
            self.tail.drain(..from.unwrap_or(0));
        }
        self.pending.push(line);
    }

    /// What the function wrote.
    pub(super) fn said(&mut self, log: &FunctionLog, lines: &mut Vec<String>) {
        for line in lines.drain(..) {
            self.say(log.blackened(line));
        }
    }

    /// Puts what has waited into the file.
    pub(super) fn flush(&mut self, log: &FunctionLog) {
        if !self.pending.is_empty() {
            let origin =
                Origin { request_id: &self.request_id, execution_arn: self.execution_arn.as_deref() };
            log.append(origin, std::mem::take(&mut self.pending));
        }
    }

    /// Lambda's closing lines.
    pub(super) fn end(&mut self, report: &Report<'_>) {
        self.say(format!("END RequestId: {}", self.request_id));
        let line = report.line(&self.request_id);
        self.say(line);
    }

    /// What Lambda says of an invocation whose process is gone: the message, and the name of the error.
    pub(super) fn failed(&mut self, answer: &Answer) {
        let Answer::FunctionError { error_type, document } = answer else { return };
        let document: Option<Value> = serde_json::from_str(document).ok();
        if let Some(message) = document.as_ref().and_then(|document| document.get("errorMessage")?.as_str()) {
            self.say(message.to_owned());
            self.say(error_type.clone());
        }
    }

    /// What is said of a process that did not get ready.
    pub(super) fn init_failed(&mut self, init: Duration, answer: &Answer) {
        if let Answer::FunctionError { error_type, .. } = answer {
            let status = if error_type == "Sandbox.Timedout" { "timeout" } else { "error" };
            self.say(format!(
                "INIT_REPORT Init Duration: {:.2} ms\tPhase: init\tStatus: {status}\tError Type: {error_type}",
                milliseconds(init)
            ));
        }
    }
}

/// What Lambda reports of an invocation.
#[derive(Debug)]
pub(super) struct Report<'a> {
    pub(super) duration: Duration,
    /// Of the process's start, if this is its first invocation.
    pub(super) init: Option<Duration>,
    pub(super) memory_mib: u32,
    pub(super) peak_kib: Option<u64>,
    pub(super) answer: Option<&'a Answer>,
}

impl Report<'_> {
    /// AWS bills the start of a process, too (AWS Compute Blog, since August 2025), in whole milliseconds.
    fn line(&self, request_id: &str) -> String {
        let duration = milliseconds(self.duration);
        let billed = (duration + self.init.map_or(0.0, milliseconds)).ceil();
        // Writing into a String cannot fail.
        let mut line = format!(
            "REPORT RequestId: {request_id}\tDuration: {duration:.2} ms\tBilled Duration: {billed:.0} ms\t\
             Memory Size: {} MB\t",
            self.memory_mib
        );
        if let Some(peak) = self.peak_kib {
            let _ = write!(line, "Max Memory Used: {} MB\t", peak.div_ceil(1024));
        }
        if let Some(init) = self.init {
            let _ = write!(line, "Init Duration: {:.2} ms\t", milliseconds(init));
        }
        match self.answer {
            Some(Answer::FunctionError { error_type, .. }) if error_type == "Sandbox.Timedout" => {
                line.push_str("Status: timeout");
            }
            Some(Answer::FunctionError { error_type, .. }) if error_type.starts_with("Runtime.") => {
                let _ = write!(line, "Status: error\tError Type: {error_type}");
            }
            _ => {}
        }
        line
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(answer: Option<&Answer>, init: Option<Duration>) -> String {
        let duration = Duration::from_micros(1234);
        Report { duration, init, memory_mib: 128, peak_kib: Some(1025), answer }.line("r")
    }

    #[test]
    fn a_report_is_as_lambda_prints_it() {
        assert_eq!(
            report(None, None),
            "REPORT RequestId: r\tDuration: 1.23 ms\tBilled Duration: 2 ms\tMemory Size: 128 MB\tMax Memory Used: 2 MB\t"
        );
        assert_eq!(
            report(None, Some(Duration::from_millis(10))),
            "REPORT RequestId: r\tDuration: 1.23 ms\tBilled Duration: 12 ms\tMemory Size: 128 MB\tMax Memory Used: 2 MB\t\
             Init Duration: 10.00 ms\t"
        );
        let timed_out = Answer::timed_out("r", Duration::from_secs(1));
        assert!(report(Some(&timed_out), None).ends_with("\tStatus: timeout"));
        let exited = Answer::exited("r", None);
        assert!(report(Some(&exited), None).ends_with("\tStatus: error\tError Type: Runtime.ExitError"));
    }

    #[test]
    fn a_caller_sees_the_end_of_the_log() {
        let mut log = InvocationLog { wants_tail: true, ..InvocationLog::default() };
        for at in 0..1000 {
            log.say(format!("Zoë {at}"));
        }
        assert!(log.tail.len() <= TAIL_BYTES && log.tail.ends_with("Zoë 999\n"));
    }
}
