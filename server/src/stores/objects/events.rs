//! What is told of objects: the port to who passes events on, and the events as
//! `EventBridge` delivers them.

use std::fmt::Debug;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

/// Where events of objects go, such as a bus with rules.
///
/// Calls may block; they come from threads of their own, several at a time.
pub trait ObjectEvents: Debug + Send + Sync {
    /// Takes an event over: what `Ok` was said of survives a crash.
    ///
    /// Called before a request that changed the object is acknowledged, and
    /// again after a crash in between: who takes an event must know by its
    /// [`ObjectEvent::id`] whether it was taken before.
    ///
    /// # Errors
    /// [`NotRaised`]: the request that caused the event is answered with S3's
    /// `InternalError`, and the event is raised again until it is taken, also by the next start.
    fn raise(&self, event: &ObjectEvent) -> Result<(), NotRaised>;
}

/// Why an event was not taken over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the event of an object was not taken: {0}")]
pub struct NotRaised(pub String);

/// Nobody listens.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoEvents;

impl ObjectEvents for NoEvents {
    fn raise(&self, _: &ObjectEvent) -> Result<(), NotRaised> {
        Ok(())
    }
}

/// What happened to an object.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum ObjectChange {
    /// It was written, whether or not there was one of its key before.
    Created {
        /// Its size in bytes.
        size: u64,
        /// Its `ETag`, without quotes.
        etag: String,
        /// Its version, where its bucket keeps versions.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version_id: Option<String>,
    },
    /// It was deleted for good.
    Deleted,
}

/// One event of an object.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ObjectEvent {
    /// The bucket's name.
    pub bucket: String,
    /// The object's key.
    pub key: String,
    /// What happened.
    #[serde(flatten)]
    pub change: ObjectChange,
    /// Orders the events of one key: hexadecimal digits, larger = later.
    pub sequencer: String,
    /// When it happened, in milliseconds since the epoch.
    pub time_millis: i64,
    /// The operation of S3: `PutObject`, `CopyObject`, `CompleteMultipartUpload` or `DeleteObject`.
    pub reason: String,
    /// Id of the request that caused it.
    pub request_id: String,
    /// Whose request it was: an account.
    pub requester: String,
    /// Where the request came from.
    pub source_ip_address: String,
    /// Region of the bucket.
    pub region: String,
    /// Account of the bucket.
    pub account: String,
}

impl ObjectEvent {
    /// The event's id, the same whenever it is raised: a UUID made of the
    /// bucket, the key, the sequencer and the kind of change.
    pub fn id(&self) -> String {
        let mut hash = Sha256::new();
        for part in [&self.bucket, &self.key, &self.sequencer, self.detail_type()] {
            hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(part.as_bytes());
        }
        let hash: [u8; 32] = hash.finalize().into();
        let bytes = hash.first_chunk::<16>().copied().unwrap_or_default();
        // UUID version 8: of one's own making (RFC 9562, 5.8).
        let bits = (u128::from_be_bytes(bytes) & !(0xf << 76) & !(0x3 << 62)) | (0x8 << 76) | (0x2 << 62);
        let mut id = format!("{bits:032x}");
        for at in [20, 16, 12, 8] {
            id.insert(at, '-');
        }
        id
    }

    /// `EventBridge`'s name of the kind of event.
    pub fn detail_type(&self) -> &'static str {
        match self.change {
            ObjectChange::Created { .. } => "Object Created",
            ObjectChange::Deleted => "Object Deleted",
        }
    }

    /// The event as `EventBridge` delivers it. S3 user guide, "`EventBridge` event message structure".
    pub fn to_event_bridge(&self) -> Value {
        let time = Timestamp::from_millisecond(self.time_millis).unwrap_or_default();
        json!({
            "version": "0",
            "id": self.id(),
            "detail-type": self.detail_type(),
            "source": "aws.s3",
            "account": self.account,
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            "region": self.region,
            "resources": [format!("arn:aws:s3:::{}", self.bucket)],
            "detail": self.detail(),
        })
    }

    fn detail(&self) -> Value {
        let mut object = Map::new();
        object.insert("key".to_owned(), json!(self.key));
        if let ObjectChange::Created { size, etag, version_id } = &self.change {
            object.insert("size".to_owned(), json!(size));
            object.insert("etag".to_owned(), json!(etag));
            if let Some(version_id) = version_id {
                object.insert("version-id".to_owned(), json!(version_id));
            }
        }
        object.insert("sequencer".to_owned(), json!(self.sequencer));
        let mut detail = json!({
            "version": "0",
            "bucket": { "name": self.bucket },
            "object": object,
            "request-id": self.request_id,
            "requester": self.requester,
            "source-ip-address": self.source_ip_address,
            "reason": self.reason,
        });
        if let (ObjectChange::Deleted, Some(detail)) = (&self.change, detail.as_object_mut()) {
            detail.insert("deletion-type".to_owned(), json!("Permanently Deleted"));
        }
        detail
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(key: &str, sequencer: &str) -> ObjectEvent {
        ObjectEvent {
            bucket: "drops".into(),
            key: key.into(),
            change: ObjectChange::Created { size: 5, etag: "b194".into(), version_id: None },
            sequencer: sequencer.into(),
            time_millis: 1_636_675_200_999,
            reason: "PutObject".into(),
            request_id: "N4N7GDK58NMKJ12R".into(),
            requester: "123456789012".into(),
            source_ip_address: "127.0.0.1".into(),
            region: "eu-central-1".into(),
            account: "123456789012".into(),
        }
    }

    #[test]
    fn an_event_has_the_form_of_eventbridge() {
        let event = event("a/b.csv", "00617F08299329D189");
        assert_eq!(
            event.to_event_bridge(),
            json!({
                "version": "0", "id": event.id(), "detail-type": "Object Created", "source": "aws.s3",
                "account": "123456789012", "time": "2021-11-12T00:00:00Z", "region": "eu-central-1",
                "resources": ["arn:aws:s3:::drops"],
                "detail": {
                    "version": "0", "bucket": { "name": "drops" },
                    "object": { "key": "a/b.csv", "size": 5, "etag": "b194", "sequencer": "00617F08299329D189" },
                    "request-id": "N4N7GDK58NMKJ12R", "requester": "123456789012",
                    "source-ip-address": "127.0.0.1", "reason": "PutObject"
                }
            })
        );
        let deleted = ObjectEvent { change: ObjectChange::Deleted, reason: "DeleteObject".into(), ..event };
        let deleted = deleted.to_event_bridge();
        assert_eq!(deleted["detail-type"], "Object Deleted");
        assert_eq!(deleted["detail"]["deletion-type"], "Permanently Deleted");
        assert!(deleted["detail"]["object"].get("size").is_none());
    }

    #[test]
    fn the_id_says_whether_it_is_the_same_event() {
        let one = event("a", "01");
        assert_eq!(one.id(), ObjectEvent { request_id: "other".into(), ..one.clone() }.id());
        for other in
            [event("b", "01"), event("a", "02"), ObjectEvent { change: ObjectChange::Deleted, ..one.clone() }]
        {
            assert_ne!(one.id(), other.id());
        }
        assert_eq!(one.id().len(), 36);
    }

    #[test]
    fn an_event_is_the_same_after_it_was_written_down() {
        let one = event("ü\0", "01");
        let text = serde_json::to_string(&one).unwrap();
        assert_eq!(serde_json::from_str::<ObjectEvent>(&text).unwrap(), one);
    }
}
