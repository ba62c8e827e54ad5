//! Mistakes that are made when a plugin is written: each is one error, which says what to write instead.
//!
//! What the compiler says is kept in `ui`; `TRYBUILD=overwrite cargo test -p pylm-plugin-api --test wrong_plugins` writes it
//! anew, to be read before it is kept.

#[test]
fn each_mistake_says_what_to_write() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
