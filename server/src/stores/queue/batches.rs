//! Operations on several messages at a time: each entry is done or refused on its own.

use std::collections::BTreeSet;

use asl::limits::{QUEUE_BATCH_ENTRIES_MAX, QUEUE_MESSAGE_BYTES_MAX, QUEUE_NAME_BYTES_MAX};
use serde_json::{Map, Value, json};

use super::messages::{Change, Handle, check_size, message_of, sent_answer};
use super::{Queues, refusal, table};
use crate::http::JsonError;
use crate::stores::database::{Done, Failure};
use crate::stores::request::{Answered, Given};

/// What became of an entry.
type Outcome = Result<Map<String, Value>, JsonError>;

impl Queues {
    pub(super) fn send_batch(&self, given: Given<'_>) -> Answered {
        let queue = self.queue_of(given)?;
        let entries = entries(given, "SendMessageBatchRequestEntry")?;
        let mut messages = Vec::with_capacity(entries.len());
        let mut total = 0;
        for entry in &entries {
            let message = message_of(&queue, *entry).and_then(|(message, bytes)| {
                total += bytes;
                check_size(&queue, bytes).map(|()| message)
            });
            messages.push((id_of(*entry), message));
        }
        if total > QUEUE_MESSAGE_BYTES_MAX {
            return Err(refusal::batch(
                "BatchRequestTooLong",
                format!(
                    "Batch requests cannot be longer than {QUEUE_MESSAGE_BYTES_MAX} bytes. You have sent {total} bytes."
                ),
            ));
        }
        let (now, id) = (self.shared.now(), queue.id);
        let (outcomes, visible) = self.shared.database.write(move |connection| {
            let mut visible = Vec::with_capacity(messages.len());
            let one = |(id, message): (String, Result<table::NewMessage, JsonError>)| {
                let outcome = match message {
                    Ok(message) => {
                        let sent = table::send(connection, &queue, &message, now)?;
                        visible.push(sent.visible_millis);
                        Ok(sent_answer(&message, &sent))
                    }
                    Err(refused) => Err(refused),
                };
                Ok((id, outcome))
            };
            let outcomes = messages.into_iter().map(one).collect::<Done<Vec<_>>>()?;
            Ok((outcomes, visible))
        })?;
        self.tell(id, &visible, now);
        Ok(answer(outcomes))
    }

    pub(super) fn delete_batch(&self, given: Given<'_>) -> Answered {
        let queue = self.queue_of(given)?;
        let handle =
            |entry: &Given<'_>| (id_of(*entry), Handle::read(entry.required("ReceiptHandle"), &queue));
        let handles: Vec<_> = entries(given, "DeleteMessageBatchRequestEntry")?.iter().map(handle).collect();
        let id = queue.id;
        let outcomes = self.shared.database.write(move |connection| {
            let one = |(entry, handle): (String, Result<Handle, JsonError>)| {
                let outcome = match handle {
                    Ok(handle) => {
                        table::delete(connection, id, handle.id, &handle.receipt)?;
                        Ok(Map::new())
                    }
                    Err(refused) => Err(refused),
                };
                Ok((entry, outcome))
            };
            handles.into_iter().map(one).collect::<Done<Vec<_>>>()
        })?;
        Ok(answer(outcomes))
    }

    pub(super) fn change_visibility_batch(&self, given: Given<'_>) -> Answered {
        let queue = self.queue_of(given)?;
        let change = |entry: &Given<'_>| (id_of(*entry), Change::of(*entry, &queue));
        let changes: Vec<_> =
            entries(given, "ChangeMessageVisibilityBatchRequestEntry")?.iter().map(change).collect();
        let (now, id) = (self.shared.now(), queue.id);
        let visible: Vec<_> = changes
            .iter()
            .map(|(_, change)| change.as_ref().ok().map(|change| now + change.visibility_millis))
            .collect();
        let outcomes = self.shared.database.write(move |connection| {
            let one = |(entry, change): (String, Result<Change, JsonError>)| {
                let made = match change {
                    Ok(change) => change.make(connection, &queue, now),
                    Err(refused) => Err(refused.into()),
                };
                match made {
                    Ok(()) => Ok((entry, Ok(Map::new()))),
                    Err(Failure::Refused(refused)) => Ok((entry, Err(refused))),
                    Err(failure) => Err(failure),
                }
            };
            changes.into_iter().map(one).collect::<Done<Vec<_>>>()
        })?;
        self.tell(id, &visible, now);
        Ok(answer(outcomes))
    }
}

fn id_of(entry: Given<'_>) -> String {
    entry.required("Id").to_owned()
}

/// The entries of a batch, if they can be one. `element`: what AWS calls them when there are none.
fn entries<'a>(given: Given<'a>, element: &str) -> Result<Vec<Given<'a>>, JsonError> {
    let entries: Vec<Given<'a>> = given.list("Entries").iter().map(Given::of).collect();
    if entries.is_empty() {
        let message = format!("There should be at least one {element} in the request.");
        return Err(refusal::batch("EmptyBatchRequest", message));
    }
    if entries.len() > QUEUE_BATCH_ENTRIES_MAX {
        let message = format!(
            "Maximum number of entries per request are {QUEUE_BATCH_ENTRIES_MAX}. You have sent {}.",
            entries.len()
        );
        return Err(refusal::batch("TooManyEntriesInBatchRequest", message));
    }
    let is_good = |id: &str| {
        (1..=QUEUE_NAME_BYTES_MAX).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    let mut ids = BTreeSet::new();
    for entry in &entries {
        let id = entry.required("Id");
        if !is_good(id) {
            let message = "A batch entry id can only contain alphanumeric characters, hyphens and underscores. \
                           It can be at most 80 letters long.";
            return Err(refusal::batch("InvalidBatchEntryId", message));
        }
        if !ids.insert(id) {
            return Err(refusal::batch("BatchEntryIdsNotDistinct", format!("Id {id} repeated.")));
        }
    }
    Ok(entries)
}

fn answer(outcomes: Vec<(String, Outcome)>) -> Value {
    let (mut successful, mut failed) = (Vec::new(), Vec::new());
    for (id, outcome) in outcomes {
        match outcome {
            Ok(mut answer) => {
                answer.shift_insert(0, "Id".to_owned(), json!(id));
                successful.push(Value::Object(answer));
            }
            Err(JsonError { code, message, http_status }) => failed.push(json!({
                "Id": id, "SenderFault": http_status < 500, "Code": code, "Message": message,
            })),
        }
    }
    let mut answer = Map::new();
    for (name, list) in [("Successful", successful), ("Failed", failed)] {
        if !list.is_empty() {
            answer.insert(name.to_owned(), Value::Array(list));
        }
    }
    Value::Object(answer)
}
