//! Versions and aliases, and what the ARN of a start leads to.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde::{Deserialize, Serialize};

use super::{Entry, INITIAL_REVISION, Limited, PublishedVersion, RegistryError, Revision, store};
use crate::arn::qualified_name;
use crate::engine::{Engine, EngineError, random_seed};
use crate::scheduler::Belonging;

/// A share of an alias's starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// The version that is started.
    pub version: u32,
    /// How many of a hundred starts.
    pub weight: u32,
}

/// A name that leads to one version, or to two by weight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alias {
    /// Its name.
    pub name: String,
    /// What somebody wrote about it.
    pub description: Option<String>,
    /// Where it leads; the weights add up to 100.
    pub routes: Vec<Route>,
    /// When it was created, in milliseconds since the epoch.
    pub created_millis: i64,
    /// When it was last changed, in milliseconds since the epoch.
    pub updated_millis: i64,
}

impl Alias {
    /// The version that a number below 100 leads to.
    fn version_at(&self, mut point: u32) -> Option<u32> {
        self.routes.iter().find_map(|route| match point.checked_sub(route.weight) {
            Some(rest) => {
                point = rest;
                None
            }
            None => Some(route.version),
        })
    }

    fn leads_to(&self, version: u32) -> bool {
        self.routes.iter().any(|route| route.version == version)
    }
}

/// A request to create an alias.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateAlias {
    /// Name of the state machine.
    pub state_machine: String,
    /// Name of the alias.
    pub name: String,
    /// What somebody writes about it.
    pub description: Option<String>,
    /// Where it leads.
    pub routes: Vec<Route>,
}

/// A request to change an alias. `None` = as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UpdateAlias {
    /// What somebody writes about it.
    pub description: Option<String>,
    /// Where it leads.
    pub routes: Option<Vec<Route>>,
}

/// A published version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Its number.
    pub number: u32,
    /// What somebody wrote about it.
    pub description: Option<String>,
    /// When it was published, in milliseconds since the epoch.
    pub created_millis: i64,
}

/// What a start leads to.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) entry: Arc<Entry>,
    pub(crate) revision: Arc<Revision>,
    pub(crate) version: Option<u32>,
    pub(crate) alias: Option<String>,
}

impl Target {
    /// What an execution has of its state machine.
    pub(crate) fn belonging(&self) -> Belonging {
        Belonging::new(&self.entry, &self.revision, self.version, self.alias.as_deref())
    }
}

impl Engine {
    /// Publishes the current revision. A revision has one version: publishing it
    /// again answers that one. `revision_id`: the revision that has to be the current one.
    pub fn publish_version(
        &self,
        name: &str,
        revision_id: Option<&str>,
        description: Option<&str>,
    ) -> Result<Version, EngineError> {
        self.scheduler.admit()?;
        let _changing = self.scheduler.registry.changing();
        let entry = self.active(name)?;
        let current = entry.current.id.as_deref().unwrap_or(INITIAL_REVISION);
        if let Some(asked) = revision_id.filter(|asked| *asked != current) {
            return Err(RegistryError::RevisionConflict {
                name: name.to_owned(),
                asked: asked.to_owned(),
                current: current.to_owned(),
            }
            .into());
        }
        if let Some(version) = entry.version_of_current() {
            return Ok(version);
        }
        let (entry, version) = entry.published(description, self.scheduler.now_millis())?;
        let (id, row) = (entry.id, version.clone());
        let revision = entry.current.number;
        self.scheduler.change(Box::new(move |connection| {
            let description = row.description.as_deref();
            store::insert_version(connection, id, row.number, revision, description, row.created_millis)
        }))?;
        self.scheduler.registry.put(entry);
        Ok(version)
    }

