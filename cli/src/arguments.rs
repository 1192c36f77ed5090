//! The command line, defined once: parsing, help and completions come from here.
#![expect(clippy::doc_markdown, reason = "the doc comments are the help texts")]

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Runs typed workflows on the embedded engine and writes what deploys them.
#[derive(Debug, Parser)]
#[command(
    name = "stepwright",
    disable_version_flag = true,
    disable_help_subcommand = true,
    before_help = "Examples:
  stepwright run coreview-delivery                     the sample that ships with the project
  stepwright run coreview-delivery --spec feed.toml --input feed.csv --export figures.csv
  stepwright dev                                       serves the Step Functions API for AWS's clients
  stepwright list --status failed                      what needs attention
  stepwright show latest                               the last execution, state by state
  stepwright redrive latest --reason 'CoreView is back'  it goes on where it failed
  stepwright validate order.asl.json                   what AWS would refuse, and why
  stepwright synth                                     what deploys the workflows",
    after_help = "Exit codes: 0 ok · 1 failed · 2 usage · 3 not found · 4 somebody has to answer · 5 refused · 6 partly refused · 130 interrupted\n\
                  Data goes to stdout, everything else to stderr."
)]
pub(crate) struct Cli {
    /// What to do
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    /// How results look that are printed by the verb
    #[command(flatten)]
    pub(crate) global: Global,
    /// Print the version; with --verbose also how this program was built
    #[arg(short = 'V', long)]
    pub(crate) version: bool,
}

/// Where the help of a verb lists the flags that every verb takes: last.
const OF_EVERY_COMMAND: &str = "Options of every command";

/// Flags every verb takes.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Global {
    /// Form of the data on stdout
    #[arg(short, long, value_enum, ignore_case = true, default_value_t, global = true, value_name = "FORM")]
    #[arg(help_heading = OF_EVERY_COMMAND, display_order = 901)]
    pub(crate) output: Format,
    /// Say less: no progress; lists print names only, one per line
    #[arg(short, long, global = true, help_heading = OF_EVERY_COMMAND, display_order = 902)]
    pub(crate) quiet: bool,
    /// Say more: what the program does and what steps log; twice for everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    #[arg(help_heading = OF_EVERY_COMMAND, display_order = 903)]
    pub(crate) verbose: u8,
    /// Colours; NO_COLOR and CLICOLOR_FORCE are honoured
    #[arg(long, value_enum, ignore_case = true, default_value_t, global = true, value_name = "WHEN")]
    #[arg(help_heading = OF_EVERY_COMMAND, display_order = 904)]
    pub(crate) color: Color,
}

/// What `--output` says on a command line that does not parse: its error takes that form, too.
pub(crate) fn format_asked_for(arguments: impl Iterator<Item = String>) -> Format {
    let mut arguments = arguments.take_while(|argument| argument != "--");
    let mut asked_for = Format::default();
    while let Some(argument) = arguments.next() {
        let value = match (argument.strip_prefix("--"), argument.strip_prefix('-')) {
            (Some("output"), _) => Some(String::new()),
            (Some(long), _) => long.strip_prefix("output=").map(str::to_owned),
            // Flags without a value may stand before it: `-qojson`.
            (None, Some(short)) => {
                short.trim_start_matches(['q', 'v', 'V', 'h']).strip_prefix('o').map(str::to_owned)
            }
            (None, None) => None,
        };
        let Some(value) = value else { continue };
        let value = if value.is_empty() { arguments.next().unwrap_or_default() } else { value };
        if let Ok(format) = Format::from_str(value.trim_start_matches('='), false) {
            asked_for = format;
        }
    }
    asked_for
}

