//! Mistakes in a spec, with their place in the file.

use std::fmt;
use std::ops::Range;

use super::suggest;

/// Why a spec cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecError {
    file: String,
    problems: Vec<SpecProblem>,
}

/// One mistake in a spec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecProblem {
    /// Line, counted from 1.
    pub line: u32,
    /// Column in characters, counted from 1.
    pub column: u32,
    /// The bytes of the file it is about.
    pub span: Range<usize>,
    /// The field, such as `measures[2].column`; empty for the whole file.
    pub field: String,
    /// What is wrong and what to do.
    pub message: String,
    /// What is allowed instead, where that is a list.
    pub allowed: Vec<String>,
    /// What was probably meant.
    pub suggestion: Option<String>,
}

/// A mistake before its line and column are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) span: Range<usize>,
    pub(super) field: String,
    pub(super) message: String,
    pub(super) allowed: Vec<String>,
    pub(super) suggestion: Option<String>,
}

impl SpecError {
    pub(super) fn new(file: &str, text: &str, problems: Vec<Problem>) -> Self {
        let mut problems: Vec<SpecProblem> = problems
            .into_iter()
            .map(|problem| {
                let (line, column) = place(text, problem.span.start);
                SpecProblem {
                    line,
                    column,
                    span: problem.span,
                    field: problem.field,
                    message: problem.message,
                    allowed: problem.allowed,
                    suggestion: problem.suggestion,
                }
            })
            .collect();
        problems.sort_by_key(|problem| problem.span.start);
        Self { file: file.to_owned(), problems }
    }

    /// A spec of which nothing could be read.
    pub(super) fn unreadable(file: &str, message: &str) -> Self {
        let problem = Problem {
            span: 0..0,
            field: String::new(),
            message: message.to_owned(),
            allowed: vec![],
            suggestion: None,
        };
        Self::new(file, "", vec![problem])
    }

    /// The file's name.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The mistakes in the order of the file; never empty.
    pub fn problems(&self) -> &[SpecProblem] {
        &self.problems
    }
}

/// Line and column of a byte, counted from 1.
fn place(text: &str, offset: usize) -> (u32, u32) {
    let mut end = offset.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let before = text.get(..end).unwrap_or_default();
    let start_of_line = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.matches('\n').count() + 1;
    let column = before.get(start_of_line..).unwrap_or_default().chars().count() + 1;
    (u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX))
}

impl fmt::Display for SpecProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.message)?;
        if let Some(suggestion) = &self.suggestion {
            write!(f, "; did you mean `{suggestion}`?")?;
        }
        if !self.allowed.is_empty() {
            let allowed: Vec<&str> = self.allowed.iter().map(String::as_str).collect();
            write!(f, " (allowed: {})", suggest::list(&allowed))?;
        }
        Ok(())
    }
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{}:{}:{}: {problem}", self.file, problem.line, problem.column)?;
        }
        Ok(())
    }
}

impl std::error::Error for SpecError {}
