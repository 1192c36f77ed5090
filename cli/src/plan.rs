//! What a `run` does: the executions it starts, one after the other, and what each is given.
//!
//! One command may be several executions: a range of periods is one for each, and a sample
//! lists its own in `sample.toml`.

use std::path::{Path, PathBuf};

use infra::manifest::{Intake, Workflow};
use serde::Deserialize;

use crate::{arguments::Run, intake::Given, problem::Problem, project::Application, text};

/// Longest range of periods of one command. Ours: ten years of months.
const PERIODS_MAX: usize = 120;

/// One execution of a run.
#[derive(Debug, Clone)]
pub(crate) struct Planned {
    pub(crate) workflow: Workflow,
    pub(crate) given: Given,
}

impl Planned {
    /// What it is called beside the others of its run.
    pub(crate) fn label(&self) -> String {
        match &self.given {
            Given::Files { period: Some(period), .. } => {
                format!("{} {}", self.workflow.name, text::safe(period))
            }
            _ => self.workflow.name.clone(),
        }
    }
}

/// `sample.toml`: the executions of a sample, in their order.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sample {
    /// The spec, relative to the sample's folder.
    spec: PathBuf,
    executions: Vec<Listed>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    workflow: String,
    period: Option<String>,
    /// A file of messages, one a line, relative to the sample's folder.
    messages: Option<PathBuf>,
    /// Files, and folders of files, relative to the sample's folder.
    #[serde(default)]
    input: Vec<PathBuf>,
}

/// The executions that a command line asks for.
pub(crate) fn of(
    arguments: &Run,
    workflow: &Workflow,
    application: &Application,
) -> Result<Vec<Planned>, Problem> {
    let planned = |given| Planned { workflow: workflow.clone(), given };
    let Some(intake) = &workflow.intake else {
        without_intake(arguments, workflow)?;
        let [document] = &*arguments.input else {
            return Err(usage(
                &format!("the workflow `{}` takes its input as one JSON file", workflow.name),
                "give exactly one: --input FILE",
            ));
        };
        return readable(vec![planned(Given::Document(document.clone()))]);
    };
    check_fields(arguments, workflow, intake)?;
    let periods = arguments.period.as_deref().map(periods).transpose()?.unwrap_or_default();
    let (spec, inputs) = match (&arguments.spec, &*arguments.input) {
        (None, []) => {
            let sample = SampleFolder::of(workflow, intake, application)?;
            if periods.is_empty() && sample.lists() {
                return readable(sample.executions(arguments, workflow, application)?);
            }
            sample.files(periods.is_empty())?
        }
        (None, _) => {
            return Err(usage(
                "--input is given, but no spec",
                "add --spec FILE: it says how to read, check and calculate the feed",
            ));
        }
        (Some(_), []) if intake.period_field.is_none() => {
            return Err(usage("--spec is given, but no file of the feed", "add --input FILE"));
        }
        (Some(_), []) if periods.is_empty() && arguments.messages.is_none() => {
            return Err(usage(
                "--spec is given, but neither a file nor a period",
                "add --input FILE, --period 2024-03, or both",
            ));
        }
        (Some(spec), inputs) => (spec.clone(), inputs.to_vec()),
    };
    let correction = arguments.correction.clone();
    let messages = arguments.messages.clone();
    let first =
        Given::Files { spec: spec.clone(), inputs, messages, period: None, correction: correction.clone() };
    let mut executions = vec![planned(first)];
    for (number, period) in periods.into_iter().enumerate() {
        // The first takes the files in; what they hold is there for the others.
        if let (0, Some(Planned { given: Given::Files { period: first, .. }, .. })) =
            (number, executions.first_mut())
        {
            *first = Some(period);
            continue;
        }
        let (spec, correction) = (spec.clone(), correction.clone());
        executions.push(planned(Given::Files {
            spec,
            inputs: Vec::new(),
            messages: None,
            period: Some(period),
            correction,
        }));
    }
    readable(executions)
}

fn usage(message: &str, hint: &str) -> Problem {
    Problem::Usage { message: message.to_owned(), hint: hint.to_owned() }
}

fn readable(planned: Vec<Planned>) -> Result<Vec<Planned>, Problem> {
    for execution in &planned {
        execution.given.readable()?;
    }
    Ok(planned)
}

/// A workflow that takes a document takes nothing else.
fn without_intake(arguments: &Run, workflow: &Workflow) -> Result<(), Problem> {
    let given = [
        ("--spec", arguments.spec.is_some()),
        ("--messages", arguments.messages.is_some()),
        ("--period", arguments.period.is_some()),
        ("--correction", arguments.correction.is_some()),
    ];
    match given.into_iter().find(|(_, is_given)| *is_given) {
        None => Ok(()),
        Some((flag, _)) => Err(usage(
            &format!("the workflow `{}` takes no {}", workflow.name, flag.trim_start_matches('-')),
            "give its input as one JSON file: --input FILE",
        )),
    }
}

fn check_fields(arguments: &Run, workflow: &Workflow, intake: &Intake) -> Result<(), Problem> {
    let unknown = |flag: &str| {
        let message = format!("the workflow `{}` takes no {flag}", workflow.name);
        Err(usage(&message, &format!("leave --{flag} out")))
    };
    if arguments.messages.is_some() && intake.messages_field.is_none() {
        return unknown("messages");
    }
    if arguments.period.is_some() && intake.period_field.is_none() {
        return unknown("period");
    }
    if arguments.correction.is_some() && intake.correction_field.is_none() {
        return unknown("correction");
    }
    Ok(())
}

