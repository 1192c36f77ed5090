//! The main of a workflow project.
//!
//! ```no_run
//! # use stepwright_infra as infra;
//! use stepwright::prelude::*;
//!
//! fn greet(w: &mut Flow, name: Expr<String>) -> Expr<String> {
//!     w.wait_seconds("Take a breath", 1);
//!     lit(String::from("hello, ")).concat(name)
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     infra::app("reference").workflow(stepwright::workflow("greet", greet).build()).main()
//! }
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

use codegen::ir::{self, ResourceKind};
use codegen::{CodegenError, Lint, LintLevel};

use crate::environment::{Environment, LogRetention, SettingError};
use crate::hash::sha256_hex;
use crate::manifest::{
    self, Access, Function, Grant, Intake, Manifest, ManifestError, SCHEMA_VERSION, Trigger,
};

#[cfg(test)]
mod tests;

/// Starts an application; its name is the prefix of its functions' names.
pub fn app(name: &str) -> App {
    App { name: name.to_owned(), workflows: Vec::new(), environment: Environment::default(), setting: None }
}

/// An application: workflows and how they are deployed.
#[derive(Debug)]
#[must_use = "an application does nothing until `.main()`"]
pub struct App {
    name: String,
    workflows: Vec<ir::Workflow>,
    environment: Environment,
    /// The first setting that was refused, told when the application is built.
    setting: Option<SettingError>,
}

/// What the workflows of an application become.
#[derive(Debug)]
pub struct Built {
    /// The application as data.
    pub manifest: Manifest,
    /// What may go wrong, workflow by workflow.
    pub lints: Vec<Lint>,
}

impl Built {
    /// Whether a finding stops the build.
    pub fn is_denied(&self) -> bool {
        self.lints.iter().any(|lint| lint.code.level() == LintLevel::Deny)
    }
}

/// Why an application cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// A workflow cannot be generated.
    #[error("workflow `{workflow}`: {error}")]
    Codegen {
        /// The workflow.
        workflow: String,
        /// Why not.
        error: CodegenError,
    },
    /// Two steps of different workflows have one name.
    #[error(
        "two steps are called `{step}`, at {first} and at {second}: a function has one name in its \
         account, so rename one of them"
    )]
    StepConflict {
        /// The name.
        step: String,
        /// Where one is written.
        first: String,
        /// Where the other is written.
        second: String,
    },
    /// A package that is not called after a step binary.
    #[error(
        "step `{step}` is in package `{package}`, whose name does not tell its binary: \
         a package of steps is called `step-…` or `…-step-…` and has a binary `step-…`"
    )]
    Package {
        /// The step.
        step: String,
        /// Its package.
        package: String,
    },
    /// What was generated cannot run.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A setting AWS would not accept.
    #[error(transparent)]
    Setting(#[from] SettingError),
}

impl App {
    /// Adds a workflow.
    pub fn workflow(mut self, workflow: ir::Workflow) -> Self {
        self.workflows.push(workflow);
        self
    }

