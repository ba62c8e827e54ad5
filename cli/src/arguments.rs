//! The command line: what can be said, and the help that explains it.

use crate::access::AccessArguments;
use crate::beginning::Beginning;
use crate::bench::BenchArguments;
use crate::cluster::{GraphArguments, TiedArguments, UpArguments};
use crate::plugin::PluginArguments;
use clap::{Args, Parser, Subcommand, ValueEnum};
use pylm_client::DEFAULT_ADDRESS;
use pylm_protocol::{Address, Name};
use pylm_units::TimeSpan;
use std::path::PathBuf;

/// Streams messages through the native functions of a pylmd node
#[derive(Debug, Parser)]
#[command(
    name = "pylm",
    version,
    long_version = pylm_transport::version(),
    after_long_help = "\
Exit codes:
  0    done
  1    failed while running
  2    wrong usage, configuration or plugin
  3    the job ended, and some messages failed
  130  ended by Ctrl-C (143 by SIGTERM, 129 by SIGHUP), the job cancelled"
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Send files or standard input through a function of a node, and write the results
    Job(JobArguments),
    /// Do the same on a node of its own, started for this and gone when it ends
    Run(RunArguments),
    /// Read and change the cache of a node
    Cache(CacheArguments),
    /// Tell how a node is: its sums, its hosts, and what waits for nobody
    Status(StatusArguments),
    /// Watch a node on a terminal: its jobs and hosts, as they are each second
    Top(TopArguments),
    /// List the open jobs of a node
    #[command(after_long_help = "\
Examples:
      pylm jobs
      pylm jobs --db tcp://192.0.2.1:5559 --json")]
    Jobs(LookArguments),
    /// Tell why a job does not move
    #[command(after_long_help = "\
Example:
      pylm explain 5f3a")]
    Explain(NamedJobArguments),
    /// Cancel a job, whoever its client is: what has not ended ends as cancelled
    #[command(after_long_help = "\
Example:
      pylm cancel 5f3a")]
    Cancel(NamedJobArguments),
    /// Write what a client that has gone has still to get, until its job has ended
    Attach(AttachArguments),
    /// Look at messages that took down every host, run them again, or drop them
    Failed(FailedArguments),
    /// List the functions of a node with their hosts; `*` is any function that no other host offers
    #[command(after_long_help = "\
Examples:
      pylm functions
      pylm functions --json")]
    Functions(LookArguments),
    /// Put a function of a node under load, and tell how fast it is
    Bench(BenchArguments),
    /// Say who comes in at a node's encrypted door, and what each may do
    Access(AccessArguments),
    /// Run the nodes and worker hosts that a file describes, on this machine, and end them together
    Up(UpArguments),
    /// Draw the flow of messages through a file's nodes, and tell what cannot work there
    Graph(GraphArguments),
    /// Become a program that ends with the one that started it
    #[command(hide = true)]
    Tied(TiedArguments),
    /// Look at plugins
    Plugin(PluginArguments),
    /// Look at the journal of a node that does not run
    Journal(crate::journal::JournalArguments),
    /// Write a completion script for a shell to standard output
    Completions(CompletionsArguments),
    /// Write the manual page to standard output
    Man(ManArguments),
}

/// Where the node is.
#[derive(Debug, Args)]
pub(crate) struct NodeArguments {
    /// The address of the node's db socket
    #[arg(long, value_name = "ADDRESS", env = "PYLMD_DB", value_parser = Address::of_peer, default_value = DEFAULT_ADDRESS, global = true)]
    pub(crate) db: Address,
    /// The access file for a node's encrypted door, which also says where that is; the one in $XDG_CONFIG_HOME/pylm/access that is for
    /// --db is found by itself
    #[arg(long, value_name = "FILE", env = "PYLMD_ACCESS", global = true)]
    pub(crate) access: Option<PathBuf>,
    /// How long to wait for the node's first answer: 500ms, 5s, 2m
    #[arg(long, value_name = "TIME", default_value = "5s", global = true)]
    pub(crate) wait: TimeSpan,
}

