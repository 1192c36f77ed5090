//! What the command reads from a definition: its states in order, and what a failed
//! attempt leads to.

use serde_json::Value;

/// A definition's outermost states, in the order they are written.
pub(crate) fn outermost_states(definition: &Value) -> Vec<&str> {
    let states = definition.get("States").and_then(Value::as_object);
    states.map(|states| states.keys().map(String::as_str).collect()).unwrap_or_default()
}

/// What `Retry` says about a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct RetryPlan {
    /// Attempts altogether, the first included.
    pub(crate) attempts_max: u64,
    /// The wait before the next one in seconds; with jitter, the longest it can be.
    pub(crate) delay_seconds: f64,
    /// Whether the wait is random below that.
    pub(crate) jitter: bool,
}

/// The retrier that takes an error of a state, if one does and has attempts left.
/// `attempts` so far, the failed one included. Numbers given as expressions are not evaluated here.
pub(crate) fn retry_plan(definition: &Value, state: &str, error: &str, attempts: u32) -> Option<RetryPlan> {
    let retriers = find_state(definition, state)?.get("Retry")?.as_array()?;
    let retrier = retriers.iter().find(|retrier| takes(retrier, error))?;
    let number = |name: &str, default: f64| retrier.get(name).map_or(Some(default), Value::as_f64);
    let again_max = retrier.get("MaxAttempts").map_or(Some(3), Value::as_u64)?;
    if u64::from(attempts) > again_max {
        return None;
    }
    let exponent = i32::try_from(attempts.saturating_sub(1)).unwrap_or(i32::MAX);
    let delay = number("IntervalSeconds", 1.0)? * number("BackoffRate", 2.0)?.powi(exponent);
    Some(RetryPlan {
        attempts_max: again_max + 1,
        delay_seconds: delay.min(number("MaxDelaySeconds", f64::INFINITY)?),
        jitter: retrier.get("JitterStrategy").and_then(Value::as_str) == Some("FULL"),
    })
}

/// AWS's rule: the exact name, `States.ALL`, or `States.TaskFailed` for anything but a timeout.
fn takes(retrier: &Value, error: &str) -> bool {
    let names = retrier.get("ErrorEquals").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    names.iter().filter_map(Value::as_str).any(|name| match name {
        "States.ALL" => !matches!(error, "States.DataLimitExceeded" | "States.Runtime"),
        "States.TaskFailed" => error != "States.Timeout",
        exact => exact == error,
    })
}

/// The names of the states inside of a Map or Parallel.
pub(crate) fn inner_names(state: &Value) -> Vec<String> {
    inner_machines(state).flat_map(state_names).collect()
}

/// The names of all states, those inside of a Map or Parallel after the one they are in.
pub(crate) fn state_names(machine: &Value) -> Vec<String> {
    let mut names = Vec::new();
    for (name, state) in machine.get("States").and_then(Value::as_object).into_iter().flatten() {
        names.push(name.clone());
        names.extend(inner_machines(state).flat_map(state_names));
    }
    names
}

/// A state anywhere in the machine: names are unique across Map and Parallel.
pub(crate) fn find_state<'a>(machine: &'a Value, name: &str) -> Option<&'a Value> {
    let states = machine.get("States")?.as_object()?;
    if let Some(state) = states.get(name) {
        return Some(state);
    }
    states.values().flat_map(inner_machines).find_map(|inner| find_state(inner, name))
}

fn inner_machines(state: &Value) -> impl Iterator<Item = &Value> {
    let processor = state.get("ItemProcessor").or_else(|| state.get("Iterator"));
    let branches = state.get("Branches").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    processor.into_iter().chain(branches)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_retrier_is_found_wherever_its_state_is_and_ends_with_its_attempts() {
        let definition = json!({ "States": {
            "Each": { "Type": "Map", "ItemProcessor": { "States": {
                "Deliver": { "Type": "Task", "Retry": [
                    { "ErrorEquals": ["Deliver.Unavailable"], "IntervalSeconds": 5, "BackoffRate": 2.0,
                      "MaxAttempts": 7, "MaxDelaySeconds": 60, "JitterStrategy": "FULL" },
                    { "ErrorEquals": ["Lambda.ServiceException"] },
                ] },
            } } },
            "Report": { "Type": "Task" },
        } });
        let plan = |error, attempts| retry_plan(&definition, "Deliver", error, attempts);
        assert_eq!(
            plan("Deliver.Unavailable", 2),
            Some(RetryPlan { attempts_max: 8, delay_seconds: 10.0, jitter: true })
        );
        assert_eq!(plan("Deliver.Unavailable", 6).map(|plan| plan.delay_seconds), Some(60.0));
        assert_eq!(plan("Deliver.Unavailable", 8), None, "attempts used up");
        assert_eq!(plan("Lambda.ServiceException", 3).map(|plan| plan.attempts_max), Some(4));
        assert_eq!(plan("Deliver.Conflict", 1), None);
        assert_eq!(retry_plan(&definition, "Report", "Any", 1), None);
        assert_eq!(outermost_states(&definition), ["Each", "Report"]);
    }
}