/// Form of data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Format {
    /// For people
    #[default]
    Text,
    /// One JSON document
    Json,
    /// One JSON document per line
    Jsonl,
}

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a workflow on the embedded engine and wait for its end
    Run(Run),
    /// Serve the Step Functions API on this machine: AWS's clients work with it unchanged
    Dev(Dev),
    /// Write what deploys the workflows: state machines, templates, cloud assembly
    Synth(Synth),
    /// Check definitions of state machines: what AWS refuses, shown where it is, and what to do about it
    Validate(Validate),
    /// Run one state on its own, with a mock in the place of its work, and show how JSON flows through it
    TestState(TestState),
    /// List executions, newest first
    List(List),
    /// Show one execution: its states, its events, or what went into a state and came out
    Show(Show),
    /// Let executions that failed, were stopped or timed out go on where they stood
    Redrive(Redrive),
    /// Take up the executions that are open and that no process runs, and wait for their ends
    Resume(Resume),
    /// Stop executions that run
    Stop(Stop),
    /// Tasks that wait for somebody's answer
    Waiting(Waiting),
    /// Answer a task that waits; its execution goes on
    Answer(Answer),
    /// Copy the journal into a file, also while an engine writes it, and verify the copy
    Backup(Backup),
    /// Verify a journal or a backup: what is wrong with it, and which executions that touches
    Doctor(Doctor),
    /// Remove executions that ended long ago, and give their space back
    Gc(Gc),
    /// Print a completion script for a shell
    Completions(Completions),
}

/// Where the journal and the objects are.
#[derive(Debug, Clone, Args)]
pub(crate) struct Data {
    /// Folder of the journal, objects, logs and the default database
    #[arg(
        long = "data",
        value_name = "DIR",
        default_value = ".stepwright",
        env = "STEPWRIGHT_DATA",
        hide_env_values = true
    )]
    pub(crate) dir: PathBuf,
}

/// How long executions are kept.
#[derive(Debug, Clone, Args)]
pub(crate) struct Keep {
    /// Keep executions so long after their end, here from now on: 90d, 2w; 0 or `never` = for ever
    /// [default: what was said before, 90d at first]
    #[arg(long, value_name = "AGE")]
    pub(crate) retention: Option<crate::data::Retention>,
}

impl Keep {
    /// Notes it in the folder, if it was said.
    pub(crate) fn note(&self, data: &crate::data::DataDir) -> Result<(), crate::problem::Problem> {
        self.retention.map_or(Ok(()), |retention| data.note_retention(retention))
    }
}

/// Functions beside those of the project.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct FunctionFolders {
    /// Also run the functions of this folder: NAME/bootstrap and NAME.zip; also several times
    #[arg(long = "functions", value_name = "DIR")]
    pub(crate) folders: Vec<PathBuf>,
}

/// How the application is found and built.
#[derive(Debug, Clone, Args)]
pub(crate) struct Build {
    /// Cargo profile of the application and its steps [default: the one this program was built with]
    #[arg(long, value_name = "PROFILE")]
    pub(crate) profile: Option<String>,
    /// Use this application binary, and the step binaries beside it, instead of building the project
    #[arg(
        long,
        value_name = "FILE",
        env = "STEPWRIGHT_APP",
        hide_env_values = true,
        conflicts_with = "profile"
    )]
    pub(crate) app: Option<PathBuf>,
}

/// `run`
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  stepwright run coreview-delivery
  stepwright run coreview-delivery --spec vehicles.toml --input vehicles.csv --export figures.csv
  stepwright run coreview-delivery --coreview postgres://user:secret@db.internal/coreview
  stepwright run coreview-commission                          the sample: a year of months
  stepwright run coreview-commission --spec customer/customer.toml --input contracts-2024-03.csv --period 2024-03
  stepwright run coreview-delivery -o json | jq .output.receipt

