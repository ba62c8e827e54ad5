//! What a node shows to those who watch it over HTTP: whether it is well, figures whose sums come out, and its status.

use std::net::TcpStream;
use std::time::Duration;

use pylm_client::JobOptions;
use pylm_tests::checked_job::CheckedJob;
use pylm_tests::deadline::{Deadline, deadline};
use pylm_tests::node::{Node, WorkerHost};
use pylm_tests::waiting::{file_is, wait_until};
use rustix::process::Signal;
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(60);
const HTTP: [&str; 2] = ["--http", "127.0.0.1:0"];

fn limit() -> Deadline {
    // The first test also builds the programs.
    deadline(Duration::from_secs(900))
}

fn node(args: &[&str]) -> Node {
    Node::start(&[&HTTP[..], args].concat())
}

fn host(node: &Node, name: &str) -> WorkerHost {
    WorkerHost::start(&node.db, &["testing"], name, &["--slots", "2"])
}

/// Waits until `/health` has this status, and tells its text.
#[track_caller]
fn wait_for_health(node: &Node, status: u16) -> String {
    let mut answer = node.page("/health");
    wait_until(&format!("/health is {status}"), || {
        answer = node.page("/health");
        answer.status == status
    });
    answer.text()
}

#[test]
fn health_goes_bad_for_a_job_that_nobody_takes_though_others_move_and_well_again() {
    let _limit = limit();
    // What nobody takes waits until it is asked for.
    let node = node(&["--function-wait", "600", "--stuck-after", "1"]);
    let _host = host(&node, "host");
    assert_eq!((node.page("/health").status, node.page("/ready").status), (200, 200));
    let busy = CheckedJob { function: "server.slow_echo".to_owned(), ..CheckedJob::new(1, 1_000_000) };
    let busy = busy.start(&node.db);
    busy.wait_for(100, PATIENCE);
    let client = node.client();
    let (sender, results) = client.job("server.missing", JobOptions::new());
    sender.send("x").unwrap();
    let text = wait_for_health(&node, 503);
    assert!(text.contains("server.missing") && text.contains("no host offers `missing`"), "{text}");
    let before = busy.progress().results;
    busy.wait_for(before + 100, PATIENCE);
    let (code, told) = node.pylm(&["status", "--check"]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("no host offers `missing`"), "{told}");
    assert_eq!(node.page("/ready").status, 200, "it takes messages all the same");
    drop((sender, results));
    wait_for_health(&node, 200);
    assert_eq!(node.pylm(&["status", "--check"]).0, Some(0));
}

#[test]
fn a_function_that_hangs_is_told_of_though_others_move() {
    let _limit = limit();
    let node = node(&["--stuck-after", "2"]);
    let host = host(&node, "host");
    let busy = CheckedJob { function: "server.slow_echo".to_owned(), ..CheckedJob::new(1, 1_000_000) };
    let busy = busy.start(&node.db);
    let file = host.process.folder().join("sign");
    let client = node.client();
    let (sender, results) = client.job("server.until_cancelled", JobOptions::new());
    sender.send(file.display().to_string()).unwrap();
    wait_until("the function begins", || file_is(&file, "begun"));
    assert_eq!(node.page("/health").status, 200, "it has only just begun");
    let text = wait_for_health(&node, 503);
    assert!(text.contains("server.until_cancelled") && text.contains("1 part at hosts"), "{text}");
    let (code, told) = node.pylm(&["status", "--check"]);
    assert_eq!(code, Some(1), "{told}");
    let before = busy.progress().results;
    busy.wait_for(before + 100, PATIENCE);
    drop((sender, results));
    wait_for_health(&node, 200);
}

#[test]
fn work_that_takes_its_time_and_a_client_that_does_not_read_are_no_trouble() {
    let _limit = limit();
    let node = node(&["--stuck-after", "600"]);
    let _host = host(&node, "host");
    let client = node.client();
    let (long, _long_results) = client.job("server.sleep_for", JobOptions::new());
    long.send("600000").unwrap();
    let options = JobOptions::new().output_window(10, 1 << 20);
    let (unread, _unread_results) = client.job("server.echo", options);
    for _ in 0..200 {
        unread.send("x").unwrap();
    }
    let wait_for_hold = || {
        let status: Value = serde_json::from_slice(&node.page("/status").body).unwrap();
        status["jobs"].as_array().unwrap().iter().any(|job| job["held"] == true)
    };
    wait_until("the job of the client that does not read is held", wait_for_hold);
    let (code, text) = node.pylm(&["status", "--check", "--within", "100ms"]);
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(node.page("/health").status, 200);
}

