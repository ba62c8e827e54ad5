//! Links in the docs lead to files that are there, and to headings that these have.

use crate::page::{Page, pages, root};

/// Each link that stays in the project.
pub fn check() {
    let mut wrong = Vec::new();
    for page in pages() {
        let folder = page.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        for link in page.text.split("](").skip(1).filter_map(|rest| rest.split([')', '\n']).next()) {
            if link.contains("://") {
                continue;
            }
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let path = if file.is_empty() { page.path.clone() } else { normal(&format!("{folder}/{file}")) };
            if !root().join(&path).exists() {
                wrong.push(format!("{}: {link} is not there", page.path));
            } else if !heading.is_empty() && !has(&Page::read(&path), heading) {
                wrong.push(format!("{}: {path} has no heading for #{heading}", page.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whether a page has a heading to which this leads.
fn has(page: &Page, anchor: &str) -> bool {
    let anchor_of = |title: &str| {
        let kept = title.to_lowercase().replace(' ', "-");
        kept.chars().filter(|letter| letter.is_alphanumeric() || "-_".contains(*letter)).collect::<String>()
    };
    page.sections(6).iter().any(|section| anchor_of(&section.title) == anchor)
}

/// A path without `..`.
fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/').filter(|part| !part.is_empty() && *part != ".") {
        match part {
            ".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    parts.join("/")
}
