//! The facts of AWS's service model about what operations take: which members
//! there are, which are required, and their bounds. A test holds them against
//! the model itself.

use super::operations::{self, Operation};

/// A member of a structure.
#[derive(Debug, Clone, Copy)]
pub(super) struct Member {
    pub(super) name: &'static str,
    pub(super) shape: &'static Shape,
    pub(super) required: bool,
}

/// What a value may be.
#[derive(Debug)]
pub(super) enum Shape {
    Text(Text),
    Number(Number),
    Flag,
    Structure(&'static [Member]),
    List { member: &'static Shape, min: usize, max: usize },
}

/// A text: its length in characters, and what it is made of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text {
    pub(super) min: usize,
    pub(super) max: usize,
    pub(super) pattern: Option<Pattern>,
    /// The values of an enumeration; empty = any text.
    pub(super) values: &'static [&'static str],
    /// Never repeated in a message.
    pub(super) sensitive: bool,
}

/// A number; only `fraction` takes one with a fraction.
#[derive(Debug, Clone, Copy)]
pub(super) struct Number {
    pub(super) min: i64,
    pub(super) max: i64,
    pub(super) fraction: bool,
}

/// A regular expression of the model, and what it means.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pattern {
    pub(super) text: &'static str,
    pub(super) holds: fn(&str) -> bool,
}

/// The operation of a name.
pub(super) fn operation(name: &str) -> Option<&'static Operation> {
    operations::ALL.iter().find(|operation| operation.name == name)
}

pub(super) const fn required(name: &'static str, shape: &'static Shape) -> Member {
    Member { name, shape, required: true }
}

pub(super) const fn optional(name: &'static str, shape: &'static Shape) -> Member {
    Member { name, shape, required: false }
}

const ANY: Text = Text { min: 0, max: usize::MAX, pattern: None, values: &[], sensitive: false };

const fn text(min: usize, max: usize) -> Shape {
    Shape::Text(Text { min, max, ..ANY })
}

const fn sensitive(min: usize, max: usize) -> Shape {
    Shape::Text(Text { min, max, sensitive: true, ..ANY })
}

const fn one_of(values: &'static [&'static str]) -> Shape {
    Shape::Text(Text { values, ..ANY })
}

const fn number(min: i64, max: i64) -> Shape {
    Shape::Number(Number { min, max, fraction: false })
}

pub(super) static FLAG: Shape = Shape::Flag;
pub(super) static NAME: Shape = text(1, 80);
pub(super) static ARN: Shape = text(1, 256);
pub(super) static LONG_ARN: Shape = text(1, 2000);
pub(super) static DEFINITION: Shape = sensitive(1, asl::limits::DEFINITION_BYTES_MAX);
pub(super) static DATA: Shape = sensitive(0, asl::limits::PAYLOAD_BYTES_MAX);
pub(super) static ERROR: Shape = sensitive(0, asl::limits::ERROR_CHARS_MAX);
pub(super) static CAUSE: Shape = sensitive(0, asl::limits::CAUSE_CHARS_MAX);
pub(super) static DESCRIPTION: Shape = sensitive(0, 256);
pub(super) static TASK_TOKEN: Shape = sensitive(1, 2048);
pub(super) static PAGE_SIZE: Shape = number(0, 1000);
pub(super) static PAGE_TOKEN: Shape = text(1, 1024);
pub(super) static EXECUTIONS_PAGE_TOKEN: Shape = text(1, 3096);
pub(super) static REVISION_ID: Shape = text(0, usize::MAX);
pub(super) static TYPE: Shape = one_of(&["STANDARD", "EXPRESS"]);
pub(super) static INCLUDED_DATA: Shape = one_of(&["ALL_DATA", "METADATA_ONLY"]);
pub(super) static REDRIVE_FILTER: Shape = one_of(&["REDRIVEN", "NOT_REDRIVEN"]);
pub(super) static SEVERITY: Shape = one_of(&["ERROR", "WARNING"]);
pub(super) static MAX_DIAGNOSTICS: Shape = number(0, 100);
pub(super) static MAX_CONCURRENCY: Shape = number(0, i32::MAX as i64);
pub(super) static FAILURE_COUNT: Shape = number(0, i64::MAX);
pub(super) static FAILURE_PERCENTAGE: Shape = Shape::Number(Number { min: 0, max: 100, fraction: true });
pub(super) static EXECUTION_STATUS: Shape =
    one_of(&["RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED", "PENDING_REDRIVE"]);

