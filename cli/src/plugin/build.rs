//! A plugin's library, as cargo builds it.

use crate::failure::Failure;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Builds the library of the project in `folder`, and gives its file. What cargo has to say goes to standard error.
///
/// # Errors
/// When cargo is not there, the code does not compile, or the project makes no dynamic library.
pub(super) fn build(folder: &Path, is_release: bool) -> Result<PathBuf, Failure> {
    let manifest = folder.join("Cargo.toml");
    let manifest = manifest.canonicalize().map_err(|error| {
        Failure::Usage(format!(
            "{}: {error}; call this in the folder of a plugin, or make one with `pylm plugin new`",
            manifest.display()
        ))
    })?;
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args(["build", "--lib", "--message-format=json-render-diagnostics", "--manifest-path"])
        .arg(&manifest);
    if is_release {
        cargo.arg("--release");
    }
    let output = cargo.stdin(Stdio::null()).stderr(Stdio::inherit()).output().map_err(|error| {
        Failure::Running(format!("cargo cannot be run: {error}; install Rust, as in https://rustup.rs"))
    })?;
    if !output.status.success() {
        return Err(Failure::Running("the plugin does not build: cargo says why".into()));
    }
    let artifacts =
        output.stdout.split(|&byte| byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok());
    artifacts.filter_map(|artifact| library(&artifact, &manifest)).next_back().ok_or_else(|| {
        Failure::Usage(format!(
            "{} makes no dynamic library: it needs [lib] crate-type = [\"cdylib\"]",
            manifest.display()
        ))
    })
}

/// The dynamic library that an artifact is, where it is one of this manifest.
fn library(artifact: &Value, manifest: &Path) -> Option<PathBuf> {
    let of = Path::new(artifact["manifest_path"].as_str()?).canonicalize().ok()?;
    let files = artifact["filenames"].as_array()?.iter().filter_map(Value::as_str).map(PathBuf::from);
    let is_library =
        |path: &PathBuf| path.extension().is_some_and(|end| end == std::env::consts::DLL_EXTENSION);
    (of == manifest).then(|| files.into_iter().find(is_library)).flatten()
}
