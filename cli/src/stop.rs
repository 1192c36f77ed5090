//! `stop`: executions that run are aborted. Nothing else in the journal goes on meanwhile.

use std::{path::Path, sync::Arc};

use engine::{
    Completion, Engine, EngineOptions, ExecutionDescription, Reader, Status, TaskHost, TaskRequest,
};
use serde_json::{Value, json};

use crate::{
    arguments::{Format, Stop},
    data::{DataDir, from_engine},
    problem::{Problem, exit},
    redrive::{confirmed, executions, found},
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

/// The engine that stops them: one of this process, or the one that holds the journal.
enum Holder {
    Own(Engine),
    Server(Remote, Reader),
}

impl Holder {
    fn of(folder: &Path) -> Result<Self, Problem> {
        if let Some(server) = Remote::find(folder) {
            return Ok(Self::Server(server, DataDir::read(folder)?));
        }
        let options = EngineOptions {
            takes_up: false,
            ..EngineOptions::new(DataDir::create(folder)?.journal(), Arc::new(NoHost))
        };
        Engine::open(options).map(Self::Own).map_err(from_engine)
    }

    fn stop(&self, arn: &str, error: &str, cause: &str) -> Result<(), Problem> {
        match self {
            Self::Own(engine) => engine
                .stop_execution(arn, Some(error.to_owned()), Some(cause.to_owned()))
                .map(drop)
                .map_err(from_engine),
            Self::Server(server, _) => {
                let parameters = json!({ "executionArn": arn, "error": error, "cause": cause });
                server.call("AWSStepFunctions.StopExecution", &parameters)??;
                Ok(())
            }
        }
    }

    fn describe(&self, arn: &str) -> Result<ExecutionDescription, Problem> {
        match self {
            Self::Own(engine) => engine.describe_execution(arn).map_err(from_engine),
            Self::Server(_, reader) => found(reader, arn).map(|(described, _)| described),
        }
    }

    fn close(self) {
        if let Self::Own(engine) = self {
            engine.shutdown();
        }
    }
}

/// Stops executions.
pub(crate) fn stop(arguments: &Stop, terminal: Terminal) -> Result<u8, Problem> {
    let reader = DataDir::read(&arguments.data.dir)?;
    let mut named = Vec::new();
    for given in &arguments.executions {
        let (described, _) = found(&reader, given)?;
        if named
            .iter()
            .all(|other: &engine::ExecutionDescription| other.execution_arn != described.execution_arn)
        {
            named.push(described);
        }
    }
    drop(reader);
    let running = named.iter().filter(|described| described.status == Status::Running).count();
    if running > 0 && !confirmed(&format!("Stop {}?", executions(running)), arguments.yes, terminal)? {
        return Ok(exit::REFUSED);
    }
    let mut results = Vec::new();
    if running > 0 {
        let holder = Holder::of(&arguments.data.dir)?;
        for described in &named {
            let is_running = described.status == Status::Running;
            if is_running {
                holder.stop(&described.execution_arn, &arguments.error, &arguments.reason)?;
            }
            results.push((holder.describe(&described.execution_arn)?, is_running));
        }
        holder.close();
    } else {
        results.extend(named.into_iter().map(|described| (described, false)));
    }
    print(&results, terminal);
    Ok(match results.iter().filter(|(_, is_stopped)| *is_stopped).count() {
        0 => exit::REFUSED,
        stopped if stopped < results.len() => exit::PARTIAL,
        _ => 0,
    })
}

fn print(results: &[(engine::ExecutionDescription, bool)], terminal: Terminal) {
    let document = |(described, is_stopped): &(engine::ExecutionDescription, bool)| {
        json!({
            "executionArn": described.execution_arn,
            "name": described.name,
            "status": described.status.as_str(),
            "stopDate": described.stop_millis.map(text::iso),
            "outcome": if *is_stopped { "STOPPED" } else { "HAD_ENDED" },
        })
    };
    match terminal.format {
        Format::Json => {
            let documents: Vec<Value> = results.iter().map(document).collect();
            terminal.data(&show::document(&Value::Array(documents), terminal));
        }
        Format::Jsonl => results.iter().for_each(|result| terminal.data(&document(result).to_string())),
        Format::Text => {
            for (described, is_stopped) in results {
                let name = safe(&described.name);
                match is_stopped {
                    true if terminal.quiet => terminal.data(&name),
                    true => terminal.data(&format!("{name}  stopped")),
                    false => terminal.note(&format!("{name}  had ended: {}", described.status)),
                }
            }
        }
    }
}
