//! The connections that read: few, and who finds none waits for one.
//!
//! A connection takes three descriptors, which `SQLite` does not give back while another of the
//! process is at work: one for each caller would use them up.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::Done;
use crate::http::JsonError;

/// Connections at a time. Ours: reads are short, and two cores do not read faster with more.
pub(super) const READERS_MAX: usize = 8;
/// How long the end waits for who reads.
const GRACE: Duration = Duration::from_secs(5);

/// The connections.
#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    state: Mutex<State>,
    given_back: Condvar,
}

#[derive(Debug, Default)]
struct State {
    idle: Vec<Connection>,
    lent: usize,
    is_closed: bool,
}

/// A connection, until it is dropped.
pub(super) struct Lent<'r> {
    readers: &'r Readers,
    /// There until it is given back.
    connection: Option<Connection>,
}

impl Readers {
    pub(super) fn of(path: PathBuf) -> Self {
        Self { path, state: Mutex::default(), given_back: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lends a connection, as soon as there is one.
    pub(super) fn lend(&self) -> Done<Lent<'_>> {
        let is_used_up = |state: &mut State| !state.is_closed && state.lent >= READERS_MAX;
        let waited = self.given_back.wait_while(self.state(), is_used_up);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        if state.is_closed {
            return Err(JsonError::internal().into());
        }
        state.lent += 1;
        let idle = state.idle.pop();
        drop(state);
        let mut lent = Lent { readers: self, connection: idle };
        if lent.connection.is_none() {
            lent.connection = Some(open(&self.path)?);
        }
        Ok(lent)
    }

    /// Closes all, those that are lent when they come back, and waits for them. Nobody reads afterwards.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.is_closed = true;
        state.idle.clear();
        self.given_back.notify_all();
        let waited = self.given_back.wait_timeout_while(state, GRACE, |state| state.lent > 0);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }
}

impl Deref for Lent<'_> {
    type Target = Connection;

    #[expect(clippy::expect_used, reason = "it is taken when this is dropped, and not before")]
    fn deref(&self) -> &Connection {
        self.connection.as_ref().expect("a connection")
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        let mut state = self.readers.state();
        state.lent -= 1;
        let back = self.connection.take().filter(|_| !state.is_closed);
        state.idle.extend(back);
        drop(state);
        // Who closes waits here as well as who wants one.
        self.readers.given_back.notify_all();
    }
}

/// A connection that reads.
pub(super) fn open(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    Ok(connection)
}
