//! The first customer's job from the terminal: reference data, a year of months, people who are
//! asked, corrections, files that cannot be used.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::coreview;
use crate::{project_root, stepwright, told};

/// A customer of one's own: a copy of the sample's specs and files.
struct Customer {
    folder: TempDir,
    data: TempDir,
}

impl Customer {
    fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        let sample = sample();
        let files = [sample.clone(), sample.join("input")].into_iter();
        for entry in files.flat_map(|folder| fs::read_dir(folder).expect("the sample")) {
            let path = entry.expect("an entry").path();
            if path.is_file() {
                fs::copy(&path, folder.path().join(path.file_name().expect("a name"))).expect("copied");
            }
        }
        Self { folder, data: TempDir::new().expect("a folder") }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Replaces a text of a file that has it.
    fn edit(&self, name: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.file(name)).expect("a text");
        assert!(text.contains(from), "{name} has no {from:?}");
        fs::write(self.file(name), text.replace(from, to)).expect("written");
    }

    fn typed(&self, arguments: &[&str]) -> Output {
        stepwright(self.data.path()).args(arguments).args(["-o", "json"]).output().expect("stepwright starts")
    }

    /// `stepwright run WORKFLOW` with files of the customer.
    fn run(&self, workflow: &str, files: &[&str], more: &[&str]) -> Output {
        let spec = self.file("customer.toml").display().to_string();
        let files: Vec<String> = files.iter().map(|name| self.file(name).display().to_string()).collect();
        let mut arguments = vec!["run", workflow, "--spec", &spec];
        arguments.extend(files.iter().flat_map(|file| ["--input", file]));
        arguments.extend(more);
        self.typed(&arguments)
    }

    fn reference_data(&self) -> Value {
        json_of(&self.run("coreview-refdata", &REFERENCES, &[]), 0)
    }

    fn settle(&self, month: &str, more: &[&str]) -> Output {
        let period = format!("2024-{month}");
        let mut arguments = vec!["--period", &period];
        arguments.extend(more);
        self.run("coreview-commission", &[&format!("contracts-2024-{month}.csv")], &arguments)
    }

    /// The first column of every row of CoreView's tables.
    fn asked(&self, sql: &str) -> Vec<String> {
        let database = rusqlite::Connection::open(self.data.path().join("coreview.db")).expect("opens");
        let mut statement = database.prepare(sql).expect("the table is there");
        let rows = statement.query_map([], |row| row.get(0)).expect("the query runs");
        rows.collect::<Result<_, _>>().expect("rows read")
    }
}

pub(super) const REFERENCES: [&str; 3] =
    ["commission_matrices_2024.xlsx", "agent_volume_targets_2024.xlsx", "reference_rates_2024.zip"];

pub(super) fn sample() -> PathBuf {
    project_root().join("workflows/samples/coreview-commission")
}

fn json_of(output: &Output, code: i32) -> Value {
    assert_eq!(output.status.code(), Some(code), "{}", told(output));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", told(output)))
}

#[test]
fn a_year_of_months_is_settled_and_delivered_once() {
    let data = TempDir::new().expect("a folder");
    let export = data.path().join("year.csv");
    let to = export.display().to_string();
    let year = || {
        let mut command = stepwright(data.path());
        command.args(["run", "coreview-commission", "-o", "json", "--export", &to]);
        json_of(&command.output().expect("stepwright starts"), 0)
    };
    let first = year();
    let executions = first.as_array().expect("several executions");
    assert_eq!(executions.len(), 13, "the reference data and twelve months");
    let expected = fs::read(sample().join("expected/commissions.csv")).expect("the expected figures");
    assert_eq!(fs::read(&export).expect("the export"), expected, "what plain loops calculate");
    let held = coreview(data.path());
    assert_eq!(held.ledger.len(), 36, "three markets a month");

    let again = year();
    assert_eq!(coreview(data.path()), held, "nothing twice");
    let deliveries = again.as_array().expect("executions").iter().skip(1);
    for delivery in deliveries.flat_map(|month| month["output"]["deliveries"].as_array().expect("deliveries"))
    {
        assert_eq!(delivery["already_delivered"], json!(true), "{delivery}");
    }
    let report = &executions[12]["output"]["report"]["html"];
    let html = data.path().join("objects/staging").join(report["key"].as_str().expect("a key"));
    let html = fs::read_to_string(html).expect("the report");
    for part in ["2024-12", "2024-11", "SEK", "EUR", "ADJUSTMENT"] {
        assert!(html.contains(part), "the report says nothing of {part}");
    }
}

#[test]
fn what_is_missing_is_asked_for_and_the_answer_goes_on() {
    let customer = Customer::new();
    let waiting = customer.settle("01", &["--name", "january"]);
    let asked = json_of(&waiting, 4);
    assert_eq!(asked["status"], "RUNNING");
    let question = asked["waiting"][0]["parameters"]["Payload"].to_string();
    for reference in ["cells", "targets", "rates"] {
        assert!(question.contains(reference), "{question}");
    }
    let listed = json_of(&customer.typed(&["waiting"]), 0);
    assert_eq!(listed[0]["name"], "january");

    // Who says it is there although it is not is told so, and can say it again.
    let answer = r#"{"approved": true, "by": "A. Planner"}"#;
    let early = customer.typed(&["answer", "january", "--result", answer, "--wait"]);
    assert_eq!(json_of(&early, 1)["error"], "OpenRun.Missing");
    customer.reference_data();
    let redriven = customer.typed(&["redrive", "january", "--reason", "it is there now", "--yes", "--wait"]);
    assert_eq!(json_of(&redriven, 0)[0]["status"], "SUCCEEDED");
    assert_eq!(customer.asked("SELECT state FROM coreview_ledger"), ["active"; 3]);
    assert_eq!(customer.asked("SELECT answered_by FROM ops_question"), ["A. Planner"]);
}

