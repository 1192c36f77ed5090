//! The tools `cargo xtask tools` installs into `.tools`.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the tools are.
pub(super) struct Tools {
    python: PathBuf,
    node: PathBuf,
}

/// The tools, or `None` and a word about it. With `STEPWRIGHT_REQUIRE_TOOLS=1`
/// their absence is a failure.
pub(super) fn find() -> Option<Tools> {
    let folder = crate::project_root().join(".tools");
    let tools = Tools { python: folder.join("python/bin"), node: folder.join("node/node_modules/.bin") };
    let missing: Vec<PathBuf> = ["cfn-lint", "moto_server", "python"]
        .map(|name| tools.python.join(name))
        .into_iter()
        .chain(["cdk", "asl-validator"].map(|name| tools.node.join(name)))
        .filter(|tool| !tool.exists())
        .collect();
    if missing.is_empty() {
        return Some(tools);
    }
    let message = format!("missing {missing:?}; `cargo xtask tools` installs them");
    assert!(std::env::var_os("STEPWRIGHT_REQUIRE_TOOLS").is_none_or(|value| value != "1"), "{message}");
    eprintln!("LEFT OUT: {message}; this test checked nothing");
    None
}

impl Tools {
    /// A program of the Python environment.
    pub(super) fn python(&self, program: &str) -> Command {
        Command::new(self.python.join(program))
    }

    /// A program of the Node packages.
    pub(super) fn node(&self, program: &str) -> Command {
        Command::new(self.node.join(program))
    }

    /// The CDK command, without telemetry, notices, version checks, the
    /// caller's AWS configuration or proxies: it talks to nobody it is not told to.
    pub(super) fn cdk(&self, home: &Path) -> Command {
        let mut command = self.node("cdk");
        isolate(&mut command, home);
        command.env("CDK_DISABLE_CLI_TELEMETRY", "true").env("CDK_DISABLE_VERSION_CHECK", "1").args([
            "--no-notices",
            "--no-color",
            "--ci",
        ]);
        command
    }
}

/// Dummy credentials and nothing of the caller's AWS settings.
pub(crate) fn isolate(command: &mut Command, home: &Path) {
    for (name, _) in std::env::vars_os() {
        let shown = name.to_string_lossy();
        if shown.starts_with("AWS_")
            || shown.starts_with("CDK_")
            || shown.to_ascii_lowercase().ends_with("_proxy")
        {
            command.env_remove(name);
        }
    }
    command
        .current_dir(home)
        .env("HOME", home)
        .env("AWS_ACCESS_KEY_ID", "testing")
        .env("AWS_SECRET_ACCESS_KEY", "testing")
        .env("AWS_REGION", "us-east-1")
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .env("AWS_EC2_METADATA_DISABLED", "true");
}

/// A script of `tests/tools`.
pub(super) fn script(name: &str) -> PathBuf {
    crate::project_root().join("tests/tools").join(name)
}

/// Runs a command that has to succeed; answers its standard output.
pub(super) fn succeed(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?} does not start: {e}"));
    assert!(output.status.success(), "{command:?}\n{}", crate::told(&output));
    String::from_utf8(output.stdout).expect("output is UTF-8")
}