An interrupted run is resumed by the same command. The same input delivers nothing twice.
Exit 4: it waits for somebody's answer (`stepwright waiting`). Exit 6: it succeeded, and another execution of the
data folder is damaged and does not go on.")]
pub(crate) struct Run {
    /// Name of the workflow
    pub(crate) workflow: String,
    /// The spec: how to read, check and calculate the feed [default: the sample's]
    #[arg(long, value_name = "FILE")]
    pub(crate) spec: Option<PathBuf>,
    /// A file of the feed, also several times [default: the sample's]; for a workflow that
    /// takes no files, the execution input as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) input: Vec<PathBuf>,
    /// Messages as a queue would bring them, one JSON document a line
    #[arg(long, value_name = "FILE")]
    pub(crate) messages: Option<PathBuf>,
    /// The business period, e.g. 2024-03; 2024-01..2024-12 is one execution for each month
    #[arg(long, value_name = "PERIOD")]
    pub(crate) period: Option<String>,
    /// Deliver again what was delivered for the period, and why: only what changed is written
    #[arg(long, value_name = "REASON", value_parser = reason)]
    pub(crate) correction: Option<String>,
    /// Where CoreView is: sqlite:///path.db or postgres://… [default: coreview.db in the data folder]
    #[arg(long, value_name = "URL", env = "STEPWRIGHT_SECRET_COREVIEW", hide_env_values = true)]
    pub(crate) coreview: Option<String>,
    /// Write the figures to this file, byte for byte as they were calculated
    #[arg(long, value_name = "FILE.csv")]
    pub(crate) export: Option<PathBuf>,
    /// Name of the execution, at most 80 characters [default: workflow, time and four random digits]
    #[arg(long)]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) keep: Keep,
    #[command(flatten)]
    pub(crate) functions: FunctionFolders,
    #[command(flatten)]
    pub(crate) data: Data,
    #[command(flatten)]
    pub(crate) build: Build,
}

/// `dev`
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  stepwright dev                                   the project's workflows as state machines
  stepwright dev --no-app --data /tmp/playground   the engine alone
  stepwright dev --functions target/lambda         with functions that `cargo lambda build` made
  stepwright dev --listen 0.0.0.0:4599 --credentials generate --allow-host build-7

Prints the environment that points AWS's command line and SDKs here, and serves until Ctrl-C. What was
acknowledged survives anything; open executions go on with the next start. /healthz, /readyz and /metrics
(Prometheus) tell how it is. With -o json one line says where it is.")]
pub(crate) struct Dev {
    /// Where to listen; port 0 takes any that is free
    #[arg(
        long,
        value_name = "ADDRESS:PORT",
        default_value = "127.0.0.1:4599",
        env = "STEPWRIGHT_LISTEN",
        hide_env_values = true
    )]
    pub(crate) listen: String,
    /// Answer for this host name, too, and for sync-NAME; also several times
    #[arg(long, value_name = "NAME", value_parser = server::http::host_name)]
    pub(crate) allow_host: Vec<String>,
    /// Answer only calls signed with this pair, KEY_ID:SECRET; `generate` makes one [default: anyone on this machine]
    #[arg(long, value_name = "KEYS", env = "STEPWRIGHT_CREDENTIALS", hide_env_values = true)]
    pub(crate) credentials: Option<String>,
    /// Refuse calls that come too often, with ThrottlingException
    #[arg(long, value_enum, value_name = "RATES")]
    pub(crate) throttle: Option<Throttle>,
    /// What starts executions: queues, rules, schedules and pipes, as TOML or JSON; docs/triggers.md has its form
    #[arg(long, value_name = "FILE", env = "STEPWRIGHT_TRIGGERS", hide_env_values = true)]
    pub(crate) triggers: Option<PathBuf>,
    /// Serve without the project's workflows and functions
    #[arg(long, conflicts_with = "profile")]
    pub(crate) no_app: bool,
    /// Build again when a source of the project changes, and serve that; executions keep their definitions
    #[arg(long, conflicts_with = "no_app")]
    pub(crate) watch: bool,
    /// What is logged, as JSON lines on stderr
    #[arg(long, value_enum, default_value_t, value_name = "LEVEL")]
    pub(crate) log: LogLevel,
    /// Where CoreView is: sqlite:///path.db or postgres://… [default: coreview.db in the data folder]
    #[arg(long, value_name = "URL", env = "STEPWRIGHT_SECRET_COREVIEW", hide_env_values = true)]
    pub(crate) coreview: Option<String>,
    #[command(flatten)]
    pub(crate) functions: FunctionFolders,
    #[command(flatten)]
    pub(crate) data: Data,
    #[command(flatten)]
    pub(crate) build: Build,
}

