//! Nets out and in again, files of other tools, and what is refused.

use proptest::prelude::*;

use super::{PnmlError, export_pnml, import_pnml};
use crate::roles::mining::{PetriNet, nets};

fn read(document: &str) -> Result<PetriNet, PnmlError> {
    import_pnml(document.as_bytes())
}

// covers: MM-02, M16
#[test]
fn a_net_is_written_with_its_markings_and_silent_transitions() {
    let net = PetriNet::builder()
        .activity("a & b", &["i"], &["o"])
        .silent("t", &["i"], &["i"])
        .initial("i", 2)
        .final_("o", 1)
        .build()
        .unwrap();
    let expected = r#"<?xml version="1.0" encoding="UTF-8"?>
<pnml xmlns="http://www.pnml.org/version-2009/grammar/pnml">
<net id="net" type="http://www.pnml.org/version-2009/grammar/ptnet">
<page id="page">
<place id="i"><name><text>i</text></name><initialMarking><text>2</text></initialMarking></place>
<place id="o"><name><text>o</text></name></place>
<transition id="a &amp; b"><name><text>a &amp; b</text></name></transition>
<transition id="t"><name><text>t</text></name><toolspecific tool="ProM" version="6.4" activity="$invisible$"/></transition>
<arc id="arc1" source="i" target="a &amp; b"/>
<arc id="arc2" source="a &amp; b" target="o"/>
<arc id="arc3" source="i" target="t"/>
<arc id="arc4" source="t" target="i"/>
</page>
<finalmarkings>
<marking>
<place idref="o"><text>1</text></place>
</marking>
</finalmarkings>
</net>
</pnml>
"#;
    assert_eq!(export_pnml(&net).unwrap(), expected);
}

// covers: MM-02
#[test]
fn the_nets_of_the_tests_read_back_as_they_were() {
    for net in [nets::n1(), nets::n2(), nets::n3(), nets::n4()] {
        assert_eq!(read(&export_pnml(&net).unwrap()), Ok(net));
    }
}

// covers: MM-02
#[test]
fn files_of_other_tools_are_read() {
    let net = read(
        r#"<?xml version='1.0'?><!-- made elsewhere --><pnml><net id="n"><name><text>N</text></name>
        <page id="1"><page id="2"><place id="p 1"><graphics><position x="1" y="2"/></graphics>
        <initialMarking><text> 1 </text></initialMarking></place></page><place id="q"/>
        <transition id="t"><name><text>draft &lt; &amp; &#233;</text><graphics/></name></transition>
        <arc id="x" source="p 1" target="t"><arctype><text>normal</text></arctype></arc>
        <arc id="y" source="t" target="q"><inscription><text>2</text></inscription></arc></page></net></pnml>"#,
    );
    let expected = PetriNet::builder()
        .place("p 1")
        .place("q")
        .transition("t", Some("draft < & é"))
        .arc("p 1", "t", 1)
        .arc("t", "q", 2)
        .initial("p 1", 1)
        .final_("q", 1)
        .build();
    assert_eq!(net.unwrap(), expected.unwrap());
}

