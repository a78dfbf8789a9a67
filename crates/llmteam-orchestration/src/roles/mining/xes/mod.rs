//! XES, the format of event logs of IEEE 1849.
//!
//! Invariant: what [`export_xes`] writes is valid by the schema of the standard, and [`import_xes`] reads it back as
//! the same log. A file that is damaged, cut short or no XES is refused with the place; nothing of it is kept.
//! This module does not know files: it reads and writes streams.

#[cfg(test)]
mod check;
#[cfg(test)]
mod identity;
mod keys;
mod read;
#[cfg(test)]
mod tests;
mod time;
mod write;

pub(crate) use self::{read::parse_float, time::parse as parse_time, write::float_text};
pub use self::{
    read::{XesImport, XesWarnings, import_xes},
    write::{XesLifecycle, XesOptions, export_xes},
};
