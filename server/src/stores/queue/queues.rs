//! Operations on queues.

use asl::limits::{QUEUE_LIST_MAX, QUEUE_NAME_BYTES_MAX, QUEUE_TAGS_MAX};
use rusqlite::Connection;
use serde_json::{Map, Value, json};

use super::attributes::{self, Attributes, Settings};
use super::{Queues, in_flight, refusal, table};
use crate::http::JsonError;
use crate::stores::database::Done;
use crate::stores::request::{Answered, Given, page};

/// Attributes that are counted or follow from others: asked for, never set.
const COUNTED: [&str; 6] = [
    "QueueArn",
    "CreatedTimestamp",
    "LastModifiedTimestamp",
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
];

impl Queues {
    /// Makes a queue, or finds that there is the same one.
    pub(super) fn create(&self, given: Given<'_>) -> Answered {
        let name = given.required("QueueName").to_owned();
        check_name(&name)?;
        let wanted = given.object("Attributes").cloned().unwrap_or_default();
        let is_named_fifo = name.strip_suffix(".fifo").is_some();
        if is_named_fifo != (wanted.get("FifoQueue").and_then(Value::as_str) == Some("true")) {
            return Err(if is_named_fifo {
                refusal::value(
                    &name,
                    "QueueName",
                    "A FIFO queue needs the attribute FifoQueue with the value true.",
                )
            } else if wanted.contains_key("FifoQueue") {
                refusal::value(
                    &name,
                    "QueueName",
                    "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with .fifo suffix and be 1 to 80 in length.",
                )
            } else {
                refusal::no_queue()
            });
        }
        let mut made = Attributes::new();
        attributes::put(&mut made, &wanted, true)?;
        let tags = Value::Object(given.object("tags").cloned().unwrap_or_default());
        check_tags(&tags)?;
        let url = self.shared.queue_url(&name);
        let now = self.shared.now();
        self.shared.database.write(move |connection| {
            let Some(queue) = table::find(connection, &name)? else {
                let insert = "INSERT INTO queues (name, attributes, tags, created_millis, modified_millis) \
                              VALUES (?1, ?2, ?3, ?4, ?4)";
                let made = Value::Object(made).to_string();
                connection.execute(insert, (name, made, tags.to_string(), now))?;
                return Ok(());
            };
            let (is, asked) = (attributes::shown(&queue.attributes), made);
            match asked.iter().find(|(name, value)| is.get(*name) != Some(*value)) {
                None => Ok(()),
                Some((name, _)) => Err(JsonError::new(
                    "QueueNameExists",
                    format!(
                        "A queue already exists with the same name and a different value for attribute {name}"
                    ),
                )
                .into()),
            }
        })?;
        Ok(json!({ "QueueUrl": url }))
    }

    pub(super) fn delete_queue(&self, given: Given<'_>) -> Answered {
        let queue = self.queue_of(given)?;
        self.shared.database.write(move |connection| {
            for delete in [
                "DELETE FROM messages WHERE queue_id = ?1",
                "DELETE FROM deduplications WHERE queue_id = ?1",
                "DELETE FROM message_moves WHERE source_id = ?1",
                "DELETE FROM queues WHERE id = ?1",
            ] {
                connection.execute(delete, [queue.id])?;
            }
            in_flight::forget(connection, queue.id)
        })?;
        self.shared.arrivals.gone(queue.id);
        Ok(json!({}))
    }

    pub(super) fn url_of_queue(&self, given: Given<'_>) -> Answered {
        let name = given.required("QueueName");
        let is_ours = given.text("QueueOwnerAWSAccountId").is_none_or(|id| id == self.shared.place.account);
        let found = self.shared.database.read(|connection| table::find(connection, name))?;
        match found {
            Some(queue) if is_ours => Ok(json!({ "QueueUrl": self.shared.queue_url(&queue.name) })),
            _ => Err(refusal::no_queue()),
        }
    }

