//! `run`: one execution on the embedded engine, from files to receipt.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, mpsc},
    time::Duration,
};

use engine::object_store::DirectoryStore;
use engine::{Crash, CrashPlan, Engine, EngineOptions, ExecutionDescription, Notice, StartExecution, Status};
use infra::manifest::{Access, Function, ResourceKind, Workflow};
use serde_json::{Value, json};
use server::{RuntimeHost, RuntimeOptions};

use crate::{
    arguments::{Format, Run},
    data::{DataDir, from_engine, from_journal},
    failure::Failure,
    figures::{self, Preview, Reference},
    intake::Given,
    problem::{Problem, exit},
    progress::Progress,
    project::Application,
    receipt::{self, Frame, Summary},
    terminal::{Ink, Terminal},
    text,
    view::View,
};

/// How often progress moves while nothing happens.
const TICK: Duration = Duration::from_millis(100);
/// How long the end of an execution that failed as the engine opened may take to become durable.
const RECOVERY: Duration = Duration::from_millis(200);
/// Invocations of one function that run at a time.
const CONCURRENCY_MAX: usize = 4;

/// Runs a workflow and waits for its end.
pub(crate) fn run(arguments: &Run, terminal: Terminal) -> Result<u8, Problem> {
    check_coreview(arguments.coreview.as_deref())?;
    let application = Application::ready(&arguments.build, terminal, true)?;
    let workflow = application.workflow(&arguments.workflow)?.clone();
    let given = Given::find(arguments, &workflow, &application)?;
    check_export(arguments.export.as_deref())?;
    let data = DataDir::create(&arguments.data.dir)?;
    let coreview = arguments.coreview.clone().unwrap_or_else(|| data.default_coreview());
    data.check_coreview(&coreview)?;
    let host = start_host(&application, &data, &coreview)?;
    let mut options = EngineOptions::new(data.journal(), Arc::new(host.clone()));
    options.objects = Arc::new(DirectoryStore::new(data.objects()));
    options.crash = planned_crash();
    let left_open = left_open(&data, &workflow)?;
    let engine = Engine::open(options).map_err(from_engine)?;
    data.note_coreview(&coreview)?;
    let input = given.into_input(&workflow, &data)?;
    let session = Session { terminal, engine, host, data, workflow, coreview, left_open };
    session.execute(arguments, input)
}

/// A URL that no step could use is better refused before anything is built. One that cannot be
/// shown cannot be compared with that of open executions either.
fn check_coreview(url: Option<&str>) -> Result<(), Problem> {
    let Some(url) = url else { return Ok(()) };
    if text::place(url).is_some() {
        return Ok(());
    }
    let shown = text::without_password(url);
    let message = if url.starts_with("sqlite://") {
        format!("the value of --coreview, {shown}, does not name its file by an absolute path")
    } else {
        format!("the value of --coreview, {shown}, is not the URL of a database")
    };
    let hint = "--coreview takes sqlite:///absolute/path.db or postgres://user:password@host/database; \
                in user and password, @ : / ? # are written %40 %3A %2F %3F %23";
    Err(Problem::Usage { message, hint: hint.to_owned() })
}

fn check_export(file: Option<&Path>) -> Result<(), Problem> {
    let Some(file) = file else { return Ok(()) };
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if file.is_dir() {
        return Err(Problem::Folder { path: file.to_owned() });
    }
    if !folder.is_dir() {
        let missing = std::io::Error::from(std::io::ErrorKind::NotFound);
        return Err(Problem::file("the folder for the export is not there:", folder, missing));
    }
    Ok(())
}

