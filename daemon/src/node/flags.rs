//! The flags of `pylmd`.

use super::config::{From, NodeConfig, PeerPorts};
use super::doors::{PylmDoor, listen_address};
use super::pylm::ports::default_range;
use super::running::StartError;
use super::sealed::ListenConfig;
use crate::control::ControlFlags;
use crate::entrance::Entrance;
use crate::gate::User;
use crate::gateway::GatewayFlags;
use crate::host::WebUrl;
use crate::host::options::{self, PluginSetting, stack_size};
use crate::logging::LogOptions;
use crate::settings::Pages;
use clap::{Parser, ValueEnum};
use pylm_access::store::StateFolder;
use pylm_plugin_host::PluginSet;
use pylm_protocol::{Address, Host, Name};
use pylm_transport::Security;
use pylm_units::{ByteSize, TimeSpan};
use std::path::PathBuf;

/// Hosts a node: takes messages from clients, has them scattered, worked on by worker hosts and gathered, and returns the
/// results
///
/// With nothing else said, it is a master named "server" on 127.0.0.1, with the ports of pylm's examples. Peers are given the
/// address of --db only, and find the others through it.
#[derive(Debug, Parser)]
#[command(
    name = "pylmd",
    version,
    long_version = pylm_transport::version(),
    max_term_width = 100,
    after_help = "\
Examples:
  pylmd --plugin scatter3 --workers 2
      a node that sends each message three times, and two worker hosts on this machine
  pylmd --listen 0.0.0.0 --advertise node1.example
      a node for worker hosts and clients on other machines, encrypted; each gets a file: pylm access new NAME --role host
  pylmd --name first --inline --plugin shout --pipelined
      a node that runs functions itself, and sends their results on
  pylmd --name second --inline --plugin shout --from first=tcp://127.0.0.1:5559 --host 127.0.0.2
      the node that they go to: pylm job first.shout,second.shout

Lengths of time are written like 500ms, 5s, 2m or 1h, a number alone counts seconds; sizes like 100kB or 64MiB, a number alone \
counts bytes.

Every flag can also stand in a TOML file (--config), under its long name, and in the environment, as PYLMD_ and the name in \
capitals. The flag wins, then the environment, then the file. Plugins are looked for by name in PYLMD_PLUGIN_PATH, too.

