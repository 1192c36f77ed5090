//! What to do about a finding, in words of our own: what was probably meant, and
//! how the other language says it. AWS's messages stay AWS's; this stands beside them.

use super::model::QueryLanguage;
use super::read::shortened;
use crate::diagnostic::Code;
use crate::jsonata::{self, Expression};
use crate::jsonpath::{Path, Query};
use crate::limits;

/// Names that are listed at most when none is similar.
const LISTED_MAX: usize = 12;

/// Finds what was probably meant, until its effort is used up.
pub(super) struct Guesses {
    comparisons_left: usize,
}

impl Default for Guesses {
    fn default() -> Self {
        Self { comparisons_left: limits::ADVICE_COMPARISONS_MAX }
    }
}

impl Guesses {
    /// The most similar of the names, if one is similar at all.
    pub(super) fn similar<'n>(
        &mut self,
        given: &str,
        names: impl IntoIterator<Item = &'n str>,
    ) -> Option<&'n str> {
        // The cost of a comparison grows with the length of what was given.
        if given.len() > 200 {
            return None;
        }
        let compared = names.into_iter().take(self.comparisons_left).inspect(|_| self.comparisons_left -= 1);
        compared
            .map(|name| (distance(given, name), name))
            .filter(|(distance, name)| *distance <= name.chars().count().max(given.chars().count()) / 3)
            .min_by_key(|(distance, _)| *distance)
            .map(|(_, name)| name)
    }

    /// `did you mean X?`, or what there is.
    pub(super) fn names<'n>(
        &mut self,
        given: &str,
        names: impl IntoIterator<Item = &'n str> + Clone,
        what: &str,
    ) -> Option<String> {
        if let Some(similar) = self.similar(given, names.clone()) {
            return Some(format!("did you mean `{similar}`?"));
        }
        let listed: Vec<&str> = names.into_iter().take(LISTED_MAX + 1).collect();
        (!listed.is_empty() && listed.len() <= LISTED_MAX).then(|| format!("{what}: {}", listed.join(", ")))
    }
}

/// Upper and lower case count for less: `inputPath` is `InputPath`.
fn distance(given: &str, name: &str) -> usize {
    if given.eq_ignore_ascii_case(name) {
        return 0;
    }
    strsim::damerau_levenshtein(given, name)
}

/// How a field of one language is said in the other, where `allowed` are the fields there are.
pub(super) fn in_language(
    field: &str,
    language: QueryLanguage,
    allowed: impl Iterator<Item = &'static str>,
) -> Option<String> {
    let allowed: Vec<&str> = allowed.collect();
    let has = |name: &str| allowed.contains(&name);
    // Only retriers and catchers name errors.
    if has("ErrorEquals") {
        return of_handler(field, language, has("Next"));
    }
    let advice = match language {
        QueryLanguage::Jsonata => match field {
            "InputPath" => "read `$states.input` in the expressions that need it",
            "OutputPath" | "ResultPath" | "ResultSelector" => {
                "write `Output`, e.g. \"{% $merge([$states.input, {'result': $states.result}]) %}\""
            }
            "Parameters" if has("Arguments") => {
                "write `Arguments`, with expressions as \"{% $states.input.name %}\""
            }
            "Parameters" => "write `ItemSelector` in a Map and `Output` in a Pass",
            "Result" => "write `Output`",
            "ItemsPath" => "write `Items`, e.g. \"{% $states.input.items %}\"",
            "Variable" | "And" | "Or" | "Not" => "write `Condition`, e.g. \"{% $states.input.count > 3 %}\"",
            _ if field.ends_with("Path") => {
                "write the field without `Path`, with an expression: \"{% $states.input.value %}\""
            }
            _ => return None,
        },
        QueryLanguage::JsonPath => {
            let own = match field {
                "Arguments" => "`Parameters`",
                "Output" => match allowed.iter().find(|name| matches!(**name, "Result" | "ResultSelector")) {
                    Some(&"Result") => "`Parameters`, or `Result` for what is not evaluated",
                    Some(_) => "`ResultSelector`, `ResultPath` and `OutputPath`",
                    None => "`OutputPath`",
                },
                "Items" => "`ItemsPath`",
                "Condition" => "`Variable` and an operator such as `NumericGreaterThan`",
                _ => return None,
            };
            return Some(format!("write {own}, or add \"QueryLanguage\": \"JSONata\" to the state"));
        }
    };
    Some(advice.to_owned())
}