/// How often operations may be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Throttle {
    /// As often as AWS's default quotas let an account in us-east-1
    Aws,
}

/// How much a server logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum LogLevel {
    /// What is broken
    Error,
    /// Also executions and tasks that failed
    #[default]
    Warn,
    /// Also the end of every execution
    Info,
    /// Also every state
    Debug,
}

impl LogLevel {
    /// As filters have it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }
}

/// `synth`
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  stepwright synth                    everything `cdk --app stepwright.out/cdk.out deploy` takes
  stepwright synth --profile lambda   the same with the smallest binaries: takes minutes
  stepwright synth --definitions      definitions, schemas, source maps: quick, to review
  stepwright synth --check            exit 1 if the files are not what the source says")]
pub(crate) struct Synth {
    /// Workflows that must be among those written [default: any]
    pub(crate) workflow: Vec<String>,
    /// Where to write
    #[arg(long, value_name = "DIR", default_value = "stepwright.out")]
    pub(crate) out: PathBuf,
    /// Write nothing; exit 1 if the files in DIR differ
    #[arg(long)]
    pub(crate) check: bool,
    /// Leave out the step binaries, and with them the template and the cloud assembly
    #[arg(long, conflicts_with = "binaries")]
    pub(crate) definitions: bool,
    /// Pack the step binaries of this folder instead of building them [default profile: release]
    #[arg(long, value_name = "DIR")]
    pub(crate) binaries: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) build: Build,
}

/// `validate`
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  stepwright validate order.asl.json
  stepwright validate                            the workflows of the project
  aws stepfunctions describe-state-machine --state-machine-arn ARN | jq -r .definition | stepwright validate -
  stepwright validate *.json -q                  one line a finding, for editors
  stepwright validate order.asl.json -o json | jq '.[].diagnostics'

Errors are what AWS refuses, in its words; warnings are what it accepts and you will not want, such as
misspelt parameters of services. Exit 1 for errors, with --deny-warnings for warnings, too.")]
pub(crate) struct Validate {
    /// Files with a definition each; `-` reads stdin [default: the workflows of the project]
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Type of the state machines: an Express one can wait neither for a job nor for a token
    #[arg(long, value_enum, ignore_case = true, default_value_t, value_name = "TYPE")]
    pub(crate) r#type: MachineType,
    /// Exit 1 for warnings, too
    #[arg(long)]
    pub(crate) deny_warnings: bool,
    #[command(flatten)]
    pub(crate) build: Build,
}

/// Type of a state machine, in AWS's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum MachineType {
    /// Durable, up to a year
    #[default]
    Standard,
    /// In memory, up to five minutes
    Express,
}

/// `test-state`
#[derive(Debug, Args)]
#[command(before_help = r#"Examples:
  stepwright test-state greet.json --input '{"name": "Ada"}'
  stepwright test-state order.asl.json --state Charge --mock-result '{"StatusCode": 200}'
  stepwright test-state order.asl.json --state Charge --mock-error Card.Declined --retry-count 2
  stepwright test-state order.asl.json --state Each --mock-result '[1, 2]' --inspection-level debug
  stepwright test-state order.asl.json --state Charge --input @order.json --mock-result @answer.json
  stepwright test-state charge.json --mock-result @answer.json -o json | jq .nextState

JSON is given as text or as @FILE. The answer is that of AWS's TestState; a mocked result is checked
against the model of the service the state calls. With -q only the output is printed.

