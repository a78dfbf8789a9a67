//! Replay and alignments against naive ones, and on what trees can do.

use std::collections::{HashSet, VecDeque};

use proptest::{prelude::*, test_runner::TestRng};

use crate::roles::mining::{
    Marking, Operator, PetriNet, ProcessTree, SearchBound, TraceReplay, Variants,
    fitness_alignments, fitness_token_based_replay, petri::TransitionIndex,
};

/// A net of up to five places and transitions, one token in the first place, one wanted in the last.
fn nets(silent: bool) -> impl Strategy<Value = PetriNet> {
    let label = if silent {
        prop_oneof![2 => Just(None), 3 => prop::sample::select(&["a", "b", "c"][..]).prop_map(Some)]
            .boxed()
    } else {
        prop::sample::select(&["a", "b", "c"][..])
            .prop_map(Some)
            .boxed()
    };
    let arcs = || prop::collection::btree_map(0..4_usize, 1..3_u32, 0..3);
    let transitions = prop::collection::vec((label, arcs(), arcs()), 1..5);
    transitions.prop_map(|transitions| {
        let places = ["p0", "p1", "p2", "p3"];
        let mut net = places
            .iter()
            .fold(PetriNet::builder(), |net, place| net.place(place));
        for (index, (label, inputs, outputs)) in transitions.into_iter().enumerate() {
            let name = format!("t{index}");
            net = net.transition(&name, label);
            for (place, weight) in inputs {
                net = net.arc(places[place], &name, weight);
            }
            for (place, weight) in outputs {
                net = net.arc(&name, places[place], weight);
            }
        }
        net.initial("p0", 1).final_("p3", 1).build().unwrap()
    })
}

fn words() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec("[abcx]{0,5}", 1..4)
}

fn log(words: &[String]) -> Variants {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    crate::roles::mining::fixtures::words(&words)
}

fn transitions<'a>(net: &'a PetriNet, label: &'a str) -> Vec<TransitionIndex> {
    let all = net.transition_indexes();
    all.filter(|it| net.transition(*it).label.as_deref() == Some(label))
        .collect()
}

/// Missing, consumed, remaining, produced of a word on a net without silent transitions: a list of tokens by place.
fn naive_replay(net: &PetriNet, word: &str) -> [u64; 4] {
    let listed = |marking: &Marking| -> Vec<u32> {
        let marked = marking.marked();
        marked
            .flat_map(|(place, tokens)| vec![place.get() as u32; tokens as usize])
            .collect()
    };
    let mut tokens = listed(net.initial_marking());
    let (mut missing, mut consumed, mut produced) = (0, 0, tokens.len() as u64);
    let needs = |transition: TransitionIndex| -> Vec<u32> {
        let inputs = net.transition(transition).inputs.iter();
        inputs
            .flat_map(|arc| vec![arc.place.get() as u32; arc.weight as usize])
            .collect()
    };
    let take = |tokens: &mut Vec<u32>, wanted: &[u32]| -> u64 {
        let lacks = wanted.iter().filter(|place| {
            let found = tokens.iter().position(|it| it == *place);
            found.map(|at| tokens.swap_remove(at)).is_none()
        });
        lacks.count() as u64
    };
    for letter in word.chars() {
        let candidates = transitions(net, letter.encode_utf8(&mut [0; 4])).clone();
        let lacking = |it: &TransitionIndex| take(&mut tokens.clone(), &needs(*it));
        let Some(chosen) = candidates.into_iter().min_by_key(lacking) else {
            continue;
        };
        missing += take(&mut tokens, &needs(chosen));
        consumed += needs(chosen).len() as u64;
        for arc in &net.transition(chosen).outputs {
            tokens.extend(vec![arc.place.get() as u32; arc.weight as usize]);
            produced += u64::from(arc.weight);
        }
    }
    let wanted = listed(net.final_marking());
    consumed += wanted.len() as u64;
    missing += take(&mut tokens, &wanted);
    [missing, consumed, tokens.len() as u64, produced]
}

/// The least number of deviating moves, by trying ever more of them; `None` where more than `most` would be needed.
fn naive_cost(net: &PetriNet, word: &str, most: u64) -> Option<u64> {
    let letters: Vec<char> = word.chars().collect();
    let mut layer = VecDeque::from([(net.initial_marking().clone(), 0)]);
    let mut seen = HashSet::new();
    for cost in 0..=most {
        let mut next = VecDeque::new();
        while let Some((marking, at)) = layer.pop_front() {
            if marking.total() > 12 || !seen.insert((marking.clone(), at)) {
                continue;
            }
            if at == letters.len() && marking == *net.final_marking() {
                return Some(cost);
            }
            if at < letters.len() {
                next.push_back((marking.clone(), at + 1));
            }
            for transition in net.enabled(&marking) {
                let after = net.fire(&marking, transition).unwrap();
                match net.transition(transition).label.as_deref() {
                    None => layer.push_back((after, at)),
                    Some(label) => {
                        if letters.get(at).is_some_and(|it| it.to_string() == label) {
                            layer.push_back((after.clone(), at + 1));
                        }
                        next.push_back((after, at));
                    }
                }
            }
        }
        layer = next;
    }
    None
}

