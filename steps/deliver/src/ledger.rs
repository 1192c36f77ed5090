//! The database channel: CoreView's ledger, staging and figures.
//!
//! Exactly once rests on two keys of `coreview_ledger`, whose row is the first
//! thing a delivery's transaction inserts: the delivery id (the same batch
//! twice) and one active delivery per feed, period and market (two batches at
//! once). A correction also waits for whoever delivers for the period and then looks
//! whether what it was compared with is still the last delivery.
//! Staging, figures and receipt follow in that transaction, so that they are
//! there with the ledger's row or not at all.
//!
//! A process that was believed dead and wakes up can therefore do no harm: what
//! it applies is the same batch, and the ledger has it.

use std::io::BufRead;

use sha2::{Digest as _, Sha256};

use crate::batch::{Batch, DeliveryKey, Row, Rows, hex};
use crate::channel::{Before, DeliveryChannel, standing_receipt};
use crate::clock;
use crate::deliver::DeliverError;
use crate::outbox::{self, signed, text_of};
use crate::receipt::{Booking, ControlTotals, Receipt, Standing};
use crate::tally::Tally;
use database::migrations;
use database::{Database, DatabaseError, Purpose, Record, Value};

mod statements;

/// Rows inserted by one statement: enough to make the round trips cheap, few
/// enough for SQLite's 32,766 and PostgreSQL's 65,535 parameters.
const ROWS_PER_INSERT: usize = 500;

/// Rows read back at a time; they are in memory together.
const ROWS_PER_PAGE: usize = 1000;

/// CoreView behind a database.
#[derive(Debug)]
pub struct Ledger<D> {
    database: D,
}

impl<D: Database> Ledger<D> {
    /// Takes a connection and brings the tables up to date.
    pub async fn open(mut database: D) -> Result<Self, DatabaseError> {
        migrations::apply(&mut database).await?;
        Ok(Self { database })
    }

    /// Books a batch, or finds that someone has (`None`).
    async fn book(
        &mut self,
        batch: &Batch,
        attempt: i64,
        rows: impl BufRead + Send,
    ) -> Result<Option<Receipt>, DeliverError> {
        let period = period_values(batch.into());
        self.database.execute(statements::TAKE, &period).await?;
        let (latest, version) = self.latest(batch).await?;
        let version = version + 1;
        if batch.correction.is_some() {
            if latest != batch.replaces {
                return Ok(None);
            }
            let mut parameters = period.to_vec();
            parameters.extend([&*batch.delivery_id, &*batch.batch_sha256].map(Value::from));
            self.database.execute(statements::SUPERSEDE, &parameters).await?;
        }
        let mut receipt = new_receipt(batch, version);
        if self.database.execute(statements::ENTER, &ledger_parameters(batch, &receipt, attempt)?).await? == 0
        {
            return Ok(None);
        }
        self.receive(batch, rows).await?;
        receipt.changed_rows = self.apply_received(batch, &receipt).await?;
        self.database
            .execute(statements::KEEP_RECEIPT, &[text_of(&receipt)?.into(), (&*batch.delivery_id).into()])
            .await?;
        outbox::note_receipt(&mut self.database, &receipt).await?;
        Ok(Some(receipt))
    }

    /// The last delivery of the batch's period, whatever became of it, and its version.
    async fn latest(&mut self, batch: &Batch) -> Result<(Option<String>, i64), DeliverError> {
        let latest = self.database.query(statements::LATEST, &period_values(batch.into())).await?;
        let Some(record) = latest.first() else { return Ok((None, 0)) };
        Ok((record.text(0).map(str::to_owned), record.integer(1).unwrap_or_default()))
    }

    /// Puts the batch's rows into staging, a few hundred at a time.
    async fn receive(&mut self, batch: &Batch, source: impl BufRead + Send) -> Result<(), DeliverError> {
        let mut rows = Rows::new(source);
        let mut received = 0;
        loop {
            let chunk = next_chunk(&mut rows)?;
            if chunk.is_empty() {
                break;
            }
            received += chunk.len() as u64;
            let statement = statements::receive(chunk.len());
            let parameters: Vec<Value> = chunk
                .into_iter()
                .flat_map(|row| [(&*batch.delivery_id).into(), row.entity_key.into(), row.figures.into()])
                .collect();
            self.database.execute(&statement, &parameters).await?;
        }
        if received == batch.rows {
            return Ok(());
        }
        Err(DeliverError::rejected(format!(
            "the batch has {received} rows instead of {}; stage it again",
            batch.rows
        )))
    }

