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
    let mut files = Files { folder: folder.path().to_owned(), open: BTreeMap::new(), bytes_max: 100 };
    for number in 0..5 {
        files
            .write(&Line { group: arn("g").into(), text: format!("\"{number}{}\"", " ".repeat(37)) })
            .unwrap();
    }
    files.open.values_mut().for_each(|open| open.file.flush().unwrap());
    assert_eq!(lines(&folder.path().join("g.jsonl")).len(), 1);
    assert_eq!(lines(&folder.path().join("g.1.jsonl")).len(), 2);
}
