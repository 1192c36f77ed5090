//! Steps as real `bootstrap` processes: what runs locally is what is deployed.
//!
//! [`RuntimeHost`] is the [`engine::TaskHost`] of `arn:aws:states:::lambda:invoke` and of functions
//! whose ARN is a state's `Resource`, and what answers calls of Lambda's `Invoke`. It starts a function's bootstrap on demand, speaks the Lambda Runtime API with it, keeps
//! it warm for the next invocation, and gives the state machine the answers and errors
//! AWS Lambda gives. It refuses every other resource, and it runs only the functions it
//! was started with: no request can name a command.
//!
//! ```text
//!  engine ── invoke ─► Pool (per function) ─► Process task ── spawn ─► bootstrap
//!                                                 ▲  ▲                    │
//!                       figures, logs ◄───────────┘  └── api (hyper) ◄────┘
//!                                                        127.0.0.1:port/2018-06-01/runtime/…
//! ```
//!
//! | file | owns |
//! |---|---|
//! | `folder`, `configuration` | functions from a folder: bootstraps, zips, what is said of them |
//! | `archive` | zips, which nobody trusts |
//! | `pool` | the processes of a function: who is warm, what waits, what is throttled |
//! | `process` | the life of one process |
//! | `api`, `peer` | the Runtime API as bootstraps see it, and who may ask |
//! | `environment` | what processes are started with |
//! | `invocation`, `identifier`, `answer` | one call, how functions are named, AWS's words |
//! | `events` | calls that nobody waits for, on disk until they are done |
//! | `output`, `logs` | what functions write |
//! | `memory`, `figures` | what they take |
//! | `guard`, `strays` | no process outlives us, nor what it left behind |

mod answer;
mod api;
mod archive;
mod configuration;
mod environment;
mod events;
mod figures;
mod folder;
mod guard;
mod identifier;
mod invocation;
mod logs;
mod memory;
mod output;
mod peer;
mod pool;
mod process;
mod strays;

use std::{
    collections::BTreeMap,
    future::Future,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, SystemTime},
};

use crate::http::service::http_date;
use crate::random;
use engine::machine::Integration;
use engine::{Completion, TaskHost, TaskKey, TaskRequest};
use serde_json::Value;
use tokio::sync::oneshot;

pub use answer::RESPONSE_BYTES_MAX;
pub use archive::{ArchiveError, ArchiveProblem};
pub use figures::FunctionFigures;
pub use folder::{FolderError, functions_in};
pub use invocation::Invoked;
pub use logs::{LoggedLine, read as read_logs};

use answer::{CallIdentity, Form};
use events::{Event, Events};
use identifier::{Identifier, executed_version};
use invocation::{Invocation, Refused, Reply};
use pool::Pool;
use strays::Mark;

/// One function: the bootstrap that serves it and how Lambda would run it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Its name, as `FunctionName` in a state machine gives it. AWS: `[a-zA-Z0-9-_]`, at most 64 characters.
    pub name: String,
    /// The program that speaks the Runtime API.
    pub bootstrap: PathBuf,
    /// `_HANDLER`: which step of the program this function is.
    pub handler: String,
    /// A process that has taken more is killed. AWS: 128 to 10,240 MB.
    pub memory_mib: u32,
    /// An invocation that runs longer is killed. AWS quota: 900 seconds.
    pub timeout: Duration,
    /// Environment of this function only.
    pub environment: BTreeMap<String, String>,
    /// Processes at most; further invocations wait.
    pub concurrency_max: usize,
    /// Invocations at a time at most; further ones are throttled. 0 = the function is off.
    pub reserved_concurrency: Option<u32>,
}

