//! Thousands of callers at the HTTP gateway at once: each gets its own answer, and nothing is left of those who hang up.

use std::thread;
use std::time::{Duration, Instant};

use pylm_tests::deadline::{Deadline, deadline};
use pylm_tests::http::{Connection, post};
use pylm_tests::node::{Node, WorkerHost};

const PATIENCE: Duration = Duration::from_secs(120);
const CALLERS: usize = 1_500;

fn limit() -> Deadline {
    // The first test also builds the programs.
    deadline(Duration::from_secs(900))
}

fn start(args: &[&str]) -> (Node, String, WorkerHost) {
    if let Err(error) = pylm_transport::raise_file_limit() {
        panic!("not enough open files: {error}");
    }
    let node = Node::start(&[&["--gateway", "127.0.0.1:0"], args].concat());
    let host = WorkerHost::start(&node.db, &["testing"], "host", &["--slots", "4"]);
    let address = node.ready.field("gateway");
    (node, address, host)
}

#[test]
fn every_one_of_many_callers_gets_its_own_answers() {
    let _limit = limit();
    let (node, address, _host) = start(&[]);
    let mut callers: Vec<Connection> = (0..CALLERS).map(|_| Connection::open(&address)).collect();
    for round in 0..5 {
        for (number, caller) in callers.iter_mut().enumerate() {
            caller.ask("POST", "/echo", "", Some(format!("{round} {number}").as_bytes()));
        }
        for (number, caller) in callers.iter_mut().enumerate() {
            let answer = caller.answer();
            assert_eq!((answer.status, answer.text()), (200, format!("{round} {number}")));
        }
    }
    let account = node.end(PATIENCE);
    assert_eq!((account.accepted, account.done), (5 * CALLERS as u64, 5 * CALLERS as u64));
}

#[test]
fn many_callers_that_hang_up_at_once_leave_nothing_behind() {
    let _limit = limit();
    let (node, address, _host) = start(&[]);
    for _ in 0..3 {
        let mut callers: Vec<Connection> = (0..CALLERS).map(|_| Connection::open(&address)).collect();
        for caller in &mut callers {
            caller.ask("POST", "/sleep_for", "", Some(b"100"));
        }
        // The first ones have had their turn; most wait for theirs, at the node or still on their way.
        assert_eq!(callers[0].answer().status, 200);
        drop(callers);
    }
    let begun = Instant::now();
    assert_eq!(post(&address, "/echo", "next").text(), "next");
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    let account = node.end(PATIENCE);
    assert!(account.cancelled > 1_000, "{account:?}");
    assert_eq!((account.failed, account.cancelled + account.done), (0, account.accepted));
}

#[test]
fn callers_beyond_the_bound_are_turned_away_and_the_others_served() {
    let _limit = limit();
    let (node, address, _host) = start(&["--gateway-requests", "1000"]);
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let mut caller = Connection::open(&address);
            caller.ask("POST", "/sleep_for", "", Some(b"10"));
            caller
        })
        .collect();
    let statuses: Vec<u16> = callers.into_iter().map(|mut caller| caller.answer().status).collect();
    assert!(statuses.iter().all(|status| [200, 429].contains(status)), "{statuses:?}");
    let served = statuses.iter().filter(|status| **status == 200).count() as u64;
    assert!(served >= 1_000, "{served}");
    let end = Instant::now() + PATIENCE;
    while post(&address, "/echo", "").status != 200 {
        assert!(Instant::now() < end);
        thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(node.end(PATIENCE).done, served + 1);
}
