//! What is to be delivered and what was: the tables `delivery_outbox` and
//! `delivery_receipt` of the planning database, for every channel alike, so that
//! who looks for a delivery finds it in one place.
//!
//! They are notes, not the truth: whether a batch has arrived is for its target
//! to say. A note that was lost is written again by the next attempt.

use database::{Database, DatabaseError, Value, migrations};

use crate::batch::Batch;
use crate::clock;
use crate::deliver::DeliverError;
use crate::receipt::Receipt;

mod statements;

/// The planning database as the place of notes about deliveries.
#[derive(Debug)]
pub struct Outbox<D> {
    database: D,
}

impl<D: Database> Outbox<D> {
    /// Takes a connection and brings the tables up to date.
    pub async fn open(mut database: D) -> Result<Self, DatabaseError> {
        migrations::apply(&mut database).await?;
        Ok(Self { database })
    }

    /// Notes a staged batch; a batch that is noted is left as it is.
    pub async fn note_staged(&mut self, batch: &Batch) -> Result<(), DatabaseError> {
        self.database.execute(statements::NOTE_STAGED, &outbox_parameters(batch)).await?;
        Ok(())
    }

    /// Counts an attempt to deliver; its number.
    pub async fn note_attempt(&mut self, batch: &Batch) -> Result<i64, DatabaseError> {
        note_attempt(&mut self.database, batch).await
    }

    /// Notes that a batch has arrived. Twice is once.
    pub async fn note_receipt(&mut self, receipt: &Receipt) -> Result<(), DeliverError> {
        note_receipt(&mut self.database, receipt).await
    }

    /// Notes that a staged batch is there: also when another delivery, with the same content,
    /// has brought it, whose receipt stands for both.
    pub async fn note_delivered(&mut self, batch: &Batch) -> Result<(), DatabaseError> {
        note_delivered(&mut self.database, &batch.delivery_id).await
    }
}

/// Counts an attempt to deliver, also of a batch the outbox has lost.
pub(crate) async fn note_attempt(database: &mut impl Database, batch: &Batch) -> Result<i64, DatabaseError> {
    let records = database.query(statements::NOTE_ATTEMPT, &outbox_parameters(batch)).await?;
    Ok(records.first().and_then(|record| record.integer(0)).unwrap_or(1))
}

/// Keeps a receipt and marks its batch delivered.
pub(crate) async fn note_receipt(
    database: &mut impl Database,
    receipt: &Receipt,
) -> Result<(), DeliverError> {
    database.execute(statements::NOTE_RECEIPT, &receipt_parameters(receipt)?).await?;
    Ok(note_delivered(database, &receipt.delivery_id).await?)
}

/// Marks a batch delivered.
pub(crate) async fn note_delivered(
    database: &mut impl Database,
    delivery_id: &str,
) -> Result<(), DatabaseError> {
    database.execute(statements::NOTE_DELIVERED, &[delivery_id.into()]).await?;
    Ok(())
}

/// A market as tables have it: none is the empty text.
pub(crate) fn market_value(market: Option<&str>) -> Value {
    Value::from(market.unwrap_or_default())
}

fn outbox_parameters(batch: &Batch) -> Vec<Value> {
    vec![
        Value::from(&*batch.delivery_id),
        Value::from(&*batch.channel),
        Value::from(&*batch.workflow),
        Value::from(&*batch.feed),
        Value::from(&*batch.period),
        Value::from(&*batch.batch.key),
        Value::from(&*batch.batch_sha256),
        Value::from(i64::try_from(batch.rows).unwrap_or(i64::MAX)),
        Value::from(serde_json::to_string(&batch.totals).unwrap_or_default()),
        Value::from(&*batch.execution_arn),
        Value::from(clock::now()),
        market_value(batch.market.as_deref()),
    ]
}

fn receipt_parameters(receipt: &Receipt) -> Result<Vec<Value>, DeliverError> {
    // As it was when the batch arrived, whoever notes it.
    let original = Receipt { already_delivered: false, ..receipt.clone() };
    Ok(vec![
        Value::from(&*receipt.delivery_id),
        Value::from(&*receipt.channel),
        Value::from(&*receipt.workflow),
        Value::from(&*receipt.feed),
        Value::from(&*receipt.period),
        market_value(receipt.market.as_deref()),
        Value::from(signed(receipt.version)?),
        Value::from(&*receipt.batch_sha256),
        Value::from(signed(receipt.rows)?),
        Value::from(text_of(&receipt.totals)?),
        Value::from(&*receipt.execution_arn),
        Value::from(&*receipt.delivered_at),
        Value::from(receipt.correction.as_deref()),
        Value::from(text_of(&original)?),
    ])
}

pub(crate) fn text_of(value: &impl serde::Serialize) -> Result<String, DeliverError> {
    serde_json::to_string(value).map_err(|error| DeliverError::rejected(error.to_string()))
}

pub(crate) fn signed(number: u64) -> Result<i64, DeliverError> {
    i64::try_from(number).map_err(|error| DeliverError::rejected(error.to_string()))
}
