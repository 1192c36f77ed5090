//! ARNs of state machines, executions, activities and roles.

/// The account in ARNs when none is configured.
pub const DEFAULT_ACCOUNT: &str = "123456789012";
/// The region in ARNs when none is configured.
pub const DEFAULT_REGION: &str = "us-east-1";

/// ARN of a state machine.
pub fn state_machine_arn(region: &str, account: &str, name: &str) -> String {
    format!("arn:aws:states:{region}:{account}:stateMachine:{name}")
}

/// ARN of an execution.
pub fn execution_arn(region: &str, account: &str, state_machine: &str, name: &str) -> String {
    format!("arn:aws:states:{region}:{account}:execution:{state_machine}:{name}")
}

/// ARN of an Express execution. `id` tells executions of one name apart.
pub fn express_arn(region: &str, account: &str, state_machine: &str, name: &str, id: &str) -> String {
    format!("arn:aws:states:{region}:{account}:express:{state_machine}:{name}:{id}")
}

/// ARN of a Map Run of an execution of this state machine.
pub fn map_run_arn(state_machine_arn: &str, label: &str, uuid: &str) -> String {
    let parts: Vec<&str> = state_machine_arn.splitn(7, ':').collect();
    let part = |index: usize| parts.get(index).copied().unwrap_or_default();
    // The child of a Map Run can have Map Runs: they are of the same state machine.
    let machine = part(6).split('/').next().unwrap_or_default();
    format!("arn:aws:states:{}:{}:mapRun:{machine}/{label}:{uuid}", part(3), part(4))
}

/// ARN of a child execution of a Map Run.
pub fn child_arn(map_run_arn: &str, name: &str) -> String {
    let run = map_run_arn.rsplit_once(':').map_or(map_run_arn, |(run, _)| run);
    format!("{}:{name}", run.replacen(":mapRun:", ":execution:", 1))
}

/// ARN of the state machine of a Map Run's child executions.
pub fn map_run_state_machine_arn(map_run_arn: &str) -> String {
    let run = map_run_arn.rsplit_once(':').map_or(map_run_arn, |(run, _)| run);
    run.replacen(":mapRun:", ":stateMachine:", 1)
}

/// ARN of an activity.
pub fn activity_arn(region: &str, account: &str, name: &str) -> String {
    format!("arn:aws:states:{region}:{account}:activity:{name}")
}

/// ARN of the role an execution gets when its state machine names none.
pub fn role_arn(account: &str, state_machine: &str) -> String {
    format!("arn:aws:iam::{account}:role/{state_machine}")
}

/// The name in a state machine's ARN, without a version or alias; a name is taken as it is.
pub fn state_machine_name(name_or_arn: &str) -> &str {
    qualified_name(name_or_arn).0
}

/// The name in a state machine's ARN, and the version or alias behind it; a name is taken as it is.
pub fn qualified_name(name_or_arn: &str) -> (&str, Option<&str>) {
    match after(name_or_arn, ":stateMachine:") {
        None => (name_or_arn, None),
        Some(rest) => match rest.split_once(':') {
            None => (rest, None),
            Some((name, qualifier)) => (name, Some(qualifier)),
        },
    }
}

/// The names of the state machine and the execution in an execution's ARN.
pub fn execution_names(arn: &str) -> Option<(&str, &str)> {
    after(arn, ":execution:")?.split_once(':')
}

fn after<'a>(arn: &'a str, marker: &str) -> Option<&'a str> {
    arn.starts_with("arn:").then(|| arn.split_once(marker)).flatten().map(|(_, rest)| rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_arns() {
        let arn = execution_arn(DEFAULT_REGION, DEFAULT_ACCOUNT, "m", "run-1");
        assert_eq!(execution_names(&arn), Some(("m", "run-1")));
        let arn = state_machine_arn(DEFAULT_REGION, DEFAULT_ACCOUNT, "m");
        assert_eq!(state_machine_name(&arn), "m");
        assert_eq!(state_machine_name("m"), "m");
        assert_eq!(qualified_name(&format!("{arn}:7")), ("m", Some("7")));
        assert_eq!(qualified_name(&arn), ("m", None));
        assert_eq!(execution_names("m"), None);
        let run = map_run_arn(&format!("{arn}/outer"), "label", "uuid");
        assert_eq!(run, "arn:aws:states:us-east-1:123456789012:mapRun:m/label:uuid");
        assert_eq!(child_arn(&run, "c"), "arn:aws:states:us-east-1:123456789012:execution:m/label:c");
        assert_eq!(map_run_state_machine_arn(&run), format!("{arn}/label"));
    }
}
