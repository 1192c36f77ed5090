//! Operations on one message, and receiving.

use asl::limits::{
    QUEUE_BATCH_ENTRIES_MAX, QUEUE_DELAY_SECONDS_MAX, QUEUE_MESSAGE_IDS_BYTES_MAX,
    QUEUE_VISIBILITY_SECONDS_MAX, QUEUE_WAIT_SECONDS_MAX,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rusqlite::{Connection, OptionalExtension as _};
use serde_json::{Map, Value, json};

use super::table::{NewMessage, Queue, Receive, Received, Sent};
use super::{Queues, content, in_flight, refusal, table};
use crate::http::JsonError;
use crate::stores::database::Done;
use crate::stores::request::{Answered, Given};
use crate::stores::shared::Shared;

impl Queues {
    pub(super) fn send(&self, given: Given<'_>) -> Answered {
        let queue = self.queue_of(given)?;
        let (message, bytes) = message_of(&queue, given)?;
        check_size(&queue, bytes)?;
        let now = self.shared.now();
        let id = queue.id;
        let kept = message.clone();
        let sent =
            self.shared.database.write(move |connection| table::send(connection, &queue, &kept, now))?;
        self.tell(id, &[sent.visible_millis], now);
        Ok(Value::Object(sent_answer(&message, &sent)))
    }

    pub(super) fn delete(&self, given: Given<'_>) -> Answered {
        let queue = self.queue_of(given)?;
        let handle = Handle::read(given.required("ReceiptHandle"), &queue)?;
        self.shared.database.write(move |connection| {
            table::delete(connection, queue.id, handle.id, &handle.receipt).map(drop)
        })?;
        Ok(json!({}))
    }

    pub(super) fn change_visibility(&self, given: Given<'_>) -> Answered {
        let queue = self.queue_of(given)?;
        let change = Change::of(given, &queue)?;
        let (now, id) = (self.shared.now(), queue.id);
        let visible = now + change.visibility_millis;
        self.shared.database.write(move |connection| change.make(connection, &queue, now))?;
        self.tell(id, &[Some(visible)], now);
        Ok(json!({}))
    }

    /// Tells of messages that can be received, now or at a time.
    pub(super) fn tell(&self, queue: i64, visible_millis: &[Option<i64>], now: i64) {
        let later = visible_millis.iter().flatten().filter(|visible| **visible > now).min();
        if let Some(due) = later {
            self.shared.arrivals.later(queue, *due);
        }
        let at_once = visible_millis.iter().flatten().filter(|visible| **visible <= now).count();
        self.shared.arrivals.tell_of(queue, at_once);
    }
}

/// A change of how long a message stays invisible.
pub(super) struct Change {
    handle: Handle,
    pub(super) visibility_millis: i64,
}

impl Change {
    pub(super) fn of(given: Given<'_>, queue: &Queue) -> Result<Self, JsonError> {
        let handle = Handle::read(given.required("ReceiptHandle"), queue)?;
        let seconds = given.number("VisibilityTimeout").unwrap_or_default();
        Ok(Self { handle, visibility_millis: visibility_millis(seconds)? })
    }

    pub(super) fn make(&self, connection: &Connection, queue: &Queue, now: i64) -> Done {
        let Self { handle, visibility_millis } = self;
        let find = "SELECT visible_millis FROM messages WHERE id = ?1 AND queue_id = ?2 AND receipt = ?3";
        let found = connection
            .prepare_cached(find)?
            .query_row((handle.id, queue.id, &handle.receipt), |row| row.get::<_, i64>(0));
        match found.optional()? {
            None => {
                let reason = "Message does not exist or is not available for visibility timeout change.";
                Err(refusal::value(&handle.text, "ReceiptHandle", reason).into())
            }
            Some(visible) if visible <= now => {
                let message = "The specified message isn't in flight.";
                Err(JsonError::new("MessageNotInflight", message).into())
            }
            Some(_) => {
                let update = "UPDATE messages SET visible_millis = ?2 WHERE id = ?1";
                connection.prepare_cached(update)?.execute((handle.id, now + visibility_millis))?;
                if *visibility_millis == 0 { in_flight::add(connection, queue.id, -1) } else { Ok(()) }
            }
        }
    }
}

fn visibility_millis(seconds: i64) -> Result<i64, JsonError> {
    if (0..=QUEUE_VISIBILITY_SECONDS_MAX).contains(&seconds) {
        return Ok(seconds * 1_000);
    }
    let reason =
        format!("VisibilityTimeout must be an integer between 0 and {QUEUE_VISIBILITY_SECONDS_MAX}.");
    Err(refusal::value(seconds, "VisibilityTimeout", &reason))
}

/// What a receipt handle holds: the message, and which of its receives it was.
pub(super) struct Handle {
    pub(super) id: i64,
    pub(super) receipt: String,
    text: String,
}

impl Handle {
    pub(super) fn read(text: &str, queue: &Queue) -> Result<Self, JsonError> {
        let read = || {
            let decoded = String::from_utf8(BASE64.decode(text).ok()?).ok()?;
            let mut parts = decoded.splitn(3, ' ');
            let (of, id, receipt) = (parts.next()?, parts.next()?, parts.next()?);
            let id = id.parse().ok()?;
            (of.parse() == Ok(queue.id)).then(|| Self {
                id,
                receipt: receipt.to_owned(),
                text: text.to_owned(),
            })
        };
        read().ok_or_else(|| refusal::receipt(text))
    }

    fn write(queue: &Queue, received: &Received) -> String {
        BASE64.encode(format!("{} {} {}", queue.id, received.id, received.receipt))
    }
}

/// The message of a request or of an entry of a batch, and how many bytes it has.
pub(super) fn message_of(queue: &Queue, given: Given<'_>) -> Result<(NewMessage, usize), JsonError> {
    let body = given.required("MessageBody");
    content::check_body(body)?;
    let attributes = given.object("MessageAttributes").cloned().unwrap_or_default();
    let bytes = body.len() + content::check_attributes(&attributes)?;
    let delay = given.number("DelaySeconds");
    if let Some(seconds) = delay.filter(|seconds| !(0..=QUEUE_DELAY_SECONDS_MAX).contains(seconds)) {
        let reason = format!("DelaySeconds must be >= 0 and <= {QUEUE_DELAY_SECONDS_MAX}.");
        return Err(refusal::value(seconds, "DelaySeconds", &reason));
    }
    let (group, id) = (given.text("MessageGroupId"), given.text("MessageDeduplicationId"));
    for (value, name) in [(group, "MessageGroupId"), (id, "MessageDeduplicationId")] {
        let is_good = |value: &str| {
            (1..=QUEUE_MESSAGE_IDS_BYTES_MAX).contains(&value.len())
                && value.bytes().all(|byte| byte.is_ascii_graphic())
        };
        if let Some(value) = value.filter(|value| !is_good(value)) {
            let reason = format!(
                "{name} can only include alphanumeric and punctuation characters. 1 to {QUEUE_MESSAGE_IDS_BYTES_MAX} in length."
            );
            return Err(refusal::value(value, name, &reason));
        }
    }
    let deduplication_id = if queue.settings.is_fifo {
        if group.is_none() {
            return Err(refusal::missing("MessageGroupId"));
        }
        if let Some(seconds) = delay.filter(|seconds| *seconds > 0) {
            let reason = "The request include parameter that is not valid for this queue type";
            return Err(refusal::value(seconds, "DelaySeconds", reason));
        }
        let by_content = || queue.settings.by_content.then(|| sigv4::digest(body.as_bytes()));
        let id = id.map(str::to_owned).or_else(by_content);
        Some(id.ok_or_else(|| {
            let message = "The queue should either have ContentBasedDeduplication enabled or \
                           MessageDeduplicationId provided explicitly";
            JsonError::new("InvalidParameterValue", message)
        })?)
    } else if let Some(id) = id {
        let reason = "The request include parameter that is not valid for this queue type";
        return Err(refusal::value(id, "MessageDeduplicationId", reason));
    } else {
        None
    };
    let message = NewMessage {
        body: body.to_owned(),
        attributes,
        system_attributes: given.object("MessageSystemAttributes").cloned().unwrap_or_default(),
        group_id: group.map(str::to_owned),
        deduplication_id,
        delay_millis: delay.map(|seconds| seconds * 1_000),
    };
    Ok((message, bytes))
}

pub(super) fn check_size(queue: &Queue, bytes: usize) -> Result<(), JsonError> {
    let max = queue.settings.message_bytes_max;
    if bytes <= max {
        return Ok(());
    }
    let message =
        format!("One or more parameters are invalid. Reason: Message must be shorter than {max} bytes.");
    Err(JsonError::new("InvalidParameterValue", message))
}

/// What is answered of a message that was sent.
pub(super) fn sent_answer(message: &NewMessage, sent: &Sent) -> Map<String, Value> {
    let mut answer = Map::new();
    answer.insert("MD5OfMessageBody".to_owned(), json!(content::md5(message.body.as_bytes())));
    for (name, attributes) in [
        ("MD5OfMessageAttributes", &message.attributes),
        ("MD5OfMessageSystemAttributes", &message.system_attributes),
    ] {
        if !attributes.is_empty() {
            answer.insert(name.to_owned(), json!(content::md5_of_attributes(attributes)));
        }
    }
    answer.insert("MessageId".to_owned(), json!(sent.message_id));
    if let Some(sequence) = &sent.sequence {
        answer.insert("SequenceNumber".to_owned(), json!(sequence));
    }
    answer
}

/// A receive, as it was asked for.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) queue: Queue,
    pub(super) wait_seconds: i64,
    messages_max: usize,
    visibility_millis: i64,
    system_names: Vec<String>,
    names: Vec<String>,
}

