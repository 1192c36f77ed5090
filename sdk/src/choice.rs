//! Branches: [`Flow::choose`], [`Flow::choice`], [`Flow::choose_some`],
//! [`Flow::cases`].

use std::marker::PhantomData;

use crate::expr::{Expr, node};
use crate::flow::{Flow, here, slot_node};
use crate::generated::CaseBlock;
use crate::ir::{Arm, Block, Choice, Comparison, End, Location, Node, NodeRef, StateKind};
use crate::produces::Produces;
use crate::shape::Shape;
use crate::slot;

impl Flow {
    /// One of two branches. Both produce the same type, or do not come back.
    ///
    /// ```
    /// # use stepwright::prelude::*;
    /// # fn f(w: &mut Flow, rows: Expr<u64>) -> Expr<String> {
    /// w.choose("Empty file?", rows.equals(0),
    ///     |_| lit(String::from("nothing to do")),
    ///     |w| w.fail("Not empty", "Example.NotEmpty", "expected an empty file"))
    /// # }
    /// ```
    #[track_caller]
    pub fn choose<T: Shape, A: Produces<T>, B: Produces<T>>(
        &mut self,
        name: &str,
        condition: Expr<bool>,
        then: impl FnOnce(&mut Flow) -> A,
        otherwise: impl FnOnce(&mut Flow) -> B,
    ) -> Expr<T> {
        let at = here();
        let arm = Arm { condition: condition.node(), body: self.block::<T, A>(then) };
        let otherwise = self.block::<T, B>(otherwise);
        self.record_choice(name, at, vec![arm], otherwise)
    }

    /// `if let Some(value) = optional` for a value of a workflow.
    #[track_caller]
    pub fn choose_some<T: Shape, V: Shape, A: Produces<T>, B: Produces<T>>(
        &mut self,
        name: &str,
        optional: Expr<Option<V>>,
        some: impl FnOnce(&mut Flow, Expr<V>) -> A,
        none: impl FnOnce(&mut Flow) -> B,
    ) -> Expr<T> {
        let value = Expr::from_node(optional.node());
        self.choose(name, optional.is_some(), |w| some(w, value), none)
    }

    /// The first of several branches whose condition holds:
    /// `w.choice("How big?").when(.., |w| ..).when(.., |w| ..).otherwise(|w| ..)`.
    #[track_caller]
    pub fn choice<T: Shape>(&mut self, name: &str) -> ChoiceOf<'_, T> {
        ChoiceOf { flow: self, name: name.to_owned(), at: here(), arms: Vec::new(), produces: PhantomData }
    }

    /// One branch per variant of an enum, none forgotten: `cases` is the struct
    /// the enum's `#[derive(Shape)]` makes, `OutcomeCases { .. }`, with one
    /// closure per variant. A variant's closure gets what the variant holds: an
    /// `Expr` of a newtype variant's content (in JSON the same object, so the tag
    /// goes along when it is handed on), the fields of a struct variant, nothing
    /// for a unit variant.
    ///
    /// ```
    /// # use schemars::JsonSchema;
    /// # use serde::{Deserialize, Serialize};
    /// use stepwright::prelude::*;
    ///
    /// /// How a delivery ended.
    /// #[derive(Debug, Serialize, Deserialize, JsonSchema, Shape)]
    /// #[serde(tag = "outcome", rename_all = "snake_case")]
    /// pub enum Outcome {
    ///     /// Everything arrived.
    ///     Complete,
    ///     /// Some rows did not.
    ///     Partial { missing: u64 },
    /// }
    ///
    /// fn missing(w: &mut Flow, outcome: Expr<Outcome>) -> Expr<u64> {
    ///     w.cases("How did it end?", outcome, OutcomeCases {
    ///         complete: |_| lit(0),
    ///         partial: |_, partial| partial.missing,
    ///     })
    /// }
    /// ```
    #[track_caller]
    pub fn cases<E: Tagged, T: Shape>(
        &mut self,
        name: &str,
        value: Expr<E>,
        cases: impl Cases<E, T>,
    ) -> Expr<T> {
        let at = here();
        let tag = match E::TAG {
            Some(name) => node(Node::Field { of: value.node(), name, optional: false }),
            None => value.node(),
        };
        let mut blocks = cases.blocks(value.node(), self);
        let Some(CaseBlock { body: otherwise, .. }) = blocks.pop() else {
            panic!("an enum without variants has no cases");
        };
        let is = |text: &'static str| node(Node::Compare(Comparison::Equal, tag, crate::literal::of(text)));
        let arms = blocks.into_iter().map(|case| Arm { condition: is(case.tag), body: case.body }).collect();
        self.record_choice(name, at, arms, otherwise)
    }

    #[track_caller]
    fn record_choice<T: Shape>(
        &mut self,
        name: &str,
        at: Location,
        arms: Vec<Arm>,
        otherwise: Block,
    ) -> Expr<T> {
        let result = slot::fresh();
        let ends =
            arms.iter().map(|arm| &arm.body).chain([&otherwise]).all(|b| matches!(b.end, End::Diverges));
        self.record(name, None, at, StateKind::Choice(Choice { arms, otherwise, result }));
        if ends {
            self.end_with(name, at);
        }
        Expr::from_node(slot_node(result))
    }
}

