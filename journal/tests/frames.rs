//! Frames: what is written is read again, and no bytes at all make the reader panic or make something up.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod model;

use model::{Model, Node, step};
use proptest::prelude::*;
use pylm_journal::Record;
use pylm_journal::fuzzing::{bodies, frame};

fn records() -> impl Strategy<Value = Vec<Record>> {
    prop::collection::vec(step(), 1..60).prop_map(|steps| {
        let (mut node, mut model) = (Node::default(), Model::default());
        let mut records = Vec::new();
        for step in steps {
            if let Some(record) = node.record(&step, &model) {
                model.apply(&record);
                records.push(record);
            }
        }
        records
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(records in records()) {
        bodies(&records).iter().for_each(|body| frame(body));
    }

    #[test]
    fn damaged_bodies_are_refused_or_read_as_something(
        records in records(), damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5), end: prop::sample::Index,
    ) {
        for mut body in bodies(&records) {
            for (place, byte) in &damage {
                let place = place.index(body.len());
                body[place] = *byte;
            }
            frame(&body);
            frame(&body[..end.index(body.len())]);
        }
    }

    #[test]
    fn any_bytes_are_refused_or_read_as_something(body: Vec<u8>) {
        frame(&body);
    }
}