    pub(super) fn list(&self, given: Given<'_>) -> Answered {
        let prefix = given.text("QueueNamePrefix").unwrap_or_default();
        let names = self.shared.database.read(table::queues)?.into_iter().map(|queue| queue.name);
        self.urls(names.filter(|name| name.starts_with(prefix)).collect(), given, "QueueUrls")
    }

    /// A page of URLs.
    fn urls(&self, names: Vec<String>, given: Given<'_>, field: &str) -> Answered {
        let limit = given.number("MaxResults");
        let count = limit.map_or(QUEUE_LIST_MAX, |limit| usize::try_from(limit).unwrap_or_default());
        if !(1..=QUEUE_LIST_MAX).contains(&count) {
            let reason = format!("Must be between 1 and {QUEUE_LIST_MAX}, if provided.");
            return Err(refusal::value(limit.unwrap_or_default(), "MaxResults", &reason));
        }
        let (names, next) = page(names, given.text("NextToken"), count, String::as_str);
        let urls: Vec<String> = names.iter().map(|name| self.shared.queue_url(name)).collect();
        let mut answer = Map::from_iter([(field.to_owned(), json!(urls))]);
        // Without a limit there is no token, on AWS as here.
        if let Some(next) = next.filter(|_| limit.is_some()) {
            answer.insert("NextToken".to_owned(), json!(next));
        }
        Ok(Value::Object(answer))
    }

    pub(super) fn purge(&self, given: Given<'_>) -> Answered {
        let queue = self.queue_of(given)?;
        self.shared.database.write(move |connection| {
            connection.execute("DELETE FROM messages WHERE queue_id = ?1", [queue.id])?;
            in_flight::forget(connection, queue.id)
        })?;
        Ok(json!({}))
    }

    pub(super) fn attributes(&self, given: Given<'_>) -> Answered {
        let queue = self.queue_of(given)?;
        let names = given.texts("AttributeNames");
        let mut all = attributes::shown(&queue.attributes);
        all.insert("QueueArn".to_owned(), json!(self.shared.place.queue_arn(&queue.name)));
        let seconds = |millis: i64| json!((millis / 1_000).to_string());
        all.insert("CreatedTimestamp".to_owned(), seconds(queue.created_millis));
        all.insert("LastModifiedTimestamp".to_owned(), seconds(queue.modified_millis));
        let now = self.shared.now();
        let counts = self.shared.database.read(|connection| counts(connection, queue.id, now))?;
        for (name, count) in COUNTED.into_iter().skip(3).zip(counts) {
            all.insert(name.to_owned(), json!(count.to_string()));
        }
        let is_known = |name: &&str| {
            let settable = |name: &str| !matches!(attributes::put(&mut Attributes::new(), &probe(name), true), Err(error) if error.code == "InvalidAttributeName");
            *name == "All" || all.contains_key(*name) || settable(name)
        };
        if let Some(unknown) = names.iter().find(|name| !is_known(name)) {
            return Err(refusal::unknown_attribute(unknown));
        }
        if !names.contains(&"All") {
            all.retain(|name, _| names.contains(&name.as_str()));
        }
        Ok(if all.is_empty() { json!({}) } else { json!({ "Attributes": all }) })
    }

    pub(super) fn set_attributes(&self, given: Given<'_>) -> Answered {
        let name = self.shared.queue_name(given.required("QueueUrl"))?.to_owned();
        let wanted = given.object("Attributes").cloned().unwrap_or_default();
        let now = self.shared.now();
        self.shared.database.write(move |connection| {
            let queue = table::queue(connection, &name)?;
            let mut set = queue.attributes;
            attributes::put(&mut set, &wanted, false)?;
            let settings = Settings::of(&set);
            let update = "UPDATE queues SET attributes = ?2, modified_millis = ?3 WHERE id = ?1";
            connection.execute(update, (queue.id, Value::Object(set).to_string(), now))?;
            // Retention counts for the messages that are there, too.
            let expire = "UPDATE messages SET expires_millis = sent_millis + ?2 WHERE queue_id = ?1";
            if settings.retention_millis != queue.settings.retention_millis {
                connection.execute(expire, (queue.id, settings.retention_millis))?;
            }
            Ok(())
        })?;
        Ok(json!({}))
    }

