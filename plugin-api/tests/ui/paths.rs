//! What stands in a module is exported by its path, where it is marked and `pub`.
#![allow(unused_variables, dead_code)]

use pylm_plugin_api::prelude::*;

mod words {
    use pylm_plugin_api::prelude::*;

    #[function]
    pub fn shout(payload: &[u8]) -> Vec<u8> {
        payload.to_ascii_uppercase()
    }

    pub fn unmarked(payload: &[u8]) -> Vec<u8> {
        payload.to_vec()
    }

    #[function]
    fn private(payload: &[u8]) -> Vec<u8> {
        payload.to_vec()
    }
}

struct Counter;

#[state]
impl Counter {
    #[start]
    fn new() -> Self {
        Counter
    }

    #[function]
    fn count(&self, payload: &[u8]) -> String {
        payload.len().to_string()
    }
}

export_plugin!(words::shout, words::unmarked, words::private, Counter::count);

fn main() {}
