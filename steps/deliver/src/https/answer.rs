//! What an endpoint is told about a batch, and what it answers.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use ureq::http::{HeaderMap, StatusCode};

use super::Failed;
use super::address::Address;
use crate::batch::Batch;
use crate::deliver::DeliverError;
use crate::receipt::{Booking, ControlTotals, Receipt, RowError, Standing, name_rows, quoted};

/// What receivers have to understand; a change they cannot ignore is another number.
const SCHEMA_VERSION: u32 = 1;

/// The description of a batch, beside its rows.
#[derive(Debug, Serialize)]
pub(super) struct Manifest<'a> {
    schema_version: u32,
    delivery_id: &'a str,
    workflow: &'a str,
    feed: &'a str,
    period: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    market: Option<&'a str>,
    rows: u64,
    totals: &'a BTreeMap<String, String>,
    batch_sha256: &'a str,
    execution_arn: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    correction: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    replaces: Option<&'a str>,
}

impl<'a> Manifest<'a> {
    pub(super) fn of(batch: &'a Batch) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            delivery_id: &batch.delivery_id,
            workflow: &batch.workflow,
            feed: &batch.feed,
            period: &batch.period,
            market: batch.market.as_deref(),
            rows: batch.rows,
            totals: &batch.totals,
            batch_sha256: &batch.batch_sha256,
            execution_arn: &batch.execution_arn,
            correction: batch.correction.as_ref().map(|correction| &*correction.reason),
            replaces: batch.correction.as_ref().and(batch.replaces.as_deref()),
        }
    }

    /// As a header's value: JSON in base64url.
    pub(super) fn encoded(&self) -> Result<String, String> {
        let json = serde_json::to_vec(self).map_err(|error| error.to_string())?;
        Ok(URL_SAFE_NO_PAD.encode(json))
    }
}

/// A booking, as an endpoint tells it.
#[derive(Debug, Deserialize)]
pub(super) struct Booked {
    delivery_id: String,
    coreview_id: String,
    workflow: String,
    feed: String,
    period: String,
    market: Option<String>,
    version: u64,
    batch_sha256: String,
    rows: u64,
    changed_rows: u64,
    totals: BTreeMap<String, String>,
    execution_arn: String,
    delivered_at: String,
    correction: Option<String>,
    state: State,
    /// The delivery that took its place, or why it was withdrawn.
    #[serde(default)]
    ended_by: String,
    holds: Holds,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Active,
    Superseded,
    Withdrawn,
}

/// What the endpoint finds when it looks into what it stores for the period.
#[derive(Debug, Deserialize)]
struct Holds {
    rows: u64,
    totals: BTreeMap<String, String>,
    sha256: String,
}

impl Booked {
    /// `Err` says why it is none.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    pub(super) fn booking(self, channel: &str) -> Booking {
        let standing = match self.state {
            State::Active => Standing::Active,
            State::Superseded => Standing::Superseded { by: quoted(&self.ended_by) },
            State::Withdrawn => Standing::Withdrawn { reason: quoted(&self.ended_by) },
        };
        let receipt = Receipt {
            delivery_id: self.delivery_id,
            coreview_id: self.coreview_id,
            channel: channel.to_owned(),
            workflow: self.workflow,
            feed: self.feed,
            period: self.period,
            market: self.market,
            version: self.version,
            batch_sha256: self.batch_sha256,
            rows: self.rows,
            changed_rows: self.changed_rows,
            totals: self.totals,
            execution_arn: self.execution_arn,
            delivered_at: self.delivered_at,
            already_delivered: true,
            correction: self.correction,
        };
        Booking { receipt, standing }
    }

    pub(super) fn into_holds(self) -> ControlTotals {
        let Holds { rows, totals, sha256 } = self.holds;
        ControlTotals { rows, totals, sha256 }
    }
}

