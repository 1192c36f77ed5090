//! From the tree of blocks to a flat list of states and the arrows between them.
//!
//! A block's value is not left to a state of its own: it is handed down to the
//! last state of the block, which delivers it in its `Assign` or `Output` (an
//! empty branch has its Choice rule or catcher do that). What a Choice in last
//! position is worth differs per branch, so its slot is replaced by the taken
//! branch's value in whatever follows: that is the [`Aliases`].

use std::collections::BTreeMap;
use std::rc::Rc;

use stepwright::ir::{self, Arm, Block, Catcher, Choice, End, Location, NodeRef, Retrier, Slot, State};

use crate::CodegenError;
use crate::names::{self, Wanted};

/// Index of a state in [`Draft::states`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct StateId(usize);

/// Index of a scope: the machine itself, an iteration of a Map, a branch of a Parallel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ScopeId(usize);

/// Slots that stand for a node instead of a result.
pub(crate) type Aliases = BTreeMap<Slot, NodeRef>;

/// The whole machine before its expressions are written.
#[derive(Debug)]
pub(crate) struct Draft<'a> {
    states: Vec<Option<StateDraft<'a>>>,
    scopes: Vec<ScopeDraft>,
    /// Where every slot comes from.
    pub(crate) origins: BTreeMap<Slot, Origin<'a>>,
    /// Choices that are worth the same whichever branch is taken: they need no variable.
    pub(crate) common: BTreeMap<Slot, NodeRef>,
    names: Vec<String>,
}

/// A set of states that run in one context and share variables.
#[derive(Debug)]
pub(crate) struct ScopeDraft {
    /// The Map or Parallel state around it.
    pub(crate) host: Option<StateId>,
    /// The item, when it is the iteration of a map.
    pub(crate) item: Option<Slot>,
    /// In the order they are read.
    pub(crate) states: Vec<StateId>,
    path: Vec<String>,
    location: Location,
    /// The `Succeed` state shared by branches that end here without a state of their own.
    done: Option<StateId>,
}

impl ScopeDraft {
    /// `StartAt`.
    pub(crate) fn first(&self) -> Option<StateId> {
        self.states.first().copied().or(self.done)
    }
}

/// One state.
#[derive(Debug)]
pub(crate) struct StateDraft<'a> {
    pub(crate) scope: ScopeId,
    pub(crate) comment: Option<&'a str>,
    pub(crate) location: Location,
    pub(crate) kind: KindDraft<'a>,
    pub(crate) retriers: &'a [Retrier],
    pub(crate) catchers: Vec<CatchDraft<'a>>,
    /// The slot its result is known by.
    pub(crate) result: Option<Slot>,
    /// Absent where a state ends its machine by itself or decides by rules.
    pub(crate) exit: Option<Exit>,
}

