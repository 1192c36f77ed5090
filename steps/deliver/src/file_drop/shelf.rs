//! The bucket that files are exchanged by: looked into, added to, never changed.

use std::io::{self, Read as _, Write as _};

use stepwright::objects::{ObjectError, ObjectWriter, Store};

use crate::deliver::DeliverError;

/// The content of a small object of somebody else's; `None` when there is none.
pub(super) fn read_small(store: &Store, key: &str, bytes_max: u64) -> Result<Option<String>, DeliverError> {
    let Some(file) = store.look(key).map_err(|error| failure(&error))? else { return Ok(None) };
    let mut text = String::new();
    match file.take(bytes_max + 1).read_to_string(&mut text) {
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(DeliverError::rejected(format!(
            "{} is not text; whoever wrote it has to put it right, then redrive the execution",
            store.location_of(key)
        ))),
        Err(error) => Err(reading(&store.location_of(key), &error)),
        Ok(_) if text.len() as u64 > bytes_max => Err(DeliverError::rejected(format!(
            "{} has more than {bytes_max} bytes; whoever wrote it must keep it short",
            store.location_of(key)
        ))),
        Ok(_) => Ok(Some(text)),
    }
}

/// Adds to an object that is being written.
pub(super) fn write(incoming: &mut ObjectWriter, data: &[u8]) -> Result<(), DeliverError> {
    incoming.write_all(data).map_err(|error| DeliverError::Unavailable {
        detail: format!("cannot write what is to be dropped: {error}; the delivery is tried again, or redrive the execution"),
    })
}

/// What could not be read to its end.
pub(super) fn reading(place: &str, error: &io::Error) -> DeliverError {
    DeliverError::Unavailable {
        detail: format!("cannot read {place}: {error}; it is tried again, or redrive the execution"),
    }
}

/// An error of the bucket by what a caller can do about it.
pub(super) fn failure(error: &ObjectError) -> DeliverError {
    let detail = error.to_string();
    match error {
        ObjectError::Io { source, .. } if is_refusal(source) => {
            DeliverError::rejected(format!("{detail}, then redrive the execution"))
        }
        ObjectError::Io { .. } => DeliverError::Unavailable {
            detail: format!("{detail}; the delivery is tried again, or redrive the execution"),
        },
        _ => DeliverError::rejected(detail),
    }
}

/// An error of giving a name for the first time: it may have been given.
pub(super) fn uncertain(error: &ObjectError) -> DeliverError {
    match error {
        ObjectError::Io { source, .. } if !is_refusal(source) => DeliverError::Unknown {
            detail: format!("{error}; whether it is there is not known: the next attempt looks"),
        },
        _ => failure(error),
    }
}

fn is_refusal(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
}