/// How a field of the other language is said in a retrier or a catcher.
fn of_handler(field: &str, language: QueryLanguage, is_catcher: bool) -> Option<String> {
    let advice = match (language, field) {
        (_, "Output" | "OutputPath" | "Parameters" | "Result" | "ResultPath" | "ResultSelector")
            if !is_catcher =>
        {
            "a retrier hands nothing on, the state does: delete it, or write it beside `Retry`"
        }
        (
            QueryLanguage::Jsonata,
            "OutputPath" | "Parameters" | "Result" | "ResultPath" | "ResultSelector",
        ) => "write `Output`, e.g. \"{% $merge([$states.input, {'error': $states.errorOutput}]) %}\"",
        (QueryLanguage::JsonPath, "Output") => {
            "write `ResultPath`, e.g. \"$.error\", which is where the error goes in the input, or add \
             \"QueryLanguage\": \"JSONata\" to the state"
        }
        _ => return None,
    };
    Some(advice.to_owned())
}

/// What to do about a state outside of `States` or inside of another one.
pub(super) fn of_misplaced(name: &str, place: &str) -> String {
    match place.rsplit_once('/') {
        None | Some((_, "")) => format!(
            "`{name}` is written as a state and stands beside `States`: the brace of `States` is closed too early"
        ),
        Some((_, inside)) => format!(
            "`{name}` is written as a state and stands inside of `{inside}`: a closing brace is missing before it"
        ),
    }
}

/// What is probably missing, as it could be written.
pub(super) fn of_required(field: &str) -> Option<&'static str> {
    Some(match field {
        "StartAt" => "name the first state: \"StartAt\": \"First\"",
        "States" => "the states stand in it: \"States\": {\"First\": {\"Type\": \"Pass\", \"End\": true}}",
        "Type" => {
            "say what the state does: \"Type\": \"Task\", Pass, Choice, Wait, Succeed, Fail, Parallel or Map"
        }
        "Resource" => "name what the task calls, e.g. \"Resource\": \"arn:aws:states:::lambda:invoke\"",
        "Choices" => "add the rules: \"Choices\": [{…, \"Next\": \"State\"}]",
        "Variable" => "say what is compared: \"Variable\": \"$.field\"",
        "Condition" => "say when: \"Condition\": \"{% $states.input.count > 3 %}\"",
        "Next" => "name the state to go to: \"Next\": \"State\"",
        "Branches" => "add machines that run side by side: \"Branches\": [{\"StartAt\": …, \"States\": {…}}]",
        "ItemProcessor" => {
            "add what is done with every item: \"ItemProcessor\": {\"StartAt\": …, \"States\": {…}}"
        }
        "ErrorEquals" => "name the errors: \"ErrorEquals\": [\"States.ALL\"] takes all",
        "ExecutionType" => "add \"ExecutionType\": \"STANDARD\", or \"EXPRESS\" for short and many ones",
        "ReaderConfig" => "say what the file is: \"ReaderConfig\": {\"InputType\": \"JSON\"}",
        "InputType" => "say what the file is: \"InputType\": \"CSV\", JSON, JSONL, PARQUET or MANIFEST",
        "CSVHeaderLocation" => "add \"CSVHeaderLocation\": \"FIRST_ROW\", or \"GIVEN\" with `CSVHeaders`",
        "CSVHeaders" => "name the columns: \"CSVHeaders\": [\"id\", \"name\"]",
        "Seconds" => "say for how long: \"Seconds\": 30",
        _ => return None,
    })
}

/// What to do about a text that should be a time.
pub(super) fn of_timestamp(text: &str) -> String {
    let written = text.trim().replacen(' ', "T", 1);
    let tries =
        [written.clone(), format!("{written}Z"), format!("{written}T00:00:00Z"), format!("{written}:00Z")];
    let right = tries.iter().find(|text| crate::timestamp::parse_millis(text).is_some());
    match right {
        Some(right) => format!("write \"{right}\", or with an offset such as +02:00"),
        None => "write date, `T`, time and offset: \"2026-01-31T08:30:00Z\"".to_owned(),
    }
}

