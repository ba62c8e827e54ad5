//! `pylm cache`: the cache of a node.

use crate::arguments::{CacheAction, CacheArguments};
use crate::failure::{Failure, print};
use crate::job::connect_in;
use std::io::{self, Read};
use std::process::ExitCode;

/// Does what the arguments say.
pub(crate) fn cache(arguments: &CacheArguments) -> Result<ExitCode, Failure> {
    // Read before a connection is made, which need not wait for a slow source.
    let value = match &arguments.action {
        CacheAction::Set { value: Some(value), .. } => value.clone().into_bytes(),
        CacheAction::Set { value: None, .. } => {
            let mut value = Vec::new();
            io::stdin().read_to_end(&mut value).map_err(Failure::running("cannot read standard input"))?;
            value
        }
        _ => Vec::new(),
    };
    let client = connect_in(&arguments.session, &arguments.node)?;
    let cache = client.cache();
    match &arguments.action {
        CacheAction::Get { key } => {
            let value = cache.get(key)?.ok_or_else(|| no_such_key(key))?;
            print(&value)?;
        }
        CacheAction::Set { key, .. } => {
            let chosen = cache.set(key, value)?;
            if chosen != *key {
                print(format!("{chosen}\n").as_bytes())?;
            }
        }
        CacheAction::Delete { key } => {
            if !cache.delete(key)? {
                return Err(no_such_key(key));
            }
        }
    }
    client.close();
    Ok(ExitCode::SUCCESS)
}

fn no_such_key(key: &str) -> Failure {
    Failure::Running(format!("the cache has no key `{key}`"))
}
