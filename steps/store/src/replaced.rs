//! The step `replaced`: fails until a bad file was replaced by one that this
//! execution has not set aside as well.
//!
//! An execution that fails here is redriven here: whoever uploads a good file
//! under the same name and redrives goes on with it, and may do so as often as the
//! file is bad.

use feed::Drops;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stepwright::objects::ObjectRef;
use stepwright::{Read, Shape, StepError, step};

use crate::Aside;
use crate::failure::of_objects;
use crate::quarantine::set_aside_key;

/// What is waited for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Shape)]
pub struct ReplacedRequest {
    /// The file that could not be used.
    pub file: ObjectRef,
    /// The execution that asks.
    pub execution_arn: String,
}

/// Why there is nothing to go on with.
#[derive(Debug, Clone, PartialEq, Eq, StepError)]
#[error_name = "Quarantine"]
pub enum ReplacedError {
    /// The file is still one that could not be used, or there is none.
    #[message("{detail}")]
    NotReplaced {
        /// What to do.
        detail: String,
    },
    /// Said by the workflow when the file that was found cannot be used either and was set
    /// aside: the next one is looked for.
    #[message("{detail}")]
    BadAsWell {
        /// Why.
        detail: String,
    },
    /// The objects cannot be read.
    #[message("{detail}")]
    StorageFailed {
        /// What happened and what to do.
        detail: String,
    },
}

of_objects!(ReplacedError);

/// The file that took the place of a bad one. Fails while nothing did.
#[step(memory = 256, timeout = 300)]
pub async fn replaced(
    request: ReplacedRequest,
    drops: Read<Drops>,
    aside: Read<Aside>,
) -> Result<ObjectRef, ReplacedError> {
    let ObjectRef { bucket, key, sha256, .. } = &request.file;
    // Whatever version it was, the newest is looked at.
    let found = drops.find(key, None)?;
    let is_bad = match found.as_ref().map(|found| &found.sha256) {
        Some(found) => {
            found == sha256 || aside.find(&set_aside_key(&request.execution_arn, found), None)?.is_some()
        }
        None => true,
    };
    match found {
        Some(found) if !is_bad => Ok(found),
        found => {
            let state =
                if found.is_some() { "is still a file that could not be used" } else { "is not there" };
            let detail = format!(
                "`{key}` in bucket `{bucket}` {state}; upload a good file under this name, then redrive the execution"
            );
            Err(ReplacedError::NotReplaced { detail })
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use stepwright::Write;

    use super::*;

    #[tokio::test]
    async fn only_other_bytes_are_a_replacement() {
        let dir = tempfile::tempdir().unwrap();
        let location = format!("file://{}", dir.path().display());
        let put = |text: &str| {
            let mut object = Write::<Drops>::at(&location).unwrap().create("in/a.csv").unwrap();
            object.write_all(text.as_bytes()).unwrap();
            object.finish(None).unwrap()
        };
        let file = put("bad");
        let quarantine = format!("file://{}/quarantine", dir.path().display());
        let ask = || async {
            let request = ReplacedRequest { file: file.clone(), execution_arn: "arn:1".into() };
            Replaced::handle(request, Read::at(&location).unwrap(), Read::at(&quarantine).unwrap()).await
        };
        let error = ask().await.unwrap_err();
        assert!(matches!(error, ReplacedError::NotReplaced { .. }), "{error}");
        assert!(error.to_string().contains("is still a file"), "{error}");
        assert_eq!(ReplacedError::NOT_REPLACED.name(), "Quarantine.NotReplaced");
        // Another file that this execution set aside is none either; other executions' are.
        let second = put("bad as well");
        let set_aside = |arn: &str| {
            let object = Write::<Aside>::at(&quarantine).unwrap().create(&set_aside_key(arn, &second.sha256));
            object.unwrap().finish(None).unwrap()
        };
        set_aside("arn:2");
        assert_eq!(ask().await.unwrap(), second);
        set_aside("arn:1");
        assert!(ask().await.unwrap_err().to_string().contains("is still a file"));
        let good = put("good");
        assert_eq!(ask().await.unwrap(), good);
        std::fs::remove_file(dir.path().join("in/a.csv")).unwrap();
        assert!(ask().await.unwrap_err().to_string().contains("is not there"));
    }
}
