//! Lists of objects, manifests, and the items of one file after the other.

use std::io::{BufRead, BufReader, Read};
use std::sync::Arc;

use asl::limits::MANIFEST_BYTES_MAX;
use flate2::bufread::MultiGzDecoder;
use serde::Deserialize;
use serde_json::{Value, json};

use super::csv::CsvItems;
use super::json::{JsonItems, JsonLines};
use super::{Dataset, Format, Item, Place, ReadError, ReadRequest};
use crate::object_store::{GetObject, ListObjects, ObjectErrorCode, ObjectStore, ObjectSummary};

/// The items of a dataset.
pub(super) type Items = Box<dyn Iterator<Item = Result<Item, ReadError>> + Send>;
/// The items of one file: key and value.
type Entries = Box<dyn Iterator<Item = Result<(Option<String>, Value), ReadError>> + Send>;

/// How the compression of a data file is recognised: Athena and S3 Inventory write gzip.
const GZIP: [u8; 2] = [0x1F, 0x8B];

/// Opens the dataset of a request, behind a place if one is given; answers its items and its tag.
pub(super) fn open(
    request: &ReadRequest,
    store: &Arc<dyn ObjectStore>,
    behind: Option<&Place>,
) -> Result<(Items, Option<String>), ReadError> {
    let ReadRequest { bucket, dataset, .. } = request;
    match dataset {
        Dataset::Object { key, version_id, format } => {
            let file = File { bucket: bucket.clone(), key: key.clone(), version_id: version_id.clone() };
            let (entries, etag) = file.open(store, format, Compression::None)?;
            let source = uri(bucket, key);
            let items = entries.map(move |entry| {
                let (key, value) = entry?;
                Ok(Item { key, value, source: Arc::clone(&source), place: None })
            });
            Ok((Box::new(items), Some(etag)))
        }
        Dataset::Inventory { key, version_id } => inventory(bucket, key, version_id.as_ref(), store, behind),
        Dataset::AthenaData { key, version_id, format } => {
            let source = uri(bucket, key);
            let (text, etag) = read_whole(store, bucket, key, version_id.as_ref())?;
            let files: Vec<File> = text
                .lines()
                .map(str::trim)
                .filter(|line| !line.is_empty())
                .map(|line| File::of_uri(line.trim_matches('"'), &source))
                .collect::<Result<_, _>>()?;
            Ok((chained(files.into_iter().map(Ok), store, format, behind), Some(etag)))
        }
        Dataset::List { prefix } => {
            let source: Arc<str> = format!("S3://{bucket}").into();
            let objects = Objects::new(store, bucket, prefix, behind)?;
            let items = objects.map(move |object| {
                let object = object?;
                let (key, etag) = (object.key.as_str().into(), object.etag.as_str().into());
                let place = Some(Place { file: 0, key, etag, taken: 1 });
                Ok(Item { key: None, value: metadata(&object), source: Arc::clone(&source), place })
            });
            Ok((Box::new(items), None))
        }
        Dataset::Load { prefix, format } => {
            let bucket = bucket.clone();
            // Keys that end in a slash stand for folders: there is nothing to load.
            let objects = Objects::new(store, &bucket, prefix, behind)?.filter(|object| {
                !object.as_ref().is_ok_and(|object| object.bytes == 0 && object.key.ends_with('/'))
            });
            let file = move |key| File { bucket: bucket.clone(), key, version_id: None };
            let first = behind.map(|place| Ok(file(place.key.to_string())));
            let files = first.into_iter().chain(objects.map(move |object| Ok(file(object?.key))));
            // A list has no numbers: the one it goes on with is the first.
            let behind = behind.map(|place| Place { file: 0, ..place.clone() });
            Ok((chained(files, store, format, behind.as_ref()), None))
        }
    }
}

/// The address of an object, as `Map.Item.Source` has it.
pub(super) fn uri(bucket: &str, key: &str) -> Arc<str> {
    format!("S3://{bucket}/{key}").into()
}

/// What `s3:listObjectsV2` makes an item of. Measured on AWS: these names, the
/// tag in its quotes, the time in seconds.
fn metadata(object: &ObjectSummary) -> Value {
    json!({
        "Etag": object.etag,
        "Key": object.key,
        "LastModified": object.modified_millis.div_euclid(1_000),
        "Size": object.bytes,
        "StorageClass": "STANDARD",
    })
}

