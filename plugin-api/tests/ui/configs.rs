//! Settings are named fields, of types that a word can be.
#![allow(unused_variables, dead_code)]

use pylm_plugin_api::prelude::*;

#[config]
struct Tuple(u64);

#[config]
struct Any<T> {
    value: T,
}

#[config]
struct Misspelt {
    #[config(defaults = 3)]
    after: u64,
}

#[config(default = 3)]
struct Elsewhere {
    after: u64,
}

#[config]
struct OtherDefault {
    #[config(default = "three")]
    after: u64,
}

#[config]
enum WithFields {
    Small(u64),
    Large,
}

fn main() {}
