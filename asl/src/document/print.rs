//! The canonical form of a document.

use serde_json::Value;

/// Prints a document the one way the project writes them: two blanks per
/// level, keys in their order, a line end at the end. Reading it back gives the
/// same value.
///
/// # Examples
/// ```
/// let document = serde_json::json!({"StartAt": "Done", "States": {}});
/// assert_eq!(asl::print(&document), "{\n  \"StartAt\": \"Done\",\n  \"States\": {}\n}\n");
/// ```
pub fn print(document: &Value) -> String {
    // The alternate form of a value is indented by two blanks and cannot fail.
    format!("{document:#}\n")
}
