//! The data folder: journal, objects, logs and the default database of local runs.

use std::{
    fmt,
    io::Write as _,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use engine::{Engine, EngineError, ExecutionFilter, JournalError, Reader, Status};
use server::stores::StoresError;
use tempfile::NamedTempFile;

use crate::{problem::Problem, text};

/// A data folder that exists. Absolute: steps get paths in it.
#[derive(Debug, Clone)]
pub(crate) struct DataDir {
    root: PathBuf,
}

impl DataDir {
    /// Takes the folder, making it (for its owner only) if need be.
    pub(crate) fn create(dir: &Path) -> Result<Self, Problem> {
        check_traces(dir)?;
        let not_written = |source| Problem::NotWritten { path: dir.to_owned(), source };
        let is_new = !dir.exists();
        bucket::make_durable_dir(dir).map_err(not_written)?;
        let root = dir.canonicalize().map_err(not_written)?;
        if is_new {
            // It may lie in a repository; business data does not belong there.
            let mut note = NamedTempFile::new_in(&root).map_err(not_written)?;
            note.write_all(b"*\n").map_err(not_written)?;
            note.persist(root.join(".gitignore")).map_err(|error| not_written(error.error))?;
        }
        Ok(Self { root })
    }

    /// Opens the journal for reading, whoever else uses it.
    pub(crate) fn read(dir: &Path) -> Result<Reader, Problem> {
        check_traces(dir)?;
        Engine::open_read_only(dir).map_err(from_engine)
    }

    /// Where the engine keeps its journal.
    pub(crate) fn journal(&self) -> &Path {
        &self.root
    }

    /// The folder of the buckets.
    pub(crate) fn objects(&self) -> PathBuf {
        self.root.join("objects")
    }

    /// The folder of a bucket.
    pub(crate) fn bucket(&self, name: &str) -> PathBuf {
        self.objects().join(name)
    }

    /// The location of a bucket as steps read it.
    pub(crate) fn bucket_location(&self, name: &str) -> String {
        format!("file://{}", self.bucket(name).display())
    }

    /// Where the logs of the steps go.
    pub(crate) fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    /// Where the log groups of state machines go.
    pub(crate) fn log_groups(&self) -> PathBuf {
        self.logs().join("groups")
    }

    /// Where calls of functions are kept that nobody waits for.
    pub(crate) fn events(&self) -> PathBuf {
        self.root.join("events")
    }

    /// Where zips of functions are unpacked.
    pub(crate) fn functions(&self) -> PathBuf {
        self.root.join("functions")
    }

    /// Refuses to go on with open executions that were started for another CoreView: the engine
    /// takes them up again when it opens the journal, and the secret is that of this run.
    pub(crate) fn check_coreview(&self, coreview: &str) -> Result<(), Problem> {
        let Some((before, now)) = self.other_coreview(coreview) else { return Ok(()) };
        let running = ExecutionFilter {
            status: Some(Status::Running),
            limit: Some(u32::MAX),
            ..ExecutionFilter::default()
        };
        let open = match Self::read(&self.root) {
            Ok(reader) => reader.list_executions(&running).map_err(from_journal)?,
            Err(Problem::NoData { .. }) => return Ok(()),
            Err(problem) => return Err(problem),
        };
        if open.is_empty() {
            return Ok(());
        }
        let open = open.into_iter().map(|execution| execution.name).collect();
        Err(Problem::OtherCoreView { before, now, open })
    }

    /// Where the executions of this folder delivered last, and this place, if they are not the same.
    pub(crate) fn other_coreview(&self, coreview: &str) -> Option<(String, String)> {
        let before = std::fs::read_to_string(self.coreview_note()).ok()?;
        let now = self.place_of(coreview);
        (before.trim_end() != now).then(|| (text::safe(before.trim_end()), now))
    }

    /// Where these executions deliver when nobody names a place: by default, unless they delivered elsewhere.
    pub(crate) fn coreview_of(&self, executions: impl Iterator<Item = String>) -> Result<String, Problem> {
        let default = self.default_coreview();
        match self.other_coreview(&default) {
            Some((before, now)) => Err(Problem::CoreViewMissing { before, now, open: executions.collect() }),
            None => Ok(default),
        }
    }

    /// Notes where the executions of this folder deliver; for who holds the journal.
    pub(crate) fn note_coreview(&self, coreview: &str) -> Result<(), Problem> {
        let note = self.coreview_note();
        let place = self.place_of(coreview);
        if std::fs::read_to_string(&note).is_ok_and(|before| before.trim_end() == place) {
            return Ok(());
        }
        self.note(&note, &place)
    }

    fn note(&self, note: &Path, text: &str) -> Result<(), Problem> {
        let not_written = |source| Problem::NotWritten { path: note.to_owned(), source };
        let mut file = NamedTempFile::new_in(&self.root).map_err(not_written)?;
        writeln!(file, "{text}").and_then(|()| file.as_file().sync_all()).map_err(not_written)?;
        file.persist(note).map_err(|error| not_written(error.error))?;
        Ok(())
    }

    /// How long executions of this folder are kept: 90 days unless somebody said otherwise.
    pub(crate) fn retention(&self) -> Result<Retention, Problem> {
        Retention::noted_in(&self.root)
    }

    /// Notes how long executions of this folder are kept, from now on.
    pub(crate) fn note_retention(&self, retention: Retention) -> Result<(), Problem> {
        self.note(&self.root.join(Retention::NOTE), &retention.to_string())
    }

    fn coreview_note(&self) -> PathBuf {
        self.root.join("coreview.place")
    }

    /// A place without its password. The default moves with the folder.
    fn place_of(&self, coreview: &str) -> String {
        if coreview == self.default_coreview() {
            "coreview.db in the data folder".to_owned()
        } else {
            text::without_password(coreview)
        }
    }

    /// The database that stands in for CoreView unless another one is named.
    pub(crate) fn default_coreview(&self) -> String {
        format!("sqlite://{}", self.root.join("coreview.db").display())
    }
}

/// Refuses a folder whose journal was taken away: what executions left beside it shows that there
/// was one. (An engine knows by its own files; these are there where it was none of today's.)
pub(crate) fn check_traces(dir: &Path) -> Result<(), Problem> {
    let journal = dir.join("journal.db");
    if std::fs::metadata(&journal).is_ok_and(|file| file.len() > 0) {
        return Ok(());
    }
    let is_filled =
        |bucket: &PathBuf| std::fs::read_dir(bucket).is_ok_and(|mut objects| objects.next().is_some());
    let place = dir.join("coreview.place");
    let mut buckets =
        std::fs::read_dir(dir.join("objects")).into_iter().flatten().flatten().map(|bucket| bucket.path());
    let trace = if place.exists() { Some(place) } else { buckets.find(is_filled) };
    let Some(trace) = trace else { return Ok(()) };
    let what = if journal.exists() { "empty" } else { "missing" };
    Err(Problem::JournalUnusable {
        detail: format!(
            "{} is {what}, and {} shows that there was a journal. Put it back with all its files, or restore a \
             backup; to begin anew, move {} away",
            journal.display(),
            trace.display(),
            dir.display()
        ),
    })
}

/// How long an execution is kept after its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retention {
    For(Age),
    /// For ever.
    Never,
}

