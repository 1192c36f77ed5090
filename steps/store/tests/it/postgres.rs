//! On PostgreSQL, and what only a server does. Skipped, loudly, where there is none.

use crate::place::Place;
use crate::postgres_server::PostgresServer;

fn postgres() -> Option<(Place, PostgresServer)> {
    let server = PostgresServer::start()?;
    Some((Place::new(server.url("postgres")), server))
}

crate::scenarios::on! { postgres() }
