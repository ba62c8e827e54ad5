//! The section of a plugin's file that holds its descriptor, of any bytes.

#![no_main]

libfuzzer_sys::fuzz_target!(|section: &[u8]| pylm_plugin_host::fuzzing::descriptor(section));
