//! `customer.toml`: which files a customer sends, and where the figures go.
//!
//! ```toml
//! [[references]]
//! name = "cells"                 # as the contracts' spec calls it
//! spec = "matrix.toml"           # beside this file
//! files = ["*matri*.xlsx"]       # names of files; `*` is any text, case does not matter
//! scope = ["year"]               # columns that have one value in a file: one revision in force for each
//!
//! [contracts]
//! spec = "commissions.toml"
//! files = ["contracts-*.csv"]
//! messages = "contracts-messages.toml"   # the spec of messages; the same columns after parsing
//!
//! [control]
//! measure = "payable"            # a person approves when its totals
//! jump_percent = 40              # differ more than this from the period before
//!
//! [delivery]
//! channels = ["coreview-database"]
//! ```

use feed::FeedSpec;
use feed::literal::Number;
use feed::spec::{Channel, Finding, read_document};
use rust_decimal::Decimal;
use serde::Deserialize;
use stepwright::Read;
use stepwright::objects::{ObjectError, ObjectRef};

/// Where [`crate::take_in()`] puts messages, as files.
pub(crate) const MESSAGES_FOLDER: &str = "messages";

/// Longest name of a reference: what a column's is.
const NAME_CHARS_MAX: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Customer {
    #[serde(default)]
    pub(crate) references: Vec<ReferenceFiles>,
    pub(crate) contracts: ContractFiles,
    pub(crate) control: Option<Jump>,
    #[serde(default)]
    pub(crate) delivery: Channels,
}

/// Reference data of one name.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReferenceFiles {
    pub(crate) name: String,
    pub(crate) spec: String,
    pub(crate) files: Vec<String>,
    #[serde(default)]
    pub(crate) scope: Vec<String>,
}

/// What is calculated.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ContractFiles {
    pub(crate) spec: String,
    pub(crate) files: Vec<String>,
    pub(crate) messages: Option<String>,
}

/// From when on a difference needs a person.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Jump {
    pub(crate) measure: String,
    pub(crate) jump_percent: Number,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Channels {
    pub(crate) channels: Vec<Channel>,
}

impl Default for Channels {
    fn default() -> Self {
        Self { channels: vec![Channel::default()] }
    }
}

/// Why there is no configuration.
#[derive(Debug)]
pub(crate) enum CustomerError {
    Storage(ObjectError),
    /// What is wrong, with file, line and column.
    Wrong(String),
}

impl From<ObjectError> for CustomerError {
    fn from(error: ObjectError) -> Self {
        Self::Storage(error)
    }
}

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entry<'c> {
    Reference(&'c ReferenceFiles),
    Contracts,
    Messages,
}

impl Entry<'_> {
    /// How messages call it.
    pub(crate) fn words(self) -> String {
        match self {
            Self::Reference(reference) => format!("reference `{}`", reference.name),
            Self::Contracts => "contracts".to_owned(),
            Self::Messages => "messages of contracts".to_owned(),
        }
    }
}

/// The last segment of an object's key: what people call it.
pub(crate) fn name_of(key: &str) -> &str {
    key.rsplit('/').next().unwrap_or(key)
}

/// Reads `customer.toml`.
pub(crate) fn read<B: stepwright::resource::Bucket, A>(
    drops: &stepwright::resource::BucketHandle<B, A>,
    configuration: &ObjectRef,
) -> Result<Customer, CustomerError> {
    read_document(name_of(&configuration.key), drops.get(configuration)?, check)
        .map_err(|error| CustomerError::Wrong(error.to_string()))
}

/// Reads a feed's spec.
pub(crate) fn read_spec(drops: &Read<feed::Drops>, spec: &ObjectRef) -> Result<FeedSpec, CustomerError> {
    FeedSpec::read(name_of(&spec.key), drops.get(spec)?)
        .map_err(|error| CustomerError::Wrong(error.to_string()))
}

