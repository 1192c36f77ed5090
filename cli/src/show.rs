//! `show`: one execution, as a tree, as events, or one state's input and output.

use std::path::Path;

use engine::{ExecutionDescription, ExecutionFilter, ExecutionSummary, Reader};
use serde_json::{Value, json};

use crate::{
    arguments::{Format, Show, Time},
    data::{DataDir, from_journal},
    definition,
    failure::{self, Failure, readable},
    list::status_ink,
    problem::Problem,
    rerun::Plan,
    terminal::{Ink, Paint, Terminal},
    text, tree,
    view::{self, Counted, Items, View},
};

/// Shows an execution.
pub(crate) fn show(arguments: &Show, terminal: Terminal) -> Result<u8, Problem> {
    let reader = DataDir::read(&arguments.data.dir)?;
    let described = described(&reader, &arguments.execution)?;
    let arn = described.execution_arn.clone();
    if arguments.logs {
        return logs(&arguments.data.dir.join("logs"), &arn, terminal);
    }
    let gone = || Problem::NoExecution { given: arguments.execution.clone(), similar: None };
    let history = reader.execution_history(&arn).map_err(from_journal)?.ok_or_else(gone)?;
    let history: Vec<Value> = history.iter().filter_map(|event| serde_json::to_value(event).ok()).collect();
    let mut view = View::of(&history);
    if let Some(state) = &arguments.io {
        return io(&view, state, terminal);
    }
    if arguments.events {
        events(&history, arguments.time, terminal);
        return Ok(0);
    }
    let now = crate::run::now_millis();
    // A Map Run that cannot be read is no reason to show nothing.
    view.count_items(Counted::All, |arn| {
        reader.describe_map_run(arn, now).ok().flatten().as_ref().map(Items::of)
    });
    let plan = Plan::read(&reader, described, &view, now)?;
    let described = &plan.described;
    let definition = reader.definition_of(&arn).map_err(from_journal)?.unwrap_or_default();
    let definition: Value = serde_json::from_str(&definition).unwrap_or_default();
    let states = definition::outermost_states(&definition);
    match terminal.format {
        Format::Text => {
            terminal.data(&heading(described, arguments.time, now, terminal.out));
            terminal.data(&tree::tree(&view, &states, now, terminal.out).join("\n"));
            for visit in view.visits.iter().filter(|visit| visit.is_waiting_to_retry()) {
                if let Some(text) = failure::last_attempt(visit, &definition, arguments.time, now) {
                    terminal.data(&text);
                }
            }
            if described.status == engine::Status::Running && !engine::is_in_use(&arguments.data.dir) {
                terminal.data(&format!("\n{}", crate::resume::advice(1)));
            }
            if let Some(text) = explanation(&view, described) {
                terminal.data(&text);
            }
            if let Some(text) = redrives(&plan, arguments.time, now, terminal.out) {
                terminal.data(&text);
            }
        }
        Format::Json | Format::Jsonl => {
            let mut value = description(described);
            if let Some(object) = value.as_object_mut() {
                object.extend(plan.to_json().into_iter().map(|(name, value)| (name.to_owned(), value)));
                object.insert("states".to_owned(), states_json(&view));
            }
            terminal.data(&document(&value, terminal));
        }
    }
    Ok(0)
}

/// Describes an execution by ARN, name, unique beginning of a name, or `latest`.
pub(crate) fn described(reader: &Reader, given: &str) -> Result<ExecutionDescription, Problem> {
    let arn = find(reader, given)?;
    let gone = || Problem::NoExecution { given: given.to_owned(), similar: None };
    reader.describe_execution(&arn).map_err(from_journal)?.ok_or_else(gone)
}

