//! Says which worker host did the work, as pylm's parallel example does.
#![forbid(unsafe_code)]

use pylm_plugin_api::prelude::*;

#[function]
fn foo(context: &Context, payload: &[u8]) -> Vec<u8> {
    [context.worker().as_bytes(), b" processed ", payload].concat()
}

export_plugin!(foo);

#[cfg(test)]
mod tests {
    #[test]
    fn the_worker_is_named() {
        pylm_plugin_api::both_ways!(|host| {
            let plugin = host.start(&[]).unwrap();
            let results = plugin.prepare("foo").worker("worker1").call(b"a message").unwrap();
            assert_eq!(results, [b"worker1 processed a message"]);
        });
    }
}
