//! An author's first minutes: a project from a template builds without a warning and a network, its tests pass, and it runs.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use pylm_tests::deadline::{Deadline, deadline};
use pylm_tests::programs::{Profile, programs};
use tempfile::TempDir;

fn limit() -> Deadline {
    // It also builds the programs, and everything that a plugin stands on.
    deadline(Duration::from_secs(900))
}

/// Where projects are made, and where all of them are built.
struct Desk {
    folder: TempDir,
    target: PathBuf,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("ein Bücherregal ").tempdir().unwrap();
        let programs = programs(Profile::Debug).program("pylm").parent().unwrap();
        Desk { folder, target: programs.with_file_name("authors") }
    }

    fn run(&self, program: &Path, arguments: &[&str], folder: &str) -> Output {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(self.folder.path().join(folder)).stdin(Stdio::null());
        command.env("CARGO_TARGET_DIR", &self.target).env("CARGO_NET_OFFLINE", "true").output().unwrap()
    }

    /// What `pylm` writes to both streams, and its exit code.
    fn pylm(&self, arguments: &[&str], folder: &str) -> (Option<i32>, String) {
        let output = self.run(programs(Profile::Debug).program("pylm"), arguments, folder);
        let text = [output.stdout, output.stderr].map(|stream| String::from_utf8(stream).unwrap()).concat();
        (output.status.code(), text)
    }

    /// What cargo writes to both streams, where that goes well.
    #[track_caller]
    fn cargo(&self, arguments: &[&str], folder: &str) -> String {
        let cargo = std::env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from);
        let output = self.run(&cargo, arguments, folder);
        let text = [output.stdout, output.stderr].map(|stream| String::from_utf8(stream).unwrap()).concat();
        assert!(output.status.success(), "cargo {arguments:?} in {folder}:\n{text}");
        text
    }
}

#[test]
fn a_new_project_builds_offline_without_a_warning_passes_its_tests_and_runs() {
    let _limit = limit();
    let desk = Desk::new();
    let text = "one two\nthree\n";
    fs::write(desk.folder.path().join("text"), text).unwrap();
    for (kind, function, flags, answers) in [
        ("function", "words", &[][..], "2\n1\n"),
        ("scatter-join", "words", &["--each-file"], "3"),
        ("hooks", "shout", &["--set", "my-hooks.mark=) "], "1) ONE TWO\n2) THREE\n"),
    ] {
        let name = format!("my-{kind}");
        let (code, told) = desk.pylm(&["plugin", "new", &name, "--kind", kind], ".");
        assert!(code == Some(0) && told.contains(&format!("cd {name}")), "{told}");
        for check in [&["fmt", "--check"][..], &["clippy", "--all-targets"], &["test"]] {
            let told = desk.cargo(check, &name);
            assert!(!told.contains("warning"), "{kind}: {told}");
        }
        let run = ["plugin", "run", function, "../text", "--ordered", "--workers", "1"];
        let (code, told) = desk.pylm(&[&run, flags].concat(), &name);
        assert_eq!(code, Some(0), "{kind}: {told}");
        assert!(told.contains(answers), "{kind}: {told}");
    }
}

#[test]
fn what_cannot_be_made_or_built_is_a_sentence() {
    let _limit = limit();
    let desk = Desk::new();
    fs::create_dir(desk.folder.path().join("there")).unwrap();
    for (arguments, code, told) in [
        (&["new", "there"][..], 2, "there is there already; give another name"),
        (&["new", "2nd"], 2, "2nd cannot be the name of a project"),
        (&["new", "été"], 2, "cannot be the name of a project"),
        (&["new", "core"], 2, "and as no library of Rust"),
        (&["new", "x", "--api", "there"], 2, "--api: there is no source of pylm-plugin-api in there"),
        (&["new", "x", "--kind", "typo"], 2, "[possible values: function, scatter-join, hooks]"),
        (&["run", "words"], 2, "call this in the folder of a plugin, or make one with `pylm plugin new`"),
    ] {
        let (ended, text) = desk.pylm(&[&["plugin"], arguments].concat(), ".");
        assert!(ended == Some(code) && text.contains(told), "{arguments:?}: {ended:?}: {text}");
    }
    assert_eq!(fs::read_dir(desk.folder.path()).unwrap().count(), 1, "nothing was made");
    let (code, told) = desk.pylm(&["plugin", "new", "broken"], ".");
    assert_eq!(code, Some(0), "{told}");
    let code_file = desk.folder.path().join("broken/src/lib.rs");
    fs::write(&code_file, "export_plugin!(nothing);").unwrap();
    let (code, told) = desk.pylm(&["plugin", "run", "words"], "broken");
    assert!(
        code == Some(1) && told.contains("error: ") && told.contains("does not build: cargo says why"),
        "{told}"
    );
}

#[test]
fn an_installed_program_brings_the_source_of_the_api() {
    let _limit = limit();
    let desk = Desk::new();
    let programs = programs(Profile::Debug).program("pylm").parent().unwrap();
    let target = programs.parent().unwrap().to_str().unwrap();
    let run = |program: &Path, arguments: &[&str], variables: &[(&str, &str)]| {
        let mut command = Command::new(program);
        let output =
            command.args(arguments).envs(variables.iter().copied()).stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    // The programs are those of this build; what is looked at is how they are put together.
    let build = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dist/build");
    run(&build, &["tarball"], &[("PYLMD_DIST_PROFILE", "dev"), ("CARGO_TARGET_DIR", target)]);
    let version = env!("CARGO_PKG_VERSION");
    let archive = format!("{target}/dist/pylmd-{version}-{}-linux.tar.gz", std::env::consts::ARCH);
    let place = desk.folder.path();
    run(Path::new("tar"), &["-xf", &archive, "--strip-components=1", "-C", place.to_str().unwrap()], &[]);
    let (installer, prefix) = (place.join("install.sh"), place.join("prefix"));
    let prefix = prefix.to_str().unwrap();
    run(&installer, &["--prefix", prefix], &[]);

    let pylm = place.join("prefix/bin/pylm");
    let made = desk.run(&pylm, &["plugin", "new", "words"], ".");
    let told = String::from_utf8(made.stdout).unwrap();
    assert!(
        told.contains(&format!("from {}", place.canonicalize().unwrap().join("prefix").display())),
        "{told}"
    );
    desk.cargo(&["check", "--tests"], "words");
    run(&installer, &["--prefix", prefix, "--uninstall"], &[]);
    let left: Vec<_> =
        ["lib/pylmd", "share/pylmd"].map(|folder| place.join("prefix").join(folder).exists()).into();
    assert_eq!(left, [false, false], "it takes away what it has installed");
}
