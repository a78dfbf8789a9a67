//! The crate from outside: what its public interface allows, and what it does not.

mod context;
mod audit;
mod tenancy;
