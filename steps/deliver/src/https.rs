//! The HTTPS channel: batches put to an endpoint. docs/delivery.md is the protocol.
//!
//! ```text
//! PUT  <base>/batches/<delivery id>              the rows, as JSON Lines
//! GET  <base>/batches/<delivery id>              the booking, and what the period holds now
//! POST <base>/batches/<delivery id>/withdrawal   takes it back
//! ```
//!
//! Exactly once rests on the receiver: it books a delivery id once, whatever
//! arrives how often, and answers 409 to another batch for the period. Every
//! attempt asks first, so that an answer that was lost is found, not repeated.
//!
//! The body is streamed from the staged object and checked on the way: rows that
//! are not what the batch says end the request before it is complete. Refused
//! here: redirects, and plain HTTP to anywhere but this machine.

use std::io::{BufRead, Read};
use std::time::{Duration, Instant};

use ureq::http::{Response, StatusCode};
use ureq::{Agent, Body, RequestBuilder, SendBody};

use crate::batch::{Batch, DeliveryKey, HTTPS_CHANNEL, framed_sha256};
use crate::blocking::unblocked;
use crate::channel::{Before, DeliveryChannel};
use crate::deliver::DeliverError;
use crate::receipt::{Booking, ControlTotals, Receipt};

mod address;
mod answer;
mod body;
mod signing;

use address::Address;
use answer::{Booked, Manifest, in_the_way, refusal};
use body::CheckedRows;
use signing::Unsigned;

/// Of a request's metadata: servers allow some 8 KiB for all headers together.
const MANIFEST_BYTES_MAX: usize = 4 * 1024;

/// Of an answer: a booking, or some ten thousand row errors.
const ANSWER_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Longer than this a step does not wait by itself.
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// How long an endpoint may take.
#[derive(Debug, Clone, Copy)]
pub struct HttpsPatience {
    /// For a connection to be made, TLS included.
    pub connect: Duration,
    /// For the rows to be sent.
    pub send: Duration,
    /// For the answer, once everything was sent.
    pub answer: Duration,
    /// For all requests together, from when the endpoint is opened.
    pub together: Duration,
}

impl Default for HttpsPatience {
    /// Together below the 300 seconds of a step, so that it ends by itself, as
    /// [`DeliverError::Unknown`], which is tried again, and not by being killed.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            send: Duration::from_mins(2),
            answer: Duration::from_mins(1),
            together: Duration::from_mins(4),
        }
    }
}

/// A receiver of batches over HTTPS.
#[derive(Debug, Clone)]
pub struct HttpsEndpoint {
    address: Address,
    agent: Agent,
    /// When the last request must have ended; nothing when no clock reaches that far.
    deadline: Option<Instant>,
    pause: Option<Duration>,
}

/// A failure, and how long the endpoint asked to wait.
struct Failed {
    error: DeliverError,
    retry_after: Option<Duration>,
}

impl From<DeliverError> for Failed {
    fn from(error: DeliverError) -> Self {
        Self { error, retry_after: None }
    }
}

impl HttpsEndpoint {
    /// The endpoint at `https://keyid:secret@host/path`; `http` for this machine only.
    ///
    /// [`DeliverError::Rejected`] for anything else, without quoting it.
    pub fn open(url: &str, patience: HttpsPatience) -> Result<Self, DeliverError> {
        let address = Address::parse(url)?;
        // The bundled roots of Mozilla: a function's image need not have any.
        let configuration = Agent::config_builder()
            .http_status_as_error(false)
            // A signature is for one address; and where a redirect leads is nobody's decision but ours.
            .max_redirects(0)
            .proxy(None)
            // An idle connection that the other side has closed would make an answer look lost.
            .max_idle_connections(0)
            .timeout_connect(Some(patience.connect))
            .timeout_send_body(Some(patience.send))
            .timeout_recv_response(Some(patience.answer))
            .timeout_recv_body(Some(patience.answer))
            .build();
        let deadline = Instant::now().checked_add(patience.together);
        Ok(Self { address, agent: configuration.into(), deadline, pause: None })
    }

