//! Listens, serves connections within limits, and ends without cutting answers off.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use asl::limits::{
    ANSWER_SECONDS_MAX, CONNECTIONS_MAX, REQUEST_BODY_SECONDS_MAX, REQUEST_HEAD_BYTES_MAX,
    REQUEST_HEAD_SECONDS_MAX, REQUEST_HEADERS_MAX,
};
use axum::body::{Body, HttpBody as _};
use axum::http::{HeaderValue, StatusCode, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::door::Door;
use super::service::{Peer, Response, Served, Service, text, unknown, unlooked};
use super::slow::{Impatient, hung_up};
use crate::process_limits;
use crate::random;

/// Stack of the server's threads: the engine evaluates on them, as deep as on its own.
const STACK_BYTES: usize = 8 << 20;
/// Threads that may wait for the journal at a time: what one commit takes up at most is half of it.
const WAITING_THREADS_MAX: usize = 256;
/// How long is waited after the system refused a connection, for lack of files as a rule.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What a connection may take. The usual ones are in `asl::limits`.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at a time; more wait to be accepted.
    pub connections: usize,
    /// Bytes of a request's first line and headers.
    pub head_bytes: usize,
    /// Headers of a request.
    pub headers: usize,
    /// How long a connection may take to send the head of its next request,
    /// from its last answer: ends slow senders and idle connections.
    pub head_time: Duration,
    /// How long a body may take.
    pub body_time: Duration,
    /// How long who reads an answer may take for a part of it.
    pub answer_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: CONNECTIONS_MAX,
            head_bytes: REQUEST_HEAD_BYTES_MAX,
            headers: REQUEST_HEADERS_MAX,
            head_time: Duration::from_secs(REQUEST_HEAD_SECONDS_MAX),
            body_time: Duration::from_secs(REQUEST_BODY_SECONDS_MAX),
            answer_time: Duration::from_secs(ANSWER_SECONDS_MAX),
        }
    }
}

/// How to start a server.
#[derive(Clone)]
pub struct ServerOptions {
    /// Where to listen; port 0 = any that is free.
    pub listen: Vec<SocketAddr>,
    /// Host names to answer for, beside those of loopback.
    pub names: Vec<String>,
    /// Limits of connections.
    pub limits: Limits,
    /// Whether callers have to sign. Without, only loopback is listened on.
    pub is_authenticated: bool,
    /// What answers: the first that takes a request.
    pub services: Vec<Arc<dyn Service>>,
}

impl fmt::Debug for ServerOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ServerOptions").field("listen", &self.listen).finish_non_exhaustive()
    }
}

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// Everybody who reaches the machine could call.
    #[error(
        "{address} can be reached from other machines, and callers would not have to prove who they are: \
         configure credentials, or listen on 127.0.0.1"
    )]
    OpenToOthers {
        /// The address.
        address: SocketAddr,
    },
    /// The address is taken, or not one of this machine.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// The system gives no threads.
    #[error("cannot start the threads of the server: {source}")]
    Threads {
        /// Why not.
        source: std::io::Error,
    },
}

/// Threads that answer at least, however few cores there are. Ours.
const WORKERS_MIN: usize = 4;

/// A server that listens. It goes on until [`Self::shutdown`].
#[derive(Debug)]
pub struct Server {
    addresses: Vec<SocketAddr>,
    runtime: Runtime,
    shared: Arc<Shared>,
}

struct Shared {
    door: Door,
    limits: Limits,
    served: Served,
    services: Vec<Arc<dyn Service>>,
    slots: Arc<Semaphore>,
    stopping: watch::Sender<bool>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Shared").field("door", &self.door).finish_non_exhaustive()
    }
}

