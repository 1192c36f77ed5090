use super::*;

fn log(folder: &Path, function: &str, environment: &[(&str, &str)]) -> FunctionLog {
    let environment =
        environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    FunctionLog::new(function, folder.join(format!("{function}.log")), &[&environment])
}

const MINE: &str = "arn:aws:states:us-east-1:123456789012:execution:m:mine";

fn origin(execution_arn: Option<&str>) -> Origin<'_> {
    Origin { request_id: "r-1", execution_arn }
}

#[test]
fn an_execution_finds_its_lines_in_the_logs_of_all_functions() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (log(folder.path(), "one", &[]), log(folder.path(), "two", &[]));
    one.append(origin(Some(MINE)), vec!["START".to_owned(), "a\tb".to_owned()]);
    two.append(
        origin(Some("arn:aws:states:us-east-1:123456789012:execution:m:mine-2")),
        vec!["x".to_owned()],
    );
    two.append(origin(None), vec!["nobody's".to_owned()]);
    two.append(origin(Some(MINE)), vec!["c".to_owned()]);
    std::fs::write(folder.path().join("other.log"), "no columns\n\u{fffd}").unwrap();
    let found = read(folder.path(), MINE).unwrap();
    let mut seen: Vec<_> = found
        .iter()
        .map(|line| (line.function.as_str(), line.request_id.as_str(), line.text.as_str()))
        .collect();
    seen.sort_unstable();
    assert_eq!(seen, [("one", "r-1", "START"), ("one", "r-1", "a\tb"), ("two", "r-1", "c")]);
    assert!(found.is_sorted_by_key(|line| &line.time));
    assert_eq!(read(&folder.path().join("none"), MINE).unwrap(), []);
    assert_eq!(one.tail(1), ["a\tb"]);
}

#[test]
fn the_file_before_the_last_is_read_too() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path(), "f", &[]);
    log.append(origin(Some(MINE)), vec!["before".to_owned()]);
    log.inner.lock().unwrap().written = FILE_BYTES_MAX + 1;
    log.append(origin(Some(MINE)), vec!["after".to_owned()]);
    assert!(folder.path().join("f.log.1").exists());
    let texts: Vec<String> = read(folder.path(), MINE).unwrap().into_iter().map(|line| line.text).collect();
    assert_eq!(texts, ["before", "after"]);
}

#[test]
fn secrets_are_blackened_out() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(
        folder.path(),
        "f",
        &[
            ("STEPWRIGHT_SECRET_COREVIEW", "postgres://ada:hunter22@db.internal/coreview"),
            ("STEPWRIGHT_SECRET_SHORT", "on"),
            ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI"),
            ("MODE", "verbose-mode"),
        ],
    );
    let black = |line: &str| log.blackened(line.to_owned());
    assert_eq!(black("to postgres://ada:hunter22@db.internal/coreview now"), "to ***** now");
    assert_eq!(black("password hunter22, key wJalrXUtnFEMI."), "password *****, key *****.");
    assert_eq!(black("on in verbose-mode"), "on in verbose-mode");
}

#[test]
fn a_log_that_was_put_aside_by_somebody_else_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path(), "f", &[]);
    let texts =
        || -> Vec<String> { read(folder.path(), MINE).unwrap().into_iter().map(|line| line.text).collect() };
    log.append(origin(Some(MINE)), vec!["before".to_owned()]);
    std::fs::rename(folder.path().join("f.log"), folder.path().join("f.log.old")).unwrap();
    log.inner.lock().unwrap().written = FILE_BYTES_MAX + 1;
    log.append(origin(Some(MINE)), vec!["after".to_owned()]);
    assert_eq!(texts(), ["after"]);
    // Nothing can take the place of a folder that is not empty.
    std::fs::create_dir_all(folder.path().join("f.log.1/x")).unwrap();
    log.inner.lock().unwrap().written = FILE_BYTES_MAX + 1;
    log.append(origin(Some(MINE)), vec!["lost".to_owned()]);
    log.append(origin(Some(MINE)), vec!["later".to_owned()]);
    std::fs::remove_dir_all(folder.path().join("f.log.1")).unwrap();
    assert_eq!(texts(), ["after", "later"]);
}
