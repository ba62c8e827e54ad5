//! Replaces one result by a final message, as pylm's gather example does.
#![forbid(unsafe_code)]

use std::sync::atomic::{AtomicU64, Ordering};

use pylm_plugin_api::prelude::*;

#[config]
struct Settings {
    /// Which result is replaced, counted from 1 over all messages.
    #[config(default = 30)]
    after: u64,
}

/// Counts results for as long as the node runs.
struct FinalMessage {
    settings: Settings,
    seen: AtomicU64,
}

#[state]
impl FinalMessage {
    #[start]
    fn new(settings: Settings) -> Self {
        FinalMessage { settings, seen: AtomicU64::new(0) }
    }

    #[gather]
    fn count(&self, _parent: &Message, result: Message) -> Message {
        let number = self.seen.fetch_add(1, Ordering::Relaxed) + 1;
        if number == self.settings.after { result.with_payload("Final message") } else { result }
    }
}

export_plugin!(FinalMessage);
