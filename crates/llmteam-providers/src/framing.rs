//! Cutting a stream of bytes into messages.
//!
//! Invariant: the messages are the same however the bytes are split on their way.

use llmteam_orchestration::llm::LlmError;

/// How a service marks where a message ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// Server-sent events, as the WHATWG HTML standard 9.2.6 reads them.
    Events,
    /// One JSON value per line.
    Lines,
}

/// One message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Frame {
    /// The event's name; empty for lines and unnamed events.
    pub(crate) event: String,
    /// The event's data, or the line.
    pub(crate) data: String,
}

/// Gathers bytes until a message is whole.
#[derive(Debug)]
pub(crate) struct Framer {
    framing: Framing,
    line: Vec<u8>,
    after_cr: bool,
    begun: bool,
    frame: Frame,
    has_data: bool,
}

impl Framer {
    pub(crate) fn new(framing: Framing) -> Self {
        Self {
            framing,
            line: Vec::new(),
            after_cr: false,
            begun: false,
            frame: Frame::default(),
            has_data: false,
        }
    }

    /// The messages that these bytes complete.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<Vec<Frame>, LlmError> {
        let mut frames = Vec::new();
        for byte in bytes {
            // A line ends with CR, LF or both; of both the LF is the second half of the same end.
            let second_half = self.after_cr && *byte == b'\n';
            self.after_cr = *byte == b'\r';
            match byte {
                _ if second_half => {}
                b'\r' | b'\n' => frames.extend(self.end_line()?),
                _ => self.line.push(*byte),
            }
        }
        Ok(frames)
    }

    /// What the end of the bytes completes: a last line, but never half an event.
    pub(crate) fn finish(&mut self) -> Result<Option<Frame>, LlmError> {
        match self.framing {
            Framing::Events => Ok(None),
            Framing::Lines => self.end_line(),
        }
    }

    fn end_line(&mut self) -> Result<Option<Frame>, LlmError> {
        let line = String::from_utf8(std::mem::take(&mut self.line));
        let line = line.map_err(|_| LlmError::Malformed {
            detail: "the stream is not UTF-8".to_owned(),
        })?;
        let begun = std::mem::replace(&mut self.begun, true);
        let line = match line.strip_prefix('\u{feff}') {
            Some(rest) if !begun => rest.to_owned(),
            _ => line,
        };
        match self.framing {
            Framing::Lines if line.trim().is_empty() => Ok(None),
            Framing::Lines => Ok(Some(Frame {
                event: String::new(),
                data: line,
            })),
            Framing::Events => Ok(self.field(&line)),
        }
    }

    /// One line of an event; a blank one ends the event.
    fn field(&mut self, line: &str) -> Option<Frame> {
        if line.is_empty() {
            let frame = std::mem::take(&mut self.frame);
            return std::mem::take(&mut self.has_data).then_some(frame);
        }
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "event" => value.clone_into(&mut self.frame.event),
            "data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.frame.data.push('\n');
                }
                self.frame.data.push_str(value);
            }
            // Comments, ids and retry times do not matter here.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(framing: Framing, parts: &[&[u8]]) -> Vec<(String, String)> {
        let mut framer = Framer::new(framing);
        let mut frames = Vec::new();
        for part in parts {
            frames.extend(framer.push(part).unwrap());
        }
        frames.extend(framer.finish().unwrap());
        frames.into_iter().map(|it| (it.event, it.data)).collect()
    }

    const EVENTS: &str = "\u{feff}: hello\n\nevent: a\r\ndata: {\"x\":\r\ndata:  \"\u{e9}\u{1f600}\"}\r\n\r\n\
                          data:plain\rid: 7\r\rretry: 5\n\ndata\n\nevent: none\n\ndata: half";

    #[test]
    fn events_are_read_as_the_standard_says() {
        let expected = [
            ("a", "{\"x\":\n \"\u{e9}\u{1f600}\"}"),
            ("", "plain"),
            ("", ""),
        ];
        let expected = expected.map(|(event, data)| (event.to_owned(), data.to_owned()));
        assert_eq!(whole(Framing::Events, &[EVENTS.as_bytes()]), expected);
    }

    #[test]
    fn it_does_not_matter_where_the_bytes_are_split() {
        let lines = "{\"a\":\"\u{1f600}\"}\r\n\n{\"b\":1}\n{\"c\":2}";
        for (framing, text) in [(Framing::Events, EVENTS), (Framing::Lines, lines)] {
            let bytes = text.as_bytes();
            let expected = whole(framing, &[bytes]);
            let single: Vec<&[u8]> = bytes.chunks(1).collect();
            assert_eq!(whole(framing, &single), expected);
            for at in 0..bytes.len() {
                let (left, right) = bytes.split_at(at);
                assert_eq!(whole(framing, &[left, right]), expected, "split at {at}");
            }
        }
        assert_eq!(whole(Framing::Lines, &[lines.as_bytes()]).len(), 3);
    }

    #[test]
    fn bytes_that_are_no_text_are_refused() {
        let mut framer = Framer::new(Framing::Lines);
        assert!(framer.push(b"{\"a\": \"\xff\"}\n").is_err());
    }
}
