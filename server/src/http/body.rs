//! Reads the bodies of requests: within a size, within a time.

use std::future::poll_fn;
use std::pin::pin;
use std::time::Duration;

use asl::limits::{REFUSED_BODY_BYTES_MAX, REFUSED_BODY_SECONDS_MAX};
use axum::body::{Body, HttpBody as _};
use axum::http::{HeaderMap, header};

/// Why there is no body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyError {
    /// It is larger than the limit.
    TooLarge,
    /// It did not come in time.
    TooSlow,
    /// The connection ended before it did.
    Broken,
}

/// Reads a body of at most `limit` bytes.
pub(crate) async fn read(
    headers: &HeaderMap,
    body: Body,
    limit: usize,
    time: Duration,
) -> Result<Vec<u8>, BodyError> {
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let room = announced.unwrap_or(0);
    let read = async {
        if room > limit {
            // Who waits for `100 Continue` sends nothing of it; who is about to send it is to come to
            // read the answer, and is not waited for.
            if !headers.contains_key(header::EXPECT) {
                let patience = Duration::from_secs(REFUSED_BODY_SECONDS_MAX);
                let _ = tokio::time::timeout(patience, collect(body, 0, Vec::new())).await;
            }
            return Err(BodyError::TooLarge);
        }
        collect(body, limit, Vec::with_capacity(room)).await
    };
    tokio::time::timeout(time, read).await.unwrap_or(Err(BodyError::TooSlow))
}

/// Keeps at most `limit` bytes; reads on beyond them, not for ever.
async fn collect(body: Body, limit: usize, mut bytes: Vec<u8>) -> Result<Vec<u8>, BodyError> {
    let mut body = pin!(body);
    let mut seen = 0_usize;
    while let Some(frame) = poll_fn(|context| body.as_mut().poll_frame(context)).await {
        let Ok(data) = frame.map_err(|_| BodyError::Broken)?.into_data() else { continue };
        seen = seen.saturating_add(data.len());
        if seen <= limit {
            bytes.extend_from_slice(&data);
        } else if seen > limit.saturating_add(REFUSED_BODY_BYTES_MAX) {
            return Err(BodyError::TooLarge);
        }
    }
    if seen > limit { Err(BodyError::TooLarge) } else { Ok(bytes) }
}
