//! What each stage cost when that was last written down, and what a difference means.

use anyhow::{Context as _, Result};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// Where the figures are written down.
pub fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("instructions.toml")
}

const HEAD: &str = "\
# Instructions for each message, as `pylm-bench instructions --write` found them; `pylm-bench instructions` compares.
# They depend on the compiler and on the C library, and hardly on the machine; never on its load.

";

/// Figures by stage.
pub type Figures = BTreeMap<String, f64>;

/// The figures that were written down.
pub fn read() -> Result<Figures> {
    let path = file();
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    toml::from_str(&text).with_context(|| format!("{} is not as it should be", path.display()))
}

/// Writes figures down, in place of those of the same stages.
pub fn write(figures: &Figures) -> Result<()> {
    let mut all = read().unwrap_or_default();
    all.extend(figures.clone());
    let mut text = HEAD.to_owned();
    for (stage, figure) in all {
        writeln!(text, "{stage} = {figure:.0}.0")?;
    }
    let path = file();
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// How a figure compares with what was written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// About the same.
    Same,
    /// Less; it is time to write that down.
    Better,
    /// More than is tolerated.
    Worse,
    /// Nothing was written down.
    New,
}

/// Compares; `tolerance` is a share.
pub fn judge(figure: f64, before: Option<f64>, tolerance: f64) -> Verdict {
    match before {
        None => Verdict::New,
        Some(before) if figure > before * (1.0 + tolerance) + 1.0 => Verdict::Worse,
        Some(before) if figure < before * (1.0 - tolerance) - 1.0 => Verdict::Better,
        Some(_) => Verdict::Same,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_more_than_the_tolerance_is_worse() {
        assert_eq!(judge(104.0, Some(100.0), 0.05), Verdict::Same);
        assert_eq!(judge(107.0, Some(100.0), 0.05), Verdict::Worse);
        assert_eq!(judge(90.0, Some(100.0), 0.05), Verdict::Better);
        assert_eq!(judge(90.0, None, 0.05), Verdict::New);
    }

    #[test]
    fn what_is_written_down_can_be_read() {
        assert!(read().unwrap().values().all(|figure| *figure > 0.0));
    }
}