// covers: MM-03
#[test]
fn what_is_no_net_is_refused() {
    let said = |document: &str| read(document).unwrap_err().to_string();
    let within = |content: &str| said(&format!("<pnml><net id=\"n\">{content}</net></pnml>"));
    assert_eq!(said("<log/>"), "at byte 6: `log` has no place in ``");
    assert_eq!(said("<pnml/>"), "at byte 7: `pnml` needs `net`");
    assert!(said("<pnml><net/><net/></pnml>").ends_with("`net` has no place in `pnml`"));
    assert!(said("<!DOCTYPE pnml><pnml/>").ends_with("document type definitions are not accepted"));
    assert!(within("<place/>").ends_with("`place` needs `id`"));
    assert!(within("<place id='p' id='q'/>").ends_with("`id` is said twice"));
    assert!(within("<variable/>").ends_with("`variable` has no place in `net`"));
    assert!(within("<place id='p'>x</place>").ends_with("text has no place here: `x`"));
    assert!(within("<place id='p'>&entity;</place>").ends_with("`&entity;` is not defined"));
    let marked = |text: &str| {
        within(&format!(
            "<place id='p'><initialMarking><text>{text}</text></initialMarking></place>"
        ))
    };
    for text in ["", "-1", "+1", "1.0", "4294967296"] {
        assert!(
            marked(text).ends_with(&format!("`{text}` is no number of tokens")),
            "{text}"
        );
    }
    let inhibitor = "<arc source='p' target='t'><arctype><text>inhibitor</text></arctype></arc>";
    assert!(within(inhibitor).ends_with("`inhibitor` is no arc that moves tokens"));
    let two = "<place id='p'/><place id='q'/>";
    assert!(within(two).ends_with("`net` needs `finalmarkings`"));
    let many = format!("{two}<finalmarkings><marking/><marking/></finalmarkings>");
    assert!(within(&many).ends_with("`marking` has no place in `finalmarkings`"));
    let broken =
        format!("{two}<arc source='p' target='x'/><finalmarkings><marking/></finalmarkings>");
    assert_eq!(
        within(&broken),
        "the net is not valid: the arc from `p` to `x` names `x`, which is no node"
    );
}

// covers: MM-02
#[test]
fn what_xml_cannot_hold_is_not_written() {
    let net = PetriNet::builder()
        .transition("t", Some("bell \u{7}"))
        .build();
    let error = export_pnml(&net.unwrap()).unwrap_err();
    assert_eq!(
        error.to_string(),
        r"`bell \u{7}` holds a character that XML cannot hold"
    );
}

fn labels() -> impl Strategy<Value = String> {
    prop_oneof!["[ a&<>'\"\\]é\n\r\t-]{0,6}", "[a-z]{1,4}"]
}

proptest! {
    // covers: MM-02
    #[test]
    fn any_net_reads_back_as_it_was(
        places in prop::collection::btree_set(labels(), 1..5),
        transitions in prop::collection::vec(prop::option::of(labels()), 0..5),
        arcs in prop::collection::btree_map((0..5_usize, 0..5_usize, any::<bool>()), 1..4_u32, 0..9),
        tokens in prop::collection::vec((0..3_u32, 0..3_u32), 5),
    ) {
        let names: Vec<String> = places.iter().map(|it| format!("p{it}")).collect();
        let mut net = PetriNet::builder();
        for (name, (initial, last)) in names.iter().zip(tokens) {
            net = net.place(name);
            if initial > 0 { net = net.initial(name, initial); }
            if last > 0 { net = net.final_(name, last); }
        }
        for (index, label) in transitions.iter().enumerate() {
            net = net.transition(&format!("t{index}"), label.as_deref());
        }
        for ((place, transition, into), weight) in arcs {
            let (Some(place), true) = (names.get(place), transition < transitions.len()) else { continue };
            let transition = format!("t{transition}");
            net = if into { net.arc(place, &transition, weight) } else { net.arc(&transition, place, weight) };
        }
        // Without any final marking the reader would look for a sink.
        let net = net.build().unwrap();
        prop_assert_eq!(read(&export_pnml(&net).unwrap()), Ok(net));
    }

    // covers: MM-03
    #[test]
    fn no_bytes_make_the_reader_panic(
        pieces in prop::collection::vec(prop::sample::select(&[
            "<pnml>", "</pnml>", "<net>", "</net>", "<page>", "</page>", "<place id='p'>", "</place>", "<place/>",
            "<arc source='p' target='t'/>", "<transition id='t'>", "</transition>", "<text>", "</text>", "1", " ",
            "<name>", "</name>", "<finalmarkings>", "</finalmarkings>", "<marking>", "</marking>", "&lt;", "&x;", "<", "]]>",
        ][..]), 0..24),
        noise in prop::collection::vec(any::<u8>(), 0..4),
    ) {
        let mut bytes = pieces.concat().into_bytes();
        let _ = import_pnml(&*bytes);
        bytes.extend(noise);
        let _ = import_pnml(&*bytes);
    }
}
