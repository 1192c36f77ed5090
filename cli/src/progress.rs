//! Progress of an execution on stderr: moving on a terminal, lines elsewhere.
//!
//! A state that ends leaves one line behind in both cases, so a log of a run reads like
//! what the terminal showed.

use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;

use crate::{
    definition::{self, RetryPlan},
    failure::readable,
    terminal::{Ink, Terminal},
    text::{one_line, safe},
    tree,
    view::{Change, Standing, View, Visit},
};

/// Without a terminal, a state that takes longer says so at this interval.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Shows one execution.
#[derive(Debug)]
pub(crate) struct Progress {
    terminal: Terminal,
    definition: Value,
    width: usize,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Silent,
    Lines { last: Instant },
    Moving { bars: MultiProgress, running: Vec<(usize, ProgressBar)> },
}

impl Progress {
    /// Shows an execution of this definition, as the terminal allows.
    pub(crate) fn new(terminal: Terminal, definition: Value) -> Self {
        let states = definition::outermost_states(&definition);
        let width = tree::name_width(&View::default(), &states);
        let kind = if terminal.quiet || terminal.format != crate::arguments::Format::Text {
            Kind::Silent
        } else if terminal.err_tty {
            let bars = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10));
            Kind::Moving { bars, running: Vec::new() }
        } else {
            Kind::Lines { last: Instant::now() }
        };
        Self { terminal, definition, width, kind }
    }

    /// Shows what an event changed.
    pub(crate) fn changed(&mut self, view: &View, change: &Change, now_millis: i64) {
        match change {
            Change::Entered(at) if view.is_outermost(*at) => self.begin(view, *at, now_millis),
            Change::Exited(at) if view.is_outermost(*at) => self.end(view, *at, now_millis),
            Change::AttemptFailed(at) => self.attempt_failed(view, *at),
            Change::Ended => {
                let failed: Vec<usize> = view
                    .visits
                    .iter()
                    .enumerate()
                    .filter(|(at, visit)| view.is_outermost(*at) && visit.standing != Standing::Succeeded)
                    .map(|(at, _)| at)
                    .collect();
                for at in failed {
                    self.end(view, at, now_millis);
                }
            }
            _ => self.refresh(view, now_millis),
        }
    }

    /// Time passes.
    pub(crate) fn tick(&mut self, view: &View, now_millis: i64) {
        if let Kind::Lines { last } = &mut self.kind
            && last.elapsed() >= LINE_EVERY
        {
            *last = Instant::now();
            for (_, visit) in view.running() {
                self.terminal.note(&tree::line(visit, self.width, now_millis, self.terminal.err));
            }
        }
        self.refresh(view, now_millis);
    }

    /// Takes moving lines away.
    pub(crate) fn clear(&mut self) {
        if let Kind::Moving { bars, running } = &mut self.kind {
            for (_, bar) in running.drain(..) {
                bar.finish_and_clear();
            }
            let _ = bars.clear();
        }
    }

    fn begin(&mut self, view: &View, at: usize, now_millis: i64) {
        let Some(visit) = view.visits.get(at) else { return };
        match &mut self.kind {
            Kind::Moving { bars, running } => {
                let bar = bars.add(ProgressBar::new_spinner());
                if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg}") {
                    bar.set_style(style);
                }
                bar.enable_steady_tick(Duration::from_millis(100));
                running.push((at, bar));
                self.refresh(view, now_millis);
            }
            Kind::Lines { last } => {
                *last = Instant::now();
                // States that do no work of their own (Pass, Choice, …) end at once: one line is enough.
                if matches!(visit.kind.as_str(), "Task" | "Map" | "Parallel" | "Wait") {
                    self.terminal.note(&format!("⟳ {} …", safe(&visit.name)));
                }
            }
            Kind::Silent => {}
        }
    }

    fn end(&mut self, view: &View, at: usize, now_millis: i64) {
        let Some(visit) = view.visits.get(at) else { return };
        let line = tree::line(visit, self.width, now_millis, self.terminal.err);
        if let Kind::Moving { running, .. } = &mut self.kind
            && let Some(position) = running.iter().position(|(running, _)| *running == at)
        {
            let (_, bar) = running.swap_remove(position);
            bar.finish_and_clear();
        }
        self.print(&line);
    }

    fn attempt_failed(&mut self, view: &View, at: usize) {
        let Some((visit, failure)) =
            view.visits.get(at).and_then(|visit| Some((visit, visit.failure.as_ref()?)))
        else {
            return;
        };
        let plan = definition::retry_plan(&self.definition, &visit.name, &failure.error, visit.attempts);
        if let Some(plan) = plan {
            let line = self.retry_line(visit, &failure.error, &failure.cause, plan);
            self.print(&line);
        }
    }

    fn retry_line(&self, visit: &Visit, error: &str, cause: &str, plan: RetryPlan) -> String {
        let paint = self.terminal.err;
        format!(
            "{} {}  attempt {}/{} failed: {}  {}; next attempt in {}{:.0} s",
            paint.ink(Ink::Warn, "↻"),
            safe(&visit.name),
            visit.attempts,
            plan.attempts_max,
            paint.ink(Ink::Warn, &safe(error)),
            one_line(&readable(cause), 160),
            if plan.jitter { "up to " } else { "" },
            plan.delay_seconds.ceil(),
        )
    }

    fn refresh(&mut self, view: &View, now_millis: i64) {
        if let Kind::Moving { running, .. } = &self.kind {
            for (at, bar) in running {
                if let Some(visit) = view.visits.get(*at) {
                    let line = tree::line(visit, self.width, now_millis, self.terminal.err);
                    // The spinner stands for the glyph.
                    bar.set_message(line.split_once(' ').map_or(line.clone(), |(_, rest)| rest.to_owned()));
                }
            }
        }
    }

    fn print(&self, line: &str) {
        match &self.kind {
            Kind::Silent => {}
            Kind::Lines { .. } => self.terminal.note(line),
            Kind::Moving { bars, .. } => {
                let _ = bars.println(line);
            }
        }
    }
}