impl Function {
    /// Where its code is: the folder of its bootstrap.
    fn task_root(&self) -> Option<&Path> {
        self.bootstrap.parent().filter(|folder| !folder.as_os_str().is_empty())
    }
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
    /// The folder of events cannot be made or read.
    #[error("cannot keep the events of functions in {}: {source}", path.display())]
    Events {
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
    events: Events,
    has_ended: AtomicBool,
    /// Replaced as a whole by [`RuntimeHost::renew`].
    pools: RwLock<Arc<BTreeMap<String, Arc<Pool>>>>,
}

impl Inner {
    fn pools(&self) -> Arc<BTreeMap<String, Arc<Pool>>> {
        Arc::clone(&self.pools.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn pool(&self, function: &str) -> Option<Arc<Pool>> {
        self.pools.read().unwrap_or_else(PoisonError::into_inner).get(function).cloned()
    }
}

/// What processes and HTTP share.
#[derive(Debug)]
struct Shared {
    region: String,
    account_id: String,
    environment: BTreeMap<String, String>,
    guard: guard::Guard,
    /// What the marks of its processes begin with.
    mark: Mark,
    strays: strays::Known,
    handle: tokio::runtime::Handle,
}

/// Stack of the threads that call the engine: as large as that of its own.
const STACK_BYTES: usize = 8 << 20;

impl Shared {
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.handle.spawn(task);
    }

    /// Ends all processes, and what they left behind.
    fn kill_all(&self) {
        if self.guard.kill_all() {
            self.mark.kill();
        }
    }

    fn function_arn(&self, function: &str) -> String {
        format!("arn:aws:lambda:{}:{}:function:{function}", self.region, self.account_id)
    }
}

impl RuntimeHost {
    /// Makes a host. Starts no process yet.
    ///
    /// # Errors
    /// See [`RuntimeHostError`]; nothing keeps running after one.
    pub fn start(options: RuntimeOptions) -> Result<Self, RuntimeHostError> {
        let RuntimeOptions { functions, environment, log_dir, region, account_id } = options;
        bucket::make_durable_dir(&log_dir)
            .map_err(|source| RuntimeHostError::LogDir { path: log_dir.clone(), source })?;
        let pools = pools(functions, &environment, &log_dir)?;
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
        // Each process will need a port.
        std::net::TcpListener::bind(("127.0.0.1", 0))
            .map_err(|source| RuntimeHostError::Listen { source })?;
        let mark = Mark::of_host();
        let guard = guard::Guard::start(&mark).map_err(|source| RuntimeHostError::Start {
            what: "the guard of the step processes (/bin/sh)",
            source,
        })?;
        let shared = Arc::new(Shared {
            region,
            account_id,
            environment,
            guard,
            strays: strays::Known::of(mark.clone()),
            mark,
            handle: runtime.handle().clone(),
        });
        let pools = RwLock::new(Arc::new(pools));
        Ok(Self {
            inner: Arc::new(Inner {
                runtime: Some(runtime),
                shared,
                log_dir,
                events: Events::default(),
                has_ended: AtomicBool::new(false),
                pools,
            }),
        })
    }

    /// Replaces the functions, while invocations run: these end where they are. What waits, and
    /// what comes, goes to the new programs. Of a function that is as it was nothing changes; of
    /// one that is gone what waits fails like any invocation of a function that there is not.
    ///
    /// # Errors
    /// [`RuntimeHostError::FunctionName`], [`RuntimeHostError::FunctionTwice`]; then nothing changes.
    pub fn renew(&self, functions: Vec<Function>) -> Result<(), RuntimeHostError> {
        let shared = &self.inner.shared;
        let mut pools = pools(functions, &shared.environment, &self.inner.log_dir)?;
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
                    Some(new) => new.hand_on(shared, invocation),
                    None => invocation.refuse(shared, name, Refused::Gone),
                }
            }
        }
        Ok(())
    }

    /// Figures of every function since the start, by name.
    pub fn figures(&self) -> BTreeMap<String, FunctionFigures> {
        self.inner.pools().iter().map(|(name, pool)| (name.clone(), pool.figures())).collect()
    }

    /// The last lines of a function's log, oldest first; empty if the function is not known.
    pub fn log_tail(&self, function: &str, lines: usize) -> Vec<String> {
        let pool = self.inner.pool(Identifier::of(function).name);
        pool.map_or_else(Vec::new, |pool| pool.log.tail(lines))
    }

    /// Ends all processes. Invocations that wait or run get no answer: call it after the engine has stopped.
    pub fn shutdown(&self) {
        self.inner.has_ended.store(true, Ordering::SeqCst);
        for pool in self.inner.pools().values() {
            pool.close();
        }
        self.inner.shared.kill_all();
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        for pool in self.pools().values() {
            pool.close();
        }
        self.shared.kill_all();
        if let Some(runtime) = self.runtime.take() {
            // Not waited for: a drop may happen on any thread, also on one of these.
            runtime.shutdown_background();
        }
    }
}

/// A call of Lambda's `Invoke` that waits for the answer.
#[derive(Debug, Clone, Default)]
pub struct InvokeRequest {
    /// A name, a partial ARN or an ARN, each with or without a version or alias.
    pub function: String,
    /// The version or alias, if it is not in `function`.
    pub qualifier: Option<String>,
    /// JSON text.
    pub payload: String,
    /// `ClientContext`: JSON text.
    pub client_context: Option<String>,
    /// `X-Amzn-Trace-Id` of the caller.
    pub trace_header: Option<String>,
}

