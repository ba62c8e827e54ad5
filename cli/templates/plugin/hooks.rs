//! {{name}}: hooks that a node runs on all that passes it, with a setting, and a function to try them with.
#![forbid(unsafe_code)]

use std::sync::atomic::{AtomicU64, Ordering};

use pylm_plugin_api::prelude::*;

/// What can be set, with `--set {{name}}.mark=…`.
#[config]
struct Settings {
    /// What stands behind the number of each result.
    #[config(default = ": ".to_owned())]
    mark: String,
}

/// What the plugin keeps between messages.
struct Numbers {
    settings: Settings,
    seen: AtomicU64,
}

#[state]
impl Numbers {
    /// Runs once, when the plugin is loaded. An error here is told to whoever starts the node.
    #[start]
    fn new(settings: Settings) -> Result<Self, String> {
        if settings.mark.is_empty() {
            return Err("mark must not be empty".into());
        }
        Ok(Numbers {
            settings,
            seen: AtomicU64::new(0),
        })
    }

    /// Sees each result with the message that it is of, and gives what goes on in its place: one, several, or nothing.
    #[gather]
    fn number(&self, _parent: &Message, result: Message) -> Message {
        let number = self.seen.fetch_add(1, Ordering::Relaxed) + 1;
        let mut payload = format!("{number}{}", self.settings.mark).into_bytes();
        payload.extend_from_slice(result.payload());
        result.with_payload(payload)
    }
}

/// The text in capitals.
#[function]
fn shout(payload: &[u8]) -> Vec<u8> {
    payload.to_ascii_uppercase()
}

export_plugin!(Numbers, shout);

#[cfg(test)]
mod tests {
    use pylm_plugin_api::Message;

    // Each test runs twice: in this process, and through the library as it is loaded.
    #[test]
    fn results_are_numbered() {
        pylm_plugin_api::both_ways!(|host| {
            let plugin = host.start(&[("mark", " - ")]).unwrap();
            let gathered = |text: &str| {
                let result = Message::new("", text.to_owned());
                plugin
                    .gather(&Message::new("", "parent"), result)
                    .unwrap()
                    .remove(0)
                    .payload()
                    .to_vec()
            };
            assert_eq!(
                [gathered("A"), gathered("B")],
                [b"1 - A".to_vec(), b"2 - B".to_vec()]
            );
        });
    }

    #[test]
    fn an_empty_mark_is_refused() {
        pylm_plugin_api::both_ways!(|host| {
            assert!(host.start(&[("mark", "")]).is_err());
        });
    }
}
