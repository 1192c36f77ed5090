//! What executions start from and write to, with nothing else installed: stores
//! that speak the protocols of AWS's services on the endpoint.

pub mod objects;