/// A choice of several branches, being described.
#[derive(Debug)]
#[must_use = "a choice does nothing until it is closed with `.otherwise(..)`"]
pub struct ChoiceOf<'w, T> {
    flow: &'w mut Flow,
    name: String,
    at: Location,
    arms: Vec<Arm>,
    produces: PhantomData<fn() -> T>,
}

impl<T: Shape> ChoiceOf<'_, T> {
    /// A branch, taken when the condition holds and none before it did.
    pub fn when<R: Produces<T>>(mut self, condition: Expr<bool>, body: impl FnOnce(&mut Flow) -> R) -> Self {
        let body = self.flow.block::<T, R>(body);
        self.arms.push(Arm { condition: condition.node(), body });
        self
    }

    /// What happens when no condition holds.
    ///
    /// # Panics
    /// If there is no `.when(..)` before it.
    #[track_caller]
    pub fn otherwise<R: Produces<T>>(self, body: impl FnOnce(&mut Flow) -> R) -> Expr<T> {
        assert!(!self.arms.is_empty(), "the choice `{}` has no `.when(..)`", self.name);
        let otherwise = self.flow.block::<T, R>(body);
        self.flow.record_choice(&self.name, self.at, self.arms, otherwise)
    }
}

/// An enum a workflow can tell the variants of.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no cases",
    label = "not an enum with `#[derive(Shape)]`"
)]
pub trait Tagged: Shape {
    /// The member that tells the variant; `None` when the value itself is the text.
    const TAG: Option<&'static str>;
}

/// A struct with one closure per variant of `E`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say what happens in each case of `{E}` so that a `{T}` is produced",
    label = "expected `{E}Cases {{ .. }}` whose closures all produce `{T}`"
)]
pub trait Cases<E, T: Shape> {
    /// The cases in the order of the variants.
    #[doc(hidden)]
    fn blocks(self, of: NodeRef, flow: &mut Flow) -> Vec<CaseBlock>;
}

/// A closure for a variant that holds something.
pub trait Case<P>: FnOnce(&mut Flow, P) -> <Self as Case<P>>::Out {
    /// What it ends with.
    type Out;
}

impl<P, F, R> Case<P> for F
where
    F: FnOnce(&mut Flow, P) -> R,
{
    type Out = R;
}

/// A closure for a variant that holds nothing.
pub trait UnitCase: FnOnce(&mut Flow) -> <Self as UnitCase>::Out {
    /// What it ends with.
    type Out;
}

impl<F, R> UnitCase for F
where
    F: FnOnce(&mut Flow) -> R,
{
    type Out = R;
}
