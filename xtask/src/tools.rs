//! The foreign tools the tests run, installed into `.tools` of the checkout:
//! AWS's clients and validators in a Python environment, the CDK command, an
//! ASL validator and AWS's SDK for Node, PostgreSQL and strace from the system's packages.
//!
//! Versions are pinned in `tests/tools`. An installation is stamped with the
//! pins and the interpreter it was made with and is renewed when either
//! changes. Nothing here names a registry: pip, npm and apt know theirs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::shim::command;

/// A group of tools that is installed together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tool {
    /// boto3, AWS's command line, cfn-lint, cloudformation-validate and the moto server.
    Python,
    /// The CDK command, asl-validator and AWS's SDK for JavaScript.
    Node,
    /// A PostgreSQL server to start clusters with.
    Postgres,
    /// What the crash lab sees writes and syncs with.
    Strace,
}

/// Everything the tests need.
pub(crate) const ALL: &[Tool] = &[Tool::Python, Tool::Node, Tool::Postgres, Tool::Strace];

/// Makes sure the tools are there and answers which had to be installed.
///
/// Groups are installed side by side; each prints what it does on standard
/// error, and the output of a failed command is part of the error.
pub(crate) fn ensure(root: &Path, which: &[Tool]) -> Result<Vec<Tool>, String> {
    let _held = lock(root)?;
    let outcomes: Vec<Result<Option<Tool>, String>> = std::thread::scope(|scope| {
        let running: Vec<_> = which.iter().map(|&tool| scope.spawn(move || ensure_one(root, tool))).collect();
        running
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err("a tool installation panicked".to_owned())))
            .collect()
    });
    let mut installed = Vec::new();
    let mut failures = Vec::new();
    for outcome in outcomes {
        match outcome {
            Ok(tool) => installed.extend(tool),
            Err(message) => failures.push(message),
        }
    }
    if failures.is_empty() { Ok(installed) } else { Err(failures.join("\n")) }
}

/// Two runs in one checkout install one after the other; held until dropped.
fn lock(root: &Path) -> Result<fs::File, String> {
    let folder = root.join(".tools");
    let failed = |e| format!("{}: {e}", folder.display());
    fs::create_dir_all(&folder).map_err(failed)?;
    let file = fs::File::create(folder.join("lock")).map_err(failed)?;
    file.lock().map_err(failed)?;
    Ok(file)
}

fn ensure_one(root: &Path, tool: Tool) -> Result<Option<Tool>, String> {
    let missing = match tool {
        Tool::Python => python(root)?,
        Tool::Node => node(root)?,
        Tool::Postgres => package(
            "postgresql",
            postgres_binary().is_some(),
            "install PostgreSQL 15 or newer by hand: the delivery tests start their own server",
        )?,
        Tool::Strace => package(
            "strace",
            on_path("strace"),
            "install strace by hand: the crash lab sees with it what is written and synced",
        )?,
    };
    Ok(missing.then_some(tool))
}

/// A virtual environment with what `tests/tools/requirements.txt` pins.
fn python(root: &Path) -> Result<bool, String> {
    let requirements = root.join("tests/tools/requirements.txt");
    let interpreter = version("python3", "it runs the AWS validators; install Python 3.10 or newer")?;
    let folder = Installation::at(root, "python", &[&read(&requirements)?, &interpreter]);
    folder.make(|target| {
        eprintln!("tools: installing Python packages into {}", target.display());
        run(command("python3").args(["-m", "venv"]).arg(target))
            .map_err(|e| format!("{e}\non Debian the package python3-venv provides this"))?;
        run(command(target.join("bin/python"))
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"])
            .arg(&requirements))
    })
}

