//! Calls that nobody waits for: `InvocationType` `Event`.
//!
//! Whoever makes one is answered when it is on disk, so it takes place even if this process is
//! killed: what is not done is taken up when the host is started again. It may then take place
//! twice, as on AWS. A function that fails is tried twice more, after one minute and after two; one
//! that is throttled, for six hours. Lambda developer guide, "How Lambda handles errors and retries
//! with asynchronous invocation".

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::Inner;
use super::invocation::{Invocation, Refused, Reply};

/// Pauses before the second and the third try.
const PAUSES: [Duration; 2] = [Duration::from_mins(1), Duration::from_mins(2)];
/// Pauses of what is throttled: they double from the first to the second.
const THROTTLED_PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(5));
/// How long what is throttled is tried.
const THROTTLED_MILLIS_MAX: i64 = 6 * 3_600_000;
/// How the files of events end, and those that are not whole yet.
const SUFFIX: &str = ".json";
const PARTIAL: &str = ".new";

/// An event that was accepted and is not done.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Event {
    pub(super) request_id: String,
    pub(super) function: String,
    pub(super) qualifier: Option<String>,
    pub(super) client_context: Option<String>,
    pub(super) trace_id: String,
    pub(super) payload: String,
    /// The execution whose task it is of.
    pub(super) execution_arn: Option<String>,
    /// How often it has failed.
    pub(super) failures: usize,
    /// When it was accepted, in milliseconds since the epoch.
    pub(super) accepted_millis: i64,
}

/// The events of a host.
#[derive(Debug)]
pub(super) struct Events {
    /// Where they are kept; nowhere until it is said.
    folder: OnceLock<PathBuf>,
    slots: Arc<Semaphore>,
}

impl Default for Events {
    fn default() -> Self {
        Self { folder: OnceLock::new(), slots: Arc::new(Semaphore::new(asl::limits::FUNCTION_EVENTS_MAX)) }
    }
}

impl Events {
    /// A place for one that was accepted long ago: it waits for its turn.
    pub(super) fn turn(&self) -> impl Future<Output = Option<OwnedSemaphorePermit>> + Send + 'static {
        let turn = Arc::clone(&self.slots).acquire_owned();
        // The semaphore is never closed.
        async move { turn.await.ok() }
    }

    /// A place for one more, if there is one.
    pub(super) fn slot(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.slots).try_acquire_owned().ok()
    }

    /// Says where events are kept; answers with those that are there.
    pub(super) fn open(&self, folder: &Path) -> io::Result<Vec<Event>> {
        bucket::make_durable_dir(folder)?;
        let mut found = Vec::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let name = path.to_string_lossy();
            if name.ends_with(PARTIAL) {
                // Nobody was told that this one was accepted.
                fs::remove_file(&path)?;
            }
            if !name.ends_with(SUFFIX) {
                continue;
            }
            match serde_json::from_slice::<Event>(&fs::read(&path)?) {
                Ok(event) => found.push(event),
                Err(error) => tracing::warn!(path = %path.display(), %error, "an event cannot be read"),
            }
        }
        found.sort_by_key(|event| event.accepted_millis);
        // A second folder would be of another host.
        let _ = self.folder.set(folder.to_owned());
        Ok(found)
    }

    /// Keeps an event: on disk when this returns, whole or not at all.
    fn keep(&self, event: &Event) -> io::Result<()> {
        let Some(folder) = self.folder.get() else { return Ok(()) };
        let (path, partial) = (
            folder.join(format!("{}{SUFFIX}", event.request_id)),
            folder.join(format!("{}{PARTIAL}", event.request_id)),
        );
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
        file.write_all(&serde_json::to_vec(event)?)?;
        file.sync_all()?;
        fs::rename(&partial, &path)?;
        File::open(folder)?.sync_all()
    }

    fn remove(&self, event: &Event) {
        if let Some(folder) = self.folder.get() {
            // What cannot be removed takes place once more.
            let _ = fs::remove_file(folder.join(format!("{}{SUFFIX}", event.request_id)));
        }
    }
}

/// What came of one try.
enum Tried {
    Done,
    Failed,
    Throttled,
    /// The host ends: the event is taken up by the next.
    Ended,
}

/// Keeps an event, says so, and sees to it that it takes place.
pub(super) async fn run(
    inner: Weak<Inner>,
    event: Event,
    slot: OwnedSemaphorePermit,
    kept: impl FnOnce(io::Result<()>),
) {
    let stored = store(&inner, &event).await;
    let is_stored = stored.is_ok();
    kept(stored);
    if is_stored {
        take_place(inner, event).await;
    }
    drop(slot);
}

