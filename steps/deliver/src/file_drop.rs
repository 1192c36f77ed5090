//! The file channel: batches as files in a folder, for somebody to pick up.
//!
//! ```text
//! <feed>/<period>/[market-<market>/]v0001/<delivery id>.jsonl   the rows
//!                                         manifest.json         written last: now it is delivered
//!                                         ack.json | nak.json   written by the receiver
//!                                   v0002/…                     a correction: changed rows only
//! ```
//!
//! Exactly once rests on the manifest: it gets its name in one step, and only
//! when nobody has given that name before. What a killed process leaves behind
//! (`*.part`, rows without a manifest) is not delivered and is in nobody's way.
//! Two deliveries at once write rows under names of their own; one manifest wins.
//!
//! The receiver has to do its part: take a manifest's id once, ignore what has
//! no manifest, and leave manifests where they are. Versions it has refused
//! (`nak.json`) count as never delivered. Refused here: making the folder
//! itself, which may be a share that is not mounted.

use std::io::BufRead;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::batch::{Batch, DeliveryKey, Rows, hex};
use crate::blocking::unblocked;
use crate::channel::{DeliveryChannel, standing_receipt};
use crate::deliver::DeliverError;
use crate::receipt::{Booking, ControlTotals, Receipt, Standing};
use crate::tally::Tally;

mod durable;
mod manifest;
mod receiver;
mod rows;

pub use receiver::{Acknowledgement, Answer, read_ack};

use durable::{Incoming, make_durable_dir};
use manifest::{DataFile, Kind, MANIFEST, Manifest, Version};
use rows::Merged;

/// Corrections of one period. Each has to be read to know what the period holds.
const VERSIONS_MAX: usize = 200;

/// A folder that a receiver watches.
#[derive(Debug, Clone)]
pub struct FileDrop {
    root: PathBuf,
}

impl FileDrop {
    /// The folder at a location: `file:///abs/path`, as it is, without percent-encoding.
    ///
    /// [`DeliverError::Rejected`] for anything else.
    pub fn open(location: &str) -> Result<Self, DeliverError> {
        match location.strip_prefix("file://") {
            Some(path) if path.starts_with('/') && !path.contains('\0') => {
                Ok(Self { root: PathBuf::from(path) })
            }
            _ => Err(DeliverError::rejected(
                "the secret `coreview-drop` is not `file:///abs/path`; set it to the folder that the receiver watches",
            )),
        }
    }

