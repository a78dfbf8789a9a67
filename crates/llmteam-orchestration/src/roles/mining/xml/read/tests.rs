//! What the reader takes and what it refuses.

use std::io::Write;

use proptest::prelude::*;

use super::*;

/// The tokens of a document, or why it is refused.
fn tokens(document: &[u8], limits: ReadLimits) -> Result<Vec<String>, FormatError> {
    let mut reader = XmlReader::new(document, limits)?;
    let (mut found, mut buffer) = (Vec::new(), Vec::new());
    loop {
        buffer.clear();
        match reader.next(&mut buffer)? {
            Token::Nothing => {}
            Token::End => return Ok(found),
            Token::Close => found.push("/".to_owned()),
            Token::Text(text) => found.push(format!("text {text}")),
            Token::Open(tag) => found.push(format!("<{}", &*tag)),
            Token::Empty(tag) => found.push(format!("<{}/", &*tag)),
        }
    }
}

fn read(document: &str) -> Result<Vec<String>, FormatError> {
    tokens(document.as_bytes(), ReadLimits::default())
}

#[test]
fn a_document_is_read_in_order() {
    let document = "\u{FEFF}<?xml version=\"1.0\" encoding='UTF-8'?>\n<!-- c --><a x=\"1\">\n<b/>t&amp;<![CDATA[&]]></a >\n<?p?>";
    let expected = [
        "<a x=\"1\"",
        "text \n",
        "<b/",
        "text t",
        "text &",
        "text &",
        "/",
    ];
    assert_eq!(read(document).unwrap(), expected);
}

#[test]
fn what_is_not_well_formed_is_refused_with_its_place() {
    for (document, at) in [
        ("", 0),
        ("<a>", 3),
        ("<a></b>", 7),
        ("<a/><b/>", 8),
        ("<a/>x", 5),
        ("x<a/>", 1),
        ("</a>", 4),
        ("<a/><?xml version=\"1.0\"?>", 25),
        ("<a><!-- -- --></a>", 14),
    ] {
        let error = read(document).unwrap_err();
        assert_eq!(error.at, at, "{document}: {error}");
    }
    assert!(matches!(
        read("<!DOCTYPE a><a/>").unwrap_err().fault,
        FormatFault::DocumentType
    ));
    assert!(matches!(read("<a><b>").unwrap_err().fault, FormatFault::Truncated(it) if it == "b"));
    let latin = read("<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><a/>").unwrap_err();
    assert_eq!(
        latin.to_string(),
        "at byte 43: encoding `ISO-8859-1` is not UTF-8"
    );
    assert!(tokens(b"<a x='\xff'/>", ReadLimits::default()).is_err());
}

#[test]
fn limits_hold() {
    let small = ReadLimits {
        bytes: 40,
        piece: 20,
        depth: 2,
        attributes: 1,
    };
    let fault = |document: &str| tokens(document.as_bytes(), small).unwrap_err().fault;
    assert_eq!(
        fault("<a><b><c/><d></d></b></a>"),
        FormatFault::TooDeep { limit: 2 }
    );
    let long = format!("<a>{}</a>", "<b/>".repeat(30_000));
    assert_eq!(fault(&long), FormatFault::TooLarge { limit: 40 });
    let wide = ReadLimits {
        bytes: 1 << 30,
        ..small
    };
    let long = format!("<a x=\"{}\"/>", "y".repeat(200_000));
    let fault = tokens(long.as_bytes(), wide).unwrap_err().fault;
    assert_eq!(fault, FormatFault::PieceTooLarge { limit: 20 });
}

#[test]
fn packed_files_are_unpacked() {
    let pack = |text: &str| {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(text.as_bytes()).unwrap();
        packer.finish().unwrap()
    };
    let mut packed = pack("<a>");
    packed.extend(pack("<b/></a>"));
    assert_eq!(
        tokens(&packed, ReadLimits::default()).unwrap(),
        ["<a", "<b/", "/"]
    );
    let cut = &packed[..packed.len() - 6];
    assert!(matches!(
        tokens(cut, ReadLimits::default()).unwrap_err().fault,
        FormatFault::Unreadable(_)
    ));
    let bomb = pack(&format!("<a>{}</a>", " ".repeat(1 << 20)));
    let small = ReadLimits {
        bytes: 1 << 16,
        ..ReadLimits::default()
    };
    assert_eq!(
        tokens(&bomb, small).unwrap_err().fault,
        FormatFault::TooLarge { limit: 1 << 16 }
    );
}

#[test]
fn attributes_are_read_strictly() {
    let all = |written| attributes(written).collect::<Result<Vec<_>, _>>();
    assert_eq!(
        all(" a=\"1\"\n b = 'x\"y' ").unwrap(),
        [("a", "1"), ("b", "x\"y")]
    );
    for bad in [
        "a=\"1\"",
        " a=1",
        " a",
        " a=\"1",
        " a=\"1\"b=\"2\"",
        " =\"1\"",
        " 1a=\"1\"",
    ] {
        assert!(all(bad).is_err(), "{bad}");
    }
    assert_eq!(
        plain_key_value(" key=\"a\" value=\"b c\""),
        Some(("a", "b c"))
    );
    for other in [
        " key=\"a\" value=\"&amp;\"",
        " value=\"b\" key=\"a\"",
        " key=\"a\" value=\"b\" x=\"\"",
        " key=\"a\"\nvalue=\"\"",
        " key=\"a\" value=\"<\"",
    ] {
        assert_eq!(plain_key_value(other), None, "{other}");
    }
}

#[test]
fn references_are_resolved_and_nothing_else() {
    assert_eq!(
        decode("&lt;&gt;&amp;&quot;&apos;&#10;&#x1F600;", true).unwrap(),
        "<>&\"'\n😀"
    );
    assert_eq!(decode("a\tb\r\nc\nd", true).unwrap(), "a b c d");
    assert_eq!(decode("a\tb\r\nc", false).unwrap(), "a\tb\nc");
    for bad in [
        "&", "&;", "&nbsp;", "a<b", "&#0;", "&#xD800;", "&#x;", "&#+1;", "\u{1}", "&#xFFFE;",
        "\u{FFFF}",
    ] {
        assert!(decode(bad, true).is_err(), "{bad:?}");
    }
}

proptest! {
    #[test]
    fn no_bytes_are_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = tokens(&bytes, ReadLimits::default());
    }
}
