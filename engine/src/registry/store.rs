//! The registry's tables: rows in, rows out. Everything that writes runs
//! within a transaction of the journal's writer.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use indexmap::IndexMap;
use rusqlite::{Connection, Row, params};

use super::{
    Activity, Alias, Configuration, Contents, Encryption, Entry, PublishedVersion, Revision, Route,
    StateMachineType,
};
use crate::journal::JournalError;

type Written = rusqlite::Result<()>;

/// A new revision of a state machine.
#[derive(Debug, Clone)]
pub(crate) struct RevisionRow {
    pub(crate) machine_id: i64,
    pub(crate) number: u32,
    pub(crate) id: Option<String>,
    pub(crate) sha256: [u8; 32],
    pub(crate) role_arn: Arc<str>,
    pub(crate) configuration: Arc<Configuration>,
    pub(crate) created_millis: i64,
}

/// An asynchronous start of an Express execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ExpressStart {
    pub(crate) arn: String,
    pub(crate) machine_id: i64,
    pub(crate) revision: u32,
    pub(crate) name: String,
    pub(crate) input: String,
    pub(crate) trace_header: Option<String>,
    pub(crate) version: Option<u32>,
    pub(crate) alias: Option<String>,
}

pub(super) fn insert_machine(
    connection: &Connection,
    id: i64,
    name: &str,
    kind: StateMachineType,
    created_millis: i64,
) -> Written {
    let insert = "INSERT INTO state_machines (id, name, kind, created_millis) VALUES (?1, ?2, ?3, ?4)";
    connection.execute(insert, params![id, name, kind.as_str(), created_millis]).map(drop)
}

/// Puts a definition and the revision that has it. A definition that is there stays as it is.
pub(super) fn insert_revision(
    connection: &Connection,
    row: &RevisionRow,
    definition: Option<&str>,
) -> Written {
    if let Some(definition) = definition {
        let insert = "INSERT OR IGNORE INTO definitions VALUES (?1, ?2)";
        connection.execute(insert, params![row.sha256, definition])?;
    }
    let insert = "INSERT INTO revisions (machine_id, revision, sha256, role_arn, created_millis, revision_id, \
                  configuration) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let configuration = to_json(&*row.configuration)?;
    connection
        .execute(
            insert,
            params![
                row.machine_id,
                row.number,
                row.sha256,
                row.role_arn,
                row.created_millis,
                row.id,
                configuration
            ],
        )
        .map(drop)
}

pub(super) fn insert_version(
    connection: &Connection,
    machine_id: i64,
    version: u32,
    revision: u32,
    description: Option<&str>,
    created_millis: i64,
) -> Written {
    let insert = "INSERT INTO versions VALUES (?1, ?2, ?3, ?4, ?5)";
    connection.execute(insert, params![machine_id, version, revision, description, created_millis])?;
    let update = "UPDATE state_machines SET last_version = ?2 WHERE id = ?1";
    connection.execute(update, params![machine_id, version]).map(drop)
}

pub(super) fn delete_version(connection: &Connection, machine_id: i64, version: u32) -> Written {
    let delete = "DELETE FROM versions WHERE machine_id = ?1 AND version = ?2";
    connection.execute(delete, params![machine_id, version]).map(drop)
}

pub(super) fn put_alias(connection: &Connection, machine_id: i64, alias: &Alias) -> Written {
    let put = "INSERT OR REPLACE INTO aliases VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let routes = to_json(&alias.routes)?;
    let Alias { name, description, created_millis, updated_millis, .. } = alias;
    connection
        .execute(put, params![machine_id, name, description, routes, created_millis, updated_millis])
        .map(drop)
}

pub(super) fn delete_alias(connection: &Connection, machine_id: i64, alias: &str) -> Written {
    let delete = "DELETE FROM aliases WHERE machine_id = ?1 AND name = ?2";
    connection.execute(delete, params![machine_id, alias]).map(drop)
}

/// The state machine takes no more executions.
pub(super) fn mark_deleting(connection: &Connection, machine_id: i64, now_millis: i64) -> Written {
    let update = "UPDATE state_machines SET deleting_millis = ?2 WHERE id = ?1";
    connection.execute(update, params![machine_id, now_millis]).map(drop)
}

