//! Where the tokens of a net lie.
//!
//! Invariant: a marking has a count for every place of its net, so two markings of one net are equal exactly when
//! the same tokens lie in the same places.

use super::PlaceIndex;

/// The tokens in every place of a [`PetriNet`](super::PetriNet).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Marking(pub(super) Box<[u64]>);

impl Marking {
    /// No token anywhere.
    pub(super) fn empty(places: usize) -> Self {
        Self(vec![0; places].into())
    }

    /// The tokens in one place.
    ///
    /// # Panics
    ///
    /// The place is of another net.
    pub fn tokens(&self, place: PlaceIndex) -> u64 {
        self.0[place.get()]
    }

    /// The places that hold tokens, in order, each with how many.
    pub fn marked(&self) -> impl Iterator<Item = (PlaceIndex, u64)> + '_ {
        let places = self.0.iter().enumerate().filter(|(_, tokens)| **tokens > 0);
        // No net has more places than a `u32` counts.
        places.map(|(place, tokens)| (PlaceIndex(place as u32), *tokens))
    }

    /// All tokens.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
    /// How many tokens of `wanted` are not here, and how many are here beyond it.
    pub(crate) fn against(&self, wanted: &Self) -> (u64, u64) {
        let pairs = self.0.iter().zip(&wanted.0);
        pairs.fold((0, 0), |(short, over), (here, wanted)| {
            (
                short + wanted.saturating_sub(*here),
                over + here.saturating_sub(*wanted),
            )
        })
    }
}
