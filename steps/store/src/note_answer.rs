//! The step `note_answer`: who answered a question, when and how. The answer
//! itself came to the execution; this is what remains of it.
//!
//! Whoever answers may slip, and a token is good for one answer: what cannot be
//! understood is an error of its own, upon which the question is asked again.

use database::{CoreViewUrl, Value as Cell, migrations};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stepwright::{Shape, StepError, Use, step};

use crate::ask::Answer;
use crate::clock;
use crate::failure::of_the_database;
use crate::tables::{insertable, question};

/// An answer, and what it answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Shape)]
pub struct AnswerRequest {
    /// The execution that asked.
    pub execution_arn: String,
    /// The kind of question it asked; meant is the latest of them.
    pub kind: String,
    /// The answer.
    pub answer: Answer,
}

/// Why an answer was not noted.
#[derive(Debug, Clone, PartialEq, Eq, StepError)]
#[error_name = "NoteAnswer"]
pub enum AnswerError {
    /// It cannot be understood, or does not say who answers.
    #[message("{detail}")]
    NotUnderstood {
        /// What was said, and what an answer looks like.
        detail: String,
    },
    /// The execution asked nothing of this kind.
    #[message("{detail}")]
    NotAsked {
        /// What was looked for.
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

of_the_database!(AnswerError);

/// Notes the answer to a question. An answer that is noted stays as it is.
#[step(memory = 256, timeout = 60)]
pub async fn note_answer(request: AnswerRequest, coreview: Use<CoreViewUrl>) -> Result<Answer, AnswerError> {
    let AnswerRequest { execution_arn, kind, answer } = request;
    if answer.by.trim().is_empty() {
        let problem = answer.note.as_deref().unwrap_or("it does not say `by` whom");
        let detail = format!(
            "the answer cannot be understood: {problem}; it is asked again: answer as in \
             {{\"approved\": true, \"by\": \"me\", \"note\": \"why\"}}"
        );
        return Err(AnswerError::NotUnderstood { detail });
    }
    let mut database = database::warm(coreview.value()).await?;
    migrations::apply(&mut database).await?;
    let parameters = [
        Cell::from(&*execution_arn),
        Cell::from(&*kind),
        Cell::from(insertable(&answer.by)),
        Cell::from(if answer.approved { "yes" } else { "no" }),
        Cell::from(answer.note.as_deref().map(insertable)),
        Cell::from(clock::now()),
    ];
    let noted = question::answer(&mut database, &parameters).await?;
    if !noted && question::count(&mut database, &execution_arn, &kind).await? == 0 {
        let detail = format!("{execution_arn} asked nothing of the kind `{kind}` (table ops_question)");
        return Err(AnswerError::NotAsked { detail });
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_an_answer_of_nobody() {
        let request = |answer: &str| -> AnswerRequest {
            serde_json::from_str(&format!(
                r#"{{"execution_arn": "arn", "kind": "approval", "answer": {answer}}}"#
            ))
            .unwrap()
        };
        assert!(request(r#"{"approved": true, "by": "me"}"#).answer.approved);
        for slip in [r#"{"approve": true}"#, r#"{"approved": "yes", "by": "me"}"#, "true", "null"] {
            let answer = request(slip).answer;
            assert!(!answer.approved && answer.by.is_empty(), "{answer:?}");
        }
        let note = request(r#"{"approve": true}"#).answer.note.unwrap();
        assert_eq!(note, "`{\"approve\":true}`: missing field `approved`");
    }
}
