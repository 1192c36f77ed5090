//! Taking events.

use asl::limits::EVENT_BYTES_MAX;
use rusqlite::Connection;
use serde_json::{Map, Value, json};

use super::Events;
use super::definitions::{DEFAULT_BUS, bus_name, has_bus};
use crate::stores::database::Done;
use crate::stores::deliveries;
use crate::stores::request::{Answered, Given, validation};
use crate::stores::time;

/// How long it is known that an event was raised. Ours: much longer than a store takes to be there again.
const RAISED_KNOWN_MILLIS: i64 = 7 * 86_400_000;
/// How many are forgotten at a time.
const FORGOTTEN_MAX: i64 = 100;

/// An entry that was not taken.
struct Refused {
    code: &'static str,
    message: &'static str,
}

impl Events {
    /// Takes events: each on its own, and what is to be delivered of all together is on the disk
    /// before the answer.
    pub(super) fn put_events(&self, given: Given<'_>) -> Answered {
        let entries: Vec<Given<'_>> = given.list("Entries").iter().map(Given::of).collect();
        if entries.iter().map(|entry| size(*entry)).sum::<usize>() > EVENT_BYTES_MAX {
            return Err(validation("Total size of the entries in the request is over the limit."));
        }
        let (now, rules) = (self.shared.now(), self.rules()?);
        let (mut new, mut answers, mut failed) = (Vec::new(), Vec::new(), 0);
        for entry in entries {
            match self.event(entry, now)? {
                Ok((bus, event)) => {
                    new.extend(rules.deliveries(&bus, &event, now));
                    answers.push(json!({ "EventId": event.get("id") }));
                }
                Err(Refused { code, message }) => {
                    failed += 1;
                    answers.push(json!({ "ErrorCode": code, "ErrorMessage": message }));
                }
            }
        }
        if !new.is_empty() {
            self.shared.database.write(move |connection| {
                new.iter().try_for_each(|delivery| deliveries::insert(connection, delivery, now))
            })?;
            self.deliveries.bell.ring();
        }
        Ok(json!({ "FailedEntryCount": failed, "Entries": answers }))
    }

    /// The event of an entry, and its bus.
    fn event(&self, entry: Given<'_>, now: i64) -> Answered<Result<(String, Value), Refused>> {
        let invalid = |message| Ok(Err(Refused { code: "InvalidArgument", message }));
        let is_given = |name: &str| entry.text(name).is_some_and(|text| !text.is_empty());
        if !is_given("Source") {
            return invalid("Parameter Source is not valid. Reason: Source is a required argument.");
        }
        if !is_given("DetailType") {
            return invalid("Parameter DetailType is not valid. Reason: DetailType is a required argument.");
        }
        if !is_given("Detail") {
            return invalid("Parameter Detail is not valid. Reason: Detail is a required argument.");
        }
        let source = entry.required("Source");
        if source == "aws" || source.starts_with("aws.") {
            let message = "Not authorized for the source.";
            return Ok(Err(Refused { code: "NotAuthorizedForSourceException", message }));
        }
        let Ok(Value::Object(detail)) = serde_json::from_str(entry.required("Detail")) else {
            return Ok(Err(Refused { code: "MalformedDetail", message: "Detail is malformed." }));
        };
        let bus = bus_name(entry.text("EventBusName")).to_owned();
        if bus != DEFAULT_BUS && !self.shared.database.read(|connection| has_bus(connection, &bus))? {
            let message = "The event bus does not exist.";
            return Ok(Err(Refused { code: "ResourceNotFoundException", message }));
        }
        let time_millis = entry.value("Time").and_then(time::millis).unwrap_or(now);
        let mut event = Map::new();
        let mut put = |name: &str, value: Value| drop(event.insert(name.to_owned(), value));
        put("version", json!("0"));
        put("id", json!(crate::random::uuid()));
        put("detail-type", json!(entry.required("DetailType")));
        put("source", json!(source));
        put("account", json!(self.shared.place.account));
        put("time", json!(time::iso(time_millis)));
        put("region", json!(self.shared.place.region));
        put("resources", json!(entry.texts("Resources")));
        put("detail", Value::Object(detail));
        Ok(Ok((bus, Value::Object(event))))
    }
}

/// How large an entry is. User guide, "Calculating `PutEvents` event entry size".
fn size(entry: Given<'_>) -> usize {
    let texts = ["Source", "DetailType", "Detail"];
    let time = if entry.value("Time").is_some() { 14 } else { 0 };
    let texts: usize = texts.iter().filter_map(|name| entry.text(name)).map(str::len).sum();
    time + texts + entry.texts("Resources").iter().map(|resource| resource.len()).sum::<usize>()
}

/// Forgets events that were raised long ago, some at a time.
pub(super) fn forget_raised(connection: &Connection, now: i64) -> Done {
    let delete = "DELETE FROM raised WHERE event_id IN \
                  (SELECT event_id FROM raised WHERE millis < ?1 ORDER BY millis LIMIT ?2)";
    connection.prepare_cached(delete)?.execute((now - RAISED_KNOWN_MILLIS, FORGOTTEN_MAX))?;
    Ok(())
}
