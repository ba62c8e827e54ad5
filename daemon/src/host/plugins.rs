//! Finding and loading the plugins that a program was given.

use super::options::PluginSetting;
use crate::settings::{Origin, Origins};
use pylm_plugin_host::{LoadError, PluginSet, Search};
use pylm_protocol::nearest;
use std::path::PathBuf;

/// Why plugins cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PluginsError {
    /// The loader's own sentence.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// Something is set for a plugin that is not there.
    #[error("--set {setting} is for a plugin that is not loaded; {remedy}")]
    NoSuchPlugin {
        /// What was given.
        setting: PluginSetting,
        /// The nearest plugin, or all of them.
        remedy: String,
    },
}

/// Loads plugins in the order given, each with its settings.
///
/// # Errors
/// When a plugin cannot be found or loaded, two have a function of one name, or a setting is for none of them.
pub fn load(
    plugins: &[PathBuf],
    plugin_dirs: &[PathBuf],
    settings: &[PluginSetting],
    origins: &Origins,
) -> Result<PluginSet, PluginsError> {
    let search = Search::from_environment(plugin_dirs.to_vec());
    let mut loaded = Vec::with_capacity(plugins.len());
    for plugin in plugins {
        let origin = match origins.of("plugin") {
            Origin::CommandLine => pylm_plugin_host::Origin::CommandLine,
            _ => pylm_plugin_host::Origin::Configuration,
        };
        let path = search.find(plugin.as_os_str(), origin)?;
        let name = pylm_plugin_host::inspect(&path)?.name;
        let own = settings.iter().filter(|setting| setting.plugin == name);
        let own: Vec<_> = own.map(|setting| (setting.key.clone(), setting.value.clone())).collect();
        loaded.push(pylm_plugin_host::load(&path, &own)?);
    }
    let is_loaded = |setting: &&PluginSetting| loaded.iter().any(|plugin| plugin.name() == setting.plugin);
    if let Some(setting) = settings.iter().find(|setting| !is_loaded(setting)) {
        let names: Vec<&str> = loaded.iter().map(|plugin| plugin.name()).collect();
        let remedy = match nearest(&setting.plugin, names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if names.is_empty() => "name it with --plugin".to_owned(),
            None => format!("the plugins are: {}", names.join(", ")),
        };
        return Err(PluginsError::NoSuchPlugin { setting: setting.clone(), remedy });
    }
    Ok(PluginSet::new(loaded)?)
}
