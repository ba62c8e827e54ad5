//! Virtual environments, each made once for all test binaries: one with the unmodified Python package pylm, and one that builds and
//! tests our own package.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Interpreters to try, in this order.
const INTERPRETERS: [&str; 7] =
    ["python3", "python3.11", "python3.12", "python3.13", "python3.14", "python3.10", "python3.9"];

/// An environment, and what makes it.
struct Environment {
    /// The folder below cargo's.
    name: &'static str,
    /// The oldest Python that will do: 3 and this.
    oldest: u8,
    /// What is installed, line by line.
    requirements: &'static str,
    /// The file that says so.
    file: &'static str,
    /// More arguments for `pip install`.
    arguments: &'static [&'static str],
    /// A program that ends well only in a complete environment.
    complete: &'static str,
}

/// The unmodified pylm. Its dependencies have wheels for each of the interpreters.
const PYLM: Environment = Environment {
    name: "pylm-venv",
    oldest: 9,
    requirements: include_str!("../python/requirements.txt"),
    file: "tests/python/requirements.txt",
    arguments: &["--no-deps"],
    complete: "import pylm.clients, pylm.servers",
};

/// What builds and tests the package `pylmd`.
const PACKAGE: Environment = Environment {
    name: "pylmd-venv",
    oldest: 11,
    requirements: include_str!("../../python/tests/requirements.txt"),
    file: "python/tests/requirements.txt",
    arguments: &[],
    complete: "import pytest, mypy",
};

/// A Python interpreter that can import pylm.
///
/// # Panics
/// Where the environment cannot be made, saying what is missing.
#[track_caller]
pub fn interpreter() -> &'static Path {
    static MADE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    expect(MADE.get_or_init(|| PYLM.make()), "the tests need Python peers, and cannot have them")
}

/// A Python interpreter of an environment that can build and test the package `pylmd`. It is not installed there.
///
/// # Panics
/// Where the environment cannot be made, saying what is missing.
#[track_caller]
pub fn builder() -> &'static Path {
    static MADE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    expect(MADE.get_or_init(|| PACKAGE.make()), "the tests build the Python package, and cannot")
}

#[track_caller]
fn expect(made: &'static Result<PathBuf, String>, what: &str) -> &'static Path {
    match made {
        Ok(path) => path,
        Err(reason) => panic!("{what}: {reason}"),
    }
}

/// Our own script `name` in `tests/python`.
#[must_use]
pub fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("python").join(name)
}

impl Environment {
    /// Makes it, unless it is there already; gives its interpreter.
    fn make(&self) -> Result<PathBuf, String> {
        let target = target_folder()?;
        let (environment, lock) = (target.join(self.name), target.join(format!("{}.lock", self.name)));
        let lock = File::create(lock).map_err(explain("cannot create its lock file"))?;
        lock.lock().map_err(explain("cannot lock its lock file"))?;

        let (python, stamp) = (environment.join("bin/python"), environment.join("complete"));
        let stamped = fs::read_to_string(&stamp).is_ok_and(|text| text == self.requirements);
        if stamped && run(&python, &["-c", self.complete]).is_ok() {
            return Ok(python);
        }
        if environment.exists() {
            fs::remove_dir_all(&environment).map_err(explain("cannot remove an incomplete environment"))?;
        }
        let base = usable_python(self.oldest)?;
        run(Path::new(base), &["-m", "venv", &environment.to_string_lossy()])?;
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(self.file);
        let install = ["-m", "pip", "install", "--disable-pip-version-check", "--quiet"];
        run(&python, &[&install[..], self.arguments, &["-r", &*file.to_string_lossy()]].concat())?;
        run(&python, &["-c", self.complete])?;
        fs::write(&stamp, self.requirements).map_err(explain("cannot write its stamp"))?;
        Ok(python)
    }
}

/// The folder that cargo builds into: the one above this test binary that cargo has tagged.
pub(crate) fn target_folder() -> Result<PathBuf, String> {
    let binary = std::env::current_exe().map_err(explain("cannot find this test's own file"))?;
    let tagged = binary.ancestors().find(|folder| folder.join("CACHEDIR.TAG").exists());
    tagged.map(Path::to_owned).ok_or_else(|| format!("no cargo target folder above {}", binary.display()))
}

fn usable_python(oldest: u8) -> Result<&'static str, String> {
    // Ends well only in a Python that can make the environment.
    let usable = format!("import sys, venv, ensurepip; sys.exit(sys.version_info < (3, {oldest}))");
    let mut reasons = Vec::new();
    for name in INTERPRETERS {
        match run(Path::new(name), &["-c", &usable]) {
            Ok(()) => return Ok(name),
            Err(reason) => reasons.push(reason),
        }
    }
    Err(format!(
        "no Python of 3.{oldest} or later with venv and ensurepip; on Debian, install python3 and python3-venv\n{}",
        reasons.join("\n")
    ))
}

/// Run a command to its end; an error shows the command and what it wrote.
pub(crate) fn run(program: &Path, arguments: &[&str]) -> Result<(), String> {
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
