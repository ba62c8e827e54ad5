//! The function that the measurements call: it gives back what it got.
#![forbid(unsafe_code)]

use pylm_plugin_api::prelude::*;

#[function]
fn echo(payload: &[u8]) -> Vec<u8> {
    payload.to_vec()
}

export_plugin!(echo);
