//! The programs and plugins that tests run, built once for each test binary.

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde::Deserialize;

/// Packages whose programs and plugins tests run.
const PACKAGES: [&str; 20] = [
    "pylmd",
    "pylm-cli",
    "alternate",
    "cached",
    "final-message",
    "json",
    "listen",
    "logged",
    "parallel",
    "patient",
    "scatter3",
    "shout",
    "stamp",
    "wordcount",
    "parts",
    "sum",
    "testing-plugin",
    "foretold",
    "sift",
    "upset-plugin",
];

/// How to build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// As `cargo build`; for most tests.
    Debug,
    /// As `cargo build --release`; for tests with much to do.
    Release,
}

/// Built programs and plugins.
pub struct Programs {
    files: Vec<PathBuf>,
}

/// The project's own programs and plugins, built on the first call.
///
/// # Panics
/// Where they do not compile, with cargo's errors.
#[track_caller]
pub fn programs(profile: Profile) -> &'static Programs {
    static DEBUG: OnceLock<Programs> = OnceLock::new();
    static RELEASE: OnceLock<Programs> = OnceLock::new();
    let built = if profile == Profile::Debug { &DEBUG } else { &RELEASE };
    built.get_or_init(|| build(profile, &PACKAGES.map(|package| ["-p", package]).concat()))
}

/// Run `cargo build` with more `arguments`: packages, features, another manifest.
///
/// # Panics
/// Where it fails, with cargo's errors.
#[must_use]
#[track_caller]
pub fn build(profile: Profile, arguments: &[&str]) -> Programs {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
    cargo.args(["build", "--message-format=json-render-diagnostics"]).args(arguments).stdin(Stdio::null());
    if profile == Profile::Release {
        cargo.arg("--release");
    }
    let output = cargo.output().unwrap_or_else(|error| panic!("cannot run cargo: {error}"));
    if !output.status.success() {
        panic!("cargo build {} failed:\n{}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
    }
    let files = output.stdout.split(|byte| *byte == b'\n').flat_map(files_of).collect();
    Programs { files }
}

/// The part of one of cargo's messages that names what was built.
#[derive(Deserialize)]
struct Artifact {
    reason: String,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

fn files_of(line: &[u8]) -> Vec<PathBuf> {
    match serde_json::from_slice::<Artifact>(line) {
        Ok(artifact) if artifact.reason == "compiler-artifact" => artifact.filenames,
        _ => Vec::new(),
    }
}

impl Programs {
    /// The path of the program `name`, such as `pylmd`.
    ///
    /// # Panics
    /// Where none of that name was built.
    #[must_use]
    #[track_caller]
    pub fn program(&self, name: &str) -> &Path {
        self.file(&format!("{name}{}", std::env::consts::EXE_SUFFIX))
    }

    /// The path of the plugin of the package `name`, such as `scatter3`: `…/libscatter3.so` on Linux.
    ///
    /// # Panics
    /// Where none of that name was built.
    #[must_use]
    #[track_caller]
    pub fn plugin(&self, name: &str) -> &Path {
        self.file(&format!("{DLL_PREFIX}{}{DLL_SUFFIX}", name.replace('-', "_")))
    }

    #[track_caller]
    fn file(&self, name: &str) -> &Path {
        let found = self.files.iter().find(|path| path.file_name().is_some_and(|file| file == name));
        found.unwrap_or_else(|| {
            panic!("no {name} was built; is its package in the list of tests/support/programs.rs?")
        })
    }
}