/// The body of a refusal; an endpoint may say nothing.
#[derive(Debug, Default, Deserialize)]
struct Refusal {
    #[serde(default)]
    detail: String,
    #[serde(default)]
    rows: Vec<RowError>,
    /// With 409: the delivery in the way.
    #[serde(default)]
    delivery_id: Option<String>,
}

/// The delivery that an answer 409 names as being in the way, if what it names can be one.
pub(super) fn in_the_way(body: &str) -> Option<String> {
    let refusal: Refusal = serde_json::from_str(body).unwrap_or_default();
    let is_id = |id: &String| id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    refusal.delivery_id.filter(is_id)
}

/// An endpoint's own words about a refusal, in brackets after a space; nothing when it has none.
pub(super) fn said(body: &str) -> String {
    let Refusal { detail, .. } = serde_json::from_str(body).unwrap_or_default();
    if detail.is_empty() { String::new() } else { format!(" ({})", quoted(&detail)) }
}

/// An answer that is not a success, by what a caller can do about it.
pub(super) fn refusal(
    address: &Address,
    status: StatusCode,
    headers: &HeaderMap,
    body: &str,
    changing: bool,
) -> Failed {
    let Refusal { rows, .. } = serde_json::from_str(body).unwrap_or_default();
    let said = said(body);
    let words = |advice: &str| format!("{address} answered {}{said}; {advice}", status.as_u16());
    let retry_after = retry_after(headers, Timestamp::now());
    let later = match retry_after {
        Some(pause) => format!("it asks to wait {} s; the delivery is tried again", pause.as_secs()),
        None => "the delivery is tried again".to_owned(),
    };
    let error = match status.as_u16() {
        429 => DeliverError::Throttled { detail: words(&later) },
        503 => DeliverError::Unavailable { detail: words(&later) },
        409 => DeliverError::Conflict {
            detail: words(
                "it holds other figures for the period; if these are right, start again with a correction and its reason, else correct the input",
            ),
            active: None,
        },
        401 | 403 => DeliverError::rejected(words(
            "check key id and secret in the secret `coreview-https`, and the clocks of both sides; then redrive the execution",
        )),
        300..=399 => DeliverError::rejected(words(
            "it redirects, which is not followed: put the address it means into the secret `coreview-https`",
        )),
        400..=499 if status != StatusCode::REQUEST_TIMEOUT => {
            let named = if rows.is_empty() { String::new() } else { format!("{}; ", name_rows(&rows)) };
            let detail = words(&format!("{named}correct what it refuses and deliver it again"));
            return Failed { error: DeliverError::Rejected { detail, rows }, retry_after: None };
        }
        _ if changing => DeliverError::Unknown {
            detail: words("the next attempt looks whether the batch arrived before it does anything"),
        },
        _ => DeliverError::Unavailable { detail: words(&later) },
    };
    let is_busy = matches!(status.as_u16(), 429 | 503);
    Failed { error, retry_after: retry_after.filter(|_| is_busy) }
}

/// `Retry-After`, in seconds or as a date (RFC 9110, 10.2.3).
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let value = headers.get("retry-after")?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse::<u32>() {
        return Some(Duration::from_secs(seconds.into()));
    }
    let at = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(value).ok()?;
    let seconds = at.as_second().saturating_sub(now.as_second()).max(0);
    Some(Duration::from_secs(seconds.unsigned_abs()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;
    use ureq::http::HeaderMap;

    use super::retry_after;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now: Timestamp = "2026-11-22T08:00:00Z".parse().unwrap();
        for (value, seconds) in [
            ("7", Some(7)),
            (" 120 ", Some(120)),
            ("Sun, 22 Nov 2026 08:00:30 GMT", Some(30)),
            ("Sun, 22 Nov 2026 07:00:00 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
            ("99999999999999", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("retry-after", value.parse().unwrap());
            assert_eq!(retry_after(&headers, now), seconds.map(Duration::from_secs), "{value}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }
}
