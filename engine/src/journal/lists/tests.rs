//! The plans of the lists: no question of the API, the console or the command line reads a table.

use super::ExecutionFilter;
use crate::journal::schema::blank;
use crate::machine::Status;

/// The steps of the plan of a query.
fn plan(filter: &ExecutionFilter) -> Vec<String> {
    let connection = blank().unwrap();
    let (query, values) = filter.query();
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {query}")).unwrap();
    let steps = statement.query_map(rusqlite::params_from_iter(values), |row| row.get(3)).unwrap();
    steps.collect::<Result<_, _>>().unwrap()
}

/// What is asked, and the index that is walked for it.
fn questions() -> Vec<(&'static str, ExecutionFilter)> {
    let all = ExecutionFilter::default;
    let (machine, map_run) = (Some("m".to_owned()), Some("run".to_owned()));
    let (failed, error) = (Some(Status::Failed), Some("E".to_owned()));
    vec![
        ("executions_recent", all()),
        (
            "executions_recent",
            ExecutionFilter { started_from_millis: Some(5), started_before_millis: Some(9), ..all() },
        ),
        ("executions_recent", ExecutionFilter { after: Some((5, 7)), ..all() }),
        ("executions_recent_status", ExecutionFilter { status: failed, ..all() }),
        ("executions_recent_status", ExecutionFilter { status: failed, after: Some((5, 7)), ..all() }),
        ("executions_start", ExecutionFilter { state_machine: machine.clone(), ..all() }),
        (
            "executions_start",
            ExecutionFilter { state_machine: machine.clone(), started_from_millis: Some(5), ..all() },
        ),
        (
            "executions_start",
            ExecutionFilter { state_machine: machine.clone(), redriven: Some(true), ..all() },
        ),
        ("executions_status", ExecutionFilter { state_machine: machine.clone(), status: failed, ..all() }),
        (
            "executions_status",
            ExecutionFilter { state_machine: machine.clone(), status: failed, after: Some((5, 7)), ..all() },
        ),
        ("executions_version", ExecutionFilter { state_machine: machine.clone(), version: Some(3), ..all() }),
        (
            "executions_alias",
            ExecutionFilter { state_machine: machine.clone(), alias: Some("a".into()), ..all() },
        ),
        ("executions_error", ExecutionFilter { error: error.clone(), ..all() }),
        ("executions_error", ExecutionFilter { error: error.clone(), after: Some((5, 7)), ..all() }),
        ("executions_error", ExecutionFilter { error: error.clone(), status: failed, ..all() }),
        ("executions_error", ExecutionFilter { error, state_machine: machine.clone(), ..all() }),
        ("executions_name", ExecutionFilter { name_begins: Some("n".into()), ..all() }),
        (
            "executions_name",
            ExecutionFilter {
                name_begins: Some("n".into()),
                state_machine: machine.clone(),
                status: failed,
                ..all()
            },
        ),
        ("executions_children", ExecutionFilter { map_run: map_run.clone(), ..all() }),
        ("executions_children_status", ExecutionFilter { map_run, status: failed, ..all() }),
    ]
}

#[test]
fn every_list_walks_an_index_in_its_order() {
    for (index, filter) in questions() {
        let plan = plan(&filter);
        let first = plan.iter().find(|step| step.contains(" e ")).unwrap();
        assert!(first.ends_with(index) || first.contains(&format!("{index} (")), "{filter:?}: {plan:#?}");
        // Everybody is a scan of the index of times, which ends with the page.
        assert!(first.starts_with("SEARCH") || index == "executions_recent", "{filter:?}: {plan:#?}");
        let sorted = plan.iter().any(|step| step.contains("TEMP B-TREE"));
        assert_eq!(sorted, filter.name_begins.is_some(), "what matches a name is sorted: {plan:#?}");
    }
}

/// What else is asked of the journal while executions run.
#[test]
fn no_other_question_scans() {
    let queries = [
        format!("SELECT {} WHERE {}", crate::journal::reader::SUMMARY, crate::journal::reader::BY_NAMES),
        "SELECT 1 FROM executions WHERE machine_id = ?1 AND name = ?2".to_owned(),
        "SELECT id FROM map_runs WHERE arn = ?1".to_owned(),
        "SELECT id FROM map_runs WHERE execution_arn = ?1 ORDER BY id DESC".to_owned(),
        "SELECT map_number FROM executions WHERE map_run_id = ?1 AND map_number >= ?2 ORDER BY map_number"
            .to_owned(),
        "SELECT status, count(*), sum(map_items) FROM executions WHERE map_run_id = ?1 GROUP BY status"
            .to_owned(),
        "SELECT records FROM segments WHERE execution_id = ?1 ORDER BY first_record DESC LIMIT 1".to_owned(),
        "SELECT id FROM executions e WHERE e.map_run_id IS NULL AND e.start_millis < ?1 AND e.status <> 0 \
         AND e.stop_millis < ?1 ORDER BY e.start_millis LIMIT 200"
            .to_owned(),
    ];
    let connection = blank().unwrap();
    for query in queries {
        let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {query}")).unwrap();
        let parameters = std::iter::repeat_n(1, statement.parameter_count());
        let steps = statement.query_map(rusqlite::params_from_iter(parameters), |row| row.get(3)).unwrap();
        for step in steps.collect::<Result<Vec<String>, _>>().unwrap() {
            assert!(step.starts_with("SEARCH") || !step.contains("SCAN"), "{query}: {step}");
            assert!(!step.contains("FOR ORDER BY"), "{query}: {step}");
        }
    }
}
