//! Functions whose results can be foretold from the payload: those of `tests/python/foretold.py`, under the same names.
#![forbid(unsafe_code)]

use pylm_plugin_api::prelude::*;

/// The sum of the payload's bytes says what becomes of it.
fn rest(payload: &[u8]) -> usize {
    payload.iter().map(|byte| usize::from(*byte)).sum::<usize>() % 3
}

fn with(payload: &[u8], letter: u8) -> Vec<u8> {
    [payload, &[letter]].concat()
}

/// Gives one result.
#[function]
fn pass_on(payload: &[u8]) -> Vec<u8> {
    with(payload, b'.')
}

/// Fails for some.
#[function]
fn fail_some(payload: &[u8]) -> Result<Vec<u8>, Failure> {
    if rest(payload) == 0 { Err(Failure::new("refused on purpose")) } else { Ok(with(payload, b'.')) }
}

/// Gives `0` for some, which is a result like others.
#[function]
fn zero_some(payload: &[u8]) -> Vec<u8> {
    if rest(payload) == 1 { b"0".to_vec() } else { with(payload, b'.') }
}

/// Gives nothing for most.
#[function]
fn keep_some(payload: &[u8]) -> Option<Vec<u8>> {
    (rest(payload) == 2).then(|| with(payload, b'.'))
}

/// Gives two.
#[function]
fn pass_two(payload: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    b"ab".iter().map(|letter| with(payload, *letter))
}

/// Gives none, one or two.
#[function]
fn vary_some(payload: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    b"ab".iter().take(rest(payload)).map(|letter| with(payload, *letter))
}

/// Gives a `0`, and a result behind it.
#[function]
fn zero_and(payload: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    [b"0".to_vec(), with(payload, b'.')].into_iter()
}

export_plugin!(pass_on, fail_some, zero_some, keep_some, pass_two, vary_some, zero_and);
