//! Each way a plugin can be bad, as one sentence with a code.

use std::fmt;
use std::path::{Path, PathBuf};

/// Which way. Each has a section of its own in `docs/plugins/errors.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// No such file in any of the places.
    NotFound,
    /// The file cannot be read.
    Unreadable,
    /// The file is no dynamic library.
    NotALibrary,
    /// The library is for another machine or system.
    WrongMachine,
    /// The library is no plugin.
    NoDescriptor,
    /// The descriptor makes no sense.
    Damaged,
    /// The descriptor is of a kind of plugin that this host does not run.
    UnknownKind,
    /// The plugin was built against a later API.
    ApiTooNew,
    /// The plugin was built against an API that is no longer supported.
    ApiTooOld,
    /// A panic of the plugin would end the process.
    PanicAbort,
    /// No private copy could be made.
    NotCopied,
    /// The system's loader refused the library.
    NotLinked,
    /// The tables behind the descriptor are not those of the API.
    WrongLayout,
    /// A setting is unknown, missing, given twice, or of the wrong kind.
    BadSetting,
    /// The plugin's start returned an error.
    StartRefused,
    /// The plugin's start panicked.
    StartPanicked,
    /// Nobody could call a function, or set something for the plugin, by the name that it has.
    BadName,
    /// Two functions have one name.
    DuplicateFunction,
}

impl Code {
    /// Every code.
    pub const ALL: [Code; 18] = [
        Code::NotFound,
        Code::Unreadable,
        Code::NotALibrary,
        Code::WrongMachine,
        Code::NoDescriptor,
        Code::Damaged,
        Code::UnknownKind,
        Code::ApiTooNew,
        Code::ApiTooOld,
        Code::PanicAbort,
        Code::NotCopied,
        Code::NotLinked,
        Code::WrongLayout,
        Code::BadSetting,
        Code::StartRefused,
        Code::StartPanicked,
        Code::BadName,
        Code::DuplicateFunction,
    ];

    /// The code as it is printed; it never changes.
    pub const fn as_str(self) -> &'static str {
        match self {
            Code::NotFound => "plugin-not-found",
            Code::Unreadable => "plugin-unreadable",
            Code::NotALibrary => "plugin-not-a-library",
            Code::WrongMachine => "plugin-wrong-machine",
            Code::NoDescriptor => "plugin-no-descriptor",
            Code::Damaged => "plugin-damaged",
            Code::UnknownKind => "plugin-unknown-kind",
            Code::ApiTooNew => "plugin-api-too-new",
            Code::ApiTooOld => "plugin-api-too-old",
            Code::PanicAbort => "plugin-panic-abort",
            Code::NotCopied => "plugin-not-copied",
            Code::NotLinked => "plugin-not-linked",
            Code::WrongLayout => "plugin-wrong-layout",
            Code::BadSetting => "plugin-bad-setting",
            Code::StartRefused => "plugin-start-refused",
            Code::StartPanicked => "plugin-start-panicked",
            Code::BadName => "plugin-bad-name",
            Code::DuplicateFunction => "plugin-duplicate-function",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// Why a plugin is not used: code, cause and remedy in one sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadError {
    code: Code,
    path: PathBuf,
    cause: String,
    remedy: String,
}

impl LoadError {
    pub(crate) fn new(
        code: Code,
        path: &Path,
        cause: impl Into<String>,
        remedy: impl Into<String>,
    ) -> LoadError {
        LoadError { code, path: path.to_owned(), cause: cause.into(), remedy: remedy.into() }
    }

    /// The code, as it is printed.
    pub fn code(&self) -> &'static str {
        self.code.as_str()
    }

    /// The code.
    pub fn kind(&self) -> Code {
        self.code
    }

    /// The file, or the name that was not found.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is wrong.
    pub fn cause(&self) -> &str {
        &self.cause
    }

    /// What to do about it.
    pub fn remedy(&self) -> &str {
        &self.remedy
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {} {}; {}", self.code, self.path.display(), self.cause, self.remedy)
    }
}

impl std::error::Error for LoadError {}
