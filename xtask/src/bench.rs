//! `cargo xtask bench`: one JSON line per figure, each with its unit and, where
//! there is one, a ratio to a peer measured in the same run. Figures are
//! medians; this is measuring, not testing: nothing here can fail a build.

mod coreview;
mod endpoint;
mod processes;
mod runtime_api;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::shim::command;
use crate::{cargo, run, target};

/// Where the real feeds lie; figures that need them are left out without it.
const FEEDS: &str = "../shared/datasets";

pub(crate) fn run_figures(root: &Path, filters: &[String]) -> Result<(), String> {
    let wanted =
        |name: &str| filters.is_empty() || filters.iter().any(|filter| name.contains(filter.as_str()));
    if wanted("flights") {
        flights(root)?;
    }
    if wanted("coreview") {
        coreview::figures(root)?;
    }
    if wanted("synth") {
        synth(root)?;
    }
    if wanted("step") {
        steps(root)?;
    }
    if wanted("jsonata") {
        run(cargo(root).args([
            "bench",
            "--quiet",
            "--locked",
            "-p",
            "stepwright-asl",
            "--bench",
            "jsonata",
        ]))?;
    }
    if filters.is_empty() || filters.iter().any(|filter| filter.starts_with("engine")) {
        engine(root, filters)?;
    }
    if filters.is_empty() || filters.iter().any(|filter| filter.starts_with("http")) {
        endpoint::figures(root, filters)?;
    }
    if wanted("check") {
        check_after_edit(root)?;
    }
    Ok(())
}

/// One figure on standard output.
fn report(metric: &str, value: f64, unit: &str, more: Value) {
    let mut line = json!({"metric": metric, "value": (value * 1000.0).round() / 1000.0, "unit": unit});
    if let (Some(line), Value::Object(more)) = (line.as_object_mut(), more) {
        line.extend(more);
    }
    println!("{line}");
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// The flights feed end to end: processes, journal, object store and delivery
/// included. The peer does the grouping alone, as an analyst's script would.
fn flights(root: &Path) -> Result<(), String> {
    let zip = root.join(FEEDS).join("flights/flights.csv.zip");
    if !zip.exists() {
        eprintln!("xtask: {FEEDS} is not there: the flights figure is left out");
        return Ok(());
    }
    let binaries = release_binaries(root)?;
    let folder = scratch(root, "flights")?;
    let (mut wall, mut peak) = (Vec::new(), Vec::new());
    for round in 0..5 {
        let data = folder.join(round.to_string());
        let mut whole = command(binaries.join("stepwright"));
        whole
            .current_dir(root)
            .args(["run", "coreview-delivery", "--quiet", "-o", "json"])
            .args(["--spec", "workflows/samples/specs/flights-carrier-month.toml"])
            .arg("--input")
            .arg(&zip)
            .arg("--data")
            .arg(&data)
            .arg("--app")
            .arg(binaries.join("app"))
            .stdout(Stdio::null());
        let (took, rss) = processes::measure(&mut whole)?;
        wall.push(took.as_secs_f64());
        peak.push(rss);
    }
    let mut peer = Vec::new();
    for _ in 0..3 {
        let started = Instant::now();
        run(command("python3").arg("-c").arg(PEER).arg(&zip).stdout(Stdio::null()))?;
        peer.push(started.elapsed().as_secs_f64());
    }
    let (wall, peer) = (median(wall), median(peer));
    report(
        "flights_end_to_end",
        wall,
        "s",
        json!({"rows": 336_776, "goal": 3.0, "peer": "python csv, grouping only", "peer_s": peer, "times_faster": peer / wall}),
    );
    report("flights_peak_rss", median(peak), "MiB", json!({"of": "all processes together", "goal": 256}));
    std::fs::remove_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))
}

/// Groups the feed by carrier and month and sums a column: less than the workflow does.
const PEER: &str = r"
import csv, io, sys, zipfile
from decimal import Decimal
groups = {}
with zipfile.ZipFile(sys.argv[1]) as z:
    for name in z.namelist():
        for row in csv.DictReader(io.TextIOWrapper(z.open(name), 'utf-8')):
            g = groups.setdefault((row['carrier'], int(row['month'])), [0, 0, Decimal(0), Decimal(0), []])
            g[0] += 1
            g[1] += row['dep_time'] == 'NA'
            g[3] += Decimal(row['distance'])
            if row['arr_delay'] != 'NA':
                g[2] += Decimal(row['arr_delay']); g[4].append(int(row['arr_delay']))
for g in groups.values():
    g[4].sort()
";

