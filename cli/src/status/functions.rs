//! `pylm functions`: the functions of a node, with their hosts.

use super::{look, print};
use crate::arguments::LookArguments;
use crate::failure::Failure;
use serde_json::json;
use std::collections::BTreeMap;
use std::process::ExitCode;

/// Does what the arguments say.
pub(crate) fn functions(arguments: &LookArguments) -> Result<ExitCode, Failure> {
    let (_, node) = look(&arguments.node)?;
    let mut functions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    // Those who follow take results on, and run no function here.
    let offering = node.hosts.iter().filter(|host| !host.away && ["native", "pylm"].contains(&&*host.kind));
    for host in offering {
        match &host.functions {
            Some(names) => names.iter().for_each(|name| functions.entry(name).or_default().push(&host.name)),
            None => functions.entry("*").or_default().push(&host.name),
        }
    }
    for waiting in node.unoffered.iter().filter(|waiting| !waiting.topic) {
        functions.entry(&waiting.name).or_default();
    }
    if arguments.json {
        print(&json!(functions).to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    let line = |(name, hosts): (&&str, &Vec<&str>)| match hosts.as_slice() {
        [] => format!("{name}: nobody offers it"),
        hosts => format!("{name}: {}", hosts.join(", ")),
    };
    print(&functions.iter().map(line).collect::<Vec<_>>().join("\n"))?;
    Ok(ExitCode::SUCCESS)
}
