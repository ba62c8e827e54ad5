//! Builds the libraries that the tests load.
#![allow(dead_code)]

use std::path::{Path, PathBuf};
use std::process::Command;

/// The library of a package of this workspace.
pub(crate) fn library(package: &str) -> PathBuf {
    cargo(&workspace().join("Cargo.toml"), &["--package", package], &[])
}

/// The root of the workspace.
pub(crate) fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Runs `cargo build` and gives the one dynamic library that it made.
pub(crate) fn cargo(manifest: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> PathBuf {
    let output = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--message-format=json", "--manifest-path"])
        .arg(manifest)
        .args(arguments)
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let package = std::fs::canonicalize(manifest).unwrap();
    let mut libraries: Vec<PathBuf> = output
        .stdout
        .split(|&byte| byte == b'\n')
        .filter_map(|line| serde_json::from_slice::<serde_json::Value>(line).ok())
        .filter(|message| {
            message["reason"] == "compiler-artifact" && message["target"]["crate_types"][0] == "cdylib"
        })
        .flat_map(|message| message["filenames"].as_array().cloned().unwrap_or_default())
        .filter_map(|name| name.as_str().map(PathBuf::from))
        .collect();
    assert_eq!(libraries.len(), 1, "{} makes one library", package.display());
    libraries.remove(0)
}
