//! The step `classify`: how a file is read, by its name and `customer.toml`. A file
//! that is something else than the workflow takes in is refused, with the place it
//! belongs to.

use feed::Drops;
use feed::spec::RejectPolicy;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stepwright::objects::ObjectRef;
use stepwright::{Read, Shape, StepError, step};

use crate::customer::{self, Entry, name_of};
use crate::failure::{of_objects, of_the_configuration};

/// [`ClassifyRequest::kind`] of reference data.
pub const REFERENCE: &str = "reference";

/// [`ClassifyRequest::kind`] of contracts, from files or messages.
pub const CONTRACTS: &str = "contracts";

/// What is to be classified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Shape)]
pub struct ClassifyRequest {
    /// The customer's `customer.toml`.
    pub configuration: ObjectRef,
    /// The file.
    pub file: ObjectRef,
    /// What the workflow takes in: `reference` or `contracts`.
    pub kind: String,
}

/// How a file is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Shape)]
pub struct Classified {
    /// The reference's name, or `contracts`.
    pub name: String,
    /// The spec that says so.
    pub spec: ObjectRef,
}

/// Why nobody knows what a file is.
#[derive(Debug, Clone, PartialEq, Eq, StepError)]
#[error_name = "Classify"]
pub enum ClassifyError {
    /// Its name fits nothing in `customer.toml`.
    #[message("{detail}")]
    Unknown {
        /// What would fit.
        detail: String,
    },
    /// Its name fits several things in `customer.toml`.
    #[message("{detail}")]
    Ambiguous {
        /// Which ones.
        detail: String,
    },
    /// It is something else than the workflow takes in.
    #[message("{detail}")]
    Misplaced {
        /// What it is, and where it belongs.
        detail: String,
    },
    /// `customer.toml` or a spec have mistakes, or do not fit each other.
    #[message("{detail}")]
    Configuration {
        /// Each mistake with file, line and column.
        detail: String,
    },
    /// The configuration cannot be read.
    #[message("{detail}")]
    StorageFailed {
        /// What happened and what to do.
        detail: String,
    },
}

of_objects!(ClassifyError);
of_the_configuration!(ClassifyError);

/// Finds out what a file is, and the spec that says how it is read.
#[step(memory = 256, timeout = 60)]
pub async fn classify(request: ClassifyRequest, drops: Read<Drops>) -> Result<Classified, ClassifyError> {
    let customer = customer::read(&drops, &request.configuration)?;
    let name = name_of(&request.file.key);
    let entries = customer.entries_of(&request.file.key);
    let entry = match entries.as_slice() {
        [entry] => *entry,
        [] => return Err(ClassifyError::Unknown { detail: nothing_fits(name, &customer) }),
        several => {
            let several: Vec<String> = several.iter().map(|entry| entry.words()).collect();
            let detail = format!(
                "`{name}` may be {}; make the `files` in {} more exact, or give the file another name",
                several.join(" or "),
                name_of(&request.configuration.key)
            );
            return Err(ClassifyError::Ambiguous { detail });
        }
    };
    let (name, kind, spec) = match entry {
        Entry::Reference(reference) => (reference.name.as_str(), REFERENCE, &reference.spec),
        Entry::Contracts => (CONTRACTS, CONTRACTS, &customer.contracts.spec),
        Entry::Messages => {
            let Some(spec) = &customer.contracts.messages else {
                let detail = format!(
                    "messages arrived, but {} has no `contracts.messages`, the spec they are read by; add it",
                    name_of(&request.configuration.key)
                );
                return Err(ClassifyError::Configuration { detail });
            };
            (CONTRACTS, CONTRACTS, spec)
        }
    };
    if kind != request.kind {
        return Err(ClassifyError::Misplaced { detail: misplaced(&request.file, entry, kind) });
    }
    let spec = customer::find_spec(&drops, &request.configuration, spec)?;
    if entry == Entry::Messages {
        check_messages(&spec, customer::read_spec(&drops, &spec)?.rejects.policy)?;
    }
    Ok(Classified { name: name.to_owned(), spec })
}

fn misplaced(file: &ObjectRef, entry: Entry<'_>, kind: &str) -> String {
    let name = name_of(&file.key);
    let (folder, workflow) = match kind {
        REFERENCE => ("reference/", "coreview-refdata"),
        _ => ("contracts/", "coreview-commission"),
    };
    format!(
        "`{name}` is {}: put it under `{folder}` in bucket `{}`, or run `{workflow}` with it; if it is something else, \
         give it another name",
        entry.words(),
        file.bucket
    )
}

/// Messages come in batches by chance: a share of rejects that is too large in one says
/// nothing, and ends an execution whose messages the queue has no more.
fn check_messages(spec: &ObjectRef, policy: RejectPolicy) -> Result<(), ClassifyError> {
    if policy == RejectPolicy::KeepGoing {
        return Ok(());
    }
    let detail = format!(
        "{}: rejects.policy: messages are read with `keep-going`, since one that is bad must not keep back those that \
         came with it; correct it",
        name_of(&spec.key)
    );
    Err(ClassifyError::Configuration { detail })
}

fn nothing_fits(name: &str, customer: &customer::Customer) -> String {
    let references = customer.references.iter().flat_map(|reference| &reference.files);
    let patterns: Vec<String> =
        references.chain(&customer.contracts.files).map(|pattern| format!("`{pattern}`")).collect();
    format!(
        "nobody knows what `{name}` is: no file is called so ({}); give it another name, or add it to `customer.toml`",
        patterns.join(", ")
    )
}