/// Files are written on threads that may wait.
async fn store(inner: &Weak<Inner>, event: &Event) -> io::Result<()> {
    let (inner, event) = (inner.clone(), event.clone());
    let stored = tokio::task::spawn_blocking(move || {
        inner.upgrade().map_or(Ok(()), |inner| inner.events.keep(&event))
    });
    stored.await.map_err(io::Error::other)?
}

/// The same for an event that was kept by another host.
pub(super) async fn take_up(
    inner: Weak<Inner>,
    event: Event,
    turn: impl Future<Output = Option<OwnedSemaphorePermit>>,
) {
    let slot = turn.await;
    take_place(inner, event).await;
    drop(slot);
}

/// Tries until the event is done, or has failed too often.
async fn take_place(inner: Weak<Inner>, mut event: Event) {
    let mut throttled_pause = THROTTLED_PAUSES.0;
    loop {
        let pause = match attempt(&inner, &event).await {
            Tried::Ended => return,
            Tried::Done => break,
            Tried::Failed => {
                let pause = PAUSES.get(event.failures).copied();
                event.failures += 1;
                if store(&inner, &event).await.is_err() {
                    tracing::warn!(function = event.function, "a failed event cannot be kept");
                }
                pause
            }
            Tried::Throttled => {
                let age = jiff::Timestamp::now().as_millisecond() - event.accepted_millis;
                let pause = (age < THROTTLED_MILLIS_MAX).then_some(throttled_pause);
                throttled_pause = THROTTLED_PAUSES.1.min(throttled_pause * 2);
                pause
            }
        };
        let Some(pause) = pause else {
            tracing::warn!(function = event.function, request_id = event.request_id, "an event was given up");
            break;
        };
        tokio::time::sleep(pause).await;
    }
    if let Some(inner) = inner.upgrade() {
        inner.events.remove(&event);
    }
}

async fn attempt(inner: &Weak<Inner>, event: &Event) -> Tried {
    let receiver = {
        let Some(inner) = inner.upgrade() else { return Tried::Ended };
        let Some(pool) = inner.pool(&event.function) else { return Tried::Failed };
        let (sender, receiver) = oneshot::channel();
        let invocation = Invocation {
            request_id: event.request_id.clone(),
            qualifier: event.qualifier.clone(),
            client_context: event.client_context.clone(),
            execution_arn: event.execution_arn.clone(),
            ..Invocation::new(None, event.trace_id.clone(), event.payload.clone(), Reply::Caller(sender))
        };
        pool.hand_on(&inner.shared, invocation);
        receiver
    };
    match receiver.await {
        // A process that was killed because the host ends has not failed.
        Ok(Ok(invoked)) if invoked.is_error => match inner.upgrade() {
            Some(inner) if !inner.has_ended.load(Ordering::SeqCst) => Tried::Failed,
            _ => Tried::Ended,
        },
        Ok(Ok(_)) => Tried::Done,
        Ok(Err(Refused::Throttled)) => Tried::Throttled,
        // It may come back.
        Ok(Err(Refused::Gone)) => Tried::Failed,
        Ok(Err(Refused::Ended)) | Err(_) => Tried::Ended,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(request_id: &str, accepted_millis: i64) -> Event {
        Event {
            request_id: request_id.to_owned(),
            function: "f".to_owned(),
            qualifier: None,
            client_context: None,
            trace_id: String::new(),
            payload: "{\"a\":1.50}".to_owned(),
            execution_arn: None,
            failures: 0,
            accepted_millis,
        }
    }

    #[test]
    fn what_was_kept_is_found_in_its_order() {
        let folder = tempfile::tempdir().unwrap();
        let events = Events::default();
        assert_eq!(events.open(&folder.path().join("events")).unwrap().len(), 0);
        let (first, second) = (event("r-2", 1), event("r-1", 2));
        events.keep(&second).unwrap();
        events.keep(&first).unwrap();
        fs::write(folder.path().join("events/torn.new"), "{").unwrap();
        fs::write(folder.path().join("events/torn.json"), "{").unwrap();
        let found = Events::default().open(&folder.path().join("events")).unwrap();
        let ids: Vec<&str> = found.iter().map(|event| event.request_id.as_str()).collect();
        assert_eq!(ids, ["r-2", "r-1"]);
        assert!(!folder.path().join("events/torn.new").exists(), "nobody was told of it");
        assert_eq!(found[0].payload, "{\"a\":1.50}");
        events.remove(&first);
        assert_eq!(Events::default().open(&folder.path().join("events")).unwrap().len(), 1);
    }
}
