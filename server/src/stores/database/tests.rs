use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use super::*;

fn count(database: &Database) -> i64 {
    let count = database
        .read(|connection| Ok(connection.query_row("SELECT count(*) FROM raised", [], |row| row.get(0))?));
    count.expect("a count")
}

fn insert(connection: &Connection, id: &str) -> Done {
    connection.execute("INSERT INTO raised VALUES (?1, 0)", [id])?;
    Ok(())
}

#[test]
fn what_is_refused_is_undone_and_the_rest_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(folder.path(), 0).unwrap();
    database.write(|connection| insert(connection, "a")).unwrap();
    let refused = database.write(|connection| {
        insert(connection, "b")?;
        Err::<(), _>(JsonError::new("No", "no").into())
    });
    assert!(matches!(refused, Err(Failure::Refused(error)) if error.code == "No"));
    assert!(database.write(|connection| insert(connection, "a")).is_err(), "it is there already");
    assert_eq!(count(&database), 1);
}

#[test]
fn many_write_at_a_time_and_what_was_answered_is_there_again() {
    let folder = tempfile::tempdir().unwrap();
    let database = Arc::new(Database::open(folder.path(), 0).unwrap());
    let threads: Vec<_> = (0..16)
        .map(|thread| {
            let database = Arc::clone(&database);
            std::thread::spawn(move || {
                for number in 0..20 {
                    database
                        .write(move |connection| insert(connection, &format!("{thread}/{number}")))
                        .unwrap();
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    database.close();
    assert!(database.write(|_| Ok(())).is_err(), "it is closed");
    assert_eq!(count(&Database::open(folder.path(), 0).unwrap()), 320);
}

#[test]
fn the_file_is_for_its_owner_and_of_a_schema_we_know() {
    let folder = tempfile::tempdir().unwrap();
    drop(Database::open(folder.path(), 0).unwrap());
    let path = FILES.database_in(folder.path());
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let connection = Connection::open(&path).unwrap();
    let with_schema = |schema: i64| {
        connection.pragma_update(None, "user_version", schema).unwrap();
        let refused = Database::open(folder.path(), 0).unwrap_err();
        assert!(matches!(refused, StoresError::Unusable(_)), "{refused:?}");
        refused.to_string()
    };
    for schema in [0, -1] {
        assert!(with_schema(schema).contains("which no release does"));
    }
    assert!(with_schema(SCHEMA_VERSION + 1).contains("use the newer stepwright that wrote it"));
    connection.pragma_update(None, "application_id", 7).unwrap();
    assert!(with_schema(SCHEMA_VERSION).contains("is no database that stepwright wrote"));
}

/// Rows enough for a database of many pages.
fn filled(folder: &Path) -> Database {
    let database = Database::open(folder, 0).unwrap();
    for number in 0..40 {
        database
            .write(move |connection| {
                (0..50).try_for_each(|at| insert(connection, &format!("{number}/{at}/{}", "x".repeat(50))))
            })
            .unwrap();
    }
    database
}

/// What a kill leaves: the files as they are while they are open.
fn killed() -> tempfile::TempDir {
    let (folder, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let database = filled(folder.path());
    for name in ["stores.db", "stores.db-wal", "stores.lock"] {
        std::fs::copy(folder.path().join(name), copy.path().join(name)).unwrap();
    }
    database.close();
    copy
}

fn closed() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path()).close();
    folder
}

fn files(folder: &Path) -> std::collections::BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let named = entries.map(|entry| (entry.file_name().into_string().unwrap(), entry.path()));
    named
        .filter(|(name, _)| !name.ends_with("-shm"))
        .map(|(name, path)| (name, std::fs::read(path).unwrap()))
        .filter(|(name, bytes)| !name.ends_with("-wal") || !bytes.is_empty())
        .collect()
}

/// Does something to a file, and expects that nobody goes on with what is left, which stays as it is.
fn refused(folder: &tempfile::TempDir, name: &str, damage: fn(&mut Vec<u8>), says: &str) {
    let path = folder.path().join(name);
    let mut bytes = std::fs::read(&path).unwrap();
    damage(&mut bytes);
    // A file that would be empty is also taken away.
    for is_removed in [false, true] {
        if is_removed && bytes.is_empty() {
            std::fs::remove_file(&path).unwrap();
        } else {
            std::fs::write(&path, &bytes).unwrap();
        }
        let before = files(folder.path());
        let error = Database::open(folder.path(), 0).unwrap_err();
        assert!(matches!(error, StoresError::Unusable(_)), "{name}: {error:?}");
        assert!(error.to_string().contains(says), "{name}: {error}");
        let told = examine(folder.path());
        assert!(
            !matches!(told, Ok(None)) && told.is_ok_and(|found| found.is_none_or(|found| !found.is_empty()))
                || says.starts_with("is "),
            "{name}"
        );
        assert_eq!(files(folder.path()), before, "{name}");
    }
}

#[test]
fn what_was_taken_away_is_not_made_anew() {
    refused(&killed(), "stores.db", Vec::clear, "is ");
    refused(&closed(), "stores.db", Vec::clear, "is ");
    refused(&killed(), "stores.db-wal", Vec::clear, "write-ahead log");
    // The same, with nothing done to it, is opened.
    for folder in [killed(), closed()] {
        assert_eq!(examine(folder.path()).unwrap(), Some(Vec::new()));
        assert_eq!(count(&Database::open(folder.path(), 0).unwrap()), 2_000);
    }
}

#[test]
fn a_log_that_was_cut_or_written_over_is_not_taken_for_a_shorter_one() {
    refused(&killed(), "stores.db-wal", |log| log.truncate(60_000), "cut off or written over");
    refused(&killed(), "stores.db-wal", |log| log.truncate(log.len() - 1), "cut off or written over");
    refused(&killed(), "stores.db-wal", |log| log[40_000..48_000].fill(0xa5), "cut off or written over");
    refused(&killed(), "stores.db-wal", |log| log[..32].fill(0), "cut off or written over");
}

#[test]
fn a_damaged_database_is_not_opened() {
    refused(&closed(), "stores.db", |bytes| bytes.truncate(bytes.len() - 100), "cut off");
    refused(&closed(), "stores.db", |bytes| bytes.truncate(bytes.len() - 4_096), "damaged");
    refused(
        &closed(),
        "stores.db",
        |bytes| {
            let half = bytes.len() / 2;
            bytes[half..].fill(0xa5);
        },
        "damaged",
    );
    let folder = closed();
    let path = FILES.database_in(folder.path());
    Connection::open(&path)
        .unwrap()
        .execute_batch("PRAGMA journal_mode = DELETE; DROP TABLE queues")
        .unwrap();
    let error = Database::open(folder.path(), 0).unwrap_err().to_string();
    assert!(error.contains("queues: it is missing"), "{error}");
}

#[test]
fn damaged_pages_of_a_large_database_are_found_while_it_is_served() {
    let folder = closed();
    let database = Database::open_at_first(folder.path(), 0, 0).unwrap();
    database.pages.as_ref().unwrap().wait();
    assert_eq!(database.problem(), None);
    drop(database);
    let path = FILES.database_in(folder.path());
    let mut bytes = std::fs::read(&path).unwrap();
    let half = bytes.len() / 2;
    bytes[half..].fill(0xa5);
    std::fs::write(&path, &bytes).unwrap();
    let database = Database::open_at_first(folder.path(), 0, 0).unwrap();
    database.pages.as_ref().unwrap().wait();
    let found = database.problem().expect("nobody has read or written anything");
    assert!(found.contains("doctor"), "{found}");
    // Nor does the end wait for a look that has not ended.
    drop(database);
    Database::open_at_first(folder.path(), 0, 0).unwrap().close();
}

#[test]
fn closed_the_file_alone_holds_everything() {
    let folder = tempfile::tempdir().unwrap();
    let database = filled(folder.path());
    // A connection that reads, and cannot take the log along when it closes last.
    assert_eq!(count(&database), 2_000);
    database.close();
    assert!(database.read(|_| Ok(())).is_err(), "it is closed for reading, too");
    let left: Vec<String> = files(folder.path()).into_keys().collect();
    assert_eq!(left, ["stores.db", "stores.lock"]);
    let copy = tempfile::tempdir().unwrap();
    std::fs::copy(folder.path().join("stores.db"), copy.path().join("stores.db")).unwrap();
    assert_eq!(count(&Database::open(copy.path(), 0).unwrap()), 2_000);
}

#[test]
fn a_copy_is_made_while_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let copy = tempfile::tempdir().unwrap();
    assert_eq!(back_up(folder.path(), &copy.path().join("none")).unwrap(), None);
    let database = filled(folder.path());
    let (bytes, found) = back_up(folder.path(), &copy.path().join("stores.db")).unwrap().unwrap();
    assert!(bytes > 100_000 && found.is_empty(), "{bytes} {found:?}");
    assert_eq!(count(&Database::open(copy.path(), 0).unwrap()), 2_000);
    assert_eq!(examine(folder.path()).unwrap(), Some(Vec::new()));
    drop(database);
}

#[test]
fn work_that_panics_is_undone_and_the_next_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(folder.path(), 0).unwrap();
    let panicked = database.write(|connection| -> Done {
        insert(connection, "a")?;
        panic!("as it is told");
    });
    assert!(matches!(panicked, Err(Failure::Refused(error)) if error.http_status == 500));
    database.write(|connection| insert(connection, "b")).unwrap();
    assert_eq!((count(&database), database.problem()), (1, None));
}

#[test]
fn a_full_disk_is_told_until_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let database = filled(folder.path());
    let pages = |pages: &'static str| {
        database.write(move |connection| {
            Ok(connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))?)
        })
    };
    pages("1").unwrap();
    let large = |connection: &Connection| insert(connection, &"x".repeat(100_000));
    for _ in 0..3 {
        assert!(database.write(large).is_err());
    }
    assert_eq!(count(&database), 2_000);
    // What needs no room can be written, and is; what needs some still cannot.
    database
        .write(|connection| Ok(connection.execute("UPDATE migrations SET applied_millis = 1", [])?))
        .unwrap();
    for _ in 0..3 {
        assert_eq!(database.problem().as_deref(), Some("the disk is full"));
    }
    pages("100000").unwrap();
    database.write(large).unwrap();
    assert!(database.health.problem().is_some(), "it is not over before a probe says so");
    assert_eq!((database.problem(), count(&database)), (None, 2_001));
}

