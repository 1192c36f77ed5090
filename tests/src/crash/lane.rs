//! A lane of the lab: one world at a time, in which the engine lives many
//! short lives. The driver starts executions, answers tokens (at once, late,
//! twice), works for the activity, stops and redrives, and notes what was
//! acknowledged. It never looks into the engine.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::checker::{Accepted, Changed, Damage, Evidence, Phase, TokenAnswer, Violation, check};
use super::disk::{self, Recording, files_of};
use super::draw::Draws;
use super::evidence;
use super::lab::{Lab, Tally};
use super::process::{Launch, Said, Worker, was_killed};
use super::step::worked;
use super::workload::{ACTIVITY, Expected, Kind, Order, delivery_keyed_by_execution};
use super::world::{LineLog, World};

/// Where ARNs of the lab begin.
const PLACE: &str = "arn:aws:states:us-east-1:123456789012";
/// How fast time passes in a world: a second of a retrier is 1/20 of one outside.
const PACE: i64 = 20;
/// Executions that may be open in a world: more would only make recovery slower.
const OPEN_MAX: usize = 24;
/// Lives of the engine after which a world is left for a new one.
const LIVES_PER_WORLD: u32 = 60;
/// Lives between two looks at everything, ended.
const LIVES_PER_ROUND: u32 = 12;
/// Lives between two looks at what is under way.
const LIVES_PER_LOOK: u32 = 4;
/// Silence after which a quiet life asks what is open.
const SILENCE: Duration = Duration::from_millis(500);
/// Executions of a traced life.
const TRACED_EXECUTIONS: u64 = 20;
/// How often the history of an execution is asked for while it runs in a traced life: each
/// answer is one more chance that it shows what is not on disk yet.
const LOOKS_PER_EXECUTION: u32 = 12;
/// How long everything may take to end once nobody kills any more.
const QUIET_WITHIN: Duration = Duration::from_secs(90);

/// What was asked of a worker and is not answered yet.
enum Asked {
    Start(usize),
    Stop(usize),
    Redrive(usize),
    Describe(usize),
    Answer {
        execution: String,
        token: String,
        output: Value,
    },
    Activity,
    /// What an execution looks like; the answer is held against the disk later.
    Show(usize),
    Nothing,
}

/// An execution of this world.
struct Placed {
    order: Order,
    arn: Option<String>,
    changed: Changed,
    wants_redrive: bool,
    /// Announced or described as ended.
    ended: bool,
    /// Described as ended, after everything.
    confirmed: bool,
    /// How often it may still be looked at while it runs.
    looks: u32,
}

/// A task token that is this driver's to answer.
struct Token {
    execution: String,
    /// Nobody need answer it any more.
    settled: bool,
}

/// When a life is over.
#[derive(Debug, Clone, Copy)]
pub enum Until {
    /// At a moment after the start, whatever is under way.
    Moment(Duration),
    /// When everything has ended.
    Quiet,
}

/// A world and its driver.
pub struct Lane<'a> {
    lab: &'a Lab,
    /// The world it is in.
    pub world: World,
    database: String,
    draws: Draws,
    placed: Vec<Placed>,
    tokens: BTreeMap<String, Token>,
    answers: Vec<TokenAnswer>,
    announced: BTreeSet<String>,
    serial: u64,
    lives: u32,
    redrives: bool,
    /// Whether it asks what executions look like.
    shows: bool,
    next_point: u64,
    /// Executions to start in the next life that ends quietly.
    to_place: u64,
    /// Deliveries and calls of tasks of this world that the tally has.
    counted: (u64, u64),
    /// What happened here.
    pub tally: Tally,
    /// What was found broken.
    pub violations: Vec<Violation>,
}

impl std::fmt::Debug for Lane<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Lane").field("world", &self.world).finish_non_exhaustive()
    }
}

