//! The states as ASL.

use serde_json::{Map, Value, json};
use stepwright::ir::{self, NodeRef};

use crate::draft::{
    CatchDraft, Draft, Exit, Fill, KindDraft, ScopeDraft, ScopeId, StateDraft, StateId, Target,
};
use crate::jsonata::{Printer, Problem};
use crate::places::{Given, Moment, Registry, Site, SlotShapes, Variable};
use crate::{CodegenError, intake, retry};

/// What a Task state waits longer than its Lambda function may run, in seconds: the
/// function's own timeout has to come first, because it says what happened. Covers a
/// cold start and a wait for a free worker.
pub(crate) const TASK_TIMEOUT_MARGIN_SECONDS: u64 = 60;

/// How long a call of a service may take, in seconds: many times what one takes.
const CALL_TIMEOUT_SECONDS: u64 = 60;

/// The longest a Task state may wait, in seconds (AWS: `TimeoutSeconds` ≤ 99,999,999).
const TIMEOUT_SECONDS_MAX: u64 = 99_999_999;

type Fields = Map<String, Value>;

/// Writes a drafted machine: the document that is printed as the definition.
pub(crate) fn machine<'a>(
    workflow: &ir::Workflow,
    draft: &'a Draft<'a>,
    shapes: SlotShapes<'a>,
    app: &str,
) -> Result<Value, CodegenError> {
    let registry = Registry::new(draft, shapes, intake::is_needed(workflow));
    let mut renderer = Renderer { draft, registry, app };
    // A pass may find that a state reads what another has to assign; then that one is written again.
    loop {
        let before = renderer.registry.changes();
        let scope = renderer.scope(Draft::ROOT)?;
        if renderer.registry.changes() == before {
            let mut document = Fields::new();
            if let Some(comment) = &workflow.comment {
                document.insert("Comment".to_owned(), json!(comment));
            }
            document.insert("QueryLanguage".to_owned(), json!("JSONata"));
            if let Some(seconds) = workflow.timeout_seconds {
                document.insert("TimeoutSeconds".to_owned(), json!(seconds));
            }
            document.extend(with_intake(workflow, draft, scope)?);
            return Ok(Value::Object(document));
        }
    }
}

/// The machine's `StartAt` and `States`, with the state before them that makes the input.
fn with_intake(
    workflow: &ir::Workflow,
    draft: &Draft<'_>,
    mut scope: Fields,
) -> Result<Fields, CodegenError> {
    let start = scope.get("StartAt").cloned().unwrap_or_default();
    if let Some((name, state)) = intake::state(workflow, draft, &start)? {
        scope.insert("StartAt".to_owned(), json!(name));
        if let Some(states) = scope.get_mut("States").and_then(Value::as_object_mut) {
            states.shift_insert(0, name, state);
        }
    }
    Ok(scope)
}

struct Renderer<'a, 'o> {
    draft: &'a Draft<'a>,
    registry: Registry<'a>,
    app: &'o str,
}

