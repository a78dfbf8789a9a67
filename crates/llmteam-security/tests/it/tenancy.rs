//! What must not build, since it would let code speak for a tenant it was not given.

// covers: TEN-46
#[test]
fn what_would_name_or_become_another_tenant_does_not_build() {
    trybuild::TestCases::new().compile_fail("tests/ui/tenancy/*.rs");
}