/// Trees of the activities `a` to `z`, each at most once, without loops in loops.
///
/// Replay looks no further than the next event. Where it may go on within an inner loop or begin the outer one again it takes
/// the shorter way, which need not be the one the case took.
fn trees() -> impl Strategy<Value = ProcessTree> {
    let leaf = prop_oneof![1 => Just(ProcessTree::silent()), 4 => Just(ProcessTree::activity("?"))];
    let shape = leaf.prop_recursive(4, 16, 3, |inner| {
        let operands = prop::collection::vec(inner, 2..4);
        (prop::sample::select(&Operator::ALL[..]), operands).prop_map(|(operator, mut operands)| {
            if operator == Operator::Loop {
                operands.truncate(2);
            }
            ProcessTree::operator(operator, operands).unwrap()
        })
    });
    shape.prop_map(|tree| named(&tree, &mut ('a'..='z'), false))
}

fn named(tree: &ProcessTree, names: &mut impl Iterator<Item = char>, looped: bool) -> ProcessTree {
    let Some((operator, operands)) = tree.operands() else {
        return match names.next() {
            Some(name) if !tree.is_silent() => ProcessTree::activity(&name.to_string()),
            _ => ProcessTree::silent(),
        };
    };
    let is_loop = operator == Operator::Loop;
    let operands = operands
        .iter()
        .map(|it| named(it, names, looped || is_loop))
        .collect();
    let operator = if is_loop && looped {
        Operator::Sequence
    } else {
        operator
    };
    ProcessTree::operator(operator, operands).unwrap()
}

/// A sequence of a tree.
fn sample(tree: &ProcessTree, random: &mut TestRng) -> String {
    let Some((operator, operands)) = tree.operands() else {
        return tree.label().unwrap_or_default().to_owned();
    };
    match operator {
        Operator::Sequence => operands.iter().map(|it| sample(it, random)).collect(),
        Operator::Xor => {
            let chosen = random.next_u32() as usize % operands.len();
            sample(&operands[chosen], random)
        }
        Operator::Parallel => {
            let mut parts: Vec<VecDeque<char>> = operands
                .iter()
                .map(|it| sample(it, random).chars().collect())
                .collect();
            let mut woven = String::new();
            while parts.iter().any(|it| !it.is_empty()) {
                let chosen = random.next_u32() as usize % parts.len();
                woven.extend(parts[chosen].pop_front());
            }
            woven
        }
        Operator::Loop => {
            let mut done = sample(&operands[0], random);
            while random.next_u32().is_multiple_of(2) {
                done += &sample(&operands[1], random);
                done += &sample(&operands[0], random);
            }
            done
        }
    }
}

proptest! {
    // covers: MM-20
    #[test]
    fn replay_counts_what_a_naive_replay_counts(net in nets(false), words in words()) {
        let log = log(&words);
        let replay = fitness_token_based_replay(&log, &net, SearchBound::default()).unwrap();
        for (variant, trace) in log.iter().zip(&replay.traces) {
            let word: String = variant.activities.iter().map(|it| log.name(*it)).collect();
            let found = [trace.missing, trace.consumed, trace.remaining, trace.produced];
            prop_assert_eq!(found, naive_replay(&net, &word), "{}", word);
            prop_assert_eq!(trace.produced + trace.missing, trace.consumed + trace.remaining);
        }
    }

    // covers: MM-30
    #[test]
    fn alignments_cost_what_a_naive_search_finds(net in nets(true), words in words()) {
        let log = log(&words);
        let bound = SearchBound { states: 1_000 };
        if let Ok(found) = fitness_alignments(&log, &net, bound) {
            for (variant, trace) in log.iter().zip(&found.traces) {
                let word: String = variant.activities.iter().map(|it| log.name(*it)).collect();
                prop_assert_eq!(Some(trace.cost), naive_cost(&net, &word, trace.cost), "{}", word);
            }
        }
    }

    // covers: MM-18, MM-20, MM-30
    #[test]
    fn what_a_tree_does_fits_its_net(tree in trees(), mut random in Just(()).prop_perturb(|(), random| random)) {
        let words: Vec<String> = (0..4).map(|_| sample(&tree, &mut random)).collect();
        let (log, net) = (log(&words), tree.to_petri_net());
        let replay = fitness_token_based_replay(&log, &net, SearchBound::default()).unwrap();
        prop_assert!(replay.traces.iter().all(TraceReplay::fits), "{} {:?}", tree, words);
        let aligned = fitness_alignments(&log, &net, SearchBound::default()).unwrap();
        prop_assert!(aligned.traces.iter().all(|it| it.cost == 0), "{} {:?}", tree, words);
    }
}