/// `node_modules` with what `tests/tools/package-lock.json` pins.
fn node(root: &Path) -> Result<bool, String> {
    let pins = root.join("tests/tools");
    let lock = read(&pins.join("package-lock.json"))?;
    let interpreter = version("node", "it runs the CDK command; install Node 20 or newer")?;
    let folder = Installation::at(root, "node", &[&lock, &interpreter]);
    folder.make(|target| {
        eprintln!("tools: installing Node packages into {}", target.display());
        fs::create_dir_all(target).map_err(|e| format!("{}: {e}", target.display()))?;
        for file in ["package.json", "package-lock.json"] {
            fs::copy(pins.join(file), target.join(file)).map_err(|e| format!("{file}: {e}"))?;
        }
        // Exactly the lock file, and no code of a package runs at installation.
        run(command("npm").current_dir(target).args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]))
    })
}

/// A package of apt, unless what it is for is there.
fn package(name: &str, is_there: bool, advice: &str) -> Result<bool, String> {
    if is_there {
        return Ok(false);
    }
    eprintln!("tools: installing {name} from the system's packages");
    let root_user = command("id").arg("-u").output().is_ok_and(|id| id.stdout.trim_ascii() == b"0");
    let apt = |arguments: &[&str]| {
        // Two packages may be wanted at once: apt waits for its own lock.
        let wait = ["-o", "DPkg::Lock::Timeout=300"];
        let mut apt = if root_user {
            command("apt-get")
        } else {
            let mut sudo = command("sudo");
            sudo.args(["--non-interactive", "apt-get"]);
            sudo
        };
        run(apt.args(wait).args(arguments).env("DEBIAN_FRONTEND", "noninteractive"))
    };
    apt(&["install", "--yes", "--no-install-recommends", name])
        .or_else(|_| {
            apt(&["update"])?;
            apt(&["install", "--yes", "--no-install-recommends", name])
        })
        .map_err(|e| format!("{e}\n{advice}"))?;
    Ok(true)
}

fn on_path(program: &str) -> bool {
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&on_path).any(|folder| folder.join(program).is_file())
}

/// A `postgres` binary on the path or where Debian puts it.
fn postgres_binary() -> Option<PathBuf> {
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    let debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    std::env::split_paths(&on_path)
        .chain(debian.map(|version| version.path().join("bin")))
        .map(|folder| folder.join("postgres"))
        .find(|binary| binary.is_file())
}

/// A folder in `.tools` and the pins it has to correspond to.
struct Installation {
    folder: PathBuf,
    pins: String,
}

impl Installation {
    fn at(root: &Path, name: &str, pins: &[&str]) -> Self {
        // A Python environment holds absolute paths: a moved checkout needs a new one.
        Self {
            folder: root.join(".tools").join(name),
            pins: format!("{}\n{}", root.display(), pins.join("\n")),
        }
    }

    /// Runs `install` into an empty folder unless the stamp says it has been done.
    /// The stamp is written last, so an interrupted installation starts again.
    fn make(&self, install: impl FnOnce(&Path) -> Result<(), String>) -> Result<bool, String> {
        let stamp = self.folder.join("pins.stamp");
        if fs::read_to_string(&stamp).is_ok_and(|text| text == self.pins) {
            return Ok(false);
        }
        if self.folder.exists() {
            fs::remove_dir_all(&self.folder).map_err(|e| format!("{}: {e}", self.folder.display()))?;
        }
        install(&self.folder)?;
        fs::write(&stamp, &self.pins).map_err(|e| format!("{}: {e}", stamp.display()))?;
        Ok(true)
    }
}

fn read(file: &Path) -> Result<String, String> {
    fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))
}

/// What `program --version` prints, or an error that says what it is needed for.
fn version(program: &str, purpose: &str) -> Result<String, String> {
    command(program)
        .arg("--version")
        .output()
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        .map_err(|e| format!("`{program}` does not start ({e}): {purpose}"))
}

/// Runs a command quietly; what it printed is shown only when it fails.
fn run(command: &mut Command) -> Result<(), String> {
    let shown = format!("{command:?}");
    let output =
        command.stdin(Stdio::null()).output().map_err(|e| format!("could not start {shown}: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!(
        "{shown} ended with {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    ))
}
