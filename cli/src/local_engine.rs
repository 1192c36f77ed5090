//! The engine in this process: on a data folder, with the functions of the project.
//!
//! What runs executions from a terminal (`run`, `redrive`) opens it, watches executions, and
//! closes it. It takes up every execution that is open in the folder, whoever started it.

use std::{
    collections::BTreeMap,
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use engine::object_store::DirectoryStore;
use engine::{Engine, EngineOptions, LogSink, Notice, Observer};
use infra::manifest::{Access, Function, ResourceKind, Workflow};
use serde_json::{Value, json};
use server::{AwsSettings, Integrations, LogGroups, OwnEndpoint, RuntimeHost, RuntimeOptions};
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    arguments::{Format, FunctionFolders},
    data::{DataDir, from_engine},
    problem::Problem,
    progress::Progress,
    project::Application,
    run::now_millis,
    terminal::Terminal,
    text,
    view::{Counted, Items, View},
};

/// How often progress moves while nothing happens.
const TICK: Duration = Duration::from_millis(100);
/// How often the items of Map Runs are counted while nothing happens.
const COUNT: Duration = Duration::from_secs(1);
/// Invocations of one function that run at a time.
const CONCURRENCY_MAX: usize = 4;

/// An engine on a data folder, with the functions of an application. Clones share it.
#[derive(Clone)]
pub(crate) struct LocalEngine {
    pub(crate) engine: Engine,
    pub(crate) host: RuntimeHost,
    integrations: Integrations,
    logs: Arc<LogGroups>,
    pub(crate) data: DataDir,
    pub(crate) coreview: String,
    /// Where functions are that are not the project's.
    folders: FunctionFolders,
    /// The names of those it was opened with.
    functions: Arc<[String]>,
}

/// What the waiting loop hears.
pub(crate) enum Moment {
    Event(Notice),
    Interrupted,
    /// The engine gives no more events.
    Silence,
}

/// How the wait ended.
pub(crate) enum Waited {
    Ended,
    /// Nothing goes on before somebody answers a task.
    ForAnswer,
    Interrupted,
}

impl LocalEngine {
    /// Opens it. Every open execution of the folder goes on.
    pub(crate) fn open(
        application: &Application,
        folders: &FunctionFolders,
        data: DataDir,
        coreview: String,
    ) -> Result<Self, Problem> {
        Self::open_observed(Some(application), folders, data, coreview, None, None)
    }

    /// The same, seen by an observer; without an application there are the functions of folders only.
    /// `own`: the endpoint that will serve what is served beside the engine.
    pub(crate) fn open_observed(
        application: Option<&Application>,
        folders: &FunctionFolders,
        data: DataDir,
        coreview: String,
        observer: Option<Arc<dyn Observer>>,
        own: Option<OwnEndpoint>,
    ) -> Result<Self, Problem> {
        data.check_coreview(&coreview)?;
        let functions = functions(application, folders, &data, &coreview)?;
        let names: Vec<String> = functions.iter().map(|function| function.name.clone()).collect();
        let host = start_host(functions, &data)?;
        let settings = AwsSettings::from_environment(engine::arn::DEFAULT_REGION);
        let settings = match own {
            Some(own) => settings.with_own_endpoint(own),
            // What is declared starts nothing here: a run is what its command says.
            None => settings.with_silent_bus(),
        };
        let integrations =
            Integrations::new(Arc::new(host.clone()), names.iter().cloned().collect(), settings);
        let mut options = EngineOptions::new(data.journal(), Arc::new(integrations.clone()));
        options.objects = Arc::new(DirectoryStore::new(data.objects()));
        options.crash = planned_crash();
        options.retention = data.retention()?.span();
        options.observer = observer;
        let logs = data.log_groups();
        let log_groups = LogGroups::in_folder(&logs);
        let logs = Arc::new(log_groups.map_err(|source| Problem::NotWritten { path: logs, source })?);
        options.logs = Some(Arc::clone(&logs) as Arc<dyn LogSink>);
        let engine = Engine::open(options).map_err(from_engine)?;
        integrations.attach(&engine);
        // Only now is the folder ours alone.
        host.keep_events(&data.events())?;
        host.forget_zips(&data.functions());
        put_children(application.map_or(&[], |of| &of.manifest.workflows), &engine)?;
        data.note_coreview(&coreview)?;
        Ok(Self {
            engine,
            host,
            integrations,
            logs,
            data,
            coreview,
            folders: folders.clone(),
            functions: names.into(),
        })
    }

