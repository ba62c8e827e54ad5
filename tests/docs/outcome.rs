//! Whether what a command has written is what the docs show.

use std::collections::BTreeMap;

/// A line that stands for any number of lines.
pub const ANY_LINES: &str = "…";

/// How often each line is there, where hosts and their like are not told apart, nor in which order they were.
///
/// A line of `uniq -c` counts as often as it says.
pub fn counts<'a>(lines: impl IntoIterator<Item = &'a str>) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for line in lines.into_iter().filter(|line| !line.is_empty()) {
        let (count, text) = match line.trim_start().split_once(' ') {
            Some((count, text)) if line.starts_with("  ") => (count.parse().unwrap_or(1), text),
            _ => (1, line),
        };
        *counts.entry(without_numbers(text)).or_default() += count;
    }
    counts
}

/// Whether a program has written a line like this one, of which `…` leaves out the rest.
pub fn is_among(wanted: &str, lines: &[String]) -> bool {
    let wanted = of_log(wanted);
    let (begin, is_cut) = match wanted.split_once(" …") {
        Some((begin, _)) => (begin, true),
        None => (&*wanted, false),
    };
    lines
        .iter()
        .map(|line| of_log(line))
        .any(|line| if is_cut { line.starts_with(begin) } else { line == begin })
}

/// A line of a log without its time, and without figures that depend on the machine.
fn of_log(line: &str) -> String {
    let words =
        line.split(' ').filter(|word| !(word.ends_with('Z') && word.contains("T") && word.contains(':')));
    let words = words.map(|word| match word.split_once('=') {
        Some((key, value)) if value.parse::<u64>().is_ok() => format!("{key}=N"),
        _ => word.to_owned(),
    });
    words.collect::<Vec<_>>().join(" ")
}

/// `worker1` and `helpers-2` as `worker#` and `helpers-#`.
fn without_numbers(text: &str) -> String {
    let (mut plain, mut in_number) = (String::new(), false);
    for letter in text.chars() {
        let may_begin = plain.ends_with(|before: char| before.is_alphabetic() || before == '-');
        in_number = letter.is_ascii_digit() && (in_number || may_begin);
        if !in_number {
            plain.push(letter);
        } else if !plain.ends_with('#') {
            plain.push('#');
        }
    }
    plain
}

#[test]
fn outcomes_are_the_same_whoever_did_the_work_and_no_others() {
    let shown = counts(["      3 worker1 did a", "      7 worker2 did a", "Final message"]);
    assert_eq!(shown, counts(["     10 worker2 did a", "Final message"]));
    assert_ne!(shown, counts(["      9 worker2 did a", "Final message"]));
    assert_ne!(shown, counts(["     10 worker2 did b", "Final message"]));
    assert_eq!(counts(["5 = 5"]).keys().next().unwrap(), "5 = 5");
    let log = ["2026-01-02T03:04:05.6Z  INFO ready name=\"a\" slots=8".to_owned()];
    assert!(is_among("2027-11-12T13:14:15.1Z  INFO ready name=\"a\" slots=2", &log));
    assert!(is_among(
        "INFO ready …",
        &[log[0].replace("  INFO", " INFO").replace("2026-01-02T03:04:05.6Z ", "")]
    ));
    assert!(!is_among("2027-11-12T13:14:15.1Z  INFO ready name=\"b\" slots=2", &log));
}
