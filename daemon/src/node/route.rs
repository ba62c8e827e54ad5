//! Route: gives each result its topic. Without a route hook, that is the client it belongs to.

use super::hook;
use super::message::{Identity, Message};
use pylm_plugin_host::{CallError, PluginSet};

/// A result on its way out.
#[derive(Debug)]
pub struct Routed {
    /// The topic that a hook gave it; without one, it goes to its client.
    pub topic: Option<String>,
    /// The result.
    pub message: Message,
}

/// What the route hooks make of a result.
pub fn route(
    plugins: &PluginSet,
    message: Message,
    identity: Identity,
    mut each: impl FnMut(Routed),
) -> Result<(), CallError> {
    if !plugins.has_route() {
        each(Routed { topic: None, message });
        return Ok(());
    }
    for routed in plugins.route(&hook::to_plugin(&message, identity)) {
        let (topic, routed) = routed?;
        let own = *topic == *message.header.client.as_str();
        let topic = (!own).then(|| topic.to_string());
        each(Routed { topic, message: hook::from_plugin(routed, &message, identity) });
    }
    Ok(())
}
