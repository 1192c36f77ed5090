//! The functions of the language: JSONata 2.0.6 without `$eval`, and AWS's own.
//! Owns their names, signatures and how many arguments they want.

mod aggregate;
mod array;
mod aws;
mod date;
mod higher_order;
mod logic;
pub(super) mod matching;
mod number;
mod object;
mod string;

use std::sync::LazyLock;

use super::evaluate::Evaluator;
use super::failure::{Failure, Outcome};
use super::signature::Signature;
use super::value::{Text, Value};

/// A function of the language, as its place in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Builtin(usize);

type Body = for<'a> fn(&mut Evaluator<'a>, &[Value<'a>]) -> Outcome<Value<'a>>;

struct Entry {
    name: &'static str,
    /// JSONata documentation, the page of the function.
    signature: &'static str,
    /// The parameters a function that calls back counts.
    arity: usize,
    body: Body,
}

const fn entry(name: &'static str, signature: &'static str, arity: usize, body: Body) -> Entry {
    Entry { name, signature, arity, body }
}

/// By name.
static TABLE: &[Entry] = &[
    entry("abs", "<n-:n>", 1, number::abs),
    entry("append", "<xx:a>", 2, array::append),
    entry("assert", "<bs?:x>", 2, logic::assert),
    entry("average", "<a<n>:n>", 1, aggregate::average),
    entry("base64decode", "<s-:s>", 1, string::base64_decode),
    entry("base64encode", "<s-:s>", 1, string::base64_encode),
    entry("boolean", "<x-:b>", 1, logic::boolean),
    entry("ceil", "<n-:n>", 1, number::ceil),
    entry("clone", "<(oa)-:o>", 1, object::clone),
    entry("contains", "<s-(sf):b>", 2, matching::contains),
    entry("count", "<a:n>", 1, aggregate::count),
    entry("decodeUrl", "<s-:s>", 1, string::decode_url),
    entry("decodeUrlComponent", "<s-:s>", 1, string::decode_url_component),
    entry("distinct", "<x:x>", 1, array::distinct),
    entry("each", "<o-f:a>", 2, object::each),
    entry("encodeUrl", "<s-:s>", 1, string::encode_url),
    entry("encodeUrlComponent", "<s-:s>", 1, string::encode_url_component),
    entry("error", "<s?:x>", 1, logic::error),
    entry("exists", "<x:b>", 1, logic::exists),
    entry("filter", "<af>", 2, higher_order::filter),
    entry("floor", "<n-:n>", 1, number::floor),
    entry("formatBase", "<n-n?:s>", 2, number::format_base),
    entry("formatInteger", "<n-s:s>", 2, number::format_integer),
    entry("formatNumber", "<n-so?:s>", 3, number::format_number),
    entry("fromMillis", "<n-s?s?:s>", 3, date::from_millis),
    entry("hash", "<x?x?x?>", 2, aws::hash),
    entry("join", "<a<s>s?:s>", 2, string::join),
    entry("keys", "<x-:a<s>>", 1, object::keys),
    entry("length", "<s-:n>", 1, string::length),
    entry("lookup", "<x-s:x>", 2, object::lookup),
    entry("lowercase", "<s-:s>", 1, string::lowercase),
    entry("map", "<af>", 2, higher_order::map),
    entry("match", "<s-f<s:o>n?:a<o>>", 3, matching::find),
    entry("max", "<a<n>:n>", 1, aggregate::max),
    entry("merge", "<a<o>:o>", 1, object::merge),
    entry("millis", "<:n>", 0, date::millis),
    entry("min", "<a<n>:n>", 1, aggregate::min),
    entry("not", "<x-:b>", 1, logic::not),
    entry("now", "<s?s?:s>", 2, date::now),
    entry("number", "<(nsb)-:n>", 1, number::number),
    entry("pad", "<s-ns?:s>", 3, string::pad),
    entry("parse", "<x?x?>", 1, aws::parse),
    entry("parseInteger", "<s-s:n>", 2, number::parse_integer),
    entry("partition", "<x?x?x?>", 2, aws::partition),
    entry("power", "<n-n:n>", 2, number::power),
    entry("random", "<n?:n>", 0, aws::random),
    entry("range", "<x?x?x?x?>", 3, aws::range),
    entry("reduce", "<afj?:j>", 3, higher_order::reduce),
    entry("replace", "<s-(sf)(sf)n?:s>", 4, matching::replace),
    entry("reverse", "<a:a>", 1, array::reverse),
    entry("round", "<n-n?:n>", 2, number::round),
    entry("shuffle", "<a:a>", 1, array::shuffle),
    entry("sift", "<o-f?:o>", 2, object::sift),
    entry("single", "<af?>", 2, higher_order::single),
    entry("sort", "<af?:a>", 2, array::sort),
    entry("split", "<s-(sf)n?:a<s>>", 3, matching::split),
    entry("spread", "<x-:a<o>>", 1, object::spread),
    entry("sqrt", "<n-:n>", 1, number::sqrt),
    entry("string", "<x-b?:s>", 1, string::string),
    entry("substring", "<s-nn?:s>", 3, string::substring),
    entry("substringAfter", "<s-s:s>", 2, string::substring_after),
    entry("substringBefore", "<s-s:s>", 2, string::substring_before),
    entry("sum", "<a<n>:n>", 1, aggregate::sum),
    entry("toMillis", "<s-s?:n>", 2, date::to_millis),
    entry("trim", "<s-:s>", 1, string::trim),
    entry("type", "<x:s>", 1, logic::type_of),
    entry("uppercase", "<s-:s>", 1, string::uppercase),
    entry("uuid", "<:s>", 0, aws::uuid),
    entry("zip", "<a+>", 0, array::zip),
];

static SIGNATURES: LazyLock<Vec<Signature>> = LazyLock::new(|| {
    TABLE.iter().map(|entry| Signature::parse(entry.signature).unwrap_or_default()).collect()
});

/// For a place that is not in the table; there is none.
static NO_SIGNATURE: Signature = Signature::empty();

impl Builtin {
    /// The names of all functions, without `$`.
    pub(super) fn names() -> impl Iterator<Item = &'static str> {
        TABLE.iter().map(|entry| entry.name)
    }

    pub(super) fn by_name(name: &str) -> Option<Self> {
        TABLE.binary_search_by(|entry| entry.name.cmp(name)).ok().map(Self)
    }

    fn entry(self) -> Option<&'static Entry> {
        TABLE.get(self.0)
    }

    pub(super) fn name(self) -> &'static str {
        self.entry().map_or("", |entry| entry.name)
    }

    pub(super) fn arity(self) -> usize {
        self.entry().map_or(0, |entry| entry.arity)
    }

    pub(super) fn signature(self) -> &'static Signature {
        SIGNATURES.get(self.0).unwrap_or(&NO_SIGNATURE)
    }
}

