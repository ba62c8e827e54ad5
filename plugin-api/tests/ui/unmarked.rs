//! What was not marked cannot be exported.
#![allow(unused_variables, dead_code)]

use pylm_plugin_api::prelude::*;

struct Counter;

fn shout(payload: &[u8]) -> Vec<u8> {
    payload.to_ascii_uppercase()
}

export_plugin!(Counter, shout);

fn main() {}
