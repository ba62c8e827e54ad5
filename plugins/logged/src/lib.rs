//! Writes to the log of its host, from a function and from a gather hook, as pylm's logging example does.
#![forbid(unsafe_code)]

use std::sync::atomic::{AtomicU64, Ordering};

use pylm_plugin_api::prelude::*;

/// Which result is replaced, counted from 1 over all messages.
const REPLACED: u64 = 30;

/// Counts for as long as its host runs: calls in a worker host, results in a node.
#[derive(Default)]
struct Logged {
    calls: AtomicU64,
    results: AtomicU64,
}

#[state]
impl Logged {
    #[start]
    fn new() -> Self {
        Logged::default()
    }

    #[function]
    fn foo(&self, context: &Context, payload: &[u8]) -> Vec<u8> {
        let calls = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        if calls.is_multiple_of(10) {
            tracing::info!("processed {calls} messages");
        }
        [context.worker().as_bytes(), b" processed ", payload].concat()
    }

    #[gather]
    fn count(&self, _parent: &Message, result: Message) -> Message {
        let number = self.results.fetch_add(1, Ordering::Relaxed) + 1;
        if number != REPLACED {
            return result;
        }
        tracing::error!("result {number} is replaced");
        result.with_payload("Final message")
    }
}

export_plugin!(Logged);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_function_names_the_worker() {
        pylm_plugin_api::both_ways!(|host| {
            let plugin = host.start(&[]).unwrap();
            let results = plugin.prepare("foo").worker("worker1").call(b"a message").unwrap();
            assert_eq!(results, [b"worker1 processed a message"]);
        });
    }

    #[test]
    fn the_thirtieth_result_is_replaced() {
        pylm_plugin_api::both_ways!(|host| {
            let plugin = host.start(&[]).unwrap();
            let message = Message::new("server.foo", "a message");
            for number in 1..=REPLACED {
                let gathered = plugin.gather(&message, message.clone()).unwrap();
                assert_eq!(gathered[0] != message, number == REPLACED);
            }
        });
    }
}
