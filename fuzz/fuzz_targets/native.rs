//! A batch of native records of any bytes, as a node, a client and a host take it from a socket.

#![no_main]

libfuzzer_sys::fuzz_target!(|batch: &[u8]| pylm_protocol::fuzzing::native(batch));
