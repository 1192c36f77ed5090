//! What an expression refers to, found once when it is parsed. Evaluation binds
//! only what is used; validation reports what cannot exist.

use std::collections::BTreeSet;

use super::ast::{Kind, Node, Path, Program, Stage, Step, Sym};
use super::functions::Builtin;

/// The name of the reserved variable, without `$`.
pub(crate) const STATES: &str = "states";

/// What one expression refers to.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    /// `$states` is used other than by a field of a known name.
    pub(crate) whole_states: bool,
    /// The fields of `$states` that are used, e.g. `input`.
    pub(crate) states_fields: BTreeSet<String>,
    /// The task token may be in the result.
    pub(crate) may_hold_task_token: bool,
    /// Variables that are read, bound in the expression or not; without `states`.
    pub(crate) variables: BTreeSet<String>,
    /// Variables the expression binds itself, anywhere in it.
    pub(crate) bound: BTreeSet<String>,
    /// Functions called by name.
    pub(crate) calls: BTreeSet<String>,
    /// Names, `$` and `$$` used where there is no context to take them from.
    pub(crate) top_level: Vec<String>,
    /// The expression is no more than a variable and the names of fields.
    pub(crate) plain_path: Option<(String, Vec<String>)>,
}

impl Facts {
    pub(super) fn of(program: &Program) -> Self {
        let mut facts = Self { plain_path: plain_path(program), ..Self::default() };
        Walk { program, facts: &mut facts }.node(&program.root, false);
        facts
    }

    /// Variables that have to come from outside.
    pub(crate) fn free_variables(&self) -> impl Iterator<Item = &str> {
        self.variables
            .iter()
            .map(String::as_str)
            .filter(|name| !self.bound.contains(*name) && !is_function(name))
    }

    /// Called functions that do not exist, unless a variable holds one.
    pub(crate) fn unknown_functions(&self) -> impl Iterator<Item = &str> {
        self.calls.iter().map(String::as_str).filter(|name| !self.bound.contains(*name) && !is_function(name))
    }

    fn read_whole_states(&mut self) {
        self.whole_states = true;
        self.may_hold_task_token = true;
    }

    fn report_top_level(&mut self, name: &str) {
        if !self.top_level.iter().any(|known| known == name) {
            self.top_level.push(name.to_owned());
        }
    }
}

/// One walk over the tree. `has_context` tells whether there is something names
/// can be taken from.
struct Walk<'p> {
    program: &'p Program,
    facts: &'p mut Facts,
}