/// Why nothing was invoked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvokeRefusal {
    /// There is no such function.
    #[error("Function not found: {arn}")]
    NotFound {
        /// Its ARN.
        arn: String,
    },
    /// Its reserved concurrency is used up.
    #[error("Rate Exceeded.")]
    Throttled,
    /// The host was shut down before there was an answer.
    #[error("The server ends.")]
    Ended,
    /// The name and the parameter have different qualifiers.
    #[error("{}", answer::QUALIFIERS_DIFFER)]
    QualifiersDiffer,
}

/// A function of a host.
#[derive(Debug, Clone)]
pub struct KnownFunction {
    /// What it is.
    pub function: Function,
    /// Its ARN, with the version or alias that was asked for.
    pub arn: String,
    /// When its program was made, as far as it can be told.
    pub made: Option<SystemTime>,
}

impl RuntimeHost {
    /// The functions, by name.
    pub fn functions(&self) -> Vec<KnownFunction> {
        self.inner.pools().values().map(|pool| self.found(pool, None)).collect()
    }

    /// One of them, by whatever names it.
    ///
    /// # Errors
    /// [`InvokeRefusal::NotFound`], [`InvokeRefusal::QualifiersDiffer`].
    pub fn function(&self, name: &str, qualifier: Option<&str>) -> Result<KnownFunction, InvokeRefusal> {
        let (pool, identifier) = self.find(name, qualifier)?;
        Ok(self.found(&pool, identifier.qualifier))
    }

    fn found(&self, pool: &Pool, qualifier: Option<&str>) -> KnownFunction {
        let identifier = Identifier { name: &pool.function.name, qualifier };
        KnownFunction { function: pool.function.clone(), arn: self.arn(identifier), made: pool.made }
    }

    /// Whether a call would be let through: what `InvocationType` `DryRun` asks.
    ///
    /// # Errors
    /// That of the call, but for throttling.
    pub fn check(&self, request: &InvokeRequest) -> Result<(), InvokeRefusal> {
        self.find(&request.function, request.qualifier.as_deref()).map(drop)
    }

    /// Calls a function, and waits for its answer.
    ///
    /// # Errors
    /// See [`InvokeRefusal`]; a function that fails is an answer.
    pub async fn call(&self, request: InvokeRequest) -> Result<Invoked, InvokeRefusal> {
        let (pool, identifier) = self.find(&request.function, request.qualifier.as_deref())?;
        let (sender, receiver) = oneshot::channel();
        let trace_id = trace_id(request.trace_header.as_deref());
        let invocation = Invocation {
            qualifier: identifier.qualifier.map(str::to_owned),
            client_context: request.client_context.clone(),
            ..Invocation::new(None, trace_id, request.payload.clone(), Reply::Caller(sender))
        };
        pool.hand_on(&self.inner.shared, invocation);
        match receiver.await {
            Ok(Ok(invoked)) => Ok(invoked),
            Ok(Err(Refused::Throttled)) => Err(InvokeRefusal::Throttled),
            Ok(Err(Refused::Gone)) => Err(self.not_found(identifier)),
            Ok(Err(Refused::Ended)) | Err(_) => Err(InvokeRefusal::Ended),
        }
    }

    /// Calls a function that nobody waits for (`InvocationType` `Event`). What comes through the
    /// receiver is the id of the request, once the call is sure to take place.
    ///
    /// # Errors
    /// See [`InvokeRefusal`]; [`InvokeRefusal::Throttled`] if too many wait to take place.
    pub fn call_event(
        &self,
        request: InvokeRequest,
    ) -> Result<oneshot::Receiver<std::io::Result<String>>, InvokeRefusal> {
        let (_, identifier) = self.find(&request.function, request.qualifier.as_deref())?;
        let event = Event {
            request_id: random::uuid(),
            function: identifier.name.to_owned(),
            qualifier: identifier.qualifier.map(str::to_owned),
            client_context: request.client_context,
            trace_id: trace_id(request.trace_header.as_deref()),
            payload: request.payload,
            execution_arn: None,
            failures: 0,
            accepted_millis: jiff::Timestamp::now().as_millisecond(),
        };
        let (sender, receiver) = oneshot::channel();
        let request_id = event.request_id.clone();
        self.begin_event(event, move |kept| {
            // A caller that went away needs no answer.
            let _ = sender.send(kept.map(|()| request_id));
        })?;
        Ok(receiver)
    }

