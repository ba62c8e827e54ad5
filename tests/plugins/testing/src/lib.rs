//! Functions that go wrong, take their time, or use what a host offers.
#![forbid(unsafe_code)]

use std::fs::{File, OpenOptions};
use std::hint::black_box;
use std::io::Write;

use std::process::{abort, exit};
use std::str::FromStr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use pylm_plugin_api::prelude::*;

#[function]
fn echo(payload: &[u8]) -> Vec<u8> {
    payload.to_vec()
}

/// An echo whose results count only all together.
#[function(atomic)]
fn atomic_echo(payload: &[u8]) -> Vec<u8> {
    payload.to_vec()
}

/// The name of the message's pipeline.
#[function]
fn pipeline(context: &Context, _: &[u8]) -> String {
    context.pipeline().to_owned()
}

/// An echo that takes a millisecond.
#[function]
fn slow_echo(payload: &[u8]) -> Vec<u8> {
    sleep(Duration::from_millis(1));
    payload.to_vec()
}

/// Fails with the payload as the error's text.
#[function]
fn fail(payload: &[u8]) -> Result<Vec<u8>, String> {
    Err(String::from_utf8_lossy(payload).into_owned())
}

/// Panics with the payload as its text.
#[function]
fn panic(payload: &[u8]) -> Vec<u8> {
    panic!("{}", String::from_utf8_lossy(payload))
}

/// Sleeps as many milliseconds as the payload says.
#[function]
fn sleep_for(payload: &[u8]) -> Result<Vec<u8>, Failure> {
    sleep(Duration::from_millis(number(payload)?));
    Ok(payload.to_vec())
}

/// Waits until it is cancelled, a minute at most, and leaves the file that the payload names as a sign of life: with `begun`
/// in it, and `cancelled` behind that.
#[function]
fn until_cancelled(context: &Context, payload: &[u8]) -> Result<(), Failure> {
    let mut file = File::create(&*String::from_utf8_lossy(payload)).map_err(Failure::new)?;
    file.write_all(b"begun").map_err(Failure::new)?;
    let end = Instant::now() + Duration::from_secs(60);
    while !context.cancelled() && Instant::now() < end {
        sleep(Duration::from_millis(1));
    }
    file.write_all(if context.cancelled() { b" cancelled" } else { b" overdue" }).map_err(Failure::new)
}

/// The payload is `TIMES FILE`: ends its process in the first TIMES calls, each of which makes the file a byte longer.
#[function]
fn crash(payload: &[u8]) -> Result<String, Failure> {
    let text = text(payload)?;
    let (times, file) = text.split_once(' ').ok_or_else(|| Failure::new("give the times and a file"))?;
    let mut file = OpenOptions::new().create(true).append(true).open(file).map_err(Failure::new)?;
    let before = file.metadata().map_err(Failure::new)?.len();
    if before < number(times.as_bytes())? {
        file.write_all(b".").map_err(Failure::new)?;
        abort();
    }
    Ok(format!("survived after {before}"))
}

/// Ends its process with the exit code that the payload says.
#[function]
fn leave(payload: &[u8]) -> Result<(), Failure> {
    exit(number(payload)?)
}

/// Uses as many KiB of stack as the payload says, and gives them back.
#[function]
fn deep(payload: &[u8]) -> Result<String, Failure> {
    let top = 0_u8;
    let bytes = number::<usize>(payload)? << 10;
    Ok((descend(&raw const top, bytes) >> 10).to_string())
}

/// Goes down until so many bytes are used below `top`, and gives these back.
#[inline(never)]
fn descend(top: *const u8, bytes: usize) -> usize {
    let room = black_box([0_u8; 4 << 10]);
    match top.addr().abs_diff(room.as_ptr().addr()) {
        used if used >= bytes => bytes,
        // Not as the last call, which would need no room of its own.
        _ => black_box(descend(top, bytes)),
    }
}

/// Yields the numbers from 0 on, as many as the payload says.
#[function]
fn count(payload: &[u8]) -> Result<impl Iterator<Item = String> + use<>, Failure> {
    let count: u64 = number(payload)?;
    Ok((0..count).map(|number| number.to_string()))
}

