//! The places of results that a message has had already, in little memory.

use pylm_protocol::Place;
use std::collections::BTreeMap;

/// A set of places. Places that differ in their last number only, and follow each other there, take the room of one.
#[derive(Debug, Default)]
pub(crate) struct PlaceSet {
    /// Whether the empty place is there.
    whole: bool,
    /// The places of one number, which most are.
    flat: Runs,
    /// Those of several, by all but the last number.
    nested: BTreeMap<Box<[u64]>, Runs>,
}

impl PlaceSet {
    /// Adds a place; `false` when it was there.
    pub(crate) fn insert(&mut self, place: &Place) -> bool {
        match place.0.as_slice() {
            [] => !std::mem::replace(&mut self.whole, true),
            [last] => self.flat.insert(*last),
            [path @ .., last] => match self.nested.get_mut(path) {
                Some(runs) => runs.insert(*last),
                None => self.nested.entry(path.into()).or_default().insert(*last),
            },
        }
    }
}

/// A set of numbers as the runs they form: sorted, disjoint, not adjacent, both ends included.
#[derive(Debug, Default)]
struct Runs(Vec<(u64, u64)>);

impl Runs {
    fn insert(&mut self, number: u64) -> bool {
        let runs = &mut self.0;
        // The first run that begins behind the number; the number may belong to the one before it.
        let behind = runs.partition_point(|&(start, _)| start <= number);
        if behind > 0 && runs[behind - 1].1 >= number {
            return false;
        }
        let joins_left = behind > 0 && runs[behind - 1].1 + 1 == number;
        let joins_right = behind < runs.len() && number + 1 == runs[behind].0;
        match (joins_left, joins_right) {
            (true, true) => {
                runs[behind - 1].1 = runs[behind].1;
                runs.remove(behind);
            }
            (true, false) => runs[behind - 1].1 = number,
            (false, true) => runs[behind].0 = number,
            (false, false) => runs.insert(behind, (number, number)),
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    proptest! {
        #[test]
        fn it_knows_what_a_plain_set_knows(places in prop::collection::vec(prop::collection::vec(0u64..6, 0..4), 0..200)) {
            let mut set = PlaceSet::default();
            let mut plain = HashSet::new();
            for place in places {
                prop_assert_eq!(set.insert(&Place(place.clone())), plain.insert(place));
            }
        }
    }

    #[test]
    fn a_million_places_in_a_row_take_the_room_of_one() {
        let mut set = PlaceSet::default();
        (0..1_000_000).rev().for_each(|number| assert!(set.insert(&Place(vec![number]))));
        assert_eq!(set.flat.0, [(0, 999_999)]);
        assert!(!set.insert(&Place(vec![77])));
        assert!(set.insert(&Place(vec![u64::MAX])));
        assert!(!set.insert(&Place(vec![u64::MAX])));
    }
}
