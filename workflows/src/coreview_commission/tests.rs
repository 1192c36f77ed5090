use super::*;

#[test]
fn the_definition_is_the_one_that_was_reviewed() {
    let options = codegen::Options { app: "reference".to_owned() };
    let generated = codegen::emit(&definition(), &options).unwrap();
    insta::assert_snapshot!(generated.definition);
    assert!(generated.lints.is_empty(), "{:?}", generated.lints);
}
