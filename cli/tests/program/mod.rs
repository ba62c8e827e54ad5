//! The program as its users start it, and a node that answers it.

use crate::node::{Behaviour, Node};
use std::ffi::OsStr;
use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::thread;

/// The program with these arguments, and pipes.
pub(crate) fn pylm(arguments: &[impl AsRef<OsStr>]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pylm"));
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for (key, _) in std::env::vars_os().filter(|(key, _)| key.as_encoded_bytes().starts_with(b"PYLMD_")) {
        command.env_remove(key);
    }
    command
}

/// Runs the program to its end, with that on its standard input.
pub(crate) fn run(arguments: &[impl AsRef<OsStr>], input: &[u8]) -> Output {
    let mut child = pylm(arguments).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // Refused where the program does not read to the end.
    let writer = thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

/// A job on a node that echoes.
pub(crate) fn job(node: &Node, arguments: &[&str], input: &[u8]) -> Output {
    run(&[&["job", "server.echo", "--db", &node.address], arguments].concat(), input)
}

pub(crate) fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

pub(crate) fn told(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

pub(crate) fn echo() -> Node {
    Node::start(Behaviour::default())
}
