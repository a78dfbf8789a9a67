//! Providers against recorded exchanges.

#![expect(
    clippy::unwrap_used,
    reason = "a test whose preparation fails has failed"
)]

mod fixture;
mod replay;
mod vendors;
