//! Definitions: how they are refused, and `ValidateStateMachineDefinition`.

use asl::{Diagnostics, ExecutionType, Severity};
use engine::registry::StateMachineType;
use serde_json::{Value, json};

use super::Api;
use super::error::{Answer, ApiError};
use super::parameters::{Fields, Parameters};

/// Diagnostics when nobody says how many. Model, `maxResults`: 100.
const DIAGNOSTICS_DEFAULT: usize = 100;

/// A definition with errors is refused with all of them.
pub(super) fn refused(diagnostics: &Diagnostics, definition: &str) -> ApiError {
    ApiError::new("InvalidDefinition", diagnostics.refusal(definition))
}

#[expect(clippy::unnecessary_wraps, reason = "every operation answers in one form")]
pub(super) fn validate(_: &Api, parameters: Parameters<'_>) -> Answer {
    let machine_type = match parameters.text("type").and_then(StateMachineType::of) {
        Some(StateMachineType::Express) => ExecutionType::Express,
        Some(StateMachineType::Standard) | None => ExecutionType::Standard,
    };
    let with_warnings = parameters.text("severity") == Some("WARNING");
    let limit = parameters.number("maxResults").and_then(|limit| usize::try_from(limit).ok());
    let limit = limit.filter(|limit| *limit > 0).unwrap_or(DIAGNOSTICS_DEFAULT);
    let found = asl::validate_for(parameters.required("definition"), machine_type);
    // Warnings of ours are for people at a terminal: AWS's answers have none of them.
    let wanted = found
        .iter()
        .filter(|finding| finding.severity == Severity::Error || with_warnings && !finding.code.is_ours());
    let diagnostics: Vec<Value> = wanted
        .clone()
        .take(limit)
        .map(|finding| {
            let location = (!finding.location.is_empty()).then_some(finding.location.as_str());
            Fields::default()
                .with("severity", finding.severity.to_string())
                .with("code", finding.code.as_str())
                .with("message", finding.message.as_str())
                .maybe("location", location)
                .into()
        })
        .collect();
    Ok(json!({
        "result": if found.has_errors() { "FAIL" } else { "OK" },
        "truncated": wanted.count() > diagnostics.len(),
        "diagnostics": diagnostics,
    }))
}
