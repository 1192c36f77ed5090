//! Rules, targets, buses and tags in the database.

use asl::limits::{DELIVERY_AGE_SECONDS_MAX, EVENT_BUSES_MAX, EVENT_RULES_MAX, EVENT_TARGETS_MAX};
use jiff::tz::TimeZone;
use rusqlite::{Connection, OptionalExtension as _};
use serde_json::{Map, Value, json};

use super::Events;
use super::input::Input;
use super::pattern::Pattern;
use super::rules::{Rule, document_of, target_of};
use crate::http::JsonError;
use crate::stores::database::{self, Done};
use crate::stores::deliveries;
use crate::stores::place::Place;
use crate::stores::request::{Answered, Given, page, validation};
use crate::stores::schedules::expression::{Dialect, Expression};
use crate::stores::schedules::firing_id;
use crate::stores::tags;
use crate::stores::time;

/// The bus that is always there.
pub(super) const DEFAULT_BUS: &str = "default";
/// Entries in one answer of a list. API reference: 100.
const PAGE: usize = 100;

/// The name of a bus, of its name or its ARN.
pub(super) fn bus_name(given: Option<&str>) -> &str {
    let given = given.unwrap_or(DEFAULT_BUS);
    given.rsplit_once("event-bus/").map_or(given, |(_, name)| name)
}

/// Whether there is a bus.
pub(super) fn has_bus(connection: &Connection, name: &str) -> Done<bool> {
    let mut statement = connection.prepare_cached("SELECT 1 FROM buses WHERE name = ?1")?;
    Ok(name == DEFAULT_BUS || statement.exists([name])?)
}

fn check_bus(connection: &Connection, name: &str) -> Done {
    if has_bus(connection, name)? { Ok(()) } else { Err(no_bus(name).into()) }
}

fn no_bus(name: &str) -> JsonError {
    JsonError::new("ResourceNotFoundException", format!("Event bus {name} does not exist."))
}

fn no_rule(bus: &str, name: &str) -> JsonError {
    let message = format!("Rule {name} does not exist on EventBus {bus}.");
    JsonError::new("ResourceNotFoundException", message)
}

fn too_many() -> JsonError {
    JsonError::new("LimitExceededException", "The requested resource exceeds the maximum number allowed.")
}

/// The document of a rule, and when it was made.
fn rule(connection: &Connection, bus: &str, name: &str) -> Done<(Value, i64)> {
    find_rule(connection, bus, name)?.ok_or_else(|| no_rule(bus, name).into())
}

fn find_rule(connection: &Connection, bus: &str, name: &str) -> Done<Option<(Value, i64)>> {
    let find = "SELECT document, created_millis FROM rules WHERE bus = ?1 AND name = ?2";
    let found = connection.prepare_cached(find)?.query_row((bus, name), |row| {
        let document: String = row.get(0)?;
        Ok((serde_json::from_str(&document).unwrap_or_default(), row.get(1)?))
    });
    Ok(found.optional()?)
}

/// When a rule fires next by its schedule, if it has one and is enabled.
fn next_millis(document: Given<'_>, created_millis: i64, now: i64) -> Option<i64> {
    if document.text("State") == Some("DISABLED") {
        return None;
    }
    let expression = Expression::parse(document.text("ScheduleExpression")?, Dialect::Rule).ok()?;
    // A rate fires first when its time has passed.
    let begin = created_millis + expression.period_millis().unwrap_or_default();
    expression.next_after(now, &TimeZone::UTC, begin)
}

