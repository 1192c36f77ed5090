//! A customer's whole job with a large feed: invoice lines through the `CoreView`
//! workflows into a real PostgreSQL server that syncs what it commits; then the
//! same job killed and typed again. The floor is the server alone: `COPY` of the
//! same lines into one table without an index.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::json;

use super::{median, processes, release_binaries, report, scratch};
use crate::feed::{self, Feed};
use crate::shim::command;

#[path = "../../../steps/database/tests/support/postgres_server.rs"]
#[allow(
    dead_code,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "shared with tests, which use more of it, as tests do"
)]
mod postgres_server;

use postgres_server::PostgresServer;

/// Lines of the feed.
const LINES: u64 = 540_000;
/// How often the job is measured.
const ROUNDS: usize = 3;
/// How often it is killed, evenly over the time it takes.
const KILLS: u32 = 8;
/// The period that is settled with the feed.
const PERIOD: &str = "2024-06";
/// The periods of the feed that have commissions, but for the first: from nothing is a jump that a person approves.
const PERIODS: &str = "2023-03..2024-12";

/// What tells two outcomes apart: everything a run leaves that neither clock nor execution decides.
const OUTCOME: &str = "
    SELECT 'rows', count(*), md5(string_agg(md5(row_key || row_values || outcome), '' ORDER BY row_key)) FROM ingest_row
    UNION ALL SELECT 'rejects', count(*), md5(string_agg(code || line, ',' ORDER BY load_number, number)) FROM ingest_reject
    UNION ALL SELECT 'runs', count(*), md5(string_agg(id || state || totals, ',' ORDER BY id)) FROM calc_run
    UNION ALL SELECT 'calculated', count(*), md5(string_agg(run_id || market || entity_key || figures, ','
        ORDER BY run_id, market, entity_key)) FROM calc_row
    UNION ALL SELECT 'ledger', count(*), md5(string_agg(delivery_id || batch_sha256 || totals || state, ','
        ORDER BY delivery_id)) FROM coreview_ledger
    UNION ALL SELECT 'figures', count(*), md5(string_agg(period || market || entity_key || figures || delivery_id, ','
        ORDER BY period, market, entity_key)) FROM coreview_figure
    UNION ALL SELECT 'receipts', count(*), md5(string_agg(delivery_id || batch_sha256, ',' ORDER BY delivery_id))
        FROM delivery_receipt
    ORDER BY 1";

pub(crate) fn figures(root: &Path) -> Result<(), String> {
    let Some(server) = PostgresServer::start_with(&["-c", "max_connections=40"]) else {
        eprintln!("xtask: there is no PostgreSQL: the coreview figures are left out");
        return Ok(());
    };
    let folder = scratch(root, "coreview")?;
    let (feed, customer) = (folder.join("invoices.csv.gz"), folder.join("customer"));
    feed::write(root, &Feed { lines: LINES, seed: 1, out: feed.clone(), customer: Some(customer.clone()) })?;
    let job = Job { root, binaries: release_binaries(root)?, folder, feed, customer, server };

    let (mut wall, mut peak) = (Vec::new(), Vec::new());
    let mut wanted = String::new();
    for round in 0..ROUNDS {
        let name = format!("round{round}");
        job.prepare(&name)?;
        let (took, rss) = processes::measure(&mut job.month(&name))?;
        wall.push(took.as_secs_f64());
        peak.push(rss);
        wanted = job.outcome(&name)?;
    }
    let (wall, floor) = (median(wall), job.floor()?);
    let goal = json!({
        "lines": LINES, "period": PERIOD, "goal": 30.0,
        "floor": "COPY of the lines by psql", "floor_s": floor, "times_the_floor": wall / floor,
    });
    report("coreview_540k_end_to_end", wall, "s", goal);
    report(
        "coreview_540k_peak_rss",
        median(peak),
        "MiB",
        json!({"of": "all processes together, without PostgreSQL", "goal": 512}),
    );

    let started = Instant::now();
    job.run(&mut job.workflow("round0", "coreview-commission", &["--period", PERIODS]))?;
    report(
        "coreview_22_periods",
        started.elapsed().as_secs_f64(),
        "s",
        json!({"of": "rows that are loaded"}),
    );

    killed(&job, Duration::from_secs_f64(wall), &wanted)
}