impl Server {
    /// Begins to listen.
    pub fn start(options: ServerOptions) -> Result<Self, ServerError> {
        let ServerOptions { listen, names, limits, is_authenticated, services } = options;
        let open_to_others =
            |address: &&SocketAddr| !is_authenticated && !address.ip().to_canonical().is_loopback();
        if let Some(&address) = listen.iter().find(open_to_others) {
            return Err(ServerError::OpenToOthers { address });
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .thread_name("stepwright-http")
            .worker_threads(workers())
            .thread_stack_size(STACK_BYTES)
            .max_blocking_threads(WAITING_THREADS_MAX)
            .enable_all()
            .build()
            .map_err(|source| ServerError::Threads { source })?;
        // Who does not get them has fewer connections.
        let _ = process_limits::allow_many_files();
        let listeners = runtime.block_on(bind(&listen))?;
        let addresses = listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect();
        let slots = Arc::new(Semaphore::new(limits.connections));
        let stopping = watch::Sender::new(false);
        let served: BTreeSet<String> =
            services.iter().flat_map(|service| service.signing_names()).map(str::to_owned).collect();
        let served = Served(served.into_iter().collect());
        let door = Door::new(&names);
        let shared = Arc::new(Shared { door, limits, served, services, slots, stopping });
        for listener in listeners {
            runtime.spawn(accept(listener, Arc::clone(&shared)));
        }
        Ok(Self { addresses, runtime, shared })
    }

    /// Where it listens, in the order that was asked for.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Accepts nothing more, answers what is under way, and ends; what takes
    /// longer than `grace` is cut off.
    pub fn shutdown(self, grace: Duration) {
        let Self { runtime, shared, .. } = self;
        shared.stopping.send_replace(true);
        shared.services.iter().for_each(|service| service.stop());
        let all = u32::try_from(shared.limits.connections).unwrap_or(u32::MAX);
        let slots = Arc::clone(&shared.slots);
        // All slots are free when no connection is left.
        let _ = runtime.block_on(async { tokio::time::timeout(grace, slots.acquire_many_owned(all)).await });
        runtime.shutdown_timeout(Duration::ZERO);
    }
}

/// Threads that answer. Starts and short reads are done on them: one that takes long holds up
/// one of them, and not the endpoint.
fn workers() -> usize {
    std::thread::available_parallelism().map_or(WORKERS_MIN, |cores| cores.get().max(WORKERS_MIN))
}

/// Binds the addresses; those that want any port get the same one.
async fn bind(listen: &[SocketAddr]) -> Result<Vec<TcpListener>, ServerError> {
    let mut listeners: Vec<TcpListener> = Vec::new();
    for &wanted in listen {
        let mut address = wanted;
        if let (0, Some(first)) = (wanted.port(), listeners.first()) {
            address.set_port(first.local_addr().map_or(0, |first| first.port()));
        }
        let listener = TcpListener::bind(address).await;
        listeners.push(listener.map_err(|source| ServerError::Listen { address, source })?);
    }
    Ok(listeners)
}

/// Waits for the end of the server.
async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // The sender gone is an end as well.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut stopping = shared.stopping.subscribe();
    loop {
        let slot = Arc::clone(&shared.slots).acquire_owned();
        let accepted = tokio::select! {
            () = stopped(&mut stopping) => return,
            // The semaphore is never closed.
            Ok(slot) = slot => tokio::select! {
                () = stopped(&mut stopping) => return,
                accepted = listener.accept() => accepted.map(|(stream, _)| (stream, slot)),
            },
            else => return,
        };
        match accepted {
            Ok((stream, slot)) => drop(tokio::spawn(serve(stream, Arc::clone(&shared), slot))),
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// One connection to its end.
async fn serve(stream: TcpStream, shared: Arc<Shared>, _slot: OwnedSemaphorePermit) {
    // Answers are small and whole: nothing is gained by waiting for more to send.
    let _ = stream.set_nodelay(true);
    let Ok(reached) = stream.local_addr().map(|address| address.ip()) else { return };
    let Ok(peer) = stream.peer_addr().map(|address| Peer(address.ip().to_canonical())) else { return };
    let mut stopping = shared.stopping.subscribe();
    let stream = Arc::new(stream);
    let service = service_fn(|mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(peer);
        request.extensions_mut().insert(shared.served.clone());
        let (shared, stream) = (Arc::clone(&shared), Arc::clone(&stream));
        async move { Ok::<_, Infallible>(respond(&shared, request, reached, &stream).await) }
    });
    let connection = http1::Builder::new()
        // Who has sent all and says so reads the answer; who waits for something is looked after.
        .half_close(true)
        .timer(TokioTimer::new())
        .header_read_timeout(shared.limits.head_time)
        .max_headers(shared.limits.headers)
        .max_header_size(shared.limits.head_bytes)
        .serve_connection(
            TokioIo::new(Impatient::new(Arc::clone(&stream), shared.limits.answer_time)),
            service,
        );
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopped(&mut stopping) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

async fn respond(
    shared: &Shared,
    request: hyper::Request<Incoming>,
    reached: IpAddr,
    stream: &TcpStream,
) -> Response {
    let (head, body) = request.into_parts();
    // RFC 9112, 6.1: who says the length of a body in two ways may be somebody who smuggles a second
    // request past a proxy. Hyper keeps one of them to itself, so no such connection goes on.
    let is_last = head.headers.contains_key(header::TRANSFER_ENCODING);
    let is_read = body.is_end_stream();
    let refused = |response| if is_read { response } else { unlooked(response) };
    let mut response = match shared.door.check(&head, reached) {
        Err(refusal) => refused(refusal.response()),
        Ok(()) => match shared.services.iter().find(|service| service.takes(&head)) {
            Some(service) => {
                let waits = service.waits(&head);
                let request = super::Request::from_parts(head, Body::new(body));
                let answer = Arc::clone(service).answer(request);
                if waits {
                    tokio::select! {
                        answer = answer => answer,
                        // Nobody reads this.
                        () = hung_up(stream) => unlooked(text(StatusCode::REQUEST_TIMEOUT, "text/plain", "")),
                    }
                } else {
                    answer.await
                }
            }
            None => refused(unknown(&head)),
        },
    };
    if let Ok(id) = HeaderValue::from_str(&random::uuid()) {
        // A service may have told one of its own.
        response.headers_mut().entry("x-amzn-requestid").or_insert(id);
    }
    if is_last {
        response = unlooked(response);
    }
    response
}
