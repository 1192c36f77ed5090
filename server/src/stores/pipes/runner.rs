//! Runs pipes, each on a thread: takes messages and starts executions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use engine::{EngineError, StartExecution};
use rusqlite::Connection;
use serde_json::Value;

use super::Pipes;
use super::api::{give_back, list};
use super::batch::{Batch, Taken};
use super::pipe::Pipe;
use crate::http::JsonError;
use crate::stores::bell::Bell;
use crate::stores::database::Done;
use crate::stores::queue::{self, Queue};
use crate::stores::request::Given;

/// Without a message, how often it is looked whether one has become visible again.
const LOOK: Duration = Duration::from_millis(500);
/// The first pause after something failed; each further one is twice as long.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest pause: what was missing may be there again.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// What came of a look into the queue.
enum Step {
    /// Something was done: there may be more.
    Worked,
    /// Nothing was there.
    Idle,
}

/// A pipe that runs.
struct Running {
    /// What it is made of.
    document: Value,
    orders: Orders,
    /// Whether its thread has come to its end.
    has_ended: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

/// What there is to do.
struct Wanted {
    pipes: BTreeMap<String, (Pipe, Value)>,
    /// Names of pipes that are not to run, and have messages.
    noted: BTreeSet<String>,
}

/// What the thread of a pipe listens to.
#[derive(Debug, Clone, Default)]
struct Orders {
    /// Rings with messages, and with the end of an execution. Over: leave at once.
    bell: Arc<Bell>,
    /// Over: take nothing more, and finish what has begun.
    duty: Arc<Bell>,
}

impl Orders {
    /// To finish what has begun: an execution that is waited for would else run a second time beside itself.
    fn retire(&self) {
        self.duty.end();
        self.bell.ring();
    }

    fn leave(&self) {
        self.duty.end();
        self.bell.end();
    }
}

impl Pipes {
    /// Runs every pipe that is to run, each on a thread, until it is over.
    pub(crate) fn run(self: &Arc<Self>) {
        let mut running = BTreeMap::<String, Running>::new();
        loop {
            let heard = self.bell.rings();
            let pause = match self.wanted() {
                Ok(wanted) => {
                    self.bring_about(&mut running, wanted.pipes);
                    let idle = wanted.noted.into_iter().filter(|name| !running.contains_key(name));
                    // What cannot be given back now is once more.
                    let failed = idle.filter(|name| self.give_back(name).is_err()).count();
                    (failed > 0).then_some(PAUSE)
                }
                // What runs is not ended for that.
                Err(failure) => {
                    tracing::error!(?failure, "pipes cannot be read");
                    Some(PAUSE)
                }
            };
            if !self.bell.wait(heard, pause) {
                break;
            }
        }
        for pipe in running.values() {
            pipe.orders.leave();
        }
        for pipe in running.into_values() {
            // A thread that panicked has said so.
            let _ = pipe.thread.join();
        }
    }

    /// Ends what is no longer wanted, and begins what is. A pipe that changed is ended, and begun anew
    /// when it has come to its end, which it says: nobody waits for it.
    fn bring_about(
        self: &Arc<Self>,
        running: &mut BTreeMap<String, Running>,
        wanted: BTreeMap<String, (Pipe, Value)>,
    ) {
        for (name, pipe) in &*running {
            match wanted.get(name) {
                Some((pipe_now, document)) if pipe_now.is_running && *document == pipe.document => {}
                Some(_) => pipe.orders.retire(),
                // It is deleted, and its messages are given back: nothing is left to finish.
                None => pipe.orders.leave(),
            }
        }
        let ended = running.extract_if(.., |_, pipe| pipe.has_ended.load(Ordering::Acquire));
        for (_, pipe) in ended {
            let _ = pipe.thread.join();
        }
        for (name, (pipe, document)) in wanted {
            if running.contains_key(&name) || !pipe.is_running {
                continue;
            }
            match self.begin(pipe, document) {
                Ok(pipe) => drop(running.insert(name, pipe)),
                Err(error) => tracing::error!(pipe = name, %error, "a pipe does not start"),
            }
        }
    }

    fn begin(self: &Arc<Self>, pipe: Pipe, document: Value) -> std::io::Result<Running> {
        let (orders, has_ended) = (Orders::default(), Arc::<AtomicBool>::default());
        let (pipes, its_orders, its_end) = (Arc::clone(self), orders.clone(), Arc::clone(&has_ended));
        let thread =
            std::thread::Builder::new().name("pipe".to_owned()).stack_size(super::super::STACK_BYTES);
        let thread = thread.spawn(move || {
            let _end = End { pipes: &pipes, duty: &its_orders.duty, has_ended: &its_end };
            pipes.run_pipe(&pipe, &its_orders);
        })?;
        Ok(Running { document, orders, has_ended, thread })
    }

