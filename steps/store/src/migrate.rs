//! The step `migrate`: the tables, and roles for those who use them.
//!
//! Every step makes the tables it needs where it may. Where it may not, because
//! it connects as a user of `stepwright_pipeline`, somebody who owns the tables
//! runs this step before a new version is used.

use database::{CoreViewOwnerUrl, Database, migrations, roles};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stepwright::{Shape, StepError, Use, step};

use crate::failure::of_the_database;

/// What is to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Shape)]
pub struct MigrateRequest {
    /// Also the roles, on PostgreSQL. Roles that are there are kept up to date in any case.
    #[serde(default)]
    pub roles: bool,
}

/// What was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Shape)]
pub struct Migrated {
    /// Host and database, or the path.
    pub target: String,
    /// The migrations that were applied now.
    pub applied: Vec<String>,
    /// How many had been applied before.
    pub already: u64,
    /// The roles that are there and have what they may do; none on SQLite.
    pub roles: Vec<String>,
}

/// Why the database is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, StepError)]
#[error_name = "Migrate"]
pub enum MigrateError {
    /// The database is down or cannot be reached.
    #[message("{detail}")]
    Unavailable {
        /// What happened and what to do.
        detail: String,
    },
    /// The database is busy.
    #[message("{detail}")]
    Throttled {
        /// What happened and what to do.
        detail: String,
    },
    /// The database refuses: the user may not, or the tables are others.
    #[message("{detail}")]
    Rejected {
        /// What happened and what to do.
        detail: String,
    },
}

of_the_database!(MigrateError);

/// Brings the tables up to date, and makes the roles where they are asked for.
/// Doing it again changes nothing.
#[step(memory = 256, timeout = 300)]
pub async fn migrate(
    request: MigrateRequest,
    owner: Use<CoreViewOwnerUrl>,
) -> Result<Migrated, MigrateError> {
    let mut database = database::warm(owner.value()).await?;
    let migrations::Applied { applied, already } = migrations::apply(&mut database).await?;
    // Once there are roles they are given what this version needs, whoever asks for what.
    let wanted = request.roles || roles::exist(&mut database).await?;
    let roles = if wanted { roles::grant(&mut database).await? } else { vec![] };
    Ok(Migrated { target: database.target().to_owned(), applied, already, roles })
}
