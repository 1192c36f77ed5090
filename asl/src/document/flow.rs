//! Where states lead, and what they may read: the checks that need the whole
//! machine. Pure graph work; the form of fields has been checked before.
//!
//! Everything here is linear in the states and ways of a machine, but for the
//! sets of variables, which are kept as bits.

use std::collections::BTreeSet;
use std::ops::Range;

use indexmap::{IndexMap, IndexSet};

use super::advice::Guesses;
use super::model::QueryLanguage;
use super::source;
use crate::diagnostic::{Code, Diagnostic, Diagnostics, Severity};
use crate::jsonata::STATES;

/// The states of one machine, branch or processor.
pub(super) struct ScopeFlow {
    /// `StartAt`, its location and span.
    pub(super) start_at: Option<(String, (String, Range<usize>))>,
    pub(super) states: IndexMap<String, StateFlow>,
    /// The bytes of `States`.
    pub(super) span: Range<usize>,
    /// The processor of a distributed Map: runs as executions of its own, which
    /// do not see the variables outside. Developer guide, "Passing data between states with variables".
    pub(super) is_isolated: bool,
    /// Names of what looks like a state and stands beside `States` or inside of a state.
    pub(super) misplaced: BTreeSet<String>,
}

/// One state, as it is read.
pub(super) struct StateFlow {
    /// The language of the state's fields.
    pub(super) language: QueryLanguage,
    location: String,
    span: Range<usize>,
    pub(super) edges: Vec<Edge>,
    pub(super) reads: Vec<Read>,
    /// Texts that would read a variable if they were expressions.
    pub(super) texts: Vec<Read>,
    pub(super) writes: Vec<Write>,
    pub(super) inner: Vec<ScopeFlow>,
    pub(super) is_terminal: bool,
    /// Where the state leads is not known: it could not be read.
    pub(super) ways_unknown: bool,
    /// Where a state that could not be read seems to lead.
    pub(super) perhaps: Vec<String>,
}

impl StateFlow {
    pub(super) fn new(language: QueryLanguage, location: &str, span: Range<usize>) -> Self {
        Self {
            language,
            location: location.to_owned(),
            span,
            edges: Vec::new(),
            reads: Vec::new(),
            texts: Vec::new(),
            writes: Vec::new(),
            inner: Vec::new(),
            is_terminal: false,
            ways_unknown: false,
            perhaps: Vec::new(),
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
pub(super) fn check(machine: &ScopeFlow, text: &str, guesses: &mut Guesses, diagnostics: &mut Diagnostics) {
    let (mut names, mut assigned) = (IndexSet::new(), IndexSet::new());
    collect_names(machine, &mut names, &mut assigned);
    let nothing = Variables::none(names.len());
    Check { text, names, assigned, guesses, diagnostics }.scope(machine, &nothing);
}

/// The variables whose fate matters: those that are read, and those assigned
/// inside of another scope.
fn collect_names<'a>(scope: &'a ScopeFlow, names: &mut IndexSet<&'a str>, assigned: &mut IndexSet<&'a str>) {
    for state in scope.states.values() {
        assigned.extend(state.writes.iter().map(|write| write.variable.as_str()));
        names.extend(state.reads.iter().map(|read| read.variable.as_str()));
        for inner in &state.inner {
            let writes = inner.states.values().flat_map(|state| &state.writes);
            names.extend(writes.map(|write| write.variable.as_str()));
            collect_names(inner, names, assigned);
        }
    }
}

/// What the checks of all scopes share.
struct Check<'a> {
    text: &'a str,
    /// The variables that have a bit.
    names: IndexSet<&'a str>,
    /// The variables that some state assigns.
    assigned: IndexSet<&'a str>,
    guesses: &'a mut Guesses,
    diagnostics: &'a mut Diagnostics,
}

impl Check<'_> {
    fn scope(&mut self, scope: &ScopeFlow, outer: &Variables) {
        check_targets(scope, self.guesses, self.diagnostics);
        check_ends(scope, self.diagnostics);
        check_shadows(scope, &self.names, outer, self.diagnostics);
        let before = variables_before(scope, &self.names, outer);
        for (index, state) in scope.states.values().enumerate() {
            // A state that cannot be reached is reported as such.
            let Some(known) = before.state(index) else {
                for inner in &state.inner {
                    check_targets(inner, self.guesses, self.diagnostics);
                }
                continue;
            };
            for read in &state.reads {
                if known.has(&self.names, &read.variable) {
                    continue;
                }
                let advice = Some(self.advice(read));
                let highlight = source::name_in(self.text, &read.span, &format!("${}", read.variable));
                self.diagnostics.push(Diagnostic { highlight, advice, ..undefined(read) });
            }
            for text in state.texts.iter().filter(|text| self.assigned.contains(text.variable.as_str())) {
                self.diagnostics.push(unevaluated(text));
            }
            for inner in &state.inner {
                if inner.is_isolated {
                    self.scope(inner, &Variables::none(self.names.len()));
                } else {
                    self.scope(inner, known);
                }
            }
        }
    }

