//! The pure parts that a message passes: the codecs, the ledger, and the hop into a function.
//!
//! `cargo bench -p pylm-bench`
#![allow(clippy::unwrap_used, missing_docs, reason = "a measurement fails by a panic")]

use bytes::Bytes;
use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use pylm_plugin_host::{Call, NoServices, Outcome, PluginSet, load};
use pylm_protocol::palm::{PalmMessage, Tracking};
use pylm_protocol::{BatchReader, BatchWriter};
use pylm_tests::programs::{Profile, build};
use pylmd::node::measured::Books;
use std::sync::atomic::AtomicBool;

/// Messages that are handled together.
const TURN: u64 = 256;
const SIZES: [usize; 3] = [16, 1 << 10, 10 << 10];

fn main() {
    divan::main();
}

fn batch(size: usize) -> (Bytes, Vec<Bytes>) {
    let mut batch = BatchWriter::new();
    submit(&mut batch, &Bytes::from(vec![7; size]));
    let (frame, attachments) = batch.take();
    (frame.into(), attachments)
}

fn submit(batch: &mut BatchWriter, payload: &Bytes) {
    for number in 0..TURN {
        batch.submit(black_box(1), black_box(number), "", black_box(payload));
    }
}

#[divan::bench(args = SIZES)]
fn batch_encode(bencher: Bencher<'_, '_>, size: usize) {
    let payload = Bytes::from(vec![7; size]);
    bencher.counter(ItemsCount::new(TURN)).bench_local(|| {
        let mut batch = BatchWriter::new();
        submit(&mut batch, &payload);
        batch.take()
    });
}

#[divan::bench(args = SIZES)]
fn batch_decode(bencher: Bencher<'_, '_>, size: usize) {
    let (frame, attachments) = batch(size);
    bencher.counter(ItemsCount::new(TURN)).bench_local(|| {
        let mut reader = BatchReader::new(black_box(&frame), &attachments).unwrap();
        loop {
            while let Some(submit) = reader.next_submit() {
                black_box(submit);
            }
            let Some(record) = reader.next_record().unwrap() else { break };
            black_box(record);
        }
    });
}

fn palm(payload: &[u8]) -> PalmMessage<'_> {
    PalmMessage {
        pipeline: "9f3b2d8e-7a41-4c57-9a53-0d3c1f4b6e21",
        client: "1c0f4a1b-5d0e-4f54-8b9a-70f6c2c3e9d4",
        function: "server.echo",
        payload,
        tracking: Some(Tracking { lease: 5, node: 7 }),
        ..PalmMessage::default()
    }
}

#[divan::bench(args = SIZES)]
fn palm_encode(bencher: Bencher<'_, '_>, size: usize) {
    let (payload, mut out) = (vec![7; size], Vec::new());
    bencher.bench_local(|| {
        out.clear();
        palm(black_box(&payload)).encode_into(&mut out);
        black_box(&out);
    });
}

#[divan::bench(args = SIZES)]
fn palm_decode(bencher: Bencher<'_, '_>, size: usize) {
    let frame = palm(&vec![7; size]).encode();
    bencher.bench_local(|| black_box(PalmMessage::decode(black_box(&frame)).unwrap().payload.len()));
}

/// Acceptance, turns, leases and ends.
#[divan::bench]
fn ledger(bencher: Bencher<'_, '_>) {
    let (mut books, payload) = (Books::default(), Bytes::from_static(&[7; 16]));
    bencher.counter(ItemsCount::new(TURN)).bench_local(|| books.turn(TURN, &payload));
}

/// Into a function of a real plugin, and back.
#[divan::bench(args = SIZES)]
fn function_hop(bencher: Bencher<'_, '_>, size: usize) {
    let plugin = build(Profile::Release, &["-p", "bench-echo"]).plugin("bench-echo").to_owned();
    let set = PluginSet::new(vec![load(&plugin, &[]).unwrap()]).unwrap();
    let (echo, cancelled) = (set.function("echo").unwrap(), AtomicBool::new(false));
    let call = Call::new(&NoServices, &cancelled).client("client").number(1);
    let payload = vec![7; size];
    bencher.bench_local(|| {
        let Ok(Outcome::One(answer)) = echo.call(&call, black_box(&payload)) else { panic!("no result") };
        black_box(answer);
    });
}

/// The same without the hop.
#[divan::bench(args = SIZES)]
fn direct_call(bencher: Bencher<'_, '_>, size: usize) {
    #[inline(never)]
    fn echo(payload: &[u8]) -> Vec<u8> {
        payload.to_vec()
    }
    let payload = vec![7; size];
    bencher.bench_local(|| black_box(echo(black_box(&payload))));
}
