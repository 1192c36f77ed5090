//! `run`: one execution on the embedded engine, from files to receipt.

use std::{path::Path, time::Duration};

use engine::{EngineError, ExecutionDescription, StartExecution, Status};
use infra::manifest::Workflow;
use serde_json::{Value, json};

use crate::{
    arguments::{Format, Run},
    data::{DataDir, from_engine, from_journal},
    failure::Failure,
    figures::{self, Preview, Reference},
    intake::Given,
    local_engine::{LocalEngine, Waited, check_coreview},
    problem::{Problem, exit},
    project::Application,
    receipt::{self, Frame, Summary},
    terminal::{Ink, Terminal},
    text,
    view::View,
};

/// How long the end of an execution that failed as the engine opened may take to become durable.
const RECOVERY: Duration = Duration::from_millis(200);

/// Runs a workflow and waits for its end.
pub(crate) fn run(arguments: &Run, terminal: Terminal) -> Result<u8, Problem> {
    check_coreview(arguments.coreview.as_deref())?;
    let application = Application::ready(&arguments.build, terminal, true)?;
    let workflow = application.workflow(&arguments.workflow)?.clone();
    let given = Given::find(arguments, &workflow, &application)?;
    check_export(arguments.export.as_deref())?;
    let data = DataDir::create(&arguments.data.dir)?;
    arguments.keep.note(&data)?;
    let coreview = arguments.coreview.clone().unwrap_or_else(|| data.default_coreview());
    data.check_coreview(&coreview)?;
    let left_open = left_open(&data, &workflow)?;
    let local = LocalEngine::open(&application, &arguments.functions, data, coreview)?;
    let input = given.into_input(&workflow, &local.data)?;
    let is_left_out = local.tell_left_out(terminal);
    let session = Session { terminal, local, workflow, left_open };
    Ok(exit::beside(session.execute(arguments, input)?, is_left_out))
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

struct Session {
    terminal: Terminal,
    local: LocalEngine,
    workflow: Workflow,
    /// ARNs of the workflow's executions that were open before the engine took them up.
    left_open: Vec<String>,
}

impl Session {
    fn execute(self, arguments: &Run, input: String) -> Result<u8, Problem> {
        let moments = self.local.moments();
        self.local
            .engine
            .put_state_machine(&self.workflow.name, &self.workflow.definition, None)
            .map_err(from_engine)?;
        let (arn, resumed) = self.start(arguments, input)?;
        self.announce(&arn, resumed);
        let mut view = View::default();
        let waited = self.local.watch(&arn, self.terminal, &moments, &mut view)?;
        let described = self.local.engine.describe_execution(&arn).map_err(from_engine)?;
        let still_open = self.others(&arn);
        let tails = view.culprit().and_then(|visit| visit.function.clone());
        let log_tail = tails.map(|function| self.local.host.log_tail(&function, 200)).unwrap_or_default();
        self.local.close();
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
        for (arn, _) in self.local.engine.open_executions() {
            let Ok(open) = self.local.engine.describe_execution(&arn) else { continue };
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
            .local
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
                let booked_in = text::without_password(&self.local.coreview);
                let frame = Frame {
                    workflow: &self.workflow.name,
                    execution: &described.name,
                    took_millis: described.stop_millis.unwrap_or(view.last_millis) - described.start_millis,
                    booked_in: Some(&booked_in),
                    exported: exported.as_deref(),
                };
                self.terminal.data(&match &summary {
                    Some(summary) => summary.to_text(frame, &self.local.data, self.terminal.out),
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
        figures::export(reference, &self.local.data, to)?;
        Ok(to.display().to_string())
    }

    fn table(&self, reference: Option<&Reference>, exported: bool) -> Option<String> {
        let reference = reference?;
        let file = std::fs::File::open(reference.path(&self.local.data)).ok()?;
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
            failure.log = Some(self.local.data.logs().join(format!("{function}.log")).display().to_string());
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
