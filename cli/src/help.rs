//! The help of every command, as it is checked in under `tests/help` of its package: whoever changes a flag sees what users will.
//!
//! `PYLM_WRITE_HELP=1 cargo test -p pylm-cli -p pylmd --lib help` writes the files anew. The daemon's programs are tested by this file, too.

use clap::Command;
use std::fs;
use std::path::{Path, PathBuf};

/// The width of the terminal for which it is wrapped.
const WIDTH: usize = 100;

/// The help of all commands of this package's programs, by their full names.
fn all() -> Vec<(String, String)> {
    let mut all = Vec::new();
    for mut command in crate::commands() {
        command.build();
        let name = command.get_name().to_owned();
        pages(&mut command, &name, &mut all);
    }
    all
}

/// The help of a command and of those below it, by their full names.
fn pages(command: &mut Command, name: &str, pages: &mut Vec<(String, String)>) {
    let text = command.clone().term_width(WIDTH).render_long_help().to_string();
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    pages.push((name.to_owned(), lines.join("\n") + "\n"));
    for below in
        command.get_subcommands_mut().filter(|below| !below.is_hide_set() && below.get_name() != "help")
    {
        let name = format!("{name}-{}", below.get_name());
        self::pages(below, &name, pages);
    }
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/help").join(format!("{name}.txt"))
}

#[test]
fn help_is_what_is_checked_in() {
    let all = all();
    let is_writing = std::env::var_os("PYLM_WRITE_HELP").is_some();
    for (name, text) in &all {
        if is_writing {
            fs::create_dir_all(file(name).parent().unwrap()).unwrap();
            fs::write(file(name), text).unwrap();
        }
        let there = fs::read_to_string(file(name)).unwrap_or_default();
        assert!(
            there == *text,
            "the help of {name} is another one; see the top of this file. It is now:\n{text}"
        );
    }
    let files = fs::read_dir(file("x").parent().unwrap()).unwrap().count();
    assert_eq!(files, all.len(), "a command has gone; remove its file");
}

#[test]
fn help_says_one_thing_in_one_way() {
    for (name, text) in &all() {
        assert!(!text.contains("be given"), "{name}: a flag can be repeated");
        let braces = |line: &str| line.matches('{').count() == line.matches('}').count();
        assert!(text.lines().all(braces), "{name}: what stands in braces is cut");
        for line in text.lines() {
            assert!(line.chars().count() <= WIDTH, "{name}: an example is longer than a line: {line}");
        }
    }
}