impl<'a> Lane<'a> {
    /// A lane with a first world.
    pub fn new(lab: &'a Lab, number: u64) -> Self {
        let mut lane = Self {
            lab,
            world: lab.world(&format!("lane{number}_0"), None, 0),
            database: String::new(),
            draws: Draws::new(lab.seed, number + 1),
            placed: Vec::new(),
            tokens: BTreeMap::new(),
            answers: Vec::new(),
            announced: BTreeSet::new(),
            serial: 0,
            lives: 0,
            redrives: true,
            shows: false,
            next_point: number,
            to_place: 0,
            counted: (0, 0),
            tally: Tally::default(),
            violations: Vec::new(),
        };
        lane.new_world(number);
        lane
    }

    fn new_world(&mut self, number: u64) {
        let began = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.database = format!("lane{number}_{}", self.serial);
        let coreview = self.lab.coreview.as_ref().map(|coreview| coreview.create_database(&self.database));
        let origin = i64::try_from(began.as_millis()).unwrap_or_default();
        self.world = self.lab.world(&self.database, coreview, origin);
        self.world.pace = PACE;
        self.world.create();
        self.placed.clear();
        self.tokens.clear();
        self.answers.clear();
        self.announced.clear();
        self.lives = 0;
        self.counted = (0, 0);
        self.tally.worlds += 1;
        self.register();
    }

    /// Puts the state machines and the activity, in a life that ends in order.
    fn register(&mut self) {
        let mut worker = self.start(&Launch::Plain);
        assert!(
            worker.wait_ready(Instant::now() + QUIET_WITHIN),
            "the engine does not start: see {}",
            self.world.folder.join("worker.log").display()
        );
        worker.call("CreateActivity", &json!({ "name": ACTIVITY })).expect("an activity is created");
        for kind in Kind::ALL {
            let definition = match kind {
                Kind::Delivery if self.lab.keyed_by_execution => delivery_keyed_by_execution(),
                kind => kind.definition(),
            };
            let created = worker.call(
                "CreateStateMachine",
                &json!({
                    "name": kind.name(), "definition": definition.to_string(),
                    "roleArn": "arn:aws:iam::123456789012:role/lab"
                }),
            );
            created.unwrap_or_else(|e| panic!("{}: {e}", kind.name()));
        }
        worker.finish(&mut Vec::new());
    }

    fn start(&self, launch: &Launch) -> Worker {
        Worker::start(&self.world, &self.lab.worker, launch)
    }

    /// Lives and dies until so many lives were cut short, then lets everything end.
    pub fn run(&mut self, number: u64, kills: u64, killed: &(dyn Fn() + Sync)) {
        while self.tally.kills() < kills && self.violations.is_empty() && !self.lab.is_over() {
            let (launch, until) = self.draw_life();
            let before = self.tally.kills();
            self.live(&launch, until);
            if self.tally.kills() > before {
                killed();
            }
            self.lives += 1;
            if self.lives.is_multiple_of(LIVES_PER_ROUND) {
                self.round();
            } else if self.lives.is_multiple_of(LIVES_PER_LOOK) {
                self.look(Phase::Underway);
            }
            if self.lives == LIVES_PER_WORLD && self.violations.is_empty() {
                self.leave();
                self.new_world(number);
            }
        }
        if self.violations.is_empty() {
            self.round();
        }
    }

    /// Everything ends; then everything is looked at.
    pub fn round(&mut self) {
        self.live(&Launch::Plain, Until::Quiet);
        self.look(Phase::Ended);
        self.tally.rounds += 1;
        let ended = |placed: &&Placed| placed.order.kind == Kind::Delivery && placed.ended;
        let deliveries = self.placed.iter().filter(ended).count() as u64;
        let invocations = evidence::invocations(&self.world).len() as u64;
        self.tally.deliveries += deliveries - std::mem::replace(&mut self.counted.0, deliveries);
        self.tally.invocations += invocations - std::mem::replace(&mut self.counted.1, invocations);
    }

    /// A world in which nothing was wrong is not needed any more.
    fn leave(&self) {
        let _ = fs::remove_dir_all(&self.world.folder);
    }

