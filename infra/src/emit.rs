//! The one place of this crate with effects: reads the step binaries, writes
//! the files, prints, and turns errors into exit codes.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "what the pure modules return is written and printed here"
)]

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use codegen::LintLevel;

use crate::app::{App, AppError, Built};
use crate::assembly::{self, File, SynthesisError};
use crate::command::{self, Command, Synth};
use crate::documents::{self, MANIFEST_FILE};
use crate::environment::Environment;
use crate::manifest::Manifest;

#[cfg(test)]
mod tests;

/// The folder of the cloud assembly inside the output folder.
pub const ASSEMBLY_FOLDER: &str = "cdk.out";

/// What `synth` owns inside its output folder, and renews as a whole.
const OWNED: [&str; 4] = ["asl", "schemas", "source-maps", ASSEMBLY_FOLDER];

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum EmitError {
    /// The application cannot be built.
    #[error(transparent)]
    App(#[from] AppError),
    /// It cannot be deployed.
    #[error(transparent)]
    Synthesis(#[from] SynthesisError),
    /// A finding denies the build; it has been printed.
    #[error("denied by the findings above: handle the errors, or say in the workflow that they may fail it")]
    Denied,
    /// The output folder holds something else.
    #[error(
        "`{0}` is not empty and has no {MANIFEST_FILE}, so it was not written by `synth`: \
         choose another folder or empty it"
    )]
    NotOurs(PathBuf),
    /// A file could not be read or written.
    #[error("could not {action} `{path}`: {error}")]
    Io {
        /// `read`, `write`, `remove`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A value could not be written as JSON.
    #[error("a value could not be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

impl EmitError {
    /// 5: a precondition is not met; 1: it failed.
    fn exit_code(&self) -> u8 {
        if matches!(self, Self::Denied) { 5 } else { 1 }
    }
}

/// Does what the process's command line says.
pub(crate) fn main(app: &App) -> ExitCode {
    let arguments: Vec<String> =
        std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned()).collect();
    let outcome = match command::parse(&arguments) {
        Ok(Command::Help) => {
            print!("{}", command::USAGE);
            Ok(())
        }
        Ok(Command::Manifest) => print_manifest(app),
        Ok(Command::Synth(options)) => synth(app, &options),
        Err(error) => {
            eprintln!("error: {error}\n`--help` tells how it is used");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn print_manifest(app: &App) -> Result<(), EmitError> {
    let built = build(app)?;
    print!("{}", built.manifest.to_json()?);
    Ok(())
}

/// Builds the application and prints its findings.
fn build(app: &App) -> Result<Built, EmitError> {
    let built = app.build()?;
    for lint in &built.lints {
        let weight = if lint.code.level() == LintLevel::Deny { "error" } else { "warning" };
        eprintln!("{weight}[{}]: {}\n  --> {}", lint.code.as_str(), lint.message, lint.location);
    }
    if built.is_denied() { Err(EmitError::Denied) } else { Ok(built) }
}

fn synth(app: &App, options: &Synth) -> Result<(), EmitError> {
    let built = build(app)?;
    let mut environment = app.environment().clone();
    environment.architecture = options.architecture.or(environment.architecture);
    environment.stack = options.stack.clone().or(environment.stack);
    if let Some(qualifier) = &options.qualifier {
        environment.qualifier.clone_from(qualifier);
    }
    let binaries = match &options.binaries {
        Some(folder) => Some(read_binaries(&built.manifest, folder)?),
        None => None,
    };
    let files = files(&built.manifest, &environment, binaries.as_ref())?;
    write(&options.out, &files)?;
    let shown = options.out.display();
    eprintln!("wrote {} files to {shown}", files.len());
    match binaries {
        Some(_) => eprintln!("deploy them with `cdk --app {shown}/{ASSEMBLY_FOLDER} deploy`"),
        None => eprintln!("left out the cloud assembly: give the step binaries with --binaries DIR"),
    }
    Ok(())
}

/// Everything `synth` writes: the documents, and with binaries the assembly.
///
/// # Errors
/// [`SynthesisError`].
pub fn files(
    manifest: &Manifest,
    environment: &Environment,
    binaries: Option<&BTreeMap<String, Vec<u8>>>,
) -> Result<Vec<File>, SynthesisError> {
    let mut files = documents::documents(manifest)?;
    if let Some(binaries) = binaries {
        let assembly = assembly::assemble(manifest, environment, binaries)?;
        files.extend(
            assembly
                .into_iter()
                .map(|file| File::new(format!("{ASSEMBLY_FOLDER}/{}", file.path), file.bytes)),
        );
    }
    Ok(files)
}

/// The binaries of a manifest from a folder.
///
/// # Errors
/// [`SynthesisError::NoBinary`] when one is not there, [`EmitError::Io`] when
/// one cannot be read.
pub fn read_binaries(manifest: &Manifest, folder: &Path) -> Result<BTreeMap<String, Vec<u8>>, EmitError> {
    let read = |(package, binary): (&str, &str)| {
        let path = folder.join(binary);
        match fs::read(&path) {
            Ok(bytes) => Ok((binary.to_owned(), bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(SynthesisError::NoBinary { binary: binary.to_owned(), package: package.to_owned() }
                    .into())
            }
            Err(error) => Err(EmitError::Io { action: "read", path, error }),
        }
    };
    manifest.binaries().into_iter().map(read).collect()
}

/// Writes files below a folder that is missing, empty or was written before;
/// what an earlier run left there and this one does not write is removed.
///
/// # Errors
/// [`EmitError::NotOurs`] or [`EmitError::Io`].
pub fn write(out: &Path, files: &[File]) -> Result<(), EmitError> {
    let failed = |action, path: &Path| {
        let path = path.to_owned();
        move |error| EmitError::Io { action, path, error }
    };
    fs::create_dir_all(out).map_err(failed("write", out))?;
    let is_empty = fs::read_dir(out).map_err(failed("read", out))?.next().is_none();
    if !is_empty && !out.join(MANIFEST_FILE).is_file() {
        return Err(EmitError::NotOurs(out.to_owned()));
    }
    for folder in OWNED.map(|folder| out.join(folder)) {
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed("remove", &folder)(error));
            }
            _ => {}
        }
    }
    for file in files {
        let path = out.join(&file.path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(failed("write", folder))?;
        }
        fs::write(&path, &file.bytes).map_err(failed("write", &path))?;
    }
    Ok(())
}
