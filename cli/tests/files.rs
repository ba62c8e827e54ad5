//! What the program writes beside what it reads: nothing that was there is lost, and nothing that went nowhere is success.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]
#![allow(dead_code, reason = "the node can do more than these tests need")]

#[path = "../../client/tests/node/mod.rs"]
mod node;
mod program;

use node::{Behaviour, Node};
use program::{code, echo, job, pylm, run, told};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tempfile::TempDir;

/// A folder for the files of one test.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Files(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    fn write(&self, name: &str, content: &str) -> String {
        fs::write(self.path(name), content).unwrap();
        self.text(name)
    }

    fn read(&self, name: &str) -> String {
        String::from_utf8(fs::read(self.path(name)).unwrap()).unwrap()
    }

    /// All files of a folder in it.
    fn all(&self, folder: &str) -> BTreeMap<String, String> {
        let files = self.path(folder).read_dir().unwrap().map(|file| file.unwrap().path());
        files
            .map(|file| {
                let name = file.file_name().unwrap().to_str().unwrap().to_owned();
                (name, fs::read_to_string(file).unwrap())
            })
            .collect()
    }
}

#[test]
fn a_file_that_is_read_is_not_written_to_under_any_name() {
    let files = Files::new();
    let node = echo();
    let one = files.write("one", "fail\nb\n");
    let two = files.write("two", "fail\nb\n");
    symlink(&one, files.path("link")).unwrap();
    fs::hard_link(&one, files.path("hard")).unwrap();
    for errors in ["one", "link", "hard", "two"] {
        let output = job(&node, &[&one, &two, "--errors", &files.text(errors)], b"");
        assert_eq!(code(&output), 2, "{errors}");
        assert!(told(&output).contains("is the file that is read as"), "{}", told(&output));
    }
    let with = |arguments: &[&str], standard: &dyn Fn(&mut std::process::Command, File)| {
        let mut command = pylm(&[&["job", "server.echo", "--db", &node.address], arguments].concat());
        standard(
            command.stdin(Stdio::null()),
            OpenOptions::new().read(true).append(true).open(&one).unwrap(),
        );
        let output = command.output().unwrap();
        assert_eq!(code(&output), 2, "{arguments:?}: {}", told(&output));
    };
    with(&["--errors", &one], &|command, file| {
        command.stdin(file);
    });
    with(&[&one], &|command, file| {
        command.stdout(file);
    });
    with(&[&two, &files.text("link")], &|command, file| {
        command.stdout(file);
    });
    with(&[&two, "--errors", &one], &|command, file| {
        command.stdout(file);
    });
    assert_eq!((&*files.read("one"), &*files.read("two")), ("fail\nb\n", "fail\nb\n"));
}

#[test]
fn commands_that_read_a_file_do_not_append_to_it() {
    let files = Files::new();
    let cluster = files.write("cluster.toml", "[node.a]\ninline = true\n");
    fs::create_dir(files.path("journal")).unwrap();
    let segment = files.write("journal/segment", "");
    for (arguments, file) in [
        (vec!["graph", &cluster], &cluster),
        (vec!["up", &cluster], &cluster),
        (vec!["plugin", "inspect", &cluster], &cluster),
        (vec!["journal", "export", files.path("journal").to_str().unwrap()], &segment),
    ] {
        let before = fs::read(file).unwrap();
        let output =
            pylm(&arguments).stdout(OpenOptions::new().append(true).open(file).unwrap()).output().unwrap();
        assert_eq!(code(&output), 2, "{arguments:?}");
        assert!(told(&output).contains("standard output is the file that is read"), "{}", told(&output));
        assert_eq!(fs::read(file).unwrap(), before);
    }
}

#[test]
fn the_file_of_errors_stays_as_it_was_until_there_is_one_to_replace_it() {
    let files = Files::new();
    let node = echo();
    let errors = files.write("errors", "of an earlier run, and long\n");
    assert_eq!(code(&job(&node, &["--errors", &errors], b"well\n")), 0);
    assert_eq!(code(&job(&node, &["--errors", &errors, "no-such-file"], b"")), 2);
    assert_eq!(code(&run(&["job", "nodot", "--errors", &errors], b"")), 2);
    assert_eq!(files.read("errors"), "of an earlier run, and long\n");
    assert_eq!(code(&job(&node, &["--errors", &errors], b"fail\nwell\n")), 3);
    assert_eq!(files.read("errors"), "fail\n");
}

