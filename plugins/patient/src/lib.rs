//! Takes as many milliseconds as a message says, and less when nobody waits for the answer any more.
#![forbid(unsafe_code)]

use std::thread::sleep;
use std::time::{Duration, Instant};

use pylm_plugin_api::prelude::*;

#[function]
fn wait(context: &Context, payload: &[u8]) -> Result<String, Failure> {
    let time = std::str::from_utf8(payload)?.trim().parse()?;
    let end = Instant::now() + Duration::from_millis(time);
    while Instant::now() < end {
        if context.cancelled() {
            return Err(Failure::new("nobody waits any more"));
        }
        sleep(Duration::from_millis(time.min(10)));
    }
    Ok(format!("{} waited {time} ms", context.worker()))
}

export_plugin!(wait);

#[cfg(test)]
mod tests {
    #[test]
    fn it_waits_for_as_long_as_it_is_told_unless_it_is_cancelled() {
        pylm_plugin_api::both_ways!(|host| {
            let plugin = host.start(&[]).unwrap();
            assert_eq!(plugin.call("wait", b"1").unwrap(), [b"worker waited 1 ms"]);
            assert!(plugin.call("wait", b"long").is_err());
            let begun = std::time::Instant::now();
            assert!(plugin.prepare("wait").cancelled().call(b"60000").is_err());
            assert!(begun.elapsed() < std::time::Duration::from_secs(30));
        });
    }
}
