//! The operations of pipes, by name.

use std::sync::Arc;

use asl::limits::PIPES_MAX;
use engine::Engine;
use engine::services::Service;
use rusqlite::{Connection, OptionalExtension as _};
use serde_json::{Map, Value, json};

use super::batch::Batch;
use super::pipe::Pipe;
use crate::http::service::off_thread;
use crate::http::{JsonAnswer, JsonError, RestApi};
use crate::stores::bell::Bell;
use crate::stores::database::Done;
use crate::stores::place::Place;
use crate::stores::queue;
use crate::stores::request::{Answered, Given, check, page, validation};
use crate::stores::shared::Shared;
use crate::stores::{tags, time};

/// Pipes in one answer of a list. API reference: 100.
const PAGE: usize = 100;

/// What is kept of a request, beside what cannot be changed.
const CHANGEABLE: [&str; 10] = [
    "Description",
    "DesiredState",
    "SourceParameters",
    "Enrichment",
    "EnrichmentParameters",
    "Target",
    "TargetParameters",
    "RoleArn",
    "LogConfiguration",
    "KmsKeyIdentifier",
];

/// The pipes of a data folder.
pub(crate) struct Pipes {
    pub(super) shared: Arc<Shared>,
    pub(super) engine: Engine,
    model: Service,
    pub(super) bell: Arc<Bell>,
}

/// A pipe as it is kept.
pub(super) struct Kept {
    pub(super) name: String,
    pub(super) document: Map<String, Value>,
    created_millis: i64,
    modified_millis: i64,
}

const KEPT: &str = "SELECT name, document, created_millis, modified_millis FROM pipes";

fn kept_of(row: &rusqlite::Row<'_>) -> rusqlite::Result<Kept> {
    let document: String = row.get(1)?;
    Ok(Kept {
        name: row.get(0)?,
        document: serde_json::from_str(&document).unwrap_or_default(),
        created_millis: row.get(2)?,
        modified_millis: row.get(3)?,
    })
}

fn find(connection: &Connection, name: &str) -> Done<Option<Kept>> {
    let mut statement = connection.prepare_cached(&format!("{KEPT} WHERE name = ?1"))?;
    Ok(statement.query_row([name], kept_of).optional()?)
}

/// All pipes, by name.
pub(super) fn list(connection: &Connection) -> Done<Vec<Kept>> {
    let mut statement = connection.prepare_cached(&format!("{KEPT} ORDER BY name"))?;
    let found = statement.query_map([], kept_of)?.collect::<rusqlite::Result<_>>()?;
    Ok(found)
}

/// Gives back what a pipe took; answers the queue that has it again.
pub(super) fn give_back(connection: &Connection, name: &str, place: &Place, now: i64) -> Done<Option<i64>> {
    let Some(batch) = Batch::noted(connection, name)? else { return Ok(None) };
    let kept = find(connection, name)?;
    let source = kept.as_ref().map(|kept| Given::new(&kept.document).required("Source"));
    batch.give_back(connection, name, source.and_then(|arn| place.queue_name(arn)).unwrap_or_default(), now)
}

fn no_pipe(name: &str) -> JsonError {
    JsonError {
        http_status: 404,
        ..JsonError::new("NotFoundException", format!("Pipe {name} does not exist."))
    }
}

fn no_source(arn: &str) -> JsonError {
    JsonError {
        http_status: 404,
        ..JsonError::new("NotFoundException", format!("Source queue {arn} does not exist."))
    }
}

impl Pipes {
    /// `None`: there is no model of the service, which would be an error of the build.
    pub(crate) fn new(shared: Arc<Shared>, engine: Engine) -> Option<Self> {
        Some(Self { shared, engine, model: Service::load("pipes")?, bell: Arc::default() })
    }

    /// What executions are started on.
    pub(crate) const fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Rings when a pipe was made, changed or deleted, or one has come to its end.
    pub(crate) fn bell(&self) -> Arc<Bell> {
        Arc::clone(&self.bell)
    }

    pub(crate) fn end(&self) {
        self.bell.end();
    }

    /// Runs an operation.
    pub(crate) fn run_operation(&self, operation: &str, parameters: &Value) -> Answered {
        check(&self.model, operation, parameters)?;
        let given = Given::of(parameters);
        match operation {
            "CreatePipe" => self.create(given),
            "UpdatePipe" => self.update(given),
            "DescribePipe" => self.describe(given),
            "DeletePipe" => self.delete(given),
            "ListPipes" => self.list_pipes(given),
            "StartPipe" => self.set_state(given, "RUNNING"),
            "StopPipe" => self.set_state(given, "STOPPED"),
            "TagResource" => self.tag(given),
            "UntagResource" => self.untag(given),
            "ListTagsForResource" => self.tags(given),
            _ => Err(JsonError { http_status: 404, ..JsonError::new("UnknownOperationException", "") }),
        }
    }