impl Asked {
    pub(super) fn of(shared: &Shared, given: Given<'_>) -> Answered<Self> {
        let name = shared.queue_name(given.required("QueueUrl"))?;
        let queue = shared.database.read(|connection| table::queue(connection, name))?;
        let count = given.number("MaxNumberOfMessages").unwrap_or(1);
        let messages_max = usize::try_from(count).unwrap_or_default();
        if !(1..=QUEUE_BATCH_ENTRIES_MAX).contains(&messages_max) {
            let reason = format!("Must be between 1 and {QUEUE_BATCH_ENTRIES_MAX}, if provided.");
            return Err(refusal::value(count, "MaxNumberOfMessages", &reason));
        }
        let wait_seconds = given.number("WaitTimeSeconds").unwrap_or(queue.settings.wait_seconds);
        if !(0..=QUEUE_WAIT_SECONDS_MAX).contains(&wait_seconds) {
            let reason = format!("Must be >= 0 and <= {QUEUE_WAIT_SECONDS_MAX}, if provided.");
            return Err(refusal::value(wait_seconds, "WaitTimeSeconds", &reason));
        }
        let visibility = match given.number("VisibilityTimeout") {
            Some(seconds) => visibility_millis(seconds)?,
            None => queue.settings.visibility_millis,
        };
        let names = |name: &str| given.texts(name).into_iter().map(str::to_owned).collect::<Vec<_>>();
        let mut system_names = names("MessageSystemAttributeNames");
        system_names.extend(names("AttributeNames"));
        Ok(Self {
            wait_seconds,
            messages_max,
            visibility_millis: visibility,
            system_names,
            names: names("MessageAttributeNames"),
            queue,
        })
    }