    /// How the next life begins and ends: mostly at a random moment, else at
    /// one of the engine's crash points or at a system call on the journal.
    fn draw_life(&mut self) -> (Launch, Until) {
        let patient = Until::Moment(Duration::from_secs(2));
        match self.draws.below(100) {
            0..30 => {
                self.next_point = self.next_point % 90 + 1;
                (Launch::CrashPoint(self.next_point), patient)
            }
            30..40 if self.lab.can_trace => {
                let (call, most) = if self.draws.percent(70) { ("pwrite64", 60) } else { ("fdatasync", 25) };
                (Launch::SystemCall { call, nth: self.draws.between(1, most) }, patient)
            }
            _ => (Launch::Plain, Until::Moment(self.draws.moment(Duration::from_millis(350)))),
        }
    }

    /// One life of the engine.
    pub fn live(&mut self, launch: &Launch, until: Until) {
        let mut worker = self.start(launch);
        let deadline = Instant::now()
            + match until {
                Until::Moment(after) => after,
                Until::Quiet => QUIET_WITHIN,
            };
        let mut asked = BTreeMap::new();
        let mut all_ended = false;
        if worker.wait_ready(deadline) {
            self.greet(&mut worker, &mut asked, until);
            loop {
                match worker.hear(deadline.min(Instant::now() + SILENCE)) {
                    Some(Said::Nothing) => break,
                    Some(said) => self.react(said, &mut worker, &mut asked, until),
                    None if Instant::now() >= deadline => break,
                    // What was said of an execution may have been overtaken by what was answered.
                    None => self.ask_what_is_open(&mut worker, &mut asked, until),
                }
                if matches!(until, Until::Quiet) && self.is_quiet(&mut worker, &mut asked) {
                    all_ended = true;
                    break;
                }
            }
        }
        let mut late = Vec::new();
        let quiet = matches!(until, Until::Quiet);
        let status = if quiet { worker.finish(&mut late) } else { worker.kill(&mut late) };
        for said in late {
            // An acknowledgement counts when it was written, not when it was read.
            self.note(said, &mut asked);
        }
        if quiet && !all_ended {
            let open = self.placed.iter().filter(|placed| placed.arn.is_none() || !placed.ended);
            let open: Vec<&str> = open.map(|placed| placed.order.name.as_str()).collect();
            self.violations.push(Violation {
                damage: Damage::Lost,
                what: format!("after {QUIET_WITHIN:?} without a kill these are not at their end: {open:?}"),
            });
        }
        match (quiet, was_killed(status)) {
            (false, true) => self.tally.killed(launch),
            (true, false) if status.success() => {}
            _ => self.violations.push(Violation {
                damage: Damage::Lost,
                what: format!(
                    "the engine ended by itself ({status}) after {launch:?}: see {}",
                    self.world.folder.join("worker.log").display()
                ),
            }),
        }
    }

    /// Asks again for every execution that is not known to have ended.
    fn ask_what_is_open(&self, worker: &mut Worker, asked: &mut BTreeMap<u64, Asked>, until: Until) {
        let open = self.placed.iter().enumerate().filter(|(_, placed)| placed.arn.is_some() && !placed.ended);
        let open: Vec<usize> = open.map(|(index, _)| index).collect();
        let is_asked = asked.values().any(|asked| matches!(asked, Asked::Describe(_)));
        if matches!(until, Until::Quiet) && !is_asked {
            for index in open {
                self.ask_describe(index, worker, asked);
            }
        }
    }

    /// What is asked as soon as the engine is open.
    fn greet(&mut self, worker: &mut Worker, asked: &mut BTreeMap<u64, Asked>, until: Until) {
        asked.insert(ask_activity(worker), Asked::Activity);
        for index in 0..self.placed.len() {
            if self.placed[index].arn.is_none() {
                // What a client does that got no answer: the same again.
                self.ask_start(index, worker, asked);
            } else if matches!(until, Until::Quiet) && !self.placed[index].ended {
                self.ask_describe(index, worker, asked);
            }
        }
        for (execution, token) in evidence::tokens(&self.world) {
            self.meet(&execution, &token);
        }
        let late: Vec<String> =
            self.tokens.iter().filter(|(_, token)| !token.settled).map(|(token, _)| token.clone()).collect();
        for token in late {
            if matches!(until, Until::Quiet) || self.draws.percent(50) {
                self.answer(&token, worker, asked);
            }
        }
        let more = match until {
            Until::Moment(_) => self.draws.between(1, 4),
            Until::Quiet => std::mem::take(&mut self.to_place),
        };
        for _ in 0..more {
            self.place(worker, asked);
        }
    }

