//! What a run says in the end: a table to read, and everything as JSON.

mod bars;
mod chart;
mod summary;
mod table;

pub use bars::{Judged, judge, judge_times, needs, references};
pub use chart::svg;
pub use summary::{Ratio, Summary, summarize};
pub use table::{figure, print, with_range};

use crate::rounds::Run;
use anyhow::{Context as _, Result};
use std::fs;
use std::path::Path;

/// Writes all of it to a file.
pub fn write_json(run: &Run, path: &Path) -> Result<()> {
    let text = serde_json::to_string_pretty(run)?;
    fs::write(path, text + "\n").with_context(|| format!("cannot write {}", path.display()))
}
