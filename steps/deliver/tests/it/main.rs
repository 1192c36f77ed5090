//! Deliveries into real databases: SQLite always, PostgreSQL where there is one.
//!
//! `cfg(test)` says nothing new; it is how clippy knows that these files are tests.

#[cfg(test)]
mod place;
#[cfg(test)]
mod postgres;
#[cfg(test)]
mod postgres_server;
#[cfg(test)]
mod proxy;
#[cfg(test)]
mod scenarios;
#[cfg(test)]
mod sqlite;
