//! Triggers from a file: what the operations of queues, events, schedules and pipes make, in
//! their own names, put again at every start without doing it twice.

mod members;
mod rehearsal;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use engine::services::capitalised;
use serde_json::{Map, Value, json};

use self::members::Form;
use self::rehearsal::Rehearsal;
use super::Inner;
use super::events::Events;
use super::pipes::Pipes;
use super::queue::Queues;
use super::schedules::Schedules;
use super::shared::Shared;
use crate::http::{JsonError, RestApi as _};

/// What is wrong with a document of triggers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct TriggerError {
    /// Where: `Rules[0].EventPattern`.
    pub place: String,
    /// What, in AWS's words where they are AWS's.
    pub problem: String,
    /// The document is right, and putting it failed on the way: what stands before the place was put, and
    /// to put it again puts the rest.
    pub is_partly_put: bool,
}

/// Lists of a document, in the order in which they are put: what others refer to comes first.
const LISTS: [&str; 6] = ["Queues", "EventBuses", "Rules", "ScheduleGroups", "Schedules", "Pipes"];

/// What AWS says of something that is not there.
const MISSING: [&str; 3] = ["NotFoundException", "ResourceNotFoundException", "QueueDoesNotExist"];

/// An item of a document.
struct Item {
    list: &'static str,
    place: String,
    members: Map<String, Value>,
}

/// Puts everything, and answers how many things there are. A document that is refused changes nothing: all
/// of it is tried before, in a copy of what there is. Of several mistakes, the first in the document's own
/// order is told; but not that something is missing that another mistake may have kept from being made.
pub(super) fn put(stores: &Inner, document: &Value) -> Result<usize, TriggerError> {
    let mut items = items(document)?;
    let putting = Putting::new(stores);
    items.iter().try_for_each(|item| putting.form(item.list).check(&item.place, &item.members))?;
    let order: BTreeMap<String, usize> = items.iter().map(|item| item.place.clone()).zip(0..).collect();
    items.sort_by_key(|item| LISTS.iter().position(|list| *list == item.list));
    let rehearsal = Rehearsal::of(stores).map_err(|problem| TriggerError {
        place: "document".to_owned(),
        problem: format!("it cannot be tried before it is put: {problem}"),
        is_partly_put: false,
    })?;
    let trying = Putting::new(&rehearsal.stores);
    let refused = items.iter().filter_map(|item| Some((item, trying.item(item).err()?)));
    let first = refused.min_by_key(|(item, refusal)| (refusal.is_missing, order.get(&item.place)));
    if let Some((_, refusal)) = first {
        return Err(refusal.error);
    }
    let put = items.iter().try_for_each(|item| putting.item(item));
    // What was right in the rehearsal is right: the database failed.
    put.map_err(|refusal| TriggerError { is_partly_put: true, ..refusal.error })?;
    Ok(items.len())
}

/// The items of a document, in its order.
fn items(document: &Value) -> Result<Vec<Item>, TriggerError> {
    let refused = |place: &str, problem: String| {
        Err(TriggerError { place: place.to_owned(), problem, is_partly_put: false })
    };
    let Some(lists) = document.as_object() else {
        return refused("document", format!("it has to be an object with {}", LISTS.join(", ")));
    };
    let mut found = Vec::new();
    for (name, items) in lists {
        let Some(list) = LISTS.into_iter().find(|list| list == name) else {
            return refused(name, format!("there is no such list: there are {}", LISTS.join(", ")));
        };
        let Some(items) = items.as_array() else {
            return refused(list, "it has to be a list".to_owned());
        };
        for (at, item) in items.iter().enumerate() {
            let place = format!("{list}[{at}]");
            let Some(members) = item.as_object() else {
                return refused(&place, "it has to be an object".to_owned());
            };
            found.push(Item { list, place, members: with_texts(members) });
        }
    }
    Ok(found)
}

/// Why an item was refused.
struct Refusal {
    error: TriggerError,
    /// Something else is not there.
    is_missing: bool,
}

type Put = Result<(), Refusal>;

struct Putting<'a> {
    shared: &'a Shared,
    queues: &'a Queues,
    events: &'a Events,
    schedules: &'a Schedules,
    pipes: &'a Pipes,
}

impl<'a> Putting<'a> {
    fn new(stores: &'a Inner) -> Self {
        let Inner { shared, queues, events, schedules, pipes, .. } = stores;
        Self { shared, queues, events, schedules, pipes }
    }