Exit 0 if the state succeeds, or its error is retried or caught; 1 if it fails and nothing takes the
error; 5 if the definition or the mock is refused, so that nothing was tested."#)]
pub(crate) struct TestState {
    /// The definition: of one state, or of a whole machine together with --state; `-` reads stdin
    #[arg(required_unless_present = "definition")]
    pub(crate) file: Option<PathBuf>,
    /// The definition as text, or file://FILE, as the AWS CLI has it
    #[arg(long, conflicts_with = "file", value_name = "TEXT")]
    pub(crate) definition: Option<String>,
    /// The state of the machine to test, also one inside of a Map or Parallel
    #[arg(long, alias = "state-name", value_name = "NAME")]
    pub(crate) state: Option<String>,
    /// Input of the state [default: {}]
    #[arg(long, value_name = "JSON")]
    pub(crate) input: Option<String>,
    /// How much to tell
    #[arg(long, value_enum, ignore_case = true, default_value_t, value_name = "LEVEL")]
    pub(crate) inspection_level: Inspection,
    /// What the work of a Task, Parallel or Map answers
    #[arg(long, value_name = "JSON", conflicts_with = "mock_error", help_heading = WORK)]
    pub(crate) mock_result: Option<String>,
    /// The name of the error the work fails with
    #[arg(long, value_name = "ERROR", help_heading = WORK)]
    pub(crate) mock_error: Option<String>,
    /// The cause that goes with the error
    #[arg(long, value_name = "TEXT", requires = "mock_error", help_heading = WORK)]
    pub(crate) mock_cause: Option<String>,
    /// The mock as AWS's CLI has it: {"result": TEXT}, or {"errorOutput": {"error": NAME, "cause": TEXT}}
    #[arg(long, value_name = "JSON", conflicts_with_all = ["mock_result", "mock_error"], help_heading = WORK)]
    pub(crate) mock: Option<String>,
    /// How a mocked result is checked against the service's model
    #[arg(long, value_enum, ignore_case = true, default_value_t, value_name = "MODE", help_heading = WORK)]
    pub(crate) validation: Validation,
    /// The variables on entry, an object
    #[arg(long, value_name = "JSON", help_heading = BEFORE)]
    pub(crate) variables: Option<String>,
    /// How often the retrier that takes the error has retried
    #[arg(long, default_value_t = 0, allow_negative_numbers = true, value_name = "N", help_heading = BEFORE)]
    pub(crate) retry_count: u32,
    /// The state inside of the Map or Parallel that the error comes from
    #[arg(long, value_name = "NAME", requires = "mock_error", help_heading = BEFORE)]
    pub(crate) error_from: Option<String>,
    /// How many iterations of the Map have failed
    #[arg(long, allow_negative_numbers = true, value_name = "N", help_heading = BEFORE)]
    pub(crate) failed_iterations: Option<u64>,
    /// What the item reader of the Map has read: JSON, or the text of a CSV or JSONL file
    #[arg(long, value_name = "DATA", help_heading = BEFORE)]
    pub(crate) reader_data: Option<String>,
    /// All of this as AWS's CLI has it, e.g. {"retrierRetryCount": 2}
    #[arg(long, value_name = "JSON", help_heading = BEFORE)]
    #[arg(conflicts_with_all = ["retry_count", "error_from", "failed_iterations", "reader_data"])]
    pub(crate) state_configuration: Option<String>,
    /// The context object; only with a mock [default: one of an execution that began just now]
    #[arg(long, value_name = "JSON", help_heading = BEFORE)]
    pub(crate) context: Option<String>,
    /// Show secrets of HTTP tasks. They have none here, where they run with mocks only
    #[arg(long, hide = true)]
    pub(crate) reveal_secrets: bool,
    /// The role in the context object
    #[arg(long, value_name = "ARN", help_heading = BEFORE)]
    pub(crate) role_arn: Option<String>,
}

