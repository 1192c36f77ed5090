//! How failures of the database, of objects and of stored rows become a step's
//! errors. Every step of this package may be repeated, so an answer that was lost
//! is as good as none.

/// `From` for an error enum with the variants `Unavailable`, `Throttled`,
/// `Rejected` and `StorageFailed`.
macro_rules! of_the_database {
    ($error:ident) => {
        impl From<database::DatabaseError> for $error {
            fn from(error: database::DatabaseError) -> Self {
                use database::ErrorKind;
                let detail = error.to_string();
                match error.kind {
                    ErrorKind::Unavailable | ErrorKind::Unknown => Self::Unavailable { detail },
                    ErrorKind::Throttled => Self::Throttled { detail },
                    ErrorKind::Rejected | ErrorKind::Forbidden => Self::Rejected { detail },
                }
            }
        }
    };
}

/// `From` for an error enum with the variant `StorageFailed`.
macro_rules! of_objects {
    ($error:ident) => {
        impl From<stepwright::objects::ObjectError> for $error {
            fn from(error: stepwright::objects::ObjectError) -> Self {
                Self::StorageFailed { detail: error.to_string() }
            }
        }
    };
}

/// `From` for an error enum with the variants `StorageFailed` and `Damaged`.
macro_rules! of_rows {
    ($error:ident) => {
        impl From<feed::rows::RowsError> for $error {
            fn from(error: feed::rows::RowsError) -> Self {
                match error {
                    feed::rows::RowsError::Io(error) => Self::StorageFailed {
                        detail: format!("the stored rows cannot be read: {error}; the step is tried again"),
                    },
                    other => Self::Damaged { detail: other.to_string() },
                }
            }
        }
    };
}

pub(crate) use {of_objects, of_rows, of_the_database};

/// `From` for an error enum with the variants `Configuration` and `StorageFailed`.
macro_rules! of_the_configuration {
    ($error:ident) => {
        impl From<crate::customer::CustomerError> for $error {
            fn from(error: crate::customer::CustomerError) -> Self {
                match error {
                    crate::customer::CustomerError::Storage(error) => error.into(),
                    crate::customer::CustomerError::Wrong(detail) => Self::Configuration { detail },
                }
            }
        }
    };
}

pub(crate) use of_the_configuration;
