//! Uploads in parts: each part a file, put together when the upload completes.
//!
//! ```text
//! .stepwright/uploads/<id>/upload        what the object will be
//! .stepwright/uploads/<id>/00001         what a part is, and in which file
//! .stepwright/uploads/<id>/00001-<hex>   its bytes
//! ```

use std::collections::VecDeque;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, RwLock};

use asl::limits::{OBJECT_BYTES_MAX, OBJECT_PART_BYTES_MIN, OBJECT_PARTS_MAX};
use bucket::{Folder, Key, make_durable_dir};
use md5::{Digest as _, Md5};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::ObjectsError;
use super::about::Kept;
use super::checksum::{Algorithm, Checksum, Kind, composite};
use super::failure::Failure;
use super::intake::{Sink, Taken};
use crate::random;

/// Bytes that are copied at a time.
const BUFFER_BYTES: usize = 256 << 10;
const UPLOAD: &str = "upload";
/// Uploads are changed in so many lanes. Ours.
const LANES: usize = 256;
/// Completed uploads whose answer is known to who asks again. Ours: a client asks again within minutes.
const COMPLETIONS_KEPT: usize = 128;

/// For who finds none, which is nobody.
static NO_LANE: RwLock<()> = RwLock::new(());

/// An upload that was begun.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Upload {
    pub(super) key: String,
    pub(super) kept: Kept,
    /// The checksum its parts have, and what the object's is of.
    pub(super) checksum: Option<(Algorithm, Kind)>,
    pub(super) begun_millis: i64,
}

/// A part that came.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Part {
    file: String,
    pub(super) bytes: u64,
    /// MD5, in hexadecimal digits: its `ETag`.
    pub(super) etag: String,
    pub(super) checksum: Option<(Algorithm, String)>,
    pub(super) modified_millis: i64,
}

/// What a caller names of a part when the upload is to complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) number: u32,
    /// Without quotes.
    pub(super) etag: String,
    pub(super) checksum: Option<(Algorithm, String)>,
}

/// Who changes an upload, and what those came to that are complete.
#[derive(Debug)]
pub(super) struct Completions {
    lanes: Vec<RwLock<()>>,
    done: Mutex<VecDeque<Completion>>,
}

/// What an upload came to, for a client that asks again: it did not hear the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Completion {
    pub(super) id: String,
    pub(super) bucket: String,
    pub(super) key: String,
    pub(super) named: Vec<Named>,
    /// The document of the answer.
    pub(super) answer: String,
}

impl Default for Completions {
    fn default() -> Self {
        Self { lanes: (0..LANES).map(|_| RwLock::default()).collect(), done: Mutex::default() }
    }
}

impl Completions {
    /// Parts of an upload come side by side; it is completed or aborted by one alone.
    pub(super) fn lane(&self, id: &str) -> &RwLock<()> {
        let mut hasher = DefaultHasher::new();
        id.hash(&mut hasher);
        let lane = usize::try_from(hasher.finish() % LANES as u64).unwrap_or_default();
        self.lanes.get(lane).unwrap_or(&NO_LANE)
    }

    /// What the same request came to before.
    pub(super) fn find(&self, id: &str, bucket: &str, key: Key<'_>, named: &[Named]) -> Option<String> {
        let done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        let is_same = |done: &&Completion| {
            done.id == id && done.bucket == bucket && done.key == key.as_str() && done.named == named
        };
        done.iter().find(is_same).map(|done| done.answer.clone())
    }

    pub(super) fn keep(&self, completion: Completion) {
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        done.truncate(COMPLETIONS_KEPT - 1);
        done.push_front(completion);
    }
}

/// The uploads of a bucket.
#[derive(Debug, Clone)]
pub(super) struct Uploads<'f> {
    folder: &'f Folder,
}

impl<'f> Uploads<'f> {
    pub(super) const fn new(folder: &'f Folder) -> Self {
        Self { folder }
    }

    /// Begins an upload; answers its id.
    pub(super) fn begin(&self, upload: &Upload) -> Result<String, Failure> {
        let id = random::hex();
        let place = self.folder.ours("uploads").join(&id);
        make_durable_dir(&place)?;
        self.write(&place, UPLOAD, upload)?;
        Ok(id)
    }

    /// Where an upload is: ids are hexadecimal digits, whatever a caller says.
    fn place(&self, id: &str, key: Key<'_>) -> Result<(PathBuf, Upload), Failure> {
        let none = || Failure::no_such_upload(id);
        if sigv4::unhex(id).is_none_or(|id| id.len() != 16) {
            return Err(none());
        }
        let place = self.folder.ours("uploads").join(id);
        let upload: Upload = read(&place.join(UPLOAD))?.ok_or_else(none)?;
        if upload.key == key.as_str() { Ok((place, upload)) } else { Err(none()) }
    }

    pub(super) fn find(&self, id: &str, key: Key<'_>) -> Result<Upload, Failure> {
        Ok(self.place(id, key)?.1)
    }

