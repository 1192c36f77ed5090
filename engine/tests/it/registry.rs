//! The registry on a real journal: what it refuses, what survives, what
//! becomes of executions; Express executions and their logs.

use std::path::Path;
use std::sync::{Arc, Mutex};

use engine::registry::{
    Configuration, CreateActivity, CreateAlias, CreateStateMachine, LogLevel, Logging, RegistryError, Route,
    StateMachineStatus, StateMachineType, TaggedResource, UpdateAlias, UpdateStateMachine,
};
use engine::{
    Completion, Crash, CrashPlan, Engine, EngineError, EngineOptions, ExecutionFilter, ManualClock,
    MemoryLogSink, StartExecution, Status, TaskHost, TaskOutcome, TaskRequest, lambda_invoke_result,
};
use serde_json::json;

const PASS: &str =
    r#"{"QueryLanguage": "JSONata", "StartAt": "A", "States": {"A": {"Type": "Pass", "End": true}}}"#;
const OTHER: &str =
    r#"{"QueryLanguage": "JSONata", "StartAt": "B", "States": {"B": {"Type": "Pass", "End": true}}}"#;
const WAIT: &str = r#"{"QueryLanguage": "JSONata", "StartAt": "W", "States": {
    "W": {"Type": "Wait", "Seconds": 60, "Next": "X"}, "X": {"Type": "Wait", "Seconds": 60, "End": true}}}"#;
const CALL: &str = r#"{"QueryLanguage": "JSONata", "StartAt": "T", "States": {"T": {"Type": "Task",
    "Resource": "arn:aws:states:::lambda:invoke", "Arguments": {"FunctionName": "f"},
    "Output": "{% $states.result.Payload %}", "End": true}}}"#;

/// Answers at once, on the thread that asks; or keeps what it is asked.
#[derive(Default)]
struct Host {
    keeps: bool,
    kept: Mutex<Vec<Completion>>,
}

impl TaskHost for Host {
    fn invoke(&self, _: TaskRequest, done: Completion) {
        if self.keeps {
            self.kept.lock().unwrap().push(done);
        } else {
            done.finish(TaskOutcome::Succeeded(lambda_invoke_result("7")));
        }
    }
}

struct Lab {
    directory: tempfile::TempDir,
    clock: ManualClock,
    host: Arc<Host>,
    logs: Arc<MemoryLogSink>,
}

impl Lab {
    fn new(host: Host) -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            clock: ManualClock::at(1_767_225_600_000),
            host: Arc::new(host),
            logs: Arc::default(),
        }
    }

    fn open_with(&self, crash: Option<CrashPlan>) -> Engine {
        let clock = Arc::new(self.clock.clone());
        let logs = Some(Arc::clone(&self.logs) as Arc<_>);
        let host = Arc::clone(&self.host) as Arc<dyn TaskHost>;
        Engine::open(EngineOptions { clock, crash, logs, ..EngineOptions::new(self.directory.path(), host) })
            .unwrap()
    }

    fn open(&self) -> Engine {
        self.open_with(None)
    }
}

fn machine(name: &str, definition: &str) -> CreateStateMachine {
    CreateStateMachine {
        name: name.to_owned(),
        definition: definition.to_owned(),
        role_arn: "arn:aws:iam::123456789012:role/r".to_owned(),
        ..CreateStateMachine::default()
    }
}

fn express(name: &str, definition: &str) -> CreateStateMachine {
    CreateStateMachine { kind: StateMachineType::Express, ..machine(name, definition) }
}

fn start(state_machine: &str, name: &str) -> StartExecution {
    StartExecution {
        state_machine: state_machine.to_owned(),
        name: Some(name.to_owned()),
        input: "{}".to_owned(),
        trace_header: None,
    }
}

fn refusal<T>(result: Result<T, EngineError>) -> RegistryError {
    match result {
        Err(EngineError::Registry(error)) => error,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it is not refused"),
    }
}