    /// What an item of a list may have.
    fn form(&self, list: &str) -> Form<'a> {
        let (model, operation, also) = match list {
            "Queues" => (self.queues.model(), "CreateQueue", None),
            "EventBuses" => (self.events.model(), "CreateEventBus", None),
            "Rules" => (self.events.model(), "PutRule", Some(("PutTargets", "Targets"))),
            "ScheduleGroups" => (self.schedules.model(), "CreateScheduleGroup", None),
            "Schedules" => (self.schedules.model(), "CreateSchedule", None),
            _ => (self.pipes.model(), "CreatePipe", None),
        };
        Form { model, operation, also }
    }

    fn item(&self, Item { list, place, members: item }: &Item) -> Put {
        match *list {
            "Queues" => self.queue(place, item),
            "EventBuses" => self.bus(place, item),
            "Rules" => self.rule(place, item),
            "ScheduleGroups" => self.group(place, item),
            "Schedules" => self.schedule(place, item),
            _ => self.pipe(place, item),
        }
    }

    /// A queue that is there gets the attributes and tags of the file.
    fn queue(&self, place: &str, item: &Map<String, Value>) -> Put {
        let name = item.get("QueueName").and_then(Value::as_str).unwrap_or_default();
        let url = self.shared.queue_url(name);
        let whole = Value::Object(item.clone());
        match self.queues.run("CreateQueue", &whole) {
            Err(error) if error.code == "QueueNameExists" => {}
            answered => return told(place, item, answered.map(drop)),
        }
        let mut attributes = item.get("Attributes").and_then(Value::as_object).cloned().unwrap_or_default();
        // It cannot be changed, and is the same: its name says so.
        attributes.shift_remove("FifoQueue");
        let set = json!({ "QueueUrl": url, "Attributes": attributes });
        told(place, item, self.queues.run("SetQueueAttributes", &set).map(drop))?;
        let tags = json!({ "QueueUrl": url, "Tags": item.get("tags").cloned().unwrap_or_else(|| json!({})) });
        told(place, item, self.queues.run("TagQueue", &tags).map(drop))
    }

    fn bus(&self, place: &str, item: &Map<String, Value>) -> Put {
        let created = self.events.run("CreateEventBus", &Value::Object(item.clone()));
        told(place, item, there_already(created, "ResourceAlreadyExistsException"))
    }

    /// A rule with its targets; targets that the file does not have are removed.
    fn rule(&self, place: &str, item: &Map<String, Value>) -> Put {
        let mut rule = item.clone();
        let targets = rule.shift_remove("Targets").unwrap_or_else(|| json!([]));
        told(place, item, self.events.run("PutRule", &Value::Object(rule)).map(drop))?;
        let of_rule = |more: Value| {
            let mut parameters =
                json!({ "Rule": item.get("Name"), "EventBusName": item.get("EventBusName") });
            if let (Some(parameters), Value::Object(more)) = (parameters.as_object_mut(), more) {
                parameters.extend(more);
            }
            parameters
        };
        let place = format!("{place}.Targets");
        let list = self.events.run("ListTargetsByRule", &of_rule(json!({})));
        let list = list.map_err(|error| of_error(&place, item, error))?;
        let ids = |list: &Value| -> Vec<Value> {
            let targets = list.as_array().into_iter().flatten();
            targets.filter_map(|target| target.get("Id").cloned()).collect()
        };
        let wanted = ids(&targets);
        let mut gone = ids(list.get("Targets").unwrap_or(&Value::Null));
        gone.retain(|id| !wanted.contains(id));
        if !gone.is_empty() {
            told(&place, item, self.events.run("RemoveTargets", &of_rule(json!({ "Ids": gone }))).map(drop))?;
        }
        if targets.as_array().is_some_and(Vec::is_empty) {
            return Ok(());
        }
        told(&place, item, self.events.run("PutTargets", &of_rule(json!({ "Targets": targets }))).map(drop))
    }

    fn group(&self, place: &str, item: &Map<String, Value>) -> Put {
        let created = self.schedules.run("CreateScheduleGroup", &Value::Object(item.clone()));
        told(place, item, there_already(created, "ConflictException"))
    }

    /// A schedule that is there is changed only if the file says something else: a rate
    /// does not begin anew at every start.
    fn schedule(&self, place: &str, item: &Map<String, Value>) -> Put {
        let mut item = item.clone();
        item.entry("FlexibleTimeWindow").or_insert_with(|| json!({ "Mode": "OFF" }));
        give_role(&mut item);
        let whole = Value::Object(item.clone());
        match self.schedules.run("CreateSchedule", &whole) {
            Err(error) if error.code == "ConflictException" => {}
            answered => return told(place, &item, answered.map(drop)),
        }
        let asked = json!({ "Name": item.get("Name"), "GroupName": item.get("GroupName") });
        let is = self.schedules.run("GetSchedule", &asked).map_err(|error| of_error(place, &item, error))?;
        if item.iter().all(|(name, value)| is_within(value, is.get(name))) {
            return Ok(());
        }
        told(place, &item, self.schedules.run("UpdateSchedule", &whole).map(drop))
    }

    fn pipe(&self, place: &str, item: &Map<String, Value>) -> Put {
        let mut item = item.clone();
        item.entry("RoleArn").or_insert_with(|| json!(ANY_ROLE));
        let whole = Value::Object(item.clone());
        match self.pipes.run_operation("CreatePipe", &whole) {
            Err(error) if error.code == "ConflictException" => {}
            answered => return told(place, &item, answered.map(drop)),
        }
        // The source of a pipe cannot be changed: as CloudFormation has it, that takes another pipe.
        let asked = json!({ "Name": item.get("Name") });
        let is = self.pipes.run_operation("DescribePipe", &asked);
        let is = is.map_err(|error| of_error(place, &item, error))?;
        if is.get("Source") == item.get("Source") {
            return told(place, &item, self.pipes.run_operation("UpdatePipe", &whole).map(drop));
        }
        told(place, &item, self.pipes.run_operation("DeletePipe", &asked).map(drop))?;
        told(place, &item, self.pipes.run_operation("CreatePipe", &whole).map(drop))
    }
}

