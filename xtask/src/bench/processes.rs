//! Wall time and memory of a command with everything it starts.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, Instant};

/// Runs a command to its end; answers the time and the highest sum of resident
/// memory (MiB) seen over its processes, sampled every 5 ms from `/proc`.
pub(crate) fn measure(command: &mut Command) -> Result<(Duration, f64), String> {
    let started = Instant::now();
    let mut child = command.spawn().map_err(|e| format!("{command:?}: {e}"))?;
    let mut peak = 0.0_f64;
    let status = loop {
        if let Some(status) = child.try_wait().map_err(|e| e.to_string())? {
            break status;
        }
        peak = peak.max(resident_tree(child.id()));
        std::thread::sleep(Duration::from_millis(5));
    };
    if status.success() {
        Ok((started.elapsed(), peak))
    } else {
        Err(format!("{command:?} ended with {status}"))
    }
}

/// Resident memory of a process and its descendants in MiB.
fn resident_tree(root: u32) -> f64 {
    let mut processes: BTreeMap<u32, (u32, f64)> = BTreeMap::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let status = std::fs::read_to_string(entry.path().join("status")).unwrap_or_default();
        let field = |name: &str| -> Option<u32> {
            status.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
        };
        if let (Some(parent), Some(kilobytes)) = (field("PPid:"), field("VmRSS:")) {
            processes.insert(id, (parent, f64::from(kilobytes) / 1024.0));
        }
    }
    let mut sum = 0.0;
    let mut open = vec![root];
    while let Some(process) = open.pop() {
        sum += processes.get(&process).map_or(0.0, |(_, resident)| *resident);
        open.extend(processes.iter().filter(|(_, (parent, _))| *parent == process).map(|(child, _)| *child));
    }
    sum
}
