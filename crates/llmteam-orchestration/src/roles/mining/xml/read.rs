//! A pull reader that refuses what is not well-formed.

use std::{
    borrow::Cow,
    io::{self, BufRead, BufReader, Read},
};

use flate2::bufread::MultiGzDecoder;
use quick_xml::{
    Reader,
    errors::Error,
    events::{BytesStart, Event},
};

use super::{
    super::error::is_xml_char,
    error::{FormatError, FormatFault, excerpt},
};

/// What a file may be at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadLimits {
    /// Bytes, unpacked.
    pub bytes: u64,
    /// Bytes of one tag or one text.
    pub piece: u64,
    /// Elements within elements.
    pub depth: usize,
    /// Attributes of one event, case, object or log, nested ones included.
    pub attributes: usize,
}

impl Default for ReadLimits {
    /// 16 GiB in pieces of up to 16 MiB, 64 deep, 10,000 attributes of one owner.
    fn default() -> Self {
        Self {
            bytes: 16 << 30,
            piece: 16 << 20,
            depth: 64,
            attributes: 10_000,
        }
    }
}

/// What stands next in a document.
#[derive(Debug)]
pub(crate) enum Token<'b> {
    /// An element begins.
    Open(BytesStart<'b>),
    /// An element without content.
    Empty(BytesStart<'b>),
    /// The last element that began is over.
    Close,
    /// A piece of the text of an element, its references resolved.
    Text(Cow<'b, str>),
    /// A comment, an instruction, or blanks outside the root.
    Nothing,
    /// The document is over.
    End,
}

/// The names of the elements that have begun, in one text.
#[derive(Default)]
struct OpenElements {
    names: String,
    starts: Vec<usize>,
}

impl OpenElements {
    fn push(&mut self, name: &str) {
        self.starts.push(self.names.len());
        self.names.push_str(name);
    }

    fn last(&self) -> Option<&str> {
        self.starts.last().map(|start| &self.names[*start..])
    }

    fn pop(&mut self) {
        if let Some(start) = self.starts.pop() {
            self.names.truncate(start);
        }
    }
}

/// Reads a document token by token.
pub(crate) struct XmlReader<R: Read> {
    reader: Reader<Metered<Unpacked<R>>>,
    limits: ReadLimits,
    open: OpenElements,
    /// Whether the root has begun.
    rooted: bool,
    at_start: bool,
}

impl<R: Read> XmlReader<R> {
    /// A reader of a document that may be packed with gzip.
    pub(crate) fn new(source: R, limits: ReadLimits) -> Result<Self, FormatError> {
        let unpacked = Unpacked::new(source).map_err(|error| unreadable(&error).at(0))?;
        let metered = Metered {
            source: unpacked,
            left: limits.bytes,
            piece: limits.piece,
        };
        let mut reader = Reader::from_reader(metered);
        // The names of elements are compared here, where they are known anyway.
        reader.config_mut().check_end_names = false;
        reader.config_mut().allow_unmatched_ends = true;
        Ok(Self {
            reader,
            limits,
            open: OpenElements::default(),
            rooted: false,
            at_start: true,
        })
    }

    /// How many bytes were read.
    pub(crate) fn position(&self) -> u64 {
        self.reader.buffer_position()
    }

    /// The next token, in a buffer that the caller has emptied.
    ///
    /// Inlined, and the two commonest tokens first: an event is large, and moving it costs as much as finding it.
    #[inline]
    pub(crate) fn next<'b>(&mut self, buffer: &'b mut Vec<u8>) -> Result<Token<'b>, FormatError> {
        self.reader.get_mut().piece = self.limits.piece;
        let at_start = std::mem::replace(&mut self.at_start, false);
        let is_inside = !self.open.starts.is_empty();
        let token = match self.reader.read_event_into(buffer) {
            Ok(Event::Empty(tag)) if is_inside => return Ok(Token::Empty(tag)),
            Ok(Event::Text(text)) if is_inside && is_plain_blank(&text) => {
                return Ok(Token::Text(text.into_inner()));
            }
            Ok(event) => self.token(event, at_start),
            Err(error) => Err(self.fault_of(error)),
        };
        token.map_err(|fault| fault.at(self.position()))
    }

    fn token<'b>(&mut self, event: Event<'b>, at_start: bool) -> Result<Token<'b>, FormatFault> {
        match event {
            Event::Start(tag) => {
                self.begin(&tag)?;
                if self.open.starts.len() == self.limits.depth {
                    return Err(FormatFault::TooDeep {
                        limit: self.limits.depth,
                    });
                }
                self.open.push(tag.name().as_ref());
                Ok(Token::Open(tag))
            }
            Event::Empty(tag) => {
                self.begin(&tag)?;
                Ok(Token::Empty(tag))
            }
            Event::End(tag) => {
                let ended = tag.name();
                let ended = ended.as_ref().trim_ascii_end();
                if self.open.last() != Some(ended) {
                    return Err(FormatFault::Malformed(format!(
                        "`{}` ends and is not open",
                        excerpt(ended)
                    )));
                }
                self.open.pop();
                Ok(Token::Close)
            }
            Event::Text(text) => {
                let decoded = match text.into_inner() {
                    Cow::Borrowed(text) => decode(text, false)?,
                    Cow::Owned(text) => Cow::Owned(decode(&text, false)?.into_owned()),
                };
                self.text(decoded)
            }
            Event::CData(text) => self.text(text.into_inner()),
            Event::GeneralRef(name) => self.text(Cow::Owned(resolve(&name)?.to_string())),
            Event::Comment(text) if text.contains("--") || text.ends_with('-') => {
                Err(FormatFault::malformed("a comment holds `--`"))
            }
            Event::Decl(_) if !at_start => Err(FormatFault::malformed(
                "a declaration stands first or not at all",
            )),
            Event::Decl(text) => self.declared(&text),
            Event::Comment(_) | Event::PI(_) => Ok(Token::Nothing),
            Event::DocType(_) => Err(FormatFault::DocumentType),
            Event::Eof => match self.open.last() {
                Some(name) => Err(FormatFault::Truncated(name.to_owned())),
                None if self.rooted => Ok(Token::End),
                None => Err(FormatFault::Truncated("document".to_owned())),
            },
        }
    }

    fn begin(&mut self, tag: &BytesStart<'_>) -> Result<(), FormatFault> {
        if self.open.starts.is_empty() && std::mem::replace(&mut self.rooted, true) {
            return Err(FormatFault::Misplaced {
                element: excerpt(tag.name().as_ref()),
                parent: String::new(),
            });
        }
        Ok(())
    }

    fn text<'b>(&self, text: Cow<'b, str>) -> Result<Token<'b>, FormatFault> {
        match (self.open.starts.is_empty(), is_blank(&text)) {
            (false, _) => Ok(Token::Text(text)),
            (true, true) => Ok(Token::Nothing),
            (true, false) => Err(FormatFault::Text(excerpt(&text))),
        }
    }

    fn declared<'b>(&self, declaration: &str) -> Result<Token<'b>, FormatFault> {
        let body = declaration.strip_prefix("xml").unwrap_or(declaration);
        for attribute in attributes(body) {
            let (name, value) = attribute?;
            if name == "encoding"
                && !["utf-8", "utf8", "us-ascii"].contains(&&*value.to_ascii_lowercase())
            {
                return Err(FormatFault::Encoding(excerpt(value)));
            }
        }
        Ok(Token::Nothing)
    }

    fn fault_of(&self, error: Error) -> FormatFault {
        match error {
            Error::Io(error) => {
                match error.get_ref().and_then(|it| it.downcast_ref::<Exceeded>()) {
                    Some(Exceeded::All) => FormatFault::TooLarge {
                        limit: self.limits.bytes,
                    },
                    Some(Exceeded::Piece) => FormatFault::PieceTooLarge {
                        limit: self.limits.piece,
                    },
                    None => unreadable(&error),
                }
            }
            Error::Encoding(_) => FormatFault::Encoding("unknown".to_owned()),
            Error::Syntax(error) => FormatFault::Truncated(error.to_string()),
            other => FormatFault::Malformed(excerpt(&other.to_string())),
        }
    }
}