    /// The names of the functions it was opened with.
    pub(crate) fn functions(&self) -> &[String] {
        &self.functions
    }

    /// Takes another build of the application: new invocations run its functions. Executions keep
    /// the definitions they were started with, as those that are deployed do.
    pub(crate) fn renew(&self, application: &Application) -> Result<(), Problem> {
        let functions = functions(Some(application), &self.folders, &self.data, &self.coreview)?;
        let names = functions.iter().map(|function| function.name.clone()).collect();
        self.host.renew(functions)?;
        self.integrations.set_local_functions(names);
        Ok(())
    }

    /// Says what was left out for its damage, if anything was: everything else goes on.
    pub(crate) fn tell_left_out(&self, terminal: Terminal) -> bool {
        tell_left_out(&self.engine, terminal)
    }

    /// Ends it. The engine first: what a killed step answers must not reach the journal any more.
    pub(crate) fn close(&self) {
        self.engine.clone().shutdown();
        self.integrations.close();
        self.host.shutdown();
        self.logs.close();
    }

    /// Events, Ctrl-C and a request to terminate in one channel.
    pub(crate) fn moments(&self) -> mpsc::Receiver<Moment> {
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
        for kind in [SignalKind::interrupt(), SignalKind::terminate()] {
            let sender = sender.clone();
            std::thread::spawn(move || {
                let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
                    return;
                };
                let _guard = runtime.enter();
                let Ok(mut signals) = signal(kind) else { return };
                while runtime.block_on(signals.recv()).is_some() && sender.send(Moment::Interrupted).is_ok() {
                }
            });
        }
        receiver
    }

    /// Shows the execution until its end.
    pub(crate) fn watch(
        &self,
        arn: &str,
        terminal: Terminal,
        moments: &mpsc::Receiver<Moment>,
        view: &mut View,
    ) -> Result<Waited, Problem> {
        let definition = self.engine.definition_of(arn).map_err(from_engine)?;
        let definition = serde_json::from_str(&definition).unwrap_or_default();
        let mut progress = Progress::new(terminal, definition);
        // What happened before we listened; what is in both is taken once.
        self.catch_up(arn, terminal, view, &mut progress)?;
        let mut counted = Instant::now();
        while view.end.is_none() {
            match moments.recv_timeout(TICK) {
                Ok(Moment::Event(notice)) if &*notice.execution_arn == arn => {
                    self.take(arn, &notice.event, terminal, view, &mut progress);
                }
                Ok(Moment::Event(_)) => {}
                Ok(Moment::Interrupted) => {
                    progress.clear();
                    return Ok(Waited::Interrupted);
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    if self.engine.waits_only_for_answers(arn) {
                        progress.clear();
                        return Ok(Waited::ForAnswer);
                    }
                    if terminal.format == Format::Text && counted.elapsed() >= COUNT {
                        self.count_items(Counted::All, view);
                        counted = Instant::now();
                    }
                    progress.tick(view, now_millis());
                }
                Ok(Moment::Silence) | Err(mpsc::RecvTimeoutError::Disconnected) => {
                    // Cut off for being slow, or the engine has stopped: ask, then wait without events.
                    if let Some(reason) = self.engine.stopped() {
                        return Err(Problem::Journal { detail: reason });
                    }
                    self.engine.wait_for(arn, Some(Duration::from_millis(500))).map_err(from_engine)?;
                    self.catch_up(arn, terminal, view, &mut progress)?;
                }
            }
        }
        progress.clear();
        Ok(Waited::Ended)
    }

    fn catch_up(
        &self,
        arn: &str,
        terminal: Terminal,
        view: &mut View,
        progress: &mut Progress,
    ) -> Result<(), Problem> {
        for event in self.engine.execution_history(arn, false, 0, None).map_err(from_engine)? {
            self.take(arn, &event, terminal, view, progress);
        }
        Ok(())
    }

    /// Takes an event into the view, and shows what it changed.
    fn take(
        &self,
        arn: &str,
        event: &engine::HistoryEvent,
        terminal: Terminal,
        view: &mut View,
        progress: &mut Progress,
    ) {
        if event.id <= view.last_event_id {
            return;
        }
        let Ok(event) = serde_json::to_value(event) else { return };
        if let Some(change) = view.apply(&event) {
            self.count_items(Counted::Ended, view);
            progress.changed(view, &change, now_millis());
        }
        if terminal.format == Format::Jsonl {
            let mut line = json!({ "executionArn": arn });
            if let (Value::Object(line), Value::Object(event)) = (&mut line, event) {
                line.extend(event);
            }
            terminal.data(&line.to_string());
        }
    }

    fn count_items(&self, of: Counted, view: &mut View) {
        view.count_items(of, |arn| self.engine.describe_map_run(arn).ok().as_ref().map(Items::of));
    }
}

