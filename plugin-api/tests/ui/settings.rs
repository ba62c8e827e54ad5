//! A setting is a value of its own, of a type that can be written as text.
#![allow(unused_variables, dead_code)]

use pylm_plugin_api::prelude::*;

enum Format {
    Jpeg,
    Png,
}

#[config]
struct Unmarked {
    format: Format,
}

#[config]
struct MaybeUnmarked {
    format: Option<Format>,
    #[config(default = vec![Format::Png])]
    others: Vec<Format>,
}

#[config]
struct Borrowed {
    title: &'static str,
}

fn main() {}
