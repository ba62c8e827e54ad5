//! `pylm journal`: what a node that does not run has in its journal.

use crate::failure::{Failure, print, written};
use crate::job::apart::keep_output_apart;
use clap::{Args, Subcommand};
use pylm_journal::{ExportError, Summary, export};
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  Whether a journal can be read, and what is in it:
      pylm journal check /var/lib/pylmd

  The messages of it that have not ended, with jq:
      pylm journal export /var/lib/pylmd | jq 'select(.kind == \"message\")'

Neither changes anything. The node has to be stopped first.")]
pub(crate) struct JournalArguments {
    #[command(subcommand)]
    action: JournalAction,
}

#[derive(Debug, Subcommand)]
enum JournalAction {
    /// Read all of a journal and sum it up; exit code 1 when something is missing that was on disk once
    Check {
        /// The folder that was given to the node as --journal
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
    /// Write what has not ended as lines of JSON: open jobs, unfinished messages, outputs that are kept, the cache
    Export {
        /// The folder that was given to the node as --journal
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
}

/// Does what the arguments say.
pub(crate) fn journal(arguments: &JournalArguments) -> Result<ExitCode, Failure> {
    let (JournalAction::Check { folder } | JournalAction::Export { folder }) = &arguments.action;
    // What cannot be listed cannot be read either, which is told by whoever tries.
    let files: Vec<_> = folder.read_dir().into_iter().flatten().flatten().map(|file| file.path()).collect();
    keep_output_apart(files.iter().map(PathBuf::as_path))?;
    match &arguments.action {
        JournalAction::Check { folder } => {
            let summary = Summary::read(folder).map_err(|error| Failure::Running(error.to_string()))?;
            print(format!("{summary}\n").as_bytes())?;
            Ok(if summary.is_sound() { ExitCode::SUCCESS } else { ExitCode::from(1) })
        }
        JournalAction::Export { folder } => {
            let mut output = BufWriter::new(io::stdout());
            match export(folder, &mut output) {
                Ok(()) => written(output.flush())?,
                Err(ExportError::Output(error)) => written(Err(error))?,
                Err(error) => return Err(Failure::Running(error.to_string())),
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}
