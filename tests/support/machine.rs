//! Another machine, as far as the network goes: a Linux network namespace, and a cable (a veth pair) between it and ours.
//!
//! When the cable is pulled, nobody hears of it: no FIN, no RST, as when a machine loses its power.

use std::ffi::OsStr;
use std::fs;
use std::net::Ipv4Addr;
use std::process::{Command, id};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::address::port;
use crate::process::{Plan, Process};
use crate::skip::skip;

/// Addresses for tests of networks (RFC 2544), of which each cable has four.
const FIRST: u32 = Ipv4Addr::new(198, 18, 0, 0).to_bits();
const CABLES: u32 = 1 << 15;

/// Machines that this process has made.
static MADE: AtomicU32 = AtomicU32::new(0);

/// A machine; when it is dropped it is gone, with its cable.
#[derive(Debug)]
pub struct Machine {
    /// What the namespace is called, and our end of the cable.
    name: String,
    /// The address of our end.
    address: Ipv4Addr,
}

/// An end of the cable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// What the machine sends is refused by its own kernel, and we hear nothing.
    Theirs,
    /// What the machine sends vanishes, and we hear nothing.
    Ours,
}

impl Machine {
    /// A machine, with its cable in place; `None`, and a line that says why, where this process may not make one.
    #[must_use]
    pub fn new() -> Option<Self> {
        let name = format!("pylm{}-{}", id(), MADE.fetch_add(1, Ordering::Relaxed));
        let mut machine = Self { name, address: Ipv4Addr::UNSPECIFIED };
        match machine.build() {
            Ok(()) => Some(machine),
            Err(error) => {
                skip(format_args!("no network namespace can be made here: {error}"));
                None
            }
        }
    }

    fn build(&mut self) -> Result<(), String> {
        let name = &self.name;
        ip(&format!("netns add {name}"))?;
        ip(&format!("link add {name} type veth peer name eth0 netns {name}"))?;
        // No two interfaces have the same number, so no two cables have the same addresses.
        let number = self.property("ifindex")?;
        let number: u32 = number.parse().map_err(|_| format!("{number} is no number"))?;
        let [ours, theirs] = [1, 2].map(|end| Ipv4Addr::from_bits(FIRST + 4 * (number % CABLES) + end));
        self.address = ours;
        ip(&format!("address add {ours}/30 dev {name}"))?;
        ip(&format!("-netns {name} address add {theirs}/30 dev eth0"))?;
        self.set(End::Ours, "up")?;
        self.set(End::Theirs, "up")?;
        // As behind a router: its kernel does not find out that nobody is there, and what it sends vanishes.
        let hardware = self.property("address")?;
        ip(&format!("-netns {name} neighbour replace {ours} lladdr {hardware} dev eth0 nud permanent"))
    }

    /// What the system says of our end.
    fn property(&self, key: &str) -> Result<String, String> {
        let path = format!("/sys/class/net/{}/{key}", self.name);
        let text = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
        Ok(text.trim().to_owned())
    }

    fn set(&self, end: End, state: &str) -> Result<(), String> {
        let name = &self.name;
        match end {
            End::Ours => ip(&format!("link set {name} {state}")),
            End::Theirs => ip(&format!("-netns {name} link set eth0 {state}")),
        }
    }

    /// Pull the cable at this end.
    ///
    /// # Panics
    /// Where that cannot be done.
    #[track_caller]
    pub fn unplug(&self, end: End) {
        self.set(end, "down").unwrap_or_else(|error| panic!("the cable stays in: {error}"));
    }

    /// Put it in again.
    ///
    /// # Panics
    /// Where that cannot be done.
    #[track_caller]
    pub fn plug_in(&self, end: End) {
        self.set(end, "up").unwrap_or_else(|error| panic!("the cable stays out: {error}"));
    }

    /// Where processes on the machine reach a socket that is bound to every address of ours.
    #[must_use]
    #[track_caller]
    pub fn reach(&self, address: &str) -> String {
        format!("tcp://{}:{}", self.address, port(address))
    }

    /// As [`Process::plan`], for a process on the machine.
    #[must_use]
    pub fn plan(&self, name: &str, program: impl AsRef<OsStr>) -> Plan {
        Process::plan(name, "ip").args(["netns", "exec", &*self.name]).arg(program)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // What still runs there keeps the namespace, but not the cable.
        for command in ["link delete", "netns delete"] {
            let _ = ip(&format!("{command} {}", self.name));
        }
    }
}

fn ip(arguments: &str) -> Result<(), String> {
    let output = Command::new("ip").args(arguments.split(' ')).output();
    let output = output.map_err(|error| format!("ip: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    output.status.success().then_some(()).ok_or_else(|| format!("ip {arguments}: {}", said.trim()))
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::{End, Machine};

    #[test]
    fn a_machine_is_reached_over_its_cable_only_and_leaves_nothing_behind() {
        let Some(machine) = Machine::new() else { return };
        let listener = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
        let reach = machine.reach(&format!("tcp://{}", listener.local_addr().unwrap()));
        let shell = format!("exec 3<>/dev/tcp/{}", reach.trim_start_matches("tcp://").replace(':', "/"));
        let connects_within = |seconds| {
            let mut bash = machine.plan("bash", "timeout").args([seconds, "bash", "-c", &shell]).start();
            bash.wait(Duration::from_secs(30)).success()
        };
        assert!(connects_within("10"));
        for end in [End::Theirs, End::Ours] {
            machine.unplug(end);
            assert!(!connects_within("1"), "{end:?}");
            machine.plug_in(end);
            // A lost packet is sent again after a second.
            assert!(connects_within("10"), "{end:?}");
        }
        let name = machine.name.clone();
        drop(machine);
        assert!(!Path::new("/sys/class/net").join(&name).exists());
        assert!(!Path::new("/run/netns").join(&name).exists());
    }
}
