//! Laws of paths, for any document.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::jsonpath::{Intrinsic, Path, Query};

fn documents() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i32>().prop_map(Value::from),
        "[a-z]{0,4}".prop_map(Value::String),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::btree_map("[a-d]", inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// Reference paths through properties.
fn reference_paths() -> impl Strategy<Value = String> {
    prop::collection::vec("[a-d]|'x y'|\"q\"", 0..4).prop_map(|steps| {
        let mut path = "$".to_owned();
        for step in steps {
            if step.len() == 1 {
                path.extend([".", &step]);
            } else {
                path.extend(["[", &step, "]"]);
            }
        }
        path
    })
}

/// Texts near to paths.
fn paths() -> impl Strategy<Value = String> {
    let step = prop_oneof![
        "\\.[a-d]",
        "\\[-?[0-3]\\]",
        "\\[[0-2]?:-?[0-3]\\]",
        Just(".*".to_owned()),
        Just("..a".to_owned()),
        Just("['a','b']".to_owned()),
        "\\[\\?\\(@(\\.[a-d])? (==|<|in|size|empty|contains|=~) ([0-3]|'x'|\\[1\\]|true|@\\.a|/.*/)\\)\\]",
        Just("[?(@.a)]".to_owned()),
        Just(".length()".to_owned()),
    ];
    prop::collection::vec(step, 0..5).prop_map(|steps| format!("${}", steps.concat()))
}

proptest! {
    #[test]
    fn the_normalised_path_is_the_same_path(text in paths(), document in documents()) {
        let Ok(path) = Path::parse(&text) else { return Ok(()) };
        // A filter is not in the normalised text.
        if text.contains('?') || text.contains('(') { return Ok(()) }
        let again = Path::parse(&path.normalised()).expect("normalised text is a path");
        prop_assert_eq!(again.normalised(), path.normalised());
        prop_assert_eq!(again.find(&document), path.find(&document));
    }

    #[test]
    fn what_was_put_is_found(text in reference_paths(), document in documents(), value in documents()) {
        let path = Path::parse(&text).expect("a reference path");
        prop_assert!(path.is_reference() && path.is_definite());
        if let Ok(changed) = path.put(document, value.clone()) {
            let found = path.find(&changed).expect("it was put there");
            prop_assert_eq!(&*found, &value);
        }
    }

    #[test]
    fn an_indefinite_path_finds_a_list(text in paths(), document in documents()) {
        let Ok(path) = Path::parse(&text) else { return Ok(()) };
        if let Ok(found) = path.find(&document) && !path.is_definite() {
            prop_assert!(found.is_array());
        }
    }

    #[test]
    fn any_text_is_a_path_or_refused(text in "[$.a-c\\[\\]'\"?@()*:,0-9 =!<>&|/\\\\-]{0,40}") {
        if let Ok(path) = Path::parse(&format!("${text}")) {
            let _ = path.find(&json!({"a": [{"b": 1, "c": "x"}, 2], "b": {"a": null}}));
        }
    }

    #[test]
    fn any_text_is_a_call_or_refused(text in "[$.a-c\\[\\]'(),0-9 {}\\\\-]{0,40}") {
        for name in ["Format", "Array", "MathAdd", "StringSplit"] {
            let text = format!("States.{name}({text})");
            if let Ok(call) = Intrinsic::parse(&text) {
                prop_assert_eq!(call.source(), text.as_str());
                prop_assert!(Query::parse(&text).is_ok());
            }
        }
    }
}
