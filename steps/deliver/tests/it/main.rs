//! Deliveries through every channel: into real databases (SQLite always,
//! PostgreSQL where there is one), a real folder and a real HTTP server, each of
//! which fails on demand. After every fault the batch is there once or not at
//! all, and the next attempt gives the same receipt.
//!
//! `cfg(test)` says nothing new; it is how clippy knows that these files are tests.

#[cfg(test)]
mod corrections;
#[cfg(test)]
#[path = "../support/drop_receiver.rs"]
mod drop_receiver;
#[cfg(test)]
mod file;
#[cfg(test)]
#[path = "../support/http_receiver.rs"]
mod http_receiver;
#[cfg(test)]
mod https;
#[cfg(test)]
mod https_large;
#[cfg(test)]
mod markets;
#[cfg(test)]
#[path = "../../../../sdk/src/aws/moto.rs"]
mod moto;
#[cfg(test)]
mod place;
#[cfg(test)]
mod postgres;
#[cfg(test)]
#[path = "../../../database/tests/support/postgres_server.rs"]
mod postgres_server;
#[cfg(test)]
#[path = "../../../database/tests/support/proxy.rs"]
mod proxy;
#[cfg(test)]
mod scenarios;
#[cfg(test)]
mod sqlite;
