//! What the engine costs, in this process: `cargo xtask bench engine` runs it.
//!
//! One JSON line per figure on standard output: `metric`, `value`, `unit`, and
//! where there is one the `goal` and the `ratio` to what was measured beside it
//! in the same run. Figures are medians of rounds; the rounds of a figure and
//! of its yardstick take turns, so that a busy machine slows both. Arguments
//! are parts of names of groups of figures; without any, all of them run.
#![expect(clippy::print_stdout, reason = "figures are read from standard output")]
#![expect(clippy::expect_used, reason = "a benchmark stops where it is wrong")]
#![expect(clippy::cast_precision_loss, reason = "figures are for reading")]

mod child;
mod load;
mod process;
mod yardstick;

use std::time::Instant;

use serde_json::{Value, json};

use load::Workload;

/// Rounds of each figure; odd, so that the median is one of them.
const ROUNDS: usize = 5;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let Some((verb, rest)) = arguments.split_first()
        && verb == "child"
    {
        return child::run(rest);
    }
    let wanted = |group: &str| arguments.is_empty() || arguments.iter().any(|part| group.contains(&**part));
    if wanted("throughput") {
        throughput(&load::PASS_CHAIN);
        throughput(&load::MAP_OF_100);
        throughput(&load::FIVE_TASKS);
    }
    if wanted("latency") {
        latency();
    }
    if wanted("start") {
        start();
    }
    if wanted("recovery") {
        recovery();
    }
    if wanted("memory") {
        memory();
    }
    if wanted("waiting") {
        waiting();
    }
    if wanted("stored") {
        stored();
    }
}

/// Transitions per second with 16 clients, beside bare inserts of the same events.
fn throughput(workload: &Workload) {
    let directory = tempfile::tempdir().expect("a directory");
    let engine = load::open(directory.path());
    let machine = load::put(&engine, workload);
    let events = load::events_of_one(&engine, &machine);
    let segments = yardstick::segments_of(directory.path());
    let (mut speeds, mut cpu, mut rows, mut packed) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    load::closed_loop(&engine, &machine, 16, workload.per_round / 4);
    for _ in 0..ROUNDS {
        let (cpu_before, before) = (process::cpu_micros(), Instant::now());
        load::closed_loop(&engine, &machine, 16, workload.per_round);
        let transitions = (workload.per_round * workload.transitions) as f64;
        speeds.push(transitions / before.elapsed().as_secs_f64());
        cpu.push((process::cpu_micros() - cpu_before) / transitions);
        let per_second = |executions: f64| executions * workload.transitions as f64;
        rows.push(per_second(yardstick::rows(&events, workload.per_round)));
        packed.push(per_second(yardstick::packed(&segments, workload.per_round)));
    }
    engine.shutdown();
    let (speed, rows, packed) = (median(speeds), median(rows), median(packed));
    let name = workload.name;
    let beside = json!({
        "goal": 0.5, "ratio": speed / rows, "bare_inserts_per_s": rows,
        "bare_packed_per_s": packed, "ratio_packed": speed / packed,
        "events_per_execution": events.len(), "clients": 16,
    });
    report(&format!("engine_{name}_transitions"), speed, "1/s", beside);
    report(&format!("engine_{name}_cpu"), median(cpu), "us/transition", json!({"goal": 10.0}));
}

/// One execution at a time, from the start until its end is known.
fn latency() {
    let directory = tempfile::tempdir().expect("a directory");
    let engine = load::open(directory.path());
    let machine = load::put(&engine, &load::FIVE_PASSES);
    load::closed_loop(&engine, &machine, 1, 200);
    let segments = yardstick::segments_of(directory.path());
    let (mut p50, mut p99, mut floor) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let mut took = load::latencies(&engine, &machine, 1_000);
        p50.push(quantile(&mut took, 0.5));
        p99.push(quantile(&mut took, 0.99));
        floor.push(quantile(&mut yardstick::commits(&segments, 1_000), 0.5));
    }
    engine.shutdown();
    let (p50, floor) = (median(p50), median(floor));
    report("engine_w4_p50", p50, "ms", json!({"goal": 0.6, "one_commit_ms": floor, "ratio": p50 / floor}));
    report("engine_w4_p99", median(p99), "ms", json!({"goal": 3.0}));
}

