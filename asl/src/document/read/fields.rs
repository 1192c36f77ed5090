//! Reads single fields: which are allowed, of which type, in which range.
//! The languages in them are [`super::query`]'s.

use std::ops::{Range, RangeInclusive};

use indexmap::IndexMap;

use super::super::advice;
use super::super::model::QueryLanguage;
use super::super::source::{Member, Node, NodeKind};
use super::query::shortened;
use super::{At, Reader};

/// Fields that only states written in JSONPath have, whatever their type.
const JSONPATH_ONLY: &[&str] = &[
    "CausePath",
    "ErrorPath",
    "HeartbeatSecondsPath",
    "InputPath",
    "ItemsPath",
    "MaxConcurrencyPath",
    "MaxInputBytesPerBatchPath",
    "MaxItemsPath",
    "MaxItemsPerBatchPath",
    "OutputPath",
    "Parameters",
    "Result",
    "ResultPath",
    "ResultSelector",
    "SecondsPath",
    "TimeoutSecondsPath",
    "TimestampPath",
    "ToleratedFailureCountPath",
    "ToleratedFailurePercentagePath",
];
/// Fields that only states written in JSONata have.
const JSONATA_ONLY: &[&str] = &["Arguments", "Condition", "Items", "Output"];

/// The fields an object may have: those of both languages, and those of one.
#[derive(Default)]
pub(super) struct Allowed {
    pub(super) both: &'static [&'static str],
    pub(super) jsonpath: &'static [&'static str],
    pub(super) jsonata: &'static [&'static str],
}

impl Allowed {
    fn names(&self, language: QueryLanguage) -> impl Iterator<Item = &'static str> + Clone {
        let own = match language {
            QueryLanguage::JsonPath => self.jsonpath,
            QueryLanguage::Jsonata => self.jsonata,
        };
        self.both.iter().chain(own).copied()
    }

    fn has(&self, key: &str, language: QueryLanguage) -> bool {
        self.names(language).any(|name| name == key)
    }
}

/// An object of a definition.
pub(super) struct Fields<'a> {
    pub(super) at: At<'a>,
    members: &'a IndexMap<String, Member>,
}

impl<'a> Fields<'a> {
    pub(super) fn at(&self, key: &str) -> Option<At<'a>> {
        let member = self.members.get(key)?;
        Some(At { node: &member.value, location: format!("{}/{key}", self.at.location) })
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.members.contains_key(key)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The text of a field, if it is one.
    pub(super) fn peek(&self, key: &str) -> Option<&'a str> {
        self.members.get(key)?.value.as_text()
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &'a str> + '_ {
        self.members.keys().map(String::as_str)
    }

    pub(super) fn key_span(&self, key: &str) -> Range<usize> {
        self.members.get(key).map_or_else(|| self.at.node.span.clone(), |member| member.key_span.clone())
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = (&'a str, Range<usize>, At<'a>)> + '_ {
        self.members.iter().map(|(key, member)| {
            let at = At { node: &member.value, location: format!("{}/{key}", self.at.location) };
            (key.as_str(), member.key_span.clone(), at)
        })
    }
}

/// What AWS says of a field that does not belong there; `foreign`: it belongs to the other language.
pub(super) fn not_supported(key: &str, language: QueryLanguage, foreign: bool) -> String {
    let (own, other) = match language {
        QueryLanguage::JsonPath => ("JSONPath", "JSONata"),
        QueryLanguage::Jsonata => ("JSONata", "JSONPath"),
    };
    if foreign {
        format!(
            "The QueryLanguage is set to '{own}', but field '{key}' is only supported for the '{other}' \
             QueryLanguage"
        )
    } else {
        format!("Field '{key}' is not supported")
    }
}

/// What to do about something that should be a number.
pub(super) fn of_quoted_number(at: &At<'_>) -> Option<String> {
    let text = at.node.as_text()?.trim();
    if text.parse::<f64>().is_ok() {
        return Some(format!("write {text} without the quotes"));
    }
    if text.starts_with('$') {
        return Some(format!(
            "write the field with `Path` at the end of its name to take \"{}\"",
            shortened(text)
        ));
    }
    text.starts_with("{%").then(|| {
        "expressions need \"QueryLanguage\": \"JSONata\" on the state or the whole machine".to_owned()
    })
}