/// The ARN of an execution by ARN, name, unique beginning of a name, or `latest`.
pub(crate) fn find(reader: &Reader, given: &str) -> Result<String, Problem> {
    if given.starts_with("arn:") && reader.describe_execution(given).map_err(from_journal)?.is_some() {
        return Ok(given.to_owned());
    }
    let list = |filter: ExecutionFilter| reader.list_executions(&filter).map_err(from_journal);
    let (name_begins, limit) = if given == "latest" { (None, 1) } else { (Some(given.to_owned()), u32::MAX) };
    let found = list(ExecutionFilter { name_begins, limit: Some(limit), ..ExecutionFilter::default() })?;
    if let Some(arn) = pick(&found, given)? {
        return Ok(arn);
    }
    // Nobody is called so. Whoever mistyped a name has mostly seen it lately.
    let recent = list(ExecutionFilter::default())?;
    let similar = text::similar(given, recent.iter().map(|execution| execution.name.as_str()));
    Err(Problem::NoExecution { given: given.to_owned(), similar: similar.map(str::to_owned) })
}

/// The choice itself, among those whose names begin like this, newest first.
fn pick(begin_like: &[ExecutionSummary], given: &str) -> Result<Option<String>, Problem> {
    let arn_of = |execution: &ExecutionSummary| execution.execution_arn.clone();
    if given == "latest" {
        return Ok(begin_like.first().map(arn_of));
    }
    let exact: Vec<String> =
        begin_like.iter().filter(|execution| execution.name == given).map(arn_of).collect();
    let mut found = if exact.is_empty() { begin_like.iter().map(arn_of).collect() } else { exact };
    if found.len() > 1 {
        return Err(Problem::Ambiguous { given: given.to_owned(), matching: found });
    }
    Ok(found.pop())
}

fn heading(described: &ExecutionDescription, time: Time, now_millis: i64, paint: Paint) -> String {
    let status = described.status.as_str();
    let took = text::duration(described.stop_millis.unwrap_or(now_millis) - described.start_millis);
    format!(
        "{}  {}  started {}  took {took}\n",
        text::safe(&described.name),
        paint.ink(status_ink(status), status),
        text::moment(described.start_millis, time, now_millis),
    )
}

/// The readable cause of a failure.
fn explanation(view: &View, described: &ExecutionDescription) -> Option<String> {
    let (error, cause) = (described.error.as_deref()?, described.cause.as_deref().unwrap_or_default());
    let state = Failure::of(view, &described.name, "").state;
    let place = state.map(|state| format!(" in {}", text::safe(&state))).unwrap_or_default();
    Some(format!("\n{}{place}\n{}", text::safe(error), text::safe(&readable(cause))))
}

/// The redrives so far, and what another one would do.
fn redrives(plan: &Plan, time: Time, now_millis: i64, paint: Paint) -> Option<String> {
    let mut lines = plan.history(time, now_millis, paint);
    if plan.described.status.is_unsuccessful() {
        let name = text::safe(&plan.described.name);
        if let Some(reason) = plan.refusal() {
            lines.push(format!("a redrive is refused: {reason}"));
        } else {
            lines.push(format!("a redrive (stepwright redrive {name} --reason …)"));
            lines.extend(plan.work(paint));
        }
    }
    (!lines.is_empty()).then(|| format!("\n{}", lines.join("\n")))
}

fn events(history: &[Value], time: Time, terminal: Terminal) {
    match terminal.format {
        Format::Json => {
            let value = json!({ "events": history });
            terminal.data(&document(&value, terminal));
        }
        Format::Jsonl => history.iter().for_each(|event| terminal.data(&event.to_string())),
        Format::Text => {
            let now = crate::run::now_millis();
            for event in history {
                terminal.data(&event_line(event, time, now, terminal.out));
            }
        }
    }
}

