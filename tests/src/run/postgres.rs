//! CoreView on a real PostgreSQL server.

use std::process::Stdio;
use std::time::{Duration, Instant};

use super::{run, succeeded};
use crate::postgres_server::{PASSWORD, PostgresServer};
use crate::{project_root, stepwright, told};

/// The first column of every row, as text.
fn query(server: &PostgresServer, sql: &str) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let (client, connection) =
            tokio_postgres::connect(&server.url("postgres"), tokio_postgres::NoTls).await.expect("connects");
        tokio::spawn(connection);
        client.query(sql, &[]).await.expect("the query runs").iter().map(|row| row.get(0)).collect()
    })
}

#[test]
fn the_sample_reaches_postgresql_once() {
    let Some(server) = PostgresServer::start() else { return };
    let data = tempfile::tempdir().expect("a folder");
    let url = server.url("postgres");
    let first = succeeded(&run(data.path(), &["--coreview", &url]));
    let figures =
        || query(&server, "SELECT entity_key || figures || delivery_id FROM coreview_figure ORDER BY 1");
    let after_first = figures();
    assert!(!after_first.is_empty());

    let output = run(data.path(), &["--coreview", &url]);
    assert!(!told(&output).contains(PASSWORD), "the password is shown: {}", told(&output));
    let second = succeeded(&output);
    assert_eq!(second["output"]["receipt"]["already_delivered"], true, "{second}");
    assert_eq!(second["output"]["receipt"]["execution_arn"], first["executionArn"]);
    assert_eq!(figures(), after_first);
    assert_eq!(query(&server, "SELECT delivery_id FROM coreview_ledger").len(), 1);
}

#[test]
fn a_year_of_commissions_reaches_postgresql_once() {
    let Some(server) = PostgresServer::start() else { return };
    let data = tempfile::tempdir().expect("a folder");
    let export = data.path().join("year.csv");
    let year = || {
        let mut command = stepwright(data.path());
        command.args(["run", "coreview-commission", "-o", "json", "--coreview", &server.url("postgres")]);
        command.arg("--export").arg(&export);
        succeeded(&command.output().expect("stepwright starts"))
    };
    let held = || {
        let sql = "SELECT feed || period || market || entity_key || figures || delivery_id || version \
                   FROM coreview_figure ORDER BY 1";
        (query(&server, "SELECT delivery_id || state FROM coreview_ledger ORDER BY 1"), query(&server, sql))
    };
    year();
    let expected = project_root().join("workflows/samples/coreview-commission/expected/commissions.csv");
    let expected = std::fs::read(expected).expect("the expected figures");
    assert_eq!(std::fs::read(&export).expect("the export"), expected, "what plain loops calculate");
    let first = held();
    assert_eq!(first.0.len(), 36, "three markets a month");

    year();
    assert_eq!(std::fs::read(&export).expect("the export"), expected);
    assert_eq!(held(), first, "nothing twice");
}

#[test]
fn a_database_that_is_down_is_waited_for_and_told_about() {
    let Some(mut server) = PostgresServer::start() else { return };
    server.stop();
    let data = tempfile::tempdir().expect("a folder");
    let run = stepwright(data.path())
        .args(["run", "coreview-delivery", "-o", "json", "--coreview", &server.url("postgres")])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    let shown = shown_while_it_waits(data.path());
    assert!(shown.contains("127.0.0.1") && !shown.contains(PASSWORD), "{shown}");
    server.restart();
    let output = run.wait_with_output().expect("ends");
    succeeded(&output);
    assert_eq!(query(&server, "SELECT delivery_id FROM coreview_ledger").len(), 1);
}

/// How many deliveries are in the ledger.
pub(super) fn deliveries(server: &PostgresServer) -> usize {
    query(server, "SELECT delivery_id FROM coreview_ledger").len()
}

/// What another process shows of the execution once its first attempt has
/// failed. Looking is all that can be done from outside, hence the pause.
pub(super) fn shown_while_it_waits(data: &std::path::Path) -> String {
    let started = Instant::now();
    loop {
        let output = stepwright(data).args(["show", "latest", "--events"]).output().expect("starts");
        let shown = String::from_utf8_lossy(&output.stdout).into_owned();
        if shown.contains("Stage.Unavailable") {
            return shown;
        }
        assert!(started.elapsed() < Duration::from_secs(30), "no failed attempt is shown: {}", told(&output));
        std::thread::sleep(Duration::from_millis(50));
    }
}
