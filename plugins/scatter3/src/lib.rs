//! Sends each message three times, as pylm's scatter example does.
#![forbid(unsafe_code)]

use pylm_plugin_api::prelude::*;

#[scatter]
fn three(message: Message) -> impl Iterator<Item = Message> {
    std::iter::repeat_n(message, 3)
}

export_plugin!(three);
