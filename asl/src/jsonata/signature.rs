//! Signatures of functions: what a function takes and how its arguments are
//! checked. Owns the notation `<s-(nf)a<n>?:s>` and the errors T0410 to T0412.

use std::sync::LazyLock;

use super::failure::{Failure, Outcome};
use super::value::Value;
use crate::limits;

/// The types of values, one bit each, as the notation names them.
mod kind {
    pub(super) const ARRAY: u16 = 1;
    pub(super) const BOOLEAN: u16 = 2;
    pub(super) const FUNCTION: u16 = 4;
    pub(super) const NULL: u16 = 8;
    pub(super) const NUMBER: u16 = 16;
    pub(super) const OBJECT: u16 = 32;
    pub(super) const TEXT: u16 = 64;
    /// Undefined.
    pub(super) const MISSING: u16 = 128;
    /// Any value that is not a function.
    pub(super) const DATA: u16 = ARRAY | BOOLEAN | NULL | NUMBER | OBJECT | TEXT | MISSING;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Times {
    Once,
    AtMostOnce,
    AtLeastOnce,
}

#[derive(Debug, Clone, PartialEq)]
struct Parameter {
    takes: u16,
    times: Times,
    /// The context takes the place of a missing argument.
    from_context: bool,
    /// Anything that is not an array is put into one.
    is_array: bool,
    /// What all items have to be, by its first letter.
    items: Option<(u16, &'static str)>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Signature {
    parameters: Vec<Parameter>,
}

fn kind_of_letter(letter: char) -> Option<u16> {
    Some(match letter {
        'a' => kind::ARRAY,
        'b' => kind::BOOLEAN,
        'f' => kind::FUNCTION,
        'l' => kind::NULL,
        'n' => kind::NUMBER,
        'o' => kind::OBJECT,
        's' => kind::TEXT,
        'u' => kind::BOOLEAN | kind::NUMBER | kind::TEXT | kind::NULL,
        'j' => kind::DATA,
        'x' => kind::DATA | kind::FUNCTION,
        _ => return None,
    })
}

/// How T0412 names the items of an array.
const fn plural(letter: char) -> &'static str {
    match letter {
        'a' => "\"arrays\"",
        'b' => "\"booleans\"",
        'f' => "\"functions\"",
        'n' => "\"numbers\"",
        'o' => "\"objects\"",
        's' => "\"strings\"",
        _ => "undefined",
    }
}

fn kind_of(value: &Value<'_>) -> u16 {
    match value {
        Value::Undefined | Value::Tuple(_) | Value::TailCall(_) => kind::MISSING,
        Value::Null => kind::NULL,
        Value::Bool(_) => kind::BOOLEAN,
        Value::Int(_) | Value::Float(_) => kind::NUMBER,
        Value::Text(_) => kind::TEXT,
        Value::JsonArray(_) | Value::Array(_) => kind::ARRAY,
        Value::JsonObject(_) | Value::Object(_) => kind::OBJECT,
        Value::Builtin(_) | Value::Function(_) => kind::FUNCTION,
    }
}

/// A code, a message and the place in the signature.
type Mistake = (&'static str, &'static str, usize);

/// Of what `|…|…|` makes.
static TRANSFORM: LazyLock<Signature> = LazyLock::new(|| Signature::parse("<(oa):o>").unwrap_or_default());

impl Signature {
    /// The signature of a function without parameters.
    pub(super) const fn empty() -> Self {
        Self { parameters: Vec::new() }
    }

    /// The signature of the function `|…|…|` makes.
    pub(super) fn of_transform() -> &'static Self {
        &TRANSFORM
    }

