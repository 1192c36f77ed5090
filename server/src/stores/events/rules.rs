//! Rules as they work: in memory, made of what the database has.

use std::collections::BTreeMap;
use std::sync::Arc;

use asl::limits::{DELIVERY_AGE_SECONDS_MAX, DELIVERY_RETRIES_MAX};
use rusqlite::{Connection, OptionalExtension as _};
use serde_json::{Map, Value};

use super::input::{Input, Occasion};
use super::pattern::Pattern;
use crate::http::JsonError;
use crate::stores::database::Done;
use crate::stores::deliveries::{NewDelivery, Target};
use crate::stores::place::{Place, service_of};
use crate::stores::request::{Given, validation};

/// All rules that are enabled, by bus and name. A snapshot: changes make another.
#[derive(Debug, Clone, Default)]
pub(super) struct Rules(BTreeMap<String, Vec<Arc<Rule>>>);

/// A rule that is enabled.
#[derive(Debug)]
pub(super) struct Rule {
    arn: String,
    name: String,
    /// `None`: it only fires by its schedule.
    pattern: Option<Pattern>,
    targets: Vec<RuleTarget>,
}

#[derive(Debug)]
struct RuleTarget {
    id: String,
    target: Target,
    input: Input,
}

impl Rules {
    /// The rules of the database. What can no longer be read was accepted by a program that could: it
    /// is said, and the rest works.
    pub(super) fn load(connection: &Connection, place: &Place) -> Done<Self> {
        let mut rules: BTreeMap<(String, String), Rule> = BTreeMap::new();
        let mut statement = connection.prepare_cached("SELECT bus, name, document FROM rules")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (bus, name, document): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
            if let Some(rule) = Rule::of(place, &bus, &name, &document) {
                rules.insert((bus, name), rule);
            }
        }
        let mut statement = connection.prepare_cached("SELECT bus, rule, document FROM targets")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (bus, rule, document): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
            if let Some(rule) = rules.get_mut(&(bus, rule)) {
                rule.add(&document);
            }
        }
        let mut by_bus: BTreeMap<String, Vec<Arc<Rule>>> = BTreeMap::new();
        for ((bus, _), rule) in rules {
            by_bus.entry(bus).or_default().push(Arc::new(rule));
        }
        Ok(Self(by_bus))
    }

    /// What is to be delivered of an event of a bus. `now`: when it came in.
    pub(super) fn deliveries(&self, bus: &str, event: &Value, now: i64) -> Vec<NewDelivery> {
        let rules = self.0.get(bus).into_iter().flatten();
        let is_for = |rule: &&Arc<Rule>| rule.pattern.as_ref().is_some_and(|pattern| pattern.matches(event));
        rules.filter(is_for).flat_map(|rule| rule.deliveries(event, now)).collect()
    }
}

impl Rule {
    /// A rule as the database has it now; `None` = there is none, or it is disabled.
    pub(super) fn find(connection: &Connection, place: &Place, bus: &str, name: &str) -> Done<Option<Self>> {
        let find = "SELECT document FROM rules WHERE bus = ?1 AND name = ?2";
        let found = connection.prepare_cached(find)?.query_row((bus, name), |row| row.get::<_, String>(0));
        let rule = found.optional()?.and_then(|document| Self::of(place, bus, name, &document));
        let Some(mut rule) = rule else { return Ok(None) };
        let targets = "SELECT document FROM targets WHERE bus = ?1 AND rule = ?2";
        let mut statement = connection.prepare_cached(targets)?;
        let mut rows = statement.query((bus, name))?;
        while let Some(row) = rows.next()? {
            rule.add(&row.get::<_, String>(0)?);
        }
        Ok(Some(rule))
    }

    /// Without its targets. One that cannot be read is left out as if it were disabled.
    fn of(place: &Place, bus: &str, name: &str, document: &str) -> Option<Self> {
        let document: Value = serde_json::from_str(document).unwrap_or_default();
        let given = Given::of(&document);
        if given.text("State") == Some("DISABLED") {
            return None;
        }
        let arn = place.rule_arn(bus, name);
        match given.text("EventPattern").map(Pattern::parse).transpose() {
            Ok(pattern) => Some(Self { arn, name: name.to_owned(), pattern, targets: Vec::new() }),
            Err(error) => {
                tracing::error!(rule = arn, %error, "a rule is left out");
                None
            }
        }
    }

