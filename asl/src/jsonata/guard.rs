//! Bounds the evaluator does not have, put into the expression itself.
//!
//! The evaluator counts levels, time and the items of sequences, but not the
//! size of texts: `$pad('x', 2e9)` or a text doubled in a loop would take the
//! whole machine. Calls of checking functions are therefore wrapped around the
//! places where text grows. Their names hold a colon, which no source can.

use jsonata_core::ast::{AstNode, BinaryOp, PathStep, Stage};

/// `f(text)`: the text just made is not too long, nor all texts together.
pub(super) const TEXT: &str = "guard:text";
/// `f(value)`: the value, printed, is not too long.
pub(super) const FITS: &str = "guard:fits";
/// `f(value)`: a number is no more than the length of the longest text.
pub(super) const WIDTH: &str = "guard:width";
/// `f(number, picture)`: the number can be written in Roman numerals.
pub(super) const ROMAN: &str = "guard:roman";
/// `f(text, replacement)`: the text with every character replaced is not too long.
pub(super) const REPLACED: &str = "guard:replaced";
/// `f(value)`: a text is no longer than pictures may be.
pub(super) const PICTURE: &str = "guard:picture";
/// `f()`: the time of the evaluation, for `$now(picture)`.
pub(super) const MILLIS: &str = "guard:millis";

/// Wraps every place of the expression where text can grow.
pub(super) fn protect(node: &mut AstNode) {
    for_each_child_mut(node, &mut protect);
    match node {
        AstNode::Binary { op: BinaryOp::Concatenate, lhs, .. } => {
            // One check per chain of `&` is enough: the outermost.
            unwrap_text(lhs);
            wrap(node, TEXT);
        }
        AstNode::Binary { op: BinaryOp::ChainPipe, lhs, rhs } => {
            // `x ~> $f(..)` passes x as the first argument, so the call itself
            // has to stay a call.
            unwrap_text(rhs);
            if let AstNode::Function { name, .. } = rhs.as_ref() {
                match name.as_str() {
                    "join" | "string" => wrap(lhs, FITS),
                    "pad" | "replace" => {}
                    _ => return,
                }
                wrap(node, TEXT);
            }
        }
        AstNode::Function { name, args, .. } => {
            if args.iter().any(|argument| matches!(argument, AstNode::Placeholder)) {
                return;
            }
            if protect_arguments(name, args) {
                wrap(node, TEXT);
            } else if name == "now" && !args.is_empty() {
                for argument in args.iter_mut() {
                    wrap(argument, PICTURE);
                }
                args.insert(0, call(MILLIS, Vec::new()));
                "fromMillis".clone_into(name);
            }
        }
        _ => {}
    }
}

/// Checks what goes into a function that makes text; says whether what comes
/// out is to be checked, too.
fn protect_arguments(name: &str, args: &mut [AstNode]) -> bool {
    match (name, args) {
        ("join" | "string", [first, ..]) => wrap(first, FITS),
        ("pad", args) => args.iter_mut().for_each(|argument| wrap(argument, WIDTH)),
        ("formatNumber" | "fromMillis", args) => {
            for argument in args {
                wrap(argument, PICTURE);
            }
        }
        ("toMillis" | "parseInteger", [_, picture, ..]) => wrap(picture, PICTURE),
        ("formatInteger", [number, picture]) => {
            wrap(picture, PICTURE);
            let number_itself = std::mem::replace(number, AstNode::Null);
            *number = call(ROMAN, vec![number_itself, picture.clone()]);
        }
        ("replace", [text, _, replacement, ..]) if !matches!(replacement, AstNode::Lambda { .. }) => {
            let text_itself = std::mem::replace(text, AstNode::Null);
            *text = call(REPLACED, vec![text_itself, replacement.clone()]);
        }
        ("string" | "join" | "replace", _) => {}
        _ => return false,
    }
    true
}

fn call(name: &str, args: Vec<AstNode>) -> AstNode {
    AstNode::Function { name: name.to_owned(), args, is_builtin: true }
}

fn wrap(node: &mut AstNode, name: &str) {
    let inner = std::mem::replace(node, AstNode::Null);
    *node = call(name, vec![inner]);
}

fn unwrap_text(node: &mut AstNode) {
    if let AstNode::Function { name, args, .. } = node
        && name == TEXT
        && let Some(inner) = args.pop()
    {
        *node = inner;
    }
}

fn for_each_child_mut(node: &mut AstNode, visit: &mut dyn FnMut(&mut AstNode)) {
    match node {
        AstNode::String(_)
        | AstNode::Name(_)
        | AstNode::Number(_)
        | AstNode::Boolean(_)
        | AstNode::Null
        | AstNode::Undefined
        | AstNode::Placeholder
        | AstNode::Regex { .. }
        | AstNode::Variable(_)
        | AstNode::ParentVariable(_)
        | AstNode::Wildcard
        | AstNode::Descendant
        | AstNode::Parent(_) => {}
        AstNode::Path { steps } => steps.iter_mut().for_each(|step| visit_step(step, visit)),
        AstNode::Binary {
            op: BinaryOp::ColonEqual | BinaryOp::FocusBind | BinaryOp::IndexBind, rhs, ..
        } => {
            visit(rhs);
        }
        AstNode::Binary { lhs, rhs, .. } => {
            visit(lhs);
            visit(rhs);
        }
        AstNode::Unary { operand: inner, .. }
        | AstNode::FunctionApplication(inner)
        | AstNode::Lambda { body: inner, .. } => visit(inner),
        AstNode::Function { args: items, .. }
        | AstNode::Array(items)
        | AstNode::Block(items)
        | AstNode::ArrayGroup(items) => items.iter_mut().for_each(visit),
        AstNode::Call { procedure, args } => {
            visit(procedure);
            args.iter_mut().for_each(visit);
        }
        AstNode::Object(pairs) => visit_pairs(pairs, visit),
        AstNode::ObjectTransform { input, pattern } => {
            visit(input);
            visit_pairs(pattern, visit);
        }
        AstNode::Conditional { condition, then_branch, else_branch } => {
            visit(condition);
            visit(then_branch);
            if let Some(branch) = else_branch {
                visit(branch);
            }
        }
        AstNode::Sort { input, terms } => {
            visit(input);
            for (term, _) in terms {
                visit(term);
            }
        }
        AstNode::Transform { location, update, delete } => {
            visit(location);
            visit(update);
            if let Some(part) = delete {
                visit(part);
            }
        }
    }
}

fn visit_step(step: &mut PathStep, visit: &mut dyn FnMut(&mut AstNode)) {
    visit(&mut step.node);
    for stage in &mut step.stages {
        if let Stage::Filter(filter) = stage {
            visit(filter);
        }
    }
}

fn visit_pairs(pairs: &mut [(AstNode, AstNode)], visit: &mut dyn FnMut(&mut AstNode)) {
    for (key, value) in pairs {
        visit(key);
        visit(value);
    }
}
