//! The flags of `pylm-worker`.

use crate::gate::User;
use crate::logging::LogOptions;
use crate::settings::Pages;
use clap::Parser;
use pylm_protocol::{Address, HttpAddress, Name};
use pylm_units::{ByteSize, TimeSpan, UnitError};
use std::path::PathBuf;
use std::str::FromStr;

/// The stack of each thread that runs functions, in bytes, unless it is said: what the main thread of a program has.
const DEFAULT_STACK: u64 = 8 << 20;

/// The stack of each thread that runs functions or hooks, in bytes: as given, or the default, or more where `RUST_MIN_STACK` says so.
pub fn stack(given: Option<ByteSize>) -> usize {
    let variable = std::env::var("RUST_MIN_STACK").ok().and_then(|bytes| bytes.parse().ok());
    let default = || ByteSize::new(DEFAULT_STACK.max(variable.unwrap_or_default()));
    given.unwrap_or_else(default).in_memory()
}

/// The value of `--stack`: less runs nothing, and more no system has.
pub fn stack_size(text: &str) -> Result<ByteSize, String> {
    let size: ByteSize = text.parse().map_err(|error: UnitError| error.to_string())?;
    match size.bytes() {
        0x1_0000..=0x100_0000_0000 => Ok(size),
        _ => Err("a stack has from 64KiB to 1TiB".to_owned()),
    }
}

/// Hosts workers: runs the functions of plugins for a node, ours or a Python Master or Hub, or for callers over HTTP
///
/// A worker host is a small supervisor and a child that does the work, so that a child that is stuck or has crashed is replaced.
/// SIGTERM lets it finish what is begun and give back the rest; a second one ends it at once.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "pylm-worker",
    version,
    long_version = pylm_transport::version(),
    max_term_width = 100,
    after_help = "\
Examples:
  pylm-worker --db tcp://127.0.0.1:5559 --plugin ./libshout.so
      a host with a slot for each core of this machine
  pylm-worker --db tcp://node1.example:5559 --plugin wordcount --slots 4
      a host of a node on another machine, for an installed plugin
  pylm-worker --access host1.toml --plugin wordcount
      a host of a node on another machine, encrypted; its operator has made the file: pylm access new host1 --role host
  pylm-worker --http 127.0.0.1:8888 --plugin ./libshout.so
      a web worker, for whoever calls its functions over HTTP

Lengths of time are written like 500ms, 5s, 2m or 1h, a number alone counts seconds; sizes like 100kB or 64MiB, a number alone \
counts bytes.

Every flag can also stand in a TOML file (--config), under its long name, and in the environment, as PYLMD_ and the name in \
capitals. The flag wins, then the environment, then the file. Plugins are looked for by name in PYLMD_PLUGIN_PATH, too.

