//! Changes objects, and tells of each change before it is acknowledged.
//!
//! A change is written down as an intent, takes place by one rename, is told,
//! and then its intent is taken away. What a crash leaves is put right at the
//! next start: an intent whose change took place is told (again), one whose
//! change did not is dropped. What cannot be told now is told later: see `untold`.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use bucket::{Folder, Found, Key, Stamp, make_durable_dir};
use engine::Clock;
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use super::ObjectsError;
use super::about::Kept;
use super::events::{ObjectChange, ObjectEvent, ObjectEvents};
use super::failure::Failure;
use super::intake::PUT;
use super::multipart::{Completions, Uploads};
use super::untold::Untold;

/// Changes of one key happen one after the other; so many of them at a time. Ours.
const LANES: usize = 256;
/// Files that steps were writing are taken away when nothing was written for so long. Ours.
const ABANDONED: Duration = Duration::from_hours(24);

/// For who finds none, which is nobody.
static NO_LANE: Mutex<()> = Mutex::new(());

/// The buckets: folders of one folder.
pub(super) struct Buckets {
    root: PathBuf,
    pub(super) region: String,
    pub(super) account: String,
    clock: Arc<dyn Clock>,
    events: Arc<dyn ObjectEvents>,
    lanes: Vec<Mutex<()>>,
    pub(super) completions: Completions,
    pub(super) untold: Arc<Untold>,
    /// The last sequencer that was given out: nanoseconds, each once.
    last: AtomicU64,
}

/// Who caused a change, and by what.
#[derive(Debug, Clone)]
pub(super) struct Cause {
    pub(super) reason: &'static str,
    /// The upload that comes to its end by it: it is taken away by the same change.
    pub(super) upload: Option<String>,
    pub(super) request_id: String,
    pub(super) source_ip_address: String,
}

/// An object that is in its place.
pub(super) struct Placed {
    stamp: Stamp,
    told: Result<(), Failure>,
}

impl Placed {
    /// It was told, too.
    pub(super) fn told(self) -> Result<Stamp, Failure> {
        self.told.map(|()| self.stamp)
    }
}

/// What has to be true of the object that is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Condition {
    /// There must be none.
    pub(super) is_absent: bool,
    /// It must have this `ETag`, without quotes; `*` = any.
    pub(super) etag: Option<String>,
}

/// A change that is about to take place.
#[derive(Debug, Serialize, Deserialize)]
struct Intent {
    event: ObjectEvent,
    /// The bytes that are put in place, or taken away.
    stamp: [u64; 2],
    /// The bytes that were there before.
    before: Option<[u64; 2]>,
    /// The file that becomes the object: where it still is, nothing took place.
    file: Option<String>,
    /// The upload that ends with the change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    upload: Option<String>,
}

const fn stamp_of([modified_nanos, bytes]: [u64; 2]) -> Stamp {
    Stamp { modified_nanos, bytes }
}

const fn pair(stamp: Stamp) -> [u64; 2] {
    [stamp.modified_nanos, stamp.bytes]
}

impl Buckets {
    pub(super) fn new(
        root: PathBuf,
        region: String,
        account: String,
        clock: Arc<dyn Clock>,
        events: Arc<dyn ObjectEvents>,
    ) -> Self {
        let lanes = (0..LANES).map(|_| Mutex::default()).collect();
        Self {
            root,
            region,
            account,
            clock,
            events,
            lanes,
            completions: Completions::default(),
            untold: Arc::default(),
            last: AtomicU64::new(0),
        }
    }