/// The state machine is gone, with its versions, aliases and tags. Its revisions
/// and executions stay for whoever has their ARNs.
pub(crate) fn delete_machine(connection: &Connection, machine_id: i64, now_millis: i64) -> Written {
    let update = "UPDATE state_machines SET deleting_millis = coalesce(deleting_millis, ?2), deleted_millis = ?2 \
                  WHERE id = ?1";
    connection.execute(update, params![machine_id, now_millis])?;
    connection.execute("DELETE FROM versions WHERE machine_id = ?1", [machine_id])?;
    connection.execute("DELETE FROM aliases WHERE machine_id = ?1", [machine_id])?;
    delete_tags(connection, &machine_resource(machine_id))
}

pub(super) fn put_activity(connection: &Connection, activity: &Activity) -> Written {
    let encryption = to_json(&activity.encryption)?;
    let put = "INSERT OR REPLACE INTO activities VALUES (?1, ?2, ?3)";
    connection.execute(put, params![activity.name, activity.created_millis, encryption]).map(drop)
}

pub(super) fn delete_activity(connection: &Connection, name: &str) -> Written {
    connection.execute("DELETE FROM activities WHERE name = ?1", [name])?;
    delete_tags(connection, &activity_resource(name))
}

/// The name of a state machine in the table of tags.
pub(super) fn machine_resource(machine_id: i64) -> String {
    format!("stateMachine:{machine_id}")
}

/// The name of an activity in the table of tags.
pub(super) fn activity_resource(name: &str) -> String {
    format!("activity:{name}")
}

pub(super) fn put_tags(connection: &Connection, resource: &str, tags: &[(String, String)]) -> Written {
    let put = "INSERT INTO tags (resource, key, value) VALUES (?1, ?2, ?3) \
               ON CONFLICT (resource, key) DO UPDATE SET value = excluded.value";
    let mut put = connection.prepare_cached(put)?;
    tags.iter().try_for_each(|(key, value)| put.execute(params![resource, key, value]).map(drop))
}

pub(super) fn delete_tag(connection: &Connection, resource: &str, key: &str) -> Written {
    connection.execute("DELETE FROM tags WHERE resource = ?1 AND key = ?2", [resource, key]).map(drop)
}

fn delete_tags(connection: &Connection, resource: &str) -> Written {
    connection.execute("DELETE FROM tags WHERE resource = ?1", [resource]).map(drop)
}

pub(crate) fn insert_express(connection: &Connection, start: &ExpressStart) -> Written {
    let ExpressStart { arn, machine_id, revision, name, input, trace_header, version, alias } = start;
    let insert = "INSERT INTO express VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    connection
        .execute(insert, params![arn, machine_id, revision, name, input, trace_header, version, alias])
        .map(drop)
}

pub(crate) fn delete_express(connection: &Connection, arn: &str) -> Written {
    connection.execute("DELETE FROM express WHERE arn = ?1", [arn]).map(drop)
}

/// Reads the tables.
#[derive(Debug)]
pub(crate) struct Store<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) path: &'a Path,
}

type Found<T> = Result<T, JournalError>;

