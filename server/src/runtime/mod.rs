//! Steps as real `bootstrap` processes: what runs locally is what is deployed.
//!
//! [`RuntimeHost`] is the [`engine::TaskHost`] of `arn:aws:states:::lambda:invoke`. It
//! starts a function's bootstrap on demand, speaks the Lambda Runtime API with it, keeps
//! it warm for the next invocation, and gives the state machine the answers and errors
//! AWS Lambda gives. It refuses every other resource, and it runs only the functions it
//! was started with: no request can name a command.
//!
//! ```text
//!  engine ── invoke ─► Pool (per function) ─► Process task ── spawn ─► bootstrap
//!                                                 ▲  ▲                    │
//!                       figures, logs ◄───────────┘  └── api (axum) ◄─────┘
//!                                                        127.0.0.1:port/<secret>/2018-06-01/runtime/…
//! ```

mod answer;
mod api;
mod figures;
mod guard;
mod logs;
mod pool;
mod process;

use std::{
    collections::BTreeMap,
    future::Future,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use axum::serve::ListenerExt as _;
use engine::{Completion, TaskHost, TaskKey, TaskRequest};
use serde_json::Value;
use tokio::sync::{Notify, mpsc};

pub use answer::RESPONSE_BYTES_MAX;
pub use figures::FunctionFigures;

use pool::{Invocation, Pool};
use process::Call;

/// One function: the bootstrap that serves it and how Lambda would run it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Its name, as `FunctionName` in a state machine gives it. AWS: `[a-zA-Z0-9-_]`, at most 64 characters.
    pub name: String,
    /// The program that speaks the Runtime API.
    pub bootstrap: PathBuf,
    /// `_HANDLER`: which step of the program this function is.
    pub handler: String,
    /// Told to the process; not enforced here.
    pub memory_mib: u32,
    /// An invocation that runs longer is killed. AWS quota: 900 seconds.
    pub timeout: Duration,
    /// Environment of this function only.
    pub environment: BTreeMap<String, String>,
    /// Processes at most; further invocations wait.
    pub concurrency_max: usize,
}

/// What a host is started with.
#[derive(Debug, Clone)]
pub struct RuntimeOptions {
    /// The functions, by name unique.
    pub functions: Vec<Function>,
    /// Environment of every function: where buckets are, what secrets are.
    pub environment: BTreeMap<String, String>,
    /// Where `<function>.log` files go; created if missing.
    pub log_dir: PathBuf,
    /// Region in ARNs and in `AWS_REGION`.
    pub region: String,
    /// Account in ARNs.
    pub account_id: String,
}

