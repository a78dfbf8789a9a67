//! What is written is valid and is read back; what is not XES is refused.

use std::{io::Write as _, num::NonZeroU32};

use llmteam_security::Timestamp;

use super::{
    super::{
        dfg::discover_dfg,
        event::{Lifecycle, Outcome, ProcessEvent},
        fixtures,
        log::{AttributeValue, EventLog, LogOptions},
        xml::{FormatError, FormatFault, ReadLimits},
    },
    check::fault_of,
    *,
};

const FORMS: [XesLifecycle; 2] = [XesLifecycle::Interval, XesLifecycle::StartComplete];

/// The log as XES, which is checked.
pub(super) fn written(log: &EventLog, lifecycle: XesLifecycle) -> Vec<u8> {
    let mut out = Vec::new();
    export_xes(
        log,
        &mut out,
        XesOptions {
            lifecycle,
            decisions: true,
        },
    )
    .unwrap();
    assert_eq!(fault_of(&out), None, "{}", String::from_utf8_lossy(&out));
    out
}

pub(super) fn read(text: impl AsRef<[u8]>) -> Result<XesImport, FormatError> {
    import_xes(text.as_ref(), LogOptions::default(), ReadLimits::default())
}

#[track_caller]
pub(super) fn same(log: &EventLog, lifecycle: XesLifecycle) {
    let text = written(log, lifecycle);
    let found = read(&text).unwrap();
    assert_eq!(found.log, *log, "{}", String::from_utf8_lossy(&text));
    assert_eq!(found.warnings, XesWarnings::default());
}

pub(super) fn text_of(log: &EventLog) -> String {
    String::from_utf8(written(log, XesLifecycle::Interval)).unwrap()
}

fn one(event: ProcessEvent) -> EventLog {
    EventLog::from_events(&[event], LogOptions::default()).unwrap()
}

fn draft() -> ProcessEvent {
    ProcessEvent::new("e1", Timestamp::from_micros(1), "draft", "writer", "run_1")
}

// covers: PM11, M11
#[test]
fn an_empty_log_is_a_whole_document() {
    for log in [
        EventLog::default(),
        EventLog::from_events(&[], LogOptions::default()).unwrap(),
    ] {
        let text = text_of(&log);
        assert!(
            text.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<log "),
            "{text}"
        );
        assert!(text.ends_with("</log>\n"), "{text}");
        assert!(text.contains("xes.version=\"1849.2016\""));
        assert_eq!(read(&text).unwrap().log.case_count(), 0);
    }
}

