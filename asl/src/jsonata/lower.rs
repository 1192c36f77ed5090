//! From the tree as written to the tree that is evaluated: paths become flat,
//! each `%` finds the step it means, calls in the last place are marked.

use indexmap::IndexSet;

use super::SyntaxError;
use super::ast::{
    Block, Call, Kind, Lambda, Node, Operator, Path, Program, Slot, Stage, Step, Sym, Term, Transform,
};
use super::lexer::error;
use super::regex;
use super::syntax::{Definition, Pairs, Syntax, SyntaxKind};
use crate::limits;

#[derive(Debug, Default)]
struct Lowering {
    symbols: IndexSet<String>,
    /// Each `%`: how many steps up it still has to go, and the variable it reads.
    parents: Vec<(usize, Sym)>,
    /// Steps looked at for the meaning of a `%`.
    looked_at: usize,
}

type Lowered<T> = Result<T, SyntaxError>;

pub(super) fn lower(tree: Syntax) -> Lowered<Program> {
    let mut lowering = Lowering::default();
    let position = tree.position;
    let root = lowering.step(tree)?;
    if !root.seeking.is_empty() {
        return Err(no_parent(position));
    }
    Ok(Program {
        root: root.node,
        states: lowering.symbols.get_index_of(super::STATES),
        symbols: lowering.symbols.into_iter().collect(),
        parents: lowering.parents.into_iter().map(|(_, name)| name).collect(),
    })
}

fn no_parent(position: usize) -> SyntaxError {
    error("S0217", "The object representing the 'parent' cannot be derived from this expression", position)
}

/// The path of a node; a node that is none becomes the only step of one.
fn into_path(step: Step) -> (Step, bool) {
    if matches!(step.node.kind, Kind::Path(_)) {
        return (step, true);
    }
    let path = Path { steps: vec![step], ..Path::default() };
    (Step::new(Node::new(Kind::Path(Box::new(path)))), false)
}

impl Lowering {
    fn symbol(&mut self, name: String) -> Sym {
        self.symbols.insert_full(name).0
    }

    /// The node of a tree, with what a path needs to know if it is a step.
    fn step(&mut self, tree: Syntax) -> Lowered<Step> {
        let Syntax { kind, position, keep_array, .. } = tree;
        let is_focus = matches!(kind, SyntaxKind::Focus(..));
        let mut step = match kind {
            SyntaxKind::Name(name) => {
                let mut name = Node::new(Kind::Name(name));
                name.keep_array = keep_array;
                let path =
                    Path { steps: vec![Step::new(name)], keep_singleton: keep_array, ..Path::default() };
                return Ok(Step::new(Node::new(Kind::Path(Box::new(path)))));
            }
            SyntaxKind::Dots(first, rest) => self.dots(*first, rest)?,
            SyntaxKind::Filters(inner, predicates) => self.filters(*inner, predicates)?,
            SyntaxKind::Group(inner, pairs) => self.group(*inner, pairs, position)?,
            SyntaxKind::Sort(inner, terms) => self.sort(*inner, terms, position)?,
            SyntaxKind::Focus(inner, name) => self.focus(*inner, name, position)?,
            SyntaxKind::Index(inner, name) => self.index(*inner, name)?,
            SyntaxKind::Parent => {
                let slot = self.parents.len();
                let name = self.symbol(format!("%{slot}"));
                self.parents.push((1, name));
                let mut step = Step::new(Node::new(Kind::Parent(slot)));
                step.seeking.push(slot);
                step
            }
            other => {
                let mut seeking = Vec::new();
                let kind = self.kind(other, position, &mut seeking)?;
                let mut step = Step::new(Node::new(kind));
                step.seeking = seeking;
                if let Kind::Binary(Operator::Apply, sides) = &step.node.kind {
                    step.node.keep_array = sides.0.keep_array || sides.1.keep_array;
                }
                step
            }
        };
        if is_focus {
            on_last_step(&mut step, |step, _| step.node.keep_array |= keep_array);
        }
        step.node.keep_array |= keep_array;
        Ok(step)
    }

    /// A part of a node: its uses of `%` become the node's.
    fn part(&mut self, tree: Syntax, seeking: &mut Vec<Slot>) -> Lowered<Node> {
        let step = self.step(tree)?;
        seeking.extend(step.seeking);
        Ok(step.node)
    }

