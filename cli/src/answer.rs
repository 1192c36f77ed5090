//! `waiting` and `answer`: tasks that wait for somebody who has their token, and the answer.

use std::{io::Read as _, sync::mpsc, time::Duration};

use engine::machine::WaitingTask;
use engine::{ExecutionDescription, Reader, Status};
use serde_json::{Value, json};

use crate::{
    arguments::{Answer, Format, Time, Waiting},
    data::{DataDir, from_engine},
    local_engine::{LocalEngine, Moment, Waited},
    problem::{Problem, exit},
    project::Application,
    redrive::ended,
    remote::Remote,
    resume, run, show,
    terminal::{Ink, Paint, Terminal},
    text::{self, safe},
    view::View,
};

/// Widest question in a list, in characters.
const QUESTION_WIDTH: usize = 72;
/// How often it is asked whether a step still runs.
const POLL: Duration = Duration::from_millis(50);

/// An execution with the tasks of it that wait.
pub(crate) struct Asking {
    pub(crate) described: ExecutionDescription,
    pub(crate) tasks: Vec<WaitingTask>,
}

impl Asking {
    /// Reads it from the journal.
    pub(crate) fn read(reader: &Reader, described: ExecutionDescription) -> Result<Self, Problem> {
        let execution = reader.execution(&described.execution_arn).map_err(from_engine)?;
        let tasks = execution.map(|execution| execution.waiting_tasks()).unwrap_or_default();
        Ok(Self { described, tasks })
    }

    /// What is asked, one line for each task, and how it is answered.
    pub(crate) fn to_text(&self, time: Time, now_millis: i64, paint: Paint) -> String {
        let name = safe(&self.described.name);
        let mut lines = vec![format!("{name} {}", paint.ink(Ink::Warn, "waits for an answer"))];
        for task in &self.tasks {
            let since = text::moment(task.since_millis, time, now_millis);
            let until = task.until_millis.map(|at| format!(", until {}", text::moment(at, time, now_millis)));
            lines.push(format!("  {}  since {since}{}", safe(&task.place()), until.unwrap_or_default()));
            lines.extend(question(task).lines().map(|line| format!("    {}", safe(line))));
        }
        lines.push(format!("answer it with: stepwright answer {name} --result JSON"));
        lines.join("\n")
    }

    /// The tasks, for programs; with the token, which AWS's own commands take as well.
    pub(crate) fn to_json(&self) -> Vec<Value> {
        let task = |task: &WaitingTask| {
            json!({
                "executionArn": self.described.execution_arn,
                "name": self.described.name,
                "state": task.place(),
                "since": text::iso(task.since_millis),
                "until": task.until_millis.map(text::iso),
                "taskToken": &*task.token,
                "parameters": serde_json::from_str::<Value>(&task.arguments).unwrap_or_default(),
            })
        };
        self.tasks.iter().map(task).collect()
    }

    /// The task that is meant: the only one, or the one that the state's name says.
    fn task(&self, state: Option<&str>) -> Result<&WaitingTask, Problem> {
        let name = &self.described.name;
        let refused = |message: String, hint: &str| Problem::NotAnswered { message, hint: hint.to_owned() };
        if self.tasks.is_empty() {
            let status = self.described.status;
            return Err(refused(
                format!("no task of `{name}` waits for an answer; the execution is {status}"),
                "`stepwright waiting` lists those that wait; a task that timed out or was answered is over",
            ));
        }
        let is_meant = |task: &&WaitingTask| {
            let place = task.place();
            state
                .is_none_or(|state| place == state || task.path.last().is_some_and(|(last, _)| last == state))
        };
        let meant: Vec<&WaitingTask> = self.tasks.iter().filter(is_meant).collect();
        let places: Vec<String> = self.tasks.iter().map(WaitingTask::place).collect();
        match *meant {
            [task] => Ok(task),
            [] => Err(refused(
                format!("`{}` is no task of `{name}` that waits", state.unwrap_or_default()),
                &format!("those that wait: {}", places.join(", ")),
            )),
            _ => Err(refused(
                format!("several tasks of `{name}` wait"),
                &format!("say which with --state: {}", places.join(", ")),
            )),
        }
    }
}