impl<'p> Walk<'p> {
    fn name(&self, symbol: Sym) -> &'p str {
        self.program.symbols.get(symbol).map_or("", String::as_str)
    }

    fn bind(&mut self, symbol: Sym) {
        let name = self.name(symbol).to_owned();
        self.facts.bound.insert(name);
    }

    fn node(&mut self, node: &'p Node, has_context: bool) {
        self.kind(node, has_context);
        if let Some(extra) = &node.extra {
            for predicate in &extra.predicates {
                self.node(predicate, true);
            }
            self.pairs(extra.group.iter().flatten(), true);
        }
    }

    fn nodes(&mut self, nodes: impl IntoIterator<Item = &'p Node>, has_context: bool) {
        for node in nodes {
            self.node(node, has_context);
        }
    }

    fn pairs(&mut self, pairs: impl IntoIterator<Item = &'p (Node, Node)>, has_context: bool) {
        for (key, value) in pairs {
            self.node(key, has_context);
            self.node(value, has_context);
        }
    }

    fn kind(&mut self, node: &'p Node, has_context: bool) {
        match &node.kind {
            Kind::Null
            | Kind::Bool(_)
            | Kind::Whole(_)
            | Kind::Number(_)
            | Kind::Text(_)
            | Kind::Regex(_)
            | Kind::Wildcard
            | Kind::Descendant
            | Kind::Parent(_)
            | Kind::Placeholder
            | Kind::TooDeep => {}
            Kind::Name(name) => {
                if !has_context {
                    self.facts.report_top_level(name);
                }
            }
            Kind::Context => {
                if !has_context {
                    self.facts.report_top_level("$");
                }
            }
            Kind::Variable(symbol) => self.variable(self.name(*symbol)),
            Kind::Path(path) => self.path(path, has_context),
            Kind::Array { items, .. } => self.nodes(items, has_context),
            Kind::Object(pairs) => self.pairs(pairs, has_context),
            Kind::Negate(inner) => self.node(inner, has_context),
            Kind::Binary(_, sides) => {
                self.node(&sides.0, has_context);
                self.node(&sides.1, has_context);
            }
            Kind::Bind(symbol, value) => {
                self.bind(*symbol);
                self.node(value, has_context);
            }
            Kind::Condition(parts) => {
                self.node(&parts.0, has_context);
                self.node(&parts.1, has_context);
                self.nodes(&parts.2, has_context);
            }
            Kind::Block(block) => self.nodes(&block.items, has_context),
            Kind::Lambda(lambda) => {
                for parameter in &lambda.parameters {
                    self.bind(*parameter);
                }
                // What a body takes its names from is decided where it is
                // called; only AWS knows, so nothing is reported in it.
                self.node(&lambda.body, true);
            }
            Kind::Call(call) | Kind::Partial(call) => {
                match (&call.procedure.kind, &call.procedure.extra) {
                    (Kind::Variable(symbol), None) => {
                        let name = self.name(*symbol).to_owned();
                        self.facts.calls.insert(name);
                    }
                    _ => self.node(&call.procedure, has_context),
                }
                self.nodes(&call.arguments, has_context);
            }
            Kind::Transform(transform) => {
                self.node(&transform.pattern, true);
                self.node(&transform.update, true);
                self.nodes(&transform.delete, true);
            }
            Kind::Sort(terms) => self.nodes(terms.iter().map(|term| &term.expression), true),
        }
    }

    fn path(&mut self, path: &'p Path, has_context: bool) {
        for (index, step) in path.steps.iter().enumerate() {
            for symbol in step.focus.iter().chain(&step.index) {
                self.bind(*symbol);
            }
            match &step.node.kind {
                Kind::Variable(symbol) if index == 0 && self.name(*symbol) == STATES => {
                    self.states(path);
                }
                _ => self.node(&step.node, has_context || index > 0),
            }
            for stage in &step.stages {
                match stage {
                    Stage::Filter(filter) => self.node(filter, true),
                    Stage::Index(symbol) => self.bind(*symbol),
                }
            }
        }
        self.pairs(path.group.iter().flatten(), true);
    }

    /// A path that begins with `$states`: which parts of it are needed?
    fn states(&mut self, path: &'p Path) {
        let mut names = path.steps.iter().skip(1).map(|step| match &step.node.kind {
            Kind::Name(name) => Some(name.as_str()),
            _ => None,
        });
        let plain_first = path.steps.first().is_some_and(is_plain);
        match names.next().flatten() {
            Some(field) if plain_first => {
                self.facts.states_fields.insert(field.to_owned());
                if field == "context" && names.next().flatten().is_none_or(|part| part == "Task") {
                    self.facts.may_hold_task_token = true;
                }
            }
            _ => self.facts.read_whole_states(),
        }
    }

    fn variable(&mut self, name: &str) {
        match name {
            "$" => self.facts.report_top_level("$$"),
            STATES => self.facts.read_whole_states(),
            _ => {
                self.facts.variables.insert(name.to_owned());
            }
        }
    }
}

/// The functions expressions can call, without `$`.
pub(crate) fn functions() -> impl Iterator<Item = &'static str> {
    Builtin::names()
}

fn is_function(name: &str) -> bool {
    Builtin::by_name(name).is_some()
}