/// Headings of the help of `test-state`: the mock of the state's work,
const WORK: &str = "The work of the state";
/// and what is there when the state is entered.
const BEFORE: &str = "What was before";

/// How a mocked result is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Validation {
    /// Required fields are there, and what is there fits the model
    #[default]
    Strict,
    /// What is there fits the model
    Present,
    /// Not at all
    None,
}

/// How much a test tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Inspection {
    /// Status, output, error, next state
    #[default]
    Info,
    /// Also every stage of the data flow
    Debug,
    /// Everything
    Trace,
}

/// `list`
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  stepwright list
  stepwright list --status failed --since 2d
  stepwright list --status failed,timed_out --workflow coreview-delivery
  stepwright list --status running -q | xargs -n1 stepwright show")]
pub(crate) struct List {
    /// Only these statuses
    #[arg(long, value_enum, ignore_case = true, value_delimiter = ',', value_name = "STATUS")]
    pub(crate) status: Vec<Status>,
    /// Only executions of this workflow
    #[arg(long, value_name = "NAME")]
    pub(crate) workflow: Option<String>,
    /// Only those started since this long ago, e.g. 90s, 15m, 6h, 2d, 1w
    #[arg(long, value_name = "AGO")]
    pub(crate) since: Option<Ago>,
    /// At most so many
    #[arg(long, default_value_t = 50, value_name = "N")]
    pub(crate) limit: usize,
    /// How times are written
    #[arg(long, value_enum, default_value_t)]
    pub(crate) time: Time,
    #[command(flatten)]
    pub(crate) data: Data,
}

/// `show`
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  stepwright show latest
  stepwright show coreview-delivery-20261121-101500-4c1f --events
  stepwright show latest --io Reconcile
  stepwright show latest --events -o jsonl | jq .type
  stepwright show latest --logs                    what its functions wrote")]
pub(crate) struct Show {
    /// ARN, name or unique beginning of a name; or `latest`
    pub(crate) execution: String,
    /// The states with their times and attempts (default)
    #[arg(long, group = "view")]
    pub(crate) tree: bool,
    /// The history, event by event
    #[arg(long, group = "view")]
    pub(crate) events: bool,
    /// What went into a state and what came out
    #[arg(long, group = "view", value_name = "STATE")]
    pub(crate) io: Option<String>,
    /// What its functions wrote, and what Lambda would report of them
    #[arg(long, group = "view")]
    pub(crate) logs: bool,
    /// How times are written
    #[arg(long, value_enum, default_value_t)]
    pub(crate) time: Time,
    #[command(flatten)]
    pub(crate) data: Data,
}

/// `gc`
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  stepwright gc --dry-run
  stepwright gc --older-than 30d
  stepwright gc --retention never    keep everything here from now on")]
pub(crate) struct Gc {
    /// Only executions that ended at least so long ago: 12h, 30d, 8w [default: as long as they are kept]
    #[arg(long, value_name = "AGE")]
    pub(crate) older_than: Option<crate::data::Age>,
    /// Say what would be removed, and remove nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) keep: Keep,
    #[command(flatten)]
    pub(crate) data: Data,
}

/// `backup`
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  stepwright backup /mnt/backups/journal-2026-11-21.db
  stepwright doctor /mnt/backups/journal-2026-11-21.db")]
pub(crate) struct Backup {
    /// The file to make; it must not be there yet
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) data: Data,
}

/// `doctor`
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  stepwright doctor
  stepwright doctor backup.db -o json | jq .findings")]
pub(crate) struct Doctor {
    /// A backup, or the database of a journal [default: the journal of the data folder]
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) data: Data,
}

/// `redrive`
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  stepwright redrive latest --reason 'CoreView is back' --dry-run
  stepwright redrive coreview-delivery-20261121-101500-4c1f --reason 'INC-4711: CoreView is back' --wait
  stepwright list --status failed --since 2d -q | xargs stepwright redrive --reason 'INC-4711 over' --yes

