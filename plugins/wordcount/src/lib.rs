//! Counts the words of texts of any size: scatter cuts, workers count, a join merges.
//!
//! A word is a run of bytes that are not ASCII white space, with ASCII letters in lower case. The answer to a text is
//! one line `word<TAB>count` for each word, sorted by the bytes of the word.
#![forbid(unsafe_code)]

mod chunks;
mod counts;

use pylm_plugin_api::prelude::*;

use chunks::Chunks;
use counts::Counts;

#[config]
struct Settings {
    /// About how many bytes of text one worker counts at a time.
    #[config(default = 262_144)]
    chunk: usize,
}

struct WordCount(Settings);

#[state]
impl WordCount {
    #[start]
    fn new(settings: Settings) -> Result<Self, &'static str> {
        if settings.chunk == 0 { Err("chunk must be at least 1 byte") } else { Ok(WordCount(settings)) }
    }

    #[scatter]
    fn cut(&self, text: Message) -> impl Iterator<Item = Message> {
        Chunks::new(text.payload().clone(), self.0.chunk).map(move |chunk| text.clone().with_payload(chunk))
    }
}

#[function]
fn count(text: &[u8]) -> Vec<u8> {
    Counts::of(text).into_lines()
}

#[join]
fn merge(text: &Message) -> Merged {
    Merged { text: text.clone().with_payload(""), counts: Counts::default() }
}

/// The counts of all chunks of one text so far.
struct Merged {
    text: Message,
    counts: Counts,
}

impl Join for Merged {
    fn take(&mut self, result: Message) -> Result<(), Failure> {
        self.counts.add_lines(result.payload())
    }

    fn finish(self) -> impl Iterator<Item = Result<Message, Failure>> + Send {
        std::iter::once(Ok(self.text.with_payload(self.counts.into_lines())))
    }
}

export_plugin!(WordCount, count, merge);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_count_as_the_whole_does() {
        pylm_plugin_api::both_ways!(|host| {
            let text = "The cat saw the dog.\nThe dog\tsaw  THE cat";
            for chunk in ["1", "7", "1000"] {
                let plugin = host.start(&[("chunk", chunk)]).unwrap();
                let parent = Message::new("server.count", text);
                let parts = plugin.scatter(parent.clone()).unwrap();
                let results = parts.into_iter().map(|part| {
                    let counts = plugin.call("count", part.payload()).unwrap().remove(0);
                    part.with_payload(counts)
                });
                let joined = plugin.join(&parent, results).unwrap();
                assert_eq!(joined, [parent.with_payload("cat\t2\ndog\t1\ndog.\t1\nsaw\t2\nthe\t4\n")]);
            }
        });
    }

    #[test]
    fn chunks_of_no_bytes_are_refused_at_start() {
        pylm_plugin_api::both_ways!(|host| {
            let error = host.start(&[("chunk", "0")]).err().unwrap();
            assert_eq!(error.to_string(), "chunk must be at least 1 byte");
        });
    }
}
