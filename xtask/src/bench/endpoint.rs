//! The endpoint under load, and beside it what `pip install` and `npm install` bring: the
//! same calls, in the same run.

mod peers;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use serde_json::{Value, json};

use super::{milliseconds, release_binaries, report, scratch};
use crate::shim::command;
use crate::{cargo, run, target};
use peers::Peer;

/// Clock ticks of `/proc`: a constant of Linux's interface.
const TICKS_PER_SECOND: f64 = 100.0;
/// Peers take up to a hundred times as long: so much less is asked of them.
const PEER_SHARE: u64 = 40;

/// A workload, how often it is run, and what is aimed at.
const WORKLOADS: [(&str, u64, Option<&str>); 4] = [
    ("w1", 20_000, Some("50,000 transitions/s, 12 ms CPU per 1,000")),
    ("w2", 4_000, Some("100,000 transitions/s, 12 ms CPU per 1,000")),
    ("w3", 10_000, Some("2,000 executions/s, each step a call of a real process")),
    ("w4", 2_000, Some("p50 0.6 ms, p99 3 ms")),
];

/// A server that is measured; it ends with this value.
struct Server {
    process: Child,
    address: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nothing to do about a server that is gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// All figures; with `load` among the filters also the minute of mixed calls.
pub(super) fn figures(root: &Path, filters: &[String]) -> Result<(), String> {
    let binaries = release_binaries(root)?;
    let load = crate::release_of_tests(root, "load")?;
    let folder = scratch(root, "endpoint")?;
    let functions = functions(root, &folder)?;
    let began = Instant::now();
    let ours = start_ours(&binaries, &folder.join("data"), &functions)?;
    report("http_start_to_ready", milliseconds(began.elapsed()), "ms", json!({ "goal": 50 }));
    report("http_idle_rss", resident_mib(&ours), "MiB", json!({ "goal": 25 }));
    let peers = peers::start(root, &folder)?;
    for (workload, executions, goal) in WORKLOADS {
        beside(&load, &ours, &peers, workload, executions, goal)?;
    }
    report("http_rss_after", resident_mib(&ours), "MiB", json!({ "executions": 36_012, "goal": 100 }));
    if filters.iter().any(|filter| filter.contains("load")) {
        mixed(&load, &ours)?;
        ingest(&load, &ours)?;
    }
    drop(ours);
    fs::remove_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))
}

/// One workload here and there.
fn beside(
    load: &Path,
    ours: &Server,
    peers: &[Peer],
    workload: &str,
    executions: u64,
    goal: Option<&str>,
) -> Result<(), String> {
    let (figure, unit) = match workload {
        "w3" => ("executions_per_second", "executions/s"),
        "w4" => ("p50_ms", "ms"),
        _ => ("transitions_per_second", "transitions/s"),
    };
    let figures = measure(load, ours, workload, executions)?;
    let value = number(&figures, figure);
    let mut more = json!({ "goal": goal, "ours": figures });
    for peer in peers.iter().filter(|peer| !peer.without.contains(&workload)) {
        let theirs = measure(load, &peer.server, workload, (executions / PEER_SHARE).max(20))?;
        let ratio =
            if unit == "ms" { number(&theirs, figure) / value } else { value / number(&theirs, figure) };
        if let Some(more) = more.as_object_mut() {
            more.insert(format!("times_{}", peer.name), json!((ratio * 10.0).round() / 10.0));
            more.insert(peer.name.to_owned(), theirs);
        }
    }
    report(&format!("http_{workload}"), value, unit, more);
    Ok(())
}

/// A thousand events a second for half a minute.
fn ingest(load: &Path, server: &Server) -> Result<(), String> {
    let mut client = command(load);
    client.args([
        "--address",
        &server.address,
        "--workload",
        "ingest",
        "--connections",
        "64",
        "--seconds",
        "30",
    ]);
    let figures = output(&mut client)?;
    let more = json!({ "goal": 100, "figures": figures, "rss_mib": resident_mib(server) });
    report("http_ingest_p95", number(&figures, "p95_ms"), "ms", more);
    Ok(())
}

