//! Values while an expression runs. Owns how they are held, shared and given
//! back; knows nothing of expressions.
//!
//! What comes from outside is borrowed: a field of the input is a reference
//! into the caller's JSON, not a copy. What an expression makes is counted by
//! reference, so that a clone of a value never copies more than a pointer.

use std::borrow::Borrow;
use std::cell::Cell;
use std::ops::Deref;
use std::rc::Rc;

use serde_json::{Map, Value as Json};

use super::ast::{Call, Sym};
use super::evaluate::frame::{Env, dismantle};
use super::function::Function;
use super::functions::Builtin;
use super::memory::{self, Held};
use super::object::Object;

/// The largest integer JavaScript counts up to without a gap: 2^53.
pub(super) const SAFE_INTEGER: i64 = 9_007_199_254_740_992;

#[derive(Clone, Debug)]
pub(super) enum Value<'a> {
    Undefined,
    Null,
    Bool(bool),
    /// An integer, with all its digits.
    Int(i64),
    Float(f64),
    Text(Text<'a>),
    /// An array of the caller's.
    JsonArray(&'a [Json]),
    Array(Rc<Array<'a>>),
    /// An object of the caller's.
    JsonObject(&'a Map<String, Json>),
    Object(Rc<Object<'a>>),
    Builtin(Builtin),
    Function(Rc<Function<'a>>),
    /// An item of a path that binds variables. Never outside of a path.
    Tuple(Rc<Tuple<'a>>),
    /// A call in the last place of a function: its caller goes on with it.
    /// Never outside of a call.
    TailCall(Rc<TailCall<'a>>),
}

/// A text of the caller's, of the expression, or one that was made.
#[derive(Clone, Debug)]
pub(super) enum Text<'a> {
    Borrowed(&'a str),
    Shared(Rc<SharedText>),
}

/// A text that was made.
#[derive(Debug)]
pub(super) struct SharedText {
    text: String,
    _held: Held,
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Borrowed(text) => text,
            Self::Shared(shared) => &shared.text,
        }
    }
}

impl Borrow<str> for Text<'_> {
    fn borrow(&self) -> &str {
        self
    }
}

impl From<String> for Text<'_> {
    fn from(text: String) -> Self {
        let held = Held::new(memory::block(text.capacity()) + memory::shared::<SharedText>());
        Self::Shared(Rc::new(SharedText { text, _held: held }))
    }
}

impl PartialEq for Text<'_> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Text<'_> {}

impl PartialOrd for Text<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text<'_> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (**self).cmp(&**other)
    }
}

/// An array that an expression made.
#[derive(Debug)]
pub(super) struct Array<'a> {
    pub(super) items: Vec<Value<'a>>,
    /// JSONata marks arrays as they come into being, and treats them by that
    /// mark wherever they are seen later: all holders of an array see it change.
    flags: Cell<u8>,
    _held: Held,
}

/// The array is the result of a step: one item stands for itself, none for nothing.
const SEQUENCE: u8 = 1;
/// A sequence of one item stays an array.
const KEEP_SINGLETON: u8 = 2;
/// Written as `[…]` in a path: stays one item of the next step.
const CONSTRUCTED: u8 = 4;
/// Around a context that is itself an array.
const OUTER_WRAPPER: u8 = 8;
/// The items are tuples.
const TUPLES: u8 = 16;

/// An item of a path, and what the path bound on the way to it.
#[derive(Debug)]
pub(super) struct Tuple<'a> {
    pub(super) at: Value<'a>,
    pub(super) bound: Vec<(Sym, Value<'a>)>,
    held: Held,
}

impl Clone for Tuple<'_> {
    /// A tuple is copied to bind one more.
    fn clone(&self) -> Self {
        let mut bound = Vec::with_capacity(self.bound.len() + 1);
        bound.extend_from_slice(&self.bound);
        Self::new(self.at.clone(), bound)
    }
}

