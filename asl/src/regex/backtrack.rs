//! Searches that try one way after the other, for what needs it: lookaround,
//! backreferences, atomic groups. They can take exponential time, so that each
//! has an end of its effort.

use super::program::{Instruction, NOWHERE, Program};
use super::set::Folding;
use super::{Effort, Exhausted};
use crate::limits;

/// What is done when a way leads to no match, the last first.
#[derive(Debug, Clone, Copy)]
enum Undo {
    /// Another way.
    Try { instruction: u32, at: u32 },
    /// A run of characters is one shorter, down to its least.
    Shorten { then: u32, least: u32, at: u32, backwards: bool },
    /// What a slot held.
    Restore { slot: u32, place: u32 },
}

/// The slots of the first match from a byte on.
pub(super) fn find(
    program: &Program,
    text: &str,
    from: usize,
    effort: &mut Effort,
) -> Result<Option<Vec<u32>>, Exhausted> {
    let slots = vec![NOWHERE; program.slots];
    let mut search = Search { program, text, effort, slots, undo: Vec::new() };
    let mut from = from;
    while let Some(start) = program.next_start(text, from) {
        search.effort.take((start - from) / 16 + 1)?;
        if let Some(end) = search.run(0, start)? {
            let mut slots = search.slots;
            slots.iter_mut().zip([start, end]).for_each(|(slot, at)| *slot = place(at));
            return Ok(Some(slots));
        }
        let Some(character) = text.get(start..).and_then(|rest| rest.chars().next()) else { return Ok(None) };
        from = start + character.len_utf8();
    }
    search.effort.take((text.len() - from.min(text.len())) / 16)?;
    Ok(None)
}

fn place(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(NOWHERE)
}

struct Search<'s> {
    program: &'s Program,
    text: &'s str,
    effort: &'s mut Effort,
    slots: Vec<u32>,
    undo: Vec<Undo>,
}

