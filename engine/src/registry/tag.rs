//! Tags of state machines and activities.

use std::sync::Arc;

use indexmap::IndexMap;

use super::{Activity, Entry, RegistryError, store};
use crate::engine::{Engine, EngineError};

/// What carries tags. Versions and aliases carry none. Recorded on AWS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaggedResource {
    /// A state machine, by name.
    StateMachine(String),
    /// An activity, by name.
    Activity(String),
}

/// What was found under a name.
enum Tagged {
    Machine(Arc<Entry>),
    Activity(Arc<Activity>),
}

impl Tagged {
    fn tags(&self) -> &IndexMap<String, String> {
        match self {
            Self::Machine(entry) => &entry.tags,
            Self::Activity(activity) => &activity.tags,
        }
    }

    fn resource(&self) -> String {
        match self {
            Self::Machine(entry) => store::machine_resource(entry.id),
            Self::Activity(activity) => store::activity_resource(&activity.name),
        }
    }
}

impl Engine {
    /// The tags of a resource, in the order their keys came.
    pub fn tags(&self, resource: &TaggedResource) -> Result<Vec<(String, String)>, EngineError> {
        let tags = self.tagged(resource)?.tags().clone();
        Ok(tags.into_iter().collect())
    }

    /// Adds tags, or gives them other values. Of a key that comes twice the last value counts.
    pub fn tag(&self, resource: &TaggedResource, tags: Vec<(String, String)>) -> Result<(), EngineError> {
        self.scheduler.admit()?;
        let _changing = self.scheduler.registry.changing();
        let tagged = self.tagged(resource)?;
        let merged = merge(tagged.tags(), &tags)?;
        let name = tagged.resource();
        self.scheduler.change(Box::new(move |connection| store::put_tags(connection, &name, &tags)))?;
        self.retag(&tagged, merged);
        Ok(())
    }

    /// Takes tags away. Keys that are not there are no error. Recorded on AWS.
    pub fn untag(&self, resource: &TaggedResource, keys: Vec<String>) -> Result<(), EngineError> {
        self.scheduler.admit()?;
        let _changing = self.scheduler.registry.changing();
        let tagged = self.tagged(resource)?;
        let mut tags = tagged.tags().clone();
        for key in &keys {
            tags.shift_remove(key);
        }
        let name = tagged.resource();
        self.scheduler.change(Box::new(move |connection| {
            keys.iter().try_for_each(|key| store::delete_tag(connection, &name, key))
        }))?;
        self.retag(&tagged, tags);
        Ok(())
    }

    fn tagged(&self, resource: &TaggedResource) -> Result<Tagged, EngineError> {
        let found = self.scheduler.registry.read(|contents| match resource {
            TaggedResource::StateMachine(name) => {
                contents.machines.get(name.as_str()).cloned().map(Tagged::Machine)
            }
            TaggedResource::Activity(name) => contents.activities.get(name).cloned().map(Tagged::Activity),
        });
        found.ok_or_else(|| RegistryError::ResourceDoesNotExist { resource: format!("{resource:?}") }.into())
    }

    fn retag(&self, tagged: &Tagged, tags: IndexMap<String, String>) {
        match tagged {
            Tagged::Machine(entry) => {
                self.scheduler.registry.put(Entry { tags, ..Entry::clone(entry) });
            }
            Tagged::Activity(activity) => {
                let activity = Arc::new(Activity { tags, ..Activity::clone(activity) });
                self.scheduler
                    .registry
                    .write(|contents| contents.activities.insert(activity.name.clone(), activity));
            }
        }
    }
}

/// The tags of a resource with new ones added.
pub(super) fn merge(
    tags: &IndexMap<String, String>,
    new: &[(String, String)],
) -> Result<IndexMap<String, String>, RegistryError> {
    let mut merged = tags.clone();
    merged.extend(new.iter().cloned());
    if merged.len() > asl::limits::TAGS_MAX {
        return Err(RegistryError::TooManyTags { max: asl::limits::TAGS_MAX });
    }
    Ok(merged)
}