    /// Sets a request's end to the step's, or says that there is no time left for it.
    fn within<B>(&self, request: RequestBuilder<B>) -> Result<RequestBuilder<B>, DeliverError> {
        let Some(deadline) = self.deadline else { return Ok(request) };
        match deadline.checked_duration_since(Instant::now()) {
            Some(left) if !left.is_zero() => Ok(request.config().timeout_global(Some(left)).build()),
            _ => Err(self.out_of_time("before it was asked")),
        }
    }

    fn out_of_time(&self, when: &str) -> DeliverError {
        DeliverError::Unknown {
            detail: format!(
                "{}: the step's time was over {when}; the next attempt looks whether the batch arrived before it does anything",
                self.address
            ),
        }
    }

    fn get(&self, delivery_id: &str) -> Result<Option<Booked>, Failed> {
        let path = self.address.path(&format!("/batches/{delivery_id}"));
        let signed = self.address.sign(&Unsigned::new("GET", &path));
        let mut request = self.within(self.agent.get(self.address.url(&path)))?;
        for (name, value) in signed {
            request = request.header(name, value);
        }
        // Nothing is changed by asking, so an answer that is lost is no doubt.
        let mut response = request.call().map_err(|error| self.unreachable(&error))?;
        match response.status() {
            StatusCode::NOT_FOUND => Ok(None),
            StatusCode::OK => {
                let text = text_of(&mut response).map_err(|error| self.unreachable(&error))?;
                Ok(Some(Booked::parse(&text).map_err(|problem| self.unintelligible(&problem))?))
            }
            _ => Err(self.refused(&mut response, false)),
        }
    }

    fn put(&self, batch: &Batch, rows: impl BufRead) -> Result<Receipt, Failed> {
        let path = self.address.path(&format!("/batches/{}", batch.delivery_id));
        let manifest = Manifest::of(batch).encoded().map_err(DeliverError::rejected)?;
        if manifest.len() > MANIFEST_BYTES_MAX {
            return Err(Failed::from(DeliverError::rejected(format!(
                "names, totals and reason of {} have more than {MANIFEST_BYTES_MAX} bytes; shorten the reason or name fewer totals",
                DeliveryKey::from(batch)
            ))));
        }
        let unsigned = Unsigned {
            idempotency_key: &batch.delivery_id,
            manifest: &manifest,
            body_sha256: &batch.batch_sha256,
            ..Unsigned::new("PUT", &path)
        };
        let mut request = self.within(self.agent.put(self.address.url(&path)))?;
        for (name, value) in self.address.sign(&unsigned) {
            request = request.header(name, value);
        }
        let request = request
            .header("content-type", "application/jsonl")
            .header("content-length", batch.batch.bytes.to_string())
            // A batch that is refused need not be sent.
            .header("expect", "100-continue");
        let mut body = CheckedRows::new(rows, batch.rows);
        let sent = request.send(SendBody::from_reader(&mut body as &mut dyn Read));
        // What is wrong with the rows is not the endpoint's doing.
        if let Some(error) = body.into_problem() {
            return Err(error.into());
        }
        let mut response = sent.map_err(|error| self.lost(&error))?;
        match response.status() {
            StatusCode::OK | StatusCode::CREATED => {
                let already = response.status() == StatusCode::OK;
                let text = text_of(&mut response).map_err(|error| self.lost(&error))?;
                let booked = Booked::parse(&text).map_err(|problem| self.unintelligible(&problem))?;
                Ok(Receipt { already_delivered: already, ..self.checked(booked, batch)?.receipt })
            }
            StatusCode::CONFLICT => Err(self.conflict(&mut response, batch)),
            _ => Err(self.refused(&mut response, true)),
        }
    }

