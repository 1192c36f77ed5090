//! Names and messages of step errors.

use stepwright::StepError as _;

use crate::steps::{DeliverError, ParseError};

#[test]
fn names_are_the_enums_unless_renamed() {
    assert_eq!(ParseError::Vanished.name(), "ParseError.Vanished");
    assert_eq!(ParseError::MALFORMED.name(), "ParseError.Malformed");
    assert_eq!(DeliverError::UNAVAILABLE.name(), "Deliver.Unavailable");
    assert_eq!(DeliverError::Refused.name(), "Deliver.RefusedByPolicy");
    assert_eq!(DeliverError::Violated.name(), "Contract.Violated");
}

#[test]
fn messages_are_the_doc_comment_or_what_is_written() {
    let malformed = ParseError::Malformed { line: 3, column: String::from("amount") };
    assert_eq!(malformed.to_string(), r#"The file does not follow its spec (line: 3, column: "amount")"#);
    assert_eq!(ParseError::Vanished.to_string(), "The file is gone");
    let unavailable = DeliverError::Unavailable { host: String::from("db"), seconds: 30 };
    assert_eq!(unavailable.to_string(), "no answer from db after 30 s");
}
