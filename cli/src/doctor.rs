//! `doctor`: what is wrong with a journal, and which executions that touches, and with the queues
//! and events beside it.

use std::path::Path;

use engine::{Area, Examination, Finding, JournalError};
use serde_json::{Value, json};

use crate::{
    arguments::{Doctor, Format},
    data::{from_journal, from_stores},
    problem::{Problem, exit},
    terminal::Terminal,
    text,
};

/// Examines; a journal with findings is refused.
pub(crate) fn doctor(arguments: &Doctor, terminal: Terminal) -> Result<u8, Problem> {
    let place = arguments.file.as_ref().unwrap_or(&arguments.data.dir);
    if arguments.file.is_none() && !place.exists() {
        return Err(Problem::NoData { dir: place.clone() });
    }
    let no_journal = |file: &Path| Problem::Usage {
        message: format!("{} is not a journal of stepwright", file.display()),
        hint: "name a backup, or the journal.db of a data folder".to_owned(),
    };
    if let Some(file) = arguments.file.as_deref().filter(|file| !file.exists()) {
        let missing = std::io::Error::from(std::io::ErrorKind::NotFound);
        return Err(Problem::file("the journal cannot be examined:", file, missing));
    }
    if arguments.file.is_none() {
        crate::data::check_traces(place)?;
    }
    let mut examination =
        engine::examine(place).map_err(|error| match (error, arguments.file.as_deref()) {
            (JournalError::Missing { .. } | JournalError::NotAJournal { .. }, Some(file))
                if file.is_file() =>
            {
                no_journal(file)
            }
            (error, _) => from_journal(error),
        })?;
    if arguments.file.is_none() {
        let found = server::stores::examine(place).map_err(|error| from_stores(&error))?;
        examination.findings.extend(found.into_iter().flatten().map(of_stores));
    }
    match terminal.format {
        Format::Text => {
            for finding in &examination.findings {
                terminal.data(&line(finding));
            }
            terminal.data(&summary(&examination));
        }
        Format::Json | Format::Jsonl => {
            terminal.data(&crate::show::document(&document(&examination), terminal));
        }
    }
    Ok(if examination.is_sound() { 0 } else { exit::REFUSED })
}

/// A finding in the database of queues and events.
pub(crate) fn of_stores(problem: String) -> Finding {
    Finding { area: Area::Structure, subject: "stores.db".to_owned(), problem }
}

/// A finding in a line.
pub(crate) fn line(finding: &Finding) -> String {
    let (area, problem) = (finding.area.as_str(), text::safe(&finding.problem));
    if finding.subject.is_empty() {
        format!("{area}: {problem}")
    } else {
        format!("{area}: {}: {problem}", text::safe(&finding.subject))
    }
}

/// What was looked at, and what to do next.
pub(crate) fn summary(examination: &Examination) -> String {
    let Examination { schema, executions, segments, records, findings, more_findings } = examination;
    let (executions, records) = (text::count(*executions), text::count(*records));
    let executions =
        if executions == "1" { "1 execution".to_owned() } else { format!("{executions} executions") };
    let read =
        format!("{executions}, {} segments, {records} records, schema {schema}", text::count(*segments));
    let count = findings.len() as u64 + more_findings;
    if count == 0 {
        return format!("sound: {read}");
    }
    let findings = if count == 1 { "finding" } else { "findings" };
    format!(
        "{} {findings} in {read}. Nothing was changed: keep a copy of the folder, then restore a backup",
        text::count(count)
    )
}

/// The same for programs.
pub(crate) fn document(examination: &Examination) -> Value {
    let findings: Vec<Value> = examination
        .findings
        .iter()
        .map(|finding| {
            json!({ "area": finding.area.as_str(), "subject": finding.subject, "problem": finding.problem })
        })
        .collect();
    json!({
        "sound": examination.is_sound(),
        "schema": examination.schema,
        "executions": examination.executions,
        "segments": examination.segments,
        "records": examination.records,
        "findings": findings,
        "moreFindings": examination.more_findings,
    })
}
