//! The help of every command, as it is checked in under `cli/tests/help`: whoever changes a flag sees what users will.
//!
//! `PYLM_WRITE_HELP=1 cargo test -p pylm-cli --lib help` writes the files anew.

use clap::{Command, CommandFactory};
use std::fs;
use std::path::{Path, PathBuf};

/// The width of the terminal for which it is wrapped.
const WIDTH: usize = 100;

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

/// The pages of the program and of all of its commands, by their names.
fn all_pages() -> Vec<(String, String)> {
    let mut command = crate::arguments::Arguments::command();
    command.build();
    let name = command.get_name().to_owned();
    let mut all = Vec::new();
    pages(&mut command, &name, &mut all);
    all
}

#[test]
fn help_is_what_is_checked_in() {
    let all = all_pages();
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
    let all = all_pages();
    for (name, text) in &all {
        assert!(!text.contains("be given"), "{name}: a flag can be repeated");
        for line in text.lines() {
            assert!(line.chars().count() <= WIDTH, "{name}: an example is longer than a line: {line}");
        }
    }
}
