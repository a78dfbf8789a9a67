//! Outbound calls, seen from a server on this machine.

mod clients;
mod server;
mod transport;