#[test]
fn a_creation_is_the_same_request_only_if_it_asks_for_the_same() {
    let lab = Lab::new(Host::default());
    let engine = lab.open();
    let published = CreateStateMachine {
        publish: true,
        version_description: Some("first".to_owned()),
        ..machine("m", PASS)
    };
    let created = engine.create_state_machine(published.clone()).unwrap();
    assert_eq!(engine.create_state_machine(published.clone()).unwrap(), created);
    // Role and tags are neither compared nor changed.
    let tags = vec![("k".to_owned(), "v".to_owned())];
    let elsewhere =
        CreateStateMachine { role_arn: "arn:aws:iam::1:role/x".to_owned(), tags, ..published.clone() };
    assert_eq!(engine.create_state_machine(elsewhere).unwrap(), created);
    assert_eq!(engine.tags(&TaggedResource::StateMachine("m".to_owned())).unwrap(), []);
    for differs in [
        CreateStateMachine { definition: OTHER.to_owned(), ..published.clone() },
        CreateStateMachine { kind: StateMachineType::Express, ..published.clone() },
        CreateStateMachine { version_description: None, ..published.clone() },
        CreateStateMachine {
            configuration: Configuration { tracing: true, ..Configuration::default() },
            ..published.clone()
        },
    ] {
        let error = refusal(engine.create_state_machine(differs));
        assert_eq!(error, RegistryError::StateMachineAlreadyExists { name: "m".to_owned() });
    }
}

#[test]
fn updates_make_revisions_and_versions_only_of_what_is_new() {
    let lab = Lab::new(Host::default());
    let engine = lab.open();
    engine.create_state_machine(machine("m", PASS)).unwrap();
    let update = |definition: &str, publish: bool| {
        let definition = Some(definition.to_owned());
        engine
            .update_state_machine(
                "m",
                UpdateStateMachine { definition, publish, ..UpdateStateMachine::default() },
            )
            .unwrap()
    };
    let same = update(PASS, true);
    assert_eq!((same.revision_id.clone(), same.version.map(|version| version.number)), (None, Some(1)));
    assert_eq!(update(PASS, true).version.map(|version| version.number), Some(1));
    let second = update(OTHER, false);
    assert!(second.revision_id.is_some() && second.version.is_none());
    assert_eq!(update(OTHER, false).revision_id, second.revision_id);

    let error = refusal(engine.publish_version("m", Some("INITIAL"), None));
    let current = second.revision_id.clone().unwrap();
    assert!(matches!(error, RegistryError::RevisionConflict { asked, current: found, .. }
        if asked == "INITIAL" && found == current));
    assert_eq!(engine.publish_version("m", Some(&current), Some("two")).unwrap().number, 2);
    engine.delete_version("m", 2).unwrap();
    engine.delete_version("m", 2).unwrap();
    // The number of a deleted version is never given again. Recorded on AWS.
    assert_eq!(engine.publish_version("m", None, None).unwrap().number, 3);
    let numbers: Vec<u32> = engine.versions("m", None, 10).iter().map(|version| version.number).collect();
    assert_eq!(numbers, [3, 1]);
    assert_eq!(engine.versions("m", Some(3), 10).len(), 1);
    assert_eq!(engine.state_machine("m", Some(1)).unwrap().definition, PASS);
    assert_eq!(engine.state_machine("m", None).unwrap().definition, OTHER);
    refusal(engine.state_machine("m", Some(2)));
}

#[test]
fn aliases_lead_to_versions_and_keep_them() {
    let lab = Lab::new(Host::default());
    let engine = lab.open();
    engine.create_state_machine(CreateStateMachine { publish: true, ..machine("m", PASS) }).unwrap();
    let alias = |name: &str, version: u32| CreateAlias {
        state_machine: "m".to_owned(),
        name: name.to_owned(),
        description: None,
        routes: vec![Route { version, weight: 100 }],
    };
    let created = engine.create_alias(alias("live", 1)).unwrap();
    assert_eq!(engine.create_alias(alias("live", 1)).unwrap(), created);
    refusal(engine.create_alias(alias("next", 2)));
    let other = UpdateStateMachine {
        definition: Some(OTHER.to_owned()),
        publish: true,
        ..UpdateStateMachine::default()
    };
    engine.update_state_machine("m", other).unwrap();
    let error = refusal(engine.create_alias(alias("live", 2)));
    assert!(matches!(error, RegistryError::AliasAlreadyExists { .. }));
    let error = refusal(engine.delete_version("m", 1));
    assert!(matches!(error, RegistryError::VersionInUse { aliases, .. } if aliases == ["live"]));

    let arn = "arn:aws:states:us-east-1:123456789012:stateMachine:m:live";
    let started = engine.start_execution(start(arn, "by-alias")).unwrap();
    let ended = engine.wait(&started.execution_arn).unwrap();
    assert_eq!((ended.version, ended.alias.as_deref()), (Some(1), Some("live")));
    assert_eq!(engine.state_machine_of_execution(&started.execution_arn).unwrap().definition, PASS);

    // Both versions of an alias are started, in about the shares they were given.
    let routes = vec![Route { version: 1, weight: 30 }, Route { version: 2, weight: 70 }];
    let update = UpdateAlias { routes: Some(routes), ..UpdateAlias::default() };
    engine.update_alias("m", "live", update).unwrap();
    for number in 0..200 {
        engine.start_execution(start(arn, &format!("n{number}"))).unwrap();
    }
    engine.settle().unwrap();
    let of_version = |version| {
        let filter = ExecutionFilter {
            state_machine: Some("m".to_owned()),
            version: Some(version),
            alias: Some("live".to_owned()),
            ..ExecutionFilter::default()
        };
        engine.list_executions(&filter).unwrap().len()
    };
    let (first, second) = (of_version(1) - 1, of_version(2));
    assert_eq!(first + second, 200);
    assert!((20..=110).contains(&first), "30 % of 200 were to start version 1, and {first} did");

    engine.delete_alias("m", "live").unwrap();
    assert!(matches!(
        engine.start_execution(start(arn, "late")),
        Err(EngineError::StateMachineDoesNotExist { .. })
    ));
    engine.delete_version("m", 1).unwrap();
    // An execution keeps the revision it runs, whatever becomes of its version.
    assert_eq!(engine.state_machine_of_execution(&started.execution_arn).unwrap().definition, PASS);
}

