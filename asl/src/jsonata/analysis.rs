//! What an expression refers to, found once when it is parsed. Evaluation binds
//! only what is used; validation reports what cannot exist.

use std::collections::BTreeSet;

use jsonata_core::ast::{AstNode, BinaryOp, PathStep, Stage};

/// The functions of JSONata 2.0.6, without `eval`, which AWS leaves out.
const BUILTINS: &[&str] = &[
    "abs",
    "append",
    "assert",
    "average",
    "base64decode",
    "base64encode",
    "boolean",
    "ceil",
    "contains",
    "count",
    "decodeUrl",
    "decodeUrlComponent",
    "distinct",
    "each",
    "encodeUrl",
    "encodeUrlComponent",
    "error",
    "exists",
    "filter",
    "floor",
    "formatBase",
    "formatInteger",
    "formatNumber",
    "fromMillis",
    "join",
    "keys",
    "length",
    "lookup",
    "lowercase",
    "map",
    "match",
    "max",
    "merge",
    "millis",
    "min",
    "not",
    "now",
    "number",
    "pad",
    "parseInteger",
    "power",
    "random",
    "reduce",
    "replace",
    "reverse",
    "round",
    "shuffle",
    "sift",
    "single",
    "sort",
    "split",
    "spread",
    "sqrt",
    "string",
    "substring",
    "substringAfter",
    "substringBefore",
    "sum",
    "toMillis",
    "trim",
    "type",
    "uppercase",
    "zip",
];

/// The functions AWS adds. Developer guide, "Transforming data with JSONata".
const EXTRAS: &[&str] = &["hash", "parse", "partition", "range", "uuid"];

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
    /// An operator of JSONata 2.1 is used: the symbol 2.0.6 stumbles over.
    pub(crate) newer_operator: Option<char>,
    /// The expression is no more than a variable and the names of fields.
    pub(crate) plain_path: Option<(String, Vec<String>)>,
}

impl Facts {
    pub(crate) fn of(ast: &AstNode) -> Self {
        let mut facts = Self { plain_path: plain_path(ast), ..Self::default() };
        facts.walk(ast, false);
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

    /// Whether the function is used, by call or as a value.
    pub(super) fn uses(&self, function: &str) -> bool {
        self.calls.contains(function) || self.variables.contains(function)
    }

    fn walk(&mut self, node: &AstNode, has_context: bool) {
        match node {
            AstNode::Path { steps } => self.walk_path(steps, has_context),
            AstNode::Name(name) if !has_context => self.report_top_level(name),
            AstNode::Variable(name) => self.read_variable(name, has_context),
            AstNode::ParentVariable(name) => self.report_top_level(&format!("$${name}")),
            AstNode::Function { name, args, .. } => {
                self.calls.insert(name.clone());
                for argument in args {
                    self.walk(argument, has_context);
                }
            }
            AstNode::Lambda { params, body, .. } => {
                self.bound.extend(params.iter().cloned());
                // What a body takes its names from is decided where it is
                // called; only AWS knows, so nothing is reported in it.
                self.walk(body, true);
            }
            AstNode::Binary { op, lhs, rhs } => self.walk_binary(*op, lhs, rhs, has_context),
            AstNode::ObjectTransform { input, pattern } => {
                self.walk(input, has_context);
                for (key, value) in pattern {
                    self.walk(key, true);
                    self.walk(value, true);
                }
            }
            AstNode::Sort { input, terms } => {
                self.walk(input, has_context);
                for (term, _) in terms {
                    self.walk(term, true);
                }
            }
            AstNode::Transform { location, update, delete } => {
                self.walk(location, true);
                self.walk(update, true);
                if let Some(delete) = delete {
                    self.walk(delete, true);
                }
            }
            other => for_each_child(other, &mut |child| self.walk(child, has_context)),
        }
    }

    fn walk_binary(&mut self, op: BinaryOp, lhs: &AstNode, rhs: &AstNode, has_context: bool) {
        match (op, lhs) {
            (BinaryOp::Coalesce, _) => self.newer_operator = Some('?'),
            (BinaryOp::Default, _) => self.newer_operator = self.newer_operator.or(Some(':')),
            (BinaryOp::ColonEqual, AstNode::Variable(name)) => {
                self.bound.insert(name.clone());
                return self.walk(rhs, has_context);
            }
            _ => {}
        }
        self.walk(lhs, has_context);
        self.walk(rhs, has_context);
    }

    fn walk_path(&mut self, steps: &[PathStep], has_context: bool) {
        for (index, step) in steps.iter().enumerate() {
            self.bound.extend(step.focus.iter().cloned());
            self.bound.extend(step.index_var.iter().cloned());
            match &step.node {
                AstNode::Variable(name) if index == 0 && name == STATES => self.read_states(steps),
                node => self.walk(node, has_context || index > 0),
            }
            for stage in &step.stages {
                match stage {
                    Stage::Filter(filter) => self.walk(filter, true),
                    Stage::Index(name) => {
                        self.bound.insert(name.clone());
                    }
                    Stage::KeepArray => {}
                }
            }
        }
    }

    /// A path that begins with `$states`: which parts of it are needed?
    fn read_states(&mut self, steps: &[PathStep]) {
        let mut names = steps.iter().skip(1).map(|step| match &step.node {
            AstNode::Name(name) => Some(name.as_str()),
            _ => None,
        });
        let plain_first = steps.first().is_some_and(|step| step.stages.is_empty());
        match names.next().flatten() {
            Some(field) if plain_first => {
                self.states_fields.insert(field.to_owned());
                if field == "context" && names.next().flatten().is_none_or(|part| part == "Task") {
                    self.may_hold_task_token = true;
                }
            }
            _ => self.read_whole_states(),
        }
    }

    fn read_whole_states(&mut self) {
        self.whole_states = true;
        self.may_hold_task_token = true;
    }

    fn read_variable(&mut self, name: &str, has_context: bool) {
        match name {
            "" if has_context => {}
            "" => self.report_top_level("$"),
            STATES => self.read_whole_states(),
            _ => {
                self.variables.insert(name.to_owned());
            }
        }
    }

    fn report_top_level(&mut self, name: &str) {
        if !self.top_level.iter().any(|known| known == name) {
            self.top_level.push(name.to_owned());
        }
    }
}

/// The functions expressions can call, without `$`.
pub(crate) fn functions() -> impl Iterator<Item = &'static str> {
    BUILTINS.iter().chain(EXTRAS).copied()
}