/// Kills the job at moments spread over its time, types it again, and compares.
fn killed(job: &Job<'_>, span: Duration, wanted: &str) -> Result<(), String> {
    let mut different = Vec::new();
    let mut alive = 0;
    for kill in 0..KILLS {
        let name = format!("kill{kill}");
        job.prepare(&name)?;
        let mut child = job.month(&name).spawn().map_err(|error| error.to_string())?;
        sleep(span * (2 * kill + 1) / (2 * KILLS));
        alive += u32::from(matches!(child.try_wait(), Ok(None)));
        child.kill().and_then(|()| child.wait()).map_err(|error| error.to_string())?;
        job.run(&mut job.month(&name))?;
        let found = job.outcome(&name)?;
        if found != wanted {
            different.push(json!({"moment": kill, "found": found, "wanted": wanted}));
        }
    }
    let more = json!({"of": alive, "goal": 0, "which": different});
    report(
        "coreview_540k_different_after_a_kill",
        f64::from(u32::try_from(different.len()).unwrap_or(u32::MAX)),
        "runs",
        more,
    );
    Ok(())
}

struct Job<'a> {
    root: &'a Path,
    binaries: PathBuf,
    folder: PathBuf,
    feed: PathBuf,
    customer: PathBuf,
    server: PostgresServer,
}

impl Job<'_> {
    /// A database and a data directory of that name, with the reference data.
    fn prepare(&self, name: &str) -> Result<(), String> {
        self.psql("postgres", &format!("CREATE DATABASE {name}"))?;
        let mut references = self.workflow(name, "coreview-refdata", &[]);
        for file in ["cells.csv", "rates.csv"] {
            references.arg("--input").arg(self.customer.join(file));
        }
        self.run(&mut references)
    }

    /// The feed taken in, and one period of it settled.
    fn month(&self, name: &str) -> Command {
        let mut command = self.workflow(name, "coreview-commission", &["--period", PERIOD]);
        command.arg("--input").arg(&self.feed);
        command
    }

    fn workflow(&self, name: &str, workflow: &str, more: &[&str]) -> Command {
        let mut command = command(self.binaries.join("stepwright"));
        command
            .current_dir(self.root)
            .args(["run", workflow, "--quiet", "-o", "json", "--spec"])
            .arg(self.customer.join("customer.toml"))
            .args(more)
            .arg("--data")
            .arg(self.folder.join(name))
            .arg("--app")
            .arg(self.binaries.join("app"))
            .args(["--coreview", &self.server.url(name)])
            .stdout(Stdio::null());
        command
    }

    fn run(&self, command: &mut Command) -> Result<(), String> {
        let output = command.stderr(Stdio::piped()).output().map_err(|error| error.to_string())?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(format!("{} in {}: {}: {said}", self.binaries.display(), self.folder.display(), output.status))
    }

    fn outcome(&self, name: &str) -> Result<String, String> {
        self.psql(name, OUTCOME)
    }

    fn psql(&self, database: &str, sql: &str) -> Result<String, String> {
        let output =
            self.server.psql(database).args(["-c", sql]).output().map_err(|error| error.to_string())?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(format!("psql: {}", String::from_utf8_lossy(&output.stderr)))
    }

    /// Seconds that the server needs for the lines as they are, by the fastest way it has.
    fn floor(&self) -> Result<f64, String> {
        self.psql("postgres", "CREATE TABLE line (value text NOT NULL)")?;
        let mut seconds = Vec::new();
        for _ in 0..ROUNDS {
            self.psql("postgres", "TRUNCATE line")?;
            let started = Instant::now();
            // A delimiter that no line has: each is one value.
            let copy = format!(
                "\\copy line FROM PROGRAM 'gzip -dc {}' WITH (DELIMITER E'\\x01')",
                self.feed.display()
            );
            self.psql("postgres", &copy)?;
            seconds.push(started.elapsed().as_secs_f64());
        }
        Ok(median(seconds))
    }
}
