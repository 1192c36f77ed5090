//! Regular expressions of `=~`: Java's, matched against the whole text.
//!
//! Most run in linear time on `regex`; those with lookaround, backreferences
//! or possessive quantifiers run on `fancy-regex` under a budget.

use crate::limits;

/// A compiled `/pattern/flags`.
#[derive(Debug)]
pub(super) struct Pattern {
    /// As `Pattern.toString()` gives it, to compare two patterns.
    text: String,
    engine: Engine,
}

#[derive(Debug)]
enum Engine {
    Linear(Box<regex::Regex>),
    Backtracking(Box<fancy_regex::Regex>),
}

/// Backtracking may take up to its limit of steps, each of them quicker than one of the evaluation.
const BACKTRACKING_COST: usize = 500;

/// A match needed more steps than there are.
#[derive(Debug, Clone, Copy)]
pub(super) struct TooManySteps;

impl Pattern {
    /// `None` where the pattern is not one.
    pub(super) fn new(pattern: &str, flags: &str) -> Option<Self> {
        if pattern.len() > limits::JSONPATH_PATTERN_BYTES_MAX {
            return None;
        }
        let translated = translate(pattern, flags);
        let linear = regex::RegexBuilder::new(&translated)
            .size_limit(limits::JSONPATH_PATTERN_PROGRAM_BYTES_MAX)
            .build();
        let engine = match linear {
            Ok(regex) => Engine::Linear(Box::new(regex)),
            // Too large is too large on the other engine, too.
            Err(regex::Error::CompiledTooBig(_)) => return None,
            Err(_) => fancy_regex::RegexBuilder::new(&translated)
                .backtrack_limit(limits::JSONPATH_PATTERN_STEPS_MAX)
                .delegate_size_limit(limits::JSONPATH_PATTERN_PROGRAM_BYTES_MAX)
                .build()
                .ok()
                .map(|regex| Engine::Backtracking(Box::new(regex)))?,
        };
        Some(Self { text: pattern.to_owned(), engine })
    }

    /// What a match counts for in the budget of an evaluation, in steps.
    pub(super) fn cost(&self, text: &str) -> usize {
        match self.engine {
            Engine::Linear(_) => text.len() / 64 + 1,
            Engine::Backtracking(_) => text.len() / 64 + BACKTRACKING_COST,
        }
    }

    /// The pattern matches the whole text.
    pub(super) fn matches(&self, text: &str) -> Result<bool, TooManySteps> {
        match &self.engine {
            Engine::Linear(regex) => Ok(regex.is_match(text)),
            Engine::Backtracking(regex) => regex.is_match(text).map_err(|_| TooManySteps),
        }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }
}

/// Writes what Java means in the syntax of the engines: classes are ASCII,
/// `.` stops at every line terminator, and the whole text has to match.
fn translate(pattern: &str, flags: &str) -> String {
    let has = |flag| flags.contains(flag);
    let unicode_classes = has('U');
    let dot = match (has('s'), has('d')) {
        (true, _) => ".",
        (false, true) => "[^\\n]",
        (false, false) => "[^\\n\\r\\u{85}\\u{2028}\\u{2029}]",
    };
    let mut modifiers = String::new();
    for flag in ['i', 'm', 's', 'x'] {
        if has(flag) {
            modifiers.push(flag);
        }
    }
    let mut body = String::with_capacity(pattern.len());
    let mut in_class = 0_usize;
    let mut characters = pattern.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some('Q') => quote(&mut characters, &mut body),
                Some(class @ ('d' | 'w' | 's' | 'D' | 'W' | 'S')) if !unicode_classes => {
                    body.push_str(ascii_class(class, in_class > 0));
                }
                Some(letter @ ('h' | 'R' | 'Z' | 'e')) => body.push_str(java_escape(letter)),
                Some('/') => body.push('/'),
                Some(other) => body.extend(['\\', other]),
                None => body.push('\\'),
            },
            '[' => {
                in_class += 1;
                body.push('[');
            }
            ']' => {
                in_class = in_class.saturating_sub(1);
                body.push(']');
            }
            '.' if in_class == 0 => body.push_str(dot),
            other => body.push(other),
        }
    }
    // A comment may run up to the end of the pattern: its line has to end.
    let end = if has('x') { "\n" } else { "" };
    let modifiers = if modifiers.is_empty() { "?:".to_owned() } else { format!("?{modifiers}:") };
    format!("\\A({modifiers}{body}{end})\\z")
}

/// `\Q…\E`: everything between stands for itself.
fn quote(characters: &mut std::iter::Peekable<std::str::Chars<'_>>, body: &mut String) {
    let mut quoted = String::new();
    while let Some(character) = characters.next() {
        if character == '\\' && characters.peek() == Some(&'E') {
            characters.next();
            break;
        }
        quoted.push(character);
    }
    body.push_str(&regex::escape(&quoted));
}

const fn ascii_class(letter: char, in_class: bool) -> &'static str {
    match (letter, in_class) {
        ('d', false) => "[0-9]",
        ('d', true) => "0-9",
        ('w', false) => "[a-zA-Z0-9_]",
        ('w', true) => "a-zA-Z0-9_",
        ('s', false) => "[ \\t\\n\\x0B\\f\\r]",
        ('s', true) => " \\t\\n\\x0B\\f\\r",
        ('D', _) => "[^0-9]",
        ('W', _) => "[^a-zA-Z0-9_]",
        _ => "[^ \\t\\n\\x0B\\f\\r]",
    }
}

const fn java_escape(letter: char) -> &'static str {
    match letter {
        'h' => "[ \\t\\u{A0}\\u{1680}\\u{180e}\\u{2000}-\\u{200a}\\u{202f}\\u{205f}\\u{3000}]",
        'R' => "(?:\\r\\n|[\\n\\x0B\\f\\r\\u{85}\\u{2028}\\u{2029}])",
        'Z' => "(?:\\r?\\n)?\\z",
        _ => "\\x1B",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_the_whole_text_as_java_does() {
        for (pattern, flags, text, expected) in [
            ("X.*", "i", "x's", true),
            ("b", "", "abc", false),
            ("a.c", "", "a\nc", false),
            ("a.c", "s", "a\nc", true),
            (r"\d+", "", "٣", false),
            (r"\d+", "U", "٣", true),
            (r"[\w-]+", "", "a-b_1", true),
            (r"\Qa.b\E", "", "axb", false),
            (r"\Qa.b\E", "", "a.b", true),
            (r"(a)\1", "", "aa", true),
            ("(?=ab)ab", "", "ab", true),
            ("a++b", "", "aab", true),
            (r"a\/b", "", "a/b", true),
            ("a # comment", "x", "a", true),
        ] {
            let compiled = Pattern::new(pattern, flags).expect(pattern);
            assert_eq!(compiled.matches(text).expect("few steps"), expected, "/{pattern}/{flags} {text:?}");
        }
        assert!(Pattern::new("(", "").is_none());
    }

    #[test]
    fn a_hostile_pattern_gives_up_or_answers() {
        let text = "a".repeat(4_000);
        let linear = Pattern::new("(a*)*b", "").expect("a pattern");
        assert!(!linear.matches(&text).expect("linear"));
        let backtracking = Pattern::new(r"(a*)*\1b", "").expect("a pattern");
        assert!(backtracking.matches(&text).is_err());
        assert!(Pattern::new("((((a{1000}){1000}){1000}){1000})", "").is_none());
    }
}
