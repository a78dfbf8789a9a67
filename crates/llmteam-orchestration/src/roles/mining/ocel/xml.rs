//! OCEL 2.0 as XML.

use std::{
    collections::HashMap,
    io::{self, Read, Write},
};

use llmteam_security::Timestamp;

use super::{
    super::{
        xes::parse_time,
        xml::{
            FormatError, FormatFault, ReadLimits, Token, XmlReader, attributes, decode, escape,
            excerpt, is_blank,
        },
    },
    AttributeDeclaration, EventAttribute, Object, ObjectAttribute, ObjectEvent, ObjectLog,
    ObjectValue, Relationship, TypeDeclaration, ValueType,
};

/// Reads a log from XML, packed with gzip or not.
///
/// # Errors
///
/// What is not well-formed, no OCEL, beyond the limits, or at odds with itself: [`FormatError`].
pub fn import_ocel_xml(source: impl Read, limits: ReadLimits) -> Result<ObjectLog, FormatError> {
    let mut xml = XmlReader::new(source, limits)?;
    let mut reader = Reader {
        limits,
        ..Reader::default()
    };
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        let taken = match xml.next(&mut buffer)? {
            Token::Nothing => Ok(()),
            Token::End => break,
            Token::Open(tag) => reader.begin(tag.name().as_ref(), tag.attributes_raw()),
            Token::Empty(tag) => reader
                .begin(tag.name().as_ref(), tag.attributes_raw())
                .and_then(|()| reader.end()),
            Token::Close => reader.end(),
            Token::Text(text) => reader.text(&text),
        };
        taken.map_err(|fault| fault.at(xml.position()))?;
    }
    reader
        .log
        .settle()
        .map_err(|fault| fault.at(xml.position()))
}

/// Where in the document the reader is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Log,
    ObjectTypes,
    EventTypes,
    ObjectType,
    EventType,
    Declarations,
    Declaration,
    Objects,
    Events,
    Object,
    Event,
    ObjectAttributes,
    EventAttributes,
    ObjectAttribute,
    EventAttribute,
    ObjectRelations,
    EventRelations,
    Relation,
}

impl Place {
    /// The name of the element.
    fn element(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::ObjectTypes => "object-types",
            Self::EventTypes => "event-types",
            Self::ObjectType => "object-type",
            Self::EventType => "event-type",
            Self::Declarations | Self::ObjectAttributes | Self::EventAttributes => "attributes",
            Self::Declaration | Self::ObjectAttribute | Self::EventAttribute => "attribute",
            Self::Objects | Self::ObjectRelations | Self::EventRelations => "objects",
            Self::Events => "events",
            Self::Object => "object",
            Self::Event => "event",
            Self::Relation => "relationship",
        }
    }
}

#[derive(Default)]
struct Reader {
    log: ObjectLog,
    limits: ReadLimits,
    open: Vec<Place>,
    /// The text of the attribute that is open.
    text: String,
    owned: usize,
}

