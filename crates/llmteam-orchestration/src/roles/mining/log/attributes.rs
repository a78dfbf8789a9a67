//! Typed attributes of many owners in flat columns: no tree and no map per event.
//!
//! Invariant: the attributes of an owner stand together, in order; a child follows its parent, one deeper. Two
//! tables with the same attributes are equal.

use llmteam_security::Timestamp;

use super::{
    super::error::{MiningError, check_text},
    names::Names,
};

/// The value of an attribute.
#[derive(Clone, Copy, Debug)]
pub enum AttributeValue<'a> {
    /// A text.
    Text(&'a str),
    /// A whole number.
    Int(i64),
    /// A number; infinities and NaN included.
    Float(f64),
    /// True or false.
    Bool(bool),
    /// An instant.
    Time(Timestamp),
    /// A text that identifies something, usually a UUID.
    Id(&'a str),
}

impl PartialEq for AttributeValue<'_> {
    /// Floats are equal when their bits are.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) | (Self::Id(a), Self::Id(b)) => a == b,
            (Self::Int(a), Self::Int(b)) => a == b,
            (Self::Float(a), Self::Float(b)) => a.to_bits() == b.to_bits(),
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Time(a), Self::Time(b)) => a == b,
            _ => false,
        }
    }
}

/// One attribute of an owner.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Attribute<'a> {
    /// Its name; owners may use one twice.
    pub key: &'a str,
    /// Its value.
    pub value: AttributeValue<'a>,
    /// How deep it is nested: 0 belongs to the owner, more to the nearest attribute before it that is one less deep.
    pub depth: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Int,
    Float,
    Bool,
    Time,
    Id,
}

/// An attribute in 16 bytes. `bits` is the value, or where its text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cell {
    bits: u64,
    key: u32,
    kind: Kind,
    depth: u8,
}

/// Bits for the length of a text; the others say where it begins.
const LENGTH_BITS: u32 = 28;

/// Attributes of owners 0, 1, 2 …
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct AttributeTable {
    keys: Names,
    cells: Vec<Cell>,
    texts: String,
    /// Where the cells of each owner end.
    ends: Vec<u32>,
}

impl AttributeTable {
    /// Adds an attribute to the owner that is not sealed yet.
    pub(crate) fn push(
        &mut self,
        depth: u8,
        key: &str,
        value: AttributeValue<'_>,
    ) -> Result<(), MiningError> {
        if key.is_empty() {
            return Err(MiningError::EmptyKey);
        }
        let number = match self.keys.find(key) {
            Some(number) => number,
            None => {
                check_text(key)?;
                self.keys
                    .number(key)
                    .ok_or(MiningError::TooMany { of: "keys" })?
            }
        };
        let (kind, bits) = match value {
            AttributeValue::Text(text) => (Kind::Text, self.text(key, text)?),
            AttributeValue::Id(text) => (Kind::Id, self.text(key, text)?),
            AttributeValue::Int(it) => (Kind::Int, it.cast_unsigned()),
            AttributeValue::Float(it) => (Kind::Float, it.to_bits()),
            AttributeValue::Bool(it) => (Kind::Bool, u64::from(it)),
            AttributeValue::Time(it) => (Kind::Time, it.as_micros().cast_unsigned()),
        };
        self.cells.push(Cell {
            bits,
            key: number,
            kind,
            depth,
        });
        Ok(())
    }

    fn text(&mut self, key: &str, text: &str) -> Result<u64, MiningError> {
        if text.len() >> LENGTH_BITS != 0 {
            return Err(MiningError::TooLong {
                key: key.to_owned(),
                length: text.len(),
            });
        }
        check_text(text)?;
        let bits = (self.texts.len() as u64) << LENGTH_BITS | text.len() as u64;
        self.texts.push_str(text);
        Ok(bits)
    }

    /// Ends the owner; the next attribute belongs to the next one.
    pub(crate) fn seal(&mut self) -> Result<(), MiningError> {
        let end = u32::try_from(self.cells.len());
        self.ends
            .push(end.map_err(|_| MiningError::TooMany { of: "attributes" })?);
        Ok(())
    }

    pub(crate) fn clear(&mut self) {
        self.keys.clear();
        self.cells.clear();
        self.texts.clear();
        self.ends.clear();
    }

    /// Drops what was added since the last owner was sealed.
    pub(crate) fn unseal(&mut self) {
        self.cells
            .truncate(self.ends.last().map_or(0, |it| *it as usize));
    }

    /// Whether a key begins so.
    pub(crate) fn uses_key(&self, prefix: &str) -> bool {
        (0..self.keys.len() as u32).any(|it| self.keys.text(it).starts_with(prefix))
    }

