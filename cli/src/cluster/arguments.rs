//! The command line of `pylm up` and `pylm graph`.

use super::draw::Language;
use clap::Args;
use std::ffi::OsString;
use std::path::PathBuf;

#[derive(Debug, Args)]
#[command(after_long_help = "\
Example, a node with two worker hosts of its own, in cluster.toml:
      [node.server]
      plugin = [\"shout\"]
      workers = 2

The keys of a node are the flags of pylmd, and those of [worker.NAME] the flags of pylm-worker; docs/cluster.md explains \
the few that are not. Paths are relative to the file.

The lines of all programs go to standard output, each with the name of its program. What dies is started again, after \
0.1 s at first, then twice as long each time, 10 s at most. The first Ctrl-C or SIGTERM ends the first nodes first, then \
those that follow them, and worker hosts after their node; a second one ends everything at once.")]
pub(crate) struct UpArguments {
    /// The file that describes the cluster
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Start nothing; only tell what cannot work, as `pylm graph` does
    #[arg(long)]
    pub(crate) check: bool,
}

#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
      pylm graph cluster.toml --format dot | dot -Tsvg > cluster.svg
      pylm graph cluster.toml --json | jq .findings

The drawing goes to standard output, and what is wrong to standard error, each with its line and what to do about it. \
Nothing is started, and no code of a plugin runs. Exit code 2 when something cannot work.")]
pub(crate) struct GraphArguments {
    /// The file that describes the cluster
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The language of the drawing
    #[arg(long, value_enum, value_name = "LANGUAGE", default_value = "mermaid")]
    pub(crate) format: Language,
    /// Write what is wrong to standard output, as JSON, instead of the drawing
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct TiedArguments {
    /// The process whose end is to be heard of
    pub(crate) parent: i32,
    /// The program
    pub(crate) program: PathBuf,
    /// Its arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) args: Vec<OsString>,
}