#[test]
fn a_jump_is_approved_or_nothing_is_delivered() {
    let customer = Customer::new();
    customer.edit("customer.toml", "jump_percent = 40", "jump_percent = 0.5");
    customer.reference_data();
    json_of(&customer.settle("01", &[]), 0);
    let asked = json_of(&customer.settle("02", &["--name", "february"]), 4);
    assert!(asked["waiting"][0]["parameters"].to_string().contains("payable"), "{asked}");
    assert_eq!(customer.asked("SELECT period FROM coreview_ledger WHERE period = '2024-02'"), [""; 0]);

    let no = r#"{"approved": false, "by": "A. Controller", "note": "wrong targets"}"#;
    let refused = json_of(&customer.typed(&["answer", "february", "--result", no, "--wait"]), 1);
    assert_eq!(
        (&refused["error"], &refused["cause"]),
        (&json!("Control.NotApproved"), &json!("wrong targets"))
    );
    assert_eq!(customer.asked("SELECT period FROM coreview_ledger WHERE period = '2024-02'"), [""; 0]);

    json_of(&customer.settle("02", &["--name", "february-again"]), 4);
    let yes = r#"{"approved": true, "by": "A. Controller"}"#;
    let approved = json_of(&customer.typed(&["answer", "february-again", "--result", yes, "--wait"]), 0);
    assert_eq!(approved["status"], "SUCCEEDED");
    assert_eq!(customer.asked("SELECT state FROM coreview_ledger WHERE period = '2024-02'"), ["active"; 3]);
}

#[test]
fn a_period_is_corrected_with_a_reason_and_only_where_it_changed() {
    let customer = Customer::new();
    customer.reference_data();
    json_of(&customer.settle("01", &[]), 0);
    let contracts = fs::read_to_string(customer.file("contracts-2024-01.csv")).expect("contracts");
    let mut lines = contracts.lines();
    let header = lines.next().expect("a header");
    let late = lines.find(|line| line.contains(";signed;") && line.contains(";south;")).expect("a contract");
    let (_, rest) = late.split_once(';').expect("columns");
    fs::write(customer.file("contracts-late.csv"), format!("{header}\nS2401-999;{rest}\n")).expect("written");

    let period = ["--period", "2024-01"];
    let refused = customer.run("coreview-commission", &["contracts-late.csv"], &period);
    let refused = json_of(&refused, 1);
    assert_eq!(refused["error"], "Deliver.Conflict", "{refused}");
    let ledger = "SELECT market || ' ' || version FROM coreview_ledger WHERE state = 'active' ORDER BY 1";
    assert_eq!(customer.asked(ledger), ["north 1", "south 1", "west 1"], "nothing was changed");

    let corrected = ["--period", "2024-01", "--correction", "a contract came late"];
    let corrected = customer.run("coreview-commission", &["contracts-late.csv"], &corrected);
    json_of(&corrected, 0);
    assert_eq!(customer.asked(ledger), ["north 1", "south 2", "west 1"], "the market that changed");
    assert_eq!(customer.asked("SELECT DISTINCT reason FROM coreview_audit"), ["a contract came late"]);
    assert_eq!(customer.asked("SELECT entity_key FROM coreview_audit").len(), 1, "its agent's month");
}

#[test]
fn a_file_that_cannot_be_used_is_set_aside_until_another_is_in_its_place() {
    let customer = Customer::new();
    let targets = customer.file(REFERENCES[1]);
    let good = fs::read(&targets).expect("targets");
    fs::write(&targets, &good[..good.len() / 2]).expect("cut off");
    let failed = json_of(&customer.run("coreview-refdata", &REFERENCES, &["--name", "cut"]), 1);
    assert_eq!(failed["error"], "Quarantine.NotReplaced", "{failed}");
    let objects = customer.data.path().join("objects");
    let report =
        found(&objects.join("quarantine"), |path| path.extension().is_some_and(|ending| ending == "html"));
    let report = fs::read_to_string(report).expect("the report");
    assert!(report.contains(REFERENCES[1]) && report.contains("Parse."), "{report}");

    fs::write(
        found(&objects.join("drops"), |path| path.file_name().is_some_and(|name| name == REFERENCES[1])),
        &good,
    )
    .expect("another file in its place");
    let redriven = customer.typed(&["redrive", "cut", "--reason", "a whole file", "--yes", "--wait"]);
    assert_eq!(json_of(&redriven, 0)[0]["status"], "SUCCEEDED");
    let active = "SELECT name FROM reference_revision WHERE state = 'active' ORDER BY 1";
    assert_eq!(customer.asked(active), ["cells", "rates", "targets"]);
}

/// The first such file somewhere below a folder.
fn found(folder: &Path, is_it: impl Fn(&Path) -> bool) -> PathBuf {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if is_it(&path) {
                return path;
            }
        }
    }
    panic!("no such file in {}", folder.display());
}
