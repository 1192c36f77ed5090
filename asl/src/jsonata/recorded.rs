//! The recorded answers of the official implementation, for tests: calls of one
//! function with literal arguments, out of the suite and the generated expressions.

use std::path::PathBuf;

use serde_json::Value;

/// `$function(arguments)` and what it answers.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) source: String,
    /// `None` is undefined.
    pub(super) arguments: Vec<Option<Value>>,
    pub(super) answer: Answer,
}

#[derive(Debug, PartialEq)]
pub(super) enum Answer {
    Value(Value),
    Undefined,
    Error { code: String, message: String },
}

impl Call {
    pub(super) fn number(&self, index: usize) -> Option<f64> {
        self.arguments.get(index)?.as_ref()?.as_f64()
    }

    pub(super) fn text(&self, index: usize) -> Option<&str> {
        self.arguments.get(index)?.as_ref()?.as_str()
    }
}

impl Answer {
    /// A number as JSON has it: what is not finite is null.
    pub(super) fn of_number(result: Result<f64, super::raised::Raised>) -> Self {
        result.map_or_else(Self::from, |number| {
            if number.fract() == 0.0 && number.abs() < 9e15 {
                #[expect(clippy::cast_possible_truncation, reason = "just checked")]
                return Self::Value(Value::from(number as i64));
            }
            Self::Value(Value::from(number))
        })
    }

    pub(super) fn of_text(result: Result<String, super::raised::Raised>) -> Self {
        result.map_or_else(Self::from, |text| Self::Value(Value::from(text)))
    }
}

impl From<super::raised::Raised> for Answer {
    fn from(raised: super::raised::Raised) -> Self {
        Self::Error { code: raised.code.to_owned(), message: raised.message }
    }
}

/// Compares what `ours` answers with what is recorded, for all calls of the
/// function whose arguments are literals. `None` skips a call that is about
/// something else (the signature of the function).
pub(super) fn compare(function: &str, at_least: usize, ours: impl Fn(&Call) -> Option<Answer>) {
    let Some(calls) = calls(function) else { return };
    let mut compared = 0;
    let mut different = Vec::new();
    for call in calls {
        let Some(answer) = ours(&call) else { continue };
        compared += 1;
        if answer != call.answer {
            different.push(format!("{}\n  recorded {:?}\n  ours     {answer:?}", call.source, call.answer));
        }
    }
    assert!(different.is_empty(), "{} of {compared} differ:\n{}", different.len(), different.join("\n"));
    assert!(compared >= at_least, "only {compared} calls of ${function} were found");
}

/// `None`, and a word about it, where the recorded answers are not there.
#[expect(clippy::disallowed_methods, reason = "tests read the recorded answers")]
fn calls(function: &str) -> Option<Vec<Call>> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/conformance/jsonata"));
    if !folder.is_dir() {
        println!("SKIPPED: ../shared/conformance/jsonata is not there");
        return None;
    }
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).expect("a recorded file");
    let cases: Value = lenient(&read("cases-2.0.6.json"));
    let oracle: Value = lenient(&read("oracle-2.0.6.json"));
    let suite = cases["cases"].as_array().expect("cases").iter().zip(oracle.as_array().expect("answers"));
    let suite = suite.filter_map(|(case, answer)| call(function, case["expr"].as_str()?, &answer["answer"]));
    let fuzz = read("fuzz-oracle-2.0.6.jsonl");
    let fuzz = fuzz.lines().filter_map(|line| {
        let line: Value = serde_json::from_str(line).ok()?;
        call(function, line["expr"].as_str()?, &line)
    });
    Some(suite.chain(fuzz).collect())
}

/// Two cases have a lone surrogate, which no Rust text can hold.
fn lenient(text: &str) -> Value {
    serde_json::from_str(text)
        .or_else(|_| serde_json::from_str(&text.replace("\\ud800", "\\ufffd")))
        .expect("JSON")
}

fn call(function: &str, source: &str, answer: &Value) -> Option<Call> {
    let rest = source.trim().strip_prefix('$')?.strip_prefix(function)?.strip_prefix('(')?;
    let (arguments, rest) = arguments(rest)?;
    if !rest.is_empty() {
        return None;
    }
    let text = |field: &str| answer[field].as_str().unwrap_or_default().to_owned();
    let answer = match answer["out"].as_str()? {
        "value" => Answer::Value(answer["value"].clone()),
        "undefined" => Answer::Undefined,
        _ => Answer::Error { code: text("code"), message: text("message") },
    };
    Some(Call { source: source.to_owned(), arguments, answer })
}

fn arguments(mut rest: &str) -> Option<(Vec<Option<Value>>, &str)> {
    let mut arguments = Vec::new();
    loop {
        rest = rest.trim_start();
        if let Some(end) = rest.strip_prefix(')') {
            return Some((arguments, end));
        }
        let (argument, behind) = literal(rest)?;
        arguments.push(argument);
        rest = behind.trim_start();
        rest = rest.strip_prefix(',').unwrap_or(rest);
    }
}

fn literal(text: &str) -> Option<(Option<Value>, &str)> {
    if let Some(rest) =
        ["undefined", "nothing", "foo", "blah"].iter().find_map(|name| text.strip_prefix(name))
    {
        return Some((None, rest));
    }
    if let Some(rest) = text.strip_prefix("()") {
        return Some((None, rest));
    }
    let quote = text.chars().next()?;
    if quote == '"' || quote == '\'' {
        let end = text[1..].find(quote)? + 1;
        let inner = text[1..end].replace('"', "\\\"");
        return Some((Some(serde_json::from_str(&format!("\"{inner}\"")).ok()?), &text[end + 1..]));
    }
    if quote == '{' {
        let end = text.find('}')? + 1;
        return Some((Some(serde_json::from_str(&text[..end].replace('\'', "\"")).ok()?), &text[end..]));
    }
    let end = text.find([',', ')'])?;
    let value: f64 = text[..end].trim().parse().ok()?;
    Some((Some(Value::from(value)), &text[end..]))
}
