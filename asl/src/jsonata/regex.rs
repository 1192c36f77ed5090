//! Regular expressions as JavaScript understands them.
//!
//! The pattern is translated ([`translate`]): into the syntax of `regex`, which
//! searches in linear time, or, where it looks around or back at a group, into
//! that of `fancy-regex`, which searches within a budget. Differences that stay:
//! a character outside of the Basic Multilingual Plane is one character here
//! and two in JavaScript, and a group in a repetition keeps its last text where
//! JavaScript forgets it with the next turn.

#[cfg(test)]
mod tests;
mod translate;

use self::translate::Needs;
use super::raised::Raised;
use crate::limits;

/// A regular expression, compiled. Can be shared by threads.
#[derive(Debug, Clone)]
pub(super) struct Regex {
    engine: Engine,
    groups: usize,
}

#[derive(Debug, Clone)]
enum Engine {
    Linear(regex::Regex),
    Backtracking(fancy_regex::Regex),
}

/// Where a text matches. Positions are in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Match<'t> {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) text: &'t str,
    /// By number, without the match itself. `None` for a group that took no part.
    pub(super) groups: Vec<Option<&'t str>>,
}

impl<'t> Match<'t> {
    fn at(start: usize, text: &'t str, groups: Vec<Option<&'t str>>) -> Self {
        Self { start, end: start + text.len(), text, groups }
    }
}

impl Regex {
    /// Compiles what is between the slashes. The flags are `i` and `m`.
    ///
    /// An error without a code, in the words of JavaScript, for a pattern that is none; and one
    /// where the compiled form would be too large.
    pub(super) fn new(pattern: &str, flags: &str) -> Result<Self, Raised> {
        let invalid =
            |what: &str| Raised::new("", format!("Invalid regular expression: /{pattern}/: {what}"));
        let too_large = || invalid("Regular expression too large");
        let translated = translate::translate(pattern, flags).map_err(invalid)?;
        let engine = match translated.needs {
            Needs::Nothing => regex::RegexBuilder::new(&translated.pattern)
                .size_limit(limits::JSONATA_REGEX_BYTES_MAX)
                .dfa_size_limit(limits::JSONATA_REGEX_BYTES_MAX)
                .build()
                .map(Engine::Linear)
                .map_err(|_| too_large())?,
            Needs::Backtracking => fancy_regex::RegexBuilder::new(&translated.pattern)
                .backtrack_limit(limits::JSONATA_REGEX_BACKTRACKS_MAX)
                .delegate_size_limit(limits::JSONATA_REGEX_BYTES_MAX)
                .delegate_dfa_size_limit(limits::JSONATA_REGEX_BYTES_MAX)
                .max_prog_size(limits::JSONATA_REGEX_STEPS_MAX)
                .build()
                .map(Engine::Backtracking)
                .map_err(|_| too_large())?,
        };
        Ok(Self { engine, groups: translated.groups })
    }

    /// The first match from a byte on. What is before it is seen by `^`, `\b` and lookbehind.
    pub(super) fn find_at<'t>(&self, text: &'t str, from: usize) -> Result<Option<Match<'t>>, Raised> {
        match &self.engine {
            Engine::Linear(regex) if self.groups == 0 => Ok(regex
                .find_at(text, from)
                .map(|found| Match::at(found.start(), found.as_str(), Vec::new()))),
            Engine::Linear(regex) => {
                let Some(captures) = regex.captures_at(text, from) else { return Ok(None) };
                let groups = captures.iter().skip(1).map(|group| group.map(|group| group.as_str())).collect();
                Ok(captures.get(0).map(|found| Match::at(found.start(), found.as_str(), groups)))
            }
            Engine::Backtracking(regex) => {
                if text.len() > limits::JSONATA_REGEX_TEXT_BYTES_MAX {
                    return Err(Raised::effort("A regular expression with lookaround or backreferences"));
                }
                let captures = regex
                    .captures_from_pos(text, from)
                    .map_err(|_| Raised::effort("A regular expression with lookaround or backreferences"))?;
                let Some(captures) = captures else { return Ok(None) };
                let groups = captures.iter().skip(1).map(|group| group.map(|group| group.as_str())).collect();
                Ok(captures.get(0).map(|found| Match::at(found.start(), found.as_str(), groups)))
            }
        }
    }

    /// The match after another that ended at `from`, as functions of the language
    /// walk over matches. *Recorded:* the first match may be empty; any later one
    /// raises D1004, and none is looked for at the end of the text. `$match` and its
    /// kind ask for one match more than they take: `$match("abc", /x*/, 1)` raises.
    pub(super) fn find_after<'t>(&self, text: &'t str, from: usize) -> Result<Option<Match<'t>>, Raised> {
        if from >= text.len() {
            return Ok(None);
        }
        match self.find_at(text, from)? {
            Some(found) if found.start == found.end => {
                Err(Raised::new("D1004", "Regular expression matches zero length string"))
            }
            found => Ok(found),
        }
    }
}
