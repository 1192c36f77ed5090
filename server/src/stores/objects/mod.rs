//! Objects: Amazon S3's protocol over the folders that steps and the engine use.

mod events;

pub use events::{NoEvents, NotRaised, ObjectChange, ObjectEvent, ObjectEvents};
