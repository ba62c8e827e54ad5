//! An example: a flow, what is called, and what the answers are.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use pylm_tests::deadline::{Deadline, deadline};
use pylm_tests::flow::{Flow, Mix, Part};

/// What a client puts into the cache first, where the example says so.
pub const CACHED: (&str, &str) = ("cached", " cached data ");

/// One of pylm's examples.
pub struct Example {
    /// The nodes, in the order of the stages.
    pub parts: &'static [Part],
    /// `server.function`, one for each stage.
    pub call: &'static [&'static str],
    /// Whether the client sets [`CACHED`] first.
    pub cached: bool,
    /// The answers to ten times `a message`, and how often each comes; the two workers are both called `worker`.
    pub answers: &'static [(&'static str, usize)],
    /// The answer that is the last, where there is one that must be.
    pub last: Option<&'static str>,
    /// What nodes and workers write to their logs, and on how many lines.
    pub logged: &'static [(&'static str, RangeInclusive<usize>)],
}

/// Tests of an example in every mixture: ours alone with clients of both kinds, pylm alone, and with one part of ours swapped.
macro_rules! mixtures {
    ($example:expr; $($test:ident: $part:literal),*) => {
        #[test]
        fn all_ours_and_a_native_client() {
            $example.check_natively();
        }

        #[test]
        fn all_ours_and_a_python_client() {
            $example.check(pylm_tests::flow::Mix::Ours);
        }

        #[test]
        fn all_python() {
            $example.check(pylm_tests::flow::Mix::Python);
        }

        $(
            #[test]
            fn $test() {
                $example.check(pylm_tests::flow::Mix::Swapped($part));
            }
        )*
    };
}
pub(crate) use mixtures;

/// The limit of one test, the first of which also builds the programs and makes the Python environment.
pub fn limit() -> Deadline {
    deadline(Duration::from_secs(900))
}

impl Example {
    /// Let a pylm client run the example, see that it gets the answers and no more.
    #[track_caller]
    pub fn check(&self, mix: Mix<'_>) {
        let _limit = limit();
        let flow = Flow::start(self.parts, mix);
        let results = self.answers.iter().map(|(_, count)| count).sum::<usize>().to_string();
        let set = format!("{}={}", CACHED.0, CACHED.1);
        let mut args = vec!["--results", &*results, "--extra-wait", "0.5"];
        args.extend(self.call.iter().flat_map(|function| ["--function", function]));
        if self.cached {
            args.extend(["--set", &*set]);
        }
        let mut lines = flow.python_client(&args);
        if self.cached {
            assert_eq!(lines.remove(0), format!("b'{}'", CACHED.1));
        }
        let payloads = lines.iter().map(|line| line.trim_start_matches("b'").trim_end_matches('\''));
        self.assert_answers(payloads.map(str::to_owned).collect());
        self.assert_logged(&flow);
    }

    /// The same with our own client, and nothing but our own parts.
    #[track_caller]
    pub fn check_natively(&self) {
        let _limit = limit();
        let flow = Flow::start(self.parts, Mix::Ours);
        if self.cached {
            let set = flow.native_client(&["cache", "set", CACHED.0], CACHED.1.as_bytes());
            assert_eq!(set.stderr_lines(), Vec::<String>::new());
        }
        let mut job = flow.native_client(&["job", &self.call.join(",")], "a message\n".repeat(10).as_bytes());
        assert!(job.try_wait().is_some_and(|status| status.success()), "{:?}", job.stderr_lines());
        self.assert_answers(job.stdout_lines());
        self.assert_logged(&flow);
    }

    #[track_caller]
    fn assert_answers(&self, answers: Vec<String>) {
        if let Some(last) = self.last {
            assert_eq!(answers.last().map(String::as_str), Some(last), "{answers:?}");
        }
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for answer in answers {
            let anybody = answer.replace("worker1", "worker").replace("worker2", "worker");
            *counts.entry(anybody).or_default() += 1;
        }
        let expected = self.answers.iter().map(|(answer, count)| ((*answer).to_owned(), *count));
        assert_eq!(counts, expected.collect());
    }

    #[track_caller]
    fn assert_logged(&self, flow: &Flow) {
        for (text, lines) in self.logged {
            flow.wait_for_log(text, lines);
        }
    }
}
