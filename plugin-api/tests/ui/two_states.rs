//! A plugin has one state.
#![allow(unused_variables, dead_code)]

use pylm_plugin_api::prelude::*;

struct One;

#[state]
impl One {
    #[start]
    fn new() -> Self {
        One
    }
}

struct Two;

#[state]
impl Two {
    #[start]
    fn new() -> Self {
        Two
    }
}

export_plugin!(One, Two);

fn main() {}
