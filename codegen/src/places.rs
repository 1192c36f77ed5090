//! Where values are when a state asks for them.
//!
//! A result travels in a variable, and only if some other state reads it: which
//! ones that are is found by writing all expressions until no new variable turns
//! up ([`Registry`]). The item of a map is the input of the iteration's first
//! state, so that one reads `$states.input`, assigns it for the states after it,
//! and hands it to the states inside it as their input.

use std::collections::{BTreeMap, BTreeSet};

use stepwright::ir::{self, End, NodeRef, Slot};

use crate::draft::{Aliases, Draft, KindDraft, Origin, ScopeId, StateId};
use crate::jsonata::{Place, Places, Problem, Shapes, shape_of};
use crate::names::VariableNames;
use crate::shape::{self, Kind, Member, Shape};

/// A value an iteration or branch is entered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Given {
    /// The item of the map whose item has this slot.
    Item(Slot),
    /// The index of that item.
    Index(Slot),
}

impl Given {
    fn slot(self) -> Slot {
        match self {
            Given::Item(slot) | Given::Index(slot) => slot,
        }
    }
}

/// A variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Variable {
    /// A result, a caught error, the value of a choice.
    Slot(Slot),
    /// A given value, kept by the first state of the scope.
    Given(ScopeId, Given),
}

/// Which variables there are, and what iterations and branches are given.
#[derive(Debug)]
pub(crate) struct Registry<'a> {
    draft: &'a Draft<'a>,
    shapes: SlotShapes<'a>,
    /// The variable of the workflow's input, where it is not the execution's.
    input: Option<String>,
    variables: BTreeMap<Variable, String>,
    names: VariableNames,
    /// Per Map or Parallel state, what its iterations or branches get besides the bare item.
    given: BTreeMap<StateId, BTreeSet<Given>>,
    changes: usize,
}

impl<'a> Registry<'a> {
    /// `makes_input`: a state of its own makes the workflow's input, so it is in a variable.
    pub(crate) fn new(draft: &'a Draft<'a>, shapes: SlotShapes<'a>, makes_input: bool) -> Registry<'a> {
        let mut names = VariableNames::default();
        let input = makes_input.then(|| format!("${}", names.claim(crate::intake::VARIABLE)));
        Registry {
            draft,
            shapes,
            input,
            variables: BTreeMap::new(),
            names,
            given: BTreeMap::new(),
            changes: 0,
        }
    }

    /// Grows with every discovery; when it stands still, what was written is complete.
    pub(crate) fn changes(&self) -> usize {
        self.changes
    }

    /// The name of a variable somebody reads.
    pub(crate) fn variable(&self, variable: Variable) -> Option<&str> {
        self.variables.get(&variable).map(String::as_str)
    }

    /// What a Map's iterations or a Parallel's branches are given besides the bare item.
    pub(crate) fn given(&self, host: StateId) -> Vec<Given> {
        self.given.get(&host).into_iter().flatten().copied().collect()
    }

    /// The variables the first state of a scope has to assign, and their values there.
    pub(crate) fn kept(&mut self, scope: ScopeId) -> Vec<(String, String)> {
        let kept: Vec<(Given, String)> = self
            .variables
            .iter()
            .filter_map(|(variable, name)| match variable {
                Variable::Given(of, given) if *of == scope => Some((*given, name.clone())),
                _ => None,
            })
            .collect();
        kept.into_iter().map(|(given, name)| (name, self.input_path(scope, given))).collect()
    }

    /// The member of an iteration's or branch's input that holds a given value.
    pub(crate) fn member(&mut self, host: StateId, given: Given) -> String {
        let Some(Origin::Item(owner)) = self.draft.origins.get(&given.slot()).copied() else {
            return String::new();
        };
        let is_own = self.draft.scope(owner).is_some_and(|scope| scope.host == Some(host));
        match (is_own, given) {
            (true, Given::Item(_)) => "item".to_owned(),
            (true, Given::Index(_)) => "index".to_owned(),
            (false, _) => given_name(self.draft, owner, given).replace(' ', "_"),
        }
    }

    fn input_path(&mut self, scope: ScopeId, given: Given) -> String {
        match self.draft.scope(scope).and_then(|scope| scope.host) {
            Some(host) if self.given.contains_key(&host) => {
                format!("$states.input.{}", self.member(host, given))
            }
            _ => "$states.input".to_owned(),
        }
    }

    fn use_variable(&mut self, variable: Variable) -> String {
        if let Some(name) = self.variables.get(&variable) {
            return format!("${name}");
        }
        let wanted = match variable {
            Variable::Given(_, given) => match self.draft.origins.get(&given.slot()) {
                Some(Origin::Item(owner)) => given_name(self.draft, *owner, given),
                _ => String::new(),
            },
            Variable::Slot(slot) => match self.draft.origins.get(&slot) {
                Some(Origin::Result(state) | Origin::Choice(state, _)) => self.draft.name(*state).to_owned(),
                Some(Origin::Caught(state, _)) => format!("{} error", self.draft.name(*state)),
                Some(Origin::Item(_)) | None => String::new(),
            },
        };
        let name = self.names.claim(&wanted);
        self.changes += 1;
        let text = format!("${name}");
        self.variables.insert(variable, name);
        text
    }

    /// Where a given value is for a state, and whether that is the state's own input.
    fn find_given(&mut self, given: Given, at: StateId, scope: ScopeId) -> Result<(String, bool), Problem> {
        let out_of_scope = || Problem::OutOfScope(given.slot().0);
        let (host, first, is_own) = {
            let scope = self.draft.scope(scope).ok_or_else(out_of_scope)?;
            (scope.host.ok_or_else(out_of_scope)?, scope.first(), scope.item == Some(given.slot()))
        };
        let is_provided = (is_own && matches!(given, Given::Item(_)))
            || self.given.get(&host).is_some_and(|members| members.contains(&given));
        if !is_provided {
            if !is_own {
                let around = self.draft.state(host).ok_or_else(out_of_scope)?.scope;
                let (text, is_input) = self.find_given(given, host, around)?;
                if !is_input {
                    return Ok((text, false));
                }
            }
            // The host assigns no variable before what is inside it runs: it hands the value on.
            self.given.entry(host).or_default().insert(given);
            self.changes += 1;
        }
        if first == Some(at) {
            return Ok((self.input_path(scope, given), true));
        }
        Ok((self.use_variable(Variable::Given(scope, given)), false))
    }
}

fn given_name(draft: &Draft<'_>, owner: ScopeId, given: Given) -> String {
    let host = draft.scope(owner).and_then(|scope| scope.host);
    let name = crate::names::snake_case(host.map_or("", |host| draft.name(host)));
    match given {
        Given::Item(_) => format!("{name} item"),
        Given::Index(_) => format!("{name} index"),
    }
}

/// Where a task's output is when it ends: Lambda's answer is around what a function
/// returns, and nothing is around an answer by token.
pub(crate) fn result_of(task: &ir::Task) -> &'static str {
    if task.step.waits { "$states.result" } else { "$states.result.Payload" }
}

