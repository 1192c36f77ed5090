//! The operations of schedules, by name.

use std::sync::Arc;

use asl::limits::{SCHEDULE_GROUPS_MAX, SCHEDULES_MAX};
use engine::services::Service;
use rusqlite::Connection;
use serde_json::{Map, Value, json};

use super::schedule::{DEFAULT_GROUP, Schedule, document_of};
use super::table::{self, Group, Kept};
use crate::http::service::off_thread;
use crate::http::{JsonAnswer, JsonError, RestApi};
use crate::stores::bell::Bell;
use crate::stores::database::Done;
use crate::stores::request::{Answered, Given, check, page, validation};
use crate::stores::shared::Shared;
use crate::stores::{tags, time};

/// Entries in one answer of a list. API reference: 100.
const PAGE: usize = 100;

/// The schedules of a data folder.
pub(crate) struct Schedules {
    shared: Arc<Shared>,
    model: Service,
    clockwork: Arc<Bell>,
}

fn conflict(message: String) -> JsonError {
    JsonError { http_status: 409, ..JsonError::new("ConflictException", message) }
}

fn not_found(message: String) -> JsonError {
    JsonError { http_status: 404, ..JsonError::new("ResourceNotFoundException", message) }
}

fn too_many(message: &str) -> JsonError {
    JsonError { http_status: 402, ..JsonError::new("ServiceQuotaExceededException", message) }
}

fn no_schedule(name: &str) -> JsonError {
    not_found(format!("Schedule {name} does not exist."))
}

fn no_group(name: &str) -> JsonError {
    not_found(format!("Schedule group {name} does not exist."))
}

impl Schedules {
    /// `None`: there is no model of the service, which would be an error of the build.
    pub(crate) fn new(shared: Arc<Shared>, clockwork: Arc<Bell>) -> Option<Self> {
        Some(Self { shared, model: Service::load("scheduler")?, clockwork })
    }

    /// Runs an operation.
    pub(crate) fn run(&self, operation: &str, parameters: &Value) -> Answered {
        check(&self.model, operation, parameters)?;
        let given = Given::of(parameters);
        if let Some(name) = given.text("Name").or(given.text("GroupName")) {
            check_name(name)?;
        }
        match operation {
            "CreateSchedule" => self.put(given, true),
            "UpdateSchedule" => self.put(given, false),
            "GetSchedule" => self.get(given),
            "DeleteSchedule" => self.delete(given),
            "ListSchedules" => self.list(given),
            "CreateScheduleGroup" => self.create_group(given),
            "GetScheduleGroup" => self.get_group(given),
            "DeleteScheduleGroup" => self.delete_group(given),
            "ListScheduleGroups" => self.list_groups(given),
            "TagResource" => self.tag(given),
            "UntagResource" => self.untag(given),
            "ListTagsForResource" => self.tags(given),
            _ => Err(JsonError { http_status: 404, ..JsonError::new("UnknownOperationException", "") }),
        }
    }

    fn put(&self, given: Given<'_>, is_new: bool) -> Answered {
        let group = given.text("GroupName").unwrap_or(DEFAULT_GROUP).to_owned();
        let name = given.required("Name").to_owned();
        let document = document_of(given);
        let value = Value::Object(document.clone());
        let schedule = Schedule::of(Given::of(&value))?;
        let (arn, now) = (self.shared.place.schedule_arn(&group, &name), self.shared.now());
        let answer = json!({ "ScheduleArn": arn });
        self.shared.database.write(move |connection| {
            if !table::has_group(connection, &group)? {
                return Err(no_group(&group).into());
            }
            let before = table::find(connection, &group, &name)?;
            let created_millis = match (&before, is_new) {
                (None, true) if table::count(connection)? >= SCHEDULES_MAX => {
                    return Err(too_many("The limit of schedules has been reached.").into());
                }
                (None, true) => now,
                (Some(before), true) => {
                    let token = document.get("ClientToken");
                    if token.is_some() && before.document.get("ClientToken") == token {
                        // The same request once more.
                        return Ok(());
                    }
                    return Err(conflict(format!("Schedule {name} already exists.")).into());
                }
                (None, false) => return Err(no_schedule(&name).into()),
                (Some(before), false) => before.created_millis,
            };
            // A time that is over when a schedule is made does not fire; a rate begins at once.
            let after = if is_new && schedule.is_rate() { now - 1 } else { now };
            let next_millis = schedule.next_after(after, created_millis);
            let due = next_millis.map(|next| schedule.due(&arn, next));
            let kept = Kept { group, name, document, created_millis, modified_millis: now, next_millis };
            table::put(connection, &kept, due)
        })?;
        self.clockwork.ring();
        Ok(answer)
    }

