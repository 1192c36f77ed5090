//! Data folders that something was taken away from, and what a kill leaves: nothing accepted gets
//! lost in silence, and whoever is refused has changed nothing.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader},
    path::Path,
    process::Stdio,
};

use crate::{Bench, Done, signal};

/// A folder with an execution that is open, as a kill leaves it.
fn killed() -> Bench {
    let bench = Bench::new();
    let mut child = bench.waiting();
    signal(&child, "KILL");
    child.wait().expect("it has ended");
    bench
}

/// A folder with an execution that has ended, closed as it should be.
fn closed() -> Bench {
    let bench = Bench::new();
    assert_eq!(bench.run("run double --input input.json").code, Some(0));
    bench
}

fn journal(bench: &Bench) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(bench.path(".stepwright")).expect("a folder");
    entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_file() && path.extension().is_none_or(|end| end != "db-shm"))
        // Whoever reads a journal that was closed lays an empty log beside it.
        .filter(|path| path.metadata().is_ok_and(|file| file.len() > 0) || !path.ends_with("journal.db-wal"))
        .map(|path| {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
            (name.unwrap_or_default(), std::fs::read(&path).expect("read"))
        })
        .collect()
}

/// Whoever reads or runs is told what is missing, and nothing changes.
fn all_are_refused(bench: &Bench, says: &str) {
    let before = journal(bench);
    for line in [
        "list",
        "show latest",
        "run double --input input.json",
        "stop latest --reason x --yes",
        "redrive latest --reason x --yes",
        "resume",
        "gc",
        "backup copy.db",
    ] {
        let done = bench.run(line);
        assert_eq!(done.code, Some(5), "{line}: {}{}", done.out, done.err);
        assert!(done.err.contains(says), "{line}: {}", done.err);
        assert_eq!(journal(bench), before, "{line}");
    }
    assert_eq!(bench.run("doctor").code, Some(5));
    assert_eq!(journal(bench), before, "doctor");
}

fn remove(bench: &Bench, name: &str) {
    std::fs::remove_file(bench.path(".stepwright").join(name)).expect("removed");
}

fn empty(bench: &Bench, name: &str) {
    std::fs::write(bench.path(".stepwright").join(name), "").expect("written");
}

#[test]
fn a_lost_log_is_noticed_whoever_comes_first() {
    let bench = killed();
    remove(&bench, "journal.db-wal");
    all_are_refused(&bench, "write-ahead log");
    empty(&bench, "journal.db-wal");
    all_are_refused(&bench, "write-ahead log");
}

#[test]
fn a_lost_database_is_noticed_and_the_log_beside_it_stays() {
    let bench = killed();
    empty(&bench, "journal.db");
    all_are_refused(&bench, "is empty");
    remove(&bench, "journal.db");
    all_are_refused(&bench, "is missing");
}

#[test]
fn a_lost_database_is_noticed_after_a_clean_end() {
    let bench = closed();
    empty(&bench, "journal.db");
    all_are_refused(&bench, "is empty");
    remove(&bench, "journal.db");
    all_are_refused(&bench, "is missing");
    // A folder of an earlier release, whose lock says nothing of it.
    remove(&bench, "journal.lock");
    all_are_refused(&bench, "coreview.place shows that there was a journal");
}

#[test]
fn a_database_that_was_cut_off_is_not_opened() {
    let bench = closed();
    let path = bench.path(".stepwright/journal.db");
    let bytes = std::fs::read(&path).expect("read");
    std::fs::write(&path, bytes.get(..bytes.len() - 100).expect("longer")).expect("written");
    all_are_refused(&bench, "cut off");
}

#[test]
fn what_a_kill_left_open_is_said_and_taken_up_again() {
    let bench = killed();
    let list = bench.run("list");
    assert_eq!(list.code, Some(0));
    assert!(list.err.contains("1 RUNNING, but no process runs it: `stepwright resume`"), "{}", list.err);
    assert!(bench.run("show latest").out.contains("no process runs it"));
    let mut resumed = bench.command("resume").stderr(Stdio::piped()).spawn().expect("stepwright runs");
    let stderr = resumed.stderr.take().expect("stderr");
    let mut lines = BufReader::new(stderr).lines();
    assert!(lines.any(|line| line.is_ok_and(|line| line.contains("going on with 1 execution: rest-"))));
    assert!(lines.any(|line| line.is_ok_and(|line| line.contains("Rest"))), "its state is shown");
    assert_eq!(bench.run("list").err, "", "somebody runs it");
    signal(&resumed, "INT");
    lines.for_each(drop);
    assert_eq!(resumed.wait().expect("it has ended").code(), Some(130));
    assert_eq!(bench.run("stop latest --reason enough --yes").code, Some(0));
    assert_eq!(bench.run("resume").code, Some(5), "nothing is open");
}

#[test]
fn a_log_that_nobody_takes_stops_no_run() {
    let bench = Bench::new();
    let full = || std::fs::File::options().write(true).open("/dev/full").expect("/dev/full");
    let gone = || std::io::pipe().expect("a pipe").1;
    for line in ["run double --input input.json -v", "run double --input input.json -vv", "list -vv"] {
        for stderr in [Stdio::from(full()), Stdio::from(gone())] {
            let output = bench.command(line).stderr(stderr).output().expect("stepwright runs");
            assert_eq!(output.status.code(), Some(0), "{line}");
        }
    }
    assert_eq!(bench.run("list -q").out.lines().count(), 4);
}

#[test]
fn a_backup_replaces_nothing_and_names_what_is_not_there() {
    let bench = closed();
    let code = |line: &str| {
        let done = bench.run(line);
        assert!(!done.err.contains("free space"), "{line}: {}", done.err);
        done.code
    };
    assert_eq!(code("backup copy.db"), Some(0));
    assert_eq!(code("backup copy.db"), Some(5));
    assert_eq!(code("backup nowhere/copy.db"), Some(3));
    assert_eq!(code("doctor copy.db"), Some(0));
    assert_eq!(code("doctor nowhere.db"), Some(3));
    assert_eq!(code("doctor input.json"), Some(2));
    assert_eq!(code("doctor --data nowhere"), Some(3));
    std::fs::create_dir(bench.path("plain")).expect("made");
    for line in ["show latest --data plain", "doctor --data plain"] {
        let Done { code, err, .. } = bench.run(line);
        assert_eq!(code, Some(3), "{line}: {err}");
        assert!(err.contains("plain holds no journal"), "{line}: {err}");
    }
    assert!(!Path::new(&bench.path("plain/journal.db")).exists());
}

#[test]
fn a_reason_says_something() {
    let bench = closed();
    for line in ["stop latest --yes --reason=", "redrive latest --yes --reason="] {
        let done = bench.run(line);
        assert_eq!(done.code, Some(2), "{line}: {}", done.err);
        assert!(done.err.contains("it says nothing"), "{line}: {}", done.err);
    }
}
