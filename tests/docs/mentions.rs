//! Whatever the docs mention of the programs, those have: subcommands, and flags.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use pylm_tests::programs::{Profile, programs};

use crate::page::pages;

const PROGRAMS: [&str; 3] = ["pylmd", "pylm-worker", "pylm"];

/// Every command line in blocks of code, and in the text between backquotes.
pub fn check() {
    let (mut known, mut wrong, mut seen) = (Known::default(), Vec::new(), 0);
    for page in pages() {
        let blocks = page.blocks();
        let shown = blocks
            .iter()
            .filter(|block| !matches!(block.language.as_deref(), Some("rust" | "toml" | "mermaid")));
        let lines = shown.flat_map(|block| block.text.lines());
        let named = page
            .text
            .split("\n\n")
            .filter(|text| !text.starts_with("```"))
            .flat_map(|text| text.split('`').skip(1).step_by(2));
        for line in lines.chain(named) {
            for words in commands(line) {
                seen += 1;
                if let Some(what) = known.lacks(&words) {
                    wrong.push(format!("{}: {}: there is no {what}", page.path, words.join(" ")));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 100, "only {seen} commands were found");
}

/// The commands of our programs in a line of shell.
fn commands(line: &str) -> Vec<Vec<String>> {
    let line = line.replace("ExecStart=", "").replace(['(', ')'], " ");
    let parts = line.split(['|', ';', '&']).map(|part| {
        let words = part.split_whitespace().map(|word| word.trim_matches(['\'', '"']));
        words.skip_while(|word| *word == "$" || *word == "sudo").map(str::to_owned).collect::<Vec<_>>()
    });
    let is_ours = |words: &Vec<String>| {
        let name = words.first().map(|word| word.rsplit('/').next().unwrap_or_default().to_owned());
        words.len() > 1 && name.is_some_and(|name| PROGRAMS.contains(&&*name))
    };
    parts.filter(is_ours).collect()
}

/// What the programs say of themselves, asked once for each.
#[derive(Default)]
struct Known(BTreeMap<String, BTreeSet<String>>);

impl Known {
    /// The first word of a command that its program does not know: a subcommand, or a flag.
    fn lacks(&mut self, words: &[String]) -> Option<String> {
        let mut command = vec![words[0].rsplit('/').next().unwrap_or_default().to_owned()];
        for word in &words[1..] {
            if let Some(flag) = word.strip_prefix("--") {
                let flag = flag.split(['=', ',', '…', ')', '.']).next().unwrap_or_default();
                if !flag.is_empty() && !self.words(&command).contains(&format!("--{flag}")) {
                    return Some(format!("`--{flag}`"));
                }
            } else if command[0] == "pylm" && word.bytes().all(|byte| byte.is_ascii_lowercase()) {
                // Behind the subcommands come names of functions, files and the like.
                let is_command = self.words(&command).contains(word);
                if command.len() == 1 && !is_command {
                    return Some(format!("`{word}`"));
                }
                if is_command && command.len() < 3 {
                    command.push(word.clone());
                }
            }
        }
        None
    }

    /// The flags and subcommands in the help of a command.
    fn words(&mut self, command: &[String]) -> &BTreeSet<String> {
        self.0.entry(command.join(" ")).or_insert_with(|| {
            let program = programs(Profile::Debug).program(&command[0]);
            let help = Command::new(program).args(&command[1..]).arg("--help").output().unwrap();
            let help = String::from_utf8(help.stdout).unwrap();
            let flags = help.split([' ', '\n', '=', ',', '[', ']']).filter(|word| word.starts_with("--"));
            // A subcommand stands at the beginning of a line.
            let indented = help.lines().filter_map(|line| line.strip_prefix("  "));
            let commands = indented.filter_map(|line| line.split(' ').next()).filter(|word| !word.is_empty());
            flags.chain(commands).map(str::to_owned).collect()
        })
    }
}
