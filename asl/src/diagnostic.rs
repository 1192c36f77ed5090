//! Diagnostics: what is wrong with a definition, where, and how bad it is.
//!
//! Owns the stable codes and the form in which findings leave the crate. The
//! rules that produce them live in [`crate::document`].

use std::fmt;
use std::ops::Range;

use serde::Serialize;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Severity {
    /// The definition is refused.
    Error,
    /// The definition is accepted, but will probably not do what its author wants.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Error => "ERROR",
            Self::Warning => "WARNING",
        })
    }
}

macro_rules! codes {
    ($($(#[$meta:meta])* $variant:ident = $text:literal $($ours:ident)?,)+) => {
        /// The stable code of a finding. Codes marked "AWS" are the ones
        /// `ValidateStateMachineDefinition` answers; the others are ours.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[non_exhaustive]
        pub enum Code {
            $($(#[$meta])* #[serde(rename = $text)] $variant,)+
        }

        impl Code {
            /// Every code, in the order of the enum.
            pub const ALL: &'static [Code] = &[$(Code::$variant,)+];

            /// The code as text, e.g. `SCHEMA_VALIDATION_FAILED`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Code::$variant => $text,)+ }
            }

            /// Whether the finding is ours alone: AWS accepts the definition without a word.
            pub const fn is_ours(self) -> bool {
                match self { $(Code::$variant => codes!(@ours $($ours)?),)+ }
            }
        }
    };
    (@ours ours) => { true };
    (@ours) => { false };
}

codes! {
    /// AWS: the text is not JSON, holds a key twice, is too deep or too large.
    InvalidJsonDescription = "INVALID_JSON_DESCRIPTION",
    /// AWS: the text is empty.
    MissingDescription = "MISSING_DESCRIPTION",
    /// AWS: a field is missing, unknown, of the wrong type or out of range.
    SchemaValidationFailed = "SCHEMA_VALIDATION_FAILED",
    /// AWS: `Resource` is not something a Task state can call.
    InvalidResource = "INVALID_RESOURCE",
    /// AWS: a state transitions to a state that does not exist, or no state transitions to it.
    MissingTransitionTarget = "MISSING_TRANSITION_TARGET",
    /// AWS: no state ends the machine.
    MissingEndState = "MISSING_END_STATE",
    /// AWS: two states share a name, anywhere in the machine.
    DuplicateStateName = "DUPLICATE_STATE_NAME",
    /// AWS: a state name is empty or longer than 80 characters.
    InvalidStateName = "INVALID_STATE_NAME",
    /// AWS: Parallel and Map states are nested too deeply.
    TooDeeplyNested = "TOO_DEEPLY_NESTED",
    /// AWS: an expression does not parse.
    InvalidJsonataExpression = "INVALID_JSONATA_EXPRESSION",
    /// AWS: an expression reads something that does not exist where it stands.
    UnsupportedJsonataExpression = "UNSUPPORTED_JSONATA_EXPRESSION",
    /// AWS: the label of a distributed Map is empty, too long, or has a character it must not have.
    InvalidLabelName = "INVALID_LABEL_NAME",
    /// AWS: two distributed Maps have the same label.
    DuplicateLabelName = "DUPLICATE_LABEL_NAME",
    /// AWS, a warning: a value looks like a path, but its key does not end in `.$`.
    NoDollar = "NO_DOLLAR",
    /// AWS, a warning: a value looks like a path, but the field's name does not end in `Path`.
    NoPath = "NO_PATH",
    /// AWS, a warning: a path in the `Result` of a Pass, which is not evaluated.
    PassResultIsStatic = "PASS_RESULT_IS_STATIC",
    /// Ours: a variable that no earlier state can have assigned. AWS accepts the definition and fails the state.
    UndefinedVariable = "UNDEFINED_VARIABLE" ours,
    /// Ours: an inner state assigns a variable of an outer scope. AWS refuses it; its code is not recorded.
    ShadowedVariable = "SHADOWED_VARIABLE",
    /// Ours: a call of a function that does not exist. AWS accepts the definition and fails the state.
    UnknownFunction = "UNKNOWN_FUNCTION" ours,
    /// Ours: a callback task that never hands its token to anybody, so nobody can complete it.
    MissingTaskToken = "MISSING_TASK_TOKEN" ours,
    /// Ours: `{%` and `%}` that do not enclose the whole text, which is then not evaluated.
    JsonataDelimiters = "JSONATA_DELIMITERS" ours,
    /// Ours: a text or key written as the other query language has it, which is passed on as it is.
    NotEvaluated = "NOT_EVALUATED" ours,
    /// Ours: `$states` or the context object has no field of this name here, so reading it gives nothing.
    UnknownStatesField = "UNKNOWN_STATES_FIELD" ours,
    /// Ours: a path whose bracket is never closed. The service drops what follows it.
    UnclosedBracket = "UNCLOSED_BRACKET" ours,
    /// Ours: an intrinsic function with more or fewer arguments than it takes. The state fails.
    ArgumentCount = "ARGUMENT_COUNT" ours,
    /// Ours: the name of an error that nothing raises.
    UnknownErrorName = "UNKNOWN_ERROR_NAME" ours,
    /// Ours: a retrier or catcher that never takes the error it names.
    UnreachableHandler = "UNREACHABLE_HANDLER" ours,
    /// Ours: the service or action of an integration is not in AWS's models.
    UnknownAction = "UNKNOWN_ACTION" ours,
    /// Ours: the called action has no parameter of this name.
    UnknownParameter = "UNKNOWN_PARAMETER" ours,
    /// Ours: the called action requires a parameter that is not given.
    MissingParameter = "MISSING_PARAMETER" ours,
}

impl fmt::Display for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// The stable code.
    pub code: Code,
    /// What is wrong, in AWS's words where they are known.
    pub message: String,
    /// Where, in AWS's notation: a path of keys, with array positions in
    /// brackets (`/States/X/Choices[0]/Next`). `/` is the document; empty when
    /// the finding belongs to the machine as a whole (AWS sends no location then).
    pub location: String,
    /// The bytes of the text it is about.
    pub span: Range<usize>,
    /// The part of `span` that is meant, where it is known: the name in an expression, say.
    #[serde(skip)]
    pub highlight: Option<Range<usize>>,
    /// Whether it is probably a consequence of another finding, and gone when that is mended.
    #[serde(skip)]
    pub follows: bool,
    /// What to do next, for people: AWS's answers have nothing like it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

impl Diagnostic {
    /// A finding of its own about all of a value, without advice.
    pub fn new(
        severity: Severity,
        code: Code,
        message: impl Into<String>,
        location: impl Into<String>,
        span: Range<usize>,
    ) -> Self {
        let (message, location) = (message.into(), location.into());
        Self { severity, code, message, location, span, highlight: None, follows: false, advice: None }
    }

    /// The bytes to underline.
    pub fn place(&self) -> &Range<usize> {
        self.highlight.as_ref().unwrap_or(&self.span)
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.code, self.message)?;
        if self.location.is_empty() { Ok(()) } else { write!(formatter, " at {}", self.location) }
    }
}

/// All findings about one definition, errors and warnings, in the order of the text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Diagnostics {
    items: Vec<Diagnostic>,
}

impl Diagnostics {
    /// Adds a finding.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.items.push(diagnostic);
    }

    /// The finding that was added last.
    pub(crate) fn last_mut(&mut self) -> Option<&mut Diagnostic> {
        self.items.last_mut()
    }

    /// Whether the definition is refused.
    pub fn has_errors(&self) -> bool {
        self.items.iter().any(|item| item.severity == Severity::Error)
    }

    /// The findings that refuse the definition.
    pub fn errors(&self) -> impl Iterator<Item = &Diagnostic> {
        self.items.iter().filter(|item| item.severity == Severity::Error)
    }

    /// The findings that do not refuse the definition.
    pub fn warnings(&self) -> impl Iterator<Item = &Diagnostic> {
        self.items.iter().filter(|item| item.severity == Severity::Warning)
    }

    /// All findings.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.items.iter()
    }

    /// The findings that are no consequences of others: those to mend.
    pub fn causes(&self) -> impl Iterator<Item = &Diagnostic> {
        self.items.iter().filter(|item| !item.follows)
    }

    /// How many findings there are.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The message of `InvalidDefinition`, with which `CreateStateMachine`,
    /// `UpdateStateMachine` and `TestState` refuse this definition. Empty if
    /// there are no errors.
    pub fn refusal(&self, definition: &str) -> String {
        let labels = [Code::InvalidLabelName, Code::DuplicateLabelName];
        if let Some(item) = self.errors().find(|item| labels.contains(&item.code)) {
            // Recorded: faults of a label are refused elsewhere in the service,
            // which answers in a form of its own.
            let argument = python_text(&item.message);
            return format!("Error=ValueError Args=[{argument}] in definition '{definition}'.");
        }
        let findings: Vec<String> = self
            .errors()
            .map(|item| {
                let location = if item.location.is_empty() { "null" } else { &item.location };
                format!("{}: {} at {location}", item.code, item.message)
            })
            .collect();
        if findings.is_empty() {
            return String::new();
        }
        format!("Invalid State Machine Definition: '{}'", findings.join(", "))
    }

    /// Puts the findings into the order of the text (stable for equal places).
    pub fn sort(&mut self) {
        self.items.sort_by_key(|item| item.span.start);
    }
}

impl<'a> IntoIterator for &'a Diagnostics {
    type Item = &'a Diagnostic;
    type IntoIter = std::slice::Iter<'a, Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.iter()
    }
}

impl IntoIterator for Diagnostics {
    type Item = Diagnostic;
    type IntoIter = std::vec::IntoIter<Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.into_iter()
    }
}

/// AWS's form of the message of `InvalidDefinition`, without its first words:
/// the findings, separated by commas.
impl fmt::Display for Diagnostics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, item) in self.items.iter().enumerate() {
            if index > 0 {
                formatter.write_str(", ")?;
            }
            write!(formatter, "{item}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}

/// A text as a Python list shows it: between single quotes unless it holds
/// some and no double ones, backslashes doubled.
fn python_text(text: &str) -> String {
    let text = text.replace('\\', "\\\\");
    if text.contains('\'') && !text.contains('"') {
        format!("\"{text}\"")
    } else {
        format!("'{}'", text.replace('\'', "\\'"))
    }
}
