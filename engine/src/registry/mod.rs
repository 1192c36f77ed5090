//! What executions are started of, and what surrounds it: state machines with
//! their revisions, versions and aliases, activities, and tags.
//!
//! The registry is a map in memory, read under a short lock, and its tables in
//! the journal. A change is checked against the map, made durable by the one
//! writer, and then made in the map; changes come one after the other. Names
//! and ARNs of what does not exist, and everything that contradicts what is
//! there, are errors here; the form of a request is the API's business.
//!
//! | file | owns |
//! |---|---|
//! | `configuration` | logging, tracing, encryption, the two types |
//! | `state_machine` | create, update, delete, describe, list |
//! | `version` | versions and aliases, and what an ARN leads to |
//! | `activity` | activities |
//! | `tag` | tags of state machines and activities |
//! | `store` | the tables |

mod activity;
mod configuration;
mod state_machine;
mod store;
mod tag;
mod version;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use indexmap::IndexMap;

pub use activity::{Activity, CreateActivity};
pub use configuration::{Configuration, Encryption, LogLevel, Logging, StateMachineType};
pub use state_machine::{
    CreateStateMachine, CreatedStateMachine, StateMachineDetails, StateMachineStatus, StateMachineSummary,
    UpdateStateMachine, UpdatedStateMachine,
};
pub(crate) use store::{ExpressStart, RevisionRow, Store, delete_express, delete_machine, insert_express};
pub use tag::TaggedResource;
pub(crate) use version::Target;
pub use version::{Alias, CreateAlias, Route, UpdateAlias, Version};

/// The value of `revisionId` that names the first revision, which has no id. Model, `RevisionId`.
pub const INITIAL_REVISION: &str = "INITIAL";

/// Why the registry refuses something. The texts are for people who use the
/// engine; the API has AWS's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// There is another state machine of this name.
    #[error("state machine '{name}' exists already, and is another one: update it, or use another name")]
    StateMachineAlreadyExists {
        /// Its name.
        name: String,
    },
    /// The state machine is being deleted.
    #[error("state machine '{name}' is being deleted: wait until its executions have ended")]
    StateMachineDeleting {
        /// Its name.
        name: String,
    },
    /// As many as may be are registered.
    #[error("{count} {what} are registered, which is the limit: delete some first")]
    LimitExceeded {
        /// What.
        what: Limited,
        /// The limit.
        count: usize,
    },
    /// The revision to be published is not the current one.
    #[error("revision '{asked}' of state machine '{name}' is not the current one, which is '{current}'")]
    RevisionConflict {
        /// The state machine.
        name: String,
        /// The revision that was asked for.
        asked: String,
        /// The current one.
        current: String,
    },
    /// Aliases lead to the version.
    #[error("version {version} of state machine '{name}' is in use by the aliases {aliases:?}")]
    VersionInUse {
        /// The state machine.
        name: String,
        /// The version.
        version: u32,
        /// Names of the aliases.
        aliases: Vec<String>,
    },
    /// There is no such version or alias.
    #[error("state machine '{name}' has no version or alias '{qualifier}'")]
    QualifierDoesNotExist {
        /// The state machine.
        name: String,
        /// Number or name.
        qualifier: String,
    },
    /// There is another alias of this name.
    #[error("state machine '{name}' has another alias '{alias}' already")]
    AliasAlreadyExists {
        /// The state machine.
        name: String,
        /// The alias.
        alias: String,
    },
    /// There is another activity of this name.
    #[error("activity '{name}' exists already with another encryption")]
    ActivityAlreadyExists {
        /// Its name.
        name: String,
    },
    /// There is no such activity.
    #[error("activity '{name}' does not exist")]
    ActivityDoesNotExist {
        /// Its name.
        name: String,
    },
    /// The resource would have too many tags.
    #[error("a resource has at most {max} tags")]
    TooManyTags {
        /// The limit.
        max: usize,
    },
    /// There is no such resource.
    #[error("there is no {resource} to tag")]
    ResourceDoesNotExist {
        /// Which one.
        resource: String,
    },
}

/// What there may be only so many of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are AWS's")]
pub enum Limited {
    StateMachines,
    Activities,
    Versions,
    Aliases,
}

