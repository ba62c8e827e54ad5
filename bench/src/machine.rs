//! What the figures were measured on.

use rustix::system::uname;
use serde::Serialize;
use std::fmt;
use std::fs;

/// The machine, and how busy it was before.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    /// Cores that this program may use.
    pub cores: usize,
    /// Their model.
    pub processor: String,
    /// The kernel's name and release.
    pub kernel: String,
    /// Processes that wanted to run, on average over the minute before.
    pub load_before: f64,
}

impl Machine {
    /// This one, now.
    pub fn look() -> Self {
        let uname = uname();
        let text = |text: &std::ffi::CStr| text.to_string_lossy().into_owned();
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let cpuinfo = read("/proc/cpuinfo");
        let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        Machine {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            processor: model.map_or_else(|| text(uname.machine()), |(_, model)| model.to_owned()),
            kernel: format!("{} {}", text(uname.sysname()), text(uname.release())),
            load_before: read("/proc/loadavg")
                .split(' ')
                .next()
                .and_then(|load| load.parse().ok())
                .unwrap_or(0.0),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Machine { cores, processor, kernel, load_before } = self;
        write!(f, "{cores} cores ({processor}), {kernel}, load before {load_before:.2}")
    }
}
