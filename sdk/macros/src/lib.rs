//! Procedural macros of `stepwright`, documented there.
//!
//! Each one reads the author's item, refuses what it cannot express at the
//! token that says it, and leaves everything else to rustc's own messages.

#![warn(missing_docs, clippy::disallowed_methods, clippy::disallowed_types)]

use proc_macro::TokenStream;
use syn::parse_macro_input;

mod cases;
mod docs;
mod names;
mod serde_attributes;
mod shape;
mod step;
mod step_error;
mod steps;

/// Makes a step of an `async fn`.
///
/// `#[step]` or `#[step(memory = 512, timeout = 300)]`: memory of the Lambda
/// function in MiB (128 to 10,240; 512 unless given) and its timeout in seconds
/// (1 to 900; 60 unless given).
///
/// The first argument is what the step is called with, the others are resource
/// handles; the result is `Result<Output, Error>`. With a `Callback<Answer>` among
/// the handles the result is `Result<(), Error>`, and a workflow gets the `Answer`
/// that somebody sends with the task's token. Of `async fn parse(..)` it
/// makes the type `Parse` with the function as `Parse::handle`, and the function
/// `parse(value)` for workflows, which returns a call to be run.
#[proc_macro_attribute]
pub fn step(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let function = parse_macro_input!(item as syn::ItemFn);
    finish(step::expand(arguments.into(), &function))
}

/// Makes a struct or an enum a type that may travel between states.
///
/// Honours serde's `rename`, `rename_all`, `default`, `skip`,
/// `skip_serializing_if` and `tag`; refuses what has no fixed shape.
#[proc_macro_derive(Shape, attributes(serde))]
pub fn shape(item: TokenStream) -> TokenStream {
    let input = parse_macro_input!(item as syn::DeriveInput);
    finish(shape::expand(&input))
}

/// Makes an enum the error type of steps, with a stable name per variant.
///
/// The name is `Enum.Variant`; `#[error_name = "Deliver"]` on the enum replaces
/// its part, on a variant the variant's (or, with a dot, the whole name). The
/// message is the doc comment, or `#[message("line {line} is too long")]`.
#[proc_macro_derive(StepError, attributes(error_name, message))]
pub fn step_error(item: TokenStream) -> TokenStream {
    let input = parse_macro_input!(item as syn::DeriveInput);
    finish(step_error::expand(&input))
}

/// The steps a binary serves: `steps![stage, deliver, verify]`.
#[proc_macro]
pub fn steps(list: TokenStream) -> TokenStream {
    let paths = parse_macro_input!(list with steps::parse);
    steps::expand(paths).into()
}

fn finish(expansion: syn::Result<proc_macro2::TokenStream>) -> TokenStream {
    expansion.unwrap_or_else(|error| error.to_compile_error()).into()
}
