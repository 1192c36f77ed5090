//! `stop`: executions that run are aborted. Nothing else in the journal goes on meanwhile.

use std::sync::Arc;

use engine::{
    Completion, Engine, EngineError, EngineOptions, ExecutionDescription, Status, TaskHost, TaskRequest,
};
use serde_json::{Value, json};

use crate::{
    arguments::{Format, Stop},
    data::{DataDir, from_engine},
    local_engine::tell_left_out,
    problem::{Problem, exit},
    redrive::{confirmed, executions},
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
        let options = EngineOptions {
            takes_up: false,
            ..EngineOptions::new(DataDir::create(&arguments.data.dir)?.journal(), Arc::new(NoHost))
        };
        let engine = Engine::open(options).map_err(from_engine)?;
        is_left_out = tell_left_out(&engine, terminal);
        results.extend(named.into_iter().map(|described| stopped(&engine, described, arguments)));
        engine.shutdown();
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

/// Stops one execution, as it stands now that nobody else works on the journal: it may have
/// ended, or have been redriven, since it was looked at.
fn stopped(
    engine: &Engine,
    before: ExecutionDescription,
    arguments: &Stop,
) -> (ExecutionDescription, Outcome) {
    let arn = before.execution_arn.clone();
    let stop = || -> Result<Outcome, EngineError> {
        if engine.describe_execution(&arn)?.status != Status::Running {
            return Ok(Outcome::HadEnded);
        }
        engine.stop_execution(&arn, Some(arguments.error.clone()), Some(arguments.reason.clone()))?;
        Ok(Outcome::Stopped)
    };
    let outcome = stop().unwrap_or_else(|error| Outcome::Refused(error.to_string()));
    (engine.describe_execution(&arn).unwrap_or(before), outcome)
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