#[derive(Debug)]
pub(crate) enum KindDraft<'a> {
    Task(&'a ir::Task),
    Call(&'a ir::ServiceCall),
    Pass { value: NodeRef },
    Wait(ir::Wait),
    Choice { rules: Vec<(NodeRef, Exit)>, otherwise: Exit },
    Map { map: &'a ir::Map, body: ScopeId },
    Parallel { parallel: &'a ir::Parallel, branches: Vec<ScopeId> },
    Fail { error: NodeRef, cause: NodeRef },
    Succeed { output: Option<NodeRef> },
}

/// One catcher and where it leads.
#[derive(Debug)]
pub(crate) struct CatchDraft<'a> {
    pub(crate) catcher: &'a Catcher,
    pub(crate) exit: Exit,
}

/// A transition and what it delivers.
#[derive(Debug, Clone)]
pub(crate) struct Exit {
    pub(crate) target: Target,
    pub(crate) fill: Fill,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    State(StateId),
    End,
}

/// Values to assign and to put out, under the aliases that hold there.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fill {
    pub(crate) assign: Vec<(Slot, NodeRef)>,
    pub(crate) output: Option<NodeRef>,
    pub(crate) aliases: Aliases,
}

/// Where a slot's value comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Origin<'a> {
    /// The result of a Task, Map or Parallel, the value of a Pass.
    Result(StateId),
    /// The value of the branch a Choice took.
    Choice(StateId, &'a Choice),
    /// What the numbered catcher of a state caught.
    Caught(StateId, usize),
    /// The item of the iteration.
    Item(ScopeId),
}

/// What happens after a block.
#[derive(Debug, Clone)]
struct After {
    target: Target,
    then: Then,
}

/// What happens with a block's value.
#[derive(Debug, Clone)]
enum Then {
    /// The block must not end with a value.
    Never,
    /// Nobody asks for it under its own name.
    Discard,
    /// It becomes the variable of a slot.
    Assign(Slot),
    /// It becomes the output of the machine, the iteration or the branch.
    Output,
    /// It takes the slot's place in the value of the block around.
    Chain { slot: Slot, end: NodeRef, next: Rc<Then> },
}

impl Then {
    fn fill(&self, value: NodeRef) -> Fill {
        let mut aliases = Aliases::new();
        let (mut then, mut value) = (self, value);
        while let Then::Chain { slot, end, next } = then {
            aliases.insert(*slot, value);
            (then, value) = (next, end);
        }
        match then {
            Then::Assign(slot) => Fill { assign: vec![(*slot, value)], output: None, aliases },
            Then::Output => Fill { assign: Vec::new(), output: Some(value), aliases },
            Then::Never | Then::Discard | Then::Chain { .. } => Fill::default(),
        }
    }
}

/// How control leaves a state within its block.
#[derive(Debug, Clone)]
enum Leave {
    /// To the next state of the block.
    Next(StateId),
    /// It is the last state; the block has this value.
    Last(NodeRef, After),
    /// It is the last state of a block that does not go on.
    Diverges,
}

/// How a block is entered: by its first state or, when it has none, not at all.
enum Entry {
    State(StateId),
    Empty(NodeRef),
}

/// Where in the tree a block stands.
#[derive(Debug, Clone)]
struct Position {
    scope: ScopeId,
    path: Vec<String>,
}

impl Position {
    fn inside(&self, segment: &str) -> Position {
        let mut position = self.clone();
        position.path.push(segment.to_owned());
        position
    }
}

/// Drafts a workflow.
pub(crate) fn draft(workflow: &ir::Workflow) -> Result<Draft<'_>, CodegenError> {
    let draft = Draft {
        states: Vec::new(),
        scopes: Vec::new(),
        origins: BTreeMap::new(),
        common: BTreeMap::new(),
        names: Vec::new(),
    };
    let mut drafter = Drafter { draft, wanted: Vec::new() };
    drafter.whole(None, None, Vec::new(), workflow.location, &workflow.body)?;
    let Drafter { mut draft, wanted } = drafter;
    draft.names = names::state_names(&wanted);
    Ok(draft)
}

struct Drafter<'a> {
    draft: Draft<'a>,
    wanted: Vec<Wanted>,
}

impl<'a> Drafter<'a> {
    fn reserve(&mut self, name: &str, path: &[String]) -> StateId {
        self.draft.states.push(None);
        self.wanted.push(Wanted { name: name.to_owned(), path: path.to_vec() });
        StateId(self.draft.states.len() - 1)
    }

    fn put(&mut self, id: StateId, state: StateDraft<'a>) {
        if let Some(place) = self.draft.states.get_mut(id.0) {
            *place = Some(state);
        }
    }

    /// A block that is all there is in its scope: the machine, an iteration, a branch of a Parallel.
    fn whole(
        &mut self,
        host: Option<StateId>,
        item: Option<Slot>,
        path: Vec<String>,
        location: Location,
        block: &'a Block,
    ) -> Result<ScopeId, CodegenError> {
        let scope = ScopeId(self.draft.scopes.len());
        let position = Position { scope, path: path.clone() };
        self.draft.scopes.push(ScopeDraft { host, item, states: Vec::new(), path, location, done: None });
        if let Some(item) = item {
            self.draft.origins.insert(item, Origin::Item(scope));
        }
        let after = After { target: Target::End, then: Then::Output };
        if let Entry::Empty(value) = self.block(&position, block, &after)? {
            self.done(scope, Some(value));
        }
        Ok(scope)
    }

