//! Durable queues that speak Amazon SQS.
//!
//! | file | owns |
//! |---|---|
//! | `api` | the operations, by name; waiting for messages |
//! | `messages`, `batches` | operations on messages, one and several at a time |
//! | `queues` | operations on queues |
//! | `moves` | moving messages out of dead-letter queues |
//! | `table` | queues and messages in the database, for everybody who has a transaction |
//! | `attributes`, `content`, `refusal` | settings of queues, what is in messages, what is refused |
//!
//! What is different from AWS: a queue can be made again at once after it was deleted, and purged
//! at any time; policies are kept and not looked at; counts are exact.

mod api;
mod attributes;
mod batches;
mod content;
mod messages;
mod moves;
mod queues;
mod refusal;
mod table;
#[cfg(test)]
mod tests;

pub(crate) use api::Queues;
pub(crate) use content::md5;
pub(crate) use moves::Moves;
pub(crate) use table::{NewMessage, Queue, Receive, Received, delete, find, queue, receive, send};