/// What is asked: the `text` of what the resource was called with, whole, since somebody decides
/// by it; of another input its beginning.
fn question(task: &WaitingTask) -> String {
    let arguments: Value = serde_json::from_str(&task.arguments).unwrap_or_default();
    let payload = arguments.get("Payload").unwrap_or(&arguments);
    let input = payload.get("input").unwrap_or(payload);
    match input.get("text").and_then(Value::as_str) {
        Some(text) => text.to_owned(),
        None => text::one_line(&input.to_string(), QUESTION_WIDTH),
    }
}

/// Lists what waits. An empty list is no failure.
pub(crate) fn waiting(arguments: &Waiting, terminal: Terminal) -> Result<u8, Problem> {
    let reader = DataDir::read(&arguments.data.dir)?;
    let mut named = Vec::new();
    for given in &arguments.executions {
        named.push(show::described(&reader, given)?);
    }
    if arguments.executions.is_empty() {
        for (_, arn) in resume::running(&reader)? {
            named.extend(reader.describe_execution(&arn).map_err(crate::data::from_journal)?);
        }
    }
    let mut asking = Vec::new();
    for described in named {
        let read = Asking::read(&reader, described)?;
        if !read.tasks.is_empty() {
            asking.push(read);
        }
    }
    let now = run::now_millis();
    match terminal.format {
        Format::Json => {
            let all = asking.iter().flat_map(Asking::to_json).collect();
            terminal.data(&show::document(&Value::Array(all), terminal));
        }
        Format::Jsonl => {
            asking.iter().flat_map(Asking::to_json).for_each(|task| terminal.data(&task.to_string()));
        }
        Format::Text if terminal.quiet => {
            for asking in &asking {
                terminal.data(&safe(&asking.described.name));
            }
        }
        Format::Text if asking.is_empty() => terminal.note("nothing waits for an answer"),
        Format::Text => {
            for asking in &asking {
                terminal.data(&asking.to_text(arguments.time, now, terminal.out));
            }
        }
    }
    Ok(0)
}

/// What is answered.
enum Said {
    Success(String),
    Failure { error: String, cause: Option<String> },
}

impl Said {
    fn of(arguments: &Answer) -> Result<Self, Problem> {
        let Some(output) = &arguments.result else {
            // The command line has one of both.
            let error = arguments.error.clone().unwrap_or_default();
            return Ok(Self::Failure { error, cause: arguments.cause.clone() });
        };
        let text = match output.strip_prefix('@') {
            Some("-") => {
                let mut text = String::new();
                std::io::stdin()
                    .read_to_string(&mut text)
                    .map_err(|error| Problem::file("cannot read", "-", error))?;
                text
            }
            Some(path) => {
                std::fs::read_to_string(path).map_err(|error| Problem::file("cannot read", path, error))?
            }
            None => output.clone(),
        };
        match serde_json::from_str::<Value>(&text) {
            Ok(_) => Ok(Self::Success(text)),
            Err(error) => Err(Problem::Usage {
                message: format!("--result is no JSON: {error}"),
                hint: r#"give a document, such as --result '{"approved": true, "by": "me"}', or @FILE"#
                    .to_owned(),
            }),
        }
    }
}

/// Answers a task, and lets its execution go on.
pub(crate) fn answer(arguments: &Answer, terminal: Terminal) -> Result<u8, Problem> {
    let said = Said::of(arguments)?;
    let asking = {
        let reader = DataDir::read(&arguments.data.dir)?;
        Asking::read(&reader, show::described(&reader, &arguments.execution)?)?
    };
    let token = asking.task(arguments.state.as_deref())?.token.to_string();
    let arn = &asking.described.execution_arn;
    if let Some(server) = Remote::find(&arguments.data.dir) {
        return answer_on(&server, &said, &token, arn, arguments, terminal);
    }
    let data = DataDir::create(&arguments.data.dir)?;
    let coreview = match &arguments.coreview {
        Some(coreview) => coreview.clone(),
        None => data.coreview_of(std::iter::once(asking.described.name.clone()))?,
    };
    let application = Application::ready(&arguments.build, terminal, true)?;
    let local = LocalEngine::open(&application, &arguments.functions, data, coreview)?;
    let done = answer_here(&local, &said, &token, arn, arguments, terminal);
    local.close();
    done
}