    /// A `Succeed` state: with a value it is the only state of its scope, without one it is
    /// shared by the branches that have no state of their own to end with.
    fn done(&mut self, scope: ScopeId, output: Option<NodeRef>) -> Option<StateId> {
        let ScopeDraft { path, location, done, .. } = self.draft.scopes.get(scope.0)?;
        if done.is_some() {
            return *done;
        }
        let (path, location) = (path.clone(), *location);
        let id = self.reserve("Done", &path);
        let state = StateDraft {
            scope,
            comment: None,
            location,
            kind: KindDraft::Succeed { output },
            retriers: &[],
            catchers: Vec::new(),
            result: None,
            exit: None,
        };
        self.put(id, state);
        let scope = self.draft.scopes.get_mut(scope.0)?;
        scope.done = Some(id);
        Some(id)
    }

    fn block(&mut self, position: &Position, block: &'a Block, after: &After) -> Result<Entry, CodegenError> {
        if let (End::Value(_), Then::Never) = (block.end, &after.then) {
            return Err(CodegenError::GoesOn { location: block.states.last().map(|state| state.location) });
        }
        let ids: Vec<StateId> =
            block.states.iter().map(|state| self.reserve(&state.name, &position.path)).collect();
        for (index, (state, id)) in block.states.iter().zip(&ids).enumerate() {
            let leave = match (ids.get(index + 1), block.end) {
                (Some(next), _) => Leave::Next(*next),
                (None, End::Value(value)) => Leave::Last(value, after.clone()),
                (None, End::Diverges) => Leave::Diverges,
            };
            if let Some(scope) = self.draft.scopes.get_mut(position.scope.0) {
                scope.states.push(*id);
            }
            let drafted = self.state(position, *id, state, &leave)?;
            self.put(*id, drafted);
        }
        match (ids.first(), block.end) {
            (Some(first), _) => Ok(Entry::State(*first)),
            (None, End::Value(value)) => Ok(Entry::Empty(value)),
            (None, End::Diverges) => Err(CodegenError::EmptyDivergence),
        }
    }