impl Reader<'_> {
    pub(super) fn object<'a>(&mut self, at: &At<'a>) -> Option<Fields<'a>> {
        let Some(members) = at.node.as_object() else {
            self.expected("Object", at);
            self.advise(match &at.node.kind {
                NodeKind::Array(_) => Some("write an object, { … }, in the place of the list"),
                _ => Some("write an object: { … }"),
            });
            return None;
        };
        Some(Fields { at: at.clone(), members })
    }

    pub(super) fn optional_object<'a>(&mut self, fields: &Fields<'a>, key: &str) -> Option<Fields<'a>> {
        let at = fields.at(key)?;
        self.object(&at)
    }

    pub(super) fn expected(&mut self, kind: &str, at: &At<'_>) {
        self.schema(format!("Expected value of type {kind}"), at);
    }

    /// Reports the fields that do not belong here, each at its object (recorded).
    pub(super) fn allow(&mut self, fields: &Fields<'_>, language: QueryLanguage, allowed: &Allowed) {
        let mut misplaced = false;
        for (key, key_span, at) in fields.entries() {
            if allowed.has(key, language) {
                continue;
            }
            let foreign = match language {
                QueryLanguage::JsonPath => JSONATA_ONLY.contains(&key),
                QueryLanguage::Jsonata => JSONPATH_ONLY.contains(&key) || allowed.jsonpath.contains(&key),
            };
            self.schema_at_key(not_supported(key, language, foreign), fields, key);
            self.unknown_keys.insert(key_span.start);
            if super::looks_like_state(at.node) {
                self.advise(Some(advice::of_misplaced(key, &fields.at.location)));
                // One brace moves every state behind it.
                self.is_consequence(std::mem::replace(&mut misplaced, true));
                continue;
            }
            let other = advice::in_language(key, language, allowed.names(language)).filter(|_| foreign);
            if other.is_some() {
                self.foreign(other);
            } else {
                let similar = self.guesses.names(key, allowed.names(language), "fields here");
                self.advise(similar);
            }
        }
    }

    /// The finding that was reported last is about a field of the other language. Where the language
    /// itself is in doubt, one such finding says it for all.
    pub(super) fn foreign(&mut self, advice: Option<String>) {
        let is_first = self.language_in_doubt && !self.foreign_reported;
        if is_first {
            self.advise(Some(
                "the definition has JSONata in it, and is read as JSONPath as long as it does not say so: add \
                 \"QueryLanguage\": \"JSONata\" at its top",
            ));
        } else {
            self.advise(advice);
        }
        self.is_consequence(self.language_in_doubt && self.foreign_reported);
        self.foreign_reported = true;
    }

    /// Fields that have to be there. One finding for all that are missing (recorded).
    pub(super) fn require(&mut self, fields: &Fields<'_>, keys: &[&str]) -> bool {
        let missing: Vec<&str> = keys.iter().copied().filter(|key| !fields.has(key)).collect();
        if !missing.is_empty() {
            self.schema(format!("These fields are required: [{}]", missing.join(", ")), &fields.at);
            self.missing(fields, &missing);
        }
        missing.is_empty()
    }

    /// What to do about missing fields. One that is there under a wrong name is reported as unknown, too.
    pub(super) fn missing(&mut self, fields: &Fields<'_>, missing: &[&str]) {
        let unknown: Vec<&str> =
            fields.keys().filter(|key| self.unknown_keys.contains(&fields.key_span(key).start)).collect();
        // Of a state without a type no other field was looked at.
        let given: Vec<&str> = if unknown.is_empty() { fields.keys().collect() } else { unknown };
        let misspelt =
            missing.iter().find_map(|key| Some((*key, self.guesses.similar(key, given.iter().copied())?)));
        match misspelt {
            Some((key, given)) => {
                let is_reported = self.unknown_keys.contains(&fields.key_span(given).start);
                self.advise(Some(format!("`{given}` should probably be `{key}`")));
                self.is_consequence(is_reported && missing.len() == 1);
            }
            None => self.advise(missing.first().and_then(|key| advice::of_required(key))),
        }
    }

    /// Fields of which at most one may be there.
    pub(super) fn exclusive(&mut self, fields: &Fields<'_>, keys: &[&str]) -> bool {
        let is_fine = keys.iter().filter(|key| fields.has(key)).count() <= 1;
        if !is_fine {
            self.schema(format!("Only one of these fields is allowed: [{}]", keys.join(", ")), &fields.at);
            self.advise(Some("keep the one that is meant and delete the others"));
            let second = keys.iter().filter(|key| fields.has(key)).nth(1);
            self.highlight(second.map(|key| fields.key_span(key)));
        }
        is_fine
    }

    /// Fields of which exactly one has to be there.
    pub(super) fn require_one(&mut self, fields: &Fields<'_>, keys: &[&str]) -> bool {
        if keys.iter().any(|key| fields.has(key)) {
            return self.exclusive(fields, keys);
        }
        self.schema(format!("One of these fields is required: [{}]", keys.join(", ")), &fields.at);
        self.missing(fields, keys);
        false
    }

    pub(super) fn text(&mut self, at: &At<'_>) -> Option<String> {
        let text = at.node.as_text().map(str::to_owned);
        if text.is_none() {
            self.expected("String", at);
            let written = self.text.get(at.node.span.clone()).filter(|written| written.len() <= 40);
            let is_plain = matches!(at.node.kind, NodeKind::Number(_) | NodeKind::Boolean(_));
            self.advise(
                written.filter(|_| is_plain).map(|written| format!("write it in quotes: \"{written}\"")),
            );
        }
        text
    }

    pub(super) fn optional_text(&mut self, fields: &Fields<'_>, key: &str) -> Option<String> {
        let at = fields.at(key)?;
        self.text(&at)
    }

    pub(super) fn boolean(&mut self, at: &At<'_>) -> Option<bool> {
        let NodeKind::Boolean(flag) = at.node.kind else {
            self.expected("Boolean", at);
            let given = at.node.as_text().map(|text| text.trim().to_ascii_lowercase());
            let flag = given.filter(|text| matches!(text.as_str(), "true" | "false"));
            self.advise(flag.map(|flag| format!("write {flag} without the quotes")));
            return None;
        };
        Some(flag)
    }

    pub(super) fn array<'a>(&mut self, at: &At<'a>) -> Option<&'a [Node]> {
        let NodeKind::Array(items) = &at.node.kind else {
            self.expected("Array", at);
            let written = self.text.get(at.node.span.clone()).unwrap_or_default();
            self.advise(match &at.node.kind {
                NodeKind::Text(_) => Some(format!("write a list: [{}]", shortened(written))),
                NodeKind::Object(_) => Some("write a list with the object in it: [{ … }]".to_owned()),
                _ => None,
            });
            return None;
        };
        Some(items)
    }

    /// An array with at least one item.
    pub(super) fn filled_array<'a>(&mut self, at: &At<'a>) -> Option<&'a [Node]> {
        let items = self.array(at)?;
        if items.is_empty() {
            self.schema("Value cannot be empty", at);
            return None;
        }
        Some(items)
    }

    /// One of the values a field takes, by its name.
    pub(super) fn choice<T: Copy>(
        &mut self,
        fields: &Fields<'_>,
        key: &str,
        values: &[(&str, T)],
    ) -> Option<T> {
        let at = fields.at(key)?;
        let known = at.node.as_text().and_then(|text| values.iter().find(|(name, _)| *name == text));
        if known.is_none() {
            let names: Vec<&str> = values.iter().map(|(name, _)| *name).collect();
            let names = names.join(", ");
            self.schema(format!("The field '{key}' should have one of these values: [{names}]"), &at);
            let given = at.node.as_text().unwrap_or_default();
            let meant = self.guesses.similar(given, values.iter().map(|(name, _)| *name));
            self.advise(match (key, given) {
                ("InputType", "TSV" | "tsv") => {
                    Some("write \"CSV\" and beside it \"CSVDelimiter\": \"TAB\"".to_owned())
                }
                ("CSVDelimiter", "," | ";" | "|" | " " | "\t") => Some(format!(
                    "write its name: \"{}\"",
                    match given {
                        "," => "COMMA",
                        ";" => "SEMICOLON",
                        "|" => "PIPE",
                        " " => "SPACE",
                        _ => "TAB",
                    }
                )),
                _ => meant.map(|name| format!("did you mean `{name}`?")),
            });
        }
        known.map(|(_, value)| *value)
    }

    /// A whole number, also one written as `3.0`.
    pub(super) fn whole_number(&mut self, at: &At<'_>, range: RangeInclusive<u64>) -> Option<u64> {
        let NodeKind::Number(number) = &at.node.kind else {
            self.expected("Integer", at);
            self.advise(of_quoted_number(at));
            return None;
        };
        #[expect(clippy::cast_precision_loss, reason = "limits are far below 2^53")]
        let (least, most) = (*range.start() as f64, *range.end() as f64);
        match number.as_f64() {
            Some(value) if value > most => self.schema(format!("Maximum value is {}", range.end()), at),
            Some(value) if value < least => self.schema(format!("Minimum value is {}", range.start()), at),
            Some(value) if value.fract() == 0.0 => {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "whole and in range"
                )]
                return Some(number.as_u64().unwrap_or(value as u64));
            }
            _ => self.expected("Integer", at),
        }
        None
    }

    pub(super) fn optional_whole_number(
        &mut self,
        fields: &Fields<'_>,
        key: &str,
        range: RangeInclusive<u64>,
    ) -> Option<u64> {
        let at = fields.at(key)?;
        self.whole_number(&at, range)
    }
}
