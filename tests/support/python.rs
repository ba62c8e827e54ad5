//! A virtual environment with the unmodified Python package pylm, made once for all test binaries.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// What is installed, line by line.
const REQUIREMENTS: &str = include_str!("../python/requirements.txt");

/// Interpreters to try, in this order; pylm's dependencies have wheels for each.
const INTERPRETERS: [&str; 6] =
    ["python3", "python3.11", "python3.12", "python3.13", "python3.10", "python3.9"];

/// A program that ends well only in a Python that can make the environment.
const USABLE: &str = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 9))";

/// A program that ends well only in a complete environment.
const COMPLETE: &str = "import pylm.clients, pylm.servers";

/// A Python interpreter that can import pylm.
///
/// # Panics
/// Where the environment cannot be made, saying what is missing.
#[track_caller]
pub fn interpreter() -> &'static Path {
    static MADE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    match MADE.get_or_init(make) {
        Ok(path) => path,
        Err(reason) => panic!("the tests need Python peers, and cannot have them: {reason}"),
    }
}

/// Our own script `name` in `tests/python`.
#[must_use]
pub fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("python").join(name)
}

fn make() -> Result<PathBuf, String> {
    let target = target_folder()?;
    let (environment, stamp) = (target.join("pylm-venv"), target.join("pylm-venv/complete"));
    let lock = File::create(target.join("pylm-venv.lock")).map_err(explain("cannot create its lock file"))?;
    lock.lock().map_err(explain("cannot lock its lock file"))?;

    let python = environment.join("bin/python");
    let stamped = fs::read_to_string(&stamp).is_ok_and(|text| text == REQUIREMENTS);
    if stamped && run(&python, &["-c", COMPLETE]).is_ok() {
        return Ok(python);
    }
    if environment.exists() {
        fs::remove_dir_all(&environment).map_err(explain("cannot remove an incomplete environment"))?;
    }
    let base = usable_python()?;
    run(Path::new(base), &["-m", "venv", &environment.to_string_lossy()])?;
    let requirements = script("requirements.txt");
    let install = ["-m", "pip", "install", "--disable-pip-version-check", "--quiet", "--no-deps", "-r"];
    run(&python, &[&install[..], &[&*requirements.to_string_lossy()]].concat())?;
    run(&python, &["-c", COMPLETE])?;
    fs::write(&stamp, REQUIREMENTS).map_err(explain("cannot write its stamp"))?;
    Ok(python)
}

/// The folder that cargo builds into: the one above this test binary that cargo has tagged.
fn target_folder() -> Result<PathBuf, String> {
    let binary = std::env::current_exe().map_err(explain("cannot find this test's own file"))?;
    let tagged = binary.ancestors().find(|folder| folder.join("CACHEDIR.TAG").exists());
    tagged.map(Path::to_owned).ok_or_else(|| format!("no cargo target folder above {}", binary.display()))
}

fn usable_python() -> Result<&'static str, String> {
    let mut reasons = Vec::new();
    for name in INTERPRETERS {
        match run(Path::new(name), &["-c", USABLE]) {
            Ok(()) => return Ok(name),
            Err(reason) => reasons.push(reason),
        }
    }
    Err(format!(
        "no Python of 3.9 or later with venv and ensurepip; on Debian, install python3 and python3-venv\n{}",
        reasons.join("\n")
    ))
}

/// Run a command to its end; an error shows the command and what it wrote.
fn run(program: &Path, arguments: &[&str]) -> Result<(), String> {
    let shown = || format!("{} {}", program.display(), arguments.join(" "));
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{}: {error}", shown()))?;
    if output.status.success() {
        return Ok(());
    }
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Err(format!("{}: {}\n{out}{err}", shown(), output.status))
}

fn explain(what: &'static str) -> impl Fn(io::Error) -> String {
    move |error| format!("{what}: {error}")
}