// covers: PM12, PM13, M11, M13
#[test]
fn an_event_is_written_with_its_fields_and_typed_attributes() {
    let mut event = ProcessEvent {
        cost: 0.5,
        duration_ms: 20,
        attempt: NonZeroU32::new(2),
        outcome: Some(Outcome::Failed),
        ..draft()
    };
    event.attributes =
        serde_json::from_str(r#"{"model": "small", "a b": 7, "ok": true, "share": 1e-7}"#).unwrap();
    let text = text_of(&one(event));
    for line in [
        "<string key=\"concept:name\" value=\"run_1\"/>",
        "<string key=\"concept:name\" value=\"draft\"/>",
        "<string key=\"org:resource\" value=\"writer\"/>",
        "<string key=\"lifecycle:transition\" value=\"complete\"/>",
        "<date key=\"time:timestamp\" value=\"1970-01-01T00:00:00.000001+00:00\"/>",
        "<string key=\"model\" value=\"small\"/>",
        "<int key=\"a_x0020_b\" value=\"7\"/>",
        "<boolean key=\"ok\" value=\"true\"/>",
        "<float key=\"share\" value=\"1e-7\"/>",
        "<float key=\"cost:total\" value=\"0.5\"/>",
        "<id key=\"identity:id\" value=\"e1\"/>",
        "<int key=\"duration_ms\" value=\"20\"/>",
        "<int key=\"llmteam:attempt\" value=\"2\"/>",
        "<string key=\"llmteam:outcome\" value=\"failed\"/>",
        "<extension name=\"Cost\" prefix=\"cost\" uri=\"http://www.xes-standard.org/cost.xesext\"/>",
        "<classifier name=\"ActivityLifecycle\" keys=\"concept:name lifecycle:transition\"/>",
    ] {
        assert!(
            text.contains(&format!("\n{line}\n")),
            "{line} is not in {text}"
        );
    }
}

// covers: M12
#[test]
fn names_cannot_forge_events() {
    let forged = "a\"/></event><event><string key=\"concept:name\" value=\"b";
    let log = one(ProcessEvent {
        activity: forged.to_owned(),
        ..draft()
    });
    assert_eq!(&*read(text_of(&log)).unwrap().log.activities()[0], forged);
    for name in [
        "a & b",
        "\"a<b>\"",
        "one\nline\r\nand\tanother",
        "😀",
        "]]>",
        " ",
        "",
    ] {
        let log = one(ProcessEvent {
            activity: name.to_owned(),
            ..draft()
        });
        FORMS.into_iter().for_each(|form| same(&log, form));
    }
}

#[test]
fn l_is_read_back_with_its_graph() {
    let log = fixtures::l();
    for form in FORMS {
        same(&log, form);
        let again = read(written(&log, form)).unwrap().log;
        assert_eq!(discover_dfg(&again), discover_dfg(&log));
    }
    let text = text_of(&log);
    assert_eq!(
        text.matches("<event>").count(),
        19,
        "one event for each instance"
    );
    let both = String::from_utf8(written(&log, XesLifecycle::StartComplete)).unwrap();
    assert_eq!(both.matches("<event>").count(), 38);
    let first = both
        .split("</event>")
        .take(2)
        .map(|it| it.split("concept:instance\" value=\"").nth(1).unwrap());
    let names: Vec<&str> = first.map(|it| it.split('"').next().unwrap()).collect();
    assert_eq!(names[0], names[1], "start and completion share an instance");
}

#[test]
fn decisions_can_be_left_out() {
    let events = [
        draft(),
        ProcessEvent {
            event_id: "e2".to_owned(),
            ..draft()
        }
        .lifecycle(Lifecycle::Decision),
    ];
    let log = EventLog::from_events(&events, LogOptions::default()).unwrap();
    same(&log, XesLifecycle::Interval);
    let mut out = Vec::new();
    export_xes(
        &log,
        &mut out,
        XesOptions {
            decisions: false,
            ..XesOptions::default()
        },
    )
    .unwrap();
    assert_eq!(read(&out).unwrap().log.aside_count(), 0);
    let both = import_xes(
        &*written(&log, XesLifecycle::Interval),
        LogOptions { decisions: true },
        ReadLimits::default(),
    );
    assert_eq!(both.unwrap().log.instance_count(), 2);
}

#[test]
fn work_that_waited_keeps_its_spans() {
    let step = |id: &str, second: i64, lifecycle| {
        let at = Timestamp::from_micros(second * 1_000_000);
        ProcessEvent {
            event_id: id.to_owned(),
            timestamp: at,
            ..draft()
        }
        .lifecycle(lifecycle)
    };
    let events = [
        step("1", 1, Lifecycle::Start),
        step("2", 2, Lifecycle::Suspend),
        step("3", 4, Lifecycle::Resume),
        step("4", 5, Lifecycle::Suspend),
        step("5", 5, Lifecycle::Resume),
        step("6", 9, Lifecycle::Complete),
        step("7", 10, Lifecycle::Start),
        step("8", 11, Lifecycle::Suspend),
    ];
    let log = EventLog::from_events(&events, LogOptions::default()).unwrap();
    assert_eq!((log.suspensions().len(), log.aside_count()), (2, 2));
    FORMS.into_iter().for_each(|form| same(&log, form));
}

fn wrapped(body: &str) -> String {
    format!("<?xml version=\"1.0\"?><log xes.version=\"1.0\">{body}</log>")
}

const EVENT: &str = "<string key=\"concept:name\" value=\"a\"/><date key=\"time:timestamp\" value=\"2024-01-01T00:00:00Z\"/>";

#[test]
fn nested_attributes_and_both_forms_of_lists_are_kept() {
    let text = wrapped(&format!(
        "<string key='of' value='log'><int key='n' value='-1'/></string>
         <trace><list key='t'><string key='x' value='1'/></list><event>{EVENT}
         <list key='old'><int key='x' value='1'/><int key='x' value='2'><date key='d' value='2024-01-01T00:00:00+01:00'/></int></list>
         <list key='new' value=''><values><boolean key='y' value='0'/></values></list>
         <container key='c'><id key='i' value=' 1 '/></container><float key='last' value='-INF'/>
         </event></trace>"
    ));
    let log = read(&text).unwrap().log;
    let found: Vec<_> = log.row_attributes(0).map(|it| (it.depth, it.key)).collect();
    let expected = [
        (0, "old"),
        (1, "x"),
        (1, "x"),
        (2, "d"),
        (0, "new"),
        (1, "y"),
        (0, "c"),
        (1, "i"),
        (0, "last"),
    ];
    assert_eq!(found, expected);
    let values: Vec<_> = log.row_attributes(0).map(|it| it.value).collect();
    assert_eq!(values[5], AttributeValue::Bool(false));
    assert_eq!(values[7], AttributeValue::Id(" 1 "));
    assert_eq!(log.case_attributes(0).count(), 2);
    assert_eq!(log.attributes().count(), 2);
    FORMS.into_iter().for_each(|form| same(&log, form));
}

// covers: M5
#[test]
fn what_is_strange_is_said() {
    let event = EVENT.replace("Z\"", "\"");
    let text = wrapped(&format!(
        "<extension name='x' prefix='x' uri='x'/><global scope='event'><string key='k' value='v'/></global>
         <trace><event>{event}<string key='lifecycle:transition' value='schedule'/><string key='x' value='y'/></event>
         <event><string key='concept:name' value='a'><string key='inner' value='1'/></string>{EVENT}</event></trace>"
    ));
    let found = read(&text).unwrap();
    assert_eq!(
        (
            found.log.instance_count(),
            found.log.row_attributes(0).count()
        ),
        (1, 0)
    );
    let expected = XesWarnings {
        dates_without_zone: 1,
        other_transitions: 1,
        within_fields: 1,
    };
    assert_eq!(found.warnings, expected);
}

#[test]
fn what_is_no_xes_is_refused_with_its_place() {
    let event = |extra: &str| wrapped(&format!("<trace><event>{EVENT}{extra}</event></trace>"));
    let cut = event("").replace("</trace></log>", "");
    for (text, expected) in [
        ("".to_owned(), "at byte 0: the file ends within `document`"),
        ("<pnml/>".to_owned(), "at byte 7: `pnml` has no place in ``"),
        (
            wrapped("<event/>"),
            "at byte 52: `event` has no place in `log`",
        ),
        (
            wrapped("<trace>text</trace>"),
            "at byte 55: text has no place here: `text`",
        ),
        (
            wrapped("<trace><event/></trace>"),
            "at byte 59: `event` needs `concept:name`",
        ),
        (cut, "at byte 161: the file ends within `trace`"),
        (
            event("<string key='a' value='&'/>"),
            "at byte 180: not well-formed: a bare `&`",
        ),
        (
            event("<string key='a' value='<'/>"),
            "at byte 180: not well-formed: `<` is not allowed here",
        ),
        (
            event("<string key='a' value='&nbsp;'/>"),
            "at byte 185: `&nbsp;` is not defined",
        ),
        (
            event("<string key='a'/>"),
            "at byte 170: `string` needs `value`",
        ),
        (
            event("<string value='a'/>"),
            "at byte 172: `string` needs `key`",
        ),
        (
            event("<int key='a' value='1.5'/>"),
            "at byte 179: `1.5` is no whole number of 64 bits",
        ),
        (
            event("<int key='a' value='9223372036854775808'/>"),
            "at byte 195: `9223372036854775808` is no whole number of 64 bits",
        ),
        (
            event("<float key='a' value='inf'/>"),
            "at byte 181: `inf` is no number",
        ),
        (
            event("<date key='a' value='noon'/>"),
            "at byte 181: `noon` is no date",
        ),
        (
            event("<text key='a' value='b'/>"),
            "at byte 178: `text` has no place in `event`",
        ),
        (
            event("<string key='' value='b'/>"),
            "at byte 179: an attribute needs a key",
        ),
        (
            event("<string key='a' key='a' value='b'/>"),
            "at byte 188: not well-formed: `key` stands twice in one tag",
        ),
        (
            event("<string key='a' value='b'>x</string>"),
            "at byte 180: text has no place here: `x`",
        ),
        (
            event("<date key='start_timestamp' value='2025-01-01T00:00:00Z'/>"),
            "at byte 219: activity `a` completes before it starts",
        ),
    ] {
        assert_eq!(read(&text).unwrap_err().to_string(), expected, "{text}");
    }
    let entity = "<!DOCTYPE log [<!ENTITY a SYSTEM \"file:///etc/passwd\">]><log/>";
    assert_eq!(read(entity).unwrap_err().fault, FormatFault::DocumentType);
}

#[test]
fn an_event_has_no_more_attributes_than_allowed() {
    let limits = ReadLimits {
        attributes: 3,
        ..ReadLimits::default()
    };
    let text = wrapped(&format!(
        "<trace><event>{EVENT}<int key='a' value='1'><int key='b' value='1'/></int></event></trace>"
    ));
    let refused = import_xes(text.as_bytes(), LogOptions::default(), limits).unwrap_err();
    assert_eq!(refused.fault, FormatFault::TooManyAttributes { limit: 3 });
    assert!(read(&text).is_ok());
}

#[test]
fn packed_logs_are_read() {
    let log = fixtures::l();
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer
        .write_all(&written(&log, XesLifecycle::Interval))
        .unwrap();
    assert_eq!(read(packer.finish().unwrap()).unwrap().log, log);
}
