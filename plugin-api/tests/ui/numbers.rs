//! Each has its number of arguments.
#![allow(unused_variables, dead_code)]

use pylm_plugin_api::prelude::*;

#[function]
fn none() -> String {
    String::new()
}

#[function]
fn three(context: &Context, payload: &[u8], more: u8) -> String {
    String::new()
}

#[scatter]
fn cut(context: &Context, message: Message) -> Message {
    message
}

#[gather]
fn seen(result: Message) -> Message {
    result
}

#[join]
fn sum(parent: &Message, result: Message) {}

#[route]
fn way() -> Option<(String, Message)> {
    None
}

export_plugin!(none, three, cut, seen, sum, way);

fn main() {}
