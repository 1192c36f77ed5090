//! The step `close_run`: the receipts of a run. With all of them, the run is what
//! stands for its period.

use database::{CoreViewUrl, Database, Purpose, Value as Cell, migrations};
use feed::ReceiptRef;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stepwright::{Shape, StepError, Use, step};

use crate::clock;
use crate::failure::of_the_database;
use crate::tables::{calc, end, signed, stale};

/// What is to be closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Shape)]
pub struct CloseRequest {
    /// The run's id.
    pub run_id: String,
    /// The receipts of its deliveries.
    pub receipts: Vec<ReceiptRef>,
    /// The execution that asks.
    pub execution_arn: String,
}

/// A run that is closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Shape)]
pub struct Closed {
    /// The run's id.
    pub run_id: String,
    /// The feed's name.
    pub feed: String,
    /// The period.
    pub period: String,
    /// How many deliveries there were.
    pub deliveries: u64,
    /// How many of them had been made before.
    pub already_delivered: u64,
    /// Rows over all deliveries.
    pub rows: u64,
    /// Whether the run had been closed before.
    pub already_closed: bool,
    /// Periods of the feed that were delivered before some of their rows came, went
    /// or changed, each with what to do about it.
    pub stale: Vec<String>,
}

/// Why a run was not closed.
#[derive(Debug, Clone, PartialEq, Eq, StepError)]
#[error_name = "CloseRun"]
pub enum CloseError {
    /// There is no such run, or a receipt is of no delivery of it.
    #[message("{detail}")]
    Mismatch {
        /// What does not fit.
        detail: String,
    },
    /// Not everything was delivered.
    #[message("{detail}")]
    Incomplete {
        /// What is missing.
        detail: String,
    },
    /// One of its deliveries does not hold any more: the run is not what stands for its period.
    #[message("{detail}")]
    Superseded {
        /// Which one, what took its place, and what to do.
        detail: String,
    },
    /// The database is down or cannot be reached.
    #[message("{detail}")]
    Unavailable {
        /// What happened and what to do.
        detail: String,
    },
    /// The database is busy.
    #[message("{detail}")]
    Throttled {
        /// What happened and what to do.
        detail: String,
    },
    /// The database refuses the step.
    #[message("{detail}")]
    Rejected {
        /// What happened and what to do.
        detail: String,
    },
}

of_the_database!(CloseError);

/// Notes the receipts of a run; it then stands for its period in place of one
/// before.
#[step(memory = 256, timeout = 60)]
pub async fn close_run(request: CloseRequest, coreview: Use<CoreViewUrl>) -> Result<Closed, CloseError> {
    let mut database = database::warm(coreview.value()).await?;
    migrations::apply(&mut database).await?;
    database.begin(Purpose::Write).await?;
    let outcome = close_in_transaction(&mut database, &request).await;
    end(&mut database, outcome).await
}

async fn close_in_transaction(
    database: &mut impl Database,
    request: &CloseRequest,
) -> Result<Closed, CloseError> {
    let id = &*request.run_id;
    // Two runs of a period are closed one after the other.
    calc::count_close(database, id).await?;
    let Some(run) = calc::take(database, id).await? else {
        let detail = format!("there is no run {id} (table calc_run); open it again");
        return Err(CloseError::Mismatch { detail });
    };
    let planned = calc::deliveries(database, id).await?;
    let now = clock::now();
    for receipt in &request.receipts {
        let is_its = |it: &&calc::Planned| it.market == receipt.market && it.channel == receipt.channel;
        let Some(delivery) = planned.iter().find(is_its) else {
            let detail = format!(
                "run {id} of {} {} has no delivery of market `{}` by `{}`; `control` says what is to be delivered",
                run.feed, run.period, receipt.market, receipt.channel
            );
            return Err(CloseError::Mismatch { detail });
        };
        if let Some(by) = calc::ended(database, &receipt.delivery_id).await? {
            let detail = format!(
                "run {id} of {} {}: market `{}` was delivered by `{}` as {}, which was replaced or withdrawn meanwhile ({by}); look at what is there now and start again",
                run.feed, run.period, receipt.market, receipt.channel, receipt.delivery_id
            );
            return Err(CloseError::Superseded { detail });
        }
        if delivery.delivery_id.as_ref() != Some(&receipt.delivery_id) {
            note_receipt(database, request, receipt, &now).await?;
        }
    }
    if let Some(missing) = missing(&planned, &request.receipts) {
        let detail = format!(
            "run {id} of {} {}: there is no receipt of {missing}; deliver it, then redrive the execution",
            run.feed, run.period
        );
        return Err(CloseError::Incomplete { detail });
    }
    let already_closed = run.state == "delivered";
    if !already_closed {
        calc::close(database, id, &run, &now).await?;
    }
    let stale = stale::all(database, &run.feed).await?;
    Ok(Closed {
        run_id: request.run_id.clone(),
        feed: run.feed,
        period: run.period,
        deliveries: request.receipts.len() as u64,
        already_delivered: request.receipts.iter().filter(|receipt| receipt.already_delivered).count() as u64,
        rows: request.receipts.iter().map(|receipt| receipt.rows).sum(),
        already_closed,
        stale: stale::advice(&stale),
    })
}

/// What is still to be delivered of what `control` planned last.
fn missing(planned: &[calc::Planned], receipts: &[ReceiptRef]) -> Option<String> {
    let has_none = |delivery: &&calc::Planned| {
        let is_its = |it: &ReceiptRef| it.market == delivery.market && it.channel == delivery.channel;
        !delivery.is_dropped && delivery.delivery_id.is_none() && !receipts.iter().any(is_its)
    };
    let missing: Vec<String> = planned
        .iter()
        .filter(has_none)
        .map(|delivery| format!("market `{}` by `{}`", delivery.market, delivery.channel))
        .collect();
    (!missing.is_empty()).then(|| missing.join(", "))
}

async fn note_receipt(
    database: &mut impl Database,
    request: &CloseRequest,
    receipt: &ReceiptRef,
    now: &str,
) -> Result<(), CloseError> {
    let parameters = [
        Cell::from(&*request.run_id),
        Cell::from(&*receipt.market),
        Cell::from(&*receipt.channel),
        Cell::from(&*receipt.delivery_id),
        Cell::from(&*receipt.coreview_id),
        Cell::from(&*receipt.batch_sha256),
        Cell::from(signed(receipt.rows)),
        Cell::from(&*request.execution_arn),
        Cell::from(now),
    ];
    calc::note_receipt(database, &parameters).await?;
    Ok(())
}