    /// Names what is in the way of a batch, if the endpoint says what it is.
    fn conflict(&self, response: &mut Response<Body>, batch: &Batch) -> Failed {
        let text = text_of(response).unwrap_or_default();
        let named = in_the_way(&text).and_then(|id| self.get(&id).ok().flatten());
        let active = named.map(|booked| booked.booking(HTTPS_CHANNEL).receipt);
        let is_of_the_period = |receipt: &Receipt| {
            DeliveryKey { delivery_id: "", ..receipt.into() }
                == DeliveryKey { delivery_id: "", ..batch.into() }
        };
        let active = active.filter(is_of_the_period);
        let refused = refusal(&self.address, response.status(), response.headers(), &text, true);
        let place = format!("{}, which answered 409{},", self.address, answer::said(&text));
        match (Before { active, as_compared: false }).judge(batch, &place) {
            Err(error) => error.into(),
            // Nothing is known that explains the refusal.
            Ok(_) => refused,
        }
    }

    /// A booking as the answer to a batch: of this batch, or of the same content.
    fn checked(&self, booked: Booked, batch: &Batch) -> Result<Booking, DeliverError> {
        let booking = booked.booking(HTTPS_CHANNEL);
        let receipt = &booking.receipt;
        let same = receipt.batch_sha256 == batch.batch_sha256
            && DeliveryKey { delivery_id: "", ..receipt.into() }
                == DeliveryKey { delivery_id: "", ..batch.into() };
        if same {
            return Ok(booking);
        }
        Err(DeliverError::VerificationMismatch {
            detail: format!(
                "{} answers delivery {} of {} with a booking of {} {}; ask who runs it, then redrive the execution",
                self.address,
                batch.delivery_id,
                DeliveryKey::from(batch),
                receipt.delivery_id,
                DeliveryKey::from(receipt)
            ),
        })
    }

    fn post_withdrawal(&self, delivery_id: &str, reason: &str) -> Result<(), Failed> {
        let path = self.address.path(&format!("/batches/{delivery_id}/withdrawal"));
        let body = serde_json::json!({ "reason": reason }).to_string();
        let key = framed_sha256(&["stepwright withdrawal 1", delivery_id]);
        let body_sha256 = signing::sha256(body.as_bytes());
        let unsigned =
            Unsigned { idempotency_key: &key, body_sha256: &body_sha256, ..Unsigned::new("POST", &path) };
        let mut request = self.within(self.agent.post(self.address.url(&path)))?;
        for (name, value) in self.address.sign(&unsigned) {
            request = request.header(name, value);
        }
        let sent = request.header("content-type", "application/json").send(&body);
        let mut response = sent.map_err(|error| self.lost(&error))?;
        if response.status().is_success() {
            return Ok(());
        }
        Err(self.refused(&mut response, true))
    }

    /// An answer that is not a success. `changing` requests may have had an effect.
    fn refused(&self, response: &mut Response<Body>, changing: bool) -> Failed {
        let text = text_of(response).unwrap_or_default();
        refusal(&self.address, response.status(), response.headers(), &text, changing)
    }

    /// Nothing was asked for but an answer.
    fn unreachable(&self, error: &ureq::Error) -> DeliverError {
        if matches!(error, ureq::Error::Timeout(ureq::Timeout::Global)) {
            return self.out_of_time("before it answered");
        }
        DeliverError::Unavailable {
            detail: format!(
                "no answer from {}: {error}; check that it runs and can be reached; the delivery is tried again, or redrive the execution",
                self.address
            ),
        }
    }