    fn parts(&mut self, trees: Vec<Syntax>, seeking: &mut Vec<Slot>) -> Lowered<Vec<Node>> {
        trees.into_iter().map(|tree| self.part(tree, seeking)).collect()
    }

    fn pairs(&mut self, pairs: Pairs, seeking: &mut Vec<Slot>) -> Lowered<Vec<(Node, Node)>> {
        pairs
            .into_iter()
            .map(|(key, value)| Ok((self.part(key, seeking)?, self.part(value, seeking)?)))
            .collect()
    }

    fn kind(&mut self, kind: SyntaxKind, position: usize, seeking: &mut Vec<Slot>) -> Lowered<Kind> {
        Ok(match kind {
            SyntaxKind::Null => Kind::Null,
            SyntaxKind::Bool(flag) => Kind::Bool(flag),
            SyntaxKind::Whole(number) => Kind::Whole(number),
            SyntaxKind::Number(number) => Kind::Number(number),
            SyntaxKind::Text(text) => Kind::Text(text),
            SyntaxKind::Regex(pattern) => match regex::read(&pattern.text, &pattern.flags) {
                Ok(regex) => Kind::Regex(Box::new(regex)),
                Err(raised) => return Err(error(raised.code, raised.message, position)),
            },
            SyntaxKind::Variable(name) if name.is_empty() => Kind::Context,
            SyntaxKind::Variable(name) => Kind::Variable(self.symbol(name)),
            SyntaxKind::Wildcard => Kind::Wildcard,
            SyntaxKind::Descendant => Kind::Descendant,
            SyntaxKind::Placeholder => Kind::Placeholder,
            SyntaxKind::Negate(inner) => match self.part(*inner, seeking)? {
                Node { kind: Kind::Whole(number), extra: None, .. } if number != 0 => Kind::Whole(-number),
                Node { kind: Kind::Whole(_), extra: None, .. } => Kind::Number(-0.0),
                Node { kind: Kind::Number(number), extra: None, .. } => Kind::Number(-number),
                other => Kind::Negate(Box::new(other)),
            },
            SyntaxKind::Array(items) => Kind::Array { items: self.parts(items, seeking)?, is_step: false },
            SyntaxKind::Object(pairs) => Kind::Object(self.pairs(pairs, seeking)?),
            SyntaxKind::Block(items) => self.block(items, seeking)?,
            SyntaxKind::Binary(sign, left, right) => {
                let Some(operator) = Operator::of(sign) else {
                    return Err(error("S0204", format!("Unknown operator: \"{sign}\""), position));
                };
                let left = self.part(*left, seeking)?;
                let right = self.part(*right, seeking)?;
                Kind::Binary(operator, Box::new((left, right)))
            }
            SyntaxKind::Bind(name, value) => {
                let name = self.symbol(name);
                Kind::Bind(name, Box::new(self.part(*value, seeking)?))
            }
            SyntaxKind::Condition(condition, then, other) => {
                let condition = self.part(*condition, seeking)?;
                let then = self.part(*then, seeking)?;
                let other = other.map(|other| self.part(*other, seeking)).transpose()?;
                Kind::Condition(Box::new((condition, then, other)))
            }
            SyntaxKind::Call(procedure, arguments) => {
                Kind::Call(Box::new(self.call(*procedure, arguments, seeking)?))
            }
            SyntaxKind::Partial(procedure, arguments) => {
                Kind::Partial(Box::new(self.call(*procedure, arguments, seeking)?))
            }
            SyntaxKind::Lambda(definition) => {
                let Definition { parameters, signature, body } = *definition;
                let parameters = parameters.into_iter().map(|name| self.symbol(name)).collect();
                let mut body = self.step(body)?.node;
                mark_tail_calls(&mut body);
                Kind::Lambda(Box::new(Lambda { parameters, signature, body }))
            }
            SyntaxKind::Transform(pattern, update, delete) => Kind::Transform(Box::new(Transform {
                pattern: self.step(*pattern)?.node,
                update: self.step(*update)?.node,
                delete: delete.map(|delete| self.step(*delete)).transpose()?.map(|delete| delete.node),
            })),
            // The rest are steps of their own; see `step`.
            _ => Kind::TooDeep,
        })
    }