#[test]
fn a_draining_node_is_well_but_not_ready() {
    let _limit = limit();
    let node = node(&[]);
    let host = host(&node, "host");
    let file = host.process.folder().join("sign");
    let client = node.client();
    let (sender, _results) = client.job("server.until_cancelled", JobOptions::new());
    sender.send(file.display().to_string()).unwrap();
    wait_until("the function begins", || file_is(&file, "begun"));
    node.process.signal(Signal::TERM);
    node.process.wait_for_line("draining", PATIENCE);
    wait_until("/ready says so", || node.page("/ready").status == 503);
    assert!(node.page("/ready").text().contains("draining"));
    assert_eq!(node.page("/health").status, 200);
    let metrics = Metrics::of(&node);
    assert_eq!(metrics.sum("pylmd_draining", ""), 1.0);
    assert_eq!(metrics.sum("pylmd_messages_under_way", ""), 1.0);
}

/// Series with their values, as Prometheus reads them.
struct Metrics(Vec<(String, String, f64)>);

impl Metrics {
    fn of(node: &Node) -> Self {
        let answer = node.page("/metrics");
        assert!(answer.header("content-type").starts_with("text/plain; version=0.0.4"), "{answer:?}");
        let text = answer.text();
        let mut series = Vec::new();
        let mut typed = Vec::new();
        for line in text.lines() {
            if let Some(comment) = line.strip_prefix("# ") {
                let mut words = comment.split(' ');
                if words.next() == Some("TYPE") {
                    typed.extend(words.next().map(str::to_owned));
                }
                continue;
            }
            let (what, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no value: {line}"));
            let (name, labels) = what.split_once('{').unwrap_or((what, "}"));
            let labels = labels.strip_suffix('}').unwrap_or_else(|| panic!("no end of labels: {line}"));
            let family = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
            assert!(
                typed.iter().any(|typed| typed == name || Some(&**typed) == family),
                "of no type: {line}"
            );
            let value = value.parse().unwrap_or_else(|_| panic!("no number: {line}"));
            assert!(!series.iter().any(|(n, l, _)| n == name && l == labels), "twice: {line}");
            series.push((name.to_owned(), labels.to_owned(), value));
        }
        Self(series)
    }

    /// The sum of the series of a name, whose labels contain this.
    fn sum(&self, name: &str, label: &str) -> f64 {
        let series: Vec<_> =
            self.0.iter().filter(|(other, labels, _)| other == name && labels.contains(label)).collect();
        assert!(!series.is_empty(), "no {name} with {label:?}");
        series.iter().map(|(.., value)| value).sum()
    }

    /// Sees that accepted = done + failed + cancelled + under way, in all and for each open job.
    #[track_caller]
    fn assert_sums(&self) {
        let ended = self.sum("pylmd_messages_ended_total", "") + self.sum("pylmd_messages_under_way", "");
        assert_eq!(self.sum("pylmd_messages_accepted_total", ""), ended);
        for (_, labels, accepted) in
            self.0.iter().filter(|(name, ..)| name == "pylmd_job_messages_accepted_total")
        {
            let ended = self.sum("pylmd_job_messages_ended_total", labels)
                + self.sum("pylmd_job_messages_under_way", labels);
            assert_eq!(*accepted, ended, "{labels}");
        }
    }
}

#[test]
fn sums_of_metrics_come_out_while_hosts_die() {
    let _limit = limit();
    let node = node(&[]);
    let mut doomed = ["doomed1", "doomed2"].map(|name| host(&node, name));
    let _staying = host(&node, "staying");
    let job = CheckedJob { function: "server.slow_echo".to_owned(), ..CheckedJob::new(1, 6_000) };
    let job = job.start(&node.db);
    let failing = node.client();
    assert!(failing.eval("server.fail", "x").is_err());
    for (number, host) in doomed.iter_mut().enumerate() {
        job.wait_for(1_000 * (number as u64 + 1), PATIENCE);
        Metrics::of(&node).assert_sums();
        host.process.kill();
        let died = || Metrics::of(&node).sum("pylmd_hosts_lost_total", "") >= number as f64 + 1.0;
        wait_until("the death is counted", died);
        Metrics::of(&node).assert_sums();
    }
    let metrics = Metrics::of(&node);
    assert_eq!(metrics.sum("pylmd_hosts", ""), 1.0);
    assert!(metrics.sum("pylmd_host_leases", "host=\"staying\"") > 0.0);
    job.assert_every_answer_once(PATIENCE);
    let metrics = Metrics::of(&node);
    metrics.assert_sums();
    let count = |name: &str, label: &str| metrics.sum(name, label);
    assert_eq!(count("pylmd_messages_ended_total", "done"), 6_000.0);
    assert_eq!(count("pylmd_messages_ended_total", "failed"), 1.0);
    let deaths = count("pylmd_deaths_total", "");
    assert!(deaths > 0.0);
    assert_eq!(count("pylmd_attempts_total", ""), 6_001.0 + deaths + count("pylmd_released_total", ""));
    assert_eq!(count("pylmd_message_seconds_count", ""), 6_001.0);
    assert_eq!(count("pylmd_message_seconds_bucket", "le=\"+Inf\""), 6_001.0);
    assert!(count("pylmd_message_seconds_sum", "") > 0.0);
    assert!(count("pylmd_queue_bytes_limit", "queue=\"hosts\"") > 0.0);
    assert_eq!(count("pylmd_healthy", ""), 1.0);
    drop(failing);
    node.end(PATIENCE);
}

#[test]
fn a_limit_is_never_zero_where_a_ratio_would_be_made_of_it() {
    let _limit = limit();
    let assert_limits = |node: &Node, expected: &[&str]| {
        let text = node.page("/metrics").text();
        let limits = || text.lines().filter(|line| !line.starts_with('#') && line.contains("_limit{"));
        for line in limits() {
            let value: f64 = line.rsplit(' ').next().unwrap().parse().unwrap();
            assert!(value >= 1.0, "{line}");
        }
        for name in expected {
            assert!(limits().any(|line| line.contains(name)), "{name} in {text}");
        }
    };
    let node = node(&[]);
    // Bounds that are for each job or host, when there is none.
    let queues = ["messages", "parts", "hosts", "outputs"].map(|queue| format!("queue=\"{queue}\""));
    let queues: Vec<_> = queues.iter().map(String::as_str).collect();
    assert_limits(&node, &queues);
    let mut host = host(&node, "host");
    let client = node.client();
    let (sender, _results) = client.job("server.sleep_for", JobOptions::new());
    sender.send("600000").unwrap();
    wait_until("the host has it", || Metrics::of(&node).sum("pylmd_host_leases", "") == 1.0);
    assert_limits(&node, &["pylmd_host_leases_limit{", "pylmd_host_bytes_limit{"]);
    // A host that is away takes nothing.
    host.process.kill();
    wait_until("the host is away", || Metrics::of(&node).sum("pylmd_hosts", "") == 0.0);
    assert_limits(&node, &["pylmd_host_leases_limit{", "pylmd_host_bytes_limit{"]);
}

#[test]
fn status_is_what_pylm_status_shows() {
    let _limit = limit();
    let folder = tempfile::tempdir().unwrap();
    let node = node(&["--journal", folder.path().to_str().unwrap()]);
    let _host = host(&node, "host");
    let client = node.client();
    assert_eq!(client.eval("server.echo", "x").unwrap(), ["x"]);
    drop(client);
    wait_until("the client is gone", || {
        let status: Value = serde_json::from_slice(&node.page("/status").body).unwrap();
        status["jobs"].as_array().is_some_and(Vec::is_empty)
    });
    let parsed = |text: &str| {
        let mut status: Value = serde_json::from_str(text).unwrap();
        // Time goes on between the two looks.
        status["uptime"] = Value::Null;
        status
    };
    let page = node.page("/status");
    assert_eq!(page.header("content-type"), "application/json");
    let mut status = parsed(&page.text());
    // The journal still writes what has happened before.
    wait_until("both tell the same", || {
        let (code, text) = node.pylm(&["status", "--json"]);
        assert_eq!(code, Some(0), "{text}");
        status = parsed(&node.page("/status").text());
        status == parsed(&text)
    });
    assert_eq!((&status["counts"]["done"], &status["trouble"]), (&1.into(), &Value::Null));
    assert!(status["journal"]["durable"].as_u64() > Some(0), "{status}");
}

#[test]
fn the_dashboard_is_one_page_that_loads_nothing_from_elsewhere() {
    let _limit = limit();
    let node = node(&[]);
    let page = node.page("/");
    assert!(page.status == 200 && page.header("content-type").starts_with("text/html"), "{page:?}");
    let text = page.text();
    assert!(text.contains("fetch(\"status\""));
    assert!(!text.contains("//cdn") && !text.contains("http://") && !text.contains("https://"));
    assert_eq!(node.page("/nothing").status, 404);
}

#[test]
fn connections_that_ask_nothing_are_in_nobodys_way() {
    let _limit = limit();
    let node = node(&[]);
    let _host = host(&node, "host");
    let address = node.ready.field("http");
    let idle: Vec<_> = (0..100).map(|_| TcpStream::connect(&address).unwrap()).collect();
    let client = node.client();
    assert_eq!(client.eval("server.echo", "x").unwrap(), ["x"]);
    // Idle ones are closed after a while, and whoever waits has its turn.
    assert_eq!(node.page("/health").status, 200);
    drop(idle);
}

#[test]
fn an_address_that_is_taken_is_told() {
    let _limit = limit();
    let first = node(&[]);
    let taken = first.ready.field("http");
    let program = pylm_tests::programs::programs(pylm_tests::programs::Profile::Debug).program("pylmd");
    let addresses = ["--pull", "--pub", "--worker-pull", "--worker-push", "--db"];
    let args = addresses.map(|flag| [flag, pylm_tests::address::ANY_PORT]).concat();
    let mut second =
        pylm_tests::process::Process::plan("pylmd", program).args(args).env("PYLMD_HTTP", &taken).start();
    assert_eq!(second.wait(PATIENCE).code(), Some(1));
    second.wait_for_line(&format!("cannot listen at --http {taken}; choose another address"), PATIENCE);
}
