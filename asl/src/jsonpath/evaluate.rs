//! The evaluator: what a compiled path finds in a document.
//!
//! It follows Jayway's JSONPath to the letter, also where that is surprising:
//! what follows an index or a wildcard after `..` is applied to the items of
//! each array in its own way, a filter on an object keeps the object itself,
//! and the step of a slice does nothing.

use std::borrow::Cow;
use std::cell::Cell;

use serde_json::{Map, Value};

use super::error::{Failure, Kind};
use super::filter::{Filter, Subject};
use super::function;
use super::token::{Compiled, Token};
use crate::budget::weight;
use crate::{limits, quote};

/// What evaluation may cost. Shared by a path and the paths in its filters.
#[derive(Debug)]
pub(super) struct Budget {
    granted: usize,
    steps: Cell<usize>,
    bytes: Cell<usize>,
    /// Filters around what is being evaluated.
    filters: Cell<usize>,
}

/// Where a filter began to look at an item.
pub(super) struct Candidate {
    bytes: usize,
}

impl Budget {
    /// The budget of one path, of which `steps_left` are still to be had.
    pub(super) fn new(steps_left: u64) -> Self {
        let granted = usize::try_from(steps_left).unwrap_or(usize::MAX).min(limits::JSONPATH_STEPS_MAX);
        Self {
            granted,
            steps: Cell::new(granted),
            bytes: Cell::new(limits::JSONPATH_RESULT_BYTES_MAX),
            filters: Cell::new(0),
        }
    }

    /// The steps that have been taken.
    pub(super) fn used(&self) -> u64 {
        (self.granted - self.steps.get()) as u64
    }

    /// A filter looks at an item: what it makes is gone when it has decided.
    pub(super) fn open_filter(&self) -> Candidate {
        self.filters.set(self.filters.get() + 1);
        Candidate { bytes: self.bytes.get() }
    }

    /// The filter has decided.
    pub(super) fn close_filter(&self, candidate: &Candidate) {
        self.filters.set(self.filters.get().saturating_sub(1));
        self.bytes.set(candidate.bytes);
    }

    /// A path finds nothing. In a filter nobody will read why: the message is not written.
    pub(super) fn failure(&self, kind: Kind, message: impl FnOnce() -> String) -> Failure {
        Failure::new(kind, if self.filters.get() > 0 { String::new() } else { message() })
    }

    pub(super) fn step(&self) -> Result<(), Failure> {
        self.steps(1)
    }

    pub(super) fn steps(&self, count: usize) -> Result<(), Failure> {
        let left = self.steps.get().checked_sub(count);
        self.steps.set(left.unwrap_or(0));
        left.map(|_| ()).ok_or_else(Self::exceeded)
    }

    /// Work on a text of that many bytes.
    pub(super) fn text(&self, bytes: usize) -> Result<(), Failure> {
        self.steps(bytes / TEXT_BYTES_A_STEP)
    }

    /// Accounts for a value that will be copied.
    pub(super) fn copy(&self, value: &Value) -> Result<(), Failure> {
        self.bytes(weight(value))
    }

    /// Accounts for that many bytes that will be made.
    pub(super) fn bytes(&self, bytes: usize) -> Result<(), Failure> {
        self.text(bytes)?;
        self.bytes.set(self.bytes.get().checked_sub(bytes).ok_or_else(Self::exceeded)?);
        Ok(())
    }

    /// Accounts for a value only where it is a copy.
    #[expect(clippy::ptr_arg, reason = "whether it is owned is the question")]
    pub(super) fn copied(&self, value: &Cow<'_, Value>) -> Result<(), Failure> {
        match value {
            Cow::Borrowed(_) => Ok(()),
            Cow::Owned(value) => self.copy(value),
        }
    }

    pub(super) fn exceeded() -> Failure {
        Failure::new(Kind::Exceeded, "The path needs more time or memory than an evaluation may take")
    }
}

/// How many bytes of text are looked at, or copied, while a value is looked at.
const TEXT_BYTES_A_STEP: usize = 512;

/// What happens to a missing property where a path may find several values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Demand {
    /// It is left out.
    Some,
    /// It fails: checks of existence in filters ask for it.
    Every,
}

