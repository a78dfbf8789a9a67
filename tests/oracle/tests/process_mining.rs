//! Beside the crate `process_mining`: variants, directly-follows graphs, replay and alignments.
//!
//! Left out, because the crate answers wrongly: replay of nets with silent transitions.

use std::collections::{BTreeMap, HashMap};

use llmteam_oracle::{n1, n2, n3, n4, samples};
use llmteam_orchestration::roles::mining::{
    EventLog, LogOptions, PetriNet, SearchBound, Variants, XesOptions, discover_dfg,
    discover_process_tree_inductive, export_pnml, export_xes, fitness_alignments,
    fitness_token_based_replay, get_variants,
};
use process_mining::{
    conformance::{
        alignments::{AlignmentOptions, align_variants, compute_fitness},
        token_based_replay::apply_token_based_replay,
    },
    core::{
        event_data::case_centric::{
            utils::activity_projection::EventLogActivityProjection as Projection,
            xes::{XESImportOptions, import_xes_slice},
        },
        process_models::petri_net::pnml::import_pnml_reader,
    },
    discovery::case_centric::dfg,
};

fn projection(log: &Variants) -> Projection {
    let activities: Vec<String> = log.activities().iter().map(ToString::to_string).collect();
    let numbers = activities.iter().cloned().zip(0..);
    let trace = |activities: &[u16]| activities.iter().map(|it| usize::from(*it)).collect();
    Projection {
        act_to_index: numbers.collect::<HashMap<_, _>>(),
        activities,
        traces: log
            .iter()
            .map(|it| (trace(&it.activities), it.cases))
            .collect(),
    }
}

fn theirs(net: &PetriNet) -> process_mining::PetriNet {
    let written = export_pnml(net).expect("plain names");
    import_pnml_reader(&mut written.as_bytes()).expect("our PNML")
}

#[test]
fn logs_agree() {
    for sample in samples(20) {
        let log = EventLog::from_events(&sample.events(), LogOptions::default()).unwrap();
        let mut written = Vec::new();
        export_xes(&log, &mut written, XesOptions::default()).unwrap();
        let read = import_xes_slice(&written, false, XESImportOptions::default()).unwrap();

        let variants = get_variants(&log);
        let ours = variants.iter().map(|it| {
            let names = it.activities.iter().map(|it| variants.name(*it).to_owned());
            (names.collect::<Vec<_>>(), it.cases)
        });
        let projection = Projection::from(&read);
        let theirs = projection.traces.iter().map(|(trace, cases)| {
            let names = trace.iter().map(|it| projection.activities[*it].clone());
            (names.collect::<Vec<_>>(), *cases)
        });
        let (ours, theirs): (BTreeMap<_, _>, BTreeMap<_, _>) = (ours.collect(), theirs.collect());
        assert_eq!(ours, theirs, "variants of {}", sample.name);

        let ours = discover_dfg(&log);
        let ours = ours
            .edges
            .iter()
            .map(|(from, to, count)| (format!("{from} {to}"), *count));
        let theirs = dfg::discover_dfg(&read).directly_follows_relations;
        let theirs = theirs
            .iter()
            .map(|((from, to), count)| (format!("{from} {to}"), u64::from(*count)));
        let (ours, theirs): (BTreeMap<_, _>, BTreeMap<_, _>) = (ours.collect(), theirs.collect());
        assert_eq!(ours, theirs, "edges of {}", sample.name);
    }
}

#[track_caller]
fn near(ours: f64, theirs: f64, of: &str) {
    assert!(
        (ours - theirs).abs() < 1e-9,
        "{of}: ours {ours}, theirs {theirs}"
    );
}

#[test]
fn replay_agrees_where_nothing_is_silent() {
    for sample in samples(40) {
        let log = sample.variants();
        for (name, net) in [("N1", n1()), ("N2", n2())] {
            let ours = fitness_token_based_replay(&log, &net, SearchBound::default()).unwrap();
            let found = apply_token_based_replay(&theirs(&net), &projection(&log)).unwrap();
            near(
                ours.log_fitness,
                found.compute_fitness(),
                &format!("{} on {name}", sample.name),
            );
        }
    }
}

#[test]
fn alignments_agree() {
    let options = AlignmentOptions::default();
    let mut compared = 0;
    for sample in samples(40) {
        let log = sample.variants();
        let tree = discover_process_tree_inductive(&log, 0.3).unwrap();
        let nets = [
            ("N1", n1()),
            ("N2", n2()),
            ("N3", n3()),
            ("N4", n4()),
            ("its own", tree.to_petri_net()),
        ];
        for (name, net) in nets {
            let of = format!("{} on {name}", sample.name);
            let ours = fitness_alignments(&log, &net, SearchBound::default()).unwrap();
            let net = theirs(&net);
            let found = align_variants(&net, &projection(&log), &options);
            for (ours, theirs) in ours.traces.iter().zip(&found) {
                let theirs = theirs.result.as_ref().unwrap();
                assert_eq!(ours.cost, u64::from(theirs.cost), "{of}");
                compared += 1;
            }
            let fitness = compute_fitness(&found, &net, &options).unwrap();
            near(ours.log_fitness, fitness.log_fitness, &of);
            near(ours.average_trace_fitness, fitness.average_fitness, &of);
        }
    }
    assert!(compared > 500, "{compared}");
}
