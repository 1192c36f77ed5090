//! `dev --watch`: a change of the sources becomes what the server runs.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use server::Stores;

use super::{deploy, triggers};
use crate::{
    arguments::{Build, Format},
    local_engine::LocalEngine,
    problem::Problem,
    project::{Application, Seen, Sources},
    terminal::{Ink, Terminal},
    text,
};

/// How often the sources are looked at. A build begins when two looks see the same.
const LOOK: Duration = Duration::from_millis(250);

/// Follows the sources of an application that is served; it ends with this value, though not in
/// the middle of a build.
pub(super) struct Watch {
    ended: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Watch {
    /// Begins with an application as it was built from what the sources were then.
    pub(super) fn start(
        (local, stores): (&LocalEngine, &Stores),
        application: &Application,
        seen: Seen,
        build: Build,
        terminal: Terminal,
    ) -> Result<Self, Problem> {
        let ended = Arc::new(AtomicBool::new(false));
        let watching = Watching {
            local: local.clone(),
            stores: stores.clone(),
            sources: application.sources().clone(),
            seen,
            build,
            terminal,
            ended: Arc::clone(&ended),
        };
        let thread = std::thread::Builder::new().name("watch".to_owned()).spawn(|| watching.run());
        let thread = thread.map_err(|source| Problem::Journal { detail: format!("no thread: {source}") })?;
        Ok(Self { ended, thread })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        self.thread.thread().unpark();
    }
}

struct Watching {
    local: LocalEngine,
    stores: Stores,
    sources: Sources,
    /// What the last build was begun with.
    seen: Seen,
    build: Build,
    terminal: Terminal,
    ended: Arc<AtomicBool>,
}

impl Watching {
    fn run(mut self) {
        while let Some(now) = self.change() {
            let changed = now.changed_since(&self.seen).map(|path| text::safe(&path.display().to_string()));
            self.terminal.remark(&format!("{} changed: building", changed.unwrap_or_default()));
            self.seen = now;
            let began = Instant::now();
            match self.renew() {
                Ok(deployed) => self.announce(&deployed, began.elapsed()),
                Err(problem) => {
                    problem.report(self.terminal);
                    self.terminal.remark("what was built last goes on; the next change is built again");
                }
            }
        }
    }

    /// Waits for a change, and until who makes it pauses; `None` at the end.
    fn change(&self) -> Option<Seen> {
        let mut last = None;
        loop {
            std::thread::park_timeout(LOOK);
            if self.ended.load(Ordering::Relaxed) {
                return None;
            }
            let now = self.sources.look();
            let is_other = now.changed_since(&self.seen).is_some();
            if is_other && last.as_ref() == Some(&now) {
                return Some(now);
            }
            last = is_other.then_some(now);
        }
    }

    fn renew(&mut self) -> Result<Vec<Value>, Problem> {
        let application = Application::ready(&self.build, self.terminal, true)?;
        self.sources = application.sources().clone();
        self.seen = self.sources.look().or_as_in(&self.seen);
        // Functions first: what a new definition calls is there when it runs.
        self.local.renew(&application)?;
        let deployed = deploy(&self.local.engine, Some(&application))?;
        triggers::put_declared(&self.stores, &self.local.engine, &application.manifest)?;
        Ok(deployed)
    }

    fn announce(&self, deployed: &[Value], took: Duration) {
        if self.terminal.format != Format::Text {
            return self.terminal.data(&json!({ "rebuilt": true, "stateMachines": deployed }).to_string());
        }
        let millis = i64::try_from(took.as_millis()).unwrap_or(i64::MAX);
        let is_changed = |machine: &&Value| machine.get("changed").and_then(Value::as_bool) == Some(true);
        let name =
            |machine: &Value| machine.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        let changed: Vec<String> = deployed.iter().filter(is_changed).map(name).collect();
        let what = if changed.is_empty() {
            "no definition changed".to_owned()
        } else {
            format!("new definitions: {}", text::safe(&changed.join(", ")))
        };
        let paint = self.terminal.err;
        self.terminal.remark(&format!(
            "{} in {}; {what}",
            paint.ink(Ink::Good, "rebuilt"),
            text::duration(millis)
        ));
    }
}