/// What to do about a text that is no path to a single place.
pub(super) fn of_reference_path(text: &str) -> Option<String> {
    if !text.starts_with('$') {
        let name = text.trim();
        return (!name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.')))
            .then(|| format!("write \"$.{name}\""));
    }
    let advice = if text.contains("()") {
        "functions have no place: let the state before count with `States.ArrayLength`, say, and name its result"
    } else {
        "a reference path leads to one place, by names and positions only: \"$.order.items[0]\"; filters, \
         slices, `*` and `..` have no place in it"
    };
    Some(advice.to_owned())
}

/// A text that is passed on although it was probably meant to be evaluated.
pub(super) struct NotEvaluated {
    pub(super) code: Code,
    pub(super) message: &'static str,
    pub(super) advice: String,
}

/// What a text in a state written in JSONata was probably meant to be.
pub(super) fn not_evaluated(text: &str) -> Option<NotEvaluated> {
    let trimmed = text.trim();
    let found = |code, message, advice| Some(NotEvaluated { code, message, advice });
    let (opens, closes) = (trimmed.starts_with("{%"), trimmed.ends_with("%}"));
    if opens && closes && trimmed.len() >= 4 {
        if trimmed.len() == text.len() {
            return None;
        }
        let message = "There are blanks around the expression: it is passed on as text";
        return found(Code::JsonataDelimiters, message, format!("write \"{}\"", shortened(trimmed)));
    }
    let is_inside =
        trimmed.find("{%").is_some_and(|at| trimmed.get(at..).is_some_and(|rest| rest.contains("%}")));
    if is_inside && !trimmed.starts_with('{') {
        let message = "There is text beside the expression: all of it is passed on as text";
        return found(Code::JsonataDelimiters, message, joined(trimmed));
    }
    if opens || closes || is_inside {
        let message = "The expression is not enclosed by {% and %}: it is passed on as text";
        let core = trimmed.trim_start_matches(['{', '%']).trim_end_matches(['}', '%']).trim();
        let advice = match Expression::parse(core) {
            Ok(_) if !core.is_empty() => format!("write \"{{% {} %}}\"", shortened(core)),
            _ => "the text begins with {% and ends with %}, nothing before and nothing after".to_owned(),
        };
        return found(Code::JsonataDelimiters, message, advice);
    }
    let function = trimmed.strip_prefix('$').and_then(|rest| rest.split('(').next());
    let is_call = trimmed.ends_with(')')
        && function.is_some_and(|name| jsonata::functions().any(|known| known == name))
        && Expression::parse(trimmed).is_ok();
    if is_call || trimmed == "$states" || trimmed.starts_with("$states.") {
        let message = "This looks like a JSONata expression, but is passed on as text";
        return found(Code::NotEvaluated, message, format!("write \"{{% {} %}}\"", shortened(trimmed)));
    }
    let is_path = ["$.", "$[", "$$."].iter().any(|start| trimmed.starts_with(start));
    if is_path && Query::parse(trimmed).is_ok() {
        let message =
            "This looks like a JSONPath, but the state is written in JSONata: it is passed on as text";
        let advice = in_jsonata(trimmed).unwrap_or_else(|| "{% $states.input… %}".to_owned());
        return found(Code::NotEvaluated, message, format!("write \"{advice}\""));
    }
    if trimmed.starts_with("States.") && trimmed.ends_with(')') && Query::parse(trimmed).is_ok() {
        let message = "Intrinsic functions belong to JSONPath, and the state is written in JSONata: this is passed \
                       on as text";
        return found(Code::NotEvaluated, message, of_intrinsic(trimmed));
    }
    None
}

/// The variable that a text names as an expression would: `$order`, `$order.id`.
pub(super) fn variable_of_text(text: &str) -> Option<&str> {
    let name = text.trim().strip_prefix('$')?.split(['.', '[']).next()?;
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    (name.chars().next().is_some_and(char::is_alphabetic) && name.chars().all(is_name)).then_some(name)
}

/// A path of JSONPath as an expression, if it is one that both can say.
pub(super) fn in_jsonata(path: &str) -> Option<String> {
    if !Path::parse(path.trim()).ok()?.is_reference() {
        return None;
    }
    let path = path.trim();
    let (root, rest) = match (path.strip_prefix("$$"), path.strip_prefix('$')) {
        (Some(rest), _) => ("$states.context", rest),
        (None, Some(rest)) if rest.is_empty() || rest.starts_with(['.', '[']) => ("$states.input", rest),
        _ => ("", path),
    };
    let has_quotes = rest.contains(['\'', '"']);
    (!has_quotes).then(|| format!("{{% {root}{} %}}", shortened(rest)))
}

/// Text with expressions in it as one expression.
fn joined(text: &str) -> String {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{%") {
        let Some((inside, after)) = after.split_once("%}") else { break };
        if !before.is_empty() {
            parts.push(format!("'{}'", before.replace('\'', "\\\\'")));
        }
        parts.push(inside.trim().to_owned());
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(format!("'{}'", rest.replace('\'', "\\\\'")));
    }
    let whole = parts.join(" & ");
    if whole.chars().count() > 100 {
        return "an expression takes up the whole text; `&` joins texts: \"{% 'Hello ' & $name %}\""
            .to_owned();
    }
    format!("an expression takes up the whole text; `&` joins texts: \"{{% {whole} %}}\"")
}

/// What JSONata has in the place of an intrinsic function.
fn of_intrinsic(call: &str) -> String {
    let name = call.split('(').next().unwrap_or_default().trim();
    let instead = match name {
        "States.Format" => "join texts with `&`: \"{% 'Hello ' & $states.input.name %}\"",
        "States.Array" => "write \"{% [a, b] %}\"",
        "States.ArrayContains" => "write \"{% value in array %}\"",
        "States.ArrayGetItem" => "write \"{% array[0] %}\"",
        "States.ArrayLength" => "write \"{% $count(array) %}\"",
        "States.ArrayPartition" => "write \"{% $partition(array, 4) %}\"",
        "States.ArrayRange" => "write \"{% $range(1, 9, 2) %}\"",
        "States.ArrayUnique" => "write \"{% $distinct(array) %}\"",
        "States.Base64Encode" => "write \"{% $base64encode(text) %}\"",
        "States.Base64Decode" => "write \"{% $base64decode(text) %}\"",
        "States.Hash" => "write \"{% $hash(text, 'SHA-256') %}\"",
        "States.JsonMerge" => "write \"{% $merge([a, b]) %}\"",
        "States.JsonToString" => "write \"{% $string(value) %}\"",
        "States.StringToJson" => "write \"{% $parse(text) %}\"",
        "States.MathAdd" => "write \"{% a + b %}\"",
        "States.MathRandom" => "write \"{% $floor($random() * 10) %}\"",
        "States.StringSplit" => "write \"{% $split(text, ',') %}\"",
        "States.UUID" => "write \"{% $uuid() %}\"",
        _ => "say it in JSONata, between {% and %}",
    };
    instead.to_owned()
}

/// What to do about an expression that is none: habits from other languages.
pub(super) fn of_expression(source: &str) -> Option<&'static str> {
    let habits = [
        ("===", "JSONata compares with `=`"),
        ("==", "JSONata compares with `=`"),
        ("&&", "JSONata says `and`"),
        ("||", "JSONata says `or`"),
        ("=>", "a function is written `function($x) { … }`"),
        ("$.", "the state's input is `$states.input`; `$.` is JSONPath"),
    ];
    if source.trim().is_empty() {
        return Some("write an expression between {% and %}, e.g. {% $states.input %}");
    }
    if source.trim_start().starts_with('!') {
        return Some("JSONata says `$not(…)`");
    }
    habits.iter().find(|(habit, _)| source.contains(habit)).map(|(_, advice)| *advice)
}

