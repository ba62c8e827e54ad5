//! Nodes, worker hosts and clients are killed, frozen, cut off and replaced at random, disks are full: every message ends once.
//!
//! All that happens follows from a seed. What was done, and what everybody wrote, is in `target/tmp/chaos/`. These variables of
//! the environment choose what is run; see `docs/chaos.md`:
//!
//! - `PYLM_CHAOS_SEEDS`: one seed, or several (`1-50`);
//! - `PYLM_CHAOS_SECONDS`: for how long somebody is struck, for each seed;
//! - `PYLM_CHAOS_PROFILE`: `debug` or `release`.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod client;
mod host;
mod node;
mod peers;
mod plan;
mod run;
mod stage;

use std::ops::RangeInclusive;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use pylm_tests::deadline::deadline;
use pylm_tests::programs::{Profile, programs};
use run::{Load, said};
use stage::Stage;

/// What everybody may take for one seed, beside the time in which somebody is struck.
const SETTLE: Duration = Duration::from_secs(300);
/// The first run also builds the programs.
const BUILD: Duration = Duration::from_secs(900);

/// One run at a time: more would only measure how many the machine can take.
static ALONE: Mutex<()> = Mutex::new(());

#[test]
fn every_message_ends_once_whatever_happens() {
    all_seeds("every_message_ends_once_whatever_happens", Load::Ordinary);
}

#[test]
fn every_message_ends_once_though_some_crash_their_host_or_hang() {
    all_seeds("every_message_ends_once_though_some_crash_their_host_or_hang", Load::Poison);
}

/// For the table in `docs/chaos.md`; it takes a while, and gearmand where it is installed.
#[test]
#[ignore = "a comparison, to be run by hand"]
fn what_others_lose() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let Choice { seeds, length, profile } = Choice::of_environment();
    let mut lines = vec!["| seed | system | submitted | answered once | twice | never |".to_owned()];
    lines.push("| --- | --- | --- | --- | --- | --- |".to_owned());
    for seed in seeds {
        for system in peers::System::all() {
            let _limit = deadline(BUILD);
            let stage = Stage::new(peers::folder(seed, system), profile);
            let peers::Outcome { submitted, once, twice, never } = peers::run(&stage, system, seed, length);
            lines.push(format!("| {seed} | {system:?} | {submitted} | {once} | {twice} | {never} |"));
            eprintln!("{}", lines.last().unwrap());
        }
    }
    eprintln!("{}", lines.join("\n"));
}

/// What is to be run.
struct Choice {
    seeds: RangeInclusive<u64>,
    length: Duration,
    profile: Profile,
}

impl Choice {
    fn of_environment() -> Self {
        let seconds = variable("PYLM_CHAOS_SECONDS").map_or(30, |seconds| seconds.parse().unwrap());
        let profile = match variable("PYLM_CHAOS_PROFILE").as_deref() {
            None | Some("debug") => Profile::Debug,
            Some("release") => Profile::Release,
            Some(other) => panic!("PYLM_CHAOS_PROFILE is debug or release, not {other}"),
        };
        let seeds = seeds(&variable("PYLM_CHAOS_SEEDS").unwrap_or_else(|| "1".to_owned()));
        Self { seeds, length: Duration::from_secs(seconds), profile }
    }

    /// The command that runs this seed of a test again.
    fn command(&self, seed: u64, test: &str) -> String {
        let profile = if self.profile == Profile::Debug { "debug" } else { "release" };
        let seconds = self.length.as_secs();
        format!(
            "PYLM_CHAOS_SEEDS={seed} PYLM_CHAOS_SECONDS={seconds} PYLM_CHAOS_PROFILE={profile} \
             cargo test -p pylm-tests --test chaos -- --nocapture {test}"
        )
    }
}

#[track_caller]
fn all_seeds(test: &str, load: Load) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let choice = Choice::of_environment();
    let Choice { length, profile, .. } = choice;
    {
        let _limit = deadline(BUILD);
        programs(profile);
    }
    let mut failed = Vec::new();
    for seed in choice.seeds.clone() {
        let _limit = deadline(length + SETTLE);
        let name = format!("{load:?}-{seed}").to_lowercase();
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("chaos").join(name);
        let started = Instant::now();
        let stage = Stage::new(folder, profile);
        match catch_unwind(AssertUnwindSafe(|| run::run(&stage, seed, length, load))) {
            Ok(reports) => {
                let submitted: u64 = reports.iter().map(|report| report.submitted).sum();
                let late: u64 = reports.iter().map(|report| report.late).sum();
                let took = started.elapsed().as_secs_f64();
                eprintln!(
                    "{load:?} {seed}: {submitted} messages in {took:.1} s, {late} late; every one ended once"
                );
                assert!(submitted > 100, "too little was done to show anything");
                stage.keep_events_only();
            }
            Err(panic) => {
                stage.tell(format_args!("failed: {}", said(&*panic)));
                failed.push(format!(
                    "seed {seed}: {}\n  what was done: {}/events.log\n  again: {}",
                    said(&*panic),
                    stage.folder.display(),
                    choice.command(seed, test),
                ));
                eprintln!("{}", failed.last().unwrap());
            }
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// `7`, or `1-50`.
fn seeds(text: &str) -> RangeInclusive<u64> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let number =
        |text: &str| text.parse().unwrap_or_else(|_| panic!("PYLM_CHAOS_SEEDS is 7 or 1-50, not {text}"));
    number(first)..=number(last)
}
