//! The reference workflows, written to be read.
#![warn(missing_docs)]

pub mod coreview_delivery;
