//! `redrive`: executions that did not succeed go on where they stood, on the engine of this
//! process, with the functions of the project.

use std::{collections::BTreeMap, io::IsTerminal as _, sync::mpsc, time::Duration};

use engine::{ExecutionDescription, Reader, RedriveExecution, Status};
use serde_json::{Value, json};

use crate::{
    arguments::{Format, Redrive},
    data::{DataDir, from_engine, from_journal},
    local_engine::{LocalEngine, Moment, Waited, check_coreview},
    problem::{Problem, exit},
    project::Application,
    remote::Remote,
    rerun::Plan,
    run::now_millis,
    show,
    terminal::{Ink, Paint, Terminal},
    text::{self, safe},
    view::View,
};

/// How often it is asked whether a step still runs.
const POLL: Duration = Duration::from_millis(50);

/// Redrives executions.
pub(crate) fn redrive(arguments: &Redrive, terminal: Terminal) -> Result<u8, Problem> {
    check_coreview(arguments.coreview.as_deref())?;
    let plans = plans(arguments)?;
    let redrivable = plans.iter().filter(|plan| plan.is_redrivable()).count();
    show_plans(&plans, arguments, terminal);
    if redrivable == 0 {
        if terminal.format != Format::Text || arguments.dry_run {
            print_results(&plans, &BTreeMap::new(), arguments, terminal);
        }
        return Ok(exit::REFUSED);
    }
    if arguments.dry_run {
        print_results(&plans, &BTreeMap::new(), arguments, terminal);
        return Ok(if redrivable < plans.len() { exit::PARTIAL } else { 0 });
    }
    if !confirmed(&format!("Redrive {}?", executions(redrivable)), arguments.yes, terminal)? {
        return Ok(exit::REFUSED);
    }
    if let Some(server) = Remote::find(&arguments.data.dir) {
        return redrive_on(&server, &plans, arguments, terminal);
    }
    let data = DataDir::create(&arguments.data.dir)?;
    arguments.keep.note(&data)?;
    let coreview = coreview(arguments, &data, &plans, terminal)?;
    let application = Application::ready(&arguments.build, terminal, true)?;
    let local = LocalEngine::open(&application, &arguments.functions, data, coreview)?;
    let is_left_out = local.tell_left_out(terminal);
    let work = Work { arguments, terminal, local: &local };
    let done = work.run(&plans);
    local.close();
    Ok(exit::beside(done?, is_left_out))
}

/// On the engine that holds the journal, with the functions it has.
fn redrive_on(
    server: &Remote,
    plans: &[Plan],
    arguments: &Redrive,
    terminal: Terminal,
) -> Result<u8, Problem> {
    let reader = DataDir::read(&arguments.data.dir)?;
    let mut redriven = Vec::new();
    let mut outcomes = Outcomes::new();
    for plan in plans.iter().filter(|plan| plan.is_redrivable()) {
        let RedriveExecution { execution_arn, client_token, reason } = request(plan, arguments);
        let parameters =
            json!({ "executionArn": execution_arn, "clientToken": client_token, "reason": reason });
        match server.call("Stepwright.RedriveExecution", &parameters)? {
            Ok(done) => {
                let millis = done.get("redriveMillis").and_then(Value::as_i64).unwrap_or_default();
                redriven.push((execution_arn, millis));
            }
            Err(refused) if refused.code == "ExecutionNotRedrivable" => {
                outcomes.insert(execution_arn, Outcome::Refused(refused.message));
            }
            Err(refused) => return Err(refused.into()),
        }
    }
    for (arn, redrive_millis) in redriven {
        let mut now = found(&reader, &arn)?.0;
        while arguments.wait && now.status == Status::Running {
            std::thread::sleep(POLL);
            now = found(&reader, &arn)?.0;
        }
        outcomes.insert(arn, Outcome::Redriven { redrive_millis, now: Box::new(now) });
    }
    print_results(plans, &outcomes, arguments, terminal);
    Ok(exit_code(plans, &outcomes, arguments))
}

/// The executions that are named, each once, as they stand now.
fn plans(arguments: &Redrive) -> Result<Vec<Plan>, Problem> {
    let reader = DataDir::read(&arguments.data.dir)?;
    let now = now_millis();
    let mut plans: Vec<Plan> = Vec::new();
    for given in &arguments.executions {
        let (described, view) = found(&reader, given)?;
        if plans.iter().all(|plan| plan.described.execution_arn != described.execution_arn) {
            plans.push(Plan::read(&reader, described, &view, now)?);
        }
    }
    Ok(plans)
}

/// An execution with its view, by ARN, name, unique beginning of a name, or `latest`.
fn found(reader: &Reader, given: &str) -> Result<(ExecutionDescription, View), Problem> {
    let described = show::described(reader, given)?;
    let gone = || Problem::NoExecution { given: given.to_owned(), similar: None };
    let history = reader.execution_history(&described.execution_arn);
    let history = history.map_err(from_journal)?.ok_or_else(gone)?;
    let history: Vec<Value> = history.iter().filter_map(|event| serde_json::to_value(event).ok()).collect();
    Ok((described, View::of(&history)))
}

