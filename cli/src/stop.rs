//! `stop`: executions that run are aborted. Nothing else in the journal goes on meanwhile.

use std::{path::Path, sync::Arc};

use engine::{
    Completion, Engine, EngineError, EngineOptions, ExecutionDescription, Reader, Status, TaskHost,
    TaskRequest,
};
use serde_json::{Value, json};

use crate::{
    arguments::{Format, Stop},
    data::{DataDir, from_engine},
    local_engine::tell_left_out,
    problem::{Problem, exit},
    redrive::{confirmed, executions},
    remote::Remote,
    show,
    terminal::Terminal,
    text::{self, safe},
};

/// Calls nothing: an engine that only stops executions has nothing to call.
struct NoHost;

impl TaskHost for NoHost {
    fn invoke(&self, _: TaskRequest, _: Completion) {}
}

/// What became of an execution.
enum Outcome {
    Stopped,
    HadEnded,
    /// It runs on, or does nothing any more for its damage.
    Refused(String),
}

/// The engine that stops them: one of this process, or the one that holds the journal.
enum Holder {
    Own(Engine),
    Server(Remote, Box<Reader>),
}

impl Holder {
    fn of(folder: &Path) -> Result<Self, Problem> {
        if let Some(server) = Remote::find(folder) {
            return Ok(Self::Server(server, Box::new(DataDir::read(folder)?)));
        }
        let options = EngineOptions {
            takes_up: false,
            ..EngineOptions::new(DataDir::create(folder)?.journal(), Arc::new(NoHost))
        };
        Engine::open(options).map(Self::Own).map_err(from_engine)
    }

    /// Says what an engine of this process has left out as damaged, if anything.
    fn tell_left_out(&self, terminal: Terminal) -> bool {
        match self {
            Self::Own(engine) => tell_left_out(engine, terminal),
            Self::Server(..) => false,
        }
    }

    /// Stops an execution, as it stands now: it may have ended, or have been redriven, since it
    /// was looked at.
    fn stop(&self, arn: &str, arguments: &Stop) -> Outcome {
        let done = match self {
            Self::Own(engine) => stop_in(engine, arn, arguments),
            Self::Server(server, reader) => stop_at(server, reader, arn, arguments),
        };
        done.unwrap_or_else(Outcome::Refused)
    }

    fn describe(&self, arn: &str) -> Option<ExecutionDescription> {
        match self {
            Self::Own(engine) => engine.describe_execution(arn).ok(),
            Self::Server(_, reader) => reader.describe_execution(arn).ok().flatten(),
        }
    }

    fn close(self) {
        if let Self::Own(engine) = self {
            engine.shutdown();
        }
    }
}

fn stop_in(engine: &Engine, arn: &str, arguments: &Stop) -> Result<Outcome, String> {
    let stop = || -> Result<Outcome, EngineError> {
        if engine.describe_execution(arn)?.status != Status::Running {
            return Ok(Outcome::HadEnded);
        }
        engine.stop_execution(arn, Some(arguments.error.clone()), Some(arguments.reason.clone()))?;
        Ok(Outcome::Stopped)
    };
    stop().map_err(|error| error.to_string())
}

fn stop_at(server: &Remote, reader: &Reader, arn: &str, arguments: &Stop) -> Result<Outcome, String> {
    let before = reader.describe_execution(arn).map_err(|error| error.to_string())?;
    if before.is_none_or(|before| before.status != Status::Running) {
        return Ok(Outcome::HadEnded);
    }
    let parameters = json!({ "executionArn": arn, "error": arguments.error, "cause": arguments.reason });
    match server.call("AWSStepFunctions.StopExecution", &parameters) {
        Ok(Ok(_)) => Ok(Outcome::Stopped),
        Ok(Err(refused)) => Err(format!("{}: {}", refused.code, refused.message)),
        Err(problem) => Err(problem.to_string()),
    }
}

/// Stops executions.
pub(crate) fn stop(arguments: &Stop, terminal: Terminal) -> Result<u8, Problem> {
    let reader = DataDir::read(&arguments.data.dir)?;
    let mut named: Vec<ExecutionDescription> = Vec::new();
    for given in &arguments.executions {
        let described = show::described(&reader, given)?;
        if named.iter().all(|other| other.execution_arn != described.execution_arn) {
            named.push(described);
        }
    }
    drop(reader);
    let running = named.iter().filter(|described| described.status == Status::Running).count();
    if running > 0 && !confirmed(&format!("Stop {}?", executions(running)), arguments.yes, terminal)? {
        return Ok(exit::REFUSED);
    }
    let mut results = Vec::new();
    let mut is_left_out = false;
    if running > 0 {
        let holder = Holder::of(&arguments.data.dir)?;
        is_left_out = holder.tell_left_out(terminal);
        results.extend(named.into_iter().map(|before| {
            let outcome = holder.stop(&before.execution_arn, arguments);
            (holder.describe(&before.execution_arn).unwrap_or(before), outcome)
        }));
        holder.close();
    } else {
        results.extend(named.into_iter().map(|described| (described, Outcome::HadEnded)));
    }
    print(&results, terminal);
    let code = match results.iter().filter(|(_, outcome)| matches!(outcome, Outcome::Stopped)).count() {
        0 => exit::REFUSED,
        stopped if stopped < results.len() => exit::PARTIAL,
        _ => 0,
    };
    Ok(exit::beside(code, is_left_out))
}

fn print(results: &[(ExecutionDescription, Outcome)], terminal: Terminal) {
    let document = |(described, outcome): &(ExecutionDescription, Outcome)| {
        let (outcome, problem) = match outcome {
            Outcome::Stopped => ("STOPPED", None),
            Outcome::HadEnded => ("HAD_ENDED", None),
            Outcome::Refused(problem) => ("NOT_STOPPED", Some(problem)),
        };
        json!({
            "executionArn": described.execution_arn,
            "name": described.name,
            "status": described.status.as_str(),
            "stopDate": described.stop_millis.map(text::iso),
            "outcome": outcome,
            "problem": problem,
        })
    };
    match terminal.format {
        Format::Json => {
            let documents: Vec<Value> = results.iter().map(document).collect();
            terminal.data(&show::document(&Value::Array(documents), terminal));
        }
        Format::Jsonl => results.iter().for_each(|result| terminal.data(&document(result).to_string())),
        Format::Text => {
            for (described, outcome) in results {
                let name = safe(&described.name);
                match outcome {
                    Outcome::Stopped if terminal.quiet => terminal.data(&name),
                    Outcome::Stopped => terminal.data(&format!("{name}  stopped")),
                    Outcome::HadEnded => terminal.note(&format!("{name}  had ended: {}", described.status)),
                    Outcome::Refused(problem) => {
                        terminal.note(&format!("{name}  not stopped: {}", safe(problem)));
                    }
                }
            }
        }
    }
}
