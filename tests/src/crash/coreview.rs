//! CoreView on a real PostgreSQL server of the lab's own, reached through a
//! proxy that can lose answers; and what happens to that server.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::checker::Booked;
use super::proxy::Proxy;
use crate::postgres_server::{PostgresServer, url};

/// How long the server may take to answer after a crash.
const PATIENCE: Duration = Duration::from_mins(1);
/// How long one question may take: a server that dies at the wrong moment answers nothing at all.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);
/// PostgreSQL's code of a relation that does not exist.
const UNDEFINED_TABLE: &str = "42P01";
/// PostgreSQL's code of a database that exists already.
const DUPLICATE_DATABASE: &str = "42P04";

/// A server, and the way to it that steps take.
pub struct CoreView {
    server: Mutex<PostgresServer>,
    port: u16,
    /// Between the steps and the server.
    pub proxy: Proxy,
}

impl std::fmt::Debug for CoreView {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("CoreView").field("port", &self.port).finish_non_exhaustive()
    }
}

impl CoreView {
    /// Starts a server; `None` = there is none on this machine, which is said.
    pub fn start(seed: u64) -> Option<Self> {
        let server = PostgresServer::start()?;
        let port = server.port();
        Some(Self { server: Mutex::new(server), port, proxy: Proxy::start(port, seed) })
    }

    /// Makes a database; answers its URL by way of the proxy. Waits for a server that recovers.
    ///
    /// # Panics
    /// When the server does not come back.
    pub fn create_database(&self, name: &str) -> String {
        self.patient_rows("postgres", &format!("CREATE DATABASE {name}"), DUPLICATE_DATABASE);
        url(self.proxy.port(), name)
    }

    /// Ends one connection of a step, as an administrator would; answers whether there was one.
    pub fn terminate_a_backend(&self) -> bool {
        let ended = "SELECT pg_terminate_backend(pid)::int::bigint FROM pg_stat_activity \
                     WHERE application_name = 'stepwright' ORDER BY random() LIMIT 1";
        // A server that is down just now has no backends either.
        self.rows("postgres", ended).is_ok_and(|rows| rows.contains(&vec!["1".to_owned()]))
    }

    /// Stops the server as a crash would, and starts it again.
    pub fn crash(&self) {
        let mut server = self.server.lock().unwrap_or_else(PoisonError::into_inner);
        server.stop();
        server.restart();
    }

    /// What a database holds, by business period. Waits for a server that recovers.
    ///
    /// # Panics
    /// When the server does not come back.
    pub fn booked(&self, database: &str) -> BTreeMap<String, Booked> {
        // No table: nobody has delivered yet.
        let patient = |sql: &str| self.patient_rows(database, sql, UNDEFINED_TABLE);
        let number = |row: &[String], column: usize| row[column].parse().unwrap_or_default();
        let mut booked: BTreeMap<String, Booked> = BTreeMap::new();
        for row in patient("SELECT period, count(*)::text FROM coreview_ledger GROUP BY 1") {
            booked.entry(row[0].clone()).or_default().deliveries = number(&row, 1);
        }
        let figures = "SELECT period, count(*)::text, count(DISTINCT entity_key)::text, \
                       sum((figures::json->>'commission')::bigint)::text \
                       FROM coreview_figure WHERE state = 'booked' GROUP BY 1";
        for row in patient(figures) {
            let is = booked.entry(row[0].clone()).or_default();
            (is.rows, is.entities, is.total) = (number(&row, 1), number(&row, 2), number(&row, 3));
        }
        booked
    }

    /// The rows of a query; none when it fails with the code that says there are none.
    ///
    /// Asks again, for a minute, whatever else goes wrong: the lab crashes this very server while
    /// it asks. A `CREATE DATABASE` whose answer was lost in a crash may have taken place, so
    /// that a database which is there already is one more way of having made it; names are of
    /// one lane and one world, nobody else makes it.
    fn patient_rows(&self, database: &str, sql: &str, none: &str) -> Vec<Vec<String>> {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.rows(database, sql) {
                Ok(rows) => return rows,
                Err(problem) if problem.contains(none) => return Vec::new(),
                Err(problem) => assert!(Instant::now() < until, "{sql}: {problem}"),
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// The rows of a query, as text, over a connection of its own that does not pass the proxy.
    fn rows(&self, database: &str, sql: &str) -> Result<Vec<Vec<String>>, String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let asking = async {
            let to = url(self.port, database);
            let (client, connection) =
                tokio_postgres::connect(&to, tokio_postgres::NoTls).await.map_err(|e| format!("{e:?}"))?;
            tokio::spawn(connection);
            let messages = client.simple_query(sql).await.map_err(|e| format!("{e:?}"))?;
            let rows = messages.into_iter().filter_map(|message| match message {
                tokio_postgres::SimpleQueryMessage::Row(row) => Some(row),
                _ => None,
            });
            let text = |row: tokio_postgres::SimpleQueryRow| {
                (0..row.len()).map(|column| row.get(column).unwrap_or_default().to_owned()).collect()
            };
            Ok(rows.map(text).collect())
        };
        runtime.map_err(|e| e.to_string())?.block_on(async {
            let answer = tokio::time::timeout(ANSWER_WITHIN, asking).await;
            answer.unwrap_or_else(|_| Err(format!("no answer within {ANSWER_WITHIN:?}")))
        })
    }
}
