//! What can go wrong before, beside or after an execution: each with a code, what to do
//! next, and the exit code of the program.

use std::{fmt::Write as _, path::PathBuf};

use miette::Diagnostic;
use serde_json::{Value, json};

use crate::terminal::{Ink, Terminal};

/// Exit codes (the table in the guide).
pub(crate) mod exit {
    /// The awaited execution failed, or the work did.
    pub(crate) const FAILED: u8 = 1;
    /// The command line makes no sense. Clap uses the same.
    pub(crate) const USAGE: u8 = 2;
    /// What was named does not exist.
    pub(crate) const NOT_FOUND: u8 = 3;
    /// The execution waits for an answer.
    pub(crate) const WAITS: u8 = 4;
    /// A precondition does not hold.
    pub(crate) const REFUSED: u8 = 5;
    /// Some of several were refused, or failed.
    pub(crate) const PARTIAL: u8 = 6;
    /// Ctrl-C. Shells use the same.
    pub(crate) const INTERRUPTED: u8 = 130;

    /// The code of work that was done beside something that was left out for its damage.
    pub(crate) const fn beside(code: u8, is_left_out: bool) -> u8 {
        if code == 0 && is_left_out { PARTIAL } else { code }
    }
}

/// A problem of the command itself. A failed *execution* is a result, not a problem.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub(crate) enum Problem {
    #[error("cargo cannot be started: {source}")]
    #[diagnostic(
        code(cargo::missing),
        help(
            "stepwright builds the project with cargo: install Rust (https://rustup.rs) and put cargo on PATH, or set CARGO to its path; with --app FILE a built application runs without cargo"
        )
    )]
    CargoMissing { source: std::io::Error },

    #[error("there is no Cargo project in {} or above it", dir.display())]
    #[diagnostic(
        code(project::not_found),
        help("change into the folder of the project, or name a built application with --app FILE")
    )]
    NoProject { dir: PathBuf },

    #[error("cargo cannot read the project: {detail}")]
    #[diagnostic(
        code(project::unreadable),
        help("repair the manifest cargo names, then run the command again")
    )]
    ProjectUnreadable { detail: String },

    #[error("{} does not say which package is the application", manifest.display())]
    #[diagnostic(
        code(project::no_app),
        help(
            "add to it:\n[workspace.metadata.stepwright]\napp = \"<package whose binary prints the manifest>\""
        )
    )]
    NoApp { manifest: PathBuf },

    #[error("the application package `{package}` is not in the workspace, or has not exactly one binary")]
    #[diagnostic(
        code(project::app_package),
        help(
            "`app` in [workspace.metadata.stepwright] names a workspace member with one binary: the ten-line main around infra::app"
        )
    )]
    AppPackage { package: String },

    #[error("the project does not build{}", detail.as_deref().map(|d| format!(": {d}")).unwrap_or_default())]
    #[diagnostic(
        code(cargo::build),
        help("the errors of the compiler stand above; correct them and run the command again")
    )]
    Build { detail: Option<String> },

    #[error("{} is not there", path.display())]
    #[diagnostic(
        code(project::binary_missing),
        help(
            "the steps of an application lie beside it: build them all into one folder (`cargo build` does), or leave --app out and let stepwright build"
        )
    )]
    BinaryMissing { path: PathBuf },

    #[error("the application {} cannot say what it contains: {detail}", path.display())]
    #[diagnostic(
        code(project::manifest),
        help("run `{} manifest` to see its own words; application and stepwright must be of one version", path.display())
    )]
    Manifest { path: PathBuf, detail: String },

    #[error("the workflows are denied by the findings above")]
    #[diagnostic(
        code(workflow::denied),
        help(
            "handle the errors they name, or say in the workflow that they may fail it; then run the command again"
        )
    )]
    Denied,

    #[error("there is no workflow `{name}`{}", similar.as_deref().map(|s| format!(". Did you mean `{s}`?")).unwrap_or_default())]
    #[diagnostic(code(workflow::not_found), help("workflows of this application:\n{}", listed(known)))]
    UnknownWorkflow { name: String, similar: Option<String>, known: Vec<String> },

    #[error("{what} {}: {source}", path.display())]
    #[diagnostic(code(file::unreadable), help("check the path and its permissions; paths are relative to {}", base.display()))]
    File { what: &'static str, path: PathBuf, base: PathBuf, source: std::io::Error },

    #[error("{} is a folder", path.display())]
    #[diagnostic(
        code(file::folder),
        help("name the files of the feed one by one: --input a.csv --input b.csv")
    )]
    Folder { path: PathBuf },

    #[error("cannot write {}: {source}", path.display())]
    #[diagnostic(
        code(file::not_written),
        help("check free space and permissions of the folder; nothing was left half written")
    )]
    NotWritten { path: PathBuf, source: std::io::Error },

    #[error("{} is not a regular file", path.display())]
    #[diagnostic(
        code(file::not_regular),
        help("what a pipe or a device gives cannot be read again: write it to a file and name that")
    )]
    NotRegular { path: PathBuf },

    #[error("cannot write to stdout: {detail}")]
    #[diagnostic(
        code(output::not_written),
        help(
            "what was printed is not complete; an execution that was run is kept: `stepwright list` shows it"
        )
    )]
    Output { detail: String },

    #[error("{message}")]
    #[diagnostic(code(usage), help("{hint}"))]
    Usage { message: String, hint: String },

    #[error("the workflow `{workflow}` has no sample: {detail}")]
    #[diagnostic(code(workflow::no_sample), help("name your own files: --spec FILE --input FILE"))]
    NoSample { workflow: String, detail: String },

    #[error("there are no executions: {} {}", dir.display(), if dir.exists() { "holds no journal" } else { "does not exist" })]
    #[diagnostic(
        code(data::not_found),
        help("`stepwright run WORKFLOW` makes it; --data DIR names another folder")
    )]
    NoData { dir: PathBuf },

    #[error("the journal in {} is in use by another stepwright{}", dir.display(), pid.map(|pid| format!(" (process {pid})")).unwrap_or_default())]
    #[diagnostic(
        code(journal::locked),
        help(
            "wait for it to end, or interrupt it (Ctrl-C there, or kill -INT: its executions stay open), and give the command again; a run can have a folder of its own with --data DIR; `stepwright list` and `stepwright show` work meanwhile"
        )
    )]
    JournalLocked { dir: PathBuf, pid: Option<u32> },

    #[error("{source}")]
    #[diagnostic(
        code(dev::endpoint),
        help(
            "--listen 127.0.0.1:0 takes any free port; for other machines give `--credentials generate` and sign with the keys it prints"
        )
    )]
    Endpoint { source: server::http::ServerError },

    #[error("the running `stepwright dev` did not do it: {detail}")]
    #[diagnostic(
        code(dev::remote),
        help(
            "look at its log; if it is gone, remove endpoint.json from the data folder and run the command again"
        )
    )]
    Remote { detail: String },

    #[error("executions that are not at their end deliver to {before}, this run to {now}:\n{}", listed(open))]
    #[diagnostic(
        code(journal::other_coreview),
        help(
            "they would go on and deliver to the wrong place: run the command that started them again until they have ended, or give this run a folder of its own with --data DIR. If the place was a mistake: stepwright stop NAME --reason TEXT, then stepwright redrive NAME --coreview URL"
        )
    )]
    OtherCoreView { before: String, now: String, open: Vec<String> },

    #[error("these executions delivered to {before}, and would deliver to {now} now:\n{}", listed(open))]
    #[diagnostic(
        code(journal::coreview_missing),
        help(
            "say where CoreView is: --coreview URL, or STEPWRIGHT_SECRET_COREVIEW. Its password is not kept here"
        )
    )]
    CoreViewMissing { before: String, now: String, open: Vec<String> },

    #[error("{detail}")]
    #[diagnostic(
        code(journal::unusable),
        help(
            "nothing was changed. A new journal (--data DIR) does not deliver twice: the target keeps its own ledger of what it has"
        )
    )]
    JournalUnusable { detail: String },

    #[error("{detail}")]
    #[diagnostic(
        code(journal::io),
        help("check free space and permissions of the folder; every execution that was accepted is kept")
    )]
    Journal { detail: String },

    #[error("{detail}")]
    #[diagnostic(
        code(stores::unusable),
        help(
            "nothing was changed. `stepwright doctor` says more; what is in the journal is not touched by it: move stores.db, stores.db-wal, stores.db-shm and stores.lock away together to begin with no queues, rules, schedules and pipes"
        )
    )]
    StoresUnusable { detail: String },

    #[error("{detail}")]
    #[diagnostic(
        code(stores::io),
        help("check free space and permissions of the data folder; what was acknowledged is kept")
    )]
    Stores { detail: String },

    #[error("{} is there already", file.display())]
    #[diagnostic(code(backup::there), help("name a file that is not there yet: a backup replaces nothing"))]
    BackupThere { file: PathBuf },

    #[error("{detail}")]
    #[diagnostic(
        code(workflow::definition),
        help(
            "the workflow's source and Stepwright's code generator do not agree: build both from one version"
        )
    )]
    Definition { detail: String },

    #[error("{detail}")]
    #[diagnostic(code(execution::refused), help("{hint}"))]
    StartRefused { detail: String, hint: String },

    #[error("steps cannot run: {0}")]
    #[diagnostic(
        code(steps::host),
        help(
            "the steps are processes that talk to this one over 127.0.0.1; allow that, then run the command again"
        )
    )]
    Host(#[from] server::RuntimeHostError),

    #[error("{0}")]
    #[diagnostic(
        code(functions::refused),
        help(
            "--functions takes a folder with NAME/bootstrap or NAME.zip, and NAME/function.json or NAME.json beside \
             it for what Lambda calls MemorySize, Timeout, Handler, Environment and ReservedConcurrentExecutions"
        )
    )]
    Functions(#[from] server::FolderError),

    #[error("no execution matches `{given}`{}", similar.as_deref().map(|s| format!(". Did you mean `{s}`?")).unwrap_or_default())]
    #[diagnostic(code(execution::not_found), help("`stepwright list` shows what there is"))]
    NoExecution { given: String, similar: Option<String> },

    #[error("`{given}` could be several executions:\n{}", listed(matching))]
    #[diagnostic(code(execution::ambiguous), help("give more of the name"))]
    Ambiguous { given: String, matching: Vec<String> },

    #[error("the execution has not entered a state `{state}`{}", similar.as_deref().map(|s| format!(". Did you mean `{s}`?")).unwrap_or_default())]
    #[diagnostic(code(execution::no_state), help("states it entered:\n{}", listed(known)))]
    NoState { state: String, similar: Option<String>, known: Vec<String> },

    #[error("the machine has no state `{state}`{}", similar.as_deref().map(|s| format!(". Did you mean `{s}`?")).unwrap_or_default())]
    #[diagnostic(code(definition::no_state), help("states of the machine:\n{}", listed(known)))]
    NoSuchState { state: String, similar: Option<String>, known: Vec<String> },

    #[error("{message}")]
    #[diagnostic(code(execution::not_waiting), help("{hint}"))]
    NotAnswered { message: String, hint: String },

    #[error("{detail}")]
    #[diagnostic(code(test::refused), help("{hint}"))]
    TestRefused { detail: String, hint: &'static str },

    #[error("{message}")]
    #[diagnostic(code(definition::form), help("{hint}"))]
    NotADefinition { message: String, hint: String },

    #[error("{message}")]
    #[diagnostic(
        code(definition::invalid),
        help("`stepwright validate` shows every finding where it is, and what to do about it")
    )]
    InvalidDefinition { message: String, diagnostics: Vec<Value> },

    #[error("the application could not write its files: {detail}")]
    #[diagnostic(code(synth::failed), help("its own words stand above"))]
    Synth { detail: String },

    #[error("the figures cannot be exported: {detail}")]
    #[diagnostic(
        code(export::failed),
        help("the delivery itself is done; run the command again to export only")
    )]
    Export { detail: String },
}