/// What the path finds: the value of a definite path, the list of an indefinite one.
pub(super) fn answer<'v>(
    path: &Compiled,
    document: &'v Value,
    root: &'v Value,
    demand: Demand,
    budget: &Budget,
) -> Result<Cow<'v, Value>, Failure> {
    let mut results = find(path, document, root, demand, budget)?;
    if path.is_definite() {
        return results
            .pop()
            .ok_or_else(|| budget.failure(Kind::NoResults, || format!("No results for path: {path}")));
    }
    for result in &results {
        budget.copy(result)?;
    }
    Ok(Cow::Owned(Value::Array(results.into_iter().map(Cow::into_owned).collect())))
}

fn find<'v>(
    path: &Compiled,
    document: &'v Value,
    root: &'v Value,
    demand: Demand,
    budget: &Budget,
) -> Result<Vec<Cow<'v, Value>>, Failure> {
    let mut search = Search {
        path,
        root,
        demand,
        budget,
        results: Vec::new(),
        scanned_index: vec![None; path.tokens().len()],
    };
    search.continue_at(0, document)?;
    Ok(search.results)
}

/// One evaluation of one path.
struct Search<'p, 'v> {
    path: &'p Compiled,
    root: &'v Value,
    demand: Demand,
    budget: &'p Budget,
    results: Vec<Cow<'v, Value>>,
    /// For a token behind one that `..` applied to an array: the index of the
    /// item it was last applied to. It stays, as it does in Jayway.
    scanned_index: Vec<Option<usize>>,
}

