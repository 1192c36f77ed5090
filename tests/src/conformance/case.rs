//! The recorded cases.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// What a case is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// One execution: its outcome and its history.
    Exec,
    /// One execution whose tasks are answered by a mock configuration.
    MockExec,
    /// Steps of the API: their answers.
    Api,
}

impl Kind {
    /// The kind as cases spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exec => "exec",
            Self::MockExec => "mock_exec",
            Self::Api => "api",
        }
    }

    /// Reads the kind as cases spell it.
    pub fn of(name: &str) -> Option<Self> {
        [Self::Exec, Self::MockExec, Self::Api].into_iter().find(|kind| kind.name() == name)
    }
}

/// A recorded case.
#[derive(Debug, Clone)]
pub struct Case {
    /// Its name, unique.
    pub id: String,
    /// What it is about; the file it lies in.
    pub feature: String,
    /// What it is.
    pub kind: Kind,
    /// Everything in it.
    pub body: Value,
}

impl Case {
    /// Why the recording itself is not to be trusted, if so.
    pub fn quarantine(&self) -> Option<&str> {
        self.body["quarantine"].as_str()
    }

    /// A field that is a list; empty where it is missing.
    pub fn list(&self, field: &str) -> &[Value] {
        self.body[field].as_array().map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether the comparison is told to be lenient in this way.
    pub fn normalises(&self, how: &str) -> bool {
        self.list("normalise").iter().any(|one| one == how)
    }

    /// Keys that are left out of the comparison.
    pub fn ignored_keys(&self) -> Vec<String> {
        self.list("ignore_keys").iter().filter_map(Value::as_str).map(str::to_owned).collect()
    }
}

/// The folder of the recordings, where it is there.
pub fn recordings() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/conformance/sfn");
    folder.is_dir().then_some(folder)
}

/// Reads every case of a folder, in the order of file names and in them.
pub fn load(folder: &Path) -> Result<Vec<Case>, String> {
    let unreadable = |error: std::io::Error| format!("{}: {error}", folder.display());
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .map_err(unreadable)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()
        .map_err(unreadable)?;
    files.retain(|file| {
        file.extension().is_some_and(|extension| extension == "json") && !file.ends_with("index.json")
    });
    files.sort();
    let mut cases = Vec::new();
    for file in files {
        let wrong = |what: &str| format!("{}: {what}", file.display());
        let text = std::fs::read_to_string(&file).map_err(|error| wrong(&error.to_string()))?;
        let mut read: Value = serde_json::from_str(&text).map_err(|error| wrong(&error.to_string()))?;
        let Some(Value::Array(bodies)) = read.get_mut("cases").map(Value::take) else {
            return Err(wrong("has no `cases`"));
        };
        for body in bodies {
            cases.push(case(body).ok_or_else(|| wrong("a case without id, feature or known kind"))?);
        }
    }
    Ok(cases)
}

fn case(body: Value) -> Option<Case> {
    Some(Case {
        id: body["id"].as_str()?.to_owned(),
        feature: body["feature"].as_str()?.to_owned(),
        kind: Kind::of(body["kind"].as_str()?)?,
        body,
    })
}