Exit codes: 0 ended when it was told to, with nothing left, 1 failed, 2 wrong usage, configuration or plugin."
)]
pub struct WorkerOptions {
    /// Where the node's cache service is: the only address that is needed, as in tcp://127.0.0.1:5559
    #[arg(long, value_name = "ADDRESS", value_parser = Address::of_peer, required_unless_present_any = ["http", "access", "completions", "man"])]
    pub db: Option<Address>,
    /// The access file for a node's encrypted door (--listen of pylmd), which also says where that is; the one in
    /// $XDG_CONFIG_HOME/pylm/access that is for --db is found by itself
    #[arg(long, value_name = "FILE", conflicts_with = "http")]
    pub access: Option<PathBuf>,
    /// In place of --db: listen here, as in 127.0.0.1:8888, and answer calls over HTTP as pylm's web workers do. Each is the
    /// POST of a PalmMessage, and its answer is one with the function's result. There is no node, and so no cache
    #[arg(long, value_name = "HOST:PORT", conflicts_with = "db")]
    pub http: Option<HttpAddress>,
    /// With --http at an address of loopback: another user of this machine that may call, beside this one and root; can be repeated
    #[arg(long, value_name = "USER")]
    pub allow_user: Vec<User>,
    /// A plugin whose functions this host runs: a path, a file name, or the bare name of one that is installed; can be repeated
    #[arg(long, value_name = "PLUGIN")]
    pub plugin: Vec<PathBuf>,
    /// This host's name, in logs and for functions [default: worker-HOST-PID]
    #[arg(long, value_parser = Name::shown)]
    pub name: Option<Name>,
    /// How many messages are worked on at the same time [default: the number of cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub slots: Option<u16>,
    /// The stack of each thread that runs functions; what is not used of it takes no memory [default: 8MiB, or RUST_MIN_STACK
    /// where that is more]
    #[arg(long, value_name = "SIZE", value_parser = stack_size)]
    pub stack: Option<ByteSize>,
    /// With --http: how long a call waits for a slot before it is refused with status 503
    #[arg(long, value_name = "TIME", default_value = "10s")]
    pub http_wait: TimeSpan,
    /// The largest message that this host takes; a node that takes larger ones ends them with too-large. With --http: the largest body
    /// of a call, and the largest result
    #[arg(long, value_name = "SIZE", default_value_t = ByteSize::new(pylm_protocol::DEFAULT_MAX_MESSAGE), value_parser = ByteSize::positive)]
    pub max_message: ByteSize,
    /// The most bytes of messages that may wait in this host, beside one
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = ByteSize::positive)]
    pub limit_bytes: ByteSize,
    /// How long a function may go on after its message's time is over, or its job was cancelled. Then this host gives
    /// everything else back to the node, and its process is replaced
    #[arg(long, value_name = "TIME", default_value = "10s")]
    pub grace: TimeSpan,
    /// How long this host asks for news before it sleeps, as in 50us: messages that come one at a time pass sooner, and a core is busy
    /// meanwhile; only for machines with cores to spare; a number alone counts microseconds
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = TimeSpan::microseconds)]
    pub spin: TimeSpan,
    /// Another folder in which plugins are looked for; can be repeated
    #[arg(long, value_name = "FOLDER")]
    pub plugin_dir: Vec<PathBuf>,
    /// A setting of a plugin; can be repeated
    #[arg(long, value_name = "PLUGIN.KEY=VALUE")]
    pub set: Vec<PluginSetting>,
    /// A TOML file with the values of these flags by their long names
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the flattened struct has its own")]
    pub log: LogOptions,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the flattened struct has its own")]
    pub pages: Pages,
    /// This process is the child of a supervisor, which holds the other end of its standard input
    #[arg(long, hide = true)]
    pub supervised: bool,
}

/// A setting of a plugin, as it is given to `--set`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginSetting {
    /// The plugin's own name.
    pub plugin: String,
    /// What is set.
    pub key: String,
    /// The value, which the plugin reads.
    pub value: String,
}

impl FromStr for PluginSetting {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "it has the form PLUGIN.KEY=VALUE";
        let (place, value) = text.split_once('=').ok_or(FORM)?;
        let (plugin, key) = place.split_once('.').ok_or(FORM)?;
        if plugin.is_empty() || key.is_empty() {
            return Err(FORM);
        }
        Ok(PluginSetting { plugin: plugin.to_owned(), key: key.to_owned(), value: value.to_owned() })
    }
}

impl std::fmt::Display for PluginSetting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}={}", self.plugin, self.key, self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_flags_are_sound() {
        WorkerOptions::command().debug_assert();
    }

    #[test]
    fn a_setting_names_plugin_key_and_value() {
        let setting: PluginSetting = "wordcount.parts=a=b".parse().unwrap();
        assert_eq!(
            (setting.plugin.as_str(), setting.key.as_str(), setting.value.as_str()),
            ("wordcount", "parts", "a=b")
        );
        assert_eq!(setting.to_string(), "wordcount.parts=a=b");
        for wrong in ["parts=4", "wordcount.parts", ".k=v", "p.=v"] {
            assert!(wrong.parse::<PluginSetting>().is_err(), "{wrong}");
        }
    }
}
