//! The example of two runs and two agents, and files that come back or are refused.

use std::collections::BTreeMap;

use llmteam_security::Timestamp;
use proptest::{prelude::*, sample::Index};

use super::{
    super::{
        fixtures,
        log::{EventLog, LogOptions},
        pairs::Pairs,
        xml::{FormatError, FormatFault, ReadLimits},
    },
    *,
};

fn named(name: &str) -> TypeDeclaration {
    TypeDeclaration {
        name: name.to_owned(),
        attributes: Vec::new(),
    }
}

fn relation(object: &str) -> Relationship {
    Relationship {
        object_id: object.to_owned(),
        qualifier: "of".to_owned(),
    }
}

/// Runs r1 and r2, agents w and v, eight events one minute apart.
fn example() -> ObjectLog {
    let object = |id: &str, object_type: &str| Object {
        id: id.to_owned(),
        object_type: object_type.to_owned(),
        attributes: Vec::new(),
        relationships: Vec::new(),
    };
    let events: [(&str, &[&str]); 8] = [
        ("start", &["r1"]),
        ("draft", &["r1", "w"]),
        ("start", &["r2"]),
        ("draft", &["r2", "w"]),
        ("review", &["r1", "r2", "v"]),
        ("draft", &["r2", "w"]),
        ("end", &["r1"]),
        ("end", &["r2"]),
    ];
    let events = (1..)
        .zip(events)
        .map(|(number, (activity, objects))| ObjectEvent {
            id: format!("e{number}"),
            event_type: activity.to_owned(),
            time: Timestamp::from_micros(number * 60_000_000),
            attributes: Vec::new(),
            relationships: objects.iter().map(|it| relation(it)).collect(),
        });
    ObjectLog {
        object_types: vec![named("run"), named("agent")],
        event_types: ["start", "draft", "review", "end"].map(named).into(),
        objects: vec![
            object("r1", "run"),
            object("r2", "run"),
            object("w", "agent"),
            object("v", "agent"),
        ],
        events: events.collect(),
    }
}

fn json(log: &ObjectLog) -> Vec<u8> {
    let mut out = Vec::new();
    export_ocel_json(log, &mut out).unwrap();
    out
}

fn xml(log: &ObjectLog) -> Vec<u8> {
    let mut out = Vec::new();
    export_ocel_xml(log, &mut out).unwrap();
    out
}

fn from_json(text: impl AsRef<[u8]>) -> Result<ObjectLog, FormatError> {
    import_ocel_json(text.as_ref(), ReadLimits::default())
}

fn from_xml(text: impl AsRef<[u8]>) -> Result<ObjectLog, FormatError> {
    import_ocel_xml(text.as_ref(), ReadLimits::default())
}

fn listed(edges: &Pairs<u64>) -> Vec<String> {
    edges
        .iter()
        .map(|(from, to, count)| format!("{from} {to} {count}"))
        .collect()
}

#[test]
fn the_example_has_the_graphs_of_the_oracle() {
    for log in [
        example(),
        from_json(json(&example())).unwrap(),
        from_xml(xml(&example())).unwrap(),
    ] {
        assert_eq!((log.events.len(), log.objects.len()), (8, 4));
        assert_eq!(
            log.events
                .iter()
                .map(|it| it.relationships.len())
                .sum::<usize>(),
            13
        );
        let found = discover_object_centric_dfg(&log).unwrap();
        let run = &found["run"];
        let expected = [
            "draft end 1",
            "draft review 2",
            "review draft 1",
            "review end 1",
            "start draft 2",
        ];
        assert_eq!(listed(&run.edges), expected);
        assert_eq!(run.starts, BTreeMap::from([("start".into(), 2)]));
        assert_eq!(run.ends, BTreeMap::from([("end".into(), 2)]));
        let agent = &found["agent"];
        assert_eq!(listed(&agent.edges), ["draft draft 2"]);
        assert_eq!(
            agent.starts,
            BTreeMap::from([("draft".into(), 1), ("review".into(), 1)])
        );
        let drafts: Vec<_> = log
            .events
            .iter()
            .filter(|it| it.event_type == "draft")
            .collect();
        let distinct = |object_type: &str| {
            let related = drafts
                .iter()
                .flat_map(|it| &it.relationships)
                .map(|it| &*it.object_id);
            let of_type = |id: &&str| {
                log.objects
                    .iter()
                    .any(|it| it.id == **id && it.object_type == object_type)
            };
            related
                .filter(of_type)
                .collect::<std::collections::BTreeSet<_>>()
                .len()
        };
        assert_eq!(
            (drafts.len(), distinct("run"), distinct("agent")),
            (3, 2, 1)
        );
    }
}

