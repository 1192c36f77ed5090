//! What the system lets this process do.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::Signal;
use tokio::signal::unix::{SignalKind, signal};

/// Lets the process have as many open files as it may, for each connection is one; and makes a
/// file that grows beyond `ulimit -f` an error of whoever writes it, where it would end the process.
///
/// What the process starts has the same limit on open files, and is ended as ever.
///
/// # Errors
/// The system refused. What it did not refuse is done.
pub fn lift_process_limits() -> std::io::Result<()> {
    let files = lift_open_files();
    hear_of_large_files().and(files)
}

fn lift_open_files() -> std::io::Result<()> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
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
        assert_eq!(soft, hard);
        // It would end this process.
        nix::sys::signal::raise(Signal::SIGXFSZ).unwrap();
    }
}