/// Registers every workflow, if one of them starts others: as child executions they have to be there.
fn put_children(workflows: &[Workflow], engine: &Engine) -> Result<(), Problem> {
    let starts = |definition: &str| {
        [":::states:startExecution", ":::aws-sdk:sfn:start"]
            .iter()
            .any(|resource| definition.contains(resource))
    };
    if workflows.iter().any(|workflow| starts(&workflow.definition)) {
        for workflow in workflows {
            engine.put_state_machine(&workflow.name, &workflow.definition, None).map_err(from_engine)?;
        }
    }
    Ok(())
}

/// Says what an engine left out, also to those who want to hear little; `true` = something was.
pub(crate) fn tell_left_out(engine: &Engine, terminal: Terminal) -> bool {
    let left_out = engine.left_out();
    for engine::LeftOut { arn, problem } in &left_out {
        terminal.note(&format!(
            "{} was left out and does not go on: {}. `stepwright doctor` says more",
            text::safe(arn),
            text::safe(problem)
        ));
    }
    !left_out.is_empty()
}

/// A URL that no step could use is better refused before anything is built. One that cannot be
/// shown cannot be compared with that of open executions either.
pub(crate) fn check_coreview(url: Option<&str>) -> Result<(), Problem> {
    let Some(url) = url else { return Ok(()) };
    if text::place(url).is_some() {
        return Ok(());
    }
    let shown = text::without_password(url);
    let message = if ["postgres:///", "postgresql:///"].iter().any(|start| url.starts_with(start))
        || matches!(url, "postgres://" | "postgresql://")
    {
        format!("the value of --coreview, {shown}, names no host")
    } else if url.starts_with("sqlite://") {
        format!("the value of --coreview, {shown}, does not name its file by an absolute path")
    } else {
        format!("the value of --coreview, {shown}, is not the URL of a database")
    };
    let hint = "--coreview takes sqlite:///absolute/path.db or postgres://user:password@host/database; \
                in user and password, @ : / ? # are written %40 %3A %2F %3F %23";
    Err(Problem::Usage { message, hint: hint.to_owned() })
}

/// Every function of the application: executions of other workflows may be open, too.
fn start_host(functions: Vec<server::Function>, data: &DataDir) -> Result<RuntimeHost, Problem> {
    Ok(RuntimeHost::start(RuntimeOptions {
        functions,
        environment: BTreeMap::new(),
        log_dir: data.logs(),
        region: engine::arn::DEFAULT_REGION.to_owned(),
        account_id: engine::arn::DEFAULT_ACCOUNT.to_owned(),
    })?)
}

