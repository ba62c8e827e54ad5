//! A plugin's file of any bytes, which is read but not loaded.

#![no_main]

libfuzzer_sys::fuzz_target!(|file: &[u8]| pylm_plugin_host::fuzzing::library(file));
