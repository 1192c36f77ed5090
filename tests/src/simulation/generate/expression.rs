//! Random expressions, templates and literals, typed by letter.

use serde_json::{Map, Value, json};

use super::super::Choices;
use super::{Author, Scope};

/// A literal of a type.
pub(super) fn literal(choices: &mut Choices, letter: char) -> Value {
    match letter {
        'n' => choices.below(6).into(),
        'w' => (1 + choices.below(4)).into(),
        's' => choices.pick(&["a", "b", "ab", "x-1"]).into(),
        'b' => choices.once_in(2).into(),
        't' => time(choices).into(),
        'l' => (0..choices.below(4)).map(|_| literal(choices, 'o')).collect::<Vec<_>>().into(),
        'e' => json!({"Error": "E.A", "Cause": "made up"}),
        'r' => json!([]),
        _ => json!({"n": choices.below(6), "s": choices.pick(&["a", "b"])}),
    }
}

/// A time within the first minutes of every scenario.
pub(super) fn time(choices: &mut Choices) -> String {
    format!("2026-01-01T00:{:02}:{:02}Z", choices.below(3), choices.below(60))
}

/// Where the values of a template come from: the fields of an object.
#[derive(Debug, Clone)]
pub(super) struct Source {
    /// e.g. `$states.input`, or `$`.
    pub(super) root: &'static str,
    /// The letters of the fields it probably has.
    pub(super) known: String,
}

impl Source {
    pub(super) fn new(root: &'static str, known: &str) -> Self {
        Self { root, known: known.to_owned() }
    }
}

impl Author<'_> {
    /// A path to a value of a type, if something of the type is known; now and
    /// then to one that may not be there.
    pub(super) fn path(&mut self, scope: &Scope, sources: &[Source], letter: char) -> Option<String> {
        let source = &sources[self.choices.below(u32::try_from(sources.len()).unwrap_or(1)) as usize];
        let variables: Vec<&String> =
            scope.variables.iter().filter(|variable| variable.starts_with(letter)).collect();
        match self.choices.below(6) {
            0 | 1 if !variables.is_empty() => {
                let which = self.choices.below(u32::try_from(variables.len()).unwrap_or(1));
                Some(format!("${}", variables[which as usize]))
            }
            2 if matches!(letter, 'n' | 's') && source.known.contains('o') => {
                Some(format!("{}.o.{letter}", source.root))
            }
            _ if source.known.contains(letter) || self.choices.once_in(80) => {
                Some(format!("{}.{letter}", source.root))
            }
            _ => None,
        }
    }

    /// An expression in JSONata, without its delimiters.
    pub(super) fn jsonata(&mut self, scope: &Scope, sources: &[Source], letter: char) -> String {
        let from_context = self.choices.once_in(8);
        match letter {
            'n' if from_context && scope.in_map => return "$states.context.Map.Item.Index".to_owned(),
            'n' if from_context => return "$states.context.Execution.RedriveCount".to_owned(),
            's' if from_context => return "$states.context.State.Name".to_owned(),
            _ => {}
        }
        let Some(path) = self.path(scope, sources, letter) else {
            return jsonata_literal(&literal(self.choices, letter));
        };
        match (letter, self.choices.below(4)) {
            ('n', 3) => format!("({path} + 1)"),
            ('s', 3) => format!("({path} & 'x')"),
            _ => path,
        }
    }

    /// A path or an intrinsic function, for a key that ends in `.$`.
    pub(super) fn query(&mut self, scope: &Scope, sources: &[Source], letter: char) -> Option<String> {
        let from_context = self.choices.once_in(8);
        match letter {
            'n' if from_context && scope.in_map => return Some("$$.Map.Item.Index".to_owned()),
            'n' if from_context => return Some("$$.Execution.RedriveCount".to_owned()),
            's' if from_context => return Some("$$.State.Name".to_owned()),
            _ => {}
        }
        let path = self.path(scope, sources, letter)?;
        Some(match (letter, self.choices.below(4)) {
            ('n', 3) => format!("States.MathAdd({path}, 1)"),
            ('s', 3) => format!("States.Format('{{}}x', {path})"),
            _ => path,
        })
    }

    /// An object of some fields, and the letters of those it has.
    pub(super) fn template(
        &mut self,
        scope: &Scope,
        sources: &[Source],
        jsonata: bool,
        letters: &str,
    ) -> (Value, String) {
        let mut fields = Map::new();
        let mut known = String::new();
        for letter in letters.chars() {
            if self.choices.once_in(3) {
                continue;
            }
            known.push(letter);
            let (key, value) = self.field(scope, sources, jsonata, letter, &letter.to_string());
            fields.insert(key, value);
        }
        (fields.into(), known)
    }

    /// One field of a template.
    pub(super) fn field(
        &mut self,
        scope: &Scope,
        sources: &[Source],
        jsonata: bool,
        letter: char,
        name: &str,
    ) -> (String, Value) {
        if self.choices.once_in(4) {
            return (name.to_owned(), literal(self.choices, letter));
        }
        if jsonata {
            let expression = self.jsonata(scope, sources, letter);
            return (name.to_owned(), in_jsonata(&expression));
        }
        match self.query(scope, sources, letter) {
            Some(query) => (format!("{name}.$"), query.into()),
            None => (name.to_owned(), literal(self.choices, letter)),
        }
    }
}

/// An expression as a field has it.
pub(super) fn in_jsonata(expression: &str) -> Value {
    format!("{{% {expression} %}}").into()
}

/// A literal in JSONata: JSON with single quotes.
fn jsonata_literal(value: &Value) -> String {
    value.to_string().replace('"', "'")
}
