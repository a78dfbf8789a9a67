//! Outbound HTTP: the only place that makes HTTP clients, and the rules every call obeys.
//!
//! Invariant: a connection goes to an address that was classified first and is either public or named,
//! with scheme and port, by the operator for this client alone; redirects, proxies of the environment
//! and cookies are off; every call ends by its deadline and every body within its limit.
//! This module does not know what is called, nor whether a failed call should be repeated: its errors
//! say what is known ([`EgressError::sent`]), the caller decides.

mod classify;
mod client;
mod error;
mod headers;
mod http_client;
mod policy;
mod resolve;
mod retry_after;
mod scripted;
mod transport;

#[cfg(test)]
mod tests;

pub use reqwest::{Method, Url, header::HeaderMap};

pub use self::{
    classify::AddressClass,
    client::{Client, ClientBody, ClientResponse, RequestOptions},
    error::EgressError,
    headers::header_map,
    http_client::{HttpClient, HttpClientConfig},
    policy::{EgressPolicy, parse_url},
    retry_after::retry_after,
    scripted::{HttpScriptError, ScriptedClient},
    transport::{Egress, EgressRequest, EgressResponse, Limits},
};