impl<'a> Tuple<'a> {
    pub(super) fn new(at: Value<'a>, bound: Vec<(Sym, Value<'a>)>) -> Self {
        let held = Held::new(Self::bytes(bound.capacity()));
        Self { at, bound, held }
    }

    const fn bytes(variables: usize) -> usize {
        memory::shared::<Self>() + memory::block(variables * size_of::<(Sym, Value<'_>)>())
    }

    /// Binds a variable anew.
    pub(super) fn bind(&mut self, name: Sym, value: Value<'a>) {
        if let Some((_, place)) = self.bound.iter_mut().find(|(known, _)| *known == name) {
            *place = value;
            return;
        }
        if self.bound.len() == self.bound.capacity() {
            self.bound.reserve_exact(1);
            self.held.set(Self::bytes(self.bound.capacity()));
        }
        self.bound.push((name, value));
    }
}

/// A call that has not been made yet.
#[derive(Debug)]
pub(super) struct TailCall<'a> {
    pub(super) call: &'a Call,
    pub(super) input: Value<'a>,
    pub(super) env: Env<'a>,
}

impl<'a> Array<'a> {
    fn new(items: Vec<Value<'a>>, flags: u8) -> Self {
        let held = Held::new(memory::bytes_of_items(&items) + memory::shared::<Self>());
        Self { items, flags: Cell::new(flags), _held: held }
    }

    pub(super) fn plain(items: Vec<Value<'a>>) -> Self {
        Self::new(items, 0)
    }

    pub(super) fn sequence(items: Vec<Value<'a>>) -> Self {
        Self::new(items, SEQUENCE)
    }

    pub(super) fn tuples(items: Vec<Value<'a>>) -> Self {
        Self::new(items, SEQUENCE | TUPLES)
    }

    /// The context of an expression that is an array.
    pub(super) fn wrapper(item: Value<'a>) -> Self {
        Self::new(vec![item], SEQUENCE | OUTER_WRAPPER)
    }

    fn has(&self, flag: u8) -> bool {
        self.flags.get() & flag != 0
    }

    fn set(&self, flag: u8) {
        self.flags.set(self.flags.get() | flag);
    }

    pub(super) fn is_sequence(&self) -> bool {
        self.has(SEQUENCE)
    }

    pub(super) fn keeps_singleton(&self) -> bool {
        self.has(KEEP_SINGLETON)
    }

    pub(super) fn keep_singleton(&self) {
        self.set(KEEP_SINGLETON);
    }

    pub(super) fn is_constructed(&self) -> bool {
        self.has(CONSTRUCTED)
    }

    pub(super) fn mark_constructed(&self) {
        self.set(CONSTRUCTED);
    }

    pub(super) fn is_outer_wrapper(&self) -> bool {
        self.has(OUTER_WRAPPER)
    }

    pub(super) fn holds_tuples(&self) -> bool {
        self.has(TUPLES)
    }
}

impl Drop for Array<'_> {
    fn drop(&mut self) {
        if self.items.iter().any(Value::is_shared) {
            dismantle(std::mem::take(&mut self.items));
        }
    }
}

