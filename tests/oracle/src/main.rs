//! `llmteam-oracle PYTHON`: asks pm4py, in a Python that has it, about logs and nets, and compares its answers with ours.
//!
//! Logs travel as XES and nets as PNML, so these are compared too. pm4py is asked in a process of its own, by
//! `pm4py_oracle.py`, and nothing of it is built in.
//!
//! Not asked: replay of nets with silent transitions, where its choice is heuristic, and precision where two silent transitions
//! compete.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::Path,
    process::{Command, ExitCode, Stdio},
};

use llmteam_oracle::{Sample, n1, n2, n3, n4, samples};
use llmteam_orchestration::roles::mining::{
    EventLog, HeuristicsOptions, LogOptions, PetriNet, ProcessTree, SearchBound, XesOptions,
    discover_dfg, discover_heuristics_net, discover_process_tree_inductive, export_pnml,
    export_xes, fitness_alignments, fitness_token_based_replay, get_variants,
};
use serde::Deserialize;
use serde_json::json;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const NOISE: [f64; 3] = [0.0, 0.2, 0.5];

fn main() -> ExitCode {
    let Some(python) = std::env::args().nth(1) else {
        eprintln!("usage: llmteam-oracle PYTHON");
        return ExitCode::from(2);
    };
    match compare(&python) {
        Ok(Report { compared, differ }) => {
            differ.iter().for_each(|it| println!("{it}"));
            println!(
                "{compared} answers compared with pm4py, {} differ",
                differ.len()
            );
            ExitCode::from(u8::from(!differ.is_empty()))
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// What pm4py says of a log.
#[derive(Deserialize)]
struct AboutLog {
    dfg: Vec<(String, String, u64)>,
    starts: Vec<(String, u64)>,
    ends: Vec<(String, u64)>,
    dependencies: Vec<(String, String, f64)>,
    /// By noise, as it was asked.
    trees: Vec<String>,
}

/// What pm4py says of a log on a net, case by case.
#[derive(Deserialize)]
struct AboutPair {
    /// Missing, consumed, remaining, produced.
    replay: Vec<[u64; 4]>,
    costs: Vec<u64>,
}

#[derive(Deserialize)]
struct Answer {
    logs: Vec<AboutLog>,
    pairs: Vec<AboutPair>,
}

#[derive(Default)]
struct Report {
    compared: usize,
    differ: Vec<String>,
}

impl Report {
    fn check<T: PartialEq + std::fmt::Debug>(&mut self, of: &str, ours: &T, theirs: &T) {
        self.compared += 1;
        if ours != theirs {
            self.differ
                .push(format!("{of}\n  ours   {ours:?}\n  theirs {theirs:?}"));
        }
    }
}

fn compare(python: &str) -> Result<Report> {
    let samples = samples(60);
    let folder = tempfile::tempdir()?;
    let mut logs = Vec::new();
    let mut nets = vec![
        ("N1".to_owned(), n1()),
        ("N2".into(), n2()),
        ("N3".into(), n3()),
        ("N4".into(), n4()),
    ];
    let mut pairs = Vec::new();
    for (index, sample) in samples.iter().enumerate() {
        let log = EventLog::from_events(&sample.events(), LogOptions::default())?;
        export_xes(
            &log,
            &mut File::create(folder.path().join(format!("{index}.xes")))?,
            XesOptions::default(),
        )?;
        pairs.extend((0..4).map(|net| (index, net)));
        if index % 4 == 0 {
            pairs.push((index, nets.len()));
            let tree = discover_process_tree_inductive(&get_variants(&log), 0.3)?;
            nets.push((format!("the net of {tree}"), tree.to_petri_net()));
        }
        logs.push(log);
    }
    for (index, (_, net)) in nets.iter().enumerate() {
        fs::write(
            folder.path().join(format!("{index}.pnml")),
            export_pnml(net)?,
        )?;
    }
    let question = json!({"logs": logs.len(), "nets": nets.len(), "noise": NOISE, "pairs": pairs});
    fs::write(folder.path().join("question.json"), question.to_string())?;
    let answer = ask(python, folder.path())?;

    let mut report = Report::default();
    for ((sample, log), theirs) in samples.iter().zip(&logs).zip(&answer.logs) {
        about_log(&mut report, sample, log, theirs)?;
    }
    for ((log, net), theirs) in pairs.iter().zip(&answer.pairs) {
        let (name, net) = &nets[*net];
        about_pair(&mut report, &samples[*log], name, net, theirs)?;
    }
    Ok(report)
}

fn ask(python: &str, folder: &Path) -> Result<Answer> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("pm4py_oracle.py");
    let asked = Command::new(python)
        .arg(script)
        .arg(folder)
        .stdin(Stdio::null())
        .output()?;
    if !asked.status.success() {
        let said = String::from_utf8_lossy(&asked.stderr);
        return Err(format!("`{python}` failed: {}\n{said}", asked.status).into());
    }
    Ok(serde_json::from_slice(&fs::read(
        folder.join("answer.json"),
    )?)?)
}

fn about_log(
    report: &mut Report,
    sample: &Sample,
    log: &EventLog,
    theirs: &AboutLog,
) -> Result<()> {
    let name = &sample.name;
    let dfg = discover_dfg(log);
    let edges = dfg
        .edges
        .iter()
        .map(|(from, to, count)| (from.to_owned(), to.to_owned(), *count));
    report.check(&format!("{name}: edges"), &edges.collect(), &theirs.dfg);
    let named = |counts: &BTreeMap<Box<str>, u64>| -> Vec<(String, u64)> {
        counts
            .iter()
            .map(|(name, count)| (name.to_string(), *count))
            .collect()
    };
    report.check(
        &format!("{name}: starts"),
        &named(&dfg.starts),
        &theirs.starts,
    );
    report.check(&format!("{name}: ends"), &named(&dfg.ends), &theirs.ends);

    let variants = get_variants(log);
    let net = discover_heuristics_net(&variants, &HeuristicsOptions::default())?;
    let ours = net.dependencies.iter();
    let ours = ours.map(|(from, to, value)| (from.to_owned(), to.to_owned(), rounded(*value)));
    let found = theirs.dependencies.iter();
    let found = found.map(|(from, to, value)| (from.clone(), to.clone(), rounded(*value)));
    let (ours, found): (Vec<_>, Vec<_>) = (ours.collect(), found.collect());
    report.check(&format!("{name}: dependencies"), &ours, &found);

    for (noise, theirs) in NOISE.iter().zip(&theirs.trees) {
        let ours = discover_process_tree_inductive(&variants, *noise)?
            .canonical()
            .to_string();
        let theirs = theirs.parse::<ProcessTree>()?.canonical().to_string();
        report.check(
            &format!("{name} {:?}: tree at {noise}", sample.cases),
            &ours,
            &theirs,
        );
    }
    Ok(())
}

fn about_pair(
    report: &mut Report,
    sample: &Sample,
    name: &str,
    net: &PetriNet,
    theirs: &AboutPair,
) -> Result<()> {
    let log = sample.variants();
    let of = format!("{} {:?} on {name}", sample.name, sample.cases);
    let words: Vec<String> = log
        .iter()
        .map(|it| it.activities.iter().map(|it| log.name(*it)).collect())
        .collect();
    let variant = |case: &String| words.iter().position(|it| it == case);
    let places: Vec<usize> = sample.cases.iter().filter_map(variant).collect();

    let aligned = fitness_alignments(&log, net, SearchBound::default())?;
    let costs: Vec<u64> = places.iter().map(|it| aligned.traces[*it].cost).collect();
    report.check(&format!("{of}: costs"), &costs, &theirs.costs);

    if net.transitions().iter().all(|it| !it.is_silent()) {
        let replay = fitness_token_based_replay(&log, net, SearchBound::default())?;
        let counts = |place: &usize| {
            let it = &replay.traces[*place];
            [it.missing, it.consumed, it.remaining, it.produced]
        };
        report.check(
            &format!("{of}: replay"),
            &places.iter().map(counts).collect(),
            &theirs.replay,
        );
    }
    Ok(())
}

/// To nine digits after the point.
fn rounded(value: f64) -> i64 {
    (value * 1e9).round() as i64
}
