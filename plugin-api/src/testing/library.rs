//! The plugin as cargo builds it.
#![allow(unsafe_code)]

use std::path::{Path, PathBuf};
use std::process::Command;

use libloading::Library;

use crate::__private::Exported;
use crate::descriptor::ROOT_SYMBOL;
use crate::host::{LayoutError, Root};

/// The root module of the built library.
pub(super) fn root(plugin: Exported) -> Result<Root, LayoutError> {
    let path = build(plugin);
    let not_loaded = |error: libloading::Error| LayoutError(format!("{}: {error}", path.display()));
    // SAFETY: this is the library of the crate that is tested, which also runs in this process without it.
    let library = unsafe { Library::new(&path) }.map_err(not_loaded)?;
    // SAFETY: only the symbol's address is taken.
    let symbol = unsafe { library.get::<*const ()>(ROOT_SYMBOL.as_bytes()) }.map_err(not_loaded)?;
    // SAFETY: that is what the symbol is.
    let address = unsafe { symbol.into_raw() }.as_raw_ptr();
    std::mem::forget(library);
    // SAFETY: the address is that of the symbol, and the library stays.
    unsafe { Root::from_symbol(address.cast_const().cast()) }
}

/// Builds the library in the profile of this test; a moment where it is up to date.
fn build(plugin: Exported) -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--lib", "--quiet", "--message-format=json", "--package", plugin.package]);
    command.arg("--manifest-path").arg(Path::new(plugin.manifest_dir).join("Cargo.toml"));
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    let output = match command.output() {
        Ok(output) if output.status.success() => output.stdout,
        Ok(output) => panic!("cargo build failed: {}", String::from_utf8_lossy(&output.stderr)),
        Err(error) => panic!("cargo cannot be run: {error}"),
    };
    let artifacts = output.split(|&byte| byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok());
    artifacts.filter_map(|artifact| library_in(&artifact, plugin.manifest_dir)).next_back().unwrap_or_else(
        || panic!("cargo built no dynamic library: the crate needs crate-type = [\"cdylib\"]"),
    )
}

fn library_in(artifact: &serde_json::Value, manifest_dir: &str) -> Option<PathBuf> {
    let manifest = Path::new(artifact["manifest_path"].as_str()?);
    let files =
        artifact["filenames"].as_array()?.iter().filter_map(serde_json::Value::as_str).map(PathBuf::from);
    let is_library =
        |path: &PathBuf| path.extension().is_some_and(|end| end == std::env::consts::DLL_EXTENSION);
    (manifest.parent() == Some(Path::new(manifest_dir))).then(|| files.into_iter().find(is_library)).flatten()
}