    /// Starts so many executions at once, lets them end, and looks.
    pub fn deliver(&mut self, count: u64) {
        self.to_place = count;
        self.round();
    }

    /// A life that is traced from its beginning to a kill, in which much happens.
    pub fn record(&mut self, without_sync: bool) -> Recording {
        (self.redrives, self.shows) = (false, true);
        self.to_place = TRACED_EXECUTIONS;
        let before = files_of(&self.world.data());
        let trace = self.world.folder.join("trace");
        let launch = Launch::Traced { trace: trace.clone(), without_sync };
        self.live(&launch, Until::Quiet);
        let text = fs::read_to_string(&trace).expect("the trace is there");
        let unheard = |answer: &TokenAnswer| TokenAnswer { acknowledged: false, ..answer.clone() };
        Recording {
            answers: self.answers.iter().map(unheard).collect(),
            world: self.world.clone(),
            before,
            events: disk::trace::read(&text),
            orders: self.placed.iter().map(|placed| placed.order.clone()).collect(),
        }
    }

    /// Starts one more execution, unless enough are open.
    fn place(&mut self, worker: &mut Worker, asked: &mut BTreeMap<u64, Asked>) {
        if self.placed.iter().filter(|placed| !placed.ended).count() >= OPEN_MAX {
            return;
        }
        let kinds: &[Kind] = match (&self.lab.coreview, self.lab.only_deliveries) {
            (Some(_), true) => &[Kind::Delivery],
            (Some(_), false) => &Kind::ALL,
            (None, _) => &Kind::ALL[..Kind::ALL.len() - 1],
        };
        let kind = kinds[usize::try_from(self.draws.below(kinds.len() as u64)).unwrap_or_default()];
        self.serial += 1;
        let name = format!("{}-{}", kind.name(), self.serial);
        let again = self.placed.iter().rfind(|placed| placed.order.kind == kind);
        let order = match again {
            // Somebody starts the same delivery again, as another execution.
            Some(placed) if kind == Kind::Delivery && self.draws.percent(30) => {
                Order { name, ..placed.order.clone() }
            }
            _ => {
                let bucket = self.world.bucket();
                Order::draw(kind, name, &mut self.draws, |key, csv| put(&bucket, key, csv))
            }
        };
        let wants_redrive = self.draws.percent(60);
        self.placed.push(Placed {
            order,
            arn: None,
            changed: Changed::default(),
            wants_redrive,
            ended: false,
            confirmed: false,
            looks: if self.shows { LOOKS_PER_EXECUTION } else { 0 },
        });
        self.ask_start(self.placed.len() - 1, worker, asked);
    }

    fn ask_start(&self, index: usize, worker: &mut Worker, asked: &mut BTreeMap<u64, Asked>) {
        let order = &self.placed[index].order;
        let id = worker.ask(
            "StartExecution",
            &json!({
                "stateMachineArn": format!("{PLACE}:stateMachine:{}", order.kind.name()),
                "name": order.name, "input": order.input.to_string()
            }),
        );
        asked.insert(id, Asked::Start(index));
    }

    fn ask_describe(&self, index: usize, worker: &mut Worker, asked: &mut BTreeMap<u64, Asked>) {
        let id = worker.ask("DescribeExecution", &json!({ "executionArn": self.placed[index].arn }));
        asked.insert(id, Asked::Describe(index));
    }

    /// Asks for all that the API shows of an execution.
    fn ask_to_show(&self, index: usize, worker: &mut Worker, asked: &mut BTreeMap<u64, Asked>) {
        self.ask_history(index, worker, asked);
        let placed = &self.placed[index];
        let state_machine = format!("{PLACE}:stateMachine:{}", placed.order.kind.name());
        for (operation, parameters) in [
            ("DescribeExecution", json!({ "executionArn": placed.arn })),
            ("ListExecutions", json!({ "stateMachineArn": state_machine, "maxResults": 1000 })),
        ] {
            asked.insert(worker.ask(operation, &parameters), Asked::Show(index));
        }
    }

