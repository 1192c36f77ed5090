//! Durable queues that speak Amazon SQS.
//!
//! | file | owns |
//! |---|---|
//! | `api` | the operations, by name; waiting for messages |
//! | `messages`, `batches` | operations on messages, one and several at a time |
//! | `queues` | operations on queues |
//! | `moves` | moving messages out of dead-letter queues |
//! | `table` | queues and messages in the database, for everybody who has a transaction |
//! | `in_flight` | how many messages of a queue are received and not yet deleted |
//! | `attributes`, `content`, `refusal` | settings of queues, what is in messages, what is refused |
//!
//! What is different from AWS: a queue can be made again at once after it was deleted, and purged
//! at any time; policies are kept and not looked at; counts are exact.

mod api;
mod attributes;
mod batches;
mod content;
mod in_flight;
mod messages;
mod moves;
mod queues;
pub(super) mod refusal;
mod table;
#[cfg(test)]
mod tests;

pub(crate) use api::Queues;
pub(crate) use content::md5;
pub(crate) use in_flight::TABLE as IN_FLIGHT;
pub(crate) use moves::Moves;
pub(crate) use table::{NewMessage, Queue, Receive, Received, delete, find, queue, receive, send};