/// In which session what is sent and stored is.
#[derive(Debug, Args)]
pub(crate) struct SessionArguments {
    /// Work in a session of this name: it is the `pipeline` that functions read, and stands before the keys that `cache set`
    /// stores
    #[arg(long, value_name = "NAME", value_parser = Name::shown, global = true)]
    pub(crate) session: Option<Name>,
}

#[derive(Debug, Args)]
#[command(after_long_help = verbatim("\
Examples:
  Each line of a file through the function `shout` of the node `server`:
      pylm job server.shout names.txt

  Two stages, the second of which gets the results of the first, on standard input and output:
      zcat log.gz | pylm job first.parse,second.score > scores.txt

  Each picture is one message, each result a file; failed ones are listed, to be tried again:
      pylm job server.thumb --each-file --output 'thumbs/{name}-{n}.png' --errors failed.txt *.png
      xargs -d '\\n' pylm job server.thumb --each-file --output 'thumbs/{name}-{n}.png' < failed.txt

  What failed is fed in again, in the format in which it came:
      pylm job server.parse --errors failed.txt log.txt > parsed.txt
      pylm job server.parse failed.txt >> parsed.txt

Results are written as they come, unless --ordered. A closed pipe, as behind `| head`, cancels the job and is no error. \
Messages are numbered from 0 in the order of the input."))]
pub(crate) struct JobArguments {
    /// The function to call, SERVER.FUNCTION; several, separated by commas, are stages
    #[arg(value_name = "SERVER.FUNCTION[,SERVER.FUNCTION...]", value_parser = stages)]
    pub(crate) function: Stages,
    #[command(flatten)]
    pub(crate) node: NodeArguments,
    #[command(flatten)]
    pub(crate) session: SessionArguments,
    #[command(flatten)]
    pub(crate) stream: StreamArguments,
}

/// What goes into a job, and how.
#[derive(Debug, Args)]
pub(crate) struct StreamArguments {
    /// The files to read, one after the other; `-`, or none at all, is standard input
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) format: FormatArguments,
    /// Write results in the order of their messages, holding back those that come early
    #[arg(long)]
    pub(crate) ordered: bool,
    /// How long each message may take before it fails: 500ms, 5s, 2m
    #[arg(long, value_name = "TIME", value_parser = TimeSpan::positive)]
    pub(crate) timeout: Option<TimeSpan>,
    /// How long all of the job may take: what has not ended then fails
    #[arg(long, value_name = "TIME", value_parser = TimeSpan::positive)]
    pub(crate) deadline: Option<TimeSpan>,
    /// How often a message is run again whose function has failed, after growing delays; not for errors that a function calls
    /// permanent
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) retries: u32,
    /// From 0 to 10: with each step, the job gets twice as much of what several jobs wait for
    #[arg(long, value_name = "P", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=10))]
    pub(crate) priority: u32,
    /// Write the messages that failed to this file, in the format of the input, so that it can be fed in again; with
    /// --each-file, their names
    #[arg(long, value_name = "FILE")]
    pub(crate) errors: Option<PathBuf>,
    /// How results are written to standard output; as the input is, unless given
    #[arg(long, value_name = "FORMAT", conflicts_with = "output")]
    pub(crate) results: Option<ResultFormat>,
    #[arg(
        long,
        value_name = "PATTERN|FOLDER",
        help = verbatim("Write each result to a file of its own: in a folder, or as a pattern says with {n} (the result's place among those \
                         of its message), {name} and {file} (the input file's name without and with its ending), and {message} (the \
                         message's number)")
    )]
    pub(crate) output: Option<PathBuf>,
    /// With --output: replace files that are there already
    #[arg(long, requires = "output")]
    pub(crate) overwrite: bool,
    /// Show neither progress nor failed messages; the exit code still tells
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