    fn ask_history(&self, index: usize, worker: &mut Worker, asked: &mut BTreeMap<u64, Asked>) {
        let parameters = json!({ "executionArn": self.placed[index].arn, "maxResults": 1000 });
        asked.insert(worker.ask("GetExecutionHistory", &parameters), Asked::Show(index));
    }

    fn ask_stop(&self, index: usize, worker: &mut Worker, asked: &mut BTreeMap<u64, Asked>) {
        let id = worker.ask("StopExecution", &json!({ "executionArn": self.placed[index].arn }));
        asked.insert(id, Asked::Stop(index));
    }

    /// Repairs what the execution fails of, and lets it go on.
    fn ask_redrive(&mut self, index: usize, worker: &mut Worker, asked: &mut BTreeMap<u64, Asked>) {
        let arn = self.placed[index].arn.clone().unwrap_or_default();
        LineLog::open(&self.world.repaired()).line(&arn);
        let id = worker.ask("RedriveExecution", &json!({ "executionArn": arn, "clientToken": "lab" }));
        self.placed[index].changed.redrive_sent = true;
        asked.insert(id, Asked::Redrive(index));
    }

    /// A token that this driver has to answer; those of executions that wait for ever are not.
    fn meet(&mut self, execution: &str, token: &str) {
        let settled = Kind::of_arn(execution) != Some(Kind::Approval);
        let met = || Token { execution: execution.to_owned(), settled };
        self.tokens.entry(token.to_owned()).or_insert_with(met);
    }

    /// Answers a token, sometimes twice, and differently.
    fn answer(&mut self, token: &str, worker: &mut Worker, asked: &mut BTreeMap<u64, Asked>) {
        let times = if self.draws.percent(30) { 2 } else { 1 };
        let execution = self.tokens[token].execution.clone();
        for _ in 0..times {
            self.serial += 1;
            let output = json!({ "answer": self.serial });
            let id =
                worker.ask("SendTaskSuccess", &json!({ "taskToken": token, "output": output.to_string() }));
            self.answers.push(TokenAnswer {
                execution: execution.clone(),
                token: token.to_owned(),
                output: output.clone(),
                acknowledged: false,
            });
            asked.insert(id, Asked::Answer { execution: execution.clone(), token: token.to_owned(), output });
        }
    }

    /// Notes what was said, and does what follows from it.
    fn react(&mut self, said: Said, worker: &mut Worker, asked: &mut BTreeMap<u64, Asked>, until: Until) {
        let moving = matches!(until, Until::Moment(_));
        match &said {
            Said::Token(execution, token) => {
                self.meet(execution, token);
                if !self.tokens[token].settled && (!moving || self.draws.percent(60)) {
                    self.answer(token, worker, asked);
                }
            }
            Said::Ended(_) if moving => {
                if self.draws.percent(60) {
                    self.place(worker, asked);
                }
                if self.draws.percent(4) && worker.pid().is_some_and(kill_a_step) {
                    self.tally.steps_killed += 1;
                }
            }
            _ => {}
        }
        match self.note(said, asked) {
            Noted::Activity(Some((token, number))) => {
                let output = json!({ "value": worked(number) }).to_string();
                let id = worker.ask("SendTaskSuccess", &json!({ "taskToken": token, "output": output }));
                asked.insert(id, Asked::Nothing);
                asked.insert(ask_activity(worker), Asked::Activity);
            }
            Noted::Activity(None) => drop(asked.insert(ask_activity(worker), Asked::Activity)),
            Noted::Started(index) => {
                if self.shows {
                    self.ask_to_show(index, worker, asked);
                }
                let stop = self.placed[index].order.kind == Kind::Stoppable;
                if stop && (!moving || self.draws.percent(50)) {
                    self.ask_stop(index, worker, asked);
                }
            }
            Noted::Ended(index) => {
                if self.shows {
                    self.ask_to_show(index, worker, asked);
                }
                if self.redrives && self.is_to_be_redriven(index) {
                    self.ask_redrive(index, worker, asked);
                }
            }
            Noted::Open(index) => {
                if self.placed[index].order.kind == Kind::Stoppable {
                    self.ask_stop(index, worker, asked);
                }
            }
            Noted::Shown(index) => {
                let placed = &mut self.placed[index];
                if !placed.ended && placed.looks > 0 {
                    placed.looks -= 1;
                    self.ask_history(index, worker, asked);
                }
            }
            Noted::Nothing => {}
        }
    }

