//! What is wrong with a cluster's file: where it stands, what it is, and what to do about it.

use serde_json::{Value, json};
use std::fmt;
use std::path::Path;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    /// The cluster cannot work as it is written.
    Error,
    /// It can, and is probably not what was meant.
    Warning,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) level: Level,
    /// A word that stays the same when the sentence is changed.
    pub(crate) code: &'static str,
    pub(crate) place: Place,
    /// What is wrong.
    pub(crate) cause: String,
    /// What to do about it.
    pub(crate) remedy: String,
}

/// Where something stands in the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// The line, from 1.
    pub(crate) line: usize,
    /// The key with the tables around it, as in `node.first.from`; empty for the file as a whole.
    pub(crate) key: String,
}

/// All that was found.
#[derive(Debug, Default)]
pub(crate) struct Findings(Vec<Finding>);

impl Findings {
    pub(crate) fn error(
        &mut self,
        code: &'static str,
        place: Place,
        cause: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.add(Level::Error, code, place, cause.into(), remedy.into());
    }

    pub(crate) fn warning(
        &mut self,
        code: &'static str,
        place: Place,
        cause: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.add(Level::Warning, code, place, cause.into(), remedy.into());
    }

    fn add(&mut self, level: Level, code: &'static str, place: Place, cause: String, remedy: String) {
        self.0.push(Finding { level, code, place, cause, remedy });
    }

    /// Whether something cannot work.
    pub(crate) fn has_errors(&self) -> bool {
        self.0.iter().any(|finding| finding.level == Level::Error)
    }

    /// In the order of the file, one sentence a line.
    pub(crate) fn text(&mut self, file: &Path) -> String {
        self.sort();
        self.0.iter().map(|finding| format!("{}:{finding}\n", file.display())).collect()
    }

    /// In the order of the file, for programs.
    pub(crate) fn json(&mut self, file: &Path) -> Value {
        self.sort();
        let findings: Vec<Value> = self.0.iter().map(Finding::json).collect();
        json!({ "file": file.to_string_lossy(), "works": !self.has_errors(), "findings": findings })
    }

    fn sort(&mut self) {
        self.0.sort_by_key(|finding| finding.place.line);
    }
}

impl Finding {
    fn json(&self) -> Value {
        json!({
            "level": self.level.word(),
            "code": self.code,
            "line": self.place.line,
            "key": self.place.key,
            "cause": self.cause,
            "remedy": self.remedy,
        })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}: ", self.place.line, self.level.word())?;
        if !self.place.key.is_empty() {
            write!(out, "{}: ", self.place.key)?;
        }
        write!(out, "{}; {}", self.cause, self.remedy)
    }
}

impl Level {
    fn word(self) -> &'static str {
        match self {
            Level::Error => "error",
            Level::Warning => "warning",
        }
    }
}
