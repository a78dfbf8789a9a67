//! The crate from outside: what its public interface allows, and what it does not.

mod audit;
mod context;
mod ratelimit;
mod tenancy;