/// Functions other languages have, by what JSONata has for them.
pub(super) fn of_function(name: &str) -> Option<String> {
    let instead = match name.to_ascii_lowercase().as_str() {
        "length" | "len" | "size" => "`$length` counts characters, `$count` items",
        "concat" | "format" => "`&` joins texts, `$join` a list of them",
        "tolower" | "lower" | "tolowercase" => "JSONata has `$lowercase`",
        "toupper" | "upper" | "touppercase" => "JSONata has `$uppercase`",
        "tostring" | "str" | "stringify" | "jsontostring" => "JSONata has `$string`",
        "tonumber" | "int" | "parseint" => "JSONata has `$number`",
        "parsejson" | "jsonparse" | "stringtojson" | "fromjson" => "JSONata has `$parse` in Step Functions",
        "if" | "case" => "JSONata says `condition ? value : other`",
        "unique" => "JSONata has `$distinct`",
        "coalesce" | "default" => "JSONata says `$exists(a) ? a : b`",
        _ => return None,
    };
    Some(instead.to_owned())
}

/// What to do about a name that stands where there is nothing to take it from.
pub(super) fn of_top_level(name: &str) -> String {
    if name.starts_with('$') {
        "an expression has no document of its own: start at `$states.input`, `$states.context` or a variable"
            .to_owned()
    } else {
        format!(
            "write `$states.input.{name}` for the state's input, `${name}` for a variable, `'{name}'` for a text"
        )
    }
}

