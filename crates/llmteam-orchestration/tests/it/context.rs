//! Hierarchies of contexts from outside of the crate: what does not compile.

#[test]
fn what_would_name_a_sibling_does_not_compile() {
    // covers: C15
    trybuild::TestCases::new().compile_fail("tests/ui/context/*.rs");
}
