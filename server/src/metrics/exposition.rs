//! The figures in Prometheus's text format: names are AWS's, so are the labels.
//! Times are in milliseconds, as in CloudWatch.

use std::fmt::Write as _;
use std::sync::Arc;

use super::calls::Kind;
use super::{DURATION_LIMITS_MILLIS, Durations, Figures, OfMachine, OfResource};

/// A label and a value of it.
type Label<'a> = (&'static str, &'a str);

pub(super) fn write(figures: &Figures) -> String {
    let mut text = String::new();
    machines(&mut text, figures);
    for kind in [Kind::Activity, Kind::LambdaFunction, Kind::ServiceIntegration] {
        resources(&mut text, figures, kind);
    }
    let calls: Vec<(Vec<Label<'_>>, u64)> = figures
        .operations
        .iter()
        .map(|((operation, error), count)| {
            (vec![("Operation", operation.as_str()), ("Error", *error)], *count)
        })
        .collect();
    counter(
        &mut text,
        "ApiCalls",
        "Calls of the API by operation and error; without an error they succeeded.",
        &calls,
    );
    let throttled = figures.operations.iter().filter(|((_, error), _)| *error == "ThrottlingException");
    let throttled = throttled.map(|(_, count)| count).sum();
    let help = "Requests that were refused because the journal was behind.";
    counter(&mut text, "ExecutionThrottled", help, &[(Vec::new(), throttled)]);
    let open = figures.open.len();
    let _ = writeln!(
        text,
        "# HELP OpenExecutionCount Executions that have not ended.\n# TYPE OpenExecutionCount gauge\n\
         OpenExecutionCount {open}"
    );
    text
}

fn machines(text: &mut String, figures: &Figures) {
    let series = |value: fn(&OfMachine) -> u64| -> Vec<(Vec<Label<'_>>, u64)> {
        let machines = figures.machines.iter();
        machines.map(|(arn, of)| (vec![("StateMachineArn", &**arn)], value(of))).collect()
    };
    counter(text, "ExecutionsStarted", "Executions that started.", &series(|of| of.started));
    counter(text, "ExecutionsSucceeded", "Executions that ended well.", &series(|of| of.succeeded));
    counter(text, "ExecutionsFailed", "Executions that ended with an error.", &series(|of| of.failed));
    counter(text, "ExecutionsAborted", "Executions that were stopped.", &series(|of| of.aborted));
    counter(
        text,
        "ExecutionsTimedOut",
        "Executions that ran into their timeout.",
        &series(|of| of.timed_out),
    );
    counter(text, "RedrivenExecutions", "Executions that were redriven.", &series(|of| of.redriven));
    let times = figures.machines.iter().map(|(arn, of)| (("StateMachineArn", &**arn), &of.time));
    histogram(text, "ExecutionTime", "From start to end, in milliseconds.", times);
}

fn resources(text: &mut String, figures: &Figures, kind: Kind) {
    let (counters, times, label) = match kind {
        Kind::Activity => ("Activities", "Activity", "ActivityArn"),
        Kind::LambdaFunction => ("LambdaFunctions", "LambdaFunction", "LambdaFunctionArn"),
        Kind::ServiceIntegration => {
            ("ServiceIntegrations", "ServiceIntegration", "ServiceIntegrationResourceArn")
        }
    };
    let of_kind = || figures.resources.iter().filter(|((of, _), _)| *of == kind);
    let mut count = |name: &str, help: &str, value: fn(&OfResource) -> u64| {
        let series: Vec<(Vec<Label<'_>>, u64)> =
            of_kind().map(|((_, arn), of)| (vec![(label, &**arn)], value(of))).collect();
        counter(text, &format!("{counters}{name}"), help, &series);
    };
    count("Scheduled", "Calls that were scheduled.", |of| of.scheduled);
    count("Started", "Calls that started.", |of| of.started);
    count("Succeeded", "Calls that succeeded.", |of| of.succeeded);
    count("Failed", "Calls that failed.", |of| of.failed);
    count("TimedOut", "Calls that took too long.", |of| of.timed_out);
    count("HeartbeatTimedOut", "Calls that missed a heartbeat.", |of| of.heartbeat_timed_out);
    for (name, help, value) in [
        (
            "ScheduleTime",
            "From scheduled to started, in milliseconds.",
            schedule_time as fn(&OfResource) -> &Durations,
        ),
        ("RunTime", "From started to ended, in milliseconds.", run_time),
        ("Time", "From scheduled to ended, in milliseconds.", time),
    ] {
        let series = of_kind().map(|((_, arn), of): (&(Kind, Arc<str>), _)| ((label, &**arn), value(of)));
        histogram(text, &format!("{times}{name}"), help, series);
    }
}

fn schedule_time(of: &OfResource) -> &Durations {
    &of.schedule_time
}

fn run_time(of: &OfResource) -> &Durations {
    &of.run_time
}

fn time(of: &OfResource) -> &Durations {
    &of.time
}

fn counter(text: &mut String, name: &str, help: &str, series: &[(Vec<Label<'_>>, u64)]) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} counter");
    for (labels, value) in series {
        let _ = writeln!(text, "{name}{} {value}", braced(labels));
    }
}

fn histogram<'f>(
    text: &mut String,
    name: &str,
    help: &str,
    series: impl Iterator<Item = (Label<'f>, &'f Durations)>,
) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} histogram");
    for (label, durations) in series {
        for (limit, within) in DURATION_LIMITS_MILLIS.iter().zip(durations.within) {
            let limit = limit.to_string();
            let _ = writeln!(text, "{name}_bucket{} {within}", braced(&[label, ("le", &limit)]));
        }
        let Durations { count, sum_millis, .. } = durations;
        let _ = writeln!(text, "{name}_bucket{} {count}", braced(&[label, ("le", "+Inf")]));
        let labels = braced(&[label]);
        let _ = writeln!(text, "{name}_sum{labels} {sum_millis}\n{name}_count{labels} {count}");
    }
}

fn braced(labels: &[Label<'_>]) -> String {
    if labels.is_empty() {
        return String::new();
    }
    let labels = labels.iter().map(|(name, value)| {
        let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        format!("{name}=\"{value}\"")
    });
    format!("{{{}}}", labels.collect::<Vec<_>>().join(","))
}