    /// Makes the received rows the period's figures; how many rows that changed.
    async fn apply_received(&mut self, batch: &Batch, receipt: &Receipt) -> Result<u64, DeliverError> {
        let version = signed(receipt.version)?;
        let mut parameters = period_values(batch.into()).to_vec();
        parameters.extend([Value::from(version), Value::from(&*batch.delivery_id)]);
        if receipt.version == 1 {
            return Ok(self.database.execute(statements::BOOK, &parameters).await?);
        }
        let reason = batch.correction.as_ref().map_or("delivered again after a withdrawal", |it| &*it.reason);
        let mut audited = parameters.clone();
        audited.extend([Value::from(reason), Value::from(&*receipt.delivered_at)]);
        self.database.execute(statements::AUDIT_CHANGED, &audited).await?;
        self.database.execute(statements::AUDIT_VANISHED, &audited).await?;
        let booked = self.database.execute(statements::BOOK, &parameters).await?;
        let vanished = self.database.execute(statements::WITHDRAW_VANISHED, &parameters).await?;
        Ok(booked + vanished)
    }

    /// What stands in the way of a batch that could not be entered.
    async fn in_the_way(&mut self, batch: &Batch) -> Result<Receipt, DeliverError> {
        if let Some(booking) = self.find(batch.into()).await? {
            return standing_receipt(booking);
        }
        let records = self.database.query(statements::FIND_ACTIVE, &period_values(batch.into())).await?;
        let active = records.first().map(|record| self.booking(record)).transpose()?;
        let as_compared = self.latest(batch).await?.0 == batch.replaces;
        let before = Before { active: active.map(|booking| booking.receipt), as_compared };
        if let Some(receipt) = before.judge(batch, "CoreView")? {
            // Brought by another delivery: nobody has to hunt for this one.
            outbox::note_delivered(&mut self.database, &batch.delivery_id).await?;
            return Ok(receipt);
        }
        Err(DeliverError::Throttled {
            detail: format!(
                "{}: a delivery of {} was given up while this one waited for it; it is tried again",
                self.database.target(),
                DeliveryKey::from(batch)
            ),
        })
    }

    /// A row of the ledger, which must agree with the receipt it keeps.
    fn booking(&self, record: &Record) -> Result<Booking, DeliverError> {
        let damaged = |problem: &str| DeliverError::VerificationMismatch {
            detail: format!(
                "{}: coreview_ledger {problem} in the row of delivery {}; find out who changed it and put it right",
                self.database.target(),
                record.text(0).unwrap_or("?")
            ),
        };
        let receipt = record.text(1).unwrap_or_default();
        let mut receipt: Receipt =
            serde_json::from_str(receipt).map_err(|error| damaged(&format!("has no receipt ({error})")))?;
        let agrees = record.text(0) == Some(&*receipt.delivery_id)
            && record.text(4) == Some(&*receipt.batch_sha256)
            && record.integer(5) == i64::try_from(receipt.rows).ok()
            && record.text(6) == Some(&*text_of(&receipt.totals)?)
            && record.text(7) == Some(&*receipt.execution_arn);
        if !agrees {
            return Err(damaged("and the receipt disagree"));
        }
        let ended_by = record.text(3).unwrap_or_default().to_owned();
        let standing = match record.text(2) {
            Some("active") => Standing::Active,
            Some("superseded") => Standing::Superseded { by: ended_by },
            Some("withdrawn") => Standing::Withdrawn { reason: ended_by },
            _ => return Err(damaged("has an unknown state")),
        };
        receipt.already_delivered = true;
        Ok(Booking { receipt, standing })
    }

