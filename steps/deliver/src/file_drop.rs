//! The file channel: batches as files in a bucket, for somebody to pick up. The
//! bucket is one of S3, or a folder.
//!
//! ```text
//! <feed>/<period>/[market-<market>/]v0001/<delivery id>.jsonl   the rows
//!                                         manifest.json         written last: now it is delivered
//!                                         ack.json | nak.json   written by the receiver
//!                                   v0002/…                     a correction: changed rows only, or all
//! ```
//!
//! Exactly once rests on the manifest: it gets its name in one step, and only
//! when nobody has given that name before (on S3, a conditional write). What a
//! killed process leaves behind (rows without a manifest) is not delivered and is
//! in nobody's way. Two deliveries at once write rows under names of their own;
//! one manifest wins.
//!
//! The receiver has to do its part: take a manifest's id once, ignore what has
//! no manifest, and leave manifests where they are. Versions it has refused
//! (`nak.json`) count as never delivered. Changed rows are dropped only on top of a
//! version that it has taken (`ack.json`), which the manifest names; before that, all rows.
//! Refused here: a folder without the receiver's mark, which may be a share that is not
//! mounted.

use std::io::BufRead;

use sha2::{Digest as _, Sha256};
use stepwright::objects::Store;
use stepwright::resource::{Bucket as _, BucketHandle};

use crate::CoreViewDrop;
use crate::batch::{Batch, DeliveryKey, Rows, hex};
use crate::blocking::unblocked;
use crate::channel::{Before, DeliveryChannel, standing_receipt};
use crate::deliver::DeliverError;
use crate::receipt::{Booking, ControlTotals, Receipt, Standing};
use crate::tally::Tally;

mod manifest;
mod receiver;
mod rows;
mod shelf;

pub use receiver::{Acknowledgement, Answer, read_ack};
pub(crate) use receiver::{Answered, answered_at, says_both};

use manifest::{DataFile, Kind, MANIFEST, Manifest, Version};
use rows::Merged;
use shelf::{failure, uncertain, write};

/// The file with which a receiver says that this is the folder it watches. What is in it does
/// not matter.
pub const DROP_MARK: &str = ".stepwright-drop";

/// Corrections of one period. Each has to be read to know what the period holds.
const VERSIONS_MAX: usize = 200;

/// A bucket that a receiver watches.
#[derive(Debug, Clone)]
pub struct FileDrop {
    store: Store,
}

impl FileDrop {
    /// The bucket at a location: `file:///abs/path` or `s3://bucket/prefix`.
    ///
    /// [`DeliverError::Rejected`] for anything else.
    pub fn open(location: &str) -> Result<Self, DeliverError> {
        let store = Store::open(CoreViewDrop::INFO.name, location).map_err(|error| failure(&error))?;
        Ok(Self { store })
    }

    /// The bucket that a step asked for.
    pub(crate) fn of<A>(bucket: BucketHandle<CoreViewDrop, A>) -> Self {
        Self { store: bucket.into_store() }
    }

    /// Where an object is, for messages.
    fn location_of(&self, key: &str) -> String {
        self.store.location_of(key)
    }

    /// What was dropped for a period and market, oldest first, with the receiver's answers.
    fn versions(&self, delivery: DeliveryKey<'_>) -> Result<Vec<Version>, DeliverError> {
        let folder = manifest::folder(delivery);
        let mut versions = Vec::new();
        while let Some(version) = Version::read(&self.store, &folder, versions.len() as u64 + 1, delivery)? {
            if versions.len() == VERSIONS_MAX {
                return Err(DeliverError::rejected(format!(
                    "{} has more than {VERSIONS_MAX} versions of {delivery}; move the period elsewhere",
                    self.location_of(&folder)
                )));
            }
            versions.push(version);
        }
        Ok(versions)
    }

    /// Drops a batch, or finds that it is there.
    fn put(&self, batch: &Batch, rows: impl BufRead) -> Result<Receipt, DeliverError> {
        self.check_root()?;
        let versions = self.versions(batch.into())?;
        if let Some(receipt) = self.already_there(&versions, batch)? {
            return Ok(receipt);
        }
        let base = base_of(&versions);
        let number = versions.len() as u64 + 1;
        let folder = format!("{}/{}", manifest::folder(batch.into()), manifest::version_name(number));
        let file = format!("{}.jsonl", batch.delivery_id);
        let content = self.put_rows(batch, &base, rows, &format!("{folder}/{file}"))?;
        let base = base.last().map(|version| version.manifest.delivery_id.clone());
        let manifest = Manifest::of_batch(batch, number, base, DataFile { file, ..content });
        if self.publish(&manifest, &folder)? {
            return Ok(manifest.receipt());
        }
        self.in_the_way(batch)
    }

