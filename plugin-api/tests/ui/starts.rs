//! A state is made in one way, from its settings.
#![allow(unused_variables, dead_code)]

use pylm_plugin_api::prelude::*;

struct Settings;

struct None;

#[state]
impl None {
    #[function]
    fn f(&self, payload: &[u8]) {}
}

struct Two;

#[state]
impl Two {
    #[start]
    fn new() -> Self {
        Two
    }

    #[start]
    fn other() -> Self {
        Two
    }
}

struct Borrowed;

#[state]
impl Borrowed {
    #[start]
    fn new(settings: &Settings) -> Self {
        Borrowed
    }
}

struct Unmarked;

#[state]
impl Unmarked {
    #[start]
    fn new(settings: Settings) -> Self {
        Unmarked
    }
}

struct Other;

#[state]
impl Other {
    #[start]
    fn new() -> u64 {
        1
    }
}

struct Later;

#[state]
impl Later {
    #[start]
    async fn new() -> Self {
        Later
    }
}

struct Any;

#[state]
impl Any {
    #[start]
    fn new<T>(settings: T) -> Self {
        Any
    }
}

struct Nothing;

#[state]
impl Nothing {
    #[start]
    fn new() {}
}

fn main() {}
