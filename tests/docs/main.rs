//! The documentation says what holds: its code is code of this workspace, its commands are run, its links lead somewhere.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod excerpts;
mod links;
mod mentions;
mod outcome;
mod page;
mod terminal;

use std::time::Duration;

use page::{Page, root};
use pylm_tests::deadline::{Deadline, deadline};
use pylm_tests::network::in_own_network;
use terminal::Terminal;

fn limit() -> Deadline {
    // The first test also builds the programs.
    deadline(Duration::from_secs(900))
}

/// Runs each `$ command` of a page, from its beginning to its end.
fn run(path: &str) {
    let _limit = limit();
    in_own_network(|| {
        let mut terminal = Terminal::open();
        let page = Page::read(path);
        let sections = page.sections(2);
        sections.iter().for_each(|section| terminal.follow(section));
        assert!(terminal.commands() > 0, "{path} has no command any more: leave it out here");
    });
}

#[test]
fn the_readme_can_be_followed_line_by_line() {
    // Made where the package registry can be reached.
    let _ = pylm_tests::python::interpreter();
    run("README.md");
}

#[test]
fn routing_in_a_cluster_answers_as_shown() {
    run("docs/cluster.md");
}

#[test]
fn the_guides_first_plugin_can_be_built_and_run() {
    run("docs/plugins/guide.md");
}

#[test]
fn a_configuration_file_is_read_as_shown() {
    run("docs/operating.md");
}

#[test]
fn calls_over_http_answer_as_shown() {
    run("docs/gateway.md");
}

#[test]
fn web_workers_answer_as_shown() {
    run("docs/http-workers.md");
}

#[test]
fn each_example_answers_as_shown_by_its_commands_and_from_its_cluster_file() {
    let _limit = limit();
    in_own_network(|| {
        let page = Page::read("docs/examples.md");
        let (examples, before): (Vec<_>, Vec<_>) =
            page.sections(3).into_iter().partition(|section| section.level == 3);
        let mut terminal = Terminal::open();
        before.iter().for_each(|section| terminal.follow(section));
        assert!(examples.len() > 15, "these are not all: {}", examples.len());
        for example in &examples {
            terminal.follow(example);
            let link = "](../examples/clusters/pylm/";
            let file = example.text.split_once(link).and_then(|(_, rest)| rest.split_once(')'));
            let (file, _) = file.unwrap_or_else(|| panic!("{} has no cluster file", example.title));
            terminal.follow_in_cluster(example, &format!("examples/clusters/pylm/{file}"));
        }
        let files = std::fs::read_dir(root().join("examples/clusters/pylm")).unwrap();
        for file in files.map(|file| file.unwrap().file_name().into_string().unwrap()) {
            assert!(
                page.text.contains(&format!("pylm/{file})")),
                "{file} is in no section of docs/examples.md"
            );
        }
    });
}

#[test]
fn code_in_the_docs_is_code_of_this_workspace() {
    excerpts::check();
}

#[test]
fn commands_and_flags_in_the_docs_are_those_of_the_programs() {
    let _limit = limit();
    mentions::check();
}

#[test]
fn links_in_the_docs_lead_somewhere() {
    links::check();
}