    fn advice(&mut self, read: &Read) -> String {
        if self.assigned.contains(read.variable.as_str()) {
            return "it is assigned elsewhere, where no way leads here: values set by a state are there from the \
                    next one on, those of a branch or an iteration only inside of it"
                .to_owned();
        }
        // `$state` for `$states` is the commonest of all.
        let names = self.assigned.iter().copied().chain(std::iter::once(STATES));
        match self.guesses.similar(&read.variable, names) {
            Some(similar) => format!("did you mean `${similar}`?"),
            None => format!("assign it before: \"Assign\": {{\"{}\": …}}", read.variable),
        }
    }
}

fn undefined(read: &Read) -> Diagnostic {
    let message = format!(
        "No state before this one assigns the variable ${}: the state will fail if it is read",
        read.variable
    );
    let (severity, code) = (Severity::Warning, Code::UndefinedVariable);
    Diagnostic::new(severity, code, message, read.location.as_str(), read.span.clone())
}

/// A text that names a variable, and is passed on as it is.
fn unevaluated(text: &Read) -> Diagnostic {
    let message = format!("This looks like the variable ${}, but is passed on as text", text.variable);
    let (severity, code) = (Severity::Warning, Code::NotEvaluated);
    let mut finding = Diagnostic::new(severity, code, message, text.location.as_str(), text.span.clone());
    finding.advice =
        Some(format!("an expression stands between {{% and %}}: \"{{% ${} %}}\"", text.variable));
    finding
}

