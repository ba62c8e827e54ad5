//! `pylm access`: whom a node lets in at its encrypted door. All of it is files in the node's folder, which a running node reads anew by
//! itself; nothing is said to it.

mod arguments;
mod show;

pub(crate) use arguments::AccessArguments;

use crate::failure::{Failure, print};
use arguments::{AccessAction, GrantArguments, KeyArguments, Limits, NewArguments, StateArguments};
use pylm_access::store::{self, StateFolder};
use pylm_access::{AccessFile, Date, FileError, Globs, Grant, Prefixes, PublicKey, SecretKey};
use pylm_transport::CurveKeyPair;
use std::io;
use std::path::Path;
use std::process::ExitCode;

/// Does what the arguments say.
pub(crate) fn access(arguments: &AccessArguments) -> Result<ExitCode, Failure> {
    match &arguments.action {
        AccessAction::New(arguments) => new(arguments)?,
        AccessAction::Grant(arguments) => grant(arguments)?,
        AccessAction::Key(arguments) => key(arguments)?,
        AccessAction::List(arguments) => show::list(&folder(&arguments.state)?, arguments.json)?,
        AccessAction::Show(arguments) => show::show(&folder(&arguments.state)?, arguments.name.as_deref())?,
        AccessAction::Revoke(arguments) => revoke(&folder(&arguments.state)?, &arguments.name)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn wrong(error: FileError) -> Failure {
    Failure::Usage(error.to_string())
}

/// The node's folder.
fn folder(state: &StateArguments) -> Result<StateFolder, Failure> {
    let folder = state.state_dir.clone().map(StateFolder::at).or_else(|| StateFolder::of_node(&state.node));
    folder.ok_or_else(|| {
        Failure::Usage("say with --state-dir where the node keeps its key and its grants".into())
    })
}

/// Fresh keys.
fn generate() -> io::Result<(PublicKey, SecretKey)> {
    let keys = CurveKeyPair::generate()?;
    Ok((PublicKey::from_bytes(*keys.public.as_bytes()), SecretKey::from_bytes(*keys.secret.as_bytes())))
}

/// The public key that belongs to a secret one.
fn public_of(secret: &SecretKey) -> Result<PublicKey, Failure> {
    let secret = pylm_transport::CurveKey::from_bytes(*secret.as_bytes());
    let keys = CurveKeyPair::from_secret(secret).map_err(Failure::running("cannot use the key"))?;
    Ok(PublicKey::from_bytes(*keys.public.as_bytes()))
}

/// The node's public key; it is made where there is none, so that access can be given before the node runs.
fn node_key(state: &StateFolder) -> Result<PublicKey, Failure> {
    let secret = state.node_key(|| generate().map(|(_, secret)| secret)).map_err(wrong)?;
    public_of(&secret)
}

/// Makes a key, a grant for it, and the file to hand over.
fn new(arguments: &NewArguments) -> Result<(), Failure> {
    let state = folder(&arguments.state)?;
    let addresses = match arguments.address.is_empty() {
        true => state.addresses(),
        false => arguments.address.iter().map(ToString::to_string).collect(),
    };
    if addresses.is_empty() {
        let why = "the node has never told its address here; give it with --address, as in --address tcp://node1.example:5560";
        return Err(Failure::Usage(why.into()));
    }
    let node_key = node_key(&state)?;
    let (public, secret_key) = generate().map_err(Failure::running("cannot make a key"))?;
    let mut grant = Grant::new(&arguments.name, public, arguments.role);
    limit(&mut grant, &arguments.limits);
    let access = AccessFile {
        node: arguments.state.node.clone(),
        name: arguments.name.clone(),
        addresses,
        node_key,
        secret_key,
    };
    // The grant first: its name may be taken.
    state.keep(&grant, false).map_err(wrong)?;
    if let Err(failure) = hand_over(&access, &arguments.output) {
        // Without the file, nobody can use the grant.
        let _ = state.forget(&grant.name);
        return Err(failure);
    }
    Ok(())
}

/// Writes an access file, or prints it where `-` is given.
fn hand_over(access: &AccessFile, output: &Path) -> Result<(), Failure> {
    let text = access.to_text().map_err(|error| Failure::Running(error.to_string()))?;
    if output == Path::new("-") {
        return print(text.as_bytes());
    }
    store::write_secret(output, &text, false).map_err(wrong)
}

/// Grants something to a key that was made elsewhere, or changes what was granted.
fn grant(arguments: &GrantArguments) -> Result<(), Failure> {
    let state = folder(&arguments.state)?;
    let known = state.names().map_err(wrong)?.contains(&arguments.name);
    let mut grant = match (known, arguments.key, arguments.role) {
        (true, _, _) => state.grant(&arguments.name).map_err(wrong)?,
        (false, Some(key), Some(role)) => Grant::new(&arguments.name, key, role),
        (false, ..) => {
            let why = format!("there is no grant {:?} yet; a new one needs --key and --role", arguments.name);
            return Err(Failure::Usage(why));
        }
    };
    if arguments.key.is_some_and(|key| key != grant.key) {
        let why = format!(
            "the grant {:?} is for another key; choose another name, or revoke it first",
            arguments.name
        );
        return Err(Failure::Usage(why));
    }
    grant.role = arguments.role.unwrap_or(grant.role);
    grant.revoked = None;
    limit(&mut grant, &arguments.limits);
    state.keep(&grant, true).map_err(wrong)
}

/// Makes a key where it is to be used; its secret half stays there.
fn key(arguments: &KeyArguments) -> Result<(), Failure> {
    let (public, secret_key) = generate().map_err(Failure::running("cannot make a key"))?;
    let access = AccessFile {
        node: String::new(),
        name: String::new(),
        addresses: vec![arguments.address.to_string()],
        node_key: arguments.node_key,
        secret_key,
    };
    hand_over(&access, &arguments.output)?;
    print(format!("{public}\n").as_bytes())
}

/// Takes back what was granted. The file stays, so that the peer is told why.
fn revoke(state: &StateFolder, name: &str) -> Result<(), Failure> {
    let mut grant = state.grant(name).map_err(wrong)?;
    grant.revoked.get_or_insert(Date::now());
    state.keep(&grant, true).map_err(wrong)
}

/// Puts into a grant what was said of its limits.
fn limit(grant: &mut Grant, limits: &Limits) {
    let given = |list: &[String]| (!list.is_empty()).then(|| list.to_vec());
    let prefixes =
        |list: Vec<String>| Prefixes::new(list.into_iter().filter(|prefix| prefix != "-").collect());
    if let Some(functions) = given(&limits.function) {
        grant.functions = Globs::new(functions);
    }
    if let Some(topics) = given(&limits.topic) {
        grant.topics = Globs::new(topics);
    }
    if let Some(read) = given(&limits.cache_read) {
        grant.cache_read = prefixes(read);
    }
    if let Some(write) = given(&limits.cache_write) {
        grant.cache_write = prefixes(write);
    }
    if !limits.network.is_empty() {
        grant.networks.clone_from(&limits.network);
    }
    grant.most_under_way = limits.most_under_way.or(grant.most_under_way);
    grant.highest_priority = limits.highest_priority.or(grant.highest_priority);
    grant.expires = limits.expires.map(|expires| expires.date(Date::now())).or(grant.expires);
}
