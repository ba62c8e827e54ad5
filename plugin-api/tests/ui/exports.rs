//! What a plugin exports has names.
#![allow(unused_variables, dead_code)]

use pylm_plugin_api::prelude::*;

#[function]
fn shout(payload: &[u8]) -> Vec<u8> {
    payload.to_ascii_uppercase()
}

mod nothing {
    pylm_plugin_api::export_plugin!();
}

mod text {
    pylm_plugin_api::export_plugin!("shout");
}

mod misspelt {
    use super::*;

    export_plugin!(shuot);
}

fn main() {}