    fn get(&self, given: Given<'_>) -> Answered {
        let (group, name) = (given.text("GroupName").unwrap_or(DEFAULT_GROUP), given.required("Name"));
        let kept = self.shared.database.read(|connection| table::find(connection, group, name))?;
        let kept = kept.ok_or_else(|| no_schedule(name))?;
        let mut shown = kept.document.clone();
        shown.shift_remove("ClientToken");
        shown.insert("Arn".to_owned(), json!(self.shared.place.schedule_arn(group, name)));
        shown.insert("GroupName".to_owned(), json!(group));
        shown.insert("Name".to_owned(), json!(name));
        dates(&mut shown, kept.created_millis, kept.modified_millis);
        Ok(Value::Object(shown))
    }

    fn delete(&self, given: Given<'_>) -> Answered {
        let group = given.text("GroupName").unwrap_or(DEFAULT_GROUP).to_owned();
        let name = given.required("Name").to_owned();
        self.shared.database.write(move |connection| {
            if table::delete(connection, &group, &name)? { Ok(()) } else { Err(no_schedule(&name).into()) }
        })?;
        Ok(json!({}))
    }

    fn list(&self, given: Given<'_>) -> Answered {
        let group = given.text("GroupName");
        let (prefix, state) = (given.text("NamePrefix").unwrap_or_default(), given.text("State"));
        let kept = self.shared.database.read(|connection| {
            match group {
                Some(group) if !table::has_group(connection, group)? => return Err(no_group(group).into()),
                _ => {}
            }
            table::list(connection, group)
        })?;
        let is_wanted = |kept: &Kept| {
            let of = kept.document.get("State").and_then(Value::as_str);
            kept.name.starts_with(prefix) && (state.is_none() || of == state)
        };
        let keyed =
            kept.into_iter().filter(is_wanted).map(|kept| (format!("{}/{}", kept.group, kept.name), kept));
        let (found, next) = page(keyed.collect(), given.text("NextToken"), limit(given), |(key, _)| key);
        let shown = |(_, kept): &(String, Kept)| {
            let mut shown = Map::new();
            shown.insert("Arn".to_owned(), json!(self.shared.place.schedule_arn(&kept.group, &kept.name)));
            shown.insert("GroupName".to_owned(), json!(kept.group));
            shown.insert("Name".to_owned(), json!(kept.name));
            shown.insert("State".to_owned(), kept.document.get("State").cloned().unwrap_or_default());
            let arn = kept.document.get("Target").and_then(|target| target.get("Arn"));
            shown.insert("Target".to_owned(), json!({ "Arn": arn }));
            dates(&mut shown, kept.created_millis, kept.modified_millis);
            Value::Object(shown)
        };
        Ok(listed("Schedules", found.iter().map(shown).collect(), next))
    }

    fn create_group(&self, given: Given<'_>) -> Answered {
        let name = given.required("Name").to_owned();
        let (arn, now) = (self.shared.place.schedule_group_arn(&name), self.shared.now());
        let (answer, new_tags) = (json!({ "ScheduleGroupArn": arn }), tags::of_list(given.list("Tags"))?);
        self.shared.database.write(move |connection| {
            if table::has_group(connection, &name)? {
                return Err(conflict(format!("Schedule group {name} already exists.")).into());
            }
            if table::groups(connection)?.len() >= SCHEDULE_GROUPS_MAX {
                return Err(too_many("The limit of schedule groups has been reached.").into());
            }
            connection.execute("INSERT INTO schedule_groups VALUES (?1, ?2, ?2)", (&name, now))?;
            tags::put(connection, &arn, &new_tags)
        })?;
        Ok(answer)
    }