impl<'a> Value<'a> {
    /// A value of the caller's.
    pub(super) fn from_json(value: &'a Json) -> Self {
        match value {
            Json::Null => Self::Null,
            Json::Bool(flag) => Self::Bool(*flag),
            Json::Number(number) => match number.as_i64() {
                Some(whole) => Self::Int(whole),
                None => Self::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            Json::String(text) => Self::Text(Text::Borrowed(text)),
            Json::Array(items) => Self::JsonArray(items),
            Json::Object(fields) => Self::JsonObject(fields),
        }
    }

    /// A number: whole where it is one and JavaScript can count up to it.
    pub(super) fn number(number: f64) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "2^53 is exact")]
        let is_safe = number.abs() <= SAFE_INTEGER as f64;
        if is_safe && number.fract() == 0.0 && (number != 0.0 || number.is_sign_positive()) {
            #[expect(clippy::cast_possible_truncation, reason = "whole and in range")]
            return Self::Int(number as i64);
        }
        Self::Float(number)
    }

    /// A count of things in memory.
    pub(super) fn count(count: usize) -> Self {
        Self::Int(i64::try_from(count).unwrap_or(i64::MAX))
    }

    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(Text::from(text.into()))
    }

    pub(super) fn array(items: Vec<Self>) -> Self {
        Self::Array(Rc::new(Array::plain(items)))
    }

    pub(super) fn sequence(items: Vec<Self>) -> Self {
        Self::Array(Rc::new(Array::sequence(items)))
    }

    pub(super) fn object(object: Object<'a>) -> Self {
        Self::Object(Rc::new(object))
    }

    pub(super) const fn is_undefined(&self) -> bool {
        matches!(self, Self::Undefined)
    }

    pub(super) const fn is_array(&self) -> bool {
        matches!(self, Self::Array(_) | Self::JsonArray(_))
    }

    pub(super) const fn is_object(&self) -> bool {
        matches!(self, Self::Object(_) | Self::JsonObject(_))
    }

    pub(super) const fn is_function(&self) -> bool {
        matches!(self, Self::Function(_) | Self::Builtin(_))
    }

    pub(super) fn is_sequence(&self) -> bool {
        matches!(self, Self::Array(array) if array.is_sequence())
    }

    /// Whether other values hang on this one.
    pub(super) const fn is_shared(&self) -> bool {
        matches!(
            self,
            Self::Array(_) | Self::Object(_) | Self::Function(_) | Self::Tuple(_) | Self::TailCall(_)
        )
    }

    pub(super) fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number, as JavaScript has it. Integers beyond 2^53 lose digits.
    #[expect(clippy::cast_precision_loss, reason = "JSONata calculates with f64")]
    pub(super) const fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Int(whole) => Some(*whole as f64),
            Self::Float(number) => Some(*number),
            _ => None,
        }
    }

    /// The items of an array; `None` if it is none.
    pub(super) fn items(&self) -> Option<Items<'_, 'a>> {
        match self {
            Self::Array(array) => Some(Items::Made(&array.items)),
            Self::JsonArray(items) => Some(Items::Json(items)),
            _ => None,
        }
    }

    /// The field of an object; undefined if there is none.
    pub(super) fn field(&self, key: &str) -> Self {
        match self {
            Self::JsonObject(fields) => json_field(fields, key).map_or(Self::Undefined, Self::from_json),
            Self::Object(object) => object.get(key).cloned().unwrap_or(Self::Undefined),
            _ => Self::Undefined,
        }
    }
}

/// Up to how many fields looking at each is faster than hashing the name.
const FEW_FIELDS: usize = 10;

fn json_field<'a>(fields: &'a Map<String, Json>, key: &str) -> Option<&'a Json> {
    if fields.len() > FEW_FIELDS {
        return fields.get(key);
    }
    fields.iter().find(|(known, _)| known.as_str() == key).map(|(_, value)| value)
}

/// The items of an array, whoever made it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Items<'v, 'a> {
    Json(&'a [Json]),
    Made(&'v [Value<'a>]),
}

impl<'v, 'a> Items<'v, 'a> {
    pub(super) const fn len(self) -> usize {
        match self {
            Self::Json(items) => items.len(),
            Self::Made(items) => items.len(),
        }
    }

    pub(super) fn get(self, index: usize) -> Option<Value<'a>> {
        match self {
            Self::Json(items) => items.get(index).map(Value::from_json),
            Self::Made(items) => items.get(index).cloned(),
        }
    }

    pub(super) fn iter(self) -> ItemsIter<'v, 'a> {
        match self {
            Self::Json(items) => ItemsIter::Json(items.iter()),
            Self::Made(items) => ItemsIter::Made(items.iter()),
        }
    }

    pub(super) fn to_vec(self) -> Vec<Value<'a>> {
        self.iter().collect()
    }
}

#[derive(Debug)]
pub(super) enum ItemsIter<'v, 'a> {
    Json(std::slice::Iter<'a, Json>),
    Made(std::slice::Iter<'v, Value<'a>>),
}

impl<'a> Iterator for ItemsIter<'_, 'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        match self {
            Self::Json(items) => items.next().map(Value::from_json),
            Self::Made(items) => items.next().cloned(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match self {
            Self::Json(items) => items.size_hint(),
            Self::Made(items) => items.size_hint(),
        }
    }
}

impl ExactSizeIterator for ItemsIter<'_, '_> {}
