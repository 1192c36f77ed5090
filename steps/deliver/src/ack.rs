//! Waiting for a receiver's answer to dropped files, without polling while a
//! workflow waits: a state waits with a task token, which is noted in the table
//! `delivery_ack`; who sees the answer gives the token back.
//!
//! The answer's file is the truth, the token only wakes: a wake-up that is lost
//! ends as the state's time-out, after which [`acknowledged()`] looks again and
//! says what is awaited.

use std::collections::BTreeSet;

use database::{Database, Value, migrations};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stepwright::{Callback, Shape, StepError as _, Use, step};

use crate::batch::{DeliveryKey, FILE_CHANNEL};
use crate::clock;
use crate::deliver::{DeliverError, check_channel};
use crate::file_drop::{FileDrop, read_ack};
use crate::receipt::Receipt;
use crate::{CoreViewDrop, CoreViewUrl};

pub use crate::file_drop::{Acknowledgement, Answer};

/// After this many tokens a call looks at no further delivery: a token has up to 2,048 characters, and a
/// state's output at most 256 KiB.
const TOKENS_MAX: usize = 50;

/// Deliveries looked at by one call, the latest first: those whose executions are
/// long gone come last.
const DELIVERIES_MAX: i64 = 5_000;

/// Of a refusal that is passed on with a token.
const CAUSE_CHARS_MAX: usize = 2_000;

/// Who asks for answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Shape)]
pub struct AcknowledgeRequest {
    /// The execution that gives the tokens back; it alone is given them again.
    pub execution_arn: String,
}

/// Answers that have arrived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Shape)]
pub struct TokenAnswers {
    /// What to answer to whom; about 50 at a time.
    pub answers: Vec<TokenAnswer>,
    /// Answers that could not be read, in words; they are looked at again.
    pub unreadable: Vec<String>,
}

/// What to answer to a state that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Shape)]
pub struct TokenAnswer {
    /// The delivery that was answered.
    pub delivery_id: String,
    /// The token to give back.
    pub token: String,
    /// Whether the receiver has taken the delivery.
    pub accepted: bool,
    /// The receiver's own number for it, if it gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The error to answer with: `Deliver.Rejected`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Its cause; names the first rows that were refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
}

/// The receiver's word that it has taken a dropped delivery.
///
/// `Deliver.Rejected` when it has refused it, `Deliver.NotAcknowledged` when it
/// has not said anything.
#[step(memory = 256, timeout = 60)]
pub async fn acknowledged(
    receipt: Receipt,
    drop: Use<CoreViewDrop>,
) -> Result<Acknowledgement, DeliverError> {
    check_channel(&receipt.channel, FILE_CHANNEL)?;
    match read_ack(&FileDrop::open(drop.value())?, (&receipt).into())? {
        Some(Answer::Accepted(acknowledgement)) => Ok(acknowledgement),
        Some(Answer::Refused { detail, rows }) => Err(DeliverError::Rejected { detail, rows }),
        None => Err(DeliverError::NotAcknowledged {
            detail: format!(
                "the receiver has answered delivery {} of {} (dropped at {}) neither with ack.json nor with nak.json; the files are there and nothing is lost: ask the receiver, then redrive the execution",
                receipt.delivery_id,
                DeliveryKey::from(&receipt),
                receipt.delivered_at
            ),
        }),
    }
}

/// What a receiver is waited for with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Shape)]
pub struct AwaitAckRequest {
    /// The delivery whose answer is awaited.
    pub receipt: Receipt,
    /// The execution that waits.
    pub execution_arn: String,
}

/// Waits for the receiver's word on a dropped delivery: notes the token for [`acknowledge()`].
///
/// `Deliver.Answered` when the answer has arrived meanwhile: [`acknowledged()`] reads it.
#[step(memory = 256, timeout = 60)]
pub async fn await_ack(
    request: AwaitAckRequest,
    answer: Callback<Acknowledgement>,
    coreview: Use<CoreViewUrl>,
    drop: Use<CoreViewDrop>,
) -> Result<(), DeliverError> {
    let mut connection = database::warm(coreview.value()).await?;
    let folder = FileDrop::open(drop.value())?;
    let AwaitAckRequest { receipt, execution_arn } = &request;
    match note_ack_token(&mut connection, &folder, receipt, answer.token(), execution_arn).await? {
        None => Ok(()),
        Some(_) => Err(DeliverError::Answered {
            detail: format!("the receiver has answered delivery {} meanwhile", receipt.delivery_id),
        }),
    }
}

/// Looks for answers that somebody waits for, and gives back their tokens.
///
/// Every token is given to one execution, and to that one again whenever it asks.
#[step(memory = 256, timeout = 120)]
pub async fn acknowledge(
    request: AcknowledgeRequest,
    coreview: Use<CoreViewUrl>,
    drop: Use<CoreViewDrop>,
) -> Result<TokenAnswers, DeliverError> {
    let mut connection = database::warm(coreview.value()).await?;
    migrations::apply(&mut connection).await?;
    let folder = FileDrop::open(drop.value())?;
    let mut found = TokenAnswers { answers: Vec::new(), unreadable: Vec::new() };
    // First what this execution has taken before.
    let mine = connection.query(MINE, &[Value::from(&*request.execution_arn)]).await?;
    let open = connection.query(OPEN, &[Value::from(DELIVERIES_MAX)]).await?;
    let mut seen = BTreeSet::new();
    for receipt in mine.iter().chain(&open).filter_map(|record| record.text(0)) {
        if !seen.insert(receipt) {
            continue;
        }
        if found.answers.len() >= TOKENS_MAX {
            break;
        }
        let answered = give_back(&mut connection, &folder, receipt, &request.execution_arn).await;
        match answered {
            Ok(answers) => found.answers.extend(answers),
            Err(AckError::Answer(words)) if found.unreadable.len() < TOKENS_MAX => {
                found.unreadable.push(words.chars().take(CAUSE_CHARS_MAX).collect());
            }
            Err(AckError::Answer(_)) => {}
            Err(AckError::Whole(error)) => return Err(error),
        }
    }
    Ok(found)
}