/// What the functions of an execution wrote, in the order of time.
fn logs(folder: &Path, execution_arn: &str, terminal: Terminal) -> Result<u8, Problem> {
    let lines = server::read_logs(folder, execution_arn)
        .map_err(|source| Problem::file("cannot read the logs in", folder, source))?;
    match terminal.format {
        Format::Json => {
            let value = json!({ "lines": lines.iter().map(line_json).collect::<Vec<_>>() });
            terminal.data(&document(&value, terminal));
        }
        Format::Jsonl => lines.iter().for_each(|line| terminal.data(&line_json(line).to_string())),
        Format::Text => {
            for line in &lines {
                let place = format!("{} {}", line.time, line.function);
                let text = text::safe(&line.text.replace('\t', "  "));
                terminal.data(&format!("{}  {text}", terminal.out.ink(Ink::Faint, &place)));
            }
            if lines.is_empty() {
                terminal.note("its functions wrote nothing here, or it had none");
            }
        }
    }
    Ok(0)
}

fn line_json(line: &server::LoggedLine) -> Value {
    json!({
        "time": line.time,
        "function": line.function,
        "requestId": line.request_id,
        "text": line.text,
    })
}

/// One event in a line: number, time, type, and what it is about.
fn event_line(event: &Value, time: Time, now_millis: i64, paint: Paint) -> String {
    let word = |name: &str| view::detail(event, name).and_then(Value::as_str);
    let kind = event.get("type").and_then(Value::as_str).unwrap_or_default();
    let mut about = Vec::new();
    if let Some(name) = word("name") {
        about.push(text::safe(name));
    }
    if let Some(index) = view::detail(event, "index") {
        about.push(format!("[{index}]"));
    }
    if let Some(error) = word("error") {
        let cause = word("cause").map(readable).unwrap_or_default();
        let message = format!("{}  {}", text::safe(error), text::one_line(&cause, 160));
        about.push(paint.ink(Ink::Bad, message.trim_end()));
    } else if let Some(data) = word("input").or_else(|| word("output")).or_else(|| word("parameters")) {
        about.push(paint.ink(Ink::Faint, &text::one_line(data, 100)));
    }
    let id = event.get("id").and_then(Value::as_u64).unwrap_or(0);
    let at = text::moment(view::millis(event), time, now_millis);
    format!("{id:>5}  {at}  {kind:<26}  {}", about.join("  ")).trim_end().to_owned()
}

/// Input and output of every visit of a state.
fn io(view: &View, state: &str, terminal: Terminal) -> Result<u8, Problem> {
    let visits: Vec<_> = view.visits.iter().filter(|visit| visit.name == state).collect();
    if visits.is_empty() {
        let mut known: Vec<String> = view.visits.iter().map(|visit| visit.name.clone()).collect();
        known.dedup();
        let similar = text::similar(state, known.iter().map(String::as_str)).map(str::to_owned);
        return Err(Problem::NoState { state: state.to_owned(), similar, known });
    }
    let values: Vec<Value> = visits.iter().map(|visit| visit_json(visit)).collect();
    match terminal.format {
        Format::Jsonl => values.iter().for_each(|value| terminal.data(&value.to_string())),
        Format::Json => terminal.data(&document(&Value::Array(values), terminal)),
        Format::Text => {
            for value in &values {
                for field in ["input", "output", "error", "cause"] {
                    if let Some(content) = value.get(field).filter(|content| !content.is_null()) {
                        terminal.data(&terminal.out.ink(Ink::Strong, field));
                        let text = match content {
                            Value::String(text) if field != "input" && field != "output" => readable(text),
                            other => serde_json::to_string_pretty(other).unwrap_or_default(),
                        };
                        terminal.data(&text::safe(&text));
                    }
                }
            }
        }
    }
    Ok(0)
}

fn states_json(view: &View) -> Value {
    Value::Array(
        view.visits
            .iter()
            .map(|visit| {
                let mut value = visit_json(visit);
                if let Some(object) = value.as_object_mut() {
                    object.shift_remove("input");
                    object.shift_remove("output");
                }
                value
            })
            .collect(),
    )
}

