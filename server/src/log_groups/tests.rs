use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use super::*;

fn arn(name: &str) -> String {
    format!("arn:aws:logs:us-east-1:123456789012:log-group:{name}:*")
}

fn event(group: &str, number: usize) -> LogEvent {
    LogEvent {
        log_group_arn: arn(group).into(),
        execution_arn: "arn:aws:states:us-east-1:123456789012:execution:m:e".into(),
        timestamp_millis: 1_000,
        document: json!({ "id": number.to_string(), "type": "PassStateEntered" }),
    }
}

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn every_group_has_a_file_that_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let logs = folder.path().join("logs/groups");
    for start in [0, 2] {
        let groups = LogGroups::in_folder(&logs).unwrap();
        (start..start + 2).for_each(|number| groups.write(event("/aws/states/orders", number)));
        groups.write(event("other", start));
        groups.close();
        groups.write(event("other", 9));
    }
    let orders = lines(&logs.join("%2Faws%2Fstates%2Forders.jsonl"));
    let ids: Vec<_> = orders.iter().map(|line| line["message"]["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["0", "1", "2", "3"]);
    assert_eq!((&orders[0]["timestamp"], &orders[0]["logStream"]), (&json!(1_000), &json!("e")));
    assert_eq!(lines(&logs.join("other.jsonl")).len(), 2, "nothing is written after the end");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&logs), mode(&logs.join("other.jsonl"))), (0o700, 0o600));
}

#[test]
fn names_are_no_paths() {
    let long = "a".repeat(512);
    for name in ["../../etc/passwd", "..", ".", "", "a\0b", "a/b", long.as_str()] {
        let file = file_name(&arn(name));
        assert!(!file.contains(['/', '\0']) && !file.starts_with('.') && file.len() < 200, "{name}: {file}");
    }
    assert_ne!(file_name(&arn(&long)), file_name(&arn(&format!("{long}b"))));
    assert!(!file_name("no arn at all").contains('/'));
}

#[test]
fn a_large_file_makes_room() {
    let folder = tempfile::tempdir().unwrap();
    let mut files = Files::new(folder.path(), 100);
    for number in 0..5 {
        files
            .write(&Line { group: arn("g").into(), text: format!("\"{number}{}\"", " ".repeat(37)) })
            .unwrap();
    }
    files.open.values_mut().for_each(|open| open.file.flush().unwrap());
    assert_eq!(lines(&folder.path().join("g.jsonl")).len(), 1);
    assert_eq!(lines(&folder.path().join("g.jsonl.1")).len(), 2);
}

#[test]
fn the_old_file_of_a_group_is_no_other_groups() {
    let folder = tempfile::tempdir().unwrap();
    let mut files = Files::new(folder.path(), 100);
    let line = |group: &str| Line {
        group: arn(group).into(),
        text: "{\"x\":\"01234567890123456789012345678901234567890123456789\"}".to_owned(),
    };
    files.write(&line("g.1")).unwrap();
    files.write(&line("g.jsonl")).unwrap();
    (0..3).for_each(|_| files.write(&line("g")).unwrap());
    drop(files);
    for (name, expected) in [("g.1.jsonl", 1), ("g.jsonl.jsonl", 1), ("g.jsonl", 1), ("g.jsonl.1", 1)] {
        assert_eq!(lines(&folder.path().join(name)).len(), expected, "{name}");
    }
    let long = "a".repeat(512);
    let file = file_name(&arn(&long));
    assert_ne!(file_name(&arn(file.trim_end_matches(".jsonl"))), file, "no name is the digest of another");
}

#[test]
fn few_files_are_open() {
    let folder = tempfile::tempdir().unwrap();
    let mut files = Files::new(folder.path(), 1000);
    for round in 0..2 {
        for group in 0..FILES_OPEN_MAX * 2 {
            let text = json!({ "round": round }).to_string();
            files.write(&Line { group: arn(&format!("g{group}")).into(), text }).unwrap();
            assert!(files.open.len() <= FILES_OPEN_MAX);
        }
    }
    drop(files);
    for group in 0..FILES_OPEN_MAX * 2 {
        assert_eq!(lines(&folder.path().join(format!("g{group}.jsonl"))).len(), 2, "g{group}");
    }
}