    /// Reads a signature with its angle brackets.
    pub(super) fn parse(text: &str) -> Result<Self, Mistake> {
        let letters: Vec<char> = text.chars().collect();
        let mut parameters: Vec<Parameter> = Vec::new();
        let mut at = 1;
        while let Some(&letter) = letters.get(at) {
            match letter {
                ':' => break,
                '-' | '?' | '+' => {
                    if let Some(last) = parameters.last_mut() {
                        last.from_context |= letter == '-';
                        last.times = if letter == '+' { Times::AtLeastOnce } else { Times::AtMostOnce };
                    }
                }
                '(' => {
                    let end = closing(&letters, at, '(', ')');
                    let choice = letters.get(at + 1..end).unwrap_or_default();
                    if choice.contains(&'<') {
                        let message = "Choice groups containing parameterized types are not supported";
                        return Err(("S0402", message, at));
                    }
                    let kinds = choice.iter().filter_map(|letter| kind_of_letter(*letter));
                    parameters.push(Parameter::new(kinds.fold(kind::MISSING, |all, one| all | one)));
                    at = end;
                }
                '<' => {
                    let end = closing(&letters, at, '<', '>');
                    match parameters.last_mut() {
                        Some(last) if last.is_array => {
                            let letter = letters.get(at + 1).copied().unwrap_or_default();
                            last.items = Some((kind_of_letter(letter).unwrap_or(0), plural(letter)));
                        }
                        Some(last) if last.takes == kind::FUNCTION => {}
                        _ => {
                            let message = "Type parameters can only be applied to functions and arrays";
                            return Err(("S0401", message, at));
                        }
                    }
                    at = end;
                }
                'a' => {
                    let takes = kind::DATA | kind::FUNCTION;
                    parameters.push(Parameter { is_array: true, ..Parameter::new(takes) });
                }
                'f' => parameters.push(Parameter::new(kind::FUNCTION)),
                _ => {
                    if let Some(kind) = kind_of_letter(letter) {
                        parameters.push(Parameter::new(kind | kind::MISSING));
                    }
                }
            }
            at += 1;
        }
        Ok(Self { parameters })
    }

    /// Checks the arguments and puts them into the places of the parameters.
    pub(super) fn check<'a>(
        &self,
        arguments: Vec<Value<'a>>,
        context: &Value<'a>,
    ) -> Outcome<Vec<Value<'a>>> {
        // As a rule every parameter has its argument.
        let fits_plainly = arguments.len() == self.parameters.len()
            && self.parameters.iter().zip(&arguments).all(|(parameter, argument)| {
                parameter.times != Times::AtLeastOnce && kind_of(argument) & parameter.takes != 0
            });
        if fits_plainly {
            let pairs = self.parameters.iter().zip(arguments).zip(1..);
            return pairs.map(|((parameter, argument), index)| parameter.prepare(argument, index)).collect();
        }
        if self.parameters.len().saturating_mul(arguments.len() + 1) > limits::JSONATA_SIGNATURE_PLACES_MAX {
            return Err(Failure::time());
        }
        let kinds: Vec<u16> = arguments.iter().map(kind_of).collect();
        let mut counts = vec![0; self.parameters.len()];
        if !distribute(&self.parameters, &kinds, &mut counts, true) {
            return Err(self.mismatch(&kinds));
        }
        self.place(arguments, &counts, context)
    }

    fn place<'a>(
        &self,
        arguments: Vec<Value<'a>>,
        counts: &[usize],
        context: &Value<'a>,
    ) -> Outcome<Vec<Value<'a>>> {
        let mut placed = Vec::with_capacity(arguments.len().max(self.parameters.len()));
        let mut rest = arguments.into_iter();
        let mut index = 0;
        for (parameter, &count) in self.parameters.iter().zip(counts) {
            if count == 0 {
                if parameter.from_context {
                    if kind_of(context) & parameter.takes == 0 {
                        return Err(Failure::about_function(
                            "T0411",
                            format!(
                                "Context value is not a compatible type with argument {} of function ",
                                index + 1
                            ),
                            "",
                        ));
                    }
                    placed.push(context.clone());
                } else {
                    placed.push(rest.next().unwrap_or(Value::Undefined));
                    index += 1;
                }
            }
            for _ in 0..count {
                let argument = rest.next().unwrap_or(Value::Undefined);
                index += 1;
                placed.push(parameter.prepare(argument, index)?);
            }
        }
        Ok(placed)
    }

    /// The first argument that cannot be placed.
    fn mismatch(&self, kinds: &[u16]) -> Failure {
        let mut good = 0;
        for upto in 1..=self.parameters.len() {
            let parameters = self.parameters.get(..upto).unwrap_or_default();
            let mut counts = vec![0; upto];
            if !distribute(parameters, kinds, &mut counts, false) {
                break;
            }
            good = counts.iter().sum();
        }
        Failure::about_function(
            "T0410",
            format!("Argument {} of function ", good + 1),
            " does not match function signature",
        )
    }
}