/// What one message is.
#[derive(Debug, Args)]
pub(crate) struct FormatArguments {
    /// Each line is a message, and each result is written as a line (the default)
    #[arg(long, conflicts_with_all = ["null", "frames", "each_file"])]
    lines: bool,
    /// Messages and results end with a zero byte; with --each-file, the names in --errors do
    #[arg(long, short = '0', conflicts_with = "frames")]
    pub(crate) null: bool,
    /// Messages and results have their length before them, four bytes, the highest first
    #[arg(long, conflicts_with = "each_file")]
    frames: bool,
    /// Each file is a message, and results are written as they are, one behind the other; --output gives each a file
    #[arg(long)]
    each_file: bool,
}

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ResultFormat {
    /// A line each
    Lines,
    /// A zero byte behind each
    Null,
    /// Each with its length before it, four bytes, the highest first
    Frames,
    /// As they are, one behind the other
    Raw,
    /// A line of JSON for each result, end and error, with its message, file and place
    Json,
}

/// What one message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Lines,
    Null,
    Frames,
    EachFile,
}

impl FormatArguments {
    pub(crate) fn format(&self) -> Format {
        match self {
            Self { each_file: true, .. } => Format::EachFile,
            Self { null: true, .. } => Format::Null,
            Self { frames: true, .. } => Format::Frames,
            Self { .. } => Format::Lines,
        }
    }
}

#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  Each line through the function `shout` of a plugin in this folder, on all cores:
      pylm run --plugin libshout.so shout names.txt

  A plugin that was installed, with a setting, on two worker hosts:
      pylm run --plugin wordcount --set wordcount.chunk=100000 --workers 2 count --each-file book.txt

The node and its worker hosts listen on this machine only, on ports that nobody else uses, and end with the job.")]
pub(crate) struct RunArguments {
    /// A plugin whose functions and hooks run: a path, a file name, or the bare name of one that is installed; can be repeated
    #[arg(long, value_name = "PLUGIN", required = true)]
    pub(crate) plugin: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) private: PrivateArguments,
}

/// A job on a private node.
#[derive(Debug, Args)]
pub(crate) struct PrivateArguments {
    /// Another folder in which plugins are looked for; can be repeated
    #[arg(long, value_name = "FOLDER")]
    pub(crate) plugin_dir: Vec<PathBuf>,
    /// A setting of a plugin; can be repeated
    #[arg(long, value_name = "PLUGIN.KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// How many worker hosts to start; one for each core unless said otherwise
    #[arg(long, value_name = "N")]
    pub(crate) workers: Option<std::num::NonZeroUsize>,
    /// Show everything that the node and its worker hosts log, not only warnings and errors
    #[arg(long, short)]
    pub(crate) verbose: bool,
    /// The function to call; several, separated by commas, are stages. The name of the node, `server.`, may be left out
    #[arg(value_name = "FUNCTION[,FUNCTION...]", value_parser = stages_of_server)]
    pub(crate) function: Stages,
    #[command(flatten)]
    pub(crate) stream: StreamArguments,
}

#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
      pylm cache set greeting 'good morning'
      pylm cache get greeting
      pylm cache set model < model.bin
      pylm cache delete model")]
