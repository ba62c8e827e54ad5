//! Random chains of nodes and workers, each of them pylm's or ours: what a client of pylm's gets is what a model says.
//!
//! `PYLM_CHAINS_SEEDS` is one seed, or several (`1-200`); without it, there are ten. Each seed has three clients at once: one that
//! counts, one that leaves jobs early and begins others, and one that is killed.

mod chain;
mod model;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use chain::Chain;
use pylm_tests::deadline::deadline;
use pylm_tests::flow::{Flow, Mix, PATIENCE};
use pylm_tests::process::Process;
use pylm_tests::programs::{Profile, programs};

const SEEDS: &str = "PYLM_CHAINS_SEEDS";

/// The messages of each client.
const MESSAGES: usize = 30;

/// All messages of all clients, wherever they are, so that no publisher of pylm's has 1,000 waiting.
const CROWD: usize = 700;

/// How many jobs the second client leaves.
const LEFT: usize = 3;

#[test]
fn what_a_client_of_pylm_counts_is_what_a_model_says() {
    let seeds = seeds(&std::env::var(SEEDS).unwrap_or_else(|_| "1-10".to_owned()));
    // The first test also builds the programs and makes the Python environment.
    let count = seeds.end().saturating_sub(*seeds.start()) + 1;
    let _limit = deadline(Duration::from_secs(1200 + 60 * count));
    programs(Profile::Debug);
    let mut failed = Vec::new();
    for seed in seeds {
        let chain = Chain::of(seed);
        if catch_unwind(AssertUnwindSafe(|| check(&chain))).is_err() {
            eprintln!("failed: {SEEDS}={seed}: {chain:#?}");
            failed.push(seed);
        }
    }
    assert!(failed.is_empty(), "these seeds failed ({SEEDS}): {failed:?}");
}

#[test]
fn a_chain_follows_from_its_seed() {
    let shown = |seed| format!("{:?}", Chain::of(seed));
    assert_eq!(shown(1), shown(1));
    assert_ne!(shown(1), shown(2));
}

/// `7`, or `1-200`.
fn seeds(text: &str) -> RangeInclusive<u64> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let number = |text: &str| text.parse().unwrap_or_else(|_| panic!("{SEEDS} is 7 or 1-200, not {text}"));
    number(first)..=number(last)
}

/// The payloads of a client, which begin with its letter.
fn payloads(chain: &Chain, letter: char) -> Vec<String> {
    let payload = |number| format!("{letter}{number}");
    let crowd = (0..MESSAGES).map(|number| model::crowd(chain, &payload(number))).max().unwrap_or(1);
    (0..MESSAGES.min(CROWD / 5 / crowd)).map(payload).collect()
}

fn expected(chain: &Chain, payloads: &[String]) -> Vec<String> {
    payloads.iter().flat_map(|payload| model::results(chain, payload)).collect()
}

fn counted<'a>(results: impl IntoIterator<Item = &'a str>) -> BTreeMap<&'a str, usize> {
    let mut counts = BTreeMap::new();
    for result in results {
        *counts.entry(result).or_default() += 1;
    }
    counts
}

/// A client, and what it has to get.
struct Client {
    process: Process,
    expected: Vec<String>,
}

impl Client {
    fn start(flow: &Flow, chain: &Chain, letter: char, left: &[String]) -> Self {
        let payloads = payloads(chain, letter);
        let expected = expected(chain, &payloads);
        let results = expected.len().to_string();
        let (payloads, leave) = (payloads.join(","), left.join(","));
        let taken = left.iter().map(|payload| model::results(chain, payload).len()).sum::<usize>() / 2;
        let (taken, rounds) = (taken.to_string(), if taken > 0 { LEFT } else { 0 }.to_string());
        let call = chain.call();
        let mut args = vec!["--payloads", &*payloads, "--results", &results];
        args.extend(call.iter().flat_map(|function| ["--function", function]));
        args.extend(["--leave", &leave, "--taken", &taken, "--rounds", &rounds]);
        Client { process: flow.start_client("foretold_client.py", &args), expected }
    }

    /// What came, without those that begin with `left`.
    fn results(&self, left: Option<char>) -> Vec<String> {
        let lines = self.process.stdout_lines();
        let results = lines.iter().filter_map(|line| line.strip_prefix("b'")?.strip_suffix('\''));
        results
            .filter(|result| left.is_none_or(|left| !result.starts_with(left)))
            .map(str::to_owned)
            .collect()
    }

    #[track_caller]
    fn check(&mut self, left: Option<char>) {
        self.process.wait_for_success(2 * PATIENCE);
        let results = self.results(left);
        let (got, expected) =
            (counted(results.iter().map(String::as_str)), counted(self.expected.iter().map(String::as_str)));
        assert_eq!(got, expected, "of {} results, {} came", self.expected.len(), results.len());
    }
}

/// Payloads of jobs that are left: those whose results can be told from others.
fn left(chain: &Chain) -> Vec<String> {
    let is_told =
        |payload: &String| model::results(chain, payload).iter().all(|result| result.starts_with('l'));
    payloads(chain, 'l').into_iter().filter(is_told).collect()
}

fn check(chain: &Chain) {
    let flow = Flow::start(&chain.parts(), Mix::Mixed(&chain.pythons()));
    let mut killed = Client::start(&flow, chain, 'k', &[]);
    let mut counts = Client::start(&flow, chain, 'c', &[]);
    let mut leaves = Client::start(&flow, chain, 'e', &left(chain));
    killed.process.wait_for_line("b", PATIENCE);
    killed.process.find_line(Duration::from_secs(1), |line| line.starts_with("b'"));
    killed.process.kill();
    counts.check(None);
    leaves.check(chain.mixes_calls().then_some('l'));
    flow.end();
}