impl Retention {
    /// The file in the data folder that says it.
    const NOTE: &'static str = "retention";

    /// What a data folder says; AWS's 90 days if it says nothing.
    pub(crate) fn noted_in(dir: &Path) -> Result<Self, Problem> {
        let path = dir.join(Self::NOTE);
        match std::fs::read_to_string(&path) {
            Ok(text) => text.trim().parse().map_err(|problem: String| Problem::Usage {
                message: format!("{}: {problem}", path.display()),
                hint: "name it again: stepwright gc --retention 90d".to_owned(),
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::For(Age::NINETY_DAYS)),
            Err(source) => Err(Problem::file("what is kept cannot be read:", path, source)),
        }
    }

    /// As the engine takes it; `None` = for ever.
    pub(crate) fn span(self) -> Option<Duration> {
        match self {
            Self::For(age) => Some(age.span()),
            Self::Never => None,
        }
    }
}

impl FromStr for Retention {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if matches!(text, "0" | "never") {
            return Ok(Self::Never);
        }
        let age: Age = text.parse().map_err(|problem| format!("{problem}; 0 or never keeps for ever"))?;
        Ok(if age.span().is_zero() { Self::Never } else { Self::For(age) })
    }
}

impl fmt::Display for Retention {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::For(age) => write!(formatter, "{}s", age.span().as_secs()),
            Self::Never => formatter.write_str("never"),
        }
    }
}

