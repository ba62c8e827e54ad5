//! A function returns bytes or text, nothing, or several of them one by one.
#![allow(unused_variables, dead_code)]

use pylm_plugin_api::prelude::*;

#[function]
fn number(payload: &[u8]) -> usize {
    payload.len()
}

#[function]
fn list(payload: &[u8]) -> Vec<String> {
    vec![]
}

#[function]
fn maybe(payload: &[u8]) -> Result<usize, Failure> {
    Ok(payload.len())
}

#[function]
fn numbers(payload: &[u8]) -> impl Iterator<Item = usize> {
    0..payload.len()
}

#[function]
fn not_sent(payload: &[u8]) -> impl Iterator<Item = String> {
    let count = std::rc::Rc::new(1);
    std::iter::once_with(move || count.to_string())
}

struct Silent;

#[function]
fn without_words(payload: &[u8]) -> Result<Vec<u8>, Silent> {
    Err(Silent)
}

export_plugin!(without_words, number, list, maybe, numbers, not_sent);

fn main() {}