Exit codes: 0 ended with nothing left, 1 failed or ended with messages under way, 2 wrong usage, configuration, plugin or \
journal."
)]
pub struct Flags {
    /// A plugin whose hooks the node runs, and --workers or --inline the functions: a path, a file name, or the bare name of one that
    /// is installed; can be repeated
    #[arg(long, value_name = "PLUGIN")]
    pub(super) plugin: Vec<PathBuf>,
    /// Another folder in which plugins are looked for; can be repeated
    #[arg(long, value_name = "FOLDER")]
    pub(super) plugin_dir: Vec<PathBuf>,
    /// A setting of a plugin; can be repeated
    #[arg(long, value_name = "PLUGIN.KEY=VALUE")]
    pub(super) set: Vec<PluginSetting>,
    /// Start this many worker hosts on this machine, with the same plugins, and watch them
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) workers: u16,
    /// Run the functions of the plugins in the node itself, not in worker hosts; one that aborts takes the node with it
    #[arg(long, help_heading = "Kind of node")]
    pub(super) inline: bool,
    /// Take messages from an earlier node: its name, or a topic that its route hooks give, and the address of its --db; can be
    /// repeated
    #[arg(long, value_name = "TOPIC=DB_ADDRESS", value_parser = from, help_heading = "Kind of node")]
    pub(super) from: Vec<From>,
    /// Send results on to the nodes that follow this one's name, not to the client
    #[arg(long, help_heading = "Kind of node")]
    pipelined: bool,
    /// The name of the node, which pylm clients check
    #[arg(long, value_parser = Name::callable, default_value = "server")]
    pub(super) name: Name,
    /// Keep accepted messages, results that were not taken, and the cache in this folder, so that they survive a crash
    #[arg(long, value_name = "FOLDER")]
    pub(super) journal: Option<PathBuf>,
    /// A TOML file with the values of these flags by their long names
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// The address of loopback at which sockets are bound that no flag gives one of their own
    #[arg(long, default_value = "127.0.0.1", help_heading = "Addresses")]
    host: Host,
    /// The encrypted door, for other machines and users, as in 0.0.0.0:5560: who comes in needs a key and a grant (`pylm access`)
    #[arg(long, value_name = "HOST[:PORT]", value_parser = listen_address, help_heading = "Addresses")]
    listen: Option<Address>,
    /// The folder with the node's key and its grants [default: pylmd/NAME in $XDG_STATE_HOME, or what systemd gives]
    #[arg(long, value_name = "FOLDER", help_heading = "Addresses")]
    state_dir: Option<PathBuf>,
    /// An access file for the encrypted door of an earlier node (--from), by whose address it is found; can be repeated
    #[arg(long, value_name = "FILE", help_heading = "Kind of node")]
    access: Vec<PathBuf>,
    /// Where pylm's own sockets are, which encrypt nothing and ask for no key: loopback, where this user, root and --allow-user come in;
    /// off; or a host such as 0.0.0.0, for whoever reaches it, in place of --host
    #[arg(long, value_name = "off|loopback|HOST", default_value = "loopback", help_heading = "Addresses")]
    pylm: PylmDoor,
    /// Another user of this machine that comes in over loopback, by name or number; can be repeated
    #[arg(long, value_name = "USER", help_heading = "Addresses")]
    pub(super) allow_user: Vec<User>,
    /// The host that peers are told to connect to, where --pylm is a wildcard
    #[arg(long, value_name = "HOST", help_heading = "Addresses")]
    advertise: Option<Host>,
    /// Where pylm clients push messages [default: tcp://HOST:5555]
    #[arg(long, value_name = "ADDRESS", help_heading = "Addresses")]
    pull: Option<Address>,
    /// Where pylm clients subscribe to results [default: tcp://HOST:5556]
    #[arg(long = "pub", value_name = "ADDRESS", help_heading = "Addresses")]
    pub_: Option<Address>,
    /// Where pylm workers push results [default: tcp://HOST:5557]
    #[arg(long, value_name = "ADDRESS", help_heading = "Addresses")]
    worker_pull: Option<Address>,
    /// Where pylm workers pull messages [default: tcp://HOST:5558]
    #[arg(long, value_name = "ADDRESS", help_heading = "Addresses")]
    worker_push: Option<Address>,
    /// The cache service, and all of a native peer's traffic [default: tcp://HOST:5559]
    #[arg(long, value_name = "ADDRESS", help_heading = "Addresses")]
    db: Option<Address>,
    /// Ports for sockets of their own for pylm peers: FIRST-LAST [default: 64 ports that follow from --db's]
    #[arg(long, value_name = "FIRST-LAST", value_parser = peer_ports, help_heading = "Addresses")]
    peer_ports: Option<PeerPorts>,

    /// The largest payload of a message that is taken
    #[arg(long, value_name = "SIZE", default_value_t = ByteSize::new(pylm_protocol::DEFAULT_MAX_MESSAGE), help_heading = "Bounds")]
    pub(super) max_message: ByteSize,
    /// The size of the cache; a full cache refuses, and never evicts
    #[arg(long, value_name = "SIZE", default_value = "256MiB", help_heading = "Bounds")]
    cache_bytes: ByteSize,
    /// How often a message may lose its host while it is tried alone, before it fails
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..), help_heading = "Bounds")]
    max_attempts: u32,
    /// How many bytes of messages that lost their host too often are kept for `pylm failed`: at least one, at most 1,000; the
    /// oldest ones go first
    #[arg(long, value_name = "SIZE", default_value = "64MiB", help_heading = "Bounds")]
    failed_bytes: ByteSize,
    /// How long a message waits for somebody to offer its function
    #[arg(long, value_name = "TIME", default_value = "5s", help_heading = "Bounds")]
    function_wait: TimeSpan,
    /// How long a job is kept for a client whose connection is lost
    #[arg(long, value_name = "TIME", default_value = "30s", help_heading = "Bounds")]
    client_grace: TimeSpan,
    /// How long a job is kept, with --journal, whose client is lost and has not had everything
    #[arg(long, value_name = "TIME", default_value = "1d", help_heading = "Bounds")]
    keep: TimeSpan,
    /// How long the node goes on after SIGTERM to finish what is under way
    #[arg(long, value_name = "TIME", default_value = "30s", help_heading = "Bounds")]
    pub(super) drain_limit: TimeSpan,
    /// With --workers: how long a function may go on when nobody wants its results any more; see --grace of pylm-worker
    #[arg(long, value_name = "TIME", default_value = "10s", help_heading = "Bounds")]
    pub(super) worker_grace: TimeSpan,
    /// The stack of each thread that runs functions or hooks, here and in --workers; what is not used of it takes no memory
    /// [default: 8MiB, or RUST_MIN_STACK where that is more]
    #[arg(long, value_name = "SIZE", value_parser = stack_size, help_heading = "Bounds")]
    pub(super) stack: Option<ByteSize>,
    /// How long the node asks for news before it sleeps, as in 50us: messages that come one at a time pass sooner, and a core is busy
    /// meanwhile; only for machines with cores to spare; a number alone counts microseconds
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = TimeSpan::microseconds, help_heading = "Bounds")]
    spin: TimeSpan,
    /// What a 0 from a pylm worker is: pylm's way to tell an error, or a result
    #[arg(long, value_name = "KIND", default_value = "error", help_heading = "pylm workers")]
    pylm_zero: Zero,
    /// A function that pylm workers have; without any, they get all that no native worker host offers; can be repeated
    #[arg(long, value_name = "NAME", value_parser = Name::callable, help_heading = "pylm workers")]
    pylm_functions: Vec<Name>,
    /// A function of which pylm workers give exactly one result for each message, so that it ends its message at once; can be
    /// repeated
    #[arg(long, value_name = "NAME", value_parser = Name::callable, help_heading = "pylm workers")]
    pylm_single: Vec<Name>,
    /// A function that may give nothing, and how long a message of it takes a pylm worker at most, as in keep=20ms: what has given nothing by
    /// then is over; can be repeated
    #[arg(long, value_name = "NAME=TIME", value_parser = pace, help_heading = "pylm workers")]
    pylm_pace: Vec<(Name, TimeSpan)>,
    /// How many pylm workers a message may take with it before it fails
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..), help_heading = "pylm workers")]
    pylm_attempts: u32,
    /// How long a pylm worker may give nothing for a message before that ends; where its function is seen to give nothing for some, it is
    /// sooner
    #[arg(long, value_name = "TIME", default_value = "10m", help_heading = "pylm workers")]
    pylm_silence: TimeSpan,
    /// How long a message at a pylm worker goes on, at least, after its last result, where its client is told of its end (a native one) and
    /// nothing proves it: a result that comes later is lost; see --pylm-single for functions that need no such wait
    #[arg(long, value_name = "TIME", default_value = "1s", help_heading = "pylm workers")]
    pylm_quiet: TimeSpan,

    /// A web worker: gets functions that no other worker host offers by name, as POST of a PalmMessage; can be repeated
    #[arg(long, value_name = "URL", help_heading = "Web workers")]
    pub(super) http_worker: Vec<WebUrl>,
    /// How many calls a web worker gets at one time
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256), help_heading = "Web workers")]
    pub(super) http_worker_calls: u16,
    /// How long a call to a web worker may take
    #[arg(long, value_name = "TIME", default_value = "1m", value_parser = TimeSpan::positive, help_heading = "Web workers")]
    pub(super) http_worker_timeout: TimeSpan,
    /// How often a message is called at web workers that break off, take too long, or answer with a status of 5xx, before it fails
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..), help_heading = "Web workers")]
    pub(super) http_worker_attempts: u32,

    #[command(flatten)]
    pub(super) control: ControlFlags,
    #[command(flatten)]
    pub(super) gateway: GatewayFlags,
    #[command(flatten)]
    pub(super) log: LogOptions,
    #[command(flatten)]
    pub(super) pages: Pages,
}

