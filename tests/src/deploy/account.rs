//! A simulated AWS account: a moto server on a free loopback port.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::deploy::tools::{Tools, isolate, script, succeed};
use crate::processes::Moto;

/// moto reads templates from path-style URLs only if the word is in them; it
/// comes into them by the name of the bootstrap bucket.
pub(super) const QUALIFIER: &str = "localhost";

/// A running account; it ends with this value.
pub(super) struct Account<'a> {
    tools: &'a Tools,
    server: Moto,
    home: TempDir,
}

impl<'a> Account<'a> {
    /// An account with CDK's bootstrap stack in it.
    pub(super) fn bootstrapped(tools: &'a Tools) -> Self {
        let account = Self::started(tools);
        succeed(account.cdk_command().args([
            "bootstrap",
            "aws://123456789012/us-east-1",
            "--qualifier",
            QUALIFIER,
        ]));
        account
    }

    fn started(tools: &'a Tools) -> Self {
        let home = TempDir::new().expect("a temporary folder");
        let mut server = tools.python("moto_server");
        isolate(&mut server, home.path());
        let server = Moto::spawn(&mut server);
        Self { tools, server, home }
    }

    /// Runs the CDK command on an assembly; answers what it printed.
    pub(super) fn cdk(&self, assembly: &Path, arguments: &[&str]) -> String {
        succeed(self.cdk_command().arg("--app").arg(assembly).args(arguments))
    }

    /// What is deployed: see `tests/tools/read_back.py`.
    pub(super) fn read_back(&self) -> Value {
        let mut command = self.tools.python("python");
        isolate(&mut command, self.home.path());
        let text =
            succeed(command.env("AWS_ENDPOINT_URL", &self.server.endpoint).arg(script("read_back.py")));
        serde_json::from_str(&text).expect("JSON")
    }

    fn cdk_command(&self) -> Command {
        let mut command = self.tools.cdk(self.home.path());
        command.env("AWS_ENDPOINT_URL", &self.server.endpoint);
        command
    }
}