impl Store<'_> {
    /// Everything that is registered.
    pub(crate) fn contents(&self) -> Found<Contents> {
        let query = "SELECT id, name, kind, created_millis, last_version, deleting_millis FROM state_machines \
                     WHERE deleted_millis IS NULL ORDER BY id";
        let rows = self.rows(query, [], |row| {
            let kind =
                StateMachineType::of(&row.get::<_, String>(2)?).ok_or(rusqlite::Error::InvalidQuery)?;
            let deleting = row.get::<_, Option<i64>>(5)?.is_some();
            Ok((row.get(0)?, row.get::<_, String>(1)?, kind, row.get(3)?, row.get(4)?, deleting))
        })?;
        let mut contents = Contents::default();
        for (id, name, kind, created_millis, last_version, deleting) in rows {
            let Some(current) = self.revision(id, None)?.map(Arc::new) else {
                return Err(self.missing_revision());
            };
            let name: Arc<str> = name.into();
            let entry = Entry {
                id,
                name: Arc::clone(&name),
                kind,
                created_millis,
                deleting: Arc::new(AtomicBool::new(deleting)),
                versions: self.versions(id, &current)?,
                current,
                last_version,
                aliases: self.aliases(id)?,
                tags: self.tags(&machine_resource(id))?,
            };
            contents.machines.insert(name, Arc::new(entry));
        }
        contents.activities = self.activities()?;
        let highest =
            self.rows("SELECT max(id) FROM state_machines", [], |row| row.get::<_, Option<i64>>(0))?;
        contents.last_machine_id = highest.into_iter().flatten().next().unwrap_or(0);
        Ok(contents)
    }

    /// A revision of a state machine; `number`: `None` = the current one.
    pub(crate) fn revision(&self, machine_id: i64, number: Option<u32>) -> Found<Option<Revision>> {
        let query = "SELECT revision, revision_id, sha256, role_arn, configuration, created_millis FROM revisions \
                     WHERE machine_id = ?1 AND revision = \
                     coalesce(?2, (SELECT max(revision) FROM revisions WHERE machine_id = ?1))";
        Ok(self.rows(query, params![machine_id, number], revision)?.pop())
    }

    /// Asynchronous Express executions that were accepted and did not end.
    pub(crate) fn express_starts(&self) -> Found<Vec<ExpressStart>> {
        let query = "SELECT arn, machine_id, revision, name, input, trace_header, version, alias FROM express \
                     ORDER BY arn";
        self.rows(query, [], |row| {
            Ok(ExpressStart {
                arn: row.get(0)?,
                machine_id: row.get(1)?,
                revision: row.get(2)?,
                name: row.get(3)?,
                input: row.get(4)?,
                trace_header: row.get(5)?,
                version: row.get(6)?,
                alias: row.get(7)?,
            })
        })
    }

    fn versions(
        &self,
        machine_id: i64,
        current: &Arc<Revision>,
    ) -> Found<BTreeMap<u32, Arc<PublishedVersion>>> {
        let query =
            "SELECT version, revision, description, created_millis FROM versions WHERE machine_id = ?1";
        let rows: Vec<(u32, u32, Option<String>, i64)> =
            self.rows(query, [machine_id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
        let mut versions = BTreeMap::new();
        for (version, number, description, created_millis) in rows {
            let revision = if number == current.number {
                Arc::clone(current)
            } else {
                Arc::new(self.revision(machine_id, Some(number))?.ok_or_else(|| self.missing_revision())?)
            };
            versions.insert(version, Arc::new(PublishedVersion { revision, description, created_millis }));
        }
        Ok(versions)
    }

    fn aliases(&self, machine_id: i64) -> Found<BTreeMap<String, Arc<Alias>>> {
        let query = "SELECT name, description, routes, created_millis, updated_millis FROM aliases \
                     WHERE machine_id = ?1";
        let aliases = self.rows(query, [machine_id], |row| {
            Ok(Alias {
                name: row.get(0)?,
                description: row.get(1)?,
                routes: from_json::<Vec<Route>>(row, 2)?,
                created_millis: row.get(3)?,
                updated_millis: row.get(4)?,
            })
        })?;
        Ok(aliases.into_iter().map(|alias| (alias.name.clone(), Arc::new(alias))).collect())
    }

    fn activities(&self) -> Found<BTreeMap<String, Arc<Activity>>> {
        let query = "SELECT name, created_millis, encryption FROM activities";
        let rows = self.rows(query, [], |row| {
            let encryption: Encryption = from_json(row, 2)?;
            Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?, encryption))
        })?;
        let mut activities = BTreeMap::new();
        for (name, created_millis, encryption) in rows {
            let tags = self.tags(&activity_resource(&name))?;
            let activity = Activity { name: name.clone(), created_millis, encryption, tags };
            activities.insert(name, Arc::new(activity));
        }
        Ok(activities)
    }

    fn tags(&self, resource: &str) -> Found<IndexMap<String, String>> {
        let query = "SELECT key, value FROM tags WHERE resource = ?1 ORDER BY id";
        let rows: Vec<(String, String)> =
            self.rows(query, [resource], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.into_iter().collect())
    }

    fn missing_revision(&self) -> JournalError {
        JournalError::Damaged {
            path: self.path.to_path_buf(),
            detail: "a state machine has no revision".to_owned(),
        }
    }

    fn rows<T>(
        &self,
        query: &str,
        parameters: impl rusqlite::Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Found<Vec<T>> {
        let failed = |source| JournalError::of(self.path, "read", source);
        let mut statement = self.connection.prepare_cached(query).map_err(failed)?;
        let rows = statement.query_map(parameters, read).map_err(failed)?;
        rows.collect::<Result<_, _>>().map_err(failed)
    }
}

fn revision(row: &Row<'_>) -> rusqlite::Result<Revision> {
    Ok(Revision {
        number: row.get(0)?,
        id: row.get(1)?,
        sha256: row.get(2)?,
        role_arn: row.get::<_, String>(3)?.into(),
        configuration: Arc::new(from_json(row, 4)?),
        created_millis: row.get(5)?,
        parsed: OnceLock::new(),
    })
}

fn to_json(value: &impl serde::Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

fn from_json<T: serde::de::DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, error.into())
    })
}