    /// Keeps a part, durably; one of the same number is replaced.
    pub(super) fn put(
        &self,
        id: &str,
        key: Key<'_>,
        number: u32,
        taken: Taken,
        now_millis: i64,
    ) -> Result<Part, Failure> {
        let (place, upload) = self.place(id, key)?;
        if let (Some((wanted, _)), Some((given, _))) = (upload.checksum, &taken.checksum)
            && wanted != *given
        {
            return Err(Failure::invalid_request(format!(
                "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum Type: {}",
                wanted.name().to_lowercase(),
                given.name().to_lowercase()
            )));
        }
        let name = format!("{number:05}");
        let before: Option<Part> = read(&place.join(&name))?;
        let file = format!("{name}-{}", random::uuid());
        let part = Part {
            file: file.clone(),
            bytes: taken.bytes,
            etag: sigv4::hex(&taken.md5),
            checksum: taken.checksum,
            modified_millis: now_millis,
        };
        taken.file.as_file().sync_all()?;
        // An upload that was aborted meanwhile has no folder.
        let gone = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => Failure::no_such_upload(id),
            _ => error.into(),
        };
        taken.file.persist(place.join(&file)).map_err(|error| gone(error.error))?;
        self.write(&place, &name, &part).map_err(gone)?;
        if let Some(before) = before {
            match fs::remove_file(place.join(before.file)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
                _ => {}
            }
        }
        Ok(part)
    }

    /// The parts of an upload by their numbers.
    pub(super) fn parts(&self, id: &str, key: Key<'_>) -> Result<Vec<(u32, Part)>, Failure> {
        let (place, _) = self.place(id, key)?;
        Ok(parts_in(&place)?)
    }

    /// The object that an upload comes to: its content, `ETag`, and what is kept of it.
    pub(super) fn assemble(
        &self,
        id: &str,
        key: Key<'_>,
        named: &[Named],
        promised: Option<&(Algorithm, String)>,
    ) -> Result<(Taken, String, Kept), Failure> {
        let (place, upload) = self.place(id, key)?;
        let parts = wanted(self.parts(id, key)?, named)?;
        let bytes: u64 = parts.iter().map(|part| part.bytes).sum();
        if bytes > OBJECT_BYTES_MAX {
            let message = "Your proposed upload exceeds the maximum allowed object size.";
            return Err(Failure::new("EntityTooLarge", 400, message));
        }
        let whole = upload.checksum.filter(|(_, kind)| *kind == Kind::FullObject);
        let mut sink = Sink::new(self.folder, bytes, whole.map(|(algorithm, _)| algorithm))?;
        for part in &parts {
            copy(&place.join(&part.file), part.bytes, &mut sink)?;
        }
        let taken = sink.finish();
        let mut digests = Md5::new();
        for part in &parts {
            digests.update(sigv4::unhex(&part.etag).unwrap_or_default());
        }
        let etag = format!("{}-{}", sigv4::hex(&digests.finalize()), parts.len());
        let checksum = upload.checksum.and_then(|(algorithm, kind)| {
            let value = if let (Kind::FullObject, Some((_, value))) = (kind, &taken.checksum) {
                value.clone()
            } else {
                let of_part = |part: &Part| part.checksum.as_ref().map(|(_, value)| value.clone());
                let of_parts: Option<Vec<String>> = parts.iter().map(of_part).collect();
                composite(algorithm, of_parts?.iter().map(String::as_str))
            };
            Some(Checksum { algorithm, value, kind })
        });
        if let (Some((algorithm, value)), Some(computed)) = (promised, &checksum)
            && (*algorithm != computed.algorithm
                || computed.value.split('-').next() != value.split('-').next())
        {
            let message =
                format!("The {} you specified did not match the calculated checksum.", algorithm.name());
            return Err(Failure::new("BadDigest", 400, message));
        }
        let parts = parts.iter().map(|part| part.bytes).collect();
        Ok((taken, etag, Kept { checksum, parts, ..upload.kept }))
    }

    /// Takes an upload away, and its parts.
    pub(super) fn remove(&self, id: &str, key: Key<'_>) -> Result<(), Failure> {
        self.place(id, key)?;
        Ok(self.discard(id)?)
    }

    /// The same of an upload that may be gone already: durably.
    pub(super) fn discard(&self, id: &str) -> io::Result<()> {
        let place = self.folder.ours("uploads").join(id);
        // Without this it is none, whatever happens to the rest.
        match fs::remove_file(place.join(UPLOAD)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            removed => removed?,
        }
        self.folder.settle(&place)?;
        fs::remove_dir_all(place)
    }

    /// Every upload of the bucket with its id, sorted by key and id.
    pub(super) fn list(&self) -> Result<Vec<(String, Upload)>, Failure> {
        let mut uploads = Vec::new();
        for place in places(self.folder)? {
            let id = place.file_name().unwrap_or_default().to_string_lossy().into_owned();
            match read::<Upload>(&place.join(UPLOAD)) {
                Ok(Some(upload)) => uploads.push((id, upload)),
                Ok(None) => {}
                Err(error) => unreadable(&place, &error),
            }
        }
        uploads
            .sort_by(|(left_id, left), (right_id, right)| (&left.key, left_id).cmp(&(&right.key, right_id)));
        Ok(uploads)
    }

    /// Takes away what a crash left of uploads that were beginning or ending,
    /// and parts that were not acknowledged.
    /// What cannot be read of one is said, and keeps no other from being there.
    pub(super) fn recover(&self) -> Result<(), ObjectsError> {
        let uploads = self.folder.ours("uploads");
        for place in places(self.folder).map_err(ObjectsError::at("list uploads", &uploads))? {
            if let Err(error) = recover_one(&place) {
                unreadable(&place, &error);
            }
        }
        Ok(())
    }

    fn write(&self, place: &Path, name: &str, value: &impl Serialize) -> io::Result<()> {
        let mut file = self.folder.incoming(super::intake::PUT)?;
        serde_json::to_writer(&mut file, value).map_err(io::Error::other)?;
        file.flush()?;
        file.as_file().sync_all()?;
        file.persist(place.join(name)).map_err(|error| error.error)?;
        self.folder.settle(place)
    }
}

