//! Puts a text before each payload, so that an answer shows which nodes it has passed.
#![forbid(unsafe_code)]

use pylm_plugin_api::prelude::*;

#[config]
struct Stamp {
    /// What stands before each payload.
    text: String,
}

#[state]
impl Stamp {
    #[start]
    fn new(settings: Stamp) -> Self {
        settings
    }

    #[function]
    fn foo(&self, payload: &[u8]) -> Vec<u8> {
        [self.text.as_bytes(), payload].concat()
    }
}

export_plugin!(Stamp);

#[cfg(test)]
mod tests {
    #[test]
    fn the_text_stands_before_the_payload() {
        pylm_plugin_api::both_ways!(|host| {
            let plugin = host.start(&[("text", "first ")]).unwrap();
            assert_eq!(plugin.call("foo", b"a message").unwrap(), [b"first a message"]);
        });
    }
}
