//! Items and results of a distributed Map: what an item reader reads, how
//! items become batches, and what a result writer writes.
//!
//! Nothing here holds a dataset in memory: readers hand out one item after
//! the other, result files are pulled record by record. Reading is a function
//! of the request and the objects, so a dataset can be read again from any
//! position; [`ItemStream::fingerprint`] says whether it is still the same, and
//! [`Place`] where to go on in one that consists of many objects.
//!
//! | file | owns |
//! |---|---|
//! | `csv` | text-delimited files: AWS's quoting, headers, order of fields |
//! | `json` | JSON arrays and objects, with a pointer; JSON Lines |
//! | `parquet` | Parquet files (feature `parquet`) |
//! | `objects` | lists of objects, manifests, files one after the other |
//! | `batch` | item batchers |
//! | `results` | result files, their manifest, results in the state's output |

mod batch;
mod csv;
mod json;
mod objects;
#[cfg(feature = "parquet")]
mod parquet;
mod results;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use asl::{InputType, ItemReader, ManifestType};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::object_store::{ObjectError, ObjectStore};

pub use batch::{Batch, Batcher, Filling, Pushed};
pub use results::{
    ChildResult, Destination, ResultFormat, Results, WriteError, Written, collect_results, manifest_key,
    write_results,
};

/// One item of a dataset.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// The name of the field, when the dataset is a JSON object: `Map.Item.Key`.
    pub key: Option<String>,
    /// The item: `Map.Item.Value`.
    pub value: Value,
    /// Where it comes from: `Map.Item.Source`, e.g. `S3://bucket/key`.
    pub source: Arc<str>,
    /// Where it is in a dataset of several objects, which may change while it is read.
    pub place: Option<Place>,
}

/// The place of an item in a dataset of several objects. Reading goes on
/// behind it, whatever came to the dataset or left it before that place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The number of the object among those that a manifest names.
    pub file: u64,
    /// The object.
    pub key: Arc<str>,
    /// Its tag.
    pub etag: Arc<str>,
    /// Items of the object up to this one, itself included.
    pub taken: u64,
}

impl Item {
    /// What a child execution gets of the item without an `ItemSelector`.
    pub fn input(&self) -> Value {
        match &self.key {
            Some(key) => serde_json::json!({ "Key": key, "Value": self.value }),
            None => self.value.clone(),
        }
    }
}

/// Why items cannot be read. The text is the cause of `States.ItemReaderFailed`.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The object store refused.
    #[error("The items could not be read from Amazon S3: {0}")]
    Object(#[from] ObjectError),
    /// The connection or the disk failed in the middle.
    #[error("The items could not be read from {source_uri}: {error}")]
    Io {
        /// The object.
        source_uri: Arc<str>,
        /// What went wrong.
        error: std::io::Error,
    },
    /// The object is not what `InputType` says.
    #[error("The items could not be read from {source_uri}: {problem}")]
    Malformed {
        /// The object.
        source_uri: Arc<str>,
        /// What is wrong, and where.
        problem: String,
    },
    /// The reader's arguments say too little or something wrong.
    #[error("The ItemReader cannot be used: {0}")]
    Arguments(String),
    /// The dataset is no longer what it was when the Map Run began.
    #[error(
        "{source_uri} has changed since the Map Run began to read it, so the rest of its items is unknown. Start the execution again."
    )]
    Changed {
        /// The object.
        source_uri: Arc<str>,
    },
}

impl ReadError {
    pub(crate) fn malformed(source: &Arc<str>, problem: impl Into<String>) -> Self {
        Self::Malformed { source_uri: Arc::clone(source), problem: problem.into() }
    }
}

/// The format of an object that holds items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Format {
    /// Text-delimited.
    Csv {
        /// `CSVDelimiter`.
        delimiter: u8,
        /// `CSVHeaders`; `None` = the first row.
        headers: Option<Vec<String>>,
    },
    /// A JSON array or object.
    Json {
        /// `ItemsPointer`.
        pointer: Option<String>,
    },
    /// A JSON value on each line.
    JsonLines,
    /// Parquet.
    Parquet,
}

/// What an item reader reads: an `ItemReader` whose expressions are evaluated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadRequest {
    /// Name of the bucket.
    pub bucket: String,
    /// What to read there.
    pub dataset: Dataset,
    /// How many items at most.
    pub max_items: u64,
}

/// What is in the bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dataset {
    /// `s3:getObject` of an object that holds the items.
    Object {
        /// The key.
        key: String,
        /// The version.
        version_id: Option<String>,
        /// How to read it.
        format: Format,
    },
    /// `s3:getObject` of a manifest of Amazon S3 Inventory.
    Inventory {
        /// The key of `manifest.json`.
        key: String,
        /// Its version.
        version_id: Option<String>,
    },
    /// `s3:getObject` of a manifest of Amazon Athena's `UNLOAD`.
    AthenaData {
        /// The key of the manifest.
        key: String,
        /// Its version.
        version_id: Option<String>,
        /// The format of the files it names.
        format: Format,
    },
    /// `s3:listObjectsV2`: the objects' metadata are the items.
    List {
        /// `Prefix`.
        prefix: String,
    },
    /// `s3:listObjectsV2` with `LOAD_AND_FLATTEN`: the items in the objects are the items.
    Load {
        /// `Prefix`.
        prefix: String,
        /// The format of the objects.
        format: Format,
    },
}

