//! Reads what `strace` saw of an engine's process: every write, sync and
//! change of a name, in the order of the kernel, and among them what the
//! process said to the outside.
//!
//! A call that another thread interrupts is told in two lines. What it is
//! about stands in the first (`… <unfinished …>`), whether it is done in the
//! second; between the two it may have happened or not.

use std::collections::BTreeMap;

/// What happened, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What.
    pub call: Call,
    /// The number of the event at which the call had returned; `None` = never.
    pub done: Option<usize>,
}

/// A system call that a disk, or somebody outside, notices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// Bytes written at a position; `None` = at the end.
    Write {
        /// The file.
        path: String,
        /// Where; `None` = appended, or into a pipe.
        offset: Option<u64>,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// A file, or the names in a folder, brought to the disk.
    Sync {
        /// The file or folder.
        path: String,
    },
    /// A file cut to a length.
    Truncate {
        /// The file.
        path: String,
        /// The length.
        length: u64,
    },
    /// A file opened that is made if it is not there.
    Create {
        /// The file.
        path: String,
    },
    /// A name taken away.
    Unlink {
        /// The file.
        path: String,
    },
    /// The end of a call that was told before.
    Returned,
}

/// The events of a trace. Lines about calls that failed, that were made up
/// (`INJECTED`), or that are of no interest, are left out.
pub fn read(text: &str) -> Vec<Event> {
    let mut events: Vec<Event> = Vec::new();
    // Calls that are under way, by thread.
    let mut unfinished: BTreeMap<&str, usize> = BTreeMap::new();
    for line in text.lines() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let rest = rest.trim_start();
        if rest.starts_with("<... ") {
            if let Some(issued) = unfinished.remove(thread) {
                let at = events.len();
                if succeeded(rest)
                    && let Some(event) = events.get_mut(issued)
                {
                    event.done = Some(at);
                    events.push(Event { call: Call::Returned, done: Some(at) });
                }
            }
            continue;
        }
        let is_unfinished = rest.ends_with("<unfinished ...>");
        if !is_unfinished && !succeeded(rest) {
            continue;
        }
        let Some(call) = call(rest) else { continue };
        let at = events.len();
        if is_unfinished {
            unfinished.insert(thread, at);
        }
        events.push(Event { call, done: (!is_unfinished).then_some(at) });
    }
    events
}

fn succeeded(rest: &str) -> bool {
    // Results stand in a column of their own where there is room.
    let result = rest.rsplit_once(" = ").map_or("", |(_, result)| result);
    result.starts_with(|first: char| first.is_ascii_digit()) && !result.ends_with("(INJECTED)")
}

fn call(rest: &str) -> Option<Call> {
    let (name, arguments) = rest.split_once('(')?;
    match name {
        "pwrite64" | "write" => {
            let path = path_of_descriptor(arguments)?;
            let (bytes, after) = first_text(arguments)?;
            // Bytes are followed by their count and, of `pwrite64`, their position.
            let mut numbers =
                after.trim_start_matches([',', ' ']).split([',', ')', ' ']).filter(|part| !part.is_empty());
            let _count = numbers.next()?;
            let offset = (name == "pwrite64").then(|| numbers.next()?.parse().ok()).flatten();
            Some(Call::Write { path, offset, bytes })
        }
        "fdatasync" | "fsync" => Some(Call::Sync { path: path_of_descriptor(arguments)? }),
        "ftruncate" => {
            let length = arguments.split(", ").nth(1)?.split([')', ' ']).next()?.parse().ok()?;
            Some(Call::Truncate { path: path_of_descriptor(arguments)?, length })
        }
        "openat" if arguments.contains("O_CREAT") => {
            Some(Call::Create { path: text(first_text(arguments)?.0)? })
        }
        "unlink" | "unlinkat" => Some(Call::Unlink { path: text(first_text(arguments)?.0)? }),
        _ => None,
    }
}

/// The path in `7<\x2f…>`.
fn path_of_descriptor(arguments: &str) -> Option<String> {
    let (_, rest) = arguments.split_once('<')?;
    text(unescape(rest.split_once('>')?.0)?)
}

/// The bytes of the first quoted argument, and what follows it.
fn first_text(arguments: &str) -> Option<(Vec<u8>, &str)> {
    let (_, rest) = arguments.split_once('"')?;
    let (quoted, after) = rest.split_once('"')?;
    Some((unescape(quoted)?, after))
}

/// Bytes written as `\x2f\x74…`; other characters stand for themselves.
fn unescape(escaped: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(escaped.len() / 4);
    let mut rest = escaped.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if let [b'\\', b'x', high, low, after @ ..] = rest {
            let digit = |digit: &u8| char::from(*digit).to_digit(16);
            bytes.push(u8::try_from(digit(high)? << 4 | digit(low)?).ok()?);
            rest = after;
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    Some(bytes)
}

fn text(bytes: Vec<u8>) -> Option<String> {
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> String {
        text.bytes().map(|byte| format!("\\x{byte:02x}")).collect()
    }

    #[test]
    fn calls_are_read_with_their_order_and_their_ends() {
        let (wal, folder, pipe) = (hex("/d/j-wal"), hex("/d"), hex("pipe:[7]"));
        let trace = [
            format!("11 openat(AT_FDCWD<{folder}>, \"{wal}\", O_RDWR|O_CREAT|O_CLOEXEC, 0644) = 4<{wal}>"),
            format!("11 pwrite64(4<{wal}>, \"{}\", 2, 32) = 2", hex("ab")),
            format!("11 fdatasync(4<{wal}> <unfinished ...>"),
            format!("12 write(1<{pipe}>, \"{}\", 1) = 1", hex("x")),
            "11 <... fdatasync resumed>)            = 0".to_owned(),
            format!("11 fdatasync(4<{wal}>) = 0 (INJECTED)"),
            format!("11 fsync(9<{folder}>) = 0"),
            format!("11 ftruncate(4<{wal}>, 4096) = 0"),
            format!("11 unlink(\"{wal}\") = -1 ENOENT (No such file or directory)"),
            format!("11 unlink(\"{wal}\") = 0"),
        ];
        let path = || "/d/j-wal".to_owned();
        let done = |call, at| Event { call, done: Some(at) };
        assert_eq!(
            read(&trace.join("\n")),
            [
                done(Call::Create { path: path() }, 0),
                done(Call::Write { path: path(), offset: Some(32), bytes: b"ab".to_vec() }, 1),
                done(Call::Sync { path: path() }, 4),
                done(Call::Write { path: "pipe:[7]".to_owned(), offset: None, bytes: b"x".to_vec() }, 3),
                done(Call::Returned, 4),
                done(Call::Sync { path: "/d".to_owned() }, 5),
                done(Call::Truncate { path: path(), length: 4096 }, 6),
                done(Call::Unlink { path: path() }, 7),
            ]
        );
    }

    #[test]
    fn a_sync_that_never_returned_is_not_done() {
        let events = read(&format!("11 fdatasync(4<{}> <unfinished ...>", hex("/d/j")));
        assert_eq!(events, [Event { call: Call::Sync { path: "/d/j".to_owned() }, done: None }]);
    }
}
