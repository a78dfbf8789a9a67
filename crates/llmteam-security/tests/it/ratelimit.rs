//! What must not compile: permits used twice or passed over in silence.

#[test]
fn permits_cannot_be_misused() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/ratelimit/*.rs");
}
