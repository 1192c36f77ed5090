//! Activities: names that workers ask for tasks.

use std::sync::Arc;

use indexmap::IndexMap;

use super::{Encryption, Limited, RegistryError, store, tag};
use crate::engine::{Engine, EngineError, check_name};

/// An activity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activity {
    /// Its name.
    pub name: String,
    /// When it was created, in milliseconds since the epoch.
    pub created_millis: i64,
    /// `encryptionConfiguration`.
    pub encryption: Encryption,
    /// Its tags.
    pub tags: IndexMap<String, String>,
}

/// A request to create an activity.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CreateActivity {
    /// Its name.
    pub name: String,
    /// `encryptionConfiguration`.
    pub encryption: Encryption,
    /// Its tags.
    pub tags: Vec<(String, String)>,
}

impl Engine {
    /// Creates an activity. One of the same name and encryption is the same request:
    /// its tags are not changed. Model, `CreateActivity`.
    pub fn create_activity(&self, request: CreateActivity) -> Result<Arc<Activity>, EngineError> {
        self.scheduler.admit()?;
        check_name(&request.name)?;
        let _changing = self.scheduler.registry.changing();
        if let Some(known) = self.activity(&request.name) {
            if known.encryption == request.encryption {
                return Ok(known);
            }
            return Err(RegistryError::ActivityAlreadyExists { name: request.name }.into());
        }
        let count = self.scheduler.registry.read(|contents| contents.activities.len());
        if count >= asl::limits::ACTIVITIES_MAX {
            return Err(RegistryError::LimitExceeded { what: Limited::Activities, count }.into());
        }
        let activity = Arc::new(Activity {
            tags: tag::merge(&IndexMap::new(), &request.tags)?,
            name: request.name,
            created_millis: self.scheduler.now_millis(),
            encryption: request.encryption,
        });
        let row = Arc::clone(&activity);
        self.scheduler.change(Box::new(move |connection| {
            store::put_activity(connection, &row)?;
            store::put_tags(connection, &store::activity_resource(&row.name), &request.tags)
        }))?;
        let name = activity.name.clone();
        self.scheduler.registry.write(|contents| contents.activities.insert(name, Arc::clone(&activity)));
        Ok(activity)
    }

    /// Deletes an activity; one that does not exist is no error. Recorded on AWS.
    pub fn delete_activity(&self, name: &str) -> Result<(), EngineError> {
        self.scheduler.admit()?;
        let _changing = self.scheduler.registry.changing();
        if self.activity(name).is_none() {
            return Ok(());
        }
        let row = name.to_owned();
        self.scheduler.change(Box::new(move |connection| store::delete_activity(connection, &row)))?;
        self.scheduler.registry.write(|contents| contents.activities.remove(name));
        Ok(())
    }

    /// An activity; `None` = there is none of this name.
    pub fn activity(&self, name: &str) -> Option<Arc<Activity>> {
        self.scheduler.registry.read(|contents| contents.activities.get(name).cloned())
    }

    /// Activities by name, after a name, at most so many.
    pub fn activities(&self, after: Option<&str>, limit: usize) -> Vec<Arc<Activity>> {
        self.scheduler.registry.read(|contents| {
            let later = contents.activities.values();
            let later = later.filter(|activity| after.is_none_or(|after| activity.name.as_str() > after));
            later.take(limit).cloned().collect()
        })
    }
}
