//! What must not build, since it would let a record be changed or an actor be made up.

// covers: AUD-10, AUD-20
#[test]
fn what_would_change_a_record_or_make_up_an_actor_does_not_build() {
    trybuild::TestCases::new().compile_fail("tests/ui/audit/*.rs");
}
