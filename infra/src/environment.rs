//! Where and how an application is deployed: the settings that are not part of it.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// Settings of a deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    /// The `CloudFormation` stack's name; the application's name when none is given.
    pub stack: Option<String>,
    /// The qualifier the account was bootstrapped with (`cdk bootstrap --qualifier`).
    pub qualifier: String,
    /// The functions' architecture; that of the supplied binaries when none is given.
    pub architecture: Option<Architecture>,
    /// How long log events are kept.
    pub log_retention: LogRetention,
    /// Tags put on everything that takes tags, beside `stepwright:app`.
    pub tags: BTreeMap<String, String>,
}

/// CDK's own default qualifier.
pub const DEFAULT_QUALIFIER: &str = "hnb659fds";

impl Default for Environment {
    fn default() -> Self {
        Self {
            stack: None,
            qualifier: DEFAULT_QUALIFIER.to_owned(),
            architecture: None,
            log_retention: LogRetention::DEFAULT,
            tags: BTreeMap::new(),
        }
    }
}

/// A setting that AWS would not accept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    /// Not an architecture of Lambda.
    #[error("`{0}` is not an architecture of AWS Lambda: `arm64` or `x86_64`")]
    Architecture(String),
    /// Not a stack name.
    #[error("`{0}` is not a stack name: a letter, then up to 127 letters, digits and `-`")]
    Stack(String),
    /// Not a bootstrap qualifier.
    #[error("`{0}` is not a bootstrap qualifier: 1 to 10 lower case letters and digits")]
    Qualifier(String),
    /// Not a retention `CloudWatch` Logs offers.
    #[error("{0} days is not a retention of CloudWatch Logs: one of {days:?}", days = LogRetention::DAYS)]
    LogRetention(u32),
    /// Not a tag.
    #[error(
        "`{0}` is not a tag key: 1 to 128 characters, not starting with `aws:` or `stepwright:`; \
         values have up to 256"
    )]
    Tag(String),
}

impl Environment {
    /// Checks what is free text: names and tags.
    ///
    /// # Errors
    /// The first [`SettingError`].
    pub fn check(&self) -> Result<(), SettingError> {
        if let Some(stack) = self.stack.as_ref().filter(|stack| !is_stack_name(stack)) {
            return Err(SettingError::Stack(stack.clone()));
        }
        let lower_or_digit = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        if self.qualifier.is_empty()
            || self.qualifier.len() > 10
            || !self.qualifier.chars().all(lower_or_digit)
        {
            return Err(SettingError::Qualifier(self.qualifier.clone()));
        }
        let reserved = |key: &str| key.starts_with("aws:") || key.starts_with("stepwright:");
        let length = |text: &str| text.chars().count();
        match self
            .tags
            .iter()
            .find(|(key, value)| key.is_empty() || length(key) > 128 || length(value) > 256 || reserved(key))
        {
            Some((key, _)) => Err(SettingError::Tag(key.clone())),
            None => Ok(()),
        }
    }
}

fn is_stack_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.len() <= 128
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}

/// Instruction sets Lambda runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Architecture {
    /// AWS Graviton.
    Arm64,
    /// Intel and AMD.
    X86_64,
}

impl Architecture {
    /// Lambda's word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Arm64 => "arm64",
            Self::X86_64 => "x86_64",
        }
    }

    /// What an ELF executable was built for; `None` when the bytes are not one
    /// or it is for another machine.
    pub fn of_binary(bytes: &[u8]) -> Option<Self> {
        // ELF header: magic at 0, byte order at 5 (1 = little endian), e_machine at 18.
        if bytes.get(..4)? != b"\x7fELF" || *bytes.get(5)? != 1 {
            return None;
        }
        match u16::from_le_bytes([*bytes.get(18)?, *bytes.get(19)?]) {
            0x3e => Some(Self::X86_64),
            0xb7 => Some(Self::Arm64),
            _ => None,
        }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Architecture {
    type Err = SettingError;

    fn from_str(text: &str) -> Result<Self, SettingError> {
        match text {
            "arm64" => Ok(Self::Arm64),
            "x86_64" => Ok(Self::X86_64),
            other => Err(SettingError::Architecture(other.to_owned())),
        }
    }
}

/// A number of days `CloudWatch` Logs can be told to keep events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogRetention(u32);

impl LogRetention {
    /// Long enough to look into what can still be redriven (14 days), twice over.
    pub const DEFAULT: Self = Self(30);

    /// The values of `RetentionInDays` (`CloudFormation`, `AWS::Logs::LogGroup`).
    pub const DAYS: [u32; 22] = [
        1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288,
        3653,
    ];

    /// A retention of so many days.
    ///
    /// # Errors
    /// [`SettingError::LogRetention`] when the service does not offer it.
    pub fn days(days: u32) -> Result<Self, SettingError> {
        if Self::DAYS.contains(&days) { Ok(Self(days)) } else { Err(SettingError::LogRetention(days)) }
    }

    /// The number of days.
    pub const fn in_days(self) -> u32 {
        self.0
    }
}
