//! Random bytes for ids, blinds, nonces and keys.
//!
//! Invariant: every byte comes from the operating system and is handed out once. Asking it for a page at a time keeps
//! the cost of a system call off each record.

use std::cell::RefCell;

use zeroize::Zeroizing;

use super::error::AuditError;

const PAGE: usize = 2048;

thread_local! {
    /// Bytes not yet handed out: those before the position are used up and wiped.
    static POOL: RefCell<(Zeroizing<[u8; PAGE]>, usize)> = RefCell::new((Zeroizing::new([0; PAGE]), PAGE));
}

/// `N` random bytes, at most a page.
pub(super) fn bytes<const N: usize>() -> Result<[u8; N], AuditError> {
    const { assert!(N <= PAGE) };
    POOL.with_borrow_mut(|(pool, at)| {
        if PAGE - *at < N {
            getrandom::fill(&mut pool[..]).map_err(|error| {
                AuditError::storage(format_args!("no random bytes from the system: {error}"))
            })?;
            *at = 0;
        }
        let mut taken = [0; N];
        taken.copy_from_slice(&pool[*at..*at + N]);
        pool[*at..*at + N].fill(0);
        *at += N;
        Ok(taken)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_bytes_are_handed_out_twice() {
        let drawn: HashSet<[u8; 32]> = (0..1_000).map(|_| bytes().unwrap()).collect();
        assert_eq!(drawn.len(), 1_000);
        let _: [u8; PAGE] = bytes().unwrap();
    }
}