impl Parameter {
    const fn new(takes: u16) -> Self {
        Self { takes, times: Times::Once, from_context: false, is_array: false, items: None }
    }

    /// The argument as the function gets it. `index` counts from 1.
    fn prepare<'a>(&self, argument: Value<'a>, index: usize) -> Outcome<Value<'a>> {
        if !self.is_array || argument.is_undefined() {
            return Ok(argument);
        }
        if let Some((kind, plural)) = self.items {
            let is_right = match argument.items() {
                Some(items) => items.iter().all(|item| kind_of(&item) == kind),
                None => kind_of(&argument) == kind,
            };
            if !is_right {
                let after = format!(" must be an array of {plural}");
                let before = format!("Argument {index} of function ");
                return Err(Failure::about_function("T0412", before, &after));
            }
        }
        Ok(if argument.is_array() { argument } else { Value::array(vec![argument]) })
    }
}

/// Gives each parameter as many arguments as it can have, the first ones first.
/// False if that leaves a parameter without, or (if all have to be placed) an
/// argument over.
fn distribute(parameters: &[Parameter], kinds: &[u16], counts: &mut [usize], all: bool) -> bool {
    // What can be done with the parameters from one on and the arguments from
    // one on, found from the back, so that no signature takes long.
    let width = kinds.len() + 1;
    let mut possible = vec![false; (parameters.len() + 1) * width];
    let fits =
        |parameter: &Parameter, at: usize| kinds.get(at).is_some_and(|kind| kind & parameter.takes != 0);
    let can = |possible: &[bool], row: usize, at: usize| {
        at < width && possible.get(row * width + at).copied().unwrap_or(false)
    };
    for at in 0..width {
        if let Some(place) = possible.get_mut(parameters.len() * width + at) {
            *place = !all || at == kinds.len();
        }
    }
    for (row, parameter) in parameters.iter().enumerate().rev() {
        for at in (0..width).rev() {
            let one = fits(parameter, at);
            let holds = match parameter.times {
                Times::Once => one && can(&possible, row + 1, at + 1),
                Times::AtMostOnce => (one && can(&possible, row + 1, at + 1)) || can(&possible, row + 1, at),
                Times::AtLeastOnce => one && (can(&possible, row, at + 1) || can(&possible, row + 1, at + 1)),
            };
            if let Some(place) = possible.get_mut(row * width + at) {
                *place = holds;
            }
        }
    }
    let mut at = 0;
    for (row, (parameter, count)) in parameters.iter().zip(counts).enumerate() {
        *count = 0;
        match parameter.times {
            Times::AtLeastOnce => {
                while fits(parameter, at) && can(&possible, row, at + 1) {
                    *count += 1;
                    at += 1;
                }
                *count += 1;
                at += 1;
            }
            _ if fits(parameter, at) && can(&possible, row + 1, at + 1) => {
                *count = 1;
                at += 1;
            }
            _ => {}
        }
    }
    can(&possible, 0, 0)
}

/// The place of the bracket that closes the one at `open`; the end if there is none.
fn closing(letters: &[char], open: usize, opening: char, closing: char) -> usize {
    let mut depth = 0_usize;
    for (at, letter) in letters.iter().enumerate().skip(open) {
        if *letter == opening {
            depth += 1;
        } else if *letter == closing {
            depth -= 1;
            if depth == 0 {
                return at;
            }
        }
    }
    letters.len()
}
