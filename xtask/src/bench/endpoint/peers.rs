//! What the endpoint is measured beside: emulators of Step Functions that a package
//! registry has. None of them is durable.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::Server;
use crate::shim::command;
use crate::{run, tools};

/// Pinned, like everything that is measured.
const STEPFUNCTIONS_LOCAL: &str = "stepfunctions-local@1.3.1";
/// How long one may take to be there.
const START_MAX: Duration = Duration::from_mins(1);

/// A peer that runs.
pub(super) struct Peer {
    pub(super) name: &'static str,
    pub(super) server: Server,
    /// What it cannot do.
    pub(super) without: &'static [&'static str],
}

/// Installs and starts those that can be started; a word about the others.
pub(super) fn start(root: &Path, folder: &Path) -> Result<Vec<Peer>, String> {
    tools::ensure(root, &[tools::Tool::Python])?;
    // moto runs functions in containers.
    let moto = Peer { name: "moto", server: start_moto(root)?, without: &["w3"] };
    let mut peers = vec![moto];
    match start_stepfunctions_local(folder) {
        // It calls functions of a Lambda endpoint only, and ends a Map in an error.
        Ok(server) => peers.push(Peer { name: "stepfunctions-local", server, without: &["w2", "w3"] }),
        Err(error) => eprintln!("xtask: {STEPFUNCTIONS_LOCAL} is left out: {error}"),
    }
    Ok(peers)
}

/// Installed beside the figures: nothing else needs it.
fn start_stepfunctions_local(folder: &Path) -> Result<Server, String> {
    let installed = folder.join("peers");
    std::fs::create_dir_all(&installed).map_err(|e| format!("{}: {e}", installed.display()))?;
    let quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--silent", "--prefix", "."];
    run(command("npm").current_dir(&installed).arg("install").args(quiet).arg(STEPFUNCTIONS_LOCAL))?;
    // It does not take port 0: one that was just free.
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let address = free.map_err(|e| e.to_string())?;
    let process = command(installed.join("node_modules/.bin/stepfunctions-local"))
        .args(["start", "--port", &address.port().to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|e| e.to_string())?;
    let server = Server { process, address: address.to_string() };
    let began = Instant::now();
    while TcpStream::connect(address).is_err() {
        if began.elapsed() > START_MAX {
            return Err(format!("it does not listen on {address}"));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(server)
}

fn start_moto(root: &Path) -> Result<Server, String> {
    let mut process = command(root.join(".tools/python/bin/moto_server"))
        .args(["-H", "127.0.0.1", "-p", "0"])
        .env("PYTHONUNBUFFERED", "1")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| format!("moto_server: {e}"))?;
    let stderr = process.stderr.take().ok_or("moto_server has no output")?;
    let mut lines = BufReader::new(stderr).lines();
    let address = lines
        .by_ref()
        .map_while(Result::ok)
        .find_map(|line| line.split_once("Running on http://").map(|(_, address)| address.trim().to_owned()))
        .ok_or("moto_server does not say where it is")?;
    // What it logs later has to go somewhere, or it blocks on a full pipe.
    std::thread::spawn(move || lines.for_each(drop));
    let server = Server { process, address };
    let configured = configure_moto(&server.address);
    configured.map(|()| server).map_err(|e| format!("moto_server does not take its configuration: {e}"))
}

/// Without this moto runs no executions and only notes them as succeeded.
fn configure_moto(address: &str) -> std::io::Result<()> {
    const CONFIG: &str = r#"{"stepfunctions":{"execute_state_machine":true}}"#;
    let mut stream = TcpStream::connect(address)?;
    write!(
        stream,
        "POST /moto-api/config HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{CONFIG}",
        CONFIG.len()
    )?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    if answer.contains(" 20") { Ok(()) } else { Err(std::io::Error::other(answer)) }
}