fn answer_on(
    server: &Remote,
    said: &Said,
    token: &str,
    arn: &str,
    arguments: &Answer,
    terminal: Terminal,
) -> Result<u8, Problem> {
    let (target, parameters) = match said {
        Said::Success(output) => {
            ("AWSStepFunctions.SendTaskSuccess", json!({ "taskToken": token, "output": output }))
        }
        Said::Failure { error, cause } => (
            "AWSStepFunctions.SendTaskFailure",
            json!({ "taskToken": token, "error": error, "cause": cause.clone().unwrap_or_default() }),
        ),
    };
    server.call(target, &parameters)??;
    let reader = DataDir::read(&arguments.data.dir)?;
    let mut now = show::described(&reader, arn)?;
    while arguments.wait && now.status == Status::Running {
        if !Asking::read(&reader, now.clone())?.tasks.is_empty() {
            break;
        }
        std::thread::sleep(POLL);
        now = show::described(&reader, arn)?;
    }
    let asking = Asking::read(&reader, now)?;
    Ok(report(&asking, arguments, terminal))
}

fn answer_here(
    local: &LocalEngine,
    said: &Said,
    token: &str,
    arn: &str,
    arguments: &Answer,
    terminal: Terminal,
) -> Result<u8, Problem> {
    let moments = local.moments();
    match said {
        Said::Success(output) => local.engine.send_task_success(token, output),
        Said::Failure { error, cause } => {
            local.engine.send_task_failure(token, Some(error), cause.as_deref())
        }
    }
    .map_err(from_engine)?;
    let waited = if arguments.wait {
        local.watch(arn, terminal, &moments, &mut View::default())?
    } else {
        until_no_step_runs(local, arn, &moments)?
    };
    let described = local.engine.describe_execution(arn).map_err(from_engine)?;
    let tasks = local.engine.waiting_tasks(arn);
    let code = report(&Asking { described, tasks }, arguments, terminal);
    Ok(if matches!(waited, Waited::Interrupted) { exit::INTERRUPTED } else { code })
}

/// What waits for a timer or an answer goes on in another process as well; a step would be cut off.
fn until_no_step_runs(
    local: &LocalEngine,
    arn: &str,
    moments: &mpsc::Receiver<Moment>,
) -> Result<Waited, Problem> {
    loop {
        let now = local.engine.wait_for(arn, Some(POLL)).map_err(from_engine)?;
        if now.status != Status::Running || local.engine.calls_under_way() == 0 {
            return Ok(Waited::Ended);
        }
        while let Ok(moment) = moments.try_recv() {
            match moment {
                Moment::Interrupted => return Ok(Waited::Interrupted),
                Moment::Silence => {
                    if let Some(reason) = local.engine.stopped() {
                        return Err(Problem::Journal { detail: reason });
                    }
                }
                Moment::Event(_) => {}
            }
        }
    }
}

fn report(asking: &Asking, arguments: &Answer, terminal: Terminal) -> u8 {
    let now = &asking.described;
    match terminal.format {
        Format::Json | Format::Jsonl => {
            let mut document = show::description(now);
            if let Some(members) = document.as_object_mut() {
                members.insert("waiting".to_owned(), Value::Array(asking.to_json()));
            }
            terminal.data(&show::document(&document, terminal));
        }
        Format::Text => {
            terminal.data(&format!("{}  answered  {}", safe(&now.name), now.status));
            if !asking.tasks.is_empty() {
                terminal.note(&asking.to_text(arguments.time, run::now_millis(), terminal.err));
            } else if now.status != Status::Running {
                terminal.remark(&ended(now, terminal.err));
            }
        }
    }
    match now.status {
        Status::Running if arguments.wait => exit::WAITS,
        status if arguments.wait && status != Status::Succeeded => exit::FAILED,
        _ => 0,
    }
}
