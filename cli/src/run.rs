//! `run`: one execution on the embedded engine, from files to receipt.

use std::{path::Path, time::Duration};

use engine::machine::WaitingTask;
use engine::{EngineError, ExecutionDescription, StartExecution, Status};
use infra::manifest::Workflow;
use serde_json::{Value, json};

use crate::{
    answer::Asking,
    arguments::{Format, Run, Time},
    data::{DataDir, from_engine, from_journal},
    failure::Failure,
    figures::{self, Preview, Reference},
    local_engine::{LocalEngine, Waited, check_coreview},
    plan::{self, Planned},
    problem::{Problem, exit},
    project::Application,
    receipt::{self, Frame, Summary},
    settlement::Settlement,
    terminal::{Ink, Terminal},
    text,
    view::View,
};

/// How long the end of an execution that failed as the engine opened may take to become durable.
const RECOVERY: Duration = Duration::from_millis(200);

/// Runs a workflow, or the executions that its sample or a range of periods stands for, one
/// after the other, and waits for their ends.
pub(crate) fn run(arguments: &Run, terminal: Terminal) -> Result<u8, Problem> {
    check_coreview(arguments.coreview.as_deref())?;
    let application = Application::ready(&arguments.build, terminal, true)?;
    let workflow = application.workflow(&arguments.workflow)?.clone();
    let planned = plan::of(arguments, &workflow, &application)?;
    if let (Some(name), [_, _, ..]) = (&arguments.name, &*planned) {
        return Err(Problem::Usage {
            message: format!("--name {name} would be the name of {} executions", planned.len()),
            hint: "leave --name out".to_owned(),
        });
    }
    check_export(arguments.export.as_deref())?;
    let data = DataDir::create(&arguments.data.dir)?;
    arguments.keep.note(&data)?;
    let coreview = arguments.coreview.clone().unwrap_or_else(|| data.default_coreview());
    data.check_coreview(&coreview)?;
    let left_open = left_open(&data, &planned)?;
    let local = LocalEngine::open(&application, &arguments.functions, data, coreview)?;
    let is_left_out = local.tell_left_out(terminal);
    let session = Session { arguments, terminal, local: &local, left_open };
    let done = session.execute(planned);
    local.close();
    Ok(exit::beside(done?, is_left_out))
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

/// ARNs of the workflows' executions that an earlier run left open.
fn left_open(data: &DataDir, planned: &[Planned]) -> Result<Vec<String>, Problem> {
    let reader = match DataDir::read(data.journal()) {
        Ok(reader) => reader,
        Err(Problem::NoData { .. }) => return Ok(Vec::new()),
        Err(problem) => return Err(problem),
    };
    let open = reader.open_executions().map_err(from_journal)?;
    let is_ours = |arn: &str| {
        let machine = engine::arn::execution_names(arn).map(|(machine, _)| machine);
        planned.iter().any(|planned| machine == Some(planned.workflow.name.as_str()))
    };
    Ok(open.into_iter().map(|open| open.execution_arn).filter(|arn| is_ours(arn)).collect())
}

struct Session<'a> {
    arguments: &'a Run,
    terminal: Terminal,
    local: &'a LocalEngine,
    /// ARNs of the workflows' executions that were open before the engine took them up.
    left_open: Vec<String>,
}

/// An execution that is watched no longer.
struct Watched {
    waited: Waited,
    described: ExecutionDescription,
    view: View,
    log_tail: Vec<String>,
    waiting: Vec<WaitingTask>,
    /// Names of executions that are open beside it.
    still_open: Vec<String>,
}

