//! A node with an encrypted door, and access files of its peers.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use pylm_client::blocking::Client;
use pylm_client::{AccessFile, ClientOptions, Error};

use crate::address::port;
use crate::machine::Machine;
use crate::node::Node;
use crate::process::Process;
use crate::programs::{Profile, programs};

const PATIENCE: Duration = Duration::from_secs(60);

/// A node with an encrypted door, and the folder where its keys and those of its peers are.
pub struct Sealed {
    /// The node.
    pub node: Node,
    folder: tempfile::TempDir,
}

impl Sealed {
    /// A node whose door is on loopback.
    ///
    /// # Panics
    /// Where it does not get ready.
    #[must_use]
    #[track_caller]
    pub fn start(args: &[&str]) -> Self {
        Self::start_at("127.0.0.1:0", args)
    }

    /// A node whose door is at every address, so that a [`Machine`] reaches it.
    ///
    /// # Panics
    /// Where it does not get ready.
    #[must_use]
    #[track_caller]
    pub fn start_for_machines(args: &[&str]) -> Self {
        Self::start_at("0.0.0.0:0", args)
    }

    #[track_caller]
    fn start_at(door: &str, args: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("no folder: {error}"));
        let state = folder.path().join("state");
        let state = state.to_string_lossy();
        let flags = ["--listen", door, "--state-dir", &state];
        let node = Node::start(&[&flags[..], args].concat());
        Sealed { node, folder }
    }

    /// A file in the folder.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Where the door is.
    #[must_use]
    #[track_caller]
    pub fn listen(&self) -> String {
        self.node.ready.field("listen")
    }

    /// `pylm access …` for this node.
    ///
    /// # Panics
    /// Where that fails.
    #[track_caller]
    pub fn access(&self, args: &[&str]) -> String {
        access(&self.path("state"), args)
    }

    /// An access file, fresh, with a grant of this name and role, which the node has read.
    ///
    /// # Panics
    /// Where it cannot be made, or the node does not read its grants anew by itself.
    #[must_use]
    #[track_caller]
    pub fn file(&self, name: &str, role: &str, limits: &[&str]) -> PathBuf {
        let path = self.path(&format!("{name}.toml"));
        self.access(&[&["new", name, "--role", role, "-o", &path.to_string_lossy()][..], limits].concat());
        self.wait_until_known(&path);
        path
    }

    /// Waits until the node has read the grant of this file.
    ///
    /// # Panics
    /// Where it does not do that by itself.
    #[track_caller]
    pub fn wait_until_known(&self, path: &Path) {
        let begun = Instant::now();
        while connect(path).is_err_and(|error| error.to_string().contains("does not know the key")) {
            assert!(begun.elapsed() < PATIENCE, "the node does not read its grants");
        }
    }

    /// As [`Sealed::file`], for a peer on another machine.
    ///
    /// # Panics
    /// As [`Sealed::file`].
    #[must_use]
    #[track_caller]
    pub fn file_on(&self, machine: &Machine, name: &str, role: &str) -> PathBuf {
        let here = format!("tcp://127.0.0.1:{}", port(&self.listen()));
        let path = self.file(name, role, &["--address", &here]);
        move_to(&path, &machine.reach(&self.listen()));
        path
    }
}

/// Says in an access file that its node is elsewhere.
#[track_caller]
fn move_to(path: &Path, address: &str) {
    let moved =
        AccessFile::load(path).map(|access| AccessFile { addresses: vec![address.to_owned()], ..access });
    let text = moved.ok().and_then(|moved| moved.to_text().ok());
    let written = text.and_then(|text| std::fs::write(path, text).ok());
    assert!(written.is_some(), "{} cannot be written anew", path.display());
}

/// `pylm access …`, and what it wrote.
///
/// # Panics
/// Where that fails.
#[track_caller]
pub fn access(state: &Path, args: &[&str]) -> String {
    let state = state.to_string_lossy();
    let args = [&["access"][..], args, &["--state-dir", &state]].concat();
    let (code, out, err) = pylm(&args);
    assert_eq!(code, Some(0), "pylm {args:?}: {err}");
    out
}

/// `pylm …`, its exit code and what it wrote to either stream.
#[track_caller]
pub fn pylm(args: &[&str]) -> (Option<i32>, String, String) {
    let mut process = Process::plan("pylm", programs(Profile::Debug).program("pylm")).args(args).start();
    process.close_stdin();
    let code = process.wait(PATIENCE).code();
    (code, process.stdout_lines().join("\n"), process.stderr_lines().join("\n"))
}

/// A native client with this access file.
///
/// # Errors
/// Why it is not let in.
///
/// # Panics
/// Where the file cannot be read.
#[track_caller]
pub fn connect(path: &Path) -> Result<Client, Error> {
    let access = AccessFile::load(path).unwrap_or_else(|error| panic!("{error}"));
    Client::connect(ClientOptions::with_access(access).patience(PATIENCE))
}
