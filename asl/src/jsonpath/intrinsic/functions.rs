//! What the intrinsic functions do.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io;

use base64::Engine as _;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value};

use super::{Argument, Call, Failure, Function};
use crate::budget::{StateBudget, TooLarge, weight};
use crate::template::Scope;
use crate::{digest, java, limits, quote};

/// As Java reads Base64: the padding may be missing, and what is left of the last digit does not count.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &ALPHABET,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// One evaluation of a call and the calls in it.
pub(super) struct Evaluation<'s, 'v> {
    scope: &'s Scope<'v>,
}

impl<'s, 'v> Evaluation<'s, 'v> {
    pub(super) const fn new(scope: &'s Scope<'v>) -> Self {
        Self { scope }
    }

    /// Calls a function. What it answers is paid for: before it is made where
    /// it can be large, and once.
    pub(super) fn call(&self, call: &Call) -> Result<Value, Failure> {
        let budget = self.scope.budget;
        budget.makes(call.arguments.len() * size_of::<Cow<'_, Value>>())?;
        let values = call
            .arguments
            .iter()
            .map(|argument| self.argument(argument))
            .collect::<Result<Vec<_>, Failure>>()?;
        let call = Arguments { function: call.function, written: &call.arguments, values, budget };
        match call.function {
            Function::Array => call.into_array(),
            Function::ArrayContains => call.array_contains(),
            Function::ArrayGetItem => call.array_get_item(),
            Function::ArrayLength => call.array_length(),
            Function::ArrayPartition => call.array_partition(),
            Function::ArrayRange => call.array_range(),
            Function::ArrayUnique => call.array_unique(),
            Function::Base64Decode => call.base64_decode(),
            Function::Base64Encode => call.base64_encode(),
            Function::Format => call.format(),
            Function::Hash => call.hash(),
            Function::JsonMerge => call.json_merge(),
            Function::JsonToString => call.json_to_string(),
            Function::MathAdd => call.math_add(),
            Function::MathRandom => call.math_random(self.scope),
            Function::StringSplit => call.string_split(),
            Function::StringToJson => call.string_to_json(),
            Function::Uuid => {
                let [] = call.exactly()?;
                Ok(Value::String(self.scope.host.uuid()))
            }
        }
    }

    /// The value of an argument; what is there already is not copied.
    fn argument<'a>(&self, argument: &'a Argument) -> Result<Cow<'a, Value>, Failure>
    where
        'v: 'a,
    {
        match argument {
            Argument::Text { value, .. } | Argument::Literal(value) => Ok(Cow::Borrowed(value)),
            Argument::Call(call) => self.call(call).map(Cow::Owned),
            Argument::Path(path) => {
                let found =
                    path.select(self.scope).map_err(|error| Failure::of_path(path, &error, self.scope))?;
                if let Cow::Owned(found) = &found {
                    self.scope.budget.copies(found)?;
                }
                Ok(found)
            }
        }
    }
}

/// A function and the values of its arguments.
struct Arguments<'c> {
    function: Function,
    written: &'c [Argument],
    values: Vec<Cow<'c, Value>>,
    budget: &'c StateBudget,
}

