//! State machines: created, updated into new revisions, deleted.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use asl::StateMachine;
use indexmap::IndexMap;

use super::{
    Configuration, Encryption, Entry, Limited, Logging, RegistryError, Revision, RevisionRow,
    StateMachineType, Version, store, tag,
};
use crate::arn::{execution_names, role_arn, state_machine_arn};
use crate::digest::sha256;
use crate::engine::{Engine, EngineError, PutStateMachine, check_name, random_name};
use crate::journal::RevisionOfExecution;
use crate::scheduler::lock;

/// Whether executions can be started of a state machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StateMachineStatus {
    /// They can.
    Active,
    /// It goes when its last execution has ended.
    Deleting,
}

impl StateMachineStatus {
    /// AWS's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Deleting => "DELETING",
        }
    }
}

/// A request to create a state machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CreateStateMachine {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: StateMachineType,
    /// The definition, which is kept byte for byte.
    pub definition: String,
    /// ARN of the role its executions run as.
    pub role_arn: String,
    /// Logging, tracing, encryption.
    pub configuration: Configuration,
    /// Its tags.
    pub tags: Vec<(String, String)>,
    /// Whether the first revision is published at once.
    pub publish: bool,
    /// What somebody writes about the version.
    pub version_description: Option<String>,
}

/// The answer to [`CreateStateMachine`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreatedStateMachine {
    /// ARN of the state machine.
    pub arn: String,
    /// When it was created, in milliseconds since the epoch.
    pub created_millis: i64,
    /// The version, if one was asked for.
    pub version: Option<Version>,
}

/// A request to update a state machine. `None` = as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UpdateStateMachine {
    /// The definition, which is kept byte for byte.
    pub definition: Option<String>,
    /// ARN of the role its executions run as.
    pub role_arn: Option<String>,
    /// Logging.
    pub logging: Option<Logging>,
    /// Whether executions are traced.
    pub tracing: Option<bool>,
    /// Encryption.
    pub encryption: Option<Encryption>,
    /// Whether the revision is published.
    pub publish: bool,
    /// What somebody writes about the version.
    pub version_description: Option<String>,
}

/// The answer to [`UpdateStateMachine`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdatedStateMachine {
    /// When, in milliseconds since the epoch.
    pub updated_millis: i64,
    /// The id of the current revision; the first one has none.
    pub revision_id: Option<String>,
    /// The version, if one was asked for.
    pub version: Option<Version>,
}

/// A line of a list of state machines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateMachineSummary {
    /// ARN of the state machine.
    pub arn: String,
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: StateMachineType,
    /// When it was created, in milliseconds since the epoch.
    pub created_millis: i64,
}

/// A state machine in one of its revisions.
#[derive(Debug, Clone, PartialEq)]
pub struct StateMachineDetails {
    /// ARN of the state machine, without a version.
    pub arn: String,
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: StateMachineType,
    /// Whether executions can be started of it.
    pub status: StateMachineStatus,
    /// When it was created, in milliseconds since the epoch.
    pub created_millis: i64,
    /// When the revision was made, in milliseconds since the epoch.
    pub updated_millis: i64,
    /// The definition, byte for byte as it was put.
    pub definition: String,
    /// The same, parsed; `None` = an earlier release accepted it, and this one does not.
    pub parsed: Option<Arc<StateMachine>>,
    /// ARN of the role.
    pub role_arn: String,
    /// Logging, tracing, encryption.
    pub configuration: Arc<Configuration>,
    /// The revision's id; the first one has none.
    pub revision_id: Option<String>,
    /// The version that was asked for.
    pub version: Option<Version>,
}

