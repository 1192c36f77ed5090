//! On PostgreSQL, and what only a server does. Skipped, loudly, where there is none.

use std::time::Duration;

use database::{Database as _, Patience, Purpose, migrations, roles};
use stepwright_step_deliver::DeliverError;
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::corrections::an_empty_correction_withdraws_every_row;
use crate::file::{Folder, answered_with_a_token};
use crate::https::Endpoint;
use crate::place::{FLIGHTS, Place};
use crate::postgres_server::{PASSWORD, PostgresServer, url};
use crate::proxy::Proxy;
use crate::scenarios::deliver_impatiently;

fn postgres() -> Option<(Place, PostgresServer)> {
    let server = PostgresServer::start()?;
    Some((Place::new(server.url("postgres")), server))
}

crate::scenarios::on! { postgres() }

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backend_killed_before_commit_leaves_nothing() {
    let Some((place, _server)) = postgres() else { return };
    let batch = place.stage("arn:1", FLIGHTS).await;
    let mut holder = place.connection().await;
    holder.begin(Purpose::Write).await.unwrap();
    holder.execute("LOCK TABLE coreview_figure IN ACCESS EXCLUSIVE MODE", &[]).await.unwrap();

    let killer = async {
        // Ledger and staging are written; the figures wait for the lock.
        let kill = "SELECT pg_terminate_backend(pid)::text FROM pg_stat_activity \
                    WHERE application_name = 'stepwright' AND wait_event_type = 'Lock'";
        while place.query(kill).await.is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let (delivered, ()) = tokio::join!(place.deliver(&batch), killer);
    let error = delivered.unwrap_err();
    assert!(matches!(error, DeliverError::Unavailable { .. }), "{error}");
    assert!(error.to_string().contains("57P01"), "{error}");

    holder.rollback().await;
    for table in ["coreview_ledger", "coreview_staging", "coreview_figure"] {
        assert_eq!(place.count(table).await, 0, "{table}");
    }
    let receipt = place.deliver(&batch).await.unwrap();
    assert!(!receipt.already_delivered);
    place.verify(&receipt).await.unwrap();
    let attempts = place.query("SELECT attempts FROM delivery_outbox").await;
    assert_eq!(attempts, place.query("SELECT attempt FROM coreview_ledger").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_to_commit_is_unknown_and_the_next_attempt_finds_the_batch() {
    let Some((place, server)) = postgres() else { return };
    let batch = place.stage("arn:1", FLIGHTS).await;
    let proxy = Proxy::start(server.port()).await;
    let error = place.via(url(proxy.port, "postgres")).deliver(&batch).await.unwrap_err();
    assert_eq!(proxy.lost(), 1);
    assert!(matches!(error, DeliverError::Unknown { .. }), "{error}");
    assert!(error.to_string().contains("looks whether the batch arrived"), "{error}");
    assert_eq!(place.count("coreview_figure").await, 3);

    let before = place.contents().await;
    let receipt = place.deliver(&batch).await.unwrap();
    assert!(receipt.already_delivered);
    assert_eq!(place.contents().await, before);
    place.verify(&receipt).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_down_is_unavailable() {
    let Some((place, mut server)) = postgres() else { return };
    let batch = place.stage("arn:1", FLIGHTS).await;
    server.stop();
    let error = place.deliver(&batch).await.unwrap_err();
    assert!(matches!(error, DeliverError::Unavailable { .. }), "{error}");
    let words = error.to_string();
    let expected = format!("PostgreSQL database `postgres` at 127.0.0.1:{}: cannot connect: ", server.port());
    assert!(words.starts_with(&expected) && words.contains("refused"), "{words}");
    assert!(!words.contains(PASSWORD), "{words}");
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_unavailable() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = Place::new(url(silent.local_addr().unwrap().port(), "postgres"));
    let dir = tempfile::tempdir().unwrap();
    let staged = Place::new(format!("sqlite://{}/x.db", dir.path().display()));
    let batch = staged.stage("arn:1", FLIGHTS).await;
    let patience = Patience { connect: Duration::from_millis(100), ..Patience::default() };
    let error = deliver_impatiently(&staged.via(&place.url), &batch, patience).await.unwrap_err();
    assert!(matches!(error, DeliverError::Unavailable { .. }), "{error}");
    assert!(error.to_string().contains("no answer within 0.1 s"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_credentials_are_rejected_without_showing_them() {
    let Some((place, server)) = postgres() else { return };
    let batch = place.stage("arn:1", FLIGHTS).await;
    let wrong = [
        format!("postgres://stepwright:not-{PASSWORD}@127.0.0.1:{}/postgres", server.port()),
        server.url("no_such_database"),
    ];
    for url in wrong {
        let error = place.via(url).deliver(&batch).await.unwrap_err();
        assert!(matches!(error, DeliverError::Rejected { .. }), "{error}");
        assert!(error.to_string().contains("check user, password and database"), "{error}");
        assert!(!error.to_string().contains(PASSWORD), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_held_too_long_is_throttled() {
    let Some((place, _server)) = postgres() else { return };
    let batch = place.stage("arn:1", FLIGHTS).await;
    let mut holder = place.connection().await;
    holder.begin(Purpose::Write).await.unwrap();
    holder.execute("LOCK TABLE coreview_figure IN ACCESS EXCLUSIVE MODE", &[]).await.unwrap();
    let patience = Patience { lock: Duration::from_millis(50), ..Patience::default() };
    let error = deliver_impatiently(&place, &batch, patience).await.unwrap_err();
    assert!(matches!(error, DeliverError::Throttled { .. }), "{error}");
    assert!(error.to_string().contains("55P03"), "{error}");
    holder.rollback().await;
    assert_eq!(place.count("coreview_ledger").await, 0);
    assert!(!place.deliver(&batch).await.unwrap().already_delivered);
}

/// A process that was stopped inside its transaction does not stop the next one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_left_idle_is_ended_by_the_server() {
    let Some((place, _server)) = postgres() else { return };
    let batch = place.stage("arn:1", FLIGHTS).await;
    let patience = Patience { idle_in_transaction: Duration::from_millis(50), ..Patience::default() };
    let mut zombie = database::Connection::open(&place.url, patience).await.unwrap();
    zombie.begin(Purpose::Write).await.unwrap();
    zombie.execute("LOCK TABLE coreview_ledger IN ACCESS EXCLUSIVE MODE", &[]).await.unwrap();
    let receipt = place.deliver(&batch).await.unwrap();
    assert!(!receipt.already_delivered);
    let error = zombie.commit().await.unwrap_err();
    assert!(error.to_string().contains("cannot commit"), "{error}");
}

/// Two transactions that wait for each other: the server ends the delivery's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadlock_is_throttled_and_leaves_nothing() {
    let Some((place, _server)) = postgres() else { return };
    let batch = place.stage("arn:1", FLIGHTS).await;
    let mut holder = place.connection().await;
    // Who looks first for a deadlock is its victim: that is to be the delivery.
    holder.query("SELECT set_config('deadlock_timeout', '1min', false)", &[]).await.unwrap();
    place.execute("ALTER ROLE stepwright SET deadlock_timeout = '3s'").await;
    holder.begin(Purpose::Write).await.unwrap();
    holder.execute("LOCK TABLE coreview_figure IN ACCESS EXCLUSIVE MODE", &[]).await.unwrap();
    let other = async {
        let waits = "SELECT pid::bigint FROM pg_stat_activity \
                     WHERE application_name = 'stepwright' AND wait_event_type = 'Lock'";
        while place.query(waits).await.is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // What the delivery has written to already.
        holder.execute("LOCK TABLE coreview_ledger IN ACCESS EXCLUSIVE MODE", &[]).await.unwrap();
        holder.rollback().await;
    };
    let (delivered, ()) = tokio::join!(deliver_impatiently(&place, &batch, Patience::default()), other);
    let error = delivered.unwrap_err();
    assert!(matches!(error, DeliverError::Throttled { .. }), "{error}");
    assert!(error.to_string().contains("40P01"), "{error}");
    for table in ["coreview_ledger", "coreview_staging", "coreview_figure", "delivery_receipt"] {
        assert_eq!(place.count(table).await, 0, "{table}");
    }
    let receipt = place.deliver(&batch).await.unwrap();
    assert!(!receipt.already_delivered);
    place.verify(&receipt).await.unwrap();
}

/// The server refuses to serialise, while it works or when it is to commit.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_serialization_failure_is_throttled_and_leaves_nothing() {
    let Some((place, _server)) = postgres() else { return };
    let batch = place.stage("arn:1", FLIGHTS).await;
    let mut connection = place.connection().await;
    // What a sequence has given out stays given out, whatever is rolled back.
    connection
        .define(
            "CREATE SEQUENCE failures;
             CREATE FUNCTION fail_once() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN
                 IF nextval('failures') <= 1 THEN
                     RAISE EXCEPTION 'could not serialize access' USING ERRCODE = '40001';
                 END IF;
                 RETURN NEW;
             END $$;
             CREATE TRIGGER while_working BEFORE INSERT ON coreview_figure
             FOR EACH STATEMENT EXECUTE FUNCTION fail_once();",
        )
        .await
        .unwrap();
    for at_commit in [false, true] {
        if at_commit {
            connection
                .define(
                    "DROP TRIGGER while_working ON coreview_figure;
                     ALTER SEQUENCE failures RESTART;
                     CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON coreview_ledger
                     DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fail_once();
                     DELETE FROM coreview_ledger; DELETE FROM coreview_staging; DELETE FROM coreview_figure;
                     DELETE FROM delivery_receipt;",
                )
                .await
                .unwrap();
        }
        let error = place.deliver(&batch).await.unwrap_err();
        assert!(matches!(error, DeliverError::Throttled { .. }), "{at_commit}: {error}");
        assert!(error.to_string().contains("40001"), "{error}");
        for table in ["coreview_ledger", "coreview_staging", "coreview_figure", "delivery_receipt"] {
            assert_eq!(place.count(table).await, 0, "{at_commit}: {table}");
        }
        let receipt = place.deliver(&batch).await.unwrap();
        assert!(!receipt.already_delivered);
        place.verify(&receipt).await.unwrap();
    }
}

/// A database of its own, as a user who may do what the pipeline does and no more.
async fn as_the_pipeline(server: &PostgresServer, name: &str) -> Place {
    let admin = Place::new(server.url("postgres"));
    admin.connection().await.define(&format!("CREATE DATABASE {name}")).await.unwrap();
    let mut owner = Place::new(server.url(name)).connection().await;
    migrations::apply(&mut owner).await.unwrap();
    roles::grant(&mut owner).await.unwrap();
    owner
        .define(
            "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'pipeline') THEN \
             CREATE ROLE pipeline LOGIN PASSWORD 'pw' IN ROLE stepwright_pipeline; END IF; END $$",
        )
        .await
        .unwrap();
    Place::new(format!("postgres://pipeline:pw@127.0.0.1:{}/{name}", server.port()))
}

/// Delivering, correcting, withdrawing and waiting need no more than the pipeline's role has.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_pipeline_delivers_with_its_role_alone() {
    let Some((_owner, server)) = postgres() else { return };
    macro_rules! as_the_pipeline {
        ($($scenario:ident)*) => {$(
            crate::scenarios::$scenario(&as_the_pipeline(&server, stringify!($scenario)).await).await;
        )*};
    }
    as_the_pipeline! {
        a_batch_arrives
        a_replay_changes_nothing
        a_period_is_corrected_with_a_reason
        a_delivery_is_withdrawn
        markets_do_not_touch_each_other
        every_receipt_is_noted
        batches_of_any_size_arrive
        a_stale_correction
        two_corrections_at_once
        an_empty_correction
    }
    let dir = || TempDir::new().unwrap();
    answered_with_a_token(&Folder::of(as_the_pipeline(&server, "dropped").await, dir())).await;
    let endpoint = Endpoint::of(as_the_pipeline(&server, "put").await, dir());
    an_empty_correction_withdraws_every_row(&endpoint).await;
    let error =
        endpoint.place.connection().await.execute("DELETE FROM delivery_receipt", &[]).await.unwrap_err();
    assert!(error.to_string().contains("42501"), "{error}");
}
