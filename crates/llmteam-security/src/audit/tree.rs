//! The Merkle tree over the leaves of a log (RFC 6962 section 2.1), as a compact range.
//!
//! Invariant: a [`Frontier`] of size `n` holds the roots of the perfect subtrees that `n` leaves split into, largest
//! first; adding a leaf and asking for the root take O(log n).
//! It does not know what a leaf is made from: see [`super::lta1`].

use super::hash::{Digest, digest, node};

/// The right edge of a tree: all that is needed to add leaves and to know the root.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    /// Roots of perfect subtrees, one for each bit that is set in `size`, largest first.
    peaks: Vec<Digest>,
}

impl Frontier {
    /// How many leaves there are.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds the next leaf.
    pub fn push(&mut self, leaf: Digest) {
        let mut carried = leaf;
        for _ in 0..self.size.trailing_ones() {
            match self.peaks.pop() {
                Some(left) => carried = node(&left, &carried),
                None => break,
            }
        }
        self.peaks.push(carried);
        self.size += 1;
    }

    /// The root of the tree; SHA-256 of nothing for an empty one.
    pub fn root(&self) -> Digest {
        let mut peaks = self.peaks.iter().rev();
        match peaks.next() {
            None => digest(&[]),
            Some(last) => peaks.fold(*last, |right, left| node(left, &right)),
        }
    }

    /// The peaks as bytes, 32 each, for the head row of a store.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.peaks.iter().flat_map(|peak| peak.0).collect()
    }

    /// Reads what [`Self::to_bytes`] wrote for a tree of `size` leaves; `None` when the number of peaks is another.
    pub fn from_bytes(size: u64, bytes: &[u8]) -> Option<Self> {
        let fits = bytes.len() == size.count_ones() as usize * 32;
        let peaks = bytes
            .as_chunks()
            .0
            .iter()
            .map(|bytes| Digest(*bytes))
            .collect();
        fits.then_some(Self { size, peaks })
    }
}

/// The left half of `size` leaves: the largest power of two below `size`.
fn split(size: u64) -> u64 {
    debug_assert!(size > 1);
    1 << (63 - (size - 1).leading_zeros())
}

/// The root over `leaves`, in one pass.
pub fn root(leaves: &[Digest]) -> Digest {
    let mut frontier = Frontier::default();
    leaves.iter().for_each(|leaf| frontier.push(*leaf));
    frontier.root()
}

/// The inclusion proof of leaf `index` in the tree over `leaves` (RFC 6962 section 2.1.1), from the leaf upwards.
/// `None` when there is no such leaf.
pub fn inclusion_proof(leaves: &[Digest], index: u64) -> Option<Vec<Digest>> {
    let at = usize::try_from(index)
        .ok()
        .filter(|at| *at < leaves.len())?;
    let (mut leaves, mut at, mut proof) = (leaves, at, Vec::new());
    while leaves.len() > 1 {
        let (left, right) = leaves.split_at(split(leaves.len() as u64) as usize);
        if at < left.len() {
            proof.push(root(right));
            leaves = left;
        } else {
            proof.push(root(left));
            at -= left.len();
            leaves = right;
        }
    }
    proof.reverse();
    Some(proof)
}

/// The proof that the tree over the first `old` of `leaves` became the tree over all (RFC 6962 section 2.1.2).
/// `None` when `old` is zero or more than there are.
pub fn consistency_proof(leaves: &[Digest], old: u64) -> Option<Vec<Digest>> {
    let old = usize::try_from(old)
        .ok()
        .filter(|old| (1..=leaves.len()).contains(old))?;
    let (mut leaves, mut old, mut whole, mut proof) = (leaves, old, true, Vec::new());
    while old < leaves.len() {
        let (left, right) = leaves.split_at(split(leaves.len() as u64) as usize);
        if old <= left.len() {
            proof.push(root(right));
            leaves = left;
        } else {
            proof.push(root(left));
            old -= left.len();
            leaves = right;
            whole = false;
        }
    }
    if !whole {
        proof.push(root(leaves));
    }
    proof.reverse();
    Some(proof)
}

/// Whether `proof` shows that `leaf` is number `index` of the `size` leaves under `root` (RFC 9162 section 2.1.3.2).
pub fn verify_inclusion(
    leaf: Digest,
    index: u64,
    size: u64,
    proof: &[Digest],
    root: &Digest,
) -> bool {
    if index >= size {
        return false;
    }
    let (mut at, mut last, mut hash) = (index, size - 1, leaf);
    for sibling in proof {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            hash = node(sibling, &hash);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            hash = node(&hash, sibling);
        }
        at >>= 1;
        last >>= 1;
    }
    last == 0 && hash == *root
}

