//! What is configured of a state machine beside its definition: kept and
//! answered as it was given, and read by whoever logs or traces.

use serde::{Deserialize, Serialize};

/// `STANDARD` or `EXPRESS`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StateMachineType {
    /// Durable, with a history, for up to a year.
    #[default]
    Standard,
    /// In memory, with logs only, for up to five minutes.
    Express,
}

impl StateMachineType {
    /// AWS's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "STANDARD",
            Self::Express => "EXPRESS",
        }
    }

    /// Reads AWS's word.
    pub fn of(text: &str) -> Option<Self> {
        [Self::Standard, Self::Express].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// Which events of an execution are logged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum LogLevel {
    /// Every event.
    All,
    /// Events that tell of a failure.
    Error,
    /// Events that end an execution badly.
    Fatal,
    /// None.
    #[default]
    Off,
}

impl LogLevel {
    /// AWS's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::All => "ALL",
            Self::Error => "ERROR",
            Self::Fatal => "FATAL",
            Self::Off => "OFF",
        }
    }

    /// Reads AWS's word.
    pub fn of(text: &str) -> Option<Self> {
        [Self::All, Self::Error, Self::Fatal, Self::Off].into_iter().find(|level| level.as_str() == text)
    }
}

/// `loggingConfiguration`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Logging {
    /// Which events are logged.
    pub level: LogLevel,
    /// Whether inputs and outputs are logged, too.
    pub include_execution_data: bool,
    /// ARNs of CloudWatch log groups; `None` when no list was given, which is not the same
    /// as an empty one: AWS answers what it was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destinations: Option<Vec<String>>,
}

impl Logging {
    /// Where to log, if anything is to be logged.
    pub fn destination(&self) -> Option<&str> {
        if self.level == LogLevel::Off {
            return None;
        }
        self.destinations.iter().flatten().next().map(String::as_str)
    }
}

/// `encryptionConfiguration`. This engine keeps it and encrypts nothing: the
/// data directory is readable for its owner only.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Encryption {
    /// The key of type `CUSTOMER_MANAGED_KMS_KEY`; `None` = `AWS_OWNED_KEY`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kms_key_id: Option<String>,
    /// How long a data key is used, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reuse_seconds: Option<u32>,
}

/// Everything of a revision that is neither its definition nor its role.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Configuration {
    /// `loggingConfiguration`.
    pub logging: Logging,
    /// `tracingConfiguration.enabled`.
    pub tracing: bool,
    /// `encryptionConfiguration`.
    pub encryption: Encryption,
}