    /// Deletes a version; one that does not exist is no error. Recorded on AWS.
    pub fn delete_version(&self, name: &str, version: u32) -> Result<(), EngineError> {
        self.scheduler.admit()?;
        let _changing = self.scheduler.registry.changing();
        let Some(entry) = self.scheduler.registry.entry(name) else { return Ok(()) };
        if !entry.versions.contains_key(&version) {
            return Ok(());
        }
        let aliases = entry.aliases.values().filter(|alias| alias.leads_to(version));
        let aliases: Vec<String> = aliases.map(|alias| alias.name.clone()).collect();
        if !aliases.is_empty() {
            return Err(RegistryError::VersionInUse { name: name.to_owned(), version, aliases }.into());
        }
        let id = entry.id;
        self.scheduler.change(Box::new(move |connection| store::delete_version(connection, id, version)))?;
        let mut entry = Entry::clone(&entry);
        entry.versions.remove(&version);
        self.scheduler.registry.put(entry);
        Ok(())
    }

    /// The versions of a state machine below a number, newest first, at most so
    /// many; none when there is no such state machine.
    pub fn versions(&self, name: &str, below: Option<u32>, limit: usize) -> Vec<Version> {
        let Some(entry) = self.scheduler.registry.entry(name) else { return Vec::new() };
        let older =
            entry.versions.iter().rev().filter(|(number, _)| below.is_none_or(|below| **number < below));
        older.take(limit).map(|(number, version)| version.described(*number)).collect()
    }

    /// Creates an alias. One of the same name, description and routes is the same request.
    pub fn create_alias(&self, request: CreateAlias) -> Result<Arc<Alias>, EngineError> {
        self.scheduler.admit()?;
        let _changing = self.scheduler.registry.changing();
        let entry = self.active(&request.state_machine)?;
        entry.check_routes(&request.routes)?;
        let CreateAlias { state_machine, name, description, routes } = request;
        if let Some(known) = entry.aliases.get(&name) {
            if known.description == description && known.routes == routes {
                return Ok(Arc::clone(known));
            }
            return Err(RegistryError::AliasAlreadyExists { name: state_machine, alias: name }.into());
        }
        if entry.aliases.len() >= asl::limits::ALIASES_MAX {
            let count = asl::limits::ALIASES_MAX;
            return Err(RegistryError::LimitExceeded { what: Limited::Aliases, count }.into());
        }
        let now = self.scheduler.now_millis();
        self.put_alias(&entry, Alias { name, description, routes, created_millis: now, updated_millis: now })
    }

    /// Changes an alias.
    pub fn update_alias(
        &self,
        name: &str,
        alias: &str,
        request: UpdateAlias,
    ) -> Result<Arc<Alias>, EngineError> {
        self.scheduler.admit()?;
        let _changing = self.scheduler.registry.changing();
        let entry = self.active(name)?;
        let known = entry.alias(alias)?;
        if let Some(routes) = &request.routes {
            entry.check_routes(routes)?;
        }
        let changed = Alias {
            description: request.description.or_else(|| known.description.clone()),
            routes: request.routes.unwrap_or_else(|| known.routes.clone()),
            updated_millis: self.scheduler.now_millis(),
            ..Alias::clone(&known)
        };
        self.put_alias(&entry, changed)
    }

    /// Deletes an alias; one that does not exist is no error. Recorded on AWS.
    pub fn delete_alias(&self, name: &str, alias: &str) -> Result<(), EngineError> {
        self.scheduler.admit()?;
        let _changing = self.scheduler.registry.changing();
        let Some(entry) = self.scheduler.registry.entry(name) else { return Ok(()) };
        if !entry.aliases.contains_key(alias) {
            return Ok(());
        }
        let (id, row) = (entry.id, alias.to_owned());
        self.scheduler.change(Box::new(move |connection| store::delete_alias(connection, id, &row)))?;
        let mut entry = Entry::clone(&entry);
        entry.aliases.remove(alias);
        self.scheduler.registry.put(entry);
        Ok(())
    }

    /// An alias.
    pub fn alias(&self, name: &str, alias: &str) -> Result<Arc<Alias>, EngineError> {
        self.entry(name)?.alias(alias)
    }

