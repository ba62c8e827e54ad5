//! A set of numbers, most of which follow each other.

use std::collections::BTreeMap;
use std::ops::Range;

/// The numbers, as ranges that do not touch: where each begins, and where it ends.
#[derive(Debug, Default)]
pub(crate) struct Numbers(BTreeMap<u64, u64>);

impl Numbers {
    /// Adds a number.
    pub(crate) fn insert(&mut self, number: u64) {
        let behind = number.saturating_add(1);
        let before = self.0.range_mut(..=number).next_back();
        let start = match before {
            Some((_, end)) if *end > number => return,
            Some((&start, end)) if *end == number => {
                *end = behind;
                start
            }
            _ => {
                self.0.insert(number, behind);
                number
            }
        };
        if let Some(end) = self.0.remove(&behind) {
            self.0.insert(start, end);
        }
    }

    /// The ranges of `within` in which there is none of them.
    pub(crate) fn missing(&self, within: Range<u64>) -> Vec<Range<u64>> {
        let mut missing = Vec::new();
        let mut next = within.start;
        for (&start, &end) in self.0.range(..within.end) {
            if start > next {
                missing.push(next..start);
            }
            next = next.max(end);
        }
        if next < within.end {
            missing.push(next..within.end);
        }
        missing
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn it_is_a_set_of_few_ranges(numbers in prop::collection::vec(0u64..40, 0..60), start in 0u64..20, length in 0u64..40) {
            let (mut set, model) = (Numbers::default(), numbers.iter().copied().collect::<BTreeSet<_>>());
            numbers.iter().for_each(|&number| set.insert(number));
            let within = start..start + length;
            let missing: Vec<u64> = set.missing(within.clone()).into_iter().flatten().collect();
            prop_assert_eq!(missing, within.filter(|number| !model.contains(number)).collect::<Vec<_>>());
            let runs = model.iter().filter(|&&number| number == 0 || !model.contains(&(number - 1))).count();
            prop_assert_eq!(set.0.len(), runs);
        }
    }
}