#[test]
fn a_type_is_flattened_to_one_case_for_each_object() {
    let mut log = example();
    log.objects.push(Object {
        id: "r3".to_owned(),
        ..log.objects[0].clone()
    });
    // A second relation to the same object is no second event.
    log.events[0].relationships.push(Relationship {
        qualifier: "again".to_owned(),
        ..relation("r1")
    });
    let flat = flatten(&log, "run").unwrap();
    let sizes: Vec<_> = (0..flat.case_count())
        .map(|it| (flat.case_name(it), flat.rows(it).len()))
        .collect();
    assert_eq!(sizes, [("r1", 4), ("r2", 5), ("r3", 0)]);
    assert_eq!(flatten(&log, "nothing").unwrap().case_count(), 0);
}

#[test]
fn a_log_becomes_objects_and_events() {
    let mut events = fixtures::events(&fixtures::L);
    events[1]
        .attributes
        .insert("team".to_owned(), "blue".into());
    events[1].attributes.insert("mixed".to_owned(), 1.into());
    events[9]
        .attributes
        .insert("mixed".to_owned(), "one".into());
    let log = EventLog::from_events(&events, LogOptions::default()).unwrap();
    let objects = ObjectLog::from(&log);
    let names: Vec<_> = objects.object_types.iter().map(|it| &*it.name).collect();
    assert_eq!(names, ["run", "agent", "team"]);
    assert_eq!(
        (objects.objects.len(), objects.events.len()),
        (5 + 3 + 1, 19)
    );
    assert_eq!(objects.events[0].relationships.len(), 3);
    let mixed: Vec<_> = objects
        .events
        .iter()
        .flat_map(|it| &it.attributes)
        .filter(|it| it.name == "mixed")
        .collect();
    assert!(
        mixed
            .iter()
            .all(|it| matches!(it.value, ObjectValue::String(_))),
        "{mixed:?}"
    );
    assert_eq!(from_json(json(&objects)).unwrap(), objects);
    assert_eq!(from_xml(xml(&objects)).unwrap(), objects);
    // Flattened on runs, it says what the log says.
    assert_eq!(flatten(&objects, "run").unwrap().variants(), log.variants());
    assert_eq!(
        flatten(&objects, "run").unwrap().start_column(),
        log.start_column()
    );
}