/// Every function of the application: executions of other workflows may be open, too.
fn start_host(application: &Application, data: &DataDir, coreview: &str) -> Result<RuntimeHost, Problem> {
    let mut functions = Vec::new();
    for function in &application.manifest.functions {
        functions.push(server::Function {
            name: function.name.clone(),
            bootstrap: application.executable(function)?.to_owned(),
            handler: function.handler.clone(),
            memory_mib: function.memory_mib,
            timeout: Duration::from_secs(function.timeout_seconds.into()),
            environment: environment(function, data, coreview)?,
            concurrency_max: CONCURRENCY_MAX,
        });
    }
    for bucket in &application.manifest.buckets {
        let folder = data.bucket(bucket);
        crate::data::create_private_dir(&folder)
            .map_err(|source| Problem::NotWritten { path: folder.clone(), source })?;
    }
    Ok(RuntimeHost::start(RuntimeOptions {
        functions,
        environment: BTreeMap::new(),
        log_dir: data.logs(),
        region: engine::arn::DEFAULT_REGION.to_owned(),
        account_id: engine::arn::DEFAULT_ACCOUNT.to_owned(),
    })?)
}

/// A step gets what it was granted, and nothing else.
fn environment(
    function: &Function,
    data: &DataDir,
    coreview: &str,
) -> Result<BTreeMap<String, String>, Problem> {
    let mut environment = function.environment.clone();
    for grant in &function.grants {
        let name = grant.name.to_uppercase().replace('-', "_");
        match (grant.kind, grant.access) {
            (ResourceKind::Bucket, _) => {
                environment.insert(format!("STEPWRIGHT_BUCKET_{name}"), data.bucket_location(&grant.name));
            }
            (ResourceKind::Secret, Access::Use | Access::Read | Access::Write) => {
                let variable = format!("STEPWRIGHT_SECRET_{name}");
                let value = if grant.name == "coreview" {
                    coreview.to_owned()
                } else {
                    std::env::var(&variable).map_err(|_| Problem::SecretMissing {
                        name: grant.name.clone(),
                        variable: variable.clone(),
                    })?
                };
                environment.insert(variable, value);
            }
        }
    }
    Ok(environment)
}

/// ARNs of the workflow's executions that an earlier run left open.
fn left_open(data: &DataDir, workflow: &Workflow) -> Result<Vec<String>, Problem> {
    let reader = match DataDir::read(data.journal()) {
        Ok(reader) => reader,
        Err(Problem::NoData { .. }) => return Ok(Vec::new()),
        Err(problem) => return Err(problem),
    };
    let open = reader.open_executions().map_err(from_journal)?;
    let is_ours =
        |arn: &str| engine::arn::execution_names(arn).is_some_and(|(machine, _)| machine == workflow.name);
    Ok(open.into_iter().map(|open| open.execution_arn).filter(|arn| is_ours(arn)).collect())
}

/// For the tests of this project: abort at a numbered point of the journal, as if killed there.
fn planned_crash() -> Option<CrashPlan> {
    let at = std::env::var("STEPWRIGHT_TEST_CRASH_AT").ok()?.parse().ok()?;
    Some(CrashPlan { at, how: Crash::Abort })
}

struct Session {
    terminal: Terminal,
    engine: Engine,
    host: RuntimeHost,
    data: DataDir,
    workflow: Workflow,
    coreview: String,
    /// ARNs of the workflow's executions that were open before the engine took them up.
    left_open: Vec<String>,
}

/// What the waiting loop hears.
enum Moment {
    Event(Notice),
    Interrupted,
    /// The engine gives no more events.
    Silence,
}

/// How the wait ended.
enum Waited {
    Ended,
    Interrupted,
}