    /// Keeps calls that nobody waits for in a folder until they are done, and takes up those that
    /// are there. Without, they are lost with the process. For who holds the folder alone.
    ///
    /// # Errors
    /// [`RuntimeHostError::Events`].
    pub fn keep_events(&self, folder: &Path) -> Result<(), RuntimeHostError> {
        let failed = |source| RuntimeHostError::Events { path: folder.to_owned(), source };
        for event in self.inner.events.open(folder).map_err(failed)? {
            let turn = self.inner.events.turn();
            self.inner.shared.spawn(events::take_up(Arc::downgrade(&self.inner), event, turn));
        }
        Ok(())
    }

    /// Removes zips that were unpacked for functions that are not there any more, and what is left of
    /// those that were not unpacked to their end. For who holds the folder alone.
    pub fn forget_zips(&self, unpacked: &Path) {
        let pools = self.inner.pools();
        archive::forget(unpacked, |folder| {
            pools.values().any(|pool| pool.function.bootstrap.starts_with(folder))
        });
    }

    fn begin_event(
        &self,
        event: Event,
        kept: impl FnOnce(std::io::Result<()>) + Send + 'static,
    ) -> Result<(), InvokeRefusal> {
        let slot = self.inner.events.slot().ok_or(InvokeRefusal::Throttled)?;
        self.inner.shared.spawn(events::run(Arc::downgrade(&self.inner), event, slot, kept));
        Ok(())
    }

    /// The same for a task, which succeeds with the answer of the call.
    fn begin_task_event(
        &self,
        event: Event,
        done: Completion,
        accepted: impl FnOnce(&str) -> engine::TaskOutcome + Send + 'static,
    ) {
        let Some(slot) = self.inner.events.slot() else {
            return done.finish(answer::throttled(&event.request_id));
        };
        let request_id = event.request_id.clone();
        let kept = move |kept: std::io::Result<()>| {
            done.finish(match kept {
                Ok(()) => accepted(&request_id),
                Err(error) => engine::TaskOutcome::unknown(format!("The event cannot be kept: {error}")),
            });
        };
        self.inner.shared.spawn(events::run(Arc::downgrade(&self.inner), event, slot, kept));
    }

    fn find<'r>(
        &self,
        name: &'r str,
        qualifier: Option<&'r str>,
    ) -> Result<(Arc<Pool>, Identifier<'r>), InvokeRefusal> {
        let identifier = Identifier::of(name).qualified(qualifier).ok_or(InvokeRefusal::QualifiersDiffer)?;
        let pool = self.inner.pool(identifier.name).ok_or_else(|| self.not_found(identifier))?;
        Ok((pool, identifier))
    }

    fn not_found(&self, identifier: Identifier<'_>) -> InvokeRefusal {
        InvokeRefusal::NotFound { arn: self.arn(identifier) }
    }

    fn arn(&self, identifier: Identifier<'_>) -> String {
        let mut arn = self.inner.shared.function_arn(identifier.name);
        if let Some(qualifier) = identifier.qualifier {
            arn.push(':');
            arn.push_str(qualifier);
        }
        arn
    }
}

/// How a task calls its function.
struct TaskCall<'t> {
    identifier: Identifier<'t>,
    form: Form,
    /// `InvocationType`: `RequestResponse` unless it is said.
    kind: &'t str,
}

impl<'t> TaskCall<'t> {
    /// Reads a task; `Err` = an outcome that says why it cannot be.
    fn read(task: &'t TaskRequest, request_id: &str) -> Result<Self, engine::TaskOutcome> {
        let text = |field: &str| task.arguments.get(field).and_then(Value::as_str);
        let (given, qualifier, form) = match Integration::of(&task.resource) {
            Integration::Function => (task.resource.as_str(), None, Form::Direct),
            Integration::Service {
                resource_type: "lambda",
                resource: "invoke" | "invoke.waitForTaskToken",
            } => {
                let given = text("FunctionName").ok_or_else(|| {
                    answer::refused("Arguments must have the field 'FunctionName', a string.".to_owned())
                })?;
                (given, text("Qualifier"), Form::Optimised)
            }
            _ => {
                let resource = &task.resource;
                return Err(answer::refused(format!(
                    "The resource '{resource}' cannot run here. This host runs arn:aws:states:::lambda:invoke \
                     and the ARNs of functions."
                )));
            }
        };
        let identifier = Identifier::of(given).qualified(qualifier);
        let identifier = identifier.ok_or_else(|| answer::qualifiers_differ(request_id))?;
        let kind = if form == Form::Direct { None } else { text("InvocationType") };
        Ok(Self { identifier, form, kind: kind.unwrap_or("RequestResponse") })
    }
}