impl Session<'_> {
    fn execute(&self, planned: Vec<Planned>) -> Result<u8, Problem> {
        let number = planned.len();
        let mut ended = Vec::new();
        for execution in planned {
            let label = execution.label();
            let Planned { workflow, given } = execution;
            let input = given.into_input(&workflow, &self.local.data)?;
            if number > 1 {
                let progress = format!("{} of {number}: {label}", ended.len() + 1);
                self.terminal.remark(&self.terminal.err.ink(Ink::Strong, &progress));
            }
            let watched = self.watch(&workflow, input)?;
            if let Some(code) = self.stops_at(&workflow, &watched) {
                self.say_what_is_done(&ended, number);
                return Ok(code);
            }
            let output = watched.described.output.as_deref().unwrap_or_default();
            let output = serde_json::from_str(output).unwrap_or_default();
            ended.push(Ended { label, workflow, watched, output });
        }
        self.succeeded(&ended)?;
        Ok(0)
    }

    /// Starts an execution and shows it until its end.
    fn watch(&self, workflow: &Workflow, input: String) -> Result<Watched, Problem> {
        let moments = self.local.moments();
        self.local
            .engine
            .put_state_machine(&workflow.name, &workflow.definition, None)
            .map_err(from_engine)?;
        let (arn, resumed) = self.start(workflow, input)?;
        self.announce(&arn, resumed);
        let mut view = View::default();
        let waited = self.local.watch(&arn, self.terminal, &moments, &mut view)?;
        let described = self.local.engine.describe_execution(&arn).map_err(from_engine)?;
        let function = view.culprit().and_then(|visit| visit.function.clone());
        let log_tail = function.map(|function| self.local.host.log_tail(&function, 200)).unwrap_or_default();
        let waiting = self.local.engine.waiting_tasks(&arn);
        Ok(Watched { waited, described, view, log_tail, waiting, still_open: self.others(&arn) })
    }

    /// The exit code of an execution after which nothing more is run; it has been told.
    fn stops_at(&self, workflow: &Workflow, watched: &Watched) -> Option<u8> {
        match watched.waited {
            Waited::Interrupted => {
                self.interrupted(&watched.described);
                Some(exit::INTERRUPTED)
            }
            Waited::ForAnswer => {
                self.asks(&watched.described, &watched.waiting);
                Some(exit::WAITS)
            }
            Waited::Ended => {
                self.tell_of_open(&watched.still_open);
                watched.described.output.is_none().then(|| self.failed(workflow, watched))
            }
        }
    }

    /// Of several executions: those that went well before one that did not.
    fn say_what_is_done(&self, ended: &[Ended], number: usize) {
        if number > 1 && self.terminal.format == Format::Text {
            self.terminal.note(&format!(
                "{} of {number} are done; the same command does what is left, and nothing twice",
                ended.len()
            ));
        }
    }

    fn tell_of_open(&self, still_open: &[String]) {
        if !still_open.is_empty() {
            self.terminal.remark(&format!(
                "{} more open, not at the end yet; the next run goes on with: {}",
                executions(still_open.len()),
                still_open.join(", ")
            ));
        }
    }

    /// Starts the execution, or finds the one an earlier run left open with the same input.
    fn start(&self, workflow: &Workflow, input: String) -> Result<(String, bool), Problem> {
        let same = serde_json::from_str::<Value>(&input).ok();
        let failed = self.failed_in_recovery(same.as_ref())?;
        for (arn, _) in self.local.engine.open_executions() {
            let Ok(open) = self.local.engine.describe_execution(&arn) else { continue };
            let of_this_workflow = engine::arn::state_machine_name(&open.state_machine_arn) == workflow.name;
            let named = self.arguments.name.as_ref().is_none_or(|name| *name == open.name);
            let same_input = serde_json::from_str::<Value>(&open.input).ok() == same;
            if of_this_workflow && named && same_input {
                return Ok((arn, true));
            }
        }
        self.tell_of_failures(&failed);
        let started = self
            .local
            .engine
            .start_execution(StartExecution {
                state_machine: workflow.name.clone(),
                name: Some(self.arguments.name.clone().unwrap_or_else(|| execution_name(&workflow.name))),
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
            let before = self.local.engine.describe_execution(arn).map_err(from_engine)?;
            if serde_json::from_str::<Value>(&before.input).ok().as_ref() != input {
                continue;
            }
            // Its end may be on its way to the journal.
            let now = match self.local.engine.wait_for(arn, Some(RECOVERY)) {
                // It was told of already.
                Err(EngineError::ExecutionLeftOut { .. }) => continue,
                waited => waited.map_err(from_engine)?,
            };
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
        let open = self.local.engine.open_executions();
        open.iter().filter(|(other, _)| other != arn).map(|(other, _)| name_of(other).to_owned()).collect()
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

    fn asks(&self, described: &ExecutionDescription, waiting: &[WaitingTask]) {
        let asking = Asking { described: described.clone(), tasks: waiting.to_vec() };
        if self.terminal.format == Format::Text {
            self.terminal.note(&asking.to_text(Time::default(), now_millis(), self.terminal.err));
            return;
        }
        let mut result = result(described);
        if let Some(members) = result.as_object_mut() {
            members.insert("waiting".to_owned(), Value::Array(asking.to_json()));
        }
        self.terminal.data(&self.document(&result));
    }

    fn succeeded(&self, ended: &[Ended]) -> Result<(), Problem> {
        let references: Vec<Reference> =
            ended.iter().filter_map(|ended| receipt::figures(&ended.output)).collect();
        let exported = self.arguments.export.as_deref().map(|to| self.export(ended, &references, to));
        let exported = exported.transpose()?;
        if self.terminal.format != Format::Text {
            let document = |ended: &Ended| {
                let mut result = result(&ended.watched.described);
                if let Some(object) = result.as_object_mut() {
                    object.insert("exported".to_owned(), json!(exported));
                }
                result
            };
            match ended {
                [one] => self.terminal.data(&self.document(&document(one))),
                _ if self.terminal.format == Format::Json => {
                    self.terminal.data(&self.document(&ended.iter().map(document).collect()));
                }
                _ => ended.iter().for_each(|ended| self.terminal.data(&document(ended).to_string())),
            }
            return Ok(());
        }
        let table = self.table(&references, exported.is_some());
        if let [one] = ended {
            self.tell(one, exported.as_deref());
            if let Some(table) = table {
                self.terminal.data(&format!("\n{table}"));
            }
            return Ok(());
        }
        // Of several the table is long: what became of each stands below it.
        if let Some(table) = table {
            self.terminal.data(&format!("{table}\n"));
        }
        let line = |ended: &Ended| {
            let took = took_millis(&ended.watched);
            receipt::line(&ended.label, took, &ended.output, &self.local.data, self.terminal.out)
        };
        self.terminal.data(&ended.iter().map(line).collect::<Vec<_>>().join("\n"));
        Ok(())
    }

    fn tell(&self, ended: &Ended, exported: Option<&str>) {
        let booked_in = text::without_password(&self.local.coreview);
        let frame = Frame {
            workflow: &ended.workflow.name,
            execution: &ended.watched.described.name,
            took_millis: took_millis(&ended.watched),
            booked_in: Some(&booked_in),
            exported,
        };
        let (data, paint) = (&self.local.data, self.terminal.out);
        let summary = Summary::of(&ended.output).map(|summary| summary.to_text(frame, data, paint));
        let summary = summary
            .or_else(|| Some(Settlement::of(&ended.output)?.to_text(frame, data, paint)))
            .unwrap_or_else(|| receipt::plain(frame, &ended.output, paint));
        self.terminal.data(&summary);
    }

    fn export(&self, ended: &[Ended], references: &[Reference], to: &Path) -> Result<String, Problem> {
        if references.is_empty() {
            let names: Vec<&str> = ended.iter().map(|ended| ended.workflow.name.as_str()).collect();
            return Err(Problem::Export {
                detail: format!("the output of `{}` names no figures", names.join("`, `")),
            });
        }
        figures::export(references, &self.local.data, to)?;
        Ok(to.display().to_string())
    }

    fn table(&self, references: &[Reference], exported: bool) -> Option<String> {
        let width = self.terminal.out_tty.then(crate::terminal::columns).flatten();
        Some(Preview::of(references, &self.local.data)?.to_text(width, exported))
    }

    fn failed(&self, workflow: &Workflow, watched: &Watched) -> u8 {
        let failure = self.failure(workflow, watched);
        if self.terminal.format == Format::Text {
            self.terminal.note(&failure.to_text(self.terminal.err));
        } else {
            let mut result = result(&watched.described);
            if let Some(object) = result.as_object_mut() {
                object.insert("failure".to_owned(), failure.to_json());
            }
            self.terminal.data(&self.document(&result));
        }
        exit::FAILED
    }

    fn failure(&self, workflow: &Workflow, watched: &Watched) -> Failure {
        let mut failure = Failure::of(&watched.view, &watched.described.name, &workflow.name);
        failure.source = failure.state.as_ref().and_then(|state| workflow.source_map.get(state)).cloned();
        if let Some(function) = &failure.function {
            failure.log = Some(self.local.data.logs().join(format!("{function}.log")).display().to_string());
            failure.log_tail = crate::failure::last_words(&watched.log_tail, &failure.cause);
        }
        failure
    }

    fn document(&self, value: &Value) -> String {
        crate::show::document(value, self.terminal)
    }
}

/// An execution of a run that succeeded.
struct Ended {
    label: String,
    workflow: Workflow,
    watched: Watched,
    output: Value,
}

fn took_millis(watched: &Watched) -> i64 {
    let described = &watched.described;
    described.stop_millis.unwrap_or(watched.view.last_millis) - described.start_millis
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
