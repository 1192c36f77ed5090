//! Parallel and Map: starting branches and iterations, joining them, and
//! taking the others away when one fails.

use std::sync::Arc;

use asl::{Map, Parallel, StateKind};
use serde_json::json;

use super::context::Surroundings;
use super::execution::{Children, Item, Phase};
use super::flow::{Flow, NumberField};
use super::history::StateType;
use super::payload::Payload;
use super::record::{Fact, FrameId};
use super::run::{Halt, Run, Step, Trouble, bounded};

impl Run<'_> {
    /// Starts the branches of a Parallel.
    pub(super) fn open_parallel(&mut self, id: FrameId, parallel: &Parallel) -> Step {
        match self.branch_input(id, parallel) {
            Ok(input) => {
                self.push(id, Fact::ParallelStateStarted { input })?;
                self.tend_children(id)
            }
            Err(trouble) => self.trouble(id, trouble),
        }
    }

    fn branch_input(&self, id: FrameId, parallel: &Parallel) -> Result<Payload, Trouble> {
        let (frame, visit) = self.visit(id)?;
        let flow = self.flow(frame, visit);
        let effective = flow.effective_input(&visit.input)?;
        bounded(visit, flow.arguments(parallel.arguments.as_ref(), &effective)?)
    }

    /// Starts the iterations of a Map.
    pub(super) fn open_map(&mut self, id: FrameId, map: &Map) -> Step {
        if let Some(distributed) = &map.distributed {
            return self.open_distributed(id, map, distributed);
        }
        match self.items_and_limit(id, map) {
            Ok((items, length, limit)) => {
                self.push(id, Fact::MapStateStarted { items, length, limit })?;
                self.tend_children(id)
            }
            Err(trouble) => self.trouble(id, trouble),
        }
    }

    fn items_and_limit(&self, id: FrameId, map: &Map) -> Result<(Payload, u32, u32), Trouble> {
        let (frame, visit) = self.visit(id)?;
        let flow = self.flow(frame, visit);
        let effective = flow.effective_input(&visit.input)?;
        let items = flow.items(&map.items, &effective)?;
        let wanted = match &map.max_concurrency {
            Some(field) => flow.number(field, "MaxConcurrency", NumberField::Count, &effective)?,
            None => 0,
        };
        let most = asl::limits::INLINE_MAP_CONCURRENCY_MAX as u64;
        let limit = if wanted == 0 { most } else { wanted.min(most) };
        let length = items.item_count();
        Ok((items, u32::try_from(length).unwrap_or(u32::MAX), u32::try_from(limit).unwrap_or(u32::MAX)))
    }

    /// Looks after the branches or iterations of a state: starts those that
    /// may start, joins them when all have ended, clears up when one failed.
    pub(super) fn tend_children(&mut self, id: FrameId) -> Step {
        if let Some(chain) = self.children(id)?.failing.as_ref().map(|(_, chain)| *chain) {
            self.abort_children(id)?;
            self.push(id, Fact::ChildrenDropped { chain })?;
            self.wake(id);
            return Ok(());
        }
        while let Some(index) = self.startable(id)? {
            if self.is_full() {
                self.wake_first(id);
                return Ok(());
            }
            if let Err(trouble) = self.start_child(id, index)? {
                self.abort_children(id)?;
                return self.trouble(id, trouble);
            }
        }
        let children = self.children(id)?;
        if children.running > 0 || children.next < children.length {
            return Ok(());
        }
        if !children.announced {
            let fact = if children.is_map { Fact::MapStateSucceeded } else { Fact::ParallelStateSucceeded };
            self.push(id, fact)?;
        }
        self.complete(id)
    }

    fn startable(&self, id: FrameId) -> Result<Option<u32>, Halt> {
        let children = self.children(id)?;
        Ok((children.next < children.length && children.running < children.limit).then_some(children.next))
    }

    /// Starts one branch or iteration. The inner result is trouble with `ItemSelector`.
    fn start_child(&mut self, id: FrameId, index: u32) -> Result<Result<(), Trouble>, Halt> {
        let (_, visit) = self.visit(id)?;
        let state = Arc::clone(&visit.state);
        let name = visit.name.clone();
        let child = self.execution.next_frame;
        let (previous, fact) = match &state.kind {
            StateKind::Map(map) => {
                let input = match self.iteration_input(id, map, index) {
                    // What does not depend on the item is kept, and written, once.
                    Ok(input) => self.iteration_input.take().filter(|last| *last == input).unwrap_or(input),
                    Err(trouble) => return Ok(Err(trouble)),
                };
                self.iteration_input = Some(input.clone());
                (self.children(id)?.spawn_from, Fact::MapIterationStarted { child, index, name, input })
            }
            _ => (0, Fact::BranchStarted { child, index }),
        };
        self.push_after(id, previous, fact)?;
        self.wake(child);
        Ok(Ok(()))
    }

    fn iteration_input(&self, id: FrameId, map: &Map, index: u32) -> Result<Payload, Trouble> {
        let (frame, visit) = self.visit(id)?;
        let items = &self.children(id)?.given;
        let item = Item::of(items.value(), index).ok_or_else(|| Halt::misplaced(id))?;
        let input = match &map.item_selector {
            Some(template) => {
                let around = Surroundings::of(self.execution, frame, visit, &self.host).for_item(&item);
                let flow = Flow::new(&visit.state, around);
                let effective = flow.effective_input(&visit.input)?;
                flow.evaluate(template, map.item_selector_field, &effective)?
            }
            None => Payload::from_value(match item.key {
                // Developer guide, "ItemsPath": an iteration over an object gets the pair.
                Some(key) => json!({ "Key": key, "Value": item.value }),
                None => item.value,
            }),
        };
        bounded(visit, input)
    }

    /// A frame is at its end: the execution succeeded, or a branch or iteration did.
    pub(super) fn end_frame(&mut self, id: FrameId) -> Step {
        let Some(frame) = self.execution.frames.get(&id) else { return Ok(()) };
        let Phase::Ended { output } = &frame.phase else { return Ok(()) };
        let (index, chain) = (frame.index, frame.chain);
        let Some(parent) = frame.parent else {
            let output = output.clone();
            return self.push(id, Fact::ExecutionSucceeded { output });
        };
        let name = self.visit(parent)?.1.name.clone();
        let fact = if self.children(parent)?.is_map {
            Fact::MapIterationSucceeded { child: id, index, name }
        } else {
            Fact::BranchSucceeded { child: id, index }
        };
        self.push_after(parent, chain, fact)?;
        self.wake(parent);
        Ok(())
    }

    /// Takes away all branches or iterations that still run.
    fn abort_children(&mut self, parent: FrameId) -> Step {
        for child in self.execution.children_of(parent) {
            self.abort_children(child)?;
            if self.execution.map_runs.values().any(|(frame, _)| *frame == child) {
                self.push(child, Fact::MapRunAborted)?;
            }
            self.abort_state(child)?;
            let (index, chain) = match self.execution.frames.get(&child) {
                Some(frame) => (frame.index, frame.chain),
                None => continue,
            };
            let name = self.visit(parent)?.1.name.clone();
            let fact = if self.children(parent)?.is_map {
                Fact::MapIterationAborted { child, index, name }
            } else {
                Fact::BranchAborted { child }
            };
            self.push_after(parent, chain, fact)?;
        }
        Ok(())
    }

    /// Writes that the state a frame is in was aborted, if its type has such an event.
    pub(super) fn abort_state(&mut self, id: FrameId) -> Step {
        let visit = self.execution.frames.get(&id).and_then(|frame| frame.visit.as_ref());
        match visit.map(|visit| StateType::of(&visit.state.kind)) {
            Some(kind) if kind.aborted().is_some() => self.push(id, Fact::StateAborted { kind }),
            _ => Ok(()),
        }
    }

    pub(super) fn children(&self, id: FrameId) -> Result<&Children, Halt> {
        match self.visit(id)?.0.phase {
            Phase::Children(ref children) => Ok(children),
            _ => Err(Halt::misplaced(id)),
        }
    }
}