/// What a pylm worker's `0` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Zero {
    Error,
    Result,
}

fn peer_ports(text: &str) -> Result<PeerPorts, String> {
    let range = text.split_once('-').and_then(|(first, last)| Some(first.parse().ok()?..=last.parse().ok()?));
    match range {
        Some(range) if !range.is_empty() && *range.start() > 0 => Ok(PeerPorts::Range(range)),
        _ => Err("give the first and the last port, as in 20000-20063".into()),
    }
}

fn pace(text: &str) -> Result<(Name, TimeSpan), String> {
    let (name, most) = text.split_once('=').ok_or("give a function and a length of time, as in keep=20ms")?;
    let name = Name::callable(name).map_err(|error| error.to_string())?;
    Ok((name, TimeSpan::positive(most).map_err(|error| error.to_string())?))
}

fn from(text: &str) -> Result<From, String> {
    let form = || "give a topic and an address, as in first=tcp://127.0.0.1:5559";
    let (topic, address) = text.split_once('=').ok_or_else(form)?;
    let topic = Name::shown(topic).map_err(|error| error.to_string())?;
    let address = Address::of_peer(address).map_err(|error| error.to_string())?;
    Ok(From { topic: topic.into(), address, security: Security::None })
}

impl Flags {
    /// What the node comes in with at the nodes before it, and where its own encrypted door is.
    ///
    /// # Errors
    /// When an access file cannot be used, or there is no place for the node's key.
    pub(super) fn use_keys(&self, config: &mut NodeConfig) -> Result<(), String> {
        for from in &mut config.from {
            from.security = Entrance::to(&from.address, &self.access)?.security;
        }
        let Some(address) = self.listen.clone() else { return Ok(()) };
        let state = self.state_dir.clone().map(StateFolder::at).or_else(|| StateFolder::of_node(&self.name));
        let state = state.ok_or("say with --state-dir where the node keeps its key and its grants")?;
        config.listen = Some(ListenConfig { address, state });
        Ok(())
    }

