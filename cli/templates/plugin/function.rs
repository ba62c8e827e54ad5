//! {{name}}: a function for pylmd.
#![forbid(unsafe_code)]

use pylm_plugin_api::prelude::*;

/// How many words a text has.
#[function]
fn words(payload: &[u8]) -> Result<String, Failure> {
    let text = std::str::from_utf8(payload)?;
    Ok(text.split_whitespace().count().to_string())
}

export_plugin!(words);

#[cfg(test)]
mod tests {
    // Each test runs twice: in this process, and through the library as it is loaded.
    #[test]
    fn words_are_counted_and_what_is_no_text_is_an_error() {
        pylm_plugin_api::both_ways!(|host| {
            let plugin = host.start(&[]).unwrap();
            assert_eq!(plugin.call("words", b"one two  three\n").unwrap(), [b"3"]);
            assert!(plugin.call("words", b"\xff").is_err());
        });
    }
}
