//! What a power loss leaves of a folder: everything that was synced, and of
//! the rest any part, in pieces of a sector, in any order.
//!
//! The model is strict. Bytes are safe after a sync of their file that began
//! when they were written; a name is safe after a sync of its folder. (A file
//! system may keep more; it may not keep less.)

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::trace::{Call, Event};
use crate::crash::draw::Draws;

/// What a disk writes at once, or not at all.
const SECTOR_BYTES: usize = 512;

/// The files of a folder by name.
pub type Files = BTreeMap<String, Vec<u8>>;

/// What becomes of the writes that were not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// They are lost.
    None,
    /// They are there, as after a kill.
    All,
    /// Those before some moment are there, the last of them in part.
    Prefix,
    /// Any of them, whole or in part.
    Some,
}

/// One operation on the folder that may not be on the disk yet.
struct Pending<'a> {
    file: String,
    event: &'a Event,
}

/// What is on the disk: bytes by file, and which files have a name.
struct Disk {
    bytes: Files,
    names: BTreeSet<String>,
}

/// The folder after a power loss just before the event `at`.
pub fn after_power_loss(
    before: &Files,
    folder: &Path,
    events: &[Event],
    at: usize,
    fate: Fate,
    draws: &mut Draws,
) -> Files {
    let mut disk = Disk { bytes: before.clone(), names: before.keys().cloned().collect() };
    let mut pending: Vec<Pending<'_>> = Vec::new();
    for (issued, event) in events.iter().enumerate().take(at) {
        match &event.call {
            Call::Write { path, .. }
            | Call::Truncate { path, .. }
            | Call::Create { path }
            | Call::Unlink { path } => {
                pending.extend(name_in(folder, path).map(|file| Pending { file, event }));
            }
            // A sync that has not returned by now has promised nothing.
            Call::Sync { path } if event.done.is_some_and(|done| done < at) => {
                settle(&mut disk, &mut pending, folder, path, issued);
            }
            Call::Sync { .. } | Call::Returned => {}
        }
    }
    lose(&mut disk, &pending, fate, draws);
    let Disk { mut bytes, names } = disk;
    bytes.retain(|name, _| names.contains(name));
    bytes
}

/// Makes safe what a sync makes safe: what had returned when it began.
fn settle(disk: &mut Disk, pending: &mut Vec<Pending<'_>>, folder: &Path, synced: &str, began: usize) {
    let file = name_in(folder, synced);
    let names = Path::new(synced) == folder;
    pending.retain(|operation| {
        let is_name = matches!(operation.event.call, Call::Create { .. } | Call::Unlink { .. });
        let is_meant = if is_name { names } else { file.as_deref() == Some(&*operation.file) };
        let is_safe = is_meant && operation.event.done.is_some_and(|done| done <= began);
        if is_safe {
            disk.apply(operation, |_| true);
        }
        !is_safe
    });
}