    fn is_to_be_redriven(&self, index: usize) -> bool {
        let placed = &self.placed[index];
        placed.wants_redrive
            && matches!(placed.order.expected, Expected::Failed { .. })
            && !placed.changed.redrive_sent
    }

    /// Notes what was said: acknowledgements above all.
    fn note(&mut self, said: Said, asked: &mut BTreeMap<u64, Asked>) -> Noted {
        match said {
            Said::Ended(arn) => {
                self.announced.insert(arn.clone());
                let found = self.placed.iter().position(|placed| placed.arn.as_deref() == Some(&*arn));
                let Some(index) = found else { return Noted::Nothing };
                self.placed[index].ended = true;
                Noted::Ended(index)
            }
            Said::Answer(id, answer) => match asked.remove(&id) {
                Some(asked) => self.note_answer(asked, answer),
                None => Noted::Nothing,
            },
            Said::Token(execution, token) => {
                self.meet(&execution, &token);
                Noted::Nothing
            }
            Said::Ready(_) | Said::Points(_) | Said::Nothing => Noted::Nothing,
        }
    }

    fn note_answer(&mut self, asked: Asked, answer: Result<Value, String>) -> Noted {
        match (asked, answer) {
            (Asked::Start(index), Ok(answer)) => self.accepted(index, answer["executionArn"].as_str()),
            // It was there already: so its start was taken, and its answer lost.
            (Asked::Start(index), Err(code)) if code == "ExecutionAlreadyExists" => {
                self.accepted(index, None)
            }
            (Asked::Stop(index), Ok(_)) => {
                self.placed[index].changed.stopped = true;
                self.tally.stops += 1;
                Noted::Nothing
            }
            (Asked::Redrive(index), Ok(_)) => {
                let placed = &mut self.placed[index];
                placed.changed.redriven = true;
                (placed.ended, placed.confirmed) = (false, false);
                self.tally.redrives += 1;
                Noted::Nothing
            }
            (Asked::Redrive(index), Err(code)) => {
                if code == "UnknownOperationException" {
                    self.redrives = false;
                    self.placed[index].changed.redrive_sent = false;
                }
                Noted::Nothing
            }
            (Asked::Describe(index), Ok(answer)) => {
                let running = answer["status"] == "RUNNING";
                let placed = &mut self.placed[index];
                placed.confirmed = !running && placed.ended;
                placed.ended = !running;
                if running { Noted::Open(index) } else { Noted::Ended(index) }
            }
            (Asked::Answer { execution, token, output }, answer) => {
                self.note_token_answer(&execution, &token, &output, answer.is_ok());
                Noted::Nothing
            }
            (Asked::Activity, Ok(answer)) => {
                let number =
                    answer["input"].as_str().and_then(|input| serde_json::from_str::<Value>(input).ok());
                let number = number.and_then(|input| input["n"].as_i64());
                Noted::Activity(answer["taskToken"].as_str().map(str::to_owned).zip(number))
            }
            (Asked::Show(index), _) => Noted::Shown(index),
            (Asked::Nothing, answer) => {
                self.tally.answers += u64::from(answer.is_ok());
                Noted::Nothing
            }
            (Asked::Start(_) | Asked::Stop(_) | Asked::Describe(_) | Asked::Activity, Err(_)) => {
                Noted::Nothing
            }
        }
    }

    fn accepted(&mut self, index: usize, arn: Option<&str>) -> Noted {
        let placed = &mut self.placed[index];
        let known = placed.arn.is_some();
        let (machine, name) = (placed.order.kind.name(), &placed.order.name);
        placed.arn = Some(arn.map_or_else(|| format!("{PLACE}:execution:{machine}:{name}"), str::to_owned));
        if !known {
            self.tally.started += 1;
        }
        Noted::Started(index)
    }