impl Session {
    fn execute(self, arguments: &Run, input: String) -> Result<u8, Problem> {
        let moments = self.moments();
        self.engine
            .put_state_machine(&self.workflow.name, &self.workflow.definition, None)
            .map_err(from_engine)?;
        let (arn, resumed) = self.start(arguments, input)?;
        self.announce(&arn, resumed);
        let mut view = View::default();
        let waited = self.wait(&arn, &moments, &mut view)?;
        let described = self.engine.describe_execution(&arn).map_err(from_engine)?;
        let still_open = self.others(&arn);
        let tails = view.culprit().and_then(|visit| visit.function.clone());
        let log_tail = tails.map(|function| self.host.log_tail(&function, 200)).unwrap_or_default();
        // The engine first: what a killed step answers must not reach the journal any more.
        self.engine.clone().shutdown();
        self.host.shutdown();
        if matches!(waited, Waited::Interrupted) {
            self.interrupted(&described);
            return Ok(exit::INTERRUPTED);
        }
        if !still_open.is_empty() {
            self.terminal.remark(&format!(
                "{} more open, not at the end yet; the next run goes on with: {}",
                executions(still_open.len()),
                still_open.join(", ")
            ));
        }
        match &described.output {
            Some(output) => self.succeeded(arguments, &described, output, &view),
            None => Ok(self.failed(&described, &view, &log_tail)),
        }
    }

    /// Starts the execution, or finds the one an earlier run left open with the same input.
    fn start(&self, arguments: &Run, input: String) -> Result<(String, bool), Problem> {
        let same = serde_json::from_str::<Value>(&input).ok();
        let failed = self.failed_in_recovery(same.as_ref())?;
        for (arn, _) in self.engine.open_executions() {
            let Ok(open) = self.engine.describe_execution(&arn) else { continue };
            let of_this_workflow =
                engine::arn::state_machine_name(&open.state_machine_arn) == self.workflow.name;
            let named = arguments.name.as_ref().is_none_or(|name| *name == open.name);
            let same_input = serde_json::from_str::<Value>(&open.input).ok() == same;
            if of_this_workflow && named && same_input {
                return Ok((arn, true));
            }
        }
        self.tell_of_failures(&failed);
        let started = self
            .engine
            .start_execution(StartExecution {
                state_machine: self.workflow.name.clone(),
                name: Some(arguments.name.clone().unwrap_or_else(|| execution_name(&self.workflow.name))),
                input,
                trace_header: None,
            })
            .map_err(from_engine)?;
        Ok((started.execution_arn, false))
    }

    /// Executions with this input that an earlier run left open and that failed as soon as the
    /// engine took them up: nothing resumes them, and nobody has seen their errors.
    fn failed_in_recovery(&self, input: Option<&Value>) -> Result<Vec<ExecutionDescription>, Problem> {
        let mut failed = Vec::new();
        for arn in &self.left_open {
            let before = self.engine.describe_execution(arn).map_err(from_engine)?;
            if serde_json::from_str::<Value>(&before.input).ok().as_ref() != input {
                continue;
            }
            // Its end may be on its way to the journal.
            let now = self.engine.wait_for(arn, Some(RECOVERY)).map_err(from_engine)?;
            if !matches!(now.status, Status::Running | Status::Succeeded) {
                failed.push(now);
            }
        }
        Ok(failed)
    }

    /// Said before a new execution is started in their place, also by `--quiet`.
    fn tell_of_failures(&self, failed: &[ExecutionDescription]) {
        for earlier in failed {
            let name = text::safe(&earlier.name);
            self.terminal.note(&format!(
                "an earlier run left {name} open with the same input; taken up again, it ended {} ({}): \
                 `stepwright show {name}`. A new execution is started",
                earlier.status,
                text::safe(earlier.error.as_deref().unwrap_or("it names no error")),
            ));
        }
    }

    fn announce(&self, arn: &str, resumed: bool) {
        if self.terminal.format != Format::Text {
            return;
        }
        let name = name_of(arn);
        if resumed {
            self.terminal.remark(&format!("resuming {name}: an earlier run left it open"));
        } else {
            self.terminal.remark(&self.terminal.err.ink(Ink::Faint, &format!("execution {name}")));
        }
        let others = self.others(arn);
        if !others.is_empty() {
            let text = format!("also going on with {}: {}", executions(others.len()), others.join(", "));
            self.terminal.remark(&text);
        }
    }

    fn others(&self, arn: &str) -> Vec<String> {
        let open = self.engine.open_executions();
        open.iter().filter(|(other, _)| other != arn).map(|(other, _)| name_of(other).to_owned()).collect()
    }

