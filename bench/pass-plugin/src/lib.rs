//! The hooks that the measurements put in the way of messages: they pass on what they get.
#![forbid(unsafe_code)]

use pylm_plugin_api::prelude::*;

#[scatter]
fn pass(message: Message) -> impl Iterator<Item = Message> {
    std::iter::once(message)
}

#[gather]
fn pass_back(_parent: &Message, result: Message) -> Message {
    result
}

export_plugin!(pass, pass_back);