    /// The queues whose dead-letter queue this is.
    pub(super) fn sources(&self, given: Given<'_>) -> Answered {
        let arn = self.shared.place.queue_arn(&self.queue_of(given)?.name);
        let mut queues = self.shared.database.read(table::queues)?;
        queues.retain(|queue| queue.settings.redrive.as_ref().is_some_and(|redrive| redrive.arn == arn));
        self.urls(queues.into_iter().map(|queue| queue.name).collect(), given, "queueUrls")
    }

    pub(super) fn tag(&self, given: Given<'_>) -> Answered {
        let new = given.object("Tags").cloned().unwrap_or_default();
        self.change_tags(given, move |tags| tags.extend(new))
    }

    pub(super) fn untag(&self, given: Given<'_>) -> Answered {
        let keys: Vec<String> = given.texts("TagKeys").into_iter().map(str::to_owned).collect();
        self.change_tags(given, move |tags| tags.retain(|key, _| !keys.contains(key)))
    }

    pub(super) fn tags(&self, given: Given<'_>) -> Answered {
        let queue = self.queue_of(given)?;
        let tags = self.shared.database.read(|connection| tags(connection, queue.id))?;
        Ok(if tags.is_empty() { json!({}) } else { json!({ "Tags": tags }) })
    }

    fn change_tags(
        &self,
        given: Given<'_>,
        change: impl FnOnce(&mut Map<String, Value>) + Send + 'static,
    ) -> Answered {
        let queue = self.queue_of(given)?;
        self.shared.database.write(move |connection| {
            let mut all = tags(connection, queue.id)?;
            change(&mut all);
            let all = Value::Object(all);
            check_tags(&all)?;
            connection.execute("UPDATE queues SET tags = ?2 WHERE id = ?1", (queue.id, all.to_string()))?;
            Ok(())
        })?;
        Ok(json!({}))
    }
}

/// An attribute with any value.
fn probe(name: &str) -> Map<String, Value> {
    Map::from_iter([(name.to_owned(), json!("?"))])
}

fn check_name(name: &str) -> Result<(), JsonError> {
    let base = name.strip_suffix(".fifo").unwrap_or(name);
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if !base.is_empty() && name.len() <= QUEUE_NAME_BYTES_MAX && base.bytes().all(is_good) {
        return Ok(());
    }
    let reason = format!(
        "Can only include alphanumeric characters, hyphens, or underscores. 1 to {QUEUE_NAME_BYTES_MAX} in length"
    );
    Err(JsonError::new("InvalidParameterValue", reason))
}

fn check_tags(tags: &Value) -> Result<(), JsonError> {
    let count = tags.as_object().map_or(0, Map::len);
    if count > QUEUE_TAGS_MAX {
        let message = format!("Too many tags added for queue: {count} of at most {QUEUE_TAGS_MAX}.");
        return Err(JsonError::new("InvalidParameterValue", message));
    }
    Ok(())
}

fn tags(connection: &Connection, id: i64) -> Done<Map<String, Value>> {
    let tags: String =
        connection.query_row("SELECT tags FROM queues WHERE id = ?1", [id], |row| row.get(0))?;
    Ok(serde_json::from_str(&tags).unwrap_or_default())
}

/// Messages that are visible, received, and delayed.
fn counts(connection: &Connection, id: i64, now: i64) -> Done<[i64; 3]> {
    let count = "SELECT count(*) FILTER (WHERE visible_millis <= ?2), \
         count(*) FILTER (WHERE visible_millis > ?2 AND receive_count > 0), \
         count(*) FILTER (WHERE visible_millis > ?2 AND receive_count = 0) \
         FROM messages WHERE queue_id = ?1 AND expires_millis > ?2";
    Ok(connection.query_row(count, (id, now), |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?]))?)
}