    fn add(&mut self, target: &str) {
        let document: Value = serde_json::from_str(target).unwrap_or_default();
        match RuleTarget::of(Given::of(&document)) {
            Ok(target) => self.targets.push(target),
            Err(error) => tracing::error!(rule = self.arn, error = error.message, "a target is left out"),
        }
    }

    /// What is to be delivered to its targets.
    pub(super) fn deliveries(&self, event: &Value, now: i64) -> Vec<NewDelivery> {
        let ingestion_time = crate::stores::time::iso(now);
        let occasion =
            Occasion { rule_arn: &self.arn, rule_name: &self.name, ingestion_time: &ingestion_time };
        let event_id = event.get("id").and_then(Value::as_str).unwrap_or_default();
        let delivery = |target: &RuleTarget| NewDelivery {
            event_id: event_id.to_owned(),
            source_arn: self.arn.clone(),
            target_id: target.id.clone(),
            target: target.target.clone(),
            input: target.input.text(event, occasion),
            created_millis: now,
        };
        self.targets.iter().map(delivery).collect()
    }
}

impl RuleTarget {
    fn of(document: Given<'_>) -> Result<Self, JsonError> {
        let group_id =
            document.below("SqsParameters").and_then(|parameters| parameters.text("MessageGroupId"));
        let mut target = target_of(document)?;
        target.group_id = group_id.map(str::to_owned);
        Ok(Self { id: document.required("Id").to_owned(), target, input: Input::of(document)? })
    }
}

/// Where a target is and how long it is tried, of its document; also of a schedule's.
pub(crate) fn target_of(document: Given<'_>) -> Result<Target, JsonError> {
    let arn = document.required("Arn");
    check_arn(arn)?;
    let retry = document.below("RetryPolicy");
    let number = |name: &str| retry.and_then(|retry| retry.number(name));
    let dead_letter = document.below("DeadLetterConfig").and_then(|config| config.text("Arn"));
    if let Some(arn) = dead_letter.filter(|arn| service_of(arn) != Some("sqs")) {
        return Err(validation(format!("Parameter DeadLetterConfig.Arn is not valid: {arn} is no queue.")));
    }
    if dead_letter.and_then(|arn| arn.strip_suffix(".fifo")).is_some() {
        return Err(validation("SQS FIFO is not supported by Dead Letter Queues.".to_owned()));
    }
    Ok(Target {
        arn: arn.to_owned(),
        dead_letter_arn: dead_letter.map(str::to_owned),
        retries_max: number("MaximumRetryAttempts").unwrap_or(DELIVERY_RETRIES_MAX),
        age_seconds_max: number("MaximumEventAgeInSeconds").unwrap_or(DELIVERY_AGE_SECONDS_MAX),
        group_id: document
            .below("SqsParameters")
            .and_then(|parameters| parameters.text("MessageGroupId"))
            .map(str::to_owned),
    })
}

/// Targets are state machines and queues.
fn check_arn(arn: &str) -> Result<(), JsonError> {
    match service_of(arn) {
        Some("states") if arn.split(':').nth(5) == Some("stateMachine") => Ok(()),
        Some("sqs") => Ok(()),
        Some(_) => Err(validation(format!(
            "Parameter {arn} is not valid. Reason: This endpoint delivers to state machines and queues only."
        ))),
        None => Err(validation(format!(
            "Parameter {arn} is not valid. Reason: Provided Arn is not in correct format."
        ))),
    }
}

/// What a rule is, of the parameters of `PutRule`.
pub(super) fn document_of(given: Given<'_>) -> Map<String, Value> {
    let names = ["EventPattern", "ScheduleExpression", "State", "Description", "RoleArn"];
    let mut document = given.copied(&names);
    document.retain(|_, value| value.as_str() != Some(""));
    document.entry("State").or_insert_with(|| "ENABLED".into());
    document
}
