//! `synth`: the files that deploy the workflows, written by the application itself.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::json;

use crate::{
    arguments::{Format, Synth},
    problem::{Problem, exit},
    project::Application,
    terminal::{Ink, Terminal},
    text,
};

/// The profile of step binaries that are packed for deployment unless another is named: optimised,
/// and the one `run` has built already. `lambda` makes smaller ones and takes minutes.
const PROFILE: &str = "release";

/// Writes the files, or checks that they are as the source says.
pub(crate) fn synth(arguments: &Synth, terminal: Terminal) -> Result<u8, Problem> {
    let collects = !arguments.definitions && arguments.binaries.is_none();
    let mut build = arguments.build.clone();
    if collects && build.app.is_none() {
        build.profile.get_or_insert_with(|| PROFILE.to_owned());
    }
    let application = Application::ready(&build, terminal, collects)?;
    for workflow in &arguments.workflow {
        application.workflow(workflow)?;
    }
    let binaries = binaries(arguments, &application)?;
    let not_written = |source| Problem::NotWritten { path: arguments.out.clone(), source };
    if arguments.check {
        let fresh = tempfile::tempdir().map_err(not_written)?;
        emit(&application, fresh.path(), binaries.as_ref().map(BinaryFolder::path), terminal)?;
        return Ok(report_check(&differences(fresh.path(), &arguments.out), arguments, terminal));
    }
    std::fs::create_dir_all(&arguments.out).map_err(not_written)?;
    let said = emit(&application, &arguments.out, binaries.as_ref().map(BinaryFolder::path), terminal)?;
    if terminal.format == Format::Text && !said.is_empty() {
        terminal.remark(&said);
    }
    report_written(&application, arguments, binaries.is_some(), terminal);
    Ok(0)
}

/// Where step binaries come from; a temporary folder is removed afterwards.
enum BinaryFolder {
    Given(PathBuf),
    Collected(tempfile::TempDir),
}

impl BinaryFolder {
    fn path(&self) -> &Path {
        match self {
            Self::Given(path) => path,
            Self::Collected(dir) => dir.path(),
        }
    }
}

fn binaries(arguments: &Synth, application: &Application) -> Result<Option<BinaryFolder>, Problem> {
    if let Some(folder) = &arguments.binaries {
        return Ok(Some(BinaryFolder::Given(folder.clone())));
    }
    if arguments.definitions {
        return Ok(None);
    }
    let folder =
        tempfile::tempdir().map_err(|source| Problem::NotWritten { path: std::env::temp_dir(), source })?;
    for function in &application.manifest.functions {
        let to = folder.path().join(&function.binary);
        std::fs::copy(application.executable(function)?, &to)
            .map_err(|source| Problem::NotWritten { path: to, source })?;
    }
    Ok(Some(BinaryFolder::Collected(folder)))
}

/// Has the application write its files; returns what it says beside: findings, what it left out.
fn emit(
    application: &Application,
    out: &Path,
    binaries: Option<&Path>,
    terminal: Terminal,
) -> Result<String, Problem> {
    let mut command = Command::new(&application.binary);
    command.arg("synth").arg("--out").arg(out).stdin(Stdio::null());
    if let Some(binaries) = binaries {
        command.arg("--binaries").arg(binaries);
    }
    let output = command.output().map_err(|error| Problem::Synth { detail: error.to_string() })?;
    let said = String::from_utf8_lossy(&output.stderr).trim_end().to_owned();
    if output.status.success() {
        return Ok(said);
    }
    terminal.note(&said);
    match output.status.code() {
        Some(code) if code == i32::from(exit::REFUSED) => Err(Problem::Denied),
        _ => Err(Problem::Synth { detail: format!("it ended with {}", output.status) }),
    }
}

