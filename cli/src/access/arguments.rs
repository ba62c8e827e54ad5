//! What can be said to `pylm access`.

use clap::{Args, Subcommand};
use pylm_access::{Date, Network, PublicKey, Role, store};
use pylm_protocol::Address;
use pylm_units::TimeSpan;
use std::path::PathBuf;
use std::str::FromStr;

#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  A file for a client on another machine, made at the node and handed over; there, it lies in ~/.config/pylm/access:
      pylm access new alice --role client -o alice.toml
      pylm job server.shout --access alice.toml names.txt

  A worker host that may offer two functions until the end of the month:
      pylm access new gpu1 --role host --function 'render' --function 'blur' --expires 2027-01-31 -o gpu1.toml

  A key whose secret half never leaves its machine: made there, granted at the node:
      pylm access key --address tcp://node1.example:5560 --node-key pylm-public-… -o node1.toml
      pylm access grant bob --role client --key pylm-public-…

  Nobody with this key comes in any more, and who is there is told and cut:
      pylm access revoke alice

A node that runs reads its grants anew within a second.")]
pub(crate) struct AccessArguments {
    #[command(subcommand)]
    pub(crate) action: AccessAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AccessAction {
    /// Make a key and a grant for it, and write the access file that is to be handed over
    New(NewArguments),
    /// Grant something to a key that was made elsewhere, or change what was granted
    Grant(GrantArguments),
    /// Make a key here, for a node elsewhere: writes the access file, and prints the public key that is to be granted there
    Key(KeyArguments),
    /// List all grants of a node
    List(ListArguments),
    /// Show one grant, or else the node's own public key and addresses
    Show(ShowArguments),
    /// Take back a grant, from now on; sessions under it end within a second
    Revoke(RevokeArguments),
}

/// Which node's grants.
#[derive(Debug, Args)]
pub(crate) struct StateArguments {
    /// The name of the node on this machine
    #[arg(long, value_name = "NAME", default_value = "server", value_parser = grant_name, global = true)]
    pub(crate) node: String,
    /// The folder with the node's key and its grants [default: pylmd/NAME in $XDG_STATE_HOME]
    #[arg(long, value_name = "FOLDER", env = "PYLMD_STATE_DIR", global = true)]
    pub(crate) state_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct NewArguments {
    /// What the grant is called
    #[arg(value_name = "NAME", value_parser = grant_name)]
    pub(crate) name: String,
    /// What the key is for: client, host, follower, observer or operator
    #[arg(long, value_name = "ROLE")]
    pub(crate) role: Role,
    /// Where the access file is written, which must not be there yet; - is standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Where the node is reached [default: what it told when it ran last]; can be repeated
    #[arg(long, value_name = "ADDRESS", value_parser = Address::of_peer)]
    pub(crate) address: Vec<Address>,
    #[command(flatten)]
    pub(crate) limits: Limits,
    #[command(flatten)]
    pub(crate) state: StateArguments,
}

#[derive(Debug, Args)]
pub(crate) struct GrantArguments {
    /// What the grant is called
    #[arg(value_name = "NAME", value_parser = grant_name)]
    pub(crate) name: String,
    /// The peer's public key: pylm-public-…, or ZeroMQ's 40 characters of Z85
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<PublicKey>,
    /// What the key is for: client, host, follower, observer or operator
    #[arg(long, value_name = "ROLE")]
    pub(crate) role: Option<Role>,
    #[command(flatten)]
    pub(crate) limits: Limits,
    #[command(flatten)]
    pub(crate) state: StateArguments,
}

#[derive(Debug, Args)]
pub(crate) struct KeyArguments {
    /// Where the node is reached
    #[arg(long, value_name = "ADDRESS", value_parser = Address::of_peer)]
    pub(crate) address: Address,
    /// The node's public key, as `pylm access show` tells it there
    #[arg(long, value_name = "KEY")]
    pub(crate) node_key: PublicKey,
    /// Where the access file is written, which must not be there yet
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    /// Write an array of JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) state: StateArguments,
}

#[derive(Debug, Args)]
pub(crate) struct ShowArguments {
    /// What the grant is called
    #[arg(value_name = "NAME", value_parser = grant_name)]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) state: StateArguments,
}

#[derive(Debug, Args)]
pub(crate) struct RevokeArguments {
    /// What the grant is called
    #[arg(value_name = "NAME", value_parser = grant_name)]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) state: StateArguments,
}

/// What a grant allows, beside its role; what is not said is not limited.
#[derive(Debug, Args)]
#[command(next_help_heading = "Limits")]
pub(crate) struct Limits {
    /// Functions that may be called or offered: whole names with * and ?, and a ! before those that may not; can be repeated
    #[arg(long, value_name = "GLOB")]
    pub(crate) function: Vec<String>,
    /// Topics that may be followed, in the same way; can be repeated
    #[arg(long, value_name = "GLOB")]
    pub(crate) topic: Vec<String>,
    /// Beginnings of cache keys that may be read, - for none; can be repeated
    #[arg(long, value_name = "PREFIX", allow_hyphen_values = true)]
    pub(crate) cache_read: Vec<String>,
    /// Beginnings of cache keys that may be set and deleted, - for none; can be repeated
    #[arg(long, value_name = "PREFIX", allow_hyphen_values = true)]
    pub(crate) cache_write: Vec<String>,
    /// Networks from which the key may be used, as in 10.1.0.0/16; can be repeated
    #[arg(long, value_name = "NETWORK")]
    pub(crate) network: Vec<Network>,
    /// Messages of a job that may be under way, at most
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) most_under_way: Option<u64>,
    /// The highest priority of a job
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(..=10))]
    pub(crate) highest_priority: Option<u64>,
    /// Until when it is good: 2027-01-31, 2027-01-31T12:00:00Z, or for how long from now, as in 30d
    #[arg(long, value_name = "TIME")]
    pub(crate) expires: Option<Expiry>,
}

/// When a grant expires.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Expiry {
    At(Date),
    In(TimeSpan),
}

impl Expiry {
    /// The moment, where it is now.
    pub(crate) fn date(self, now: Date) -> Date {
        match self {
            Expiry::At(date) => date,
            Expiry::In(time) => now.after(time.into()),
        }
    }
}

impl FromStr for Expiry {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let date = |error| text.parse().map(Expiry::At).map_err(|_| error);
        let error = "write a moment as in 2027-01-31 or 2027-01-31T12:00:00Z, or how long as in 12h or 30d"
            .to_owned();
        text.parse().map(Expiry::In).or_else(|_| date(error))
    }
}

fn grant_name(text: &str) -> Result<String, &'static str> {
    store::check_name(text).map(|()| text.to_owned())
}
