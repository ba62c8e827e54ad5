//! What can be wrong with settings, and how a program says so.

use super::{Origin, Origins};
use crate::logging;
use clap::error::ContextKind;
use pylm_protocol::visible_lines;
use std::io::{self, Write};
use std::num::ParseIntError;
use std::path::PathBuf;
use std::process::ExitCode;

/// The exit code for wrong usage, configuration or plugins.
const WRONG_USAGE: u8 = 2;

/// Settings that cannot be used, or a question that is answered instead of running.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// Help or the version was asked for.
    #[error("{0}")]
    Asked(clap::Error),
    /// The arguments do not fit the flags.
    #[error("{0}; try --help")]
    Usage(String),
    /// The file cannot be read.
    #[error("cannot read the configuration {}: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The file is not TOML.
    #[error("the configuration {} is not TOML:\n{why}", path.display())]
    NotToml {
        /// The file.
        path: PathBuf,
        /// What is wrong, and in which line.
        why: String,
    },
    /// The file has a key that is no flag.
    #[error("the configuration {} has a key `{key}`, which is no flag; {}", path.display(), meant(nearest.as_deref()))]
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
        /// The flag that is most like it.
        nearest: Option<String>,
    },
    /// A variable has the prefix, and is no flag.
    #[error("the variable {name} is no flag's; {}", meant(nearest.as_deref()))]
    UnknownVariable {
        /// The variable.
        name: String,
        /// The one that is most like it.
        nearest: Option<String>,
    },
    /// A variable or a key has a value that it cannot have.
    #[error("{place} has a wrong value: {why}")]
    Value {
        /// The variable, or the file and its key.
        place: String,
        /// What it should be.
        why: String,
    },
}

fn meant(nearest: Option<&str>) -> String {
    nearest.map_or_else(|| "see --help".to_owned(), |nearest| format!("did you mean `{nearest}`?"))
}

impl SettingsError {
    /// An error of the arguments, in one sentence, with the place of a value that was not typed.
    pub(super) fn usage(error: clap::Error, origins: &Origins) -> Self {
        if !error.use_stderr() {
            return SettingsError::Asked(error);
        }
        let text = error.to_string();
        let mut paragraphs = text.split("\n\n");
        let one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let mut sentence = one_line(paragraphs.next().unwrap_or_default().trim_start_matches("error: "));
        if let Some(number) =
            std::error::Error::source(&error).and_then(|source| source.downcast_ref::<ParseIntError>())
        {
            sentence = sentence.replace(&number.to_string(), pylm_units::no_number(number));
        }
        if let Some(tip) = paragraphs.find_map(|part| part.trim().strip_prefix("tip: ")) {
            sentence = format!("{sentence}; {}", one_line(tip));
        }
        let argument = error.get(ContextKind::InvalidArg).map(ToString::to_string).unwrap_or_default();
        let long = argument.trim_start_matches("--").split([' ', '=']).next().unwrap_or_default();
        match origins.of(long) {
            Origin::Environment(name) => sentence.push_str(&format!(" (from {name})")),
            Origin::File(path) => sentence.push_str(&format!(" (from {})", path.display())),
            Origin::CommandLine | Origin::Default => {}
        }
        SettingsError::Usage(sentence)
    }

    /// Prints what is to be said, to standard output where it was asked for, and gives the exit code.
    pub fn report(&self, program: &str) -> ExitCode {
        match self {
            // What stays in a buffer would be written at the end of the program, where nobody looks whether it can be.
            SettingsError::Asked(answer) => match answer.print().and_then(|()| io::stdout().flush()) {
                Ok(()) => ExitCode::SUCCESS,
                Err(_) => ExitCode::FAILURE,
            },
            error => {
                logging::last_words(program, visible_lines(&error.to_string()));
                ExitCode::from(WRONG_USAGE)
            }
        }
    }
}
