//! Makes as many parts of a message as its payload says, lazily, and passes on what comes back.
#![forbid(unsafe_code)]

use pylm_plugin_api::prelude::*;

/// One part for each number below that of the payload; of any other payload, one part with that.
#[scatter]
fn parts(message: Message) -> Box<dyn Iterator<Item = Message> + Send> {
    assert!(&message.payload()[..] != b"panic in scatter", "scatter was told to panic");
    match std::str::from_utf8(message.payload()).ok().and_then(|text| text.parse::<u64>().ok()) {
        Some(count) => {
            Box::new((0..count).map(move |number| message.clone().with_payload(number.to_string())))
        }
        None => Box::new(std::iter::once(message)),
    }
}

#[gather]
fn pass(_parent: &Message, result: Message) -> Message {
    assert!(&result.payload()[..] != b"panic in gather", "gather was told to panic");
    result
}

export_plugin!(parts, pass);