    /// Events and Ctrl-C in one channel.
    fn moments(&self) -> mpsc::Receiver<Moment> {
        let (sender, receiver) = mpsc::channel();
        let notices = self.engine.subscribe();
        let events = sender.clone();
        std::thread::spawn(move || {
            for notice in notices {
                if events.send(Moment::Event(notice)).is_err() {
                    return;
                }
            }
            let _ = events.send(Moment::Silence);
        });
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            if let Ok(runtime) = runtime {
                while runtime.block_on(tokio::signal::ctrl_c()).is_ok()
                    && sender.send(Moment::Interrupted).is_ok()
                {}
            }
        });
        receiver
    }

    /// Shows the execution until its end.
    fn wait(&self, arn: &str, moments: &mpsc::Receiver<Moment>, view: &mut View) -> Result<Waited, Problem> {
        let definition = self.engine.definition_of(arn).map_err(from_engine)?;
        let definition = serde_json::from_str(&definition).unwrap_or_default();
        let mut progress = Progress::new(self.terminal, definition);
        // What happened before we listened; what is in both is taken once.
        self.catch_up(arn, view, &mut progress)?;
        while view.end.is_none() {
            match moments.recv_timeout(TICK) {
                Ok(Moment::Event(notice)) if &*notice.execution_arn == arn => {
                    self.take(arn, &notice.event, view, &mut progress);
                }
                Ok(Moment::Event(_)) => {}
                Ok(Moment::Interrupted) => {
                    progress.clear();
                    return Ok(Waited::Interrupted);
                }
                Err(mpsc::RecvTimeoutError::Timeout) => progress.tick(view, now_millis()),
                Ok(Moment::Silence) | Err(mpsc::RecvTimeoutError::Disconnected) => {
                    // Cut off for being slow, or the engine has stopped: ask, then wait without events.
                    if let Some(reason) = self.engine.stopped() {
                        return Err(Problem::Journal { detail: reason });
                    }
                    self.engine.wait_for(arn, Some(Duration::from_millis(500))).map_err(from_engine)?;
                    self.catch_up(arn, view, &mut progress)?;
                }
            }
        }
        progress.clear();
        Ok(Waited::Ended)
    }

    fn catch_up(&self, arn: &str, view: &mut View, progress: &mut Progress) -> Result<(), Problem> {
        for event in self.engine.execution_history(arn, false, 0, None).map_err(from_engine)? {
            self.take(arn, &event, view, progress);
        }
        Ok(())
    }

    fn take(&self, arn: &str, event: &engine::HistoryEvent, view: &mut View, progress: &mut Progress) {
        if event.id <= view.last_event_id {
            return;
        }
        let Ok(event) = serde_json::to_value(event) else { return };
        if let Some(change) = view.apply(&event) {
            progress.changed(view, &change, now_millis());
        }
        if self.terminal.format == Format::Jsonl {
            let mut line = json!({ "executionArn": arn });
            if let (Value::Object(line), Value::Object(event)) = (&mut line, event) {
                line.extend(event);
            }
            self.terminal.data(&line.to_string());
        }
    }

    fn interrupted(&self, described: &ExecutionDescription) {
        if self.terminal.format == Format::Text {
            self.terminal.note(&format!(
                "interrupted: {} stays open. The same command resumes it; `stepwright show {}` shows how far it is",
                text::safe(&described.name),
                text::safe(&described.name),
            ));
        } else {
            self.terminal.data(&self.document(&result(described)));
        }
    }

    fn succeeded(
        &self,
        arguments: &Run,
        described: &ExecutionDescription,
        output: &str,
        view: &View,
    ) -> Result<u8, Problem> {
        let output: Value = serde_json::from_str(output).unwrap_or_default();
        let summary = Summary::of(&output);
        let reference = receipt::figures(&output);
        let exported =
            arguments.export.as_deref().map(|to| self.export(reference.as_ref(), to)).transpose()?;
        match self.terminal.format {
            Format::Text => {
                let booked_in = text::without_password(&self.coreview);
                let frame = Frame {
                    workflow: &self.workflow.name,
                    execution: &described.name,
                    took_millis: described.stop_millis.unwrap_or(view.last_millis) - described.start_millis,
                    booked_in: Some(&booked_in),
                    exported: exported.as_deref(),
                };
                self.terminal.data(&match &summary {
                    Some(summary) => summary.to_text(frame, &self.data, self.terminal.out),
                    None => receipt::plain(frame, &output, self.terminal.out),
                });
                if let Some(table) = self.table(reference.as_ref(), exported.is_some()) {
                    self.terminal.data(&format!("\n{table}"));
                }
            }
            Format::Json | Format::Jsonl => {
                let mut result = result(described);
                if let Some(object) = result.as_object_mut() {
                    object.insert("exported".to_owned(), json!(exported));
                }
                self.terminal.data(&self.document(&result));
            }
        }
        Ok(0)
    }

    fn export(&self, reference: Option<&Reference>, to: &Path) -> Result<String, Problem> {
        let reference = reference.ok_or_else(|| Problem::Export {
            detail: format!("the output of `{}` names no figures", self.workflow.name),
        })?;
        figures::export(reference, &self.data, to)?;
        Ok(to.display().to_string())
    }

    fn table(&self, reference: Option<&Reference>, exported: bool) -> Option<String> {
        let reference = reference?;
        let file = std::fs::File::open(reference.path(&self.data)).ok()?;
        let width = self.terminal.out_tty.then(crate::terminal::columns).flatten();
        Some(Preview::read(file, reference.rows)?.to_text(width, exported))
    }

    fn failed(&self, described: &ExecutionDescription, view: &View, log_tail: &[String]) -> u8 {
        let failure = self.failure(described, view, log_tail);
        if self.terminal.format == Format::Text {
            self.terminal.note(&failure.to_text(self.terminal.err));
        } else {
            let mut result = result(described);
            if let Some(object) = result.as_object_mut() {
                object.insert("failure".to_owned(), failure.to_json());
            }
            self.terminal.data(&self.document(&result));
        }
        exit::FAILED
    }

    fn failure(&self, described: &ExecutionDescription, view: &View, log_tail: &[String]) -> Failure {
        let mut failure = Failure::of(view, &described.name, &self.workflow.name);
        failure.source =
            failure.state.as_ref().and_then(|state| self.workflow.source_map.get(state)).cloned();
        if let Some(function) = &failure.function {
            failure.log = Some(self.data.logs().join(format!("{function}.log")).display().to_string());
            failure.log_tail = crate::failure::last_words(log_tail, &failure.cause);
        }
        failure
    }

    fn document(&self, value: &Value) -> String {
        crate::show::document(value, self.terminal)
    }
}

/// AWS's fields of the execution; `output` as a document, not as text.
fn result(described: &ExecutionDescription) -> Value {
    let mut result = crate::show::description(described);
    if let Some(object) = result.as_object_mut() {
        object.shift_remove("input");
    }
    result
}

/// `coreview-delivery-20261121-101500-4c1f`: sorts by time and can be said aloud.
fn execution_name(workflow: &str) -> String {
    let now = jiff::Timestamp::now();
    // Microseconds and process: two runs of one second differ.
    let digits = (now.subsec_nanosecond() / 1000).unsigned_abs() ^ std::process::id();
    let digits = digits % 0x1_0000;
    let time = now.strftime("%Y%m%d-%H%M%S");
    // AWS: at most 80 characters.
    let workflow: String = workflow.chars().take(80 - 21).collect();
    format!("{workflow}-{time}-{digits:04x}")
}

fn executions(number: usize) -> String {
    if number == 1 { "1 execution".to_owned() } else { format!("{number} executions") }
}

fn name_of(arn: &str) -> &str {
    engine::arn::execution_names(arn).map_or(arn, |(_, name)| name)
}

/// Now, in milliseconds since the epoch.
pub(crate) fn now_millis() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}
