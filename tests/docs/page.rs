//! A page of Markdown: its sections, and the blocks of code in them.

use std::path::{Path, PathBuf};

/// The root of the workspace.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The pages that are kept true, from the root of the workspace.
pub fn pages() -> Vec<Page> {
    let mut pages =
        vec!["README.md", "bench/README.md", "examples/README.md"].into_iter().map(str::to_owned).collect();
    collect("docs", &mut pages);
    pages.iter().map(|path| Page::read(path)).collect()
}

fn collect(folder: &str, pages: &mut Vec<String>) {
    for entry in std::fs::read_dir(root().join(folder)).unwrap().map(Result::unwrap) {
        let path = format!("{folder}/{}", entry.file_name().into_string().unwrap());
        if entry.file_type().unwrap().is_dir() {
            collect(&path, pages);
        } else if path.ends_with(".md") {
            pages.push(path);
        }
    }
}

/// A page.
pub struct Page {
    pub path: String,
    pub text: String,
}

/// What stands under a heading, up to the next one.
pub struct Section {
    pub level: usize,
    pub title: String,
    pub text: String,
    /// The page, and the line of the heading: for messages.
    pub place: String,
}

/// A block of code.
pub struct Block {
    /// The word behind the fence; none for an indented block.
    pub language: Option<String>,
    pub text: String,
    /// The paragraph before it.
    pub before: String,
}

impl Page {
    pub fn read(path: &str) -> Page {
        let text = std::fs::read_to_string(root().join(path));
        Page { path: path.to_owned(), text: text.unwrap_or_else(|error| panic!("{path}: {error}")) }
    }

    /// The page cut at its headings down to this level.
    pub fn sections(&self, level: usize) -> Vec<Section> {
        let place = |line: usize| format!("{}:{line}", self.path);
        let mut sections =
            vec![Section { level: 0, title: String::new(), text: String::new(), place: place(1) }];
        let mut is_fenced = false;
        for (number, line) in self.text.lines().enumerate() {
            is_fenced ^= line.starts_with("```");
            let depth = line.bytes().take_while(|byte| *byte == b'#').count();
            if !is_fenced && (1..=level).contains(&depth) {
                let title = line[depth..].trim().to_owned();
                sections.push(Section { level: depth, title, text: String::new(), place: place(number + 1) });
            }
            let section = sections.last_mut().unwrap();
            section.text.push_str(line);
            section.text.push('\n');
        }
        sections
    }

    /// All of its blocks.
    pub fn blocks(&self) -> Vec<Block> {
        blocks(&self.text)
    }
}

impl Block {
    /// The file that the block is, where the paragraph before it ends in its name: "`src/lib.rs`:".
    pub fn file(&self) -> Option<&str> {
        let named = self.before.trim_end().strip_suffix("`:")?;
        let (_, name) = named.rsplit_once('`')?;
        name.contains('.').then_some(name)
    }

    pub fn is_a_file(&self) -> bool {
        self.file().is_some()
    }
}

/// The blocks of a text, in their order.
pub fn blocks(text: &str) -> Vec<Block> {
    let (mut blocks, mut before) = (Vec::new(), String::new());
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let body: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            let (language, text) = (Some(language.to_owned()), body.join("\n"));
            blocks.push(Block { language, text, before: std::mem::take(&mut before) });
        } else if let Some(first) =
            line.strip_prefix("    ").filter(|_| before.ends_with('\n') || before.is_empty())
        {
            let mut body = vec![first];
            while let Some(next) =
                lines.peek().and_then(|line| line.strip_prefix("    ").or(line.is_empty().then_some("")))
            {
                body.push(next);
                lines.next();
            }
            let text = body.join("\n").trim_end().to_owned();
            blocks.push(Block { language: None, text, before: std::mem::take(&mut before) });
        } else if line.is_empty() {
            before.push('\n');
        } else {
            if before.ends_with('\n') {
                before.clear();
            }
            before.push_str(line);
        }
    }
    blocks
}