impl Search<'_> {
    /// Where the instructions from one on end; what they could have done otherwise stays to be undone.
    fn run(&mut self, mut instruction: usize, mut at: usize) -> Result<Option<usize>, Exhausted> {
        let base = self.undo.len();
        loop {
            self.effort.take(1)?;
            let next = match self.program.get(instruction) {
                Instruction::End => return Ok(Some(at)),
                Instruction::Jump(to) => Some((to as usize, at)),
                Instruction::Split { first, second } => {
                    self.push(Undo::Try { instruction: second, at: place(at) })?;
                    Some((first as usize, at))
                }
                Instruction::Look { negated, then } => {
                    self.look(instruction + 1, at, negated)?.then_some((then as usize, at))
                }
                Instruction::Atomic { then } => {
                    let base = self.undo.len();
                    let end = self.run(instruction + 1, at)?;
                    self.forget_ways(base);
                    end.map(|end| (then as usize, end))
                }
                other => self.single(other, instruction + 1, at)?.map(|at| (instruction + 1, at)),
            };
            let Some(next) = next.or_else(|| self.back(base)) else { return Ok(None) };
            (instruction, at) = next;
        }
    }

    /// An instruction that goes on with the next: where.
    fn single(
        &mut self,
        instruction: Instruction,
        then: usize,
        at: usize,
    ) -> Result<Option<usize>, Exhausted> {
        Ok(match instruction {
            Instruction::Character { character, backwards } => {
                self.character(at, backwards).filter(|next| next.0 == character).map(|next| next.1)
            }
            Instruction::Set { set, backwards } => self.member(set, at, backwards),
            Instruction::Run { set, least, most, backwards } => {
                return self.characters((set, least, most), then, at, backwards);
            }
            Instruction::Save(slot) => {
                self.set(slot, place(at))?;
                Some(at)
            }
            Instruction::Forget { from, until } => {
                self.effort.take((until - from) as usize)?;
                for slot in from..until {
                    self.set(slot, NOWHERE)?;
                }
                Some(at)
            }
            Instruction::Moved(slot) => {
                let stayed = self.slots.get(slot as usize) == Some(&place(at));
                (!stayed).then_some(at)
            }
            Instruction::Assertion(assertion) => assertion.holds(self.text, at).then_some(at),
            Instruction::Reference { group, folding, backwards } => {
                return self.reference(group, folding, at, backwards);
            }
            _ => None,
        })
    }

    fn push(&mut self, undo: Undo) -> Result<(), Exhausted> {
        if self.undo.len() >= limits::REGEX_WAYS_MAX {
            return Err(Exhausted);
        }
        self.undo.push(undo);
        Ok(())
    }

    fn set(&mut self, slot: u32, place: u32) -> Result<(), Exhausted> {
        let Some(held) = self.slots.get_mut(slot as usize) else { return Ok(()) };
        let before = std::mem::replace(held, place);
        self.push(Undo::Restore { slot, place: before })
    }

    /// The last way that was not tried yet, down to a number of them.
    fn back(&mut self, base: usize) -> Option<(usize, usize)> {
        while self.undo.len() > base {
            match self.undo.pop()? {
                Undo::Try { instruction, at } => return Some((instruction as usize, at as usize)),
                Undo::Restore { slot, place } => {
                    if let Some(held) = self.slots.get_mut(slot as usize) {
                        *held = place;
                    }
                }
                Undo::Shorten { then, least, at, backwards } => {
                    // Shorter is towards where the run came from.
                    let (_, shorter) = self.character(at as usize, !backwards)?;
                    if place(shorter) != least {
                        self.undo.push(Undo::Shorten { then, least, at: place(shorter), backwards });
                    }
                    return Some((then as usize, shorter));
                }
            }
        }
        None
    }

    fn look(&mut self, instruction: usize, at: usize, negated: bool) -> Result<bool, Exhausted> {
        let base = self.undo.len();
        let found = self.run(instruction, at)?.is_some();
        if negated {
            // What was found in it does not stay.
            while self.undo.len() > base {
                if let Some(Undo::Restore { slot, place }) = self.undo.pop()
                    && let Some(held) = self.slots.get_mut(slot as usize)
                {
                    *held = place;
                }
            }
        } else {
            self.forget_ways(base);
        }
        Ok(found != negated)
    }

    /// What is above a number of things to undo was the only way; the slots can still be restored.
    fn forget_ways(&mut self, base: usize) {
        let mut kept = base;
        for index in base..self.undo.len() {
            if let Some(Undo::Restore { .. }) = self.undo.get(index) {
                self.undo.swap(kept, index);
                kept += 1;
            }
        }
        self.undo.truncate(kept);
    }

    /// The character on one side of a place, and the place on its other side.
    fn character(&self, at: usize, backwards: bool) -> Option<(char, usize)> {
        let (before, behind) = self.text.split_at_checked(at)?;
        if backwards {
            before.chars().next_back().map(|character| (character, at - character.len_utf8()))
        } else {
            behind.chars().next().map(|character| (character, at + character.len_utf8()))
        }
    }

    fn member(&self, set: u32, at: usize, backwards: bool) -> Option<usize> {
        let (character, next) = self.character(at, backwards)?;
        self.program.has(set, character).then_some(next)
    }

    fn characters(
        &mut self,
        (set, least, most): (u32, u32, u32),
        then: usize,
        from: usize,
        backwards: bool,
    ) -> Result<Option<usize>, Exhausted> {
        let (mut at, mut count) = (from, 0);
        let mut shortest = from;
        while count < most
            && let Some(next) = self.member(set, at, backwards)
        {
            self.effort.take(1)?;
            (at, count) = (next, count + 1);
            if count == least {
                shortest = at;
            }
        }
        if count < least {
            return Ok(None);
        }
        if count > least {
            let (then, least, at) = (place(then), place(shortest), place(at));
            self.push(Undo::Shorten { then, least, at, backwards })?;
        }
        Ok(Some(at))
    }

    /// The text of a group from here on.
    fn reference(
        &mut self,
        group: u32,
        folding: Option<Folding>,
        at: usize,
        backwards: bool,
    ) -> Result<Option<usize>, Exhausted> {
        let slot = |slot: u32| self.slots.get(slot as usize).copied().unwrap_or(NOWHERE);
        let range = slot(2 * group) as usize..slot(2 * group + 1) as usize;
        let Some(wanted) = self.text.get(range) else {
            return Ok(self.program.unset_matches.then_some(at));
        };
        self.effort.take(wanted.len() / 16)?;
        let (before, behind) = self.text.split_at_checked(at).unwrap_or((self.text, ""));
        let Some(folding) = folding else {
            let found = if backwards { before.ends_with(wanted) } else { behind.starts_with(wanted) };
            let end = if backwards { at.checked_sub(wanted.len()) } else { Some(at + wanted.len()) };
            return Ok(end.filter(|_| found));
        };
        self.effort.take(wanted.len())?;
        let mut place = at;
        let mut matches = |character: char| {
            let next = self.character(place, backwards)?;
            place = next.1;
            (folding.key(next.0) == folding.key(character)).then_some(())
        };
        let all = if backwards {
            wanted.chars().rev().try_for_each(|character| matches(character).ok_or(()))
        } else {
            wanted.chars().try_for_each(|character| matches(character).ok_or(()))
        };
        Ok(all.ok().map(|()| place))
    }
}
