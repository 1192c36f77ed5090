//! `validate`: what is wrong with a definition, shown where it is, and what to do about it.
//!
//! Owns how findings look. What is a finding, in whose words and with which advice, is
//! `asl`'s: codes and messages are those of `ValidateStateMachineDefinition`. What calls of
//! services take is the engine's to know.

use std::{
    fmt::Write as _,
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use asl::{Diagnostic, Diagnostics, ExecutionType, Severity};
use engine::test_state::ServiceModels;
use indexmap::IndexMap;
use serde_json::{Value, json};

use crate::{
    arguments::{Format, MachineType, Validate},
    problem::{Problem, exit},
    project::Application,
    snippet::Source,
    terminal::{self, Ink, Paint, Terminal},
    text,
};

/// Characters of a source line that are shown where the terminal does not say how wide it is.
const WIDTH: usize = 96;
/// Findings of one definition that are shown to people. AWS answers as many.
const SHOWN_MAX: usize = 100;

pub(crate) mod form;

/// A definition and where it comes from.
pub(crate) struct Definition {
    pub(crate) name: String,
    pub(crate) text: String,
    /// State name → `file:line` of the source it was generated from.
    pub(crate) source_map: IndexMap<String, String>,
}

/// Checks the definitions that were named, or those of the project.
pub(crate) fn validate(arguments: &Validate, terminal: Terminal) -> Result<u8, Problem> {
    let definitions = definitions(arguments, terminal)?;
    let machine_type = match arguments.r#type {
        MachineType::Standard => ExecutionType::Standard,
        MachineType::Express => ExecutionType::Express,
    };
    let mut is_fine = true;
    let mut documents = Vec::new();
    // One file that cannot be read does not hide what is wrong with the others.
    let mut unreadable: Option<Problem> = None;
    let models = ServiceModels::default();
    for definition in definitions {
        let definition = match definition {
            Ok(definition) => definition,
            Err(problem) => {
                if let Some(before) = unreadable.replace(problem) {
                    before.report(terminal);
                }
                continue;
            }
        };
        let definition = &definition;
        let found = asl::validate_with(&definition.text, machine_type, &models);
        let denied = found.has_errors() || arguments.deny_warnings && !found.is_empty();
        is_fine &= !denied;
        match terminal.format {
            Format::Text if terminal.quiet => short(definition, &found, terminal),
            Format::Text => terminal.data(&report(definition, &found, denied, terminal.out)),
            Format::Json => documents.push(document(definition, &found, denied)),
            Format::Jsonl => {
                for finding in findings(definition, &found) {
                    terminal.data(&finding.to_string());
                }
            }
        }
    }
    if terminal.format == Format::Json {
        terminal.data(&crate::show::document(&Value::Array(documents), terminal));
    }
    match unreadable {
        Some(problem) => Err(problem),
        None => Ok(if is_fine { 0 } else { exit::FAILED }),
    }
}

fn definitions(
    arguments: &Validate,
    terminal: Terminal,
) -> Result<Vec<Result<Definition, Problem>>, Problem> {
    if arguments.files.is_empty() {
        let application = Application::ready(&arguments.build, terminal, false)?;
        let workflows = application.manifest.workflows.into_iter();
        return Ok(workflows
            .map(|workflow| {
                Ok(Definition {
                    name: workflow.name,
                    text: workflow.definition,
                    source_map: workflow.source_map,
                })
            })
            .collect());
    }
    let read = |file: &PathBuf| {
        let definition = read(file)?;
        form::check(&definition.name, &definition.text, form::Wanted::Machine)?;
        Ok(definition)
    };
    Ok(arguments.files.iter().map(read).collect())
}

/// Reads a definition from a file, or from stdin for `-`. `file://order.json`, as the AWS CLI has
/// it, is that file.
pub(crate) fn read(file: &Path) -> Result<Definition, Problem> {
    let file = file.to_str().and_then(|file| file.strip_prefix("file://")).map_or(file, Path::new);
    // One byte more than a definition can have: the check then says that it is too long.
    let limit = u64::try_from(asl::limits::DEFINITION_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    let done = if file == Path::new("-") {
        io::stdin().lock().take(limit).read_to_end(&mut bytes)
    } else {
        File::open(file).and_then(|file| file.take(limit).read_to_end(&mut bytes))
    };
    let text = done.and_then(|_| match String::from_utf8(bytes) {
        Ok(text) => Ok(text),
        // A character may have been cut at the limit.
        Err(error) if error.as_bytes().len() > asl::limits::DEFINITION_BYTES_MAX => {
            Ok(String::from_utf8_lossy(error.as_bytes()).into_owned())
        }
        Err(_) => Err(io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8 text")),
    });
    let text = text.map_err(|source| Problem::file("the definition cannot be read:", file, source))?;
    let name = if file == Path::new("-") { "stdin".to_owned() } else { file.display().to_string() };
    Ok(Definition { name, text, source_map: IndexMap::new() })
}

/// Everything about one definition, for people.
pub(crate) fn report(definition: &Definition, found: &Diagnostics, denied: bool, paint: Paint) -> String {
    let source = Source::new(&definition.text);
    let mut out = String::new();
    for item in found.causes().take(SHOWN_MAX) {
        let _ = writeln!(out, "{}\n", finding(definition, &source, item, paint));
    }
    let (causes, all) = (found.causes().count(), found.len());
    for (number, what) in [
        (causes.saturating_sub(SHOWN_MAX), "not shown: mend these first"),
        (all - causes, "left out: probably gone once these are mended"),
    ] {
        if number > 0 {
            let more = several(number, "more finding");
            let _ = writeln!(out, "{}\n", paint.ink(Ink::Faint, &format!("… {more} {what}")));
        }
    }
    let name = text::safe(&definition.name);
    let counted = counted(found);
    let _ = match (denied, found.is_empty()) {
        (true, _) => write!(out, "{} {name}: {counted}", paint.ink(Ink::Bad, "✗")),
        (false, true) => write!(out, "{} {name} is valid", paint.ink(Ink::Good, "✓")),
        (false, false) => write!(out, "{} {name} is valid, with {counted}", paint.ink(Ink::Good, "✓")),
    };
    out
}

/// `1 error`, `1,200 errors`.
fn several(number: usize, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        _ => format!("{} {what}s", text::count(number.try_into().unwrap_or(u64::MAX))),
    }
}

fn counted(found: &Diagnostics) -> String {
    let of = |severity: Severity| found.causes().filter(|item| item.severity == severity).count();
    let parts = [(of(Severity::Error), "error"), (of(Severity::Warning), "warning")];
    let parts: Vec<String> = parts
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, what)| several(number, what))
        .collect();
    parts.join(", ")
}

