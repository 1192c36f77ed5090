//! Where states lead, and what they may read: the checks that need the whole
//! machine. Pure graph work; the form of fields has been checked before.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;

use indexmap::IndexMap;

use crate::diagnostic::{Code, Diagnostic, Diagnostics, Severity};

/// The states of one machine, branch or processor.
pub(super) struct ScopeFlow {
    /// `StartAt`, its location and span.
    pub(super) start_at: Option<(String, (String, Range<usize>))>,
    pub(super) states: IndexMap<String, StateFlow>,
    /// The bytes of `States`.
    pub(super) span: Range<usize>,
}

/// One state.
pub(super) struct StateFlow {
    location: String,
    span: Range<usize>,
    pub(super) edges: Vec<Edge>,
    pub(super) reads: Vec<Read>,
    pub(super) writes: Vec<Write>,
    pub(super) inner: Vec<ScopeFlow>,
    pub(super) is_terminal: bool,
}

impl StateFlow {
    pub(super) fn new(location: &str, span: Range<usize>) -> Self {
        Self {
            location: location.to_owned(),
            span,
            edges: Vec::new(),
            reads: Vec::new(),
            writes: Vec::new(),
            inner: Vec::new(),
            is_terminal: false,
        }
    }
}

/// A way from one state to another.
pub(super) struct Edge {
    target: String,
    location: String,
    span: Range<usize>,
    /// The variables that are set on this way.
    assigns: Vec<String>,
}

impl Edge {
    pub(super) fn new(target: &str, location: &str, span: Range<usize>, assigns: Vec<String>) -> Self {
        Self { target: target.to_owned(), location: location.to_owned(), span, assigns }
    }
}

/// A variable that is read.
pub(super) struct Read {
    pub(super) variable: String,
    pub(super) location: String,
    pub(super) span: Range<usize>,
}

/// A variable that is assigned.
pub(super) struct Write {
    pub(super) variable: String,
    /// Of the `Assign`.
    pub(super) location: String,
    /// Of the name.
    pub(super) span: Range<usize>,
}

/// Checks a machine and everything inside it.
pub(super) fn check(machine: &ScopeFlow, diagnostics: &mut Diagnostics) {
    check_scope(machine, &BTreeSet::new(), diagnostics);
}

fn check_scope(scope: &ScopeFlow, outer: &BTreeSet<&str>, diagnostics: &mut Diagnostics) {
    check_targets(scope, diagnostics);
    check_ends(scope, diagnostics);
    check_shadows(scope, outer, diagnostics);
    let assigned = assigned_before(scope, outer);
    for (name, state) in &scope.states {
        // A state that cannot be reached is reported as such.
        let Some(known) = assigned.get(name.as_str()) else { continue };
        for read in &state.reads {
            if !known.contains(read.variable.as_str()) {
                diagnostics.push(Diagnostic {
                    severity: Severity::Warning,
                    code: Code::UndefinedVariable,
                    message: format!(
                        "No state before this one assigns the variable ${}: the state will fail if it is read",
                        read.variable
                    ),
                    location: read.location.clone(),
                    span: read.span.clone(),
                });
            }
        }
        for inner in &state.inner {
            check_scope(inner, known, diagnostics);
        }
    }
    // Inner machines of unreachable states still have a form of their own.
    for state in scope.states.iter().filter(|(name, _)| !assigned.contains_key(name.as_str())) {
        for inner in &state.1.inner {
            check_targets(inner, diagnostics);
        }
    }
}

fn check_targets(scope: &ScopeFlow, diagnostics: &mut Diagnostics) {
    let mut require = |target: &str, location: &str, span: &Range<usize>| {
        if !scope.states.contains_key(target) {
            diagnostics.push(Diagnostic {
                severity: Severity::Error,
                code: Code::MissingTransitionTarget,
                message: format!("Missing 'Next' target: {target}"),
                location: location.to_owned(),
                span: span.clone(),
            });
        }
    };
    if let Some((start, (location, span))) = &scope.start_at {
        require(start, location, span);
    }
    for edge in scope.states.values().flat_map(|state| &state.edges) {
        require(&edge.target, &edge.location, &edge.span);
    }
}

/// Inner states read the variables of outer ones and cannot assign them.
fn check_shadows(scope: &ScopeFlow, outer: &BTreeSet<&str>, diagnostics: &mut Diagnostics) {
    let writes = scope.states.values().flat_map(|state| &state.writes);
    for write in writes.filter(|write| outer.contains(write.variable.as_str())) {
        diagnostics.push(Diagnostic {
            severity: Severity::Error,
            code: Code::ShadowedVariable,
            message: format!(
                "The variable ${} is assigned outside of this Parallel or Map: inside, it can be read but \
                 not assigned. Give it another name",
                write.variable
            ),
            location: write.location.clone(),
            span: write.span.clone(),
        });
    }
}

/// A machine without an end is reported once; its unreachable states then are not (measured).
fn check_ends(scope: &ScopeFlow, diagnostics: &mut Diagnostics) {
    if !scope.states.values().any(|state| state.is_terminal) {
        diagnostics.push(Diagnostic {
            severity: Severity::Error,
            code: Code::MissingEndState,
            message: "Workflow has no terminal state".to_owned(),
            location: String::new(),
            span: scope.span.end.saturating_sub(1)..scope.span.end,
        });
        return;
    }
    let targets: BTreeSet<&str> = reachable(scope);
    for (name, state) in &scope.states {
        if !targets.contains(name.as_str()) {
            diagnostics.push(Diagnostic {
                severity: Severity::Error,
                code: Code::MissingTransitionTarget,
                message: format!("State \"{name}\" is not reachable."),
                location: state.location.clone(),
                span: state.span.clone(),
            });
        }
    }
}

fn reachable(scope: &ScopeFlow) -> BTreeSet<&str> {
    let mut seen = BTreeSet::new();
    let mut open: Vec<&str> = scope.start_at.iter().map(|(start, _)| start.as_str()).collect();
    while let Some(name) = open.pop() {
        if let Some(state) = scope.states.get(name)
            && seen.insert(name)
        {
            open.extend(state.edges.iter().map(|edge| edge.target.as_str()));
        }
    }
    seen
}

/// For every reachable state, the variables that some way to it assigns. A
/// variable outside of this set is undefined on every way, so reporting it
/// cannot be wrong.
fn assigned_before<'a>(
    scope: &'a ScopeFlow,
    outer: &BTreeSet<&'a str>,
) -> BTreeMap<&'a str, BTreeSet<&'a str>> {
    let mut known: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut open = VecDeque::new();
    if let Some((start, _)) = &scope.start_at
        && scope.states.contains_key(start)
    {
        known.insert(start, outer.clone());
        open.push_back(start.as_str());
    }
    while let Some(name) = open.pop_front() {
        let Some(state) = scope.states.get(name) else { continue };
        let here = known.get(name).cloned().unwrap_or_default();
        for edge in &state.edges {
            let Some((target, _)) = scope.states.get_key_value(&edge.target) else { continue };
            let is_new = !known.contains_key(target.as_str());
            let there = known.entry(target).or_default();
            let before = there.len();
            there.extend(here.iter().copied());
            there.extend(edge.assigns.iter().map(String::as_str));
            if is_new || there.len() > before {
                open.push_back(target);
            }
        }
    }
    known
}
