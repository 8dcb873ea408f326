//! What would be a data race or a dangling buffer in C++ does not compile here.
//!
//! The compiler's words differ from version to version, and are compared; so this runs with one version,
//! and is not there with others. After a change of version: `TRYBUILD=overwrite bash .ci/compile_fail`.

#[rustversion::stable(1.95)]
#[test]
fn misuse_does_not_compile() {
    trybuild::TestCases::new().compile_fail("cases/*.rs");
}