impl ReadRequest {
    /// The request of an item reader, its arguments and its `MaxItems` (0 = all).
    pub fn new(reader: &ItemReader, arguments: &Value, max_items: u64) -> Result<Self, ReadError> {
        let text = |name: &str| match arguments.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(other) => Err(ReadError::Arguments(format!("{name} must be a string, but is {other}."))),
        };
        let needed = |name: &str| {
            text(name)?.ok_or_else(|| ReadError::Arguments(format!("{name} is required in its arguments.")))
        };
        let bucket = needed("Bucket")?;
        let max_items = if max_items == 0 { u64::MAX } else { max_items };
        if reader.resource.ends_with("s3:listObjectsV2") {
            let prefix = text("Prefix")?.unwrap_or_default();
            let dataset = if reader.load_and_flatten {
                Dataset::Load { prefix, format: format_of(reader)? }
            } else {
                Dataset::List { prefix }
            };
            return Ok(Self { bucket, dataset, max_items });
        }
        let (key, version_id) = (needed("Key")?, text("VersionId")?);
        let dataset = match (reader.manifest_type, reader.input_type) {
            (Some(ManifestType::AthenaData), _) => {
                Dataset::AthenaData { key, version_id, format: format_of(reader)? }
            }
            (Some(ManifestType::S3Inventory), _) | (None, Some(InputType::Manifest)) => {
                Dataset::Inventory { key, version_id }
            }
            (None, _) => Dataset::Object { key, version_id, format: format_of(reader)? },
        };
        Ok(Self { bucket, dataset, max_items })
    }

    /// Opens the dataset.
    pub fn open(&self, store: &Arc<dyn ObjectStore>) -> Result<ItemStream, ReadError> {
        let (values, fingerprint) = objects::open(self, store, None)?;
        Ok(ItemStream { values, fingerprint, left: self.max_items, position: 0 })
    }

    /// Opens the dataset behind an item. `position`: how many items there were up to it.
    pub fn open_behind(
        &self,
        store: &Arc<dyn ObjectStore>,
        position: u64,
        place: &Place,
    ) -> Result<ItemStream, ReadError> {
        let (values, fingerprint) = objects::open(self, store, Some(place))?;
        Ok(ItemStream { values, fingerprint, left: self.max_items.saturating_sub(position), position })
    }

    /// The dataset's address, for people and for `Map.Item.Source`.
    pub fn source_uri(&self) -> Arc<str> {
        match &self.dataset {
            Dataset::Object { key, .. }
            | Dataset::Inventory { key, .. }
            | Dataset::AthenaData { key, .. } => objects::uri(&self.bucket, key),
            Dataset::List { .. } | Dataset::Load { .. } => format!("S3://{}", self.bucket).into(),
        }
    }
}

fn format_of(reader: &ItemReader) -> Result<Format, ReadError> {
    match reader.input_type {
        Some(InputType::Csv) => {
            let delimiter = u8::try_from(reader.csv_delimiter).map_err(|_| {
                ReadError::Arguments(format!("'{}' is not a delimiter of AWS's.", reader.csv_delimiter))
            })?;
            Ok(Format::Csv { delimiter, headers: reader.csv_headers.clone() })
        }
        Some(InputType::Json) => Ok(Format::Json { pointer: reader.items_pointer.clone() }),
        Some(InputType::JsonLines) => Ok(Format::JsonLines),
        Some(InputType::Parquet) => Ok(Format::Parquet),
        Some(InputType::Manifest) | None => {
            Err(ReadError::Arguments("InputType must be CSV, JSON, JSONL or PARQUET here.".to_owned()))
        }
    }
}

/// The items in a text that is read line by line, as an item reader finds it; `None` = its
/// format is another one.
pub(crate) fn rows_of(reader: &ItemReader, text: &str) -> Option<Result<Vec<Value>, ReadError>> {
    let source: Arc<str> = "the data of the ItemReader".into();
    let bytes = text.as_bytes();
    match format_of(reader) {
        Ok(Format::Csv { delimiter, headers }) => {
            let rows = csv::CsvItems::new(bytes, delimiter, headers.as_deref(), &source);
            Some(rows.map(|row| row.map(|(_, value)| value)).collect())
        }
        Ok(Format::JsonLines) => {
            let rows = json::JsonLines::new(bytes, &source);
            Some(rows.map(|row| row.map(|(_, value)| value)).collect())
        }
        Ok(Format::Json { .. } | Format::Parquet) | Err(_) => None,
    }
}

/// The items of a dataset, one after the other.
pub struct ItemStream {
    values: objects::Items,
    fingerprint: Option<String>,
    left: u64,
    position: u64,
}

impl ItemStream {
    /// What changes when the dataset does; `None` for lists, which S3 gives no tag: there,
    /// each item has its [`Place`].
    pub fn fingerprint(&self) -> Option<&str> {
        self.fingerprint.as_deref()
    }

    /// How many items were handed out or left out.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Leaves items out until a position, which is how a Map Run goes on after a crash.
    pub fn skip_to(&mut self, position: u64) -> Result<(), ReadError> {
        while self.position < position {
            match self.next() {
                Some(item) => item.map(drop)?,
                None => return Ok(()),
            }
        }
        Ok(())
    }
}

impl Iterator for ItemStream {
    type Item = Result<Item, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        let item = self.values.next();
        match &item {
            Some(Ok(_)) => {
                self.left -= 1;
                self.position += 1;
            }
            // After an error nothing is certain.
            Some(Err(_)) | None => self.left = 0,
        }
        item
    }
}

impl std::fmt::Debug for ItemStream {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("ItemStream").field("position", &self.position).finish_non_exhaustive()
    }
}
