//! Failures, and which retrier or catcher takes them.

use asl::{JitterStrategy, QueryError, Retrier};

use super::flow::VARIABLES_TOO_LARGE;
use super::record::Text;

/// Names of errors that the engine itself raises or treats in a special way.
pub mod errors {
    /// Matches (nearly) every error.
    pub const ALL: &str = "States.ALL";
    /// Matches every error but timeouts.
    pub const TASK_FAILED: &str = "States.TaskFailed";
    /// A task or an execution took too long, or a heartbeat did not come.
    pub const TIMEOUT: &str = "States.Timeout";
    /// A heartbeat did not come. The error is called `States.Timeout`; retriers and catchers may use this name.
    pub const HEARTBEAT_TIMEOUT: &str = "States.HeartbeatTimeout";
    /// An expression failed.
    pub const QUERY_EVALUATION: &str = asl::template::QUERY_EVALUATION_ERROR;
    /// A payload is larger than 256 KiB.
    pub const DATA_LIMIT_EXCEEDED: &str = asl::template::DATA_LIMIT_EXCEEDED;
    /// The execution cannot go on; nothing catches it.
    pub const RUNTIME: &str = asl::jsonpath::RUNTIME_ERROR;
    /// The items of a Map cannot be read.
    pub const ITEM_READER_FAILED: &str = "States.ItemReaderFailed";
    /// The results of a Map cannot be written.
    pub const RESULT_WRITER_FAILED: &str = "States.ResultWriterFailed";
    /// More items of a Map failed than may.
    pub const EXCEED_TOLERATED_FAILURE_THRESHOLD: &str = "States.ExceedToleratedFailureThreshold";
    /// The transient error of Lambda that also stands for an unknown outcome.
    pub const LAMBDA_SERVICE: &str = "Lambda.ServiceException";
}

/// Where a failure comes from; decides what may catch it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nature {
    /// Raised by a task or a Fail state.
    Raised,
    /// A task took too long.
    TimedOut,
    /// A heartbeat did not come in time.
    HeartbeatMissed,
    /// An expression failed.
    Evaluation,
    /// What a state returns is too large: `States.ALL` does not catch it, its name does.
    Limit,
    /// The execution cannot go on: nothing catches it.
    Runtime,
}

/// A failure on its way to somebody who takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The error's name; a Fail state may have none.
    pub error: Option<Text>,
    /// The cause.
    pub cause: Option<Text>,
    /// Where it comes from.
    pub nature: Nature,
}

impl Failure {
    /// A failure with a name and a cause.
    pub fn new(nature: Nature, error: &str, cause: impl AsRef<str>) -> Self {
        Self { error: Some(error.into()), cause: Some(cause.as_ref().into()), nature }
    }

    /// The failure of a state one of whose fields has no value: the error of
    /// the query, and its cause, with or without the words that say where it happened.
    pub fn of_query(error: &str, cause: impl AsRef<str>) -> Self {
        let nature = match error {
            errors::RUNTIME => Nature::Runtime,
            errors::QUERY_EVALUATION => Nature::Evaluation,
            _ => Nature::Raised,
        };
        Self::new(nature, error, cause)
    }

    /// The failure of a state whose fields make more than they may: what it
    /// would be if they had been made. `in_state` says where it happened.
    pub fn of_limit(error: &QueryError, state: &str, in_state: impl FnOnce(&str) -> String) -> Self {
        if error.cause == VARIABLES_TOO_LARGE {
            return Self::new(Nature::Limit, errors::DATA_LIMIT_EXCEEDED, in_state(&error.cause));
        }
        Self::output_too_large(state)
    }

    /// A failure nothing catches.
    pub fn runtime(cause: impl AsRef<str>) -> Self {
        Self::new(Nature::Runtime, errors::RUNTIME, cause)
    }

    /// What an attempt fails with when nobody knows how it ended.
    pub fn unknown_outcome() -> Self {
        Self::new(
            Nature::Raised,
            errors::LAMBDA_SERVICE,
            "The engine stopped while the task ran, and its outcome is unknown. It was not started again: \
             Retry decides.",
        )
    }

    /// The result of a task is larger than 256 KiB. Recorded on AWS: `States.ALL` catches it.
    pub fn result_too_large(name: &str) -> Self {
        Self::new(Nature::Raised, errors::DATA_LIMIT_EXCEEDED, too_large(name))
    }

    /// What a state returns is larger than 256 KiB.
    pub fn output_too_large(name: &str) -> Self {
        Self::new(Nature::Limit, errors::DATA_LIMIT_EXCEEDED, too_large(name))
    }

    /// An item of a distributed Map makes an input that no child execution may get.
    pub fn item_too_large(index: u64, source: &str, bytes: usize, bytes_max: usize) -> Self {
        let cause = format!(
            "Item {index} of {source} makes an input of {bytes} bytes, a child execution may get {bytes_max}."
        );
        Self::new(Nature::Limit, errors::DATA_LIMIT_EXCEEDED, cause)
    }

    /// Whether a task took too long, or its heartbeat did not come.
    pub fn is_timeout(&self) -> bool {
        matches!(self.nature, Nature::TimedOut | Nature::HeartbeatMissed)
    }

