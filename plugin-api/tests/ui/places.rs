//! Each mark has its place.
#![allow(unused_variables, dead_code)]

use pylm_plugin_api::prelude::*;

#[function]
struct NoFunction;

#[state]
struct NoImpl;

#[config]
fn no_struct() {}

#[function(atomc)]
fn misspelt(payload: &[u8]) {}

#[scatter(atomic)]
fn held(message: Message) -> Message {
    message
}

struct Counter;

impl Counter {
    #[start]
    fn new() -> Self {
        Counter
    }

    #[function]
    fn count(&self, payload: &[u8]) -> String {
        String::new()
    }

    #[function]
    fn length(payload: &[u8]) -> String {
        payload.len().to_string()
    }
}

fn main() {}