    /// Receives what is there. Without anything: when the next message becomes visible.
    pub(super) fn now(&self, shared: &Shared) -> Answered<(Vec<Value>, Option<i64>)> {
        let now_millis = shared.now();
        let queue = self.queue.clone();
        let (is_there, next) = shared.database.read(|connection| {
            // The queue may be gone, or have another dead-letter queue by now.
            let queue = table::queue(connection, &queue.name)?;
            let is_there = table::has_visible(connection, &queue, now_millis)?;
            Ok((is_there, table::next_visible_millis(connection, &queue, now_millis)?))
        })?;
        if !is_there {
            return Ok((Vec::new(), next));
        }
        let how = Receive {
            messages_max: self.messages_max,
            visibility_millis: self.visibility_millis,
            now_millis,
        };
        let place = shared.place.clone();
        let (received, dead) = shared.database.write(move |connection| {
            let queue = table::queue(connection, &queue.name)?;
            table::receive(connection, &queue, &place, how)
        })?;
        if let Some(dead) = dead {
            shared.arrivals.tell(dead);
        }
        if !received.is_empty() {
            shared.arrivals.later(self.queue.id, now_millis + self.visibility_millis);
        }
        Ok((received.iter().map(|received| self.shown(shared, received)).collect(), next))
    }

    fn shown(&self, shared: &Shared, received: &Received) -> Value {
        let mut message = Map::new();
        message.insert("MessageId".to_owned(), json!(received.message_id));
        message.insert("ReceiptHandle".to_owned(), json!(Handle::write(&self.queue, received)));
        message.insert("MD5OfBody".to_owned(), json!(content::md5(received.body.as_bytes())));
        message.insert("Body".to_owned(), json!(received.body));
        let is_wanted = |name: &str| self.system_names.iter().any(|wanted| wanted == "All" || wanted == name);
        let mut system = received.system(&shared.place.account);
        system.retain(|name, _| is_wanted(name));
        if !system.is_empty() {
            message.insert("Attributes".to_owned(), Value::Object(system));
        }
        let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        let attributes = content::asked_for(&received.attributes, &names);
        if !attributes.is_empty() {
            let digest = content::md5_of_attributes(&attributes);
            message.insert("MD5OfMessageAttributes".to_owned(), json!(digest));
            message.insert("MessageAttributes".to_owned(), Value::Object(attributes));
        }
        Value::Object(message)
    }
}

impl Received {
    /// What the queue itself says of the message, all of it.
    pub(crate) fn system(&self, account: &str) -> Map<String, Value> {
        let mut system = Map::new();
        let mut put = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                system.insert(name.to_owned(), Value::String(value));
            }
        };
        put("ApproximateReceiveCount", Some(self.receive_count.to_string()));
        put("SentTimestamp", Some(self.sent_millis.to_string()));
        put("SequenceNumber", self.sequence.clone());
        put("MessageGroupId", self.group_id.clone());
        put("SenderId", Some(account.to_owned()));
        put("MessageDeduplicationId", self.deduplication_id.clone());
        put("ApproximateFirstReceiveTimestamp", Some(self.first_receive_millis.to_string()));
        put("DeadLetterQueueSourceArn", self.source_arn.clone());
        for (name, value) in &self.system_attributes {
            put(name, value.get("StringValue").and_then(Value::as_str).map(str::to_owned));
        }
        system
    }

    /// Its receipt handle.
    pub(crate) fn handle(&self, queue: &Queue) -> String {
        Handle::write(queue, self)
    }
}
