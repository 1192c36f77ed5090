//! Regular expressions of JSONata: JavaScript's, with the words of its errors.

use super::budget::Budget;
use super::failure::Outcome;
use super::memory::Held;
use super::raised::Raised;
use crate::limits;
use crate::regex::{Effort, Match};

pub(super) use crate::regex::Regex;

/// What is between the slashes and behind them.
///
/// An error without a code, in the words of JavaScript, for a pattern that is none; and one
/// where the compiled form would be too large.
pub(super) fn read(pattern: &str, flags: &str) -> Result<Regex, Raised> {
    Regex::ecmascript(pattern, flags)
        .map_err(|what| Raised::new("", format!("Invalid regular expression: /{pattern}/: {what}")))
}

/// Searches one text after the other.
#[derive(Debug)]
pub(super) struct Finder {
    finder: crate::regex::Finder,
    _held: Held,
}

impl Finder {
    pub(super) fn new(regex: &Regex, budget: &mut Budget) -> Outcome<Self> {
        budget.spend(regex.compilation_steps())?;
        let finder = regex.finder();
        // A function that is called with a match may search, too, and so on.
        let held = budget.reserve(finder.bytes())?;
        Ok(Self { finder, _held: held })
    }

    /// The first match from a byte on. Whether there is one or not, what has been looked at is paid.
    pub(super) fn find_at<'t>(
        &mut self,
        text: &'t str,
        from: usize,
        budget: &mut Budget,
    ) -> Outcome<Option<Match<'t>>> {
        let mut effort = Effort::new(limits::JSONATA_REGEX_INSTRUCTIONS_MAX);
        let found = self.finder.find_at(text, from, &mut effort);
        budget.spend(1 + effort.steps())?;
        let what = if self.finder.backtracks() {
            "A regular expression with lookaround or backreferences"
        } else {
            "A regular expression"
        };
        Ok(found.map_err(|_| Raised::effort(what))?)
    }

    /// The match after another that ended at `from`, as functions of the language
    /// walk over matches. *Recorded:* the first match may be empty; any later one
    /// raises D1004, and none is looked for at the end of the text. `$match` and its
    /// kind ask for one match more than they take: `$match("abc", /x*/, 1)` raises.
    pub(super) fn find_after<'t>(
        &mut self,
        text: &'t str,
        from: usize,
        budget: &mut Budget,
    ) -> Outcome<Option<Match<'t>>> {
        if from >= text.len() {
            return Ok(None);
        }
        match self.find_at(text, from, budget)? {
            Some(found) if found.start == found.end => {
                Err(Raised::new("D1004", "Regular expression matches zero length string").into())
            }
            found => Ok(found),
        }
    }
}
