//! What all stores share: the database, the time, the place, who waits for messages.

use std::fmt;
use std::sync::{Arc, OnceLock};

use engine::Clock;

use super::bell::Arrivals;
use super::database::Database;
use super::place::Place;
use super::queue::refusal;
use crate::http::JsonError;

/// Where clients reach the stores before anybody said where.
const ENDPOINT: &str = "http://127.0.0.1:4599";

/// What all stores share.
pub(crate) struct Shared {
    pub(crate) database: Database,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) place: Place,
    pub(crate) arrivals: Arc<Arrivals>,
    pub(crate) endpoint: OnceLock<String>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Shared").field("database", &self.database).finish_non_exhaustive()
    }
}

impl Shared {
    /// Milliseconds since the epoch.
    pub(crate) fn now(&self) -> i64 {
        self.clock.now_millis()
    }

    /// The same for another database, at which nobody arrives.
    pub(crate) fn beside(&self, database: Database) -> Self {
        Self {
            database,
            clock: Arc::clone(&self.clock),
            place: self.place.clone(),
            arrivals: Arc::default(),
            endpoint: OnceLock::new(),
        }
    }

    /// In a folder, at the time of a clock.
    #[cfg(test)]
    pub(crate) fn for_tests(folder: &std::path::Path, clock: engine::ManualClock) -> Self {
        let place = Place { region: "us-east-1".to_owned(), account: "123456789012".to_owned() };
        Self {
            database: Database::open(folder, clock.now_millis()).expect("a database"),
            clock: Arc::new(clock),
            place,
            arrivals: Arc::default(),
            endpoint: OnceLock::new(),
        }
    }

    /// The URL of a queue.
    pub(crate) fn queue_url(&self, name: &str) -> String {
        let endpoint = self.endpoint.get().map_or(ENDPOINT, String::as_str);
        format!("{endpoint}/{}/{name}", self.place.account)
    }

    /// The name in the URL of a queue. The host may be any by which this endpoint is reached.
    pub(crate) fn queue_name<'u>(&self, url: &'u str) -> Result<&'u str, JsonError> {
        let path = url.split_once("://").and_then(|(_, rest)| Some(rest.split_once('/')?.1));
        let parts = path.and_then(|path| path.split_once('/'));
        match parts.filter(|(_, name)| !name.is_empty() && !name.contains(['/', '?', '#'])) {
            Some((account, name)) if account == self.place.account => Ok(name),
            Some((account, _))
                if account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit()) =>
            {
                Err(refusal::no_queue())
            }
            _ => Err(refusal::address(url)),
        }
    }
}