    /// What somebody else dropped while this batch was written; or this call, if its answer was lost.
    fn in_the_way(&self, batch: &Batch) -> Result<Receipt, DeliverError> {
        if let Some(receipt) = self.already_there(&self.versions(batch.into())?, batch)? {
            return Ok(receipt);
        }
        Err(DeliverError::Throttled {
            detail: format!(
                "{}: another delivery of {} came first; this one is tried again on top of it",
                self.place(),
                DeliveryKey::from(batch)
            ),
        })
    }

    /// The receipt of what makes a batch needless; the conflict that forbids it.
    fn already_there(&self, versions: &[Version], batch: &Batch) -> Result<Option<Receipt>, DeliverError> {
        if let Some(booking) = booking(versions, &batch.delivery_id) {
            return standing_receipt(booking).map(Some);
        }
        let active = standing(versions)
            .last()
            .map(|active| Receipt { already_delivered: true, ..active.manifest.receipt() });
        // What came after the delivery a correction was compared with; everything after none.
        let after = match &batch.replaces {
            None => Some(versions),
            Some(replaced) => versions
                .iter()
                .position(|version| version.manifest.delivery_id == *replaced)
                .and_then(|at| versions.get(at + 1..)),
        };
        let is_nothing =
            |version: &Version| version.refusal.is_some() || version.manifest.kind == Kind::Withdrawal;
        let as_compared = after.is_some_and(|after| after.iter().all(is_nothing));
        Before { active, as_compared }.judge(batch, &self.place())
    }

    fn look(&self, delivery: DeliveryKey<'_>) -> Result<Option<Booking>, DeliverError> {
        self.check_root()?;
        let versions = self.versions(delivery)?;
        Ok(booking(&versions, delivery.delivery_id))
    }

    fn read(&self, delivery: DeliveryKey<'_>, receipt: &Receipt) -> Result<ControlTotals, DeliverError> {
        let versions = self.versions(delivery)?;
        let standing = standing(&versions);
        if let Some(version) = without_base(&standing) {
            return Err(DeliverError::VerificationMismatch {
                detail: format!(
                    "{}: its changes rest on a delivery that the receiver has refused after it had taken it; ask the receiver, then start again with a correction, which is dropped whole",
                    self.location_of(&version.folder)
                ),
            });
        }
        let mut rows = Merged::of(&self.store, &standing)?;
        let mut hash = Sha256::new();
        let mut tally = Tally::of(receipt.totals.keys());
        while let Some(row) = rows.next_row()? {
            let damaged = |error: String| DeliverError::VerificationMismatch {
                detail: format!(
                    "{}: {} of {delivery} has figures nobody delivered ({error}); put the files right",
                    self.place(),
                    row.entity_key
                ),
            };
            let entry = row.to_entry().map_err(|error| damaged(error.to_string()))?;
            tally.add(&entry).map_err(|error| damaged(error.to_string()))?;
            hash.update(row.line());
        }
        Ok(ControlTotals { rows: tally.rows(), totals: tally.totals(), sha256: hex(&hash.finalize()) })
    }

    fn take_back(&self, delivery: DeliveryKey<'_>, reason: &str) -> Result<(), DeliverError> {
        self.check_root()?;
        let versions = self.versions(delivery)?;
        let Some(Booking { receipt, standing }) = booking(&versions, delivery.delivery_id) else {
            return Err(DeliverError::rejected(format!(
                "{}: there is no delivery {} of {delivery}",
                self.place(),
                delivery.delivery_id
            )));
        };
        match standing {
            // What was refused was never taken.
            Standing::Withdrawn { .. } | Standing::Refused { .. } => return Ok(()),
            Standing::Superseded { by } => {
                return Err(DeliverError::Conflict {
                    detail: format!(
                        "delivery {} of {delivery} was replaced by correction {by}; withdraw that one",
                        receipt.delivery_id
                    ),
                    active: None,
                });
            }
            Standing::Active => {}
        }
        let number = versions.len() as u64 + 1;
        let folder = format!("{}/{}", manifest::folder(delivery), manifest::version_name(number));
        if self.publish(&Manifest::of_withdrawal(&receipt, number, reason), &folder)? {
            return Ok(());
        }
        Err(DeliverError::Throttled {
            detail: format!("{}: another delivery of {delivery} came first; try again", self.place()),
        })
    }