fn report_written(application: &Application, arguments: &Synth, deployable: bool, terminal: Terminal) {
    let files: Vec<String> = files(&arguments.out).iter().map(|file| file.display().to_string()).collect();
    if terminal.format == Format::Text {
        for file in &files {
            terminal.data(&arguments.out.join(file).display().to_string());
        }
        let out = arguments.out.display();
        terminal.remark(&if deployable {
            format!("deploy with: cdk --app {out}/cdk.out deploy")
        } else {
            "to deploy, leave out --definitions".to_owned()
        });
        return;
    }
    let workflows: Vec<_> = application
        .manifest
        .workflows
        .iter()
        .map(|workflow| json!({ "name": workflow.name, "definitionSha256": workflow.definition_sha256 }))
        .collect();
    let value =
        json!({ "out": arguments.out, "workflows": workflows, "files": files, "deployable": deployable });
    terminal.data(&crate::show::document(&value, terminal));
}

/// One file that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Difference {
    file: PathBuf,
    what: &'static str,
}

/// Compares fresh files with those on disk. Files on disk that the source does not make count only
/// in folders it makes.
fn differences(fresh: &Path, out: &Path) -> Vec<Difference> {
    let expected: BTreeSet<PathBuf> = files(fresh).into_iter().collect();
    let folders: BTreeSet<_> = expected.iter().filter_map(|file| file.parent()).map(Path::to_owned).collect();
    let mut differences = Vec::new();
    for file in &expected {
        let what = match (std::fs::read(out.join(file)), std::fs::read(fresh.join(file))) {
            (Ok(found), Ok(wanted)) if found == wanted => continue,
            (Ok(_), _) => "differs",
            (Err(_), _) => "missing",
        };
        differences.push(Difference { file: file.clone(), what });
    }
    let stale = files(out).into_iter().filter(|file| {
        !expected.contains(file) && file.parent().is_some_and(|folder| folders.contains(folder))
    });
    differences.extend(stale.map(|file| Difference { file, what: "not made any more" }));
    differences.sort();
    differences
}

fn report_check(differences: &[Difference], arguments: &Synth, terminal: Terminal) -> u8 {
    if terminal.format == Format::Text {
        for Difference { file, what } in differences {
            let file = text::safe(&arguments.out.join(file).display().to_string());
            terminal.data(&format!("{}  {file}", terminal.out.ink(Ink::Bad, &format!("{what:<8}"))));
        }
        terminal.remark(if differences.is_empty() {
            "up to date"
        } else {
            "the files are not what the source says: run `stepwright synth`"
        });
    } else {
        let list: Vec<_> =
            differences.iter().map(|d| json!({ "file": d.file, "difference": d.what })).collect();
        terminal.data(&crate::show::document(&json!({ "differences": list }), terminal));
    }
    if differences.is_empty() { 0 } else { exit::FAILED }
}

/// All files below a folder, relative and sorted.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(relative) = path.strip_prefix(folder) {
                found.push(relative.to_owned());
            }
        }
    }
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_names_what_differs_is_missing_or_is_left_over() {
        let (fresh, out) = (tempfile::tempdir().expect("dir"), tempfile::tempdir().expect("dir"));
        for (folder, file, content) in [
            (fresh.path(), "asl/a.json", "1"),
            (out.path(), "asl/a.json", "1"),
            (fresh.path(), "asl/b.json", "1"),
            (out.path(), "asl/b.json", "2"),
            (fresh.path(), "asl/c.json", "1"),
            (out.path(), "asl/old.json", "1"),
            (out.path(), "cdk.out/manifest.json", "not made by a synth without binaries"),
        ] {
            let path = folder.join(file);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("folder");
            std::fs::write(path, content).expect("written");
        }
        let found = differences(fresh.path(), out.path());
        let found: Vec<(&str, &str)> =
            found.iter().map(|d| (d.file.to_str().expect("text"), d.what)).collect();
        assert_eq!(
            found,
            [("asl/b.json", "differs"), ("asl/c.json", "missing"), ("asl/old.json", "not made any more")]
        );
    }
}
