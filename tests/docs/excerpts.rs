//! Code in the docs is an excerpt of a file that is built and tested here.

use std::fs;
use std::path::Path;

use crate::page::{pages, root};

/// Each block of Rust, and each one of TOML, stands in a file of the workspace as it is, but for its indentation.
///
/// Blocks that are files by name are written and used by the tests that run commands.
pub fn check() {
    let mut files = Vec::new();
    collect(&root(), &mut files);
    let mut wrong = Vec::new();
    for page in pages() {
        for block in page.blocks() {
            if block.is_a_file() {
                continue;
            }
            let ending = match block.language.as_deref() {
                Some("rust") => ".rs",
                Some("toml") => ".toml",
                _ => continue,
            };
            // Elsewhere the crate is found by its path.
            let text = trimmed(&block.text).replace("path = \"../pylmd/plugin-api\"", "workspace = true");
            let mut known = files.iter().filter(|(path, _)| path.ends_with(ending));
            if !known.any(|(_, file)| file.contains(&text)) {
                let first = block.text.lines().next().unwrap_or_default();
                wrong.push(format!(
                    "{}: no {ending} file has the block that begins with {first:?}",
                    page.path
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A text without the indentation and the ends of its lines.
fn trimmed(text: &str) -> String {
    text.lines().map(str::trim).collect::<Vec<_>>().join("\n")
}

fn collect(folder: &Path, files: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let (path, name) = (entry.path(), entry.file_name().into_string().unwrap());
        if entry.file_type().unwrap().is_dir() {
            if !name.starts_with('.') && name != "target" {
                collect(&path, files);
            }
        } else if name.ends_with(".rs") || name.ends_with(".toml") {
            // What the docs show is not split into modules.
            files.push((name, trimmed(&fs::read_to_string(&path).unwrap()).replace("pub(crate) ", "")));
        }
    }
}