fn unreadable(error: &io::Error) -> FormatFault {
    FormatFault::Unreadable(excerpt(&error.to_string()))
}

/// Whether a text is white space only.
pub(crate) fn is_blank(text: &str) -> bool {
    text.bytes()
        .all(|it| matches!(it, b' ' | b'\t' | b'\n' | b'\r'))
}

/// Whether a text is white space that stays as it is.
fn is_plain_blank(text: &str) -> bool {
    text.bytes().all(|it| matches!(it, b' ' | b'\t' | b'\n'))
}

/// The attributes of a tag, from what stands after its name: names and values as written.
pub(crate) fn attributes(written: &str) -> impl Iterator<Item = Result<(&str, &str), FormatFault>> {
    let mut rest = written;
    std::iter::from_fn(move || {
        let (next, left) = match next_attribute(rest) {
            Ok(None) => return None,
            Ok(Some((name, value, left))) => (Ok((name, value)), left),
            Err(fault) => (Err(fault), ""),
        };
        rest = left;
        Some(next)
    })
}

type Written<'a> = (&'a str, &'a str, &'a str);

/// The name and the value of the first attribute, and what follows it.
fn next_attribute(written: &str) -> Result<Option<Written<'_>>, FormatFault> {
    let start = written.trim_start_matches([' ', '\t', '\n', '\r']);
    if start.is_empty() {
        return Ok(None);
    }
    let wrong = |what| {
        Err(FormatFault::Malformed(format!(
            "{what}: `{}`",
            excerpt(start)
        )))
    };
    if start.len() == written.len() {
        return wrong("attributes stand apart");
    }
    let Some((name, rest)) = start.split_once('=') else {
        return wrong("an attribute has a value");
    };
    let name = name.trim_ascii_end();
    let rest = rest.trim_ascii_start();
    let quote = rest.chars().next().filter(|it| matches!(it, '"' | '\''));
    let Some((value, rest)) = quote.and_then(|it| rest[1..].split_once(it)) else {
        return wrong("a value stands in quotes");
    };
    if !super::write::is_name(name) {
        return wrong("this is no name");
    }
    Ok(Some((name, value, rest)))
}