fn sqlite(code: std::ffi::c_int) -> Failure {
    rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None).into()
}

#[test]
fn what_cannot_be_read_is_not_over_because_something_can_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let database = filled(folder.path());
    assert!(database.read(|_| Err::<(), _>(sqlite(rusqlite::ffi::SQLITE_CANTOPEN))).is_err());
    database.write(|connection| insert(connection, "a")).unwrap();
    assert_eq!(count(&database), 2_001);
    let is_wrong = |after| database.problem_at(Instant::now() + after).is_some();
    assert!(is_wrong(std::time::Duration::ZERO), "what failed may fail again at once");
    // Who has the file open still reads it, and nobody else.
    let (path, away) = (FILES.database_in(folder.path()), folder.path().join("away"));
    std::fs::rename(&path, &away).unwrap();
    assert!(is_wrong(health::READS_QUIET));
    std::fs::rename(&away, &path).unwrap();
    assert!(is_wrong(std::time::Duration::ZERO));
    assert!(!is_wrong(health::READS_QUIET));
    assert!(!is_wrong(std::time::Duration::ZERO));
}

#[test]
fn what_is_damaged_stays_so_until_it_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let database = filled(folder.path());
    assert!(database.read(|_| Err::<(), _>(sqlite(rusqlite::ffi::SQLITE_CORRUPT))).is_err());
    assert!(database.read(|_| Err::<(), _>(sqlite(rusqlite::ffi::SQLITE_CANTOPEN))).is_err());
    database.write(|connection| insert(connection, "a")).unwrap();
    for _ in 0..3 {
        let found = database.problem_at(Instant::now() + health::READS_QUIET).unwrap();
        assert!(found.contains("doctor"), "{found}");
    }
}

#[test]
fn so_many_read_at_a_time_and_the_others_wait() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    let folder = tempfile::tempdir().unwrap();
    let database = filled(folder.path());
    let (reading, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..64 {
            scope.spawn(|| {
                let read = database.read(|connection| {
                    most.fetch_max(reading.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    let count: i64 =
                        connection.query_row("SELECT count(*) FROM raised", [], |row| row.get(0))?;
                    std::thread::yield_now();
                    reading.fetch_sub(1, Ordering::SeqCst);
                    Ok(count)
                });
                assert_eq!(read.unwrap(), 2_000);
            });
        }
    });
    let most = most.into_inner();
    assert!((1..=readers::READERS_MAX).contains(&most), "{most}");
}