What succeeded is kept and does not run again; the states that did not succeed do their work again,
with the definition and the input of the start. What AWS would refuse is refused, in AWS's words.

Exit codes: 0 redriven · 1 with --wait: not all succeeded · 3 not found · 5 refused · 6 some of several refused,
or another execution of the folder is damaged")]
pub(crate) struct Redrive {
    /// ARN, name or unique beginning of a name; or `latest`
    #[arg(required = true, value_name = "EXECUTION")]
    pub(crate) executions: Vec<String>,
    /// Why; kept with the redrive and shown by `stepwright show`
    #[arg(long, value_name = "TEXT", required_unless_present = "dry_run", value_parser = reason)]
    pub(crate) reason: Option<String>,
    /// Show what would run again and what is kept, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Wait until they have ended [default: until no step of theirs runs any more]
    #[arg(long)]
    pub(crate) wait: bool,
    /// Do not ask
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Where CoreView is: sqlite:///path.db or postgres://… [default: coreview.db in the data folder]
    #[arg(long, value_name = "URL", env = "STEPWRIGHT_SECRET_COREVIEW", hide_env_values = true)]
    pub(crate) coreview: Option<String>,
    /// How times are written
    #[arg(long, value_enum, default_value_t)]
    pub(crate) time: Time,
    #[command(flatten)]
    pub(crate) keep: Keep,
    #[command(flatten)]
    pub(crate) functions: FunctionFolders,
    #[command(flatten)]
    pub(crate) data: Data,
    #[command(flatten)]
    pub(crate) build: Build,
}

/// `resume`
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  stepwright resume
  stepwright list --status running

What an interrupted or killed `run` or `redrive` left open goes on where it stood: nothing that was done
is done again.

Exit codes: 0 all succeeded · 1 none did · 3 no journal · 5 nothing is open, or the folder is in use · 6 some failed")]
pub(crate) struct Resume {
    /// Where CoreView is: sqlite:///path.db or postgres://… [default: coreview.db in the data folder]
    #[arg(long, value_name = "URL", env = "STEPWRIGHT_SECRET_COREVIEW", hide_env_values = true)]
    pub(crate) coreview: Option<String>,
    #[command(flatten)]
    pub(crate) functions: FunctionFolders,
    #[command(flatten)]
    pub(crate) data: Data,
    #[command(flatten)]
    pub(crate) build: Build,
}

/// `stop`
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  stepwright stop latest --reason 'wrong file'
  stepwright list --status running -q | xargs stepwright stop --reason 'maintenance' --yes

A stopped execution is ABORTED; its steps are not undone. It can be redriven for 14 days.

Exit codes: 0 stopped · 3 not found · 5 it had ended · 6 some of several had ended, or could not be stopped")]
pub(crate) struct Stop {
    /// ARN, name or unique beginning of a name; or `latest`
    #[arg(required = true, value_name = "EXECUTION")]
    pub(crate) executions: Vec<String>,
    /// Why; the execution's cause
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub(crate) reason: String,
    /// The execution's error
    #[arg(long, value_name = "NAME", default_value = "Stopped")]
    pub(crate) error: String,
    /// Do not ask
    #[arg(short, long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) data: Data,
}

/// `waiting`
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  stepwright waiting
  stepwright waiting latest -o json | jq -r '.[].taskToken'")]
pub(crate) struct Waiting {
    /// ARN, name or unique beginning of a name; or `latest` [default: all that run]
    #[arg(value_name = "EXECUTION")]
    pub(crate) executions: Vec<String>,
    /// How times are written
    #[arg(long, value_enum, default_value_t)]
    pub(crate) time: Time,
    #[command(flatten)]
    pub(crate) data: Data,
}

