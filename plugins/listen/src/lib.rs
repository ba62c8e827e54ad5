//! Logs each message, and answers nothing: the listening end of a tee, as in pylm's tee example.
#![forbid(unsafe_code)]

use pylm_plugin_api::prelude::*;

#[function]
fn foo(payload: &[u8]) {
    tracing::info!(payload = %payload.escape_ascii(), "only a look");
}

export_plugin!(foo);

#[cfg(test)]
mod tests {
    #[test]
    fn there_is_no_answer() {
        pylm_plugin_api::both_ways!(|host| {
            assert!(host.start(&[]).unwrap().call("foo", b"a message").unwrap().is_empty());
        });
    }
}