fn is_function(name: &str) -> bool {
    BUILTINS.binary_search(&name).is_ok() || EXTRAS.contains(&name)
}

fn plain_path(ast: &AstNode) -> Option<(String, Vec<String>)> {
    match ast {
        AstNode::Variable(name) if !name.is_empty() && !is_function(name) => Some((name.clone(), Vec::new())),
        AstNode::Path { steps } => {
            let (first, rest) = steps.split_first()?;
            let AstNode::Variable(variable) = &first.node else { return None };
            if variable.is_empty() || !is_plain(first) {
                return None;
            }
            let names: Option<Vec<String>> = rest
                .iter()
                .map(|step| match &step.node {
                    AstNode::Name(name) if is_plain(step) => Some(name.clone()),
                    _ => None,
                })
                .collect();
            Some((variable.clone(), names?))
        }
        _ => None,
    }
}

fn is_plain(step: &PathStep) -> bool {
    step.stages.is_empty()
        && step.focus.is_none()
        && step.index_var.is_none()
        && step.ancestor_label.is_none()
        && !step.is_tuple
}

/// Visits the direct children of a node. Every variant is listed, so that a new
/// one of the evaluator does not compile until somebody has thought about it.
pub(super) fn for_each_child(node: &AstNode, visit: &mut dyn FnMut(&AstNode)) {
    match node {
        AstNode::String(_)
        | AstNode::Name(_)
        | AstNode::Number(_)
        | AstNode::Boolean(_)
        | AstNode::Null
        | AstNode::Undefined
        | AstNode::Placeholder
        | AstNode::Regex { .. }
        | AstNode::Variable(_)
        | AstNode::ParentVariable(_)
        | AstNode::Wildcard
        | AstNode::Descendant
        | AstNode::Parent(_) => {}
        AstNode::Path { steps } => {
            for step in steps {
                visit(&step.node);
                for stage in &step.stages {
                    if let Stage::Filter(filter) = stage {
                        visit(filter);
                    }
                }
            }
        }
        AstNode::Binary { lhs, rhs, .. } => {
            visit(lhs);
            visit(rhs);
        }
        AstNode::Unary { operand: inner, .. }
        | AstNode::FunctionApplication(inner)
        | AstNode::Lambda { body: inner, .. } => visit(inner),
        AstNode::Function { args: items, .. }
        | AstNode::Array(items)
        | AstNode::Block(items)
        | AstNode::ArrayGroup(items) => items.iter().for_each(visit),
        AstNode::Call { procedure, args } => {
            visit(procedure);
            args.iter().for_each(visit);
        }
        AstNode::Object(pairs) => visit_pairs(pairs, visit),
        AstNode::ObjectTransform { input, pattern } => {
            visit(input);
            visit_pairs(pattern, visit);
        }
        AstNode::Conditional { condition, then_branch, else_branch } => {
            visit(condition);
            visit(then_branch);
            if let Some(branch) = else_branch {
                visit(branch);
            }
        }
        AstNode::Sort { input, terms } => {
            visit(input);
            for (term, _) in terms {
                visit(term);
            }
        }
        AstNode::Transform { location, update, delete } => {
            visit(location);
            visit(update);
            if let Some(part) = delete {
                visit(part);
            }
        }
    }
}

fn visit_pairs(pairs: &[(AstNode, AstNode)], visit: &mut dyn FnMut(&AstNode)) {
    for (key, value) in pairs {
        visit(key);
        visit(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(source: &str) -> Facts {
        Facts::of(&jsonata_core::parser::parse(source).expect("parses"))
    }

    fn names<'a>(items: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
        items.into_iter().collect()
    }

    #[test]
    fn the_list_of_builtins_is_sorted() {
        assert!(BUILTINS.is_sorted());
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
