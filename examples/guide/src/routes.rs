//! A route by what is in a message.

use pylm_plugin_api::prelude::*;

/// Results in German go to those who follow `german`, and the rest to those who follow `other`.
#[route]
pub(crate) fn by_language(result: Message) -> (&'static str, Message) {
    let topic = if result.payload().starts_with(b"de ") { "german" } else { "other" };
    (topic, result)
}
