//! Hooks return messages, a route pairs of a topic and a message, and a join a value that takes results.
#![allow(unused_variables, dead_code)]

use pylm_plugin_api::prelude::*;

#[scatter]
fn text(message: Message) -> String {
    String::new()
}

#[gather]
fn nothing(_: &Message, result: Message) {}

#[route]
fn no_topic(result: Message) -> Message {
    result
}

#[route]
fn number(result: Message) -> (u64, Message) {
    (1, result)
}

struct Sum;

#[join]
fn unfinished(parent: &Message) -> Sum {
    Sum
}

#[join]
fn no_value(parent: &Message) {}

export_plugin!(text, nothing, no_topic, number, unfinished, no_value);

fn main() {}
