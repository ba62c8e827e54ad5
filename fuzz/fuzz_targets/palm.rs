//! A PalmMessage of any bytes, as a node and a pylm host take it from a socket.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| pylm_protocol::fuzzing::palm(bytes));