    /// Settles who comes in, before anything listens.
    pub(super) fn open_doors(&self) -> Result<(), StartError> {
        // What everything else follows is told by its own name.
        if self.pylm.open_host().is_none() {
            self.pylm.check("host", &Address::tcp(&self.host, 5559))?;
        }
        Ok(self.pylm.begin(&self.allow_user)?)
    }

    /// What the node is told.
    pub(super) fn node(&self, plugins: PluginSet) -> NodeConfig {
        let address = |given: &Option<Address>, port: u16| {
            let host = self.pylm.open_host().unwrap_or(&self.host);
            given.clone().unwrap_or_else(|| Address::tcp(host, port))
        };
        let db = address(&self.db, 5559);
        NodeConfig {
            name: self.name.to_string(),
            advertise: self.advertise.clone(),
            pylm: self.pylm.clone(),
            pull: address(&self.pull, 5555),
            pub_: address(&self.pub_, 5556),
            worker_pull: address(&self.worker_pull, 5557),
            worker_push: address(&self.worker_push, 5558),
            peer_ports: self.peer_ports.clone().unwrap_or_else(|| default_range(&db)),
            db,
            listen: None,
            from: self.from.clone(),
            pipelined: self.pipelined,
            inline: self.inline,
            max_message: self.max_message.bytes(),
            cache_bytes: self.cache_bytes.in_memory(),
            max_attempts: self.max_attempts,
            function_wait: self.function_wait.into(),
            failed_bytes: self.failed_bytes.bytes(),
            client_grace: self.client_grace.into(),
            journal: self.journal.clone(),
            keep: self.keep.into(),
            stuck_after: self.control.stuck_after(),
            pylm_functions: (!self.pylm_functions.is_empty())
                .then(|| self.pylm_functions.iter().map(Name::to_string).collect()),
            spin: self.spin.into(),
            stack: options::stack(self.stack),
            zero_is_error: self.pylm_zero == Zero::Error,
            pylm_single: self.pylm_single.iter().map(Name::to_string).collect(),
            pylm_pace: self.pylm_pace.iter().map(|(name, most)| (name.to_string(), (*most).into())).collect(),
            pylm_attempts: self.pylm_attempts,
            pylm_silence: self.pylm_silence.into(),
            pylm_quiet: self.pylm_quiet.into(),
            plugins,
        }
    }
}
