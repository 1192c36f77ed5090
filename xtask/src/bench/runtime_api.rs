//! A Lambda Runtime API that only waits for a bootstrap to ask for work.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The median time from starting a bootstrap to its first request for an
/// invocation, over 30 starts.
pub(crate) fn start_time(bootstrap: &Path, handler: &str) -> Result<Duration, String> {
    let mut rounds = Vec::new();
    for _ in 0..30 {
        rounds.push(start_once(bootstrap, handler).map_err(|e| format!("{}: {e}", bootstrap.display()))?);
    }
    rounds.sort();
    rounds.get(rounds.len() / 2).copied().ok_or_else(|| "no start was measured".to_owned())
}

fn start_once(bootstrap: &Path, handler: &str) -> std::io::Result<Duration> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?.to_string();
    let started = Instant::now();
    let mut child = Command::new(bootstrap)
        .env_clear()
        .env("AWS_LAMBDA_RUNTIME_API", address)
        .env("AWS_LAMBDA_FUNCTION_NAME", handler)
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
        .env("_HANDLER", handler)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let (connection, _) = listener.accept()?;
    let mut request = String::new();
    BufReader::new(connection).read_line(&mut request)?;
    let took = started.elapsed();
    child.kill()?;
    child.wait()?;
    if request.contains("/invocation/next") {
        return Ok(took);
    }
    Err(std::io::Error::other(format!("the bootstrap's first request was {request:?}")))
}