/// The moment of a state in which something is evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Before its work: arguments, items, conditions; a Choice's rules.
    Enter,
    /// After it: `Assign` and `Output`.
    Exit,
    /// When the numbered catcher took the error.
    Caught(usize),
}

/// A state at a moment: the printer's view.
#[derive(Debug)]
pub(crate) struct Site<'r, 'a> {
    pub(crate) registry: &'r mut Registry<'a>,
    pub(crate) state: StateId,
    pub(crate) moment: Moment,
    pub(crate) aliases: &'r Aliases,
}

impl Site<'_, '_> {
    fn scope(&self) -> Option<ScopeId> {
        self.registry.draft.state(self.state).map(|state| state.scope)
    }

    /// Whether the scope's variables can be read here.
    fn can_read(&self, owner: StateId) -> bool {
        let draft = self.registry.draft;
        let Some(owner) = draft.state(owner).map(|state| state.scope) else { return false };
        let mut scope = self.scope();
        while let Some(current) = scope {
            if current == owner {
                return true;
            }
            let host = draft.scope(current).and_then(|scope| scope.host);
            scope = host.and_then(|host| draft.state(host)).map(|host| host.scope);
        }
        false
    }

    pub(crate) fn given(&mut self, given: Given) -> Result<String, Problem> {
        let scope = self.scope().ok_or(Problem::OutOfScope(given.slot().0))?;
        self.registry.find_given(given, self.state, scope).map(|(text, _)| text)
    }

    fn own_result(&self) -> Option<Place> {
        match self.registry.draft.state(self.state)?.kind {
            KindDraft::Task(task) => Some(Place::Path(result_of(task).to_owned())),
            KindDraft::Map { .. } | KindDraft::Parallel { .. } => {
                Some(Place::Path("$states.result".to_owned()))
            }
            KindDraft::Pass { value } => Some(Place::Node(value)),
            _ => None,
        }
    }
}

