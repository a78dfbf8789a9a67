//! PNML into a net.
//!
//! Invariant: an element that could change the meaning of the net is understood or refused; only positions, colours and other
//! tools' notes are passed over.

use std::io::Read;

use super::{
    super::{PetriNet, PetriNetBuilder},
    PnmlError,
    document::Element,
};
use crate::roles::mining::xml::{FormatError, FormatFault, excerpt};

/// Reads a net from PNML, packed with gzip or not: one net of places and transitions, on any number of pages, of at most
/// 32 MiB.
///
/// Without a final marking a net ends with one token in the only place that nothing leaves.
///
/// # Errors
///
/// Whatever is not well-formed, no such PNML, or no valid net.
pub fn import_pnml(source: impl Read) -> Result<PetriNet, PnmlError> {
    let root = Element::read(source)?;
    if root.name != "pnml" {
        return Err(root.misplaced(&Element::default()).into());
    }
    root.holds_only(&["net"])?;
    let net = root.one("net")?.ok_or_else(|| root.lacks("net"))?;
    let mut reader = Reader::default();
    reader.page(net, &[NODES, &["finalmarkings"]].concat())?;
    reader.final_marking(net)?;
    Ok(reader.net.build()?)
}

/// What a page holds. A net may hold it itself.
const NODES: &[&str] = &[
    "name",
    "page",
    "place",
    "transition",
    "arc",
    "graphics",
    "toolspecific",
];

#[derive(Default)]
struct Reader {
    net: PetriNetBuilder,
    places: Vec<String>,
    left: std::collections::HashSet<String>,
}

impl Reader {
    fn page(&mut self, page: &Element, content: &[&str]) -> Result<(), FormatError> {
        page.holds_only(content)?;
        for element in &page.children {
            match element.name.as_str() {
                "page" => self.page(element, NODES)?,
                "place" => self.place(element)?,
                "transition" => self.transition(element)?,
                "arc" => self.arc(element)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn place(&mut self, place: &Element) -> Result<(), FormatError> {
        place.holds_only(&["name", "initialMarking", "graphics", "toolspecific"])?;
        let id = place.needed_attribute("id")?;
        self.change(|net| net.place(id));
        self.places.push(id.to_owned());
        match number(place, "initialMarking")?.unwrap_or(0) {
            0 => {}
            tokens => self.change(|net| net.initial(id, tokens)),
        }
        Ok(())
    }

    fn transition(&mut self, transition: &Element) -> Result<(), FormatError> {
        transition.holds_only(&["name", "graphics", "toolspecific"])?;
        let id = transition.needed_attribute("id")?;
        let mut notes = transition.all("toolspecific");
        let silent = notes.any(|it| it.attribute("activity") == Some("$invisible$"));
        let name = text(transition, "name")?.map_or(id, |it| it.text.as_str());
        self.change(|net| net.transition(id, (!silent).then_some(name)));
        Ok(())
    }

    fn arc(&mut self, arc: &Element) -> Result<(), FormatError> {
        arc.holds_only(&["name", "inscription", "arctype", "graphics", "toolspecific"])?;
        if let Some(kind) = text(arc, "arctype")?
            && kind.text.trim_ascii() != "normal"
        {
            return Err(kind.fault(FormatFault::value(&kind.text, "arc that moves tokens")));
        }
        let (from, to) = (
            arc.needed_attribute("source")?,
            arc.needed_attribute("target")?,
        );
        let weight = number(arc, "inscription")?.unwrap_or(1);
        self.left.insert(from.to_owned());
        self.change(|net| net.arc(from, to, weight));
        Ok(())
    }

    fn final_marking(&mut self, net: &Element) -> Result<(), FormatError> {
        let Some(markings) = net.one("finalmarkings")? else {
            return self.sink(net);
        };
        markings.holds_only(&["marking"])?;
        let marking = markings
            .one("marking")?
            .ok_or_else(|| markings.lacks("marking"))?;
        marking.holds_only(&["place"])?;
        for place in &marking.children {
            place.holds_only(&["text"])?;
            let id = place.needed_attribute("idref")?;
            let tokens = place.one("text")?.ok_or_else(|| place.lacks("text"))?;
            match parsed(tokens)? {
                0 => {}
                tokens => self.change(|net| net.final_(id, tokens)),
            }
        }
        Ok(())
    }

    /// One token in the only place that nothing leaves.
    fn sink(&mut self, net: &Element) -> Result<(), FormatError> {
        let mut sinks = self.places.iter().filter(|it| !self.left.contains(*it));
        let (Some(sink), None) = (sinks.next(), sinks.next()) else {
            return Err(net.lacks("finalmarkings"));
        };
        let sink = sink.clone();
        self.change(|net| net.final_(&sink, 1));
        Ok(())
    }

    fn change(&mut self, with: impl FnOnce(PetriNetBuilder) -> PetriNetBuilder) {
        self.net = with(std::mem::take(&mut self.net));
    }
}

/// The `text` of a labelling child.
fn text<'a>(element: &'a Element, name: &str) -> Result<Option<&'a Element>, FormatError> {
    let Some(label) = element.one(name)? else {
        return Ok(None);
    };
    label.holds_only(&["text", "graphics", "toolspecific"])?;
    let text = label.one("text")?.ok_or_else(|| label.lacks("text"))?;
    match text.children.first() {
        Some(stranger) => Err(stranger.misplaced(text)),
        None => Ok(Some(text)),
    }
}

fn number(element: &Element, name: &str) -> Result<Option<u32>, FormatError> {
    text(element, name)?.map(parsed).transpose()
}

fn parsed(text: &Element) -> Result<u32, FormatError> {
    if let Some(stranger) = text.children.first() {
        return Err(stranger.misplaced(text));
    }
    let digits = text.text.trim_ascii();
    let plain = digits.bytes().all(|it| it.is_ascii_digit());
    let number = plain.then(|| digits.parse().ok()).flatten();
    number.ok_or_else(|| text.fault(FormatFault::value(&excerpt(digits), "number of tokens")))
}