impl TaskHost for RuntimeHost {
    fn invoke(&self, task: TaskRequest, done: Completion) {
        let request_id = random::uuid();
        let call = match TaskCall::read(&task, &request_id) {
            Ok(call) => call,
            Err(outcome) => return done.finish(outcome),
        };
        let (identifier, form, shared) = (call.identifier, call.form, &self.inner.shared);
        let Some(pool) = self.inner.pool(identifier.name) else {
            let (region, account) = (&shared.region, &shared.account_id);
            return done.finish(answer::function_not_found(region, account, identifier, &request_id));
        };
        let trace_id = trace_id(task.trace_header.as_deref());
        let accepted = |status: u16, request_id: &str, trace_id: &str, version: &str| {
            let date = &http_date(jiff::Timestamp::now());
            answer::accepted(status, &CallIdentity { request_id, trace_id, version, date })
        };
        let payload = match form {
            Form::Direct => task.arguments.to_string(),
            Form::Optimised => engine::lambda_invoke_payload(&task.arguments),
        };
        let (qualifier, version) =
            (identifier.qualifier.map(str::to_owned), executed_version(identifier.qualifier).to_owned());
        match call.kind {
            "DryRun" => done.finish(accepted(204, &request_id, &trace_id, &version)),
            "Event" => {
                let event = Event {
                    request_id: request_id.clone(),
                    function: identifier.name.to_owned(),
                    qualifier,
                    client_context: None,
                    trace_id: trace_id.clone(),
                    payload,
                    execution_arn: Some(task.execution_arn.clone()),
                    failures: 0,
                    accepted_millis: jiff::Timestamp::now().as_millisecond(),
                };
                self.begin_task_event(event, done, move |id| accepted(202, id, &trace_id, &version));
            }
            _ => {
                let invocation = Invocation {
                    request_id,
                    qualifier,
                    ..Invocation::new(Some(task.key), trace_id, payload, Reply::Task { done, form })
                };
                pool.hand_on(shared, invocation);
            }
        }
    }

    /// Ends the process that works for nobody. (On AWS the function would run to its end unheard;
    /// here its memory and its cores are ours.)
    fn cancel(&self, task: &TaskKey) {
        for pool in self.inner.pools().values() {
            pool.cancel(task);
        }
    }
}

fn pools(
    functions: Vec<Function>,
    environment: &BTreeMap<String, String>,
    log_dir: &Path,
) -> Result<BTreeMap<String, Arc<Pool>>, RuntimeHostError> {
    let mut pools = BTreeMap::new();
    for function in functions {
        let name = function.name.clone();
        // The name is also a file name below.
        if !is_function_name(&name) {
            return Err(RuntimeHostError::FunctionName { name });
        }
        let path = log_dir.join(format!("{name}.log"));
        let log = logs::FunctionLog::new(&name, path, &[environment, &function.environment]);
        if pools.insert(name.clone(), Arc::new(Pool::new(function, log))).is_some() {
            return Err(RuntimeHostError::FunctionTwice { name });
        }
    }
    Ok(pools)
}

/// Whether AWS takes the name: letters, digits, `-` and `_`, at most 64.
fn is_function_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=asl::limits::FUNCTION_NAME_CHARS_MAX).contains(&name.len()) && name.bytes().all(allowed)
}

/// The header of an invocation: one more segment of the caller's trace, or of a trace of its own
/// that nobody samples.
fn trace_id(of_caller: Option<&str>) -> String {
    let bits = random::hex();
    let (parent, rest) = bits.split_at(16);
    let field = |name: &str| {
        let fields = of_caller?.split(';').filter_map(|field| field.trim().split_once('='));
        fields.into_iter().find(|(field, _)| *field == name).map(|(_, value)| value)
    };
    let is_root = |root: &&str| {
        root.len() <= TRACE_ROOT_BYTES_MAX
            && root.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
    };
    let sampled = field("Sampled").filter(|sampled| *sampled == "1").unwrap_or("0");
    if let Some(root) = field("Root").filter(is_root) {
        return format!("Root={root};Parent={parent};Sampled={sampled}");
    }
    let now = jiff::Timestamp::now().as_second();
    let more = random::hex();
    let (more, _) = more.split_at(8);
    format!("Root=1-{now:08x}-{rest}{more};Parent={parent};Sampled={sampled}")
}

/// The root of a trace: `1-`, 8 digits, `-`, 24 digits. AWS X-Ray developer guide, "Trace ID format".
const TRACE_ROOT_BYTES_MAX: usize = 35;