    fn call(&mut self, procedure: Syntax, arguments: Vec<Syntax>, seeking: &mut Vec<Slot>) -> Lowered<Call> {
        let arguments = self.parts(arguments, seeking)?;
        let name = match &procedure.kind {
            SyntaxKind::Name(name) | SyntaxKind::Variable(name) | SyntaxKind::Text(name) => {
                Some(name.clone())
            }
            _ => None,
        };
        let procedure = self.step(procedure)?.node;
        Ok(Call { procedure, arguments, is_tail: false, name })
    }

    fn block(&mut self, items: Vec<Syntax>, seeking: &mut Vec<Slot>) -> Lowered<Kind> {
        let items = self.parts(items, seeking)?;
        let has_array = items.iter().any(|item| match &item.kind {
            Kind::Path(path) => path.steps.first().is_some_and(|step| step.node.takes_whole_context()),
            _ => item.takes_whole_context(),
        });
        let binds = items.iter().any(binds_variables);
        Ok(Kind::Block(Box::new(Block { items, binds, has_array })))
    }

    fn dots(&mut self, first: Syntax, rest: Vec<(usize, Syntax)>) -> Lowered<Step> {
        let first = self.step(first)?;
        let parent = matches!(first.node.kind, Kind::Parent(_)).then(|| first.seeking.clone());
        let (mut result, _) = into_path(first);
        if let Some(seeking) = parent {
            result.seeking = seeking;
        }
        let Kind::Path(path) = &mut result.node.kind else { return Ok(result) };
        path.steps.reserve(rest.len());
        for (index, (_, tree)) in rest.into_iter().enumerate() {
            let position = tree.position;
            let known = if index == 0 { 0 } else { path.steps.len() };
            if let SyntaxKind::Name(name) = tree.kind {
                let mut node = Node::new(Kind::Name(name));
                node.keep_array = tree.keep_array;
                path.steps.push(Step::new(node));
                normalise_steps(path, known, position)?;
                continue;
            }
            let mut step = self.step(tree)?;
            if let Kind::Path(inner) = step.node.kind {
                path.steps.extend(inner.steps);
            } else {
                step.predicates_become_stages();
                path.steps.push(step);
            }
            normalise_steps(path, known, position)?;
            self.answer_parents(path, &mut result.seeking, position)?;
        }
        Ok(result)
    }

    /// Each `%` in the last step looks for its meaning in the steps before.
    fn answer_parents(
        &mut self,
        path: &mut Path,
        unanswered: &mut Vec<Slot>,
        position: usize,
    ) -> Lowered<()> {
        let Some((last, before)) = path.steps.split_last_mut() else { return Ok(()) };
        for &slot in &last.seeking {
            let mut rest: &mut [Step] = &mut *before;
            while self.levels(slot) > 0 {
                // Steps in a row that bind a focus all start from the same value.
                let in_a_row = rest.iter().rev().take_while(|step| step.focus.is_some()).count();
                let skipped = rest.len() - in_a_row.saturating_sub(1);
                let (kept, _) = std::mem::take(&mut rest).split_at_mut(skipped);
                let Some((step, earlier)) = kept.split_last_mut() else {
                    unanswered.push(slot);
                    break;
                };
                self.seek(&mut step.node.kind, Some((&mut step.ancestor, &mut step.binds)), slot, position)?;
                rest = earlier;
            }
        }
        Ok(())
    }

    fn levels(&self, slot: Slot) -> usize {
        self.parents.get(slot).map_or(0, |(levels, _)| *levels)
    }

    fn change_levels(&mut self, slot: Slot, change: isize) {
        if let Some((levels, _)) = self.parents.get_mut(slot) {
            *levels = levels.saturating_add_signed(change);
        }
    }