impl std::fmt::Display for Limited {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::StateMachines => "state machines",
            Self::Activities => "activities",
            Self::Versions => "versions",
            Self::Aliases => "aliases",
        })
    }
}

/// A state machine as it is in memory. Changed by putting another one in its place.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) id: i64,
    pub(crate) name: Arc<str>,
    pub(crate) kind: StateMachineType,
    pub(crate) created_millis: i64,
    /// Set once; read by every open execution of the state machine.
    pub(crate) deleting: Arc<AtomicBool>,
    pub(crate) current: Arc<Revision>,
    pub(crate) versions: BTreeMap<u32, Arc<PublishedVersion>>,
    pub(crate) last_version: u32,
    pub(crate) aliases: BTreeMap<String, Arc<Alias>>,
    pub(crate) tags: IndexMap<String, String>,
}

/// One state of a state machine's definition, role and configuration.
#[derive(Debug)]
pub(crate) struct Revision {
    pub(crate) number: u32,
    pub(crate) id: Option<String>,
    pub(crate) sha256: [u8; 32],
    pub(crate) role_arn: Arc<str>,
    pub(crate) configuration: Arc<Configuration>,
    pub(crate) created_millis: i64,
    /// The definition, once somebody needed it.
    pub(crate) parsed: OnceLock<Arc<asl::StateMachine>>,
}

/// A revision under a number that never changes its meaning.
#[derive(Debug)]
pub(crate) struct PublishedVersion {
    pub(crate) revision: Arc<Revision>,
    pub(crate) description: Option<String>,
    pub(crate) created_millis: i64,
}

/// What is registered, without what was deleted.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    pub(crate) machines: BTreeMap<Arc<str>, Arc<Entry>>,
    pub(crate) activities: BTreeMap<String, Arc<Activity>>,
    pub(crate) last_machine_id: i64,
    /// The names of `machines` by their numbers.
    pub(crate) names: HashMap<i64, Arc<str>>,
}

/// The registry of an engine.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    contents: RwLock<Contents>,
    /// Held from the check of a change until it is durable and in memory.
    changing: Mutex<()>,
}

impl Registry {
    pub(crate) fn replace(&self, mut contents: Contents) {
        let names = contents.machines.values().map(|entry| (entry.id, Arc::clone(&entry.name)));
        contents.names = names.collect();
        *self.contents.write().unwrap_or_else(PoisonError::into_inner) = contents;
    }

    pub(crate) fn read<T>(&self, read: impl FnOnce(&Contents) -> T) -> T {
        read(&self.contents.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write<T>(&self, write: impl FnOnce(&mut Contents) -> T) -> T {
        write(&mut self.contents.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// Keeps other changes out until the guard is gone.
    fn changing(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn entry(&self, name: &str) -> Option<Arc<Entry>> {
        self.read(|contents| contents.machines.get(name).cloned())
    }

    /// State machines that go when their last execution has ended.
    pub(crate) fn deleting(&self) -> Vec<Arc<Entry>> {
        let is_deleting = |entry: &&Arc<Entry>| entry.deleting.load(Ordering::SeqCst);
        self.read(|contents| contents.machines.values().filter(is_deleting).cloned().collect())
    }

    pub(crate) fn entry_by_id(&self, id: i64) -> Option<Arc<Entry>> {
        self.read(|contents| {
            let entry = contents.machines.get(contents.names.get(&id)?)?;
            (entry.id == id).then(|| Arc::clone(entry))
        })
    }

    /// Drops a state machine that was deleted, unless another one has its name by now.
    pub(crate) fn forget(&self, entry: &Entry) {
        self.write(|contents| {
            contents.names.remove(&entry.id);
            if contents.machines.get(&entry.name).is_some_and(|known| known.id == entry.id) {
                contents.machines.remove(&entry.name);
            }
        });
    }

    /// Puts a state machine in the place of what it was. One whose deletion
    /// has come to its end meanwhile does not come back.
    fn put(&self, entry: Entry) {
        self.write(|contents| {
            let is_gone = contents.machines.get(&entry.name).is_none_or(|known| known.id != entry.id);
            if !(is_gone && entry.deleting.load(Ordering::SeqCst)) {
                contents.names.insert(entry.id, Arc::clone(&entry.name));
                contents.machines.insert(Arc::clone(&entry.name), Arc::new(entry));
            }
        });
    }
}
