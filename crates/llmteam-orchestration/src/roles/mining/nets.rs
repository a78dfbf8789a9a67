//! The nets that the tests of conformance and of trees share: N1 to N4.
//!
//! All start with one token in `i`, end with one in `o`, and have arcs of weight 1.

use super::{PetriNet, petri::PetriNetBuilder};

fn ended(net: PetriNetBuilder) -> PetriNet {
    net.initial("i", 1).final_("o", 1).build().unwrap()
}

fn n1_parts() -> PetriNetBuilder {
    PetriNet::builder()
        .activity("a", &["i"], &["p1", "p2"])
        .activity("b", &["p1"], &["p3"])
        .activity("c", &["p2"], &["p4"])
        .activity("e", &["p1", "p2"], &["p3", "p4"])
        .activity("d", &["p3", "p4"], &["o"])
}

/// `a`, then `b` and `c` in any order or `e`, then `d`.
pub(crate) fn n1() -> PetriNet {
    ended(n1_parts())
}

/// `a`, then any of `b`, `c`, `e` any number of times, then `d`.
pub(crate) fn n2() -> PetriNet {
    let net = PetriNet::builder()
        .activity("a", &["i"], &["p"])
        .activity("b", &["p"], &["p"])
        .activity("c", &["p"], &["p"])
        .activity("e", &["p"], &["p"]);
    ended(net.activity("d", &["p"], &["o"]))
}

/// N1 with a way past `c` and a way back before `b`.
pub(crate) fn n3() -> PetriNet {
    let net = n1_parts().silent("t1", &["p2"], &["p4"]);
    ended(net.silent("t2", &["p3"], &["p1"]))
}

/// N1 with a silent split before `b` and `c` and a silent join behind them.
pub(crate) fn n4() -> PetriNet {
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