/// What to do about a text that is not JSON, from where it stopped being it.
pub(super) fn of_syntax(text: &str, at: usize) -> Option<String> {
    let before = text.get(..at)?.trim_end();
    let here = text.get(at..)?;
    let found = here.chars().next();
    if found.is_none()
        && let Some(line) = unclosed(text)
    {
        return Some(format!("by the indentation, what is opened on line {line} is not closed"));
    }
    let advice = match found {
        Some('}' | ']') if before.ends_with(',') => "JSON has no comma behind the last item: delete it",
        Some('\'') => "JSON has texts and keys in double quotes",
        Some('/') if here.starts_with("//") || here.starts_with("/*") => {
            "JSON has no comments: use a `Comment` field"
        }
        Some('#') => "JSON has no comments: use a `Comment` field",
        // After one of these a text may stand: what is wrong is in the text itself.
        Some('"') if !before.ends_with([',', '{', '[', ':']) => "a comma is missing before this",
        None => "the text ends too early: a bracket or a quote is not closed",
        _ => return None,
    };
    Some(advice.to_owned())
}

/// The line with the bracket that is probably not closed: the closing one that goes with it stands
/// further left than the line it is opened on.
fn unclosed(text: &str) -> Option<usize> {
    let mut open: Vec<(usize, usize)> = Vec::new();
    let (mut in_text, mut escaped) = (false, false);
    for (number, line) in (1..).zip(text.lines()) {
        let indentation = line.len() - line.trim_start().len();
        for (at, character) in line.char_indices() {
            match character {
                _ if escaped => escaped = false,
                '\\' if in_text => escaped = true,
                '"' => in_text = !in_text,
                '{' | '[' if !in_text => open.push((number, indentation)),
                '}' | ']' if !in_text => {
                    let (opened_on, opened_at) = open.pop()?;
                    if at == indentation && at < opened_at {
                        return Some(opened_on);
                    }
                }
                _ => {}
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_similar_name_is_meant() {
        let names = ["Arguments", "Assign", "ItemsPath"];
        let mut guesses = Guesses::default();
        assert_eq!(guesses.similar("Argument", names), Some("Arguments"));
        assert_eq!(guesses.similar("itemspath", names), Some("ItemsPath"));
        assert_eq!(guesses.similar("Comment", names), None);
        assert_eq!(guesses.names("Zzz", ["A", "B"], "states").as_deref(), Some("states: A, B"));
        assert_eq!(guesses.names("Zzz", vec!["A"; 20], "states"), None);
    }

    #[test]
    fn guessing_comes_to_an_end() {
        let mut guesses = Guesses { comparisons_left: 3 };
        assert_eq!(guesses.similar("e", ["a", "b", "c", "d", "e"]), None);
        assert_eq!(guesses.similar("e", ["e"]), None);
    }
}