    async fn read_period(&mut self, receipt: &Receipt) -> Result<ControlTotals, DeliverError> {
        let mut hash = Sha256::new();
        let mut tally = Tally::of(receipt.totals.keys());
        let mut after = String::new();
        loop {
            let mut parameters = period_values(receipt.into()).to_vec();
            parameters.push(Value::from(&*after));
            let page = self.database.query(statements::READ_PAGE, &parameters).await?;
            for record in &page {
                let row = Row {
                    entity_key: record.text(0).unwrap_or_default().to_owned(),
                    figures: record.text(1).unwrap_or_default().to_owned(),
                };
                let unreadable = |error: String| DeliverError::VerificationMismatch {
                    detail: format!(
                        "{}: coreview_figure has {}, {} with figures nobody delivered ({error}); put them right",
                        self.database.target(),
                        DeliveryKey::from(receipt),
                        row.entity_key
                    ),
                };
                let entry = row.to_entry().map_err(|error| unreadable(error.to_string()))?;
                tally.add(&entry).map_err(|error| unreadable(error.to_string()))?;
                hash.update(row.line());
                after = row.entity_key;
            }
            if page.len() < ROWS_PER_PAGE {
                break;
            }
        }
        Ok(ControlTotals { rows: tally.rows(), totals: tally.totals(), sha256: hex(&hash.finalize()) })
    }

    async fn withdraw_booked(&mut self, delivery_id: &str, reason: &str) -> Result<bool, DeliverError> {
        let ended = [Value::from(delivery_id), Value::from(reason)];
        if self.database.execute(statements::END, &ended).await? == 0 {
            return Ok(false);
        }
        let audited = [delivery_id, reason, &clock::now()].map(Value::from);
        self.database.execute(statements::AUDIT_WITHDRAWN, &audited).await?;
        self.database.execute(statements::WITHDRAW_BOOKED, &[Value::from(delivery_id)]).await?;
        Ok(true)
    }

    /// Commits what succeeded, rolls back what did not.
    async fn end<T>(&mut self, outcome: Result<T, DeliverError>) -> Result<T, DeliverError> {
        match outcome {
            Ok(value) => {
                if let Err(error) = self.database.commit().await {
                    self.database.rollback().await;
                    return Err(error.into());
                }
                Ok(value)
            }
            Err(error) => {
                self.database.rollback().await;
                Err(error)
            }
        }
    }
}

#[cfg(feature = "planted-faults")]
impl<D: Database> Ledger<D> {
    /// The planted fault: rows go in without a ledger, as often as they come.
    async fn apply_without_ledger(
        &mut self,
        batch: &Batch,
        source: impl BufRead + Send,
    ) -> Result<Receipt, DeliverError> {
        self.database.define("DROP INDEX IF EXISTS coreview_figure_entity").await?;
        self.database.begin(Purpose::Write).await?;
        let outcome = self.insert_plainly(batch, source).await;
        self.end(outcome).await
    }

    async fn insert_plainly(
        &mut self,
        batch: &Batch,
        source: impl BufRead + Send,
    ) -> Result<Receipt, DeliverError> {
        let mut rows = Rows::new(source);
        while let Some(row) = rows.next_row()? {
            let parameters =
                [&*batch.feed, &*batch.period, &*row.entity_key, &*row.figures, &*batch.delivery_id];
            self.database.execute(statements::INSERT_PLAINLY, &parameters.map(Value::from)).await?;
        }
        Ok(new_receipt(batch, 1))
    }
}

impl<D: Database> DeliveryChannel for Ledger<D> {
    async fn find(&mut self, delivery: DeliveryKey<'_>) -> Result<Option<Booking>, DeliverError> {
        if crate::faults::no_idempotency() {
            return Ok(None);
        }
        let records = self.database.query(statements::FIND, &[delivery.delivery_id.into()]).await?;
        records.first().map(|record| self.booking(record)).transpose()
    }

