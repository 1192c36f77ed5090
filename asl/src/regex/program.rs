//! Patterns as instructions.

use std::collections::BTreeMap;

use super::Dialect;
use super::set::{self, Folding, Table};
use super::tree::{Assertion, Node, Tree};
use crate::limits;

/// No place: of a group that took no part.
pub(super) const NOWHERE: u32 = u32::MAX;

#[derive(Debug, Clone, Copy)]
pub(super) enum Instruction {
    Character {
        character: char,
        backwards: bool,
    },
    /// One character of a set.
    Set {
        set: u32,
        backwards: bool,
    },
    /// As many characters of a set as there are; fewer, where that leads to no match. Backtracking only.
    Run {
        set: u32,
        least: u32,
        most: u32,
        backwards: bool,
    },
    /// The second where the first leads to no match.
    Split {
        first: u32,
        second: u32,
    },
    Jump(u32),
    /// Keeps the place in a slot.
    Save(u32),
    /// The slots from one to before another hold nothing.
    Forget {
        from: u32,
        until: u32,
    },
    /// No match where the place is still the one in the slot: a turn of a loop has to move.
    Moved(u32),
    Assertion(Assertion),
    /// What comes next up to an `End` has to match here, or must not; then it goes on at `then`.
    Look {
        negated: bool,
        then: u32,
    },
    /// What comes next up to an `End` matches in one way only; then it goes on at `then`.
    Atomic {
        then: u32,
    },
    Reference {
        group: u32,
        folding: Option<Folding>,
        backwards: bool,
    },
    End,
}

#[derive(Debug)]
pub(super) struct Program {
    pub(super) instructions: Vec<Instruction>,
    pub(super) sets: Vec<Table>,
    /// Capturing groups.
    pub(super) groups: usize,
    /// Two for the match and for each group, then one for each level of loops that have to move.
    pub(super) slots: usize,
    pub(super) backtracks: bool,
    /// What a reference to a group without a text does.
    pub(super) unset_matches: bool,
    /// A match can only start where the text does.
    pub(super) anchored: bool,
    /// The bytes a match can start with; `None` where it can be empty.
    first: Option<[bool; 256]>,
}

impl Program {
    pub(super) fn new(tree: &Tree, dialect: Dialect) -> Self {
        let captures = 2 * (tree.groups + 1);
        let mut compiler = Compiler {
            instructions: Vec::new(),
            sets: BTreeMap::new(),
            dialect,
            runs: tree.node.backtracks(),
            backwards: false,
            loops: 0,
            deepest: 0,
            captures: index(captures),
        };
        compiler.node(&tree.node);
        compiler.emit(Instruction::End);
        let mut sets: Vec<(Table, u32)> = compiler.sets.into_iter().collect();
        sets.sort_by_key(|(_, index)| *index);
        let slots = captures + compiler.deepest as usize;
        // Many instructions with many slots each would be too much to keep for each place in lockstep.
        let is_wide = compiler.instructions.len().saturating_mul(slots) > limits::REGEX_LOCKSTEP_SLOTS_MAX;
        let mut program = Self {
            instructions: compiler.instructions,
            sets: sets.into_iter().map(|(table, _)| table).collect(),
            groups: tree.groups,
            slots,
            backtracks: compiler.runs || is_wide,
            unset_matches: dialect == Dialect::EcmaScript,
            anchored: false,
            first: None,
        };
        program.anchored = program.starts(true).is_some_and(|bytes| !bytes.contains(&true));
        program.first = program.starts(false);
        program
    }

    pub(super) fn get(&self, at: usize) -> Instruction {
        self.instructions.get(at).copied().unwrap_or(Instruction::End)
    }

    pub(super) fn has(&self, set: u32, character: char) -> bool {
        self.sets.get(set as usize).is_some_and(|table| table.has(character))
    }