    /// The folder of all buckets.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn now_millis(&self) -> i64 {
        self.clock.now_millis()
    }

    /// The folder of a bucket that is there.
    pub(super) fn folder(&self, bucket: &str) -> Result<Folder, Failure> {
        let folder = self.place(bucket).filter(|folder| folder.is_dir());
        folder.map(Folder::new).ok_or_else(|| Failure::no_such_bucket(bucket))
    }

    /// Where a bucket is, or would be: a name that is a path is no bucket's.
    pub(super) fn place(&self, bucket: &str) -> Option<PathBuf> {
        let is_name = bucket.starts_with(|first: char| first.is_ascii_alphanumeric())
            && bucket.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte));
        is_name.then(|| self.root.join(bucket))
    }

    /// One change of a key at a time.
    pub(super) fn lane(&self, bucket: &str, key: Key<'_>) -> MutexGuard<'_, ()> {
        let mut hasher = DefaultHasher::new();
        (bucket, key.as_str()).hash(&mut hasher);
        let lane = usize::try_from(hasher.finish() % LANES as u64).unwrap_or_default();
        // There are lanes. What a panic interrupted is a crash to what lies on the disk.
        self.lanes.get(lane).unwrap_or(&NO_LANE).lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A time that nothing else has, behind that of what is there.
    fn sequence(&self, behind: Option<Stamp>) -> u64 {
        let now = u64::try_from(self.now_millis()).unwrap_or_default().saturating_mul(1_000_000);
        let least = now.max(behind.map_or(0, |stamp| stamp.modified_nanos.saturating_add(1)));
        let next = |before: u64| least.max(before.saturating_add(1));
        let given = self.last.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |before| Some(next(before)));
        next(given.unwrap_or_else(|before| before))
    }

    fn event(
        &self,
        bucket: &str,
        key: Key<'_>,
        change: ObjectChange,
        stamp: u64,
        cause: &Cause,
    ) -> ObjectEvent {
        ObjectEvent {
            bucket: bucket.to_owned(),
            key: key.as_str().to_owned(),
            change,
            sequencer: format!("{stamp:018X}"),
            time_millis: i64::try_from(stamp / 1_000_000).unwrap_or(i64::MAX),
            reason: cause.reason.to_owned(),
            request_id: cause.request_id.clone(),
            requester: self.account.clone(),
            source_ip_address: cause.source_ip_address.clone(),
            region: self.region.clone(),
            account: self.account.clone(),
        }
    }

    /// Puts content in place under a key. When this returns, the object is durable; and its event, too,
    /// where that could be told.
    pub(super) fn put(
        &self,
        bucket: &str,
        key: Key<'_>,
        file: NamedTempFile,
        (etag, kept): (&str, &Kept),
        condition: &Condition,
        cause: &Cause,
    ) -> Result<Placed, Failure> {
        let folder = self.folder(bucket)?;
        let _lane = self.lane(bucket, key);
        let found = folder.find(key)?;
        check(&folder, key, found.as_ref(), condition)?;
        let before = found.map(|found| found.stamp);
        let stamp = self.stamp(file.as_file(), before)?;
        let change = ObjectChange::Created { size: stamp.bytes, etag: etag.to_owned(), version_id: None };
        let event = self.event(bucket, key, change, stamp.modified_nanos, cause);
        let name = file.path().file_name().map(|name| name.to_string_lossy().into_owned());
        let intent = Intent {
            event,
            stamp: pair(stamp),
            before: before.map(pair),
            file: name,
            upload: cause.upload.clone(),
        };
        let intended = intend(&folder, &intent)?;
        let known = folder.keep_about(key, stamp, &kept.about(etag));
        let placed = known.and_then(|()| folder.lock()).map_err(Failure::from).and_then(|lock| {
            // A step may have written meanwhile, past this process.
            check(&folder, key, folder.find(key)?.as_ref(), condition)?;
            Ok(folder.put_in_place(&lock, file, key)?)
        });
        let parent = match placed {
            Ok(parent) => parent,
            Err(failure) => {
                folder.forget_about(key, stamp)?;
                fs::remove_file(&intended)?;
                return Err(failure);
            }
        };
        folder.settle(&parent)?;
        Ok(Placed { stamp, told: self.tell(&folder, key, &intent, &intended) })
    }

    /// Deletes an object; `false` = there was none, and nobody is told.
    pub(super) fn delete(
        &self,
        bucket: &str,
        key: Key<'_>,
        condition: &Condition,
        cause: &Cause,
    ) -> Result<bool, Failure> {
        let folder = self.folder(bucket)?;
        let _lane = self.lane(bucket, key);
        let found = folder.find(key)?;
        check(&folder, key, found.as_ref(), condition)?;
        let Some(found) = found else { return Ok(false) };
        let sequence = self.sequence(Some(found.stamp));
        let event = self.event(bucket, key, ObjectChange::Deleted, sequence, cause);
        let stamp = pair(found.stamp);
        let intent = Intent { event, stamp, before: Some(stamp), file: None, upload: None };
        let intended = intend(&folder, &intent)?;
        let taken = folder.lock().and_then(|lock| folder.take_away(&lock, key));
        let parent = match taken {
            Ok(parent) => parent,
            Err(error) => {
                fs::remove_file(&intended)?;
                return Err(error.into());
            }
        };
        if let Some(parent) = parent {
            folder.settle(&parent)?;
        }
        self.tell(&folder, key, &intent, &intended)?;
        Ok(true)
    }

    /// Gives a file the time that is its sequencer, and makes it last.
    fn stamp(&self, file: &File, before: Option<Stamp>) -> io::Result<Stamp> {
        let bytes = file.metadata()?.len();
        let wanted = Stamp { modified_nanos: self.sequence(before), bytes };
        file.set_modified(wanted.modified())?;
        file.sync_all()?;
        // As exact as the file system has it.
        Ok(Stamp::of(&file.metadata()?))
    }

    /// Tells of a change that took place, and forgets what was only for it; later, if not now.
    fn tell(&self, folder: &Folder, key: Key<'_>, intent: &Intent, intended: &Path) -> Result<(), Failure> {
        let told = self.tell_now(folder, key, intent, intended);
        told.inspect_err(|_| self.untold.add(&intent.event.bucket, intended))
    }

    fn tell_now(
        &self,
        folder: &Folder,
        key: Key<'_>,
        intent: &Intent,
        intended: &Path,
    ) -> Result<(), Failure> {
        // What is not told stays an intent, and its upload stays for who asks again.
        self.events.raise(&intent.event).map_err(|error| Failure::internal(&error))?;
        if let Some(upload) = &intent.upload {
            Uploads::new(folder).discard(upload)?;
        }
        if let Some(before) = intent.before {
            folder.forget_about(key, stamp_of(before))?;
        }
        Ok(fs::remove_file(intended)?)
    }

    /// Puts right what a crash left in a bucket, before anybody asks for it. A change that cannot be
    /// ended now keeps nothing else back: it is tried again.
    pub(super) fn recover(&self, bucket: &str, folder: &Folder) -> Result<(), ObjectsError> {
        let (intents, incoming) = (folder.ours("intents"), folder.ours("incoming"));
        let mut paths = files(&intents).map_err(ObjectsError::at("list changes", &intents))?;
        paths.sort();
        let mut is_all = true;
        for path in paths {
            if let Err(failure) = self.end(folder, &path) {
                tracing::warn!(
                    path = %path.display(), problem = failure.message,
                    "a change of an object cannot be brought to its end: it is tried again"
                );
                self.untold.add(bucket, &path);
                is_all = false;
            }
        }
        if !is_all {
            // What was being written may say whether a change took place.
            return Ok(());
        }
        for path in
            files(&incoming).map_err(ObjectsError::at("list files that were being written", &incoming))?
        {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let is_ours = name.starts_with(PUT) || name.starts_with("about-");
            let removed = || if is_ours || is_abandoned(&path)? { fs::remove_file(&path) } else { Ok(()) };
            removed().map_err(ObjectsError::at("remove what was being written", &path))?;
        }
        Ok(())
    }

    /// Brings a change to its end that was begun and that nobody is at.
    pub(super) fn end(&self, folder: &Folder, path: &Path) -> Result<(), Failure> {
        let intent = match fs::read(path) {
            Ok(intent) => intent,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let Ok(intent) = serde_json::from_slice::<Intent>(&intent) else {
            tracing::warn!(path = %path.display(), "what is no intent of a change is left where it is");
            return Ok(());
        };
        let key = intent.event.key.clone();
        let Ok(key) = Key::new(&key) else { return Ok(()) };
        let _lane = self.lane(&intent.event.bucket, key);
        if !path.exists() {
            // Somebody else has ended it.
            return Ok(());
        }
        let stamp = stamp_of(intent.stamp);
        let is_waiting = intent.file.as_ref().is_some_and(|file| folder.ours("incoming").join(file).exists());
        let now = folder.find(key)?.map(|found| found.stamp);
        let took_place = match intent.event.change {
            // Somebody may have written the object again since.
            ObjectChange::Created { .. } => {
                !is_waiting && now.is_some_and(|now| now.modified_nanos >= stamp.modified_nanos)
            }
            ObjectChange::Deleted => now != Some(stamp),
        };
        if took_place {
            folder.settle_object(key)?;
            return self.tell(folder, key, &intent, path);
        }
        if matches!(intent.event.change, ObjectChange::Created { .. }) {
            folder.forget_about(key, stamp)?;
        }
        Ok(fs::remove_file(path)?)
    }
}

/// Writes down what is about to take place, durably.
fn intend(folder: &Folder, intent: &Intent) -> io::Result<PathBuf> {
    let intents = folder.ours("intents");
    make_durable_dir(&intents)?;
    let path = intents.join(format!("{}-{}", intent.event.sequencer, intent.event.id()));
    let mut file = folder.incoming(PUT)?;
    serde_json::to_writer(&mut file, intent).map_err(io::Error::other)?;
    file.flush()?;
    file.as_file().sync_all()?;
    file.persist(&path).map_err(|error| error.error)?;
    folder.settle(&intents)?;
    Ok(path)
}

fn check(folder: &Folder, key: Key<'_>, found: Option<&Found>, condition: &Condition) -> Result<(), Failure> {
    if condition.is_absent && found.is_some() {
        return Err(Failure::precondition("If-None-Match"));
    }
    let Some(wanted) = &condition.etag else { return Ok(()) };
    let Some(found) = found else { return Err(Failure::no_such_key(key.as_str())) };
    let about = folder.about(key, found.stamp)?;
    let etag = about.map_or_else(|| found.stamp.etag(), |about| about.etag);
    if wanted == "*" || *wanted == etag { Ok(()) } else { Err(Failure::precondition("If-Match")) }
}

/// The files of a folder that may not be there.
pub(super) fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            files.push(entry.path());
        }
    }
    Ok(files)
}

/// By the clock of the file system, which is that of files' times.
fn is_abandoned(path: &Path) -> io::Result<bool> {
    let age = SystemTime::now().duration_since(path.symlink_metadata()?.modified()?);
    Ok(age.is_ok_and(|age| age > ABANDONED))
}