    /// Without it every period would look as if nothing had been delivered.
    fn check_root(&self) -> Result<(), DeliverError> {
        // A bucket of S3 that is not there says so itself.
        let Some(root) = self.store.directory() else { return Ok(()) };
        let problem = if !root.is_dir() {
            "is not a folder here; mount the share or correct `STEPWRIGHT_BUCKET_COREVIEW_DROP`".to_owned()
        } else if !root.join(DROP_MARK).is_file() {
            // A mount point without its share is a folder, too, and so is a function's own disk.
            format!(
                "has no file `{DROP_MARK}`, with which a receiver marks the folder it watches: mount the share, or correct `STEPWRIGHT_BUCKET_COREVIEW_DROP`, or ask the receiver to put the file there"
            )
        } else {
            return Ok(());
        };
        Err(DeliverError::Unavailable {
            detail: format!(
                "{} {problem}; the delivery is tried again, or redrive the execution",
                self.place()
            ),
        })
    }

    /// Writes what a batch changes on top of versions; all of it on top of none.
    fn put_rows(
        &self,
        batch: &Batch,
        base: &[&Version],
        source: impl BufRead,
        key: &str,
    ) -> Result<DataFile, DeliverError> {
        let mut source = Rows::new(source);
        let mut base = Merged::of(&self.store, base)?;
        let mut incoming = self.store.create(key).map_err(|error| failure(&error))?;
        let (mut received, mut written, mut withdrawn) = (0, 0, 0);
        let mut old = base.next_row()?;
        while let Some(new) = source.next_row()? {
            received += 1;
            while let Some(row) = old.take_if(|row| row.entity_key < new.entity_key) {
                withdrawn += 1;
                write(&mut incoming, rows::withdrawn_line(&row).as_bytes())?;
                old = base.next_row()?;
            }
            let same = old.take_if(|row| row.entity_key == new.entity_key);
            if same.is_some() {
                old = base.next_row()?;
            }
            if same.is_none_or(|row| row.figures != new.figures) {
                written += 1;
                write(&mut incoming, new.line().as_bytes())?;
            }
        }
        while let Some(row) = old {
            withdrawn += 1;
            write(&mut incoming, rows::withdrawn_line(&row).as_bytes())?;
            old = base.next_row()?;
        }
        if received != batch.rows {
            return Err(DeliverError::rejected(format!(
                "the batch has {received} rows instead of {}; stage it again",
                batch.rows
            )));
        }
        let object = incoming.finish(Some(written)).map_err(|error| failure(&error))?;
        let (sha256, bytes) = (object.sha256, object.bytes);
        Ok(DataFile { file: String::new(), sha256, bytes, rows: written, withdrawn_rows: withdrawn })
    }

    /// Gives a manifest its name; `false` when somebody else has given it before.
    fn publish(&self, manifest: &Manifest, folder: &str) -> Result<bool, DeliverError> {
        let mut text =
            serde_json::to_vec_pretty(manifest).map_err(|error| DeliverError::rejected(error.to_string()))?;
        text.push(b'\n');
        let key = format!("{folder}/{MANIFEST}");
        let mut incoming = self.store.create(&key).map_err(|error| failure(&error))?;
        write(&mut incoming, &text)?;
        Ok(incoming.finish_first(None).map_err(|error| uncertain(&error))?.is_some())
    }
}

/// The versions that together are what the period holds now, oldest first: the last whole one
/// that was not refused, and what was changed on top of it.
fn standing(versions: &[Version]) -> Vec<&Version> {
    let mut standing: Vec<&Version> = Vec::new();
    for version in versions.iter().filter(|version| version.refusal.is_none()) {
        if version.manifest.is_whole() || version.manifest.kind == Kind::Withdrawal {
            standing.clear();
        }
        if version.manifest.kind != Kind::Withdrawal {
            standing.push(version);
        }
    }
    standing
}