    fn create(&self, given: Given<'_>) -> Answered {
        let name = given.required("Name").to_owned();
        if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte)) {
            return Err(validation(format!("Invalid pipe name {name}.")));
        }
        let mut document = given.copied(&CHANGEABLE);
        document.extend(given.copied(&["Source"]));
        document.entry("DesiredState").or_insert_with(|| "RUNNING".into());
        let value = Value::Object(document);
        Pipe::of(&name, Given::of(&value), &self.shared.place)?;
        let new_tags: tags::Tags = tags_of(given);
        let (arn, now) = (self.shared.place.pipe_arn(&name), self.shared.now());
        let source = given.required("Source").to_owned();
        let place = self.shared.place.clone();
        let kept = self.shared.database.write(move |connection| {
            if find(connection, &name)?.is_some() {
                let message = format!("Pipe {name} already exists.");
                return Err(
                    JsonError { http_status: 409, ..JsonError::new("ConflictException", message) }.into()
                );
            }
            if list(connection)?.len() >= PIPES_MAX {
                let message = format!("At most {PIPES_MAX} pipes are possible here.");
                return Err(JsonError {
                    http_status: 402,
                    ..JsonError::new("ServiceQuotaExceededException", message)
                }
                .into());
            }
            // On AWS such a pipe is made and then fails to be created, which nobody here would come to see.
            if queue::find(connection, place.queue_name(&source).unwrap_or_default())?.is_none() {
                return Err(no_source(&source).into());
            }
            connection
                .execute("INSERT INTO pipes VALUES (?1, ?2, ?3, ?3)", (&name, value.to_string(), now))?;
            tags::put(connection, &arn, &new_tags)?;
            find(connection, &name)?.ok_or_else(|| no_pipe(&name).into())
        })?;
        self.bell.ring();
        Ok(self.state_of(&kept))
    }

    /// Changes what is given; the rest stays.
    fn update(&self, given: Given<'_>) -> Answered {
        let new = given.copied(&CHANGEABLE);
        self.change(given.required("Name"), move |document| {
            for (name, value) in new {
                // Parameters are merged by what they are of.
                match (document.get_mut(&name).and_then(Value::as_object_mut), value) {
                    (Some(before), Value::Object(value)) => before.extend(value),
                    (_, value) => drop(document.insert(name, value)),
                }
            }
        })
    }

    fn set_state(&self, given: Given<'_>, state: &'static str) -> Answered {
        self.change(given.required("Name"), move |document| {
            document.insert("DesiredState".to_owned(), json!(state));
        })
    }

    fn change(&self, name: &str, change: impl FnOnce(&mut Map<String, Value>) + Send + 'static) -> Answered {
        let (name, place, now) = (name.to_owned(), self.shared.place.clone(), self.shared.now());
        let kept = self.shared.database.write(move |connection| {
            let mut kept = find(connection, &name)?.ok_or_else(|| no_pipe(&name))?;
            change(&mut kept.document);
            let value = Value::Object(kept.document.clone());
            Pipe::of(&name, Given::of(&value), &place)?;
            let update = "UPDATE pipes SET document = ?2, modified_millis = ?3 WHERE name = ?1";
            connection.execute(update, (&name, value.to_string(), now))?;
            kept.modified_millis = now;
            Ok(kept)
        })?;
        self.bell.ring();
        Ok(self.state_of(&kept))
    }

    fn describe(&self, given: Given<'_>) -> Answered {
        let name = given.required("Name");
        let kept = self.shared.database.read(|connection| find(connection, name))?;
        let kept = kept.ok_or_else(|| no_pipe(name))?;
        let mut shown = self.state_of(&kept);
        if let Some(shown) = shown.as_object_mut() {
            shown.extend(kept.document.clone());
            let arn = self.shared.place.pipe_arn(name);
            let tags = self.shared.database.read(|connection| tags::list(connection, &arn))?;
            shown.insert("Tags".to_owned(), Value::Object(as_map(&tags)));
        }
        Ok(shown)
    }

    fn delete(&self, given: Given<'_>) -> Answered {
        let name = given.required("Name").to_owned();
        let arn = self.shared.place.pipe_arn(&name);
        let (place, now) = (self.shared.place.clone(), self.shared.now());
        let (kept, queue) = self.shared.database.write(move |connection| {
            let kept = find(connection, &name)?.ok_or_else(|| no_pipe(&name))?;
            let queue = give_back(connection, &name, &place, now)?;
            connection.execute("DELETE FROM pipes WHERE name = ?1", [&name])?;
            tags::remove_all(connection, &arn)?;
            Ok((kept, queue))
        })?;
        self.bell.ring();
        if let Some(queue) = queue {
            self.shared.arrivals.tell(queue);
        }
        let mut state = self.state_of(&kept);
        if let Some(state) = state.as_object_mut() {
            state.insert("CurrentState".to_owned(), json!("DELETING"));
            state.insert("DesiredState".to_owned(), json!("DELETED"));
        }
        Ok(state)
    }

    fn list_pipes(&self, given: Given<'_>) -> Answered {
        let prefix = |name: &str| given.text(name).unwrap_or_default();
        let text = |kept: &Kept, name: &str| {
            kept.document.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let kept = self.shared.database.read(list)?;
        let is_wanted = |kept: &Kept| {
            let state = text(kept, "DesiredState");
            kept.name.starts_with(prefix("NamePrefix"))
                && text(kept, "Source").starts_with(prefix("SourcePrefix"))
                && text(kept, "Target").starts_with(prefix("TargetPrefix"))
                && ["DesiredState", "CurrentState"]
                    .iter()
                    .all(|name| given.text(name).is_none_or(|wanted| wanted == state))
        };
        let count = given.number("Limit").and_then(|limit| usize::try_from(limit).ok()).unwrap_or(PAGE);
        let found = kept.into_iter().filter(is_wanted).collect();
        let (found, next) = page(found, given.text("NextToken"), count, |kept: &Kept| kept.name.as_str());
        let shown = |kept: &Kept| {
            let mut shown = self.state_of(kept);
            if let Some(shown) = shown.as_object_mut() {
                shown.insert("Source".to_owned(), json!(text(kept, "Source")));
                shown.insert("Target".to_owned(), json!(text(kept, "Target")));
            }
            shown
        };
        let mut answer = json!({ "Pipes": found.iter().map(shown).collect::<Vec<_>>() });
        if let (Some(next), Some(answer)) = (next, answer.as_object_mut()) {
            answer.insert("NextToken".to_owned(), json!(next));
        }
        Ok(answer)
    }

    /// What all answers about a pipe have. A state is reached as soon as it is wanted.
    fn state_of(&self, kept: &Kept) -> Value {
        let state = kept.document.get("DesiredState").cloned().unwrap_or_default();
        json!({
            "Arn": self.shared.place.pipe_arn(&kept.name),
            "Name": kept.name,
            "DesiredState": state,
            "CurrentState": state,
            "CreationTime": time::seconds(kept.created_millis),
            "LastModifiedTime": time::seconds(kept.modified_millis),
        })
    }

    fn tag(&self, given: Given<'_>) -> Answered {
        let map = given.object("tags").cloned().unwrap_or_default();
        let (arn, new) = (given.required("resourceArn").to_owned(), of_map(&map));
        self.shared.database.write(move |connection| tags::put(connection, &arn, &new))?;
        Ok(json!({}))
    }

    fn untag(&self, given: Given<'_>) -> Answered {
        let arn = given.required("resourceArn").to_owned();
        let keys: Vec<String> = given.texts("tagKeys").into_iter().map(str::to_owned).collect();
        self.shared.database.write(move |connection| tags::remove(connection, &arn, &keys))?;
        Ok(json!({}))
    }

    fn tags(&self, given: Given<'_>) -> Answered {
        let arn = given.required("resourceArn");
        let tags = self.shared.database.read(|connection| tags::list(connection, arn))?;
        Ok(json!({ "tags": as_map(&tags) }))
    }
}

fn tags_of(given: Given<'_>) -> tags::Tags {
    given.object("Tags").map(of_map).unwrap_or_default()
}

fn of_map(map: &Map<String, Value>) -> tags::Tags {
    map.iter().map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned())).collect()
}

fn as_map(tags: &[Value]) -> Map<String, Value> {
    let entry = |tag: &Value| Some((tag.get("Key")?.as_str()?.to_owned(), tag.get("Value")?.clone()));
    tags.iter().filter_map(entry).collect()
}

impl RestApi for Pipes {
    fn model(&self) -> &Service {
        &self.model
    }

    fn call(self: Arc<Self>, operation: &str, parameters: Value) -> JsonAnswer {
        let operation = operation.to_owned();
        Box::pin(off_thread(move || self.run_operation(&operation, &parameters)))
    }
}
