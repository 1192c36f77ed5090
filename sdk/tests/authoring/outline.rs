//! A recorded workflow as text, for comparison by eye.

use std::fmt::Write as _;

use stepwright::ir::{
    Block, Catcher, End, Node, NodeRef, Retrier, ServiceRequest, State, StateKind, Wait, Workflow,
};

pub(crate) fn outline(workflow: &Workflow) -> String {
    let mut text = String::new();
    block(&mut text, 0, &workflow.body);
    text
}

fn line(text: &mut String, depth: usize, content: &str) {
    let _ = writeln!(text, "{}{content}", "  ".repeat(depth));
}

fn block(text: &mut String, depth: usize, block: &Block) {
    for one in &block.states {
        state(text, depth, one);
    }
    match block.end {
        End::Value(node) => line(text, depth, &format!("=> {}", value(node))),
        End::Diverges => line(text, depth, "=> !"),
    }
}

fn state(text: &mut String, depth: usize, state: &State) {
    let name = &state.name;
    match &state.kind {
        StateKind::Task(task) => {
            let call = format!("{name}: ${} = {}({})", task.result.0, task.step.name, value(task.input));
            line(text, depth, &call);
            handlers(text, depth + 1, &task.retriers, &task.catchers);
        }
        StateKind::Service(call) => {
            let request = match &call.request {
                ServiceRequest::PutEvent { detail, .. } => format!("event {}", value(detail)),
                ServiceRequest::SendTaskSuccess { step, output, .. } => {
                    format!("answer {} {}", step.name, value(output))
                }
                ServiceRequest::SendTaskFailure { step, error, .. } => {
                    format!("refuse {} {}", step.name, value(error))
                }
            };
            line(text, depth, &format!("{name}: {request}"));
            handlers(text, depth + 1, &call.retriers, &call.catchers);
        }
        StateKind::Pass { value: passed, result } => {
            line(text, depth, &format!("{name}: ${} = {}", result.0, value(passed)));
        }
        StateKind::Wait(Wait::Seconds(seconds)) => {
            line(text, depth, &format!("{name}: wait {}", value(seconds)));
        }
        StateKind::Wait(Wait::Until(moment)) => {
            line(text, depth, &format!("{name}: until {}", value(moment)));
        }
        StateKind::Choice(choice) => {
            for arm in &choice.arms {
                line(text, depth, &format!("{name}: ${} = if {}", choice.result.0, value(arm.condition)));
                block(text, depth + 1, &arm.body);
            }
            line(text, depth, "else");
            block(text, depth + 1, &choice.otherwise);
        }
        StateKind::Map(map) => {
            let limit = map.max_concurrency.map(|limit| format!(" by {limit}")).unwrap_or_default();
            line(
                text,
                depth,
                &format!("{name}: ${} = each ${} of {}{limit}", map.result.0, map.item.0, value(map.items)),
            );
            block(text, depth + 1, &map.body);
            handlers(text, depth + 1, &map.retriers, &map.catchers);
        }
        StateKind::Parallel(parallel) => {
            line(text, depth, &format!("{name}: ${} = parallel", parallel.result.0));
            for branch in &parallel.branches {
                line(text, depth, "branch");
                block(text, depth + 1, branch);
            }
            handlers(text, depth + 1, &parallel.retriers, &parallel.catchers);
        }
        StateKind::Fail { error, cause } => {
            line(text, depth, &format!("{name}: fail {} because {}", value(error), value(cause)));
        }
        StateKind::Succeed { output } => line(text, depth, &format!("{name}: succeed {}", value(output))),
    }
}

fn handlers(text: &mut String, depth: usize, retriers: &[Retrier], catchers: &[Catcher]) {
    for retrier in retriers {
        let Retrier { errors, interval_seconds, max_attempts, backoff_rate, max_delay_seconds, full_jitter } =
            retrier;
        let max = max_delay_seconds.map(|seconds| format!(" max {seconds}s")).unwrap_or_default();
        let jitter = if *full_jitter { " jitter" } else { "" };
        let content =
            format!("retry {errors:?} {interval_seconds}s x{backoff_rate} {max_attempts}{max}{jitter}");
        line(text, depth, &content);
    }
    for catcher in catchers {
        line(text, depth, &format!("catch {:?} as ${}", catcher.errors, catcher.caught.0));
        block(text, depth + 1, &catcher.body);
    }
}

pub(crate) fn value(node: NodeRef) -> String {
    let all = |nodes: &[NodeRef]| nodes.iter().map(|node| value(node)).collect::<Vec<_>>().join(", ");
    match node {
        Node::Input => String::from("input"),
        Node::Event => String::from("event"),
        Node::Slot(slot) => format!("${}", slot.0),
        Node::ItemIndex(slot) => format!("index of ${}", slot.0),
        Node::Context(context) => format!("{context:?}"),
        Node::Field { of, name, optional } => {
            format!("{}.{name}{}", value(of), if *optional { "?" } else { "" })
        }
        Node::Element { of, index } => format!("{}[{index}]", value(of)),
        Node::Literal(literal) => literal.to_string(),
        Node::Object(members) => {
            let members = members.iter().map(|member| {
                format!("{}{}: {}", member.name, if member.optional { "?" } else { "" }, value(member.value))
            });
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        }
        Node::Array(items) => format!("[{}]", all(items)),
        Node::Not(of) => format!("not {}", value(of)),
        Node::Logic(logic, left, right) => format!("({} {logic:?} {})", value(left), value(right)),
        Node::Compare(comparison, left, right) => {
            format!("({} {comparison:?} {})", value(left), value(right))
        }
        Node::Arithmetic(operation, left, right) => {
            format!("({} {operation:?} {})", value(left), value(right))
        }
        Node::Concat(parts) => format!("text({})", all(parts)),
        Node::IsSome(of) => format!("is_some({})", value(of)),
        Node::UnwrapOr(of, default) => format!("({} or {})", value(of), value(default)),
        Node::Count(of) => format!("count({})", value(of)),
        Node::Pluck(of, name) => format!("{}[*].{name}", value(of)),
        Node::Filter { of, item, condition } => format!("{}[${}: {}]", value(of), item.0, value(condition)),
        Node::Contains(of, wanted) => format!("({} contains {})", value(of), value(wanted)),
        Node::Sum(of) => format!("sum({})", value(of)),
    }
}