    async fn apply(
        &mut self,
        batch: &Batch,
        rows: impl BufRead + Send + 'static,
    ) -> Result<Receipt, DeliverError> {
        let attempt = outbox::note_attempt(&mut self.database, batch).await?;
        #[cfg(feature = "planted-faults")]
        if crate::faults::no_idempotency() {
            return self.apply_without_ledger(batch, rows).await;
        }
        self.database.begin(Purpose::Write).await?;
        match self.book(batch, attempt, rows).await {
            Ok(None) => {
                self.database.rollback().await;
                self.in_the_way(batch).await
            }
            Ok(Some(receipt)) => self.end(Ok(receipt)).await,
            Err(error) => self.end(Err(error)).await,
        }
    }

    async fn read_back(&mut self, receipt: &Receipt) -> Result<ControlTotals, DeliverError> {
        // One picture for all pages: a correction may come in between.
        self.database.begin(Purpose::Read).await?;
        let outcome = self.read_period(receipt).await;
        self.database.rollback().await;
        outcome
    }

    fn place(&self) -> String {
        format!("{}: tables coreview_ledger and coreview_figure", self.database.target())
    }

    async fn withdraw(&mut self, delivery: DeliveryKey<'_>, reason: &str) -> Result<(), DeliverError> {
        let delivery_id = delivery.delivery_id;
        self.database.begin(Purpose::Write).await?;
        let outcome = self.withdraw_booked(delivery_id, reason).await;
        if self.end(outcome).await? {
            return Ok(());
        }
        match self.find(delivery).await? {
            Some(Booking { standing: Standing::Withdrawn { .. }, .. }) => Ok(()),
            Some(Booking { receipt, .. }) => Err(DeliverError::Conflict {
                detail: format!(
                    "delivery {delivery_id} of {} was replaced by a correction; withdraw that one",
                    DeliveryKey::from(&receipt)
                ),
                active: None,
            }),
            None => Err(DeliverError::rejected(format!(
                "{}: there is no delivery {delivery_id}; look it up in coreview_ledger",
                self.database.target()
            ))),
        }
    }
}

fn next_chunk(rows: &mut Rows<impl BufRead>) -> Result<Vec<Row>, DeliverError> {
    let mut chunk = Vec::with_capacity(ROWS_PER_INSERT);
    while chunk.len() < ROWS_PER_INSERT {
        match rows.next_row()? {
            Some(row) => chunk.push(row),
            None => break,
        }
    }
    Ok(chunk)
}

fn new_receipt(batch: &Batch, version: i64) -> Receipt {
    Receipt {
        delivery_id: batch.delivery_id.clone(),
        // The stand-in numbers its bookings by what they are.
        coreview_id: format!("CV-{}", batch.delivery_id.get(..12).unwrap_or_default().to_uppercase()),
        channel: batch.channel.clone(),
        workflow: batch.workflow.clone(),
        feed: batch.feed.clone(),
        period: batch.period.clone(),
        market: batch.market.clone(),
        version: version.unsigned_abs(),
        batch_sha256: batch.batch_sha256.clone(),
        rows: batch.rows,
        changed_rows: batch.rows,
        totals: batch.totals.clone(),
        execution_arn: batch.execution_arn.clone(),
        delivered_at: clock::now(),
        already_delivered: false,
        correction: batch.correction.as_ref().map(|correction| correction.reason.clone()),
    }
}

fn ledger_parameters(batch: &Batch, receipt: &Receipt, attempt: i64) -> Result<Vec<Value>, DeliverError> {
    Ok(vec![
        Value::from(&*batch.delivery_id),
        Value::from(&*batch.channel),
        Value::from(&*batch.workflow),
        Value::from(&*batch.feed),
        Value::from(&*batch.period),
        Value::from(signed(receipt.version)?),
        Value::from(&*batch.batch_sha256),
        Value::from(signed(batch.rows)?),
        Value::from(text_of(&batch.totals)?),
        Value::from(&*batch.execution_arn),
        Value::from(attempt),
        Value::from(&*receipt.delivered_at),
        Value::from(text_of(receipt)?),
        Value::from(batch.correction.as_ref().map(|correction| &*correction.reason)),
        outbox::market_value(batch.market.as_deref()),
    ])
}

/// Feed, period and market, with which every statement about a period begins.
fn period_values(delivery: DeliveryKey<'_>) -> [Value; 3] {
    [Value::from(delivery.feed), Value::from(delivery.period), outbox::market_value(delivery.market)]
}
