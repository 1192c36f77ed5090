//! A simulated AWS account: a moto server on a free loopback port.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::deploy::tools::{Tools, isolate, script, succeed};

/// moto reads templates from path-style URLs only if the word is in them; it
/// comes into them by the name of the bootstrap bucket.
pub(super) const QUALIFIER: &str = "localhost";

/// A running account; it ends with this value.
pub(super) struct Account<'a> {
    tools: &'a Tools,
    server: Child,
    endpoint: String,
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
        // Port 0: the system chooses, and the server says which.
        let mut server = server
            .args(["-H", "127.0.0.1", "-p", "0"])
            .env("PYTHONUNBUFFERED", "1")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("moto_server starts");
        let mut lines = BufReader::new(server.stderr.take().expect("its standard error")).lines();
        let endpoint = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.split_once("Running on ").map(|(_, url)| url.trim().to_owned()))
            .expect("moto_server says where it is");
        // What it logs later has to go somewhere, or it blocks on a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Self { tools, server, endpoint, home }
    }

    /// Runs the CDK command on an assembly; answers what it printed.
    pub(super) fn cdk(&self, assembly: &Path, arguments: &[&str]) -> String {
        succeed(self.cdk_command().arg("--app").arg(assembly).args(arguments))
    }

    /// What is deployed: see `tests/tools/read_back.py`.
    pub(super) fn read_back(&self) -> Value {
        let mut command = self.tools.python("python");
        isolate(&mut command, self.home.path());
        let text = succeed(command.env("AWS_ENDPOINT_URL", &self.endpoint).arg(script("read_back.py")));
        serde_json::from_str(&text).expect("JSON")
    }

    fn cdk_command(&self) -> Command {
        let mut command = self.tools.cdk(self.home.path());
        command.env("AWS_ENDPOINT_URL", &self.endpoint);
        command
    }
}

impl Drop for Account<'_> {
    fn drop(&mut self) {
        // Nothing to do about a server that is gone already.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
