//! Somebody who follows the docs: files are written, programs started and left running, commands run, outputs compared.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pylm_tests::process::Process;
use pylm_tests::programs::{Profile, build, programs};
use pylm_tests::python;
use pylm_tests::waiting::wait_until;
use rustix::process::Signal;
use tempfile::TempDir;

use crate::outcome::{ANY_LINES, counts, is_among};
use crate::page::{Section, blocks, root};

const PATIENCE: Duration = Duration::from_secs(120);
/// How long cargo may take for a plugin with all that it is built on.
const BUILD: Duration = Duration::from_secs(600);

/// Where commands are run, and what runs there.
pub struct Terminal {
    /// Holds `pylmd`, a clone of the project, and the folder in which commands are run.
    folder: TempDir,
    running: Vec<Running>,
    commands: usize,
}

/// A program that was left running, and what it stands for: the next one that stands for the same takes its place.
struct Running {
    place: String,
    process: Process,
}

/// Endings of what names programs that go on until they are told to end, and what they say when they are ready.
const SERVERS: [(&str, &str); 5] = [
    ("pylmd", " ready "),
    ("pylm-worker", " ready "),
    ("pylm up", "| ready; "),
    ("master.py", ""),
    ("worker.py", ""),
];

impl Terminal {
    /// One in a folder that looks like a clone of the project, but that what is written there is gone afterwards.
    pub fn open() -> Terminal {
        let folder = TempDir::new().unwrap();
        std::os::unix::fs::symlink(root(), folder.path().join("pylmd")).unwrap();
        let work = folder.path().join("work");
        std::fs::create_dir(&work).unwrap();
        for entry in std::fs::read_dir(root()).unwrap().map(Result::unwrap) {
            let name = entry.file_name();
            // What a plugin's author writes; cargo builds it with the versions that are here.
            if name == "Cargo.lock" {
                std::fs::copy(entry.path(), work.join(name)).unwrap();
            } else if !["Cargo.toml", "target", ".git"].iter().any(|left_out| name == *left_out) {
                std::os::unix::fs::symlink(entry.path(), work.join(name)).unwrap();
            }
        }
        // What a plugin is built on is there already, or stays for the next time.
        let target = programs(Profile::Debug).program("pylmd").ancestors().nth(2).unwrap();
        std::os::unix::fs::symlink(target, work.join("target")).unwrap();
        Terminal { folder, running: Vec::new(), commands: 0 }
    }

    /// How many commands were run.
    pub fn commands(&self) -> usize {
        self.commands
    }

    /// Does what a section says, with nothing running before.
    pub fn follow(&mut self, section: &Section) {
        self.running.clear();
        for block in blocks(&section.text) {
            if block.before.contains("End all of them") {
                self.running.clear();
            }
            match (block.language.as_deref(), block.file()) {
                (Some(_), Some(name)) => self.write(name, &block.text),
                (None, _) if block.text.starts_with("$ ") => {
                    for (command, shown) in commands(&block.text) {
                        self.run(&command, &shown, &section.place);
                    }
                }
                _ => {}
            }
        }
    }