#[test]
fn everything_registered_is_there_again_after_a_restart() {
    let lab = Lab::new(Host::default());
    let engine = lab.open();
    let logging = Logging {
        level: LogLevel::Error,
        include_execution_data: true,
        destinations: Some(vec!["arn:aws:logs:us-east-1:123456789012:log-group:g:*".to_owned()]),
    };
    let configuration = Configuration { logging, tracing: true, ..Configuration::default() };
    let tags = vec![("b".to_owned(), "1".to_owned()), ("a".to_owned(), "2".to_owned())];
    let request = CreateStateMachine { configuration, tags, publish: true, ..machine("m", PASS) };
    engine.create_state_machine(request).unwrap();
    let update = UpdateStateMachine {
        definition: Some(OTHER.to_owned()),
        publish: true,
        version_description: Some("two".to_owned()),
        ..UpdateStateMachine::default()
    };
    engine.update_state_machine("m", update).unwrap();
    let routes = vec![Route { version: 1, weight: 1 }, Route { version: 2, weight: 99 }];
    let alias = CreateAlias {
        state_machine: "m".to_owned(),
        name: "live".to_owned(),
        description: Some("d".to_owned()),
        routes,
    };
    engine.create_alias(alias).unwrap();
    engine.create_state_machine(express("e", PASS)).unwrap();
    let tags = vec![("t".to_owned(), "v".to_owned())];
    engine
        .create_activity(CreateActivity { name: "act".to_owned(), tags, ..CreateActivity::default() })
        .unwrap();
    let resource = TaggedResource::StateMachine("m".to_owned());
    engine.tag(&resource, vec![("c".to_owned(), "3".to_owned()), ("b".to_owned(), "4".to_owned())]).unwrap();
    engine.untag(&resource, vec!["a".to_owned(), "nothing".to_owned()]).unwrap();

    let everything = |engine: &Engine| {
        format!(
            "{:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
            engine.state_machine("m", None).unwrap(),
            engine.state_machine("m", Some(1)).unwrap(),
            engine.versions("m", None, 9),
            engine.aliases("m", None, None, 9).unwrap(),
            engine.state_machine_summaries(None, 9),
            engine.activities(None, 9),
            engine.tags(&resource).unwrap(),
            engine.tags(&TaggedResource::Activity("act".to_owned())).unwrap(),
        )
    };
    let before = everything(&engine);
    assert!(before.contains(r#"[("b", "4"), ("c", "3")]"#), "{before}");
    engine.shutdown();
    let engine = lab.open();
    assert_eq!(everything(&engine), before);
    engine.delete_activity("act").unwrap();
    engine.shutdown();
    assert_eq!(lab.open().activity("act"), None);
}

#[test]
fn a_state_machine_goes_when_its_last_execution_has_ended() {
    let lab = Lab::new(Host::default());
    let engine = lab.open();
    engine.create_state_machine(machine("m", WAIT)).unwrap();
    let started = engine.start_execution(start("m", "open")).unwrap();
    engine.settle().unwrap();
    engine.delete_state_machine("m").unwrap();
    assert_eq!(engine.state_machine("m", None).unwrap().status, StateMachineStatus::Deleting);
    let deleting = RegistryError::StateMachineDeleting { name: "m".to_owned() };
    assert_eq!(refusal(engine.start_execution(start("m", "late"))), deleting);
    assert_eq!(refusal(engine.create_state_machine(machine("m", PASS))), deleting);
    assert_eq!(refusal(engine.publish_version("m", None, None)), deleting);
    assert_eq!(engine.describe_execution(&started.execution_arn).unwrap().status, Status::Running);

    // It is still being deleted after a restart, and the execution ends at its next transition.
    engine.shutdown();
    let engine = lab.open();
    assert_eq!(engine.state_machine("m", None).unwrap().status, StateMachineStatus::Deleting);
    lab.clock.advance_millis(60_000);
    let ended = engine.wait(&started.execution_arn).unwrap();
    assert_eq!(ended.status, Status::Aborted);
    engine.settle().unwrap();
    assert!(matches!(engine.state_machine("m", None), Err(EngineError::StateMachineDoesNotExist { .. })));

    // The name is free; what happened under it can still be read.
    engine.create_state_machine(machine("m", PASS)).unwrap();
    assert_eq!(engine.describe_execution(&started.execution_arn).unwrap().status, Status::Aborted);
    let again = engine.start_execution(start("m", "open")).unwrap();
    assert_eq!(engine.wait(&again.execution_arn).unwrap().status, Status::Succeeded);
    let filter = ExecutionFilter { state_machine: Some("m".to_owned()), ..ExecutionFilter::default() };
    assert_eq!(engine.list_executions(&filter).unwrap().len(), 1, "the other one belongs to the deleted one");
    engine.delete_state_machine("m").unwrap();
    engine.delete_state_machine("m").unwrap();
    assert_eq!(engine.state_machine_summaries(None, 9), []);
}

#[test]
fn express_executions_leave_logs_only() {
    let lab = Lab::new(Host::default());
    let engine = lab.open();
    let group = "arn:aws:logs:us-east-1:123456789012:log-group:g:*";
    let logging = Logging {
        level: LogLevel::All,
        include_execution_data: false,
        destinations: Some(vec![group.to_owned()]),
    };
    let configuration = Configuration { logging, ..Configuration::default() };
    engine.create_state_machine(CreateStateMachine { configuration, ..express("e", CALL) }).unwrap();
    let ended = engine.start_sync_execution(&start("e", "n")).unwrap();
    assert_eq!((ended.status, ended.output.as_deref()), (Status::Succeeded, Some("7")));
    assert!(ended.execution_arn.contains(":express:e:n:"), "{}", ended.execution_arn);
    // The same name any number of times, also at once.
    let first = engine.start_execution(start("e", "n")).unwrap();
    let second = engine.start_execution(start("e", "n")).unwrap();
    assert_ne!(first.execution_arn, second.execution_arn);
    engine.settle().unwrap();
    assert!(engine.describe_execution(&first.execution_arn).is_err());
    assert_eq!(engine.list_executions(&ExecutionFilter::default()).unwrap(), []);
    let logs = lab.logs.events();
    for arn in [&ended.execution_arn, &first.execution_arn, &second.execution_arn] {
        let documents: Vec<_> = logs.iter().filter(|event| *event.execution_arn == **arn).collect();
        let last = &documents.last().unwrap().document;
        assert_eq!(
            (&last["type"], &last["id"]),
            (&json!("ExecutionSucceeded"), &json!(documents.len().to_string()))
        );
        assert_eq!(last["details"], json!({}), "no data was asked for");
        assert!(documents.iter().all(|event| &*event.log_group_arn == group));
    }
    let standard = engine.create_state_machine(machine("m", PASS)).unwrap();
    assert!(matches!(
        engine.start_sync_execution(&start(&standard.arn, "n")),
        Err(EngineError::StateMachineTypeNotSupported { .. })
    ));
}

#[test]
fn an_express_execution_has_five_minutes() {
    let lab = Lab::new(Host { keeps: true, ..Host::default() });
    let engine = lab.open();
    engine.create_state_machine(express("e", CALL)).unwrap();
    let beside = engine.clone();
    let waiting = std::thread::spawn(move || beside.start_sync_execution(&start("e", "n")).unwrap());
    while lab.host.kept.lock().unwrap().is_empty() {
        std::thread::yield_now();
    }
    lab.clock.advance_millis(300_000);
    let ended = waiting.join().unwrap();
    assert_eq!(ended.status, Status::TimedOut);
    assert_eq!(ended.stop_millis - ended.start_millis, 300_000);
}

/// Whatever point the engine dies at: an asynchronous start that was
/// acknowledged runs to its end at least once.
#[test]
fn an_accepted_express_start_runs_whatever_happens() {
    let mut survived = 0;
    for point in 1.. {
        let lab = Lab::new(Host::default());
        let setup = lab.open();
        let logging = Logging {
            level: LogLevel::All,
            include_execution_data: true,
            destinations: Some(vec!["arn:aws:logs:us-east-1:123456789012:log-group:g:*".to_owned()]),
        };
        let configuration = Configuration { logging, ..Configuration::default() };
        setup.create_state_machine(CreateStateMachine { configuration, ..express("e", CALL) }).unwrap();
        setup.shutdown();
        let engine = lab.open_with(Some(CrashPlan { at: point, how: Crash::Freeze }));
        let started = engine.start_execution(start("e", "n"));
        let _ = engine.settle();
        let crashed = engine.stopped().is_some();
        engine.shutdown();
        let engine = lab.open();
        engine.settle().unwrap();
        engine.shutdown();
        let ended =
            lab.logs.events().into_iter().filter(|event| event.document["type"] == "ExecutionSucceeded");
        let ended: Vec<String> = ended.map(|event| event.execution_arn.to_string()).collect();
        if let Ok(started) = started {
            assert!(
                ended.contains(&started.execution_arn),
                "crash point {point}: it was accepted and never ran"
            );
            survived += usize::from(crashed);
        }
        if !crashed {
            assert_eq!(ended.len(), 1, "without a crash it runs once");
            break;
        }
    }
    assert!(survived >= 1, "no crash came after the answer");
}

/// A journal of the release before the registry (schema 1), as it was written by that release: an
/// execution that succeeded with the first revision, one that was stopped, and one that is open in
/// a Parallel, with a retry that waits and a task whose outcome nobody will ever tell.
#[test]
fn a_journal_of_the_release_before_goes_on() {
    let lab = Lab::new(Host::default());
    let old = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/journals/schema-1.db");
    std::fs::copy(old, lab.directory.path().join("journal.db")).unwrap();
    let arn = |name: &str| format!("arn:aws:states:us-east-1:123456789012:execution:daily:{name}");

    // A reader alone brings it up to date.
    let reader = Engine::open_read_only(lab.directory.path()).unwrap();
    let done = reader.describe_execution(&arn("done")).unwrap().unwrap();
    assert_eq!((done.status, done.output.as_deref()), (Status::Succeeded, Some(r#"{"rows":3}"#)));
    assert_eq!((done.version, done.alias), (None, None));
    drop(reader);

    let engine = lab.open();
    let machine = engine.state_machine("daily", None).unwrap();
    assert_eq!((machine.kind, machine.status), (StateMachineType::Standard, StateMachineStatus::Active));
    assert_eq!(machine.role_arn, "arn:aws:iam::123456789012:role/other");
    assert_eq!(*machine.configuration, Configuration::default());
    let first = engine.state_machine_of_execution(&arn("done")).unwrap();
    assert_eq!(first.role_arn, "arn:aws:iam::123456789012:role/daily", "of the revision it ran");
    assert_ne!(first.definition, machine.definition);
    assert_eq!(engine.describe_execution(&arn("stopped")).unwrap().error.as_deref(), Some("E"));
    let by_error = ExecutionFilter { error: Some("E".to_owned()), ..ExecutionFilter::default() };
    let stopped = engine.list_executions(&by_error).unwrap();
    assert_eq!(stopped.iter().map(|execution| execution.name.as_str()).collect::<Vec<_>>(), ["stopped"]);

    // The open execution comes to its end: retries wait, a wait waits, a new attempt succeeds.
    while engine.settle().is_ok() {
        let Some(due) = engine.next_timer_millis() else { break };
        lab.clock.set_millis(due);
    }
    let open = engine.describe_execution(&arn("open")).unwrap();
    assert_eq!((open.status, open.output.as_deref()), (Status::Succeeded, Some(r#"{"seen":3}"#)));

    // And everything new works on it.
    let version = engine.publish_version("daily", None, None).unwrap();
    assert_eq!(version.number, 1);
    let by_version = "arn:aws:states:us-east-1:123456789012:stateMachine:daily:1";
    let started = engine
        .start_execution(StartExecution { input: r#"{"items":[]}"#.to_owned(), ..start(by_version, "new") })
        .unwrap();
    assert_eq!(engine.describe_execution(&started.execution_arn).unwrap().version, Some(1));
}
