//! Makes as many parts of a message as its payload says, lazily, and passes on what comes back.
#![forbid(unsafe_code)]

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

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

/// Passes results on; one of `wait for FILE` when that file is there.
#[gather]
fn pass(_parent: &Message, result: Message) -> Message {
    assert!(&result.payload()[..] != b"panic in gather", "gather was told to panic");
    if let Some(file) = result.payload().strip_prefix(b"wait for ") {
        let file = Path::new(OsStr::from_bytes(file));
        while !file.exists() {
            sleep(Duration::from_millis(5));
        }
    }
    result
}

export_plugin!(parts, pass);