fn mixed(load: &Path, server: &Server) -> Result<(), String> {
    let mut client = command(load);
    client.args([
        "--address",
        &server.address,
        "--workload",
        "mixed",
        "--connections",
        "1000",
        "--seconds",
        "60",
    ]);
    let figures = output(&mut client)?;
    let rss = resident_mib(server);
    let more = json!({ "goal": 50, "errors_goal": 0, "figures": figures, "rss_mib": rss });
    report("http_load_start_p95", number(&figures, "start_p95_ms"), "ms", more);
    Ok(())
}

/// A folder with the function that `w3` calls: a bootstrap that gives back what it gets.
fn functions(root: &Path, folder: &Path) -> Result<PathBuf, String> {
    let package = ["-p", "stepwright-step-misbehave", "--bin", "replay-bootstrap"];
    run(cargo(root).args(["build", "--quiet", "--release", "--locked"]).args(package))?;
    let functions = folder.join("functions");
    let failed = |error: std::io::Error| format!("{}: {error}", functions.display());
    fs::create_dir_all(functions.join("replay")).map_err(failed)?;
    let program = target(root).join("release/replay-bootstrap");
    fs::copy(program, functions.join("replay/bootstrap")).map_err(failed)?;
    Ok(functions)
}

fn start_ours(binaries: &Path, data: &Path, functions: &Path) -> Result<Server, String> {
    let mut process = command(binaries.join("stepwright"))
        .args(["dev", "--no-app", "--listen", "127.0.0.1:0", "-o", "json", "--log", "error", "--data"])
        .arg(data)
        .arg("--functions")
        .arg(functions)
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|e| format!("stepwright dev: {e}"))?;
    let mut line = String::new();
    let stdout = process.stdout.take().ok_or("stepwright dev has no output")?;
    BufReader::new(stdout).read_line(&mut line).map_err(|e| e.to_string())?;
    let announced: Value = serde_json::from_str(&line).map_err(|e| format!("{line:?}: {e}"))?;
    let endpoint = announced.get("endpoint").and_then(Value::as_str).unwrap_or_default();
    let address = endpoint.trim_start_matches("http://").to_owned();
    Ok(Server { process, address })
}

fn measure(load: &Path, server: &Server, workload: &str, executions: u64) -> Result<Value, String> {
    let before = cpu_seconds(server.process.id());
    let mut client = command(load);
    client.args([
        "--address",
        &server.address,
        "--workload",
        workload,
        "--executions",
        &executions.to_string(),
    ]);
    let mut figures = output(&mut client)?;
    let cpu = cpu_seconds(server.process.id()) - before;
    let transitions = number(&figures, "transitions");
    if let Some(figures) = figures.as_object_mut() {
        let per_thousand = cpu * 1e6 / transitions;
        figures.insert("cpu_ms_per_1000_transitions".to_owned(), json!((per_thousand * 1e3).round() / 1e3));
    }
    Ok(figures)
}

fn output(command: &mut Command) -> Result<Value, String> {
    let output = command.stderr(Stdio::inherit()).output().map_err(|e| format!("{command:?}: {e}"))?;
    if !output.status.success() {
        return Err(format!("{command:?} ended with {}", output.status));
    }
    serde_json::from_slice(&output.stdout).map_err(|e| format!("{command:?}: {e}"))
}

fn number(figures: &Value, name: &str) -> f64 {
    figures.get(name).and_then(Value::as_f64).unwrap_or(f64::NAN)
}

/// User and system time of a process, its threads included.
fn cpu_seconds(process: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // The name, in brackets, may hold anything.
    let fields = stat.rsplit_once(')').map(|(_, fields)| fields).unwrap_or_default();
    let ticks: f64 =
        fields.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum();
    ticks / TICKS_PER_SECOND
}

fn resident_mib(server: &Server) -> f64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.process.id())).unwrap_or_default();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    resident
        .and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok())
        .map_or(f64::NAN, |kb| kb / 1024.0)
}
