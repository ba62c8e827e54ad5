//! What a call costs above the function itself, and what a message costs on its way through a hook.
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

#[path = "../tests/build/mod.rs"]
mod build;

use std::hint::black_box;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use bytes::Bytes;
use pylm_plugin_host::{Call, Desk, Names, NoServices, Outcome, PluginSet, load};

const ROUNDS: u32 = 2_000_000;

fn main() {
    let plugins = vec![load(&build::release_fixture("troublesome"), &[]).unwrap()];
    let set = PluginSet::new(plugins).unwrap();
    let echo = set.function("echo").unwrap();
    let cancelled = AtomicBool::new(false);
    let call = Call::new(&NoServices, &cancelled).client("client").number(1);
    for size in [16, 1024, 65_536] {
        let payload = vec![7; size];
        let rounds = ROUNDS / (1 + size as u32 / 256);
        let direct = nanoseconds(rounds, || {
            black_box(direct(black_box(&payload)));
        });
        let hosted = nanoseconds(rounds, || {
            let Ok(Outcome::One(answer)) = echo.call(&call, black_box(&payload)) else {
                panic!("one result")
            };
            black_box(answer);
        });
        println!("echo of {size:>6} B: direct {direct:.1} ns, through the plugin {hosted:.1} ns");
    }
    let failing = set.function("panics").unwrap();
    let panicking = nanoseconds(20_000, || {
        black_box(failing.call(&call, b"").is_err());
    });
    println!("a call that panics: {panicking:.0} ns");
    let payload = Bytes::from(vec![b'x'; 4066]);
    let (mut desk, mut names) = (Desk::default(), Names::new("pipeline", "client", "server.function"));
    let scattered = nanoseconds(ROUNDS / 10, || {
        let key = desk.numbered("job", [7, 0]);
        for part in set.scatter(desk.message(&mut names, 0, key, &payload)) {
            black_box(desk.take_payload(&mut names, part.unwrap()));
        }
    });
    println!("a message scattered in two, from the host's bytes and back: {scattered:.0} ns");
}

#[inline(never)]
fn direct(payload: &[u8]) -> Vec<u8> {
    payload.to_vec()
}

/// The best of many short runs, for each round: other work on the machine disturbs most runs, and never all of them.
fn nanoseconds(rounds: u32, mut work: impl FnMut()) -> f64 {
    const RUNS: u32 = 500;
    let rounds = (rounds / RUNS).max(10);
    let mut run = || {
        let start = Instant::now();
        (0..rounds).for_each(|_| work());
        start.elapsed().as_secs_f64() * 1e9 / f64::from(rounds)
    };
    (0..RUNS).map(|_| run()).fold(f64::INFINITY, f64::min)
}