fn listed(names: &[String]) -> String {
    names.iter().map(|name| format!("  {}", crate::text::safe(name))).collect::<Vec<_>>().join("\n")
}

impl Problem {
    /// A file that cannot be read.
    pub(crate) fn file(what: &'static str, path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        let base = std::env::current_dir().unwrap_or_default();
        // An error that was not the system's has no words of its own.
        let is_bare = source.kind() == std::io::ErrorKind::NotFound && source.raw_os_error().is_none();
        let source = if is_bare { std::io::Error::new(source.kind(), "it does not exist") } else { source };
        Self::File { what, path: path.into(), base, source }
    }

    /// The exit code that goes with it.
    pub(crate) fn exit(&self) -> u8 {
        match self {
            Self::Usage { .. }
            | Self::Folder { .. }
            | Self::NotRegular { .. }
            | Self::NotADefinition { .. }
            | Self::Ambiguous { .. } => exit::USAGE,
            Self::File { source, .. } if source.kind() == std::io::ErrorKind::NotFound => exit::NOT_FOUND,
            // What was named is of the wrong kind.
            Self::File { source, .. }
                if matches!(
                    source.kind(),
                    std::io::ErrorKind::IsADirectory | std::io::ErrorKind::InvalidData
                ) =>
            {
                exit::USAGE
            }
            Self::Functions(server::FolderError::Unreadable { source, .. })
                if source.kind() == std::io::ErrorKind::NotFound =>
            {
                exit::NOT_FOUND
            }
            Self::NoProject { .. }
            | Self::UnknownWorkflow { .. }
            | Self::NoSample { .. }
            | Self::NoData { .. }
            | Self::NoExecution { .. }
            | Self::NoState { .. }
            | Self::NoSuchState { .. }
            | Self::BinaryMissing { .. } => exit::NOT_FOUND,
            Self::JournalLocked { .. }
            | Self::Endpoint { .. }
            | Self::OtherCoreView { .. }
            | Self::CoreViewMissing { .. }
            | Self::JournalUnusable { .. }
            | Self::StoresUnusable { .. }
            | Self::Definition { .. }
            | Self::Denied
            | Self::BackupThere { .. }
            | Self::NotAnswered { .. }
            | Self::TestRefused { .. }
            | Self::InvalidDefinition { .. }
            | Self::StartRefused { .. }
            | Self::Functions(_) => exit::REFUSED,
            _ => exit::FAILED,
        }
    }

