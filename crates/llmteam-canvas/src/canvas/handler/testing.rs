//! Contexts for tests of handlers.
