//! Random runs of a node with crashes: what comes back is what a simple model has, up to some record that is not older than what
//! was durable.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod model;

use model::{Model, Node, Opened, Step, step, step_of_many_results};
use proptest::prelude::*;
use pylm_journal::{Options, Record};
use std::time::Duration;

/// A journal whose segments are soon full, and cleaned.
fn options() -> Options {
    Options { segment_bytes: 16 << 10, retry: Duration::from_millis(10), ..Options::default() }
}

fn run(steps: &[Step]) {
    let folder = tempfile::tempdir().unwrap();
    let (mut opened, _) = Opened::new(folder.path(), &options());
    let mut node = Node::default();
    let mut model = Model::default();
    // What was written since the journal was opened, and where the model stood then.
    let (mut base, mut since): (Model, Vec<Record>) = Default::default();
    let mut first = 1;
    for step in steps {
        if let Some(record) = node.record(step, &model) {
            model.apply(&record);
            since.push(record.clone());
            opened.journal.append(vec![record]);
            continue;
        }
        let durable = match step {
            Step::Wait => {
                opened.wait_for(first + since.len() as u64);
                continue;
            }
            Step::Crash => {
                let durable = opened.journal.durable();
                drop(opened);
                durable.saturating_sub(first) as usize
            }
            Step::Restart => {
                opened.journal.close().unwrap();
                since.len()
            }
            _ => continue,
        };
        let (reopened, recovered) = Opened::new(folder.path(), &options());
        assert_eq!(recovered.lost, 0);
        let got = Model::recovered(&recovered);
        let mut prefix = base.clone();
        since.iter().take(durable).for_each(|record| prefix.apply(record));
        let mut rest = since[durable..].iter();
        while prefix.clone().restarted().visible() != got {
            let Some(record) = rest.next() else {
                panic!("not a state that was: {got:#?}\nthe last one: {:#?}", model.visible());
            };
            prefix.apply(record);
        }
        node.restart(&recovered);
        prefix = prefix.restarted();
        (base, model) = (prefix.clone(), prefix);
        since.clear();
        opened = reopened;
        first = opened.journal.append(Vec::new());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 400, ..ProptestConfig::default() })]

    #[test]
    fn what_comes_back_is_what_was(steps in prop::collection::vec(step(), 1..300)) {
        run(&steps);
    }

    #[test]
    fn results_of_earlier_runs_do_not_come_back(steps in prop::collection::vec(step_of_many_results(), 1..200)) {
        run(&steps);
    }
}