/// A file with items.
#[derive(Debug, Clone, PartialEq, Eq)]
struct File {
    bucket: String,
    key: String,
    version_id: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compression {
    None,
    /// What the first bytes say.
    Detected,
}

impl File {
    /// The file a line of an Athena manifest names.
    fn of_uri(line: &str, manifest: &Arc<str>) -> Result<Self, ReadError> {
        let parts = line.strip_prefix("s3://").and_then(|rest| rest.split_once('/'));
        let (bucket, key) = parts.ok_or_else(|| {
            ReadError::malformed(manifest, format!("'{line}' is not the URI of an object (s3://bucket/key)."))
        })?;
        Ok(Self { bucket: bucket.to_owned(), key: key.to_owned(), version_id: None })
    }

    /// Opens the file; answers its entries and its tag.
    fn open(
        &self,
        store: &Arc<dyn ObjectStore>,
        format: &Format,
        compression: Compression,
    ) -> Result<(Entries, String), ReadError> {
        let source = uri(&self.bucket, &self.key);
        let request = GetObject {
            bucket: self.bucket.clone(),
            key: self.key.clone(),
            version_id: self.version_id.clone(),
            range: None,
        };
        let object = store.get(&request)?;
        Ok(if *format == Format::Parquet {
            (parquet(store, request, object.bytes, &source)?, object.etag)
        } else {
            let reader = plain(object.body, compression, &source)?;
            (entries(reader, format, &source), object.etag)
        })
    }

    /// The items of one file of many, behind a place in it if one is given.
    fn items(
        &self,
        store: &Arc<dyn ObjectStore>,
        format: &Format,
        file: u64,
        behind: Option<&Place>,
    ) -> Result<Items, ReadError> {
        let source = uri(&self.bucket, &self.key);
        let changed = || ReadError::Changed { source_uri: Arc::clone(&source) };
        let opened = self.open(store, format, Compression::Detected);
        let (entries, etag) = match opened {
            Err(ReadError::Object(error)) if behind.is_some() && error.code == ObjectErrorCode::NoSuchKey => {
                return Err(changed());
            }
            opened => opened?,
        };
        if behind.is_some_and(|place| *place.etag != *etag) {
            return Err(changed());
        }
        let (key, etag): (Arc<str>, Arc<str>) = (self.key.as_str().into(), etag.into());
        let skipped = behind.map_or(0, |place| place.taken);
        let entries = entries.skip(usize::try_from(skipped).unwrap_or(usize::MAX));
        Ok(Box::new((skipped + 1..).zip(entries).map(move |(taken, entry)| {
            let (name, value) = entry?;
            let place = Place { file, key: Arc::clone(&key), etag: Arc::clone(&etag), taken };
            Ok(Item { key: name, value, source: Arc::clone(&source), place: Some(place) })
        })))
    }
}

fn entries(reader: Box<dyn BufRead + Send>, format: &Format, source: &Arc<str>) -> Entries {
    match format {
        Format::Csv { delimiter, headers } => {
            Box::new(CsvItems::new(reader, *delimiter, headers.as_deref(), source))
        }
        Format::Json { pointer } => Box::new(JsonItems::new(reader, pointer.as_deref(), source)),
        Format::JsonLines => Box::new(JsonLines::new(reader, source)),
        Format::Parquet => Box::new(std::iter::empty()),
    }
}

#[cfg(feature = "parquet")]
fn parquet(
    store: &Arc<dyn ObjectStore>,
    request: GetObject,
    bytes: u64,
    source: &Arc<str>,
) -> Result<Entries, ReadError> {
    Ok(Box::new(super::parquet::ParquetItems::open(store, request, bytes, source)?))
}

#[cfg(not(feature = "parquet"))]
fn parquet(
    _store: &Arc<dyn ObjectStore>,
    _request: GetObject,
    _bytes: u64,
    source: &Arc<str>,
) -> Result<Entries, ReadError> {
    Err(ReadError::malformed(source, "this engine was built without the feature `parquet`."))
}

/// The content of a file, taken out of its compression.
fn plain(
    body: Box<dyn Read + Send>,
    compression: Compression,
    source: &Arc<str>,
) -> Result<Box<dyn BufRead + Send>, ReadError> {
    let mut reader = BufReader::with_capacity(1 << 16, body);
    if compression == Compression::Detected {
        let start =
            reader.fill_buf().map_err(|error| ReadError::Io { source_uri: Arc::clone(source), error })?;
        if start.starts_with(&GZIP) {
            return Ok(Box::new(BufReader::with_capacity(1 << 16, MultiGzDecoder::new(reader))));
        }
    }
    Ok(Box::new(reader))
}

/// The items of files, which are opened when it is their turn: behind a place, those from its file on.
fn chained(
    files: impl Iterator<Item = Result<File, ReadError>> + Send + 'static,
    store: &Arc<dyn ObjectStore>,
    format: &Format,
    behind: Option<&Place>,
) -> Items {
    let (store, format, mut behind) = (Arc::clone(store), format.clone(), behind.cloned());
    let first = behind.as_ref().map_or(0, |place| place.file);
    let files = files.skip(usize::try_from(first).unwrap_or(usize::MAX));
    Box::new((first..).zip(files).flat_map(move |(number, file)| -> Items {
        let behind = behind.take();
        match file.and_then(|file| file.items(&store, &format, number, behind.as_ref())) {
            Ok(items) => items,
            Err(error) => Box::new(std::iter::once(Err(error))),
        }
    }))
}

/// A small object, whole.
fn read_whole(
    store: &Arc<dyn ObjectStore>,
    bucket: &str,
    key: &str,
    version_id: Option<&String>,
) -> Result<(String, String), ReadError> {
    let source = uri(bucket, key);
    let request = GetObject {
        bucket: bucket.to_owned(),
        key: key.to_owned(),
        version_id: version_id.cloned(),
        range: None,
    };
    let object = store.get(&request)?;
    if object.bytes > MANIFEST_BYTES_MAX {
        let problem = format!("a manifest may have {MANIFEST_BYTES_MAX} bytes, it has {}.", object.bytes);
        return Err(ReadError::malformed(&source, problem));
    }
    let mut text = String::new();
    let read = object.body.take(MANIFEST_BYTES_MAX).read_to_string(&mut text);
    read.map_err(|error| ReadError::Io { source_uri: source, error })?;
    Ok((text, object.etag))
}

/// `manifest.json` of Amazon S3 Inventory.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct InventoryManifest {
    file_format: String,
    #[serde(default)]
    file_schema: String,
    files: Vec<InventoryFile>,
}