    /// The pipes there are, with what they are made of; and what was taken and is to be given back.
    fn wanted(&self) -> Done<Wanted> {
        // First what is noted: of a pipe that has been started since, it is that pipe's.
        let (noted, kept) =
            self.shared.database.read(|connection| Ok((Batch::all_noted(connection)?, list(connection)?)))?;
        let mut wanted = Wanted { pipes: BTreeMap::new(), noted };
        for kept in kept {
            let document = Value::Object(kept.document);
            match Pipe::of(&kept.name, Given::of(&document), &self.shared.place) {
                Ok(pipe) => {
                    if pipe.is_running {
                        wanted.noted.remove(&kept.name);
                    }
                    wanted.pipes.insert(kept.name, (pipe, document));
                }
                Err(error) => tracing::error!(pipe = kept.name, error = error.message, "a pipe is left out"),
            }
        }
        Ok(wanted)
    }

    /// Gives back what a pipe took that does not run, and that nothing under way is for.
    fn give_back(&self, name: &str) -> Done {
        let (pipe, place, now) = (name.to_owned(), self.shared.place.clone(), self.shared.now());
        let given = self.shared.database.write(move |connection| give_back(connection, &pipe, &place, now));
        let queue = given.inspect_err(|failure| {
            tracing::error!(pipe = name, ?failure, "what a pipe took cannot be given back yet");
        })?;
        if let Some(queue) = queue {
            self.shared.arrivals.tell(queue);
        }
        Ok(())
    }

    /// One pipe, until it is over.
    fn run_pipe(&self, pipe: &Pipe, Orders { bell, duty }: &Orders) {
        let (mut failures, mut heard_of) = (0_u32, None);
        loop {
            let heard = bell.rings();
            if duty.is_over() {
                return;
            }
            match self.step(pipe, bell, &mut heard_of) {
                Ok(step) => {
                    failures = 0;
                    if matches!(step, Step::Idle) {
                        bell.wait(heard, Some(LOOK));
                    }
                }
                Err(error) => {
                    failures = failures.saturating_add(1);
                    // Said ever more seldom while it goes on.
                    if failures.is_power_of_two() {
                        let (name, source, attempts) = (&pipe.name, &pipe.source, failures);
                        let error = error.message;
                        tracing::warn!(
                            pipe = name,
                            source,
                            error,
                            attempts,
                            "a pipe could not go on; it tries again"
                        );
                    }
                    // Messages that come meanwhile mend nothing.
                    duty.rest(pause_after(failures));
                }
            }
        }
    }

    /// Finishes what was taken before, or takes messages and starts their execution. `heard_of`: the
    /// queue whose messages ring the bell.
    fn step(&self, pipe: &Pipe, bell: &Arc<Bell>, heard_of: &mut Option<i64>) -> Result<Step, JsonError> {
        let (name, now) = (pipe.name.clone(), self.shared.now());
        if let Some(batch) = self.shared.database.read(|connection| Batch::noted(connection, &name))? {
            let held = batch.clone();
            self.shared.database.write(move |connection| held.hold(connection, now))?;
            return self.start(pipe, &batch, bell);
        }
        let source = self.shared.place.queue_name(&pipe.source).unwrap_or_default();
        let queue = self.shared.database.read(|connection| queue::queue(connection, source))?;
        if *heard_of != Some(queue.id) {
            self.shared.arrivals.ring_also(queue.id, bell);
            *heard_of = Some(queue.id);
        }
        if !self.shared.database.read(|connection| is_ready(connection, &queue, pipe, now))? {
            return Ok(Step::Idle);
        }
        let (taking, place) = (pipe.clone(), self.shared.place.clone());
        let taken =
            self.shared.database.write(move |connection| Batch::take(connection, &taking, &place, now));
        let (taken, dead) = taken?;
        if let Some(dead) = dead {
            self.shared.arrivals.tell(dead);
        }
        match taken {
            Taken::Nothing => Ok(Step::Idle),
            Taken::Filtered => Ok(Step::Worked),
            Taken::Batch(batch) => self.start(pipe, &batch, bell),
        }
    }

