//! Waiting for a receiver's answer to dropped files, without polling while a
//! workflow waits: a state waits with a task token, which is noted in the table
//! `delivery_ack`; who sees the answer gives the token back.
//!
//! The answer's file is the truth, the token only wakes: a wake-up that is lost
//! ends as the state's time-out, after which [`acknowledged()`] looks again and
//! says what is awaited.

use std::collections::BTreeSet;

use database::{Database, DatabaseError, ErrorKind, Value, migrations};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stepwright::objects::Arrival;
use stepwright::{Callback, Look, Shape, StepError, Use, step};

use crate::batch::{DeliveryKey, FILE_CHANNEL};
use crate::clock;
use crate::deliver::{DeliverError, check_channel};
use crate::file_drop::{Answered, FileDrop, answered_at, read_ack, says_both};
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

/// Which answers are looked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Shape)]
pub struct AcknowledgeRequest {
    /// The answer that has arrived; all that somebody waits for if it is not known which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Arrival>,
    /// The execution that gives the tokens back; it alone is given them again.
    pub execution_arn: String,
}

/// Answers that have arrived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Shape)]
pub struct TokenAnswers {
    /// What to answer to whom; about 50 at a time.
    pub answers: Vec<TokenAnswer>,
    /// Why the receiver refuses the delivery that was asked for, unless somebody was told
    /// before: whoever reads this is the first to know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    /// Answers that could not be read, in words; they are looked at again.
    pub unreadable: Vec<String>,
}

/// What to answer to a state that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Shape)]
pub struct TokenAnswer {
    /// The delivery that was answered.
    pub delivery_id: String,
    /// The token to give back.
    pub task_token: String,
    /// The receiver's word that it has taken the delivery, which the state waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledgement: Option<Acknowledgement>,
    /// Why it has not: the cause of `Deliver.Rejected`, which names the first rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
}

/// Why an answer was not passed on.
#[derive(Debug, Clone, PartialEq, Eq, StepError)]
#[error_name = "Acknowledge"]
pub enum AcknowledgeError {
    /// Bucket or planning database is down or cannot be reached.
    #[message("{detail}")]
    Unavailable {
        /// What happened and what to do.
        detail: String,
    },
    /// The planning database is busy.
    #[message("{detail}")]
    Throttled {
        /// What happened and what to do.
        detail: String,
    },
    /// It answers what was not delivered from here, or a moment ago.
    #[message("{detail}")]
    UnknownDelivery {
        /// Which file, and what to do.
        detail: String,
    },
    /// It is no answer, or one to something else than what it lies beside.
    #[message("{detail}")]
    Unreadable {
        /// Which file, and what to do.
        detail: String,
    },
    /// Bucket or planning database refuse the step.
    #[message("{detail}")]
    Rejected {
        /// What happened and what to do.
        detail: String,
    },
}

