//! How often each word occurs, and the lines that say so.

use std::collections::HashMap;
use std::io::Write as _;

use pylm_plugin_api::Failure;

/// Words in lower case, and how often each occurs.
#[derive(Default)]
pub(crate) struct Counts(HashMap<Vec<u8>, u64>);

impl Counts {
    /// The counts of a text.
    pub(crate) fn of(text: &[u8]) -> Counts {
        let mut counts = Counts::default();
        let mut folded = Vec::new();
        for word in text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()) {
            folded.clear();
            folded.extend(word.iter().map(u8::to_ascii_lowercase));
            counts.add(&folded, 1);
        }
        counts
    }

    fn add(&mut self, word: &[u8], times: u64) {
        match self.0.get_mut(word) {
            Some(count) => *count += times,
            None => {
                self.0.insert(word.to_vec(), times);
            }
        }
    }

    /// Adds what the lines of other counts say.
    pub(crate) fn add_lines(&mut self, lines: &[u8]) -> Result<(), Failure> {
        for line in lines.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            let (word, times) = parse(line).ok_or_else(|| {
                Failure::permanent(format!("no line of counts: \"{}\"", line.escape_ascii()))
            })?;
            self.add(word, times);
        }
        Ok(())
    }

    /// One line `word<TAB>count` for each word, sorted by the word.
    pub(crate) fn into_lines(self) -> Vec<u8> {
        let mut all: Vec<(Vec<u8>, u64)> = self.0.into_iter().collect();
        all.sort_unstable();
        let mut lines = Vec::with_capacity(all.iter().map(|(word, _)| word.len() + 8).sum());
        for (word, times) in all {
            lines.extend_from_slice(&word);
            // Writing to a vector never fails.
            let _ = writeln!(lines, "\t{times}");
        }
        lines
    }
}

fn parse(line: &[u8]) -> Option<(&[u8], u64)> {
    let tab = line.iter().rposition(|&byte| byte == b'\t')?;
    let times = std::str::from_utf8(&line[tab + 1..]).ok()?.parse().ok()?;
    Some((&line[..tab], times))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_folded_counted_and_sorted() {
        let lines = Counts::of(b"b A\tb\n\r a  B \xff\n").into_lines();
        assert_eq!(lines, b"a\t2\nb\t3\n\xff\t1\n");
    }

    #[test]
    fn merged_counts_are_the_counts_of_the_whole() {
        let mut merged = Counts::default();
        for part in [&b"one two two"[..], b"three two", b""] {
            merged.add_lines(&Counts::of(part).into_lines()).unwrap();
        }
        assert_eq!(merged.into_lines(), Counts::of(b"one two two three two").into_lines());
    }

    #[test]
    fn lines_that_are_no_counts_are_refused() {
        for bad in [&b"word"[..], b"word\tmany", b"\t"] {
            assert!(Counts::default().add_lines(bad).unwrap_err().is_permanent());
        }
    }
}
