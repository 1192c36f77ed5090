//! The law of `codegen`: the generated definition, run by the engine, ends as
//! the workflow itself does. Random workflows are described as plain data, run
//! once by [`Interpreter`], which walks the description, and once by the
//! engine, which walks the definition.

use std::collections::BTreeMap;

use codegen::ir::{
    Arithmetic, Arm, Block, Catcher, Choice, Comparison, End, ErrorInfo, Location, Map, Member, Node,
    NodeRef, Parallel, Slot, State, StateKind, StepInfo, Task, TypeInfo, Wait, Workflow,
};
use engine::{Status, TaskOutcome, TaskRequest, lambda_invoke_result};
use proptest::prelude::*;
use schemars::JsonSchema;
use serde_json::{Value, json};

/// The one error there is: which of two branches fails first is then all the same.
const ERROR: &str = "E.Odd";

const LOCATION: Location = Location { file: "lowering.rs", line: 1 };

#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct Input {
    n: i64,
}

const STEP: StepInfo = StepInfo {
    name: "compute",
    doc: "",
    package: "package",
    location: LOCATION,
    memory_mib: 128,
    timeout_seconds: 3,
    input: TypeInfo { name: "i64", schema: schemars::SchemaGenerator::subschema_for::<i64> },
    output: TypeInfo { name: "i64", schema: schemars::SchemaGenerator::subschema_for::<i64> },
    waits: false,
    errors: &[ErrorInfo { name: ERROR, doc: "" }],
    grants: Vec::new,
};

/// The step: fails for every third number.
fn compute(number: i64) -> Option<i64> {
    (number.rem_euclid(3) != 1).then(|| (number * 7).rem_euclid(1009))
}

// ---- random workflows

fn node(node: Node) -> NodeRef {
    Box::leak(Box::new(node))
}

/// What a block may speak of.
#[derive(Clone, Default)]
struct Scope {
    /// Numbers.
    numbers: Vec<NodeRef>,
    /// Names of caught errors.
    errors: Vec<NodeRef>,
}

/// Builds workflows from a tape of choices; an exhausted tape ends everything at once.
struct Builder<'t> {
    tape: std::slice::Iter<'t, u8>,
    slots: u32,
    states: u32,
}