/// Notes that a state waits with a token for the answer to a delivery.
///
/// `Some` when the answer is there already, and nobody else will give the token
/// back: the caller has to. Noting the same token twice is noting it once.
pub async fn note_ack_token(
    database: &mut impl Database,
    drop: &FileDrop,
    receipt: &Receipt,
    token: &str,
    execution_arn: &str,
) -> Result<Option<Answer>, DeliverError> {
    check_channel(&receipt.channel, FILE_CHANNEL)?;
    migrations::apply(database).await?;
    let noted = [&*receipt.delivery_id, token, execution_arn, &clock::now()].map(Value::from);
    database.execute(NOTE, &noted).await?;
    // Only now: an answer that comes after this look finds the token.
    let Some(answer) = read_ack(drop, receipt.into())? else { return Ok(None) };
    let claimed = claim(database, &receipt.delivery_id, execution_arn, Some(token)).await?;
    Ok((claimed > 0).then_some(answer))
}

/// Why an answer was not passed on.
enum AckError {
    /// This answer cannot be read; others can.
    Answer(String),
    /// Nothing can be passed on.
    Whole(DeliverError),
}

/// The tokens of a delivery that was answered, taken by this execution.
async fn give_back(
    connection: &mut impl Database,
    folder: &FileDrop,
    receipt: &str,
    execution_arn: &str,
) -> Result<Vec<TokenAnswer>, AckError> {
    let unreadable = |error: &dyn std::fmt::Display| AckError::Answer(error.to_string());
    let whole = |error: DeliverError| AckError::Whole(error);
    let receipt: Receipt = serde_json::from_str(receipt).map_err(|error| unreadable(&error))?;
    let Some(answer) = read_ack(folder, (&receipt).into()).map_err(|error| unreadable(&error))? else {
        return Ok(Vec::new());
    };
    claim(connection, &receipt.delivery_id, execution_arn, None).await.map_err(whole)?;
    let parameters = [&*receipt.delivery_id, execution_arn].map(Value::from);
    let tokens = connection.query(TAKEN, &parameters).await.map_err(|error| whole(error.into()))?;
    let tokens = tokens.iter().filter_map(|record| record.text(0));
    Ok(tokens.map(|token| token_answer(&receipt, token, &answer)).collect())
}

/// Takes the open tokens of a delivery (or one of them) for an execution; how
/// many it has.
async fn claim(
    database: &mut impl Database,
    delivery_id: &str,
    execution_arn: &str,
    token: Option<&str>,
) -> Result<usize, DeliverError> {
    let claim = [execution_arn, &clock::now(), delivery_id].map(Value::from);
    let mut claim = claim.to_vec();
    claim.push(Value::from(token));
    database.execute(CLAIM, &claim).await?;
    let mine = database.query(TAKEN, &[delivery_id, execution_arn].map(Value::from)).await?;
    Ok(mine.iter().filter(|record| token.is_none_or(|token| record.text(0) == Some(token))).count())
}

fn token_answer(receipt: &Receipt, token: &str, answer: &Answer) -> TokenAnswer {
    let (reference, refusal) = match answer {
        Answer::Accepted(acknowledgement) => (acknowledgement.reference.clone(), None),
        Answer::Refused { detail, rows } => {
            (None, Some(DeliverError::Rejected { detail: detail.clone(), rows: rows.clone() }))
        }
    };
    TokenAnswer {
        delivery_id: receipt.delivery_id.clone(),
        token: token.to_owned(),
        accepted: refusal.is_none(),
        reference,
        error: refusal.as_ref().map(|error| error.name().to_owned()),
        cause: refusal.map(|error| error.to_string().chars().take(CAUSE_CHARS_MAX).collect()),
    }
}

/// `$1` delivery id, `$2` token, `$3` execution, `$4` time.
const NOTE: &str = "
    INSERT INTO delivery_ack (delivery_id, task_token, execution_arn, asked_at) VALUES ($1, $2, $3, $4)
    ON CONFLICT (delivery_id, task_token) DO NOTHING";

/// Receipts of deliveries whose tokens an execution has taken. `$1` execution.
const MINE: &str = "
    SELECT receipt.receipt FROM delivery_ack AS ack
    JOIN delivery_receipt AS receipt ON receipt.delivery_id = ack.delivery_id
    WHERE ack.answered_by = $1 ORDER BY ack.asked_at";

/// Receipts of deliveries that somebody waits for, the latest first. `$1` how many.
const OPEN: &str = "
    SELECT receipt.receipt FROM delivery_ack AS ack
    JOIN delivery_receipt AS receipt ON receipt.delivery_id = ack.delivery_id
    WHERE ack.answered_by IS NULL ORDER BY ack.asked_at DESC LIMIT $1";

/// `$1` execution, `$2` time, `$3` delivery id, `$4` token, or any.
const CLAIM: &str = "
    UPDATE delivery_ack SET answered_by = $1, answered_at = $2
    WHERE delivery_id = $3 AND answered_by IS NULL AND (CAST($4 AS text) IS NULL OR task_token = $4)";

/// `$1` delivery id, `$2` execution.
const TAKEN: &str = "
    SELECT task_token FROM delivery_ack WHERE delivery_id = $1 AND answered_by = $2
    ORDER BY asked_at, task_token";
