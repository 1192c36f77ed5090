//! Texts that are almost right.

use super::Choices;

/// A text of the corpus after a few random edits, with words of the language.
pub(super) fn mutated(choices: &mut Choices, corpus: &[&str], words: &[&str]) -> String {
    let mut text = choices.pick(corpus).to_owned();
    for _ in 0..=choices.below(5) {
        text = edited(choices, &text, corpus, words);
    }
    text
}

/// One edit.
pub(super) fn edited(choices: &mut Choices, text: &str, corpus: &[&str], words: &[&str]) -> String {
    /// Longer texts are for the targets that are about length.
    const LONGEST: usize = 4_000;
    let (start, end) = range(choices, text);
    let (before, rest) = text.split_at(start);
    let (within, after) = rest.split_at(end - start);
    let edited = match choices.below(8) {
        0 => format!("{before}{after}"),
        1 => format!("{before}{within}{within}{after}"),
        2 | 3 => format!("{before}{}{after}", choices.pick(words)),
        4 => format!("{before}{}{within}{after}", choices.pick(words)),
        5 => format!("{before}{}{after}", choices.character()),
        6 => {
            let other = choices.pick(corpus);
            let (start, end) = range(choices, other);
            format!("{before}{}{after}", &other[start..end])
        }
        _ => {
            let times = 1 + choices.below(30);
            format!("{before}{}{after}", within.repeat(times))
        }
    };
    if edited.len() > LONGEST { text.to_owned() } else { edited }
}

/// A short range of whole characters.
fn range(choices: &mut Choices, text: &str) -> (usize, usize) {
    let starts: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
    let start = choices.below(starts.len());
    let end = (start + choices.below(12)).min(starts.len() - 1);
    (starts[start], starts[end])
}
