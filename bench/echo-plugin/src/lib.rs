//! The functions that the measurements call: one gives back what it got, the other does so after a while.
#![forbid(unsafe_code)]

use pylm_plugin_api::prelude::*;

use std::thread::sleep;
use std::time::Duration;

#[config]
struct Settings {
    /// Milliseconds that `wait` takes.
    #[config(default = 1)]
    wait: u64,
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
        sleep(Duration::from_millis(self.0.wait));
        payload.to_vec()
    }
}

#[function]
fn echo(payload: &[u8]) -> Vec<u8> {
    payload.to_vec()
}

export_plugin!(Work, echo);
