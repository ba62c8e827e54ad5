//! A plugin has one state, which its slots share.
#![allow(unused_variables, dead_code)]

use std::cell::Cell;

use pylm_plugin_api::prelude::*;

struct Unshared(Cell<u64>);

#[state]
impl Unshared {
    #[start]
    fn new() -> Self {
        Unshared(Cell::new(0))
    }
}

struct Many<T>(T);

#[state]
impl<T: Default> Many<T> {
    #[start]
    fn new() -> Self {
        Many(T::default())
    }
}

fn main() {}
