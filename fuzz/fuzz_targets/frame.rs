//! The body of a journal's frame, of any bytes.

#![no_main]

libfuzzer_sys::fuzz_target!(|body: &[u8]| pylm_journal::fuzzing::frame(body));