fn check_targets(scope: &ScopeFlow, guesses: &mut Guesses, diagnostics: &mut Diagnostics) {
    let mut require = |target: &str, location: &str, span: &Range<usize>| {
        if !scope.states.contains_key(target) {
            let message = format!("Missing 'Next' target: {target}");
            let (severity, code) = (Severity::Error, Code::MissingTransitionTarget);
            let mut finding = Diagnostic::new(severity, code, message, location, span.clone());
            finding.advice = guesses.names(target, scope.states.keys().map(String::as_str), "states here");
            if scope.misplaced.contains(target) {
                finding.follows = true;
            }
            diagnostics.push(finding);
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
fn check_shadows(
    scope: &ScopeFlow,
    names: &IndexSet<&str>,
    outer: &Variables,
    diagnostics: &mut Diagnostics,
) {
    let writes = scope.states.values().flat_map(|state| &state.writes);
    for write in writes.filter(|write| outer.has(names, &write.variable)) {
        let message = format!(
            "The variable ${} is assigned outside of this Parallel or Map: inside, it can be read but \
             not assigned. Give it another name",
            write.variable
        );
        let (severity, code) = (Severity::Error, Code::ShadowedVariable);
        diagnostics.push(Diagnostic::new(
            severity,
            code,
            message,
            write.location.as_str(),
            write.span.clone(),
        ));
    }
}

/// A machine without an end is reported once; its unreachable states then are not (measured).
fn check_ends(scope: &ScopeFlow, diagnostics: &mut Diagnostics) {
    // Where a state leads to nowhere or cannot be read, what is not reached after it says nothing new.
    let follows = has_broken_ways(scope);
    if !scope.states.values().any(|state| state.is_terminal) {
        let span = scope.span.end.saturating_sub(1)..scope.span.end;
        let message = "Workflow has no terminal state";
        let mut finding = Diagnostic::new(Severity::Error, Code::MissingEndState, message, "", span);
        finding.advice = Some("give the last state \"End\": true, or lead to a Succeed or Fail".to_owned());
        finding.follows = follows;
        diagnostics.push(finding);
        return;
    }
    let reached = reachable(scope, scope.start_at.iter().map(|(start, _)| start.as_str()));
    let lost: Vec<(&String, &StateFlow)> =
        scope.states.iter().filter(|(name, _)| !reached.contains(name.as_str())).collect();
    let firsts = firsts_of(scope, &lost);
    for (name, state) in lost {
        let message = format!("State \"{name}\" is not reachable.");
        let (severity, code) = (Severity::Error, Code::MissingTransitionTarget);
        let location = state.location.as_str();
        let mut finding = Diagnostic::new(severity, code, message, location, state.span.clone());
        finding.advice = Some(
            "lead to it with Next, Default, a Choice rule or a Catch of a state that is reached, or delete it"
                .to_owned(),
        );
        finding.follows = follows || !firsts.contains(name.as_str());
        diagnostics.push(finding);
    }
}

/// Whether some way of a reached state leads nowhere or is not known.
fn has_broken_ways(scope: &ScopeFlow) -> bool {
    let leads_nowhere = |edge: &Edge| !scope.states.contains_key(&edge.target);
    scope.start_at.as_ref().is_none_or(|(start, _)| !scope.states.contains_key(start))
        || scope.states.values().any(|state| state.ways_unknown || state.edges.iter().any(leads_nowhere))
}

/// Of the states nobody leads to, those the others would be reached from.
fn firsts_of<'a>(scope: &'a ScopeFlow, lost: &[(&'a String, &'a StateFlow)]) -> BTreeSet<&'a str> {
    let led_to: BTreeSet<&str> = lost
        .iter()
        .flat_map(|(name, state)| state.edges.iter().filter(move |edge| edge.target != **name))
        .map(|edge| edge.target.as_str())
        .collect();
    let mut firsts: BTreeSet<&str> =
        lost.iter().map(|(name, _)| name.as_str()).filter(|name| !led_to.contains(name)).collect();
    let mut covered = reachable(scope, firsts.iter().copied());
    // What is left leads in circles: of each, the first in the text.
    for (name, _) in lost {
        if !covered.contains(name.as_str()) {
            firsts.insert(name);
            reach(scope, [name.as_str()], &mut covered);
        }
    }
    firsts
}

fn reachable<'a>(scope: &'a ScopeFlow, from: impl IntoIterator<Item = &'a str>) -> BTreeSet<&'a str> {
    let mut seen = BTreeSet::new();
    reach(scope, from, &mut seen);
    seen
}

/// Adds what is reached from some states and has not been seen.
fn reach<'a>(scope: &'a ScopeFlow, from: impl IntoIterator<Item = &'a str>, seen: &mut BTreeSet<&'a str>) {
    let mut open: Vec<&str> = from.into_iter().collect();
    while let Some(name) = open.pop() {
        if let Some((name, state)) = scope.states.get_key_value(name)
            && seen.insert(name.as_str())
        {
            open.extend(state.edges.iter().map(|edge| edge.target.as_str()));
            open.extend(state.perhaps.iter().map(String::as_str));
        }
    }
}

/// A set of variables, one bit each.
#[derive(Clone)]
struct Variables {
    bits: Vec<u64>,
}

impl Variables {
    fn none(count: usize) -> Self {
        Self { bits: vec![0; count.div_ceil(64)] }
    }

    fn add(&mut self, index: usize) {
        if let Some(word) = self.bits.get_mut(index / 64) {
            *word |= 1 << (index % 64);
        }
    }

    fn add_all(&mut self, other: &Self) {
        for (word, more) in self.bits.iter_mut().zip(&other.bits) {
            *word |= more;
        }
    }

    fn has(&self, names: &IndexSet<&str>, name: &str) -> bool {
        names
            .get_index_of(name)
            .and_then(|index| Some(self.bits.get(index / 64)? >> (index % 64) & 1 == 1))
            .unwrap_or(false)
    }
}

