//! `pylm up` and `pylm graph`: a cluster of nodes and worker hosts on this machine, described in one file.
//!
//! The file is read (`table`, `model`), completed (`ports`, `offer`) and checked (`check`, `calls`); then it is drawn
//! (`draw`), or its programs are started (`plan`, `up`, `watch`, `logs`).

mod arguments;
mod calls;
mod check;
mod draw;
mod finding;
mod keys;
mod logs;
mod model;
mod offer;
mod plan;
mod ports;
mod table;
#[cfg(test)]
mod tests;
mod tied;
mod up;
mod watch;

pub(crate) use arguments::{GraphArguments, TiedArguments, UpArguments};
pub(crate) use tied::tied;

use crate::failure::{Failure, print};
use crate::job::apart::keep_output_apart;
use crate::job::stream;
use finding::Findings;
use model::Cluster;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The exit code for a cluster that cannot work.
const WRONG_FILE: u8 = 2;

/// `pylm graph`: draws the flow, and tells what cannot work.
pub(crate) fn graph(arguments: &GraphArguments) -> Result<ExitCode, Failure> {
    keep_output_apart([arguments.file.as_path()])?;
    let (cluster, mut findings) = read(&arguments.file)?;
    if arguments.json {
        print(format!("{:#}\n", findings.json(&arguments.file)).as_bytes())?;
    } else {
        complain(&mut findings, &arguments.file);
        print(draw::draw(&cluster, arguments.format).as_bytes())?;
    }
    Ok(code(&findings))
}

/// Writes what was found to standard error; where that takes nothing, the exit code still tells.
fn complain(findings: &mut Findings, file: &Path) {
    let _ = io::stderr().write_all(findings.text(file).as_bytes());
}

/// `pylm up`: runs the cluster until it is told to end.
pub(crate) fn up(arguments: &UpArguments) -> Result<ExitCode, Failure> {
    keep_output_apart([arguments.file.as_path()])?;
    let (cluster, mut findings) = read(&arguments.file)?;
    complain(&mut findings, &arguments.file);
    if arguments.check || findings.has_errors() {
        return Ok(code(&findings));
    }
    let folder = folder(&arguments.file);
    stream::runtime()?.block_on(up::up(plan::plan(&cluster), &folder, &welcome(&cluster)))
}

fn read(path: &Path) -> Result<(Cluster, Findings), Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::Usage(format!(
            "cannot read {}: {error}; give the file that describes the cluster",
            path.display()
        ))
    })?;
    let mut findings = Findings::default();
    let cluster = Cluster::read(&text, &folder(path), &offer::look, &mut findings);
    check::check(&cluster, &mut findings);
    Ok((cluster, findings))
}

/// The folder of the file, in which the programs run, so that what the file says is relative to it.
fn folder(file: &Path) -> PathBuf {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new(".")).to_owned()
}

fn code(findings: &Findings) -> ExitCode {
    if findings.has_errors() { ExitCode::from(WRONG_FILE) } else { ExitCode::SUCCESS }
}

/// What is said when all are ready: where clients go.
fn welcome(cluster: &Cluster) -> String {
    let first = cluster.nodes.iter().filter(|node| node.table.list("from").is_empty());
    let addresses: Vec<String> =
        first.map(|node| format!("{} at {}", node.name, node.addresses.db())).collect();
    format!("ready; clients reach {}", addresses.join(", "))
}