impl Places for Site<'_, '_> {
    fn slot(&mut self, slot: Slot) -> Result<Place, Problem> {
        let draft = self.registry.draft;
        if let Some(node) = self.aliases.get(&slot).or_else(|| draft.common.get(&slot)) {
            return Ok(Place::Node(node));
        }
        let out_of_scope = Problem::OutOfScope(slot.0);
        let owner = match draft.origins.get(&slot) {
            Some(Origin::Item(_)) => return self.given(Given::Item(slot)).map(Place::Path),
            Some(Origin::Result(state)) if *state == self.state => {
                // What a state returns is there only once it has returned.
                let is_known = self.moment == Moment::Exit;
                return self.own_result().filter(|_| is_known).ok_or(out_of_scope);
            }
            Some(Origin::Caught(state, number))
                if *state == self.state && self.moment == Moment::Caught(*number) =>
            {
                return Ok(Place::Path("$states.errorOutput".to_owned()));
            }
            Some(Origin::Result(state) | Origin::Choice(state, _) | Origin::Caught(state, _)) => *state,
            None => return Err(out_of_scope),
        };
        if !self.can_read(owner) {
            return Err(out_of_scope);
        }
        Ok(Place::Path(self.registry.use_variable(Variable::Slot(slot))))
    }

    fn index(&mut self, slot: Slot) -> Result<String, Problem> {
        match self.registry.draft.origins.get(&slot) {
            Some(Origin::Item(_)) => self.given(Given::Index(slot)),
            _ => Err(Problem::OutOfScope(slot.0)),
        }
    }

    fn input(&self) -> String {
        let of_execution = || "$states.context.Execution.Input".to_owned();
        self.registry.input.clone().unwrap_or_else(of_execution)
    }

    fn shapes(&self) -> &dyn Shapes {
        &self.registry.shapes
    }
}

/// What slots look like, from the schemas of the steps and of the input.
#[derive(Debug)]
pub(crate) struct SlotShapes<'a> {
    draft: &'a Draft<'a>,
    input: Shape,
    /// Per step name, its output.
    outputs: BTreeMap<&'a str, Shape>,
}

impl<'a> SlotShapes<'a> {
    pub(crate) fn new(
        draft: &'a Draft<'a>,
        input: Shape,
        outputs: BTreeMap<&'a str, Shape>,
    ) -> SlotShapes<'a> {
        SlotShapes { draft, input, outputs }
    }

    /// What a node looks like.
    pub(crate) fn of(&self, node: NodeRef) -> Shape {
        shape_of(node, self, &|operand| self.of(operand))
    }

    /// What an iteration, a branch or an arm is worth.
    pub(crate) fn of_end(&self, end: End) -> Option<Shape> {
        match end {
            End::Value(node) => Some(self.of(node)),
            End::Diverges => None,
        }
    }

    fn of_result(&self, state: StateId) -> Shape {
        match self.draft.state(state).map(|state| &state.kind) {
            Some(KindDraft::Task(task)) => {
                self.outputs.get(task.step.name).cloned().unwrap_or(Shape::UNKNOWN)
            }
            Some(KindDraft::Map { map, .. }) => {
                Shape::array_of(self.of_end(map.body.end).unwrap_or(Shape::UNKNOWN))
            }
            Some(KindDraft::Parallel { parallel, .. }) => {
                let branches = parallel.branches.iter();
                Shape::tuple_of(branches.map(|branch| self.of_end(branch.end).unwrap_or(Shape::UNKNOWN)))
            }
            Some(KindDraft::Pass { value }) => self.of(value),
            _ => Shape::UNKNOWN,
        }
    }
}

impl Shapes for SlotShapes<'_> {
    fn input(&self) -> Shape {
        self.input.clone()
    }

    fn slot(&self, slot: Slot) -> Shape {
        match self.draft.origins.get(&slot) {
            Some(Origin::Result(state)) => self.of_result(*state),
            Some(Origin::Choice(_, choice)) => {
                let bodies = choice.arms.iter().map(|arm| &arm.body).chain([&choice.otherwise]);
                shape::join(bodies.filter_map(|body| self.of_end(body.end)))
            }
            Some(Origin::Caught(..)) => {
                let text = || Member { shape: Shape::TEXT, required: true };
                let members = [("Error".to_owned(), text()), ("Cause".to_owned(), text())];
                Shape { kind: Kind::Object(members.into_iter().collect()), nullable: false }
            }
            Some(Origin::Item(scope)) => {
                let host = self.draft.scope(*scope).and_then(|scope| scope.host);
                match host.and_then(|host| self.draft.state(host)).map(|host| &host.kind) {
                    Some(KindDraft::Map { map, .. }) => self.of(map.items).element(),
                    _ => Shape::UNKNOWN,
                }
            }
            None => Shape::UNKNOWN,
        }
    }
}
