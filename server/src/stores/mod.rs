//! What starts executions, and what they send to, with nothing else installed: queues, an event
//! bus with rules, schedules, pipes and buckets. AWS's own clients speak to them on the endpoint.
//!
//! | file | owns |
//! |---|---|
//! | `database`, `schema` | the database: one writer, commits for many callers together |
//! | `queue` | Amazon SQS |
//! | `events` | Amazon `EventBridge`: buses, rules, event patterns |
//! | `schedules` | `EventBridge` Scheduler, and rules with a schedule |
//! | `pipes` | `EventBridge` Pipes: from queues to executions |
//! | `objects` | Amazon S3 over the folder of buckets |
//! | `deliveries` | bringing events to executions and queues, once |
//! | `triggers` | all of it from a file |
//! | `request`, `template`, `tags`, `time`, `place`, `bell`, `shared` | parts of the above |
//!
//! What was acknowledged is on the disk. What an event, a firing or a message starts, it starts
//! once, also when the process is killed in between: see `deliveries` and `pipes`.

mod bell;
mod database;
mod deliveries;
mod events;
pub mod objects;
mod pipes;
mod place;
mod queue;
mod request;
mod schedules;
mod schema;
mod shared;
mod tags;
mod template;
#[cfg(test)]
mod tests;
mod time;
mod triggers;

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;

use engine::{Clock, Engine};
use serde_json::Value;

pub use database::{StoresError, back_up, examine};
pub use events::pattern;
pub use schedules::expression;
pub use triggers::TriggerError;

use self::bell::Bell;
use self::database::Database;
use self::deliveries::{Deliveries, WORKERS};
use self::events::Events;
use self::objects::{NotRaised, ObjectEvent, ObjectEvents};
use self::pipes::Pipes;
use self::place::Place;
use self::queue::{Moves, Queues};
use self::schedules::{Clockwork, Schedules};
use self::shared::Shared;
use crate::http::{JsonApi, RestApi};

/// Stack of the threads: the engine evaluates on them, as deep as on its own.
const STACK_BYTES: usize = 8 << 20;

/// The stores of a data folder. Clones are the same; [`Self::close`] ends them.
#[derive(Clone)]
pub struct Stores {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    queues: Arc<Queues>,
    events: Arc<Events>,
    schedules: Arc<Schedules>,
    pipes: Arc<Pipes>,
    deliveries: Arc<Deliveries>,
    moves: Arc<Moves>,
    clockwork: Arc<Bell>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl fmt::Debug for Stores {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Stores").field("shared", &self.inner.shared).finish_non_exhaustive()
    }
}

impl Stores {
    /// Opens the stores of a folder, beside the engine that executions are started on. What was under way
    /// goes on at once.
    ///
    /// # Errors
    /// [`StoresError`]: the database cannot be used, or the system gives no threads.
    pub fn open(folder: &Path, engine: &Engine, clock: Arc<dyn Clock>) -> Result<Self, StoresError> {
        let (region, account) = engine.region_and_account();
        let shared = Arc::new(Shared {
            database: Database::open(folder, clock.now_millis())?,
            clock,
            place: Place { region: region.to_owned(), account: account.to_owned() },
            arrivals: Arc::default(),
            endpoint: OnceLock::new(),
        });
        let inner = Inner::new(&shared, engine).ok_or(StoresError::Models)?;
        let bells = [Arc::clone(&inner.deliveries.bell), Arc::clone(&inner.clockwork), inner.pipes.bell()];
        shared.clock.on_jump(Arc::new(move || bells.iter().for_each(|bell| bell.ring())));
        let stores = Self { inner: Arc::new(inner) };
        match stores.begin() {
            Ok(()) => Ok(stores),
            Err(source) => {
                stores.close();
                Err(StoresError::Threads { source })
            }
        }
    }

