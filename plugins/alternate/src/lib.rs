//! Sends results to several topics in turn, as the server of pylm's stream example does with `even` and `odd`.
#![forbid(unsafe_code)]

use std::sync::atomic::{AtomicUsize, Ordering};

use pylm_plugin_api::prelude::*;

#[config]
struct Settings {
    /// The topics, separated by commas.
    #[config(default = vec!["even".to_owned(), "odd".to_owned()])]
    topics: Vec<String>,
}

/// Counts results for as long as the node runs.
struct Alternate {
    topics: Vec<String>,
    passed: AtomicUsize,
}

#[state]
impl Alternate {
    #[start]
    fn new(settings: Settings) -> Result<Self, &'static str> {
        if settings.topics.is_empty() {
            return Err("topics must name at least one");
        }
        Ok(Alternate { topics: settings.topics, passed: AtomicUsize::new(0) })
    }

    #[route]
    fn next(&self, result: Message) -> (String, Message) {
        let number = self.passed.fetch_add(1, Ordering::Relaxed);
        (self.topics[number % self.topics.len()].clone(), result)
    }
}

export_plugin!(Alternate);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_go_to_the_topics_in_turn() {
        pylm_plugin_api::both_ways!(|host| {
            let plugin = host.start(&[]).unwrap();
            let message = Message::new("server.foo", "a message");
            for topic in ["even", "odd", "even"] {
                assert_eq!(plugin.route(message.clone()).unwrap(), [(topic.to_owned(), message.clone())]);
            }
        });
    }

    #[test]
    fn topics_can_be_set_but_not_to_none() {
        pylm_plugin_api::both_ways!(|host| {
            let plugin = host.start(&[("topics", "one")]).unwrap();
            let message = Message::new("server.foo", "a message");
            assert_eq!(plugin.route(message.clone()).unwrap(), [("one".to_owned(), message)]);
            let error = host.start(&[("topics", "")]).err().unwrap();
            assert_eq!(error.to_string(), "topics must name at least one");
        });
    }
}
