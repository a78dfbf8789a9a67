//! How simple a model is.

use crate::roles::mining::PetriNet;

/// How simple a net is, from above 0 to 1: 1 / (1 + max(0, d − 2)), where d is the mean number of arcs at a node.
///
/// A net without nodes is as simple as can be: 1.
pub fn simplicity_petri_net(net: &PetriNet) -> f64 {
    let nodes = net.places().len() + net.transitions().len();
    if nodes == 0 {
        return 1.0;
    }
    // Every arc is at two nodes.
    let mean = 2.0 * net.arcs() as f64 / nodes as f64;
    1.0 / (1.0 + (mean - 2.0).max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roles::mining::nets;

    // covers: MM-37
    #[test]
    fn a_net_with_fewer_arcs_is_simpler() {
        let expected = [
            (nets::n1(), 0.6470588235294118),
            (nets::n2(), 0.6666666666666666),
            (nets::n3(), 0.5652173913043479),
            (nets::n4(), 0.8823529411764706),
        ];
        for (net, expected) in expected {
            let found = simplicity_petri_net(&net);
            assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
        }
        assert_eq!(
            simplicity_petri_net(&PetriNet::builder().build().unwrap()),
            1.0
        );
    }
}
