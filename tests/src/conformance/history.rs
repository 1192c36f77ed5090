//! Comparing whole histories.

use indexmap::IndexMap;
use serde_json::json;

use super::bindings::Bindings;
use super::tree::Tree;
use super::unify::{Difference, unify};

/// Event types at which the recorder took the inside of a Parallel for finished.
const PARALLEL_ENDS: [&str; 4] =
    ["ParallelStateSucceeded", "ParallelStateAborted", "ParallelStateExited", "ParallelStateFailed"];

/// An event, or with `unordered` a group of events from inside a Parallel.
enum Entry<'e> {
    Event(&'e Tree),
    Group(Vec<&'e Tree>),
}

/// Compares histories, event by event. With `unordered` the events inside a
/// Parallel are a set, without ids: their order is not recorded.
pub fn unify_histories(
    expected: &[Tree],
    actual: &[Tree],
    unordered: bool,
    bindings: &mut Bindings,
) -> Result<(), Difference> {
    let recorded;
    let (wanted, found) = if unordered {
        recorded = as_recorded(actual);
        (grouped(expected), grouped(&recorded))
    } else {
        (expected.iter().map(Entry::Event).collect(), actual.iter().map(Entry::Event).collect())
    };
    if wanted.len() != found.len() {
        return Err(other_types(&wanted, &found));
    }
    for (at, pair) in wanted.iter().zip(&found).enumerate() {
        match pair {
            (Entry::Event(wanted), Entry::Event(found)) => {
                let path = format!("history[{at}:{}]", type_of(wanted));
                unify(wanted, found, bindings, &path)?;
            }
            (Entry::Group(wanted), Entry::Group(found)) => unify_sets(at, wanted, found, bindings)?,
            _ => return Err(Difference(format!("history[{at}]: structure differs"))),
        }
    }
    Ok(())
}

fn other_types(wanted: &[Entry<'_>], found: &[Entry<'_>]) -> Difference {
    let types = |entries: &[Entry<'_>]| -> Vec<String> {
        let type_of = |entry: &Entry<'_>| match entry {
            Entry::Event(event) => type_of(event).to_owned(),
            Entry::Group(_) => "(inside of a Parallel)".to_owned(),
        };
        entries.iter().map(type_of).collect()
    };
    let (wanted, found) = (types(wanted), types(found));
    let same = wanted.iter().zip(&found).take_while(|(wanted, found)| wanted == found).count();
    let next = |types: &[String]| types.iter().skip(same).take(3).cloned().collect::<Vec<_>>().join(", ");
    Difference(format!(
        "history: expected {} events, got {}; first other type at index {same}: expected {}, got {}",
        wanted.len(),
        found.len(),
        next(&wanted),
        next(&found),
    ))
}

fn unify_sets(
    at: usize,
    wanted: &[&Tree],
    found: &[&Tree],
    bindings: &mut Bindings,
) -> Result<(), Difference> {
    if wanted.len() != found.len() {
        let (wanted, found) = (wanted.len(), found.len());
        return Err(Difference(format!(
            "history[{at}]: expected {wanted} events inside of a Parallel, got {found}"
        )));
    }
    let mut rest = found.to_vec();
    for event in wanted {
        let position = rest.iter().position(|candidate| {
            let mut attempt = bindings.clone();
            let same = unify(event, candidate, &mut attempt, "$").is_ok();
            if same {
                *bindings = attempt;
            }
            same
        });
        match position {
            Some(position) => drop(rest.remove(position)),
            None => return Err(Difference(format!("history[{at}]: no event like {event}"))),
        }
    }
    Ok(())
}

fn type_of(event: &Tree) -> &str {
    match event.get("type") {
        Some(Tree::Text(kind)) => kind,
        _ => "",
    }
}

/// What the recorder did to histories with Parallels, kept with its oddity:
/// events inside lose their ids, and where two ends follow each other the
/// first one is lost, and the event after them is not looked at.
fn as_recorded(events: &[Tree]) -> Vec<Tree> {
    let mut events = events.to_vec();
    let (mut start, mut inside) = (0, false);
    let mut taken: Vec<Tree> = Vec::new();
    let mut at = 0;
    while let Some(event) = events.get_mut(at) {
        let kind = type_of(event);
        if event.get("type").is_none() {
            inside = false;
        } else if PARALLEL_ENDS.contains(&kind) {
            events.splice(start..at, taken.iter().cloned());
            inside = false;
        } else if kind == "ParallelStateStarted" {
            (start, inside) = (at + 1, true);
            taken.clear();
        } else if inside {
            forget_id(event);
            taken.push(event.clone());
        }
        at += 1;
    }
    events
}

fn forget_id(event: &mut Tree) {
    if let Tree::Object(event) = event {
        event.insert("id".to_owned(), no_id());
        event.insert("previousEventId".to_owned(), Tree::Scalar(json!(0)));
    }
}

/// The recorder's mark of an event inside of a Parallel: `[0]`.
fn no_id() -> Tree {
    Tree::List(vec![Tree::Scalar(json!(0))])
}

fn grouped(events: &[Tree]) -> Vec<Entry<'_>> {
    let mut entries: Vec<Entry<'_>> = Vec::new();
    for event in events {
        let is_inside = event.get("id") == Some(&no_id());
        match entries.last_mut() {
            Some(Entry::Group(group)) if is_inside => group.push(event),
            _ if is_inside => entries.push(Entry::Group(vec![event])),
            _ => entries.push(Entry::Event(event)),
        }
    }
    entries
}

/// The events of a comparison tree that is an object with `events`, and the rest of it.
pub(super) fn split_events(answer: &Tree) -> Option<(&[Tree], Tree)> {
    let Tree::Object(map) = answer else { return None };
    let events = map.get("events")?.items();
    let rest: IndexMap<_, _> = map
        .iter()
        .filter(|(key, _)| *key != "events")
        .map(|(key, item)| (key.clone(), item.clone()))
        .collect();
    Some((events, Tree::Object(rest)))
}