fn places(folder: &Folder) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder.ours("uploads")) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    entries.map(|entry| entry.map(|entry| entry.path())).collect()
}

/// An upload as a crash left it: one that was beginning or ending is taken away, and of others the parts
/// that were not acknowledged.
fn recover_one(place: &Path) -> io::Result<()> {
    if read::<Upload>(&place.join(UPLOAD))?.is_none() {
        return fs::remove_dir_all(place);
    }
    let used: Vec<String> = parts_in(place)?.into_iter().map(|(_, part)| part.file).collect();
    for path in super::store::files(place)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.contains('-') && !used.iter().any(|used| *used == name) {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

fn unreadable(place: &Path, error: &io::Error) {
    tracing::warn!(
        path = %place.display(), %error,
        "an upload in parts cannot be read: it is left where it is, and nobody can go on with it"
    );
}

/// The parts in the folder of an upload by their numbers.
fn parts_in(place: &Path) -> io::Result<Vec<(u32, Part)>> {
    let mut parts = Vec::new();
    for path in super::store::files(place)? {
        let number = path.file_name().and_then(|name| name.to_str()?.parse().ok());
        if let Some(number) = number
            && let Some(part) = read(&path)?
        {
            parts.push((number, part));
        }
    }
    parts.sort_by_key(|(number, _)| *number);
    Ok(parts)
}

fn read<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    match fs::read(path) {
        Ok(text) => Ok(Some(serde_json::from_slice(&text)?)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// The parts that a caller names, in its order.
fn wanted(parts: Vec<(u32, Part)>, named: &[Named]) -> Result<Vec<Part>, Failure> {
    if named.is_empty() {
        return Err(Failure::malformed_xml());
    }
    if !named.is_sorted_by(|left, right| left.number < right.number) {
        let message = "The list of parts was not in ascending order. The parts list must be specified in order by part number.";
        return Err(Failure::new("InvalidPartOrder", 400, message));
    }
    let mut parts = parts.into_iter();
    let mut wanted = Vec::with_capacity(named.len());
    for (at, name) in named.iter().enumerate() {
        let found = parts.by_ref().find(|(number, _)| *number == name.number).map(|(_, part)| part);
        let is_same = |part: &Part| {
            part.etag == name.etag
                && name.checksum.as_ref().is_none_or(|named| part.checksum.as_ref() == Some(named))
        };
        let Some(part) = found.filter(is_same) else {
            let message = "One or more of the specified parts could not be found. The part may not have been \
                           uploaded, or the specified entity tag may not match the part's entity tag.";
            return Err(Failure::new("InvalidPart", 400, message).with("PartNumber", name.number.to_string()));
        };
        if part.bytes < OBJECT_PART_BYTES_MIN && at + 1 < named.len() {
            let message = "Your proposed upload is smaller than the minimum allowed size";
            return Err(Failure::new("EntityTooSmall", 400, message)
                .with("ProposedSize", part.bytes.to_string())
                .with("MinSizeAllowed", OBJECT_PART_BYTES_MIN.to_string())
                .with("PartNumber", name.number.to_string()));
        }
        wanted.push(part);
    }
    Ok(wanted)
}

/// Copies a part to the object that becomes.
fn copy(path: &Path, bytes: u64, sink: &mut Sink) -> Result<(), Failure> {
    copy_some(&mut File::open(path)?, bytes, sink)
}

/// Copies this many bytes; a file that has fewer is an error.
pub(super) fn copy_some(file: &mut File, bytes: u64, sink: &mut Sink) -> Result<(), Failure> {
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut left = bytes;
    while left > 0 {
        let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let count = match file.read(buffer.get_mut(..wanted).unwrap_or_default()) {
            Ok(0) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error.into()),
        };
        sink.write(buffer.get(..count).unwrap_or_default())?;
        left -= count as u64;
    }
    Ok(())
}

/// The number of a part, as a query says it.
pub(super) fn part_number(text: &str) -> Result<u32, Failure> {
    let number = text.parse().ok().filter(|number| (1..=OBJECT_PARTS_MAX).contains(number));
    let message = "Part number must be an integer between 1 and 10000, inclusive";
    number.ok_or_else(|| Failure::invalid_argument(message, "partNumber", text))
}