impl<'a> Renderer<'a, '_> {
    /// `StartAt` and `States`.
    fn scope(&mut self, id: ScopeId) -> Result<Fields, CodegenError> {
        let draft = self.draft;
        let mut states = Fields::new();
        for state in draft.states_in(id) {
            if let Some(drafted) = draft.state(state) {
                let fields = self.state(state, drafted)?;
                states.insert(draft.name(state).to_owned(), Value::Object(fields));
            }
        }
        let start = draft.scope(id).and_then(ScopeDraft::first);
        let mut fields = Fields::new();
        fields.insert("StartAt".to_owned(), json!(start.map(|start| draft.name(start))));
        fields.insert("States".to_owned(), Value::Object(states));
        Ok(fields)
    }

    fn state(&mut self, id: StateId, state: &'a StateDraft<'a>) -> Result<Fields, CodegenError> {
        let mut fields = Fields::new();
        fields.insert("Type".to_owned(), json!(type_name(&state.kind)));
        if let Some(comment) = state.comment {
            fields.insert("Comment".to_owned(), json!(comment));
        }
        match &state.kind {
            KindDraft::Task(task) => self.task(id, task, &mut fields)?,
            KindDraft::Call(call) => self.call(id, &call.request, &mut fields)?,
            KindDraft::Wait(ir::Wait::Seconds(seconds)) => {
                fields.insert("Seconds".to_owned(), self.enter(id, seconds)?);
            }
            KindDraft::Wait(ir::Wait::Until(timestamp)) => {
                fields.insert("Timestamp".to_owned(), self.enter(id, timestamp)?);
            }
            KindDraft::Choice { rules, otherwise } => self.choice(id, rules, otherwise, &mut fields)?,
            KindDraft::Map { map, body } => self.map(id, map, *body, &mut fields)?,
            KindDraft::Parallel { branches, .. } => self.parallel(id, branches, &mut fields)?,
            KindDraft::Fail { error, cause } => {
                fields.insert("Error".to_owned(), self.enter(id, error)?);
                fields.insert("Cause".to_owned(), self.enter(id, cause)?);
            }
            KindDraft::Succeed { output: Some(output) } => {
                let output =
                    self.print(id, Moment::Enter, &Fill::default(), |printer| printer.output(output))?;
                fields.insert("Output".to_owned(), output);
            }
            KindDraft::Succeed { output: None } | KindDraft::Pass { .. } => {}
        }
        let retriers = match &state.kind {
            KindDraft::Task(_) => retry::of_task(state.retriers),
            KindDraft::Call(call) => retry::of_call(&call.request, state.retriers),
            _ => retry::of(state.retriers),
        };
        if !retriers.is_empty() {
            fields.insert("Retry".to_owned(), Value::Array(retriers));
        }
        if !state.catchers.is_empty() {
            let catchers = state.catchers.iter().enumerate();
            let catchers = catchers.map(|(number, catcher)| self.catcher(id, number, catcher));
            fields.insert("Catch".to_owned(), Value::Array(catchers.collect::<Result<_, _>>()?));
        }
        if let Some(exit) = &state.exit {
            self.exit(id, state, exit, &mut fields)?;
        }
        Ok(fields)
    }

    fn task(&mut self, id: StateId, task: &ir::Task, fields: &mut Fields) -> Result<(), CodegenError> {
        let input = self.enter(id, task.input)?;
        let (resource, payload) = if task.step.waits {
            let payload = json!({ "input": input, "taskToken": "{% $states.context.Task.Token %}" });
            ("arn:aws:states:::lambda:invoke.waitForTaskToken", payload)
        } else {
            ("arn:aws:states:::lambda:invoke", input)
        };
        let function = crate::functions::name(self.app, task.step.name);
        fields.insert("Resource".to_owned(), json!(resource));
        fields.insert("Arguments".to_owned(), json!({ "FunctionName": function, "Payload": payload }));
        // How long an answer may take is the author's to say: a function's time says nothing of it.
        let of_function =
            (!task.step.waits).then(|| u64::from(task.step.timeout_seconds) + TASK_TIMEOUT_MARGIN_SECONDS);
        if let Some(seconds) = task.timeout_seconds.or(of_function) {
            fields.insert("TimeoutSeconds".to_owned(), json!(seconds.min(TIMEOUT_SECONDS_MAX)));
        }
        if let Some(seconds) = task.heartbeat_seconds {
            fields.insert("HeartbeatSeconds".to_owned(), json!(seconds));
        }
        Ok(())
    }

    fn call(
        &mut self,
        id: StateId,
        request: &ir::ServiceRequest,
        fields: &mut Fields,
    ) -> Result<(), CodegenError> {
        let (resource, arguments) = match request {
            ir::ServiceRequest::PutEvent { source, detail_type, detail } => {
                let entry = json!({
                    "Source": self.enter(id, source)?,
                    "DetailType": self.enter(id, detail_type)?,
                    "Detail": self.enter(id, detail)?,
                });
                ("arn:aws:states:::events:putEvents", json!({ "Entries": [entry] }))
            }
            ir::ServiceRequest::SendTaskSuccess { token, output, .. } => {
                let output =
                    self.print(id, Moment::Enter, &Fill::default(), |printer| printer.json_text(output))?;
                let arguments = json!({ "TaskToken": self.enter(id, token)?, "Output": output });
                ("arn:aws:states:::aws-sdk:sfn:sendTaskSuccess", arguments)
            }
            ir::ServiceRequest::SendTaskFailure { token, error, cause, .. } => {
                let arguments = json!({
                    "TaskToken": self.enter(id, token)?,
                    "Error": self.enter(id, error)?,
                    "Cause": self.enter(id, cause)?,
                });
                ("arn:aws:states:::aws-sdk:sfn:sendTaskFailure", arguments)
            }
        };
        fields.insert("Resource".to_owned(), json!(resource));
        fields.insert("Arguments".to_owned(), arguments);
        fields.insert("TimeoutSeconds".to_owned(), json!(CALL_TIMEOUT_SECONDS));
        Ok(())
    }

    fn choice(
        &mut self,
        id: StateId,
        rules: &[(NodeRef, Exit)],
        otherwise: &Exit,
        fields: &mut Fields,
    ) -> Result<(), CodegenError> {
        let mut choices = Vec::new();
        for (condition, exit) in rules {
            let mut rule = Fields::new();
            let condition =
                self.print(id, Moment::Enter, &Fill::default(), |printer| printer.condition(condition))?;
            rule.insert("Condition".to_owned(), condition);
            self.deliver(id, Moment::Enter, &exit.fill, None, &mut rule)?;
            self.transition(exit.target, &mut rule);
            choices.push(Value::Object(rule));
        }
        fields.insert("Choices".to_owned(), Value::Array(choices));
        // Assign and Output of the state itself are Default's: a matching rule has its own.
        self.deliver(id, Moment::Enter, &otherwise.fill, None, fields)?;
        if let Target::State(target) = otherwise.target {
            fields.insert("Default".to_owned(), json!(self.draft.name(target)));
        }
        Ok(())
    }

    fn map(
        &mut self,
        id: StateId,
        map: &ir::Map,
        body: ScopeId,
        fields: &mut Fields,
    ) -> Result<(), CodegenError> {
        fields.insert("Items".to_owned(), self.enter(id, map.items)?);
        let given = self.registry.given(id);
        if !given.is_empty() {
            let mut selector = Fields::new();
            selector.insert("item".to_owned(), json!("{% $states.context.Map.Item.Value %}"));
            for given in given {
                let member = self.registry.member(id, given);
                let value = match given {
                    Given::Index(slot) if slot == map.item => json!("{% $states.context.Map.Item.Index %}"),
                    _ => self.given(id, given)?,
                };
                selector.insert(member, value);
            }
            fields.insert("ItemSelector".to_owned(), Value::Object(selector));
        }
        if let Some(limit) = map.max_concurrency {
            fields.insert("MaxConcurrency".to_owned(), json!(limit));
        }
        let mut processor = Fields::new();
        processor.insert("ProcessorConfig".to_owned(), json!({ "Mode": "INLINE" }));
        processor.extend(self.scope(body)?);
        fields.insert("ItemProcessor".to_owned(), Value::Object(processor));
        Ok(())
    }

    fn parallel(
        &mut self,
        id: StateId,
        branches: &[ScopeId],
        fields: &mut Fields,
    ) -> Result<(), CodegenError> {
        let given = self.registry.given(id);
        if !given.is_empty() {
            let mut arguments = Fields::new();
            for given in given {
                let member = self.registry.member(id, given);
                arguments.insert(member, self.given(id, given)?);
            }
            fields.insert("Arguments".to_owned(), Value::Object(arguments));
        }
        let branches = branches.iter().map(|branch| self.scope(*branch).map(Value::Object));
        fields.insert("Branches".to_owned(), Value::Array(branches.collect::<Result<_, _>>()?));
        Ok(())
    }

    fn catcher(&mut self, id: StateId, number: usize, catch: &CatchDraft<'_>) -> Result<Value, CodegenError> {
        let mut fields = Fields::new();
        fields.insert("ErrorEquals".to_owned(), json!(catch.catcher.errors));
        let caught = (catch.catcher.caught, "$states.errorOutput");
        self.deliver(id, Moment::Caught(number), &catch.exit.fill, Some(caught), &mut fields)?;
        self.transition(catch.exit.target, &mut fields);
        Ok(Value::Object(fields))
    }

    /// `Assign`, `Output` and the transition of a state that goes on.
    fn exit(
        &mut self,
        id: StateId,
        state: &'a StateDraft<'a>,
        exit: &Exit,
        fields: &mut Fields,
    ) -> Result<(), CodegenError> {
        let output = match state.kind {
            KindDraft::Task(task) => Some(Output::Path(crate::places::result_of(task))),
            KindDraft::Pass { value } => Some(Output::Node(value)),
            // The results in order, or the input: what AWS puts out by itself.
            _ => None,
        };
        let result = match (state.result, &output) {
            (None, _) => None,
            (Some(slot), Some(output)) => Some((slot, *output)),
            (Some(slot), None) => Some((slot, Output::Path("$states.result"))),
        };
        let mut assign = self.kept(id);
        if let Some((slot, value)) = result {
            let name = self.registry.variable(Variable::Slot(slot)).map(str::to_owned);
            if let Some(name) = name {
                let value = self.result(id, value)?;
                assign.insert(name, value);
            }
        }
        self.assign(id, Moment::Exit, &exit.fill, &mut assign)?;
        if !assign.is_empty() {
            fields.insert("Assign".to_owned(), Value::Object(assign));
        }
        let output = match (exit.fill.output, output) {
            (Some(node), _) | (None, Some(Output::Node(node))) => {
                Some(self.print(id, Moment::Exit, &exit.fill, |printer| printer.output(node))?)
            }
            (None, Some(path @ Output::Path(_))) => Some(self.result(id, path)?),
            (None, None) => None,
        };
        // AWS puts the results out by itself.
        let is_default =
            matches!(state.kind, KindDraft::Task(_) | KindDraft::Map { .. } | KindDraft::Parallel { .. })
                && output.as_ref().is_some_and(|output| output == "{% $states.result %}");
        if let Some(output) = output.filter(|_| !is_default) {
            fields.insert("Output".to_owned(), output);
        }
        self.transition(exit.target, fields);
        Ok(())
    }

    /// What goes into the variable of a state's result.
    fn result(&mut self, id: StateId, output: Output) -> Result<Value, CodegenError> {
        match output {
            Output::Path(path) => Ok(json!(format!("{{% {path} %}}"))),
            Output::Node(node) => self.enter(id, node),
        }
    }

    /// `Assign` and `Output` of a Choice rule, of its default or of a catcher.
    fn deliver(
        &mut self,
        id: StateId,
        moment: Moment,
        fill: &Fill,
        caught: Option<(ir::Slot, &str)>,
        fields: &mut Fields,
    ) -> Result<(), CodegenError> {
        let mut assign = self.kept(id);
        if let Some((slot, path)) = caught
            && let Some(name) = self.registry.variable(Variable::Slot(slot))
        {
            assign.insert(name.to_owned(), json!(format!("{{% {path} %}}")));
        }
        self.assign(id, moment, fill, &mut assign)?;
        if !assign.is_empty() {
            fields.insert("Assign".to_owned(), Value::Object(assign));
        }
        if let Some(node) = fill.output {
            let output = self.print(id, moment, fill, |printer| printer.output(node))?;
            fields.insert("Output".to_owned(), output);
        }
        Ok(())
    }

    /// The variables a block's value goes into, where somebody reads them.
    fn assign(
        &mut self,
        id: StateId,
        moment: Moment,
        fill: &Fill,
        to: &mut Fields,
    ) -> Result<(), CodegenError> {
        for (slot, node) in &fill.assign {
            let name = self.registry.variable(Variable::Slot(*slot)).map(str::to_owned);
            if let Some(name) = name {
                let value = self.print(id, moment, fill, |printer| printer.template(node))?;
                to.insert(name, value);
            }
        }
        Ok(())
    }

    /// What the first state of a scope keeps of its input for the states after it.
    fn kept(&mut self, id: StateId) -> Fields {
        let scope = self.draft.state(id).map(|state| state.scope);
        let first_of = scope.filter(|scope| self.draft.scope(*scope).and_then(ScopeDraft::first) == Some(id));
        let kept = first_of.map(|scope| self.registry.kept(scope)).unwrap_or_default();
        kept.into_iter().map(|(name, path)| (name, json!(format!("{{% {path} %}}")))).collect()
    }

    fn transition(&self, target: Target, fields: &mut Fields) {
        match target {
            Target::State(id) => fields.insert("Next".to_owned(), json!(self.draft.name(id))),
            Target::End => fields.insert("End".to_owned(), json!(true)),
        };
    }

    /// A node as a template, evaluated when the state is entered.
    fn enter(&mut self, id: StateId, node: NodeRef) -> Result<Value, CodegenError> {
        self.print(id, Moment::Enter, &Fill::default(), |printer| printer.template(node))
    }

    fn given(&mut self, id: StateId, given: Given) -> Result<Value, CodegenError> {
        let fill = Fill::default();
        let mut site =
            Site { registry: &mut self.registry, state: id, moment: Moment::Enter, aliases: &fill.aliases };
        let path = site.given(given).map_err(|problem| self.problem(id, problem))?;
        Ok(json!(format!("{{% {path} %}}")))
    }

    fn print(
        &mut self,
        id: StateId,
        moment: Moment,
        fill: &Fill,
        write: impl FnOnce(&mut Printer<'_>) -> Result<Value, Problem>,
    ) -> Result<Value, CodegenError> {
        let mut site = Site { registry: &mut self.registry, state: id, moment, aliases: &fill.aliases };
        let written = write(&mut Printer::new(&mut site));
        written.map_err(|problem| self.problem(id, problem))
    }

    fn problem(&self, id: StateId, problem: Problem) -> CodegenError {
        let location = self.draft.state(id).map(|state| state.location);
        CodegenError::Expression { state: self.draft.name(id).to_owned(), location, problem }
    }
}

/// What a state puts out, and assigns, unless its block wants something else.
#[derive(Clone, Copy)]
enum Output {
    Path(&'static str),
    Node(NodeRef),
}

fn type_name(kind: &KindDraft<'_>) -> &'static str {
    match kind {
        KindDraft::Task(_) | KindDraft::Call(_) => "Task",
        KindDraft::Pass { .. } => "Pass",
        KindDraft::Wait(_) => "Wait",
        KindDraft::Choice { .. } => "Choice",
        KindDraft::Map { .. } => "Map",
        KindDraft::Parallel { .. } => "Parallel",
        KindDraft::Fail { .. } => "Fail",
        KindDraft::Succeed { .. } => "Succeed",
    }
}