/// Reads ` key="…" value="…"`, the common form of an attribute in a log, where nothing in it needs decoding; `None`
/// where it may stand otherwise.
pub(crate) fn plain_key_value(written: &str) -> Option<(&str, &str)> {
    let special = |it: u8| u8::from(it == b'&') | u8::from(it == b'<') | u8::from(it < b' ');
    if written.bytes().fold(0, |found, it| found | special(it)) != 0 {
        return None;
    }
    let (key, rest) = written.strip_prefix(" key=\"")?.split_once('"')?;
    let (value, rest) = rest.strip_prefix(" value=\"")?.split_once('"')?;
    (rest.is_empty() || rest == " ").then_some((key, value))
}

/// A value of an attribute with its references resolved and its white space made blanks, or a text.
pub(crate) fn decode(written: &str, is_attribute: bool) -> Result<Cow<'_, str>, FormatFault> {
    let special =
        |it: char| matches!(it, '&' | '<') || it < ' ' || matches!(it, '\u{FFFE}' | '\u{FFFF}');
    if !written.contains(special) {
        return Ok(Cow::Borrowed(written));
    }
    let mut decoded = String::with_capacity(written.len());
    let mut rest = written;
    while let Some(place) = rest.find(special) {
        decoded.push_str(&rest[..place]);
        let at = &rest[place..];
        let blank = |own| if is_attribute { ' ' } else { own };
        let (character, length) = if let Some(reference) = at.strip_prefix('&') {
            let name = reference.split_once(';').map(|it| it.0);
            let Some(name) = name else {
                return Err(FormatFault::malformed("a bare `&`"));
            };
            (resolve(name)?, name.len() + 2)
        } else if at.starts_with("\r\n") {
            (blank('\n'), 2)
        } else if at.starts_with(['\r', '\n']) {
            (blank('\n'), 1)
        } else if at.starts_with('\t') {
            (blank('\t'), 1)
        } else {
            return Err(FormatFault::Malformed(format!(
                "`{}` is not allowed here",
                excerpt(&at.chars().take(1).collect::<String>())
            )));
        };
        decoded.push(character);
        rest = &at[length..];
    }
    decoded.push_str(rest);
    Ok(Cow::Owned(decoded))
}