    fn state(
        &mut self,
        position: &Position,
        id: StateId,
        state: &'a State,
        leave: &Leave,
    ) -> Result<StateDraft<'a>, CodegenError> {
        let mut drafted = StateDraft {
            scope: position.scope,
            comment: state.comment.as_deref(),
            location: state.location,
            kind: KindDraft::Succeed { output: None },
            retriers: &[],
            catchers: Vec::new(),
            result: None,
            exit: None,
        };
        match &state.kind {
            ir::StateKind::Fail { error, cause } => {
                ends(state, leave)?;
                drafted.kind = KindDraft::Fail { error, cause };
            }
            ir::StateKind::Succeed { output } => {
                ends(state, leave)?;
                drafted.kind = KindDraft::Succeed { output: Some(output) };
            }
            ir::StateKind::Choice(choice) => {
                drafted.kind = self.choice(position, id, state, choice, leave)?;
            }
            ir::StateKind::Pass { value, result } => {
                self.draft.origins.insert(*result, Origin::Result(id));
                drafted.kind = KindDraft::Pass { value };
                drafted.result = Some(*result);
                drafted.exit = Some(exit(state, leave)?);
            }
            ir::StateKind::Wait(wait) => {
                drafted.kind = KindDraft::Wait(*wait);
                drafted.exit = Some(exit(state, leave)?);
            }
            ir::StateKind::Task(task) => {
                drafted.kind = KindDraft::Task(task);
                drafted.result = Some(task.result);
                drafted.retriers = &task.retriers;
                drafted.exit = Some(exit(state, leave)?);
                drafted.catchers =
                    self.catchers(position, id, state, (task.result, &task.catchers), leave)?;
            }
            ir::StateKind::Service(call) => {
                drafted.kind = KindDraft::Call(call);
                drafted.result = Some(call.result);
                drafted.retriers = &call.retriers;
                drafted.exit = Some(exit(state, leave)?);
                drafted.catchers =
                    self.catchers(position, id, state, (call.result, &call.catchers), leave)?;
            }
            ir::StateKind::Map(map) => {
                let path = position.inside(&state.name).path;
                let body = self.whole(Some(id), Some(map.item), path, state.location, &map.body)?;
                drafted.kind = KindDraft::Map { map, body };
                drafted.result = Some(map.result);
                drafted.retriers = &map.retriers;
                drafted.exit = Some(exit(state, leave)?);
                drafted.catchers = self.catchers(position, id, state, (map.result, &map.catchers), leave)?;
            }
            ir::StateKind::Parallel(parallel) => {
                drafted.kind = self.parallel(position, id, state, parallel)?;
                drafted.result = Some(parallel.result);
                drafted.retriers = &parallel.retriers;
                drafted.exit = Some(exit(state, leave)?);
                drafted.catchers =
                    self.catchers(position, id, state, (parallel.result, &parallel.catchers), leave)?;
            }
        }
        Ok(drafted)
    }

    fn parallel(
        &mut self,
        position: &Position,
        id: StateId,
        state: &State,
        parallel: &'a ir::Parallel,
    ) -> Result<KindDraft<'a>, CodegenError> {
        if parallel.branches.is_empty() {
            return Err(CodegenError::NoBranches { name: state.name.clone(), location: state.location });
        }
        let mut branches = Vec::new();
        for (number, branch) in (1..).zip(&parallel.branches) {
            let path = position.inside(&format!("{} {number}", state.name)).path;
            branches.push(self.whole(Some(id), None, path, state.location, branch)?);
        }
        Ok(KindDraft::Parallel { parallel, branches })
    }

    /// The handlers of a state: what one is worth takes the place of the state's result.
    fn catchers(
        &mut self,
        position: &Position,
        id: StateId,
        state: &'a State,
        (result, catchers): (Slot, &'a [Catcher]),
        leave: &Leave,
    ) -> Result<Vec<CatchDraft<'a>>, CodegenError> {
        self.draft.origins.insert(result, Origin::Result(id));
        let mut drafted = Vec::new();
        for (number, catcher) in catchers.iter().enumerate() {
            self.draft.origins.insert(catcher.caught, Origin::Caught(id, number));
            let after = after_branch(result, leave);
            let exit = self.branch(position, state, &catcher.body, &after)?;
            drafted.push(CatchDraft { catcher, exit });
        }
        Ok(drafted)
    }

    fn choice(
        &mut self,
        position: &Position,
        id: StateId,
        state: &'a State,
        choice: &'a Choice,
        leave: &Leave,
    ) -> Result<KindDraft<'a>, CodegenError> {
        if choice.arms.is_empty() {
            return Err(CodegenError::NoBranches { name: state.name.clone(), location: state.location });
        }
        self.draft.origins.insert(choice.result, Origin::Choice(id, choice));
        let common = common_value(choice);
        let after = match (leave, &common) {
            (Leave::Next(next), Common::One(_)) => {
                After { target: Target::State(*next), then: Then::Discard }
            }
            (Leave::Next(_) | Leave::Last(..), Common::None) => {
                return Err(CodegenError::Unreachable { name: state.name.clone(), location: state.location });
            }
            _ => after_branch(choice.result, leave),
        };
        let mut rules = Vec::new();
        for Arm { condition, body } in &choice.arms {
            rules.push((*condition, self.branch(position, state, body, &after)?));
        }
        let otherwise = self.branch(position, state, &choice.otherwise, &after)?;
        if let (Leave::Next(_), Common::One(value)) = (leave, common) {
            self.draft.common.insert(choice.result, value);
        }
        Ok(KindDraft::Choice { rules, otherwise })
    }

    fn branch(
        &mut self,
        position: &Position,
        state: &State,
        body: &'a Block,
        after: &After,
    ) -> Result<Exit, CodegenError> {
        let inside = position.inside(&state.name);
        match self.block(&inside, body, after)? {
            Entry::State(first) => Ok(Exit { target: Target::State(first), fill: Fill::default() }),
            Entry::Empty(value) => {
                let fill = after.then.fill(value);
                // Neither a rule nor a catcher can end the machine.
                let target = match after.target {
                    Target::End => self.done(position.scope, None).map_or(Target::End, Target::State),
                    target @ Target::State(_) => target,
                };
                Ok(Exit { target, fill })
            }
        }
    }
}

