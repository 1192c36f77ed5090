//! A throw-away PostgreSQL server for one test: in a temporary directory, on a
//! free port, killed without ceremony when dropped.
//!
//! PostgreSQL does not run as root; as root it is started as user `postgres`.
//! Needs nothing of this crate, so that other tests can take the file over.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// The user the server is made with.
pub(crate) const USER: &str = "stepwright";
/// Its password; tests look for it in messages, where it must not be.
pub(crate) const PASSWORD: &str = "pa55-canary";

/// A running server.
pub(crate) struct PostgresServer {
    process: Child,
    programs: PathBuf,
    directory: TempDir,
    port: u16,
    owner: Option<(u32, u32)>,
    settings: &'static [&'static str],
}

/// The machine does not crash in a test, only the server does.
const FOR_TESTS: &[&str] = &["-c", "fsync=off", "-c", "max_connections=40"];

impl PostgresServer {
    /// Starts a server, or says that there is none to start. With
    /// `STEPWRIGHT_REQUIRE_POSTGRES=1` that is a failure.
    #[allow(dead_code, reason = "who measures starts it with other settings")]
    pub(crate) fn start() -> Option<Self> {
        Self::start_with(FOR_TESTS)
    }

    /// The same with settings of one's own, as arguments of `postgres`.
    pub(crate) fn start_with(settings: &'static [&'static str]) -> Option<Self> {
        let Some(programs) = find_programs() else {
            let message =
                "no PostgreSQL found (PATH, /usr/lib/postgresql/*/bin): install package `postgresql`";
            assert!(env::var_os("STEPWRIGHT_REQUIRE_POSTGRES").is_none_or(|value| value != "1"), "{message}");
            eprintln!("\n*** NOT TESTED ON POSTGRESQL: {message} ***\n");
            return None;
        };
        let directory = TempDir::new().unwrap();
        let owner = unprivileged_owner(directory.path());
        if let Some((uid, gid)) = owner {
            chown(directory.path(), Some(uid), Some(gid)).unwrap();
        }
        make_cluster(&programs, directory.path(), owner);
        let (process, port) = launch(&programs, directory.path(), owner, None, settings);
        Some(Self { process, programs, directory, port, owner, settings })
    }

    #[allow(dead_code, reason = "tests of other packages take this file over and use it")]
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// `psql`, ready to be asked: the server's own, or the one on the path.
    #[allow(dead_code, reason = "for those that measure, and have no client of their own")]
    pub(crate) fn psql(&self, database: &str) -> Command {
        let beside = self.programs.join("psql");
        let mut command = Command::new(if beside.is_file() { beside } else { PathBuf::from("psql") });
        command.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set", "ON_ERROR_STOP=1"]);
        command.arg(self.url(database));
        command
    }

    /// The URL of a database, with user and password.
    pub(crate) fn url(&self, database: &str) -> String {
        url(self.port, database)
    }

    /// Starts a stopped server again, on the port it had.
    #[allow(dead_code, reason = "tests of other packages take this file over and use it")]
    pub(crate) fn restart(&mut self) {
        (self.process, _) =
            launch(&self.programs, self.directory.path(), self.owner, Some(self.port), self.settings);
    }

    /// Stops the server at once, as a crash would.
    pub(crate) fn stop(&mut self) {
        let mut command = program(&self.programs, "pg_ctl", self.owner, self.directory.path());
        command
            .args(["stop", "--mode=immediate", "--silent", "--pgdata"])
            .arg(self.directory.path().join("data"));
        let _ = command.output();
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The URL of a database behind a port of this machine.
pub(crate) fn url(port: u16, database: &str) -> String {
    format!("postgres://{USER}:{PASSWORD}@127.0.0.1:{port}/{database}")
}

fn find_programs() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = env::split_paths(&path).collect();
    let mut packaged: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .map(|versions| versions.flatten().map(|version| version.path().join("bin")).collect())
        .unwrap_or_default();
    // The newest first; 9.6 is older than 15, which names do not say.
    packaged.sort_by_key(|folder| {
        let version =
            folder.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
        std::cmp::Reverse(version.and_then(|version| version.parse::<u32>().ok()).unwrap_or_default())
    });
    folders.extend(packaged);
    folders.into_iter().find(|folder| folder.join("initdb").is_file() && folder.join("postgres").is_file())
}

/// User and group to run as when this process is root.
fn unprivileged_owner(directory: &Path) -> Option<(u32, u32)> {
    // What we create belongs to whom we are.
    if fs::metadata(directory).unwrap().uid() != 0 {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let fields = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let user = fields.into_iter().find(|fields| fields.first() == Some(&"postgres"));
    let user = user.expect("running as root needs a user `postgres` to start PostgreSQL as");
    Some((user[2].parse().unwrap(), user[3].parse().unwrap()))
}

fn program(programs: &Path, name: &str, owner: Option<(u32, u32)>, directory: &Path) -> Command {
    let mut command = Command::new(programs.join(name));
    // Our working directory may be closed to the server's user.
    command.current_dir(directory).env("LC_ALL", "C").stdin(Stdio::null());
    if let Some((uid, gid)) = owner {
        command.uid(uid).gid(gid);
    }
    command
}

fn make_cluster(programs: &Path, directory: &Path, owner: Option<(u32, u32)>) {
    let password_file = directory.join("password");
    fs::write(&password_file, PASSWORD).unwrap();
    if let Some((uid, gid)) = owner {
        chown(&password_file, Some(uid), Some(gid)).unwrap();
    }
    let mut command = program(programs, "initdb", owner, directory);
    command
        .args(["--username", USER, "--auth=scram-sha-256", "--encoding=UTF8", "--no-locale", "--no-sync"])
        .arg("--pwfile")
        .arg(&password_file)
        .arg("--pgdata")
        .arg(directory.join("data"));
    let made = command.output().unwrap();
    assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
}

fn launch(
    programs: &Path,
    directory: &Path,
    owner: Option<(u32, u32)>,
    port: Option<u16>,
    settings: &[&str],
) -> (Child, u16) {
    let free_port = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    // Between finding a free port and taking it somebody else may. A port that must be the one
    // it was may be taken for a moment (by a connection that goes out from it), and so may what
    // a server that was killed shared with its children: both pass.
    let tries: u32 = if port.is_some() { 100 } else { 5 };
    for attempt in 0..tries {
        if attempt > 0 && port.is_some() {
            std::thread::sleep(std::time::Duration::from_millis(200));
        }
        let port = port.unwrap_or_else(free_port);
        let mut command = program(programs, "postgres", owner, directory);
        command
            .arg("-D")
            .arg(directory.join("data"))
            .arg("-k")
            .arg(directory)
            .args(["-h", "127.0.0.1", "-p", &port.to_string()])
            .args(settings)
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let mut log = BufReader::new(process.stderr.take().unwrap());
        let mut line = String::new();
        while log.read_line(&mut line).unwrap() > 0 {
            if line.contains("database system is ready to accept connections") {
                // A full pipe would stop the server.
                std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
                return (process, port);
            }
            line.clear();
        }
        let _ = process.wait();
    }
    panic!("PostgreSQL does not start");
}
