//! The ends of child executions, heard instead of asked for.
//!
//! A thread listens to the engine's events as long as somebody waits for a
//! child. It may be cut off when it is slow, and an end may come before anybody
//! waits: so whoever waits is looked at, too.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use engine::{Engine, Notice, Status};

use super::pool::{Job, Pool};

/// How often those who wait are looked at although nothing was heard.
const LOOK: Duration = Duration::from_secs(10);

/// Who waits for which execution's end.
#[derive(Clone, Default)]
pub(super) struct Children {
    shared: Arc<Mutex<Waiting>>,
}

#[derive(Default)]
struct Waiting {
    /// By the execution's ARN.
    jobs: BTreeMap<String, Vec<Job>>,
    is_listening: bool,
}

impl Children {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something, on a thread of the pool, when an execution has ended; at once if it has.
    pub(super) fn when_ended(&self, engine: &Engine, pool: &Pool, arn: &str, job: Job) {
        let mut waiting = self.lock();
        waiting.jobs.entry(arn.to_owned()).or_default().push(job);
        let starts = !std::mem::replace(&mut waiting.is_listening, true);
        drop(waiting);
        if starts {
            let (children, pool, notices, engine) =
                (self.clone(), pool.clone(), engine.subscribe(), engine.clone());
            let thread = std::thread::Builder::new().name("children".to_owned());
            if let Err(error) = thread.spawn(move || children.listen(&engine, &pool, notices)) {
                tracing::warn!(%error, "no thread that hears the ends of child executions");
                self.lock().is_listening = false;
            }
        }
        // It may have ended before anybody listened.
        self.look(engine, pool, arn);
    }

    fn listen(&self, engine: &Engine, pool: &Pool, mut notices: Receiver<Notice>) {
        loop {
            match notices.recv_timeout(LOOK) {
                Ok(notice) if notice.event.fact.is_terminal() => self.release(pool, &notice.execution_arn),
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => {
                    if self.rest(engine, pool) {
                        return;
                    }
                }
                Err(RecvTimeoutError::Disconnected) if engine.stopped().is_some() => {
                    // Nobody's task is open any more.
                    let waiting = std::mem::take(&mut *self.lock());
                    drop(waiting);
                    return;
                }
                Err(RecvTimeoutError::Disconnected) => {
                    notices = engine.subscribe();
                    if self.rest(engine, pool) {
                        return;
                    }
                }
            }
        }
    }

    /// Looks at all who wait; answers whether nobody does, and the thread may end.
    fn rest(&self, engine: &Engine, pool: &Pool) -> bool {
        let arns: Vec<String> = self.lock().jobs.keys().cloned().collect();
        for arn in &arns {
            self.look(engine, pool, arn);
        }
        let mut waiting = self.lock();
        waiting.is_listening = !waiting.jobs.is_empty();
        !waiting.is_listening
    }

    /// Lets those go on whose execution has ended, or is not there.
    fn look(&self, engine: &Engine, pool: &Pool, arn: &str) {
        let runs = engine.describe_execution(arn).is_ok_and(|described| described.status == Status::Running);
        if !runs {
            self.release(pool, arn);
        }
    }

    fn release(&self, pool: &Pool, arn: &str) {
        let jobs = self.lock().jobs.remove(arn).unwrap_or_default();
        for job in jobs {
            pool.run(job);
        }
    }
}
