//! Compiler messages are part of the product: each file in `tests/ui` is a
//! mistake, and the text beside it what the author reads.

#[test]
fn mistakes_are_answered_in_words() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/*.rs");
    if cfg!(feature = "lambda") {
        cases.compile_fail("tests/ui/lambda/*.rs");
    }
}