fn plain_path(program: &Program) -> Option<(String, Vec<String>)> {
    let name = |symbol: Sym| program.symbols.get(symbol).filter(|name| *name != "$" && !is_function(name));
    let root = &program.root;
    if root.extra.is_some() || root.keep_array {
        return None;
    }
    match &root.kind {
        Kind::Variable(symbol) => Some((name(*symbol)?.clone(), Vec::new())),
        Kind::Path(path) if path.group.is_none() && !path.keep_singleton => {
            let (first, rest) = path.steps.split_first()?;
            let Kind::Variable(symbol) = &first.node.kind else { return None };
            if !is_plain(first) {
                return None;
            }
            let names: Option<Vec<String>> = rest
                .iter()
                .map(|step| match &step.node.kind {
                    Kind::Name(name) if is_plain(step) => Some(name.clone()),
                    _ => None,
                })
                .collect();
            Some((name(*symbol)?.clone(), names?))
        }
        _ => None,
    }
}

fn is_plain(step: &Step) -> bool {
    step.stages.is_empty() && !step.binds && step.node.extra.is_none() && !step.node.keep_array
}

#[cfg(test)]
mod tests {
    use super::super::{lower, parser};
    use super::*;

    fn facts(source: &str) -> Facts {
        Facts::of(&lower::lower(parser::parse(source).expect("parses")).expect("lowers"))
    }

    fn names<'a>(items: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
        items.into_iter().collect()
    }

    #[test]
    fn names_without_a_context_are_reported_once() {
        assert_eq!(facts("foo.bar & foo").top_level, ["foo"]);
        assert_eq!(facts("$").top_level, ["$"]);
        assert_eq!(facts("$$.a").top_level, ["$$"]);
        assert_eq!(facts("{'a': b, 'c': [d]}").top_level, ["b", "d"]);
    }

    #[test]
    fn names_with_a_context_are_not_reported() {
        for source in [
            "$states.input.items[price > 3].{'p': price}",
            "$states.input.items^(>price)",
            "$states.input.items{key: $sum(price)}",
            "$map($states.input.items, function($v) { $v.price })",
            "$states.input ~> |items|{'price': price * 2}|",
            "$states.input.items.$string()",
            "$states.input.items[$ > 3]",
        ] {
            assert!(facts(source).top_level.is_empty(), "{source}: {:?}", facts(source).top_level);
        }
    }

    #[test]
    fn free_variables_leave_out_what_the_expression_binds() {
        let facts = facts("($x := $a; $map($b, function($v, $i) { $v + $x })) ~> $append($c#$n.[$n])");
        assert_eq!(names(facts.free_variables()), ["a", "b", "c"]);
    }

    #[test]
    fn only_the_used_fields_of_states_are_needed() {
        assert_eq!(names(facts("$states.input.a").states_fields.iter().map(String::as_str)), ["input"]);
        assert!(facts("$states").whole_states);
        assert!(facts("$lookup($states, 'input')").whole_states);
        assert!(!facts("$states.input").whole_states);
    }

    #[test]
    fn the_task_token_is_seen() {
        for source in ["$states.context.Task.Token", "$states.context", "$states.context.Task", "$states"] {
            assert!(facts(source).may_hold_task_token, "{source}");
        }
        for source in ["$states.input", "$states.context.Execution.Id", "'x'"] {
            assert!(!facts(source).may_hold_task_token, "{source}");
        }
    }

    #[test]
    fn plain_paths_are_recognised() {
        let plain = facts("$states.input.`odd name`.b").plain_path;
        assert_eq!(plain, Some(("states".to_owned(), vec!["input".into(), "odd name".into(), "b".into()])));
        assert_eq!(facts("$x").plain_path, Some(("x".to_owned(), vec![])));
        assert_eq!(facts("$states.input[0]").plain_path, None);
        assert_eq!(facts("$states.*").plain_path, None);
    }
}
