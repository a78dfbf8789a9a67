//! What holds for any process tree.

use proptest::prelude::*;

use super::{Operator, ProcessTree};

/// Trees of some depth over any labels.
fn trees() -> impl Strategy<Value = ProcessTree> {
    let leaf = prop_oneof![
        1 => Just(ProcessTree::silent()),
        4 => any::<String>().prop_map(|label| ProcessTree::activity(&label)),
        4 => "[a-e]{1,2}".prop_map(|label| ProcessTree::activity(&label)),
    ];
    leaf.prop_recursive(5, 40, 4, |inner| {
        let operands = prop::collection::vec(inner, 2..4);
        (prop::sample::select(&Operator::ALL[..]), operands).prop_map(|(operator, mut operands)| {
            if operator == Operator::Loop {
                operands.truncate(2);
            }
            ProcessTree::operator(operator, operands).unwrap()
        })
    })
}

proptest! {
    // covers: MM-04
    #[test]
    fn a_tree_reads_back_as_it_was(tree in trees()) {
        prop_assert_eq!(tree.to_string().parse::<ProcessTree>(), Ok(tree));
    }

    // covers: MM-05
    #[test]
    fn the_canonical_tree_is_its_own(tree in trees()) {
        let canonical = tree.canonical();
        prop_assert!(canonical.depth() <= tree.depth());
        prop_assert_eq!(canonical.canonical(), canonical);
    }

    #[test]
    fn the_net_of_a_tree_is_a_workflow_net(tree in trees()) {
        let net = tree.to_petri_net();
        prop_assert_eq!(net.initial_marking().total(), 1);
        prop_assert!(net.transitions().iter().all(|it| !it.inputs.is_empty() && !it.outputs.is_empty()));
    }

    // covers: MM-04
    #[test]
    fn no_text_makes_the_reader_panic(text in r"([-+*X>τ'\\(), ab]|\PC){0,60}") {
        let _ = text.parse::<ProcessTree>();
    }
}
