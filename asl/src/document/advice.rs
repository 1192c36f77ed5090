//! What to do about a finding, in words of our own: what was probably meant, and
//! how the other language says it. AWS's messages stay AWS's; this stands beside them.

use super::model::QueryLanguage;
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

/// How a field of one language is said in the other.
pub(super) fn in_language(field: &str, language: QueryLanguage) -> Option<&'static str> {
    Some(match language {
        QueryLanguage::Jsonata => match field {
            "InputPath" => "read `$states.input` in the expressions that need it",
            "OutputPath" | "ResultPath" | "ResultSelector" => {
                "write `Output`, e.g. \"{% $merge([$states.input, {'result': $states.result}]) %}\""
            }
            "Parameters" => "write `Arguments`; in a Pass write `Output`, in a Map `ItemSelector`",
            "Result" => "write `Output`",
            "ItemsPath" => "write `Items`, e.g. \"{% $states.input.items %}\"",
            "Variable" | "And" | "Or" | "Not" => "write `Condition`, e.g. \"{% $states.input.count > 3 %}\"",
            _ if field.ends_with("Path") => {
                "write the field without `Path`, with an expression: \"{% $states.input.value %}\""
            }
            _ => return None,
        },
        QueryLanguage::JsonPath => match field {
            "Arguments" => "write `Parameters`, or add \"QueryLanguage\": \"JSONata\" to the state",
            "Output" => {
                "write `ResultSelector`, `ResultPath` and `OutputPath`, or add \"QueryLanguage\": \"JSONata\" \
                 to the state"
            }
            "Items" => "write `ItemsPath`, or add \"QueryLanguage\": \"JSONata\" to the state",
            "Condition" => {
                "write `Variable` and an operator such as `NumericGreaterThan`, or add \"QueryLanguage\": \
                 \"JSONata\" to the state"
            }
            _ => return None,
        },
    })
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
pub(super) fn of_syntax(text: &str, at: usize) -> Option<&'static str> {
    let before = text.get(..at)?.trim_end();
    let here = text.get(at..)?;
    let found = here.chars().next();
    Some(match found {
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
    })
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
