//! What a schedule is: a document that was checked, and when it fires.

use asl::limits::DELIVERY_AGE_SECONDS_MAX;
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

use super::expression::{Dialect, Expression};
use crate::http::JsonError;
use crate::stores::deliveries::{NewDelivery, Target};
use crate::stores::events::target_of;
use crate::stores::place::Place;
use crate::stores::request::{Given, validation};
use crate::stores::time;

/// The group that is always there.
pub(super) const DEFAULT_GROUP: &str = "default";

/// What is kept of a request.
const KEPT: [&str; 12] = [
    "ScheduleExpression",
    "ScheduleExpressionTimezone",
    "StartDate",
    "EndDate",
    "Description",
    "State",
    "KmsKeyArn",
    "Target",
    "FlexibleTimeWindow",
    "ActionAfterCompletion",
    "ClientToken",
    "Name",
];

/// A schedule that can fire.
#[derive(Debug, Clone)]
pub(super) struct Schedule {
    expression: Expression,
    zone: TimeZone,
    begin_millis: Option<i64>,
    end_millis: Option<i64>,
    is_enabled: bool,
    /// How long after its time it may fire.
    window_millis: i64,
    target: Target,
    input: Option<String>,
    pub(super) is_deleted_at_end: bool,
}

/// The document of a request, with defaults.
pub(super) fn document_of(given: Given<'_>) -> Map<String, Value> {
    let mut document = given.copied(&KEPT);
    for (name, default) in
        [("ScheduleExpressionTimezone", "UTC"), ("State", "ENABLED"), ("ActionAfterCompletion", "NONE")]
    {
        document.entry(name).or_insert_with(|| default.into());
    }
    for name in ["StartDate", "EndDate"] {
        if let Some(value) = document.get_mut(name) {
            *value = time::millis(value).map_or(Value::Null, time::seconds);
        }
    }
    if let Some(target) = document.get_mut("Target").and_then(Value::as_object_mut) {
        let retry = target.entry("RetryPolicy").or_insert_with(|| json!({}));
        if let Some(retry) = retry.as_object_mut() {
            retry.entry("MaximumEventAgeInSeconds").or_insert_with(|| json!(DELIVERY_AGE_SECONDS_MAX));
            retry.entry("MaximumRetryAttempts").or_insert_with(|| json!(asl::limits::DELIVERY_RETRIES_MAX));
        }
    }
    document
}

impl Schedule {
    /// Reads a document, and says what is wrong with it.
    pub(super) fn of(document: Given<'_>) -> Result<Self, JsonError> {
        let text = document.required("ScheduleExpression");
        let expression = Expression::parse(text, Dialect::Schedule)
            .map_err(|error| validation(format!("Invalid Schedule Expression {text}. ({error})")))?;
        let zone = document.text("ScheduleExpressionTimezone").unwrap_or("UTC");
        let zone = TimeZone::get(zone)
            .map_err(|_| validation(format!("Provided ScheduleExpressionTimezone {zone} is invalid.")))?;
        let date = |name: &str| document.value(name).and_then(time::millis);
        let (begin_millis, end_millis) = (date("StartDate"), date("EndDate"));
        if let (Some(begin), Some(end)) = (begin_millis, end_millis)
            && begin >= end
        {
            return Err(validation("The EndDate you specify must come after the StartDate."));
        }
        let window = document.below("FlexibleTimeWindow");
        let minutes = window.and_then(|window| window.number("MaximumWindowInMinutes"));
        let is_flexible = window.and_then(|window| window.text("Mode")) == Some("FLEXIBLE");
        match (is_flexible, minutes) {
            (true, None) => {
                return Err(validation("MaximumWindowInMinutes must be specified when Mode is FLEXIBLE."));
            }
            (false, Some(_)) => {
                return Err(validation("MaximumWindowInMinutes must not be specified when Mode is OFF."));
            }
            _ => {}
        }
        let target = document.below("Target").ok_or_else(|| validation("Target must be specified."))?;
        let input = target.text("Input").map(str::to_owned);
        let target = target_of(target)?;
        let is_machine = crate::stores::place::service_of(&target.arn) == Some("states");
        if is_machine && input.as_deref().is_some_and(|input| serde_json::from_str::<Value>(input).is_err()) {
            return Err(validation(
                "Invalid RequestJson provided. Reason The Input of the target is not JSON.",
            ));
        }
        Ok(Self {
            expression,
            zone,
            begin_millis,
            end_millis,
            is_enabled: document.text("State") != Some("DISABLED"),
            window_millis: if is_flexible { minutes.unwrap_or_default() * 60_000 } else { 0 },
            target,
            input,
            is_deleted_at_end: document.text("ActionAfterCompletion") == Some("DELETE"),
        })
    }

    /// The first instant behind `after` for which it fires. `made`: without a start, a rate
    /// begins at once.
    pub(super) fn next_after(&self, after: i64, made: i64) -> Option<i64> {
        if !self.is_enabled {
            return None;
        }
        let begin = self.begin_millis.unwrap_or(made);
        // What has a time of its own, and a start in the future, fires from the start on.
        let after = self.begin_millis.map_or(after, |begin| after.max(begin - 1));
        let next = self.expression.next_after(after, &self.zone, begin)?;
        self.end_millis.is_none_or(|end| next <= end).then_some(next)
    }

    /// When it fires for an instant: within its window, always at the same time.
    pub(super) fn due(&self, arn: &str, instant: i64) -> i64 {
        if self.window_millis == 0 {
            return instant;
        }
        let digest = sigv4::digest(format!("{arn}\n{instant}").as_bytes());
        let drawn = digest.get(..12).and_then(|digits| i64::from_str_radix(digits, 16).ok());
        instant + drawn.unwrap_or_default() % self.window_millis
    }

    /// How old a firing may be.
    pub(super) fn age_millis_max(&self) -> i64 {
        self.target.age_seconds_max * 1_000
    }

    /// Whether it fires at a pace, and not at times of the clock.
    pub(super) fn is_rate(&self) -> bool {
        self.expression.period_millis().is_some()
    }

    /// What is delivered when it fires for an instant.
    pub(super) fn delivery(&self, arn: &str, instant: i64, place: &Place) -> NewDelivery {
        let id = firing_id(arn, instant);
        let scheduled = time::iso(instant);
        let input = match &self.input {
            Some(input) => input
                .replace("<aws.scheduler.schedule-arn>", arn)
                .replace("<aws.scheduler.scheduled-time>", &scheduled)
                .replace("<aws.scheduler.execution-id>", &id)
                .replace("<aws.scheduler.attempt-number>", "1"),
            None => json!({
                "version": "0",
                "id": id,
                "detail-type": "Scheduled Event",
                "source": "aws.scheduler",
                "account": place.account,
                "time": scheduled,
                "region": place.region,
                "resources": [arn],
                "detail": "{}",
            })
            .to_string(),
        };
        NewDelivery {
            event_id: id,
            source_arn: arn.to_owned(),
            target_id: "schedule".to_owned(),
            target: self.target.clone(),
            input,
            created_millis: instant,
        }
    }
}

/// The id of what fires for an instant, the same however often it is asked for.
pub(crate) fn firing_id(arn: &str, instant: i64) -> String {
    let digest = sigv4::digest(format!("{arn}\n{instant}").as_bytes());
    let part = |from: usize, to: usize| digest.get(from..to).unwrap_or_default();
    // UUID version 8, of one's own making; its variant is written as 8.
    format!("{}-{}-8{}-8{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
}