impl<'v> Search<'_, 'v> {
    fn is_leaf(&self, index: usize) -> bool {
        index + 1 == self.path.tokens().len()
    }

    /// Applies the tokens from `index` on to a value.
    fn continue_at(&mut self, index: usize, value: &'v Value) -> Result<(), Failure> {
        let path = self.path;
        let token = path.tokens().get(index);
        self.budget.steps(token.map_or(1, Token::effort))?;
        match token {
            None => self.results.push(Cow::Borrowed(value)),
            Some(Token::Property { names, .. }) => self.property(index, names, value)?,
            Some(Token::Index(indexes)) => {
                if let Some(items) = self.array(index, value)? {
                    for position in indexes {
                        self.item(index, items, i64::from(*position))?;
                    }
                }
            }
            Some(Token::Slice { from, to }) => {
                if let Some(items) = self.array(index, value)? {
                    self.slice(index, items, *from, *to)?;
                }
            }
            Some(Token::Wildcard) => self.wildcard(index, value)?,
            Some(Token::Scan) => self.scan(index + 1, value)?,
            Some(Token::Filter(filter)) => self.filter(index, filter, value)?,
            Some(Token::Function { name, arguments, .. }) => {
                let result = function::call(name, arguments, value, self.root, self.budget)?;
                self.after_function(index, result)?;
            }
        }
        Ok(())
    }

    /// The result of a function counts as found even when the path goes on.
    fn after_function(&mut self, index: usize, result: Value) -> Result<(), Failure> {
        self.budget.copy(&result)?;
        if !self.is_leaf(index) {
            let mut rest = Search {
                path: self.path,
                root: self.root,
                demand: self.demand,
                budget: self.budget,
                results: Vec::new(),
                scanned_index: self.scanned_index.clone(),
            };
            self.results.push(Cow::Owned(result.clone()));
            rest.continue_at(index + 1, &result)?;
            self.results.extend(rest.results.into_iter().map(|found| Cow::Owned(found.into_owned())));
            return Ok(());
        }
        self.results.push(Cow::Owned(result));
        Ok(())
    }

    fn property(&mut self, index: usize, names: &[String], value: &'v Value) -> Result<(), Failure> {
        let Value::Object(fields) = value else {
            if !self.path.upstream_definite(index) {
                return Ok(());
            }
            return Err(self.budget.failure(Kind::WrongType, || {
                format!(
                    "Expected to find an object with property {} in path {} but found '{}'. \
                     This is not a json object according to the JsonProvider: \
                     'com.jayway.jsonpath.spi.json.JsonSmartJsonProvider'.",
                    self.token_text(index),
                    self.path.position_before(index),
                    class_name(value),
                )
            }));
        };
        if names.len() > 1 && self.is_leaf(index) {
            return self.merge(index, names, fields);
        }
        names.iter().try_for_each(|name| self.single_property(index, name, fields))
    }

    fn single_property(
        &mut self,
        index: usize,
        name: &str,
        fields: &'v Map<String, Value>,
    ) -> Result<(), Failure> {
        let Some(value) = fields.get(name) else { return self.missing_property(index, name) };
        if !self.is_leaf(index) {
            return self.continue_at(index + 1, value);
        }
        if self.counts_after_scan(index) {
            self.results.push(Cow::Borrowed(value));
        }
        Ok(())
    }

    fn missing_property(&self, index: usize, name: &str) -> Result<(), Failure> {
        let here = || format!("{}['{name}']", self.path.position_before(index));
        if self.is_leaf(index) {
            return match self.demand {
                Demand::Some => Ok(()),
                Demand::Every => {
                    Err(self.budget.failure(Kind::NoResults, || format!("No results for path: {}", here())))
                }
            };
        }
        let definite = self.path.upstream_definite(index)
            && matches!(self.path.tokens().get(index), Some(Token::Property { names, .. }) if names.len() == 1);
        if !definite && self.demand == Demand::Some {
            return Ok(());
        }
        Err(self.budget.failure(Kind::MissingProperty, || format!("Missing property in path {}", here())))
    }

    /// `..[0].a`: of the items the scan went through, `.a` counts only where
    /// the index before it is the item's.
    fn counts_after_scan(&self, index: usize) -> bool {
        match self.scanned_index.get(index).copied().flatten() {
            None => true,
            Some(item) => match index.checked_sub(1).and_then(|before| self.path.tokens().get(before)) {
                Some(Token::Index(indexes)) => {
                    matches!(indexes.as_slice(), [only] if usize::try_from(*only) == Ok(item))
                }
                _ => false,
            },
        }
    }

    fn token_text(&self, index: usize) -> String {
        self.path.tokens().get(index).map(Token::to_string).unwrap_or_default()
    }

    /// `['a','b']` at the end of a path: one object of both.
    fn merge(&mut self, index: usize, names: &[String], fields: &Map<String, Value>) -> Result<(), Failure> {
        let mut merged = Map::new();
        for name in names {
            match fields.get(name) {
                Some(value) => {
                    self.budget.copy(value)?;
                    merged.insert(name.clone(), value.clone());
                }
                None if self.demand == Demand::Every => {
                    return Err(self.budget.failure(Kind::MissingProperty, || {
                        let place = self.path.position_before(index);
                        format!("Missing property in path {place}['{}']", names.join("', '"))
                    }));
                }
                None => {}
            }
        }
        self.results.push(Cow::Owned(Value::Object(merged)));
        Ok(())
    }

    /// The items to apply an index or a slice to; `None` where there is nothing to apply it to.
    fn array(&self, index: usize, value: &'v Value) -> Result<Option<&'v [Value]>, Failure> {
        if let Value::Array(items) = value {
            return Ok(Some(items));
        }
        if !self.path.upstream_definite(index) {
            return Ok(None);
        }
        Err(self.budget.failure(Kind::WrongType, || {
            if value.is_null() {
                return format!("The path {} is null", self.path.position_before(index));
            }
            format!(
                "Filter: {} can only be applied to arrays. Current context is: {}",
                self.path.text_from(index),
                plain_text(value)
            )
        }))
    }

    /// One item, counted from the end when negative; nothing when there is none.
    fn item(&mut self, index: usize, items: &'v [Value], position: i64) -> Result<(), Failure> {
        let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
        let position = if position < 0 { position + length } else { position };
        let found = usize::try_from(position).ok().and_then(|position| items.get(position));
        match found {
            Some(value) => self.continue_at(index + 1, value),
            None => Ok(()),
        }
    }

    fn slice(
        &mut self,
        index: usize,
        items: &'v [Value],
        from: Option<i32>,
        to: Option<i32>,
    ) -> Result<(), Failure> {
        let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
        let from_end = |bound: i32| {
            let bound = i64::from(bound);
            if bound < 0 { bound + length } else { bound }
        };
        let range = match (from, to) {
            (Some(from), None) => from_end(from).max(0)..length,
            (None, Some(to)) => 0..from_end(to).min(length),
            // With both ends given, negative ones are not counted from the
            // end before the slice is cut, only when the items are taken.
            (Some(from), Some(to)) => i64::from(from).max(-length)..i64::from(to).min(length),
            (None, None) => 0..0,
        };
        for position in range {
            self.budget.step()?;
            self.item(index, items, position)?;
        }
        Ok(())
    }

    fn wildcard(&mut self, index: usize, value: &'v Value) -> Result<(), Failure> {
        match value {
            Value::Object(fields) => {
                fields.keys().try_for_each(|name| self.single_property(index, name, fields))
            }
            Value::Array(items) => items.iter().try_for_each(|item| self.continue_at(index + 1, item)),
            _ => Ok(()),
        }
    }

    fn filter(&mut self, index: usize, filter: &Filter, value: &'v Value) -> Result<(), Failure> {
        match value {
            Value::Object(_) => {
                if filter.accepts(Subject { item: value, root: self.root }, self.budget)? {
                    self.continue_at(index + 1, value)?;
                }
                Ok(())
            }
            Value::Array(items) => {
                for item in items {
                    if filter.accepts(Subject { item, root: self.root }, self.budget)? {
                        self.continue_at(index + 1, item)?;
                    }
                }
                Ok(())
            }
            _ if self.path.upstream_definite(index) => Err(self.budget.failure(Kind::Invalid, || {
                format!(
                    "Filter: {} can not be applied to primitives. Current context is: {}",
                    self.path.text_from(index),
                    plain_text(value)
                )
            })),
            _ => Ok(()),
        }
    }

    /// `..`: applies the token at `target` to every object and array below,
    /// the outer ones first.
    fn scan(&mut self, target: usize, value: &'v Value) -> Result<(), Failure> {
        self.budget.step()?;
        match value {
            Value::Object(fields) => {
                if self.scan_matches(target, value)? {
                    self.continue_at(target, value)?;
                }
                fields.values().try_for_each(|field| self.scan(target, field))
            }
            Value::Array(items) => {
                if self.scan_matches(target, value)? {
                    if self.is_leaf(target) {
                        self.continue_at(target, value)?;
                    } else {
                        self.scan_items(target + 1, items)?;
                    }
                }
                items.iter().try_for_each(|item| self.scan(target, item))
            }
            _ => Ok(()),
        }
    }

    /// What follows the token that `..` applies to an array is applied to each of its items.
    fn scan_items(&mut self, next: usize, items: &'v [Value]) -> Result<(), Failure> {
        for (position, item) in items.iter().enumerate() {
            if let Some(index) = self.scanned_index.get_mut(next) {
                *index = Some(position);
            }
            self.continue_at(next, item)?;
        }
        Ok(())
    }

    fn scan_matches(&self, target: usize, value: &'v Value) -> Result<bool, Failure> {
        let token = self.path.tokens().get(target);
        match token {
            Some(Token::Property { names, .. }) => {
                let Value::Object(fields) = value else { return Ok(false) };
                self.budget.steps(token.map_or(0, Token::effort))?;
                let definite = names.len() == 1 || self.is_leaf(target);
                Ok(!definite || names.iter().all(|name| fields.contains_key(name)))
            }
            Some(Token::Index(_) | Token::Slice { .. }) => Ok(value.is_array()),
            Some(Token::Wildcard) => Ok(true),
            Some(Token::Filter(filter)) => {
                filter.accepts(Subject { item: value, root: self.root }, self.budget)
            }
            Some(Token::Scan | Token::Function { .. }) | None => Ok(false),
        }
    }
}

/// A value in an error message: text without quotes, everything else as JSON.
fn plain_text(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) => Cow::Borrowed(quote::text(text)),
        other => Cow::Owned(quote::json(other)),
    }
}

/// The Java class of a value.
fn class_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "java.lang.Boolean",
        Value::Number(number) => match number.as_i64() {
            Some(integer) if i32::try_from(integer).is_ok() => "java.lang.Integer",
            Some(_) => "java.lang.Long",
            None if number.is_u64() => "java.math.BigInteger",
            None => "java.lang.Double",
        },
        Value::String(_) => "java.lang.String",
        Value::Array(_) => "net.minidev.json.JSONArray",
        Value::Object(_) => "net.minidev.json.JSONObject",
    }
}
