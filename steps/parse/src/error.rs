//! What can be wrong with source files, by the names a workflow can catch.

use std::fmt;
use std::io;

use stepwright::StepError;
use stepwright::objects::ObjectError;
use zip::result::ZipError;

use crate::container::zip_error;

/// Why the files could not be parsed. None of these goes away by trying again.
#[derive(Debug, Clone, PartialEq, Eq, StepError)]
#[error_name = "Parse"]
pub enum ParseError {
    /// The feed's spec has mistakes.
    #[message("{detail}")]
    Spec {
        /// Each mistake with file, line and column.
        detail: String,
    },
    /// The file ends before it is complete.
    #[message("{detail}")]
    Truncated {
        /// What happened and what to do.
        detail: String,
    },
    /// The file contradicts its own checksums or structure.
    #[message("{detail}")]
    Damaged {
        /// What happened and what to do.
        detail: String,
    },
    /// The file has no header.
    #[message("{detail}")]
    Empty {
        /// What happened and what to do.
        detail: String,
    },
    /// The file inflates to more than is read, or a record has no end.
    #[message("{detail}")]
    TooLarge {
        /// What happened and what to do.
        detail: String,
    },
    /// The file is something this step does not read.
    #[message("{detail}")]
    Unsupported {
        /// What happened and what to do.
        detail: String,
    },
    /// A byte does not belong to the encoding.
    #[message("{detail}")]
    Encoding {
        /// What happened and what to do.
        detail: String,
    },
    /// The fields are separated by another character than the spec says.
    #[message("{detail}")]
    WrongDelimiter {
        /// What happened and what to do.
        detail: String,
    },
    /// The file lacks a column, or has it twice.
    #[message("{detail}")]
    MissingColumn {
        /// What happened and what to do.
        detail: String,
    },
    /// The workbook lacks the sheet.
    #[message("{detail}")]
    MissingSheet {
        /// What happened and what to do.
        detail: String,
    },
    /// A row was rejected, and the feed's policy is to stop at the first.
    #[message("{detail}")]
    TooManyRejects {
        /// What happened and what to do.
        detail: String,
    },
    /// The objects cannot be read or written.
    #[message("{detail}")]
    StorageFailed {
        /// What happened and what to do.
        detail: String,
    },
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
impl ParseError {
    pub(crate) fn storage(error: ObjectError) -> Self {
        Self::StorageFailed { detail: error.to_string() }
    }

    pub(crate) fn write(error: io::Error) -> Self {
        Self::StorageFailed {
            detail: format!("the parsed rows cannot be written: {error}; try again when there is space"),
        }
    }
}

/// A source file, as messages and rejects call it.
#[derive(Debug, Clone)]
pub(crate) struct SourceFile {
    name: String,
    sheet: String,
}

impl SourceFile {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), sheet: String::new() }
    }

    /// A file inside this one: an entry of an archive.
    pub(crate) fn inner(&self, name: &str) -> Self {
        Self { name: format!("{}/{name}", self.name), sheet: String::new() }
    }

    /// A sheet of this workbook.
    pub(crate) fn with_sheet(&self, name: &str) -> Self {
        Self { name: format!("{}/{name}", self.name), sheet: name.to_owned() }
    }

    /// The sheet's name; empty when it is not a sheet.
    pub(crate) fn sheet(&self) -> &str {
        &self.sheet
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// What a failed read of this file means. The readers here pass their own
    /// errors through [`io::Error`]; what comes from elsewhere is known by its kind.
    pub(crate) fn unreadable(&self, error: io::Error) -> ParseError {
        let kind = error.kind();
        let fault = match error.into_inner().map(<dyn std::error::Error + Send + Sync>::downcast::<Fault>) {
            Some(Ok(fault)) => *fault,
            Some(Err(other)) => match other.downcast::<ZipError>() {
                Ok(error) => return zip_error(self, *error),
                Err(other) => Fault::other(kind, other.to_string()),
            },
            None => Fault::other(kind, kind.to_string()),
        };
        match fault {
            Fault::Encoding(detail) => ParseError::Encoding { detail: format!("{self}: {detail}") },
            Fault::TooLarge(detail) => ParseError::TooLarge { detail: format!("{self}: {detail}") },
            Fault::Truncated(detail) => self.truncated(&detail),
            Fault::Damaged(detail) => self.damaged(&detail),
            Fault::Io(detail) => {
                ParseError::StorageFailed { detail: format!("{self}: cannot be read: {detail}") }
            }
        }
    }

    pub(crate) fn truncated(&self, problem: &str) -> ParseError {
        ParseError::Truncated {
            detail: format!("{self}: the file is cut off ({problem}); have it sent again, complete"),
        }
    }

    pub(crate) fn damaged(&self, problem: &str) -> ParseError {
        ParseError::Damaged { detail: format!("{self}: the file is damaged ({problem}); have it sent again") }
    }

    pub(crate) fn unsupported(&self, problem: &str) -> ParseError {
        ParseError::Unsupported { detail: format!("{self}: {problem}") }
    }
}

impl fmt::Display for SourceFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// An error of the readers of this crate on its way through [`io::Read`].
#[derive(Debug)]
pub(crate) enum Fault {
    Encoding(String),
    TooLarge(String),
    Truncated(String),
    Damaged(String),
    Io(String),
}

impl Fault {
    fn other(kind: io::ErrorKind, message: String) -> Self {
        match kind {
            io::ErrorKind::UnexpectedEof => Self::Truncated(message),
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => Self::Damaged(message),
            _ => Self::Io(message),
        }
    }

    pub(crate) fn into_io(self) -> io::Error {
        io::Error::other(self)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Encoding(detail)
        | Self::TooLarge(detail)
        | Self::Truncated(detail)
        | Self::Damaged(detail)
        | Self::Io(detail)) = self;
        f.write_str(detail)
    }
}

impl std::error::Error for Fault {}
