//! An error the language itself raises: a code of JSONata and the message the
//! official implementation words for it.

/// What a function of the language raises. The message is complete: every
/// value it names is already in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Raised {
    /// `D3030`, `T0410`, …; empty where JavaScript itself raises the error, or a bound of ours.
    pub(super) code: &'static str,
    pub(super) message: String,
}

impl Raised {
    pub(super) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// The bound on memory, in AWS's words. *Recorded on AWS:* it has no code.
    pub(super) fn memory() -> Self {
        Self::new("", "Expression evaluation memory limit exceeded: Check for excessive memory usage")
    }

    /// The bound on time, for work inside of one function.
    pub(super) fn effort(what: &str) -> Self {
        Self::new("", format!("{what} takes too many steps: Simplify the expression"))
    }
}

/// A text as messages show it: in double quotes, escaped as in JSON.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
