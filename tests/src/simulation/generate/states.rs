//! Random states.

use serde_json::{Map, Value, json};

use super::expression::{Source, in_jsonata, literal, time};
use super::{Author, Region, Scope};

/// What results of tasks probably have.
const OF_RESULTS: &str = "nso";

const ERRORS: [&str; 9] = [
    "E.A",
    "E.B",
    "States.TaskFailed",
    "States.Timeout",
    "States.HeartbeatTimeout",
    "Lambda.ServiceException",
    "States.QueryEvaluationError",
    "E.C",
    "E.End",
];

/// A state that is being written.
struct Draft {
    jsonata: bool,
    fields: Map<String, Value>,
    /// The state's fields, and the letters of what it hands on.
    known: String,
    /// What its fields read besides the input.
    result: Option<Source>,
}

impl Draft {
    fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.fields.insert(name.to_owned(), value.into());
    }

    /// The input, as the fields of the state see it.
    fn input(&self, inner: &Scope) -> Source {
        Source::new(if self.jsonata { "$states.input" } else { "$" }, &inner.known)
    }
}

impl Author<'_> {
    /// A state of a row. `scope` becomes what is known behind it.
    pub(super) fn state(
        &mut self,
        region: &mut Region,
        position: usize,
        kind: &str,
        scope: &mut Scope,
    ) -> Value {
        // Items that are not known to be there can only be written down, which takes JSONata.
        let has_items = kind != "Map" || scope.known.contains('l');
        let jsonata = self.jsonata_only || self.choices.once_in(2) || !has_items;
        let mut draft = Draft { jsonata, fields: Map::new(), known: scope.known.clone(), result: None };
        draft.set("Type", kind);
        if jsonata && !self.jsonata_only {
            draft.set("QueryLanguage", "JSONata");
        }
        if !matches!(kind, "Choice" | "Succeed" | "Fail") {
            match region.row.get(position + 1) {
                Some(next) => draft.set("Next", next.as_str()),
                None => draft.set("End", true),
            }
        }
        let mut inner = scope.clone();
        if !jsonata && !matches!(kind, "Fail" | "Map") {
            self.input_path(&mut draft, &mut inner);
        }
        match kind {
            "Task" => self.task(&mut draft, &inner),
            "Wait" => self.wait(&mut draft, &inner),
            "Choice" => self.choice(&mut draft, region, position, &inner),
            "Fail" => self.fail(&mut draft, &inner),
            "Parallel" => self.parallel(&mut draft, &inner, region.depth),
            "Map" => self.map(&mut draft, &inner, region.depth),
            _ => {}
        }
        if matches!(kind, "Task" | "Parallel" | "Map") {
            self.retry(&mut draft);
            self.catch(&mut draft, region, position, scope);
        }
        self.hand_on(&mut draft, kind, &inner, scope);
        scope.known = draft.known;
        draft.fields.into()
    }

    fn input_path(&mut self, draft: &mut Draft, inner: &mut Scope) {
        match self.choices.below(16) {
            13 => draft.set("InputPath", "$"),
            14 if inner.known.contains('o') => {
                draft.set("InputPath", "$.o");
                "ns".clone_into(&mut inner.known);
            }
            15 => {
                draft.set("InputPath", Value::Null);
                inner.known.clear();
            }
            _ => {}
        }
    }

    fn task(&mut self, draft: &mut Draft, inner: &Scope) {
        let resource = self.choices.pick(&[
            "arn:aws:states:::lambda:invoke",
            "arn:aws:lambda:eu-central-1:123456789012:function:work",
            "arn:aws:states:::states:startExecution.sync:2",
            "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
            "arn:aws:states:eu-central-1:123456789012:activity:desk",
        ]);
        draft.set("Resource", resource);
        let (name, token) = match draft.jsonata {
            true => ("Arguments", ("T", in_jsonata("$exists($states.context.Task.Token)"))),
            false => ("Parameters", ("T.$", "$$.State.RetryCount".into())),
        };
        let required = resource.starts_with("arn:aws:states:::");
        if required || self.choices.once_in(2) {
            let source = draft.input(inner);
            let (mut arguments, _) = self.template(inner, &[source], draft.jsonata, "nso");
            arguments[token.0] = token.1;
            draft.set(name, arguments);
        }
        match self.choices.below(4) {
            0 => {}
            1 => {
                let (name, value) = self.seconds_field(draft, inner, "TimeoutSeconds");
                draft.set(&name, value);
            }
            _ => {
                let timeout = 2 + self.choices.below(12);
                draft.set("TimeoutSeconds", timeout);
                if self.choices.once_in(2) {
                    draft.set("HeartbeatSeconds", 1 + self.choices.below(timeout - 1));
                }
            }
        }
        draft.result = Some(Source::new(if draft.jsonata { "$states.result" } else { "$" }, OF_RESULTS));
    }

    /// A number of seconds that comes from the input.
    fn seconds_field(&mut self, draft: &Draft, inner: &Scope, name: &str) -> (String, Value) {
        let source = draft.input(inner);
        if draft.jsonata {
            return (name.to_owned(), in_jsonata(&self.jsonata(inner, &[source], 'w')));
        }
        match self.query(inner, &[source], 'w') {
            Some(path) => (format!("{name}Path"), path.into()),
            None => (name.to_owned(), literal(self.choices, 'w')),
        }
    }

    fn wait(&mut self, draft: &mut Draft, inner: &Scope) {
        match self.choices.below(4) {
            0 => draft.set("Seconds", 1 + self.choices.below(8)),
            1 => {
                let (name, value) = self.seconds_field(draft, inner, "Seconds");
                draft.set(&name, value);
            }
            2 => draft.set("Timestamp", time(self.choices)),
            _ => {
                let source = draft.input(inner);
                if draft.jsonata {
                    draft.set("Timestamp", in_jsonata(&self.jsonata(inner, &[source], 't')));
                } else {
                    match self.query(inner, &[source], 't') {
                        Some(path) => draft.set("TimestampPath", path),
                        None => draft.set("Timestamp", time(self.choices)),
                    }
                }
            }
        }
    }

    fn fail(&mut self, draft: &mut Draft, inner: &Scope) {
        let source = draft.input(inner);
        if self.choices.once_in(2) {
            draft.set("Error", self.choices.pick(&["E.A", "E.B", "E.C"]));
            if self.choices.once_in(2) {
                draft.set("Cause", "on purpose");
            }
        } else if draft.jsonata {
            draft.set("Error", in_jsonata(&self.jsonata(inner, &[source], 's')));
        } else if let Some(path) = self.query(inner, &[source], 's') {
            draft.set("ErrorPath", path);
        } else {
            draft.set("Error", "E.C");
        }
    }

    fn choice(&mut self, draft: &mut Draft, region: &mut Region, position: usize, inner: &Scope) {
        let following = match region.row.get(position + 1) {
            Some(following) => following.clone(),
            None => self.terminal(region),
        };
        let has_default = !self.choices.once_in(12);
        let mut rules = Vec::new();
        for number in 0..=self.choices.below(3) {
            let mut rule = self.condition(draft, inner, 2);
            let next =
                if number == 0 && !has_default { following.clone() } else { self.later(region, position) };
            rule["Next"] = next.into();
            if self.choices.once_in(4) {
                rule["Assign"] = self.assignment(draft, inner, &[draft.input(inner)]);
            }
            if draft.jsonata && self.choices.once_in(4) {
                rule["Output"] = self.output(draft, inner).0;
            }
            rules.push(rule);
        }
        draft.set("Choices", rules);
        if has_default {
            draft.set("Default", following);
        }
    }

    fn condition(&mut self, draft: &Draft, inner: &Scope, depth: u32) -> Value {
        let source = draft.input(inner);
        if draft.jsonata {
            let condition = match self.choices.below(5) {
                0 => format!("{} < {}", self.jsonata(inner, &[source], 'n'), self.choices.below(6)),
                1 => format!("{} = 'a'", self.jsonata(inner, &[source], 's')),
                2 => format!("$exists($states.input.{})", self.choices.pick(&["n", "o", "r", "e"])),
                3 => self.jsonata(inner, &[source], 'b'),
                _ => format!("{} = {}", self.jsonata(inner, &[source], 'n'), self.choices.below(6)),
            };
            return json!({"Condition": in_jsonata(&condition)});
        }
        if depth > 0 && self.choices.once_in(4) {
            let mut parts: Vec<Value> = (0..2).map(|_| self.condition(draft, inner, depth - 1)).collect();
            return match self.choices.below(3) {
                0 => json!({"And": parts}),
                1 => json!({"Or": parts}),
                _ => json!({"Not": parts.swap_remove(0)}),
            };
        }
        let sources = [source];
        let bound = self.choices.below(6);
        let path = |author: &mut Self, letter| author.path(inner, &sources, letter);
        match self.choices.below(6) {
            0 => path(self, 'n').map(|path| json!({"Variable": path, "NumericLessThan": bound})),
            1 => path(self, 's').map(|path| json!({"Variable": path, "StringEquals": "a"})),
            2 => path(self, 's').map(|path| json!({"Variable": path, "StringMatches": "a*"})),
            3 => path(self, 'b').map(|path| json!({"Variable": path, "BooleanEquals": true})),
            4 => path(self, 'n')
                .zip(path(self, 'n'))
                .map(|(path, other)| json!({"Variable": path, "NumericEqualsPath": other})),
            _ => None,
        }
        .unwrap_or_else(|| json!({"Variable": format!("$.{}", self.choices.pick(&["n", "o", "e"])), "IsPresent": bound > 1}))
    }

    fn parallel(&mut self, draft: &mut Draft, inner: &Scope, depth: u32) {
        let mut scope = inner.clone();
        if self.choices.once_in(3) {
            let source = draft.input(inner);
            let (arguments, known) = self.template(inner, &[source], draft.jsonata, super::LETTERS);
            draft.set(if draft.jsonata { "Arguments" } else { "Parameters" }, arguments);
            scope.known = known;
        }
        let branches: Vec<Value> = (0..=self.choices.below(3))
            .map(|_| {
                let (start_at, states) = self.region(&scope, depth + 1);
                json!({"StartAt": start_at, "States": states})
            })
            .collect();
        draft.set("Branches", branches);
    }

    fn map(&mut self, draft: &mut Draft, inner: &Scope, depth: u32) {
        let mut scope = Scope { in_map: true, ..inner.clone() };
        "ns".clone_into(&mut scope.known);
        let source = draft.input(inner);
        let over_object = self.choices.once_in(12);
        let letter = if over_object { 'o' } else { 'l' };
        if draft.jsonata {
            match self.choices.once_in(3) {
                true if !over_object => draft.set("Items", literal(self.choices, 'l')),
                true => draft.set("Items", literal(self.choices, 'o')),
                false => draft.set("Items", in_jsonata(&self.jsonata(inner, &[source], 'l'))),
            }
        } else {
            let path = self.path(inner, &[source], letter).unwrap_or_else(|| format!("$.{letter}"));
            draft.set("ItemsPath", path);
        }
        if self.choices.once_in(2) {
            let input = draft.input(inner);
            let (mut selector, known) = self.template(&scope, &[input], draft.jsonata, "nsbw");
            // Of the iterations over an object an item is no object.
            let part = if over_object || self.choices.once_in(2) { "" } else { ".n" };
            if draft.jsonata {
                selector["i"] = in_jsonata(&format!("$states.context.Map.Item.Value{part}"));
            } else {
                selector["i.$"] = format!("$$.Map.Item.Value{part}").into();
            }
            draft.set("ItemSelector", selector);
            scope.known = known;
        } else if over_object {
            scope.known.clear();
        }
        match self.choices.below(4) {
            0 => {}
            1 => {
                let (name, value) = self.seconds_field(draft, inner, "MaxConcurrency");
                draft.set(&name, value);
            }
            most => draft.set("MaxConcurrency", most - 1),
        }
        let (start_at, states) = self.region(&scope, depth + 1);
        let processor = json!({"ProcessorConfig": {"Mode": "INLINE"}, "StartAt": start_at, "States": states});
        draft.set("ItemProcessor", processor);
    }

    fn error_names(&mut self) -> Vec<&'static str> {
        let mut names = vec![self.choices.pick(&ERRORS)];
        if self.choices.once_in(2) {
            let other = self.choices.pick(&ERRORS);
            if !names.contains(&other) {
                names.push(other);
            }
        }
        names
    }

    fn retry(&mut self, draft: &mut Draft) {
        let count = self.choices.below(4).saturating_sub(1);
        let retriers: Vec<Value> = (0..count)
            .map(|number| {
                let is_last = number + 1 == count;
                let names =
                    if is_last && self.choices.once_in(2) { vec!["States.ALL"] } else { self.error_names() };
                let mut retrier = json!({"ErrorEquals": names});
                if self.choices.once_in(2) {
                    retrier["MaxAttempts"] = self.choices.below(4).into();
                }
                if self.choices.once_in(2) {
                    retrier["IntervalSeconds"] = (1 + self.choices.below(4)).into();
                }
                if self.choices.once_in(2) {
                    retrier["BackoffRate"] = json!([1.0, 1.5, 2.0][self.choices.below(3) as usize]);
                }
                if self.choices.once_in(3) {
                    retrier["MaxDelaySeconds"] = (5 + self.choices.below(4)).into();
                }
                if self.choices.once_in(4) {
                    retrier["JitterStrategy"] = self.choices.pick(&["FULL", "NONE"]).into();
                }
                retrier
            })
            .collect();
        if !retriers.is_empty() {
            draft.set("Retry", retriers);
        }
    }

    fn catch(&mut self, draft: &mut Draft, region: &mut Region, position: usize, scope: &Scope) {
        let count = self.choices.below(4).saturating_sub(1);
        let mut catchers = Vec::new();
        for number in 0..count {
            let is_last = number + 1 == count;
            let names =
                if is_last && self.choices.once_in(2) { vec!["States.ALL"] } else { self.error_names() };
            let mut catcher = json!({"ErrorEquals": names, "Next": self.later(region, position)});
            if draft.jsonata {
                if !self.choices.once_in(4) {
                    let source = Source::new("$states.input", &scope.known);
                    let (mut output, _) = self.template(scope, &[source], true, super::LETTERS);
                    output["e"] = in_jsonata("$states.errorOutput");
                    catcher["Output"] = output;
                }
                if self.choices.once_in(3) {
                    catcher["Assign"] =
                        json!({self.variable(region.depth, 's'): in_jsonata("$states.errorOutput.Error")});
                }
            } else {
                match self.choices.below(6) {
                    0 => {}
                    1 => catcher["ResultPath"] = Value::Null,
                    _ => catcher["ResultPath"] = "$.e".into(),
                }
                if self.choices.once_in(3) {
                    catcher["Assign"] = json!({format!("{}.$", self.variable(region.depth, 's')): "$.Error"});
                }
            }
            catchers.push(catcher);
        }
        if !catchers.is_empty() {
            draft.set("Catch", catchers);
        }
    }

    /// A new variable: no region sets a name of another one.
    fn variable(&mut self, depth: u32, letter: char) -> String {
        self.names += 1;
        format!("{letter}{depth}_{}", self.names)
    }

    /// The fields that decide what a state hands on.
    fn hand_on(&mut self, draft: &mut Draft, kind: &str, inner: &Scope, scope: &mut Scope) {
        if kind == "Fail" {
            return;
        }
        let is_nested = matches!(kind, "Parallel" | "Map");
        if draft.jsonata {
            if is_nested {
                let source = draft.input(inner);
                let (mut output, mut known) = self.template(inner, &[source], true, super::LETTERS);
                output["r"] = in_jsonata("$states.result");
                known.push('r');
                draft.set("Output", output);
                draft.known = known;
            } else if self.choices.once_in(2) {
                let (output, known) = self.output(draft, inner);
                draft.set("Output", output);
                draft.known = known;
            } else if kind == "Task" {
                draft.known = OF_RESULTS.to_owned();
            }
        } else {
            self.result_fields(draft, kind, inner, scope);
        }
        if kind != "Succeed" && self.choices.once_in(3) {
            let mut sources = vec![draft.input(inner)];
            let reads_array = is_nested && !draft.fields.contains_key("ResultSelector");
            match draft.result.clone() {
                Some(result) if draft.jsonata => sources.push(result),
                Some(result) => sources = vec![result],
                None if reads_array && !draft.jsonata => sources = vec![Source::new("$", "")],
                None => {}
            }
            let assigned = self.assignment(draft, inner, &sources);
            if let Some(names) = assigned.as_object() {
                let names = names.keys().map(|name| name.trim_end_matches(".$").to_owned());
                scope.variables.extend(names);
            }
            draft.set("Assign", assigned);
        }
    }

    /// Some variables.
    fn assignment(&mut self, draft: &Draft, inner: &Scope, sources: &[Source]) -> Value {
        let mut assigned = Map::new();
        for _ in 0..=self.choices.below(2) {
            let letter = ['n', 's', 'w', 'o', 'b'][self.choices.below(5) as usize];
            let name = self.variable(0, letter);
            let (key, value) = self.field(inner, sources, draft.jsonata, letter, &name);
            assigned.insert(key, value);
        }
        assigned.into()
    }

    /// `Output` of a state in JSONata.
    fn output(&mut self, draft: &Draft, inner: &Scope) -> (Value, String) {
        let mut sources = vec![Source::new("$states.input", &inner.known)];
        sources.extend(draft.result.clone());
        if self.choices.once_in(3) {
            let source = &sources[self.choices.below(u32::try_from(sources.len()).unwrap_or(1)) as usize];
            return (in_jsonata(source.root), source.known.clone());
        }
        self.template(inner, &sources, true, super::LETTERS)
    }

    /// `Parameters` of a Pass, `ResultSelector`, `ResultPath`, `OutputPath`.
    fn result_fields(&mut self, draft: &mut Draft, kind: &str, inner: &Scope, scope: &Scope) {
        let mut known = inner.known.clone();
        let is_nested = matches!(kind, "Parallel" | "Map");
        if kind == "Pass" {
            match self.choices.below(3) {
                1 => {
                    let (parameters, letters) =
                        self.template(inner, &[Source::new("$", &inner.known)], false, super::LETTERS);
                    draft.set("Parameters", parameters);
                    known = letters;
                }
                2 => {
                    draft.set("Result", literal(self.choices, 'o'));
                    "ns".clone_into(&mut known);
                }
                _ => {}
            }
            draft.result = Some(Source::new("$", &known));
        }
        if kind == "Task" {
            OF_RESULTS.clone_into(&mut known);
            if self.choices.once_in(3) {
                let (selector, letters) =
                    self.template(inner, &[Source::new("$", OF_RESULTS)], false, "nsow");
                draft.set("ResultSelector", selector);
                draft.result = Some(Source::new("$", &letters));
                known = letters;
            }
        }
        if is_nested && self.choices.once_in(2) {
            draft.set("ResultSelector", json!({"r.$": "$", "n": 1}));
            draft.result = Some(Source::new("$", "n"));
            "rn".clone_into(&mut known);
        }
        let result_is_object = !is_nested || draft.fields.contains_key("ResultSelector");
        if matches!(kind, "Pass" | "Task" | "Parallel" | "Map") {
            match self.choices.below(3) {
                0 if result_is_object => {}
                1 => {
                    draft.set("ResultPath", Value::Null);
                    known = scope.known.clone();
                }
                _ => {
                    let letter = if result_is_object { 'o' } else { 'r' };
                    draft.set("ResultPath", format!("$.{letter}"));
                    known = format!("{}{letter}", scope.known);
                }
            }
        }
        draft.known = known;
        self.output_path(draft);
    }

    fn output_path(&mut self, draft: &mut Draft) {
        match self.choices.below(16) {
            13 => draft.set("OutputPath", "$"),
            14 if draft.known.contains('o') => {
                draft.set("OutputPath", "$.o");
                "ns".clone_into(&mut draft.known);
            }
            15 => {
                draft.set("OutputPath", Value::Null);
                draft.known.clear();
            }
            _ => {}
        }
    }
}