/// The spec that lies beside `customer.toml` now.
pub(crate) fn find_spec(
    drops: &Read<feed::Drops>,
    configuration: &ObjectRef,
    spec: &str,
) -> Result<ObjectRef, CustomerError> {
    let key = match configuration.key.rsplit_once('/') {
        Some((folder, _)) => format!("{folder}/{spec}"),
        None => spec.to_owned(),
    };
    drops.find(&key, None)?.ok_or_else(|| {
        CustomerError::Wrong(format!(
            "{} names the spec `{spec}`, but there is no `{key}` in bucket `drops`; upload it there, or correct the name",
            name_of(&configuration.key)
        ))
    })
}

impl Customer {
    /// Everything a file's name fits.
    pub(crate) fn entries_of(&self, key: &str) -> Vec<Entry<'_>> {
        if key.split_once('/').is_some_and(|(folder, _)| folder == MESSAGES_FOLDER) {
            return vec![Entry::Messages];
        }
        let name = name_of(key);
        let fits_one = |patterns: &[String]| patterns.iter().any(|pattern| fits(pattern, name));
        let references = self.references.iter().filter(|reference| fits_one(&reference.files));
        let mut entries: Vec<Entry<'_>> = references.map(Entry::Reference).collect();
        if fits_one(&self.contracts.files) {
            entries.push(Entry::Contracts);
        }
        entries
    }

    pub(crate) fn reference(&self, name: &str) -> Option<&ReferenceFiles> {
        self.references.iter().find(|reference| reference.name == name)
    }
}

/// Whether a name fits a pattern in which `*` is any text.
fn fits(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.to_lowercase(), name.to_lowercase());
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// What types cannot say.
fn check(customer: &Customer) -> Vec<Finding> {
    let mut findings = vec![];
    for (index, reference) in customer.references.iter().enumerate() {
        let at = format!("references[{index}]");
        let fine = |c: char| c.is_alphanumeric() || c == '_';
        let name = &reference.name;
        if name.is_empty() || name.chars().count() > NAME_CHARS_MAX || !name.chars().all(fine) {
            findings.push(Finding::new(format!("{at}.name"), "a name has 1 to 64 letters, digits and `_`"));
        }
        if customer.references.iter().take(index).any(|other| other.name == *name) {
            findings
                .push(Finding::new(format!("{at}.name"), format!("there is already a reference `{name}`")));
        }
        findings.extend(check_spec(&format!("{at}.spec"), &reference.spec));
        findings.extend(check_patterns(&format!("{at}.files"), &reference.files));
    }
    findings.extend(check_spec("contracts.spec", &customer.contracts.spec));
    findings.extend(check_patterns("contracts.files", &customer.contracts.files));
    if let Some(messages) = &customer.contracts.messages {
        findings.extend(check_spec("contracts.messages", messages));
    }
    if customer.control.as_ref().is_some_and(|control| control.jump_percent.0 < Decimal::ZERO) {
        findings.push(Finding::new("control.jump_percent", "a per cent from 0 on is needed"));
    }
    let channels = &customer.delivery.channels;
    if channels.is_empty() {
        findings.push(Finding::new("delivery.channels", "at least one channel is needed"));
    }
    for (index, channel) in channels.iter().enumerate() {
        if channels.iter().take(index).any(|other| other == channel) {
            let message = format!("`{}` is there twice", channel.name());
            findings.push(Finding::new(format!("delivery.channels[{index}]"), message));
        }
    }
    findings
}

fn check_spec(at: &str, spec: &str) -> Option<Finding> {
    let wrong = spec.is_empty() || spec.split('/').any(|segment| ["", ".", ".."].contains(&segment));
    wrong.then(|| Finding::new(at, "the name of a spec beside this file is needed, such as `matrix.toml`"))
}

fn check_patterns(at: &str, patterns: &[String]) -> Vec<Finding> {
    let mut findings = vec![];
    if patterns.is_empty() {
        findings.push(Finding::new(at, "at least one file name is needed, such as `contracts-*.csv`"));
    }
    for (index, pattern) in patterns.iter().enumerate() {
        if pattern.is_empty() || pattern.contains('/') {
            let message = "a file's name without its folder is needed, such as `contracts-*.csv`";
            findings.push(Finding::new(format!("{at}[{index}]"), message));
        }
    }
    findings
}

#[cfg(test)]
mod tests;