/// The receiver's word that it has taken a dropped delivery.
///
/// `Deliver.Rejected` when it has refused it, `Deliver.NotAcknowledged` when it
/// has not said anything.
#[step(memory = 256, timeout = 60)]
pub async fn acknowledged(
    receipt: Receipt,
    drop: Look<CoreViewDrop>,
) -> Result<Acknowledgement, DeliverError> {
    check_channel(&receipt.channel, FILE_CHANNEL)?;
    match read_ack(&FileDrop::of(drop), (&receipt).into())? {
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
    drop: Look<CoreViewDrop>,
) -> Result<(), DeliverError> {
    let mut connection = database::warm(coreview.value()).await?;
    let folder = FileDrop::of(drop);
    let AwaitAckRequest { receipt, execution_arn } = &request;
    match note_ack_token(&mut connection, &folder, receipt, answer.token(), execution_arn).await? {
        None => Ok(()),
        Some(_) => Err(DeliverError::Answered {
            detail: format!("the receiver has answered delivery {} meanwhile", receipt.delivery_id),
        }),
    }
}

/// Finds who waits for an answer that has arrived, or for any answer that is there.
///
/// Every token is given to one execution, and to that one again whenever it asks.
#[step(memory = 256, timeout = 120)]
pub async fn acknowledge(
    request: AcknowledgeRequest,
    coreview: Use<CoreViewUrl>,
    drop: Look<CoreViewDrop>,
) -> Result<TokenAnswers, AcknowledgeError> {
    let mut connection = database::warm(coreview.value()).await?;
    migrations::apply(&mut connection).await?;
    let (folder, execution_arn) = (FileDrop::of(drop), &request.execution_arn);
    match &request.answer {
        Some(answer) => who_waits_for(&mut connection, &folder, &answer.key, execution_arn).await,
        None => who_waits(&mut connection, &folder, execution_arn).await,
    }
}

/// Who waits for the answer under a key; nobody, if the wait is over or somebody was told.
async fn who_waits_for(
    connection: &mut impl Database,
    folder: &FileDrop,
    key: &str,
    execution_arn: &str,
) -> Result<TokenAnswers, AcknowledgeError> {
    let mut found = TokenAnswers { answers: Vec::new(), refusal: None, unreadable: Vec::new() };
    let unknown = |problem: &str| AcknowledgeError::UnknownDelivery {
        detail: format!(
            "{key} answers what was not delivered from here: {problem}; ask whoever wrote it what it is about"
        ),
    };
    let delivery_id = match answered_at(folder, key)? {
        Answered::Delivery(delivery_id) => delivery_id,
        Answered::Withdrawal => return Ok(found),
        Answered::Nothing => return Err(unknown("there is no manifest beside it")),
    };
    let noted = connection.query(RECEIPT, &[&*delivery_id, FILE_CHANNEL].map(Value::from)).await?;
    let Some(receipt) = noted.first().and_then(|record| record.text(0)) else {
        return Err(unknown(&format!("the planning database has no receipt of {delivery_id}")));
    };
    let receipt = receipt_of(receipt).map_err(|detail| AcknowledgeError::Rejected { detail })?;
    let Some(answer) = read_ack(folder, (&receipt).into())? else {
        return Err(unknown(&format!("delivery {delivery_id} was dropped elsewhere")));
    };
    found.answers = tokens_for(connection, &receipt, &answer, execution_arn).await?;
    if let Some(cause) = cause_of(&answer) {
        let others = [&*delivery_id, execution_arn].map(Value::from);
        let is_news = connection.query(TOLD_BY_OTHERS, &others).await?.is_empty();
        // Who was told that it is taken has to be told otherwise.
        found.refusal = (is_news || says_both(folder, (&receipt).into())?).then_some(cause);
    }
    Ok(found)
}

/// Who waits for an answer that is there.
async fn who_waits(
    connection: &mut impl Database,
    folder: &FileDrop,
    execution_arn: &str,
) -> Result<TokenAnswers, AcknowledgeError> {
    let mut found = TokenAnswers { answers: Vec::new(), refusal: None, unreadable: Vec::new() };
    // First what this execution has taken before.
    let mine = connection.query(MINE, &[Value::from(execution_arn)]).await?;
    let open = connection.query(OPEN, &[Value::from(DELIVERIES_MAX)]).await?;
    let mut seen = BTreeSet::new();
    for receipt in mine.iter().chain(&open).filter_map(|record| record.text(0)) {
        if !seen.insert(receipt) {
            continue;
        }
        if found.answers.len() >= TOKENS_MAX {
            break;
        }
        let read = receipt_of(receipt).and_then(|receipt| {
            let answer = read_ack(folder, (&receipt).into()).map_err(|error| error.to_string())?;
            Ok((receipt, answer))
        });
        match read {
            Ok((receipt, Some(answer))) => {
                found.answers.extend(tokens_for(connection, &receipt, &answer, execution_arn).await?);
            }
            Err(words) if found.unreadable.len() < TOKENS_MAX => {
                found.unreadable.push(words.chars().take(CAUSE_CHARS_MAX).collect());
            }
            Ok((_, None)) | Err(_) => {}
        }
    }
    Ok(found)
}

fn receipt_of(text: &str) -> Result<Receipt, String> {
    serde_json::from_str(text).map_err(|error| format!("a receipt of the planning database: {error}"))
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

/// The tokens of a delivery that was answered, taken by this execution.
async fn tokens_for(
    connection: &mut impl Database,
    receipt: &Receipt,
    answer: &Answer,
    execution_arn: &str,
) -> Result<Vec<TokenAnswer>, AcknowledgeError> {
    claim(connection, &receipt.delivery_id, execution_arn, None).await?;
    let parameters = [&*receipt.delivery_id, execution_arn].map(Value::from);
    let tokens = connection.query(TAKEN, &parameters).await?;
    let tokens = tokens.iter().filter_map(|record| record.text(0));
    Ok(tokens.map(|token| token_answer(receipt, token, answer)).collect())
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
    let acknowledgement = match answer {
        Answer::Accepted(acknowledgement) => Some(acknowledgement.clone()),
        Answer::Refused { .. } => None,
    };
    TokenAnswer {
        delivery_id: receipt.delivery_id.clone(),
        task_token: token.to_owned(),
        acknowledgement,
        cause: cause_of(answer),
    }
}

/// Why an answer is a refusal, if it is one.
fn cause_of(answer: &Answer) -> Option<String> {
    match answer {
        Answer::Accepted(_) => None,
        Answer::Refused { detail, .. } => Some(detail.chars().take(CAUSE_CHARS_MAX).collect()),
    }
}

impl From<DatabaseError> for AcknowledgeError {
    fn from(error: DatabaseError) -> Self {
        let detail = error.to_string();
        match error.kind {
            ErrorKind::Unavailable | ErrorKind::Unknown => Self::Unavailable { detail },
            ErrorKind::Throttled => Self::Throttled { detail },
            ErrorKind::Rejected | ErrorKind::Forbidden => Self::Rejected { detail },
        }
    }
}

impl From<DeliverError> for AcknowledgeError {
    fn from(error: DeliverError) -> Self {
        let detail = error.to_string();
        match error {
            DeliverError::Unavailable { .. } | DeliverError::Unknown { .. } => Self::Unavailable { detail },
            DeliverError::Throttled { .. } => Self::Throttled { detail },
            DeliverError::VerificationMismatch { .. } => Self::Unreadable { detail },
            DeliverError::Rejected { .. }
            | DeliverError::NotAcknowledged { .. }
            | DeliverError::Answered { .. }
            | DeliverError::Conflict { .. }
            | DeliverError::BatchUnreadable { .. } => Self::Rejected { detail },
        }
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

/// Of a dropped delivery. `$1` delivery id, `$2` channel.
const RECEIPT: &str = "SELECT receipt FROM delivery_receipt WHERE delivery_id = $1 AND channel = $2";

/// Somebody else has told who waits. `$1` delivery id, `$2` execution.
const TOLD_BY_OTHERS: &str = "
    SELECT task_token FROM delivery_ack
    WHERE delivery_id = $1 AND answered_by IS NOT NULL AND answered_by <> $2";
