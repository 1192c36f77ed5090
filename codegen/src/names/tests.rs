use super::*;

fn wanted(states: &[(&str, &[&str])]) -> Vec<Wanted> {
    let owned = |path: &[&str]| path.iter().map(|segment| (*segment).to_owned()).collect();
    states.iter().map(|(name, path)| Wanted { name: (*name).to_owned(), path: owned(path) }).collect()
}

#[test]
fn a_name_stays_as_it_is_where_nothing_else_wants_it() {
    let names = state_names(&wanted(&[("Parse", &[]), ("Each file", &[]), ("Deliver", &["Each file"])]));
    assert_eq!(names, ["Parse", "Each file", "Deliver"]);
}

#[test]
fn names_wanted_twice_are_qualified_by_their_path() {
    let states: [(&str, &[&str]); 5] = [
        ("Note", &[]),
        ("Note", &["Each file"]),
        ("Note", &["Each file", "Again?"]),
        ("Note", &["Each file", "Again?"]),
        ("Note", &[]),
    ];
    let names = state_names(&wanted(&states));
    assert_eq!(
        names,
        ["Note", "Each file: Note", "Each file: Again?: Note", "Each file: Again?: Note 2", "Note 2"]
    );
}

#[test]
fn a_numbered_name_takes_no_name_somebody_asked_for() {
    let names = state_names(&wanted(&[("Note", &[]), ("Note", &[]), ("Note 2", &[])]));
    assert_eq!(names, ["Note", "Note 3", "Note 2"]);
}

#[test]
fn adding_a_state_elsewhere_renames_nothing() {
    let before: [(&str, &[&str]); 3] = [("A", &[]), ("Note", &["A"]), ("Note", &["B"])];
    let after: [(&str, &[&str]); 5] =
        [("A", &[]), ("New", &[]), ("Note", &["A"]), ("Note", &["C"]), ("Note", &["B"])];
    let (before, after) = (state_names(&wanted(&before)), state_names(&wanted(&after)));
    assert!(before.iter().all(|name| after.contains(name)), "{before:?} {after:?}");
}

#[test]
fn long_names_are_shortened_and_stay_apart() {
    let (one, other) = (format!("{} one", "ä".repeat(100)), format!("{} other", "ä".repeat(100)));
    let names = state_names(&wanted(&[(&one, &[]), (&other, &[]), (&one, &[])]));
    assert!(names.iter().all(|name| name.chars().count() <= 80), "{names:?}");
    let distinct: BTreeSet<_> = names.iter().collect();
    assert_eq!(distinct.len(), 3, "{names:?}");
}

#[test]
fn blanks_and_control_characters_are_cleaned_away() {
    assert_eq!(
        state_names(&wanted(&[("  Parse\n the\u{7}  file ", &[]), ("\t", &[])])),
        ["Parse the file", "State"]
    );
}

#[test]
fn variables_are_identifiers_that_hide_no_function() {
    let mut names = VariableNames::default();
    let claimed: Vec<_> =
        ["Note down", "Parse", "Empty?", "Empty!", "7 days", "CoreView ok", "states", "item2", "日本"]
            .iter()
            .map(|wanted| names.claim(wanted))
            .collect();
    assert_eq!(
        claimed,
        [
            "note_down",
            "parse_result",
            "empty",
            "empty_2",
            "state_7_days",
            "core_view_ok",
            "states_result",
            "item2_result",
            "value_of_state"
        ]
    );
    let long = names.claim(&"long ".repeat(40));
    assert!(
        long.len() <= 80 && long.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'),
        "{long}"
    );
}
