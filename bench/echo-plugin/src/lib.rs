//! The functions that the measurements call: one gives back what it got, the others do so after a while.
#![forbid(unsafe_code)]

use pylm_plugin_api::prelude::*;

use std::hint::spin_loop;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// By how much a sleep may end too late.
const LATE: Duration = Duration::from_micros(200);

#[config]
struct Settings {
    /// Milliseconds that `wait` takes.
    #[config(default = 1)]
    wait: u64,
    /// Microseconds that `work` takes.
    #[config(default = 10)]
    work: u64,
}

struct Work(Settings);

#[state]
impl Work {
    #[start]
    fn new(settings: Settings) -> Self {
        Work(settings)
    }

    #[function]
    fn wait(&self, payload: &[u8]) -> Vec<u8> {
        take(Duration::from_millis(self.0.wait));
        payload.to_vec()
    }

    #[function]
    fn work(&self, payload: &[u8]) -> Vec<u8> {
        take(Duration::from_micros(self.0.work));
        payload.to_vec()
    }
}

/// Takes as long as that, and hardly longer.
fn take(time: Duration) {
    // A sleep ends late by as much as the machine likes, which is nothing that a node could help.
    let until = Instant::now() + time;
    sleep(until.saturating_duration_since(Instant::now() + LATE));
    while Instant::now() < until {
        spin_loop();
    }
}

#[function]
fn echo(payload: &[u8]) -> Vec<u8> {
    payload.to_vec()
}

export_plugin!(Work, echo);