/// For every reachable state, the variables that some way to it assigns. A variable outside of this set is undefined on every
/// way, so reporting it cannot be wrong.
///
/// States that reach each other know the same variables: the sets are computed
/// once for each such group, groups before those they lead to.
fn variables_before(scope: &ScopeFlow, names: &IndexSet<&str>, outer: &Variables) -> Before {
    let groups = groups(scope);
    let mut known: Vec<Option<Variables>> = vec![None; groups.count];
    let start = scope.start_at.as_ref().and_then(|(start, _)| scope.states.get_index_of(start));
    if let Some(set) = start.and_then(|start| groups.of(start)).and_then(|group| known.get_mut(group)) {
        *set = Some(outer.clone());
    }
    for (group, members) in groups.members.iter().enumerate().rev() {
        let ways = members.iter().filter_map(|member| scope.states.get_index(*member));
        let ways: Vec<(&Edge, usize)> = ways
            .flat_map(|(_, state)| &state.edges)
            .filter_map(|edge| Some((edge, groups.of(scope.states.get_index_of(&edge.target)?)?)))
            .collect();
        let Some(mut here) = known.get_mut(group).and_then(Option::take) else { continue };
        let assigned = |edge: &Edge, set: &mut Variables| {
            edge.assigns
                .iter()
                .filter_map(|name| names.get_index_of(name.as_str()))
                .for_each(|at| set.add(at));
        };
        for (edge, _) in ways.iter().filter(|(_, target)| *target == group) {
            assigned(edge, &mut here);
        }
        for (edge, target) in ways.iter().filter(|(_, target)| *target != group) {
            if let Some(set) = known.get_mut(*target) {
                let there = set.get_or_insert_with(|| Variables::none(names.len()));
                there.add_all(&here);
                assigned(edge, there);
            }
        }
        if let Some(set) = known.get_mut(group) {
            *set = Some(here);
        }
    }
    Before { groups, known }
}

/// What [`variables_before`] found.
struct Before {
    groups: Groups,
    known: Vec<Option<Variables>>,
}

impl Before {
    fn state(&self, index: usize) -> Option<&Variables> {
        self.known.get(self.groups.of(index)?)?.as_ref()
    }
}

/// The states in groups whose members reach each other.
struct Groups {
    of: Vec<usize>,
    count: usize,
    /// A group comes after every group it leads to.
    members: Vec<Vec<usize>>,
}

impl Groups {
    fn of(&self, state: usize) -> Option<usize> {
        self.of.get(state).copied()
    }
}

/// Tarjan's strongly connected components, without recursion: a chain of
/// 10,000 states must not need as many stack frames.
fn groups(scope: &ScopeFlow) -> Groups {
    let successors: Vec<Vec<usize>> = scope
        .states
        .values()
        .map(|state| state.edges.iter().filter_map(|edge| scope.states.get_index_of(&edge.target)).collect())
        .collect();
    let mut search = Search {
        order: vec![None; successors.len()],
        low: vec![0; successors.len()],
        on_path: vec![false; successors.len()],
        path: Vec::new(),
        next: 0,
        groups: Groups { of: vec![0; successors.len()], count: 0, members: Vec::new() },
    };
    for root in 0..successors.len() {
        search.from(root, &successors);
    }
    search.groups
}

struct Search {
    order: Vec<Option<usize>>,
    low: Vec<usize>,
    on_path: Vec<bool>,
    path: Vec<usize>,
    next: usize,
    groups: Groups,
}

#[expect(
    clippy::indexing_slicing,
    reason = "every index is the position of a state, every vector has all states"
)]
impl Search {
    fn from(&mut self, root: usize, successors: &[Vec<usize>]) {
        if self.order[root].is_some() {
            return;
        }
        self.enter(root);
        let mut open = vec![(root, 0)];
        while let Some((state, position)) = open.pop() {
            let Some(&target) = successors[state].get(position) else {
                self.leave(state);
                if let Some((parent, _)) = open.last() {
                    self.low[*parent] = self.low[*parent].min(self.low[state]);
                }
                continue;
            };
            open.push((state, position + 1));
            match self.order[target] {
                None => {
                    self.enter(target);
                    open.push((target, 0));
                }
                Some(order) if self.on_path[target] => self.low[state] = self.low[state].min(order),
                Some(_) => {}
            }
        }
    }

    fn enter(&mut self, state: usize) {
        self.order[state] = Some(self.next);
        self.low[state] = self.next;
        self.next += 1;
        self.on_path[state] = true;
        self.path.push(state);
    }

    /// Closes a group if the state is the first of it.
    fn leave(&mut self, state: usize) {
        if self.order[state] != Some(self.low[state]) {
            return;
        }
        let mut members = Vec::new();
        while let Some(member) = self.path.pop() {
            self.on_path[member] = false;
            self.groups.of[member] = self.groups.count;
            members.push(member);
            if member == state {
                break;
            }
        }
        self.groups.members.push(members);
        self.groups.count += 1;
    }
}