pub(crate) struct CacheArguments {
    #[command(subcommand)]
    pub(crate) action: CacheAction,
    #[command(flatten)]
    pub(crate) node: NodeArguments,
    #[command(flatten)]
    pub(crate) session: SessionArguments,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CacheAction {
    /// Write the value of a key to standard output, as it is; exit code 1 where there is no such key
    Get {
        /// The key
        key: String,
    },
    /// Store a value under a key
    Set {
        /// The key; an empty one lets the node choose. What was chosen, or stored in a --session, is written to standard output
        key: String,
        /// The value; standard input, to its end, unless given
        value: Option<String>,
    },
    /// Delete a key; exit code 1 where there is no such key
    Delete {
        /// The key
        key: String,
    },
}

#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
      pylm status
      pylm status --check --within 5s || echo 'the node is stuck, or gone'
      pylm status --json")]
pub(crate) struct StatusArguments {
    /// Write JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Exit code 1 and the reason when a job stands still though it should not, when the node accepts nothing, or when it does not
    /// answer: what /health of pylmd --http says
    #[arg(long)]
    pub(crate) check: bool,
    /// With --check: for how long work may wait that no host has; waits as long to see it [default: 10s, without waiting]
    #[arg(long, value_name = "TIME", value_parser = TimeSpan::positive, requires = "check")]
    pub(crate) within: Option<TimeSpan>,
    #[command(flatten)]
    pub(crate) node: NodeArguments,
}

#[derive(Debug, Args)]
#[command(after_long_help = "\
Example:
      pylm top --db tcp://192.0.2.1:5559

Ctrl-C ends it. What stands still though it should not is red. ENDED/S counts the last five seconds.")]
pub(crate) struct TopArguments {
    /// How long to wait before the next look: 500ms, 5s
    #[arg(long, value_name = "TIME", value_parser = TimeSpan::positive, default_value = "1s")]
    pub(crate) every: TimeSpan,
    #[command(flatten)]
    pub(crate) node: NodeArguments,
}

/// A look at a node.
#[derive(Debug, Args)]
pub(crate) struct LookArguments {
    /// Write JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) node: NodeArguments,
}

#[derive(Debug, Args)]
pub(crate) struct NamedJobArguments {
    /// The job's identity, or as much of its beginning as no other job has; see `pylm jobs`
    pub(crate) job: Beginning,
    #[command(flatten)]
    pub(crate) node: NodeArguments,
}

#[derive(Debug, Args)]
#[command(after_long_help = "\
A job whose client has gone without saying so is kept for --client-grace of its node, or with --journal for --keep. What its \
client has taken is not written again. Ctrl-C leaves the job as it is, to be attached to again.

Example:
      pylm attach 5f3a > rest.txt")]
pub(crate) struct AttachArguments {
    /// The job's identity, or as much of its beginning as no other job has; see `pylm jobs`
    pub(crate) job: Beginning,
    /// How results are written to standard output
    #[arg(long, value_name = "FORMAT", default_value = "lines")]
    pub(crate) results: ResultFormat,
    #[command(flatten)]
    pub(crate) node: NodeArguments,
}

#[derive(Debug, Args)]
#[command(after_long_help = "\
A message that was alone at a host each time --max-attempts hosts were lost fails with code `lost`, and its node keeps it.

Examples:
      pylm failed list
      pylm failed show 5f3a --payload > message.bin
      pylm failed retry 5f3a
      pylm failed drop --all")]
pub(crate) struct FailedArguments {
    #[command(subcommand)]
    pub(crate) action: FailedAction,
    #[command(flatten)]
    pub(crate) node: NodeArguments,
}

#[derive(Debug, Subcommand)]
pub(crate) enum FailedAction {
    /// List them, the oldest first
    List {
        /// Write JSON
        #[arg(long)]
        json: bool,
    },
    /// Show all that is known of one
    Show {
        /// Its id, or as much of its beginning as no other has
        id: Beginning,
        /// Write its payload and nothing else
        #[arg(long)]
        payload: bool,
    },
    /// Run them again, one after the other, and write their results; those that are done are dropped
    Retry {
        #[command(flatten)]
        choice: FailedChoice,
        /// How results are written to standard output; in lines of JSON, messages are numbered from 0
        #[arg(long, value_name = "FORMAT", default_value = "lines")]
        results: ResultFormat,
    },
    /// Drop them
    Drop {
        #[command(flatten)]
        choice: FailedChoice,
    },
}

/// Which of the messages.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub(crate) struct FailedChoice {
    /// Their ids, or as much of their beginnings as no other has
    #[arg(value_name = "ID")]
    pub(crate) ids: Vec<Beginning>,
    /// All of them
    #[arg(long, conflicts_with = "ids")]
    pub(crate) all: bool,
}