/// Decides what is there of what was not safe.
fn lose(disk: &mut Disk, pending: &[Pending<'_>], fate: Fate, draws: &mut Draws) {
    let end = match fate {
        Fate::None => 0,
        Fate::All | Fate::Some => pending.len(),
        Fate::Prefix => usize::try_from(draws.below(pending.len() as u64 + 1)).unwrap_or_default(),
    };
    for (number, operation) in pending.iter().take(end).enumerate() {
        let torn = match fate {
            Fate::None | Fate::All => false,
            Fate::Prefix => number + 1 == end,
            Fate::Some if draws.percent(50) => continue,
            Fate::Some => draws.percent(30),
        };
        let mut kept = || !torn || draws.percent(50);
        disk.apply(operation, |_| kept());
    }
}

impl Disk {
    /// Applies an operation, of a write those sectors that are kept.
    fn apply(&mut self, operation: &Pending<'_>, mut keeps: impl FnMut(usize) -> bool) {
        let content = self.bytes.entry(operation.file.clone()).or_default();
        match &operation.event.call {
            Call::Create { .. } => drop(self.names.insert(operation.file.clone())),
            Call::Unlink { .. } => {
                self.names.remove(&operation.file);
                content.clear();
            }
            Call::Truncate { length, .. } => content.resize(position(*length), 0),
            Call::Write { offset, bytes, .. } => {
                let mut at = offset.map_or(content.len(), position);
                let mut rest = bytes.as_slice();
                while !rest.is_empty() {
                    // Up to the next boundary of a sector.
                    let (piece, after) = rest.split_at(rest.len().min(SECTOR_BYTES - at % SECTOR_BYTES));
                    if keeps(at / SECTOR_BYTES) {
                        overwrite(content, at, piece);
                    }
                    at += piece.len();
                    rest = after;
                }
            }
            Call::Sync { .. } | Call::Returned => {}
        }
    }
}

fn position(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

fn overwrite(content: &mut Vec<u8>, at: usize, piece: &[u8]) {
    let end = at + piece.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    if let Some(place) = content.get_mut(at..end) {
        place.copy_from_slice(piece);
    }
}

/// The name of a file in the folder. The index of the log is in memory only, and made again.
fn name_in(folder: &Path, path: &str) -> Option<String> {
    let name = Path::new(path).strip_prefix(folder).ok()?.to_str()?;
    (!name.is_empty() && !name.ends_with("-shm")).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(offset: u64, byte: u8, count: usize) -> Call {
        Call::Write { path: "/d/f".to_owned(), offset: Some(offset), bytes: vec![byte; count] }
    }

    fn events(calls: Vec<Call>) -> Vec<Event> {
        calls.into_iter().enumerate().map(|(at, call)| Event { call, done: Some(at) }).collect()
    }

    fn left(events: &[Event], at: usize, fate: Fate) -> Option<Vec<u8>> {
        let before = Files::from([("f".to_owned(), Vec::new())]);
        after_power_loss(&before, Path::new("/d"), events, at, fate, &mut Draws::new(1, 1)).remove("f")
    }

    #[test]
    fn what_was_synced_is_there_and_the_rest_may_not_be() {
        let sync = Call::Sync { path: "/d/f".to_owned() };
        let events = events(vec![write(0, 1, 4), sync, write(4, 2, 4)]);
        assert_eq!(left(&events, 3, Fate::None), Some(vec![1; 4]));
        assert_eq!(left(&events, 3, Fate::All), Some(vec![1, 1, 1, 1, 2, 2, 2, 2]));
        assert_eq!(left(&events, 1, Fate::None), Some(vec![]), "not synced yet");
    }

    #[test]
    fn a_sync_that_has_not_returned_promises_nothing() {
        let mut events = events(vec![write(0, 1, 4), Call::Sync { path: "/d/f".to_owned() }]);
        events[1].done = None;
        assert_eq!(left(&events, 2, Fate::None), Some(vec![]));
    }

    #[test]
    fn a_sync_covers_no_write_that_came_while_it_ran() {
        let mut events = events(vec![Call::Sync { path: "/d/f".to_owned() }, write(0, 1, 4), Call::Returned]);
        events[0].done = Some(2);
        assert_eq!(left(&events, 3, Fate::None), Some(vec![]));
    }

    #[test]
    fn writes_are_torn_at_sectors() {
        let events = events(vec![write(100, 7, 2000)]);
        let whole: Vec<Vec<u8>> = (0..200)
            .map(|seed| {
                let before = Files::from([("f".to_owned(), Vec::new())]);
                let fate = Fate::Prefix;
                after_power_loss(&before, Path::new("/d"), &events, 1, fate, &mut Draws::new(seed, 0))["f"]
                    .clone()
            })
            .collect();
        assert!(
            whole.iter().any(|content| content.contains(&7) && content[100..].contains(&0)),
            "none is torn"
        );
        for content in whole.iter().filter(|content| content.len() > 512) {
            for sector in content[512..].chunks(512) {
                assert!(sector.iter().all(|byte| *byte == sector[0]), "torn within a sector");
            }
        }
    }

    #[test]
    fn a_name_is_there_after_a_sync_of_its_folder_only() {
        let path = || "/d/g".to_owned();
        let calls = vec![
            Call::Create { path: path() },
            Call::Write { path: path(), offset: Some(0), bytes: vec![1] },
            Call::Sync { path: path() },
            Call::Sync { path: "/d".to_owned() },
            Call::Unlink { path: path() },
        ];
        let events = events(calls);
        let at = |at| {
            let mut files = after_power_loss(
                &Files::new(),
                Path::new("/d"),
                &events,
                at,
                Fate::None,
                &mut Draws::new(1, 1),
            );
            files.remove("g")
        };
        assert_eq!((at(3), at(4), at(5)), (None, Some(vec![1]), Some(vec![1])));
    }
}
