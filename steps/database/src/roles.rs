//! Least-privilege roles on PostgreSQL. They are groups without a password:
//! grant one to the user a step or a person connects as.
//!
//! | role | may |
//! |---|---|
//! | `stepwright_coreview` | owns the tables of CoreView's stand-in |
//! | `stepwright_pipeline` | what the steps do: read all; insert and update the pipeline's own tables; insert into CoreView's and update there what a correction or a withdrawal changes. It deletes nothing and changes no table |
//! | `stepwright_operator` | read all |
//!
//! What a table's name begins with says whose it is.

use crate::{Database, DatabaseError, Dialect, ErrorKind, Purpose};

/// The roles, in the order of the table above.
pub const ROLES: [&str; 3] = ["stepwright_coreview", "stepwright_pipeline", "stepwright_operator"];

/// Makes the roles and gives them what they may do, on the tables that are there
/// now; doing it again changes nothing. Returns the roles: none on SQLite, which
/// has no users.
///
/// [`ErrorKind::Forbidden`] when the user may not: it must be allowed to create
/// roles and own the tables.
pub async fn grant(database: &mut impl Database) -> Result<Vec<String>, DatabaseError> {
    if database.dialect() == Dialect::Sqlite {
        return Ok(vec![]);
    }
    database.begin(Purpose::Write).await?;
    let granted = match database.lock_schema().await {
        Ok(()) => database.define(GRANTS).await,
        Err(error) => Err(error),
    };
    let ended = match granted {
        Ok(()) => database.commit().await,
        Err(error) => {
            database.rollback().await;
            Err(error)
        }
    };
    ended.map_err(explained)?;
    Ok(ROLES.map(str::to_owned).to_vec())
}

/// Whether the roles were made in this database's server.
///
/// # Errors
/// As any query.
pub async fn exist(database: &mut impl Database) -> Result<bool, DatabaseError> {
    if database.dialect() == Dialect::Sqlite {
        return Ok(false);
    }
    let found =
        database.query("SELECT 1::bigint FROM pg_roles WHERE rolname = 'stepwright_pipeline'", &[]).await?;
    Ok(!found.is_empty())
}

fn explained(error: DatabaseError) -> DatabaseError {
    let action = "make its roles";
    match error.kind {
        ErrorKind::Rejected | ErrorKind::Forbidden => DatabaseError {
            action,
            advice: "connect as a user who may create roles and owns the tables (the secret `coreview-owner`), then start again",
            ..error
        },
        // What was granted is granted again without harm.
        ErrorKind::Unknown => DatabaseError { action, kind: ErrorKind::Unavailable, ..error },
        _ => DatabaseError { action, ..error },
    }
}

/// `relkind` of tables and views; names of ours only, in the schema we work in.
const GRANTS: &str = r"
DO $roles$
DECLARE
    role_name text;
    relation record;
BEGIN
    FOREACH role_name IN ARRAY ARRAY['stepwright_coreview', 'stepwright_pipeline', 'stepwright_operator'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', role_name);
        END IF;
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), role_name);
    END LOOP;

    -- To hand tables over one must belong to who receives them, who must be allowed to have some.
    IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        EXECUTE format('GRANT stepwright_coreview TO %I', current_user);
    END IF;
    EXECUTE format('GRANT CREATE ON SCHEMA %I TO stepwright_coreview', current_schema());

    FOR relation IN
        SELECT relname AS name, relkind = 'r' AS is_table, relname LIKE 'coreview\_%' AS is_coreviews,
            pg_get_userbyid(relowner) AS owner
        FROM pg_class
        WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'v')
            AND (relname ~ '^(coreview|ingest|reference|calc|delivery|ops)_' OR relname = 'stepwright_migration')
    LOOP
        EXECUTE format('REVOKE ALL ON %I FROM stepwright_pipeline, stepwright_operator', relation.name);
        EXECUTE format('GRANT SELECT ON %I TO stepwright_pipeline, stepwright_operator', relation.name);
        IF relation.is_table AND relation.is_coreviews THEN
            EXECUTE format('GRANT INSERT ON %I TO stepwright_pipeline', relation.name);
            IF relation.owner <> 'stepwright_coreview' THEN
                EXECUTE format('ALTER TABLE %I OWNER TO stepwright_coreview', relation.name);
            END IF;
        ELSIF relation.is_table AND relation.name <> 'stepwright_migration' THEN
            EXECUTE format('GRANT INSERT, UPDATE ON %I TO stepwright_pipeline', relation.name);
        END IF;
    END LOOP;

    -- What a receipt, a correction or a withdrawal changes.
    GRANT UPDATE (state, ended_by, receipt) ON coreview_ledger TO stepwright_pipeline;
    GRANT UPDATE (figures, delivery_id, version, state) ON coreview_figure TO stepwright_pipeline;

    IF NOT has_database_privilege('stepwright_pipeline', current_database(), 'TEMPORARY') THEN
        RAISE EXCEPTION 'role stepwright_pipeline may not make temporary tables: run GRANT TEMPORARY ON DATABASE % TO stepwright_pipeline',
            quote_ident(current_database());
    END IF;
END
$roles$";
