//! A set of steps that gives them back in declaration order.

use smallvec::SmallVec;

use crate::canvas::plan::StepIndex;

const BITS: usize = u64::BITS as usize;

/// Some of the steps of a plan, one bit each; plans of up to 128 steps need no memory of their own for it.
#[derive(Debug, Default)]
pub(super) struct StepSet {
    words: SmallVec<[u64; 2]>,
    /// No word before this one has a member.
    first: usize,
    members: usize,
}

impl StepSet {
    pub(super) fn insert(&mut self, step: StepIndex) {
        let (word, bit) = place(step);
        if word >= self.words.len() {
            self.grow(word + 1);
        }
        let bits = &mut self.words[word];
        self.members += usize::from(*bits & bit == 0);
        *bits |= bit;
        self.first = self.first.min(word);
    }

    #[cold]
    fn grow(&mut self, words: usize) {
        self.words.resize(words, 0);
    }

    pub(super) fn remove(&mut self, step: StepIndex) {
        let (word, bit) = place(step);
        if let Some(bits) = self.words.get_mut(word)
            && *bits & bit != 0
        {
            *bits &= !bit;
            self.members -= 1;
        }
    }

    /// Takes out the first member in declaration order.
    pub(super) fn pop_first(&mut self) -> Option<StepIndex> {
        if self.members == 0 {
            return None;
        }
        let rest = self.words.get_mut(self.first..)?.iter_mut();
        let (skipped, bits) = rest.enumerate().find(|(_, bits)| **bits != 0)?;
        let lowest = bits.trailing_zeros() as usize;
        *bits &= *bits - 1;
        self.first += skipped;
        self.members -= 1;
        Some(StepIndex::new(self.first * BITS + lowest))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members == 0
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

fn place(step: StepIndex) -> (usize, u64) {
    (step.at() / BITS, 1 << (step.at() % BITS))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_sorted_set(changes in prop::collection::vec((0_u8..4, 0_usize..300), 0..200)) {
            let (mut set, mut model) = (StepSet::default(), BTreeSet::new());
            for (change, at) in changes {
                let step = StepIndex::new(at);
                match change {
                    0 => prop_assert_eq!(set.pop_first(), model.pop_first()),
                    1 => {
                        set.remove(step);
                        model.remove(&step);
                    }
                    _ => {
                        set.insert(step);
                        model.insert(step);
                    }
                }
                prop_assert_eq!(set.is_empty(), model.is_empty());
            }
            let rest: Vec<StepIndex> = std::iter::from_fn(|| set.pop_first()).collect();
            prop_assert_eq!(rest, model.into_iter().collect::<Vec<_>>());
        }
    }
}