    fn get_group(&self, given: Given<'_>) -> Answered {
        let name = given.required("Name");
        let groups = self.shared.database.read(table::groups)?;
        let found = groups.iter().find(|(found, ..)| found == name);
        found.map(|group| self.shown_group(group)).ok_or_else(|| no_group(name))
    }

    fn shown_group(&self, (name, created, modified): &Group) -> Value {
        let mut shown = Map::new();
        shown.insert("Arn".to_owned(), json!(self.shared.place.schedule_group_arn(name)));
        shown.insert("Name".to_owned(), json!(name));
        shown.insert("State".to_owned(), json!("ACTIVE"));
        dates(&mut shown, *created, *modified);
        Value::Object(shown)
    }

    /// Deletes a group with its schedules.
    fn delete_group(&self, given: Given<'_>) -> Answered {
        let name = given.required("Name").to_owned();
        if name == DEFAULT_GROUP {
            return Err(validation("The default schedule group cannot be deleted."));
        }
        let arn = self.shared.place.schedule_group_arn(&name);
        self.shared.database.write(move |connection| {
            if connection.execute("DELETE FROM schedule_groups WHERE name = ?1", [&name])? == 0 {
                return Err(no_group(&name).into());
            }
            connection.execute("DELETE FROM schedules WHERE group_name = ?1", [&name])?;
            tags::remove_all(connection, &arn)
        })?;
        Ok(json!({}))
    }

    fn list_groups(&self, given: Given<'_>) -> Answered {
        let prefix = given.text("NamePrefix").unwrap_or_default();
        let groups = self.shared.database.read(table::groups)?;
        let groups = groups.into_iter().filter(|(name, ..)| name.starts_with(prefix)).collect();
        let (groups, next) = page(groups, given.text("NextToken"), limit(given), |(name, ..)| name.as_str());
        Ok(listed("ScheduleGroups", groups.iter().map(|group| self.shown_group(group)).collect(), next))
    }

    fn tag(&self, given: Given<'_>) -> Answered {
        let (arn, new) = (given.required("ResourceArn").to_owned(), tags::of_list(given.list("Tags"))?);
        self.shared.database.write(move |connection| tags::put(connection, &arn, &new))?;
        Ok(json!({}))
    }

    fn untag(&self, given: Given<'_>) -> Answered {
        let arn = given.required("ResourceArn").to_owned();
        let keys: Vec<String> = given.texts("TagKeys").into_iter().map(str::to_owned).collect();
        self.shared.database.write(move |connection| tags::remove(connection, &arn, &keys))?;
        Ok(json!({}))
    }

    fn tags(&self, given: Given<'_>) -> Answered {
        let arn = given.required("ResourceArn");
        let tags = self
            .shared
            .database
            .read(|connection: &Connection| -> Done<_> { tags::list(connection, arn) })?;
        Ok(json!({ "Tags": tags }))
    }
}

impl RestApi for Schedules {
    fn model(&self) -> &Service {
        &self.model
    }

    fn call(self: Arc<Self>, operation: &str, parameters: Value) -> JsonAnswer {
        let operation = operation.to_owned();
        Box::pin(off_thread(move || self.run(&operation, &parameters)))
    }
}

fn dates(shown: &mut Map<String, Value>, created: i64, modified: i64) {
    shown.insert("CreationDate".to_owned(), time::seconds(created));
    shown.insert("LastModificationDate".to_owned(), time::seconds(modified));
}

fn limit(given: Given<'_>) -> usize {
    given.number("MaxResults").and_then(|limit| usize::try_from(limit).ok()).unwrap_or(PAGE)
}

fn listed(name: &str, items: Vec<Value>, next: Option<String>) -> Value {
    let mut answer = Map::from_iter([(name.to_owned(), Value::Array(items))]);
    if let Some(next) = next {
        answer.insert("NextToken".to_owned(), json!(next));
    }
    Value::Object(answer)
}

fn check_name(name: &str) -> Result<(), JsonError> {
    if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) {
        return Ok(());
    }
    Err(validation(format!(
        "1 validation error detected: Value '{name}' at 'name' failed to satisfy constraint: Member must satisfy \
         regular expression pattern: ^[0-9a-zA-Z-_.]+$"
    )))
}
