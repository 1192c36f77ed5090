//! The rows of versions, and what they amount to together.
//!
//! Every version is sorted by the bytes of its entities' keys, so that any number
//! of rows is merged in the memory of one line a version.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};

use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use stepwright::objects::Store;

use super::manifest::{DataFile, Version};
use super::shelf::{failure, reading};
use crate::batch::{Entry, LINE_BYTES_MAX, Row, hex};
use crate::deliver::DeliverError;

/// The line of a row that a period no longer has.
pub(super) fn withdrawn_line(row: &Row) -> String {
    format!("{{\"entity\":{},\"withdrawn\":true}}\n", row.entity_key)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    entity: BTreeMap<String, String>,
    figures: Option<BTreeMap<String, String>>,
    #[serde(default)]
    withdrawn: bool,
}

/// What a version says about an entity.
struct Change {
    entity_key: String,
    /// `None` withdraws it.
    figures: Option<String>,
}

/// The rows that versions amount to, in order.
pub(super) struct Merged {
    /// Oldest first.
    versions: Vec<VersionRows>,
}

impl Merged {
    /// Opens the rows of versions, oldest first.
    pub(super) fn of(store: &Store, versions: &[&Version]) -> Result<Self, DeliverError> {
        let opened = versions.iter().map(|version| VersionRows::open(store, version));
        let opened = opened.collect::<Result<_, _>>()?;
        Ok(Self { versions: opened })
    }

    /// The next row; after the last one every file was seen to be what its manifest says.
    pub(super) fn next_row(&mut self) -> Result<Option<Row>, DeliverError> {
        loop {
            let keys = self.versions.iter().filter_map(|version| version.head.as_ref());
            let Some(key) = keys.map(|change| change.entity_key.clone()).min() else { return Ok(None) };
            let mut figures = None;
            for version in &mut self.versions {
                if let Some(change) = version.head.take_if(|change| change.entity_key == key) {
                    // The newest comes last.
                    figures = change.figures;
                    version.advance()?;
                }
            }
            if let Some(figures) = figures {
                return Ok(Some(Row { entity_key: key, figures }));
            }
        }
    }
}

/// The rows of one version.
struct VersionRows {
    /// Where they are, for messages.
    place: String,
    expected: DataFile,
    source: BufReader<File>,
    line: Vec<u8>,
    number: u64,
    hash: Sha256,
    bytes: u64,
    head: Option<Change>,
}

impl VersionRows {
    fn open(store: &Store, version: &Version) -> Result<Self, DeliverError> {
        let Some(expected) = version.manifest.data.clone() else {
            return Err(DeliverError::VerificationMismatch {
                detail: format!(
                    "{}: its manifest names no file of rows; put it right",
                    store.location_of(&version.folder)
                ),
            });
        };
        // From a manifest that others can write: a name, not a path.
        if expected.file.contains('/') || expected.file.starts_with('.') {
            return Err(DeliverError::VerificationMismatch {
                detail: format!(
                    "{}: its manifest names a file elsewhere; put it right",
                    store.location_of(&version.folder)
                ),
            });
        }
        let key = format!("{}/{}", version.folder, expected.file);
        let place = store.location_of(&key);
        let Some(file) = store.look(&key).map_err(|error| failure(&error))? else {
            return Err(DeliverError::VerificationMismatch {
                detail: format!(
                    "{place} is gone, though its manifest is there; the receiver must leave delivered files in place: put it back, then redrive the execution"
                ),
            });
        };
        let mut rows = Self {
            place,
            expected,
            source: BufReader::with_capacity(64 * 1024, file),
            line: Vec::new(),
            number: 0,
            hash: Sha256::new(),
            bytes: 0,
            head: None,
        };
        rows.advance()?;
        Ok(rows)
    }

    /// Reads the next line into `head`; at the end compares the file with its manifest.
    fn advance(&mut self) -> Result<(), DeliverError> {
        self.line.clear();
        (&mut self.source)
            .take(LINE_BYTES_MAX as u64 + 1)
            .read_until(b'\n', &mut self.line)
            .map_err(|error| reading(&self.place, &error))?;
        if self.line.is_empty() {
            return self.check_end();
        }
        self.number += 1;
        self.hash.update(&self.line);
        self.bytes += self.line.len() as u64;
        let change = match serde_json::from_slice(&self.line) {
            Ok(Line { entity, figures: Some(figures), withdrawn: false }) => {
                let Row { entity_key, figures } = Entry { entity, figures }.to_row();
                Change { entity_key, figures: Some(figures) }
            }
            Ok(Line { entity, figures: None, withdrawn: true }) => {
                let row = Entry { entity, figures: BTreeMap::new() }.to_row();
                Change { entity_key: row.entity_key, figures: None }
            }
            Ok(_) => return Err(self.damaged(&format!("line {} is not a row", self.number))),
            Err(error) => return Err(self.damaged(&format!("line {} is not a row ({error})", self.number))),
        };
        self.head = Some(change);
        Ok(())
    }

    fn check_end(&mut self) -> Result<(), DeliverError> {
        let sha256 = hex(&std::mem::take(&mut self.hash).finalize());
        if self.bytes == self.expected.bytes && sha256 == self.expected.sha256 {
            return Ok(());
        }
        Err(self.damaged(&format!(
            "it has {} bytes with sha256 {sha256} instead of {} bytes with sha256 {}",
            self.bytes, self.expected.bytes, self.expected.sha256
        )))
    }

    fn damaged(&self, problem: &str) -> DeliverError {
        DeliverError::VerificationMismatch {
            detail: format!(
                "{} is not what was delivered: {problem}; it was cut or changed: put it right, then redrive the execution",
                self.place
            ),
        }
    }
}
