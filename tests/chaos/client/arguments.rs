//! What a client of the chaos suite is told.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use pylm_tests::chaos::Poison;

/// The arguments, read.
#[derive(Clone, Debug)]
pub struct Arguments {
    /// Where the node is.
    pub db: String,
    /// Whose messages they are; each client has a number of its own.
    pub owner: u64,
    /// The function to call.
    pub function: String,
    /// For how long it submits.
    pub lasts: Duration,
    /// The time from one message to the next.
    pub pace: Duration,
    /// How many messages are to be under way at most.
    pub window: u64,
    /// Whether outputs are to come in the order of their messages.
    pub ordered: bool,
    /// How long each message may take.
    pub timeout: Option<Duration>,
    /// What is wrong with the messages.
    pub poison: Poison,
    /// A file that gets the identity of the job, and then the number of each message that has ended.
    pub ends: Option<PathBuf>,
    /// Submit nothing, but attach to the job of a client that was killed, which has left this file.
    pub attach: Option<PathBuf>,
}

impl Arguments {
    /// Reads `KEY=VALUE` of each; the keys are the names of the fields, times are in milliseconds, `pace` in microseconds.
    pub fn read(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut read = Self {
            db: String::new(),
            owner: 0,
            function: String::new(),
            lasts: Duration::ZERO,
            pace: Duration::ZERO,
            window: 1_000,
            ordered: false,
            timeout: None,
            poison: Poison::default(),
            ends: None,
            attach: None,
        };
        for argument in arguments {
            let (key, value) =
                argument.split_once('=').ok_or_else(|| format!("{argument:?} is no KEY=VALUE"))?;
            let value = || value.to_owned();
            match key {
                "db" => read.db = value(),
                "owner" => read.owner = parsed(&value())?,
                "function" => read.function = value(),
                "lasts" => read.lasts = Duration::from_millis(parsed(&value())?),
                "pace" => read.pace = Duration::from_micros(parsed(&value())?),
                "window" => read.window = parsed(&value())?,
                "ordered" => read.ordered = parsed(&value())?,
                "timeout" => read.timeout = Some(Duration::from_millis(parsed(&value())?)),
                "crash" => read.poison.crash = parsed(&value())?,
                "hang" => read.poison.hang = parsed(&value())?,
                "attach" => read.attach = Some(value().into()),
                "ends" => read.ends = Some(value().into()),
                _ => return Err(format!("{key} is not known")),
            }
        }
        Ok(read)
    }
}

fn parsed<T: FromStr>(value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("{value:?} is not what it should be"))
}
