//! Regular expressions: of JavaScript for JSONata, of Java for the filters of
//! JSONPath. One engine and two readers.
//!
//! `ecmascript` and `java` read a pattern into a [`tree`], in which nothing of
//! its dialect's notation is left; what a dialect has and the engine has not is
//! refused there. `program` turns the tree into instructions. A pattern without
//! lookaround, backreferences and atomic groups runs in `lockstep`: in time
//! that is linear in the text. The others run by `backtrack`.
//!
//! Why an engine of our own: both languages tell what a group holds after a
//! repetition, what an empty turn of a loop does, and which letters are equal,
//! each in its own way; and an evaluation has to pay for the work of a search
//! alike on every machine and in every run. So the engine counts instructions,
//! and a search ends when it has used up its [`Effort`].
//!
//! A compiled program is many times larger than `a{1000}`. Only small ones are
//! kept with their pattern, so that what a definition takes in memory follows
//! from its length; the others are compiled for each [`Finder`].
//!
//! A difference that stays: a character outside of the Basic Multilingual Plane
//! is one character here, and two in JavaScript.

mod backtrack;
mod ecmascript;
mod java;
mod lockstep;
mod program;
mod set;
#[cfg(test)]
mod tests;
mod tree;

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use self::program::{Instruction, Program};
use self::tree::Tree;
use crate::limits;

/// Whose regular expressions they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    EcmaScript,
    Java,
}

/// Why a pattern is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Purpose {
    /// To know whether it is one, and its size: its sets need not have all their letters.
    Check,
    #[default]
    Compile,
}

/// What a pattern is not, in the words of its dialect.
type Refusal = &'static str;
const TOO_LARGE: Refusal = "Regular expression too large";

/// A regular expression that can be compiled. Can be shared by threads.
#[derive(Debug, Clone)]
pub(crate) struct Regex {
    pattern: Box<str>,
    flags: Box<str>,
    dialect: Dialect,
    /// Instructions of the program.
    size: usize,
    /// The program, where it is small enough to stay.
    kept: OnceLock<Arc<Program>>,
}

/// Where a text matches. Positions are in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Match<'t> {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) text: &'t str,
    /// By number, without the match itself. `None` for a group that took no part.
    pub(crate) groups: Vec<Option<Range<usize>>>,
}

/// What a search may do yet, in instructions.
#[derive(Debug)]
pub(crate) struct Effort {
    given: u64,
    left: u64,
}

/// A search would take more than its effort.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Exhausted;

impl Effort {
    pub(crate) const fn new(instructions: u64) -> Self {
        Self { given: instructions, left: instructions }
    }

    fn take(&mut self, instructions: usize) -> Result<(), Exhausted> {
        match self.left.checked_sub(instructions as u64) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(Exhausted),
        }
    }

    /// What has been used, in steps of an evaluation.
    pub(crate) fn steps(&self) -> usize {
        usize::try_from((self.given - self.left) / limits::REGEX_INSTRUCTIONS_PER_STEP).unwrap_or(usize::MAX)
    }
}

impl Regex {
    /// A pattern of JavaScript with the flags `i` and `m`. The error is the reason in V8's words.
    pub(crate) fn ecmascript(pattern: &str, flags: &str) -> Result<Self, Refusal> {
        Self::new(pattern, flags, Dialect::EcmaScript)
    }

    /// A pattern of Java with the flags `d i x m s u U`, to be matched against
    /// whole texts. The error is what `Pattern` would complain about, or what of
    /// Java's this engine has not.
    pub(crate) fn java(pattern: &str, flags: &str) -> Result<Self, Refusal> {
        Self::new(pattern, flags, Dialect::Java)
    }

    fn new(pattern: &str, flags: &str, dialect: Dialect) -> Result<Self, Refusal> {
        let size = read(pattern, flags, dialect, Purpose::Check)?.size();
        if size > limits::REGEX_INSTRUCTIONS_MAX {
            return Err(TOO_LARGE);
        }
        let kept = OnceLock::new();
        Ok(Self { pattern: pattern.into(), flags: flags.into(), dialect, size, kept })
    }

    /// What it costs to make a [`Finder`], in steps of an evaluation.
    pub(crate) fn compilation_steps(&self) -> usize {
        if self.is_kept() { 0 } else { self.size / 2 }
    }

    fn is_kept(&self) -> bool {
        self.size <= limits::REGEX_KEPT_INSTRUCTIONS_MAX + 4 * self.pattern.len()
    }

    /// Ready to search.
    pub(crate) fn finder(&self) -> Finder {
        let program = if self.is_kept() {
            Arc::clone(self.kept.get_or_init(|| self.compiled()))
        } else {
            self.compiled()
        };
        Finder { scratch: lockstep::Scratch::new(&program), program }
    }

    fn compiled(&self) -> Arc<Program> {
        // What could be read once can be read again.
        let tree = read(&self.pattern, &self.flags, self.dialect, Purpose::Compile);
        let tree = tree.unwrap_or_else(|_| Tree::nothing());
        Arc::new(Program::new(&tree, self.dialect))
    }

    /// What was written, without its flags.
    pub(crate) fn pattern(&self) -> &str {
        &self.pattern
    }
}

fn read(pattern: &str, flags: &str, dialect: Dialect, purpose: Purpose) -> Result<Tree, Refusal> {
    match dialect {
        Dialect::EcmaScript => ecmascript::read(pattern, flags, purpose),
        Dialect::Java => java::read(pattern, flags, purpose),
    }
}

/// Searches texts for one regular expression, one after the other.
#[derive(Debug)]
pub(crate) struct Finder {
    program: Arc<Program>,
    scratch: lockstep::Scratch,
}

impl Finder {
    /// The first match from a byte on. What is before it is seen by `^`, `\b` and lookbehind.
    pub(crate) fn find_at<'t>(
        &mut self,
        text: &'t str,
        from: usize,
        effort: &mut Effort,
    ) -> Result<Option<Match<'t>>, Exhausted> {
        if u32::try_from(text.len()).is_err() {
            return Err(Exhausted);
        }
        let slots = if self.program.backtracks {
            backtrack::find(&self.program, text, from, effort)?
        } else {
            lockstep::find(&self.program, text, from, &mut self.scratch, effort)?
        };
        let Some(slots) = slots else { return Ok(None) };
        let mut pairs = slots.chunks_exact(2).take(self.program.groups + 1).map(|pair| match pair {
            [start, end] => Some(*start as usize..*end as usize),
            _ => None,
        });
        let Some(whole) = pairs.next().flatten() else { return Ok(None) };
        // The range of a group that took no part lies outside of every text.
        let groups = pairs.map(|range| range.filter(|range| text.get(range.clone()).is_some())).collect();
        let matched = text.get(whole.clone()).unwrap_or_default();
        Ok(Some(Match { start: whole.start, end: whole.end, text: matched, groups }))
    }

    /// What it takes in memory from one search to the next, in bytes at most.
    pub(crate) fn bytes(&self) -> usize {
        let instructions = self.program.instructions.len();
        let ways = if self.program.backtracks { 0 } else { instructions * (self.program.slots + 2) };
        instructions * size_of::<Instruction>() + 2 * ways * size_of::<u32>()
    }

    /// Whether the pattern is one of those that can take exponential time.
    pub(crate) fn backtracks(&self) -> bool {
        self.program.backtracks
    }

    /// Whether there is a match at all.
    pub(crate) fn is_match(&mut self, text: &str, effort: &mut Effort) -> Result<bool, Exhausted> {
        Ok(self.find_at(text, 0, effort)?.is_some())
    }
}