/// Calls a function with arguments that fit its signature, or were given in
/// parts and may be anything.
pub(super) fn call<'a>(
    evaluator: &mut Evaluator<'a>,
    builtin: Builtin,
    arguments: &[Value<'a>],
) -> Outcome<Value<'a>> {
    match builtin.entry() {
        Some(entry) => (entry.body)(evaluator, arguments),
        None => Ok(Value::Undefined),
    }
}

/// What an argument of a type a function cannot work with raises. Only
/// functions called in parts see such; JavaScript's words differ each time.
fn wrong_type(expected: &str) -> Failure {
    Failure::raised("", format!("The argument of the function is no {expected}"))
}

fn argument<'v, 'a>(arguments: &'v [Value<'a>], index: usize) -> &'v Value<'a> {
    arguments.get(index).unwrap_or(const { &Value::Undefined })
}

/// A text; `None` for undefined.
fn text<'v, 'a>(arguments: &'v [Value<'a>], index: usize) -> Outcome<Option<&'v Text<'a>>> {
    match argument(arguments, index) {
        Value::Text(text) => Ok(Some(text)),
        Value::Undefined => Ok(None),
        _ => Err(wrong_type("string")),
    }
}

/// A number; `None` for undefined.
fn numeric(arguments: &[Value<'_>], index: usize) -> Outcome<Option<f64>> {
    match argument(arguments, index) {
        Value::Undefined => Ok(None),
        value => value.as_f64().map(Some).ok_or_else(|| wrong_type("number")),
    }
}

/// T0410 for an argument only the function itself can check.
fn mismatch(index: usize) -> Failure {
    let before = format!("Argument {index} of function ");
    Failure::about_function("T0410", before, " does not match function signature")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_its_signatures_are_right() {
        assert!(TABLE.is_sorted_by_key(|entry| entry.name));
        for entry in TABLE {
            assert!(Signature::parse(entry.signature).is_ok(), "{}", entry.name);
        }
    }
}