    /// The next byte from here on at which a match can start.
    pub(super) fn next_start(&self, text: &str, from: usize) -> Option<usize> {
        if self.anchored {
            return (from == 0).then_some(0);
        }
        let Some(first) = &self.first else { return (from <= text.len()).then_some(from) };
        let rest = text.as_bytes().get(from..)?;
        let is_first = |byte: &u8| first.get(usize::from(*byte)).copied().unwrap_or(true);
        rest.iter().position(is_first).map(|at| from + at)
    }

    /// Whether a match can start at a byte.
    pub(super) fn can_start(&self, text: &str, at: usize) -> bool {
        match (&self.first, text.as_bytes().get(at)) {
            _ if self.anchored => at == 0,
            (Some(first), Some(byte)) => first.get(usize::from(*byte)).copied().unwrap_or(true),
            (Some(_), None) => false,
            (None, _) => true,
        }
    }

    /// The bytes a match can start with, where it does not start with the text.
    fn starts(&self, except_at_text_start: bool) -> Option<[bool; 256]> {
        let mut bytes = [false; 256];
        let mut seen = vec![false; self.instructions.len()];
        let mut open = vec![0_usize];
        while let Some(at) = open.pop() {
            let seen = seen.get_mut(at)?;
            if std::mem::replace(seen, true) {
                continue;
            }
            match self.get(at) {
                Instruction::Character { character, .. } => {
                    let first = *character.encode_utf8(&mut [0; 4]).as_bytes().first()?;
                    *bytes.get_mut(usize::from(first))? = true;
                }
                Instruction::Set { set, .. } => self.sets.get(set as usize)?.mark_first(&mut bytes),
                Instruction::Run { set, least, .. } => {
                    self.sets.get(set as usize)?.mark_first(&mut bytes);
                    open.extend((least == 0).then_some(at + 1));
                }
                Instruction::Assertion(Assertion::TextStart) if except_at_text_start => {}
                Instruction::Split { first, second } => open.extend([first as usize, second as usize]),
                Instruction::Jump(to) | Instruction::Look { then: to, .. } => open.push(to as usize),
                Instruction::Save(_)
                | Instruction::Forget { .. }
                | Instruction::Moved(_)
                | Instruction::Assertion(_)
                | Instruction::Atomic { .. } => open.push(at + 1),
                Instruction::Reference { .. } | Instruction::End => return None,
            }
        }
        Some(bytes)
    }
}

impl Table {
    fn mark_first(&self, bytes: &mut [bool; 256]) {
        let (ascii, others) = self.first_bytes();
        for (byte, is_first) in bytes.iter_mut().enumerate() {
            *is_first |= if byte < 0x80 { ascii >> byte & 1 == 1 } else { others };
        }
    }
}