/// A Fail or Succeed has nothing after it.
fn ends(state: &State, leave: &Leave) -> Result<(), CodegenError> {
    match leave {
        Leave::Diverges => Ok(()),
        Leave::Next(_) | Leave::Last(..) => {
            Err(CodegenError::Unreachable { name: state.name.clone(), location: state.location })
        }
    }
}

fn exit(state: &State, leave: &Leave) -> Result<Exit, CodegenError> {
    match leave {
        Leave::Next(next) => Ok(Exit { target: Target::State(*next), fill: Fill::default() }),
        Leave::Last(value, after) => Ok(Exit { target: after.target, fill: after.then.fill(value) }),
        Leave::Diverges => Err(CodegenError::GoesOn { location: Some(state.location) }),
    }
}

/// What follows a branch or handler whose value takes the place of `slot`.
fn after_branch(slot: Slot, leave: &Leave) -> After {
    match leave {
        Leave::Next(next) => After { target: Target::State(*next), then: Then::Assign(slot) },
        Leave::Last(_, After { target, then: Then::Discard }) => {
            // The value of the block around is read later under its own slots, so this one needs its variable.
            After { target: *target, then: Then::Assign(slot) }
        }
        Leave::Last(end, after) => {
            After { target: after.target, then: Then::Chain { slot, end, next: Rc::new(after.then.clone()) } }
        }
        Leave::Diverges => After { target: Target::End, then: Then::Never },
    }
}

/// What the branches of a choice are worth that go on.
enum Common {
    /// No branch goes on.
    None,
    /// All the same: it needs no variable.
    One(NodeRef),
    /// It depends.
    Many,
}

fn common_value(choice: &Choice) -> Common {
    let blocks = choice.arms.iter().map(|arm| &arm.body).chain([&choice.otherwise]);
    let values: Vec<NodeRef> = blocks
        .filter_map(|block| match block.end {
            End::Value(value) => Some(value),
            End::Diverges => None,
        })
        .collect();
    match values.split_first() {
        None => Common::None,
        Some((first, rest)) if rest.iter().all(|other| std::ptr::eq(*first, *other)) => Common::One(first),
        Some(_) => Common::Many,
    }
}

impl<'a> Draft<'a> {
    /// A state.
    pub(crate) fn state(&self, id: StateId) -> Option<&StateDraft<'a>> {
        self.states.get(id.0).and_then(Option::as_ref)
    }

    /// A scope.
    pub(crate) fn scope(&self, id: ScopeId) -> Option<&ScopeDraft> {
        self.scopes.get(id.0)
    }

    /// The scope of the whole machine.
    pub(crate) const ROOT: ScopeId = ScopeId(0);

    /// The states of a scope in the order they are written.
    pub(crate) fn states_in(&self, scope: ScopeId) -> impl Iterator<Item = StateId> {
        let scope = self.scope(scope);
        let listed = scope.into_iter().flat_map(|scope| scope.states.iter().copied());
        listed.chain(scope.and_then(|scope| scope.done))
    }

    /// All states, those inside others after them, in the order they are written.
    pub(crate) fn all(&self) -> impl Iterator<Item = (StateId, &StateDraft<'a>)> {
        let mut order = Vec::new();
        self.collect(Self::ROOT, &mut order);
        order.into_iter().filter_map(|id| Some((id, self.state(id)?)))
    }

    fn collect(&self, scope: ScopeId, order: &mut Vec<StateId>) {
        for id in self.states_in(scope) {
            order.push(id);
            match self.state(id).map(|state| &state.kind) {
                Some(KindDraft::Map { body, .. }) => self.collect(*body, order),
                Some(KindDraft::Parallel { branches, .. }) => {
                    for branch in branches {
                        self.collect(*branch, order);
                    }
                }
                _ => {}
            }
        }
    }

    /// A state's name.
    pub(crate) fn name(&self, id: StateId) -> &str {
        self.names.get(id.0).map_or("", String::as_str)
    }
}
