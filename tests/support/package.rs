//! The Python package `pylmd`: its wheel, built once for each test binary, in an environment of its own.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::programs::{Profile, Programs, programs};
use crate::python::{builder, run, target_folder};

/// An environment that has the wheel installed.
pub struct Package {
    /// Its interpreter.
    pub python: PathBuf,
    /// The wheel.
    pub wheel: PathBuf,
    /// The programs that the tests run beside it.
    pub programs: &'static Programs,
    /// Held while the environment is used: others would install their wheel into it.
    _lock: File,
}

/// The folder of the package.
#[must_use]
pub fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../python")
}

/// Builds the wheel as `dist/wheel.py` does it, in cargo's `dev` profile, and installs it.
///
/// # Panics
/// Where it cannot be built, with the errors of `dist/wheel.py`, maturin and cargo.
#[must_use]
#[track_caller]
pub fn package() -> Package {
    let programs = programs(Profile::Debug);
    let python = builder().to_owned();
    make(programs, python).unwrap_or_else(|reason| panic!("there is no Python package: {reason}"))
}

fn make(programs: &'static Programs, python: PathBuf) -> Result<Package, String> {
    let wheels = target_folder()?.join("pylmd-wheels");
    fs::create_dir_all(&wheels).map_err(|error| format!("{}: {error}", wheels.display()))?;
    let lock = File::create(wheels.join("lock")).map_err(|error| format!("no lock file: {error}"))?;
    lock.lock().map_err(|error| format!("cannot lock the lock file: {error}"))?;

    let out = wheels.join("test");
    let _ = fs::remove_dir_all(&out);
    let script = source().join("../dist/wheel.py");
    let built = programs.program("pylmd").with_file_name("");
    let [script, built, out_text] = [&script, &built, &out].map(|path| path.to_string_lossy().into_owned());
    let places = ["--programs", &built, "--out", &out_text];
    run(&python, &[&[&*script], &places[..], &["--profile", "dev", "--auditwheel", "skip"]].concat())?;
    let wheel = only_wheel(&out)?;
    let install = ["-m", "pip", "install", "--disable-pip-version-check", "--quiet"];
    run(&python, &[&install[..], &["--force-reinstall", "--no-deps", &wheel.to_string_lossy()]].concat())?;
    Ok(Package { python, wheel, programs, _lock: lock })
}

fn only_wheel(folder: &Path) -> Result<PathBuf, String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut wheels =
        entries.flatten().map(|entry| entry.path()).filter(|path| path.extension() == Some("whl".as_ref()));
    match (wheels.next(), wheels.next()) {
        (Some(wheel), None) => Ok(wheel),
        _ => Err(format!("maturin has not left one wheel in {}", folder.display())),
    }
}
