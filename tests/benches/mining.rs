//! A log of a million events: what followed what, the variants, their replay on a net, XES in and out, each beside the
//! bare work.
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
    process::{Command, ExitStatus, Stdio},
};

use llmteam_orchestration::roles::mining::{
    EventLog, LogOptions, Marking, PetriNet, ReadLimits, SearchBound, XesOptions, discover_dfg,
    export_xes, fitness_token_based_replay, import_pnml, import_xes, petri::Arc,
};
use quick_xml::{Reader, events::Event};

use crate::measure::{Report, plain_rate};

/// Cases, events, edges and variants.
const LOGS: [(usize, usize, usize, usize); 2] =
    [(10_000, 101_890, 44, 200), (100_000, 1_018_760, 45, 438)];

/// The fitness of the net by token replay, of the smaller log and of the larger, to six places.
const FITNESS: [f64; 2] = [0.986417, 0.986846];

pub(crate) fn measure(report: &mut Report) {
    for (cases, events, edges, variants) in LOGS {
        let names = ["dfg", "variants", "replay", "xes-read", "xes-write"];
        let name = |of: &str| format!("mining/{of}/{cases}");
        if !names.iter().any(|it| report.wants(&name(it))) {
            continue;
        }
        let Some((text, net)) = files(cases) else {
            eprintln!("mining: no python3 and no `LLMTEAM_MINING_LOGS`, not measured");
            return;
        };
        let log = read(&text);
        let bare = Bare::of(&log);
        let bare_net = BareNet::of(&net, &log);
        assert_eq!(
            log.instance_count(),
            events,
            "the log is the one whose counts are known"
        );
        assert_eq!(discover_dfg(&log).edges.len(), edges);
        assert_eq!(log.variants().iter().len(), variants);
        assert_eq!(bare.variants().len(), variants);
        let fitness = replay(&log, &net);
        assert!((fitness - FITNESS[usize::from(cases > 10_000)]).abs() < 5e-7);
        assert!((bare.replay(&bare_net) - fitness).abs() < 1e-9);
        let mut row = |of: &str, target, ours: &mut dyn FnMut(), floor: Floor<'_>| {
            if report.wants(&name(of)) {
                let ours = plain_rate(events, ours);
                let floor = (floor.0, plain_rate(events, floor.1));
                report.add(&name(of), "events/s", ours, floor, target);
            }
        };
        row(
            "dfg",
            0.3,
            &mut || drop(black_box(discover_dfg(&log))),
            ("bytes, one square", &mut || {
                black_box(bare.dfg());
            }),
        );
        row(
            "variants",
            0.33,
            &mut || drop(black_box(log.variants())),
            ("bytes, hash only", &mut || drop(black_box(bare.variants()))),
        );
        row(
            "replay",
            0.33,
            &mut || {
                black_box(replay(&log, &net));
            },
            ("bytes, each variant once", &mut || {
                black_box(bare.replay(&bare_net));
            }),
        );
        row(
            "xes-read",
            0.75,
            &mut || drop(black_box(read(&text))),
            ("quick-xml, tags only", &mut || {
                black_box(pull(&text));
            }),
        );
        row(
            "xes-write",
            0.7,
            &mut || {
                black_box(write(&log));
            },
            ("format!, times given", &mut || {
                black_box(bare.format());
            }),
        );
    }
}

/// What the least is, and doing it.
type Floor<'a> = (&'a str, &'a mut dyn FnMut());

/// A log of so many cases as XES, and the net that it is compared with.
fn files(cases: usize) -> Option<(Vec<u8>, PetriNet)> {
    let folder = std::env::var_os("LLMTEAM_MINING_LOGS").map_or_else(
        || std::env::temp_dir().join("llmteam-mining"),
        PathBuf::from,
    );
    let log = folder.join(format!("log_{cases}.xes"));
    if !log.exists() {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/mining_log.py");
        let made = Command::new("python3")
            .arg(script)
            .arg(&folder)
            .arg(cases.to_string())
            .stdout(Stdio::null())
            .status();
        made.ok().filter(ExitStatus::success)?;
    }
    let net = std::fs::File::open(folder.join("net.pnml")).ok()?;
    let net = import_pnml(net).expect("the net is PNML");
    Some((std::fs::read(log).ok()?, net))
}

fn replay(log: &EventLog, net: &PetriNet) -> f64 {
    fitness_token_based_replay(&log.variants(), net, SearchBound::default())
        .expect("the net has no silent steps to search")
        .log_fitness
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
            *variants.entry(hash(case)).or_insert(0) += 1;
        }
        variants
    }

    /// The fitness of all tokens together, each variant replayed once.
    fn replay(&self, net: &BareNet) -> f64 {
        let mut variants: HashMap<u64, (u64, &[u8]), BuildHasherDefault<Given>> =
            HashMap::default();
        for case in self.cases() {
            variants.entry(hash(case)).or_insert((0, case)).0 += 1;
        }
        let (mut missing, mut remaining, mut consumed, mut produced) = (0, 0, 0, 0);
        for (cases, variant) in variants.into_values() {
            let mut marking = net.first;
            let (mut m, mut c, mut p) = (0, 1, 1);
            let mut take = |marking: &mut [u8; PLACES], place: usize| match marking[place] {
                0 => m += 1,
                _ => marking[place] -= 1,
            };
            for event in variant {
                let (taken, put) = &net.steps[usize::from(*event)];
                taken.iter().for_each(|it| take(&mut marking, *it));
                put.iter().for_each(|it| marking[*it] += 1);
                c += taken.len() as u64;
                p += put.len() as u64;
            }
            take(&mut marking, net.last);
            missing += cases * m;
            consumed += cases * c;
            produced += cases * p;
            remaining += cases * marking.iter().map(|it| u64::from(*it)).sum::<u64>();
        }
        let share = |of: u64, all: u64| of as f64 / all as f64;
        0.5 * (1.0 - share(missing, consumed)) + 0.5 * (1.0 - share(remaining, produced))
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

fn hash(case: &[u8]) -> u64 {
    case.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, it| {
        (hash ^ u64::from(*it)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Places of a bare net; the net has no more.
const PLACES: usize = 16;

/// A net as numbers: the places that each activity takes from and puts into, one token each.
struct BareNet {
    steps: Vec<(Vec<usize>, Vec<usize>)>,
    first: [u8; PLACES],
    last: usize,
}

impl BareNet {
    fn of(net: &PetriNet, log: &EventLog) -> Self {
        let steps = log.activities().iter().map(|activity| {
            let mut labelled = net.transitions().iter();
            let it = labelled.find(|it| it.label.as_deref() == Some(&**activity));
            let it = it.expect("the net knows the activities");
            let places = |arcs: &[Arc]| arcs.iter().map(|it| it.place.get()).collect();
            (places(&it.inputs), places(&it.outputs))
        });
        let marked = |marking: &Marking| {
            let (place, _) = marking.marked().next().expect("one place is marked");
            place.get()
        };
        let mut first = [0; PLACES];
        first[marked(net.initial_marking())] = 1;
        Self {
            steps: steps.collect(),
            first,
            last: marked(net.final_marking()),
        }
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