impl Arguments<'_> {
    fn invalid<T>(&self, reason: &str) -> Result<T, Failure> {
        Err(Failure::Function(format!("Invalid arguments in {}: {reason}", self.function.name())))
    }

    fn looks_through(&self, size: usize) -> Result<(), Failure> {
        self.budget.looks_through(size).or_else(|error| self.invalid(&error.to_string()))
    }

    fn exactly<const N: usize>(&self) -> Result<[&Value; N], Failure> {
        let count = self.values.len();
        let values: Vec<&Value> = self.values.iter().map(AsRef::as_ref).collect();
        values.try_into().or_else(|_| {
            let is = if count == 1 { "is" } else { "are" };
            self.invalid(&format!("it takes {}, and there {is} {count}", super::arguments(N)))
        })
    }

    fn array<'v>(&self, value: &'v Value) -> Result<&'v Vec<Value>, Failure> {
        match value {
            Value::Array(items) => Ok(items),
            other => self.invalid(&format!("an array is expected, and it is {}", quote::json(other))),
        }
    }

    fn string<'v>(&self, value: &'v Value) -> Result<&'v str, Failure> {
        match value {
            Value::String(text) => Ok(text),
            other => self.invalid(&format!("a string is expected, and it is {}", quote::json(other))),
        }
    }

    /// A number, rounded to a whole one as Java rounds. One that no `long`
    /// holds would become another number: it is refused.
    fn whole(&self, value: &Value) -> Result<i64, Failure> {
        let whole = value.as_i64().or_else(|| java::round(value.as_f64()?));
        match whole {
            Some(whole) => Ok(whole),
            None if value.is_number() => {
                self.invalid(&format!("the number {value} is outside of the range of whole numbers"))
            }
            None => self.invalid(&format!("a number is expected, and it is {}", quote::json(value))),
        }
    }

    /// The arguments, as one array.
    fn into_array(self) -> Result<Value, Failure> {
        let mut items = Vec::with_capacity(self.values.len());
        self.budget.makes(size_of::<Value>())?;
        for value in self.values {
            // What a function inside has answered is moved, and was paid for.
            if let Cow::Borrowed(value) = value {
                self.budget.copies(value)?;
            }
            items.push(value.into_owned());
        }
        Ok(Value::Array(items))
    }

    fn array_contains(&self) -> Result<Value, Failure> {
        let [items, wanted] = self.exactly()?;
        let items = self.array(items)?;
        self.looks_through(items.len())?;
        Ok(Value::Bool(items.contains(wanted)))
    }

    fn array_get_item(&self) -> Result<Value, Failure> {
        let [items, index] = self.exactly()?;
        let items = self.array(items)?;
        let index = self.whole(index)?;
        match usize::try_from(index).ok().and_then(|index| items.get(index)) {
            Some(item) => {
                self.budget.copies(item)?;
                Ok(item.clone())
            }
            None => self.invalid(&format!(
                "the index {index} is outside of the array, which has {} items",
                items.len()
            )),
        }
    }

    fn array_length(&self) -> Result<Value, Failure> {
        let [items] = self.exactly()?;
        Ok(self.array(items)?.len().into())
    }

    fn array_partition(&self) -> Result<Value, Failure> {
        let [items, size] = self.exactly()?;
        let items = self.array(items)?;
        match usize::try_from(self.whole(size)?) {
            Ok(size) if size > 0 => {
                let chunks = items.len().div_ceil(size);
                self.budget.makes(chunks * size_of::<Value>())?;
                items.iter().try_for_each(|item| self.budget.copies(item))?;
                Ok(items.chunks(size).map(|chunk| Value::Array(chunk.to_vec())).collect())
            }
            _ => self.invalid("the size of a chunk is not positive"),
        }
    }

    /// The end is part of the range when a step meets it.
    fn array_range(&self) -> Result<Value, Failure> {
        let [first, last, step] = self.exactly()?;
        let (first, last, step) = (self.whole(first)?, self.whole(last)?, self.whole(step)?);
        if step == 0 {
            return self.invalid("the step is zero");
        }
        let mut items = Vec::new();
        let mut next = Some(first);
        while let Some(number) = next.filter(|&number| if step > 0 { number <= last } else { number >= last })
        {
            if items.len() == limits::INTRINSIC_RANGE_ITEMS_MAX {
                return self.invalid(&format!("the range has more than {} items", items.len()));
            }
            self.budget.makes(size_of::<Value>())?;
            items.push(Value::from(number));
            next = number.checked_add(step);
        }
        Ok(Value::Array(items))
    }

    fn array_unique(&self) -> Result<Value, Failure> {
        let [items] = self.exactly()?;
        let mut unique: Vec<Value> = Vec::new();
        // Equal values have equal texts but for the order of keys.
        let mut seen = BTreeSet::new();
        for item in self.array(items)? {
            // Its text is kept, beside the item itself.
            self.budget.makes(2 * weight(item))?;
            if seen.insert(canonical(item).to_string()) {
                unique.push(item.clone());
            }
        }
        Ok(Value::Array(unique))
    }

    /// The text of an argument of at most 10,000 characters.
    fn data<'v>(&self, value: &'v Value) -> Result<&'v str, Failure> {
        let text = self.string(value)?;
        if text.chars().count() > limits::INTRINSIC_DATA_CHARS_MAX {
            return self
                .invalid(&format!("the text has more than {} characters", limits::INTRINSIC_DATA_CHARS_MAX));
        }
        Ok(text)
    }

    fn base64_encode(&self) -> Result<Value, Failure> {
        let [text] = self.exactly()?;
        Ok(Value::String(BASE64.encode(self.data(text)?)))
    }

    fn base64_decode(&self) -> Result<Value, Failure> {
        let [text] = self.exactly()?;
        match BASE64.decode(self.data(text)?) {
            Ok(bytes) => Ok(Value::String(String::from_utf8_lossy(&bytes).into_owned())),
            Err(_) => self.invalid("the text is not Base64"),
        }
    }

    fn hash(&self) -> Result<Value, Failure> {
        let [text, algorithm] = self.exactly()?;
        let algorithm = self.string(algorithm)?;
        let data = self.data(text)?;
        self.looks_through(data.len())?;
        match digest::hash(algorithm, data.as_bytes()) {
            Some(digits) => Ok(Value::String(digits)),
            None => self.invalid(&format!(
                "the algorithm '{algorithm}' is none of MD5, SHA-1, SHA-256, SHA-384 and SHA-512"
            )),
        }
    }

    /// The fields of the second object win; only the shallow merge exists.
    fn json_merge(&self) -> Result<Value, Failure> {
        let [first, second, deep] = self.exactly()?;
        let (Value::Object(first), Value::Object(second)) = (first, second) else {
            return self.invalid("the first two arguments are not both objects");
        };
        if *deep != Value::Bool(false) {
            return self.invalid("the third argument is not false; only shallow merging is supported");
        }
        self.values.iter().try_for_each(|object| self.budget.copies(object))?;
        let mut merged: Map<String, Value> = first.clone();
        merged.extend(second.iter().map(|(key, value)| (key.clone(), value.clone())));
        Ok(Value::Object(merged))
    }

    fn json_to_string(&self) -> Result<Value, Failure> {
        let [value] = self.exactly()?;
        let mut text = Text { bytes: Vec::new(), budget: self.budget, failure: None };
        // Only the budget ends it.
        let _ = serde_json::to_writer(&mut text, value);
        match text.failure {
            Some(failure) => Err(failure.into()),
            None => Ok(Value::String(String::from_utf8(text.bytes).unwrap_or_default())),
        }
    }

    /// Blank text is null. Recorded on AWS.
    fn string_to_json(&self) -> Result<Value, Failure> {
        let [text] = self.exactly()?;
        let text = self.string(text)?;
        if text.trim().is_empty() {
            return Ok(Value::Null);
        }
        // Before it is read: a short text can make a large value, `[0,0,0]`.
        let values = text.bytes().filter(|byte| matches!(byte, b',' | b'[' | b'{')).count() + 1;
        self.budget.makes(text.len() + values.saturating_mul(size_of::<Value>()))?;
        match serde_json::from_str::<Value>(&without_negative_zeros(text)) {
            Ok(value) => Ok(value),
            Err(error) => self.invalid(&format!("the text is not JSON: {error}")),
        }
    }

    fn math_add(&self) -> Result<Value, Failure> {
        let [first, second] = self.exactly()?;
        match self.whole(first)?.checked_add(self.whole(second)?) {
            Some(sum) => Ok(sum.into()),
            None => self.invalid("the sum is too large"),
        }
    }

    /// From the first number up to, and without, the second.
    fn math_random(&self, scope: &Scope<'_>) -> Result<Value, Failure> {
        let (first, end, seed) = match self.values.as_slice() {
            [first, end] => (first, end, None),
            [first, end, seed] => (first, end, Some(seed)),
            _ => return self.invalid("it takes two or three arguments"),
        };
        let (first, end) = (self.whole(first)?, self.whole(end)?);
        if end <= first {
            return self.invalid("the end is not greater than the start");
        }
        let Some(span) = end.checked_sub(first) else {
            return self.invalid("the end is too far from the start");
        };
        let offset = match seed {
            Some(seed) => {
                let mut random = java::Random::new(self.whole(seed)?);
                match i32::try_from(span) {
                    Ok(span) => i64::from(random.below(span)),
                    Err(_) => random.next_long().rem_euclid(span),
                }
            }
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_precision_loss,
                reason = "a random number below the span; the last bits of a huge one do not matter"
            )]
            None => ((scope.host.random() * span as f64) as i64).clamp(0, span - 1),
        };
        Ok((first + offset).into())
    }

    /// Every character of the second text separates; what is empty is left out. Recorded on AWS.
    fn string_split(&self) -> Result<Value, Failure> {
        let [text, delimiters] = self.exactly()?;
        let delimiters: BTreeSet<char> = self.string(delimiters)?.chars().collect();
        let tokens = self.string(text)?.split(|c| delimiters.contains(&c)).filter(|token| !token.is_empty());
        let mut items = Vec::new();
        for token in tokens {
            self.budget.makes(size_of::<Value>() + token.len())?;
            items.push(Value::String(token.to_owned()));
        }
        Ok(Value::Array(items))
    }

    /// `{}` stands for the next argument; in a literal, `\{` and `\}` are braces.
    fn format(&self) -> Result<Value, Failure> {
        let Some((template, arguments)) = self.values.split_first() else {
            return self.invalid("the template is missing");
        };
        let template = match self.written.first() {
            Some(Argument::Text { written, .. }) => written,
            _ => self.string(template)?,
        };
        let literal = matches!(self.written.first(), Some(Argument::Text { .. }));
        let mut arguments = arguments.iter();
        let mut text = String::with_capacity(template.len());
        let mut characters = template.chars().peekable();
        while let Some(character) = characters.next() {
            match (character, characters.peek()) {
                ('\\', Some(&escaped)) if literal => {
                    text.push(escaped);
                    characters.next();
                }
                ('{', Some('}')) => {
                    characters.next();
                    match arguments.next() {
                        Some(argument) => text.push_str(&java::text(argument)),
                        None => return self.wrong_number_of_placeholders(),
                    }
                }
                (other, _) => text.push(other),
            }
            if text.len() > limits::INTRINSIC_RESULT_BYTES_MAX {
                return self.invalid(&format!(
                    "the text has more than {} bytes",
                    limits::INTRINSIC_RESULT_BYTES_MAX
                ));
            }
        }
        if arguments.next().is_some() {
            return self.wrong_number_of_placeholders();
        }
        self.budget.makes(text.len())?;
        Ok(Value::String(text))
    }

    fn wrong_number_of_placeholders(&self) -> Result<Value, Failure> {
        self.invalid("the number of arguments does not match the occurrences of {}")
    }
}

