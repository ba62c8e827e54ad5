//! A function takes bytes.
#![allow(unused_variables, dead_code)]

use pylm_plugin_api::prelude::*;

#[function]
fn text(payload: String) -> String {
    payload
}

#[function]
fn slice(payload: &str) -> String {
    payload.to_owned()
}

#[function]
fn bytes(payload: Vec<u8>) -> Vec<u8> {
    payload
}

#[function]
fn message(context: &Context, payload: Message) -> String {
    context.worker().to_owned()
}

#[function]
fn changed(payload: &mut [u8]) {}

#[function]
fn kept(payload: &'static [u8]) -> &'static [u8] {
    payload
}

export_plugin!(text, slice, bytes, message, changed, kept);

fn main() {}
