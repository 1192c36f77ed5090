//! The file channel: batches as files in a bucket, for somebody to pick up. The
//! bucket is one of S3, or a folder.
//!
//! ```text
//! <feed>/<period>/[market-<market>/]v0001/<delivery id>.jsonl   the rows
//!                                         manifest.json         written last: now it is delivered
//!                                         ack.json | nak.json   written by the receiver
//!                                   v0002/…                     a correction: changed rows only
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
//! (`nak.json`) count as never delivered. Refused here: making the folder
//! itself, which may be a share that is not mounted.

use std::io::BufRead;
use std::path::Path;

use sha2::{Digest as _, Sha256};
use stepwright::objects::Store;
use stepwright::resource::{Bucket as _, BucketHandle};

use crate::CoreViewDrop;
use crate::batch::{Batch, DeliveryKey, Rows, hex};
use crate::blocking::unblocked;
use crate::channel::{DeliveryChannel, standing_receipt};
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
        let number = versions.len() as u64 + 1;
        let folder = format!("{}/{}", manifest::folder(batch.into()), manifest::version_name(number));
        let file = format!("{}.jsonl", batch.delivery_id);
        let content = self.put_rows(batch, &versions, rows, &format!("{folder}/{file}"))?;
        let manifest = Manifest::of_batch(batch, number, DataFile { file, ..content });
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
        let Some(active) = standing(versions).last() else { return Ok(None) };
        let receipt = Receipt { already_delivered: true, ..active.manifest.receipt() };
        if receipt.batch_sha256 == batch.batch_sha256 {
            return Ok(Some(receipt));
        }
        if batch.correction.is_some() {
            return Ok(None);
        }
        Err(DeliverError::Conflict {
            detail: format!(
                "{} holds other figures for {}: {} rows, delivered at {} by {}; if these are right, start again with a correction and its reason, else correct the input",
                self.location_of(&active.folder),
                DeliveryKey::from(batch),
                receipt.rows,
                receipt.delivered_at,
                receipt.execution_arn
            ),
        })
    }

    fn look(&self, delivery: DeliveryKey<'_>) -> Result<Option<Booking>, DeliverError> {
        self.check_root()?;
        let versions = self.versions(delivery)?;
        Ok(booking(&versions, delivery.delivery_id))
    }

    fn read(&self, delivery: DeliveryKey<'_>, receipt: &Receipt) -> Result<ControlTotals, DeliverError> {
        let versions = self.versions(delivery)?;
        let mut rows = Merged::of(&self.store, standing(&versions))?;
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
        if self.store.directory().is_none_or(Path::is_dir) {
            return Ok(());
        }
        Err(DeliverError::Unavailable {
            detail: format!(
                "{} is not a folder here; mount the share or correct `STEPWRIGHT_BUCKET_COREVIEW_DROP`; the delivery is tried again, or redrive the execution",
                self.place()
            ),
        })
    }

    /// Writes what a batch changes; all of it when nothing is there.
    fn put_rows(
        &self,
        batch: &Batch,
        versions: &[Version],
        source: impl BufRead,
        key: &str,
    ) -> Result<DataFile, DeliverError> {
        let mut source = Rows::new(source);
        let mut base = Merged::of(&self.store, standing(versions))?;
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

/// The versions that together are what the period holds now, oldest first.
fn standing(versions: &[Version]) -> impl Iterator<Item = &Version> {
    let taken = |version: &&Version| version.refusal.is_none();
    let after_withdrawal = versions
        .iter()
        .rposition(|version| version.manifest.kind == Kind::Withdrawal && version.refusal.is_none())
        .map_or(0, |at| at + 1);
    versions.iter().skip(after_withdrawal).filter(taken)
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
