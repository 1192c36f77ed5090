//! The user's project: where it is, what it builds to, what its application contains.
//!
//! One cargo invocation builds the application together with every package it depends
//! on directly that has a binary: those are its steps. Building the application first and
//! the steps its manifest names afterwards would be exact, but costs a second cargo start
//! each time (~0.3 s with nothing to do) and forgoes building both side by side. Should
//! the manifest name a package that was not among them, it is built then.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use infra::Manifest;
use serde::Deserialize;
use serde_json::Value;

use crate::{
    arguments::{Build, Format},
    problem::{Problem, exit},
    terminal::Terminal,
};

mod sources;

pub(crate) use sources::{Seen, Sources};

/// A workspace with an application.
#[derive(Debug)]
pub(crate) struct Project {
    /// Folder of the workspace.
    pub(crate) root: PathBuf,
    app: Package,
    steps: Vec<Package>,
    /// Folders of the packages that the application and its steps are made of.
    needed: BTreeSet<PathBuf>,
    /// Names of the packages that `cargo build` builds here.
    default_members: BTreeSet<String>,
}

#[derive(Debug, Clone)]
struct Package {
    name: String,
    dir: PathBuf,
    binaries: Vec<String>,
}

/// An application ready to run.
#[derive(Debug)]
pub(crate) struct Application {
    /// What it contains.
    pub(crate) manifest: Manifest,
    /// Its binary.
    pub(crate) binary: PathBuf,
    /// Folder of its package, if it is known: what a relative sample is relative to.
    pub(crate) package_dir: Option<PathBuf>,
    executables: BTreeMap<String, PathBuf>,
    sources: Sources,
}

impl Application {
    /// Finds and builds it, or takes the one that was named.
    pub(crate) fn ready(build: &Build, terminal: Terminal, with_steps: bool) -> Result<Self, Problem> {
        match &build.app {
            Some(app) => Self::prebuilt(app, with_steps),
            None => Project::discover()?.build(build, terminal, with_steps),
        }
    }

    fn prebuilt(app: &Path, with_steps: bool) -> Result<Self, Problem> {
        let binary = app.canonicalize().map_err(|_| Problem::BinaryMissing { path: app.to_owned() })?;
        let manifest = manifest(&binary)?;
        let beside = binary.parent().map(Path::to_owned).unwrap_or_default();
        let mut executables = BTreeMap::new();
        for (_, name) in manifest.binaries() {
            let path = beside.join(name);
            if with_steps && !path.is_file() {
                return Err(Problem::BinaryMissing { path });
            }
            executables.insert(name.to_owned(), path);
        }
        // The sample lies in the project; outside of one there is none.
        let package_dir = Project::discover().ok().map(|project| project.app.dir);
        let sources = Sources::of_binaries(executables.values().cloned().chain([binary.clone()]));
        Ok(Self { manifest, binary, package_dir, executables, sources })
    }

    /// The files it was made from.
    pub(crate) fn sources(&self) -> &Sources {
        &self.sources
    }

    /// The program that serves a function.
    pub(crate) fn executable(&self, function: &infra::manifest::Function) -> Result<&Path, Problem> {
        self.executables
            .get(&function.binary)
            .map(PathBuf::as_path)
            .ok_or_else(|| Problem::BinaryMissing { path: PathBuf::from(&function.binary) })
    }

    /// The workflow of this name, or a problem that lists what there is.
    pub(crate) fn workflow(&self, name: &str) -> Result<&infra::manifest::Workflow, Problem> {
        self.manifest.workflow(name).ok_or_else(|| {
            let known: Vec<String> = self.manifest.workflows.iter().map(|w| w.name.clone()).collect();
            let similar = crate::text::similar(name, known.iter().map(String::as_str)).map(str::to_owned);
            Problem::UnknownWorkflow { name: name.to_owned(), similar, known }
        })
    }
}

#[derive(Deserialize)]
struct Metadata {
    workspace_root: PathBuf,
    packages: Vec<MetadataPackage>,
    #[serde(default)]
    workspace_default_members: BTreeSet<String>,
    #[serde(rename = "metadata")]
    of_workspace: Option<Value>,
}

#[derive(Deserialize)]
struct MetadataPackage {
    id: String,
    name: String,
    manifest_path: PathBuf,
    targets: Vec<MetadataTarget>,
    dependencies: Vec<MetadataDependency>,
}

