//! Figures that need a process of their own: starts, recoveries, memory.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::load::{self, Workload};
use crate::process::resident_bytes;

const MIB: f64 = 1024.0 * 1024.0;

/// Runs this program again; `ready` is called when it says so, its last line is the answer.
pub(crate) fn tell(arguments: &[&str], ready: &mut dyn FnMut()) -> f64 {
    let program = std::env::current_exe().expect("this program");
    let mut child =
        Command::new(program).arg("child").args(arguments).stdout(Stdio::piped()).spawn().expect("it starts");
    let mut output = BufReader::new(child.stdout.take().expect("its output"));
    let mut line = String::new();
    output.read_line(&mut line).expect("a line");
    assert_eq!(line, "ready\n");
    ready();
    let mut answer = String::new();
    output.read_to_string(&mut answer).expect("an answer");
    assert!(child.wait().expect("its end").success(), "{arguments:?} failed");
    answer.trim().parse().expect("a number")
}

/// The body of such a program.
pub(crate) fn run(arguments: &[String]) {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let began = Instant::now();
    let directory = Path::new(arguments.get(1).expect("a directory"));
    let count = arguments.get(2).map_or(0, |count| count.parse().expect("a count"));
    let engine = load::open(directory);
    let opened = began.elapsed();
    println!("ready");
    let answer = match arguments.first() {
        Some(&"ready") => resident_bytes() / MIB,
        Some(&"recover") => opened.as_secs_f64(),
        Some(&"ended") => {
            let machine = load::put(&engine, &load::PASS_CHAIN);
            load::closed_loop(&engine, &machine, 16, count);
            resident_bytes() / MIB
        }
        Some(&"wait-timer") => bytes_per_waiting(&engine, &load::WAIT_FOR_TIMER, count),
        Some(&"wait-token") => bytes_per_waiting(&engine, &load::WAIT_FOR_TOKEN, count),
        other => unreachable!("{other:?}"),
    };
    println!("{answer}");
    engine.shutdown();
}

/// What each of many waiting executions adds, once caches and threads are there.
fn bytes_per_waiting(engine: &engine::Engine, workload: &Workload, count: usize) -> f64 {
    let machine = load::put(engine, workload);
    load::start_only(engine, &machine, 16, 10_000);
    let before = resident_bytes();
    load::start_only(engine, &machine, 16, count);
    (resident_bytes() - before) / count as f64
}
