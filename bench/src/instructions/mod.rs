//! Instructions for each message: a measure that no load and no clock disturbs.
//!
//! Each stage is driven twice under callgrind, for so many messages and for more; the difference, for each message, is what it
//! costs. What it costs to start and to end is in neither.

mod baseline;
mod callgrind;
mod node;
mod pure;

pub use pure::{Drive, drive};

use anyhow::{Context as _, Result};
use baseline::{Figures, Verdict, judge};
use clap::{Args, ValueEnum};
use node::{Steps, Wire};
use pure::Stage;
use std::fs;
use std::io::{Write as _, stdout};
use std::path::PathBuf;
use std::process::ExitCode;
use tempfile::TempDir;

/// How instructions are counted.
#[derive(Debug, Args)]
pub struct Instructions {
    /// Only the stages whose names contain one of these
    #[arg(value_name = "STAGE")]
    stages: Vec<String>,
    /// Write the figures down as what later ones are compared with
    #[arg(long)]
    write: bool,
    /// Leave what callgrind has counted in this folder, one folder for each stage, for callgrind_annotate
    #[arg(long, value_name = "FOLDER")]
    keep: Option<PathBuf>,
}

impl Instructions {
    /// Where the counts of one drive go: a folder that is kept, or one that goes with what is returned.
    fn folder(&self, drive: &str) -> Result<(PathBuf, Option<TempDir>)> {
        if let Some(keep) = &self.keep {
            let folder = std::path::absolute(keep.join(drive))?;
            fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
            return Ok((folder, None));
        }
        let folder = tempfile::tempdir()?;
        Ok((folder.path().to_owned(), Some(folder)))
    }
}

/// The ways through a node that are counted, and how many steps the shorter drive has.
const NODE: [(&str, Steps, usize); 6] = [
    ("node-native-16B", steps(Wire::Native, 256, 16), 40),
    ("node-native-1KiB", steps(Wire::Native, 32, 1 << 10), 100),
    ("node-native-alone", steps(Wire::Native, 1, 16), 400),
    ("node-native-hooks", Steps { hooks: Some("bench-pass"), ..steps(Wire::Native, 256, 16) }, 30),
    ("node-native-journal", Steps { journal: true, ..steps(Wire::Native, 256, 16) }, 30),
    ("node-pylm-16B", steps(Wire::Pylm, 256, 16), 40),
];

const fn steps(wire: Wire, width: usize, size: usize) -> Steps {
    Steps { wire, width, size, hooks: None, journal: false }
}

/// By how much a figure may grow. What other threads do at the same time decides how a node's work falls into turns.
const OF_CALLS: f64 = 0.1;
const OF_ROUTER: f64 = 0.12;
const OF_IO: f64 = 0.25;

/// Counts, compares, and prints a table; a figure that is worse than what was written down fails it.
pub fn measure(options: &Instructions) -> Result<ExitCode> {
    if !callgrind::is_here() {
        writeln!(stdout(), "skipped: valgrind is not installed")?;
        return Ok(ExitCode::SUCCESS);
    }
    let known = baseline::read()?;
    let (mut figures, mut worse) = (Figures::new(), 0);
    let mut tell = |stage: String, figure: f64, tolerance: f64| -> Result<()> {
        let before = known.get(&stage).copied();
        let verdict = judge(figure, before, tolerance);
        worse += usize::from(verdict == Verdict::Worse);
        let before = before.map_or_else(|| "–".to_owned(), |before| format!("{before:.0}"));
        let verdict = match verdict {
            Verdict::Same => "same",
            Verdict::Better => "better: write it down with --write",
            Verdict::Worse => "worse",
            Verdict::New => "new: write it down with --write",
        };
        writeln!(stdout(), "{stage:<26} {figure:>9.0} {before:>9}  {verdict}")?;
        figures.insert(stage, figure);
        Ok(())
    };
    writeln!(stdout(), "{:<26} {:>9} {:>9}", "instructions per message", "now", "before")?;
    let is_wanted = |name: &str| {
        options.stages.is_empty() || options.stages.iter().any(|stage| name.contains(stage.as_str()))
    };
    for stage in Stage::value_variants() {
        let name = stage.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned());
        if is_wanted(&name) {
            let count = |messages: u64| {
                let (folder, _held) = options.folder(&format!("{name}-{messages}"))?;
                pure::run(*stage, messages, &folder)
            };
            let (few, many) = (10_240, 30_720);
            // Where a machine has no private copy of the plugin yet, whoever loads it first makes one.
            count(1)?;
            let figure = (count(many)? - count(few)?) as f64 / (many - few) as f64;
            tell(name.clone(), figure, OF_CALLS)?;
        }
    }
    for (name, steps, few) in NODE.into_iter().filter(|(name, ..)| is_wanted(name)) {
        let count = |steps_count: usize| {
            let (folder, _held) = options.folder(&format!("{name}-{steps_count}"))?;
            node::run(steps, steps_count, &folder)
        };
        let ((router, io), (longer_router, longer_io)) = (count(few)?, count(few * 3)?);
        let messages = (few * 2 * steps.width) as f64;
        tell(name.to_owned(), longer_router.saturating_sub(router) as f64 / messages, OF_ROUTER)?;
        tell(format!("{name}-zmq"), longer_io.saturating_sub(io) as f64 / messages, OF_IO)?;
    }
    if options.write {
        baseline::write(&figures)?;
        return Ok(ExitCode::SUCCESS);
    }
    Ok(if worse == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
