//! Reads `Retry` and `Catch`.

use super::super::flow::StateFlow;
use super::super::model::{Catcher, JitterStrategy, QueryLanguage, ResultPath, Retrier};
use super::super::source::NodeKind;
use super::fields::{Allowed, Fields};
use super::query::Place;
use super::{At, Reader};
use crate::limits;

const RETRIER: Allowed = Allowed {
    both: &[
        "BackoffRate",
        "Comment",
        "ErrorEquals",
        "IntervalSeconds",
        "JitterStrategy",
        "MaxAttempts",
        "MaxDelaySeconds",
    ],
    jsonpath: &[],
    jsonata: &[],
};
const CATCHER: Allowed = Allowed {
    both: &["Assign", "Comment", "ErrorEquals", "Next"],
    jsonpath: &["ResultPath"],
    jsonata: &["Output"],
};
/// The name that matches every error.
const ALL: &str = "States.ALL";

impl Reader {
    /// `ErrorEquals`: `States.ALL` is alone in the last entry.
    fn error_equals(&mut self, fields: &Fields<'_>, is_last: bool) -> Option<Vec<String>> {
        let at = fields.at("ErrorEquals")?;
        let items = self.filled_array(&at)?;
        let mut names = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let at = at.item(index, item);
            let name = self.text(&at);
            if name.as_deref() == Some(ALL) && (items.len() > 1 || !is_last) {
                self.schema(format!("{ALL} must appear alone and at end of list"), &at);
                self.advise(Some(format!("move it into an entry of its own, the last one: [\"{ALL}\"]")));
            }
            names.push(name);
        }
        names.into_iter().collect()
    }

    pub(super) fn retriers(&mut self, fields: &Fields<'_>) -> Vec<Retrier> {
        let Some(at) = fields.at("Retry") else { return Vec::new() };
        let Some(items) = self.array(&at) else { return Vec::new() };
        let mut retriers = Vec::new();
        for (index, item) in items.iter().enumerate() {
            retriers.extend(self.retrier(&at.item(index, item), index + 1 == items.len()));
        }
        retriers
    }

    fn retrier(&mut self, at: &At<'_>, is_last: bool) -> Option<Retrier> {
        let fields = self.object(at)?;
        self.allow(&fields, self.language, &RETRIER);
        self.optional_text(&fields, "Comment");
        self.require(&fields, &["ErrorEquals"]);
        let error_equals = self.error_equals(&fields, is_last);
        let interval_seconds = self
            .optional_whole_number(&fields, "IntervalSeconds", 1..=limits::RETRY_INTERVAL_SECONDS_MAX)
            .unwrap_or(limits::RETRY_INTERVAL_SECONDS_DEFAULT);
        let max_attempts = self
            .optional_whole_number(&fields, "MaxAttempts", 0..=limits::RETRY_ATTEMPTS_MAX)
            .unwrap_or(limits::RETRY_ATTEMPTS_DEFAULT);
        let max_delay_seconds =
            self.optional_whole_number(&fields, "MaxDelaySeconds", 1..=limits::RETRY_DELAY_SECONDS_MAX);
        if let (Some(delay), Some(at)) = (max_delay_seconds, fields.at("MaxDelaySeconds"))
            && delay <= interval_seconds
        {
            let message = format!(
                "MaxDelaySeconds ({delay}) must be greater than IntervalSeconds ({interval_seconds})"
            );
            self.schema(message, &at);
        }
        let backoff_rate = self.backoff_rate(&fields);
        let jitter = self
            .choice(
                &fields,
                "JitterStrategy",
                &[("FULL", JitterStrategy::Full), ("NONE", JitterStrategy::None)],
            )
            .unwrap_or_default();
        Some(Retrier {
            error_equals: error_equals?,
            interval_seconds,
            max_attempts,
            backoff_rate,
            max_delay_seconds,
            jitter,
        })
    }

    fn backoff_rate(&mut self, fields: &Fields<'_>) -> f64 {
        let Some(at) = fields.at("BackoffRate") else { return limits::RETRY_BACKOFF_RATE_DEFAULT };
        match &at.node.kind {
            NodeKind::Number(number) => match number.as_f64() {
                Some(rate) if rate >= limits::RETRY_BACKOFF_RATE_MIN => return rate,
                _ => self.schema(format!("Minimum value is {:.1}", limits::RETRY_BACKOFF_RATE_MIN), &at),
            },
            _ => self.expected("Float", &at),
        }
        limits::RETRY_BACKOFF_RATE_DEFAULT
    }

    pub(super) fn catchers(&mut self, fields: &Fields<'_>, flow: &mut StateFlow) -> Vec<Catcher> {
        let Some(at) = fields.at("Catch") else { return Vec::new() };
        let Some(items) = self.array(&at) else { return Vec::new() };
        let mut catchers = Vec::new();
        for (index, item) in items.iter().enumerate() {
            catchers.extend(self.catcher(&at.item(index, item), index + 1 == items.len(), flow));
        }
        catchers
    }

    fn catcher(&mut self, at: &At<'_>, is_last: bool, flow: &mut StateFlow) -> Option<Catcher> {
        let fields = self.object(at)?;
        self.allow(&fields, flow.language, &CATCHER);
        let comment = self.optional_text(&fields, "Comment");
        self.require(&fields, &["ErrorEquals", "Next"]);
        let error_equals = self.error_equals(&fields, is_last);
        let (assign, names) = self.assign(&fields, Place::Catcher, flow);
        let output = self.optional_output(&fields, Place::Catcher, flow);
        let result_path = match flow.language {
            QueryLanguage::JsonPath => self.result_path(&fields, flow),
            QueryLanguage::Jsonata => Some(ResultPath::Replace),
        };
        let next = self.target(&fields, flow, names);
        Some(Catcher {
            comment,
            error_equals: error_equals?,
            next: next?,
            assign,
            output,
            result_path: result_path?,
        })
    }
}
