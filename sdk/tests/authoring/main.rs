//! What an author of workflows and steps relies on.

mod errors;
mod flows;
#[cfg(feature = "lambda")]
mod lambda;
mod outline;
mod shapes;
mod steps;
mod ui;