#[test]
fn names_of_failed_files_come_back_byte_for_byte() {
    let files = Files::new();
    let node = echo();
    let names: Vec<PathBuf> = [&b"caf\xe9"[..], b" spaces ", b"\xd0\xb6", b"-dash"]
        .map(|name| files.path(OsStr::from_bytes(name)))
        .to_vec();
    names.iter().for_each(|name| fs::write(name, "fail").unwrap());
    let errors = files.path("errors");
    let with = |more: &[&str], names: &[PathBuf]| {
        let flags = ["job", "server.echo", "--db", &node.address, "--each-file", "--errors"].map(OsStr::new);
        let more = more.iter().map(OsStr::new);
        let names = names.iter().map(|name| name.as_os_str());
        let arguments: Vec<&OsStr> =
            flags.into_iter().chain([errors.as_os_str()]).chain(more).chain(names).collect();
        run(&arguments, b"")
    };
    let sorted = |end: u8| {
        let bytes = fs::read(&errors).unwrap();
        let mut names: Vec<Vec<u8>> = bytes.split(|byte| *byte == end).map(<[u8]>::to_vec).collect();
        assert_eq!(names.pop().as_deref(), Some(&b""[..]));
        names.sort();
        names
    };
    let mut expected: Vec<Vec<u8>> = names.iter().map(|name| name.as_os_str().as_bytes().to_vec()).collect();
    expected.sort();
    assert_eq!(code(&with(&[], &names)), 3);
    assert_eq!(sorted(b'\n'), expected);

    // A name that would be two lines is refused where it would be written as such.
    let two = files.path("two\nlines");
    fs::write(&two, "fail").unwrap();
    let output = with(&[], std::slice::from_ref(&two));
    assert_eq!(code(&output), 2);
    assert!(told(&output).contains("has a line end"), "{}", told(&output));
    assert_eq!(code(&with(&["--null"], std::slice::from_ref(&two))), 3);
    assert_eq!(sorted(0), [two.as_os_str().as_bytes()]);
}

#[test]
fn each_result_is_a_file_where_that_is_asked_for() {
    let files = Files::new();
    let node = Node::start(Behaviour { results: 2, ..Behaviour::default() });
    let (cat, dog) = (files.write("cat.jpeg", "cat"), files.write("dog.jpeg", "dog"));
    let pattern = files.text("thumbs/{name}-{n}.png");
    let output = job(&node, &["--each-file", "--output", &pattern, &cat, &dog], b"");
    assert_eq!((code(&output), &output.stdout[..], &*told(&output)), (0, &b""[..], ""));
    let names: Vec<String> = files.all("thumbs").into_keys().collect();
    assert_eq!(names, ["cat-0.png", "cat-1.png", "dog-0.png", "dog-1.png"]);
    assert!(files.read("thumbs/cat-1.png").contains("cat"), "{}", files.read("thumbs/cat-1.png"));

    // What is there stays, unless it is asked for.
    fs::create_dir(files.path("other")).unwrap();
    let other = files.write("other/cat.jpeg", "another");
    let again =
        |more: &[&str]| job(&node, &[&["--each-file", "--output", &pattern, &other], more].concat(), b"");
    let output = again(&[]);
    assert_eq!(code(&output), 1);
    assert!(told(&output).contains("cat-0.png is there already"), "{}", told(&output));
    assert_eq!(code(&again(&["--overwrite"])), 0);
    assert!(files.read("thumbs/cat-0.png").contains("another"));

    // A folder, and another input: named after the messages.
    let folder = files.text("lines/");
    assert_eq!(code(&job(&node, &["--output", &folder], b"a\nb\n")), 0);
    let names: Vec<String> = files.all("lines").into_keys().collect();
    assert_eq!(names, ["0.0", "0.1", "1.0", "1.1"]);
}

#[test]
fn no_result_replaces_a_file_that_is_read() {
    let files = Files::new();
    let node = echo();
    let input = files.write("in-0", "precious");
    let pattern = files.text("{name}-{n}");
    fs::rename(&input, files.path("in")).unwrap();
    fs::hard_link(files.path("in"), &input).unwrap();
    let output = job(&node, &["--each-file", "--output", &pattern, "--overwrite", &files.text("in")], b"");
    assert_eq!(code(&output), 2);
    assert!(told(&output).contains("is read, and is not replaced"), "{}", told(&output));
    assert_eq!(files.read("in"), "precious");
}