/// The rules that are to fire by their schedules: bus, name, instant.
pub(crate) fn due_rules(connection: &Connection, now: i64) -> Done<Vec<(String, String, i64)>> {
    let due =
        "SELECT bus, name, next_millis FROM rules WHERE next_millis <= ?1 ORDER BY next_millis LIMIT 100";
    let mut statement = connection.prepare_cached(due)?;
    let found = statement.query_map([now], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

/// When the next rule fires by its schedule.
pub(crate) fn first_rule_millis(connection: &Connection) -> Done<Option<i64>> {
    Ok(connection.query_row("SELECT min(next_millis) FROM rules", [], |row| row.get(0))?)
}

/// Fires a rule for an instant: moves it on, and notes what is to be delivered to the targets it has
/// now. One that has changed since it was due is left to the next look. Firings older than their
/// target wants are left out, and the times before the oldest that anybody may want passed over.
pub(crate) fn fire_rule(
    connection: &Connection,
    place: &Place,
    (bus, name, instant): (&str, &str, i64),
    now: i64,
) -> Done {
    let Some((document, created)) = find_rule(connection, bus, name)? else { return Ok(()) };
    let oldest = now - DELIVERY_AGE_SECONDS_MAX * 1_000;
    let next = next_millis(Given::of(&document), created, instant.max(oldest - 1));
    let update = "UPDATE rules SET next_millis = ?4 WHERE bus = ?1 AND name = ?2 AND next_millis = ?3";
    if connection.prepare_cached(update)?.execute((bus, name, instant, next))? == 0 {
        return Ok(());
    }
    let arn = place.rule_arn(bus, name);
    let event = json!({
        "version": "0",
        "id": firing_id(&arn, instant),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": place.account,
        "time": time::iso(instant),
        "region": place.region,
        "resources": [arn],
        "detail": {},
    });
    let mut new = match Rule::find(connection, place, bus, name)? {
        Some(rule) => rule.deliveries(&event, instant),
        None => Vec::new(),
    };
    let count = new.len();
    new.retain(|delivery| now - instant <= delivery.target.age_seconds_max * 1_000);
    if new.len() < count || instant < oldest {
        tracing::warn!(
            rule = arn,
            time = time::iso(instant),
            "a firing was missed and is too old to be made up"
        );
    }
    new.iter().try_for_each(|delivery| deliveries::insert(connection, delivery, now))
}

impl Events {
    pub(super) fn put_rule(&self, given: Given<'_>) -> Answered {
        let (bus, name) =
            (bus_name(given.text("EventBusName")).to_owned(), given.required("Name").to_owned());
        check_name("name", &name, "[\\.\\-_A-Za-z0-9]+")?;
        let document = document_of(given);
        if !["EventPattern", "ScheduleExpression"].iter().any(|way| document.contains_key(*way)) {
            return Err(validation("Parameter(s) EventPattern or ScheduleExpression must be specified."));
        }
        if let Some(pattern) = document.get("EventPattern").and_then(Value::as_str) {
            Pattern::parse(pattern)?;
        }
        if let Some(expression) = document.get("ScheduleExpression").and_then(Value::as_str) {
            if bus != DEFAULT_BUS {
                return Err(validation("ScheduleExpression is supported only on the default event bus."));
            }
            Expression::parse(expression, Dialect::Rule)
                .map_err(|_| validation("Parameter ScheduleExpression is not valid."))?;
        }
        let arn = self.shared.place.rule_arn(&bus, &name);
        let (answer, now) = (json!({ "RuleArn": arn }), self.shared.now());
        let new_tags = tags::of_list(given.list("Tags"))?;
        self.shared.database.write(move |connection| {
            check_bus(connection, &bus)?;
            let before = find_rule(connection, &bus, &name)?;
            if before.is_none() {
                let count = "SELECT count(*) FROM rules WHERE bus = ?1";
                if database::count(connection, count, [&bus])? >= EVENT_RULES_MAX {
                    return Err(too_many().into());
                }
                // AWS takes tags of new rules only.
                tags::put(connection, &arn, &new_tags)?;
            }
            let is_same_schedule = before.as_ref().is_some_and(|(before, _)| {
                before.get("ScheduleExpression") == document.get("ScheduleExpression")
            });
            let created = before.filter(|_| is_same_schedule).map_or(now, |(_, created)| created);
            let document = Value::Object(document);
            let next = next_millis(Given::of(&document), created, now);
            let put = "INSERT INTO rules (bus, name, document, created_millis, next_millis) \
                       VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (bus, name) DO UPDATE SET \
                       document = excluded.document, created_millis = excluded.created_millis, \
                       next_millis = excluded.next_millis";
            connection.execute(put, (&bus, &name, document.to_string(), created, next))?;
            Ok(())
        })?;
        self.read_rules()?;
        Ok(answer)
    }

    pub(super) fn describe_rule(&self, given: Given<'_>) -> Answered {
        let (bus, name) = (bus_name(given.text("EventBusName")), given.required("Name"));
        let (document, _) = self.shared.database.read(|connection| {
            check_bus(connection, bus)?;
            rule(connection, bus, name)
        })?;
        let mut shown = self.shown_rule(bus, name, &document);
        shown.insert("CreatedBy".to_owned(), json!(self.shared.place.account));
        Ok(Value::Object(shown))
    }

    fn shown_rule(&self, bus: &str, name: &str, document: &Value) -> Map<String, Value> {
        let mut shown = Map::new();
        shown.insert("Name".to_owned(), json!(name));
        shown.insert("Arn".to_owned(), json!(self.shared.place.rule_arn(bus, name)));
        shown.extend(document.as_object().cloned().unwrap_or_default());
        shown.insert("EventBusName".to_owned(), json!(bus));
        shown
    }

    pub(super) fn list_rules(&self, given: Given<'_>) -> Answered {
        let bus = bus_name(given.text("EventBusName"));
        let prefix = given.text("NamePrefix").unwrap_or_default();
        let rules = self.shared.database.read(|connection| {
            check_bus(connection, bus)?;
            let mut statement =
                connection.prepare_cached("SELECT name, document FROM rules WHERE bus = ?1 ORDER BY name")?;
            let found = statement.query_map([bus], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(found.collect::<rusqlite::Result<Vec<(String, String)>>>()?)
        })?;
        let rules = rules.into_iter().filter(|(name, _)| name.starts_with(prefix)).collect();
        let (rules, next) = page(rules, given.text("NextToken"), limit(given), |(name, _)| name.as_str());
        let shown = |(name, document): &(String, String)| {
            self.shown_rule(bus, name, &serde_json::from_str(document).unwrap_or_default())
        };
        Ok(listed("Rules", rules.iter().map(shown).map(Value::Object).collect(), next))
    }

    pub(super) fn delete_rule(&self, given: Given<'_>) -> Answered {
        let (bus, name) =
            (bus_name(given.text("EventBusName")).to_owned(), given.required("Name").to_owned());
        let arn = self.shared.place.rule_arn(&bus, &name);
        self.shared.database.write(move |connection| {
            check_bus(connection, &bus)?;
            let mut targets =
                connection.prepare_cached("SELECT 1 FROM targets WHERE bus = ?1 AND rule = ?2")?;
            if targets.exists((&bus, &name))? {
                return Err(validation("Rule can't be deleted since it has targets.").into());
            }
            // A rule that is not there is as good as deleted, on AWS as here.
            connection.execute("DELETE FROM rules WHERE bus = ?1 AND name = ?2", (&bus, &name))?;
            tags::remove_all(connection, &arn)
        })?;
        self.read_rules()?;
        Ok(json!({}))
    }

    pub(super) fn set_state(&self, given: Given<'_>, state: &'static str) -> Answered {
        let (bus, name) =
            (bus_name(given.text("EventBusName")).to_owned(), given.required("Name").to_owned());
        let now = self.shared.now();
        self.shared.database.write(move |connection| {
            check_bus(connection, &bus)?;
            let (mut document, created) = rule(connection, &bus, &name)?;
            if let Some(document) = document.as_object_mut() {
                document.insert("State".to_owned(), json!(state));
            }
            let next = next_millis(Given::of(&document), created, now);
            let update = "UPDATE rules SET document = ?3, next_millis = ?4 WHERE bus = ?1 AND name = ?2";
            connection.execute(update, (&bus, &name, document.to_string(), next))?;
            Ok(())
        })?;
        self.read_rules()?;
        Ok(json!({}))
    }

    pub(super) fn put_targets(&self, given: Given<'_>) -> Answered {
        let (bus, name) =
            (bus_name(given.text("EventBusName")).to_owned(), given.required("Rule").to_owned());
        let mut targets = Vec::new();
        for target in given.list("Targets") {
            let document = Given::of(target);
            check_name("targets.1.member.id", document.required("Id"), "[\\.\\-_A-Za-z0-9]+")?;
            target_of(document)?;
            Input::of(document)?;
            targets.push((document.required("Id").to_owned(), target.to_string()));
        }
        self.shared.database.write(move |connection| {
            check_bus(connection, &bus)?;
            rule(connection, &bus, &name)?;
            let put = "INSERT INTO targets VALUES (?1, ?2, ?3, ?4) \
                       ON CONFLICT (bus, rule, id) DO UPDATE SET document = excluded.document";
            for (id, document) in targets {
                connection.execute(put, (&bus, &name, id, document))?;
            }
            let count = "SELECT count(*) FROM targets WHERE bus = ?1 AND rule = ?2";
            let count = database::count(connection, count, (&bus, &name))?;
            if count > EVENT_TARGETS_MAX { Err(too_many().into()) } else { Ok(()) }
        })?;
        self.read_rules()?;
        Ok(json!({ "FailedEntryCount": 0, "FailedEntries": [] }))
    }

    pub(super) fn remove_targets(&self, given: Given<'_>) -> Answered {
        let (bus, name) =
            (bus_name(given.text("EventBusName")).to_owned(), given.required("Rule").to_owned());
        let ids: Vec<String> = given.texts("Ids").into_iter().map(str::to_owned).collect();
        let failed = self.shared.database.write(move |connection| {
            check_bus(connection, &bus)?;
            rule(connection, &bus, &name)?;
            let delete = "DELETE FROM targets WHERE bus = ?1 AND rule = ?2 AND id = ?3";
            let mut failed = Vec::new();
            for id in ids {
                if connection.execute(delete, (&bus, &name, &id))? == 0 {
                    failed.push(json!({
                        "TargetId": id,
                        "ErrorCode": "ResourceNotFoundException",
                        "ErrorMessage": format!("Rule {name} has no target {id}."),
                    }));
                }
            }
            Ok(failed)
        })?;
        self.read_rules()?;
        Ok(json!({ "FailedEntryCount": failed.len(), "FailedEntries": failed }))
    }

    pub(super) fn list_targets(&self, given: Given<'_>) -> Answered {
        let (bus, name) = (bus_name(given.text("EventBusName")), given.required("Rule"));
        let targets = self.shared.database.read(|connection| {
            check_bus(connection, bus)?;
            rule(connection, bus, name)?;
            let list = "SELECT id, document FROM targets WHERE bus = ?1 AND rule = ?2 ORDER BY id";
            let mut statement = connection.prepare_cached(list)?;
            let found = statement.query_map((bus, name), |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(found.collect::<rusqlite::Result<Vec<(String, String)>>>()?)
        })?;
        let (targets, next) = page(targets, given.text("NextToken"), limit(given), |(id, _)| id.as_str());
        let shown = targets.iter().map(|(_, document)| serde_json::from_str(document).unwrap_or_default());
        Ok(listed("Targets", shown.collect(), next))
    }

    pub(super) fn rules_of_target(&self, given: Given<'_>) -> Answered {
        let (bus, arn) = (bus_name(given.text("EventBusName")), given.required("TargetArn"));
        let names = self.shared.database.read(|connection| {
            check_bus(connection, bus)?;
            let list = "SELECT DISTINCT rule FROM targets WHERE bus = ?1 AND document ->> '$.Arn' = ?2 ORDER BY rule";
            let mut statement = connection.prepare_cached(list)?;
            let found = statement.query_map((bus, arn), |row| row.get(0))?;
            Ok(found.collect::<rusqlite::Result<Vec<String>>>()?)
        })?;
        let (names, next) = page(names, given.text("NextToken"), limit(given), String::as_str);
        Ok(listed("RuleNames", names.into_iter().map(Value::from).collect(), next))
    }

    pub(super) fn create_bus(&self, given: Given<'_>) -> Answered {
        let name = given.required("Name").to_owned();
        check_name("name", &name, "[/\\.\\-_A-Za-z0-9]+")?;
        if name.contains('/') {
            return Err(validation("Event bus name must not contain '/'."));
        }
        let document = given.copied(&["Description", "KmsKeyIdentifier", "DeadLetterConfig", "LogConfig"]);
        let arn = self.shared.place.bus_arn(&name);
        let mut answer = document.clone();
        answer.insert("EventBusArn".to_owned(), json!(arn));
        let (now, new_tags) = (self.shared.now(), tags::of_list(given.list("Tags"))?);
        self.shared.database.write(move |connection| {
            if has_bus(connection, &name)? {
                let message = format!("Event bus {name} already exists.");
                return Err(JsonError::new("ResourceAlreadyExistsException", message).into());
            }
            if database::count(connection, "SELECT count(*) FROM buses", [])? + 1 >= EVENT_BUSES_MAX {
                return Err(too_many().into());
            }
            let insert = "INSERT INTO buses VALUES (?1, ?2, ?3, ?3)";
            connection.execute(insert, (&name, Value::Object(document).to_string(), now))?;
            tags::put(connection, &arn, &new_tags)
        })?;
        Ok(Value::Object(answer))
    }

    pub(super) fn describe_bus(&self, given: Given<'_>) -> Answered {
        let name = bus_name(given.text("Name"));
        let buses = self.shared.database.read(buses)?;
        let mut found = buses.into_iter().filter(|(found, ..)| found == name);
        found.next().map(|bus| Value::Object(self.shown_bus(&bus))).ok_or_else(|| no_bus(name))
    }

    pub(super) fn list_buses(&self, given: Given<'_>) -> Answered {
        let prefix = given.text("NamePrefix").unwrap_or_default();
        let buses = self.shared.database.read(buses)?;
        let buses = buses.into_iter().filter(|(name, ..)| name.starts_with(prefix)).collect();
        let (buses, next) = page(buses, given.text("NextToken"), limit(given), |(name, ..)| name.as_str());
        let shown = buses.iter().map(|bus| Value::Object(self.shown_bus(bus)));
        Ok(listed("EventBuses", shown.collect(), next))
    }

    fn shown_bus(&self, (name, document, created, modified): &Bus) -> Map<String, Value> {
        let mut shown = Map::new();
        shown.insert("Name".to_owned(), json!(name));
        shown.insert("Arn".to_owned(), json!(self.shared.place.bus_arn(name)));
        shown.extend(serde_json::from_str::<Map<String, Value>>(document).unwrap_or_default());
        if name != DEFAULT_BUS {
            shown.insert("CreationTime".to_owned(), time::seconds(*created));
            shown.insert("LastModifiedTime".to_owned(), time::seconds(*modified));
        }
        shown
    }

    pub(super) fn delete_bus(&self, given: Given<'_>) -> Answered {
        let name = bus_name(given.text("Name")).to_owned();
        if name == DEFAULT_BUS {
            return Err(validation("Cannot delete event bus default."));
        }
        let arn = self.shared.place.bus_arn(&name);
        self.shared.database.write(move |connection| {
            if connection.prepare_cached("SELECT 1 FROM rules WHERE bus = ?1")?.exists([&name])? {
                return Err(validation(format!("Cannot delete event bus {name} since it has rules.")).into());
            }
            connection.execute("DELETE FROM buses WHERE name = ?1", [&name])?;
            tags::remove_all(connection, &arn)
        })?;
        Ok(json!({}))
    }

    pub(super) fn tag(&self, given: Given<'_>) -> Answered {
        let (arn, new) = (given.required("ResourceARN").to_owned(), tags::of_list(given.list("Tags"))?);
        self.shared.database.write(move |connection| tags::put(connection, &arn, &new))?;
        Ok(json!({}))
    }

    pub(super) fn untag(&self, given: Given<'_>) -> Answered {
        let arn = given.required("ResourceARN").to_owned();
        let keys: Vec<String> = given.texts("TagKeys").into_iter().map(str::to_owned).collect();
        self.shared.database.write(move |connection| tags::remove(connection, &arn, &keys))?;
        Ok(json!({}))
    }

    pub(super) fn tags(&self, given: Given<'_>) -> Answered {
        let arn = given.required("ResourceARN");
        let tags = self.shared.database.read(|connection| tags::list(connection, arn))?;
        Ok(json!({ "Tags": tags }))
    }
}

/// Name, document, made, changed.
type Bus = (String, String, i64, i64);

fn buses(connection: &Connection) -> Done<Vec<Bus>> {
    let list = "SELECT name, document, created_millis, modified_millis FROM buses \
                UNION ALL SELECT 'default', '{}', 0, 0 ORDER BY name";
    let mut statement = connection.prepare_cached(list)?;
    let found = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

fn limit(given: Given<'_>) -> usize {
    given.number("Limit").and_then(|limit| usize::try_from(limit).ok()).unwrap_or(PAGE)
}

fn listed(name: &str, items: Vec<Value>, next: Option<String>) -> Value {
    let mut answer = Map::from_iter([(name.to_owned(), Value::Array(items))]);
    if let Some(next) = next {
        answer.insert("NextToken".to_owned(), json!(next));
    }
    Value::Object(answer)
}

/// Names are letters, digits and some punctuation.
fn check_name(path: &str, name: &str, pattern: &str) -> Result<(), JsonError> {
    let allowed: &[u8] = if pattern.starts_with("[/") { b"./-_" } else { b".-_" };
    if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || allowed.contains(&byte)) {
        return Ok(());
    }
    Err(validation(format!(
        "1 validation error detected: Value '{name}' at '{path}' failed to satisfy constraint: Member must satisfy \
         regular expression pattern: {pattern}"
    )))
}
