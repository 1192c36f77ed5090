//! The step `ask`: a question to a person, kept with the task token that answers it.

use database::{CoreViewUrl, Value as Cell, migrations};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use stepwright::{Callback, Shape, StepError, Use, step};

use crate::clock;
use crate::failure::of_the_database;
use crate::tables::{insertable, question};

/// A question to a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Shape)]
pub struct Question {
    /// The execution that asks.
    pub execution_arn: String,
    /// What it is about: `reference` where something has to be uploaded, `approval`
    /// where figures have to be looked at.
    pub kind: String,
    /// The period it is about.
    pub period: String,
    /// The question.
    pub text: String,
}

/// Characters of an answer that cannot be understood that are shown.
const SHOWN_CHARS_MAX: usize = 200;

/// What a person said.
///
/// Whoever answers may slip, and a token is good for one answer: one of another
/// shape is read as a no of nobody (`by` is empty), with the problem in `note`.
/// `note_answer` refuses it, so that the question can be asked again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema, Shape)]
pub struct Answer {
    /// Whether it may go on.
    pub approved: bool,
    /// Who said so.
    pub by: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl<'de> Deserialize<'de> for Answer {
    fn deserialize<D: Deserializer<'de>>(said: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Understood {
            approved: bool,
            by: String,
            note: Option<String>,
        }
        let said = serde_json::Value::deserialize(said)?;
        let shown: String = said.to_string().chars().take(SHOWN_CHARS_MAX).collect();
        Ok(match serde_json::from_value(said) {
            Ok(Understood { approved, by, note }) => Self { approved, by, note },
            Err(error) => {
                Self { approved: false, by: String::new(), note: Some(format!("`{shown}`: {error}")) }
            }
        })
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, StepError)]
#[error_name = "Ask"]
pub enum AskError {
    /// Sent by whoever answers: the question is not to be answered any more.
    #[message("{detail}")]
    Withdrawn {
        /// Why.
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

of_the_database!(AskError);

/// Asks a person, and waits for the answer. Who answers finds the question with
/// its token in the table `ops_question`, or by `stepwright waiting`.
#[step(memory = 256, timeout = 60)]
pub async fn ask(
    question: Question,
    answer: Callback<Answer>,
    coreview: Use<CoreViewUrl>,
) -> Result<(), AskError> {
    let mut database = database::warm(coreview.value()).await?;
    migrations::apply(&mut database).await?;
    let Question { execution_arn, kind, period, text } = &question;
    let parameters = [
        // The same token again is the same question; a redrive asks with another one.
        Cell::from(feed::fingerprint([execution_arn, kind, answer.token()])),
        Cell::from(insertable(execution_arn)),
        Cell::from(insertable(kind)),
        Cell::from(insertable(period)),
        Cell::from(insertable(text)),
        Cell::from(answer.token()),
        Cell::from(clock::now()),
    ];
    question::ask(&mut database, &parameters).await?;
    Ok(())
}
