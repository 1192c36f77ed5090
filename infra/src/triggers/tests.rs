use super::*;
use crate::sample;

#[test]
fn the_local_ones_of_an_application() {
    insta::assert_json_snapshot!(local(&sample::triggered(), "eu-central-1", "111122223333"));
}

#[test]
fn an_application_without_any_has_no_document() {
    assert_eq!(local(&sample::manifest(), "eu-central-1", "111122223333"), None);
}