impl Builder<'_> {
    fn pick(&mut self, ways: u8) -> u8 {
        self.tape.next().copied().unwrap_or(0) % ways
    }

    fn slot(&mut self) -> Slot {
        self.slots += 1;
        Slot(self.slots)
    }

    fn workflow(&mut self) -> Workflow {
        let mut scope = Scope::default();
        scope.numbers.push(node(Node::Field { of: node(Node::Input), name: "n", optional: false }));
        let mut body = self.block(&mut scope, 4, false);
        if let End::Value(value) = body.end {
            let list = node(Node::Array(vec![self.number(&scope), value]));
            let members = [("value", value), ("list", list)];
            let members = members.map(|(name, value)| Member { name, value, optional: false });
            body.end = End::Value(node(Node::Object(members.to_vec())));
        }
        Workflow {
            name: "random".to_owned(),
            comment: None,
            input: TypeInfo { name: "Input", schema: schemars::SchemaGenerator::subschema_for::<Input> },
            output: TypeInfo { name: "Value", schema: schemars::SchemaGenerator::subschema_for::<Value> },
            timeout_seconds: None,
            intake: None,
            triggers: Vec::new(),
            body,
            location: LOCATION,
        }
    }

    /// The scope is the caller's: what a block's states produce is seen after it only where the
    /// caller says so.
    fn block(&mut self, scope: &mut Scope, depth: u8, may_diverge: bool) -> Block {
        let mut states = Vec::new();
        for _ in 0..self.pick(4) {
            match self.state(scope, depth) {
                Some((state, true)) => {
                    states.push(state);
                    return Block { states, end: End::Diverges };
                }
                Some((state, false)) => states.push(state),
                None => {}
            }
        }
        if may_diverge && self.pick(5) == 4 {
            let kind = if self.pick(2) == 0 {
                let text = |text: &str| node(Node::Literal(json!(text)));
                StateKind::Fail { error: text(ERROR), cause: text("so it is") }
            } else {
                StateKind::Succeed { output: self.number(scope) }
            };
            states.push(self.named("End", kind));
            return Block { states, end: End::Diverges };
        }
        Block { states, end: End::Value(self.number(scope)) }
    }

    fn named(&mut self, name: &str, kind: StateKind) -> State {
        self.states += 1;
        // Some names are wanted twice.
        let name = if self.pick(3) == 0 { name.to_owned() } else { format!("{name} {}", self.states) };
        State { name, comment: None, location: LOCATION, kind }
    }

    fn number(&mut self, scope: &Scope) -> NodeRef {
        let any = |builder: &mut Self| {
            // Every other time the latest: that is where the arrows are interesting.
            let index = usize::from(builder.pick(255) / 2 * builder.pick(2)) % scope.numbers.len();
            scope.numbers[scope.numbers.len() - 1 - index]
        };
        match self.pick(5) {
            0..=2 => any(self),
            3 => {
                let (left, right) = (any(self), any(self));
                node(Node::Arithmetic(Arithmetic::Add, left, right))
            }
            _ => node(Node::Literal(json!(5))),
        }
    }

    fn condition(&mut self, scope: &Scope) -> NodeRef {
        match (self.pick(3), scope.errors.last()) {
            (0, Some(error)) => {
                node(Node::Compare(Comparison::Equal, error, node(Node::Literal(json!(ERROR)))))
            }
            _ => node(Node::Compare(Comparison::Less, self.number(scope), self.number(scope))),
        }
    }

    /// A state, and whether nothing comes after it.
    fn state(&mut self, scope: &mut Scope, depth: u8) -> Option<(State, bool)> {
        let inner = depth.checked_sub(1);
        let kind = match (self.pick(7), inner) {
            (0 | 1, _) => self.task(scope, inner.unwrap_or(0)),
            (2, _) => {
                let (value, result) = (self.number(scope), self.slot());
                scope.numbers.push(node(Node::Slot(result)));
                StateKind::Pass { value, result }
            }
            (3, _) => StateKind::Wait(Wait::Seconds(node(Node::Literal(json!(self.pick(9)))))),
            (4, Some(depth)) => return Some(self.choice(scope, depth)),
            (5, Some(depth)) => self.map(scope, depth),
            (6, Some(depth)) => self.parallel(scope, depth),
            _ => return None,
        };
        Some((self.named("State", kind), false))
    }

    fn task(&mut self, scope: &mut Scope, depth: u8) -> StateKind {
        let (input, result) = (self.number(scope), self.slot());
        let catchers = if self.pick(2) == 0 { Vec::new() } else { self.catchers(scope, depth, false) };
        scope.numbers.push(node(Node::Slot(result)));
        StateKind::Task(Task {
            step: STEP,
            input,
            result,
            retriers: Vec::new(),
            catchers,
            timeout_seconds: None,
            heartbeat_seconds: None,
            lets_fail: Vec::new(),
        })
    }

    /// `lists`: the handler's value stands in for an array.
    fn catchers(&mut self, scope: &Scope, depth: u8, lists: bool) -> Vec<Catcher> {
        let caught = self.slot();
        let mut inside = scope.clone();
        let of = node(Node::Slot(caught));
        inside.errors.push(node(Node::Field { of, name: "Error", optional: false }));
        let mut body = self.block(&mut inside, depth, true);
        if let (true, End::Value(value)) = (lists, body.end) {
            body.end = End::Value(node(Node::Array(vec![value, value])));
        }
        let error = if self.pick(2) == 0 { ERROR } else { "States.ALL" };
        vec![Catcher { errors: vec![error.to_owned()], caught, body }]
    }

    fn choice(&mut self, scope: &mut Scope, depth: u8) -> (State, bool) {
        let result = self.slot();
        let mut arms = Vec::new();
        for _ in 0..=self.pick(2) {
            let condition = self.condition(scope);
            arms.push(Arm { condition, body: self.block(&mut scope.clone(), depth, true) });
        }
        let otherwise = self.block(&mut scope.clone(), depth, true);
        let blocks = arms.iter().map(|arm| &arm.body).chain([&otherwise]);
        let diverges = blocks.into_iter().all(|block| matches!(block.end, End::Diverges));
        if !diverges {
            scope.numbers.push(node(Node::Slot(result)));
        }
        (self.named("Choice", StateKind::Choice(Choice { arms, otherwise, result })), diverges)
    }

    fn map(&mut self, scope: &mut Scope, depth: u8) -> StateKind {
        let items = (0..self.pick(3)).map(|_| self.number(scope));
        let items = items.collect();
        let (item, result) = (self.slot(), self.slot());
        let mut inside = scope.clone();
        inside.numbers.extend([node(Node::ItemIndex(item)), node(Node::Slot(item))]);
        let body = self.block(&mut inside, depth, true);
        let catchers = if self.pick(2) == 0 { Vec::new() } else { self.catchers(scope, depth, true) };
        scope.numbers.push(node(Node::Sum(node(Node::Slot(result)))));
        StateKind::Map(Map {
            items: node(Node::Array(items)),
            item,
            body,
            max_concurrency: None,
            result,
            retriers: Vec::new(),
            catchers,
        })
    }

    fn parallel(&mut self, scope: &mut Scope, depth: u8) -> StateKind {
        let branches = (0..2).map(|_| self.block(&mut scope.clone(), depth, true));
        let branches = branches.collect();
        let result = self.slot();
        let catchers = if self.pick(2) == 0 { Vec::new() } else { self.catchers(scope, depth, true) };
        scope.numbers.push(node(Node::Element { of: node(Node::Slot(result)), index: 1 }));
        StateKind::Parallel(Parallel { branches, result, retriers: Vec::new(), catchers })
    }
}