pub(crate) fn finding(
    definition: &Definition,
    source: &Source<'_>,
    item: &Diagnostic,
    paint: Paint,
) -> String {
    let (word, ink) = match item.severity {
        Severity::Error => ("error:", Ink::Bad),
        Severity::Warning => ("warning:", Ink::Warn),
    };
    let position = source.position(item.place().start);
    let width = terminal::columns().map_or(WIDTH, |columns| usize::from(columns).saturating_sub(12).max(20));
    let excerpt = source.excerpt(item.place(), width, paint);
    let number = excerpt.line.to_string();
    let margin = " ".repeat(number.len());
    let bar = paint.ink(Ink::Faint, "|");
    let mut place = format!("{}:{}:{}", text::safe(&definition.name), position.line, position.column);
    if !matches!(item.location.as_str(), "" | "/") {
        let _ = write!(place, "  {}", text::one_line(&item.location, WIDTH));
    }
    let mut out = format!(
        "{} {}\n{margin}{} {place}\n{} {bar} {}\n{margin} {bar} {}",
        paint.ink(ink, word),
        paint.ink(Ink::Strong, &text::one_line(&item.message, 400)),
        paint.ink(Ink::Faint, "-->"),
        paint.ink(Ink::Faint, &number),
        excerpt.text,
        excerpt.underline,
    );
    if let Some(advice) = &item.advice {
        let _ = write!(out, "\n  {}  {}", paint.ink(Ink::Strong, "help:"), text::safe(advice));
    }
    if let Some(from) = generated_from(definition, &item.location) {
        let _ = write!(out, "\n  {}  {}", paint.ink(Ink::Strong, "from:"), text::safe(from));
    }
    let _ =
        write!(out, "\n  {}  {}", paint.ink(Ink::Faint, "code:"), paint.ink(Ink::Faint, item.code.as_str()));
    out
}

/// The source of the innermost state the location lies in.
fn generated_from<'d>(definition: &'d Definition, location: &str) -> Option<&'d str> {
    let states = definition.source_map.iter().filter_map(|(name, source)| {
        let (before, after) = location.rsplit_once(&format!("/States/{name}"))?;
        (after.is_empty() || after.starts_with('/')).then_some((before.len(), source))
    });
    states.max_by_key(|(depth, _)| *depth).map(|(_, source)| source.as_str())
}

/// One line a finding, for editors.
fn short(definition: &Definition, found: &Diagnostics, terminal: Terminal) {
    let source = Source::new(&definition.text);
    for item in found.causes() {
        let position = source.position(item.place().start);
        let message = text::one_line(&item.message, 400);
        terminal.data(&format!(
            "{}:{}:{}: {} {}: {message}",
            text::safe(&definition.name),
            position.line,
            position.column,
            item.severity,
            item.code
        ));
    }
}

/// One definition, for programs: the answer of `ValidateStateMachineDefinition`, and where it is from.
fn document(definition: &Definition, found: &Diagnostics, denied: bool) -> Value {
    json!({
        "source": definition.name,
        "result": if denied { "FAIL" } else { "OK" },
        "diagnostics": findings(definition, found),
    })
}

pub(crate) fn findings(definition: &Definition, found: &Diagnostics) -> Vec<Value> {
    let source = Source::new(&definition.text);
    let one = |item: &Diagnostic| {
        let (start, end) = (source.position(item.place().start), source.position(item.place().end));
        json!({
            "source": definition.name,
            "severity": item.severity,
            "code": item.code,
            "message": item.message,
            "location": (!item.location.is_empty()).then_some(&item.location),
            "advice": item.advice,
            "followsFromAnother": item.follows,
            "line": start.line,
            "column": start.column,
            "endLine": end.line,
            "endColumn": end.column,
            "generatedFrom": generated_from(definition, &item.location),
        })
    };
    found.iter().map(one).collect()
}

#[cfg(test)]
mod tests;
