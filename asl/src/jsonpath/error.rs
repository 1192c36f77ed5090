//! How paths fail.

/// Why a text is not a path or an intrinsic function.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct PathSyntaxError {
    /// What is wrong; for paths in Jayway's words.
    pub message: String,
    /// Where in the text, in bytes.
    pub offset: usize,
}

/// What kind of failure a path ended in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathErrorKind {
    /// A definite path found nothing at its end.
    NoResults,
    /// A property on the way was missing.
    MissingProperty,
    /// A step of the path does not fit the type of what it was applied to.
    WrongType,
    /// A filter or function of the path cannot be evaluated on this document.
    Invalid,
    /// The variable the path starts at has no value.
    UnknownVariable,
    /// The path needed more steps or produced more data than it may.
    Exceeded,
    /// A value cannot be put where a `ResultPath` says.
    Conflict,
}

/// A path failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct PathError {
    /// How it failed.
    pub kind: PathErrorKind,
    /// The cause: Jayway's words from [`Path::find`](super::Path::find), AWS's
    /// from the others.
    pub message: String,
}

impl PathError {
    /// The name of the error a state fails with.
    pub const fn error_name(&self) -> &'static str {
        match self.kind {
            // Reported from the real service; the documentation calls it
            // `States.ResultPathMatchFailure`.
            PathErrorKind::Conflict => "States.ReferencePathConflict",
            _ => super::RUNTIME_ERROR,
        }
    }
}

/// An intrinsic function failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{cause}")]
pub struct IntrinsicError {
    /// `States.IntrinsicFailure`, `States.Runtime` where an argument was not found, or
    /// `States.DataLimitExceeded` where the fields of the state make more than they may.
    pub error: &'static str,
    /// The cause, without the prefix that names the state.
    pub cause: String,
}

/// A failure inside the evaluator.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) kind: Kind,
    pub(super) message: String,
}

/// The failures the dialect tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    NoResults,
    MissingProperty,
    WrongType,
    /// Jayway's `InvalidPathException`: a filter that raises it does not let the item pass.
    Invalid,
    /// Everything else that makes the whole evaluation fail.
    Other,
    Exceeded,
}

impl Kind {
    /// Jayway's `PathNotFoundException`.
    pub(super) const fn is_not_found(self) -> bool {
        matches!(self, Self::NoResults | Self::MissingProperty | Self::WrongType)
    }

    /// Jayway's `InvalidPathException`, which a path that finds nothing is, too.
    pub(super) const fn is_invalid_path(self) -> bool {
        self.is_not_found() || matches!(self, Self::Invalid)
    }
}

impl Failure {
    pub(super) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(Kind::Invalid, message)
    }
}

impl From<Failure> for PathError {
    fn from(failure: Failure) -> Self {
        let kind = match failure.kind {
            Kind::NoResults => PathErrorKind::NoResults,
            Kind::MissingProperty => PathErrorKind::MissingProperty,
            Kind::WrongType => PathErrorKind::WrongType,
            Kind::Invalid | Kind::Other => PathErrorKind::Invalid,
            Kind::Exceeded => PathErrorKind::Exceeded,
        };
        Self { kind, message: failure.message }
    }
}