/// `2024-03`, or each month of `2024-01..2024-12`.
fn periods(given: &str) -> Result<Vec<String>, Problem> {
    let Some((from, to)) = given.split_once("..") else { return Ok(vec![given.to_owned()]) };
    let months = |text: &str| {
        let (year, month) = text.split_once('-')?;
        let (year, month) = (year.parse::<u32>().ok()?, month.parse::<u32>().ok()?);
        let is_month = text.len() == 7 && (1..=12).contains(&month);
        is_month.then_some(year * 12 + month - 1)
    };
    let wrong = |detail: &str| {
        usage(&format!("--period {given}: {detail}"), "a range is of months, as in --period 2024-01..2024-12")
    };
    let (Some(first), Some(last)) = (months(from), months(to)) else {
        return Err(wrong("it is no range of months"));
    };
    if last < first {
        return Err(wrong("it ends before it begins"));
    }
    if (last - first) as usize >= PERIODS_MAX {
        return Err(wrong(&format!("a range has at most {PERIODS_MAX} months")));
    }
    Ok((first..=last).map(|month| format!("{:04}-{:02}", month / 12, month % 12 + 1)).collect())
}

/// The sample of a workflow.
struct SampleFolder<'a> {
    workflow: &'a Workflow,
    folder: PathBuf,
}

impl<'a> SampleFolder<'a> {
    fn of(workflow: &'a Workflow, intake: &Intake, application: &Application) -> Result<Self, Problem> {
        let none =
            |detail: &str| Problem::NoSample { workflow: workflow.name.clone(), detail: detail.to_owned() };
        let folder = Path::new(&intake.sample);
        let folder = match &application.package_dir {
            _ if intake.sample.is_empty() => return Err(none("it names no folder")),
            Some(base) => base.join(folder),
            None if folder.is_absolute() => folder.to_owned(),
            None => return Err(none("it lies in the project, and this is not its folder")),
        };
        Ok(Self { workflow, folder })
    }

    fn none(&self, detail: String) -> Problem {
        Problem::NoSample { workflow: self.workflow.name.clone(), detail }
    }

    fn list(&self) -> PathBuf {
        self.folder.join("sample.toml")
    }

    /// Whether it lists executions.
    fn lists(&self) -> bool {
        self.list().is_file()
    }

    fn read(&self) -> Result<Sample, Problem> {
        let path = self.list();
        let text =
            std::fs::read_to_string(&path).map_err(|error| Problem::file("cannot read", &path, error))?;
        toml::from_str(&text).map_err(|error| self.none(format!("{}: {error}", path.display())))
    }

    /// Spec and files; `with_input`: also the files of the feed.
    fn files(&self, with_input: bool) -> Result<(PathBuf, Vec<PathBuf>), Problem> {
        let spec =
            if self.lists() { self.folder.join(self.read()?.spec) } else { self.folder.join("spec.toml") };
        if !spec.is_file() {
            return Err(self.none(format!("{} is not there", spec.display())));
        }
        let input = if with_input { self.files_in(&self.folder.join("input"))? } else { Vec::new() };
        Ok((spec, input))
    }

    fn executions(
        &self,
        arguments: &Run,
        asked: &Workflow,
        application: &Application,
    ) -> Result<Vec<Planned>, Problem> {
        let sample = self.read()?;
        // What comes after the last one of the workflow is for others.
        let last = sample.executions.iter().rposition(|listed| listed.workflow == asked.name);
        let Some(last) = last else {
            return Err(self.none(format!("{} has no execution of it", self.list().display())));
        };
        let mut planned = Vec::new();
        for listed in sample.executions.into_iter().take(last + 1) {
            let workflow = application.workflow(&listed.workflow)?.clone();
            let mut inputs = Vec::new();
            for path in listed.input.iter().map(|path| self.folder.join(path)) {
                if path.is_dir() {
                    inputs.extend(self.files_in(&path)?);
                } else {
                    inputs.push(path);
                }
            }
            let is_asked = workflow.name == asked.name;
            let correction = arguments.correction.clone().filter(|_| is_asked);
            let given = Given::Files {
                spec: self.folder.join(&sample.spec),
                inputs,
                messages: listed.messages.map(|path| self.folder.join(path)),
                period: listed.period,
                correction,
            };
            planned.push(Planned { workflow, given });
        }
        Ok(planned)
    }

    fn files_in(&self, folder: &Path) -> Result<Vec<PathBuf>, Problem> {
        let entries =
            std::fs::read_dir(folder).map_err(|error| self.none(format!("{}: {error}", folder.display())))?;
        let is_hidden =
            |path: &Path| path.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'));
        let mut files: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.is_file() && !is_hidden(path))
            .collect();
        files.sort();
        if files.is_empty() {
            return Err(self.none(format!("{} holds no file", folder.display())));
        }
        Ok(files)
    }
}

#[cfg(test)]
mod tests {
    use super::periods;

    #[test]
    fn a_range_of_months_is_every_month_of_it() {
        assert_eq!(periods("2024-11..2025-02").unwrap(), ["2024-11", "2024-12", "2025-01", "2025-02"]);
        assert_eq!(periods("2024-03").unwrap(), ["2024-03"]);
        for wrong in
            ["2024..2025", "2024-1..2024-03", "2024-03..2024-01", "2024-13..2025-01", "2000-01..2024-01"]
        {
            assert!(periods(wrong).is_err(), "{wrong}");
        }
    }
}
