use super::*;

fn retrier(errors: &[&str], max_attempts: u64) -> Retrier {
    Retrier {
        errors: errors.iter().map(|error| (*error).to_owned()).collect(),
        interval_seconds: 1,
        max_attempts,
        backoff_rate: 2.0,
        max_delay_seconds: None,
        full_jitter: false,
    }
}

/// The error names of every retrier, in order.
fn errors(retriers: &[Retrier]) -> Vec<Vec<String>> {
    let names = |retrier: &Value| serde_json::from_value(retrier["ErrorEquals"].clone()).expect("names");
    super::of_task(retriers).iter().map(names).collect()
}

fn transient_names() -> Vec<String> {
    TRANSIENT.iter().map(|error| (*error).to_owned()).collect()
}

#[test]
fn transient_errors_are_retried_without_being_asked_for() {
    assert_eq!(errors(&[]), [transient_names()]);
    assert_eq!(errors(&[retrier(&["A.B"], 3)]), [vec!["A.B".to_owned()], transient_names()]);
}

#[test]
fn what_the_author_says_of_a_transient_error_holds() {
    let [named, rest] =
        <[Vec<String>; 2]>::try_from(errors(&[retrier(&["Lambda.ServiceException"], 0)])).expect("two");
    assert_eq!(named, ["Lambda.ServiceException"]);
    assert_eq!(rest, transient_names().split_off(1));
}

#[test]
fn a_wildcard_that_retries_covers_them_and_one_that_does_not_comes_last() {
    for wildcard in WILDCARDS {
        assert_eq!(errors(&[retrier(&[wildcard], 2)]), [vec![wildcard.to_owned()]]);
        let never = errors(&[retrier(&["A.B"], 1), retrier(&[wildcard], 0)]);
        assert_eq!(never, [vec!["A.B".to_owned()], transient_names(), vec![wildcard.to_owned()]]);
    }
}