    /// Looks for the value of a `%` in one step.
    fn seek(
        &mut self,
        kind: &mut Kind,
        place: Option<(&mut Option<Slot>, &mut bool)>,
        slot: Slot,
        position: usize,
    ) -> Lowered<()> {
        self.looked_at += 1;
        if self.looked_at > limits::JSONATA_PARENT_STEPS_MAX {
            return Err(error("", "Expression has too many uses of the parent operator (%)", position));
        }
        match kind {
            Kind::Name(_) | Kind::Wildcard => {
                self.change_levels(slot, -1);
                if self.levels(slot) == 0
                    && let Some((ancestor, binds)) = place
                {
                    if let Some(known) = *ancestor {
                        // Two `%` that mean the same read the same variable.
                        let name = self.parents.get(known).map_or(0, |(_, name)| *name);
                        if let Some((_, mine)) = self.parents.get_mut(slot) {
                            *mine = name;
                        }
                    }
                    *ancestor = Some(slot);
                    *binds = true;
                }
                Ok(())
            }
            Kind::Parent(_) => {
                self.change_levels(slot, 1);
                Ok(())
            }
            Kind::Block(block) => match block.items.last_mut() {
                Some(last) => {
                    if let Some((_, binds)) = place {
                        *binds = true;
                    }
                    self.seek(&mut last.kind, None, slot, position)
                }
                None => Ok(()),
            },
            Kind::Path(path) => {
                path.hands_on_tuples = true;
                for (index, step) in path.steps.iter_mut().rev().enumerate() {
                    if index > 0 && self.levels(slot) == 0 {
                        break;
                    }
                    let place = Some((&mut step.ancestor, &mut step.binds));
                    self.seek(&mut step.node.kind, place, slot, position)?;
                }
                Ok(())
            }
            _ => Err(no_parent(position)),
        }
    }

    fn filters(&mut self, inner: Syntax, predicates: Vec<(usize, Syntax)>) -> Lowered<Step> {
        let mut result = self.step(inner)?;
        for (position, tree) in predicates {
            let predicate = self.step(tree)?;
            let is_parent = matches!(predicate.node.kind, Kind::Parent(_));
            if result.node.extra.as_ref().is_some_and(|extra| extra.group.is_some()) {
                return Err(error(
                    "S0209",
                    "A predicate cannot follow a grouping expression in a step",
                    position,
                ));
            }
            on_last_step(&mut result, |target, is_path| {
                if !is_parent {
                    for &slot in &predicate.seeking {
                        if self.levels(slot) == 1 {
                            let place = Some((&mut target.ancestor, &mut target.binds));
                            self.seek(&mut target.node.kind, place, slot, position)?;
                        } else {
                            self.change_levels(slot, -1);
                        }
                    }
                }
                target.seeking.extend(predicate.seeking);
                if is_path {
                    target.stages.push(Stage::Filter(predicate.node));
                } else {
                    target.node.extra_mut().predicates.push(predicate.node);
                }
                Ok(())
            })?;
        }
        Ok(result)
    }

    fn group(&mut self, inner: Syntax, pairs: Pairs, position: usize) -> Lowered<Step> {
        let mut result = self.step(inner)?;
        let pairs = self.pairs(pairs, &mut Vec::new())?;
        let place = match &mut result.node.kind {
            Kind::Path(path) => &mut path.group,
            _ => &mut result.node.extra_mut().group,
        };
        if place.is_some() {
            return Err(error("S0210", "Each step can only have one grouping expression", position));
        }
        *place = Some(pairs);
        Ok(result)
    }

    fn sort(&mut self, inner: Syntax, terms: Vec<(Syntax, bool)>, position: usize) -> Lowered<Step> {
        let inner = self.step(inner)?;
        let (mut result, _) = into_path(inner);
        let mut seeking = Vec::new();
        let terms = terms
            .into_iter()
            .map(|(term, descends)| {
                let term = self.step(term)?;
                // Terms see the items, as predicates do.
                seeking.extend(term.seeking);
                Ok(Term { expression: term.node, descends })
            })
            .collect::<Lowered<Vec<Term>>>()?;
        let mut step = Step::new(Node::new(Kind::Sort(terms)));
        step.seeking = seeking;
        if let Kind::Path(path) = &mut result.node.kind {
            path.steps.push(step);
            self.answer_parents(path, &mut result.seeking, position)?;
        }
        Ok(result)
    }

    fn focus(&mut self, inner: Syntax, name: String, position: usize) -> Lowered<Step> {
        let mut result = self.step(inner)?;
        let name = self.symbol(name);
        on_last_step(&mut result, |step, _| {
            if !step.stages.is_empty() || !step.node.predicates().is_empty() {
                return Err(error(
                    "S0215",
                    "A context variable binding must precede any predicates on a step",
                    position,
                ));
            }
            if matches!(step.node.kind, Kind::Sort(_)) {
                return Err(error(
                    "S0216",
                    "A context variable binding must precede the 'order-by' clause on a step",
                    position,
                ));
            }
            step.focus = Some(name);
            step.binds = true;
            Ok(())
        })?;
        Ok(result)
    }