/// The whole of `app synth`: ASL, schemas, template, assembly. The floor is the
/// same process printing its manifest only.
fn synth(root: &Path) -> Result<(), String> {
    let binaries = release_binaries(root)?;
    let folder = scratch(root, "synth")?;
    let time = |arguments: &[&str]| -> Result<f64, String> {
        let mut rounds = Vec::new();
        for _ in 0..15 {
            let started = Instant::now();
            run(command(binaries.join("app"))
                .args(arguments)
                .current_dir(&folder)
                .stdout(Stdio::null())
                .stderr(Stdio::null()))?;
            rounds.push(milliseconds(started.elapsed()));
        }
        Ok(median(rounds))
    };
    let (manifest, synth) = (time(&["manifest"])?, time(&["synth", "--out", "out"])?);
    report("synth", synth, "ms", json!({"process_and_emit_only_ms": manifest, "ratio": synth / manifest}));
    std::fs::remove_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))
}

/// Size and start of every step binary as it is deployed.
fn steps(root: &Path) -> Result<(), String> {
    eprintln!("xtask: building the step binaries as they are deployed (fat LTO takes a while)");
    let packages = ["parse", "reconcile", "calculate", "deliver", "report"];
    let mut build = cargo(root);
    build.args([
        "build",
        "--locked",
        "--profile",
        "lambda",
        "--example",
        "hello",
        "-p",
        "stepwright",
        "--features",
        "lambda",
    ]);
    run(&mut build)?;
    let mut build = cargo(root);
    build.args(["build", "--locked", "--profile", "lambda"]);
    for package in packages {
        build.args(["-p", &format!("stepwright-step-{package}")]);
    }
    run(&mut build)?;
    let folder = target(root).join("lambda");
    let hello = runtime_api::start_time(&folder.join("examples/hello"), "hello")?;
    report(
        "step_hello_init",
        milliseconds(hello),
        "ms",
        json!({"size_kb": size(&folder.join("examples/hello"))? / 1e3}),
    );
    for package in packages {
        let binary = folder.join(format!("step-{package}"));
        let handler = if package == "deliver" { "stage" } else { package };
        let init = runtime_api::start_time(&binary, handler)?;
        report(
            &format!("step_{package}_size"),
            size(&binary)? / 1e6,
            "MB",
            json!({"init_ms": milliseconds(init), "init_vs_hello": init.as_secs_f64() / hello.as_secs_f64()}),
        );
    }
    Ok(())
}

/// The engine in its own process; `engine_throughput` is one of its groups of figures.
fn engine(root: &Path, filters: &[String]) -> Result<(), String> {
    let mut bench = cargo(root);
    bench.args(["bench", "--quiet", "--locked", "-p", "stepwright-engine", "--bench", "engine", "--"]);
    if !filters.iter().any(|filter| filter == "engine") {
        bench.args(filters.iter().filter_map(|filter| filter.strip_prefix("engine_")));
    }
    run(&mut bench)
}

/// `cargo check` of the workflows after their source changed.
fn check_after_edit(root: &Path) -> Result<(), String> {
    let source = root.join("workflows/src/lib.rs");
    let check = || run(cargo(root).args(["check", "--quiet", "-p", "stepwright-workflows"]));
    check()?;
    let mut rounds = Vec::new();
    for _ in 0..5 {
        let file = std::fs::File::options()
            .append(true)
            .open(&source)
            .map_err(|e| format!("{}: {e}", source.display()))?;
        file.set_modified(std::time::SystemTime::now()).map_err(|e| e.to_string())?;
        let started = Instant::now();
        check()?;
        rounds.push(started.elapsed().as_secs_f64());
    }
    report("cargo_check_after_edit", median(rounds), "s", json!({"package": "stepwright-workflows"}));
    Ok(())
}

fn size(file: &Path) -> Result<f64, String> {
    #[expect(clippy::cast_precision_loss, reason = "a size in kilobytes, for reading")]
    std::fs::metadata(file).map(|m| m.len() as f64).map_err(|e| format!("{}: {e}", file.display()))
}

/// Builds what a user runs and answers where it is.
fn release_binaries(root: &Path) -> Result<PathBuf, String> {
    run(cargo(root).args(["build", "--quiet", "--release", "--locked", "--workspace", "--bins"]))?;
    Ok(target(root).join("release"))
}

/// An empty folder below the target folder.
fn scratch(root: &Path, name: &str) -> Result<PathBuf, String> {
    let folder = target(root).join("bench").join(name);
    if folder.exists() {
        std::fs::remove_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    }
    std::fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    Ok(folder)
}
