//! Drives the real program: what it prints, what it exits with, and what survives its death.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something is not as expected"
)]

mod audit;
mod bad_input;
#[cfg(unix)]
mod crash;
mod examples;
mod license;
mod mine;
mod people;
mod program;
mod usage;