// ---- the workflow itself

/// How a block ends.
enum Ending {
    /// With a value, and the block around goes on.
    Value(Value),
    /// With a value, and everything around it in its scope ends, too.
    Succeeded(Value),
    Failed,
}

#[derive(Clone)]
struct Interpreter {
    input: Value,
    slots: BTreeMap<Slot, Value>,
    indices: BTreeMap<Slot, usize>,
}

impl Interpreter {
    fn block(&mut self, block: &Block) -> Ending {
        for state in &block.states {
            if let Some(ending) = self.state(&state.kind) {
                return ending;
            }
        }
        match block.end {
            End::Value(value) => Ending::Value(self.value(value)),
            End::Diverges => unreachable!("its last state does not go on"),
        }
    }

    /// A scope: what ends it is its value.
    fn scope(&self, block: &Block) -> Option<Value> {
        match self.clone().block(block) {
            Ending::Value(value) | Ending::Succeeded(value) => Some(value),
            Ending::Failed => None,
        }
    }

    /// `None` when the next state follows.
    fn state(&mut self, kind: &StateKind) -> Option<Ending> {
        match kind {
            StateKind::Task(task) => {
                let number = self.value(task.input).as_i64().expect("a number");
                self.settle(compute(number).map(|number| json!(number)), task.result, &task.catchers)
            }
            StateKind::Pass { value, result } => {
                let value = self.value(value);
                self.slots.insert(*result, value);
                None
            }
            StateKind::Wait(_) | StateKind::Service(_) => None,
            StateKind::Choice(choice) => {
                let arm = choice.arms.iter().find(|arm| self.value(arm.condition) == json!(true));
                let block = arm.map_or(&choice.otherwise, |arm| &arm.body);
                let ending = self.block(block);
                self.bind(ending, choice.result)
            }
            StateKind::Map(map) => {
                let items = self.value(map.items).as_array().expect("a list").clone();
                let results = items.into_iter().enumerate().map(|(index, item)| {
                    let mut iteration = self.clone();
                    iteration.slots.insert(map.item, item);
                    iteration.indices.insert(map.item, index);
                    iteration.scope(&map.body)
                });
                let results = results.collect::<Option<Vec<_>>>();
                self.settle(results.map(Value::Array), map.result, &map.catchers)
            }
            StateKind::Parallel(parallel) => {
                let results = parallel.branches.iter().map(|branch| self.scope(branch));
                let results = results.collect::<Option<Vec<_>>>();
                self.settle(results.map(Value::Array), parallel.result, &parallel.catchers)
            }
            StateKind::Fail { .. } => Some(Ending::Failed),
            StateKind::Succeed { output } => Some(Ending::Succeeded(self.value(output))),
        }
    }