impl Engine {
    /// Puts the definition of a state machine. The same bytes and role as now
    /// change nothing; others make a new revision for executions that start
    /// from now on. `role`: `None` = keep, or make one up from the name.
    pub fn put_state_machine(
        &self,
        name: &str,
        definition: &str,
        role: Option<&str>,
    ) -> Result<PutStateMachine, EngineError> {
        let state_machine_arn = state_machine_arn(&self.scheduler.region, &self.scheduler.account, name);
        let Some(known) = self.scheduler.registry.entry(name) else {
            self.create_state_machine(CreateStateMachine {
                name: name.to_owned(),
                definition: definition.to_owned(),
                role_arn: role.map_or_else(|| role_arn(&self.scheduler.account, name), str::to_owned),
                ..CreateStateMachine::default()
            })?;
            return Ok(PutStateMachine { state_machine_arn, revision: 1, changed: true });
        };
        self.update_state_machine(
            name,
            UpdateStateMachine {
                definition: Some(definition.to_owned()),
                role_arn: role.map(str::to_owned),
                ..UpdateStateMachine::default()
            },
        )?;
        let revision = self.scheduler.registry.entry(name).map_or(0, |entry| entry.current.number);
        Ok(PutStateMachine { state_machine_arn, revision, changed: revision != known.current.number })
    }

    /// Creates a state machine. One of the same name, type, definition,
    /// configuration and publication is the same request; role and tags are
    /// not compared, and not changed. Model, `CreateStateMachine`.
    pub fn create_state_machine(
        &self,
        request: CreateStateMachine,
    ) -> Result<CreatedStateMachine, EngineError> {
        self.scheduler.admit()?;
        check_name(&request.name)?;
        let parsed = self.checked(&request.name, &request.definition, request.kind)?;
        let sha256 = sha256(request.definition.as_bytes());
        let _changing = self.scheduler.registry.changing();
        if let Some(known) = self.scheduler.registry.entry(&request.name) {
            return self.created_before(&known, &request, sha256);
        }
        let (count, last) =
            self.scheduler.registry.read(|contents| (contents.machines.len(), contents.last_machine_id));
        if count >= asl::limits::STATE_MACHINES_MAX {
            return Err(RegistryError::LimitExceeded { what: Limited::StateMachines, count }.into());
        }
        let now = self.scheduler.now_millis();
        let current = Arc::new(Revision {
            number: 1,
            id: None,
            sha256,
            role_arn: request.role_arn.as_str().into(),
            configuration: Arc::new(request.configuration.clone()),
            created_millis: now,
            parsed: OnceLock::new(),
        });
        current.keep(request.kind, &parsed);
        let entry = Entry {
            id: last + 1,
            name: request.name.as_str().into(),
            kind: request.kind,
            created_millis: now,
            deleting: Arc::new(AtomicBool::new(false)),
            current,
            versions: BTreeMap::new(),
            last_version: 0,
            aliases: BTreeMap::new(),
            tags: tag::merge(&IndexMap::new(), &request.tags)?,
        };
        let (entry, version) =
            entry.published_if(request.publish, request.version_description.as_deref(), now)?;
        let (row, published) = (entry.row(), version.clone());
        self.scheduler.change(Box::new(move |connection| {
            store::insert_machine(connection, row.machine_id, &request.name, request.kind, now)?;
            store::insert_revision(connection, &row, Some(&request.definition))?;
            store::put_tags(connection, &store::machine_resource(row.machine_id), &request.tags)?;
            insert_version(connection, &row, published.as_ref())
        }))?;
        let arn = self.arn_of(&entry.name);
        self.scheduler.registry.write(|contents| contents.last_machine_id = entry.id);
        self.scheduler.registry.put(entry);
        Ok(CreatedStateMachine { arn, created_millis: now, version })
    }