    /// Starts the threads.
    fn begin(&self) -> std::io::Result<()> {
        let Inner { shared, deliveries, moves, clockwork, pipes, .. } = &*self.inner;
        let (due, workers) = Deliveries::channel();
        let workers = Arc::new(Mutex::new(workers));
        for number in 0..WORKERS {
            let (deliveries, workers) = (Arc::clone(deliveries), Arc::clone(&workers));
            self.thread(&format!("deliver-{number}"), move || deliveries.work(&workers))?;
        }
        let handing = Arc::clone(deliveries);
        self.thread("deliver", move || handing.hand_out(&due))?;
        let moving = Arc::clone(moves);
        self.thread("move", move || moving.run())?;
        let clockwork = Clockwork::new(Arc::clone(shared), Arc::clone(deliveries), Arc::clone(clockwork));
        self.thread("clockwork", move || clockwork.run())?;
        let pipes = Arc::clone(pipes);
        self.thread("pipes", move || pipes.run())
    }

    fn thread(&self, name: &str, work: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
        let thread = std::thread::Builder::new().name(name.to_owned()).stack_size(STACK_BYTES).spawn(work)?;
        self.inner.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
        Ok(())
    }

    /// Says where clients reach the stores: URLs of queues begin with it.
    pub fn serve_at(&self, endpoint: &str) {
        // Once is enough: an endpoint does not move.
        let _ = self.inner.shared.endpoint.set(endpoint.to_owned());
    }

    /// What is wrong with the database, if anything is: then what is asked of the stores is answered
    /// with errors. Waits for the disk.
    pub fn problem(&self) -> Option<String> {
        self.inner.shared.database.problem()
    }

    /// What speaks AWS JSON.
    pub fn json_apis(&self) -> Vec<Arc<dyn JsonApi>> {
        vec![Arc::clone(&self.inner.queues) as Arc<dyn JsonApi>, Arc::clone(&self.inner.events) as _]
    }

    /// What speaks AWS's REST with JSON.
    pub fn rest_apis(&self) -> Vec<Arc<dyn RestApi>> {
        vec![Arc::clone(&self.inner.schedules) as Arc<dyn RestApi>, Arc::clone(&self.inner.pipes) as _]
    }

    /// Makes or changes what a document of triggers has.
    ///
    /// # Errors
    /// [`TriggerError`]: what is wrong with the document, and where. Nothing of it was put then, unless it says so.
    pub fn put_triggers(&self, document: &Value) -> Result<usize, TriggerError> {
        triggers::put(&self.inner, document)
    }

    /// Ends it: what is under way is brought to an end, the rest waits in the database. Before
    /// the engine ends.
    pub fn close(&self) {
        let inner = &self.inner;
        inner.queues.stop();
        inner.deliveries.end();
        inner.moves.end();
        inner.clockwork.end();
        inner.pipes.end();
        let threads = std::mem::take(&mut *inner.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            // A thread that panicked has said so.
            let _ = thread.join();
        }
        inner.shared.database.close();
    }
}

impl ObjectEvents for Stores {
    fn raise(&self, event: &ObjectEvent) -> Result<(), NotRaised> {
        let raised = self.inner.events.raise(&event.to_event_bridge());
        raised.map_err(|failure| NotRaised(crate::http::JsonError::from(failure).message))
    }
}

impl Inner {
    fn new(shared: &Arc<Shared>, engine: &Engine) -> Option<Self> {
        let clockwork = Arc::<Bell>::default();
        let deliveries = Arc::new(Deliveries::new(Arc::clone(shared), engine.clone()));
        let moves = Arc::new(Moves::new(Arc::clone(shared)));
        let events = Events::new(Arc::clone(shared), Arc::clone(&deliveries), Arc::clone(&clockwork))?;
        Some(Self {
            queues: Arc::new(Queues::new(Arc::clone(shared), Arc::clone(&moves))?),
            events: Arc::new(events),
            schedules: Arc::new(Schedules::new(Arc::clone(shared), Arc::clone(&clockwork))?),
            pipes: Arc::new(Pipes::new(Arc::clone(shared), engine.clone())?),
            shared: Arc::clone(shared),
            deliveries,
            moves,
            clockwork,
            threads: Mutex::default(),
        })
    }
}
