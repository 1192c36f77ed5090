//! A simulated AWS account for tests: a moto server on a free loopback port.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A running server; it ends with this value.
pub(crate) struct Moto {
    process: Child,
    pub(crate) endpoint: String,
}

impl Moto {
    /// The server, or `None` and a word about it. With `STEPWRIGHT_REQUIRE_TOOLS=1`
    /// its absence is a failure.
    pub(crate) fn start() -> Option<Self> {
        let folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
        let mut programs = folders.map(|folder| folder.join(".tools/python/bin/moto_server"));
        let Some(program) = programs.find(|program| program.exists()) else {
            let message = "missing .tools/python/bin/moto_server; `cargo xtask tools` installs it";
            let required = std::env::var_os("STEPWRIGHT_REQUIRE_TOOLS").is_some_and(|value| value == "1");
            assert!(!required, "{message}");
            eprintln!("LEFT OUT: {message}; this test checked nothing");
            return None;
        };
        // Port 0: the system chooses, and the server says which.
        let mut process = Command::new(program)
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
        Some(Self { process, endpoint: endpoint.trim_end_matches("\u{1b}[0m").to_owned() })
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        // Nothing to do about a server that is gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