    /// Updates a state machine. What differs from the current revision makes a
    /// new one, for executions that start from now on; nothing new makes none.
    pub fn update_state_machine(
        &self,
        name: &str,
        request: UpdateStateMachine,
    ) -> Result<UpdatedStateMachine, EngineError> {
        self.scheduler.admit()?;
        let kind = self.active(name)?.kind;
        let parsed = request.definition.as_deref().map(|text| self.checked(name, text, kind)).transpose()?;
        let _changing = self.scheduler.registry.changing();
        let known = self.active(name)?;
        let now = self.scheduler.now_millis();
        let next = known.current.next(&request, now)?;
        let definition = request.definition.filter(|_| next.is_some());
        let mut entry = Entry::clone(&known);
        if let Some(next) = next {
            match &parsed {
                Some(parsed) => next.keep(entry.kind, parsed),
                None => next.keep_from(&entry.current),
            }
            entry.current = Arc::new(next);
        }
        let is_new = entry.current.number != known.current.number;
        let description = request.version_description.as_deref();
        let before = entry.version_of_current();
        let (entry, version) = match (request.publish, before) {
            (true, Some(version)) => (entry, Some(version)),
            (publish, _) => entry.published_if(publish, description, now)?,
        };
        let row = entry.row();
        let published = version.clone().filter(|version| !known.versions.contains_key(&version.number));
        if is_new || published.is_some() {
            self.scheduler.change(Box::new(move |connection| {
                if is_new {
                    store::insert_revision(connection, &row, definition.as_deref())?;
                }
                insert_version(connection, &row, published.as_ref())
            }))?;
        }
        let revision_id = entry.current.id.clone();
        self.scheduler.registry.put(entry);
        Ok(UpdatedStateMachine { updated_millis: now, revision_id, version })
    }

    /// Deletes a state machine with its versions, aliases and tags; one that
    /// does not exist is no error. While executions run it is `DELETING`: each
    /// of them is aborted at its next transition. Model, `DeleteStateMachine`.
    pub fn delete_state_machine(&self, name: &str) -> Result<(), EngineError> {
        self.scheduler.admit()?;
        let _changing = self.scheduler.registry.changing();
        let Some(entry) = self.scheduler.registry.entry(name) else { return Ok(()) };
        let now = self.scheduler.now_millis();
        // Starts check this mark under the lock of the open executions: none slips through.
        let open = {
            let open = lock(&self.scheduler.open);
            entry.deleting.store(true, Ordering::SeqCst);
            open.has_machine(entry.id)
        };
        let id = entry.id;
        self.scheduler.change(Box::new(move |connection| {
            if open {
                store::mark_deleting(connection, id, now)
            } else {
                store::delete_machine(connection, id, now)
            }
        }))?;
        if open {
            self.scheduler.delete_if_idle(&entry);
        } else {
            self.scheduler.recent.clear();
            self.scheduler.registry.forget(&entry);
        }
        Ok(())
    }

    /// A state machine, in its current revision or in that of a version.
    pub fn state_machine(
        &self,
        name: &str,
        version: Option<u32>,
    ) -> Result<StateMachineDetails, EngineError> {
        let entry = self.entry(name)?;
        let published = match version {
            None => None,
            Some(number) => {
                let version = entry.versions.get(&number);
                Some((number, version.ok_or_else(|| entry.no_qualifier(&number.to_string()))?))
            }
        };
        let revision = published.map_or(&entry.current, |(_, version)| &version.revision);
        let mut details = self.details(&entry, revision)?;
        details.version = published.map(|(number, version)| version.described(number));
        Ok(details)
    }

    /// The state machine of an execution, in the revision that the execution runs.
    pub fn state_machine_of_execution(
        &self,
        execution_arn: &str,
    ) -> Result<StateMachineDetails, EngineError> {
        let missing = || EngineError::ExecutionDoesNotExist { execution_arn: execution_arn.to_owned() };
        let found = self.scheduler.readers.with(|reader| reader.revision_of_execution(execution_arn))?;
        let RevisionOfExecution { machine_id, revision, .. } = found.ok_or_else(missing)?;
        if let Some(entry) = self.scheduler.registry.entry_by_id(machine_id) {
            return self.details(&entry, &revision);
        }
        // The state machine is gone; its revisions stay.
        let (name, _) = execution_names(execution_arn).ok_or_else(missing)?;
        let arn = self.arn_of(name);
        let definition =
            self.scheduler.readers.with(|reader| reader.definition(execution_arn, &revision.sha256))?;
        let parsed = self.parsed_as_accepted(name, &revision.sha256, &definition).ok();
        Ok(StateMachineDetails {
            parsed,
            arn,
            name: name.to_owned(),
            kind: StateMachineType::Standard,
            status: StateMachineStatus::Deleting,
            created_millis: revision.created_millis,
            updated_millis: revision.created_millis,
            definition,
            role_arn: revision.role_arn.to_string(),
            configuration: Arc::clone(&revision.configuration),
            revision_id: revision.id,
            version: None,
        })
    }

