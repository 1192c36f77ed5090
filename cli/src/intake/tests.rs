use indexmap::IndexMap;
use infra::manifest::Workflow;

use super::*;

fn workflow(intake: bool) -> Workflow {
    Workflow {
        name: "orders".to_owned(),
        comment: None,
        definition: String::new(),
        definition_sha256: String::new(),
        input_schema: json!({}),
        source_map: IndexMap::new(),
        intake: intake.then(|| Intake {
            bucket: "drops".to_owned(),
            files_field: "files".to_owned(),
            spec_field: "spec".to_owned(),
            with_folder: false,
            period_field: None,
            messages_field: None,
            correction_field: None,
            sample: "samples/orders".to_owned(),
        }),
        triggers: Vec::new(),
        functions: Vec::new(),
        puts_events: false,
        answers: Vec::new(),
    }
}

#[test]
fn the_same_files_make_the_same_input() {
    let dir = tempfile::tempdir().expect("temp dir");
    let (spec, feed) = (dir.path().join("feed.toml"), dir.path().join("a b.csv"));
    std::fs::write(&spec, "[feed]\n").expect("written");
    std::fs::write(&feed, "x\n1\n").expect("written");
    let data = DataDir::create(&dir.path().join("data")).expect("data folder");
    let input = || {
        let given = Given::Files {
            spec: spec.clone(),
            inputs: vec![feed.clone()],
            messages: None,
            period: None,
            correction: None,
        };
        given.into_input(&workflow(true), &data).expect("an input")
    };
    let first = input();
    assert_eq!(first, input());
    let value: Value = serde_json::from_str(&first).expect("JSON");
    let reference = &value["files"][0];
    assert_eq!(reference["bytes"], 4);
    let sha256 = "8d60217b5b77a1fbff43ce1ce05c19b6ff6d0e4cdfb82a0f0cb5b4d1a3a1b0d2";
    assert_eq!(reference["sha256"].as_str().map(str::len), Some(sha256.len()));
    let key = reference["key"].as_str().expect("a key");
    assert!(key.ends_with("/a b.csv"), "{key}");
    assert_eq!(std::fs::read(data.bucket("drops").join(key)).expect("the object"), b"x\n1\n");
    let left: Vec<_> = std::fs::read_dir(data.bucket("drops")).expect("bucket").collect();
    assert_eq!(left.len(), 2, "one folder per content, nothing half written");
}

#[test]
fn a_document_is_the_input_whatever_its_layout() {
    let dir = tempfile::tempdir().expect("temp dir");
    let path = dir.path().join("input.json");
    std::fs::write(&path, "{\n  \"b\": 1,\n  \"a\": 1.50\n}\n").expect("written");
    let data = DataDir::create(&dir.path().join("data")).expect("data folder");
    let input = Given::Document(path.clone()).into_input(&workflow(false), &data).expect("an input");
    assert_eq!(input, r#"{"b":1,"a":1.5}"#);
    std::fs::write(&path, "{oops").expect("written");
    assert!(matches!(
        Given::Document(path).into_input(&workflow(false), &data),
        Err(Problem::Usage { message, .. }) if message.contains("is not JSON")
    ));
}

#[test]
fn only_regular_files_are_taken() {
    let dir = tempfile::tempdir().expect("temp dir");
    let socket = dir.path().join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).expect("a socket");
    for path in [Path::new("/dev/null"), &socket] {
        let refused = Given::Document(path.to_owned()).readable();
        assert!(matches!(refused, Err(Problem::NotRegular { .. })), "{}: {refused:?}", path.display());
    }
    let folder = Given::Document(dir.path().to_owned()).readable();
    assert!(matches!(folder, Err(Problem::Folder { .. })), "{folder:?}");
}

#[test]
fn a_file_name_becomes_a_key_that_is_no_path() {
    assert_eq!(key_name(Path::new("/x/feed.csv.zip")), "feed.csv.zip");
    assert_eq!(key_name(Path::new("a\\b\n.csv")), "a_b_.csv");
    let long = format!("{}.csv", "é".repeat(300));
    let key = key_name(Path::new(&long));
    assert!(key.len() <= 200 && key.ends_with("é.csv"), "{key}");
}

#[test]
fn a_spec_goes_with_the_specs_beside_it_to_a_place_made_of_all_of_them() {
    let dir = tempfile::tempdir().expect("temp dir");
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).expect("written");
    write("customer.toml", "a = 1");
    write("rates.toml", "b = 1");
    write("notes.txt", "not a spec");
    let data = DataDir::create(&dir.path().join("data")).expect("data folder");
    let mut workflow = workflow(true);
    if let Some(intake) = &mut workflow.intake {
        intake.with_folder = true;
        intake.period_field = Some("period".to_owned());
        intake.correction_field = Some("correction".to_owned());
    }
    let input = || {
        let given = Given::Files {
            spec: dir.path().join("customer.toml"),
            inputs: Vec::new(),
            messages: None,
            period: Some("2024-03".to_owned()),
            correction: Some("late contracts".to_owned()),
        };
        let input = given.into_input(&workflow, &data).expect("an input");
        serde_json::from_str::<Value>(&input).expect("JSON")
    };
    let first = input();
    assert_eq!(first["period"], "2024-03");
    assert_eq!(first["correction"], json!({ "reason": "late contracts" }));
    let key = first["spec"]["key"].as_str().expect("a key");
    let place = data.bucket("drops").join(key);
    let beside = place.with_file_name("rates.toml");
    assert_eq!(std::fs::read_to_string(beside).expect("it is beside"), "b = 1");
    assert!(!place.with_file_name("notes.txt").exists());
    assert_eq!(input(), first, "the same files, the same place");
    write("rates.toml", "b = 2");
    assert_ne!(input()["spec"]["key"], first["spec"]["key"], "another spec, another place");
}
