//! The engine's process in the lab: a real engine with real step processes,
//! spoken to in lines of JSON.
//!
//! ```text
//! driver ── {"id":7,"operation":"StartExecution","parameters":{…}} ──► stdin
//!        ◄── {"id":7,"asked":{…},"answer":{…}} or "error":"Code" ───── stdout
//!        ◄── {"ready":{…}}  {"ended":"ARN"}  {"token":"…","execution":"ARN"}
//! ```
//! A line that was read from its standard output is an acknowledgement: what
//! it says has to survive whatever happens next. The end of standard input
//! ends the process in order.

use std::io::{BufRead as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clap::Parser;
use engine::{
    Clock, Completion, Crash, CrashPlan, Engine, EngineOptions, Jumped, TaskHost, TaskKey, TaskOutcome,
    TaskRequest,
};
use serde::Deserialize;
use serde_json::{Value, json};
use server::{Api, Function, RuntimeHost, RuntimeOptions};

use super::step::{EFFECTS, REPAIRED};
use super::world::{LineLog, World};

/// How often a clock that is not the machine's tells that it went on.
const TICK: Duration = Duration::from_millis(2);
/// How long `GetActivityTask` waits here.
const ACTIVITY_POLL: Duration = Duration::from_secs(2);
/// Processes of one function: few, so that two cores are not swamped by several worlds.
const PROCESSES: usize = 2;

/// A request of the driver.
#[derive(Deserialize)]
struct Request {
    id: u64,
    operation: String,
    #[serde(default)]
    parameters: Value,
}

/// Standard output, a whole line at a time.
#[derive(Clone, Default)]
struct Out(Arc<Mutex<()>>);

impl Out {
    fn line(&self, value: &Value) {
        let _turn = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut stdout = std::io::stdout().lock();
        // When nobody listens any more the end of input follows.
        let _ = stdout.write_all(format!("{value}\n").as_bytes()).and_then(|()| stdout.flush());
    }
}

/// The clock of a world.
struct WorldClock(World);

impl Clock for WorldClock {
    fn now_millis(&self) -> i64 {
        self.0.now_millis()
    }

    fn on_jump(&self, jumped: Jumped) {
        std::thread::spawn(move || {
            loop {
                std::thread::sleep(TICK);
                jumped();
            }
        });
    }
}

/// Notes every call, keeps the tokens of callbacks, and lets processes do the rest.
struct LabHost {
    processes: RuntimeHost,
    invocations: LineLog,
    tokens: LineLog,
    out: Out,
}

impl TaskHost for LabHost {
    fn invoke(&self, task: TaskRequest, done: Completion) {
        self.invocations.line(&format!("{} {}", task.key.execution_arn, task.key.event_id));
        let Some(token) = task.token.clone() else { return self.processes.invoke(task, done) };
        // In the file first: a token that only a killed driver's pipe holds would be lost.
        self.tokens.line(&format!("{} {token}", task.execution_arn));
        self.out.line(&json!({ "token": token, "execution": task.execution_arn }));
        // Off this thread, as an answer from elsewhere would come.
        std::thread::spawn(move || done.finish(TaskOutcome::Succeeded("{}".to_owned())));
    }

    fn cancel(&self, task: &TaskKey) {
        self.processes.cancel(task);
    }
}

/// The arguments of the process.
#[derive(Parser)]
#[command(name = "crash-worker", about = "The engine's process of the crash lab")]
struct Arguments {
    /// The description of its world.
    world: PathBuf,
    /// Abort at this crash point, counted from the start.
    #[arg(long)]
    crash_at: Option<u64>,
}

/// The process: an engine, or the bootstrap of the step when the Runtime API is in its environment.
pub fn main() -> ExitCode {
    if std::env::var_os("AWS_LAMBDA_RUNTIME_API").is_some() {
        return super::step::serve();
    }
    let arguments = Arguments::parse();
    // Into `worker.log` of the world: why a request failed is told there only.
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_max_level(tracing::Level::WARN).init();
    run(&arguments.world, arguments.crash_at);
    ExitCode::SUCCESS
}

/// Runs the engine of a world until standard input ends. `crash_at`: the crash point to abort at.
///
/// # Panics
/// When the engine does not start: the driver sees it by the missing `ready`.
fn run(description: &Path, crash_at: Option<u64>) {
    let world = World::read(description);
    let out = Out::default();
    let processes = RuntimeHost::start(runtime(&world)).expect("the Runtime API starts");
    let host = LabHost {
        processes: processes.clone(),
        invocations: LineLog::open(&world.invocations()),
        tokens: LineLog::open(&world.tokens()),
        out: out.clone(),
    };
    let mut options = EngineOptions::new(world.data(), Arc::new(host));
    options.clock = Arc::new(WorldClock(world.clone()));
    options.crash = crash_at.map(|at| CrashPlan { at, how: Crash::Abort });
    #[cfg(feature = "planted-faults")]
    {
        options.planted = world.fault.as_deref().and_then(engine::PlantedFault::of_name);
    }
    let engine = Engine::open(options).unwrap_or_else(|e| panic!("the engine does not open: {e}"));
    announce_ends(&engine, &out);
    out.line(&json!({ "ready": { "pid": std::process::id() } }));
    let api = Api::new(engine.clone()).with_activity_poll(ACTIVITY_POLL);
    for line in std::io::stdin().lock().lines() {
        let Ok(request) = line.map_err(drop).and_then(|line| serde_json::from_str(&line).map_err(drop))
        else {
            break;
        };
        let (api, out) = (api.clone(), out.clone());
        std::thread::spawn(move || answer(&api, &out, request));
    }
    out.line(&json!({ "points": engine.crash_points_passed() }));
    engine.shutdown();
    processes.shutdown();
}

fn answer(api: &Api, out: &Out, request: Request) {
    let Request { id, operation, parameters } = request;
    let asked = json!({ "operation": operation, "parameters": parameters });
    out.line(&match api.call(&operation, parameters) {
        Ok(answer) => json!({ "id": id, "asked": asked, "answer": answer }),
        Err(error) => json!({ "id": id, "asked": asked, "error": error.code, "message": error.message }),
    });
}

/// Tells the driver of executions that have ended.
fn announce_ends(engine: &Engine, out: &Out) {
    let (notices, out) = (engine.subscribe(), out.clone());
    std::thread::spawn(move || {
        for notice in notices {
            let ended = matches!(
                notice.event.event_type(),
                "ExecutionSucceeded" | "ExecutionFailed" | "ExecutionAborted" | "ExecutionTimedOut"
            );
            if ended {
                out.line(&json!({ "ended": &*notice.execution_arn }));
            }
        }
    });
}

fn runtime(world: &World) -> RuntimeOptions {
    let path = |path: PathBuf| path.display().to_string();
    let function = |name: &str, handler: &str, bootstrap: &Path| Function {
        name: name.to_owned(),
        bootstrap: bootstrap.to_path_buf(),
        handler: handler.to_owned(),
        memory_mib: 128,
        timeout: Duration::from_mins(1),
        environment: std::collections::BTreeMap::default(),
        concurrency_max: PROCESSES,
        reserved_concurrency: None,
    };
    let worker = world.binaries.join("crash-worker");
    let mut environment = std::collections::BTreeMap::from([
        (EFFECTS.to_owned(), path(world.effects())),
        (REPAIRED.to_owned(), path(world.repaired())),
        ("STEPWRIGHT_BUCKET_STAGING".to_owned(), format!("file://{}", path(world.bucket()))),
    ]);
    if let Some(coreview) = &world.coreview {
        environment.insert("STEPWRIGHT_SECRET_COREVIEW".to_owned(), coreview.clone());
    }
    RuntimeOptions {
        functions: vec![
            function("work", "work", &worker),
            function("stage", "stage", &world.deliver),
            function("deliver", "deliver", &world.deliver),
            function("verify", "verify", &world.deliver),
        ],
        environment,
        log_dir: world.folder.join("logs"),
        region: "us-east-1".to_owned(),
        account_id: "123456789012".to_owned(),
    }
}
