//! Objects an expression makes: few fields in a list, many with an index. The
//! order of the keys is that of JavaScript: whole numbers first, by size, then
//! the others as they came.

use std::cell::{Cell, OnceCell};
use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use super::evaluate::frame::dismantle;
use super::memory::{self, Held};
use super::value::{Text, Value};

/// From how many fields on an index may pay,
const INDEX_FROM: usize = 12;
/// and after how many looks through all of them.
const INDEX_AFTER: u8 = 8;

#[derive(Debug)]
pub(super) struct Object<'a> {
    fields: Vec<(Text<'a>, Value<'a>)>,
    index: OnceCell<Index<'a>>,
    /// Looks through all fields so far.
    looks: Cell<u8>,
    has_number_keys: bool,
    held: Held,
}

/// Where each field is.
#[derive(Debug)]
struct Index<'a> {
    places: BTreeMap<Text<'a>, usize>,
    held: Held,
}

impl<'a> Index<'a> {
    fn of(fields: &[(Text<'a>, Value<'a>)]) -> Self {
        let places = fields.iter().enumerate().map(|(at, (key, _))| (key.clone(), at)).collect();
        Self { places, held: Held::new(fields.len() * ENTRY_BYTES) }
    }

    fn insert(&mut self, key: Text<'a>, place: usize) {
        self.places.insert(key, place);
        self.held.set(self.places.len() * ENTRY_BYTES);
    }
}

/// What a field takes, in bytes.
const FIELD_BYTES: usize = size_of::<(Text<'_>, Value<'_>)>();
/// What a field takes in the index: its entry, in nodes that are half full at least.
const ENTRY_BYTES: usize = 2 * size_of::<(Text<'_>, usize)>();

impl<'a> Object<'a> {
    pub(super) fn with_capacity(fields: usize) -> Self {
        Self::of_fields(Vec::with_capacity(fields))
    }

    /// An object of fields that differ, in their order.
    pub(super) fn of_fields(fields: Vec<(Text<'a>, Value<'a>)>) -> Self {
        let has_number_keys = fields.iter().any(|(key, _)| number_key(key).is_some());
        let held = Held::new(Self::bytes(fields.capacity()));
        Self { fields, index: OnceCell::new(), looks: Cell::new(0), has_number_keys, held }
    }

    /// What an object takes that has places for so many fields.
    const fn bytes(fields: usize) -> usize {
        memory::shared::<Self>() + memory::block(fields * FIELD_BYTES)
    }

    pub(super) const fn len(&self) -> usize {
        self.fields.len()
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    fn position(&self, key: &str) -> Option<usize> {
        if let Some(index) = self.index.get() {
            return index.places.get(key).copied();
        }
        if self.fields.len() > INDEX_FROM {
            let looks = self.looks.get();
            if looks >= INDEX_AFTER {
                return self.index.get_or_init(|| Index::of(&self.fields)).places.get(key).copied();
            }
            self.looks.set(looks + 1);
        }
        self.fields.iter().position(|(known, _)| &**known == key)
    }

    pub(super) fn get(&self, key: &str) -> Option<&Value<'a>> {
        self.position(key).and_then(|at| self.fields.get(at)).map(|(_, value)| value)
    }

    pub(super) fn get_mut(&mut self, key: &str) -> Option<&mut Value<'a>> {
        self.position(key).and_then(|at| self.fields.get_mut(at)).map(|(_, value)| value)
    }

    /// Sets a field; one that is there keeps its place.
    pub(super) fn insert(&mut self, key: Text<'a>, value: Value<'a>) {
        if let Some(place) = self.get_mut(&key) {
            *place = value;
            return;
        }
        self.has_number_keys |= number_key(&key).is_some();
        let is_full = self.fields.len() == self.fields.capacity();
        if let Some(index) = self.index.get_mut() {
            index.insert(key.clone(), self.fields.len());
        }
        self.fields.push((key, value));
        if is_full {
            self.held.set(Self::bytes(self.fields.capacity()));
        }
    }

    pub(super) fn remove(&mut self, key: &str) {
        if let Some(at) = self.position(key) {
            self.fields.remove(at);
            self.index.take();
        }
    }

    /// Puts the keys into their order, once all are there.
    pub(super) fn sorted(mut self) -> Self {
        if self.has_number_keys {
            self.fields.sort_by_key(|(key, _)| number_key(key).map_or((true, 0), |number| (false, number)));
            self.index.take();
        }
        self
    }

    /// Takes all values out, for taking the object apart.
    pub(super) fn take_values(&mut self) -> Vec<Value<'a>> {
        std::mem::take(&mut self.fields).into_iter().map(|(_, value)| value).collect()
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = (&Text<'a>, &Value<'a>)> {
        self.fields.iter().map(|(key, value)| (key, value))
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &Value<'a>> {
        self.fields.iter().map(|(_, value)| value)
    }
}

impl Default for Object<'_> {
    fn default() -> Self {
        Self::with_capacity(0)
    }
}

impl Drop for Object<'_> {
    fn drop(&mut self) {
        if self.values().any(Value::is_shared) {
            dismantle(self.take_values());
        }
    }
}

/// A key JavaScript puts first: a whole number in its usual form, below 2^32 - 1.
fn number_key(key: &str) -> Option<u32> {
    let bytes = key.as_bytes();
    let plausible = match bytes {
        [b'0'] => true,
        [b'1'..=b'9', rest @ ..] => rest.len() < 10 && rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    if !plausible {
        return None;
    }
    key.parse().ok().filter(|number| *number != u32::MAX)
}

/// The fields of an object of the caller's, in JavaScript's order.
pub(super) fn json_fields(fields: &Map<String, Json>) -> Vec<(&str, &Json)> {
    let mut list: Vec<(&str, &Json)> = fields.iter().map(|(key, value)| (key.as_str(), value)).collect();
    if list.iter().any(|(key, _)| number_key(key).is_some()) {
        list.sort_by_key(|(key, _)| number_key(key).map_or((true, 0), |number| (false, number)));
    }
    list
}

impl<'a> Value<'a> {
    /// The fields of an object, in their order; none of anything else.
    pub(super) fn fields(&self) -> Vec<(Text<'a>, Value<'a>)> {
        match self {
            Self::JsonObject(fields) => json_fields(fields)
                .into_iter()
                .map(|(key, value)| (Text::Borrowed(key), Value::from_json(value)))
                .collect(),
            Self::Object(object) => object.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
            _ => Vec::new(),
        }
    }

    /// How many fields an object has.
    pub(super) fn field_count(&self) -> usize {
        match self {
            Self::JsonObject(fields) => fields.len(),
            Self::Object(object) => object.len(),
            _ => 0,
        }
    }
}
