//! Regular expressions of `=~`: Java's, matched against the whole text.

use crate::limits;
use crate::regex::{Effort, Exhausted, Regex};

/// A `/pattern/flags`.
#[derive(Debug)]
pub(super) struct Pattern(Regex);

impl Pattern {
    /// `None` where the pattern is not one: Jayway says of it only that the filter cannot be parsed.
    pub(super) fn new(pattern: &str, flags: &str) -> Option<Self> {
        if pattern.len() > limits::JSONPATH_PATTERN_BYTES_MAX {
            return None;
        }
        Regex::java(pattern, flags).ok().map(Self)
    }

    /// Whether the pattern matches the whole text, and what that cost in steps of an evaluation.
    pub(super) fn matches(&self, text: &str) -> (Result<bool, Exhausted>, usize) {
        let mut effort = Effort::new(limits::JSONPATH_PATTERN_INSTRUCTIONS_MAX);
        let matches = self.0.finder().is_match(text, &mut effort);
        (matches, 1 + self.0.compilation_steps() + effort.steps())
    }

    /// As `Pattern.toString()` gives it, to compare two patterns.
    pub(super) fn text(&self) -> &str {
        self.0.pattern()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, flags: &str, text: &str) -> Result<bool, Exhausted> {
        Pattern::new(pattern, flags).expect(pattern).matches(text).0
    }

    #[test]
    fn patterns_match_the_whole_text() {
        assert_eq!(matches("X.*", "i", "x's"), Ok(true));
        assert_eq!(matches("b", "", "abc"), Ok(false));
        assert_eq!(matches(r"a\/b", "", "a/b"), Ok(true));
        assert!(Pattern::new("(", "").is_none());
        assert!(Pattern::new(&"a".repeat(5_000), "").is_none());
    }

    #[test]
    fn a_hostile_pattern_gives_up_or_answers() {
        let text = "a".repeat(4_000);
        assert_eq!(matches("(a*)*b", "", &text), Ok(false));
        assert_eq!(matches(r"(a*)*\1b", "", &text), Err(Exhausted));
        assert!(Pattern::new("((((a{1000}){1000}){1000}){1000})", "").is_none());
    }

    #[test]
    fn a_match_costs_what_it_looks_at() {
        let cost = |text: &str| Pattern::new("[ab]*c", "").expect("a pattern").matches(text).1;
        assert!(cost(&"ab".repeat(50_000)) > 10 * cost("abc") + 10_000);
    }
}
