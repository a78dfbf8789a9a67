//! What the oracles are asked about: reference logs, random logs, and nets.
//!
//! Invariant: every run asks the same questions; randomness has a fixed seed. Nothing here is asked that an oracle is known to
//! answer wrongly.

use llmteam_orchestration::roles::mining::{
    PetriNet, ProcessEvent, Variants, petri::PetriNetBuilder,
};
use llmteam_security::Timestamp;

/// A log of cases of one-letter activities.
#[derive(Clone, Debug)]
pub struct Sample {
    /// What it is called in reports.
    pub name: String,
    /// One word for each case, none of them empty: an oracle may drop cases without events.
    pub cases: Vec<String>,
}

impl Sample {
    fn new(name: &str, cases: &[&str]) -> Self {
        Self {
            name: name.to_owned(),
            cases: cases.iter().map(|it| (*it).to_owned()).collect(),
        }
    }

    /// The log as the algorithms see it.
    pub fn variants(&self) -> Variants {
        let cases = self.cases.iter().map(|case| case.split_inclusive(|_| true));
        Variants::count(cases).expect("a sample has few activities")
    }

    /// The log as it would have been recorded: an event a minute.
    pub fn events(&self) -> Vec<ProcessEvent> {
        let mut events = Vec::new();
        for (index, case) in self.cases.iter().enumerate() {
            for activity in case.split_inclusive(|_| true) {
                let at = Timestamp::from_micros(60_000_000 * events.len() as i64);
                let id = format!("e{}", events.len());
                events.push(ProcessEvent::new(
                    id,
                    at,
                    activity,
                    "r",
                    format!("c{index:03}"),
                ));
            }
        }
        events
    }
}

/// The reference logs and `random` random ones: half of them noise, half of them a process with noise in it.
pub fn samples(random: usize) -> Vec<Sample> {
    let mut samples = vec![
        Sample::new("L", &["abcd", "acbd", "aed", "abcd", "abbd"]),
        Sample::new("F", &["abcd", "acbd", "aed", "abcd"]),
        Sample::new("H", &["abcbcbd", "abd", "abcbd"]),
        Sample::new("U", &["abcd", "abxcd", "abc"]),
        Sample::new("again", &["abab", "ab"]),
        Sample::new("once", &["abc", "bac", "cab"]),
        Sample::new("optional", &["abc", "c"]),
    ];
    let mut rare = vec!["abcd"; 9];
    rare.extend(["acbd"; 9]);
    rare.extend(["abd", "aed"]);
    samples.push(Sample::new("rare", &rare));
    let mut dice = Dice(20_260_801);
    samples.extend((0..random).map(|index| {
        let noise = index % 2 == 0;
        let cases = 2 + dice.below(6);
        let cases = (0..cases).map(|_| if noise { dice.word() } else { dice.case() });
        Sample {
            name: format!("random {index}"),
            cases: cases.collect(),
        }
    }));
    samples
}

/// N1: `a`, then `b` and `c` in any order or `e`, then `d`.
pub fn n1() -> PetriNet {
    ended(n1_parts())
}

/// N2: `a`, then any of `b`, `c`, `e` any number of times, then `d`.
pub fn n2() -> PetriNet {
    let net = PetriNet::builder()
        .activity("a", &["i"], &["p"])
        .activity("b", &["p"], &["p"])
        .activity("c", &["p"], &["p"])
        .activity("e", &["p"], &["p"]);
    ended(net.activity("d", &["p"], &["o"]))
}

/// N3: N1 with a silent way past `c` and back before `b`.
pub fn n3() -> PetriNet {
    let net = n1_parts().silent("t1", &["p2"], &["p4"]);
    ended(net.silent("t2", &["p3"], &["p1"]))
}

/// N4: N1 with a silent split and join around `b` and `c`.
pub fn n4() -> PetriNet {
    let net = PetriNet::builder()
        .activity("a", &["i"], &["q1"])
        .silent("s", &["q1"], &["q2", "q3"])
        .activity("b", &["q2"], &["q4"])
        .activity("c", &["q3"], &["q5"])
        .silent("j", &["q4", "q5"], &["q6"])
        .activity("e", &["q1"], &["q6"])
        .activity("d", &["q6"], &["o"]);
    ended(net)
}

fn n1_parts() -> PetriNetBuilder {
    PetriNet::builder()
        .activity("a", &["i"], &["p1", "p2"])
        .activity("b", &["p1"], &["p3"])
        .activity("c", &["p2"], &["p4"])
        .activity("e", &["p1", "p2"], &["p3", "p4"])
        .activity("d", &["p3", "p4"], &["o"])
}

fn ended(net: PetriNetBuilder) -> PetriNet {
    let net = net.initial("i", 1).final_("o", 1).build();
    net.expect("the reference nets are valid")
}

/// Numbers that look random (Marsaglia, Xorshift RNGs, 2003).
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % sides
    }

    /// One to six of five letters.
    fn word(&mut self) -> String {
        let letters = 1 + self.below(6);
        (0..letters)
            .map(|_| char::from(b'a' + self.below(5) as u8))
            .collect()
    }

    /// A case of: `a`, `b` and `c` in any order or `e`, again while `f` says so, `d`; in one of six an event is lost.
    fn case(&mut self) -> String {
        let mut case = String::from("a");
        loop {
            case += ["bc", "cb", "e"][self.below(3) as usize];
            if self.below(4) > 0 {
                break;
            }
            case.push('f');
        }
        case.push('d');
        if self.below(6) == 0 {
            case.remove(self.below(case.len() as u64) as usize);
        }
        case
    }
}
