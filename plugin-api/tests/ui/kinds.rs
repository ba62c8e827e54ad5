//! A function is one that a host can call.
#![allow(unused_variables, dead_code)]

use pylm_plugin_api::prelude::*;

#[function]
async fn later(payload: &[u8]) -> Vec<u8> {
    payload.to_vec()
}

#[function]
unsafe fn risky(payload: &[u8]) -> Vec<u8> {
    payload.to_vec()
}

#[function]
fn any<T: From<Vec<u8>>>(payload: &[u8]) -> Vec<u8> {
    payload.to_vec()
}

#[function]
fn some(payload: impl AsRef<[u8]>) -> Vec<u8> {
    payload.as_ref().to_vec()
}

struct Counter(u64);

#[state]
impl Counter {
    #[start]
    fn new() -> Self {
        Counter(0)
    }

    #[function]
    fn count(&mut self, payload: &[u8]) -> String {
        self.0 += 1;
        self.0.to_string()
    }
}

export_plugin!(later, risky, any, some, Counter);

fn main() {}
