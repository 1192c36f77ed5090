use super::*;

#[test]
fn the_machine_does_what_the_reference_tells() {
    let report = run(&Options { scenarios: 2_000, ..Options::default() });
    assert_eq!(report.failed, 0, "{}", report.failures.join("\n"));
}
