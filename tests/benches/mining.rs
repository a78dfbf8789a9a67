//! A log of a million events: what followed what, the variants, XES in and out, each beside the bare work.
//!
//! The logs come from `mining_log.py`, whose seed makes the counts known: 45 edges and 438 variants of 100,000 cases, 44
//! and 200 of 10,000. They are checked before anything is timed. `LLMTEAM_MINING_LOGS` names a folder that has or
//! gets the files; without it and without python3 there is nothing to measure.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
    hint::black_box,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

use llmteam_orchestration::roles::mining::{
    EventLog, LogOptions, ReadLimits, XesOptions, discover_dfg, export_xes, import_xes,
};
use quick_xml::{Reader, events::Event};

use crate::measure::{Report, plain_rate};

/// Cases, events, edges and variants.
const LOGS: [(usize, usize, usize, usize); 2] =
    [(10_000, 101_890, 44, 200), (100_000, 1_018_760, 45, 438)];

pub(crate) fn measure(report: &mut Report) {
    for (cases, events, edges, variants) in LOGS {
        let names = ["dfg", "variants", "xes-read", "xes-write"];
        let names = names.map(|it| format!("mining/{it}/{cases}"));
        if !names.iter().any(|it| report.wants(it)) {
            continue;
        }
        let Some(text) = xes(cases) else {
            eprintln!("mining: no python3 and no `LLMTEAM_MINING_LOGS`, not measured");
            return;
        };
        let log = read(&text);
        let bare = Bare::of(&log);
        assert_eq!(
            log.instance_count(),
            events,
            "the log is the one whose counts are known"
        );
        assert_eq!(discover_dfg(&log).edges.len(), edges);
        assert_eq!(log.variants().iter().len(), variants);
        assert_eq!(bare.variants().len(), variants);
        if report.wants(&names[0]) {
            let ours = plain_rate(events, || {
                black_box(discover_dfg(&log));
            });
            let floor = plain_rate(events, || {
                black_box(bare.dfg());
            });
            report.add(
                &names[0],
                "events/s",
                ours,
                ("bytes, one square", floor),
                0.3,
            );
        }
        if report.wants(&names[1]) {
            let ours = plain_rate(events, || {
                black_box(log.variants());
            });
            let floor = plain_rate(events, || {
                black_box(bare.variants());
            });
            report.add(
                &names[1],
                "events/s",
                ours,
                ("bytes, hash only", floor),
                0.33,
            );
        }
        if report.wants(&names[2]) {
            let ours = plain_rate(events, || {
                black_box(read(&text));
            });
            let floor = plain_rate(events, || {
                black_box(pull(&text));
            });
            report.add(
                &names[2],
                "events/s",
                ours,
                ("quick-xml, tags only", floor),
                0.75,
            );
        }
        if report.wants(&names[3]) {
            let ours = plain_rate(events, || {
                black_box(write(&log));
            });
            let floor = plain_rate(events, || {
                black_box(bare.format());
            });
            report.add(
                &names[3],
                "events/s",
                ours,
                ("format!, times given", floor),
                0.7,
            );
        }
    }
}

/// The text of a log of so many cases.
fn xes(cases: usize) -> Option<Vec<u8>> {
    let folder = std::env::var_os("LLMTEAM_MINING_LOGS").map_or_else(
        || std::env::temp_dir().join("llmteam-mining"),
        PathBuf::from,
    );
    let file = folder.join(format!("log_{cases}.xes"));
    if !file.exists() {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/mining_log.py");
        let made = Command::new("python3")
            .arg(script)
            .arg(&folder)
            .arg(cases.to_string())
            .status();
        made.ok().filter(std::process::ExitStatus::success)?;
    }
    std::fs::read(file).ok()
}

fn read(text: &[u8]) -> EventLog {
    import_xes(text, LogOptions::default(), ReadLimits::default())
        .expect("the log is XES")
        .log
}

fn write(log: &EventLog) -> usize {
    let mut out = Vec::new();
    export_xes(log, &mut out, XesOptions::default()).expect("memory takes it");
    out.len()
}

fn pull(text: &[u8]) -> usize {
    // From a stream, as ours: a reader over the slice would not copy.
    let mut reader = Reader::from_reader(std::io::BufReader::with_capacity(64 << 10, text));
    let (mut tags, mut buffer) = (0, Vec::new());
    loop {
        buffer.clear();
        match reader.read_event_into(&mut buffer).expect("the log is XML") {
            Event::Start(_) | Event::Empty(_) => tags += 1,
            Event::Eof => return tags,
            _ => {}
        }
    }
}

/// A log as bytes: the least that can be counted.
struct Bare {
    activities: Vec<u8>,
    ends: Vec<usize>,
    /// For each event its activity, its resource and its time as texts.
    texts: Vec<(String, String, String)>,
}

impl Bare {
    fn of(log: &EventLog) -> Self {
        let mut bare = Self {
            activities: Vec::new(),
            ends: Vec::new(),
            texts: Vec::new(),
        };
        for case in 0..log.case_count() {
            for instance in log.instances(case) {
                let place = log
                    .activities()
                    .iter()
                    .position(|it| **it == *instance.activity);
                bare.activities
                    .push(place.expect("an activity of the log") as u8);
                let resource = instance.resource.unwrap_or_default().to_owned();
                bare.texts.push((
                    instance.activity.to_owned(),
                    resource,
                    instance.complete.to_string(),
                ));
            }
            bare.ends.push(bare.activities.len());
        }
        bare
    }

    fn cases(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts
            .zip(&self.ends)
            .map(|(start, end)| &self.activities[start..*end])
    }

    fn dfg(&self) -> [u32; 256] {
        let mut square = [0; 256];
        for case in self.cases() {
            for pair in case.windows(2) {
                square[usize::from(pair[0] & 15) << 4 | usize::from(pair[1] & 15)] += 1;
            }
        }
        square
    }

    fn variants(&self) -> HashMap<u64, u32, BuildHasherDefault<Given>> {
        let mut variants = HashMap::default();
        for case in self.cases() {
            let hash = case.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, it| {
                (hash ^ u64::from(*it)).wrapping_mul(0x0100_0000_01b3)
            });
            *variants.entry(hash).or_insert(0) += 1;
        }
        variants
    }

    fn format(&self) -> usize {
        let mut out = Vec::new();
        for (activity, resource, time) in &self.texts {
            write!(
                out,
                "<event>\n<string key=\"concept:name\" value=\"{activity}\"/>\n<string key=\"org:resource\" value=\"{resource}\"/>\n\
                 <date key=\"time:timestamp\" value=\"{time}\"/>\n<string key=\"lifecycle:transition\" value=\"complete\"/>\n</event>\n"
            )
            .expect("memory takes it");
        }
        out.len()
    }
}

/// A number that is a hash already.
#[derive(Default)]
struct Given(u64);

impl Hasher for Given {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes
            .iter()
            .fold(self.0, |hash, it| hash << 8 | u64::from(*it));
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}
