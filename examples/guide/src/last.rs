//! State and settings.

use std::sync::atomic::{AtomicU64, Ordering};

use pylm_plugin_api::prelude::*;

#[config]
struct Settings {
    /// Which result is replaced.
    #[config(default = 30)]
    after: u64,
    /// What replaces it; `Final message` if not set.
    text: Option<String>,
}

pub(crate) struct Last {
    settings: Settings,
    seen: AtomicU64,
}

#[state]
impl Last {
    #[start]
    fn new(settings: Settings) -> Result<Self, String> {
        if settings.after == 0 {
            return Err("after must be at least 1".into());
        }
        Ok(Last { settings, seen: AtomicU64::new(0) })
    }

    #[gather]
    fn count(&self, _parent: &Message, result: Message) -> Message {
        let number = self.seen.fetch_add(1, Ordering::Relaxed) + 1;
        let text = self.settings.text.clone().unwrap_or("Final message".to_owned());
        if number == self.settings.after { result.with_payload(text) } else { result }
    }
}
