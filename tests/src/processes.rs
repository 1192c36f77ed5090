//! What tests with real processes need: where things lie, the binaries, a command of ours.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "tests and the lab stop where they cannot work; only JSON is indexed"
)]

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;

/// Names a folder with binaries that are built already.
const BINARIES: &str = "STEPWRIGHT_BINARIES";

/// The workspace root.
pub fn project_root() -> PathBuf {
    let mut root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.pop();
    root
}

/// A file of the shared folder beside the checkout, or `None` and a word about it.
pub fn shared(path: &str) -> Option<PathBuf> {
    let file = project_root().join("../shared").join(path);
    if file.exists() {
        return Some(file);
    }
    eprintln!("LEFT OUT: ../shared/{path} is not there, so this test checked nothing");
    None
}

/// The folder with `stepwright`, `app` and the step binaries, built once a process.
///
/// The same selection of targets as the test run's own build, so that cargo
/// chooses the same features and compiles no dependency a second time.
pub fn binaries() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let built = || std::env::var_os(BINARIES).map(PathBuf::from);
    FOLDER.get_or_init(|| built().unwrap_or_else(|| build(&["--workspace", "--bins", "--tests"])))
}

/// A binary of tests only, from the folder of binaries that are built already or built now.
pub fn binary(name: &str, arguments: &[&str]) -> PathBuf {
    let built = std::env::var_os(BINARIES).map(|folder| PathBuf::from(folder).join(name));
    built.filter(|binary| binary.exists()).unwrap_or_else(|| build(arguments).join(name))
}

/// Builds with the test profile's settings and answers where the binaries are.
pub fn build(arguments: &[&str]) -> PathBuf {
    let mut cargo = Command::new(env!("CARGO"));
    // A test runner tells its package in these; build scripts that look at them would run again.
    for (name, _) in std::env::vars_os() {
        if name
            .to_str()
            .is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"))
        {
            cargo.env_remove(name);
        }
    }
    let output = cargo
        .current_dir(project_root())
        .args(["build", "--locked", "--message-format", "json-render-diagnostics"])
        .args(arguments)
        .output()
        .expect("cargo build starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        // Executables of tests lie elsewhere.
        .filter(|message| message["target"]["kind"][0] == "bin" && message["profile"]["test"] == false)
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .and_then(|executable| executable.parent().map(Path::to_path_buf))
        .expect("cargo names the executables it built")
}

/// `stepwright` with the prebuilt app, in the workspace, its data in `data`.
pub fn stepwright(data: &Path) -> Command {
    let binaries = binaries();
    let mut command = Command::new(binaries.join("stepwright"));
    command
        .current_dir(project_root())
        .env("NO_COLOR", "1")
        .env_remove("RUST_BACKTRACE")
        .env("STEPWRIGHT_APP", binaries.join("app"))
        .env("STEPWRIGHT_DATA", data);
    command
}

/// The standard error and output of a command that should have ended otherwise.
pub fn told(output: &Output) -> String {
    format!(
        "{}\n--- stdout\n{}\n--- stderr\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// A simulated AWS account: a moto server on a free loopback port. It ends with this value.
#[derive(Debug)]
pub struct Moto {
    process: Child,
    /// Where it is.
    pub endpoint: String,
}

impl Moto {
    /// The server that `cargo xtask tools` installs, or `None` and a word about
    /// it. With `STEPWRIGHT_REQUIRE_TOOLS=1` its absence is a failure.
    pub fn start() -> Option<Self> {
        let program = project_root().join(".tools/python/bin/moto_server");
        if program.exists() {
            return Some(Self::spawn(&mut Command::new(program)));
        }
        let message = format!("missing {}; `cargo xtask tools` installs it", program.display());
        assert!(std::env::var_os("STEPWRIGHT_REQUIRE_TOOLS").is_none_or(|value| value != "1"), "{message}");
        eprintln!("LEFT OUT: {message}; this test checked nothing");
        None
    }

    /// A server of a prepared command.
    pub fn spawn(command: &mut Command) -> Self {
        // Port 0: the system chooses, and the server says which.
        let mut process = command
            .args(["-H", "127.0.0.1", "-p", "0"])
            .env("PYTHONUNBUFFERED", "1")
            .env("NO_COLOR", "1")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("moto_server starts");
        let mut lines = BufReader::new(process.stderr.take().expect("its standard error")).lines();
        let endpoint = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.split_once("Running on ").map(|(_, url)| url.trim().to_owned()))
            .expect("moto_server says where it is");
        // What it logs later has to go somewhere, or it blocks on a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, endpoint: endpoint.trim_end_matches("\u{1b}[0m").to_owned() }
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        // Nothing to do about a server that is gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
