//! A real task: the words of a text of 100 MB, cut, counted by several hosts and merged, right to the last count.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::time::Duration;

use pylm_tests::checked_job::mixed;
use pylm_tests::deadline::deadline;
use pylm_tests::process::Process;
use pylm_tests::programs::{Profile, programs};

const BYTES: usize = 100_000_000;
const WORDS: u64 = 20_000;
const GAPS: [&str; 8] = [" ", " ", " ", " ", " ", "\n", "\t", "  \n"];

/// A word for each number: of 1 to 14 letters, none of which depends on the case.
fn word(number: u64) -> String {
    let letters = 1 + mixed(number) % 10;
    let random = (0..letters).map(|place| char::from(b'a' + (mixed(number ^ (place << 40)) % 26) as u8));
    // The number itself makes the words differ.
    random.chain(format!("{number:x}").chars()).collect()
}

#[test]
fn a_text_of_100_mb_is_counted_right_to_the_last_word() {
    // It also builds the programs, in release.
    let _limit = deadline(Duration::from_secs(900));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("text");
    let mut file = BufWriter::new(File::create(&path).unwrap());

    // The count is known from how the text is made; nothing here splits it again.
    let words: Vec<String> = (0..WORDS).map(word).collect();
    let mut counts = vec![0u64; words.len()];
    let (mut written, mut random) = (0, 0);
    while written < BYTES {
        random = mixed(random);
        // Low numbers are frequent, as in a language.
        let number = ((random % WORDS) * ((random >> 20) % WORDS) / WORDS) as usize;
        let gap = GAPS[(random >> 60) as usize % GAPS.len()];
        file.write_all(words[number].as_bytes()).unwrap();
        file.write_all(gap.as_bytes()).unwrap();
        counts[number] += 1;
        written += words[number].len() + gap.len();
    }
    file.into_inner().unwrap().sync_all().unwrap();
    let expected: BTreeMap<&str, u64> =
        words.iter().map(String::as_str).zip(counts).filter(|(_, count)| *count > 0).collect();

    let mut run = Process::plan("pylm run", programs(Profile::Release).program("pylm"))
        .args(["run", "--plugin", "wordcount", "--workers", "2", "count", "--each-file"])
        .args([&path])
        .start();
    run.close_stdin();
    run.wait_for_success(Duration::from_secs(240));

    let lines = run.stdout_lines();
    let counted: BTreeMap<&str, u64> = lines
        .iter()
        .map(|line| {
            let (word, count) = line.split_once('\t').unwrap();
            (word, count.parse().unwrap())
        })
        .collect();
    assert_eq!(lines.len(), expected.len());
    assert!(counted == expected, "the counts differ");
}
