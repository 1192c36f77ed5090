//! `cargo xtask crash`: the crash lab with as many kills as asked for. The
//! tests run a smaller number of the same.

use std::path::Path;

use crate::test;

pub(crate) fn run(root: &Path, kills: u32) -> Result<(), String> {
    test::run_tests(root, &["crash::".to_owned()], &[("STEPWRIGHT_CRASH_KILLS", kills.to_string())])
}