#[test]
fn lines_of_json_tell_everything_whatever_the_input_is() {
    let files = Files::new();
    let node = echo();
    let (good, bad) = (files.write("good", "two\nlines"), files.write("bad", "fail"));
    let output = job(&node, &["--each-file", "--results", "json", "--ordered", &good, &bad], b"");
    assert_eq!(code(&output), 3);
    let lines = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let expected = [
        serde_json::json!({ "message": 0, "file": good, "result": "0", "payload": "two\nlines" }),
        serde_json::json!({ "message": 0, "file": good, "done": 1 }),
        serde_json::json!({ "message": 1, "file": bad, "error": "failed", "text": "as the test wants it" }),
    ];
    assert_eq!(lines, expected);
    let output = job(&node, &["--results", "frames"], b"one\n");
    assert_eq!(output.stdout, b"\0\0\0\x03one");
    let output = job(&node, &["--null", "--results", "json"], b"\xff\0");
    assert!(String::from_utf8(output.stdout).unwrap().contains("\"base64\":\"/w==\""));
}

#[test]
fn what_cannot_be_written_is_no_success_and_no_panic() {
    let files = Files::new();
    let node = echo();
    let cluster = files.write("cluster.toml", "[node.a]\nworkers = 0\n");
    assert_eq!(code(&run(&["cache", "set", "key", "value", "--db", &node.address], b"")), 0);
    let full = || OpenOptions::new().write(true).open("/dev/full").unwrap();
    let cases: [&[&str]; 10] = [
        &["--help"],
        &["help", "job"],
        &["--version"],
        &["job", "--help"],
        &["completions", "bash"],
        &["man"],
        &["graph", &cluster],
        &["cache", "get", "key", "--db", &node.address],
        &["job", "server.echo", "--db", &node.address],
        &["job", "server.echo", "--results", "json", "--db", &node.address],
    ];
    for arguments in cases {
        let mut child = pylm(arguments).stdout(full()).spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"a\nb\n").ok();
        let output = child.wait_with_output().unwrap();
        assert_eq!(code(&output), 1, "{arguments:?}: {}", told(&output));
        assert!(
            told(&output).contains("cannot write to standard output"),
            "{arguments:?}: {}",
            told(&output)
        );
    }
    let output = job(&node, &["--errors", "/dev/full"], b"fail\n");
    assert_eq!(code(&output), 1);
    assert!(told(&output).contains("cannot write to /dev/full"), "{}", told(&output));
}

#[test]
fn exit_codes_are_the_same_where_nobody_can_be_told() {
    let node = echo();
    let full = || OpenOptions::new().write(true).open("/dev/full").unwrap();
    let cases: [(&[&str], i32); 5] = [
        (&["job", "server.echo", "--db", &node.address], 3),
        (&["job", "nodot"], 2),
        (&["job", "server.echo", "--no-such-flag"], 2),
        (&["plugin", "inspect", "no-such-plugin"], 2),
        (&["job", "server.f", "--db", "tcp://127.0.0.1:1", "--wait", "200ms"], 1),
    ];
    for (arguments, expected) in cases {
        let mut child = pylm(arguments).stderr(full()).spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"fail\n").ok();
        assert_eq!(code(&child.wait_with_output().unwrap()), expected, "{arguments:?}");
    }
}

#[test]
fn an_empty_text_chooses_nothing() {
    let cases: [&[&str]; 6] = [
        &["cancel", ""],
        &["attach", " "],
        &["explain", ""],
        &["failed", "drop", ""],
        &["failed", "retry", "5f3a", ""],
        &["failed", "show", ""],
    ];
    for arguments in cases {
        let output = run(arguments, b"");
        assert_eq!(code(&output), 2, "{arguments:?}");
        assert!(told(&output).contains("it is empty"), "{arguments:?}: {}", told(&output));
    }
}

#[test]
fn times_and_sizes_at_the_ends_of_their_ranges_are_wrong_usage_or_work() {
    let node = echo();
    let db = ["--db", &*node.address];
    for time in ["18446744073709551615", "1e300", "0", "-1", "36501d", "", "99999999999999999999h"] {
        for flag in ["--timeout", "--deadline", "--wait"] {
            let given = format!("{flag}={time}");
            let output = run(&[&["job", "server.echo", &*given], &db[..]].concat(), b"a\n");
            let expected = if (flag, time) == ("--wait", "0") { 1 } else { 2 };
            assert!([expected, 0].contains(&code(&output)), "{given}: {} {}", code(&output), told(&output));
            assert!(!told(&output).contains("panicked"), "{given}: {}", told(&output));
        }
    }
    for flag in ["--timeout", "--deadline", "--wait"] {
        let given = format!("{flag}=36500d");
        let output = run(&[&["job", "server.echo", &*given], &db[..]].concat(), b"a\n");
        assert_eq!((code(&output), &output.stdout[..]), (0, &b"a\n"[..]), "{given}: {}", told(&output));
    }
    let output = run(&[&["bench", "server.echo", "--size", "18446744073709551615"], &db[..]].concat(), b"");
    assert_eq!(code(&output), 2);
}
