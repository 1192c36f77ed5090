use std::os::unix::fs::PermissionsExt as _;
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
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    database.close();
    assert!(database.write(|_| Ok(())).is_err(), "it is closed");
    assert_eq!(count(&Database::open(folder.path(), 0).unwrap()), 320);
}

#[test]
fn the_file_is_for_its_owner_and_of_a_schema_we_know() {
    let folder = tempfile::tempdir().unwrap();
    drop(Database::open(folder.path(), 0).unwrap());
    let path = folder.path().join(FILE);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let connection = Connection::open(&path).unwrap();
    connection.pragma_update(None, "user_version", SCHEMA_VERSION + 1).unwrap();
    let newer = Database::open(folder.path(), 0).unwrap_err().to_string();
    assert!(newer.contains("use the newer stepwright that wrote it"), "{newer}");
    connection.pragma_update(None, "application_id", 7).unwrap();
    let other = Database::open(folder.path(), 0).unwrap_err().to_string();
    assert!(other.contains("is not a database of stepwright's queues"), "{other}");
}
