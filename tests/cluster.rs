//! `pylm up` and `pylm graph`: a cluster from one file, with the real programs.

// The list of keys, as the command line has it.
#[allow(dead_code, unreachable_pub)]
#[path = "../cli/src/cluster/keys.rs"]
mod keys;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use pylm_tests::address;
use pylm_tests::checked_job::CheckedJob;
use pylm_tests::deadline::{Deadline, deadline};
use pylm_tests::process::{Process, children};
use pylm_tests::programs::{Profile, programs};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);

fn limit() -> Deadline {
    // The first test also builds the programs.
    deadline(Duration::from_secs(900))
}

fn program(name: &str) -> &'static Path {
    programs(Profile::Debug).program(name)
}

/// Wait until something is there.
#[track_caller]
fn wait_for<T>(what: &str, wanted: impl Fn() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = wanted() {
            return found;
        }
        assert!(Instant::now() < end, "{what}: not within {PATIENCE:?}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// A folder with a cluster's file, and a plugin beside it.
struct File {
    path: PathBuf,
    folder: TempDir,
}

impl File {
    #[track_caller]
    fn new(text: &str) -> Self {
        let plugin = programs(Profile::Debug).plugin("testing");
        let made = tempfile::tempdir().and_then(|folder| {
            std::fs::copy(plugin, folder.path().join("libtesting.so"))?;
            let path = folder.path().join("cluster.toml");
            std::fs::write(&path, text)?;
            Ok(File { path, folder })
        });
        made.unwrap_or_else(|error| panic!("no file for a cluster: {error}"))
    }

    fn pylm(&self, args: &[&str]) -> Process {
        let mut plan = Process::plan("pylm", program("pylm"));
        // One that is killed leaves its sockets behind.
        plan = plan.args([args[0]]).args([&self.path]).args(&args[1..]).env("TMPDIR", self.folder.path());
        plan.start()
    }

    /// `pylm graph`, to its end: exit code, standard output, standard error.
    fn graph(&self, args: &[&str]) -> (Option<i32>, String, String) {
        let mut graph = self.pylm(&[&["graph"], args].concat());
        let code = graph.wait(PATIENCE).code();
        (code, graph.stdout_lines().join("\n"), graph.stderr_lines().join("\n"))
    }
}

/// A node `server` without hosts of its own, a node `local` with one, and two hosts for `server`; and its process.
struct Cluster {
    up: Process,
    db: String,
    local_db: String,
    _file: File,
}

impl Cluster {
    /// Starts it, on ports that were free a moment ago.
    #[track_caller]
    fn start() -> Self {
        loop {
            let sockets = address::free::<10>();
            let keys = ["pull", "pub", "worker-pull", "worker-push", "db"];
            let addresses = |first: usize| {
                let lines = keys.iter().zip(&sockets[first..]);
                lines.map(|(key, address)| format!("{key} = \"{address}\"\n")).collect::<String>()
            };
            let file = File::new(&format!(
                "plugin-dir = [\".\"]\ncalls = [\"server.echo\", \"local.echo\"]\n\
                 [node.server]\n{}\n[node.local]\nplugin = [\"./libtesting.so\"]\nworkers = 1\n{}\n\
                 [worker.hosts]\nnode = \"server\"\nplugin = [\"testing\"]\ncount = 2\nslots = 2\n",
                addresses(0),
                addresses(5)
            ));
            let mut up = file.pylm(&["up"]);
            if up.find_line(PATIENCE, |line| line.starts_with("pylm    | ready; ")).is_some() {
                let [db, local_db] = [4, 9].map(|place| sockets[place].clone());
                return Cluster { up, db, local_db, _file: file };
            }
            // Another program may have been quicker to take a port.
            up.wait(PATIENCE);
            let errors = up.stderr_lines().join("\n");
            assert!(errors.contains("Address already in use"), "{errors}");
        }
    }

    /// The process of a program, by the name that it was given.
    fn pid(&self, name: &str) -> Option<i32> {
        let named = format!("--name={name}");
        let is_named = |pid: &i32| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line.split(|byte| *byte == 0).any(|arg| arg == named.as_bytes())
        };
        children(self.up.id()).into_iter().find(is_named)
    }

    /// Kills a program, and waits until another one of that name is ready.
    #[track_caller]
    fn kill(&self, name: &str) {
        let before = wait_for(name, || self.pid(name));
        if let Some(pid) = Pid::from_raw(before) {
            let _ = kill_process(pid, Signal::KILL);
        }
        let line = format!("pylm    | {name} is ready again");
        wait_for(&line, || self.up.stdout_lines().contains(&line).then_some(()));
        assert_ne!(self.pid(name), Some(before));
    }

    /// All processes of the cluster, without `pylm up` itself.
    fn all(&self) -> Vec<i32> {
        let mut all = children(self.up.id());
        let mut at = 0;
        while at < all.len() {
            all.extend(children(all[at]));
            at += 1;
        }
        all
    }
}

/// Whether a process is there and no zombie.
fn runs(process: i32) -> bool {
    Pid::from_raw(process).is_some_and(|pid| test_kill_process(pid).is_ok())
        && std::fs::read(format!("/proc/{process}/cmdline")).is_ok_and(|line| !line.is_empty())
}

#[track_caller]
fn all_gone(processes: &[i32]) {
    wait_for("all have ended", || (!processes.iter().any(|process| runs(*process))).then_some(()));
}

#[test]
fn a_cluster_works_whatever_is_killed_and_ends_as_one() {
    let _limit = limit();
    let mut cluster = Cluster::start();
    let job = CheckedJob { function: "server.slow_echo".to_owned(), ..CheckedJob::new(1, 4_000) };
    let job = job.start(&cluster.db);
    job.wait_for(300, PATIENCE);
    cluster.kill("hosts-2");
    job.wait_for(1_000, PATIENCE);
    cluster.kill("server");
    job.assert_every_answer_once(PATIENCE);
    let local = CheckedJob { function: "local.echo".to_owned(), ..CheckedJob::new(2, 100) };
    local.start(&cluster.local_db).assert_every_answer_once(PATIENCE);

    // Two nodes, a host of one of them, and two hosts with a child each.
    let all = cluster.all();
    assert_eq!(all.len(), 7, "{all:?}");
    cluster.up.signal(Signal::TERM);
    cluster.up.wait_for_success(PATIENCE);
    assert!(!all.iter().any(|process| runs(*process)), "somebody has outlived the cluster");

    let lines = cluster.up.stdout_lines();
    let place = |wanted: &str| {
        let found = lines.iter().rposition(|line| line.contains(wanted));
        found.unwrap_or_else(|| panic!("{wanted:?} is not in the log"))
    };
    assert!(lines.iter().all(|line| line.find(" | ") == Some(7)), "a line has no name before it");
    let host_ends =
        lines.iter().rposition(|line| line.starts_with("hosts-1 | ") && line.contains("INFO ending"));
    assert!(place("server  | ") > place("ending in order"));
    assert!(host_ends.unwrap() > lines.iter().rposition(|line| line.contains(" ended accepted=")).unwrap());
}

#[test]
fn a_second_signal_ends_a_cluster_at_once() {
    let _limit = limit();
    let mut cluster = Cluster::start();
    let sign = cluster.up.folder().join("sign");
    let mut job = Process::plan("pylm job", program("pylm"))
        .args(["job", "server.until_cancelled", "--db", &cluster.db])
        .start();
    job.write_stdin(format!("{}\n", sign.display()).as_bytes());
    wait_for("the function begins", || sign.exists().then_some(()));
    let all = cluster.all();
    cluster.up.signal(Signal::INT);
    cluster.up.wait_for_line("draining", PATIENCE);
    cluster.up.signal(Signal::INT);
    assert_eq!(cluster.up.wait(Duration::from_secs(10)).code(), Some(1));
    all_gone(&all);
}

#[test]
fn a_cluster_ends_with_a_pylm_up_that_is_killed() {
    let _limit = limit();
    let cluster = Cluster::start();
    let all = cluster.all();
    // Not its process group: the programs have groups of their own, and nobody tells them.
    cluster.up.signal(Signal::KILL);
    all_gone(&all);
}

#[test]
fn a_program_that_cannot_start_ends_the_rest() {
    let _limit = limit();
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = held.local_addr().unwrap();
    let sockets = address::free::<9>();
    let text = format!(
        "[node.first]\nworkers = 0\npull = '{}'\npub = '{}'\nworker-pull = '{}'\nworker-push = '{}'\ndb = '{}'\n\
         [node.second]\nworkers = 0\npull = '{}'\npub = '{}'\nworker-pull = '{}'\nworker-push = '{}'\ndb = 'tcp://{taken}'\n",
        sockets[0],
        sockets[1],
        sockets[2],
        sockets[3],
        sockets[4],
        sockets[5],
        sockets[6],
        sockets[7],
        sockets[8],
    );
    let file = File::new(&text);
    let mut up = file.pylm(&["up"]);
    assert_eq!(up.wait(PATIENCE).code(), Some(1));
    let errors = up.stderr_lines();
    let sentence =
        format!("pylm: second cannot start: pylmd: cannot bind --db tcp://{taken}: Address already in use");
    assert!(errors.last().unwrap().starts_with(&sentence), "{errors:?}");
    assert_eq!(children(up.id()), Vec::<i32>::new());
}

#[test]
fn what_cannot_work_is_told_before_anything_starts() {
    let _limit = limit();
    let sound = File::new("plugin-dir = ['.']\n[node.a]\nplugin = ['testing']\nworkers = 1\n");
    let (code, drawing, errors) = sound.graph(&[]);
    assert_eq!((code, &*errors), (Some(0), ""));
    assert!(drawing.contains("n1[\"a<br/>1 worker host: echo, "), "{drawing}");
    assert!(sound.graph(&["--format", "dot"]).1.starts_with("digraph"));
    let mut check = sound.pylm(&["up", "--check"]);
    check.wait_for_success(PATIENCE);

    let wrong = File::new("[node.a]\nplugin = ['./libtesting.so']\nworkers = 1\nfrom = ['b']\n");
    let sentence =
        format!("{}:4: error: node.a.from: there is no node `b` in this file; ", wrong.path.display());
    let (code, _, errors) = wrong.graph(&[]);
    assert_eq!(code, Some(2));
    assert!(errors.starts_with(&sentence), "{errors}");
    let (code, json, _) = wrong.graph(&["--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (code, &json["works"], &json["findings"][0]["code"]),
        (Some(2), &false.into(), &"no-such-node".into())
    );
    let mut up = wrong.pylm(&["up"]);
    assert_eq!(up.wait(PATIENCE).code(), Some(2));
    assert!(up.stderr_lines().join("\n").starts_with(&sentence) && up.stdout_lines().is_empty());
}

#[test]
fn the_examples_are_sound_and_drawn_as_the_docs_show() {
    let _limit = limit();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = std::fs::read_to_string(root.join("docs/cluster.md")).unwrap();
    for name in ["pipeline.toml", "words.toml"] {
        let path = root.join("examples/clusters").join(name);
        let mut graph =
            Process::plan("pylm", program("pylm")).args(["graph".as_ref(), path.as_os_str()]).start();
        assert_eq!(graph.wait(PATIENCE).code(), Some(0));
        assert!(graph.stderr_lines().is_empty());
        let (file, drawing) = (std::fs::read_to_string(&path).unwrap(), graph.stdout_lines().join("\n"));
        // The pipeline is the page's example; the other one has no drawing there.
        let is_shown = page.contains(file.trim_end()) && page.contains(&drawing);
        assert!(
            is_shown || name == "words.toml",
            "docs/cluster.md does not show {name} as it is:\n{file}\n{drawing}"
        );
    }
}

#[test]
fn the_keys_of_a_file_are_the_flags_of_the_programs() {
    let _limit = limit();
    // Flags that ask for something now, that the file replaces, or that are `pylm up`'s to give.
    const NOT_KEYS: [&str; 4] = ["completions", "man", "config", "db"];
    for (name, keys) in [("pylmd", keys::NODE), ("pylm-worker", keys::WORKER)] {
        let help = Command::new(program(name)).arg("--help").output().unwrap();
        let help = String::from_utf8(help.stdout).unwrap();
        // A line of the help begins with a flag, and its value where it has one.
        let flags: Vec<(&str, bool)> = help
            .lines()
            .filter_map(|line| line.strip_prefix("      --"))
            .map(|line| (line.split([' ', '=']).next().unwrap(), line.contains(" <")))
            .collect();
        assert!(flags.len() > 8, "{help}");
        for (flag, takes_value) in &flags {
            if NOT_KEYS.contains(flag) && !(name == "pylmd" && *flag == "db") {
                continue;
            }
            let key = keys.iter().find(|key| key.is_flag && key.name == *flag);
            let key = key.unwrap_or_else(|| panic!("{name} --{flag} is missing in cli/src/cluster/keys.rs"));
            assert_eq!(key.kind != keys::Kind::Switch, *takes_value, "{name} --{flag} is of another kind");
        }
        for key in keys.iter().filter(|key| key.is_flag) {
            assert!(flags.iter().any(|(flag, _)| *flag == key.name), "{name} has no flag --{}", key.name);
        }
    }
}
