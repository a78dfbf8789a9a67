//! Random bytes from the operating system.
//!
//! Invariant: nothing goes on with bytes that are not random: a system without randomness is an error.

/// The operating system gives no random bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gives no random bytes: {0}")]
pub struct NoRandomness(String);

/// Fills `buffer` with random bytes.
pub(super) fn fill(buffer: &mut [u8]) -> Result<(), NoRandomness> {
    getrandom::fill(buffer).map_err(|error| NoRandomness(error.to_string()))
}

/// `N` random bytes.
pub(super) fn bytes<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut buffer = [0; N];
    fill(&mut buffer)?;
    Ok(buffer)
}
