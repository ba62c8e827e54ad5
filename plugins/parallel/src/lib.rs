//! Says which worker host did the work, as pylm's parallel example does.
#![forbid(unsafe_code)]

use pylm_plugin_api::prelude::*;

#[function]
fn foo(context: &Context, payload: &[u8]) -> Vec<u8> {
    [context.worker().as_bytes(), b" processed ", payload].concat()
}

export_plugin!(foo);
