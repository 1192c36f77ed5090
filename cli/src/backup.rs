//! `backup`: a verified copy of the journal, also while an engine writes it.

use serde_json::json;

use crate::{
    arguments::{Backup, Format},
    data::from_journal,
    doctor,
    problem::{Problem, exit},
    terminal::Terminal,
    text,
};

/// Copies and verifies. The copy of a damaged journal is kept, and the command fails.
pub(crate) fn backup(arguments: &Backup, terminal: Terminal) -> Result<u8, Problem> {
    if !arguments.data.dir.exists() {
        return Err(Problem::NoData { dir: arguments.data.dir.clone() });
    }
    let (file, folder) = (&arguments.file, arguments.file.parent());
    if file.exists() {
        return Err(Problem::BackupThere { file: file.clone() });
    }
    if let Some(folder) = folder.filter(|folder| !folder.as_os_str().is_empty() && !folder.is_dir()) {
        let missing = std::io::Error::from(std::io::ErrorKind::NotFound);
        return Err(Problem::file("the folder for the backup is not there:", folder, missing));
    }
    crate::data::check_traces(&arguments.data.dir)?;
    let made = engine::back_up(&arguments.data.dir, &arguments.file).map_err(from_journal)?;
    match terminal.format {
        Format::Text => {
            for finding in &made.examination.findings {
                terminal.data(&doctor::line(finding));
            }
            let (file, bytes) = (arguments.file.display(), text::bytes(made.bytes));
            terminal.data(&format!("{file}: {bytes}, {}", doctor::summary(&made.examination)));
        }
        Format::Json | Format::Jsonl => {
            let document = json!({
                "file": arguments.file,
                "bytes": made.bytes,
                "examination": doctor::document(&made.examination),
            });
            terminal.data(&crate::show::document(&document, terminal));
        }
    }
    Ok(if made.examination.is_sound() { 0 } else { exit::REFUSED })
}