/// The functions of an application and of folders; the buckets the application asks for are made.
fn functions(
    application: Option<&Application>,
    folders: &FunctionFolders,
    data: &DataDir,
    coreview: &str,
) -> Result<Vec<server::Function>, Problem> {
    let mut functions = Vec::new();
    let of_application = || application.into_iter();
    for (application, function) in
        of_application().flat_map(|of| of.manifest.functions.iter().map(move |function| (of, function)))
    {
        functions.push(server::Function {
            name: function.name.clone(),
            bootstrap: application.executable(function)?.to_owned(),
            handler: function.handler.clone(),
            memory_mib: function.memory_mib,
            timeout: Duration::from_secs(function.timeout_seconds.into()),
            environment: environment(function, data, coreview),
            concurrency_max: CONCURRENCY_MAX,
            reserved_concurrency: None,
        });
    }
    for bucket in of_application().flat_map(|of| &of.manifest.buckets) {
        let folder = data.bucket(bucket);
        bucket::make_durable_dir(&folder)
            .map_err(|source| Problem::NotWritten { path: folder.clone(), source })?;
    }
    for folder in &folders.folders {
        functions.extend(server::functions_in(folder, &data.functions(), CONCURRENCY_MAX)?);
    }
    Ok(functions)
}

/// A step gets what it was granted, and nothing else.
fn environment(function: &Function, data: &DataDir, coreview: &str) -> BTreeMap<String, String> {
    let mut environment = function.environment.clone();
    for grant in &function.grants {
        let name = grant.name.to_uppercase().replace('-', "_");
        match (grant.kind, grant.access) {
            (ResourceKind::Bucket, access) => {
                let variable = format!("STEPWRIGHT_BUCKET_{name}");
                // By which files are exchanged with somebody else may be a share of theirs.
                let is_shared = matches!(access, Access::Look | Access::Exchange);
                let elsewhere = is_shared.then(|| std::env::var(&variable).ok()).flatten();
                let location = elsewhere.unwrap_or_else(|| data.bucket_location(&grant.name));
                environment.insert(variable, location);
            }
            (ResourceKind::Secret, _) => {
                let variable = format!("STEPWRIGHT_SECRET_{name}");
                let value = match (&*grant.name, std::env::var(&variable).ok()) {
                    // Who uses a database here owns it, too, unless something else is said.
                    ("coreview", _) | ("coreview-owner", None) => Some(coreview.to_owned()),
                    (_, configured) => configured,
                };
                // As on AWS, a secret without a value is the failure of the step that wants it, which
                // names the variable: channels that nobody has configured stop no other delivery.
                environment.extend(value.map(|value| (variable, value)));
            }
        }
    }
    environment
}

/// For the tests of this project, in builds for tests only: abort at a numbered point of the
/// journal, as if killed there.
#[cfg(debug_assertions)]
fn planned_crash() -> Option<engine::CrashPlan> {
    let at = std::env::var("STEPWRIGHT_TEST_CRASH_AT").ok()?.parse().ok()?;
    Some(engine::CrashPlan { at, how: engine::Crash::Abort })
}

#[cfg(not(debug_assertions))]
const fn planned_crash() -> Option<engine::CrashPlan> {
    None
}

#[cfg(test)]
mod tests {
    use infra::manifest::{Function, Grant};

    use super::{DataDir, environment};

    #[test]
    fn a_secret_nobody_has_configured_is_left_to_the_step_that_wants_it() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::create(dir.path()).unwrap();
        let grant = |kind: &str, name: &str, access: &str| -> Grant {
            serde_json::from_value(serde_json::json!({ "kind": kind, "name": name, "access": access }))
                .unwrap()
        };
        let function = Function {
            grants: vec![
                grant("secret", "coreview", "use"),
                grant("secret", "nobody-has-configured-it", "use"),
                grant("bucket", "staging", "read"),
            ],
            ..serde_json::from_value(serde_json::json!({
                "name": "app-deliver", "step": "deliver", "package": "p", "binary": "b", "handler": "deliver",
                "memoryMib": 128, "timeoutSeconds": 3, "environment": { "A": "1" }, "grants": [],
                "inputSchema": {}, "outputSchema": {}, "errors": []
            }))
            .unwrap()
        };
        let names: Vec<String> = environment(&function, &data, "sqlite:///x.db").into_keys().collect();
        assert_eq!(names, ["A", "STEPWRIGHT_BUCKET_STAGING", "STEPWRIGHT_SECRET_COREVIEW"]);
    }
}
