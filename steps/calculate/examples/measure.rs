//! Runs a feed through parse, reconcile and calculate, and tells of each step
//! how long it took and how much memory it had.
//!
//! ```text
//! cargo run --release -p stepwright-step-calculate --example measure -- \
//!     SPEC FILE [NAME=SPEC,FILE …]
//! ```
//!
//! Each `NAME` is reference data: its spec and its file.
#![expect(clippy::print_stdout, reason = "a program that measures speaks on the terminal")]

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};
use std::{env, fs, io};

use feed::{Drops, Staging};
use step_parse::ParseRequest;
use step_reconcile::ReconcileRequest;
use stepwright::objects::{ObjectRef, Store};
use stepwright::{Read, Write};
use stepwright_step_calculate::CalculateRequest;

type Failure = Box<dyn Error>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [spec, file, references @ ..] = arguments.as_slice() else {
        return Err("SPEC FILE [NAME=SPEC,FILE …] are needed".into());
    };
    let directory = tempfile::tempdir()?;
    let location = |name: &str| format!("file://{}", directory.path().join(name).display());
    let drops: Read<Drops> = Read::at(&location("drops"))?;
    let staging: Write<Staging> = Write::at(&location("staging"))?;
    let put = |path: &str| -> Result<ObjectRef, Failure> {
        let name = Path::new(path).file_name().and_then(|name| name.to_str()).ok_or("a file has a name")?;
        let mut object = Store::open("drops", &location("drops"))?.create(name)?;
        io::copy(&mut fs::File::open(path)?, &mut object)?;
        Ok(object.finish(None)?)
    };
    let mut rows = BTreeMap::new();
    for reference in references {
        let (name, of) = reference.split_once('=').ok_or("a reference is NAME=SPEC,FILE")?;
        let (spec, file) = of.split_once(',').ok_or("a reference is NAME=SPEC,FILE")?;
        let request = ParseRequest { spec: put(spec)?, files: vec![put(file)?] };
        rows.insert(name.to_owned(), step_parse::run(&request, &drops, &staging)?.rows);
    }

    let spec = put(spec)?;
    let request = ParseRequest { spec: spec.clone(), files: vec![put(file)?] };
    let parsed = measured("parse", || step_parse::run(&request, &drops, &staging))?;
    let stats = &parsed.stats;
    println!(
        "{} rows in, {} accepted, {} cancelled, rejected {:?}; rows object {} MiB",
        stats.rows_in,
        stats.accepted,
        stats.cancelled,
        stats.rejected_by_code,
        parsed.rows.bytes / 1024 / 1024
    );
    let request = ReconcileRequest { spec: spec.clone(), parsed };
    let reconciled =
        measured("reconcile", || step_reconcile::run(&request, &drops, |object| staging.get(object)))?;
    let (rows_object, control) = (reconciled.rows, reconciled.control);
    let request = CalculateRequest { spec, rows: rows_object, control, references: rows, period: None };
    let figures = measured("calculate", || stepwright_step_calculate::run(&request, &drops, &staging))?;
    println!("{} rows of figures, sha256 {}, {:?}", figures.rows, figures.figures.sha256, figures.totals);
    Ok(())
}

/// What a step comes to, and what it took.
fn measured<T, E: Error + 'static>(name: &str, step: impl FnOnce() -> Result<T, E>) -> Result<T, Failure> {
    // Linux forgets the peak when it is told to; elsewhere the peak is that of all steps so far.
    let _ = fs::write("/proc/self/clear_refs", "5");
    let (start, worked) = (Instant::now(), worked());
    let result = step()?;
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("not known").trim();
    let work = worked_since(worked);
    println!(
        "{name}: {:.2} s, of which {work:.2} s on a processor, peak memory {peak}",
        start.elapsed().as_secs_f64()
    );
    Ok(result)
}

/// Nanoseconds this thread has been on a processor: what a busy machine does not change.
fn worked() -> u64 {
    let told = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    told.split(' ').next().and_then(|nanoseconds| nanoseconds.parse().ok()).unwrap_or_default()
}

fn worked_since(before: u64) -> f64 {
    Duration::from_nanos(worked().saturating_sub(before)).as_secs_f64()
}
