//! Petri nets as PNML, the exchange format of ISO/IEC 15909-2, with the final marking that process mining tools add.
//!
//! Invariant: what is exported reads back as the same net. A name of a node is its `id`, a label the name of its transition; a
//! silent transition is marked as other tools mark it, by `activity="$invisible$"`.

mod document;
mod read;
mod write;

pub use self::{read::import_pnml, write::export_pnml};
use super::PetriNetError;
use crate::roles::mining::xml::FormatError;

/// Why a net is not exchanged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PnmlError {
    /// The file is not well-formed or not PNML.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The file is PNML and its parts make no net.
    #[error(transparent)]
    Net(#[from] PetriNetError),
    /// A name or a label cannot be written.
    #[error("`{text}` holds a character that XML cannot hold")]
    Character {
        /// The text, escaped.
        text: String,
    },
}

#[cfg(test)]
mod tests;
