//! A receiver of dropped files that does its part: takes every manifest's id
//! once, in order, checks what it takes, and answers as it is told.
//!
//! Needs `serde_json` and `sha2`, and nothing of this crate, so that tests of
//! other packages can take the file over.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// The figures of one feed, period and market, by entity.
pub(crate) type Figures = BTreeMap<String, Value>;

/// The other side of a folder.
pub(crate) struct DropReceiver {
    root: PathBuf,
    /// Ids of manifests that were taken or refused.
    answered: BTreeSet<String>,
    taken: BTreeMap<Period, Figures>,
    /// The delivery that was taken last.
    last: BTreeMap<Period, String>,
}

/// Feed, period and market.
type Period = (String, String, String);

/// With this file a receiver says which folder it watches.
const MARK: &str = ".stepwright-drop";

impl DropReceiver {
    /// Marks the folder as the one it watches; deliveries are refused before.
    pub(crate) fn watching(root: &Path) -> Self {
        fs::create_dir_all(root).unwrap();
        fs::write(root.join(MARK), "").unwrap();
        Self {
            root: root.to_owned(),
            answered: BTreeSet::new(),
            taken: BTreeMap::new(),
            last: BTreeMap::new(),
        }
    }

    /// The folders of manifests that wait for an answer, oldest version first.
    pub(crate) fn waiting(&self) -> Vec<PathBuf> {
        let mut folders = Vec::new();
        manifests_below(&self.root, &mut folders);
        folders.sort();
        let is_open = |folder: &PathBuf| !self.answered.contains(id_of(&manifest(folder)));
        folders.retain(|folder| is_open(folder) && !folder.join("nak.json").exists());
        folders
    }

    /// Takes what waits and writes `ack.json`; how many there were.
    pub(crate) fn accept(&mut self) -> usize {
        self.accept_by(write_renamed)
    }

    /// As [`Self::accept`], with answers that somebody else writes.
    pub(crate) fn accept_by(&mut self, mut write: impl FnMut(&Path, &Value)) -> usize {
        let folders = self.waiting();
        for folder in &folders {
            let manifest = manifest(folder);
            self.take(folder, &manifest);
            let id = id_of(&manifest);
            let ack = json!({ "manifest_id": id, "reference": format!("R-{}", self.answered.len() + 1),
                "acknowledged_at": "2026-11-22T08:00:00Z" });
            write(&folder.join("ack.json"), &ack);
            assert!(self.answered.insert(id.to_owned()), "{id} was taken twice");
        }
        folders.len()
    }

    /// Refuses what waits with row errors and writes `nak.json`; how many there were.
    pub(crate) fn refuse(&mut self, detail: &str, rows: &Value) -> usize {
        self.refuse_by(detail, rows, write_renamed)
    }

    /// As [`Self::refuse`], with answers that somebody else writes.
    pub(crate) fn refuse_by(
        &mut self,
        detail: &str,
        rows: &Value,
        mut write: impl FnMut(&Path, &Value),
    ) -> usize {
        let folders = self.waiting();
        for folder in &folders {
            let manifest = manifest(folder);
            let id = id_of(&manifest);
            let nak = json!({ "manifest_id": id, "detail": detail, "rows": rows });
            write(&folder.join("nak.json"), &nak);
            assert!(self.answered.insert(id.to_owned()), "{id} was answered twice");
        }
        folders.len()
    }

    /// What it has taken for a feed, period and market (empty for none).
    pub(crate) fn figures(&self, feed: &str, period: &str, market: &str) -> Figures {
        self.taken.get(&(feed.to_owned(), period.to_owned(), market.to_owned())).cloned().unwrap_or_default()
    }

    fn take(&mut self, folder: &Path, manifest: &Value) {
        let text = |name: &str| manifest[name].as_str().unwrap_or_default().to_owned();
        let period = (text("feed"), text("period"), text("market"));
        let figures = self.taken.entry(period.clone()).or_default();
        // Changes are of what they rest on, and of nothing else.
        assert_eq!(manifest["schema_version"], 2);
        match manifest["base"].as_str() {
            Some(base) => assert_eq!(self.last.get(&period).map(String::as_str), Some(base)),
            None => figures.clear(),
        }
        if manifest["kind"] == "withdrawal" {
            figures.clear();
        } else {
            let data = fs::read(folder.join(manifest["data"]["file"].as_str().unwrap())).unwrap();
            assert_eq!(manifest["data"]["bytes"], data.len());
            assert_eq!(manifest["data"]["sha256"], sha256(&data));
            let mut counts = (0_u64, 0_u64);
            for line in String::from_utf8(data).unwrap().lines() {
                let line: Value = serde_json::from_str(line).unwrap();
                let entity = line["entity"].to_string();
                if line["withdrawn"] == true {
                    counts.1 += 1;
                    assert!(figures.remove(&entity).is_some(), "{entity} was not there");
                } else {
                    counts.0 += 1;
                    figures.insert(entity, line["figures"].clone());
                }
            }
            assert_eq!(manifest["data"]["rows"], counts.0);
            assert_eq!(manifest["data"]["withdrawn_rows"], counts.1);
        }
        let mut hash = Sha256::new();
        for (entity, figures) in figures.iter() {
            hash.update(format!("{{\"entity\":{entity},\"figures\":{figures}}}\n"));
        }
        assert_eq!(manifest["rows"], figures.len());
        self.last.insert(period, id_of(manifest).to_owned());
        assert_eq!(manifest["batch_sha256"], hex(&hash.finalize()));
    }
}

fn manifest(folder: &Path) -> Value {
    serde_json::from_slice(&fs::read(folder.join("manifest.json")).unwrap()).unwrap()
}

fn id_of(manifest: &Value) -> &str {
    manifest["delivery_id"].as_str().unwrap()
}

fn manifests_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        // What the bucket keeps for itself is nobody's business.
        if entry.path().is_dir() && entry.file_name() != ".stepwright" {
            manifests_below(&entry.path(), found);
        } else if entry.file_name() == "manifest.json" {
            found.push(folder.to_owned());
        }
    }
}

fn write_renamed(path: &Path, value: &Value) {
    let part = path.with_extension("part");
    fs::write(&part, value.to_string()).unwrap();
    fs::rename(part, path).unwrap();
}

fn sha256(data: &[u8]) -> String {
    hex(&Sha256::digest(data))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}