/// `answer`
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  stepwright answer latest --result '{\"approved\": true, \"by\": \"me\"}' --wait
  stepwright answer latest --state Approve --result @answer.json
  stepwright answer latest --error Refused --cause 'the total is wrong'

What `SendTaskSuccess` and `SendTaskFailure` do, without looking for the token.

Exit codes: 0 answered · with --wait: 1 the execution failed, 4 it waits for another answer · 3 not found ·
5 nothing waits there")]
pub(crate) struct Answer {
    /// ARN, name or unique beginning of a name; or `latest`
    pub(crate) execution: String,
    /// Which of its tasks, when several wait: the name of the state, or where it is as `waiting` says
    #[arg(long, value_name = "STATE")]
    pub(crate) state: Option<String>,
    /// The result: JSON, @FILE, or @- for standard input
    #[arg(long, value_name = "JSON", required_unless_present = "error", conflicts_with = "error")]
    pub(crate) result: Option<String>,
    /// The task fails with this error
    #[arg(long, value_name = "NAME")]
    pub(crate) error: Option<String>,
    /// Why it fails
    #[arg(long, value_name = "TEXT", requires = "error")]
    pub(crate) cause: Option<String>,
    /// Wait until the execution has ended, or asks again [default: until no step runs any more]
    #[arg(long)]
    pub(crate) wait: bool,
    /// Where CoreView is: sqlite:///path.db or postgres://… [default: coreview.db in the data folder]
    #[arg(long, value_name = "URL", env = "STEPWRIGHT_SECRET_COREVIEW", hide_env_values = true)]
    pub(crate) coreview: Option<String>,
    /// How times are written
    #[arg(long, value_enum, default_value_t)]
    pub(crate) time: Time,
    #[command(flatten)]
    pub(crate) functions: FunctionFolders,
    #[command(flatten)]
    pub(crate) data: Data,
    #[command(flatten)]
    pub(crate) build: Build,
}

/// `completions`
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  stepwright completions bash > ~/.local/share/bash-completion/completions/stepwright
  stepwright completions zsh > ~/.zfunc/_stepwright")]
pub(crate) struct Completions {
    /// The shell
    pub(crate) shell: clap_complete::Shell,
}

/// A reason says something.
fn reason(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err("it says nothing: whoever looks later has to know why".to_owned());
    }
    Ok(text.to_owned())
}

/// Status of an execution, in AWS's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum Status {
    /// Not at its end
    Running,
    /// Ended well
    Succeeded,
    /// Ended with an error
    Failed,
    /// Ran into its timeout
    TimedOut,
    /// Stopped by somebody
    Aborted,
}

impl Status {
    /// The engine's status.
    pub(crate) const fn engine(self) -> engine::Status {
        match self {
            Self::Running => engine::Status::Running,
            Self::Succeeded => engine::Status::Succeeded,
            Self::Failed => engine::Status::Failed,
            Self::TimedOut => engine::Status::TimedOut,
            Self::Aborted => engine::Status::Aborted,
        }
    }
}

/// How long ago: `90s`, `15m`, `6h`, `2d`, `1w`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ago(i64);

impl Ago {
    /// The same in milliseconds.
    pub(crate) const fn millis(self) -> i64 {
        self.0
    }
}

impl std::str::FromStr for Ago {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused =
            || format!("`{text}` is no time ago: a number and s, m, h, d or w, such as 90s, 6h or 2d");
        let unit = text.chars().next_back().ok_or_else(refused)?;
        let seconds: i64 = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            'w' => 604_800,
            _ => return Err(refused()),
        };
        let count: u32 = text.trim_end_matches(unit).parse().map_err(|_| refused())?;
        Ok(Self(i64::from(count) * seconds * 1_000))
    }
}

/// How times are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Time {
    /// In Coordinated Universal Time
    #[default]
    Utc,
    /// In the zone of this machine
    Local,
    /// As time ago
    Relative,
    /// RFC 3339 with milliseconds
    Iso,
}