    /// By how far a request that may change something had come.
    fn lost(&self, error: &ureq::Error) -> DeliverError {
        use ureq::Timeout;
        let before_sending = match error {
            ureq::Error::HostNotFound
            | ureq::Error::ConnectionFailed
            | ureq::Error::Tls(_)
            | ureq::Error::Rustls(_)
            | ureq::Error::Timeout(Timeout::Resolve | Timeout::Connect | Timeout::SendRequest) => true,
            ureq::Error::Io(error) => error.kind() == std::io::ErrorKind::ConnectionRefused,
            _ => false,
        };
        if before_sending {
            return self.unreachable(error);
        }
        DeliverError::Unknown {
            detail: format!(
                "the answer of {} was lost ({error}); the next attempt looks whether the batch arrived before it does anything",
                self.address
            ),
        }
    }

    fn unintelligible(&self, problem: &str) -> DeliverError {
        DeliverError::Unknown {
            detail: format!(
                "{} answers with what is not a booking ({problem}); is the path in the secret `coreview-https` right? The next attempt looks whether the batch arrived",
                self.address
            ),
        }
    }

    /// Remembers a short wait that was asked for, and names any other.
    fn noted<T>(&mut self, outcome: Result<T, Failed>) -> Result<T, DeliverError> {
        self.pause = None;
        outcome.map_err(|Failed { error, retry_after }| {
            self.pause = retry_after.filter(|pause| *pause <= PAUSE_MAX);
            error
        })
    }
}

fn text_of(response: &mut Response<Body>) -> Result<String, ureq::Error> {
    response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string()
}

/// Runs a request off the driving threads; a failure of the request is data there.
async fn requested<T: Send + 'static>(
    request: impl FnOnce() -> Result<T, Failed> + Send + 'static,
) -> Result<T, Failed> {
    unblocked(move || Ok(request())).await?
}

impl DeliveryChannel for HttpsEndpoint {
    async fn find(&mut self, delivery: DeliveryKey<'_>) -> Result<Option<Booking>, DeliverError> {
        let (endpoint, id) = (self.clone(), delivery.delivery_id.to_owned());
        let found = requested(move || endpoint.get(&id)).await;
        let Some(booked) = self.noted(found)? else { return Ok(None) };
        let booking = booked.booking(HTTPS_CHANNEL);
        if DeliveryKey::from(&booking.receipt) == delivery {
            return Ok(Some(booking));
        }
        Err(DeliverError::VerificationMismatch {
            detail: format!(
                "{} answers for delivery {} with {} of {}; ask who runs it, then redrive the execution",
                self.address,
                delivery.delivery_id,
                booking.receipt.delivery_id,
                DeliveryKey::from(&booking.receipt)
            ),
        })
    }

    async fn apply(
        &mut self,
        batch: &Batch,
        rows: impl BufRead + Send + 'static,
    ) -> Result<Receipt, DeliverError> {
        let (endpoint, batch) = (self.clone(), batch.clone());
        let receipt = requested(move || endpoint.put(&batch, rows)).await;
        self.noted(receipt)
    }

    async fn read_back(&mut self, receipt: &Receipt) -> Result<ControlTotals, DeliverError> {
        let (endpoint, id) = (self.clone(), receipt.delivery_id.clone());
        let found = requested(move || endpoint.get(&id)).await;
        match self.noted(found)? {
            Some(booked) => Ok(booked.into_holds()),
            None => Err(DeliverError::VerificationMismatch {
                detail: format!(
                    "{} does not know delivery {}, which it has booked; ask who runs it, then redrive the execution",
                    self.address, receipt.delivery_id
                ),
            }),
        }
    }

    async fn withdraw(&mut self, delivery: DeliveryKey<'_>, reason: &str) -> Result<(), DeliverError> {
        let (endpoint, id, reason) = (self.clone(), delivery.delivery_id.to_owned(), reason.to_owned());
        let withdrawn = requested(move || endpoint.post_withdrawal(&id, &reason)).await;
        self.noted(withdrawn)
    }

    fn place(&self) -> String {
        self.address.to_string()
    }

    fn pause(&mut self) -> Option<Duration> {
        self.pause.take()
    }
}