/// Whether `proof` shows that the tree of `new` leaves under `new_root` begins with the `old` leaves under `old_root`
/// (RFC 9162 section 2.1.4.2). A tree is consistent with itself by an empty proof; an empty tree has none.
pub fn verify_consistency(
    old: u64,
    old_root: &Digest,
    new: u64,
    new_root: &Digest,
    proof: &[Digest],
) -> bool {
    if old == 0 || old > new {
        return false;
    }
    if old == new {
        return proof.is_empty() && old_root == new_root;
    }
    // Where the old tree is one perfect subtree, its root is not repeated in the proof.
    let first = [*old_root];
    let mut path = first[..usize::from(old.is_power_of_two())]
        .iter()
        .chain(proof);
    let Some(start) = path.next() else {
        return false;
    };
    let (mut at, mut last) = (old - 1, new - 1);
    while at & 1 == 1 {
        at >>= 1;
        last >>= 1;
    }
    let (mut old_hash, mut new_hash) = (*start, *start);
    for sibling in path {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            old_hash = node(sibling, &old_hash);
            new_hash = node(sibling, &new_hash);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            new_hash = node(&new_hash, sibling);
        }
        at >>= 1;
        last >>= 1;
    }
    last == 0 && old_hash == *old_root && new_hash == *new_root
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn leaves(n: u64) -> Vec<Digest> {
        (0..n)
            .map(|i| super::super::hash::leaf(&i.to_be_bytes()))
            .collect()
    }

    /// RFC 6962 as it is written, without any of the above.
    fn naive(leaves: &[Digest]) -> Digest {
        match leaves {
            [] => digest(&[b""]),
            [one] => *one,
            _ => {
                let mut k = 1;
                while k * 2 < leaves.len() {
                    k *= 2;
                }
                digest(&[&[1], &naive(&leaves[..k]).0, &naive(&leaves[k..]).0])
            }
        }
    }

    // covers: AUD-30
    #[test]
    fn roots_and_all_proofs_up_to_257_agree_with_the_rfc() {
        let all = leaves(257);
        let roots: Vec<Digest> = (0..=257).map(|n| naive(&all[..n])).collect();
        let mut frontier = Frontier::default();
        for n in 0..=257_usize {
            assert_eq!(frontier.root(), roots[n]);
            let bytes = frontier.to_bytes();
            assert_eq!(
                Frontier::from_bytes(n as u64, &bytes),
                Some(frontier.clone())
            );
            if n < 257 {
                frontier.push(all[n]);
            }
        }
        for n in 1..=257_usize {
            for i in 0..n {
                let proof = inclusion_proof(&all[..n], i as u64).unwrap();
                assert!(verify_inclusion(
                    all[i], i as u64, n as u64, &proof, &roots[n]
                ));
                let consistent = consistency_proof(&all[..n], i as u64 + 1).unwrap();
                let (old, new) = (i as u64 + 1, n as u64);
                assert!(verify_consistency(
                    old,
                    &roots[i + 1],
                    new,
                    &roots[n],
                    &consistent
                ));
            }
        }
    }

    #[test]
    fn what_is_not_there_has_no_proof() {
        let all = leaves(5);
        assert_eq!(inclusion_proof(&all, 5), None);
        assert_eq!(consistency_proof(&all, 0), None);
        assert_eq!(consistency_proof(&all, 6), None);
        assert!(!verify_inclusion(all[0], 0, 0, &[], &all[0]));
        assert!(!verify_consistency(0, &root(&[]), 3, &root(&all[..3]), &[]));
        assert!(!verify_consistency(
            3,
            &root(&all[..3]),
            2,
            &root(&all[..2]),
            &[]
        ));
        assert_eq!(Frontier::from_bytes(5, &[0; 32]), None);
        assert_eq!(Frontier::from_bytes(1, &[0; 33]), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        // covers: AUD-30
        #[test]
        fn a_changed_proof_is_refused(
            n in 2_u64..300, seed in any::<(u64, u64, u8, u8)>(), kind in 0..5,
        ) {
            let all = leaves(n);
            let root = root(&all);
            let index = seed.0 % n;
            let mut proof = inclusion_proof(&all, index).unwrap();
            let (mut leaf, mut size, mut at) = (all[index as usize], n, index);
            let spot = (seed.1 % proof.len() as u64) as usize;
            match kind {
                0 => proof[spot].0[usize::from(seed.2) % 32] ^= 1 << (seed.3 % 8),
                1 => { proof.remove(spot); }
                2 => proof.insert(spot, Digest([seed.2; 32])),
                3 => leaf.0[usize::from(seed.2) % 32] ^= 1 << (seed.3 % 8),
                _ => { at = (at + 1 + seed.1 % (n - 1)) % n; size = n; }
            }
            prop_assert!(!verify_inclusion(leaf, at, size, &proof, &root));

            let old = 1 + seed.0 % (n - 1);
            let old_root = super::root(&all[..old as usize]);
            let mut proof = consistency_proof(&all, old).unwrap();
            let spot = (seed.1 % proof.len() as u64) as usize;
            match kind {
                0 | 3 | 4 => proof[spot].0[usize::from(seed.2) % 32] ^= 1 << (seed.3 % 8),
                1 => { proof.remove(spot); }
                _ => proof.insert(spot, Digest([seed.2; 32])),
            }
            prop_assert!(!verify_consistency(old, &old_root, n, &root, &proof));
        }
    }
}
