//! The step `replaced`: fails until a bad file was replaced.
//!
//! An execution that fails here is redriven here: whoever uploads a good file
//! under the same name and redrives goes on with it.

use feed::Drops;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stepwright::objects::ObjectRef;
use stepwright::{Read, Shape, StepError, step};

use crate::failure::of_objects;

/// What is waited for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Shape)]
pub struct ReplacedRequest {
    /// The file that could not be used.
    pub file: ObjectRef,
}

/// Why there is nothing to go on with.
#[derive(Debug, Clone, PartialEq, Eq, StepError)]
#[error_name = "Quarantine"]
pub enum ReplacedError {
    /// The file is still the one that could not be used, or there is none.
    #[message("{detail}")]
    NotReplaced {
        /// What to do.
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
pub async fn replaced(request: ReplacedRequest, drops: Read<Drops>) -> Result<ObjectRef, ReplacedError> {
    let ObjectRef { bucket, key, sha256, .. } = &request.file;
    // Whatever version it was, the newest is looked at.
    match drops.find(key, None)? {
        Some(found) if found.sha256 != *sha256 => Ok(found),
        found => {
            let state =
                if found.is_some() { "is still the file that could not be used" } else { "is not there" };
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
        let ask = || async {
            Replaced::handle(ReplacedRequest { file: file.clone() }, Read::at(&location).unwrap()).await
        };
        let error = ask().await.unwrap_err();
        assert!(matches!(error, ReplacedError::NotReplaced { .. }), "{error}");
        assert!(error.to_string().contains("is still the file"), "{error}");
        assert_eq!(ReplacedError::NOT_REPLACED.name(), "Quarantine.NotReplaced");
        let good = put("good");
        assert_eq!(ask().await.unwrap(), good);
        std::fs::remove_file(dir.path().join("in/a.csv")).unwrap();
        assert!(ask().await.unwrap_err().to_string().contains("is not there"));
    }
}