fn index(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

struct Compiler {
    instructions: Vec<Instruction>,
    sets: BTreeMap<Table, u32>,
    dialect: Dialect,
    /// Whether runs of characters may become one instruction.
    runs: bool,
    /// Within a lookbehind, which is matched from its end.
    backwards: bool,
    /// Loops around the node that have to move.
    loops: u32,
    deepest: u32,
    captures: u32,
}

impl Compiler {
    fn emit(&mut self, instruction: Instruction) -> usize {
        self.instructions.push(instruction);
        self.instructions.len() - 1
    }

    fn here(&self) -> u32 {
        index(self.instructions.len())
    }

    fn put(&mut self, at: usize, instruction: Instruction) {
        if let Some(place) = self.instructions.get_mut(at) {
            *place = instruction;
        }
    }

    fn table(&mut self, table: Table) -> u32 {
        let next = index(self.sets.len());
        *self.sets.entry(table).or_insert(next)
    }

    fn node(&mut self, node: &Node) {
        let backwards = self.backwards;
        match node {
            Node::Empty => {}
            Node::Character(character) => {
                self.emit(Instruction::Character { character: *character, backwards });
            }
            Node::Set(set) => {
                let set = self.table(Table::new(set));
                self.emit(Instruction::Set { set, backwards });
            }
            Node::Sequence(nodes) if backwards => nodes.iter().rev().for_each(|node| self.node(node)),
            Node::Sequence(nodes) => nodes.iter().for_each(|node| self.node(node)),
            Node::Choice(nodes) => self.choice(nodes),
            Node::Group(number, inner) => {
                let (first, last) = if backwards { (1, 0) } else { (0, 1) };
                self.emit(Instruction::Save(2 * number + first));
                self.node(inner);
                self.emit(Instruction::Save(2 * number + last));
            }
            Node::Repeat { inner, least, most, lazy } => self.repeat(inner, *least, *most, *lazy),
            Node::Look { inner, behind, negated } => {
                self.backwards = *behind;
                let look = self.emit(Instruction::End);
                self.node(inner);
                self.emit(Instruction::End);
                self.backwards = backwards;
                let then = self.here();
                self.put(look, Instruction::Look { negated: *negated, then });
            }
            Node::Atomic(inner) => {
                let atomic = self.emit(Instruction::End);
                self.node(inner);
                self.emit(Instruction::End);
                let then = self.here();
                self.put(atomic, Instruction::Atomic { then });
            }
            Node::Reference { group, folding } => {
                self.emit(Instruction::Reference { group: *group, folding: *folding, backwards });
            }
            Node::Assertion(assertion) => {
                self.emit(Instruction::Assertion(*assertion));
            }
        }
    }

    fn choice(&mut self, nodes: &[Node]) {
        let Some((last, others)) = nodes.split_last() else { return };
        let mut ends = Vec::with_capacity(others.len());
        for node in others {
            let split = self.emit(Instruction::End);
            let first = self.here();
            self.node(node);
            ends.push(self.emit(Instruction::End));
            let second = self.here();
            self.put(split, Instruction::Split { first, second });
        }
        self.node(last);
        let end = self.here();
        for at in ends {
            self.put(at, Instruction::Jump(end));
        }
    }

    fn repeat(&mut self, inner: &Node, least: u32, most: Option<u32>, lazy: bool) {
        if self.runs && !lazy && self.run(inner, least, most) {
            return;
        }
        for _ in 0..least {
            self.forget(inner);
            self.node(inner);
        }
        let enter = |body: u32, out: u32| {
            let (first, second) = if lazy { (out, body) } else { (body, out) };
            Instruction::Split { first, second }
        };
        let Some(most) = most else {
            let split = self.emit(Instruction::End);
            let body = self.here();
            self.turn(inner);
            self.emit(Instruction::Jump(index(split)));
            let out = self.here();
            self.put(split, enter(body, out));
            return;
        };
        let splits: Vec<(usize, u32)> = (least..most)
            .map(|_| {
                let split = self.emit(Instruction::End);
                let body = self.here();
                self.turn(inner);
                (split, body)
            })
            .collect();
        let out = self.here();
        for (split, body) in splits {
            self.put(split, enter(body, out));
        }
    }

    /// A repetition of single characters as one instruction.
    fn run(&mut self, inner: &Node, least: u32, most: Option<u32>) -> bool {
        let table = match inner {
            Node::Character(character) => Table::new(&set::of_characters(&[*character])),
            Node::Set(set) => Table::new(set),
            _ => return false,
        };
        let set = self.table(table);
        let most = most.unwrap_or(u32::MAX);
        self.emit(Instruction::Run { set, least, most, backwards: self.backwards });
        true
    }

    /// A turn of a loop that need not be. It has to move.
    fn turn(&mut self, inner: &Node) {
        self.forget(inner);
        if !inner.is_nullable() {
            self.node(inner);
            return;
        }
        let slot = self.captures + self.loops;
        self.loops += 1;
        self.deepest = self.deepest.max(self.loops);
        self.emit(Instruction::Save(slot));
        self.node(inner);
        self.emit(Instruction::Moved(slot));
        self.loops -= 1;
    }

    /// JavaScript forgets the groups of a loop with each turn; Java does not.
    fn forget(&mut self, inner: &Node) {
        if self.dialect == Dialect::EcmaScript
            && let Some((first, last)) = inner.groups()
        {
            self.emit(Instruction::Forget { from: 2 * first, until: 2 * last + 2 });
        }
    }
}
