//! The store's steps on real databases: SQLite always, PostgreSQL where there is one.
//!
//! `cfg(test)` says nothing new; it is how clippy knows that these files are tests.
#![expect(clippy::format_collect, reason = "in a test, short is worth more than quick")]

#[cfg(test)]
mod entries;
#[cfg(test)]
mod laws;
#[cfg(test)]
mod place;
#[cfg(test)]
mod postgres;
#[cfg(test)]
#[path = "../../../database/tests/support/postgres_server.rs"]
mod postgres_server;
#[cfg(test)]
mod scenarios;
#[cfg(test)]
mod sqlite;
#[cfg(test)]
mod stale;
