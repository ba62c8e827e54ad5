//! Hooks keep their messages, and borrow the parent.
#![allow(unused_variables, dead_code)]

use pylm_plugin_api::prelude::*;

#[scatter]
fn borrowed(message: &Message) -> Message {
    message.clone()
}

#[gather]
fn owned(parent: Message, result: Message) -> Message {
    result
}

#[route]
fn bytes(result: &[u8]) -> Option<(&'static str, Message)> {
    None
}

struct Sum;

#[join]
fn parent(parent: Message) -> Sum {
    Sum
}

impl Join for Sum {
    fn take(&mut self, _: Message) -> Result<(), Failure> {
        Ok(())
    }

    fn finish(self) -> impl Iterator<Item = Result<Message, Failure>> + Send {
        std::iter::empty()
    }
}

export_plugin!(borrowed, owned, bytes, parent);

fn main() {}