/// From starting the process until the engine is open, on an empty journal.
fn start() {
    let (mut ready, mut resident) = (Vec::new(), Vec::new());
    for _ in 0..9 {
        let directory = tempfile::tempdir().expect("a directory");
        let began = Instant::now();
        let told = child::tell(&["ready", path(&directory)], &mut || {
            ready.push(began.elapsed().as_secs_f64() * 1e3);
        });
        resident.push(told);
    }
    report("engine_start_to_ready", median(ready), "ms", json!({"goal": 50.0, "of": "the process"}));
    report("engine_rss_idle", median(resident), "MiB", json!({"goal": 25.0}));
}

/// Opening a journal with 10,000 open executions of 100 events each.
fn recovery() {
    let directory = tempfile::tempdir().expect("a directory");
    let engine = load::open(directory.path());
    let machine = load::put(&engine, &load::HUNDRED_EVENTS_THEN_WAIT);
    load::start_only(&engine, &machine, 16, 10_000);
    engine.shutdown();
    let opened = (0..3).map(|_| child::tell(&["recover", path(&directory)], &mut || {})).collect();
    let beside = json!({"goal": 5.0, "events": 1_000_000, "open_executions": 10_000});
    report("engine_recovery", median(opened), "s", beside);
}

/// Memory after 100,000 executions that have ended.
fn memory() {
    let directory = tempfile::tempdir().expect("a directory");
    let resident = child::tell(&["ended", path(&directory), "100000"], &mut || {});
    report("engine_rss_after_100000", resident, "MiB", json!({"goal": 100.0}));
}

/// Memory of executions that wait: for a timer, and for a task token.
fn waiting() {
    for (name, verb) in [("timer", "wait-timer"), ("token", "wait-token")] {
        let directory = tempfile::tempdir().expect("a directory");
        let bytes = child::tell(&[verb, path(&directory), "50000"], &mut || {});
        let beside = json!({"goal": 4.0, "executions": 50_000});
        report(&format!("engine_waiting_{name}"), bytes / 1024.0, "KiB/execution", beside);
    }
}

/// The cost of a transition with 1,000 executions in the journal, and with 1,000,000.
fn stored() {
    let directory = tempfile::tempdir().expect("a directory");
    let engine = load::open(directory.path());
    let machine = load::put(&engine, &load::PASS_CHAIN);
    load::closed_loop(&engine, &machine, 16, 1_000);
    let per_transition = |engine: &engine::Engine| {
        let rounds = (0..ROUNDS).map(|_| {
            let before = process::cpu_micros();
            load::closed_loop(engine, &machine, 16, load::PASS_CHAIN.per_round);
            (process::cpu_micros() - before)
                / (load::PASS_CHAIN.per_round * load::PASS_CHAIN.transitions) as f64
        });
        median(rounds.collect())
    };
    let few = per_transition(&engine);
    let short = load::put(&engine, &load::ONE_PASS);
    load::closed_loop(&engine, &short, 64, 1_000_000 - 1_000 - ROUNDS * load::PASS_CHAIN.per_round);
    let many = per_transition(&engine);
    engine.shutdown();
    let beside = json!({"goal": 1.2, "ratio": many / few, "with_1000_us": few});
    report("engine_stored_1000000_cpu", many, "us/transition", beside);
}

fn path(directory: &tempfile::TempDir) -> &str {
    directory.path().to_str().expect("a path in UTF-8")
}

/// One figure on standard output.
fn report(metric: &str, value: f64, unit: &str, more: Value) {
    let mut line = json!({"metric": metric, "value": rounded(value), "unit": unit});
    if let (Some(line), Value::Object(more)) = (line.as_object_mut(), more) {
        line.extend(more.into_iter().map(|(name, value)| {
            let shown =
                value.as_f64().filter(|_| value.is_f64()).map_or(value, |value| rounded(value).into());
            (name, shown)
        }));
    }
    println!("{line}");
}

fn rounded(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

fn median(mut values: Vec<f64>) -> f64 {
    quantile(&mut values, 0.5)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a position in the list")]
fn quantile(values: &mut [f64], part: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let position = (values.len() as f64 * part) as usize;
    values.get(position.min(values.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}
