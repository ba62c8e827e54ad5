//! Answers in upper case: the smallest plugin.
#![forbid(unsafe_code)]

use pylm_plugin_api::prelude::*;

#[function]
fn shout(payload: &[u8]) -> Vec<u8> {
    payload.to_ascii_uppercase()
}

export_plugin!(shout);

#[cfg(test)]
mod tests {
    #[test]
    fn the_answer_is_the_payload_in_upper_case() {
        pylm_plugin_api::both_ways!(|host| {
            let plugin = host.start(&[]).unwrap();
            assert_eq!(plugin.call("shout", b"a message").unwrap(), [b"A MESSAGE"]);
        });
    }
}