#[derive(Debug, Args)]
#[command(after_long_help = "\
Example, for bash:
      pylm completions bash > ~/.local/share/bash-completion/completions/pylm")]
pub(crate) struct CompletionsArguments {
    /// The shell
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
#[command(after_long_help = "\
Example:
      pylm man job | man -l -")]
pub(crate) struct ManArguments {
    /// The subcommand that the page is to be about
    pub(crate) page: Option<Page>,
}

/// A subcommand that has a manual page of its own.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Page {
    Job,
    Run,
    Cache,
    Status,
    Top,
    Jobs,
    Explain,
    Cancel,
    Attach,
    Failed,
    Functions,
    Bench,
    Up,
    Graph,
    Plugin,
    Journal,
}

/// Help with an `{n}` in it, which clap takes for a line end unless something stands between its letters: here a style that is not seen.
fn verbatim(text: &str) -> String {
    text.replace("{n}", "{\x1b[0mn}")
}

/// The stages of a call as the protocol writes them: `server.function`, separated by spaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stages(pub(crate) String);

pub(crate) fn stages(text: &str) -> Result<Stages, String> {
    read_stages(text, None)
}

fn stages_of_server(text: &str) -> Result<Stages, String> {
    read_stages(text, Some(crate::node::NAME))
}

fn read_stages(text: &str, server: Option<&str>) -> Result<Stages, String> {
    let read = |entry: &str| match (entry.split_once('.'), server) {
        _ if entry.contains(char::is_whitespace) => {
            Err(format!("`{entry}` has a space in it; separate stages by commas"))
        }
        (Some((server, function)), _) if !server.is_empty() && !function.is_empty() => {
            shown(function).and_then(|()| shown(server)).map(|()| entry.to_owned())
        }
        (None, Some(server)) if !entry.is_empty() => shown(entry).map(|()| format!("{server}.{entry}")),
        _ => Err(format!(
            "`{entry}` is no function; write SERVER.FUNCTION, such as server.{}",
            if entry.is_empty() { "shout" } else { entry.trim_matches('.') }
        )),
    };
    let entries: Vec<String> = text.split(',').map(read).collect::<Result<_, _>>()?;
    Ok(Stages(entries.join(" ")))
}

/// Pylm's own workers may have functions that ours could not be called.
fn shown(name: &str) -> Result<(), String> {
    Name::shown(name).map(drop).map_err(|error| error.to_string())
}

pub(crate) fn setting(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.into(), value.into())),
        _ => Err("not a setting; write KEY=VALUE".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn what_means_nothing_for_a_command_is_not_taken() {
        for line in [
            "attach 5f3a --each-file",
            "attach 5f3a --null",
            "attach 5f3a --session s",
            "failed retry --all --frames",
            "failed list --session s",
            "status --session s",
            "jobs --session s",
            "cancel 5f3a --session s",
            "run --plugin p --session s f",
            "job server.f --overwrite",
        ] {
            let args = ["pylm"].into_iter().chain(line.split(' '));
            assert!(Arguments::try_parse_from(args).is_err(), "{line}");
        }
    }

    #[test]
    fn stages_are_functions_of_servers() {
        let stages = |text| stages(text).map(|stages| stages.0);
        assert_eq!(stages("server.f").as_deref(), Ok("server.f"));
        assert_eq!(stages("a.f,b.g").as_deref(), Ok("a.f b.g"));
        for wrong in ["", "f", ".f", "server.", "a.f,", "a.f b.g", "a.f, b.g"] {
            assert!(stages(wrong).is_err(), "{wrong}");
        }
        assert_eq!(stages_of_server("f,b.g").map(|stages| stages.0).as_deref(), Ok("server.f b.g"));
        assert!(stages_of_server("").is_err());
    }

    #[test]
    fn a_setting_has_a_key() {
        assert_eq!(setting("a=b=c"), Ok(("a".into(), "b=c".into())));
        assert_eq!(setting("a="), Ok(("a".into(), String::new())));
        assert!(setting("=b").is_err() && setting("a").is_err());
    }
}