/// Why a host cannot start.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeHostError {
    /// Loopback refuses a listener.
    #[error(
        "cannot listen on 127.0.0.1: {source}. The Runtime API of the steps needs one free local port; check limits on open files and the firewall of this machine"
    )]
    Listen {
        /// What the system said.
        source: std::io::Error,
    },
    /// The log folder cannot be made.
    #[error("cannot create the log folder {}: {source}", path.display())]
    LogDir {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Threads or the guard shell cannot be started.
    #[error("cannot start {what}: {source}")]
    Start {
        /// What was to be started.
        what: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// A function's name is not one AWS takes.
    #[error("the function name `{name}` is not allowed: 1 to 64 letters, digits, `-` or `_`")]
    FunctionName {
        /// The name.
        name: String,
    },
    /// Two functions have one name.
    #[error("the function `{name}` is given twice")]
    FunctionTwice {
        /// The name.
        name: String,
    },
    /// The system has no randomness for the secrets of the processes.
    #[error("the system gives no random numbers: {reason}")]
    Random {
        /// What the system said.
        reason: String,
    },
}

/// Runs the functions of a project as processes. Cloning shares them; the last one dropped ends them.
#[derive(Debug, Clone)]
pub struct RuntimeHost {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    runtime: Option<tokio::runtime::Runtime>,
    shared: Arc<Shared>,
    log_dir: PathBuf,
    /// Replaced as a whole by [`RuntimeHost::renew`].
    pools: RwLock<Arc<BTreeMap<String, Arc<Pool>>>>,
}

impl Inner {
    fn pools(&self) -> Arc<BTreeMap<String, Arc<Pool>>> {
        Arc::clone(&self.pools.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What processes and HTTP share.
#[derive(Debug)]
struct Shared {
    /// `127.0.0.1:port`.
    address: String,
    region: String,
    account_id: String,
    environment: BTreeMap<String, String>,
    guard: guard::Guard,
    handle: tokio::runtime::Handle,
    /// Secret path segment → the process's task.
    processes: Mutex<BTreeMap<String, mpsc::Sender<Call>>>,
}

/// Stack of the threads that call the engine: as large as that of its own.
const STACK_BYTES: usize = 8 << 20;

/// Calls of one process that wait for its task. A bootstrap has one request open at a time.
const CALLS_WAITING_MAX: usize = 4;

impl Shared {
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.handle.spawn(task);
    }

    fn processes(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, mpsc::Sender<Call>>> {
        self.processes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new secret, and what arrives under it.
    fn register(&self) -> (String, mpsc::Receiver<Call>) {
        let (sender, receiver) = mpsc::channel(CALLS_WAITING_MAX);
        let token = random_hex();
        self.processes().insert(token.clone(), sender);
        (token, receiver)
    }

    fn unregister(&self, token: &str) {
        self.processes().remove(token);
    }

    fn process(&self, token: &str) -> Option<mpsc::Sender<Call>> {
        self.processes().get(token).cloned()
    }
}

impl RuntimeHost {
    /// Opens the Runtime API on a free port of 127.0.0.1. Starts no process yet.
    ///
    /// # Errors
    /// See [`RuntimeHostError`]; nothing keeps running after one.
    pub fn start(options: RuntimeOptions) -> Result<Self, RuntimeHostError> {
        let RuntimeOptions { functions, environment, log_dir, region, account_id } = options;
        create_private_dir(&log_dir)
            .map_err(|source| RuntimeHostError::LogDir { path: log_dir.clone(), source })?;
        let pools = pools(functions, &log_dir)?;
        // Asked once, so that later draws cannot fail for want of a source.
        getrandom::fill(&mut [0; 16]).map_err(|e| RuntimeHostError::Random { reason: e.to_string() })?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("runtime-api")
            // The engine works on the thread that hands in an outcome: expressions nest up to 100 levels.
            .thread_stack_size(STACK_BYTES)
            .enable_all()
            .build()
            .map_err(|source| RuntimeHostError::Start { what: "the threads of the Runtime API", source })?;
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind(("127.0.0.1", 0)))
            .map_err(|source| RuntimeHostError::Listen { source })?;
        let address =
            listener.local_addr().map_err(|source| RuntimeHostError::Listen { source })?.to_string();
        let guard = guard::Guard::start().map_err(|source| RuntimeHostError::Start {
            what: "the guard of the step processes (/bin/sh)",
            source,
        })?;
        let shared = Arc::new(Shared {
            address,
            region,
            account_id,
            environment,
            guard,
            handle: runtime.handle().clone(),
            processes: Mutex::default(),
        });
        let router = api::router(Arc::clone(&shared));
        // Requests and answers are small: waiting to fill a packet would cost 40 ms each.
        let listener = listener.tap_io(|stream| {
            let _ = stream.set_nodelay(true);
        });
        runtime.spawn(async move { axum::serve(listener, router).await });
        let pools = RwLock::new(Arc::new(pools));
        Ok(Self { inner: Arc::new(Inner { runtime: Some(runtime), shared, log_dir, pools }) })
    }

    /// Replaces the functions, while invocations run: these end where they are. What waits, and
    /// what comes, goes to the new programs. Of a function that is as it was nothing changes; of
    /// one that is gone what waits fails like any invocation of a function that there is not.
    ///
    /// # Errors
    /// [`RuntimeHostError::FunctionName`], [`RuntimeHostError::FunctionTwice`]; then nothing changes.
    pub fn renew(&self, functions: Vec<Function>) -> Result<(), RuntimeHostError> {
        let mut pools = pools(functions, &self.inner.log_dir)?;
        let mut current = self.inner.pools.write().unwrap_or_else(PoisonError::into_inner);
        let before = Arc::clone(&current);
        for (name, pool) in &mut pools {
            if let Some(old) = before.get(name) {
                if old.is_same(pool) {
                    *pool = Arc::clone(old);
                } else {
                    pool.follow(old);
                }
            }
        }
        *current = Arc::new(pools);
        let after = Arc::clone(&current);
        drop(current);
        for (name, old) in before.iter() {
            let new = after.get(name);
            if new.is_some_and(|new| Arc::ptr_eq(new, old)) {
                continue;
            }
            for invocation in old.retire(new) {
                match new {
                    Some(new) => new.submit(&self.inner.shared, invocation),
                    None => self.not_found(name, &invocation.request_id, invocation.done),
                }
            }
        }
        Ok(())
    }

    fn not_found(&self, name: &str, request_id: &str, done: Completion) {
        let shared = &self.inner.shared;
        done.finish(answer::function_not_found(&shared.region, &shared.account_id, name, request_id));
    }

    /// Figures of every function since the start, by name.
    pub fn figures(&self) -> BTreeMap<String, FunctionFigures> {
        self.inner.pools().iter().map(|(name, pool)| (name.clone(), pool.figures())).collect()
    }

    /// The last lines of a function's log, oldest first; empty if the function is not known.
    pub fn log_tail(&self, function: &str, lines: usize) -> Vec<String> {
        self.inner
            .pools()
            .get(answer::function_name(function))
            .map_or_else(Vec::new, |pool| pool.log.tail(lines))
    }

    /// Ends all processes. Invocations that wait or run get no answer: call it after the engine has stopped.
    pub fn shutdown(&self) {
        for pool in self.inner.pools().values() {
            pool.close();
        }
        self.inner.shared.guard.kill_all();
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        for pool in self.pools().values() {
            pool.close();
        }
        self.shared.guard.kill_all();
        if let Some(runtime) = self.runtime.take() {
            // Not waited for: a drop may happen on any thread, also on one of these.
            runtime.shutdown_background();
        }
    }
}

impl TaskHost for RuntimeHost {
    fn invoke(&self, task: TaskRequest, done: Completion) {
        if task.resource != "arn:aws:states:::lambda:invoke" {
            let resource = &task.resource;
            done.finish(answer::refused(format!(
                "The resource '{resource}' cannot run here. This host runs arn:aws:states:::lambda:invoke."
            )));
            return;
        }
        let Some(given) = task.arguments.get("FunctionName").and_then(Value::as_str) else {
            done.finish(answer::refused(
                "Arguments must have the field 'FunctionName', a string.".to_owned(),
            ));
            return;
        };
        let request_id = uuid();
        let name = answer::function_name(given);
        let pools = self.inner.pools();
        let Some(pool) = pools.get(name) else { return self.not_found(name, &request_id, done) };
        let payload = engine::lambda_invoke_payload(&task.arguments);
        let invocation = Invocation {
            key: task.key,
            request_id,
            trace_id: trace_id(),
            payload,
            done,
            cancelled: Arc::new(Notify::new()),
        };
        pool.submit(&self.inner.shared, invocation);
    }

    /// Ends the process that works for nobody. (On AWS the function would run to its end unheard;
    /// here its memory and its cores are ours.)
    fn cancel(&self, task: &TaskKey) {
        for pool in self.inner.pools().values() {
            pool.cancel(task);
        }
    }
}

fn pools(functions: Vec<Function>, log_dir: &Path) -> Result<BTreeMap<String, Arc<Pool>>, RuntimeHostError> {
    let mut pools = BTreeMap::new();
    for function in functions {
        let name = function.name.clone();
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        // The name is also a file name below.
        if name.is_empty() || name.len() > 64 || !name.chars().all(allowed) {
            return Err(RuntimeHostError::FunctionName { name });
        }
        let log = logs::FunctionLog::new(&name, log_dir.join(format!("{name}.log")));
        if pools.insert(name.clone(), Arc::new(Pool::new(function, log))).is_some() {
            return Err(RuntimeHostError::FunctionTwice { name });
        }
    }
    Ok(pools)
}

/// Logs may show business data: the folder is for its owner only.
fn create_private_dir(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// 128 random bits.
fn random() -> u128 {
    let mut bytes = [0; 16];
    // A source that has answered once, which `start` makes sure of, does not fail later.
    let _ = getrandom::fill(&mut bytes);
    u128::from_be_bytes(bytes)
}

fn random_hex() -> String {
    format!("{:032x}", random())
}

/// A request id: UUID version 4.
pub(crate) fn uuid() -> String {
    let bits = (random() & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    let mut id = String::with_capacity(36);
    for (at, digit) in hex.chars().enumerate() {
        if matches!(at, 8 | 12 | 16 | 20) {
            id.push('-');
        }
        id.push(digit);
    }
    id
}

/// An X-Ray trace header of a call nobody samples.
fn trace_id() -> String {
    let now = jiff::Timestamp::now().as_second();
    let bits = random_hex();
    let (root, rest) = bits.split_at(24);
    let parent = format!("{rest}{}", random_hex().split_at(8).0);
    format!("Root=1-{now:08x}-{root};Parent={parent};Sampled=0")
}

/// Now, as a `Date` header has it.
fn http_date() -> String {
    jiff::fmt::rfc2822::DateTimePrinter::new()
        .timestamp_to_rfc9110_string(&jiff::Timestamp::now())
        .unwrap_or_default()
}
