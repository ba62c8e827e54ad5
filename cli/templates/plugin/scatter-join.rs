//! {{name}}: cuts a message into parts, works on each, and makes one answer of the results.
#![forbid(unsafe_code)]

use pylm_plugin_api::prelude::*;

/// A part for each line of a text.
#[scatter]
fn lines(text: Message) -> impl Iterator<Item = Message> {
    let lines: Vec<Vec<u8>> = text
        .payload()
        .split(|&byte| byte == b'\n')
        .map(<[u8]>::to_vec)
        .collect();
    lines
        .into_iter()
        .map(move |line| text.clone().with_payload(line))
}

/// How many words a line has. Lines are counted side by side, on whatever worker hosts there are.
#[function]
fn words(payload: &[u8]) -> Result<String, Failure> {
    let line = std::str::from_utf8(payload)?;
    Ok(line.split_whitespace().count().to_string())
}

/// Adds up what the lines of one text gave.
#[join]
fn total(text: &Message) -> Total {
    Total {
        text: text.clone(),
        words: 0,
    }
}

struct Total {
    text: Message,
    words: u64,
}

impl Join for Total {
    /// Takes the results of one text, in any order, each once.
    fn take(&mut self, result: Message) -> Result<(), Failure> {
        self.words += std::str::from_utf8(result.payload())?.parse::<u64>()?;
        Ok(())
    }

    /// Gives what replaces them, when all are there.
    fn finish(self) -> impl Iterator<Item = Result<Message, Failure>> + Send {
        std::iter::once(Ok(self.text.with_payload(self.words.to_string())))
    }
}

export_plugin!(lines, words, total);

#[cfg(test)]
mod tests {
    use pylm_plugin_api::Message;

    // Each test runs twice: in this process, and through the library as it is loaded.
    #[test]
    fn the_lines_of_a_text_add_up() {
        pylm_plugin_api::both_ways!(|host| {
            let plugin = host.start(&[]).unwrap();
            let text = Message::new("", "one two\nthree\n");
            let parts = plugin.scatter(text.clone()).unwrap();
            assert_eq!(parts.len(), 3);
            let results = parts.into_iter().map(|part| {
                part.clone()
                    .with_payload(plugin.call("words", part.payload()).unwrap().remove(0))
            });
            let joined = plugin.join(&text, results).unwrap();
            assert_eq!(&**joined[0].payload(), b"3");
        });
    }
}
