//! Commands as this tool starts them: with a folder first on `PATH` in which
//! `rustup` refuses. Build tools call it by themselves to fetch parts of a
//! toolchain; what a checkout needs comes from the package registries only.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// What stands for `rustup`.
const REFUSAL: &str = "#!/bin/sh
echo \"rustup $*: refused by cargo xtask. A build tool tried to change the toolchain;\" >&2
echo \"install that part by hand if you want it, and run this again.\" >&2
exit 1
";

/// A command that finds the shim before anything else, and so do all it starts.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    static SEARCH_PATH: OnceLock<OsString> = OnceLock::new();
    let search_path = SEARCH_PATH.get_or_init(|| search_path(&crate::root()));
    let mut command = Command::new(program);
    command.env("PATH", search_path);
    command
}

/// `PATH` with the shim first. Without a shim (a checkout that cannot be
/// written) the caller's, with a word about it: nothing else depends on it.
fn search_path(root: &Path) -> OsString {
    let inherited = std::env::var_os("PATH").unwrap_or_default();
    let folder = match install(root) {
        Ok(folder) => folder,
        Err(error) => {
            eprintln!("xtask: no rustup shim in {}: {error}", root.join(".tools/shim").display());
            return inherited;
        }
    };
    let others = std::env::split_paths(&inherited).filter(|other| *other != folder);
    std::env::join_paths(std::iter::once(folder.clone()).chain(others)).unwrap_or(inherited)
}

/// Writes the shim and answers its folder. Renamed into place: another run may be using it.
fn install(root: &Path) -> io::Result<PathBuf> {
    let folder = root.join(".tools/shim");
    let shim = folder.join("rustup");
    if fs::read_to_string(&shim).is_ok_and(|text| text == REFUSAL) {
        return Ok(folder);
    }
    fs::create_dir_all(&folder)?;
    let new = folder.join(format!(".rustup.{}", std::process::id()));
    fs::write(&new, REFUSAL)?;
    fs::set_permissions(&new, fs::Permissions::from_mode(0o755))?;
    fs::rename(&new, &shim)?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::command;

    #[test]
    fn rustup_is_refused_in_everything_that_is_started() {
        let output = command("sh").args(["-c", "rustup target add x"]).output().expect("sh starts");
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("rustup target add x: refused"), "{said}");
        assert!(command("cargo").arg("--version").status().is_ok_and(|status| status.success()));
    }
}