impl Reader {
    fn begin(&mut self, element: &str, written: &str) -> Result<(), FormatFault> {
        let place = self.place(element)?;
        let mut given = HashMap::new();
        for attribute in attributes(written) {
            let (name, value) = attribute?;
            if given
                .insert(name, decode(value, true)?.into_owned())
                .is_some()
            {
                return Err(FormatFault::Malformed(format!(
                    "`{name}` stands twice in one tag"
                )));
            }
        }
        let mut take = |name: &'static str| {
            let missing = || FormatFault::Missing {
                element: element.to_owned(),
                missing: name,
            };
            given.remove(name).ok_or_else(missing)
        };
        let log = &mut self.log;
        match place {
            Place::ObjectType => log.object_types.push(TypeDeclaration {
                name: take("name")?,
                attributes: Vec::new(),
            }),
            Place::EventType => log.event_types.push(TypeDeclaration {
                name: take("name")?,
                attributes: Vec::new(),
            }),
            Place::Declaration => {
                let (name, text) = (take("name")?, take("type")?);
                let value_type = ValueType::parse(&text)
                    .ok_or_else(|| FormatFault::value(&text, "type of values"))?;
                let of_events = self.open.contains(&Place::EventTypes);
                let types = if of_events {
                    &mut log.event_types
                } else {
                    &mut log.object_types
                };
                if let Some(last) = types.last_mut() {
                    last.attributes
                        .push(AttributeDeclaration { name, value_type });
                }
            }
            Place::Object => {
                let (id, object_type) = (take("id")?, take("type")?);
                log.objects.push(Object {
                    id,
                    object_type,
                    attributes: Vec::new(),
                    relationships: Vec::new(),
                });
                self.owned = 0;
            }
            Place::Event => {
                let (id, event_type, time) = (take("id")?, take("type")?, time(&take("time")?)?);
                log.events.push(ObjectEvent {
                    id,
                    event_type,
                    time,
                    attributes: Vec::new(),
                    relationships: Vec::new(),
                });
                self.owned = 0;
            }
            Place::ObjectAttribute => {
                let (name, time, value) = (
                    take("name")?,
                    time(&take("time")?)?,
                    ObjectValue::String(String::new()),
                );
                if let Some(object) = log.objects.last_mut() {
                    object
                        .attributes
                        .push(ObjectAttribute { name, time, value });
                }
            }
            Place::EventAttribute => {
                let (name, value) = (take("name")?, ObjectValue::String(String::new()));
                if let Some(event) = log.events.last_mut() {
                    event.attributes.push(EventAttribute { name, value });
                }
            }
            Place::Relation => {
                let relation = Relationship {
                    object_id: take("object-id")?,
                    qualifier: take("qualifier").unwrap_or_default(),
                };
                let owner = match self.open.last() {
                    Some(Place::ObjectRelations) => {
                        log.objects.last_mut().map(|it| &mut it.relationships)
                    }
                    _ => log.events.last_mut().map(|it| &mut it.relationships),
                };
                owner.into_iter().for_each(|it| it.push(relation.clone()));
            }
            _ => {}
        }
        if matches!(
            place,
            Place::ObjectAttribute | Place::EventAttribute | Place::Relation
        ) {
            self.owned += 1;
            if self.owned > self.limits.attributes {
                return Err(FormatFault::TooManyAttributes {
                    limit: self.limits.attributes,
                });
            }
        }
        self.text.clear();
        self.open.push(place);
        Ok(())
    }

    fn place(&self, element: &str) -> Result<Place, FormatFault> {
        let parent = self.open.last().copied();
        Ok(match (parent, element) {
            (None, "log") => Place::Log,
            (Some(Place::Log), "object-types") => Place::ObjectTypes,
            (Some(Place::Log), "event-types") => Place::EventTypes,
            (Some(Place::Log), "objects") => Place::Objects,
            (Some(Place::Log), "events") => Place::Events,
            (Some(Place::ObjectTypes), "object-type") => Place::ObjectType,
            (Some(Place::EventTypes), "event-type") => Place::EventType,
            (Some(Place::ObjectType | Place::EventType), "attributes") => Place::Declarations,
            (Some(Place::Declarations), "attribute") => Place::Declaration,
            (Some(Place::Objects), "object") => Place::Object,
            (Some(Place::Events), "event") => Place::Event,
            (Some(Place::Object), "attributes") => Place::ObjectAttributes,
            (Some(Place::Event), "attributes") => Place::EventAttributes,
            (Some(Place::ObjectAttributes), "attribute") => Place::ObjectAttribute,
            (Some(Place::EventAttributes), "attribute") => Place::EventAttribute,
            (Some(Place::Object), "objects") => Place::ObjectRelations,
            (Some(Place::Event), "objects") => Place::EventRelations,
            (Some(Place::ObjectRelations | Place::EventRelations), "relationship") => {
                Place::Relation
            }
            _ => {
                let parent = parent.map_or("", Place::element).to_owned();
                return Err(FormatFault::Misplaced {
                    element: excerpt(element),
                    parent,
                });
            }
        })
    }

    fn end(&mut self) -> Result<(), FormatFault> {
        let value = match self.open.pop() {
            Some(Place::ObjectAttribute) => self
                .log
                .objects
                .last_mut()
                .and_then(|it| it.attributes.last_mut())
                .map(|it| &mut it.value),
            Some(Place::EventAttribute) => self
                .log
                .events
                .last_mut()
                .and_then(|it| it.attributes.last_mut())
                .map(|it| &mut it.value),
            _ => None,
        };
        if let Some(value) = value {
            *value = ObjectValue::String(std::mem::take(&mut self.text));
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), FormatFault> {
        match self.open.last() {
            Some(Place::ObjectAttribute | Place::EventAttribute) => {
                if self.text.len() as u64 + text.len() as u64 > self.limits.piece {
                    return Err(FormatFault::PieceTooLarge {
                        limit: self.limits.piece,
                    });
                }
                self.text.push_str(text);
                Ok(())
            }
            _ if is_blank(text) => Ok(()),
            _ => Err(FormatFault::Text(excerpt(text))),
        }
    }
}

