//! The connection a process keeps.

use std::time::Duration;

use database::{Connection, Database, Patience, Purpose, Value, Warm, warm};
use stepwright_step_database as database;
use tempfile::TempDir;

use crate::postgres_server::PostgresServer;

async fn number(database: &mut impl Database, query: &str) -> i64 {
    database.query(query, &[]).await.unwrap()[0].integer(0).unwrap()
}

async fn session(database: &mut Warm) -> i64 {
    number(database, "SELECT pg_backend_pid()").await
}

#[tokio::test]
async fn one_connection_serves_one_invocation_after_the_other() {
    let Some(server) = PostgresServer::start() else { return };
    let url = server.url("postgres");
    let first = session(&mut warm(&url).await.unwrap()).await;
    for _ in 0..10 {
        let mut again = warm(&url).await.unwrap();
        assert_eq!(session(&mut again).await, first);
        again.begin(Purpose::Write).await.unwrap();
        again.commit().await.unwrap();
        // A refusal is an answer.
        again.query("SELECT no_such_column", &[]).await.unwrap_err();
    }
    let mut observer = Connection::open(&url, Patience::default()).await.unwrap();
    let open = "SELECT COUNT(*) FROM pg_stat_activity WHERE application_name = 'stepwright'";
    assert_eq!(number(&mut observer, open).await, 2);
}

#[tokio::test]
async fn a_connection_in_doubt_is_not_used_again() {
    let Some(server) = PostgresServer::start() else { return };
    let url = server.url("postgres");

    // The server ended it.
    let mut connection = warm(&url).await.unwrap();
    let first = session(&mut connection).await;
    drop(connection);
    let mut other = Connection::open(&url, Patience::default()).await.unwrap();
    let ended = format!("SELECT pg_terminate_backend({first})::text");
    other.query(&ended, &[]).await.unwrap();
    let mut connection = warm(&url).await.unwrap();
    let second = session(&mut connection).await;
    assert_ne!(second, first);

    // A transaction was left open.
    connection.begin(Purpose::Write).await.unwrap();
    connection.query("SELECT pg_advisory_xact_lock(7)::text", &[]).await.unwrap();
    drop(connection);
    let mut connection = warm(&url).await.unwrap();
    let third = session(&mut connection).await;
    assert_ne!(third, second);

    // Nobody waited for a statement's end.
    let slow = connection.query("SELECT pg_sleep(20)::text", &[]);
    assert!(tokio::time::timeout(Duration::from_millis(50), slow).await.is_err());
    drop(connection);
    let mut connection = warm(&url).await.unwrap();
    let fourth = session(&mut connection).await;
    assert_ne!(fourth, third);

    // It was rolled back: that one is as good as new.
    connection.begin(Purpose::Write).await.unwrap();
    connection.query("SELECT no_such_column", &[]).await.unwrap_err();
    connection.rollback().await;
    drop(connection);
    assert_eq!(session(&mut warm(&url).await.unwrap()).await, fourth);
}

#[tokio::test]
async fn two_at_once_are_two_and_one_is_kept() {
    let Some(server) = PostgresServer::start() else { return };
    let url = server.url("postgres");
    let (mut one, mut two) = (warm(&url).await.unwrap(), warm(&url).await.unwrap());
    let sessions = [session(&mut one).await, session(&mut two).await];
    assert_ne!(sessions[0], sessions[1]);
    drop(one);
    drop(two);
    assert!(sessions.contains(&session(&mut warm(&url).await.unwrap()).await));
}

#[tokio::test]
async fn a_server_that_comes_back_is_connected_to_again() {
    let Some(mut server) = PostgresServer::start() else { return };
    let url = server.url("postgres");
    session(&mut warm(&url).await.unwrap()).await;
    server.stop();
    let error = warm(&url).await.unwrap_err();
    assert_eq!(error.kind, database::ErrorKind::Unavailable, "{error}");
    server.restart();
    session(&mut warm(&url).await.unwrap()).await;
}

#[tokio::test]
async fn a_database_file_is_kept_open_until_it_is_another_one() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("planning.db");
    let url = format!("sqlite://{}", path.display());
    // What only this session sees shows which session it is.
    warm(&url).await.unwrap().define("CREATE TEMPORARY TABLE mine (x bigint)").await.unwrap();
    assert_eq!(number(&mut warm(&url).await.unwrap(), "SELECT COUNT(*) FROM mine").await, 0);
    std::fs::remove_file(&path).unwrap();
    let mut connection = warm(&url).await.unwrap();
    connection.query("SELECT COUNT(*) FROM mine", &[]).await.unwrap_err();
    connection.define("CREATE TABLE ours (x bigint)").await.unwrap();
    drop(connection);
    let mut apart = Connection::open(&url, Patience::default()).await.unwrap();
    assert_eq!(apart.query("SELECT x FROM ours", &[]).await.unwrap(), []);
    // A transaction that was left open holds nobody up.
    let mut connection = warm(&url).await.unwrap();
    connection.begin(Purpose::Write).await.unwrap();
    connection.execute("INSERT INTO ours VALUES ($1)", &[Value::Integer(1)]).await.unwrap();
    drop(connection);
    assert_eq!(number(&mut warm(&url).await.unwrap(), "SELECT COUNT(*) FROM ours").await, 0);
    assert_eq!(apart.execute("INSERT INTO ours VALUES ($1)", &[Value::Integer(1)]).await.unwrap(), 1);
}