#[derive(Deserialize)]
struct InventoryFile {
    key: String,
}

/// The rows of the files an inventory's manifest names; they are beside it.
fn inventory(
    bucket: &str,
    key: &str,
    version_id: Option<&String>,
    store: &Arc<dyn ObjectStore>,
    behind: Option<&Place>,
) -> Result<(Items, Option<String>), ReadError> {
    let source = uri(bucket, key);
    let (text, etag) = read_whole(store, bucket, key, version_id)?;
    let manifest: InventoryManifest = serde_json::from_str(&text).map_err(|error| {
        ReadError::malformed(&source, format!("it is not the manifest.json of an S3 inventory: {error}."))
    })?;
    let format = match manifest.file_format.as_str() {
        "CSV" => {
            let headers = manifest.file_schema.split(',').map(|name| name.trim().to_owned()).collect();
            Format::Csv { delimiter: b',', headers: Some(headers) }
        }
        "Parquet" => Format::Parquet,
        other => {
            let problem = format!("inventories in the format {other} cannot be read: use CSV or Parquet.");
            return Err(ReadError::malformed(&source, problem));
        }
    };
    let bucket = bucket.to_owned();
    let files = manifest.files.into_iter();
    let files = files.map(move |file| Ok(File { bucket: bucket.clone(), key: file.key, version_id: None }));
    Ok((chained(files, store, &format, behind), Some(etag)))
}

/// All pages of a list.
struct Objects {
    store: Arc<dyn ObjectStore>,
    request: Option<ListObjects>,
    page: std::vec::IntoIter<ObjectSummary>,
}

impl Objects {
    /// Reads the first page, so that a wrong bucket is told at once. Behind a place: keys that follow its key.
    fn new(
        store: &Arc<dyn ObjectStore>,
        bucket: &str,
        prefix: &str,
        behind: Option<&Place>,
    ) -> Result<Self, ReadError> {
        let request = ListObjects {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
            start_after: behind.map(|place| place.key.to_string()),
            continuation: None,
        };
        let mut objects =
            Self { store: Arc::clone(store), request: Some(request), page: Vec::new().into_iter() };
        objects.turn()?;
        Ok(objects)
    }

    fn turn(&mut self) -> Result<(), ReadError> {
        let Some(request) = self.request.take() else { return Ok(()) };
        let page = self.store.list(&request)?;
        self.page = page.objects.into_iter();
        self.request =
            page.continuation.map(|continuation| ListObjects { continuation: Some(continuation), ..request });
        Ok(())
    }
}

impl Iterator for Objects {
    type Item = Result<ObjectSummary, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(object) = self.page.next() {
                return Some(Ok(object));
            }
            self.request.as_ref()?;
            if let Err(error) = self.turn() {
                return Some(Err(error));
            }
        }
    }
}
