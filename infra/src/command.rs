//! The command line of an application. Small on purpose: people use
//! `stepwright`, which calls this.

use std::path::PathBuf;

use crate::environment::{Architecture, SettingError};

#[cfg(test)]
mod tests;

/// What an application can be told to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// Print how it is used.
    Help,
    /// Print the manifest.
    Manifest,
    /// Write the files.
    Synth(Synth),
}

/// Options of `synth`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Synth {
    /// Where the files go.
    pub(crate) out: PathBuf,
    /// Where the step binaries are; without them there is nothing to deploy,
    /// and the assembly is left out.
    pub(crate) binaries: Option<PathBuf>,
    /// Instead of the binaries' own.
    pub(crate) architecture: Option<Architecture>,
    /// Instead of CDK's default.
    pub(crate) qualifier: Option<String>,
    /// Instead of the application's name.
    pub(crate) stack: Option<String>,
}

/// Why a command line was not understood.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UsageError {
    #[error("unknown command `{0}`: `manifest` or `synth`")]
    Command(String),
    #[error("unknown option `{0}`")]
    Option(String),
    #[error("`{0}` needs a value")]
    Value(String),
    #[error("`synth` needs `--out DIR`")]
    Out,
    #[error(transparent)]
    Setting(#[from] SettingError),
}

/// How it is used.
pub(crate) const USAGE: &str = "\
Prints or writes what the workflows of this application are made of.

    app manifest
    app synth --out DIR [--binaries DIR] [--architecture arm64|x86_64]
              [--qualifier NAME] [--stack NAME]

manifest   the application as JSON on standard output
synth      definitions, schemas and source maps, and with --binaries the CDK
           cloud assembly in DIR/cdk.out, for `cdk --app DIR/cdk.out deploy`

--binaries DIR      the folder with the step binaries, built for Linux
--architecture A    of the functions; that of the binaries if not given
--qualifier NAME    the qualifier of `cdk bootstrap`; hnb659fds if not given
--stack NAME        the CloudFormation stack; the application's name if not given
";

/// Understands a command line, without the program's name.
pub(crate) fn parse(arguments: &[String]) -> Result<Command, UsageError> {
    let mut words = arguments.iter();
    match words.next().map(String::as_str) {
        None | Some("help" | "--help" | "-h") => Ok(Command::Help),
        Some("manifest") => match words.next() {
            None => Ok(Command::Manifest),
            Some(word) => Err(UsageError::Option(word.clone())),
        },
        Some("synth") => synth(words),
        Some(other) => Err(UsageError::Command(other.to_owned())),
    }
}

fn synth<'a>(mut words: impl Iterator<Item = &'a String>) -> Result<Command, UsageError> {
    let mut options = Synth::default();
    let mut out = None;
    while let Some(word) = words.next() {
        // Both `--out DIR` and `--out=DIR`.
        let (option, attached) = match word.split_once('=') {
            Some((option, value)) => (option, Some(value.to_owned())),
            None => (word.as_str(), None),
        };
        let mut value = || {
            attached
                .clone()
                .or_else(|| words.next().cloned())
                .ok_or_else(|| UsageError::Value(option.to_owned()))
        };
        match option {
            "--out" => out = Some(PathBuf::from(value()?)),
            "--binaries" => options.binaries = Some(PathBuf::from(value()?)),
            "--architecture" => options.architecture = Some(value()?.parse()?),
            "--qualifier" => options.qualifier = Some(value()?),
            "--stack" => options.stack = Some(value()?),
            "--help" | "-h" => return Ok(Command::Help),
            other => return Err(UsageError::Option(other.to_owned())),
        }
    }
    options.out = out.ok_or(UsageError::Out)?;
    Ok(Command::Synth(options))
}
