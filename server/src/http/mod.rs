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
//! | `authentication` | who may call: keys, signatures, AWS's words for who may not |
//! | `json_protocol` | AWS JSON 1.0 and 1.1: one operation a request |
//! | `rest_protocol` | AWS's REST with JSON: operations by method and path |
//! | `slow` | connections whose reader does not read |
//! | `throttle` | calls that come too often |
//! | `states`, `polls` | the Step Functions API on it, with what waits for minutes |
//! | `functions` | Lambda's `Invoke` for the functions of this process, and which there are |
//! | `own` | what the command asks of a running server, beyond AWS's operations |
//! | `client` | a call of such an endpoint |
//! | `probes` | `/healthz`, `/readyz`, `/metrics` |

pub(crate) mod authentication;
pub(crate) mod body;
mod client;
pub(crate) mod door;
mod functions;
mod json_protocol;
mod own;
mod polls;
mod probes;
mod rest_protocol;
mod server;
pub(crate) mod service;
mod slow;
mod states;
mod throttle;

pub use authentication::{
    Authentication, Caller, ExpectedBody, SignatureError, SignatureProblem, SignedBody, generate_credentials,
};
pub use client::Call;
pub use door::host_name;
pub use functions::Functions;
pub use json_protocol::{JsonAnswer, JsonApi, JsonError, JsonProtocol};
pub use own::Own;
pub use probes::Probes;
pub use rest_protocol::{RestApi, RestProtocol};
pub use server::{Limits, Server, ServerError, ServerOptions};
pub use service::{Answer, Peer, Request, Response, Service};
pub use sigv4::Credentials;
pub use states::States;
pub use throttle::Throttle;