    /// State machines by name, after a name, at most so many.
    pub fn state_machine_summaries(&self, after: Option<&str>, limit: usize) -> Vec<StateMachineSummary> {
        let entries: Vec<Arc<Entry>> = self.scheduler.registry.read(|contents| {
            let later = contents.machines.values();
            let later = later.filter(|entry| after.is_none_or(|after| &*entry.name > after));
            later.take(limit).cloned().collect()
        });
        let summary = |entry: Arc<Entry>| StateMachineSummary {
            arn: self.arn_of(&entry.name),
            name: entry.name.to_string(),
            kind: entry.kind,
            created_millis: entry.created_millis,
        };
        entries.into_iter().map(summary).collect()
    }

    /// The type of a state machine; `None` = there is none of this name.
    pub fn state_machine_type(&self, name: &str) -> Option<StateMachineType> {
        self.scheduler.registry.entry(name).map(|entry| entry.kind)
    }

    /// The definition that a revision runs, parsed once.
    pub(crate) fn definition_to_run(
        &self,
        entry: &Entry,
        revision: &Revision,
    ) -> Result<Arc<StateMachine>, EngineError> {
        if let Some(parsed) = revision.parsed.get() {
            return Ok(Arc::clone(parsed));
        }
        let text = self.scheduler.readers.with(|reader| reader.definition(&entry.name, &revision.sha256))?;
        let parsed = self.parsed_as_accepted(&entry.name, &revision.sha256, &text)?;
        revision.keep(entry.kind, &parsed);
        Ok(revision.parsed.get().map_or(parsed, Arc::clone))
    }

    pub(super) fn entry(&self, name: &str) -> Result<Arc<Entry>, EngineError> {
        let entry = self.scheduler.registry.entry(name);
        entry.ok_or_else(|| EngineError::StateMachineDoesNotExist { name: name.to_owned() })
    }

    /// A state machine that is not being deleted.
    pub(super) fn active(&self, name: &str) -> Result<Arc<Entry>, EngineError> {
        let entry = self.entry(name)?;
        if entry.deleting.load(Ordering::SeqCst) {
            return Err(RegistryError::StateMachineDeleting { name: name.to_owned() }.into());
        }
        Ok(entry)
    }

    fn arn_of(&self, name: &str) -> String {
        state_machine_arn(&self.scheduler.region, &self.scheduler.account, name)
    }

    /// Checks a definition for a type of state machine.
    fn checked(
        &self,
        name: &str,
        definition: &str,
        kind: StateMachineType,
    ) -> Result<Arc<StateMachine>, EngineError> {
        match kind {
            StateMachineType::Standard => self.parsed(name, &sha256(definition.as_bytes()), definition),
            StateMachineType::Express => {
                let parsed = StateMachine::parse_for(definition, asl::ExecutionType::Express);
                parsed.map(Arc::new).map_err(|diagnostics| EngineError::InvalidDefinition {
                    name: name.to_owned(),
                    diagnostics,
                })
            }
        }
    }

    /// What a name that is taken means for a creation.
    fn created_before(
        &self,
        known: &Entry,
        request: &CreateStateMachine,
        sha256: [u8; 32],
    ) -> Result<CreatedStateMachine, EngineError> {
        let name = request.name.clone();
        if known.deleting.load(Ordering::SeqCst) {
            return Err(RegistryError::StateMachineDeleting { name }.into());
        }
        let version = known.version_of_current().filter(|_| request.publish);
        let same_version = match &version {
            Some(version) => version.description == request.version_description,
            None => !request.publish,
        };
        let same = known.kind == request.kind
            && known.current.sha256 == sha256
            && *known.current.configuration == request.configuration
            && same_version;
        if !same {
            return Err(RegistryError::StateMachineAlreadyExists { name }.into());
        }
        Ok(CreatedStateMachine { arn: self.arn_of(&name), created_millis: known.created_millis, version })
    }