#[test]
fn what_is_no_ocel_is_refused() {
    let broken = |change: fn(&mut ObjectLog)| {
        let mut log = example();
        change(&mut log);
        let (json, xml) = (
            from_json(json(&log)).unwrap_err().fault,
            from_xml(xml(&log)).unwrap_err().fault,
        );
        assert_eq!(json, xml);
        json.to_string()
    };
    assert_eq!(
        broken(|it| it.objects[1].id = "r1".to_owned()),
        "`r1` is the id of two objects"
    );
    assert_eq!(
        broken(|it| it.events[1].id = "e1".to_owned()),
        "`e1` is the id of two events"
    );
    assert_eq!(
        broken(|it| it.events[0].relationships[0] = relation("x")),
        "`x` is related and is no object"
    );
    assert_eq!(
        broken(|it| it.events[0].event_type = "x".to_owned()),
        "`x` is not declared as a type"
    );
    assert_eq!(
        broken(|it| it.object_types.push(named("run"))),
        "`run` is declared twice"
    );
    let attribute = |value| EventAttribute {
        name: "a".to_owned(),
        value,
    };
    let undeclared = |it: &mut ObjectLog| {
        it.events[0].attributes.push(EventAttribute {
            name: "a".to_owned(),
            value: ObjectValue::Integer(1),
        });
    };
    assert_eq!(broken(undeclared), "`a` is not declared as an attribute");
    let mut log = example();
    log.event_types[0].attributes.push(AttributeDeclaration {
        name: "a".to_owned(),
        value_type: ValueType::Integer,
    });
    log.events[0]
        .attributes
        .push(attribute(ObjectValue::String("one".to_owned())));
    let expected = FormatFault::Value {
        value: "one".to_owned(),
        expected: "integer",
    };
    assert_eq!(from_json(json(&log)).unwrap_err().fault, expected);
    assert_eq!(from_xml(xml(&log)).unwrap_err().fault, expected);

    let at = from_json("{\n\"objectTypes\": 1}").unwrap_err();
    assert_eq!(at.at, 17, "{at}");
    assert!(from_json("").is_err());
    let small = ReadLimits {
        bytes: 10,
        ..ReadLimits::default()
    };
    assert_eq!(
        import_ocel_json(&*json(&example()), small)
            .unwrap_err()
            .fault,
        FormatFault::TooLarge { limit: 10 }
    );
    assert!(from_xml("<log><events><event id='e' type='t' time='noon'/></events></log>").is_err());
    assert!(from_xml("<log><object/></log>").is_err());
}

fn any_value(value_type: ValueType) -> BoxedStrategy<ObjectValue> {
    let text = "[a-c <>&\"\\n\\r\\t😀]{0,8}";
    let micros = Timestamp::MIN.as_micros()..=Timestamp::MAX.as_micros();
    match value_type {
        ValueType::String => text.prop_map(ObjectValue::String).boxed(),
        ValueType::Time => micros
            .prop_map(|it| ObjectValue::Time(Timestamp::from_micros(it)))
            .boxed(),
        ValueType::Integer => any::<i64>().prop_map(ObjectValue::Integer).boxed(),
        ValueType::Float => any::<f64>()
            .prop_filter("one NaN", |it| !it.is_nan())
            .prop_map(ObjectValue::Float)
            .boxed(),
        ValueType::Boolean => any::<bool>().prop_map(ObjectValue::Boolean).boxed(),
    }
}

/// The example with an attribute of each type.
fn any_log() -> impl Strategy<Value = ObjectLog> {
    let types = [
        ValueType::String,
        ValueType::Time,
        ValueType::Integer,
        ValueType::Float,
        ValueType::Boolean,
    ];
    types.map(any_value).prop_map(move |values| {
        let mut log = example();
        let declared = types.map(|it| AttributeDeclaration {
            name: it.as_str().to_owned(),
            value_type: it,
        });
        log.event_types[0].attributes = declared.to_vec();
        log.object_types[0].attributes = declared.to_vec();
        for (declared, value) in declared.iter().zip(values) {
            let name = declared.name.clone();
            let time = Timestamp::from_micros(7);
            log.objects[0].attributes.push(ObjectAttribute {
                name: name.clone(),
                time,
                value: value.clone(),
            });
            log.events[0]
                .attributes
                .push(EventAttribute { name, value });
        }
        log
    })
}

proptest! {
    #[test]
    fn both_formats_give_back_what_they_took(log in any_log()) {
        prop_assert_eq!(&from_json(json(&log)).unwrap(), &log);
        prop_assert_eq!(&from_xml(xml(&log)).unwrap(), &log);
    }

    #[test]
    fn no_bytes_and_no_change_of_a_file_is_a_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..80),
        changes in prop::collection::vec((any::<Index>(), any::<u8>()), 1..4),
    ) {
        let _ = (from_json(&bytes), from_xml(&bytes));
        for mut text in [json(&example()), xml(&example())] {
            for (place, byte) in &changes {
                let place = place.index(text.len());
                text[place] = *byte;
            }
            let _ = (from_json(&text), from_xml(&text));
        }
    }
}