    /// The aliases of a state machine by name, after a name, at most so many;
    /// of a version only those that lead to it.
    pub fn aliases(
        &self,
        name: &str,
        version: Option<u32>,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Arc<Alias>>, EngineError> {
        let entry = self.entry(name)?;
        let aliases = entry.aliases.values();
        let aliases = aliases.filter(|alias| version.is_none_or(|version| alias.leads_to(version)));
        let later = aliases.filter(|alias| after.is_none_or(|after| alias.name.as_str() > after));
        Ok(later.take(limit).cloned().collect())
    }

    /// What a name, or an ARN with or without version or alias, leads to now.
    pub(crate) fn target(&self, name_or_arn: &str) -> Result<Target, EngineError> {
        let missing = || EngineError::StateMachineDoesNotExist { name: name_or_arn.to_owned() };
        let (name, qualifier) = qualified_name(name_or_arn);
        let entry = self.scheduler.registry.entry(name).ok_or_else(missing)?;
        if entry.deleting.load(Ordering::SeqCst) {
            return Err(RegistryError::StateMachineDeleting { name: name.to_owned() }.into());
        }
        let Some(qualifier) = qualifier else {
            let revision = Arc::clone(&entry.current);
            return Ok(Target { entry, revision, version: None, alias: None });
        };
        let (number, alias) = if let Ok(number) = qualifier.parse::<u32>() {
            (number, None)
        } else {
            let alias = entry.aliases.get(qualifier).ok_or_else(missing)?;
            let point = u32::try_from(random_seed()? % 100).unwrap_or_default();
            (alias.version_at(point).ok_or_else(missing)?, Some(qualifier.to_owned()))
        };
        let version = entry.versions.get(&number).ok_or_else(missing)?;
        let revision = Arc::clone(&version.revision);
        Ok(Target { entry, revision, version: Some(number), alias })
    }

    fn put_alias(&self, entry: &Entry, alias: Alias) -> Result<Arc<Alias>, EngineError> {
        let alias = Arc::new(alias);
        let (id, row) = (entry.id, Arc::clone(&alias));
        self.scheduler.change(Box::new(move |connection| store::put_alias(connection, id, &row)))?;
        let mut entry = Entry::clone(entry);
        entry.aliases.insert(alias.name.clone(), Arc::clone(&alias));
        self.scheduler.registry.put(entry);
        Ok(alias)
    }
}

impl Entry {
    /// The version of the current revision, if that was published.
    pub(super) fn version_of_current(&self) -> Option<Version> {
        let mut versions = self.versions.iter().rev();
        let published = versions.find(|(_, version)| version.revision.number == self.current.number);
        published.map(|(number, version)| version.described(*number))
    }

    /// The same with one version more.
    pub(super) fn published(
        &self,
        description: Option<&str>,
        created_millis: i64,
    ) -> Result<(Self, Version), RegistryError> {
        if self.versions.len() >= asl::limits::VERSIONS_MAX {
            return Err(RegistryError::LimitExceeded { what: Limited::Versions, count: self.versions.len() });
        }
        let number = self.last_version + 1;
        let version = PublishedVersion {
            revision: Arc::clone(&self.current),
            description: description.map(str::to_owned),
            created_millis,
        };
        let described = version.described(number);
        let mut entry = self.clone();
        entry.last_version = number;
        entry.versions.insert(number, Arc::new(version));
        Ok((entry, described))
    }

    fn alias(&self, alias: &str) -> Result<Arc<Alias>, EngineError> {
        self.aliases.get(alias).cloned().ok_or_else(|| self.no_qualifier(alias))
    }

    /// Every version that routes lead to has to be there.
    fn check_routes(&self, routes: &[Route]) -> Result<(), EngineError> {
        match routes.iter().find(|route| !self.versions.contains_key(&route.version)) {
            Some(route) => Err(self.no_qualifier(&route.version.to_string())),
            None => Ok(()),
        }
    }

    pub(super) fn no_qualifier(&self, qualifier: &str) -> EngineError {
        let name = self.name.to_string();
        RegistryError::QualifierDoesNotExist { name, qualifier: qualifier.to_owned() }.into()
    }
}

impl PublishedVersion {
    pub(super) fn described(&self, number: u32) -> Version {
        Version { number, description: self.description.clone(), created_millis: self.created_millis }
    }
}