/// The payload is `COUNT MILLISECONDS`: yields the numbers from 0 on, and sleeps before each but the first.
#[function]
fn drip(payload: &[u8]) -> Result<impl Iterator<Item = String> + use<>, Failure> {
    let (count, pause) =
        text(payload)?.split_once(' ').ok_or_else(|| Failure::new("give count and pause"))?;
    let (count, pause): (u64, u64) = (number(count.as_bytes())?, number(pause.as_bytes())?);
    Ok((0..count).map(move |number| {
        sleep(Duration::from_millis(if number > 0 { pause } else { 0 }));
        number.to_string()
    }))
}

/// The payload begins with `KIND RESULTS MICROSECONDS`: yields so many results, each its number and the payload, and sleeps
/// before each. Where the kind is `crash`, the process ends before the last of them; where it is `hang`, nothing comes any
/// more.
#[function]
fn chaos(payload: &[u8]) -> Result<impl Iterator<Item = String> + use<>, Failure> {
    let text = text(payload)?.to_owned();
    let mut words = text.split(' ');
    let kind = words.next().unwrap_or_default().to_owned();
    let mut next = || number::<u64>(words.next().unwrap_or_default().as_bytes());
    let (results, pause) = (next()?, Duration::from_micros(next()?));
    let last = results.saturating_sub(1);
    let go_wrong = move || match &*kind {
        "crash" => abort(),
        "hang" => loop {
            sleep(Duration::from_secs(60));
        },
        _ => {}
    };
    if results == 0 {
        go_wrong();
    }
    Ok((0..results).map(move |index| {
        sleep(pause);
        if index == last {
            go_wrong();
        }
        format!("{index} {text}")
    }))
}

/// The same, whose results count only all together.
#[function(atomic)]
fn atomic_chaos(payload: &[u8]) -> Result<impl Iterator<Item = String> + use<>, Failure> {
    chaos(payload)
}

/// Yields two results, as pylm's example of a MuxWorker does.
#[function]
fn twice<'a>(context: &'a Context, payload: &'a [u8]) -> impl Iterator<Item = String> + 'a {
    (1..=2)
        .map(|number| format!("{} processed {} {number}", context.worker(), String::from_utf8_lossy(payload)))
}

#[function]
fn nothing(_: &[u8]) {}

/// As many zero bytes as the payload says.
#[function]
fn zeros(payload: &[u8]) -> Result<Vec<u8>, Failure> {
    Ok(vec![0; number(payload)?])
}

/// The number of this attempt.
#[function]
fn attempt(context: &Context, _: &[u8]) -> String {
    context.attempt().to_string()
}

/// Puts `KEY=VALUE` into the cache.
#[function]
fn set(context: &Context, payload: &[u8]) -> Result<(), Failure> {
    let (key, value) = text(payload)?.split_once('=').ok_or_else(|| Failure::new("give KEY=VALUE"))?;
    context.cache_set(key, value.as_bytes())
}

/// The value of a key of the cache.
#[function]
fn get(context: &Context, payload: &[u8]) -> Result<Payload, Failure> {
    context.cache_get(text(payload)?)?.ok_or_else(|| Failure::new("no such key"))
}

/// Fails in as many attempts as the payload says, and then gives the number of the attempt.
#[function]
fn fail_first(context: &Context, payload: &[u8]) -> Result<String, Failure> {
    let attempt = context.attempt();
    if attempt <= number(payload)? { Err(Failure::new("not yet")) } else { Ok(attempt.to_string()) }
}

/// Fails with an error that no retry mends: the number of the attempt.
#[function]
fn fail_for_good(context: &Context, _: &[u8]) -> Result<(), Failure> {
    Err(Failure::permanent(context.attempt()))
}

/// The milliseconds that are left to its message's deadline, or `none`.
#[function]
fn time_left(context: &Context, _: &[u8]) -> String {
    let left = |deadline: Instant| deadline.saturating_duration_since(Instant::now());
    context.deadline().map_or("none".into(), |deadline| left(deadline).as_millis().to_string())
}

fn text(payload: &[u8]) -> Result<&str, Failure> {
    std::str::from_utf8(payload).map_err(Failure::new)
}

fn number<N: FromStr<Err = std::num::ParseIntError>>(payload: &[u8]) -> Result<N, Failure> {
    text(payload)?.parse().map_err(Failure::new)
}

export_plugin!(
    echo,
    pipeline,
    atomic_echo,
    slow_echo,
    fail,
    panic,
    sleep_for,
    until_cancelled,
    fail_first,
    fail_for_good,
    time_left,
    crash,
    leave,
    deep,
    count,
    drip,
    chaos,
    atomic_chaos,
    twice,
    nothing,
    zeros,
    attempt,
    set,
    get
);
