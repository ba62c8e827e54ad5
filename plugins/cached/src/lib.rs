//! Puts a value from the node's cache before each message, as pylm's cache example does.
#![forbid(unsafe_code)]

use pylm_plugin_api::prelude::*;

#[function]
fn foo(context: &Context, payload: &[u8]) -> Result<Vec<u8>, Failure> {
    let cached = context
        .cache_get("cached")?
        .ok_or_else(|| Failure::new("the cache has no key \"cached\"; set it first"))?;
    Ok([context.worker().as_bytes(), &cached, payload].concat())
}

export_plugin!(foo);
