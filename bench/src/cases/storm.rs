//! One message at a time, while callers hang up and messages run out of time beside a million that wait.

use super::memory::wait;
use super::{Figure, one_at_a_time, quantile};
use crate::contender::own::{self, With};
use crate::peer::Peer;
use anyhow::{Context as _, Result, anyhow, ensure};
use bytes::Bytes;
use pylm_protocol::{Payload, Record, Role};
use pylm_transport::Context;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};
use uuid::Uuid;

const TIME: Duration = Duration::from_secs(5);
/// The storm's own clock: so many callers come, hang up, and see a message run out of time with each beat.
const BEAT: Duration = Duration::from_millis(10);
const EACH: u32 = 10;
/// Callers that are there at a time.
const CALLERS: usize = 1_000;
/// Milliseconds that a message has.
const ALLOWED: u64 = 1_000;
const NOBODYS: &str = "server.nobody-offers-this";

pub fn measure() -> Result<Vec<Figure>> {
    let (_node, db) = own::node(With::Patience)?;
    let _host = own::host(&db, 0, 1, &[]);
    let context = Context::new()?;
    let _waiting = wait(&context, &db, (250, 4_000))?;
    let over = AtomicBool::new(false);
    let (times, beats) = thread::scope(|scope| {
        let storm = scope.spawn(|| storm(&context, &db, &over));
        let times = one_at_a_time(&db, TIME);
        over.store(true, Relaxed);
        Ok::<_, anyhow::Error>((times?, storm.join().map_err(|_| anyhow!("the storm has failed"))??))
    })?;
    let rate = f64::from(beats * EACH) / TIME.as_secs_f64();
    ensure!(rate > 900.0, "there were only {rate} callers a second");
    Ok(vec![
        Figure::told("one at a time in a storm of cancels: p50", quantile(&times, 0.5) / 1e3, "ms"),
        Figure::at_most("one at a time in a storm of cancels: p99", quantile(&times, 0.99) / 1e3, "ms", 5.0),
    ])
}

/// Callers come and hang up, and messages run out of time, until it is over; how many beats there were.
fn storm(context: &Context, db: &str, over: &AtomicBool) -> Result<u32> {
    let mut callers = Peer::greet(context, db, Role::Client, &[])?;
    let mut late = Peer::greet(context, db, Role::Client, &[])?;
    late.say(&job(1, ALLOWED));
    let payload = || Payload(Bytes::from_static(&[7; 16]));
    let (mut there, mut next, mut number, mut beats) = (VecDeque::new(), 1, 0, 0);
    let begun = Instant::now();
    while !over.load(Relaxed) {
        for _ in 0..EACH {
            callers.say(&job(next, 0));
            callers.say(&Record::Submit { job: next, number: 0, cache: "", payload: payload() });
            there.push_back(next);
            next += 1;
            if there.len() > CALLERS {
                let job = there.pop_front().context("nobody is there")?;
                callers.say(&Record::Close { job });
            }
            late.say(&Record::Submit { job: 1, number, cache: "", payload: payload() });
            number += 1;
        }
        // What is not known to have come is sent no more of at some time.
        late.say(&Record::Received { job: 1, outputs: number.saturating_sub(ALLOWED * 2) });
        for peer in [&mut callers, &mut late] {
            peer.send()?;
            peer.drain()?;
        }
        beats += 1;
        thread::sleep((begun + BEAT * beats).saturating_duration_since(Instant::now()));
    }
    Ok(beats)
}

/// A job whose messages have so many milliseconds each, or any time.
fn job(job: u32, timeout: u64) -> Record<'static> {
    Record::Open {
        job,
        identity: Uuid::new_v4(),
        flags: 0,
        pipeline: "",
        function: NOBODYS,
        window: 32_768,
        window_bytes: 64 << 20,
        epoch: Uuid::nil(),
        received: 0,
        timeout,
        priority: 0,
        retries: 0,
        deadline: 0,
    }
}
