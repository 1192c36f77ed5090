//! The step `quarantine`: a file that could not be used is put aside, with a
//! report that says what is wrong and what to do, as JSON and as a page.
//!
//! The file itself stays where it is: uploading a good one under its name is how
//! it is mended.

use std::io::{self, Write as _};

use feed::Drops;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stepwright::objects::ObjectRef;
use stepwright::{Read, Shape, StepError, Write, step};

use crate::Aside;
use crate::customer::name_of;
use crate::failure::of_objects;

mod report;

use report::Report;

/// The object that says that an execution could not use a file.
pub(crate) fn set_aside_key(execution_arn: &str, sha256: &str) -> String {
    format!("executions/{}/{sha256}", feed::fingerprint([execution_arn]))
}

/// What is to be put aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Shape)]
pub struct QuarantineRequest {
    /// The file.
    pub file: ObjectRef,
    /// The name of the error, as it was caught.
    pub error: String,
    /// Its cause, as it was caught.
    pub cause: String,
    /// The execution that asks.
    pub execution_arn: String,
}

/// Where it was put.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Shape)]
pub struct Quarantined {
    /// The report for people; the same as JSON lies beside it.
    pub report: ObjectRef,
    /// The same as JSON.
    pub report_json: ObjectRef,
    /// The copy of the file.
    pub file: ObjectRef,
}

/// Why it was not put aside.
#[derive(Debug, Clone, PartialEq, Eq, StepError)]
#[error_name = "Quarantine"]
pub enum QuarantineError {
    /// The file cannot be read, or the copy cannot be written.
    #[message("{detail}")]
    StorageFailed {
        /// What happened and what to do.
        detail: String,
    },
}

of_objects!(QuarantineError);

/// Puts a file that could not be used aside, with a report for who sent it. Doing
/// it again changes nothing.
#[step(memory = 256, timeout = 300)]
pub async fn quarantine(
    request: QuarantineRequest,
    drops: Read<Drops>,
    aside: Write<Aside>,
) -> Result<Quarantined, QuarantineError> {
    let written = |error: io::Error| QuarantineError::StorageFailed {
        detail: format!("cannot write into bucket `quarantine`: {error}; the step is tried again"),
    };
    let folder = request.file.sha256.get(..16).unwrap_or(&request.file.sha256);
    let name = name_of(&request.file.key);
    let mut copy = aside.create(&format!("{folder}/{name}"))?;
    io::copy(&mut drops.get(&request.file)?, &mut copy).map_err(written)?;
    let file = copy.finish(request.file.rows)?;

    // `replaced` finds by it what this execution could not use.
    aside.create(&set_aside_key(&request.execution_arn, &request.file.sha256))?.finish(None)?;
    let report = Report::of(&request, &file);
    let id = feed::fingerprint([&request.file.key, &request.error, &request.cause, &request.execution_arn]);
    let put = |ending: &str, text: String| -> Result<ObjectRef, QuarantineError> {
        let mut object = aside.create(&format!("{folder}/report-{id}.{ending}"))?;
        object.write_all(text.as_bytes()).map_err(written)?;
        Ok(object.finish(None)?)
    };
    Ok(Quarantined { report: put("html", report.page())?, report_json: put("json", report.json())?, file })
}

#[cfg(test)]
mod tests;
