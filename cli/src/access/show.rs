//! What there is to see of a node's grants.

use super::{node_key, wrong};
use crate::failure::{Failure, print};
use pylm_access::store::StateFolder;
use pylm_access::{Date, Grant, Standing};
use serde_json::{Value, json};

/// Lists all grants, in the order of their names. Those that cannot be read are told on standard error.
pub(super) fn list(state: &StateFolder, as_json: bool) -> Result<(), Failure> {
    let mut grants = Vec::new();
    for name in state.names().map_err(wrong)? {
        match state.grant(&name) {
            Ok(grant) => grants.push(grant),
            Err(error) => crate::failure::say(error),
        }
    }
    let now = Date::now();
    if as_json {
        let all: Vec<Value> = grants.iter().map(|grant| to_json(grant, now)).collect();
        return print(format!("{}\n", Value::from(all)).as_bytes());
    }
    let width = grants.iter().map(|grant| grant.name.len()).max().unwrap_or_default();
    let line =
        |grant: &Grant| format!("{:width$}  {:8}  {}\n", grant.name, grant.role.name(), standing(grant, now));
    print(grants.iter().map(line).collect::<String>().as_bytes())
}

/// Shows one grant; or the node's own key and addresses, which anybody may know.
pub(super) fn show(state: &StateFolder, name: Option<&str>) -> Result<(), Failure> {
    let Some(name) = name else {
        let key = node_key(state)?;
        let addresses: String =
            state.addresses().iter().map(|address| format!("address   {address}\n")).collect();
        return print(format!("node-key  {key}\n{addresses}").as_bytes());
    };
    let grant = state.grant(name).map_err(wrong)?;
    let text = grant.to_text().map_err(|error| Failure::Running(error.to_string()))?;
    print(format!("# {}: {}\n{text}", grant.name, standing(&grant, Date::now())).as_bytes())
}

fn standing(grant: &Grant, now: Date) -> String {
    match (grant.standing(now), grant.expires) {
        (Standing::Good, None) => "good".to_owned(),
        (Standing::Good, Some(date)) => format!("good until {date}"),
        (Standing::Expired(date), _) => format!("expired on {date}"),
        (Standing::Revoked(date), _) => format!("revoked on {date}"),
    }
}

fn to_json(grant: &Grant, now: Date) -> Value {
    let standing = match grant.standing(now) {
        Standing::Good => "good",
        Standing::Expired(_) => "expired",
        Standing::Revoked(_) => "revoked",
    };
    json!({
        "name": grant.name,
        "role": grant.role.name(),
        "key": grant.key.to_string(),
        "standing": standing,
        "functions": grant.functions.to_text(),
        "topics": grant.topics.to_text(),
        "cache_read": grant.cache_read.to_text(),
        "cache_write": grant.cache_write.to_text(),
        "expires": grant.expires.map(|date| date.to_string()),
    })
}