/// Roles are not looked at: a file does not have to name one.
const ANY_ROLE: &str = "arn:aws:iam::123456789012:role/local";

fn give_role(item: &mut Map<String, Value>) {
    if let Some(target) = item.get_mut("Target").and_then(Value::as_object_mut) {
        target.entry("RoleArn").or_insert_with(|| json!(ANY_ROLE));
    }
}

/// Whether everything that is wanted is so.
fn is_within(wanted: &Value, is: Option<&Value>) -> bool {
    match (wanted, is) {
        (Value::Object(wanted), Some(Value::Object(is))) => {
            wanted.iter().all(|(name, wanted)| is_within(wanted, is.get(name)))
        }
        (wanted, Some(is)) => {
            wanted == is || wanted.as_f64().is_some_and(|wanted| Some(wanted) == is.as_f64())
        }
        (_, None) => false,
    }
}

/// What AWS has as JSON in a text may be written as it is: patterns, policies, inputs; and
/// attributes of queues, which are texts, as numbers.
fn with_texts(item: &Map<String, Value>) -> Map<String, Value> {
    let mut item = item.clone();
    text_of(&mut item, "EventPattern");
    for attribute in item.get_mut("Attributes").and_then(Value::as_object_mut).into_iter().flatten() {
        if !attribute.1.is_string() {
            *attribute.1 = json!(attribute.1.to_string());
        }
    }
    let targets = item.get_mut("Targets").and_then(Value::as_array_mut).into_iter().flatten();
    targets.filter_map(Value::as_object_mut).for_each(|target| text_of(target, "Input"));
    if let Some(target) = item.get_mut("Target").and_then(Value::as_object_mut) {
        text_of(target, "Input");
    }
    let filters = item
        .get_mut("SourceParameters")
        .and_then(|parameters| parameters.get_mut("FilterCriteria"))
        .and_then(|criteria| criteria.get_mut("Filters"));
    let filters = filters.and_then(Value::as_array_mut).into_iter().flatten();
    filters.filter_map(Value::as_object_mut).for_each(|filter| text_of(filter, "Pattern"));
    item
}

fn text_of(object: &mut Map<String, Value>, name: &str) {
    if let Some(value) = object.get_mut(name).filter(|value| value.is_object() || value.is_array()) {
        *value = json!(value.to_string());
    }
}

fn there_already(answered: Result<Value, JsonError>, code: &str) -> Result<(), JsonError> {
    match answered {
        Err(error) if error.code == code => Ok(()),
        answered => answered.map(drop),
    }
}

fn told(place: &str, item: &Map<String, Value>, answered: Result<(), JsonError>) -> Put {
    answered.map_err(|error| of_error(place, item, error))
}

/// The member at which the check found something: `… at 'target.arn' failed to satisfy …`.
fn found_at(message: &str) -> Option<String> {
    let (_, at) = message.split_once(" at '")?;
    let (path, _) = at.split_once('\'')?;
    let mut place = String::new();
    for part in path.split('.').filter(|part| *part != "member") {
        if let Ok(number) = part.parse::<usize>() {
            // Messages count from 1. Writing to a String does not fail.
            let _ = write!(place, "[{}]", number.saturating_sub(1));
            continue;
        }
        if !place.is_empty() {
            place.push('.');
        }
        place.push_str(&capitalised(part));
    }
    Some(place)
}

/// The member that an error names, if it names one.
fn of_error(place: &str, item: &Map<String, Value>, error: JsonError) -> Refusal {
    let lower = error.message.to_lowercase();
    let named = |name: &&String| {
        let name = name.to_lowercase();
        lower.contains(&format!("'{name}")) || lower.contains(&format!("parameter {name}"))
    };
    let member = match &*error.code {
        "InvalidEventPatternException" => Some("EventPattern".to_owned()),
        "NotFoundException" if lower.starts_with("source ") => Some("Source".to_owned()),
        _ if lower.contains("schedule expression") || lower.contains("parameter scheduleexpression") => {
            Some("ScheduleExpression".to_owned())
        }
        _ => found_at(&error.message).or_else(|| item.keys().find(named).cloned()),
    };
    // Of `Rules[0].Targets`, what is found is below it.
    let list = place.rsplit('.').next().unwrap_or_default();
    let place = match member {
        Some(member) if member == list => place.to_owned(),
        Some(member) => match member.strip_prefix(list).filter(|rest| rest.starts_with('[')) {
            Some(rest) => format!("{place}{rest}"),
            None => format!("{place}.{member}"),
        },
        None => place.to_owned(),
    };
    let is_missing = MISSING.contains(&&*error.code);
    Refusal { error: TriggerError { place, problem: error.message, is_partly_put: false }, is_missing }
}
