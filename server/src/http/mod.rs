//! The endpoint: HTTP/1.1 on a few addresses, and behind it whatever answers.
//!
//! Owns connections and their limits, who may call, and which protocol a
//! request belongs to. Refuses to know operations: they are a [`Service`]'s.
//! What shares the endpoint is put together where it is started, as a list of
//! services; a request goes to the first that takes it.
//!
//! | file | owns |
//! |---|---|
//! | `server` | listening, connections, their limits, the end |
//! | `door` | who is let in: hosts, origins |
//! | `service` | the port to what answers, and the answers nobody else gives |
//! | `body` | reading bodies, not without bound |
//! | `sigv4` | Signature Version 4: signing and verifying |
//! | `json_protocol` | AWS JSON 1.0: one operation a request |
//! | `states`, `polls` | the Step Functions API on it, with what waits for minutes |
//! | `own` | what the command asks of a running server, beyond AWS's operations |
//! | `client` | a call of such an endpoint |
//! | `probes` | `/healthz`, `/readyz`, `/metrics` |

pub(crate) mod body;
mod client;
mod door;
mod json_protocol;
mod own;
mod polls;
mod probes;
mod server;
pub(crate) mod service;
pub(crate) mod sigv4;
mod states;

pub use client::Call;
pub use json_protocol::{JsonAnswer, JsonApi, JsonError, JsonProtocol};
pub use own::Own;
pub use probes::Probes;
pub use server::{Limits, Server, ServerError, ServerOptions};
pub use service::{Answer, Peer, Request, Response, Service};
pub use sigv4::{Authentication, Credentials, SignatureError, Signed, sign};
pub use states::States;
