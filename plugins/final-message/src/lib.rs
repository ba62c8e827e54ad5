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

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(host: &pylm_plugin_api::testing::Host, settings: &[(&str, &str)]) -> Vec<String> {
        let plugin = host.start(settings).unwrap();
        let parent = Message::new("server.foo", "");
        let results = (1..=31).map(|number| {
            let result = Message::new("server.foo", number.to_string());
            plugin.gather(&parent, result).unwrap().remove(0)
        });
        results.map(|message| String::from_utf8(message.payload().to_vec()).unwrap()).collect()
    }

    #[test]
    fn the_thirtieth_result_is_replaced_and_no_other() {
        pylm_plugin_api::both_ways!(|host| {
            let seen = seen(host, &[]);
            assert_eq!(seen[29], "Final message");
            assert!(
                seen.iter().enumerate().all(|(index, text)| index == 29 || *text == (index + 1).to_string())
            );
        });
    }

    #[test]
    fn which_result_is_replaced_can_be_set() {
        pylm_plugin_api::both_ways!(|host| assert_eq!(seen(host, &[("after", "1")])[0], "Final message"));
    }

    #[test]
    fn a_slip_in_a_setting_is_refused_with_the_right_key() {
        pylm_plugin_api::both_ways!(|host| {
            let error = host.start(&[("afer", "1")]).err().unwrap();
            assert_eq!(error.to_string(), "unknown setting \"afer\", did you mean \"after\"?");
        });
    }
}