    fn details(&self, entry: &Entry, revision: &Revision) -> Result<StateMachineDetails, EngineError> {
        let arn = self.arn_of(&entry.name);
        let definition = self.scheduler.readers.with(|reader| reader.definition(&arn, &revision.sha256))?;
        Ok(StateMachineDetails {
            parsed: self.definition_to_run(entry, revision).ok(),
            arn,
            name: entry.name.to_string(),
            kind: entry.kind,
            status: entry.status(),
            created_millis: entry.created_millis,
            updated_millis: revision.created_millis,
            definition,
            role_arn: revision.role_arn.to_string(),
            configuration: Arc::clone(&revision.configuration),
            revision_id: revision.id.clone(),
            version: None,
        })
    }
}

/// Writes a version of the revision of a row, if there is one.
fn insert_version(
    connection: &rusqlite::Connection,
    row: &RevisionRow,
    version: Option<&Version>,
) -> rusqlite::Result<()> {
    let Some(Version { number, description, created_millis }) = version else { return Ok(()) };
    store::insert_version(
        connection,
        row.machine_id,
        *number,
        row.number,
        description.as_deref(),
        *created_millis,
    )
}

impl Entry {
    fn status(&self) -> StateMachineStatus {
        if self.deleting.load(Ordering::SeqCst) {
            StateMachineStatus::Deleting
        } else {
            StateMachineStatus::Active
        }
    }

    fn published_if(
        self,
        publish: bool,
        description: Option<&str>,
        now_millis: i64,
    ) -> Result<(Self, Option<Version>), RegistryError> {
        if !publish {
            return Ok((self, None));
        }
        let (entry, version) = self.published(description, now_millis)?;
        Ok((entry, Some(version)))
    }

    fn row(&self) -> RevisionRow {
        let current = &self.current;
        RevisionRow {
            machine_id: self.id,
            number: current.number,
            id: current.id.clone(),
            sha256: current.sha256,
            role_arn: Arc::clone(&current.role_arn),
            configuration: Arc::clone(&current.configuration),
            created_millis: current.created_millis,
        }
    }
}

impl Revision {
    /// The revision that an update makes; `None` = it changes nothing.
    fn next(&self, request: &UpdateStateMachine, now_millis: i64) -> Result<Option<Self>, EngineError> {
        let mut configuration = Configuration::clone(&self.configuration);
        if let Some(logging) = &request.logging {
            configuration.logging = logging.clone();
        }
        if let Some(tracing) = request.tracing {
            configuration.tracing = tracing;
        }
        if let Some(encryption) = &request.encryption {
            configuration.encryption = encryption.clone();
        }
        let sha256 = request.definition.as_ref().map_or(self.sha256, |text| sha256(text.as_bytes()));
        let role_arn = request.role_arn.as_deref().map_or_else(|| Arc::clone(&self.role_arn), Arc::from);
        let same = sha256 == self.sha256 && role_arn == self.role_arn && configuration == *self.configuration;
        if same {
            return Ok(None);
        }
        Ok(Some(Self {
            number: self.number + 1,
            id: Some(random_name()?),
            sha256,
            role_arn,
            configuration: Arc::new(configuration),
            created_millis: now_millis,
            parsed: OnceLock::new(),
        }))
    }

    /// Keeps the definition as it runs: an Express execution has five minutes at most.
    pub(crate) fn keep(&self, kind: StateMachineType, parsed: &Arc<StateMachine>) {
        let runs = match kind {
            StateMachineType::Standard => Arc::clone(parsed),
            StateMachineType::Express => {
                let limit = asl::limits::EXPRESS_EXECUTION_SECONDS_MAX;
                let timeout_seconds = Some(parsed.timeout_seconds.unwrap_or(limit).min(limit));
                Arc::new(StateMachine { timeout_seconds, ..StateMachine::clone(parsed) })
            }
        };
        let _ = self.parsed.set(runs);
    }

    fn keep_from(&self, other: &Self) {
        if let Some(parsed) = other.parsed.get() {
            let _ = self.parsed.set(Arc::clone(parsed));
        }
    }
}