    fn settle(&mut self, outcome: Option<Value>, result: Slot, catchers: &[Catcher]) -> Option<Ending> {
        match (outcome, catchers.first()) {
            (Some(value), _) => self.bind(Ending::Value(value), result),
            (None, Some(catcher)) => {
                self.slots.insert(catcher.caught, json!({ "Error": ERROR, "Cause": "" }));
                let ending = self.block(&catcher.body);
                self.bind(ending, result)
            }
            (None, None) => Some(Ending::Failed),
        }
    }

    fn bind(&mut self, ending: Ending, result: Slot) -> Option<Ending> {
        match ending {
            Ending::Value(value) => {
                self.slots.insert(result, value);
                None
            }
            ending => Some(ending),
        }
    }

    fn value(&self, node: NodeRef) -> Value {
        match node {
            Node::Input | Node::Event => self.input.clone(),
            Node::Slot(slot) => self.slots[slot].clone(),
            Node::ItemIndex(slot) => json!(self.indices[slot]),
            Node::Field { of, name, .. } => self.value(of)[*name].clone(),
            Node::Element { of, index } => self.value(of)[*index].clone(),
            Node::Literal(value) => value.clone(),
            Node::Object(members) => {
                let members = members.iter().map(|member| (member.name.to_owned(), self.value(member.value)));
                Value::Object(members.collect())
            }
            Node::Array(elements) => elements.iter().map(|element| self.value(element)).collect(),
            Node::Compare(Comparison::Equal, left, right) => json!(self.value(left) == self.value(right)),
            Node::Compare(_, left, right) => json!(self.value(left).as_i64() < self.value(right).as_i64()),
            Node::Arithmetic(_, left, right) => {
                let number = |node| self.value(node).as_i64().expect("a number");
                json!(number(left) + number(right))
            }
            Node::Sum(of) => {
                let list = self.value(of);
                json!(list.as_array().expect("a list").iter().filter_map(Value::as_i64).sum::<i64>())
            }
            other => unreachable!("the builder makes no {other:?}"),
        }
    }
}

// ---- both

/// `None`: it failed.
fn by_the_definition(generated: &codegen::Generated, input: &Value) -> Option<Value> {
    let run = engine::simulate::run(&generated.machine, input.clone(), 0, &mut |request: &TaskRequest| {
        let number = request.arguments["Payload"].as_i64().expect("a number");
        match compute(number) {
            Some(result) => TaskOutcome::Succeeded(lambda_invoke_result(&result.to_string())),
            None => TaskOutcome::Failed { error: ERROR.to_owned(), cause: String::new() },
        }
    });
    match run.status {
        Status::Succeeded => run.output,
        Status::Failed => {
            assert_eq!(run.error.as_deref(), Some(ERROR), "{:?}\n{}", run.cause, generated.definition);
            None
        }
        other => panic!("the execution is {other}\n{}", generated.definition),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_definition_ends_as_its_workflow_does(
        n in -20_i64..20,
        tape in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        let workflow = Builder { tape: tape.iter(), slots: 0, states: 0 }.workflow();
        let generated = codegen::emit(&workflow, &codegen::Options { app: "app".to_owned() });
        let generated = generated.map_err(|error| TestCaseError::fail(error.to_string()))?;
        let input = json!({ "n": n });
        let interpreter = Interpreter { input: input.clone(), slots: BTreeMap::new(), indices: BTreeMap::new() };
        let expected = interpreter.scope(&workflow.body);
        prop_assert_eq!(by_the_definition(&generated, &input), expected, "{}", generated.definition);
    }
}