/// To the terminal before anything happens; in a dry run it is the data itself.
fn show_plans(plans: &[Plan], arguments: &Redrive, terminal: Terminal) {
    if terminal.format != Format::Text || arguments.dry_run {
        return;
    }
    for plan in plans {
        let shown = plan.to_text(arguments.time, now_millis(), terminal.err);
        // A refusal is said even to those who want to hear little.
        if plan.is_redrivable() {
            terminal.remark(&shown);
        } else {
            terminal.note(&shown);
        }
    }
}

/// Asks on a terminal; elsewhere the answer has to be on the command line.
pub(crate) fn confirmed(question: &str, yes: bool, terminal: Terminal) -> Result<bool, Problem> {
    if yes {
        return Ok(true);
    }
    if !std::io::stdin().is_terminal() || !terminal.err_tty {
        let message = format!("{question} Nobody is there to be asked");
        return Err(Problem::Usage { message, hint: "--yes answers it".to_owned() });
    }
    terminal.note(&format!("{question} [y/N]"));
    let mut answer = String::new();
    // Who closes the terminal has not said yes.
    let is_read = std::io::stdin().read_line(&mut answer).is_ok();
    let is_yes = is_read && matches!(answer.trim(), "y" | "Y" | "yes");
    if !is_yes {
        terminal.note("nothing was changed");
    }
    Ok(is_yes)
}

/// Where the redriven executions deliver: where they did before, unless another place is named.
fn coreview(
    arguments: &Redrive,
    data: &DataDir,
    plans: &[Plan],
    terminal: Terminal,
) -> Result<String, Problem> {
    if let Some(coreview) = &arguments.coreview {
        // It is what they asked for, and may be a mistake all the same.
        if let Some((before, now)) = data.other_coreview(coreview) {
            terminal.note(&format!("delivered to {before} before, delivers to {now} from now on"));
        }
        return Ok(coreview.clone());
    }
    data.coreview_of(plans.iter().map(|plan| plan.described.name.clone()))
}

pub(crate) fn executions(number: usize) -> String {
    if number == 1 { "1 execution".to_owned() } else { format!("{number} executions") }
}

/// What became of an execution.
enum Outcome {
    /// It was redriven; this is how it stands now.
    Redriven { redrive_millis: i64, now: Box<ExecutionDescription> },
    /// It was not, although it could have been when it was looked at; or nobody can say how it stands.
    Refused(String),
}

type Outcomes = BTreeMap<String, Outcome>;

struct Work<'a> {
    arguments: &'a Redrive,
    terminal: Terminal,
    local: &'a LocalEngine,
}

impl Work<'_> {
    fn run(&self, plans: &[Plan]) -> Result<u8, Problem> {
        let moments = self.local.moments();
        let mut redriven = Vec::new();
        let mut outcomes = Outcomes::new();
        for plan in plans.iter().filter(|plan| plan.is_redrivable()) {
            let arn = plan.described.execution_arn.clone();
            match self.local.engine.redrive_execution(&request(plan, self.arguments)) {
                Ok(done) => redriven.push((arn, done.redrive_millis)),
                // Whatever it is: what was redriven already goes on, is waited for and is told.
                Err(error) => {
                    outcomes.insert(arn, Outcome::Refused(error.to_string()));
                }
            }
        }
        let waited = self.wait(&redriven, &moments);
        for (arn, redrive_millis) in redriven {
            let outcome = match self.local.engine.describe_execution(&arn) {
                Ok(now) => Outcome::Redriven { redrive_millis, now: Box::new(now) },
                Err(error) => Outcome::Refused(error.to_string()),
            };
            outcomes.insert(arn, outcome);
        }
        print_results(plans, &outcomes, self.arguments, self.terminal);
        Ok(match waited? {
            Waited::Interrupted => exit::INTERRUPTED,
            Waited::ForAnswer => exit::WAITS,
            Waited::Ended => exit_code(plans, &outcomes, self.arguments),
        })
    }

    /// Until they have ended; without `--wait` until no step runs: what waits for a timer or a
    /// token goes on in another process as well, a step would be cut off.
    fn wait(&self, redriven: &[(String, i64)], moments: &mpsc::Receiver<Moment>) -> Result<Waited, Problem> {
        if let ([(arn, _)], true) = (redriven, self.arguments.wait) {
            return self.local.watch(arn, self.terminal, moments, &mut View::default());
        }
        let mut open: Vec<&str> = redriven.iter().map(|(arn, _)| arn.as_str()).collect();
        loop {
            let mut still_open = Vec::new();
            for arn in open {
                let now = self.local.engine.wait_for(arn, Some(Duration::ZERO)).map_err(from_engine)?;
                if now.status == Status::Running {
                    still_open.push(arn);
                } else {
                    self.terminal.remark(&ended(&now, self.terminal.err));
                }
            }
            open = still_open;
            let is_done = open.is_empty() || !self.arguments.wait && self.local.engine.calls_under_way() == 0;
            if is_done {
                return Ok(Waited::Ended);
            }
            loop {
                match moments.recv_timeout(POLL) {
                    Ok(Moment::Event(_)) => {}
                    Ok(Moment::Interrupted) => return Ok(Waited::Interrupted),
                    Ok(Moment::Silence) | Err(mpsc::RecvTimeoutError::Disconnected) => {
                        if let Some(reason) = self.local.engine.stopped() {
                            return Err(Problem::Journal { detail: reason });
                        }
                        std::thread::sleep(POLL);
                        break;
                    }
                    Err(mpsc::RecvTimeoutError::Timeout) => break,
                }
            }
        }
    }
}

