//! Names of states and variables.
//!
//! A state keeps the name its author gave it as long as nothing else in the
//! machine wants it. Where a name is wanted twice, those inside a map, a branch
//! or a handler are qualified by the path that leads there, so that adding a
//! state elsewhere leaves the rest alone. Variables are named after the state
//! that fills them.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use crate::schema::hexadecimal;

/// AWS quota: names of states and variables have at most 80 characters.
const CHARACTERS_MAX: usize = 80;

/// Names a variable must not take: AWS's own object and every function that a
/// variable of the same name would hide.
const RESERVED: [&str; 70] = [
    "states",
    "sum",
    "count",
    "max",
    "min",
    "average",
    "string",
    "substring",
    "substringBefore",
    "substringAfter",
    "lowercase",
    "uppercase",
    "length",
    "trim",
    "pad",
    "match",
    "contains",
    "replace",
    "split",
    "join",
    "formatNumber",
    "formatBase",
    "formatInteger",
    "parseInteger",
    "number",
    "floor",
    "ceil",
    "round",
    "abs",
    "sqrt",
    "power",
    "random",
    "boolean",
    "not",
    "map",
    "zip",
    "filter",
    "single",
    "reduce",
    "sift",
    "keys",
    "lookup",
    "append",
    "exists",
    "spread",
    "merge",
    "reverse",
    "each",
    "error",
    "assert",
    "type",
    "sort",
    "shuffle",
    "distinct",
    "base64encode",
    "base64decode",
    "encode",
    "decode",
    "eval",
    "now",
    "millis",
    "clone",
    "parse",
    "partition",
    "range",
    "hash",
    "uuid",
    "item",
    "value",
    "index",
];

/// A state that needs a name.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    /// What the author wrote.
    pub(crate) name: String,
    /// The wanted names of the states around it, outermost first.
    pub(crate) path: Vec<String>,
}

/// Names for all states of a machine, in their order.
pub(crate) fn state_names(wanted: &[Wanted]) -> Vec<String> {
    let cleaned: Vec<String> = wanted.iter().map(|state| clean(&state.name)).collect();
    let mut occurrences: BTreeMap<&str, usize> = BTreeMap::new();
    for name in &cleaned {
        *occurrences.entry(name).or_default() += 1;
    }
    let mut taken = BTreeSet::new();
    let names = wanted.iter().zip(&cleaned).map(|(state, name)| {
        let is_unique = occurrences.get(name.as_str()).is_none_or(|count| *count == 1);
        let candidate =
            if is_unique || state.path.is_empty() { name.clone() } else { qualified(&state.path, name) };
        claim(&mut taken, &candidate, &occurrences)
    });
    names.collect()
}

fn qualified(path: &[String], name: &str) -> String {
    let path = path.iter().map(|segment| clean(segment)).chain([name.to_owned()]);
    path.collect::<Vec<_>>().join(": ")
}

/// The candidate, or the candidate with the first number that is free. A numbered name
/// must not take a name somebody asked for.
fn claim(taken: &mut BTreeSet<String>, candidate: &str, asked: &BTreeMap<&str, usize>) -> String {
    let numbered = (2_u32..).map(|number| shortened(candidate, &format!(" {number}")));
    let mut free = std::iter::once(shortened(candidate, ""))
        .chain(numbered.filter(|name| !asked.contains_key(name.as_str())))
        .filter(|name| !taken.contains(name));
    let name = free.next().unwrap_or_default();
    taken.insert(name.clone());
    name
}

/// At most 80 characters: a longer name ends in a part of its hash.
fn shortened(name: &str, suffix: &str) -> String {
    let room = CHARACTERS_MAX - suffix.len();
    if name.chars().count() <= room {
        return format!("{name}{suffix}");
    }
    let hash = hexadecimal(&Sha256::digest(name.as_bytes()), 4);
    let kept: String = name.chars().take(room - hash.len() - 1).collect();
    format!("{}~{hash}{suffix}", kept.trim_end())
}

/// Without control characters and without blanks at the ends or in rows.
fn clean(name: &str) -> String {
    let spaced: String =
        name.chars().map(|character| if character.is_control() { ' ' } else { character }).collect();
    let cleaned = spaced.split_whitespace().collect::<Vec<_>>().join(" ");
    if cleaned.is_empty() { "State".to_owned() } else { cleaned }
}

/// Hands out variable names, each once in the whole machine: AWS has no shadowing.
#[derive(Debug, Default)]
pub(crate) struct VariableNames {
    taken: BTreeSet<String>,
}

impl VariableNames {
    /// A free variable name that reads like `wanted`.
    pub(crate) fn claim(&mut self, wanted: &str) -> String {
        let mut base = snake_case(wanted);
        if RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(&base)) || is_numbered_local(&base) {
            base.push_str("_result");
        }
        let base = shortened(&base, "").replace('~', "_");
        let numbered = (2_u32..).map(|number| shortened(&base, &format!("_{number}")).replace('~', "_"));
        let mut free =
            std::iter::once(base.clone()).chain(numbered).filter(|name| !self.taken.contains(name));
        let name = free.next().unwrap_or_default();
        self.taken.insert(name.clone());
        name
    }
}

/// `item2`, `item3`: what the expressions call the parameters of nested lambdas.
fn is_numbered_local(name: &str) -> bool {
    name.strip_prefix("item")
        .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Lower case ASCII words joined by `_`, starting with a letter.
pub(crate) fn snake_case(text: &str) -> String {
    let mut snake = String::new();
    let mut previous: Option<char> = None;
    for character in text.chars() {
        if !character.is_ascii_alphanumeric() {
            previous = None;
            continue;
        }
        let starts_word = match previous {
            None => true,
            Some(previous) => character.is_ascii_uppercase() && !previous.is_ascii_uppercase(),
        };
        if starts_word && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(character.to_ascii_lowercase());
        previous = Some(character);
    }
    match snake.chars().next() {
        None => "value_of_state".to_owned(),
        Some(first) if first.is_ascii_digit() => format!("state_{snake}"),
        Some(_) => snake,
    }
}

#[cfg(test)]
mod tests;
