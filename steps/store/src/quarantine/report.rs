//! What the report says, as JSON and as a page: one file, no scripts, nothing
//! loaded. All of it was put into the run by somebody else: it is escaped.

use serde::Serialize;
use serde_json::Value;
use stepwright::objects::ObjectRef;

use super::QuarantineRequest;
use crate::customer::name_of;

/// Characters of an error's words that the report shows.
const WORDS_CHARS_MAX: usize = 20_000;

const STYLE: &str = "\
:root{color-scheme:light dark}\
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}\
h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}\
pre{font:13px/1.4 ui-monospace,monospace;white-space:pre-wrap;overflow-wrap:anywhere}\
th{text-align:left;padding-right:1rem;vertical-align:top}\
td{overflow-wrap:anywhere}";

/// Everything on the page.
#[derive(Debug, Serialize)]
pub(super) struct Report<'r> {
    file: &'r str,
    key: &'r str,
    bucket: &'r str,
    bytes: u64,
    sha256: &'r str,
    copy: &'r str,
    error: &'r str,
    /// What is wrong, and where.
    problem: String,
    /// What to do, in order.
    what_to_do: Vec<String>,
    execution_arn: &'r str,
}

impl<'r> Report<'r> {
    pub(super) fn of(request: &'r QuarantineRequest, copy: &'r ObjectRef) -> Self {
        let name = name_of(&request.file.key);
        let what_to_do = vec![
            remedy(&request.error).to_owned(),
            format!(
                "Upload it under the same name, `{}`, into the bucket `{}`.",
                request.file.key, request.file.bucket
            ),
            format!(
                "Then redrive the execution: stepwright redrive {}",
                execution_name(&request.execution_arn)
            ),
        ];
        Self {
            file: name,
            key: &request.file.key,
            bucket: &request.file.bucket,
            bytes: request.file.bytes,
            sha256: &request.file.sha256,
            copy: &copy.key,
            error: &request.error,
            problem: words_of(&request.cause),
            what_to_do,
            execution_arn: &request.execution_arn,
        }
    }

    pub(super) fn json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    pub(super) fn page(&self) -> String {
        let steps: Vec<String> =
            self.what_to_do.iter().map(|step| format!("<li>{}</li>\n", escaped(step))).collect();
        let facts = [
            ("file", self.key.to_owned()),
            ("bucket", self.bucket.to_owned()),
            ("bytes", self.bytes.to_string()),
            ("SHA-256", self.sha256.to_owned()),
            ("copy in bucket `quarantine`", self.copy.to_owned()),
            ("execution", self.execution_arn.to_owned()),
        ];
        let facts: Vec<String> = facts
            .iter()
            .map(|(name, value)| format!("<tr><th>{}</th><td>{}</td></tr>\n", escaped(name), escaped(value)))
            .collect();
        format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
             <meta name=\"viewport\" content=\"width=device-width\"><title>{file} could not be used</title>\
             <style>{STYLE}</style></head>\n<body><h1>{file} could not be used</h1>\n\
             <h2>What is wrong</h2>\n<p><code>{error}</code></p>\n<pre>{problem}</pre>\n\
             <h2>What to do</h2>\n<ol>\n{steps}</ol>\n<h2>The file</h2>\n<table>\n{facts}</table>\n</body></html>\n",
            file = escaped(self.file),
            error = escaped(self.error),
            problem = escaped(&self.problem),
            steps = steps.concat(),
            facts = facts.concat(),
        )
    }
}

/// The words of a cause: Lambda's is a JSON object with a message.
fn words_of(cause: &str) -> String {
    let parsed: Option<Value> = serde_json::from_str(cause).ok();
    let message = parsed.as_ref().and_then(|cause| cause.get("errorMessage")).and_then(Value::as_str);
    let words = message.unwrap_or(cause).trim();
    if words.is_empty() {
        return "nothing more is known".to_owned();
    }
    match words.char_indices().nth(WORDS_CHARS_MAX) {
        Some((end, _)) => format!("{}…", words.get(..end).unwrap_or_default()),
        None => words.to_owned(),
    }
}

/// What helps against an error, by its name.
fn remedy(error: &str) -> &'static str {
    match error {
        "Parse.Truncated" | "Parse.Damaged" => {
            "Export the file again and check that it is complete: this one was cut or damaged on its way."
        }
        "Parse.Empty" => "Export the file again: this one has no rows.",
        "Parse.TooManyRejects" | "Reconcile.TooManyRejects" => {
            "Correct the rows that are named above, or ask for another reject policy in the feed's spec."
        }
        "Parse.Spec" | "Reconcile.Spec" => {
            "The file may be fine: correct the feed's spec, upload the spec, and the file again with any small change."
        }
        name if name.starts_with("Classify.") => {
            "Give the file a name that `customer.toml` knows, or add its name there."
        }
        "KeepRevision.BadScope" => "Make one file for each year or other scope that is named above.",
        _ => "Correct the file as the words above say.",
    }
}

fn execution_name(arn: &str) -> &str {
    arn.rsplit(':').next().unwrap_or(arn)
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\n' | '\t' => escaped.push(character),
            control if control.is_control() => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}