    /// Starts the cluster of a file, and runs those commands of a section that end by themselves.
    pub fn follow_in_cluster(&mut self, section: &Section, file: &str) {
        self.running.clear();
        self.run(&format!("pylm up {file}"), &[], &section.place);
        for block in blocks(&section.text).iter().filter(|block| block.text.starts_with("$ ")) {
            for (command, shown) in commands(&block.text) {
                if server(&command).is_none() {
                    self.run(&command, &shown, &format!("{} with {file}", section.place));
                }
            }
        }
        self.running.clear();
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.work().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, format!("{text}\n")).unwrap();
    }

    fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    /// Runs one command; `place` is for messages.
    fn run(&mut self, command: &str, shown: &[String], place: &str) {
        self.commands += 1;
        if let Some(ready) = server(command) {
            return self.start(command, ready, shown, place);
        }
        let mut process = self.shell(command);
        process.close_stdin();
        if command.starts_with("cargo ") {
            // What it tells on its way is no outcome.
            return process.wait_for_success(BUILD);
        }
        process.wait(PATIENCE);
        let written = [process.stdout_lines(), process.stderr_lines()].concat();
        let of = |lines: &[String]| counts(lines.iter().map(String::as_str));
        assert_eq!(
            of(&written),
            of(shown),
            "{place}: {command}: left is what it writes, right is what is shown"
        );
    }

    /// Starts a program, in the place of one that was there for the same, and waits until it is ready.
    fn start(&mut self, command: &str, ready: &str, shown: &[String], place: &str) {
        let stands_for = stands_for(command);
        if let Some(at) = self.running.iter().position(|running| running.place == stands_for) {
            let mut before = self.running.remove(at).process;
            before.signal(Signal::TERM);
            before.wait(PATIENCE);
        }
        let process = self.shell(&format!("exec {command}"));
        if ready.is_empty() {
            self.wait_for_python(command);
        } else {
            process.wait_for_line(ready, PATIENCE);
        }
        // A node is ready before it is heard of by those that it follows: somebody who types is slower than that.
        let followed = self.followed(command);
        wait_until("all follow whom they should", || {
            let lines = [process.stdout_lines(), process.stderr_lines()].concat();
            lines.iter().filter(|line| line.contains("follows a node")).count() >= followed
        });
        for line in shown.iter().filter(|line| *line != ANY_LINES) {
            let found = process.find_line(PATIENCE, |written| is_among(line, &[written.to_owned()]));
            assert!(found.is_some(), "{place}: {command}: there is no line like {line:?}");
        }
        self.running.push(Running { place: stands_for, process });
    }

    /// How many topics a program follows, or all nodes of a cluster together.
    fn followed(&self, command: &str) -> usize {
        let Some(file) = command.strip_prefix("pylm up ") else { return command.matches("--from ").count() };
        let text = std::fs::read_to_string(self.work().join(file)).unwrap();
        text.lines()
            .filter(|line| line.starts_with("from = "))
            .map(|line| line.matches('"').count() / 2)
            .sum()
    }

    /// A Python peer says nothing when it is ready: a Master can be connected to then, and a node has seen a worker.
    fn wait_for_python(&self, command: &str) {
        if command.contains("master.py") {
            return wait_until("a Python Master listens", || TcpStream::connect("127.0.0.1:5559").is_ok());
        }
        let nodes = self.running.iter().filter(|running| running.place.starts_with("node"));
        for node in nodes {
            node.process.wait_for_line("a pylm worker is here", PATIENCE);
        }
    }

    /// A shell that finds the programs, run as somebody would who has built them.
    fn shell(&self, command: &str) -> Process {
        let programs = programs(Profile::Debug);
        let folder = programs.program("pylmd").parent().unwrap();
        let path = std::env::var("PATH").unwrap_or_default();
        let command = self.rewritten(command, folder);
        Process::plan(&command, "sh")
            .args(["-c", &format!("cd \"$0\" && {command}")])
            .arg(self.work())
            .env("PATH", format!("{}:{path}", folder.display()))
            .env("CARGO_NET_OFFLINE", "true")
            .env("CARGO_TARGET_DIR", self.work().join("target"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .start()
    }

    /// What was built already is not built again, nor in another profile.
    fn rewritten(&self, command: &str, programs: &Path) -> String {
        let mut command = command.to_owned();
        if let Some((build, rest)) =
            command.split_once(" && ").filter(|(build, _)| build.starts_with("cargo build "))
        {
            assert!(build.contains(" -p "), "{build}");
            command = rest.to_owned();
        }
        if let Some((before, rest)) = command.split_once("cargo run -q --release -p pylm-client --example ") {
            let (name, args) = rest.split_once([' ', '\n']).unwrap_or((rest, ""));
            let args = args.strip_prefix("-- ").unwrap_or(args);
            command = format!("{before}{} {args}", example(programs, name).display());
        }
        if command.contains("target/venv/bin/python") {
            command = command.replace("target/venv/bin/python", &python::interpreter().to_string_lossy());
        }
        command
            .replace(" --release", "")
            .replace("target/release/pylm", &programs.join("pylm").to_string_lossy())
            .replace("target/release", "target/debug")
    }
}

/// An example of the client library, which `cargo test` has built, or which is built now.
fn example(programs: &Path, name: &str) -> PathBuf {
    let path = programs.join("examples").join(name);
    if !path.exists() {
        let _ = build(Profile::Debug, &["-p", "pylm-client", "--examples"]);
    }
    path
}

/// The commands of a block, each with the lines that are shown behind it.
fn commands(block: &str) -> Vec<(String, Vec<String>)> {
    let mut commands: Vec<(String, Vec<String>)> = Vec::new();
    for line in block.lines() {
        match (line.strip_prefix("$ "), commands.last_mut()) {
            (Some(command), _) => commands.push((command.to_owned(), Vec::new())),
            (None, Some((_, shown))) => shown.push(line.to_owned()),
            (None, None) => {}
        }
    }
    commands
}

/// What a command says when it is ready, if it is a program that goes on until it is told to end.
fn server(command: &str) -> Option<&'static str> {
    let begins = |name: &str| {
        let words = command.split_once(name).filter(|(before, _)| before.is_empty() || before.ends_with('/'));
        words.is_some_and(|(_, after)| after.is_empty() || after.starts_with(' '))
    };
    SERVERS.iter().find(|(name, _)| begins(name)).map(|(_, ready)| *ready)
}

/// What a program stands for: a node for its addresses, and a worker host for its name.
fn stands_for(command: &str) -> String {
    let flag = |name: &str| command.split_once(name).and_then(|(_, rest)| rest.split_whitespace().next());
    match flag("--name ").filter(|_| command.starts_with("pylm-worker")) {
        Some(name) => format!("worker {name}"),
        None if command.contains("worker.py ") => {
            format!("worker {}", flag("worker.py ").unwrap_or_default())
        }
        None => format!("node {}", flag("--host ").or(flag("--db ")).unwrap_or_default()),
    }
}
