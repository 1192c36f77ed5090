//! One data directory of the lab: where everything lies, and how fast time
//! passes there. Written as a file, so that every process of the world and
//! whoever looks into it after a failure read the same.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// The file that describes a world, in its folder.
pub const FILE: &str = "world.json";

/// A folder with a journal, the logs of what really happened, and a bucket.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct World {
    /// The folder.
    pub folder: PathBuf,
    /// Where the step binaries are.
    pub binaries: PathBuf,
    /// The binary that stages, delivers and verifies.
    pub deliver: PathBuf,
    /// Where CoreView is; `None` = there are no deliveries in this world.
    pub coreview: Option<String>,
    /// When this world began, in milliseconds since the epoch.
    pub origin_millis: i64,
    /// How many milliseconds pass here in one millisecond outside.
    pub pace: i64,
    /// A bug to plant; only workers built for that know any.
    pub fault: Option<String>,
}

impl World {
    /// Makes the folder and writes the description.
    ///
    /// # Panics
    /// When the folder cannot be written.
    pub fn create(&self) {
        for folder in [self.folder.clone(), self.bucket()] {
            fs::create_dir_all(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
        }
        let text = serde_json::to_string_pretty(self).expect("a world is JSON");
        fs::write(self.folder.join(FILE), text).expect("the description of the world is written");
    }

    /// Reads a description.
    ///
    /// # Panics
    /// When it cannot be read.
    pub fn read(file: &Path) -> Self {
        let text = fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()))
    }

    /// The engine's data directory.
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// The bucket `staging`.
    pub fn bucket(&self) -> PathBuf {
        self.folder.join("staging")
    }

    /// Every call of a task that reached the task host: `ARN event-id`.
    pub fn invocations(&self) -> PathBuf {
        self.folder.join("invocations.log")
    }

    /// Every run of the step `work`, by its key: written by the step's own process.
    pub fn effects(&self) -> PathBuf {
        self.folder.join("effects.log")
    }

    /// Every task token that was handed out: `ARN token`.
    pub fn tokens(&self) -> PathBuf {
        self.folder.join("tokens.log")
    }

    /// The executions in which the step `work` finds nothing broken any more, by ARN.
    pub fn repaired(&self) -> PathBuf {
        self.folder.join("repaired.log")
    }

    /// The time in this world, in milliseconds since the epoch.
    pub fn now_millis(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let wall = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
        self.origin_millis + (wall - self.origin_millis) * self.pace
    }
}

/// A log that several processes append whole lines to. A line that was
/// written survives the process; one write per line keeps lines whole.
#[derive(Debug)]
pub struct LineLog(File);

impl LineLog {
    /// Opens a log, made if need be.
    ///
    /// # Panics
    /// When it cannot be opened.
    pub fn open(path: &Path) -> Self {
        let file = OpenOptions::new().create(true).append(true).open(path);
        Self(file.unwrap_or_else(|e| panic!("{}: {e}", path.display())))
    }

    /// Appends a line.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn line(&self, text: &str) {
        (&self.0).write_all(format!("{text}\n").as_bytes()).expect("a log of the lab is written");
    }
}

/// The whole lines of a log; none when there is no log.
pub fn lines(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| text.get(..end).unwrap_or_default());
    whole.lines().map(str::to_owned).collect()
}
