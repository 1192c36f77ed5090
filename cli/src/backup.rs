//! `backup`: a verified copy of the journal, also while an engine writes it, and one of the queues
//! and events beside it.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::{
    arguments::{Backup, Format},
    data::{from_journal, from_stores},
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
    let stores_file = beside(file);
    if let Some(file) = [file, &stores_file].into_iter().find(|file| file.exists()) {
        return Err(Problem::BackupThere { file: file.clone() });
    }
    if let Some(folder) = folder.filter(|folder| !folder.as_os_str().is_empty() && !folder.is_dir()) {
        let missing = std::io::Error::from(std::io::ErrorKind::NotFound);
        return Err(Problem::file("the folder for the backup is not there:", folder, missing));
    }
    crate::data::check_traces(&arguments.data.dir)?;
    // First: what is in it and was started since is known to the journal, and not started twice. The
    // other way round, what was handed over in between would be in neither.
    let stores =
        server::stores::back_up(&arguments.data.dir, &stores_file).map_err(|error| from_stores(&error))?;
    let made = engine::back_up(&arguments.data.dir, &arguments.file).map_err(from_journal);
    let mut made = made.inspect_err(|_| {
        // One without the other is no backup, and would be in the way of the next.
        let _ = std::fs::remove_file(&stores_file);
    })?;
    let stores_bytes = stores.map(|(bytes, found)| {
        made.examination.findings.extend(found.into_iter().map(doctor::of_stores));
        bytes
    });
    match terminal.format {
        Format::Text => {
            for finding in &made.examination.findings {
                terminal.data(&doctor::line(finding));
            }
            let (file, bytes) = (arguments.file.display(), text::bytes(made.bytes));
            terminal.data(&format!("{file}: {bytes}, {}", doctor::summary(&made.examination)));
            if let Some(bytes) = stores_bytes {
                terminal.data(&format!(
                    "{}: {}, queues, events, schedules and pipes",
                    stores_file.display(),
                    text::bytes(bytes)
                ));
            }
        }
        Format::Json | Format::Jsonl => {
            let mut document = json!({
                "file": arguments.file,
                "bytes": made.bytes,
                "examination": doctor::document(&made.examination),
            });
            if let Some((bytes, fields)) = stores_bytes.zip(document.as_object_mut()) {
                fields.insert("stores".to_owned(), json!({ "file": stores_file, "bytes": bytes }));
            }
            terminal.data(&crate::show::document(&document, terminal));
        }
    }
    Ok(if made.examination.is_sound() { 0 } else { exit::REFUSED })
}

/// Where the copy of queues and events goes: `journal.db` has `journal.stores.db` beside it.
fn beside(file: &Path) -> PathBuf {
    let end = file.extension().map_or_else(String::new, |end| format!(".{}", end.to_string_lossy()));
    file.with_extension(format!("stores{end}"))
}