#[derive(Deserialize)]
struct MetadataTarget {
    name: String,
    kind: Vec<String>,
}

#[derive(Deserialize)]
struct MetadataDependency {
    path: Option<PathBuf>,
    kind: Option<String>,
}

impl Project {
    /// Looks for a workspace here and above.
    pub(crate) fn discover() -> Result<Self, Problem> {
        let output = cargo()
            .args(["metadata", "--no-deps", "--format-version", "1", "--offline", "--quiet"])
            .output()
            .map_err(|source| Problem::CargoMissing { source })?;
        if !output.status.success() {
            let detail = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            if detail.contains("could not find `Cargo.toml`") {
                return Err(Problem::NoProject { dir: std::env::current_dir().unwrap_or_default() });
            }
            return Err(Problem::ProjectUnreadable { detail });
        }
        Self::from_metadata(&output.stdout)
    }

    fn from_metadata(json: &[u8]) -> Result<Self, Problem> {
        let metadata: Metadata = serde_json::from_slice(json)
            .map_err(|error| Problem::ProjectUnreadable { detail: error.to_string() })?;
        let manifest = metadata.workspace_root.join("Cargo.toml");
        let name = metadata
            .of_workspace
            .as_ref()
            .and_then(|value| value.get("stepwright")?.get("app")?.as_str())
            .ok_or(Problem::NoApp { manifest })?;
        let wrong = || Problem::AppPackage { package: name.to_owned() };
        let found = metadata.packages.iter().find(|package| package.name == name).ok_or_else(wrong)?;
        let app = found.to_package();
        if app.binaries.len() != 1 {
            return Err(wrong());
        }
        let needed: BTreeSet<&Path> = found
            .dependencies
            .iter()
            .filter(|dependency| dependency.kind.is_none())
            .filter_map(|dependency| dependency.path.as_deref())
            .collect();
        let steps = metadata
            .packages
            .iter()
            .map(MetadataPackage::to_package)
            .filter(|package| needed.contains(package.dir.as_path()) && !package.binaries.is_empty())
            .collect();
        let needed = reached(&metadata.packages, &app.dir);
        let default_members = metadata
            .packages
            .iter()
            .filter(|package| metadata.workspace_default_members.contains(&package.id))
            .map(|package| package.name.clone())
            .collect();
        Ok(Self { root: metadata.workspace_root, app, steps, needed, default_members })
    }

    /// Builds the application, and its steps if they are wanted, and reads the manifest.
    pub(crate) fn build(
        self,
        build: &Build,
        terminal: Terminal,
        with_steps: bool,
    ) -> Result<Application, Problem> {
        let profile = build.profile.as_deref().unwrap_or(DEFAULT_PROFILE);
        let packages = self.packages(profile, with_steps);
        let mut executables = self.compile(&packages, profile, terminal)?;
        let name = self.app.binaries.first().cloned().unwrap_or_default();
        let binary =
            executables.get(&name).cloned().ok_or(Problem::BinaryMissing { path: PathBuf::from(name) })?;
        let manifest = manifest(&binary)?;
        let mut missing: Vec<&str> = manifest
            .binaries()
            .into_iter()
            .filter(|(_, binary)| with_steps && !executables.contains_key(*binary))
            .map(|(package, _)| package)
            .collect();
        if !missing.is_empty() {
            missing.dedup();
            executables.extend(self.compile(&missing, profile, terminal)?);
        }
        let made: Vec<&Path> = executables.values().map(PathBuf::as_path).collect();
        let sources = Sources::of_packages(&self.root, &self.needed, &made);
        Ok(Application { manifest, binary, package_dir: Some(self.app.dir), executables, sources })
    }

    /// What is built together. Cargo unites the features of what it builds in one
    /// invocation: with the default members of the workspace, a plain `cargo build` or
    /// `cargo run` has compiled the same things already. What is deployed has the
    /// features it asks for, and no others.
    fn packages(&self, profile: &str, with_steps: bool) -> Vec<&str> {
        let steps: &[Package] = if with_steps { &self.steps } else { &[] };
        let needed: Vec<&str> =
            steps.iter().chain([&self.app]).map(|package| package.name.as_str()).collect();
        let is_default = needed.iter().all(|name| self.default_members.contains(*name));
        if profile == DEFAULT_PROFILE && is_default {
            return self.default_members.iter().map(String::as_str).collect();
        }
        needed
    }

