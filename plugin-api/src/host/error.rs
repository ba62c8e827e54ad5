//! What can go wrong on the way into a plugin, and inside it.

use std::fmt;

use crate::abi::{RawFailure, RawFailureKind};

/// How a call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallErrorKind {
    /// The function or hook returned an error.
    Failed,
    /// It panicked.
    Panicked,
}

/// The error of one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallError {
    /// How the call failed.
    pub kind: CallErrorKind,
    /// Whether another attempt will meet the same error.
    pub permanent: bool,
    /// What the plugin said; for a panic its text and place.
    pub message: String,
}

impl fmt::Display for CallError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.message)
    }
}

impl std::error::Error for CallError {}

impl From<RawFailure> for CallError {
    fn from(raw: RawFailure) -> CallError {
        let kind = match raw.kind {
            RawFailureKind::Panicked => CallErrorKind::Panicked,
            _ => CallErrorKind::Failed,
        };
        CallError { kind, permanent: raw.kind == RawFailureKind::Permanent, message: raw.text.into_string() }
    }
}

/// Why a plugin did not start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StartError {
    /// A setting is unknown, missing, given twice, or of the wrong kind.
    Setting(String),
    /// The plugin returned an error.
    Refused(String),
    /// The plugin panicked; text and place.
    Panicked(String),
}

impl fmt::Display for StartError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (StartError::Setting(text) | StartError::Refused(text) | StartError::Panicked(text)) = self;
        out.write_str(text)
    }
}

impl std::error::Error for StartError {}

impl From<RawFailure> for StartError {
    fn from(raw: RawFailure) -> StartError {
        let text = raw.text.into_string();
        match raw.kind {
            RawFailureKind::Setting => StartError::Setting(text),
            RawFailureKind::Panicked => StartError::Panicked(text),
            RawFailureKind::Failed | RawFailureKind::Permanent => StartError::Refused(text),
        }
    }
}

/// The root module behind a symbol is not one that this host knows. The text is long, and for a debug log only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayoutError(pub String);

impl fmt::Display for LayoutError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("the plugin's tables are laid out in another way")
    }
}

impl std::error::Error for LayoutError {}
