//! Builds the libraries that the tests load.
#![allow(dead_code)]

use std::path::{Path, PathBuf};
use std::process::Command;

/// The library of a package of this workspace.
pub(crate) fn library(package: &str) -> PathBuf {
    cargo(&workspace().join("Cargo.toml"), &["--package", package], &[])
}

/// The library of a crate under `fixtures`, which is no member of the workspace but shares its target folder.
pub(crate) fn fixture(name: &str) -> PathBuf {
    cargo(&manifest(name), &["--target-dir", &target().to_string_lossy()], &[])
}

/// The same library with optimization.
pub(crate) fn release_fixture(name: &str) -> PathBuf {
    cargo(&manifest(name), &["--release", "--target-dir", &target().to_string_lossy()], &[])
}

/// The same library with `panic = "abort"`.
pub(crate) fn aborting_fixture(name: &str) -> PathBuf {
    let folder = target().join("abort");
    cargo(
        &manifest(name),
        &["--target-dir", &folder.to_string_lossy()],
        &[("CARGO_PROFILE_DEV_PANIC", "abort")],
    )
}

/// A library of a few lines of C, in a folder of the test's own.
pub(crate) fn c_library(folder: &Path, source: &str) -> PathBuf {
    c_library_named(folder, "bad", source, &[])
}

/// The same with a name, and more arguments for the compiler.
pub(crate) fn c_library_named(folder: &Path, name: &str, source: &str, arguments: &[&str]) -> PathBuf {
    std::fs::create_dir_all(folder).unwrap();
    let (input, output) = (folder.join(format!("{name}.c")), folder.join(format!("lib{name}.so")));
    std::fs::write(&input, source).unwrap();
    let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    let mut command = Command::new(compiler);
    command.args(["-shared", "-fPIC", "-o"]).arg(&output).arg(&input).args(arguments);
    assert!(command.status().unwrap().success(), "cc failed");
    output
}

fn manifest(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name).join("Cargo.toml")
}

fn target() -> PathBuf {
    // target/<profile>/deps/<this test>
    let program = std::env::current_exe().unwrap();
    program.ancestors().nth(3).unwrap().to_owned()
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
    assert_eq!(libraries.len(), 1, "{} makes one library", manifest.display());
    libraries.remove(0)
}