pub(super) static ALIAS_NAME: Shape = Shape::Text(Text {
    min: 1,
    max: 80,
    pattern: Some(Pattern {
        text: r"^(?=.*[a-zA-Z_\-\.])[a-zA-Z0-9_\-\.]+$",
        holds: |text| {
            let is_mark = |character: char| "_-.".contains(character);
            text.chars().all(|character| character.is_ascii_alphanumeric() || is_mark(character))
                && text.chars().any(|character| character.is_ascii_alphabetic() || is_mark(character))
        },
    }),
    ..ANY
});

pub(super) static CLIENT_TOKEN: Shape = Shape::Text(Text {
    min: 1,
    max: 64,
    pattern: Some(Pattern {
        text: "[!-~]+",
        holds: |text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()),
    }),
    ..ANY
});

pub(super) static TRACE_HEADER: Shape = Shape::Text(Text {
    max: 256,
    pattern: Some(Pattern { text: r"\p{ASCII}*", holds: str::is_ascii }),
    ..ANY
});

static LOG_LEVEL: Shape = one_of(&["ALL", "ERROR", "FATAL", "OFF"]);
static LOG_GROUP: Shape = Shape::Structure(&[optional("logGroupArn", &ARN)]);
static LOG_DESTINATION: Shape = Shape::Structure(&[optional("cloudWatchLogsLogGroup", &LOG_GROUP)]);
static LOG_DESTINATIONS: Shape = Shape::List { member: &LOG_DESTINATION, min: 0, max: usize::MAX };
pub(super) static LOGGING: Shape = Shape::Structure(&[
    optional("level", &LOG_LEVEL),
    optional("includeExecutionData", &FLAG),
    optional("destinations", &LOG_DESTINATIONS),
]);

pub(super) static INSPECTION_LEVEL: Shape = one_of(&["INFO", "DEBUG", "TRACE"]);
pub(super) static STATE_NAME: Shape = Shape::Text(Text { min: 1, max: 80, sensitive: true, ..ANY });
static MOCK_ERROR: Shape = Shape::Structure(&[optional("error", &ERROR), optional("cause", &CAUSE)]);
static VALIDATION_MODE: Shape = one_of(&["STRICT", "PRESENT", "NONE"]);
pub(super) static MOCK: Shape = Shape::Structure(&[
    optional("result", &DATA),
    optional("errorOutput", &MOCK_ERROR),
    optional("fieldValidationMode", &VALIDATION_MODE),
]);
static TEST_COUNT: Shape = number(0, i32::MAX as i64);
pub(super) static STATE_CONFIGURATION: Shape = Shape::Structure(&[
    optional("retrierRetryCount", &TEST_COUNT),
    optional("errorCausedByState", &STATE_NAME),
    optional("mapIterationFailureCount", &TEST_COUNT),
    optional("mapItemReaderData", &DATA),
]);

pub(super) static TRACING: Shape = Shape::Structure(&[optional("enabled", &FLAG)]);

static KMS_KEY_ID: Shape = text(1, 2048);
static KMS_REUSE_SECONDS: Shape = number(60, 900);
static ENCRYPTION_TYPE: Shape = one_of(&["AWS_OWNED_KEY", "CUSTOMER_MANAGED_KMS_KEY"]);
pub(super) static ENCRYPTION: Shape = Shape::Structure(&[
    optional("kmsKeyId", &KMS_KEY_ID),
    optional("kmsDataKeyReusePeriodSeconds", &KMS_REUSE_SECONDS),
    required("type", &ENCRYPTION_TYPE),
]);

static TAG_KEY: Shape = text(1, 128);
static TAG_VALUE: Shape = text(0, 256);
static TAG: Shape = Shape::Structure(&[optional("key", &TAG_KEY), optional("value", &TAG_VALUE)]);
pub(super) static TAGS: Shape = Shape::List { member: &TAG, min: 0, max: usize::MAX };
pub(super) static TAG_KEYS: Shape = Shape::List { member: &TAG_KEY, min: 0, max: usize::MAX };

static WEIGHT: Shape = number(0, 100);
static ROUTE: Shape =
    Shape::Structure(&[required("stateMachineVersionArn", &ARN), required("weight", &WEIGHT)]);
pub(super) static ROUTES: Shape = Shape::List { member: &ROUTE, min: 1, max: 2 };
