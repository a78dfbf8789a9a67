//! Positions in a plan. Steps and edges keep their declaration order, so an index also orders them.

use serde::{Deserialize, Serialize};

macro_rules! index {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(u32);

        impl $name {
            pub(crate) fn new(at: usize) -> Self {
                Self(u32::try_from(at).unwrap_or(u32::MAX))
            }

            /// The position, from 0.
            pub fn at(self) -> usize {
                self.0 as usize
            }
        }
    };
}

index!(
    /// A step, by declaration order.
    StepIndex
);
index!(
    /// An edge, by declaration order.
    EdgeIndex
);
index!(
    /// A loop: inner loops first, then by the declaration order of the header.
    LoopIndex
);