    fn index(&mut self, inner: Syntax, name: String) -> Lowered<Step> {
        let mut inner = self.step(inner)?;
        let name = self.symbol(name);
        if !matches!(inner.node.kind, Kind::Path(_)) {
            inner.predicates_become_stages();
        }
        let (mut result, _) = into_path(inner);
        if let Kind::Path(path) = &mut result.node.kind
            && let Some(step) = path.steps.last_mut()
        {
            if step.stages.is_empty() {
                step.index = Some(name);
            } else {
                step.stages.push(Stage::Index(name));
            }
            step.binds = true;
        }
        Ok(result)
    }
}

/// Works on the last step of a path (`true`), or on what is no path (`false`).
fn on_last_step<T>(step: &mut Step, work: impl FnOnce(&mut Step, bool) -> T) -> T {
    if let Kind::Path(path) = &mut step.node.kind
        && let Some(last) = path.steps.last_mut()
    {
        return work(last, true);
    }
    work(step, false)
}

/// What the place in a path makes of its newest steps, those from `known` on.
fn normalise_steps(path: &mut Path, known: usize, position: usize) -> Lowered<()> {
    let last = path.steps.len().saturating_sub(1);
    for (index, step) in path.steps.iter_mut().enumerate().skip(known) {
        path.keep_singleton |= step.node.keep_array;
        let shown = match &mut step.node.kind {
            Kind::Text(name) => {
                step.node.kind = Kind::Name(std::mem::take(name));
                continue;
            }
            Kind::Array { is_step, .. } => {
                *is_step |= index == 0 || index == last;
                continue;
            }
            Kind::Whole(number) => number.to_string(),
            Kind::Number(number) => super::number::to_message(*number),
            Kind::Bool(flag) => flag.to_string(),
            Kind::Null => "null".to_owned(),
            _ => continue,
        };
        let message = format!("The literal value {shown} cannot be used as a step within a path expression");
        return Err(error("S0213", message, position));
    }
    Ok(())
}

/// Marks the calls with whose result the function ends.
fn mark_tail_calls(body: &mut Node) {
    match &mut body.kind {
        Kind::Call(call) if body.extra.as_ref().is_none_or(|extra| extra.predicates.is_empty()) => {
            call.is_tail = true;
        }
        Kind::Condition(parts) => {
            mark_tail_calls(&mut parts.1);
            if let Some(other) = &mut parts.2 {
                mark_tail_calls(other);
            }
        }
        Kind::Block(block) => {
            if let Some(last) = block.items.last_mut() {
                mark_tail_calls(last);
            }
        }
        _ => {}
    }
}

/// Whether evaluating the node binds variables in the frame it is given.
fn binds_variables(node: &Node) -> bool {
    let pair = |(one, other): &(Node, Node)| binds_variables(one) || binds_variables(other);
    let in_extra = node.extra.as_ref().is_some_and(|extra| {
        extra.predicates.iter().any(binds_variables) || extra.group.iter().flatten().any(pair)
    });
    in_extra
        || match &node.kind {
            Kind::Bind(..) => true,
            Kind::Path(path) => {
                path.group.iter().flatten().any(pair)
                    || path.steps.iter().any(|step| {
                        binds_variables(&step.node)
                            || step.stages.iter().any(|stage| match stage {
                                Stage::Filter(filter) => binds_variables(filter),
                                Stage::Index(_) => false,
                            })
                    })
            }
            Kind::Array { items, .. } => items.iter().any(binds_variables),
            Kind::Object(pairs) => pairs.iter().any(pair),
            Kind::Negate(inner) => binds_variables(inner),
            Kind::Binary(_, sides) => pair(sides),
            Kind::Condition(parts) => {
                binds_variables(&parts.0)
                    || binds_variables(&parts.1)
                    || parts.2.as_ref().is_some_and(binds_variables)
            }
            Kind::Call(call) | Kind::Partial(call) => {
                binds_variables(&call.procedure) || call.arguments.iter().any(binds_variables)
            }
            Kind::Sort(terms) => terms.iter().any(|term| binds_variables(&term.expression)),
            Kind::Transform(transform) => {
                binds_variables(&transform.pattern)
                    || binds_variables(&transform.update)
                    || transform.delete.as_ref().is_some_and(binds_variables)
            }
            // They have frames of their own.
            _ => false,
        }
}