    /// What was dropped for a period and market, oldest first, with the receiver's answers.
    fn versions(&self, delivery: DeliveryKey<'_>) -> Result<Vec<Version>, DeliverError> {
        let folder = manifest::folder(&self.root, delivery);
        let mut versions = Vec::new();
        while let Some(version) = Version::read(&folder, versions.len() as u64 + 1, delivery)? {
            if versions.len() == VERSIONS_MAX {
                return Err(DeliverError::rejected(format!(
                    "{} has more than {VERSIONS_MAX} versions of {delivery}; move the period elsewhere",
                    folder.display()
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
        if let Some(receipt) = already_there(&versions, batch)? {
            return Ok(receipt);
        }
        let number = versions.len() as u64 + 1;
        let folder = manifest::folder(&self.root, batch.into()).join(manifest::version_name(number));
        make_durable_dir(&folder)?;
        let file = format!("{}.jsonl", batch.delivery_id);
        let path = folder.join(&file);
        let content = match put_rows(batch, &versions, rows, &path) {
            // Who won meanwhile has swept the folder.
            Err(_) if folder.join(MANIFEST).exists() => return self.in_the_way(batch),
            content => content?,
        };
        let manifest = Manifest::of_batch(batch, number, DataFile { file, ..content });
        if publish(&manifest, &folder)? {
            durable::sweep(&folder);
            return Ok(manifest.receipt());
        }
        if Manifest::read(&folder)?.is_some_and(|winner| winner.delivery_id != batch.delivery_id) {
            // Nobody names it; leaving it would only puzzle.
            let _ = std::fs::remove_file(&path);
        }
        self.in_the_way(batch)
    }

    /// What somebody else dropped while this batch was written.
    fn in_the_way(&self, batch: &Batch) -> Result<Receipt, DeliverError> {
        if let Some(receipt) = already_there(&self.versions(batch.into())?, batch)? {
            return Ok(receipt);
        }
        Err(DeliverError::Throttled {
            detail: format!(
                "{}: another delivery of {} came first; this one is tried again on top of it",
                self.root.display(),
                DeliveryKey::from(batch)
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
        let mut rows = Merged::of(standing(&versions))?;
        let mut hash = Sha256::new();
        let mut tally = Tally::of(receipt.totals.keys());
        while let Some(row) = rows.next_row()? {
            let damaged = |error: String| DeliverError::VerificationMismatch {
                detail: format!(
                    "{}: {} of {delivery} has figures nobody delivered ({error}); put the files right",
                    self.root.display(),
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
                self.root.display(),
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
        let folder = manifest::folder(&self.root, delivery).join(manifest::version_name(number));
        make_durable_dir(&folder)?;
        if publish(&Manifest::of_withdrawal(&receipt, number, reason), &folder)? {
            return Ok(());
        }
        Err(DeliverError::Throttled {
            detail: format!("{}: another delivery of {delivery} came first; try again", self.root.display()),
        })
    }

    /// Without it every period would look as if nothing had been delivered.
    fn check_root(&self) -> Result<(), DeliverError> {
        if self.root.is_dir() {
            return Ok(());
        }
        Err(DeliverError::Unavailable {
            detail: format!(
                "{} is not a folder here; mount the share or correct the secret `coreview-drop`; the delivery is tried again, or redrive the execution",
                self.root.display()
            ),
        })
    }
}

/// Writes what a batch changes; all of it when nothing is there.
fn put_rows(
    batch: &Batch,
    versions: &[Version],
    source: impl BufRead,
    path: &Path,
) -> Result<DataFile, DeliverError> {
    let mut source = Rows::new(source);
    let mut base = Merged::of(standing(versions))?;
    let mut incoming = Incoming::create(path)?;
    let (mut received, mut written, mut withdrawn) = (0, 0, 0);
    let mut old = base.next_row()?;
    while let Some(new) = source.next_row()? {
        received += 1;
        while let Some(row) = old.take_if(|row| row.entity_key < new.entity_key) {
            withdrawn += 1;
            incoming.write(rows::withdrawn_line(&row).as_bytes())?;
            old = base.next_row()?;
        }
        let same = old.take_if(|row| row.entity_key == new.entity_key);
        if same.is_some() {
            old = base.next_row()?;
        }
        if same.is_none_or(|row| row.figures != new.figures) {
            written += 1;
            incoming.write(new.line().as_bytes())?;
        }
    }
    while let Some(row) = old {
        withdrawn += 1;
        incoming.write(rows::withdrawn_line(&row).as_bytes())?;
        old = base.next_row()?;
    }
    if received != batch.rows {
        return Err(DeliverError::rejected(format!(
            "the batch has {received} rows instead of {}; stage it again",
            batch.rows
        )));
    }
    let (bytes, sha256) = incoming.finish()?;
    Ok(DataFile { file: String::new(), sha256, bytes, rows: written, withdrawn_rows: withdrawn })
}

/// Gives a manifest its name; `false` when somebody else has given it before.
fn publish(manifest: &Manifest, folder: &Path) -> Result<bool, DeliverError> {
    let path = folder.join(MANIFEST);
    let mut text =
        serde_json::to_vec_pretty(manifest).map_err(|error| DeliverError::rejected(error.to_string()))?;
    text.push(b'\n');
    let mut incoming = Incoming::create(&path)?;
    incoming.write(&text)?;
    incoming.finish_first()
}

/// The receipt of what makes a batch needless; the conflict that forbids it.
fn already_there(versions: &[Version], batch: &Batch) -> Result<Option<Receipt>, DeliverError> {
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
            active.folder.display(),
            DeliveryKey::from(batch),
            receipt.rows,
            receipt.delivered_at,
            receipt.execution_arn
        ),
    })
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
        self.root.display().to_string()
    }
}