    /// Puts a tag on everything that takes tags.
    pub fn tag(mut self, key: &str, value: &str) -> Self {
        self.environment.tags.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Keeps log events for so many days; 30 unless said otherwise.
    ///
    /// Any number `CloudWatch` Logs offers: see [`LogRetention::DAYS`].
    pub fn log_retention_days(mut self, days: u32) -> Self {
        match LogRetention::days(days) {
            Ok(retention) => self.environment.log_retention = retention,
            Err(error) => self.setting = self.setting.or(Some(error)),
        }
        self
    }

    /// How it is deployed unless the command line says otherwise.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// Generates everything.
    ///
    /// # Errors
    /// [`AppError`] with the first workflow that cannot be generated.
    pub fn build(&self) -> Result<Built, AppError> {
        if let Some(error) = &self.setting {
            return Err(error.clone().into());
        }
        self.environment.check()?;
        let options = codegen::Options { app: self.name.clone() };
        let mut workflows = Vec::new();
        let mut functions: BTreeMap<String, codegen::Function> = BTreeMap::new();
        let mut lints = Vec::new();
        for workflow in &self.workflows {
            let failed = |error| AppError::Codegen { workflow: workflow.name.clone(), error };
            let generated = codegen::emit(workflow, &options).map_err(failed)?;
            let called = generated.functions.iter().map(|function| function.name.clone());
            workflows.push(manifest::Workflow {
                name: generated.name,
                comment: generated.comment,
                definition_sha256: sha256_hex(generated.definition.as_bytes()),
                definition: generated.definition,
                input_schema: generated.input_schema,
                source_map: generated.source_map,
                intake: generated.intake.map(intake),
                triggers: self.triggers(&workflow.name, &generated.triggers),
                functions: called.collect::<BTreeSet<_>>().into_iter().collect(),
                puts_events: generated.puts_events,
                answers: generated.answers,
            });
            for function in generated.functions {
                add(&mut functions, function)?;
            }
            lints.extend(generated.lints);
        }
        let manifest = self.manifest(workflows, functions)?;
        Ok(Built { manifest, lints })
    }

    /// The triggers of a workflow, named after it: there is one of each name in an account.
    fn triggers(&self, workflow: &str, triggers: &[ir::Trigger]) -> Vec<Trigger> {
        let (mut schedules, mut rules) = (0, 0);
        let mut named = |trigger: &ir::Trigger| match trigger.clone() {
            ir::Trigger::Schedule { expression, timezone, input, .. } => {
                schedules += 1;
                let name = format!("{workflow}-schedule-{schedules}");
                Trigger::Schedule { name, expression, timezone, input }
            }
            ir::Trigger::Objects { bucket, prefix, endings, .. } => {
                rules += 1;
                let name = format!("{workflow}-objects-{rules}");
                Trigger::Objects { name, bucket: bucket.name.to_owned(), prefix, endings }
            }
            ir::Trigger::Queue { name, accounts, batch, window_seconds, .. } => Trigger::Queue {
                queue: format!("{}-{name}", self.name),
                name: format!("{workflow}-{name}"),
                accounts,
                batch,
                window_seconds,
            },
        };
        triggers.iter().map(&mut named).collect()
    }

    fn manifest(
        &self,
        workflows: Vec<manifest::Workflow>,
        functions: BTreeMap<String, codegen::Function>,
    ) -> Result<Manifest, AppError> {
        let functions = functions.into_values().map(function).collect::<Result<Vec<_>, _>>()?;
        let intakes = workflows.iter().filter_map(|workflow| workflow.intake.as_ref());
        let mut buckets: BTreeSet<String> = intakes.map(|intake| intake.bucket.clone()).collect();
        buckets.extend(workflows.iter().flat_map(|workflow| &workflow.triggers).filter_map(|trigger| {
            match trigger {
                Trigger::Objects { bucket, .. } => Some(bucket.clone()),
                Trigger::Schedule { .. } | Trigger::Queue { .. } => None,
            }
        }));
        let mut secrets = BTreeSet::new();
        for grant in functions.iter().flat_map(|function| &function.grants) {
            match grant.kind {
                manifest::ResourceKind::Bucket => buckets.insert(grant.name.clone()),
                manifest::ResourceKind::Secret => secrets.insert(grant.name.clone()),
            };
        }
        let manifest = Manifest {
            schema_version: SCHEMA_VERSION,
            app: self.name.clone(),
            workflows,
            functions,
            buckets: buckets.into_iter().collect(),
            secrets: secrets.into_iter().collect(),
        };
        Ok(manifest.validated()?)
    }

    /// Does what the command line says: `manifest`, or `synth --out DIR`.
    ///
    /// Data goes to standard output, findings and errors to standard error.
    /// Exit codes: 0 done, 1 it failed, 2 usage, 5 a finding denies the build.
    pub fn main(self) -> ExitCode {
        crate::emit::main(&self)
    }
}

/// Adds a function of a workflow; one that several workflows call is the same step.
fn add(
    functions: &mut BTreeMap<String, codegen::Function>,
    function: codegen::Function,
) -> Result<(), AppError> {
    if let Some(known) = functions.get(&function.name) {
        let (first, second) = (known.step.location, function.step.location);
        if first != second || known.step.package != function.step.package {
            let place = |location: ir::Location| format!("{}:{}", location.file, location.line);
            let step = function.step.name.to_owned();
            return Err(AppError::StepConflict { step, first: place(first), second: place(second) });
        }
        return Ok(());
    }
    functions.insert(function.name.clone(), function);
    Ok(())
}

fn function(function: codegen::Function) -> Result<Function, AppError> {
    let step = function.step;
    let binary = binary_of(step.package)
        .ok_or_else(|| AppError::Package { step: step.name.to_owned(), package: step.package.to_owned() })?;
    Ok(Function {
        name: function.name,
        step: step.name.to_owned(),
        description: step.doc.to_owned(),
        package: step.package.to_owned(),
        binary,
        handler: step.name.to_owned(),
        memory_mib: step.memory_mib,
        timeout_seconds: step.timeout_seconds,
        environment: BTreeMap::new(),
        grants: function.grants.into_iter().map(grant).collect(),
        waits: step.waits,
        input_schema: function.input_schema,
        output_schema: function.output_schema,
        errors: function.errors,
    })
}

/// `stepwright-step-parse` → `step-parse`: the binary is named after what comes
/// from `step-` on, so that packages of several projects can live side by side.
fn binary_of(package: &str) -> Option<String> {
    let start = if package.starts_with("step-") { 0 } else { package.find("-step-")? + 1 };
    package.get(start..).map(str::to_owned)
}

fn grant(grant: ir::Grant) -> Grant {
    Grant {
        kind: match grant.resource.kind {
            ResourceKind::Bucket => manifest::ResourceKind::Bucket,
            ResourceKind::Secret => manifest::ResourceKind::Secret,
        },
        name: grant.resource.name.to_owned(),
        access: match grant.access {
            ir::Access::Read => Access::Read,
            ir::Access::Write => Access::Write,
            ir::Access::Look => Access::Look,
            ir::Access::Exchange => Access::Exchange,
            ir::Access::Use => Access::Use,
        },
    }
}

fn intake(intake: ir::Intake) -> Intake {
    Intake {
        bucket: intake.bucket.name.to_owned(),
        files_field: intake.files_field,
        spec_field: intake.spec_field,
        with_folder: intake.with_folder,
        period_field: intake.period_field,
        messages_field: intake.messages_field,
        correction_field: intake.correction_field,
        sample: intake.sample,
    }
}
