//! `cargo xtask fuzz`: random inputs against everything that reads what others
//! wrote, in a process of its own that may not take memory without a bound.

use std::path::Path;

use crate::shim::command;
use crate::{run, target};

/// What the process may take of addresses, in KiB. That each input stays far below is a law of the run
/// itself; this ends a process that goes astray.
const MEMORY_KIB: u64 = 4 << 20;

pub(crate) fn run_targets(root: &Path, arguments: &[String]) -> Result<(), String> {
    let binary = crate::release_of_tests(root, "fuzz")?;
    let notes = target(root).join("fuzz-notes.txt");
    std::fs::write(&notes, "").map_err(|e| format!("{}: {e}", notes.display()))?;
    let outcome = run(command("sh")
        .arg("-c")
        .arg(format!("ulimit -v {MEMORY_KIB}; exec \"$0\" \"$@\""))
        .arg(&binary)
        .arg("--notes")
        .arg(&notes)
        .args(arguments));
    if outcome.is_err() {
        // Where the process died, these are the inputs it died of.
        let last = std::fs::read_to_string(&notes).map_err(|e| format!("{}: {e}", notes.display()))?;
        eprintln!("xtask: worked on at the end:\n{}", last.replace('\0', ""));
    }
    outcome
}