    fn note_token_answer(&mut self, execution: &str, token: &str, output: &Value, ok: bool) {
        // Refused: its task is over, by another answer or another attempt.
        if let Some(token) = self.tokens.get_mut(token) {
            token.settled = true;
        }
        if ok {
            self.tally.answers += 1;
            let sent = self.answers.iter_mut();
            let mut sent = sent.filter(|sent| sent.execution == execution && sent.output == *output);
            if let Some(sent) = sent.next() {
                sent.acknowledged = true;
            }
        }
    }

    /// Whether everything has ended; asks the engine once more when it seems so.
    fn is_quiet(&mut self, worker: &mut Worker, asked: &mut BTreeMap<u64, Asked>) -> bool {
        let open = self.placed.iter().any(|placed| placed.arn.is_none() || !placed.ended);
        let underway = asked.values().any(|asked| !matches!(asked, Asked::Activity | Asked::Nothing));
        if open || underway {
            return false;
        }
        let unsure: Vec<usize> = self
            .placed
            .iter()
            .enumerate()
            .filter(|(_, placed)| !placed.confirmed)
            .map(|(index, _)| index)
            .collect();
        for index in &unsure {
            self.ask_describe(*index, worker, asked);
        }
        unsure.is_empty()
    }

    /// Reads everything from outside and checks it.
    pub fn look(&mut self, phase: Phase) {
        match evidence::journal(&self.world) {
            Ok(found) => {
                let evidence = self.evidence(found);
                self.tally.looks += 1;
                self.violations.extend(check(&evidence, phase));
            }
            Err(violation) => self.violations.push(violation),
        }
    }

    fn evidence(&self, found: BTreeMap<String, super::checker::Found>) -> Evidence {
        let accepted = self.placed.iter().filter_map(|placed| {
            let (arn, expected) = (placed.arn.clone()?, placed.order.expected.clone());
            Some(Accepted { arn, expected, changed: placed.changed })
        });
        Evidence {
            accepted: accepted.collect(),
            found,
            invocations: evidence::invocations(&self.world),
            effects: super::world::lines(&self.world.effects()),
            answers: self.answers.clone(),
            announced: self.announced.clone(),
            booked: self.lab.coreview.as_ref().map(|coreview| coreview.booked(&self.database)),
        }
    }
}

/// What a line of a worker means to the driver.
enum Noted {
    Started(usize),
    Ended(usize),
    /// Described as running.
    Open(usize),
    /// What it looks like was said.
    Shown(usize),
    /// A task of the activity: its token and what to work on; or none came.
    Activity(Option<(String, i64)>),
    Nothing,
}

fn ask_activity(worker: &mut Worker) -> u64 {
    let arn = format!("{PLACE}:activity:{ACTIVITY}");
    worker.ask("GetActivityTask", &json!({ "activityArn": arn, "workerName": "driver" }))
}

/// Puts an object into a bucket; answers the reference to it.
fn put(bucket: &Path, key: &str, content: &str) -> Value {
    let path = bucket.join(key);
    fs::create_dir_all(path.parent().unwrap_or(bucket)).expect("the bucket has folders");
    fs::write(&path, content).expect("the figures are written");
    let digits = Sha256::digest(content);
    let sha256 = digits.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    json!({ "bucket": "staging", "key": key, "sha256": sha256, "bytes": content.len() })
}

/// Kills one of the step processes of an engine's process, if it has any.
fn kill_a_step(engine: i32) -> bool {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    for process in processes {
        let Ok(pid) = process.file_name().to_string_lossy().parse::<i32>() else { continue };
        let Ok(stat) = fs::read_to_string(process.path().join("stat")) else { continue };
        let Some((name, rest)) = stat.rsplit_once(')') else { continue };
        let parent = rest.split_whitespace().nth(1).and_then(|parent| parent.parse::<i32>().ok());
        let is_step = name.ends_with("(step-deliver") || name.contains("(crash-worker");
        if parent == Some(engine) && is_step {
            return kill(Pid::from_raw(pid), Signal::SIGKILL).is_ok();
        }
    }
    false
}
