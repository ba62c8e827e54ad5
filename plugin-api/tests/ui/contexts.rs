//! What a function may ask about its message is borrowed, and stands before the payload.
#![allow(unused_variables, dead_code)]

use pylm_plugin_api::prelude::*;

#[function]
fn owned(context: Context, payload: &[u8]) -> Vec<u8> {
    payload.to_vec()
}

#[function]
fn other(worker: &str, payload: &[u8]) -> Vec<u8> {
    payload.to_vec()
}

#[function]
fn alone(context: &Context) -> String {
    context.worker().to_owned()
}

export_plugin!(owned, other, alone);

fn main() {}
