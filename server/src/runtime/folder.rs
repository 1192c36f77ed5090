//! Functions from a folder.
//!
//! ```text
//! DIR/NAME/bootstrap         the function NAME, run from its folder
//! DIR/NAME/bootstrap.zip     the same, packed (as `cargo lambda build --output-format zip` has it)
//! DIR/NAME.zip               the same, packed
//! DIR/NAME/function.json     how it runs, or
//! DIR/NAME.json              beside the folder or the zip
//! ```
//! What else lies there is nobody's business. A zip is unpacked once, into a private folder
//! named by its contents.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use asl::limits::FUNCTIONS_MAX;

use super::archive::{self, ArchiveError};
use super::configuration::Configuration;
use super::{Function, is_function_name};

const BOOTSTRAP: &str = "bootstrap";

/// Why functions cannot be taken from a folder.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Something cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The folder or file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// There is no function in it.
    #[error(
        "{} holds no function: neither NAME/bootstrap nor NAME.zip is there",
        path.display()
    )]
    Empty {
        /// The folder.
        path: PathBuf,
    },
    /// There are more than any project has.
    #[error("{} holds more than {FUNCTIONS_MAX} functions", path.display())]
    TooMany {
        /// The folder.
        path: PathBuf,
    },
    /// A folder's or a zip's name is not one a function can have.
    #[error(
        "{} cannot be a function: names have 1 to 64 letters, digits, `-` or `_`",
        path.display()
    )]
    Name {
        /// The folder or zip.
        path: PathBuf,
    },
    /// A function is there twice.
    #[error("the function `{name}` is there twice: {} and {}", one.display(), other.display())]
    Twice {
        /// The name.
        name: String,
        /// One folder or zip.
        one: PathBuf,
        /// Another.
        other: PathBuf,
    },
    /// The bootstrap is no program.
    #[error(
        "{} is not executable, so Lambda would answer Runtime.InvalidEntrypoint: chmod +x it",
        path.display()
    )]
    NotExecutable {
        /// The bootstrap.
        path: PathBuf,
    },
    /// What is said of a function is not what AWS takes.
    #[error(
        "{}{}: {problem}",
        path.display(),
        if field.is_empty() { String::new() } else { format!(": {field}") }
    )]
    Configuration {
        /// The file.
        path: PathBuf,
        /// The field, e.g. `Environment.Variables.MODE`; empty = the whole file.
        field: String,
        /// What is wrong.
        problem: String,
    },
    /// A zip is refused.
    #[error(transparent)]
    Zip(#[from] ArchiveError),
}

/// The functions of a folder, by name. Zips are unpacked below `unpacked`, which is made if it
/// is missing. `concurrency_max`: processes of each function at most.
///
/// # Errors
/// See [`FolderError`]; every one names the file.
pub fn functions_in(
    folder: &Path,
    unpacked: &Path,
    concurrency_max: usize,
) -> Result<Vec<Function>, FolderError> {
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        move |source| FolderError::Unreadable { path, source }
    };
    // Processes are started from their own folders.
    let folder = folder.canonicalize().map_err(unreadable(folder))?;
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&folder).map_err(unreadable(&folder))? {
        names.push(entry.map_err(unreadable(&folder))?.file_name());
    }
    names.sort();
    let mut found: Vec<(Found, PathBuf)> = Vec::new();
    for name in names {
        let path = folder.join(name);
        let Some(function) = Found::at(&path) else { continue };
        if !is_function_name(&function.name) {
            return Err(FolderError::Name { path });
        }
        if let Some((_, one)) = found.iter().find(|(other, _)| other.name == function.name) {
            let one = one.clone();
            return Err(FolderError::Twice { name: function.name, one, other: path });
        }
        found.push((function, path));
        if found.len() > FUNCTIONS_MAX {
            return Err(FolderError::TooMany { path: folder });
        }
    }
    if found.is_empty() {
        return Err(FolderError::Empty { path: folder });
    }
    found.into_iter().map(|(function, _)| function.ready(&folder, unpacked, concurrency_max)).collect()
}

/// A function that was found.
struct Found {
    name: String,
    code: Code,
}

enum Code {
    /// A folder with a bootstrap.
    Folder(PathBuf),
    /// A zip of such a folder.
    Zip(PathBuf),
}

impl Found {
    fn at(path: &Path) -> Option<Self> {
        let name = |part: Option<&std::ffi::OsStr>| Some(part?.to_string_lossy().into_owned());
        if path.is_dir() {
            let name = name(path.file_name())?;
            let zip = path.join("bootstrap.zip");
            return if path.join(BOOTSTRAP).is_file() {
                Some(Self { name, code: Code::Folder(path.to_owned()) })
            } else {
                zip.is_file().then_some(Self { name, code: Code::Zip(zip) })
            };
        }
        let is_zip = path.is_file() && path.extension().is_some_and(|extension| extension == "zip");
        is_zip.then_some(Self { name: name(path.file_stem())?, code: Code::Zip(path.to_owned()) })
    }

    fn ready(self, folder: &Path, unpacked: &Path, concurrency_max: usize) -> Result<Function, FolderError> {
        let root = match &self.code {
            Code::Folder(root) => root.clone(),
            Code::Zip(zip) => archive::unpack(zip, unpacked)?,
        };
        let bootstrap = root.join(BOOTSTRAP);
        let unreadable = |source| FolderError::Unreadable { path: bootstrap.clone(), source };
        let mode = std::fs::metadata(&bootstrap).map_err(unreadable)?.permissions().mode();
        if mode & 0o111 == 0 {
            let path = match self.code {
                Code::Folder(_) => bootstrap,
                Code::Zip(zip) => zip.join(BOOTSTRAP),
            };
            return Err(FolderError::NotExecutable { path });
        }
        let configuration = Configuration::read(self.configuration(folder, &root)?.as_deref())?;
        Ok(Function {
            name: self.name,
            bootstrap,
            handler: configuration.handler,
            memory_mib: configuration.memory_mib,
            timeout: configuration.timeout,
            environment: configuration.environment,
            concurrency_max,
            reserved_concurrency: configuration.reserved_concurrency,
        })
    }

    /// Where it is said how the function runs: beside its code or in it, not both.
    fn configuration(&self, folder: &Path, root: &Path) -> Result<Option<PathBuf>, FolderError> {
        let (beside, inside) = (folder.join(format!("{}.json", self.name)), root.join("function.json"));
        // A zip in a folder of its own has that folder's file.
        let own = folder.join(&self.name).join("function.json");
        let mut found: Vec<PathBuf> =
            [beside, inside, own].into_iter().filter(|path| path.is_file()).collect();
        found.dedup();
        match found.len() {
            0 | 1 => Ok(found.pop()),
            _ => {
                let (one, other) = (found.swap_remove(0), found.swap_remove(0));
                Err(FolderError::Configuration {
                    path: one,
                    field: String::new(),
                    problem: format!("{} says how the function runs, too: keep one", other.display()),
                })
            }
        }
    }
}

#[cfg(test)]
mod tests;
