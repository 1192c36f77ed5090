//! "Did you mean": the nearest of the names that exist.

use std::fmt::Write as _;

/// How different two names may be for one to be taken for the other, from 0 to 1.
const SIMILARITY_MIN: f64 = 0.75;

/// Names listed in a message before it says how many more there are.
const LISTED_MAX: usize = 30;

/// The name among `known` that was probably meant.
pub fn closest<'n>(name: &str, known: &[&'n str]) -> Option<&'n str> {
    let lower = name.to_lowercase();
    known
        .iter()
        .map(|candidate| (strsim::jaro_winkler(&lower, &candidate.to_lowercase()), *candidate))
        .filter(|(similarity, _)| *similarity >= SIMILARITY_MIN)
        // The first of equally near ones, so that messages do not depend on chance.
        .rev()
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// The end of a message about an unknown name: what was probably meant, and what there is.
pub fn among(name: &str, known: &[&str]) -> String {
    let list = list(known);
    match closest(name, known) {
        Some(candidate) => format!("did you mean `{candidate}`? There are: {list}"),
        None if known.is_empty() => "there are none".to_owned(),
        None => format!("there are: {list}"),
    }
}

/// Names for a message, not more than fit.
pub(crate) fn list(names: &[&str]) -> String {
    let mut list =
        names.iter().take(LISTED_MAX).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    if names.len() > LISTED_MAX {
        // Writing into a String cannot fail.
        let _ = write!(list, " and {} more", names.len() - LISTED_MAX);
    }
    list
}