/// JSON text in the making, paid for as it grows.
struct Text<'b> {
    bytes: Vec<u8>,
    budget: &'b StateBudget,
    failure: Option<TooLarge>,
}

impl io::Write for Text<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Err(failure) = self.budget.makes(bytes.len()) {
            self.failure = Some(failure);
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The text with `0` for each `-0`: to Java that is an integer, and so has no sign.
fn without_negative_zeros(text: &str) -> Cow<'_, str> {
    if !text.contains("-0") {
        return Cow::Borrowed(text);
    }
    let mut kept = String::with_capacity(text.len());
    let (mut quoted, mut escaped, mut previous) = (false, false, ' ');
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ => {}
        }
        // Not the exponent of `1e-0`, and below not the start of `-0.5`.
        let begins = matches!(previous, ' ' | '\t' | '\n' | '\r' | ',' | '[' | ':');
        if character == '-' && !quoted && begins && characters.peek() == Some(&'0') {
            let mut ahead = characters.clone().skip(1);
            if !matches!(ahead.next(), Some('.' | 'e' | 'E' | '0'..='9')) {
                previous = character;
                continue;
            }
        }
        kept.push(character);
        previous = character;
    }
    Cow::Owned(kept)
}

/// The value with the keys of its objects in order.
fn canonical(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(canonical).collect(),
        Value::Object(fields) => {
            let mut fields: Vec<_> =
                fields.iter().map(|(key, item)| (key.clone(), canonical(item))).collect();
            fields.sort_by(|left, right| left.0.cmp(&right.0));
            Value::Object(fields.into_iter().collect())
        }
        other => other.clone(),
    }
}