    /// Whether a list of `ErrorEquals` is for this failure.
    pub fn matches(&self, error_equals: &[String]) -> bool {
        error_equals.iter().any(|name| self.matches_name(name))
    }

    fn matches_name(&self, name: &str) -> bool {
        if self.nature == Nature::Runtime {
            return false;
        }
        let error = self.error.as_deref().unwrap_or_default();
        match name {
            errors::ALL => self.nature != Nature::Limit,
            errors::TASK_FAILED => error != errors::TIMEOUT && self.nature != Nature::Limit,
            errors::HEARTBEAT_TIMEOUT => self.nature == Nature::HeartbeatMissed || error == name,
            _ => error == name,
        }
    }
}

fn too_large(name: &str) -> String {
    format!(
        "The state/task '{name}' returned a result with a size exceeding the maximum number of bytes service limit."
    )
}

/// How long a retrier waits, in milliseconds, before its attempt number
/// `attempt` (0 first): interval × rate^attempt, at most `MaxDelaySeconds`,
/// with full jitter a random part of it. `random` is in `0.0..1.0`.
#[expect(clippy::cast_possible_truncation, reason = "bounded by the longest delay below")]
#[expect(clippy::cast_precision_loss, reason = "seconds are far below 2^52")]
pub fn delay_millis(retrier: &Retrier, attempt: u32, random: impl FnOnce() -> f64) -> i64 {
    let exponent = i32::try_from(attempt).unwrap_or(i32::MAX);
    let grown = retrier.interval_seconds as f64 * retrier.backoff_rate.powi(exponent);
    let longest = retrier.max_delay_seconds.unwrap_or(asl::limits::RETRY_DELAY_SECONDS_MAX) as f64;
    let seconds = match retrier.jitter {
        JitterStrategy::None => grown.min(longest),
        JitterStrategy::Full => grown.min(longest) * random(),
    };
    (seconds * 1000.0).round() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retrier(rate: f64, max_delay_seconds: Option<u64>, jitter: JitterStrategy) -> Retrier {
        Retrier {
            error_equals: vec!["States.ALL".into()],
            interval_seconds: 3,
            max_attempts: 5,
            backoff_rate: rate,
            max_delay_seconds,
            jitter,
        }
    }

    #[test]
    fn delays_grow_up_to_the_longest() {
        let plain = retrier(2.0, None, JitterStrategy::None);
        let delays: Vec<_> = (0..4).map(|attempt| delay_millis(&plain, attempt, || 0.5)).collect();
        assert_eq!(delays, [3_000, 6_000, 12_000, 24_000]);
        let bounded = retrier(2.0, Some(10), JitterStrategy::None);
        let delays: Vec<_> = (0..4).map(|attempt| delay_millis(&bounded, attempt, || 0.5)).collect();
        assert_eq!(delays, [3_000, 6_000, 10_000, 10_000]);
        let jittered = retrier(2.0, Some(10), JitterStrategy::Full);
        assert_eq!(delay_millis(&jittered, 3, || 0.25), 2_500);
        assert_eq!(delay_millis(&plain, u32::MAX, || 0.5), 31_622_399_000);
    }

    #[test]
    fn who_matches_what() {
        let list = |name: &str| vec![name.to_owned()];
        let raised = Failure::new(Nature::Raised, "My.Error", "");
        let timeout = Failure::new(Nature::TimedOut, errors::TIMEOUT, "");
        let heartbeat = Failure::new(Nature::HeartbeatMissed, errors::TIMEOUT, "");
        let evaluation = Failure::new(Nature::Evaluation, errors::QUERY_EVALUATION, "");
        let result = Failure::result_too_large("lambda");
        let output = Failure::output_too_large("X");
        let runtime = Failure::runtime("");
        let nameless = Failure { error: None, cause: None, nature: Nature::Raised };
        let table: [(&Failure, &[&str]); 8] = [
            (&raised, &["States.ALL", "States.TaskFailed", "My.Error"]),
            (&timeout, &["States.ALL", "States.Timeout"]),
            (&heartbeat, &["States.ALL", "States.Timeout", "States.HeartbeatTimeout"]),
            (&evaluation, &["States.ALL", "States.TaskFailed", "States.QueryEvaluationError"]),
            (&result, &["States.ALL", "States.TaskFailed", "States.DataLimitExceeded"]),
            (&output, &["States.DataLimitExceeded"]),
            (&runtime, &[]),
            (&nameless, &["States.ALL", "States.TaskFailed"]),
        ];
        let names = [
            "States.ALL",
            "States.TaskFailed",
            "My.Error",
            "States.Timeout",
            "States.HeartbeatTimeout",
            "States.QueryEvaluationError",
            "States.DataLimitExceeded",
            "States.Runtime",
            "State.ALL",
        ];
        for (failure, expected) in table {
            let matched: Vec<_> = names.into_iter().filter(|name| failure.matches(&list(name))).collect();
            let expected: Vec<_> = names.into_iter().filter(|name| expected.contains(name)).collect();
            assert_eq!(matched, expected, "{failure:?}");
        }
    }
}
