//! The body of a frame, of any bytes: `cargo +nightly fuzz run frame` in the folder `journal`.

#![no_main]

libfuzzer_sys::fuzz_target!(|body: &[u8]| pylm_journal::fuzzing::frame(body));
