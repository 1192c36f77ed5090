//! `cargo xtask crash`: the crash lab with as many kills as asked for. The
//! tests run a smaller number of the same.

use std::path::Path;

use crate::test;

/// Runs the lab; its closing lines stand at the end, whatever the test runner shows.
pub(crate) fn run(root: &Path, kills: u32) -> Result<(), String> {
    let report = crate::target(root).join("crash-report.txt");
    // The tests append to it.
    std::fs::create_dir_all(crate::target(root))
        .and_then(|()| std::fs::write(&report, ""))
        .map_err(|e| format!("{}: {e}", report.display()))?;
    let environment = [
        ("STEPWRIGHT_CRASH_KILLS", kills.to_string()),
        ("STEPWRIGHT_CRASH_REPORT", report.display().to_string()),
    ];
    let outcome = test::run_tests(root, &["crash::".to_owned()], &environment);
    print!("{}", std::fs::read_to_string(&report).map_err(|e| format!("{}: {e}", report.display()))?);
    outcome
}