/// The first version whose changes rest on another than the one before it: its receiver has
/// refused what it had taken.
fn without_base<'a>(standing: &[&'a Version]) -> Option<&'a Version> {
    let befores = std::iter::once(None).chain(standing.iter().map(Some));
    let rests = |(before, version): &(Option<&&Version>, &&Version)| match &version.manifest.base {
        None => true,
        Some(base) => before.is_some_and(|before| before.manifest.delivery_id == *base),
    };
    befores.zip(standing).find(|pair| !rests(pair)).map(|(_, version)| *version)
}

/// What changes may be dropped on top of: nothing unless the receiver has taken it. It may
/// refuse yet what it has not answered.
fn base_of(versions: &[Version]) -> Vec<&Version> {
    let standing = standing(versions);
    let is_taken = standing.last().is_some_and(|version| version.is_taken);
    if is_taken && without_base(&standing).is_none() { standing } else { Vec::new() }
}

/// A delivery among the versions of its period, and what became of it.
fn booking(versions: &[Version], delivery_id: &str) -> Option<Booking> {
    let at = versions.iter().position(|version| {
        version.manifest.delivery_id == delivery_id && version.manifest.kind != Kind::Withdrawal
    })?;
    let (before, after) = versions.split_at(at + 1);
    let version = before.last()?;
    let receipt = Receipt { already_delivered: true, ..version.manifest.receipt() };
    let next = after.iter().find(|version| version.refusal.is_none());
    let standing = match (&version.refusal, next) {
        (Some((detail, rows)), _) => Standing::Refused { detail: detail.clone(), rows: rows.clone() },
        (None, None) => Standing::Active,
        (None, Some(next)) if next.manifest.kind == Kind::Withdrawal => {
            Standing::Withdrawn { reason: next.manifest.correction.clone().unwrap_or_default() }
        }
        (None, Some(next)) => Standing::Superseded { by: next.manifest.delivery_id.clone() },
    };
    Some(Booking { receipt, standing })
}

/// Who the key of a delivery belongs to, to take it to another thread.
#[derive(Debug, Clone)]
struct OwnedKey {
    delivery_id: String,
    feed: String,
    period: String,
    market: Option<String>,
}

impl OwnedKey {
    fn key(&self) -> DeliveryKey<'_> {
        let Self { delivery_id, feed, period, market } = self;
        DeliveryKey { delivery_id, feed, period, market: market.as_deref() }
    }
}

impl From<DeliveryKey<'_>> for OwnedKey {
    fn from(delivery: DeliveryKey<'_>) -> Self {
        let DeliveryKey { delivery_id, feed, period, market } = delivery;
        Self {
            delivery_id: delivery_id.to_owned(),
            feed: feed.to_owned(),
            period: period.to_owned(),
            market: market.map(str::to_owned),
        }
    }
}

impl DeliveryChannel for FileDrop {
    async fn find(&mut self, delivery: DeliveryKey<'_>) -> Result<Option<Booking>, DeliverError> {
        let (folder, delivery) = (self.clone(), OwnedKey::from(delivery));
        unblocked(move || folder.look(delivery.key())).await
    }

    async fn apply(
        &mut self,
        batch: &Batch,
        rows: impl BufRead + Send + 'static,
    ) -> Result<Receipt, DeliverError> {
        let (folder, batch) = (self.clone(), batch.clone());
        unblocked(move || folder.put(&batch, rows)).await
    }

    async fn read_back(&mut self, receipt: &Receipt) -> Result<ControlTotals, DeliverError> {
        let (folder, receipt) = (self.clone(), receipt.clone());
        unblocked(move || folder.read((&receipt).into(), &receipt)).await
    }

    async fn withdraw(&mut self, delivery: DeliveryKey<'_>, reason: &str) -> Result<(), DeliverError> {
        let (folder, delivery, reason) = (self.clone(), OwnedKey::from(delivery), reason.to_owned());
        unblocked(move || folder.take_back(delivery.key(), &reason)).await
    }

    fn place(&self) -> String {
        match self.store.directory() {
            Some(folder) => folder.display().to_string(),
            None => self.location_of(""),
        }
    }
}
