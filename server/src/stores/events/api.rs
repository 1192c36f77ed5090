//! The operations of the event bus, by name.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use engine::services::Service;
use serde_json::{Value, json};

use super::pattern::{InvalidPattern, Pattern};
use super::rules::Rules;
use crate::http::service::off_thread;
use crate::http::{JsonAnswer, JsonApi, JsonError};
use crate::stores::bell::Bell;
use crate::stores::database::Done;
use crate::stores::deliveries::{self, Deliveries};
use crate::stores::request::{Answered, Given, check};
use crate::stores::shared::Shared;

const OPERATIONS: [&str; 19] = [
    "PutEvents",
    "TestEventPattern",
    "PutRule",
    "DescribeRule",
    "ListRules",
    "DeleteRule",
    "EnableRule",
    "DisableRule",
    "PutTargets",
    "RemoveTargets",
    "ListTargetsByRule",
    "ListRuleNamesByTarget",
    "CreateEventBus",
    "DescribeEventBus",
    "ListEventBuses",
    "DeleteEventBus",
    "TagResource",
    "UntagResource",
    "ListTagsForResource",
];

/// The event buses of a data folder.
pub(crate) struct Events {
    pub(super) shared: Arc<Shared>,
    model: Service,
    rules: RwLock<Arc<Rules>>,
    /// A change could not be read: what is in memory is not what counts.
    is_stale: AtomicBool,
    /// Held while rules are read anew, so that what was read last is what counts.
    reading: Mutex<()>,
    pub(super) deliveries: Arc<Deliveries>,
    /// Of the thread that fires what has a schedule.
    pub(super) clockwork: Arc<Bell>,
}

impl Events {
    /// `None`: there is no model of the service, which would be an error of the build.
    pub(crate) fn new(
        shared: Arc<Shared>,
        deliveries: Arc<Deliveries>,
        clockwork: Arc<Bell>,
    ) -> Option<Self> {
        let model = Service::load("eventbridge")?;
        let events = Self {
            shared,
            model,
            rules: RwLock::default(),
            is_stale: AtomicBool::new(false),
            reading: Mutex::default(),
            deliveries,
            clockwork,
        };
        events.read_rules().ok()?;
        Some(events)
    }

    pub(crate) const fn model(&self) -> &Service {
        &self.model
    }

    /// Runs an operation.
    pub(crate) fn run(&self, operation: &str, parameters: &Value) -> Answered {
        check(&self.model, operation, parameters)?;
        let given = Given::of(parameters);
        match operation {
            "PutEvents" => self.put_events(given),
            "TestEventPattern" => test_pattern(given),
            "PutRule" => self.put_rule(given),
            "DescribeRule" => self.describe_rule(given),
            "ListRules" => self.list_rules(given),
            "DeleteRule" => self.delete_rule(given),
            "EnableRule" => self.set_state(given, "ENABLED"),
            "DisableRule" => self.set_state(given, "DISABLED"),
            "PutTargets" => self.put_targets(given),
            "RemoveTargets" => self.remove_targets(given),
            "ListTargetsByRule" => self.list_targets(given),
            "ListRuleNamesByTarget" => self.rules_of_target(given),
            "CreateEventBus" => self.create_bus(given),
            "DescribeEventBus" => self.describe_bus(given),
            "ListEventBuses" => self.list_buses(given),
            "DeleteEventBus" => self.delete_bus(given),
            "TagResource" => self.tag(given),
            "UntagResource" => self.untag(given),
            "ListTagsForResource" => self.tags(given),
            _ => Err(JsonError::new("UnknownOperationException", "")),
        }
    }

    /// The rules that count now.
    pub(super) fn rules(&self) -> Done<Arc<Rules>> {
        if self.is_stale.load(Ordering::SeqCst) {
            self.read_rules()?;
        }
        Ok(Arc::clone(&self.rules.read().unwrap_or_else(PoisonError::into_inner)))
    }

    /// Reads the rules anew, after one has changed.
    pub(super) fn read_rules(&self) -> Done {
        let _reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        let rules = self.shared.database.read(|connection| Rules::load(connection, &self.shared.place));
        self.is_stale.store(rules.is_err(), Ordering::SeqCst);
        let rules = rules?;
        *self.rules.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(rules);
        self.clockwork.ring();
        Ok(())
    }

    /// Takes an event that a store raises, which may be raised again: durable when it answers, and
    /// delivered once. The event is whole, with an id that is always the same.
    pub(crate) fn raise(&self, event: &Value) -> Done {
        let id = event.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
        let now = self.shared.now();
        let new = self.rules()?.deliveries(super::definitions::DEFAULT_BUS, event, now);
        if new.is_empty() {
            return Ok(());
        }
        self.shared.database.write(move |connection| {
            let insert = "INSERT OR IGNORE INTO raised (event_id, millis) VALUES (?1, ?2)";
            if connection.prepare_cached(insert)?.execute((&id, now))? == 0 {
                return Ok(());
            }
            super::put::forget_raised(connection, now)?;
            new.iter().try_for_each(|delivery| deliveries::insert(connection, delivery, now))
        })?;
        self.deliveries.bell.ring();
        Ok(())
    }
}

impl JsonApi for Events {
    fn target_prefix(&self) -> &'static str {
        "AWSEvents"
    }

    fn signing_name(&self) -> &'static str {
        "events"
    }

    fn has(&self, operation: &str) -> bool {
        OPERATIONS.contains(&operation)
    }

    fn call(self: Arc<Self>, operation: &str, parameters: Value) -> JsonAnswer {
        let operation = operation.to_owned();
        Box::pin(off_thread(move || self.run(&operation, &parameters)))
    }

    fn is_1_1(&self) -> bool {
        true
    }
}

impl From<InvalidPattern> for JsonError {
    fn from(error: InvalidPattern) -> Self {
        Self::new("InvalidEventPatternException", error.to_string())
    }
}

fn test_pattern(given: Given<'_>) -> Answered {
    let pattern = Pattern::parse(given.required("EventPattern"))?;
    let invalid = |reason: &str| {
        JsonError::new(
            "InvalidEventPatternException",
            format!("Parameter Event is not valid. Reason: {reason}"),
        )
    };
    let event: Value =
        serde_json::from_str(given.required("Event")).map_err(|error| invalid(&error.to_string()))?;
    // User guide, `TestEventPattern`: these are mandatory.
    let mandatory = ["id", "account", "source", "time", "region", "resources", "detail-type"];
    if let Some(missing) = mandatory.iter().find(|name| event.get(**name).is_none()) {
        return Err(invalid(&format!("The event has no {missing}")));
    }
    Ok(json!({ "Result": pattern.matches(&event) }))
}
