//! What the system lets this process do.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::Signal;
use tokio::signal::unix::{SignalKind, signal};

/// Open files that a server asks for. Ours: some for each connection, and no more, for what the process
/// starts has the same limit, and programs close all that they might have been left.
const OPEN_FILES: u64 = 16_384;

/// Lets the process have more open files, for each connection is one; and makes a
/// file that grows beyond `ulimit -f` an error of whoever writes it, where it would end the process.
///
/// What the process starts has the same limit on open files, and is ended as ever.
///
/// # Errors
/// The system refused. What it did not refuse is done.
pub fn lift_process_limits() -> std::io::Result<()> {
    let files = allow_many_files();
    hear_of_large_files().and(files)
}

/// Asks for many open files, or for as many as there may be.
pub(crate) fn allow_many_files() -> std::io::Result<()> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let wanted = hard.min(OPEN_FILES);
    if soft < wanted {
        setrlimit(Resource::RLIMIT_NOFILE, wanted, hard)?;
    }
    Ok(())
}

/// Who has a handler for the signal is told EFBIG instead. A handler stays when its runtime is gone.
fn hear_of_large_files() -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let _entered = runtime.enter();
    signal(SignalKind::from_raw(Signal::SIGXFSZ as i32)).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_files_as_may_be() {
        lift_process_limits().unwrap();
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        assert!(soft >= hard.min(OPEN_FILES));
        // It would end this process.
        nix::sys::signal::raise(Signal::SIGXFSZ).unwrap();
    }
}