    /// Starts the execution of a batch, and deletes its messages when the start was acknowledged.
    fn start(&self, pipe: &Pipe, batch: &Batch, bell: &Arc<Bell>) -> Result<Step, JsonError> {
        let request = StartExecution {
            state_machine: pipe.target.clone(),
            name: Some(batch.execution_name.clone()),
            input: batch.input.clone(),
            trace_header: None,
        };
        let started = if pipe.is_synchronous {
            match self.end_of(&request, bell) {
                Some(ended) => ended,
                // It is not to wait: what was taken stays noted, and starts again, or is given back.
                None => return Ok(Step::Idle),
            }
        } else {
            self.engine.start_execution(request).map(|_| true)
        };
        let is_done = match started {
            Ok(is_done) => is_done,
            Err(EngineError::ExecutionAlreadyExists { .. }) => true,
            // What was taken stays noted, and is started by the next engine.
            Err(error @ (EngineError::Stopped { .. } | EngineError::Journal(_))) => {
                return Err(JsonError::new("Stopped", error.to_string()));
            }
            // The messages stay noted too: they are nobody else's while it is tried again.
            Err(error @ (EngineError::Throttled | EngineError::ExecutionLimitExceeded)) => {
                return Err(JsonError::new("Throttled", error.to_string()));
            }
            Err(error) => {
                tracing::error!(pipe = pipe.name, %error, "the messages of a pipe start no execution: they come back");
                false
            }
        };
        let (name, batch, now) = (pipe.name.clone(), batch.clone(), self.shared.now());
        let source = self.shared.place.queue_name(&pipe.source).unwrap_or_default().to_owned();
        let back = self.shared.database.write(move |connection| {
            if is_done {
                batch.delete(connection, &name, &source)?;
                return Ok(None);
            }
            batch.give_back(connection, &name, &source, now)
        })?;
        if let Some(queue) = back {
            self.shared.arrivals.tell(queue);
        }
        Ok(Step::Worked)
    }

    /// Runs an Express execution; answers whether it succeeded. `None` = the pipe is to end before it has.
    fn end_of(&self, request: &StartExecution, bell: &Arc<Bell>) -> Option<Result<bool, EngineError>> {
        let end = Arc::<Mutex<Option<Result<bool, EngineError>>>>::default();
        let (told, rung) = (Arc::clone(&end), Arc::clone(bell));
        let begun = self.engine.begin_sync_execution(request, move |ended| {
            let ended = ended.map(|ended| ended.status == engine::Status::Succeeded);
            *told.lock().unwrap_or_else(PoisonError::into_inner) = Some(ended);
            rung.ring();
        });
        if let Err(error) = begun {
            return Some(Err(error));
        }
        loop {
            let heard = bell.rings();
            let ended = end.lock().unwrap_or_else(PoisonError::into_inner).take();
            if ended.is_some() || bell.is_over() {
                return ended;
            }
            bell.wait(heard, None);
        }
    }
}

/// Says that a thread has come to its end, also by a panic.
struct End<'a> {
    pipes: &'a Pipes,
    duty: &'a Bell,
    has_ended: &'a AtomicBool,
}

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.has_ended.store(true, Ordering::Release);
        // One that panicked begins anew when something else changes, and not at once.
        if self.duty.is_over() {
            self.pipes.bell.ring();
        }
    }
}

/// Whether messages are there: enough of them, or the first has waited for the batching window.
fn is_ready(connection: &Connection, queue: &Queue, pipe: &Pipe, now: i64) -> Done<bool> {
    let look = "SELECT count(*), min(visible_millis) FROM (SELECT visible_millis FROM messages \
                WHERE queue_id = ?1 AND visible_millis <= ?2 AND expires_millis > ?2 \
                ORDER BY visible_millis LIMIT ?3)";
    let wanted = i64::try_from(pipe.batch_size).unwrap_or(i64::MAX);
    let mut look = connection.prepare_cached(look)?;
    let (count, first): (i64, Option<i64>) =
        look.query_row((queue.id, now, wanted), |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(count >= wanted || first.is_some_and(|first| now - first >= pipe.window_millis))
}

/// The pause after so many failures, one after the other.
fn pause_after(failures: u32) -> Duration {
    let times = 1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
    PAUSE.saturating_mul(times).min(PAUSE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit() {
        let pauses = [1, 2, 3, 5, 6, 40, u32::MAX].map(|failures| pause_after(failures).as_secs());
        assert_eq!(pauses, [1, 2, 4, 16, 30, 30, 30]);
    }
}
