//! Random definitions: always valid, of bounded size, every state type in both
//! query languages.
//!
//! What keeps them predictable is a discipline of data: every state takes and
//! hands on an object, and the first letter of a field or variable says its
//! type ([`LETTERS`]). Whether a field is there is left to chance, so paths
//! that lead nowhere happen, and expressions of the wrong type do not.

use serde_json::{Map, Value, json};

use super::Choices;

mod expression;
mod states;

/// Types by letter: `n` a number, `w` some seconds, `s` a text, `b` true or
/// false, `o` an object of `n` and `s`, `l` a list of such objects, `t` a time,
/// `r` results of branches or iterations, `e` an error output.
const LETTERS: &str = "nwsbolt";

/// States a definition has at most.
const STATES_MAX: u32 = 14;

/// How deep Parallel and Map nest.
const DEPTH_MAX: u32 = 2;

/// A random definition.
pub(super) fn definition(choices: &mut Choices) -> Value {
    let jsonata_only = choices.once_in(3);
    let mut author = Author { choices, states: 0, names: 0, loops: 0, jsonata_only };
    let scope = Scope { known: LETTERS.to_owned(), ..Scope::default() };
    let (start_at, states) = author.region(&scope, 0);
    let mut machine = Map::new();
    if jsonata_only {
        machine.insert("QueryLanguage".to_owned(), "JSONata".into());
    }
    if author.choices.once_in(6) {
        machine.insert("TimeoutSeconds".to_owned(), (3 + author.choices.below(60)).into());
    }
    machine.insert("StartAt".to_owned(), start_at.into());
    machine.insert("States".to_owned(), states.into());
    machine.into()
}

/// A random input: an object of fields of every type.
pub(super) fn input(choices: &mut Choices) -> Value {
    let mut fields = Map::new();
    for letter in LETTERS.chars() {
        if !choices.once_in(80) {
            fields.insert(letter.to_string(), expression::literal(choices, letter));
        }
    }
    fields.into()
}

/// What is known where a state is written.
#[derive(Debug, Clone, Default)]
struct Scope {
    /// The letters of the fields the state's input probably has.
    known: String,
    /// Variables that are probably set.
    variables: Vec<String>,
    in_map: bool,
}

/// Writes one definition.
struct Author<'c> {
    choices: &'c mut Choices,
    states: u32,
    names: u32,
    loops: u32,
    jsonata_only: bool,
}

/// One region: the machine, a branch, or an item processor.
struct Region {
    depth: u32,
    /// The names of the states in a row, each of which leads to the next one.
    row: Vec<String>,
    states: Map<String, Value>,
}

impl Author<'_> {
    fn name(&mut self, kind: &str) -> String {
        self.names += 1;
        format!("{kind}{}", self.names)
    }

    /// A region: states in a row, some with ways to later ones, some in a circle.
    fn region(&mut self, outer: &Scope, depth: u32) -> (String, Map<String, Value>) {
        let room = STATES_MAX.saturating_sub(self.states).min(if depth == 0 { 5 } else { 3 });
        let length = 1 + self.choices.below(room.max(1));
        let kinds: Vec<&str> = (0..length).map(|position| self.kind(position + 1 == length, depth)).collect();
        self.states += length;
        let row: Vec<String> = kinds.iter().map(|kind| self.name(kind)).collect();
        let mut region = Region { depth, row, states: Map::new() };
        let mut scope = outer.clone();
        let mut start_at = region.row[0].clone();
        let circle = self.loops == 0 && self.choices.once_in(6);
        let counter = circle.then(|| {
            self.loops += 1;
            let counter = format!("n_{}", self.loops);
            let first = self.name("Pass");
            let begin = json!({"Type": "Pass", "QueryLanguage": "JSONata", "Assign": {&counter: 0}, "Next": start_at});
            region.states.insert(first.clone(), begin);
            start_at = first;
            scope.variables.push(counter.clone());
            counter
        });
        for (position, kind) in kinds.iter().enumerate() {
            let state = self.state(&mut region, position, kind, &mut scope);
            region.states.insert(region.row[position].clone(), state);
        }
        if let Some(counter) = counter {
            self.close_circle(&mut region, &counter);
        }
        (start_at, region.states)
    }

    /// The last state of a row leads back to one of the row, twice.
    fn close_circle(&mut self, region: &mut Region, counter: &str) {
        let Some(last) = region.row.last().and_then(|name| region.states.get_mut(name)) else { return };
        if last.get("End").is_none() {
            return;
        }
        let choice = self.name("Choice");
        if let Some(last) = last.as_object_mut() {
            last.remove("End");
            last.insert("Next".to_owned(), choice.as_str().into());
        }
        let back =
            region.row[self.choices.below(u32::try_from(region.row.len()).unwrap_or(1)) as usize].clone();
        let out = self.terminal(region);
        let state = if self.jsonata_only || self.choices.once_in(2) {
            json!({"Type": "Choice", "QueryLanguage": "JSONata", "Default": out, "Choices": [{
                "Condition": format!("{{% ${counter} < 2 %}}"), "Next": back,
                "Assign": {counter: format!("{{% (${counter} + 1) %}}")}}]})
        } else {
            json!({"Type": "Choice", "Default": out, "Choices": [{
                "Variable": format!("${counter}"), "NumericLessThan": 2, "Next": back,
                "Assign": {format!("{counter}.$"): format!("States.MathAdd(${counter}, 1)")}}]})
        };
        region.states.insert(choice, state);
    }

    /// The type of a state of a row. Only the last one may lead nowhere.
    fn kind(&mut self, is_last: bool, depth: u32) -> &'static str {
        let nested = depth < DEPTH_MAX && self.states + 3 < STATES_MAX;
        match self.choices.below(if nested { 15 } else { 11 }) {
            0 | 1 => "Pass",
            2..=6 => "Task",
            7 => "Wait",
            8 | 9 => "Choice",
            10 if is_last => self.choices.pick(&["Succeed", "Fail"]),
            10 => "Wait",
            11 | 12 => "Parallel",
            _ => "Map",
        }
    }

    /// A new state a Choice or a Catch can lead to.
    fn terminal(&mut self, region: &mut Region) -> String {
        let kind = self.choices.pick(&["Succeed", "Pass", "Fail"]);
        let name = self.name(kind);
        let state = match kind {
            "Fail" => json!({"Type": "Fail", "Error": "E.End", "Cause": "at the end"}),
            "Pass" => json!({"Type": "Pass", "End": true}),
            _ => json!({"Type": "Succeed"}),
        };
        region.states.insert(name.clone(), state);
        name
    }

    /// Where a Choice or a Catch may lead: to a later state of the row, or to a new one.
    fn later(&mut self, region: &mut Region, position: usize) -> String {
        let later = region.row.len() - position - 1;
        if later == 0 || self.choices.once_in(3) {
            return self.terminal(region);
        }
        region.row[position + 1 + self.choices.below(u32::try_from(later).unwrap_or(1)) as usize].clone()
    }
}