/// A time span like `12h`, `30d` or `8w`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Age(Duration);

impl Age {
    /// AWS keeps executions so long.
    pub(crate) const NINETY_DAYS: Self = Self(Duration::from_hours(90 * 24));

    pub(crate) const fn span(self) -> Duration {
        self.0
    }
}

impl FromStr for Age {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refused = || format!("`{text}` is no time span: write a number and s, m, h, d or w, e.g. 30d");
        let unit = text.chars().next_back().ok_or_else(refused)?;
        let seconds = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            'w' => 7 * 86_400,
            _ => return Err(refused()),
        };
        let number: u64 =
            text.strip_suffix(unit).and_then(|number| number.parse().ok()).ok_or_else(refused)?;
        number.checked_mul(seconds).map(|seconds| Self(Duration::from_secs(seconds))).ok_or_else(refused)
    }
}

/// Sorts the engine's errors by what to do about them.
pub(crate) fn from_engine(error: EngineError) -> Problem {
    let detail = error.to_string();
    match error {
        EngineError::Journal(JournalError::InUse { directory, pid }) => {
            Problem::JournalLocked { dir: directory, pid }
        }
        EngineError::Journal(JournalError::Missing { directory }) => Problem::NoData { dir: directory },
        EngineError::Journal(
            JournalError::NotAJournal { .. }
            | JournalError::Newer { .. }
            | JournalError::Damaged { .. }
            | JournalError::Gone { .. }
            | JournalError::DamagedSegment { .. }
            | JournalError::DamagedDefinition { .. },
        )
        | EngineError::Replay { .. } => Problem::JournalUnusable { detail },
        EngineError::InvalidDefinition { .. } => Problem::Definition { detail },
        EngineError::InvalidName { .. } => {
            Problem::Usage { message: detail, hint: "choose another --name, or leave it out".to_owned() }
        }
        EngineError::ExecutionAlreadyExists { .. } => Problem::StartRefused {
            detail,
            hint: "names are used once, as on AWS: leave --name out and one is made".to_owned(),
        },
        EngineError::InvalidExecutionInput { .. } => Problem::StartRefused {
            detail,
            hint: "data travels by reference: an input names objects and does not hold rows".to_owned(),
        },
        _ => Problem::Journal { detail },
    }
}

/// The same for queues and events.
pub(crate) fn from_stores(error: &StoresError) -> Problem {
    let detail = error.to_string();
    match error {
        StoresError::Unusable(_) => Problem::StoresUnusable { detail },
        _ => Problem::Stores { detail },
    }
}

/// The same for reads.
pub(crate) fn from_journal(error: JournalError) -> Problem {
    from_engine(EngineError::Journal(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages() {
        let age = |text: &str| text.parse::<Age>().map(Age::span);
        assert_eq!(age("30d"), Ok(Duration::from_hours(30 * 24)));
        assert_eq!(age("0s"), Ok(Duration::ZERO));
        assert_eq!(age("8w"), Ok(Duration::from_hours(56 * 24)));
        for refused in
            ["", "d", "30", "-1d", "1.5h", "30days", "99999999999999999999d", "99999999999999999w", "3ü"]
        {
            assert!(age(refused).unwrap_err().contains("30d"), "{refused}");
        }
    }

    #[test]
    fn what_is_kept_is_noted_in_the_folder() {
        let folder = tempfile::tempdir().expect("a folder");
        let data = DataDir::create(folder.path()).expect("made");
        assert_eq!(data.retention().expect("read"), Retention::For(Age::NINETY_DAYS));
        for (text, span) in
            [("never", None), ("0", None), ("0d", None), ("2w", Some(Duration::from_hours(14 * 24)))]
        {
            data.note_retention(text.parse().expect("a retention")).expect("noted");
            assert_eq!(data.retention().expect("read").span(), span, "{text}");
        }
        assert!("soon".parse::<Retention>().unwrap_err().contains("never"));
        std::fs::write(folder.path().join(Retention::NOTE), "soon").expect("written");
        assert!(data.retention().is_err(), "not understood is not 90 days");
    }
}
