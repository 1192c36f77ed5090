//! `coreview-migrate`: brings the planning database up to date, and makes the roles of those who use it.

use step_store::{MigrateError, MigrateRequest, Migrated, migrate};
use stepwright::ir::Workflow;
use stepwright::prelude::*;

use crate::when_coreview_is_away;

/// The workflow with its settings.
pub fn definition() -> Workflow {
    stepwright::workflow("coreview-migrate", coreview_migrate)
        .comment("Brings the tables of the planning database up to date.")
        .timeout(60 * 60)
        .build()
}

fn coreview_migrate(w: &mut Flow, request: Expr<MigrateRequest>) -> Expr<Migrated> {
    migrate(request)
        .retry([MigrateError::UNAVAILABLE, MigrateError::THROTTLED], when_coreview_is_away())
        .lets_fail(MigrateError::EVERY)
        .run(w)
}