    /// `{"error":{"code","message","hint","requestId"}}`
    ///
    /// With a definition that is refused, what was found stands beside them as `diagnostics`.
    pub(crate) fn to_json(&self) -> Value {
        let mut error = json!({
            "code": self.code().map(|code| code.to_string()),
            "message": self.to_string(),
            "hint": self.help().map(|help| help.to_string()),
            "requestId": null,
        });
        if let (Self::InvalidDefinition { diagnostics, .. }, Value::Object(fields)) = (self, &mut error) {
            fields.insert("diagnostics".to_owned(), Value::Array(diagnostics.clone()));
        }
        json!({ "error": error })
    }

    /// Prints it to stderr, in the form asked for.
    pub(crate) fn report(&self, terminal: Terminal) {
        if terminal.format == crate::arguments::Format::Text {
            terminal.note(&self.to_text(terminal));
        } else {
            terminal.note(&self.to_json().to_string());
        }
    }

    fn to_text(&self, terminal: Terminal) -> String {
        let paint = terminal.err;
        let code = self.code().map(|code| code.to_string()).unwrap_or_default();
        let mut text = format!("{} {}", paint.ink(Ink::Bad, "error:"), crate::text::safe(&self.to_string()));
        if let Some(help) = self.help() {
            let help = help.to_string().replace('\n', "\n        ");
            let _ = write!(text, "\n  {}  {help}", paint.ink(Ink::Strong, "next:"));
        }
        let _ = write!(text, "\n  {}  {}", paint.ink(Ink::Faint, "code:"), paint.ink(Ink::Faint, &code));
        text
    }
}