    /// One cargo invocation; returns binary name → executable.
    fn compile(
        &self,
        packages: &[&str],
        profile: &str,
        terminal: Terminal,
    ) -> Result<BTreeMap<String, PathBuf>, Problem> {
        let mut command = cargo();
        command
            .args(["build", "--bins", "--message-format", "json-render-diagnostics", "--profile", profile])
            .args(packages.iter().flat_map(|package| ["--package", package]))
            .current_dir(&self.root)
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        if terminal.quiet || terminal.format != Format::Text {
            command.arg("--quiet");
        }
        let mut child = command.spawn().map_err(|source| Problem::CargoMissing { source })?;
        let mut executables = BTreeMap::new();
        if let Some(stdout) = child.stdout.take() {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if let Some((name, path)) = executable(&line) {
                    executables.insert(name, path);
                }
            }
        }
        let status = child.wait().map_err(|error| Problem::Build { detail: Some(error.to_string()) })?;
        if status.success() { Ok(executables) } else { Err(Problem::Build { detail: None }) }
    }
}

/// Folders of a package and of all that it is built from and that lies on this machine.
fn reached(packages: &[MetadataPackage], from: &Path) -> BTreeSet<PathBuf> {
    let mut reached = BTreeSet::new();
    let mut open = vec![from.to_owned()];
    while let Some(dir) = open.pop() {
        let package = packages.iter().find(|package| package.dir() == dir);
        if reached.insert(dir) {
            let of_builds = package.into_iter().flat_map(|package| &package.dependencies);
            let of_builds = of_builds.filter(|dependency| dependency.kind.as_deref() != Some("dev"));
            open.extend(of_builds.filter_map(|dependency| dependency.path.clone()));
        }
    }
    reached
}

impl MetadataPackage {
    fn dir(&self) -> &Path {
        self.manifest_path.parent().unwrap_or(&self.manifest_path)
    }

    fn to_package(&self) -> Package {
        let is_binary = |target: &&MetadataTarget| target.kind.iter().any(|kind| kind == "bin");
        Package {
            name: self.name.clone(),
            dir: self.dir().to_owned(),
            binaries: self.targets.iter().filter(is_binary).map(|target| target.name.clone()).collect(),
        }
    }
}

/// What this program was built with: `cargo run --release` builds steps with `release`, too.
const DEFAULT_PROFILE: &str = if cfg!(debug_assertions) { "dev" } else { "release" };

/// The cargo that runs us, or the one on PATH. Ctrl-C stops it with us: same group.
///
/// Without what `cargo run` says of the package it runs: build scripts that look at it would run
/// again each time the program is started in the other way, and everything after them.
fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in std::env::vars_os() {
        let of_a_package = name.to_str().is_some_and(|name| {
            name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") || name == "OUT_DIR"
        });
        if of_a_package {
            command.env_remove(name);
        }
    }
    command
}

/// The executable a line of cargo's JSON messages announces.
fn executable(line: &str) -> Option<(String, PathBuf)> {
    let message: Value = serde_json::from_str(line).ok()?;
    if message.get("reason")?.as_str()? != "compiler-artifact" {
        return None;
    }
    let path = message.get("executable")?.as_str()?;
    let name = message.get("target")?.get("name")?.as_str()?;
    Some((name.to_owned(), PathBuf::from(path)))
}

/// Asks an application what it contains.
fn manifest(binary: &Path) -> Result<Manifest, Problem> {
    let problem = |detail: String| Problem::Manifest { path: binary.to_owned(), detail };
    let output = Command::new(binary)
        .arg("manifest")
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| problem(error.to_string()))?;
    if !output.status.success() {
        // The application's own code for findings that stop the build.
        if output.status.code() == Some(i32::from(exit::REFUSED)) {
            return Err(Problem::Denied);
        }
        return Err(problem(format!("it ended with {}", output.status)));
    }
    let text = String::from_utf8(output.stdout).map_err(|error| problem(error.to_string()))?;
    Manifest::from_json(&text).map_err(|error| problem(error.to_string()))
}

#[cfg(test)]
mod tests;