/// The token says which end it is that is redriven: whoever types the same again, or at the
/// same time, redrives nothing twice.
fn request(plan: &Plan, arguments: &Redrive) -> RedriveExecution {
    let arn = &plan.described.execution_arn;
    let state = format!("{arn} {} {:?}", plan.described.redrive_count, plan.described.stop_millis);
    let token: String = infra::sha256_hex(state.as_bytes()).chars().take(40).collect();
    RedriveExecution {
        execution_arn: arn.clone(),
        client_token: Some(token),
        reason: arguments.reason.clone(),
    }
}

fn exit_code(plans: &[Plan], outcomes: &Outcomes, arguments: &Redrive) -> u8 {
    let redriven: Vec<Status> = outcomes
        .values()
        .filter_map(|outcome| match outcome {
            Outcome::Redriven { now, .. } => Some(now.status),
            Outcome::Refused(_) => None,
        })
        .collect();
    let succeeded = redriven.iter().filter(|status| **status == Status::Succeeded).count();
    let failed = redriven.iter().filter(|status| status.is_unsuccessful()).count();
    if redriven.is_empty() {
        exit::REFUSED
    } else if redriven.len() < plans.len() {
        exit::PARTIAL
    } else if arguments.wait && failed > 0 {
        if succeeded > 0 { exit::PARTIAL } else { exit::FAILED }
    } else {
        0
    }
}

/// How an execution ended, in a line.
pub(crate) fn ended(now: &ExecutionDescription, paint: Paint) -> String {
    let (sign, ink) = match now.status {
        Status::Succeeded => ("✓", Ink::Good),
        // It waits for an answer.
        Status::Running => ("…", Ink::Warn),
        _ => ("✗", Ink::Bad),
    };
    let error = now.error.as_deref().map(|error| format!("  {}", safe(error))).unwrap_or_default();
    format!("{} {}  {}{error}", paint.ink(ink, sign), safe(&now.name), now.status)
}

/// The data: every execution that was named, with its plan and what became of it.
fn print_results(plans: &[Plan], outcomes: &Outcomes, arguments: &Redrive, terminal: Terminal) {
    let documents: Vec<Value> = plans.iter().map(|plan| document(plan, outcomes)).collect();
    match terminal.format {
        Format::Json => terminal.data(&show::document(&Value::Array(documents), terminal)),
        Format::Jsonl => documents.iter().for_each(|document| terminal.data(&document.to_string())),
        Format::Text => {
            for plan in plans {
                let line = match outcomes.get(&plan.described.execution_arn) {
                    Some(Outcome::Redriven { now, .. }) if terminal.quiet => safe(&now.name),
                    Some(Outcome::Redriven { now, .. }) => {
                        let count = now.redrive_count;
                        format!("{}  redriven ({count})  {}", safe(&now.name), now.status)
                    }
                    Some(Outcome::Refused(reason)) => {
                        terminal.note(&safe(reason));
                        continue;
                    }
                    None if arguments.dry_run => plan.to_text(arguments.time, now_millis(), terminal.out),
                    None => continue,
                };
                terminal.data(&line);
            }
        }
    }
}

fn document(plan: &Plan, outcomes: &Outcomes) -> Value {
    let mut document = json!({
        "executionArn": plan.described.execution_arn,
        "name": plan.described.name,
        "status": plan.described.status.as_str(),
        "error": plan.described.error,
        "outcome": "NOT_REDRIVEN",
    });
    let Some(members) = document.as_object_mut() else { return document };
    members.extend(plan.to_json().into_iter().map(|(name, value)| (name.to_owned(), value)));
    match outcomes.get(&plan.described.execution_arn) {
        Some(Outcome::Redriven { redrive_millis, now }) => {
            let changed = json!({
                "outcome": "REDRIVEN",
                "status": now.status.as_str(),
                "error": now.error,
                "redriveCount": now.redrive_count,
                "redriveDate": text::iso(*redrive_millis),
                "output": now.output.as_deref().map(|text| serde_json::from_str(text).unwrap_or(Value::Null)),
            });
            members.extend(
                changed.as_object().into_iter().flatten().map(|(name, value)| (name.clone(), value.clone())),
            );
        }
        Some(Outcome::Refused(reason)) => drop(members.insert("refusal".to_owned(), json!(reason))),
        None => drop(members.insert("refusal".to_owned(), json!(plan.refusal()))),
    }
    document
}
