//! A net into PNML.

use super::{
    super::{Marking, PetriNet},
    PnmlError,
};
use crate::roles::mining::{
    error::is_xml_char,
    xml::{escape, excerpt},
};

/// Writes a net as PNML, with its final marking; its nodes stand in their order.
///
/// # Errors
///
/// A name or a label holds a character that XML cannot hold.
pub fn export_pnml(net: &PetriNet) -> Result<String, PnmlError> {
    let nodes = || {
        let places = net.places().iter().map(|it| &it.name);
        places.chain(net.transitions().iter().map(|it| &it.name))
    };
    let labels = net.transitions().iter().filter_map(|it| it.label.as_ref());
    let mut texts = nodes().chain(labels);
    if let Some(text) = texts.find(|it| !it.chars().all(is_xml_char)) {
        let text = excerpt(text);
        return Err(PnmlError::Character { text });
    }
    let mut prefix = String::from("arc");
    while nodes().any(|name| name.starts_with(&prefix)) {
        prefix.push('_');
    }
    let mut writer = Writer {
        out: Vec::new(),
        prefix,
        arcs: 0,
    };
    writer.net(net);
    Ok(String::from_utf8_lossy(&writer.out).into_owned())
}

struct Writer {
    out: Vec<u8>,
    /// What the ids of arcs begin with, and no name of a node.
    prefix: String,
    arcs: usize,
}

impl Writer {
    fn net(&mut self, net: &PetriNet) {
        self.raw("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        self.raw("<pnml xmlns=\"http://www.pnml.org/version-2009/grammar/pnml\">\n");
        self.raw("<net id=\"net\" type=\"http://www.pnml.org/version-2009/grammar/ptnet\">\n");
        self.raw("<page id=\"page\">\n");
        for (place, tokens) in net.places().iter().zip(tokens(net.initial_marking())) {
            self.place(&place.name, tokens);
        }
        for transition in net.transitions() {
            self.raw("<transition id=\"");
            self.text(&transition.name);
            self.raw("\"><name><text>");
            self.label(transition.label.as_ref().unwrap_or(&transition.name));
            self.raw("</text></name>");
            if transition.is_silent() {
                self.raw("<toolspecific tool=\"ProM\" version=\"6.4\" activity=\"$invisible$\"/>");
            }
            self.raw("</transition>\n");
        }
        for transition in net.transitions() {
            let name = |place| &net.place(place).name;
            for arc in &transition.inputs {
                self.arc(name(arc.place), &transition.name, arc.weight);
            }
            for arc in &transition.outputs {
                self.arc(&transition.name, name(arc.place), arc.weight);
            }
        }
        self.raw("</page>\n<finalmarkings>\n<marking>\n");
        for (place, tokens) in net.places().iter().zip(tokens(net.final_marking())) {
            if tokens > 0 {
                self.raw("<place idref=\"");
                self.text(&place.name);
                self.raw(&format!("\"><text>{tokens}</text></place>\n"));
            }
        }
        self.raw("</marking>\n</finalmarkings>\n</net>\n</pnml>\n");
    }

    fn place(&mut self, name: &str, tokens: u64) {
        self.raw("<place id=\"");
        self.text(name);
        self.raw("\"><name><text>");
        self.label(name);
        self.raw("</text></name>");
        if tokens > 0 {
            self.raw(&format!(
                "<initialMarking><text>{tokens}</text></initialMarking>"
            ));
        }
        self.raw("</place>\n");
    }

    fn arc(&mut self, from: &str, to: &str, weight: u32) {
        self.arcs += 1;
        let id = format!("{}{}", self.prefix, self.arcs);
        self.raw("<arc id=\"");
        self.text(&id);
        self.raw("\" source=\"");
        self.text(from);
        self.raw("\" target=\"");
        self.text(to);
        self.raw("\"");
        if weight == 1 {
            self.raw("/>\n");
        } else {
            self.raw(&format!(
                "><inscription><text>{weight}</text></inscription></arc>\n"
            ));
        }
    }

    /// A text between tags. Its blanks are written as references at its ends, where some readers trim.
    fn label(&mut self, text: &str) {
        let inner = text.trim_matches(' ');
        let before = text.len() - text.trim_start_matches(' ').len();
        let after = text.len() - before - inner.len();
        self.raw(&"&#32;".repeat(before));
        self.text(inner);
        self.raw(&"&#32;".repeat(after));
    }

    fn text(&mut self, text: &str) {
        escape(&mut self.out, text);
    }

    fn raw(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }
}

fn tokens(marking: &Marking) -> impl Iterator<Item = u64> {
    marking.0.iter().copied()
}
