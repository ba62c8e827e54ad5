//! Cuts a text at word borders, without copying it.

use pylm_plugin_api::Payload;

/// The pieces of a text: each ends behind a white space, or at the end of the text. A text without bytes is one piece.
pub(crate) struct Chunks {
    rest: Option<Payload>,
    size: usize,
}

impl Chunks {
    /// Pieces of at least `size` bytes, and as much more as the word at that place needs.
    pub(crate) fn new(text: Payload, size: usize) -> Chunks {
        Chunks { rest: Some(text), size }
    }
}

impl Iterator for Chunks {
    type Item = Payload;

    fn next(&mut self) -> Option<Payload> {
        let rest = self.rest.take()?;
        let border = rest.iter().skip(self.size - 1).position(u8::is_ascii_whitespace);
        match border.map(|behind| self.size + behind) {
            Some(end) if end < rest.len() => {
                self.rest = Some(rest.slice(end..));
                Some(rest.slice(..end))
            }
            _ => Some(rest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str, size: usize) -> Vec<String> {
        let chunks = Chunks::new(Payload::from(text), size);
        chunks.map(|chunk| String::from_utf8(chunk.to_vec()).unwrap()).collect()
    }

    #[test]
    fn no_word_is_cut_and_no_byte_is_lost() {
        let text = "the quick  brown\nfox jumps\tover the lazy dog";
        for size in 1..60 {
            let chunks = cut(text, size);
            assert_eq!(chunks.concat(), text);
            let words: Vec<&str> = chunks.iter().flat_map(|chunk| chunk.split_ascii_whitespace()).collect();
            assert_eq!(words, text.split_ascii_whitespace().collect::<Vec<_>>(), "chunks of {size} bytes");
        }
    }

    #[test]
    fn a_text_without_borders_or_bytes_is_one_piece() {
        assert_eq!(cut("abcdefgh", 3), ["abcdefgh"]);
        assert_eq!(cut("", 3), [""]);
    }

    #[test]
    fn pieces_share_the_memory_of_the_text() {
        let text = Payload::from(vec![b' '; 4096]);
        let pieces: Vec<Payload> = Chunks::new(text.clone(), 1000).collect();
        assert_eq!(pieces.len(), 5);
        assert!(pieces.iter().all(|piece| text.as_ptr_range().contains(&piece.as_ptr())));
    }
}