    /// Whether no owner has any.
    pub(crate) fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// The attributes of an owner.
    pub(crate) fn of(&self, owner: usize) -> impl ExactSizeIterator<Item = Attribute<'_>> + Clone {
        let from = if owner == 0 {
            0
        } else {
            self.ends[owner - 1] as usize
        };
        let cells = &self.cells[from..self.ends[owner] as usize];
        cells.iter().map(|it| self.attribute(*it))
    }

    /// The first attribute of an owner with this key that is not nested.
    pub(crate) fn find(&self, owner: usize, key: &str) -> Option<AttributeValue<'_>> {
        if self.cells.is_empty() {
            return None;
        }
        let number = self.keys.find(key)?;
        let from = if owner == 0 {
            0
        } else {
            self.ends[owner - 1] as usize
        };
        let cells = &self.cells[from..self.ends[owner] as usize];
        let found = cells.iter().find(|it| it.key == number && it.depth == 0)?;
        Some(self.attribute(*found).value)
    }

    /// Adds a group of attributes of another table: `keep` sees the key of each that is not nested, and decides for
    /// its children too.
    pub(crate) fn copy(
        &mut self,
        from: &Self,
        owner: usize,
        mut keep: impl FnMut(&str) -> bool,
    ) -> Result<(), MiningError> {
        let mut kept = true;
        for it in from.of(owner) {
            if it.depth == 0 {
                kept = keep(it.key);
            }
            if kept {
                self.push(it.depth, it.key, it.value)?;
            }
        }
        Ok(())
    }

    fn attribute(&self, cell: Cell) -> Attribute<'_> {
        let value = match cell.kind {
            Kind::Text => AttributeValue::Text(self.at(cell.bits)),
            Kind::Id => AttributeValue::Id(self.at(cell.bits)),
            Kind::Int => AttributeValue::Int(cell.bits.cast_signed()),
            Kind::Float => AttributeValue::Float(f64::from_bits(cell.bits)),
            Kind::Bool => AttributeValue::Bool(cell.bits != 0),
            Kind::Time => AttributeValue::Time(Timestamp::from_micros(cell.bits.cast_signed())),
        };
        Attribute {
            key: self.keys.text(cell.key),
            value,
            depth: cell.depth,
        }
    }

    fn at(&self, bits: u64) -> &str {
        let (from, length) = (bits >> LENGTH_BITS, bits & ((1 << LENGTH_BITS) - 1));
        &self.texts[from as usize..(from + length) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_keep_their_attributes_apart() {
        let mut table = AttributeTable::default();
        table.push(0, "a", AttributeValue::Text("x")).unwrap();
        table.push(1, "b", AttributeValue::Int(i64::MIN)).unwrap();
        table.seal().unwrap();
        table.seal().unwrap();
        table.push(0, "a", AttributeValue::Float(-0.0)).unwrap();
        table.seal().unwrap();
        let all: Vec<Vec<_>> = (0..3).map(|it| table.of(it).collect()).collect();
        assert_eq!(all[0].len(), 2);
        assert_eq!(
            all[0][1],
            Attribute {
                key: "b",
                value: AttributeValue::Int(i64::MIN),
                depth: 1
            }
        );
        assert!(all[1].is_empty());
        assert_eq!(table.find(2, "a"), Some(AttributeValue::Float(-0.0)));
        assert_ne!(table.find(2, "a"), Some(AttributeValue::Float(0.0)));
        assert_eq!(table.find(0, "b"), None);
    }

    #[test]
    fn a_group_is_kept_or_dropped_with_its_children() {
        let mut from = AttributeTable::default();
        for (depth, key) in [(0, "a"), (1, "x"), (0, "b"), (1, "y")] {
            from.push(depth, key, AttributeValue::Bool(true)).unwrap();
        }
        from.seal().unwrap();
        let mut to = AttributeTable::default();
        to.copy(&from, 0, |key| key != "a").unwrap();
        to.seal().unwrap();
        let keys: Vec<_> = to.of(0).map(|it| it.key).collect();
        assert_eq!(keys, ["b", "y"]);
    }

    #[test]
    fn what_a_table_cannot_hold_is_refused() {
        let mut table = AttributeTable::default();
        assert_eq!(
            table.push(0, "", AttributeValue::Int(1)),
            Err(MiningError::EmptyKey)
        );
        assert!(table.push(0, "a\0", AttributeValue::Int(1)).is_err());
        assert!(table.push(0, "a", AttributeValue::Text("\u{1b}")).is_err());
    }
}