fn visit_json(visit: &view::Visit) -> Value {
    let parsed = |text: &Option<String>| {
        text.as_ref().map(|text| serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.clone())))
    };
    let failure = visit.failure.as_ref();
    json!({
        "name": visit.name,
        "type": visit.kind,
        "status": visit.standing.as_str(),
        "enteredDate": text::iso(visit.entered_millis),
        "exitedDate": visit.ended_millis.map(text::iso),
        "attempts": visit.attempts,
        "functionName": visit.function,
        "items": visit.items.map(|items| {
            json!({ "total": items.total, "succeeded": items.succeeded, "failed": items.failed })
        }),
        "mapRunArn": visit.map_run,
        "input": parsed(&visit.input),
        "output": parsed(&visit.output),
        "error": failure.map(|failure| failure.error.clone()),
        "cause": failure.map(|failure| failure.cause.clone()),
    })
}

/// AWS's fields of `DescribeExecution`. Dates are RFC 3339, as the AWS CLI prints them; input and
/// output are documents, not text in text.
pub(crate) fn description(described: &ExecutionDescription) -> Value {
    let parsed = |text: &str| serde_json::from_str(text).unwrap_or(Value::Null);
    let mut value = json!({
        "executionArn": described.execution_arn,
        "stateMachineArn": described.state_machine_arn,
        "name": described.name,
        "status": described.status.as_str(),
        "startDate": text::iso(described.start_millis),
        "stopDate": described.stop_millis.map(text::iso),
        "input": parsed(&described.input),
    });
    if let Some(object) = value.as_object_mut() {
        if let Some(output) = &described.output {
            object.insert("output".to_owned(), parsed(output));
        }
        if described.output.is_none() && described.stop_millis.is_some() {
            object.insert("error".to_owned(), json!(described.error));
            object.insert("cause".to_owned(), json!(described.cause));
        }
    }
    value
}

/// A JSON document: laid out for `json`, in one line for `jsonl`.
pub(crate) fn document(value: &Value, terminal: Terminal) -> String {
    match terminal.format {
        Format::Jsonl => value.to_string(),
        _ => serde_json::to_string_pretty(value).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(name: &str, arn: &str) -> ExecutionSummary {
        ExecutionSummary {
            execution_arn: arn.to_owned(),
            state_machine_arn: String::new(),
            name: name.to_owned(),
            status: engine::Status::Running,
            start_millis: 0,
            stop_millis: None,
            version: None,
            alias: None,
            map_run_arn: None,
            item_count: None,
            error: None,
            redrive_count: 0,
            redrive_millis: None,
            number: 1,
        }
    }

    #[test]
    fn an_execution_is_found_by_name_beginning_or_latest() {
        let all = [
            ("b-20261121-2", "arn:2"),
            ("b-20261121-1", "arn:1"),
            ("b", "arn:0"),
            ("c", "arn:c1"),
            ("c", "arn:c2"),
        ];
        let pick = |given: &str| {
            let listed: Vec<ExecutionSummary> = all
                .iter()
                .filter(|(name, _)| given == "latest" || name.starts_with(given))
                .map(|(name, arn)| summary(name, arn))
                .collect();
            super::pick(&listed, given)
        };
        assert_eq!(pick("latest").expect("found").as_deref(), Some("arn:2"));
        assert_eq!(pick("b").expect("the exact name goes first").as_deref(), Some("arn:0"));
        assert_eq!(pick("b-20261121-1").expect("found").as_deref(), Some("arn:1"));
        assert!(matches!(pick("b-2"), Err(Problem::Ambiguous { matching, .. }) if matching.len() == 2));
        assert!(matches!(pick("c"), Err(Problem::Ambiguous { .. })), "two workflows, one name");
        assert_eq!(pick("b-20261122-1").expect("nothing"), None);
        assert_eq!(super::pick(&[], "latest").expect("nothing"), None);
    }
}