fn resolve(name: &str) -> Result<char, FormatFault> {
    let number = match name.as_bytes() {
        b"lt" => return Ok('<'),
        b"gt" => return Ok('>'),
        b"amp" => return Ok('&'),
        b"quot" => return Ok('"'),
        b"apos" => return Ok('\''),
        [b'#', b'x', digits @ ..] if digits.iter().all(u8::is_ascii_hexdigit) => {
            u32::from_str_radix(&name[2..], 16).ok()
        }
        [b'#', digits @ ..] if digits.iter().all(u8::is_ascii_digit) => name[1..].parse().ok(),
        _ => None,
    };
    let character = number
        .and_then(char::from_u32)
        .filter(|it| is_xml_char(*it));
    character.ok_or_else(|| FormatFault::Entity(excerpt(name)))
}

/// A file that may be packed.
enum Unpacked<R: Read> {
    Plain(BufReader<Peeked<R>>),
    Packed(Box<BufReader<MultiGzDecoder<BufReader<Peeked<R>>>>>),
}

type Peeked<R> = io::Chain<io::Cursor<Vec<u8>>, R>;

/// How much is read at once.
const BLOCK: usize = 64 << 10;

impl<R: Read> Unpacked<R> {
    fn new(mut source: R) -> io::Result<Self> {
        let mut first = Vec::with_capacity(BLOCK);
        source.by_ref().take(BLOCK as u64).read_to_end(&mut first)?;
        let packed = first.starts_with(&[0x1f, 0x8b]);
        let whole = BufReader::with_capacity(BLOCK, io::Cursor::new(first).chain(source));
        Ok(if packed {
            Self::Packed(Box::new(BufReader::with_capacity(
                BLOCK,
                MultiGzDecoder::new(whole),
            )))
        } else {
            Self::Plain(whole)
        })
    }
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(it) => it.read(into),
            Self::Packed(it) => it.read(into),
        }
    }
}

impl<R: Read> BufRead for Unpacked<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        match self {
            Self::Plain(it) => it.fill_buf(),
            Self::Packed(it) => it.fill_buf(),
        }
    }

    fn consume(&mut self, amount: usize) {
        match self {
            Self::Plain(it) => it.consume(amount),
            Self::Packed(it) => it.consume(amount),
        }
    }
}

/// Counts down what may be read, in all and of one piece.
struct Metered<R> {
    source: R,
    left: u64,
    piece: u64,
}

#[derive(Debug, thiserror::Error)]
enum Exceeded {
    #[error("the file is too large")]
    All,
    #[error("a piece is too large")]
    Piece,
}

impl<R: BufRead> Read for Metered<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let length = available.len().min(into.len());
        into[..length].copy_from_slice(&available[..length]);
        self.consume(length);
        Ok(length)
    }
}

impl<R: BufRead> BufRead for Metered<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let available = self.source.fill_buf()?;
        if !available.is_empty() && self.left == 0 {
            return Err(io::Error::other(Exceeded::All));
        }
        if !available.is_empty() && self.piece == 0 {
            return Err(io::Error::other(Exceeded::Piece));
        }
        Ok(available)
    }

    fn consume(&mut self, amount: usize) {
        self.source.consume(amount);
        self.left = self.left.saturating_sub(amount as u64);
        self.piece = self.piece.saturating_sub(amount as u64);
    }
}

#[cfg(test)]
mod tests;
