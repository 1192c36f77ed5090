//! On PostgreSQL, and what only a server does. Skipped, loudly, where there is none.

use std::fmt::Write as _;
use std::time::Duration;

use database::{Database as _, Purpose};
use stepwright::{Callback, Use};
use stepwright_step_store::{
    Ask, KeepError, LoadError, Migrate, MigrateError, MigrateRequest, Migrated, Question,
};

use crate::place::{CONTRACTS, Place, ROWS};
use crate::postgres_server::PostgresServer;

fn postgres() -> Option<(Place, PostgresServer)> {
    let server = PostgresServer::start()?;
    Some((Place::new(server.url("postgres")), server))
}

crate::scenarios::on! { postgres() }

/// Waits until a session waits for a lock, then ends it.
async fn kill_who_waits(place: &Place) {
    let kill = "SELECT pg_terminate_backend(pid)::text FROM pg_stat_activity \
                WHERE application_name = 'stepwright' AND wait_event_type = 'Lock'";
    while place.query(kill).await.is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Whatever a load has done when it dies, nothing of it is there, and the next one does all of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_that_is_killed_leaves_nothing() {
    let Some((place, _server)) = postgres() else { return };
    place.keep_all().await;
    let request = place.load_request("contracts.csv", ROWS, "arn:1");
    // In the order in which a load comes by them.
    for table in ["ingest_feed", "ingest_layout", "ingest_row", "ingest_reject", "ingest_file"] {
        let mut holder = place.connection().await;
        holder.begin(Purpose::Write).await.unwrap();
        holder.execute(&format!("LOCK TABLE {table} IN SHARE MODE"), &[]).await.unwrap();
        let (loaded, ()) = tokio::join!(place.load_as(request.clone()), kill_who_waits(&place));
        let error = loaded.unwrap_err();
        assert!(matches!(error, LoadError::Unavailable { .. }), "{table}: {error}");
        holder.rollback().await;
        for table in ["ingest_row", "ingest_row_history", "ingest_file", "ingest_reject", "ingest_feed"] {
            assert_eq!(place.texts(&format!("SELECT COUNT(*) FROM {table}")).await, ["0"], "{table}");
        }
    }
    let loaded = place.load_as(request).await.unwrap();
    assert_eq!((loaded.rows, loaded.already_loaded), (5, false));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revision_that_is_killed_leaves_the_one_before_in_force() {
    let Some((place, _server)) = postgres() else { return };
    place.keep_all().await;
    let before = place.contents().await;
    let mut holder = place.connection().await;
    holder.begin(Purpose::Write).await.unwrap();
    holder.execute("LOCK TABLE reference_revision IN SHARE MODE", &[]).await.unwrap();
    let (kept, ()) = tokio::join!(
        place.keep_as("cells", "year,market,rate\n2024,north,0.9\n", "arn:2"),
        kill_who_waits(&place)
    );
    assert!(matches!(kept.unwrap_err(), KeepError::Unavailable { .. }));
    holder.rollback().await;
    assert_eq!(place.contents().await, before);
}

/// The URL of a user who has one of the roles.
async fn user(place: &Place, server: &PostgresServer, name: &str, role: &str) -> String {
    place
        .connection()
        .await
        .define(&format!("CREATE ROLE {name} LOGIN PASSWORD 'pw' IN ROLE {role}"))
        .await
        .unwrap();
    format!("postgres://{name}:pw@127.0.0.1:{}/postgres", server.port())
}

async fn migrate(url: &str) -> Result<Migrated, MigrateError> {
    Migrate::handle(MigrateRequest { roles: true }, Use::of(url)).await
}

const REFUSED: &str = "42501";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pipeline_runs_every_step_and_changes_no_more() {
    let Some((owner, server)) = postgres() else { return };
    let migrated = migrate(&owner.url).await.unwrap();
    assert_eq!(migrated.roles, ["stepwright_coreview", "stepwright_pipeline", "stepwright_operator"]);
    assert!(migrated.applied.len() >= 6, "{migrated:?}");
    let again = migrate(&owner.url).await.unwrap();
    assert_eq!((again.applied.len(), &again.roles), (0, &migrated.roles));
    // A later version's tables are given to the roles, also by who does not ask for roles.
    owner.connection().await.define("CREATE TABLE calc_later (id text)").await.unwrap();
    let later = Migrate::handle(MigrateRequest { roles: false }, Use::of(&*owner.url)).await.unwrap();
    assert_eq!(later.roles, migrated.roles);
    let granted = "SELECT has_table_privilege('stepwright_pipeline', 'calc_later', 'INSERT')::text";
    assert_eq!(owner.texts(granted).await, ["true"]);

    let place = Place::new(user(&owner, &server, "pipeline", "stepwright_pipeline").await);
    crate::scenarios::a_jump_needs_a_person(&place).await;
    let ask = Question {
        execution_arn: "arn:1".into(),
        kind: "approval".into(),
        period: "2024-03".into(),
        text: "May it?".into(),
    };
    Ask::handle(ask, Callback::of("token"), Use::of(&*place.url)).await.unwrap();

    let mut connection = place.connection().await;
    for statement in [
        "DELETE FROM coreview_ledger",
        "DELETE FROM coreview_figure",
        "DELETE FROM ingest_row",
        "TRUNCATE coreview_staging",
        "UPDATE coreview_ledger SET totals = '{}'",
        "UPDATE coreview_figure SET period = '2024-01'",
        "UPDATE coreview_audit SET reason = 'none'",
        "UPDATE coreview_staging SET figures = '{}'",
        "DROP TABLE coreview_figure",
        "DROP TABLE calc_run",
        "ALTER TABLE coreview_ledger DROP COLUMN totals",
        "CREATE INDEX mine ON coreview_figure (feed)",
        "UPDATE stepwright_migration SET number = 0",
        "SET ROLE stepwright_coreview",
    ] {
        let error = connection.define(statement).await.unwrap_err();
        assert!(error.to_string().contains(REFUSED), "{statement}: {error}");
    }

    let operator = Place::new(user(&owner, &server, "operator", "stepwright_operator").await);
    for table in ["coreview_figure", "calc_figure", "reference_active", "ops_question", "delivery_outbox"] {
        operator.query(&format!("SELECT * FROM {table}")).await;
    }
    let error =
        operator.connection().await.execute("UPDATE calc_run SET state = 'open'", &[]).await.unwrap_err();
    assert!(error.to_string().contains(REFUSED), "{error}");
    let request = operator.load_request("contracts.csv", ROWS, "arn:1");
    let error = operator.load_as(request).await.unwrap_err();
    assert!(matches!(error, LoadError::Rejected { .. }) && error.to_string().contains("grant"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_is_told_what_to_do() {
    let Some((owner, server)) = postgres() else { return };
    owner
        .connection()
        .await
        .define("CREATE ROLE nobody LOGIN PASSWORD 'pw'; REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        .await
        .unwrap();
    let url = format!("postgres://nobody:pw@127.0.0.1:{}/postgres", server.port());
    let error = migrate(&url).await.unwrap_err();
    assert!(matches!(error, MigrateError::Rejected { .. }), "{error}");
    assert!(error.to_string().contains("run the step `migrate` as the user who owns them"), "{error}");
    // The tables are there, but roles are not for everybody to make.
    let made = Migrate::handle(MigrateRequest { roles: false }, Use::of(&*owner.url)).await.unwrap();
    assert!(made.roles.is_empty());
    owner.connection().await.define("GRANT SELECT ON stepwright_migration TO nobody").await.unwrap();
    let error = migrate(&url).await.unwrap_err();
    assert!(matches!(error, MigrateError::Rejected { .. }), "{error}");
    assert!(
        error.to_string().contains("cannot make its roles") && error.to_string().contains("`coreview-owner`"),
        "{error}"
    );
}

/// RDS gives no superuser: who may create roles and owns the tables is enough.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_who_is_no_superuser_makes_the_roles() {
    let Some((superuser, server)) = postgres() else { return };
    superuser
        .connection()
        .await
        .define("CREATE ROLE planner LOGIN CREATEROLE PASSWORD 'pw'; CREATE SCHEMA AUTHORIZATION planner")
        .await
        .unwrap();
    let url = format!("postgres://planner:pw@127.0.0.1:{}/postgres", server.port());
    let migrated = migrate(&url).await.unwrap();
    assert_eq!(migrated.roles.len(), 3);
    let owner = "SELECT tableowner::text FROM pg_tables WHERE tablename = 'coreview_figure'";
    assert_eq!(superuser.texts(owner).await, ["stepwright_coreview"]);
    assert_eq!(migrate(&url).await.unwrap().roles.len(), 3);
}

/// Half a million rows, through a small Lambda function's memory. `SLOW=1` runs it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_a_million_rows_are_loaded_and_taken_out() {
    const ROWS: u64 = 540_000;
    if std::env::var_os("SLOW").is_none() {
        return;
    }
    let Some((place, _server)) = postgres() else { return };
    place.keep_all().await;
    let mut text = "contract,agent,market,day,amount,status\n".to_owned();
    for row in 0..ROWS {
        let (market, day, status) = (row % 7, row % 28 + 1, if row % 50 == 0 { "withdrawn" } else { "" });
        writeln!(text, "C-{row:07},Agent {},market-{market},2024-03-{day:02},{row}.50,{status}", row % 300)
            .unwrap();
    }
    let request = place.load_request("contracts.csv", &text, "arn:1");
    drop(text);
    let before = peak_memory();
    let started = std::time::Instant::now();
    let loaded = place.load_as(request.clone()).await.unwrap();
    eprintln!("loaded {ROWS} rows in {:.1} s", started.elapsed().as_secs_f32());
    assert_eq!(loaded.rows, ROWS);
    let started = std::time::Instant::now();
    assert_eq!(place.load_as(request).await.unwrap().rows, ROWS);
    eprintln!("looked at them again in {:.1} s", started.elapsed().as_secs_f32());
    let started = std::time::Instant::now();
    let run = place.open("2024-03").await;
    eprintln!("took them out in {:.1} s", started.elapsed().as_secs_f32());
    assert_eq!(run.markets.iter().map(|rows| rows.parsed.stats.rows_in).sum::<u64>(), ROWS);
    let started = std::time::Instant::now();
    place.put("customer/contracts.toml", &CONTRACTS.replace("value = 0 }", "value = 2 }"));
    let again = place.load_request(
        "contracts.csv",
        &std::fs::read_to_string(place.path_of("in/contracts.csv")).unwrap(),
        "arn:2",
    );
    let parsed = started.elapsed();
    let started = std::time::Instant::now();
    let loaded = place.load_as(again).await.unwrap();
    eprintln!(
        "loaded them by another spec in {:.1} s (parsed in {:.1} s)",
        started.elapsed().as_secs_f32(),
        parsed.as_secs_f32()
    );
    assert_eq!((loaded.withdrawn, loaded.unchanged), (1, ROWS - 1));
    eprintln!("peak memory: {} KiB, {before} KiB before", peak_memory());
}

fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().trim_end_matches(" kB").parse().unwrap()
}
