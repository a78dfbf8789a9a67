//! A small XML document in memory: elements with their attributes, texts and places.
//!
//! Invariant: an element's text is what stands directly in it, references resolved.

use std::io::Read;

use crate::roles::mining::xml::{
    FormatError, FormatFault, ReadLimits, Token, XmlReader, attributes, decode, excerpt,
};

/// Nets are small; what is larger is none (32 MiB, 32 deep).
const LIMITS: ReadLimits = ReadLimits {
    bytes: 32 << 20,
    piece: 1 << 20,
    depth: 32,
    attributes: 64,
};

#[derive(Debug, Default)]
pub(super) struct Element {
    pub(super) name: String,
    attributes: Vec<(String, String)>,
    pub(super) text: String,
    pub(super) children: Vec<Self>,
    /// Where it begins to be read on, in bytes.
    at: u64,
}

impl Element {
    /// Reads a document.
    pub(super) fn read(source: impl Read) -> Result<Self, FormatError> {
        let mut xml = XmlReader::new(source, LIMITS)?;
        let mut open = vec![Self::default()];
        let mut buffer = Vec::new();
        loop {
            buffer.clear();
            let token = xml.next(&mut buffer)?;
            let at = xml.position();
            match token {
                Token::Nothing => {}
                Token::Open(tag) => {
                    let element = Self::begun(tag.name().as_ref(), tag.attributes_raw(), at);
                    open.push(element.map_err(|fault| fault.at(at))?);
                }
                Token::Empty(tag) => {
                    let element = Self::begun(tag.name().as_ref(), tag.attributes_raw(), at);
                    let element = element.map_err(|fault| fault.at(at))?;
                    close(&mut open, element);
                }
                Token::Close => {
                    if let Some(element) = open.pop() {
                        close(&mut open, element);
                    }
                }
                Token::Text(text) => last(&mut open).text.push_str(&text),
                Token::End => break,
            }
        }
        let document = open.into_iter().next().unwrap_or_default();
        let root = document.children.into_iter().next();
        root.ok_or_else(|| FormatFault::Truncated("document".to_owned()).at(xml.position()))
    }

    fn begun(name: &str, written: &str, at: u64) -> Result<Self, FormatFault> {
        let mut element = Self {
            name: name.to_owned(),
            at,
            ..Self::default()
        };
        for attribute in attributes(written) {
            let (name, value) = attribute?;
            if element.attribute(name).is_some() {
                let said = format!("`{}` is said twice", excerpt(name));
                return Err(FormatFault::Malformed(said));
            }
            let value = decode(value, true)?.into_owned();
            element.attributes.push((name.to_owned(), value));
        }
        Ok(element)
    }

    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        let mut found = self.attributes.iter().filter(|it| it.0 == name);
        Some(&found.next()?.1)
    }

    pub(super) fn needed_attribute(&self, name: &'static str) -> Result<&str, FormatError> {
        self.attribute(name).ok_or_else(|| self.lacks(name))
    }

    /// The children with a name.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |it| it.name == name)
    }

    /// The only child with a name, if there is one.
    pub(super) fn one(&self, name: &str) -> Result<Option<&Self>, FormatError> {
        let mut found = self.children.iter().filter(|it| it.name == name);
        match (found.next(), found.next()) {
            (one, None) => Ok(one),
            (_, Some(second)) => Err(second.misplaced(self)),
        }
    }

    /// Refuses every child but those named, and any text.
    pub(super) fn holds_only(&self, names: &[&str]) -> Result<(), FormatError> {
        if !self.text.trim_ascii().is_empty() {
            return Err(self.fault(FormatFault::Text(excerpt(&self.text))));
        }
        let mut strangers = self.children.iter();
        match strangers.find(|it| !names.contains(&it.name.as_str())) {
            Some(stranger) => Err(stranger.misplaced(self)),
            None => Ok(()),
        }
    }

    pub(super) fn misplaced(&self, parent: &Self) -> FormatError {
        self.fault(FormatFault::Misplaced {
            element: excerpt(&self.name),
            parent: excerpt(&parent.name),
        })
    }

    pub(super) fn lacks(&self, missing: &'static str) -> FormatError {
        let element = excerpt(&self.name);
        self.fault(FormatFault::Missing { element, missing })
    }

    pub(super) fn fault(&self, fault: FormatFault) -> FormatError {
        fault.at(self.at)
    }
}

fn last(open: &mut [Element]) -> &mut Element {
    let last = open.len() - 1;
    &mut open[last]
}

fn close(open: &mut [Element], element: Element) {
    last(open).children.push(element);
}
