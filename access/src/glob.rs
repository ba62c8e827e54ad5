//! Patterns for whole names, with exceptions: `*` is any letters, `?` is one, and a `!` before a pattern takes out what fits it.

use serde::{Deserialize, Serialize};

/// Patterns of names: what fits one of them and no exception.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Globs(Vec<String>);

impl Globs {
    /// These patterns.
    #[must_use]
    pub fn new(patterns: Vec<String>) -> Self {
        Globs(patterns)
    }

    /// Every name.
    #[must_use]
    pub fn everything() -> Self {
        Globs(vec!["*".into()])
    }

    /// Whether a name is among them. Exceptions count wherever they stand; exceptions alone let nothing through.
    #[must_use]
    pub fn contain(&self, name: &str) -> bool {
        let exception = |pattern: &&String| pattern.starts_with('!');
        let excepted = self.0.iter().filter(exception).any(|pattern| fits(&pattern[1..], name));
        !excepted && self.0.iter().filter(|pattern| !exception(pattern)).any(|pattern| fits(pattern, name))
    }

    /// As they are written, separated by commas.
    #[must_use]
    pub fn to_text(&self) -> String {
        self.0.join(", ")
    }
}

/// Whether all of `name` fits `pattern`. Where letters after a `*` do not fit, it takes one letter more: only the last one has to be
/// tried again, so the work is at most the product of both lengths.
fn fits(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut at, mut place) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while place < name.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, place));
                at += 1;
            }
            Some(&letter) if letter == '?' || letter == name[place] => {
                at += 1;
                place += 1;
            }
            _ => match &mut star {
                Some((of_star, taken)) => {
                    *taken += 1;
                    (at, place) = (*of_star + 1, *taken);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|&letter| letter == '*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The same, as one would say it.
    fn model(pattern: &[char], name: &[char]) -> bool {
        match pattern.split_first() {
            None => name.is_empty(),
            Some(('*', rest)) => (0..=name.len()).any(|taken| model(rest, &name[taken..])),
            Some(('?', rest)) => !name.is_empty() && model(rest, &name[1..]),
            Some((letter, rest)) => name.first() == Some(letter) && model(rest, &name[1..]),
        }
    }

    fn globs(patterns: &[&str]) -> Globs {
        Globs::new(patterns.iter().map(|&pattern| pattern.to_owned()).collect())
    }

    #[test]
    fn a_pattern_is_for_the_whole_name() {
        let words = globs(&["word*", "!wordy", "?"]);
        for (name, is_in) in
            [("word", true), ("words", true), ("wordy", false), ("a word", false), ("x", true), ("", false)]
        {
            assert_eq!(words.contain(name), is_in, "{name}");
        }
        assert!(
            !globs(&["!secret"]).contain("other")
                && !globs(&[]).contain("")
                && Globs::everything().contain("")
        );
        assert!(!globs(&["!a*", "a1"]).contain("a1"), "an exception counts wherever it stands");
    }

    #[test]
    fn a_pattern_of_many_stars_is_no_work() {
        assert!(!fits(&"*a".repeat(500), &"a".repeat(499)));
        assert!(fits(&"*a".repeat(500), &"a".repeat(500)));
    }

    proptest! {
        #[test]
        fn it_is_as_the_model_says(pattern in "[ab*?]{0,8}", name in "[ab]{0,10}") {
            let letters = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(fits(&pattern, &name), model(&letters(&pattern), &letters(&name)));
        }

        #[test]
        fn an_exception_takes_out_what_it_fits_and_no_more(pattern in "[ab*]{0,5}", except in "[ab*]{0,5}", name in "[ab]{0,6}") {
            let both = globs(&[&pattern, &format!("!{except}")]);
            prop_assert_eq!(both.contain(&name), fits(&pattern, &name) && !fits(&except, &name));
        }
    }
}
