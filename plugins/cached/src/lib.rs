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

#[cfg(test)]
mod tests {
    #[test]
    fn the_cached_value_stands_between_worker_and_payload() {
        pylm_plugin_api::both_ways!(|host| {
            let plugin = host.start(&[]).unwrap();
            plugin.cache().set("cached", b" cached data ");
            let results = plugin.prepare("foo").worker("worker1").call(b"a message").unwrap();
            assert_eq!(results, [b"worker1 cached data a message"]);
        });
    }

    #[test]
    fn an_empty_cache_is_an_error_that_says_so() {
        pylm_plugin_api::both_ways!(|host| {
            let error = host.start(&[]).unwrap().call("foo", b"a message").unwrap_err();
            assert_eq!(error.message, "the cache has no key \"cached\"; set it first");
            assert!(!error.permanent);
        });
    }
}
