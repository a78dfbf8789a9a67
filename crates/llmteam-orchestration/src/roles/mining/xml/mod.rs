//! Strict reading and careful writing of XML, shared by the formats.
//!
//! Invariant: what is not well-formed is refused with its position; entities are never expanded beyond the five of
//! XML and character references; memory is bounded by the largest piece. This module does not know what elements
//! mean.

mod error;
mod read;
mod write;

#[cfg(test)]
pub(crate) use self::write::is_nc_name;
pub(crate) use self::{
    error::excerpt,
    read::{Token, XmlReader, attributes, decode, is_blank, plain_key_value},
    write::{escape, is_name},
};
pub use self::{
    error::{FormatError, FormatFault},
    read::ReadLimits,
};
