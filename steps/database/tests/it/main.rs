//! Connections and statements on real databases: SQLite always, PostgreSQL where there is one.
//!
//! `cfg(test)` says nothing new; it is how clippy knows that these files are tests.

#[cfg(test)]
mod connections;
#[cfg(test)]
#[path = "../support/postgres_server.rs"]
mod postgres_server;
#[cfg(test)]
mod statements;