fn time(text: &str) -> Result<Timestamp, FormatFault> {
    let found = parse_time(text).map(|(micros, _)| Timestamp::from_micros(micros));
    found.ok_or_else(|| FormatFault::value(text, "date"))
}

/// Writes a log as XML.
///
/// # Errors
///
/// Those of `out`.
pub fn export_ocel_xml(log: &ObjectLog, out: &mut impl Write) -> io::Result<()> {
    let mut writer = Writer { out: Vec::new() };
    writer.put("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<log>\n");
    writer.types("object", &log.object_types);
    writer.types("event", &log.event_types);
    writer.put("<objects>\n");
    for object in &log.objects {
        writer.tag(
            "<object",
            &[("id", &object.id), ("type", &object.object_type)],
            ">\n<attributes>\n",
        );
        for it in &object.attributes {
            writer.tag(
                "<attribute",
                &[("name", &it.name), ("time", &it.time.to_string())],
                ">",
            );
            writer.value(&it.value);
        }
        writer.relations(&object.relationships);
        writer.put("</object>\n");
        writer.pass_on(out)?;
    }
    writer.put("</objects>\n<events>\n");
    for event in &log.events {
        let named: [(&str, &str); 3] = [
            ("id", &event.id),
            ("type", &event.event_type),
            ("time", &event.time.to_string()),
        ];
        writer.tag("<event", &named, ">\n<attributes>\n");
        for it in &event.attributes {
            writer.tag("<attribute", &[("name", &it.name)], ">");
            writer.value(&it.value);
        }
        writer.relations(&event.relationships);
        writer.put("</event>\n");
        writer.pass_on(out)?;
    }
    writer.put("</events>\n</log>\n");
    out.write_all(&writer.out)?;
    out.flush()
}

struct Writer {
    out: Vec<u8>,
}

impl Writer {
    fn types(&mut self, of: &str, types: &[TypeDeclaration]) {
        self.put(&format!("<{of}-types>\n"));
        for it in types {
            self.tag(
                &format!("<{of}-type"),
                &[("name", &it.name)],
                ">\n<attributes>\n",
            );
            for it in &it.attributes {
                self.tag(
                    "<attribute",
                    &[("name", &it.name), ("type", it.value_type.as_str())],
                    "/>\n",
                );
            }
            self.put(&format!("</attributes>\n</{of}-type>\n"));
        }
        self.put(&format!("</{of}-types>\n"));
    }

    /// Ends the attributes and writes the relations.
    fn relations(&mut self, relations: &[Relationship]) {
        self.put("</attributes>\n<objects>\n");
        for it in relations {
            self.tag(
                "<relationship",
                &[("object-id", &it.object_id), ("qualifier", &it.qualifier)],
                "/>\n",
            );
        }
        self.put("</objects>\n");
    }

    fn value(&mut self, value: &ObjectValue) {
        escape(&mut self.out, &value.text());
        self.put("</attribute>\n");
    }

    fn tag(&mut self, begin: &str, attributes: &[(&str, &str)], end: &str) {
        self.put(begin);
        for (name, value) in attributes {
            self.put(&format!(" {name}=\""));
            escape(&mut self.out, value);
            self.put("\"");
        }
        self.put(end);
    }

    fn put(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    /// Hands on what has been gathered, when it is much.
    fn pass_on(&mut self, out: &mut impl Write) -> io::Result<()> {
        if self.out.len() >= 256 << 10 {
            out.write_all(&self.out)?;
            self.out.clear();
        }
        Ok(())
    }
}
